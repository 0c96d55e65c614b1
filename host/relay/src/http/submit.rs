//! `POST /api/v1/messages`: a message as bytes with an envelope, or as sender, recipients, subject and texts. It goes through
//! the same plugins as mail over SMTP, and the answer comes after it is durable.

use std::net::SocketAddr;

use axum::Json;
use axum::extract::{ConnectInfo, Extension, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use baton_message::compose::{Attachment, Draft};
use baton_message::lines::to_crlf;
use baton_smtp::{Envelope, Mailbox, Parameter, Recipient, Reply, ReversePath};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use super::guard::Account;
use super::problem::Problem;
use super::{Submission, Submitted};
use crate::clock;

/// Addresses of one request.
const ADDRESSES_MAX: usize = 1000;

/// What a request says. Either `raw` or `raw_base64`, or the parts of a new message.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// The message; line ends of any kind.
    raw: Option<String>,
    raw_base64: Option<String>,
    /// Who sends it and who gets it, where that is not what the fields say.
    envelope: Option<AskedEnvelope>,
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
    /// Further fields, in order.
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    attachments: Vec<AskedAttachment>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedEnvelope {
    /// Empty or absent for the null sender.
    #[serde(default)]
    from: String,
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

impl OneOrMany {
    fn texts(&self) -> Vec<&str> {
        match self {
            OneOrMany::None => Vec::new(),
            OneOrMany::One(text) => vec![text],
            OneOrMany::Many(texts) => texts.iter().map(String::as_str).collect(),
        }
    }
}

pub async fn submit(
    State(parts): State<super::State>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Extension(account): Extension<Account>,
    asked: Result<Json<Asked>, axum::extract::rejection::JsonRejection>,
) -> Result<Response, Problem> {
    let Json(asked) = asked.map_err(|e| Problem::new(e.status(), e.body_text()))?;
    let made = Made {
        date: clock::now().rfc5322(),
        message_id: format!("{:032x}@{}", rand::random::<u128>(), parts.hostname),
        boundary: format!("{:016x}", rand::random::<u64>()),
    };
    let (envelope, message) = read(&asked, &made)?;
    let submission = Submission {
        peer,
        account: account.0,
        envelope,
        message,
    };
    let submitted = (parts.submit)(submission).await.map_err(refused)?;
    Ok(answer(&submitted))
}

/// What the clock and chance contribute to a new message.
struct Made {
    date: String,
    message_id: String,
    boundary: String,
}

fn read(asked: &Asked, made: &Made) -> Result<(Envelope, Bytes), Problem> {
    let raw = match (&asked.raw, &asked.raw_base64) {
        (Some(_), Some(_)) => {
            return Err(Problem::bad_request("There are both raw and raw_base64."));
        }
        (Some(text), None) => Some(Bytes::copy_from_slice(text.as_bytes())),
        (None, Some(text)) => Some(base64(text, "raw_base64")?.into()),
        (None, None) => None,
    };
    let mut envelope = envelope(asked)?;
    let message = match raw {
        Some(raw) => {
            if asked.text.is_some() || asked.html.is_some() || asked.subject.is_some() {
                return Err(Problem::bad_request(
                    "A raw message has its own subject and text.",
                ));
            }
            to_crlf(raw)
        }
        None => compose(asked, made, needs_utf8(&envelope))?,
    };
    add_parameters(&mut envelope, &message);
    Ok((envelope, message))
}

/// The envelope that is given, or what the address fields say.
fn envelope(asked: &Asked) -> Result<Envelope, Problem> {
    let (sender, recipients) = match &asked.envelope {
        Some(envelope) => (envelope.from.as_str(), envelope.to.texts()),
        None => {
            let sender = asked
                .from
                .as_deref()
                .ok_or(Problem::bad_request("There is no from."))?;
            let lists = [&asked.to, &asked.cc, &asked.bcc];
            (
                address_of(sender),
                lists
                    .iter()
                    .flat_map(|list| list.texts())
                    .map(address_of)
                    .collect(),
            )
        }
    };
    if recipients.is_empty() {
        return Err(Problem::bad_request("There is no recipient."));
    }
    if recipients.len() > ADDRESSES_MAX {
        return Err(Problem::bad_request(format!(
            "At most {ADDRESSES_MAX} recipients."
        )));
    }
    let sender: ReversePath = sender
        .parse()
        .map_err(|e| Problem::bad_request(format!("The sender {sender:?}: {e}.")))?;
    let mut envelope = Envelope::new(sender);
    for text in recipients {
        let mailbox = Mailbox::parse(text)
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
    let headers: Vec<(&str, &str)> = asked
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
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

fn answer(submitted: &Submitted) -> Response {
    let state = match submitted {
        Submitted { ids, .. } if ids.is_empty() => "discarded",
        Submitted { held: Some(_), .. } => "held",
        Submitted { .. } => "queued",
    };
    let id = submitted.id.to_string();
    let ids: Vec<_> = submitted.ids.iter().map(ToString::to_string).collect();
    let body = json!({ "id": id, "ids": ids, "state": state, "why": submitted.held });
    let mut response = (StatusCode::CREATED, Json(body)).into_response();
    if let Ok(place) = HeaderValue::try_from(format!("/api/v1/messages/{id}")) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}

fn refused(reply: Reply) -> Problem {
    let (status, detail) = match reply.code() {
        452 => (
            StatusCode::INSUFFICIENT_STORAGE,
            "There is no room for it now.",
        ),
        552 => (StatusCode::PAYLOAD_TOO_LARGE, "The message is too large."),
        _ if reply.is_transient() => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The message is refused for now.",
        ),
        _ => (StatusCode::UNPROCESSABLE_ENTITY, "The message is refused."),
    };
    Problem::new(status, detail).with_reply(reply.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(json: serde_json::Value) -> Result<(Envelope, String), Problem> {
        let asked: Asked = serde_json::from_value(json).unwrap();
        let made = Made {
            date: "Sat, 22 Nov 2025 10:10:00 +0000".into(),
            message_id: "id@relay.example".into(),
            boundary: "b".into(),
        };
        let (envelope, message) = read(&asked, &made)?;
        Ok((envelope, String::from_utf8(message.to_vec()).unwrap()))
    }

    fn recipients(envelope: &Envelope) -> Vec<String> {
        envelope
            .recipients
            .iter()
            .map(|r| r.address.to_string())
            .collect()
    }

    #[test]
    fn a_message_is_made_of_its_parts() {
        let (envelope, message) = parsed(json!({
            "from": "Ann <ann@example.net>", "to": "bob@example.org", "cc": ["Carl <carl@example.org>"],
            "bcc": ["dora@example.org", "bob@example.org"], "subject": "Hi", "text": "Hello\nyou",
        }))
        .unwrap();
        assert_eq!(envelope.sender.to_string(), "<ann@example.net>");
        assert_eq!(
            recipients(&envelope),
            ["bob@example.org", "carl@example.org", "dora@example.org"]
        );
        assert!(
            message.contains("From: Ann <ann@example.net>\r\n"),
            "{message}"
        );
        assert!(message.contains("Subject: Hi\r\n"), "{message}");
        assert!(message.contains("\r\n\r\nHello\r\nyou"), "{message}");
        assert!(!message.contains("dora"), "{message}");
    }

    #[test]
    fn a_raw_message_gets_the_line_ends_of_the_wire() {
        let (envelope, message) = parsed(json!({
            "raw": "Subject: x\n\nbody\r\nend", "envelope": { "from": "", "to": ["a@example.net"] },
        }))
        .unwrap();
        assert!(envelope.sender.is_null());
        assert_eq!(message, "Subject: x\r\n\r\nbody\r\nend");
        let (_, message) = parsed(json!({
            "raw_base64": "U3ViamVjdDogeA0KDQpiDQo=", "from": "a@example.net", "to": "b@example.net",
        }))
        .unwrap();
        assert_eq!(message, "Subject: x\r\n\r\nb\r\n");
    }

    #[test]
    fn what_the_bytes_need_is_declared() {
        let (envelope, _) = parsed(json!({
            "raw": "Subject: x\n\nbödy\n", "from": "a@example.net", "to": "b@example.net",
        }))
        .unwrap();
        assert_eq!(envelope.body().as_str(), "8BITMIME");
        assert!(!envelope.smtputf8());
        let (envelope, _) = parsed(json!({
            "raw": "Subject: ä\n\nbody\n", "from": "a@example.net", "to": "b@example.net",
        }))
        .unwrap();
        assert!(envelope.smtputf8());
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_reason() {
        for json in [
            json!({ "to": "a@example.net", "text": "x" }),
            json!({ "from": "a@example.net", "text": "x" }),
            json!({ "from": "nobody", "to": "a@example.net" }),
            json!({ "from": "a@example.net", "to": "b@" }),
            json!({ "raw": "x", "raw_base64": "eA==", "from": "a@example.net", "to": "b@example.net" }),
            json!({ "raw_base64": "%", "from": "a@example.net", "to": "b@example.net" }),
            json!({ "raw": "x", "subject": "y", "from": "a@example.net", "to": "b@example.net" }),
            json!({ "from": "a@example.net", "to": "b@example.net", "headers": [["X-A", "1\r\nB: 2"]] }),
            json!({ "from": "a@example.net\r\nBcc: x@example.net", "to": "b@example.net" }),
        ] {
            assert!(parsed(json.clone()).is_err(), "{json}");
        }
    }
}
