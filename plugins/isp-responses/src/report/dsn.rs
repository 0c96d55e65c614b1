//! Delivery status notifications (RFC 3464), as they are written and as they should be.

use super::{Finding, Kind, Said, address, prose, translate_best};
use crate::mime::Entity;
use crate::normal::{Status, normalise};
use crate::translate::Translator;

/// The recipients of the delivery-status part, if there is one that names any.
pub fn read(translator: &Translator<'_>, message: &Entity) -> Option<Vec<Finding>> {
    let parts = message.parts();
    let is_status = |p: &&&Entity| {
        matches!(
            p.media_type.as_str(),
            "message/delivery-status" | "message/global-delivery-status"
        )
    };
    let status = parts.iter().find(is_status).map(|p| p.text()).or_else(|| {
        // The fields in a part of another type, or in the text itself.
        parts
            .iter()
            .filter(|p| {
                p.children.is_empty()
                    && (p.media_type.starts_with("text/") || p.media_type.starts_with("message/"))
                    && !p.is_message()
            })
            .map(|p| p.text())
            .find(|text| {
                let lower = text.to_ascii_lowercase();
                lower.contains("final-recipient:")
                    && (lower.contains("\naction:") || lower.contains("\nstatus:"))
            })
    })?;
    let blocks = blocks(&status);
    let human = prose::human_text(message);
    let recipients = blocks.iter().filter(|b| is_recipient(b)).count();
    let mut found: Vec<Finding> = Vec::new();
    for block in blocks.iter().filter(|b| is_recipient(b)) {
        let finding = finding(translator, block, &human, recipients == 1, message);
        let known = found
            .iter()
            .any(|f| f.kind == finding.kind && f.recipient == finding.recipient);
        if !known {
            found.push(finding);
        }
    }
    (!found.is_empty()).then_some(found)
}

type Block = Vec<(String, String)>;

fn value<'a>(block: &'a Block, name: &str) -> Option<&'a str> {
    block
        .iter()
        .find(|(n, _)| n == name)
        .map(|(_, v)| v.as_str())
        .filter(|v| !v.is_empty())
}

fn is_recipient(block: &Block) -> bool {
    [
        "final-recipient",
        "original-recipient",
        "x-actual-recipient",
    ]
    .iter()
    .any(|name| value(block, name).is_some())
        || value(block, "action").is_some() && value(block, "status").is_some()
}

/// Groups of fields. A second Final-Recipient begins a new group even where the empty line is missing.
fn blocks(text: &str) -> Vec<Block> {
    let mut all: Vec<Block> = Vec::new();
    let mut block: Block = Vec::new();
    for line in text.lines() {
        if line.trim().is_empty() {
            if !block.is_empty() {
                all.push(std::mem::take(&mut block));
            }
            continue;
        }
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = block.last_mut() {
                value.push('\n');
                value.push_str(line.trim());
            }
            continue;
        }
        match line.split_once(':') {
            Some((name, rest)) if !name.contains(' ') => {
                let name = name.trim().to_ascii_lowercase();
                if name == "final-recipient" && value(&block, "final-recipient").is_some() {
                    all.push(std::mem::take(&mut block));
                }
                block.push((name, rest.trim().to_string()));
            }
            // A continuation that was not indented.
            _ => {
                if let Some((_, value)) = block.last_mut() {
                    value.push('\n');
                    value.push_str(line.trim());
                }
            }
        }
    }
    if !block.is_empty() {
        all.push(block);
    }
    all
}

fn finding(
    translator: &Translator<'_>,
    block: &Block,
    human: &str,
    alone: bool,
    message: &Entity,
) -> Finding {
    let action = value(block, "action").unwrap_or("").to_ascii_lowercase();
    let status = value(block, "status").and_then(first_status);
    let kind = match action.split_whitespace().next().unwrap_or("") {
        a if a.starts_with("delay") => Kind::Delay,
        a if a.starts_with("deliver") || a.starts_with("relay") || a.starts_with("expand") => {
            Kind::Delivered
        }
        a if a.starts_with("fail") => Kind::Bounce,
        _ if status.is_some_and(|s| s.class == 2) => Kind::Delivered,
        _ => Kind::Bounce,
    };
    let mut finding = Finding::new(kind);
    let final_recipient = value(block, "final-recipient").map(strip_type);
    let original = value(block, "original-recipient")
        .map(strip_type)
        .and_then(|r| address(&r));
    let other = ["x-actual-recipient", "x-display-name"]
        .iter()
        .find_map(|n| value(block, n))
        .map(strip_type)
        .and_then(|r| address(&r));
    finding.recipient = final_recipient
        .as_deref()
        .and_then(address)
        .or_else(|| other.clone())
        .or_else(|| original.clone())
        .or_else(|| {
            message
                .header("x-failed-recipients")
                .and_then(|v| address(v.split(',').next().unwrap_or(v)))
        })
        .or_else(|| {
            alone
                .then(|| prose::first_address(human, message))
                .flatten()
        })
        .or(final_recipient.filter(|r| !r.is_empty()));
    finding.original_recipient = original;
    let diagnostic = value(block, "diagnostic-code")
        .map(strip_diagnostic)
        .unwrap_or_default();
    let remote = value(block, "remote-mta")
        .map(strip_type)
        .map(|h| {
            h.split([' ', '('])
                .next()
                .unwrap_or("")
                .trim_matches(['[', ']'])
                .to_string()
        })
        .filter(|h| !h.is_empty());

    let near = prose::paragraph_of(human, finding.recipient.as_deref(), alone);
    let supplementary = value(block, "x-supplementary-info")
        .unwrap_or("")
        .to_string();
    let notes = value(block, "x-notes")
        .or(value(block, "x-reason"))
        .or(value(block, "x-postfix-reason"))
        .unwrap_or("");
    let texts = [
        diagnostic.as_str(),
        supplementary.as_str(),
        notes,
        near.as_str(),
    ];
    let status_text = status.map(|s| s.to_string());
    let (mut translation, index) = translate_best(
        translator,
        status_text.as_deref(),
        remote.as_deref(),
        finding.recipient.as_deref(),
        &texts,
    );
    if kind == Kind::Delay {
        super::only_late(&mut translation);
    }
    let words = if diagnostic.is_empty() {
        texts[index].to_string()
    } else {
        diagnostic
    };
    finding.reply = Some(said(status, &words));
    finding.remote_host = remote;
    if kind != Kind::Delivered {
        finding.translation = Some(translation);
    }
    finding
}

/// Code, status and text of what was said.
pub fn said(status: Option<Status>, text: &str) -> Said {
    let normal = normalise(text);
    let code = normal.codes.first().copied();
    let general = |s: &Status| s.subject == 0 && s.detail == 0;
    let status = match status {
        Some(s) if !general(&s) => Some(s),
        other => normal
            .statuses
            .iter()
            .find(|s| !general(s))
            .copied()
            .or(other),
    };
    Said {
        code: code.unwrap_or(0),
        status: status.map(|s| s.to_string()).unwrap_or_default(),
        text: text.trim().to_string(),
    }
}

fn first_status(value: &str) -> Option<Status> {
    value
        .split(|c: char| c.is_whitespace() || c == '(')
        .find_map(Status::parse)
}

/// "rfc822; someone@host.example" without the type.
fn strip_type(value: &str) -> String {
    let value = value.split_once(';').map_or(value, |(_, rest)| rest);
    value
        .replace('\n', " ")
        .trim()
        .trim_matches(['<', '>'])
        .trim()
        .to_string()
}

fn strip_diagnostic(value: &str) -> String {
    match value.split_once(';') {
        Some((kind, rest)) if kind.trim().len() <= 20 && !kind.trim().contains(' ') => {
            rest.trim().to_string()
        }
        _ => value.trim().to_string(),
    }
}
