//! Is this message a report at all, and of which kind? The costly mistake is to take a letter for a bounce, so a message
//! without the structure of a report needs a mail system for its sender, a mail system's words, and somebody else whose mail
//! failed.

mod phrases;

use super::{Finding, Kind, address, prose};
use crate::mime::Entity;
use crate::reason::{Advice, Disposition, Reason, Scope};
use crate::translate::Translation;
use phrases::*;

/// RFC 8098: read receipts report what people did.
pub fn is_disposition_notification(message: &Entity) -> bool {
    message
        .parameter("report-type")
        .is_some_and(|t| t.eq_ignore_ascii_case("disposition-notification"))
        || message
            .parts()
            .iter()
            .any(|p| p.media_type == "message/disposition-notification")
}

/// Whether a delivery-status part of this message is its own and not one that somebody forwards.
pub fn may_carry_status(message: &Entity) -> bool {
    let has_part = || {
        message
            .parts()
            .iter()
            .any(|p| p.media_type.ends_with("delivery-status"))
    };
    is_status_report(message)
        || !is_conversation(message)
            && !is_foreign_report(message)
            && (null_sender(message)
                || from_system(message)
                    // The fields in a letter are a quotation.
                    && (has_part() || !is_written(message, &prose::human_text(message))))
}

/// RFC 3464, as its sender says.
fn is_status_report(message: &Entity) -> bool {
    message.media_type == "multipart/report"
        && message
            .parameter("report-type")
            .is_none_or(|t| t.eq_ignore_ascii_case("delivery-status"))
}

/// A report (RFC 6522) of something else, such as TLS or DMARC.
fn is_foreign_report(message: &Entity) -> bool {
    message.media_type == "multipart/report" && !is_status_report(message)
}

/// Who sends, as far as a header section tells.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sender {
    /// What does nothing but deliver.
    Daemon,
    /// A mail system, or a person who speaks for one.
    System,
    /// Nobody: the null reverse path, or no author.
    Nobody,
    /// A program of some kind.
    Service,
    Stranger,
}

/// What a message without structure reports.
pub fn kind_of_prose(message: &Entity) -> Option<Kind> {
    let text = prose::human_text(message);
    let auto = is_auto_reply(message);
    let failed = message.header("x-failed-recipients").is_some();
    let bounce = failed || !is_something_else(message, &text) && is_bounce(message, &text, auto);
    if bounce {
        return Some(if is_delay(message, &text) {
            Kind::Delay
        } else {
            Kind::Bounce
        });
    }
    auto.then_some(Kind::AutoReply)
}

/// Letters, invitations, digests, bait, and good news.
fn is_something_else(message: &Entity, text: &str) -> bool {
    let lower = text.to_lowercase();
    let calendar = message
        .parts()
        .iter()
        .any(|p| p.media_type == "text/calendar");
    let bait = any(&lower, CLICKS) && any(&lower, LURES);
    calendar
        || bait
        || any(&lower, SUCCESSES) && !any(&lower, FAILURES)
        || any(&lower, LIST_KEEPING)
        || is_foreign_report(message)
        || is_conversation(message)
        || is_list(message)
        || any(&lower_header(message, "subject"), NOT_SUBJECTS) && !clear_subject(message)
        || any(&lower_header(message, "subject"), AUTO_SUBJECTS)
}

/// Whether sender, subject and words together say that mail of somebody else could not be delivered.
fn is_bounce(message: &Entity, text: &str, auto: bool) -> bool {
    let sender = sender(message);
    let is_trusted = matches!(sender, Sender::Daemon | Sender::System);
    if !is_trusted && asks(message) {
        return false;
    }
    // Whoever is no mail system may quote one.
    let own_words = (!is_trusted).then(|| without_quotes(text));
    let text = own_words.as_deref().unwrap_or(text);
    let subject = subject_of_bounce(message);
    let is_anybody = matches!(sender, Sender::Service | Sender::Stranger);
    let clear = clear_subject(message) && (!is_anybody || opens_clearly(message));
    let signature = program_signature(text);
    let words = words_of_bounce(text);
    let named = prose::names_somebody(text, message);
    let other = prose::names_another(text, message);
    if is_bait(message, text, other) {
        return false;
    }
    match sender {
        Sender::Daemon => {
            (other || named && (signature || clear)) && (subject || signature || words)
        }
        Sender::System => {
            !is_written(message, text)
                && (signature || prose::names_recipient(text, message))
                && (other || named && signature)
                && (signature && (subject || words) || subject && (words || clear))
        }
        Sender::Nobody => {
            !auto
                && other
                && !is_circular(text)
                && (clear && (signature || words) || subject && has_status_line(text))
        }
        Sender::Service | Sender::Stranger => {
            // A program comes to the point at once.
            let opening = opening(text);
            !auto
                && other
                && clear
                && !is_circular(text)
                && !is_letter(text)
                && !by_hand(message)
                && (is_automatic(message) || prose::returned_message(message))
                && has_status_line(text)
                && (program_signature(opening)
                    || sender == Sender::Service && words_of_bounce(opening))
        }
    }
}

/// Whether this is about mail to its reader and not about mail from him: bait that is dressed as a bounce, or the warning
/// of a mailbox that is full.
fn is_bait(message: &Entity, text: &str, other: bool) -> bool {
    let said = format!(
        "{}\n{}",
        lower_header(message, "subject"),
        text.to_lowercase()
    );
    let quotes = prose::has_reply_line(text);
    let signature = program_signature(text);
    let leads = has_link(message, text);
    let own_mailbox = any(&said, YOUR_MAILBOX);
    if other {
        let lures = leads && any(&said, LURES) && !(quotes && signature);
        let about_reader = own_mailbox || leads && !signature && prose::names_reader(text, message);
        return own_mailbox && lures || about_reader && !quotes && !any(&said, YOUR_MESSAGE);
    }
    own_mailbox || any(&said, INCOMING) || leads && !quotes && !signature
}

/// Whether there is something to click.
fn has_link(message: &Entity, text: &str) -> bool {
    any(&text.to_lowercase(), &["http://", "https://", "www."])
        || message
            .parts()
            .iter()
            .filter(|part| part.media_type == "text/html")
            .any(|part| {
                let source = String::from_utf8_lossy(&part.body).to_ascii_lowercase();
                any(&source, &["href=\"http", "href='http", "href=http"])
            })
}

/// What is sent to many, or passed on.
fn is_circular(text: &str) -> bool {
    any(&text.to_lowercase(), LETTER_WORDS)
}

/// Whether a person who speaks for a mail system wrote this: the words of a letter, and nothing that says that a program
/// sent it.
fn is_written(message: &Entity, text: &str) -> bool {
    let from = sender(message);
    from == Sender::System
        && !null_sender(message)
        && !is_auto_reply(message)
        && !is_automatic(message)
        && (any(&text.to_lowercase(), CLOSINGS) || salutations(text).any(|name| is_personal(&name)))
}

/// Whether a text has the form of a letter: a salutation, a closing, or a question.
fn is_letter(text: &str) -> bool {
    let asks = |line: &str| line.trim_end().ends_with(['?', '？']) || line.contains('¿');
    any(&text.to_lowercase(), CLOSINGS)
        || text.lines().any(asks)
        || salutations(text).next().is_some()
}

/// Those whom the first lines greet, in lower case; empty where they greet nobody by name.
fn salutations(text: &str) -> impl Iterator<Item = String> {
    const LINES_MAX: usize = 4;
    const CHARS_MAX: usize = 60;
    text.lines()
        .map(|line| line.trim().to_lowercase())
        .filter(|line| !line.is_empty())
        .take(LINES_MAX)
        .filter(|line| line.chars().count() <= CHARS_MAX && !line.ends_with('.'))
        .filter_map(|line| {
            SALUTATIONS.iter().find_map(|greeting| {
                let name = line.strip_prefix(greeting)?;
                let ends = !greeting.is_ascii() || !name.starts_with(char::is_alphanumeric);
                ends.then(|| {
                    name.trim_matches(|c: char| !c.is_alphanumeric())
                        .to_string()
                })
            })
        })
}

/// Whether a greeting is for one person and not for whoever has sent the message.
fn is_personal(name: &str) -> bool {
    !name.is_empty() && !name.contains('@') && !any(name, ANYBODY)
}

/// Whether the subject says it at once: who speaks of bounces names them further behind.
fn opens_clearly(message: &Entity) -> bool {
    const BEFORE_BYTES_MAX: usize = 16;
    let subject = lower_header(message, "subject");
    let subject = subject.trim_start();
    !subject.starts_with('[')
        && CLEAR_SUBJECTS
            .iter()
            .any(|words| subject.find(words).is_some_and(|at| at <= BEFORE_BYTES_MAX))
}

/// A subject that puts a question is a person's.
fn asks(message: &Entity) -> bool {
    lower_header(message, "subject").contains(['?', '？', '¿'])
}

/// The text without the lines that a mail program marks as somebody else's.
fn without_quotes(text: &str) -> String {
    let is_quote = |line: &&str| {
        let line = line.trim_start();
        line.starts_with(['>', '|']) && !line.starts_with(">>>")
    };
    let own: Vec<&str> = text.lines().filter(|line| !is_quote(line)).collect();
    own.join("\n")
}

fn sender(message: &Entity) -> Sender {
    let from = lower_header(message, "from");
    if any(&from, &["daemon", "mail delivery", "mds@", "undeliver"]) {
        Sender::Daemon
    } else if from_system(message) {
        Sender::System
    } else if null_sender(message) || matches!(from.trim(), "" | "<>") {
        Sender::Nobody
    } else if any(&from, SERVICE_SENDERS) {
        Sender::Service
    } else {
        Sender::Stranger
    }
}

/// Written in a program for people, or as an answer.
fn by_hand(message: &Entity) -> bool {
    ["user-agent", "in-reply-to", "references", "thread-index"]
        .iter()
        .any(|name| message.header(name).is_some())
        || message.header("x-mailer").is_some_and(|m| {
            any(
                &m.to_lowercase(),
                &["mail (", "outlook", "thunderbird", "webmail"],
            )
        })
}

/// The first paragraph of a text, or as much of it as opens it.
fn opening(text: &str) -> &str {
    let text = text.trim_start();
    let end = text.char_indices().nth(240).map_or(text.len(), |(i, _)| i);
    let paragraph = text.find("\n\n").or_else(|| text.find("\r\n\r\n"));
    &text[..paragraph.map_or(end, |at| at.min(end))]
}

/// Whether a program says that it sent this (RFC 3834).
fn is_automatic(message: &Entity) -> bool {
    message
        .header("auto-submitted")
        .is_some_and(|v| !v.trim().eq_ignore_ascii_case("no"))
}

/// The finding of an automatic answer.
pub fn auto_reply(message: &Entity) -> Finding {
    let mut finding = Finding::new(Kind::AutoReply);
    finding.recipient = message.header("from").and_then(address);
    finding.original_message_id = message.header("in-reply-to").map(str::to_string);
    finding.translation = Some(Translation {
        disposition: Disposition::Undetermined,
        reason: Reason::Vacation,
        scope: Scope::Recipient,
        advice: Advice::None,
        explanation: Reason::Vacation.meaning().explanation.to_string(),
        confidence: 0.9,
        rule: "report.auto-reply".to_string(),
        provider: None,
    });
    finding
}

fn lower_header(message: &Entity, name: &str) -> String {
    message.header(name).unwrap_or("").to_lowercase()
}

fn any(text: &str, words: &[&str]) -> bool {
    words.iter().any(|w| text.contains(w))
}

fn from_system(message: &Entity) -> bool {
    let from = lower_header(message, "from");
    let sender = lower_header(message, "sender");
    any(&from, SYSTEM_SENDERS) || any(&sender, SYSTEM_SENDERS)
}

fn null_sender(message: &Entity) -> bool {
    message.header("return-path").is_some_and(|v| {
        matches!(v.trim(), "<>" | "" | "<MAILER-DAEMON>")
            || v.to_ascii_lowercase().contains("mailer-daemon")
    })
}

/// A letter in a conversation: its subject says so, or it answers one and comes from a person.
fn is_conversation(message: &Entity) -> bool {
    let subject = lower_header(message, "subject");
    let prefixed = [
        "re:", "re :", "fwd:", "fw:", "aw:", "wg:", "tr:", "tr :", "rv:", "sv:", "vs:", "vl:",
        "antw:", "doorst:", "odp:", "pd:", "ynt:", "ilt:", "res:", "enc:", "vb:", "回复", "答复",
        "转发", "回覆", "答覆", "轉寄", "轉發", "返信", "転送", "회신", "전달",
    ]
    .iter()
    .any(|p| subject.trim_start().starts_with(p));
    prefixed && !(from_system(message) && null_sender(message))
}

fn is_list(message: &Entity) -> bool {
    let unsubscribable =
        message.header("list-unsubscribe").is_some() || message.header("list-id").is_some();
    unsubscribable && !null_sender(message)
}

fn subject_of_bounce(message: &Entity) -> bool {
    any(&lower_header(message, "subject"), SUBJECTS)
}

fn words_of_bounce(text: &str) -> bool {
    any(&text.to_lowercase(), WORDS) || prose::has_reply_line(text)
}

/// A line that quotes a remote host, with an enhanced status or an address in the text.
fn has_status_line(text: &str) -> bool {
    prose::has_reply_line(text)
        && text.contains('@')
        && (crate::normal::normalise(text)
            .statuses
            .iter()
            .any(|s| s.class != 2)
            || text.contains('<'))
}

fn clear_subject(message: &Entity) -> bool {
    any(&lower_header(message, "subject"), CLEAR_SUBJECTS)
}

fn program_signature(text: &str) -> bool {
    any(&text.to_lowercase(), SIGNATURES)
}

fn is_auto_reply(message: &Entity) -> bool {
    let auto = lower_header(message, "auto-submitted");
    if auto.contains("auto-replied") || auto.contains("vacation") {
        return true;
    }
    let marked = [
        "x-autoreply",
        "x-autorespond",
        "x-autoresponder",
        "x-auto-response-type",
        "x-vacation",
        "x-autogenerated",
        "x-auto-reply",
    ];
    if marked.iter().any(|name| {
        message
            .header(name)
            .is_some_and(|v| !v.trim().eq_ignore_ascii_case("no"))
    }) {
        return true;
    }
    if any(
        &lower_header(message, "precedence"),
        &["auto_reply", "auto-reply", "autoreply"],
    ) {
        return true;
    }
    any(&lower_header(message, "subject"), AUTO_SUBJECTS)
}

fn is_delay(message: &Entity, text: &str) -> bool {
    let subject = lower_header(message, "subject");
    let text = text.to_lowercase();
    let says = any(&text, DELAY_WORDS);
    let subject_says = any(&subject, DELAY_SUBJECTS);
    let gave_up = any(&text, GAVE_UP) && !any(&text, NOT_GAVE_UP);
    says && !gave_up || subject_says && (says || !gave_up) && any(&text, DELAY_HINTS)
}
