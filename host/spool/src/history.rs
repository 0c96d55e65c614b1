//! What is remembered of a message for people: how it stands and a log of what happened.
//!
//! Rows follow the message in the same transactions, so that the history never contradicts the queue. It informs and
//! decides nothing: when it is full the oldest rows go, of waiting messages too.

use baton_smtp::{Mailbox, ReversePath};
use bytes::Bytes;

use crate::id::MessageId;

/// Recipients a row names; a longer list is cut, its length is kept.
pub const HISTORY_RECIPIENTS_MAX: usize = 100;

/// How a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MessageState {
    /// Waits for its first attempt.
    Queued,
    /// At least one recipient was put off.
    Deferred,
    /// Waits for a person.
    Held,
    /// Every recipient was delivered.
    Delivered,
    /// No recipient was delivered.
    Failed,
    /// Some were delivered and some failed.
    Partial,
    /// An operator removed what was left.
    Removed,
    /// Refused before it was accepted.
    Rejected,
    /// Answered 250 and dropped, as a plugin decided.
    Discarded,
}

impl MessageState {
    /// Lower-case name, for the API and filters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Deferred => "deferred",
            Self::Held => "held",
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Partial => "partial",
            Self::Removed => "removed",
            Self::Rejected => "rejected",
            Self::Discarded => "discarded",
        }
    }

    const ALL: [Self; 9] = [
        Self::Queued,
        Self::Deferred,
        Self::Held,
        Self::Delivered,
        Self::Failed,
        Self::Partial,
        Self::Removed,
        Self::Rejected,
        Self::Discarded,
    ];
}

impl std::fmt::Display for MessageState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for MessageState {
    type Err = NotAState;

    fn from_str(text: &str) -> Result<Self, NotAState> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or(NotAState)
    }
}

/// The text names no [`MessageState`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "not a state: queued, deferred, held, delivered, failed, partial, removed, rejected or discarded is expected"
)]
pub struct NotAState;

/// One row of the history.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryRow {
    /// The message.
    pub id: MessageId,
    /// When it was received, in milliseconds since 1970.
    pub received_ms: u64,
    /// When something last happened to it.
    pub changed_ms: u64,
    /// How it stands.
    pub state: MessageState,
    /// MAIL FROM.
    pub sender: ReversePath,
    /// The first [`HISTORY_RECIPIENTS_MAX`] recipients.
    pub recipients: Vec<Mailbox>,
    /// How many there are.
    pub recipients_total: u32,
    /// How many wait.
    pub pending: u32,
    /// How many were delivered.
    pub delivered: u32,
    /// How many failed.
    pub failed: u32,
    /// The Subject.
    pub subject: Option<String>,
    /// Length of the message in bytes.
    pub body_bytes: u64,
    /// Name of the listener it came by.
    pub listener: String,
    /// Who sent it.
    pub account: Option<String>,
    /// Bytes of log kept so far.
    pub log_bytes: u32,
    /// Pieces of log kept so far.
    pub log_pieces: u32,
}

/// A row for a message that never was in the spool, and the first piece of its log.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEntry {
    /// The row; its log counters are ignored.
    pub row: HistoryRow,
    /// First piece of log; none if empty.
    pub trace: Bytes,
}

/// One piece of a message's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPiece {
    /// When it was written, in milliseconds since 1970.
    pub at_ms: u64,
    /// The caller's own bytes.
    pub bytes: Bytes,
}

/// Which rows to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HistoryFilter {
    /// Only in this state.
    pub state: Option<MessageState>,
    /// Only where the sender's address contains this, whatever the case.
    pub sender: Option<String>,
    /// Only where a recipient's address contains this, whatever the case.
    pub recipient: Option<String>,
}

impl HistoryFilter {
    /// Whether a row passes.
    pub fn admits(&self, row: &HistoryRow) -> bool {
        let contains = |mailbox: &Mailbox, part: &String| {
            mailbox
                .to_string()
                .to_lowercase()
                .contains(&part.to_lowercase())
        };
        self.state.is_none_or(|state| state == row.state)
            && self
                .sender
                .as_ref()
                .is_none_or(|part| match row.sender.mailbox() {
                    Some(mailbox) => contains(mailbox, part),
                    None => part.is_empty() || part == "<>",
                })
            && self
                .recipient
                .as_ref()
                .is_none_or(|part| row.recipients.iter().any(|mailbox| contains(mailbox, part)))
    }
}
