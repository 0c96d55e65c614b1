//! What the spool knows of a message and of each recipient still waiting.
//!
//! Fields named `meta`, `notes`, `trace` and `log` are the caller's own bytes: kept, returned, never looked into.

use std::net::IpAddr;

use baton_smtp::{Mailbox, Parameter, Recipient, ReversePath};
use bytes::Bytes;

use crate::id::{EntryId, MessageId};

/// A message to keep: what must be on disk before the client may be told 250.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMessage {
    /// Its name; refused as taken if the spool has it.
    pub id: MessageId,
    /// When the end of data was received, in milliseconds since 1970.
    pub received_ms: u64,
    /// MAIL FROM; null for a bounce.
    pub sender: ReversePath,
    /// Parameters of MAIL (RET, ENVID, BODY, SMTPUTF8 ...).
    pub parameters: Vec<Parameter>,
    /// At least one. The place in this list is the entry's number for ever.
    pub recipients: Vec<NewEntry>,
    /// Where it came from.
    pub origin: Origin,
    /// Tags set by plugins; they travel with the message to every later hook.
    pub tags: Vec<(String, String)>,
    /// The plugin set that accepted it.
    pub plugins: Vec<PluginVersion>,
    /// The Subject, for lists people read.
    pub subject: Option<String>,
    /// The caller's own bytes about the message, returned with it.
    pub meta: Bytes,
    /// The message as it is to be kept, in pieces that follow each other; written without being joined first.
    pub body: Vec<Bytes>,
    /// Set where the message is kept as a copy that shares an original with others; the body is then not written.
    pub copy_of: Option<CopyOf>,
    /// First piece of the history's log, such as the trace of the receiving hooks; none if empty.
    pub trace: Bytes,
}

impl NewMessage {
    /// Length of the body in bytes.
    pub fn body_bytes(&self) -> u64 {
        self.body.iter().map(|piece| piece.len() as u64).sum()
    }

    /// Bytes that are kept for this message alone.
    pub fn kept_bytes(&self) -> u64 {
        match &self.copy_of {
            Some(copy) => copy.recipe.len() as u64,
            None => self.body_bytes(),
        }
    }
}

/// How a message is kept that differs little from others: together they have one original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopyOf {
    /// Name of the original; the same in all its copies.
    pub original: MessageId,
    /// Bytes of the original: written with its first copy, removed with the last.
    pub bytes: Bytes,
    /// How the body is made from the original, in the caller's own bytes; kept in the body's place.
    pub recipe: Bytes,
}

/// The body of a waiting message, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// All of it.
    Whole(Bytes),
    /// What makes it: see [`CopyOf`].
    Copy {
        /// Bytes that it shares with other messages.
        original: Bytes,
        /// The caller's own bytes.
        recipe: Bytes,
        /// Length of the body.
        body_bytes: u64,
    },
}

impl Body {
    /// The bytes, where they are kept whole.
    pub fn into_whole(self) -> Option<Bytes> {
        match self {
            Body::Whole(bytes) => Some(bytes),
            Body::Copy { .. } => None,
        }
    }
}

/// One recipient of a new message.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEntry {
    /// RCPT TO with its parameters (NOTIFY, ORCPT ...).
    pub recipient: Recipient,
    /// Waiting for a time, or for a person.
    pub state: EntryState,
    /// The caller's own bytes about this recipient.
    pub notes: Bytes,
}

/// What an entry waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryState {
    /// To be tried from this time on, in milliseconds since 1970. Queued before the first attempt, deferred after it.
    Due(u64),
    /// Until someone releases it; with the reason.
    Held(String),
}

/// One recipient that is not settled.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its name.
    pub id: EntryId,
    /// RCPT TO with its parameters.
    pub recipient: Recipient,
    /// What it waits for.
    pub state: EntryState,
    /// Attempts that ended without settling it.
    pub attempts: u32,
    /// What was said at the last of them.
    pub last: Option<LastReply>,
    /// The caller's own bytes about this recipient.
    pub notes: Bytes,
}

/// What a remote host said, or what kept us from reaching one (code 0).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LastReply {
    /// When, in milliseconds since 1970.
    pub at_ms: u64,
    /// SMTP code; 0 for a failure without a reply.
    pub code: u16,
    /// RFC 3463 status such as "4.2.2"; empty if there was none.
    pub status: String,
    /// Lines joined by LF.
    pub text: String,
    /// The host that said it.
    pub host: Option<String>,
}

/// Where a message came from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Origin {
    /// Name of the listener, or of the door that is not a listener.
    pub listener: String,
    /// The session, as in logs and events.
    pub session: String,
    /// The client's address.
    pub peer: Option<IpAddr>,
    /// Its verified name.
    pub peer_name: Option<String>,
    /// Argument of EHLO or HELO.
    pub helo: Option<String>,
    /// "TLSv1.3" and the like.
    pub tls: Option<String>,
    /// Who authenticated.
    pub account: Option<String>,
}

/// One plugin of the set that accepted a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginVersion {
    /// Stem of its file.
    pub name: String,
    /// Digest of its bytes, in hexadecimal.
    pub digest: String,
}

/// A message with at least one recipient waiting.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// Its name.
    pub id: MessageId,
    /// When it was received, in milliseconds since 1970.
    pub received_ms: u64,
    /// Length of the body.
    pub body_bytes: u64,
    /// MAIL FROM; null for a bounce.
    pub sender: ReversePath,
    /// Parameters of MAIL.
    pub parameters: Vec<Parameter>,
    /// Recipients it was accepted with, settled ones included.
    pub recipients_total: u32,
    /// Where it came from.
    pub origin: Origin,
    /// Tags set by plugins.
    pub tags: Vec<(String, String)>,
    /// The plugin set that accepted it.
    pub plugins: Vec<PluginVersion>,
    /// The Subject.
    pub subject: Option<String>,
    /// The caller's own bytes.
    pub meta: Bytes,
}

/// A message for the development inbox.
#[derive(Debug, Clone, PartialEq)]
pub struct InboxMessage {
    /// Its name in the inbox; sorts by time.
    pub id: MessageId,
    /// When it arrived, in milliseconds since 1970.
    pub received_ms: u64,
    /// MAIL FROM.
    pub sender: ReversePath,
    /// RCPT TO.
    pub recipients: Vec<Mailbox>,
    /// The Subject.
    pub subject: Option<String>,
    /// The caller's own bytes.
    pub meta: Bytes,
    /// The message, in pieces that follow each other. Empty in lists; see `Snapshot::inbox_raw`.
    pub raw: Vec<Bytes>,
    /// Length of the message. Ignored when it is put.
    pub raw_bytes: u64,
}

/// An address nothing is sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    /// For whose mail; none for everybody's.
    pub account: Option<String>,
    /// The address; local parts that differ in case alone are taken for one.
    pub address: Mailbox,
    /// What put it there, in a word: "bounce", "complaint", "unsubscribe", "manual".
    pub cause: String,
    /// Why, for people.
    pub reason: String,
    /// Who said so: "operator", or a plugin's name.
    pub source: String,
    /// Since when, in milliseconds since 1970.
    pub created_ms: u64,
    /// Until when; none for ever.
    pub expires_ms: Option<u64>,
}
