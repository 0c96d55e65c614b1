//! The lines that go in and come out of `baton plugin run`.

use baton_hooks::{
    Advice, RecipientVerdict, RemoteReply, Report, ReportKind, Sitting, Stage, Translation,
};
use baton_smtp::{Domain, EnhancedStatus, Mailbox};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Asked, attempt};

/// A line of `--replies`.
#[derive(Debug, Deserialize)]
struct Line {
    #[serde(default)]
    code: Option<Code>,
    #[serde(default)]
    status: Option<String>,
    text: String,
    #[serde(default)]
    stage: Option<String>,
    #[serde(default)]
    host: Option<String>,
    #[serde(default)]
    domain: Option<String>,
    #[serde(default)]
    recipient: Option<String>,
}

/// Logs write a code as a number or as a text.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Code {
    Number(u16),
    Text(String),
}

impl Code {
    fn read(&self) -> Option<u16> {
        match self {
            Code::Number(code) => Some(*code),
            Code::Text(text) => text.trim().parse().ok(),
        }
    }
}

/// Reads a line of JSON. A code or status that is not given, but begins the text, is taken from there, as in a log. Of what
/// is only there to help, what cannot be used is told in `doubts` and left out.
pub(super) fn reply(line: &str) -> Result<Asked, String> {
    if line.trim().is_empty() {
        return Err("the line is empty".into());
    }
    let line: Line = serde_json::from_str(line).map_err(|e| e.to_string())?;
    let mut doubts = Vec::new();
    let stage = match given(&line.stage) {
        None => Stage::RcptTo,
        Some(word) => stage(word).unwrap_or_else(|| {
            doubts.push(format!("{word:?} is no stage"));
            Stage::RcptTo
        }),
    };
    let mut text = line.text.replace("\r\n", "\n");
    let code = line.code.as_ref().and_then(Code::read);
    let code = code.unwrap_or_else(|| take_code(&mut text));
    let status = given(&line.status).and_then(|status| {
        let read = status.parse::<EnhancedStatus>().ok();
        if read.is_none() {
            doubts.push(format!("{status:?} is no status"));
        }
        read
    });
    let status = status.or_else(|| status_of(&text));
    let recipient = match (given(&line.recipient), given(&line.domain)) {
        (Some(recipient), _) => Mailbox::parse(recipient).map_err(|e| e.to_string()),
        (None, Some(domain)) => Domain::parse(domain)
            .map_err(|e| format!("{domain:?}: {e}"))
            .and_then(|domain| Mailbox::new("recipient", domain).map_err(|e| e.to_string())),
        (None, None) => Ok(somebody()),
    };
    let recipient = recipient.unwrap_or_else(|mistake| {
        doubts.push(mistake);
        somebody()
    });
    let reply = RemoteReply {
        code,
        status,
        text: text.into(),
    };
    let host = given(&line.host).map(str::to_string);
    Ok(Asked {
        attempt: attempt(recipient, host),
        stage,
        reply,
        doubts,
    })
}

/// A word that is there and not empty.
fn given(field: &Option<String>) -> Option<&str> {
    field
        .as_deref()
        .map(str::trim)
        .filter(|word| !word.is_empty())
}

/// Cuts "550 " or "550-" from the beginning.
fn take_code(text: &mut String) -> u16 {
    let bytes = text.as_bytes();
    let is_code = bytes.len() > 3
        && matches!(bytes[0], b'2'..=b'5')
        && bytes[1..3].iter().all(u8::is_ascii_digit)
        && matches!(bytes[3], b' ' | b'-');
    if !is_code {
        return 0;
    }
    let rest = text.split_off(4);
    let code = text[..3].parse().unwrap_or(0);
    *text = rest;
    code
}

fn status_of(text: &str) -> Option<EnhancedStatus> {
    text.split([' ', '\n']).next()?.parse().ok()
}

fn stage(word: &str) -> Option<Stage> {
    let word = word.to_ascii_lowercase().replace([' ', '_'], "-");
    Some(match word.as_str() {
        "dns" => Stage::Dns,
        "connect" => Stage::Connect,
        "greeting" => Stage::Greeting,
        "ehlo" => Stage::Ehlo,
        "tls" => Stage::Tls,
        "auth" => Stage::Auth,
        "mail-from" => Stage::MailFrom,
        "rcpt-to" => Stage::RcptTo,
        "data" => Stage::Data,
        "end-of-data" => Stage::EndOfData,
        _ => return None,
    })
}

pub(super) fn translation(found: &Translation) -> Value {
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

/// Whether a report is of something that went wrong. Automatic answers and notices of success are no bounces.
pub(super) fn is_told(found: &Report) -> bool {
    !matches!(found.kind, ReportKind::AutoReply | ReportKind::Delivered)
}

/// Kind and recipient.
pub(super) fn in_short(found: &Report) -> String {
    let recipient = found.recipient.as_deref().unwrap_or("nobody named");
    format!("{} of {recipient}", kind(found))
}

fn kind(found: &Report) -> &'static str {
    match found.kind {
        ReportKind::Bounce => "bounce",
        ReportKind::Delay => "delay",
        ReportKind::Delivered => "delivered",
        ReportKind::Complaint => "complaint",
        ReportKind::AutoReply => "auto-reply",
    }
}

pub(super) fn report(found: &Report) -> Value {
    let reply = found.reply.as_ref();
    json!({
        "kind": kind(found),
        "recipient": found.recipient,
        "original_recipient": found.original_recipient,
        "status": reply.and_then(|reply| reply.status).map(|status| status.to_string()),
        "code": reply.map(|reply| reply.code).filter(|code| *code != 0),
        "reply": reply.map(|reply| reply.text.to_string()),
        "remote_host": found.remote_host,
        "translation": found.translation.as_ref().map(translation),
        "feedback_type": found.feedback_type,
        "original_message_id": found.original_message_id,
    })
}

pub(super) fn recipient(verdict: &RecipientVerdict) -> String {
    match verdict {
        RecipientVerdict::Decide(verdict) => verdict.to_string(),
        RecipientVerdict::Rewrite(others) => {
            let to: Vec<_> = others.to.iter().map(ToString::to_string).collect();
            format!("rewrite {}", to.join(", "))
        }
    }
}

/// Says on standard error what the calls did; whether one faulted.
pub(super) fn tell(sitting: &mut Sitting) -> bool {
    let mut faulted = false;
    for record in sitting.take_records() {
        eprintln!(
            "{}: {} ({} µs)",
            record.hook.name(),
            record.decision,
            record.microseconds()
        );
        for edit in &record.edits {
            eprintln!("edit: {edit}");
        }
        for score in &record.scores {
            eprintln!("score: {} {:+}: {}", score.symbol, score.points, score.why);
        }
        for (key, value) in &record.tags {
            eprintln!("tag: {key}={value:?}");
        }
        for line in &record.logs {
            eprintln!("log: {:?}: {}", line.level, line.text);
        }
        if let Some(fault) = &record.fault {
            eprintln!("fault: {fault}");
            faulted = true;
        }
    }
    faulted
}

/// As [`tell`], without a line for each call: there may be thousands.
pub(super) fn tell_quietly(sitting: &mut Sitting) -> bool {
    let mut faulted = false;
    for record in sitting.take_records() {
        for line in &record.logs {
            eprintln!("log: {:?}: {}", line.level, line.text);
        }
        if let Some(fault) = &record.fault {
            eprintln!("fault: {fault}");
            faulted = true;
        }
    }
    faulted
}

/// The mailboxes in a field: what looks like one between separators.
pub(super) fn addresses(field: &str) -> Vec<Mailbox> {
    field
        .split([',', ' ', '<', '>', '\t', ';'])
        .filter(|word| word.contains('@'))
        .filter_map(|word| Mailbox::parse(word).ok())
        .collect()
}

/// A recipient where nobody is named.
pub(super) fn somebody() -> Mailbox {
    Mailbox::parse("recipient@example.com").expect("a mailbox")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_needs_nothing_but_its_text() {
        let asked = reply(r#"{"text":"550-5.1.1 No such\n5.1.1 user"}"#).unwrap();
        assert_eq!(asked.reply.code, 550);
        assert_eq!(asked.reply.status, Some(EnhancedStatus::new(5, 1, 1)));
        assert_eq!(asked.stage, Stage::RcptTo);
        let asked = reply(r#"{"text":"Connection refused"}"#).unwrap();
        assert_eq!(asked.reply.code, 0);
        assert_eq!(asked.reply.status, None);
    }

    #[test]
    fn what_is_given_is_used() {
        let line = r#"{"code":452,"status":"4.2.2","text":"Mailbox full","stage":"end-of-data","host":"mx.example","domain":"Example.net"}"#;
        let asked = reply(line).unwrap();
        assert_eq!(asked.reply.code, 452);
        assert_eq!(asked.stage, Stage::EndOfData);
        assert_eq!(&*asked.attempt.site, "example.net");
        assert_eq!(asked.attempt.host.as_deref(), Some("mx.example"));
        for wrong in ["{}", "text", "", r#"{"text":"x","code":70000}"#] {
            assert!(reply(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_told_and_left_out() {
        let line = r#"{"text":"550 5.1.1 x","stage":"later","status":"9","domain":"a b"}"#;
        let asked = reply(line).unwrap();
        assert_eq!(asked.doubts.len(), 3, "{:?}", asked.doubts);
        assert_eq!(asked.reply.code, 550);
        assert_eq!(asked.reply.status, Some(EnhancedStatus::new(5, 1, 1)));
        let asked =
            reply(r#"{"text":"","code":"451","stage":"RCPT TO","host":"","domain":null}"#).unwrap();
        assert!(asked.doubts.is_empty(), "{:?}", asked.doubts);
        assert_eq!((asked.stage, asked.attempt.host), (Stage::RcptTo, None));
        assert_eq!(asked.reply.code, 451);
    }

    #[test]
    fn mailboxes_are_found_in_a_field() {
        let found = addresses("Ann <ann@example.net>, bob@example.org");
        let found: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(found, ["ann@example.net", "bob@example.org"]);
    }
}
