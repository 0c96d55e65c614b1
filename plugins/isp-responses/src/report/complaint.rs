//! Complaints: the abuse reporting format (RFC 5965, with RFC 6591 and RFC 6692), and the older forms without it.

use super::{Finding, Kind, address};
use crate::mime::Entity;
use crate::reason::{Advice, Disposition, Reason};
use crate::translate::Translation;

/// The complaint that a message is, if it is one.
pub fn read(message: &Entity) -> Option<Vec<Finding>> {
    let parts = message.parts();
    let structured = parts
        .iter()
        .find(|p| p.media_type == "message/feedback-report");
    if let Some(part) = structured {
        return Some(vec![structured_report(message, &part.text())]);
    }
    // The format's fields in a text part: some senders lose the media type.
    let looks = message.media_type == "multipart/report"
        && message
            .parameter("report-type")
            .is_some_and(|t| t.eq_ignore_ascii_case("feedback-report"));
    if looks
        && let Some(part) = parts
            .iter()
            .find(|p| p.text().to_ascii_lowercase().contains("feedback-type:"))
    {
        return Some(vec![structured_report(message, &part.text())]);
    }
    older(message).map(|finding| vec![finding])
}

fn structured_report(message: &Entity, fields: &str) -> Finding {
    let value = |name: &str| unfolded(fields, name);
    let mut finding = Finding::new(Kind::Complaint);
    finding.feedback_type = Some(
        value("feedback-type")
            .unwrap_or_else(|| "abuse".to_string())
            .trim()
            .to_ascii_lowercase(),
    );
    let original = returned(message);
    let stated = [
        "original-rcpt-to",
        "removal-recipient",
        "x-original-rcpt-to",
    ]
    .iter()
    .find_map(|name| value(name).and_then(|v| address(&v)));
    finding.original_recipient = stated.or_else(|| original.and_then(recipient_of));
    finding.recipient.clone_from(&finding.original_recipient);
    finding.translation = finding.feedback_type.as_deref().map(meaning_of);
    finding.remote_host =
        value("reporting-mta").map(|v| v.rsplit(';').next().unwrap_or("").trim().to_string());
    finding.original_message_id = original
        .and_then(|m| m.header("message-id"))
        .map(str::to_string);
    finding
}

/// Complaints as they were before the format, or redacted so far that only the wrapping tells.
fn older(message: &Entity) -> Option<Finding> {
    let from = message.header("from").unwrap_or("").to_ascii_lowercase();
    let subject = message.header("subject").unwrap_or("").to_ascii_lowercase();
    let original = returned(message);
    let marked = original
        .and_then(|m| m.header("x-hmxmroriginalrecipient"))
        .or(message.header("x-hmxmroriginalrecipient"));
    let sender = [
        "staff@hotmail.com",
        "scomp@aol.net",
        "fbl@",
        "feedbackloop@",
        "complaints@",
        "feedback@arf.",
        "abuse-reports@",
    ]
    .iter()
    .any(|known| from.contains(known));
    let words = [
        "complaint about message from",
        "email feedback report for ip",
        "feedback loop",
        "abuse report",
        "spam report",
        "spam complaint",
    ]
    .iter()
    .any(|known| subject.contains(known));
    let returned_something = original.is_some();
    if !(marked.is_some() && (sender || words || returned_something)
        || sender && words && returned_something)
    {
        return None;
    }
    let mut finding = Finding::new(Kind::Complaint);
    finding.feedback_type = Some("abuse".to_string());
    finding.original_recipient = marked
        .and_then(address)
        .or_else(|| original.and_then(recipient_of));
    finding.recipient.clone_from(&finding.original_recipient);
    finding.translation = finding.feedback_type.as_deref().map(meaning_of);
    finding.original_message_id = original
        .and_then(|m| m.header("message-id"))
        .map(str::to_string);
    Some(finding)
}

/// What a feedback type (RFC 5965 7.3, RFC 6591, RFC 6430) asks for. Only a person who is annoyed is to be left alone.
fn meaning_of(feedback_type: &str) -> Translation {
    let reason = match feedback_type {
        "auth-failure" => Reason::AuthenticationFailure,
        _ => Reason::Feedback,
    };
    let meaning = reason.meaning();
    let advice = match feedback_type {
        "auth-failure" | "not-spam" | "virus" => Advice::None,
        _ => meaning.advice,
    };
    Translation {
        disposition: Disposition::Undetermined,
        reason,
        scope: meaning.scope,
        advice,
        explanation: meaning.explanation.to_string(),
        confidence: 0.9,
        rule: "report.complaint".to_string(),
        provider: None,
    }
}

/// The message that is complained about.
fn returned(message: &Entity) -> Option<&Entity> {
    message
        .parts()
        .into_iter()
        .skip(1)
        .find_map(|part| match part.media_type.as_str() {
            "message/rfc822" | "message/global" => part.children.first(),
            // Only the fields came back.
            "text/rfc822-headers" => part.children.first(),
            _ => None,
        })
}

fn recipient_of(original: &Entity) -> Option<String> {
    [
        "x-hmxmroriginalrecipient",
        "x-original-to",
        "delivered-to",
        "to",
        "x-rcpt-to",
    ]
    .iter()
    .find_map(|name| {
        original
            .header(name)
            .and_then(|v| address(v.split(',').next().unwrap_or(v)))
    })
}

fn unfolded(text: &str, name: &str) -> Option<String> {
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((found, value)) = line.split_once(':') else {
            continue;
        };
        if !found.trim().eq_ignore_ascii_case(name) {
            continue;
        }
        let mut value = value.trim().to_string();
        while let Some(more) = lines.next_if(|l| l.starts_with([' ', '\t'])) {
            value.push(' ');
            value.push_str(more.trim());
        }
        return Some(value);
    }
    None
}
