//! A message that came back: what it reports, for whom, and what the words mean.
//!
//! Structured reports (RFC 3464, RFC 5965) are read by their fields; the rest, half of what is seen in the wild, by the
//! habits of the programs that write them. A message that only talks about bounces reports nothing: unless its structure
//! says so, both its sender and its words must be those of a mail system.

mod complaint;
mod detect;
mod dsn;
mod prose;

use crate::mime::Entity;
use crate::reason::{Advice, Disposition, Reason};
use crate::translate::{Reply, Translation, Translator};

/// What a report says happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Bounce,
    Delay,
    Delivered,
    Complaint,
    AutoReply,
}

impl Kind {
    /// The word of the contract.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Bounce => "bounce",
            Kind::Delay => "delay",
            Kind::Delivered => "delivered",
            Kind::Complaint => "complaint",
            Kind::AutoReply => "auto-reply",
        }
    }
}

/// What the remote host said.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Said {
    pub code: u16,
    pub status: String,
    pub text: String,
}

/// One recipient of a report.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub kind: Kind,
    pub recipient: Option<String>,
    pub original_recipient: Option<String>,
    pub reply: Option<Said>,
    pub remote_host: Option<String>,
    pub translation: Option<Translation>,
    pub feedback_type: Option<String>,
    pub original_message_id: Option<String>,
}

impl Finding {
    fn new(kind: Kind) -> Finding {
        Finding {
            kind,
            recipient: None,
            original_recipient: None,
            reply: None,
            remote_host: None,
            translation: None,
            feedback_type: None,
            original_message_id: None,
        }
    }
}

/// More recipients of one report are not told.
const FINDINGS_MAX: usize = 200;

/// What a message reports; empty if nothing.
pub fn read(translator: &Translator<'_>, raw: &[u8]) -> Vec<Finding> {
    let message = Entity::parse(raw);
    let mut found = read_entity(translator, &message);
    found.truncate(FINDINGS_MAX);
    let id = original_message_id(&message);
    for finding in &mut found {
        fill_status(finding);
        if finding.kind != Kind::AutoReply && finding.original_message_id.is_none() {
            finding.original_message_id.clone_from(&id);
        }
    }
    found
}

fn read_entity(translator: &Translator<'_>, message: &Entity) -> Vec<Finding> {
    if let Some(found) = complaint::read(message) {
        return found;
    }
    if detect::is_disposition_notification(message) {
        return Vec::new();
    }
    if detect::may_carry_status(message)
        && let Some(found) = dsn::read(translator, message)
    {
        return found;
    }
    match detect::kind_of_prose(message) {
        Some(Kind::AutoReply) => vec![detect::auto_reply(message)],
        Some(kind) => prose::read(translator, message, kind),
        None => Vec::new(),
    }
}

/// A report that quotes no status gets the one that RFC 3463 has for its reason; the code stays 0, since none was said.
fn fill_status(finding: &mut Finding) {
    let (Some(reply), Some(found)) = (&mut finding.reply, &finding.translation) else {
        return;
    };
    if !reply.status.is_empty() {
        return;
    }
    let class = if finding.kind == Kind::Delay || (400..500).contains(&reply.code) {
        4
    } else {
        5
    };
    let detail = match found.reason {
        Reason::UserUnknown => "1.1",
        Reason::HostUnknown => "1.2",
        Reason::HasMoved => "1.6",
        Reason::NotAccepting => "1.10",
        Reason::SenderRejected => "1.8",
        Reason::MailboxFull => "2.2",
        Reason::MailboxDisabled | Reason::Suspended => "2.1",
        Reason::MessageTooBig => "3.4",
        Reason::SystemError => "3.0",
        Reason::NetworkError => "4.1",
        Reason::DnsFailure => "4.3",
        Reason::RoutingLoop => "4.6",
        Reason::Expired | Reason::Delayed => "4.7",
        Reason::RateLimited => "4.5",
        Reason::SyntaxError => "5.2",
        Reason::ContentRejected => "6.0",
        Reason::RequiresPtr => "7.25",
        Reason::AuthenticationFailure => "7.26",
        Reason::TlsRequired => "7.10",
        Reason::Policy
        | Reason::SpamContent
        | Reason::Virus
        | Reason::BadReputation
        | Reason::Blocklisted
        | Reason::Greylisted
        | Reason::Filtered
        | Reason::RelayingDenied
        | Reason::Security => "7.1",
        _ => "0.0",
    };
    reply.status = format!("{class}.{detail}");
}

/// Message-ID of the message that is returned, from its header fields if they came along.
fn original_message_id(message: &Entity) -> Option<String> {
    for part in message.parts().into_iter().skip(1) {
        let id = match part.media_type.as_str() {
            "message/rfc822" | "message/global" => part
                .children
                .first()
                .and_then(|m| m.header("message-id"))
                .map(str::to_string),
            "text/rfc822-headers" => field(&part.text(), "message-id"),
            _ => None,
        };
        if id.is_some() {
            return id;
        }
    }
    let own = message
        .parts()
        .iter()
        .filter(|p| p.children.is_empty())
        .find_map(|p| field(&p.text(), "message-id"));
    own.filter(|id| id.contains('@'))
}

/// The value of a header field that stands somewhere in a text.
fn field(text: &str, name: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (found, value) = line.trim_start_matches(['>', ' ', '\t']).split_once(':')?;
        let value = value.trim();
        (found.eq_ignore_ascii_case(name) && !value.is_empty()).then(|| value.to_string())
    })
}

/// An address without brackets, comments and type prefix, if it is one.
fn address(text: &str) -> Option<String> {
    let text = text.trim();
    let inner = match (text.rfind('<'), text.rfind('>')) {
        (Some(open), Some(close)) if open < close => &text[open + 1..close],
        _ => text,
    };
    let inner = inner
        .trim()
        .trim_matches(['"', '\'', '<', '>', ',', ';', ' ', '(', ')']);
    let (local, domain) = inner.rsplit_once('@')?;
    // "[SMTP:someone@host.example]", "mailto:someone@host.example", a label of another script without a space.
    let local = local
        .rsplit([':', '：', '=', ';'])
        .next()
        .unwrap_or(local)
        .trim_start_matches(['[', '\'', '"']);
    let domain = domain.trim_end_matches(['.', ':', '：', '!', '?', '。']);
    let domain = if domain.starts_with('[') {
        domain
    } else {
        domain.trim_end_matches(']')
    };
    let good_domain = !domain.is_empty()
        && domain
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '[' | ']' | ':'));
    let good_local = !local.is_empty()
        && local.len() <= 128
        && !local.chars().any(|c| {
            c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '(' | ')' | ',')
        });
    (good_domain && good_local).then(|| format!("{local}@{domain}"))
}

/// The best translation of several texts that speak of one failure: the one that is surest, the first of equals.
fn translate_best(
    translator: &Translator<'_>,
    status: Option<&str>,
    host: Option<&str>,
    recipient: Option<&str>,
    texts: &[&str],
) -> (Translation, usize) {
    let domain = recipient.and_then(|r| r.rsplit_once('@')).map(|(_, d)| d);
    let mut best: Option<(Translation, usize)> = None;
    for (i, text) in texts.iter().enumerate() {
        if text.trim().is_empty() && i + 1 < texts.len() {
            continue;
        }
        let reply = Reply {
            code: None,
            status,
            text,
            stage: None,
            host,
            domain,
        };
        let translation = translator.translate(&reply);
        let sure = translation.confidence >= SURE;
        let better = best
            .as_ref()
            .is_none_or(|(b, _)| translation.confidence > b.confidence + 0.05);
        if better {
            best = Some((translation, i));
        }
        if sure {
            break;
        }
    }
    best.unwrap_or_else(|| {
        (
            translator.translate(&Reply {
                status,
                ..Reply::default()
            }),
            0,
        )
    })
}

/// The remote server goes on trying: nobody else has anything to do, whatever the cause. The cause stays in the sentence and
/// in the rule.
fn only_late(translation: &mut Translation) {
    let meaning = Reason::Delayed.meaning();
    let cause = std::mem::take(&mut translation.explanation);
    translation.explanation = meaning.explanation.to_string();
    if translation.reason != Reason::Unknown && translation.confidence >= CAUSE_CONFIDENCE_MIN {
        translation.explanation.push_str(" The cause so far: ");
        translation.explanation.push_str(&cause);
    }
    translation.reason = Reason::Delayed;
    translation.disposition = Disposition::Soft;
    translation.scope = meaning.scope;
    translation.advice = Advice::None;
}

/// A cause that is less sure than this is not told.
const CAUSE_CONFIDENCE_MIN: f64 = 0.3;
/// Words that are this sure need no second text.
const SURE: f64 = 0.55;
