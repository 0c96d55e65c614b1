//! Bounces in prose: find the failed recipients among the words, and for each the words that say why.

use super::{Finding, Kind, address, dsn, translate_best};
use crate::mime::Entity;
use crate::translate::Translator;

/// The words for people: the first text part, without the returned message.
pub fn human_text(message: &Entity) -> String {
    let parts = message.parts();
    let texts: Vec<&&Entity> = parts
        .iter()
        .filter(|p| {
            p.children.is_empty()
                && p.media_type.starts_with("text/")
                && p.media_type != "text/rfc822-headers"
        })
        .collect();
    let plain = texts
        .iter()
        .find(|p| p.media_type == "text/plain" && !p.body.trim_ascii().is_empty());
    let Some(part) = plain.or(texts.first()) else {
        return String::new();
    };
    let text = part.text();
    let cut = cut(&text);
    // Some programs put the notice behind the message: then there is nothing before the cut.
    if cut.trim().len() < 20 {
        text
    } else {
        cut.to_string()
    }
}

/// The text before the returned message.
fn cut(text: &str) -> &str {
    const MARKERS: [&str; 34] = [
        "below this line is a copy of the message",
        "this is a copy of the message, including all the headers",
        "this is a copy of your message",
        "original message follows",
        "returned message follows",
        "message header follows",
        "unsent message follows",
        "unsent message below",
        "original message header",
        "the header of the original message",
        "header of the original message",
        "original message is attached",
        "message headers follow",
        "copy of the message follows",
        "headers of the message",
        "the original message was received at -",
        "- original message -",
        "----original message",
        "original message ---",
        "ursprüngliche nachricht",
        "message d'origine",
        "mensaje original",
        "mensagem original",
        "messaggio originale",
        "oorspronkelijk bericht",
        "----- message text follows",
        "message text follows",
        "your message follows",
        "the text of your message",
        "returned content",
        "start of returned message",
        "returned mail follows",
        "original mail header",
        "message contents follow",
    ];
    let mut position = 0;
    for line in text.split_inclusive('\n') {
        let start = position;
        position += line.len();
        let trimmed = line.trim();
        if trimmed.is_empty() {
            continue;
        }
        let lower = trimmed.to_lowercase();
        let quoted = lower.trim_start_matches(['>', '|', ' ']);
        let quoted = if line.starts_with([' ', '\t']) {
            ""
        } else {
            quoted
        };
        let header = [
            "received: ",
            "return-path: ",
            "x-originating-ip:",
            "dkim-signature:",
            "mime-version:",
            "message-id:",
        ]
        .iter()
        .any(|h| quoted.starts_with(h));
        let marker = lower.len() < 120
            && MARKERS.iter().any(|m| lower.contains(m))
            && (lower.contains("--")
                || lower.contains("==")
                || lower.ends_with([':', '.'])
                || lower.len() < 60);
        if (header || marker) && text[..start].trim().len() >= 20 {
            return &text[..start];
        }
    }
    text
}

/// A line that quotes a remote host: a reply code with a text, or a status in brackets.
pub fn has_reply_line(text: &str) -> bool {
    text.lines().any(|line| is_reply_line(line.trim()))
}

fn is_reply_line(line: &str) -> bool {
    if line.starts_with("<<<") || line.contains("(#5.") || line.contains("(#4.") {
        return true;
    }
    let bytes = line.as_bytes();
    (0..bytes.len().saturating_sub(4)).any(|i| {
        matches!(bytes[i], b'4' | b'5')
            && matches!(bytes[i + 1], b'0'..=b'7')
            && bytes[i + 2].is_ascii_digit()
            && matches!(bytes[i + 3], b' ' | b'-')
            && (!bytes[i + 4].is_ascii_digit() || bytes.get(i + 5) == Some(&b'.'))
            && (i == 0
                || matches!(
                    bytes[i - 1],
                    b' ' | b':' | b'"' | b'\'' | b'(' | b'<' | b';' | b'[' | b'>' | b'='
                ))
            && bytes[i + 4..]
                .iter()
                .take(60)
                .filter(|b| b.is_ascii_alphabetic() || **b >= 0x80)
                .count()
                >= 3
    })
}

/// Reads a bounce or a delay in prose.
pub fn read(translator: &Translator<'_>, message: &Entity, kind: Kind) -> Vec<Finding> {
    let text = human_text(message);
    let mut entries = entries(&text, message);
    if let Some(failed) = message.header("x-failed-recipients") {
        let named: Vec<String> = failed.split(',').filter_map(address).collect();
        if !named.is_empty() {
            entries = named
                .into_iter()
                .map(|recipient| {
                    let words = entries
                        .iter()
                        .find(|(a, _)| a.eq_ignore_ascii_case(&recipient))
                        .map(|(_, w)| w.clone());
                    let words = words.or_else(|| entries.first().map(|(_, w)| w.clone()));
                    (recipient, words.unwrap_or_default())
                })
                .collect();
        }
    }
    if entries.is_empty() {
        let recipient = first_address(&text, message).or_else(|| original_recipient(message));
        return vec![finding(translator, kind, recipient, "", &text, true)];
    }
    let alone = entries.len() == 1;
    entries
        .into_iter()
        .map(|(recipient, words)| finding(translator, kind, Some(recipient), &words, &text, alone))
        .collect()
}

fn finding(
    translator: &Translator<'_>,
    kind: Kind,
    recipient: Option<String>,
    words: &str,
    text: &str,
    alone: bool,
) -> Finding {
    let quoted = reply_lines(text, recipient.as_deref(), alone);
    let rest = without_boilerplate(text);
    let own = without_boilerplate(words);
    let texts: Vec<&str> = if alone {
        vec![&own, &quoted, &rest]
    } else {
        vec![&own, &quoted]
    };
    let (mut translation, index) =
        translate_best(translator, None, None, recipient.as_deref(), &texts);
    if kind == Kind::Delay {
        super::only_late(&mut translation);
    }
    let shown = if has_reply_line(&own) {
        &own
    } else if quoted.trim().is_empty() {
        texts[index]
    } else {
        &quoted
    };
    let mut finding = Finding::new(kind);
    let shown: String = shown.chars().take(1000).collect();
    finding.reply = Some(dsn::said(None, &shown));
    // Postfix: "<new@host.example> (expanded from <old@host.example>): ...".
    finding.original_recipient = words
        .split_once("expanded from")
        .and_then(|(_, rest)| rest.trim_start_matches([':', ' ']).split([')', ' ']).next())
        .and_then(address);
    finding.recipient = recipient;
    finding.translation = Some(translation);
    finding
}

/// The lines that quote a remote host, with their continuation lines: those of the recipient where they can be told apart.
fn reply_lines(text: &str, recipient: Option<&str>, alone: bool) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let recipient = recipient.map(str::to_lowercase).unwrap_or_default();
    let mut groups: Vec<String> = Vec::new();
    let mut i = 0;
    while i < lines.len() {
        let line = lines[i].trim();
        i += 1;
        if !is_reply_line(line) || line.starts_with(">>>") {
            continue;
        }
        let mut group = line.trim_start_matches(['<', '>', ' ']).to_string();
        let mut more = 0;
        while i < lines.len()
            && more < 8
            && !lines[i].trim().is_empty()
            && !lines[i].trim_start().starts_with(">>>")
        {
            let next = lines[i].trim();
            if !alone
                && entry_line(next)
                    .is_some_and(|(other, _)| !other.eq_ignore_ascii_case(&recipient))
            {
                break;
            }
            group.push('\n');
            group.push_str(next.trim_start_matches(['<', ' ']));
            i += 1;
            more += 1;
        }
        groups.push(group);
    }
    if !alone && !recipient.is_empty() {
        groups.retain(|g| g.to_lowercase().contains(&recipient));
    }
    // "554 ... Service unavailable" after RCPT errors is an echo of the first.
    groups.into_iter().take(4).collect::<Vec<_>>().join("\n")
}

/// What every notice of a program says says nothing about this one.
fn without_boilerplate(text: &str) -> String {
    const PLATE: [&str; 40] = [
        "wasn't able to deliver your message",
        "was not able to deliver your message",
        "this is a permanent error; i've given up",
        "sorry it didn't work out",
        "i've given up. sorry",
        "sorry to have to inform you",
        "could not be delivered to one or more",
        "be returned",
        "for further assistance",
        "please include this problem report",
        "delete your own text from",
        "message that you sent could not be delivered",
        "this is a permanent error. the following",
        "created automatically by mail delivery",
        "all of its recipients",
        "the following address(es) failed",
        "the following addresses had",
        "this is an automatically generated",
        "did not reach some or all",
        "delivery to the following recipient",
        "your message was not delivered",
        "this is the mail system",
        "this is the postfix",
        "this is the qmail",
        "your message to the following",
        "----- transcript",
        "talking to",
        "the original message was received",
        "message/delivery-status",
        "please do not reply",
        "if you need help",
        "contact your",
        "returned below",
        "is attached",
        "attached below",
        "the attached file",
        "delivery has failed to these",
        "diagnostic information for administrators",
        "can be delivered to",
        "forward this message to",
    ];
    let mut out = String::new();
    for line in text.lines() {
        let lower = line.to_lowercase();
        if PLATE.iter().any(|p| lower.contains(p)) && !is_reply_line(line.trim()) {
            continue;
        }
        let lower = lower.trim_start();
        if [
            "subject:",
            "date:",
            "from:",
            "to:",
            "message-id:",
            "sent:",
            "received:",
        ]
        .iter()
        .any(|h| lower.starts_with(h))
        {
            continue;
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// Lines that begin with an address, and the words up to the next such line.
fn entries(text: &str, message: &Entity) -> Vec<(String, String)> {
    let own = own_addresses(message);
    let mut found: Vec<(String, String)> = Vec::new();
    let mut blank = 0;
    for line in text.lines() {
        if found.len() > super::FINDINGS_MAX {
            break;
        }
        if line.trim().is_empty() {
            blank += 1;
            if let Some((_, words)) = found.last_mut() {
                words.push('\n');
            }
            continue;
        }
        if let Some((recipient, rest)) = entry_line(line) {
            if own.iter().any(|o| o.eq_ignore_ascii_case(&recipient)) && !found.is_empty() {
                continue;
            }
            if own
                .first()
                .is_some_and(|o| o.eq_ignore_ascii_case(&recipient))
            {
                continue;
            }
            if found
                .iter()
                .any(|(a, _)| a.eq_ignore_ascii_case(&recipient))
            {
                let Some(at) = found
                    .iter()
                    .position(|(a, _)| a.eq_ignore_ascii_case(&recipient))
                else {
                    continue;
                };
                let mut entry = found.remove(at);
                entry.1.push('\n');
                entry.1.push_str(&rest);
                found.push(entry);
            } else {
                found.push((recipient, rest));
            }
            blank = 0;
            continue;
        }
        // Two empty lines end what is said of a recipient.
        if let Some((_, words)) = found.last_mut().filter(|_| blank < 3) {
            words.push('\n');
            words.push_str(line.trim());
        }
    }
    found
}

/// `<someone@host.example>:`, `  someone@host.example`, `550 5.1.1 <someone@host.example>... `, `Recipient: someone@host.example`.
fn entry_line(line: &str) -> Option<(String, String)> {
    let trimmed = line
        .trim()
        .trim_start_matches(['*', '-', '•', '>', '|', ' ', '\t', '\'', '"']);
    let lower = trimmed.to_lowercase();
    const LABELS: [&str; 38] = [
        "failed recipient",
        "recipient address",
        "recipient",
        "recipients",
        "to",
        "rcpt to",
        ">>> rcpt to",
        "user",
        "original recipient",
        "final-recipient",
        "original-recipient",
        "intended recipient",
        "failed to deliver to",
        "unable to deliver to",
        "unable to deliver message to",
        "delivery to",
        "address",
        "could not deliver to",
        "invalid recipient",
        "undeliverable to",
        "undeliverable address",
        "final recipient",
        "empfänger",
        "an",
        "destinataire",
        "destinatario",
        "destinatário",
        "получатель",
        "宛先",
        "收件人",
        "email address",
        "mail to",
        "받는 사람",
        "수신자",
        "ontvanger",
        "odbiorca",
        "送信先",
        "收信人",
    ];
    for label in LABELS {
        if let Some(rest) = lower.strip_prefix(label) {
            let rest_start = trimmed.len().checked_sub(rest.len())?;
            let original = trimmed.get(rest_start..)?;
            // The plural of the label: "addresses:", "recipient(s):". An "s" behind a space is the address's own.
            let original = ["s:", "es:", "(s)", "(es)"]
                .iter()
                .find(|plural| original.starts_with(**plural))
                .and_then(|plural| original.get(plural.trim_end_matches(':').len()..))
                .unwrap_or(original);
            let after = original.trim_start_matches([':', ' ', '\t', '=', '\'', '"', '(', '：']);
            if original.starts_with([':', ' ', '\t', '(', '：']) && !after.is_empty() {
                let (word, rest) = first_word(after);
                if let Some(found) = address(word.rsplit(';').next().unwrap_or(word)) {
                    return Some((found, rest.to_string()));
                }
            }
        }
    }
    let (word, rest) = first_word(trimmed);
    if let Some(found) = address(word) {
        let after = rest.trim_start();
        let alone = after.is_empty()
            || word.starts_with('<')
            || word.ends_with(':')
            || after.starts_with([':', '(', '-', '.']);
        return (alone || word.len() + 20 < trimmed.len()).then(|| (found, rest.to_string()));
    }
    None
}

/// An address at the beginning, with its brackets and colon, and the rest.
fn first_word(text: &str) -> (&str, &str) {
    if text.starts_with('<')
        && let Some(close) = text.find('>')
    {
        let end = close
            + 1
            + text[close + 1..]
                .len()
                .min(usize::from(text[close + 1..].starts_with(':')));
        return (&text[..end], &text[end..]);
    }
    let end = text
        .find(|c: char| c.is_whitespace() || matches!(c, ',' | ';' | '：'))
        .unwrap_or(text.len());
    let word = &text[..end];
    // "someone@host.example:550" without a space.
    if let Some(colon) = word.find(':').filter(|c| word[..*c].contains('@')) {
        return (&text[..colon + 1], &text[colon + 1..]);
    }
    (
        word.trim_end_matches(['.', '…', '\'', '"', ')']),
        &text[end..],
    )
}

/// Whether anybody is named whose mail it may have been: by an address, or by the message that came back.
pub fn names_somebody(text: &str, message: &Entity) -> bool {
    first_address(text, message).is_some() || returned_message(message)
}

/// Whether somebody is named who neither sent nor got this message.
pub fn names_another(text: &str, message: &Entity) -> bool {
    let own = own_addresses(message);
    let another = |found: &String| !own.iter().any(|o| o.eq_ignore_ascii_case(found));
    first_address(text, message).is_some_and(|a| another(&a))
        || original_recipient(message).is_some_and(|a| another(&a))
        || returned_message(message)
}

/// Whether the failed recipient stands where notices put one, and not just somewhere in a sentence: at the beginning of a
/// line, behind a preposition, or in the message that came back.
pub fn names_recipient(text: &str, message: &Entity) -> bool {
    const BEFORE: [&str; 29] = [
        "to",
        "an",
        "for",
        "à",
        "a",
        "para",
        "naar",
        "do",
        "til",
        "till",
        "für",
        "recipient",
        "recipients",
        "address",
        "user",
        "mailbox",
        "adresse",
        "empfänger",
        "benutzer",
        "postfach",
        "destinataire",
        "destinatario",
        "destinatário",
        "dirección",
        "endereço",
        "indirizzo",
        "utente",
        "usuario",
        "adres",
    ];
    let behind_preposition = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        words.windows(2).any(|pair| {
            let before = pair[0].trim_matches([':', ',', '(']).to_lowercase();
            BEFORE.contains(&before.as_str())
                && address(pair[1].trim_start_matches("mailto:")).is_some()
        })
    };
    // "User mailbox exceeds allowed size: someone@host.example".
    let ends_with_one = |line: &str| {
        line.rsplit_once(':')
            .is_some_and(|(_, last)| address(last).is_some())
    };
    returned_message(message)
        || message.header("x-failed-recipients").is_some()
        || text.lines().any(|line| {
            entry_line(line).is_some()
                || behind_preposition(line)
                || ends_with_one(line) && !is_of_others(line)
                || !line.is_ascii() && line.contains('@')
        })
}

/// Whether a message came along.
pub fn returned_message(message: &Entity) -> bool {
    message
        .parts()
        .iter()
        .skip(1)
        .any(|p| p.is_message() || p.media_type == "text/rfc822-headers")
}

/// A line that names somebody else than a recipient: whom to ask, or who sent the message.
fn is_of_others(line: &str) -> bool {
    const ANYWHERE: [&str; 10] = [
        "message-id",
        "references:",
        "in-reply-to",
        "contact",
        "assistance",
        "e-mail support",
        "help",
        "reply-to",
        "abuse@",
        "postmaster@",
    ];
    let lower = line.to_lowercase();
    ANYWHERE.iter().any(|w| lower.contains(w)) || is_of_author(&lower)
}

/// Whether a line in lower case names who sent the message.
fn is_of_author(line: &str) -> bool {
    const LABELS: [&str; 22] = [
        "absender",
        "expéditeur",
        "remitente",
        "remetente",
        "mittente",
        "afzender",
        "nadawca",
        "отправитель",
        "відправник",
        "avsändare",
        "avsender",
        "afsender",
        "lähettäjä",
        "odesílatel",
        "feladó",
        "gönderen",
        "pengirim",
        "αποστολέας",
        "发件人",
        "寄件者",
        "差出人",
        "보낸 사람",
    ];
    let before_address = line.split('@').next().unwrap_or(line);
    line.contains("from:")
        || line.contains("sender:")
        || before_address.contains([':', '：'])
            && LABELS.iter().any(|w| line.trim_start().starts_with(w))
}

/// The first address that is neither the mail system's nor the sender's.
pub fn first_address(text: &str, message: &Entity) -> Option<String> {
    const FROM: [&str; 5] = ["from", "от", "od", "från", "fra"];
    let own = own_addresses(message);
    let mut first = None;
    for line in text.lines() {
        if is_of_others(line) && entry_line(line).is_none() {
            continue;
        }
        let mut before = "";
        for word in line
            .split(|c: char| {
                c.is_whitespace()
                    || matches!(
                        c,
                        '<' | '>' | '(' | ')' | '"' | '\'' | ',' | ';' | '[' | ']' | '「' | '」'
                    )
            })
            .filter(|word| !word.is_empty())
        {
            // "Mail from someone@host.example": not to.
            let is_from = FROM.iter().any(|from| before.eq_ignore_ascii_case(from));
            before = word;
            if is_from || word.contains("://") {
                continue;
            }
            let word = word
                .trim_end_matches(['.', ':', '!', '?'])
                .trim_start_matches("mailto:");
            let word = word.rsplit(['=', ':']).next().unwrap_or(word);
            let Some(found) = address(word) else { continue };
            let is_own = own.iter().any(|o| o.eq_ignore_ascii_case(&found));
            if found.contains('.') && !is_own {
                return Some(found);
            }
            first = first.or(Some(found).filter(|f| {
                f.contains('.') && !own.first().is_some_and(|o| o.eq_ignore_ascii_case(f))
            }));
        }
    }
    first
}

/// Who the returned message was for.
fn original_recipient(message: &Entity) -> Option<String> {
    let attached = message
        .parts()
        .into_iter()
        .skip(1)
        .find(|p| p.is_message())
        .and_then(|p| p.children.first());
    let from_attached = attached
        .and_then(|m| m.header("to"))
        .and_then(|v| address(v.split(',').next().unwrap_or(v)));
    if from_attached.is_some() {
        return from_attached;
    }
    let own = own_addresses(message);
    message
        .parts()
        .iter()
        .filter(|p| p.children.is_empty())
        .find_map(|p| {
            super::field(&p.text(), "to").and_then(|v| address(v.split(',').next().unwrap_or(&v)))
        })
        .filter(|a| !own.iter().any(|o| o.eq_ignore_ascii_case(a)))
}

/// The mail system's address, then those the report was sent to.
fn own_addresses(message: &Entity) -> Vec<String> {
    let mut all = addresses_of(message, "from");
    all.extend(readers(message));
    all
}

fn readers(message: &Entity) -> impl Iterator<Item = String> {
    ["to", "delivered-to", "x-original-to", "envelope-to"]
        .into_iter()
        .flat_map(|name| addresses_of(message, name))
}

fn addresses_of(message: &Entity, name: &str) -> Vec<String> {
    let value = message.header(name).unwrap_or("");
    value.split(',').filter_map(address).collect()
}

/// Whether the text speaks of its reader by address, other than as the author of the message that failed.
pub fn names_reader(text: &str, message: &Entity) -> bool {
    let lower = text.to_lowercase();
    readers(message).any(|reader| {
        let reader = reader.to_lowercase();
        lower
            .lines()
            .any(|line| line.contains(&reader) && !is_of_author(line))
    })
}

/// The words for people that speak of one recipient; all of them where there is only one.
pub fn paragraph_of(human: &str, recipient: Option<&str>, alone: bool) -> String {
    if alone {
        return without_boilerplate(human);
    }
    let Some(recipient) = recipient else {
        return String::new();
    };
    let lines: Vec<&str> = human.lines().collect();
    let Some(at) = lines
        .iter()
        .position(|l| l.to_lowercase().contains(&recipient.to_lowercase()))
    else {
        return String::new();
    };
    let end = lines[at + 1..]
        .iter()
        .position(|l| l.trim().is_empty() || entry_line(l).is_some())
        .map_or(lines.len(), |i| at + 1 + i);
    without_boilerplate(&lines[at..end].join("\n"))
}
