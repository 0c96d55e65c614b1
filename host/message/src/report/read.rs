//! Delivery reports, read (RFC 3464, RFC 6533).

use baton_smtp::{EnhancedStatus, Reply};

use super::groups::{address, groups, typed, value};
use super::{Action, original_header};
use crate::header::{Field, HeaderSection};
use crate::limits::REPORT_RECIPIENTS_MAX;
use crate::message::Message;
use crate::words;

/// What a delivery report says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryReport {
    /// ENVID of the transaction that is reported on.
    pub envelope_id: Option<String>,
    pub reporting_mta: Option<String>,
    pub arrival_date: Option<String>,
    pub recipients: Vec<RecipientReport>,
    /// Message-ID of the message that is reported on.
    pub original_message_id: Option<String>,
}

/// What a delivery report says of one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecipientReport {
    pub final_recipient: Option<String>,
    /// ORCPT, without its type.
    pub original_recipient: Option<String>,
    pub action: Option<Action>,
    pub status: Option<EnhancedStatus>,
    /// What the remote host said; where only a status is given, the reply that status stands for.
    pub reply: Option<Reply>,
    pub remote_mta: Option<String>,
    pub will_retry_until: Option<String>,
}

/// The report in that part; `None` if it speaks of no recipient.
pub(super) fn delivery(message: &Message, part: u32) -> Option<DeliveryReport> {
    let content = message.content(part).ok()?;
    let groups = groups(content, REPORT_RECIPIENTS_MAX + 1);
    let recipients: Vec<RecipientReport> = groups.iter().filter_map(recipient).collect();
    if recipients.is_empty() {
        return None;
    }
    let of_message = |name: &str| groups.first().and_then(|group| value(group, name));
    let original = original_header(message, part);
    Some(DeliveryReport {
        envelope_id: of_message("Original-Envelope-Id"),
        reporting_mta: of_message("Reporting-MTA").map(|mta| typed(&mta).1.to_owned()),
        arrival_date: of_message("Arrival-Date"),
        recipients,
        original_message_id: original.and_then(|header| value(&header, "Message-ID")),
    })
}

/// A group that names a recipient. Some reporters put the fields of the message into the same group.
fn recipient(group: &HeaderSection) -> Option<RecipientReport> {
    let final_recipient = value(group, "Final-Recipient").and_then(|value| address(&value));
    let original_recipient = value(group, "Original-Recipient").and_then(|value| address(&value));
    if final_recipient.is_none() && original_recipient.is_none() {
        return None;
    }
    let status = value(group, "Status").and_then(|value| first_word(&value).parse().ok());
    Some(RecipientReport {
        final_recipient,
        original_recipient,
        action: value(group, "Action").and_then(|value| Action::parse(first_word(&value))),
        status,
        reply: reply(group.first("Diagnostic-Code"), status),
        remote_mta: value(group, "Remote-MTA")
            .map(|mta| typed(&mta).1.to_owned())
            .filter(|mta| !mta.is_empty()),
        will_retry_until: value(group, "Will-Retry-Until"),
    })
}

/// A comment may follow the word.
fn first_word(value: &str) -> &str {
    value
        .split(|c: char| c.is_whitespace() || c == '(')
        .next()
        .unwrap_or("")
}

/// The reply in a diagnostic code such as `smtp; 550 5.1.1 no such user`. Where the code is missing, as it is in the
/// diagnostics of some programs, the status gives it.
fn reply(diagnostic: Option<Field<'_>>, status: Option<EnhancedStatus>) -> Option<Reply> {
    let lines = diagnostic.map(diagnostic_lines).unwrap_or_default();
    let first = lines.first().map_or("", String::as_str);
    let (code, said, _) = split_reply(first);
    if code.is_none() && status.is_none() && lines.iter().all(String::is_empty) {
        return None;
    }
    let code = code.unwrap_or(match status.map(EnhancedStatus::class) {
        Some(2) => 250,
        Some(4) => 450,
        _ => 550,
    });
    let text: Vec<&str> = lines.iter().map(|line| split_reply(line).2).collect();
    Some(Reply::new(code, said.or(status), text.join("\n").trim()))
}

/// The lines of the value, without its type: a reply of several lines is often folded where its lines ended.
fn diagnostic_lines(field: Field<'_>) -> Vec<String> {
    let lines = field.raw_value().split(|&byte| byte == b'\n');
    let mut lines: Vec<String> = lines.map(words::unfold).collect();
    if let Some(first) = lines.first_mut() {
        let (kind, rest) = typed(first);
        if !kind.is_empty() && !kind.contains(' ') {
            *first = rest.to_owned();
        }
    }
    lines.retain(|line| !line.is_empty());
    join_unnumbered(lines)
}

/// A line that does not begin with a code goes on from the line before: the fold was only a fold.
fn join_unnumbered(lines: Vec<String>) -> Vec<String> {
    let mut joined: Vec<String> = Vec::new();
    for line in lines {
        match joined.last_mut() {
            Some(last) if split_reply(&line).0.is_none() => {
                last.push(' ');
                last.push_str(&line);
            }
            _ => joined.push(line),
        }
    }
    joined
}

/// Code, status and text of one line of a reply.
fn split_reply(line: &str) -> (Option<u16>, Option<EnhancedStatus>, &str) {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let code = line[..digits]
        .parse()
        .ok()
        .filter(|code| (200..600).contains(code));
    let (Some(code), true) = (
        code,
        digits == 3 && matches!(line.as_bytes().get(3), None | Some(b' ' | b'-')),
    ) else {
        return (None, None, line);
    };
    let rest = line.get(4..).unwrap_or("").trim_start();
    let word = rest.split(' ').next().unwrap_or("");
    match word.parse::<EnhancedStatus>() {
        Ok(status) => (Some(code), Some(status), rest[word.len()..].trim_start()),
        Err(_) => (Some(code), None, rest),
    }
}
