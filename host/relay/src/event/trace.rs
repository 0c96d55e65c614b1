//! What is kept with a message about what happened to it: each hook call and each attempt, in the form the API answers
//! with. These are records on disk: fields are only ever added, with a default.

mod edits;

use serde::{Deserialize, Serialize};

pub use edits::edits;

/// One step in the life of a message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Step {
    Hook {
        /// Milliseconds since 1970-01-01 UTC.
        at: u64,
        #[serde(flatten)]
        call: HookCall,
    },
    Attempt {
        at: u64,
        number: u32,
        site: String,
        host: Option<String>,
        address: Option<String>,
        egress: Option<String>,
        tls: Option<String>,
        microseconds: u64,
        outcomes: Vec<Outcome>,
    },
    /// The tags that the message was taken with: a report that comes when it is gone needs them.
    Tags {
        at: u64,
        tags: std::collections::BTreeMap<String, String>,
    },
    /// What came back by mail.
    Report {
        at: u64,
        /// "bounce", "delay", "delivered", "complaint", "auto-reply".
        report: String,
        recipient: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reply: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        host: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        feedback_type: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        translation: Option<Translation>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        notification: Option<String>,
    },
}

/// One call of one hook of one plugin.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HookCall {
    pub plugin: String,
    /// SHA-256 of the component in hex.
    pub digest: String,
    /// In the words of the contract: "on-data".
    pub hook: String,
    /// "next", "accept", "reject 550 5.7.1 No" and the like.
    pub decision: String,
    pub microseconds: u64,
    /// Recipient that a per-recipient hook was called for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub edits: Vec<Edit>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scores: Vec<Score>,
    /// Why the call failed, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

/// One change of a message, with what was there before so that it can be shown as a difference.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Edit {
    /// In the words of the contract: "set-text", "prepend-header" and the like.
    pub what: String,
    /// The part, for `set-text`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part: Option<u32>,
    /// The field's name, for headers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Cut to [`SHOWN_BYTES_MAX`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// Cut to [`SHOWN_BYTES_MAX`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// How much of a changed text is kept on each side: enough for the changed lines of a newsletter.
pub const SHOWN_BYTES_MAX: usize = 16 * 1024;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Score {
    pub symbol: String,
    pub points: f64,
    pub why: String,
}

/// What an attempt meant for one recipient.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    pub recipient: String,
    /// "delivered", "deferred", "bounced", "expired", "suppressed".
    pub outcome: String,
    pub stage: String,
    pub reply: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub translation: Option<Translation>,
    /// When it is tried again, milliseconds since 1970-01-01 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<u64>,
}

/// What a remote's words mean, in the words of the contract (`translation` in `wit/deliveries.wit`).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Translation {
    pub disposition: String,
    pub reason: String,
    pub scope: String,
    /// "none", "suppress", "retry 300" and the like; numbers are seconds.
    pub advice: String,
    pub explanation: String,
    pub confidence: f64,
    pub rule: String,
    /// Who said so.
    pub plugin: String,
}

/// Cuts a text for [`Edit`] without splitting a character.
pub fn shown(text: &str) -> String {
    if text.len() <= SHOWN_BYTES_MAX {
        return text.to_owned();
    }
    let mut end = SHOWN_BYTES_MAX;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}
