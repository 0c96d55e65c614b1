//! How a case says what a hook is told, and how what came of it is said: mirrors in JSON of this crate's types, in the
//! words of the contract with `_` for `-`.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use baton_message::Message;
use baton_message::lines::to_crlf;
use baton_smtp::{EnhancedStatus, Envelope, Mailbox, Parameter, Recipient, ReversePath};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::delivery::{
    Advice, Disposition, Report, ReportKind, Route, Scope, Stage, TlsDemand, Translation,
};
use crate::facts::{Attempt, RemoteReply, Session};
use crate::services::{HttpRequest, HttpResponse};

/// Why a case cannot be understood.
pub(super) type Mistake = String;

/// Text as one string, or as lines without their ends.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum Text {
    Whole(String),
    Lines(Vec<String>),
}

impl Text {
    /// As a message has it: CRLF at the end of each line.
    pub fn crlf(&self) -> Bytes {
        to_crlf(match self {
            Text::Whole(text) => text.clone().into(),
            Text::Lines(lines) => lines
                .iter()
                .flat_map(|l| [l, "\r\n"])
                .collect::<String>()
                .into(),
        })
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct SessionWords {
    id: Option<String>,
    listener: Option<String>,
    peer_ip: Option<String>,
    peer_name: Option<String>,
    helo: Option<String>,
    tls: Option<String>,
    account: Option<String>,
}

impl SessionWords {
    pub fn read(&self) -> Result<Session, Mistake> {
        let ip = match &self.peer_ip {
            Some(text) => text
                .parse()
                .map_err(|_| format!("{text:?} is no IP address"))?,
            None => IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)),
        };
        let or = |given: &Option<String>, else_: &str| given.as_deref().unwrap_or(else_).to_owned();
        let mut session = Session::new(or(&self.id, "session"), or(&self.listener, "smtp"), ip);
        session.peer_name = self.peer_name.as_deref().map(Into::into);
        session.helo = self.helo.as_deref().map(Into::into);
        session.tls = self.tls.as_deref().map(Into::into);
        session.account = self.account.as_deref().map(Into::into);
        Ok(session)
    }
}

/// An address, or one with parameters.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(super) enum RecipientWords {
    Address(String),
    Full(FullRecipient),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FullRecipient {
    address: String,
    #[serde(default)]
    parameters: BTreeMap<String, Option<String>>,
}

impl RecipientWords {
    pub fn read(&self) -> Result<Recipient, Mistake> {
        Ok(match self {
            RecipientWords::Address(text) => Recipient::new(mailbox(text)?),
            RecipientWords::Full(full) => {
                let mut recipient = Recipient::new(mailbox(&full.address)?);
                recipient.parameters = parameters(&full.parameters)?;
                recipient
            }
        })
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct EnvelopeWords {
    sender: Option<String>,
    parameters: BTreeMap<String, Option<String>>,
    recipients: Vec<RecipientWords>,
}

impl EnvelopeWords {
    /// What the From and To fields say, where nobody said more.
    pub fn of_message(message: &Bytes) -> EnvelopeWords {
        let message = Message::parse(message.clone());
        let found = |name: &str| -> Vec<String> {
            let field = message.header(name).unwrap_or_default();
            field
                .split([',', ' ', '<', '>', '\t', ';'])
                .filter(|word| word.contains('@') && Mailbox::parse(word).is_ok())
                .map(str::to_owned)
                .collect()
        };
        EnvelopeWords {
            sender: found("From").into_iter().next(),
            parameters: BTreeMap::new(),
            recipients: found("To")
                .into_iter()
                .map(RecipientWords::Address)
                .collect(),
        }
    }

    pub fn read(&self) -> Result<Envelope, Mistake> {
        let mut envelope = Envelope::new(path(self.sender.as_deref())?);
        envelope.parameters = parameters(&self.parameters)?;
        envelope.recipients = self
            .recipients
            .iter()
            .map(RecipientWords::read)
            .collect::<Result<_, _>>()?;
        Ok(envelope)
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CredentialWords {
    #[serde(default = "plain")]
    pub mechanism: String,
    pub identity: String,
    pub secret: String,
}

fn plain() -> String {
    "PLAIN".into()
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct AttemptWords {
    message: Option<String>,
    sender: Option<String>,
    account: Option<String>,
    recipient: Option<String>,
    site: Option<String>,
    host: Option<String>,
    egress: Option<String>,
    number: Option<u32>,
    age: Option<f64>,
}

impl AttemptWords {
    pub fn read(&self) -> Result<Attempt, Mistake> {
        let recipient = mailbox(self.recipient.as_deref().unwrap_or("recipient@example.com"))?;
        let age = self.age.unwrap_or(0.0);
        Ok(Attempt {
            message: self.message.as_deref().unwrap_or("message").into(),
            sender: path(self.sender.as_deref())?,
            account: self.account.as_deref().map(Into::into),
            site: match &self.site {
                Some(site) => site.as_str().into(),
                None => recipient.domain().as_str().into(),
            },
            recipient,
            host: self.host.as_deref().map(Into::into),
            egress: self.egress.as_deref().map(Into::into),
            number: self.number.unwrap_or(1),
            age: Duration::try_from_secs_f64(age)
                .map_err(|_| format!("an age of {age} seconds cannot be"))?,
        })
    }
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct ReplyWords {
    code: u16,
    status: Option<String>,
    text: String,
}

impl ReplyWords {
    pub fn read(&self) -> Result<RemoteReply, Mistake> {
        let status = self.status.as_deref().filter(|text| !text.is_empty());
        Ok(RemoteReply {
            code: self.code,
            status: status.map(enhanced).transpose()?,
            text: self.text.as_str().into(),
        })
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TranslationWords {
    disposition: String,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    scope: Option<String>,
    #[serde(default)]
    advice: Option<String>,
    #[serde(default)]
    advice_seconds: Option<u64>,
    #[serde(default)]
    explanation: String,
    #[serde(default)]
    confidence: Option<f64>,
    #[serde(default)]
    rule: String,
}

impl TranslationWords {
    fn read(&self) -> Result<Translation, Mistake> {
        let lasts = self.advice_seconds.map(Duration::from_secs);
        let advice = match self.advice.as_deref() {
            None | Some("none") => Advice::None,
            Some("suppress") => Advice::Suppress,
            Some("retry") => Advice::Retry(lasts),
            Some("back-off") => Advice::BackOff(lasts.unwrap_or_default()),
            Some("suspend") => Advice::Suspend(lasts.unwrap_or_default()),
            Some("rotate-egress") => Advice::RotateEgress,
            Some(other) => return Err(format!("{other:?} is no advice")),
        };
        Ok(Translation {
            disposition: word(&DISPOSITIONS, &self.disposition, "disposition")?,
            reason: self.reason.clone(),
            scope: word(
                &SCOPES,
                self.scope.as_deref().unwrap_or("recipient"),
                "scope",
            )?,
            advice,
            explanation: self.explanation.clone(),
            confidence: self.confidence.unwrap_or(1.0),
            rule: self.rule.clone(),
        })
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReportWords {
    kind: String,
    #[serde(default)]
    recipient: Option<String>,
    #[serde(default)]
    original_recipient: Option<String>,
    #[serde(default)]
    reply: Option<ReplyWords>,
    #[serde(default)]
    remote_host: Option<String>,
    #[serde(default)]
    translation: Option<TranslationWords>,
    #[serde(default)]
    feedback_type: Option<String>,
    #[serde(default)]
    original_message_id: Option<String>,
}

impl ReportWords {
    pub fn read(&self) -> Result<Report, Mistake> {
        Ok(Report {
            kind: word(&KINDS, &self.kind, "kind of report")?,
            recipient: self.recipient.clone(),
            original_recipient: self.original_recipient.clone(),
            reply: self.reply.as_ref().map(ReplyWords::read).transpose()?,
            remote_host: self.remote_host.clone(),
            translation: self
                .translation
                .as_ref()
                .map(TranslationWords::read)
                .transpose()?,
            feedback_type: self.feedback_type.clone(),
            original_message_id: self.original_message_id.clone(),
        })
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestWords {
    #[serde(default = "get")]
    method: String,
    url: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
}

fn get() -> String {
    "GET".into()
}

impl RequestWords {
    pub fn read(&self) -> HttpRequest {
        HttpRequest {
            method: self.method.clone(),
            url: self.url.clone(),
            headers: self.headers.clone().into_iter().collect(),
            body: self.body.clone().into(),
        }
    }
}

pub(super) const STAGES: [(&str, Stage); 10] = [
    ("dns", Stage::Dns),
    ("connect", Stage::Connect),
    ("greeting", Stage::Greeting),
    ("ehlo", Stage::Ehlo),
    ("tls", Stage::Tls),
    ("auth", Stage::Auth),
    ("mail-from", Stage::MailFrom),
    ("rcpt-to", Stage::RcptTo),
    ("data", Stage::Data),
    ("end-of-data", Stage::EndOfData),
];

const DISPOSITIONS: [(&str, Disposition); 5] = [
    ("hard", Disposition::Hard),
    ("soft", Disposition::Soft),
    ("block", Disposition::Block),
    ("admin", Disposition::Admin),
    ("undetermined", Disposition::Undetermined),
];

const SCOPES: [(&str, Scope); 6] = [
    ("recipient", Scope::Recipient),
    ("domain", Scope::Domain),
    ("sender", Scope::Sender),
    ("egress", Scope::Egress),
    ("content", Scope::Content),
    ("connection", Scope::Connection),
];

const KINDS: [(&str, ReportKind); 5] = [
    ("bounce", ReportKind::Bounce),
    ("delay", ReportKind::Delay),
    ("delivered", ReportKind::Delivered),
    ("complaint", ReportKind::Complaint),
    ("auto-reply", ReportKind::AutoReply),
];

/// What a word means; the mistake lists the words there are.
pub(super) fn word<T: Copy>(words: &[(&str, T)], given: &str, what: &str) -> Result<T, Mistake> {
    let found = words.iter().find(|(word, _)| *word == given);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        format!("{given:?} is no {what}; there are {}", known.join(", "))
    })
}

pub(super) fn mailbox(text: &str) -> Result<Mailbox, Mistake> {
    Mailbox::parse(text).map_err(|e| format!("{text:?} is no address: {e}"))
}

fn path(text: Option<&str>) -> Result<ReversePath, Mistake> {
    let text = text.unwrap_or_default();
    text.parse()
        .map_err(|e| format!("{text:?} is no sender: {e}"))
}

fn enhanced(text: &str) -> Result<EnhancedStatus, Mistake> {
    text.parse()
        .map_err(|_| format!("{text:?} is no status such as 5.1.1"))
}

fn parameters(given: &BTreeMap<String, Option<String>>) -> Result<Vec<Parameter>, Mistake> {
    given
        .iter()
        .map(|(keyword, value)| {
            Parameter::new(keyword, value.as_deref())
                .ok_or_else(|| format!("{keyword:?} with {value:?} is no parameter"))
        })
        .collect()
}

/// A translation, as `baton plugin run` prints it too.
pub fn translation(found: &Translation) -> Value {
    let seconds = match found.advice {
        Advice::Retry(after) => after.map(|after| after.as_secs()),
        Advice::BackOff(lasts) | Advice::Suspend(lasts) => Some(lasts.as_secs()),
        _ => None,
    };
    json!({
        "disposition": found.disposition.name(),
        "reason": found.reason,
        "scope": found.scope.name(),
        "advice": found.advice.name(),
        "advice_seconds": seconds,
        "explanation": found.explanation,
        "confidence": found.confidence,
        "rule": found.rule,
    })
}

pub(super) fn report(found: &Report) -> Value {
    let kind = KINDS.iter().find(|(_, kind)| *kind == found.kind);
    json!({
        "kind": kind.map(|(word, _)| *word),
        "recipient": found.recipient,
        "original_recipient": found.original_recipient,
        "reply": found.reply.as_ref().map(|reply| json!({
            "code": reply.code,
            "status": reply.status.map(|status| status.to_string()),
            "text": &*reply.text,
        })),
        "remote_host": found.remote_host,
        "translation": found.translation.as_ref().map(translation),
        "feedback_type": found.feedback_type,
        "original_message_id": found.original_message_id,
    })
}

pub(super) fn route(found: &Route) -> Value {
    let tls = found.tls.map(|tls| match tls {
        TlsDemand::Never => "never",
        TlsDemand::May => "may",
        TlsDemand::Encrypt => "encrypt",
        TlsDemand::Verify => "verify",
    });
    json!({
        "next_hop": found.next_hop.as_ref().map(ToString::to_string),
        "port": found.port,
        "egress_pool": found.egress_pool,
        "queue": found.queue,
        "priority": found.priority,
        "tls": tls,
    })
}

pub(super) fn response(found: &HttpResponse) -> Value {
    json!({
        "status": found.status,
        "headers": header_map(&found.headers),
        "body": String::from_utf8_lossy(&found.body),
    })
}

/// Names in lower case; fields of the same name joined by a line feed.
pub(super) fn header_map(headers: &[(String, String)]) -> Value {
    let mut map = Map::new();
    for (name, value) in headers {
        let entry = map.entry(name.to_ascii_lowercase()).or_insert(Value::Null);
        *entry = match entry.as_str() {
            Some(before) => format!("{before}\n{value}").into(),
            None => value.as_str().into(),
        };
    }
    Value::Object(map)
}
