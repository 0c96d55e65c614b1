//! What a submission says, and the message and envelope it becomes. Pure.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use base64::Engine as _;
use baton_message::Message;
use baton_message::compose::{Attachment, Draft};
use baton_message::lines::to_crlf;
use baton_smtp::{Envelope, Mailbox, Parameter, Recipient, ReversePath};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::super::problem::Problem;
use super::template::{Kind, Templates};
use crate::clock::Timestamp;

/// Addresses of one message.
const ADDRESSES_MAX: usize = 1000;
/// Messages of one request.
const LETTERS_MAX: usize = 1000;
/// How far ahead a message may be asked for.
const SEND_AT_MAX: Duration = Duration::from_secs(30 * 86_400);
/// Filling in all messages of a request.
const FILLING_TIME_MAX: Duration = Duration::from_secs(10);
const TAGS_MAX: usize = 32;
const TAG_KEY_BYTES_MAX: usize = 64;
const TAG_VALUE_BYTES_MAX: usize = 1024;

/// What a request says: either a finished message, or the parts of a new one.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// The message, as text with line ends of any kind, or in base64.
    raw: Option<String>,
    raw_base64: Option<String>,
    /// Who sends it and who gets it, where that is not what the address fields say.
    envelope: Option<AskedEnvelope>,
    /// The same without a level of its own.
    sender: Option<String>,
    #[serde(default)]
    recipients: OneOrMany,
    /// "Name <address>" or an address.
    from: Option<String>,
    #[serde(default)]
    to: OneOrMany,
    #[serde(default)]
    cc: OneOrMany,
    /// In the envelope alone.
    #[serde(default)]
    bcc: OneOrMany,
    reply_to: Option<String>,
    subject: Option<String>,
    text: Option<String>,
    html: Option<String>,
    /// Further fields.
    #[serde(default)]
    headers: Headers,
    #[serde(default)]
    attachments: Vec<AskedAttachment>,
    /// Facts that travel with the message, to plugins and events.
    #[serde(default)]
    tags: BTreeMap<String, String>,
    /// The same for the sender's own use: tags whose names begin with "metadata.".
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    /// No attempt before this time.
    send_at: Option<SendAt>,
    /// Values for the places in subject, text, HTML and further fields: with it, or with `messages`, these are templates.
    substitutions: Option<Map<String, Value>>,
    /// A message each, with recipients and values of its own; what is not said here is that of the request.
    #[serde(default)]
    messages: Vec<AskedMessage>,
}

/// One of several messages of a request.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedMessage {
    #[serde(default)]
    to: OneOrMany,
    #[serde(default)]
    cc: OneOrMany,
    #[serde(default)]
    bcc: OneOrMany,
    #[serde(default)]
    substitutions: Map<String, Value>,
    #[serde(default)]
    headers: Headers,
    #[serde(default)]
    tags: BTreeMap<String, String>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    send_at: Option<SendAt>,
}

/// RFC 3339, or seconds since 1970.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
enum SendAt {
    Text(String),
    Seconds(u64),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedEnvelope {
    /// Empty or absent for the null sender.
    #[serde(default, alias = "sender", alias = "mail_from")]
    from: String,
    #[serde(alias = "recipients", alias = "rcpt_to")]
    to: OneOrMany,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedAttachment {
    filename: String,
    media_type: Option<String>,
    content_base64: String,
    content_id: Option<String>,
}

/// "a" or ["a", "b"].
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(untagged)]
enum OneOrMany {
    #[default]
    None,
    One(String),
    Many(Vec<String>),
}

/// [["X-A", "1"], ...] in this order, or {"X-A": "1", ...}.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Headers {
    Pairs(Vec<(String, String)>),
    Map(BTreeMap<String, String>),
}

impl Default for Headers {
    fn default() -> Headers {
        Headers::Pairs(Vec::new())
    }
}

impl Headers {
    /// These, and those of one message after them, which take the place of those of the same name.
    fn with(&self, own: Option<&Headers>) -> Headers {
        let own = own.map(Headers::pairs).unwrap_or_default();
        let is_own = |name: &str| {
            own.iter()
                .any(|(known, _)| known.eq_ignore_ascii_case(name))
        };
        let mut all = self.pairs();
        all.retain(|(name, _)| !is_own(name));
        all.extend(&own);
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Headers::Pairs(all.into_iter().map(owned).collect())
    }

    fn fill(&mut self, templates: &Templates, values: &minijinja::Value) -> Result<(), String> {
        if let Headers::Pairs(pairs) = self {
            for (name, value) in pairs {
                *value = templates.fill(name, value, Kind::Plain, values)?;
            }
        }
        Ok(())
    }

    fn pairs(&self) -> Vec<(&str, &str)> {
        match self {
            Headers::Pairs(pairs) => pairs
                .iter()
                .map(|(n, v)| (n.as_str(), v.as_str()))
                .collect(),
            Headers::Map(map) => map.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect(),
        }
    }
}

impl OneOrMany {
    fn texts(&self) -> Vec<&str> {
        match self {
            OneOrMany::None => Vec::new(),
            OneOrMany::One(text) => vec![text],
            OneOrMany::Many(texts) => texts.iter().map(String::as_str).collect(),
        }
    }
}

/// The messages that a request asks for.
pub struct Letters {
    asked: Asked,
    templates: Templates,
}

/// One of them, with all but what clock and chance contribute.
pub struct Letter {
    asked: Asked,
    pub tags: Vec<(String, String)>,
    /// In milliseconds since 1970.
    pub send_at_ms: Option<u64>,
}

impl Asked {
    fn is_raw(&self) -> bool {
        self.raw.is_some() || self.raw_base64.is_some()
    }
}

impl Letters {
    /// The error is the first mistake in any of them: then none is sent.
    pub fn new(asked: Asked, now: Timestamp) -> Result<Letters, Problem> {
        if asked.messages.len() > LETTERS_MAX {
            let problem = format!("At most {LETTERS_MAX} messages.");
            return Err(Problem::bad_request(problem));
        }
        let is_list = !asked.messages.is_empty();
        let own = [&asked.to, &asked.cc, &asked.bcc, &asked.recipients];
        if is_list && (own.iter().any(|list| !list.texts().is_empty()) || asked.envelope.is_some())
        {
            let problem = "With messages, each of them has recipients of its own.";
            return Err(Problem::bad_request(problem));
        }
        let letters = Letters {
            asked,
            templates: Templates::new(),
        };
        let began = Instant::now();
        for number in 0..letters.count() {
            if began.elapsed() > FILLING_TIME_MAX {
                return Err(Problem::bad_request("The templates take too long."));
            }
            let letter = letters.letter(number, now);
            if is_list {
                letter
                    .and_then(|letter| envelope(&letter.asked, None))
                    .map_err(|problem| problem.of(&format!("messages[{number}]")))?;
            } else {
                letter?;
            }
        }
        Ok(letters)
    }

    pub fn is_list(&self) -> bool {
        !self.asked.messages.is_empty()
    }

    pub fn count(&self) -> usize {
        self.asked.messages.len().max(1)
    }

    /// That one, filled in.
    pub fn letter(&self, number: usize, now: Timestamp) -> Result<Letter, Problem> {
        let asked = &self.asked;
        let own = asked.messages.get(number);
        let mut filled = Asked {
            raw: asked.raw.clone(),
            raw_base64: asked.raw_base64.clone(),
            envelope: asked.envelope.clone(),
            sender: asked.sender.clone(),
            recipients: asked.recipients.clone(),
            from: asked.from.clone(),
            to: own.map_or(&asked.to, |own| &own.to).clone(),
            cc: own.map_or(&asked.cc, |own| &own.cc).clone(),
            bcc: own.map_or(&asked.bcc, |own| &own.bcc).clone(),
            reply_to: asked.reply_to.clone(),
            subject: asked.subject.clone(),
            text: asked.text.clone(),
            html: asked.html.clone(),
            headers: asked.headers.with(own.map(|own| &own.headers)),
            ..Asked::default()
        };
        let is_template = own.is_some() || asked.substitutions.is_some();
        if is_template && asked.is_raw() {
            return Err(Problem::bad_request("A raw message is no template."));
        }
        if is_template {
            let mut values = asked.substitutions.clone().unwrap_or_default();
            values.extend(own.iter().flat_map(|own| own.substitutions.clone()));
            let values = minijinja::Value::from(minijinja::value::Serde(values));
            let fill = |key: &str, text: &mut Option<String>, kind: Kind| match text {
                Some(place) => {
                    *place = self.templates.fill(key, place, kind, &values)?;
                    Ok(())
                }
                None => Ok::<(), String>(()),
            };
            let done = fill("subject", &mut filled.subject, Kind::Plain)
                .and_then(|()| fill("text", &mut filled.text, Kind::Plain))
                .and_then(|()| fill("html", &mut filled.html, Kind::Html))
                .and_then(|()| filled.headers.fill(&self.templates, &values));
            done.map_err(|text| Problem::bad_request(format!("The template: {text}.")))?;
        }
        let mut tags = asked.tags.clone();
        let mut metadata = asked.metadata.clone();
        tags.extend(own.iter().flat_map(|own| own.tags.clone()));
        metadata.extend(own.iter().flat_map(|own| own.metadata.clone()));
        let metadata = metadata.into_iter();
        tags.extend(metadata.map(|(key, value)| (format!("metadata.{key}"), value)));
        check_tags(&tags)?;
        let send_at = own.and_then(|own| own.send_at.as_ref());
        let send_at = send_at.or(asked.send_at.as_ref());
        Ok(Letter {
            asked: filled,
            tags: tags.into_iter().collect(),
            send_at_ms: send_at.map(|at| at.read(now)).transpose()?,
        })
    }

    /// The envelope and the message of a letter, with CRLF line ends.
    pub fn compose(&self, letter: &Letter, made: &Made) -> Result<(Envelope, Bytes), Problem> {
        read(&letter.asked, &self.asked.attachments, made)
    }
}

impl SendAt {
    /// In milliseconds since 1970.
    fn read(&self, now: Timestamp) -> Result<u64, Problem> {
        let at = match self {
            SendAt::Seconds(seconds) => Some(seconds.saturating_mul(1000)),
            SendAt::Text(text) => Timestamp::parse_rfc3339(text).map(Timestamp::as_millis),
        };
        let at = at.ok_or(Problem::bad_request(
            "send_at is a time of RFC 3339, such as 2026-01-31T08:00:00Z, or seconds since 1970.",
        ))?;
        if at > now.plus(SEND_AT_MAX).as_millis() {
            let days = SEND_AT_MAX.as_secs() / 86_400;
            let problem = format!("send_at is more than {days} days ahead.");
            return Err(Problem::bad_request(problem));
        }
        Ok(at)
    }
}

/// The limits that plugins have too.
fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), Problem> {
    let of_size = |(key, value): (&String, &String)| {
        !key.is_empty() && key.len() <= TAG_KEY_BYTES_MAX && value.len() <= TAG_VALUE_BYTES_MAX
    };
    if tags.len() <= TAGS_MAX && tags.iter().all(of_size) {
        return Ok(());
    }
    Err(Problem::bad_request(format!(
        "At most {TAGS_MAX} tags and metadata together, names of {TAG_KEY_BYTES_MAX} bytes and values of {TAG_VALUE_BYTES_MAX}."
    )))
}

/// What the clock and chance contribute to a new message.
pub struct Made {
    pub date: String,
    pub message_id: String,
    pub boundary: String,
}

/// The envelope and the message, with CRLF line ends.
fn read(
    asked: &Asked,
    attachments: &[AskedAttachment],
    made: &Made,
) -> Result<(Envelope, Bytes), Problem> {
    let raw = match (&asked.raw, &asked.raw_base64) {
        (Some(_), Some(_)) => {
            return Err(Problem::bad_request("There are both raw and raw_base64."));
        }
        (Some(text), None) => Some(raw_bytes(text)),
        (None, Some(text)) => Some(base64(text, "raw_base64")?.into()),
        (None, None) => None,
    };
    let Some(raw) = raw else {
        let mut envelope = envelope(asked, None)?;
        let message = compose(asked, attachments, made, needs_utf8(&envelope))?;
        add_parameters(&mut envelope, &message);
        return Ok((envelope, message));
    };
    if asked.text.is_some() || asked.html.is_some() || asked.subject.is_some() {
        let problem = "A raw message has its own subject and text.";
        return Err(Problem::bad_request(problem));
    }
    let message = Message::parse(to_crlf(raw));
    let mut envelope = envelope(asked, Some(&message))?;
    add_parameters(&mut envelope, message.bytes());
    Ok((envelope, message.bytes().clone()))
}

/// A message has a colon in its first line, and base64 has none anywhere.
fn raw_bytes(text: &str) -> Bytes {
    if !text.contains(':') {
        let packed: String = text.split_ascii_whitespace().collect();
        if let Ok(bytes) = base64::engine::general_purpose::STANDARD.decode(&packed) {
            return bytes.into();
        }
    }
    Bytes::copy_from_slice(text.as_bytes())
}

/// The envelope that is given, or what the address fields say: those of the request, else those of the message.
fn envelope(asked: &Asked, message: Option<&Message>) -> Result<Envelope, Problem> {
    let field = |name: &str| message.and_then(|message| message.header(name));
    let given = asked.envelope.as_ref();
    let sender: Option<Cow<'_, str>> = given
        .map(|envelope| envelope.from.as_str())
        .or(asked.sender.as_deref())
        .or(asked.from.as_deref().map(address_of))
        .map(Cow::Borrowed)
        .or_else(|| field("From").map(|text| Cow::Owned(address_of(&text).to_owned())));
    let sender = sender.ok_or(Problem::bad_request("There is no from."))?;
    let mut recipients: Vec<Cow<'_, str>> = match given {
        Some(envelope) => borrowed(envelope.to.texts()),
        None => borrowed(asked.recipients.texts()),
    };
    if recipients.is_empty() {
        let lists = [&asked.to, &asked.cc, &asked.bcc];
        recipients = borrowed(lists.iter().flat_map(|list| list.texts()));
    }
    if recipients.is_empty() {
        let fields = ["To", "Cc"].into_iter().filter_map(field);
        let texts = fields.flat_map(|text| text.split(',').map(str::to_owned).collect::<Vec<_>>());
        recipients = texts.map(Cow::Owned).collect();
    }
    if recipients.is_empty() {
        return Err(Problem::bad_request("There is no recipient."));
    }
    if recipients.len() > ADDRESSES_MAX {
        let problem = format!("At most {ADDRESSES_MAX} recipients.");
        return Err(Problem::bad_request(problem));
    }
    let sender: ReversePath = sender
        .parse()
        .map_err(|e| Problem::bad_request(format!("The sender {sender:?}: {e}.")))?;
    let mut envelope = Envelope::new(sender);
    for text in recipients {
        let mailbox = Mailbox::parse(address_of(&text))
            .map_err(|e| Problem::bad_request(format!("The recipient {text:?}: {e}.")))?;
        if !envelope
            .recipients
            .iter()
            .any(|known| known.address == mailbox)
        {
            envelope.recipients.push(Recipient::new(mailbox));
        }
    }
    Ok(envelope)
}

fn borrowed<'a>(texts: impl IntoIterator<Item = &'a str>) -> Vec<Cow<'a, str>> {
    texts.into_iter().map(Cow::Borrowed).collect()
}

/// The address in "Name <address>".
fn address_of(text: &str) -> &str {
    match text
        .trim()
        .strip_suffix('>')
        .and_then(|rest| rest.rsplit_once('<'))
    {
        Some((_, address)) => address.trim(),
        None => text.trim(),
    }
}

fn needs_utf8(envelope: &Envelope) -> bool {
    !envelope.sender.is_ascii() || envelope.recipients.iter().any(|r| !r.address.is_ascii())
}

/// What a client of SMTP would have declared of these bytes (RFC 6152, RFC 6531).
fn add_parameters(envelope: &mut Envelope, message: &[u8]) {
    let header_bytes = memchr::memmem::find(message, b"\r\n\r\n").unwrap_or(message.len());
    let utf8 = needs_utf8(envelope) || !message[..header_bytes].is_ascii();
    if !message.is_ascii() {
        envelope
            .parameters
            .extend(Parameter::new("BODY", Some("8BITMIME")));
    }
    if utf8 {
        envelope.parameters.extend(Parameter::new("SMTPUTF8", None));
    }
}

fn compose(
    asked: &Asked,
    attachments: &[AskedAttachment],
    made: &Made,
    utf8: bool,
) -> Result<Bytes, Problem> {
    let from = asked
        .from
        .as_deref()
        .ok_or(Problem::bad_request("There is no from."))?;
    let mut contents = Vec::new();
    for attachment in attachments {
        contents.push(base64(&attachment.content_base64, "attachments")?);
    }
    let attachments: Vec<Attachment<'_>> = attachments
        .iter()
        .zip(&contents)
        .map(|(attachment, content)| Attachment {
            filename: &attachment.filename,
            media_type: attachment
                .media_type
                .as_deref()
                .unwrap_or("application/octet-stream"),
            content,
            content_id: attachment.content_id.as_deref(),
        })
        .collect();
    let headers = asked.headers.pairs();
    let draft = Draft {
        from,
        to: &asked.to.texts(),
        cc: &asked.cc.texts(),
        reply_to: asked.reply_to.as_deref(),
        subject: asked.subject.as_deref().unwrap_or(""),
        text: asked.text.as_deref(),
        html: asked.html.as_deref(),
        attachments: &attachments,
        headers: &headers,
        date: &made.date,
        message_id: &made.message_id,
        boundary: &made.boundary,
        utf8,
    };
    draft
        .compose()
        .map_err(|e| Problem::bad_request(format!("The message cannot be made: {e}.")))
}

fn base64(text: &str, key: &'static str) -> Result<Vec<u8>, Problem> {
    base64::engine::general_purpose::STANDARD
        .decode(text.trim())
        .map_err(|e| Problem::bad_request(format!("{key} is not base64: {e}.")))
}
