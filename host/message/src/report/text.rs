//! The part of a notification that people read.

use super::Action;
use super::build::{Notification, RecipientStatus};
use crate::limits::LINE_BYTES_WANTED;

/// What the subject says.
pub(super) fn subject(notification: &Notification<'_>) -> String {
    let what = match worst(notification) {
        Action::Failed => "Your message could not be delivered",
        Action::Delayed => "Your message is delayed",
        Action::Delivered => "Your message was delivered",
        Action::Relayed | Action::Expanded => "Your message was passed on",
    };
    match notification
        .original
        .header("Subject")
        .filter(|s| !s.is_empty())
    {
        Some(subject) => format!("{what}: {}", short(&subject)),
        None => what.to_owned(),
    }
}

/// The whole text, lines ending in CRLF.
pub(super) fn text(notification: &Notification<'_>) -> String {
    let mut out = String::new();
    paragraph(
        &mut out,
        "",
        &format!(
            "This is the mail system at {}. You do not need to answer this message.",
            notification.reporting_mta
        ),
    );
    about(&mut out, notification);
    for action in [
        Action::Failed,
        Action::Delayed,
        Action::Delivered,
        Action::Relayed,
        Action::Expanded,
    ] {
        let of_action: Vec<_> = notification
            .recipients
            .iter()
            .filter(|recipient| recipient.action == action)
            .collect();
        if of_action.is_empty() {
            continue;
        }
        paragraph(&mut out, "", heading(action));
        for recipient in of_action {
            one(&mut out, recipient);
        }
    }
    if worst(notification) == Action::Failed {
        paragraph(
            &mut out,
            "",
            "The message has been given up for the addresses that failed. What is returned of it is attached.",
        );
    }
    out
}

fn about(out: &mut String, notification: &Notification<'_>) {
    let mut facts = Vec::new();
    if let Some(subject) = notification.original.header("Subject") {
        facts.push(format!("Subject: {}", short(&subject)));
    }
    if let Some(date) = notification.arrival_date {
        facts.push(format!("Received here: {date}"));
    }
    if let Some(id) = notification.original.header("Message-ID") {
        facts.push(format!("Message-ID: {}", short(&id)));
    }
    if facts.is_empty() {
        return;
    }
    paragraph(out, "", "It is about a message from you:");
    for fact in facts {
        line(out, "    ", &fact);
    }
    out.push_str("\r\n");
}

fn heading(action: Action) -> &'static str {
    match action {
        Action::Failed => "It could not be delivered to:",
        Action::Delayed => {
            "It has not yet been delivered to the following; delivery goes on being tried, and you need not send it again:"
        }
        Action::Delivered => "It was delivered to:",
        Action::Relayed => "It was passed on to a mail system that does not report delivery, for:",
        Action::Expanded => "It was passed on to several addresses in place of:",
    }
}

fn one(out: &mut String, status: &RecipientStatus<'_>) {
    line(out, "    ", &format!("<{}>", status.recipient.address));
    if let Some(explanation) = status.explanation {
        line(out, "        ", explanation);
    }
    match (status.reply, status.remote_host) {
        (Some(reply), Some(host)) => {
            line(out, "        ", &format!("{host} said: {reply}"));
        }
        (Some(reply), None) => line(out, "        ", &reply.to_string()),
        (None, Some(host)) => line(out, "        ", &format!("The remote host was {host}.")),
        (None, None) => {}
    }
    if let Some(until) = status.will_retry_until {
        line(out, "        ", &format!("It will be tried until {until}."));
    }
    out.push_str("\r\n");
}

fn worst(notification: &Notification<'_>) -> Action {
    notification
        .recipients
        .iter()
        .map(|recipient| recipient.action)
        .min()
        .unwrap_or(Action::Failed)
}

fn short(text: &str) -> String {
    const CHARACTERS: usize = 120;
    if text.chars().count() <= CHARACTERS {
        return text.to_owned();
    }
    let cut: String = text.chars().take(CHARACTERS).collect();
    format!("{}...", cut.trim_end())
}

fn paragraph(out: &mut String, indent: &str, text: &str) {
    line(out, indent, text);
    out.push_str("\r\n");
}

/// Words in lines of at most 78 characters where they allow it.
fn line(out: &mut String, indent: &str, text: &str) {
    let mut column = 0;
    for word in text.split_whitespace() {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > LINE_BYTES_WANTED - 2 {
            out.push_str("\r\n");
            column = 0;
        }
        if column == 0 {
            out.push_str(indent);
            column = indent.len();
        } else {
            out.push(' ');
            column += 1;
        }
        // A word that is no line's length is cut by the encoding, not here.
        out.push_str(word);
        column += width;
    }
    out.push_str("\r\n");
}
