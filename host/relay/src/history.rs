//! What is written into a message's history: hook calls and attempts, as pieces of JSON that the API gives out as they are.

use std::sync::Arc;

use baton_hooks::{Advice, CallRecord, RemoteReply, Translation};
use baton_spool::PluginVersion;
use bytes::Bytes;

use crate::event::trace::{self, HookCall, Outcome, Step};
use crate::event::{Bus, Event, LogLevel};
use crate::limits;

/// A hook call as it is kept and shown. `recipient` is whom a per-recipient hook was called for.
pub fn hook_call(record: &CallRecord, recipient: Option<String>) -> HookCall {
    HookCall {
        plugin: record.plugin.to_string(),
        digest: record.digest.to_string(),
        hook: record.hook.name().to_owned(),
        decision: record.decision.clone().into_owned(),
        microseconds: record.microseconds(),
        recipient,
        edits: record
            .edits
            .iter()
            .map(|line| trace::Edit {
                what: trace::shown(line),
                part: None,
                name: None,
                before: None,
                after: None,
            })
            .collect(),
        scores: record
            .scores
            .iter()
            .map(|score| trace::Score {
                symbol: score.symbol.to_string(),
                points: score.points,
                why: score.why.to_string(),
            })
            .collect(),
        fault: record.fault.as_ref().map(ToString::to_string),
    }
}

/// The set of plugins that took a message, as events tell of it: name@digest of each.
pub fn versions(plugins: &[PluginVersion]) -> Vec<String> {
    plugins
        .iter()
        .map(|version| format!("{}@{}", version.name, version.digest))
        .collect()
}

/// Tells of one hook call: what it did, and what it wrote.
pub fn tell(bus: &Bus, record: &CallRecord, message: Option<&str>, session: Option<&Arc<str>>) {
    tell_logs(bus, record, message);
    bus.emit(Event::Hook {
        message: message.map(str::to_owned),
        session: session.cloned().map(Into::into),
        call: hook_call(record, None),
    });
}

/// Tells of the lines that a call wrote.
pub fn tell_logs(bus: &Bus, record: &CallRecord, message: Option<&str>) {
    for line in &record.logs {
        bus.emit(Event::PluginLog {
            plugin: record.plugin.to_string(),
            level: match line.level {
                baton_hooks::LogLevel::Debug => LogLevel::Debug,
                baton_hooks::LogLevel::Info => LogLevel::Info,
                baton_hooks::LogLevel::Warn => LogLevel::Warn,
                baton_hooks::LogLevel::Error => LogLevel::Error,
            },
            text: line.text.clone(),
            message: message.map(str::to_owned),
        });
    }
}

/// A translation as it is kept and shown.
pub fn translation(plugin: &str, translation: &Translation) -> trace::Translation {
    let advice = match translation.advice {
        Advice::Retry(Some(after)) => format!("retry {}", after.as_secs()),
        Advice::BackOff(lasts) => format!("back-off {}", lasts.as_secs()),
        Advice::Suspend(lasts) => format!("suspend {}", lasts.as_secs()),
        other => other.name().to_owned(),
    };
    trace::Translation {
        disposition: translation.disposition.name().to_owned(),
        reason: translation.reason.clone(),
        scope: translation.scope.name().to_owned(),
        advice,
        explanation: translation.explanation.clone(),
        confidence: translation.confidence,
        rule: translation.rule.clone(),
        plugin: plugin.to_owned(),
    }
}

/// A reply on one line: "550 5.1.1 no such user".
pub fn reply_text(reply: &RemoteReply) -> String {
    let mut words = Vec::new();
    if reply.code != 0 {
        words.push(reply.code.to_string());
    }
    words.extend(reply.status.map(|status| status.to_string()));
    words.extend(reply.text.lines().map(str::to_owned));
    words.join(" ")
}

/// A piece with one more step at its end, if there is room for it.
pub fn with(piece: &Bytes, step: &Step) -> Bytes {
    let Ok(json) = serde_json::to_vec(step) else {
        return piece.clone();
    };
    let before = piece.strip_suffix(b"]").unwrap_or(b"[");
    if before.len() + json.len() + 2 > limits::TRACE_PIECE_BYTES_MAX {
        return piece.clone();
    }
    let comma: &[u8] = if before.len() > 1 { b"," } else { b"" };
    [before, comma, &json, b"]"].concat().into()
}

/// Steps as one piece of a message's log: a JSON array. Steps that make the piece too large are left out from the end.
pub fn piece(steps: &[Step]) -> Bytes {
    if steps.is_empty() {
        return Bytes::new();
    }
    let mut json = Vec::with_capacity(steps.len() * 256);
    json.push(b'[');
    for step in steps {
        let before = json.len();
        if before > 1 {
            json.push(b',');
        }
        let written = serde_json::to_writer(&mut json, step).is_ok();
        if !written || json.len() >= limits::TRACE_PIECE_BYTES_MAX {
            json.truncate(before);
            break;
        }
    }
    json.push(b']');
    json.into()
}

/// The steps of one piece; none if it is not one of ours.
pub fn steps(piece: &[u8]) -> Vec<Step> {
    serde_json::from_slice(piece).unwrap_or_default()
}

/// The versions of the plugins that were called for a message, in the order of their first calls: what is left of its plugins
/// once the message itself is gone.
pub fn versions_called(steps: &[Step]) -> Vec<PluginVersion> {
    let mut versions: Vec<PluginVersion> = Vec::new();
    for step in steps {
        if let Step::Hook { call, .. } = step {
            let is_same =
                |known: &PluginVersion| known.name == call.plugin && known.digest == call.digest;
            if !versions.iter().any(is_same) {
                versions.push(PluginVersion {
                    name: call.plugin.clone(),
                    digest: call.digest.clone(),
                });
            }
        }
    }
    versions
}

/// What an attempt meant for one recipient, for the trace.
pub fn outcome(
    recipient: String,
    word: &str,
    reported: &crate::outbound::Reported,
    translation: Option<trace::Translation>,
    next: Option<u64>,
) -> Outcome {
    Outcome {
        recipient,
        outcome: word.to_owned(),
        stage: crate::outbound::stage_name(reported.stage).to_owned(),
        reply: reported.to_string(),
        translation,
        next,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attempt(number: u32, text_bytes: usize) -> Step {
        Step::Attempt {
            at: 1,
            number,
            site: "x".repeat(text_bytes),
            host: None,
            address: None,
            egress: None,
            tls: None,
            microseconds: 5,
            outcomes: Vec::new(),
        }
    }

    #[test]
    fn a_piece_reads_back_as_it_was_written() {
        let written = vec![attempt(1, 3), attempt(2, 4)];
        assert_eq!(steps(&piece(&written)), written);
        assert_eq!(piece(&[]), Bytes::new());
        assert_eq!(steps(b"not json"), Vec::new());
    }

    #[test]
    fn a_step_is_added_to_a_piece_and_to_none() {
        let (one, two) = (attempt(1, 3), attempt(2, 4));
        let grown = with(&piece(std::slice::from_ref(&one)), &two);
        assert_eq!(steps(&grown), [one.clone(), two]);
        assert_eq!(steps(&with(&Bytes::new(), &one)), [one]);
        let full = piece(&[attempt(1, limits::TRACE_PIECE_BYTES_MAX - 300)]);
        assert_eq!(with(&full, &attempt(2, 300)), full);
    }

    #[test]
    fn a_piece_has_a_limit_and_stays_readable() {
        let written = vec![attempt(1, 3), attempt(2, limits::TRACE_PIECE_BYTES_MAX)];
        let piece = piece(&written);
        assert!(piece.len() <= limits::TRACE_PIECE_BYTES_MAX);
        assert_eq!(steps(&piece), written[..1]);
    }
}
