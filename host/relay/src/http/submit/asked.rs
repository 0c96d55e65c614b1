//! What a submission says, and the message and envelope it becomes. Pure.

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use baton_message::Message;
use baton_message::compose::{Attachment, Draft};
use baton_message::lines::to_crlf;
use baton_smtp::{Envelope, Mailbox, Parameter, Recipient, ReversePath};
use bytes::Bytes;
use serde::Deserialize;

use super::super::problem::Problem;

/// Addresses of one request.
const ADDRESSES_MAX: usize = 1000;

/// What a request says: either a finished message, or the parts of a new one.
#[derive(Debug, Deserialize)]
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
}

#[derive(Debug, Deserialize)]
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
#[derive(Debug, Default, Deserialize)]
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

/// What the clock and chance contribute to a new message.
pub struct Made {
    pub date: String,
    pub message_id: String,
    pub boundary: String,
}

/// The envelope and the message, with CRLF line ends.
pub fn read(asked: &Asked, made: &Made) -> Result<(Envelope, Bytes), Problem> {
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
        let message = compose(asked, made, needs_utf8(&envelope))?;
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

fn compose(asked: &Asked, made: &Made, utf8: bool) -> Result<Bytes, Problem> {
    let from = asked
        .from
        .as_deref()
        .ok_or(Problem::bad_request("There is no from."))?;
    let mut contents = Vec::new();
    for attachment in &asked.attachments {
        contents.push(base64(&attachment.content_base64, "attachments")?);
    }
    let attachments: Vec<Attachment<'_>> = asked
        .attachments
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
