//! What a commit can do. Each operation happens whole or not at all; so does the batch it is part of.

use baton_smtp::Mailbox;
use bytes::Bytes;

use crate::error::Refusal;
use crate::history::HistoryEntry;
use crate::id::{EntryId, MessageId};
use crate::message::{InboxMessage, LastReply, NewMessage, Suppression};

/// When [`crate::Spool::commit`] may return.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// After the sync: what is answered stays, whatever happens to the power.
    #[default]
    Durable,
    /// At once. Others see it, but a crash undoes it together with every later commit that was not durable; the next
    /// durable commit takes it along. For what may be redone: removals, counters, history.
    Eventual,
}

/// One thing to do.
#[derive(Debug, Clone)]
pub enum Operation {
    /// Keep these messages, all or none: the copies of one transaction.
    Accept(Vec<NewMessage>),
    /// All outcomes of one attempt, and what follows from them.
    Settle(Box<Settle>),
    /// Due never: until released. An entry held already gets the new reason.
    Hold {
        /// What to hold.
        target: Target,
        /// Why, for people.
        reason: String,
    },
    /// Make held entries due; others are left alone.
    Release {
        /// What to release.
        target: Target,
        /// When to try, in milliseconds since 1970.
        due_ms: u64,
    },
    /// Give queued and deferred entries another time ("retry now"); held ones are left alone.
    Reschedule {
        /// What to try.
        target: Target,
        /// When, in milliseconds since 1970.
        due_ms: u64,
    },
    /// Forget without an outcome: an operator's deletion.
    Remove {
        /// What to remove.
        target: Target,
        /// Now, for the history.
        at_ms: u64,
    },
    /// Move a message whose record cannot be read to the quarantine, with its entries and body.
    SetAside {
        /// The message.
        message: MessageId,
        /// Why.
        reason: String,
    },
    /// Remember a message that was never in the spool: rejected, discarded. Accepted ones are remembered by themselves.
    HistoryPut(Box<HistoryEntry>),
    /// Append to the log of a message in the history. Nothing happens if the history has dropped it.
    HistoryAppend {
        /// The message.
        message: MessageId,
        /// Now.
        at_ms: u64,
        /// The piece.
        log: Bytes,
    },
    /// Keep a message in the development inbox.
    InboxPut(Box<InboxMessage>),
    /// Drop one from it.
    InboxDelete(MessageId),
    /// Drop all.
    InboxClear,
    /// Writes of a plugin, in order, all or none.
    Kv(Vec<KvWrite>),
    /// The same of the operation before it: not made if that is refused.
    KvWith(Vec<KvWrite>),
    /// Do not send to this address.
    SuppressionPut(Suppression),
    /// Send to it again.
    SuppressionRemove {
        /// For whose mail; none for everybody's row.
        account: Option<String>,
        /// The address.
        address: Mailbox,
    },
    /// Tell the readers of events, if there are any.
    Events {
        /// The caller's own bytes of each.
        rows: Vec<Bytes>,
        /// Only if the operation before this one in the commit was done: the rows tell of it.
        if_done: bool,
    },
    /// Who reads events from now on. Places of others are forgotten.
    EventReaders(Vec<String>),
    /// A reader has dealt with some.
    EventsRead {
        /// Its name.
        reader: String,
        /// Number of the event that it reads next.
        next: u64,
    },
    /// Drop rows of key-value and suppression that have expired, at most so many of each.
    Sweep {
        /// Now.
        now_ms: u64,
        /// Upper bound of rows per table, so that a sweep stays short.
        rows_max: u32,
    },
    /// Delete a row of the quarantine, by what [`crate::Snapshot::quarantine`] calls it.
    QuarantineDelete {
        /// Table it came from.
        table: String,
        /// Its key there.
        key: Bytes,
    },
}

/// One entry, or all waiting entries of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// All that wait.
    Message(MessageId),
    /// This one.
    Entry(EntryId),
}

impl Target {
    /// The message in question.
    pub fn message(self) -> MessageId {
        match self {
            Self::Message(message) => message,
            Self::Entry(entry) => entry.message,
        }
    }
}

/// The end of one attempt: every outcome and every consequence in one transaction, so that no crash tears them apart.
#[derive(Debug, Clone)]
pub struct Settle {
    /// Which message was tried.
    pub message: MessageId,
    /// Now, in milliseconds since 1970.
    pub at_ms: u64,
    /// What became of which recipient. Those not named stay as they are.
    pub outcomes: Vec<(u32, Outcome)>,
    /// Pieces for the history's log, such as the attempt.
    pub log: Vec<Bytes>,
    /// Messages that follow: the bounce, the delay warning. Not refused for want of room.
    pub accept: Vec<NewMessage>,
    /// Addresses the outcome tells not to use again.
    pub suppress: Vec<Suppression>,
    /// Where delivery is into the development inbox.
    pub inbox: Vec<InboxMessage>,
}

impl Settle {
    /// An attempt for `message` that ended now, with nothing to tell yet.
    pub fn new(message: MessageId, at_ms: u64) -> Self {
        Self {
            message,
            at_ms,
            outcomes: Vec::new(),
            log: Vec::new(),
            accept: Vec::new(),
            suppress: Vec::new(),
            inbox: Vec::new(),
        }
    }
}

/// What became of one recipient in an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Someone else is responsible now; the entry is gone.
    Delivered,
    /// It will never be; the entry is gone.
    Failed,
    /// Try again.
    Deferred {
        /// When, in milliseconds since 1970.
        due_ms: u64,
        /// Attempts so far, this one included where it counts.
        attempts: u32,
        /// What was said.
        last: LastReply,
        /// New bytes of the caller about this recipient; none keeps the old.
        notes: Option<Bytes>,
    },
    /// Keep until released.
    Held {
        /// Why.
        reason: String,
        /// Attempts so far.
        attempts: u32,
        /// What was said, if anything was.
        last: Option<LastReply>,
        /// New bytes of the caller about this recipient; none keeps the old.
        notes: Option<Bytes>,
    },
}

/// One write of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvWrite {
    /// Whose: the plugin's name. No plugin sees another's.
    pub namespace: String,
    /// The key.
    pub key: Bytes,
    /// The value; none deletes.
    pub value: Option<Bytes>,
    /// From when on it reads as absent, in milliseconds since 1970.
    pub expires_ms: Option<u64>,
}

/// What an operation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// Done, and there is nothing more to say.
    Done,
    /// Settled.
    Settled {
        /// The message's last recipient is settled; message and body are gone.
        gone: bool,
        /// Named recipients that were not waiting any more (removed by an operator meanwhile). Their outcome is ignored.
        missing: Vec<u32>,
    },
    /// So many entries or rows changed; 0 is no mistake.
    Changed(u64),
}

/// The answer to one operation of a batch.
pub type Answer = Result<Done, Refusal>;
