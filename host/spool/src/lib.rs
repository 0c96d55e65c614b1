//! What must be true after a power cut: messages, who still has to get them and when, and what plugins and people remember.
//!
//! # The life of a message
//!
//! A client ends its data. The relay calls [`Spool::commit`] with an [`Operation::Accept`]: the message, its body and one
//! entry per recipient are written in one transaction, together with whatever else waited to be written, and synced once.
//! Only when the commit has returned `Ok` may the client read 250 (I1).
//!
//! From then on the entries are found by their due time ([`Snapshot::due_before`]), in small portions: a backlog of a
//! million entries stays on the disk. Who works on which entry is the relay's affair and known in memory only, so that a
//! crash means "try again".
//!
//! An attempt ends with one [`Operation::Settle`]: each recipient is delivered, failed, deferred to another time or held,
//! and what follows from that (the bounce, a suppressed address, the history) is in the same transaction. So a recipient is
//! pending or settled, never both and never neither (I2). With its last entry the message and its body go.
//!
//! | entry | in `entries` | in `due` | comes here by | leaves by |
//! |---|---|---|---|---|
//! | absent | no | no | delivered, failed, removed | accept |
//! | queued | yes, 0 attempts | yes | accept; release | settle, hold, remove |
//! | deferred | yes, attempts | yes | settle; release | settle, hold, remove |
//! | held | yes, reason | no | accept; settle; hold | release, settle, remove |
//!
//! `messages` and `bodies` have a row for exactly those messages that have an entry. Messages of one transaction that differ
//! little, such as copies with tokens of their own, share an original: `bodies` then holds how each is made from it, and
//! `originals` its bytes, from the first copy to the last.
//!
//! # When the disk fails
//!
//! A commit that fails is not done, as far as anyone is told. The sync may have reached the disk all the same: then the
//! messages it accepted are removed before anything else when the spool opens again, and a settled entry stays settled (the
//! caller finds [`Refusal::NoMessage`] and has nothing left to do). The spool opens again by itself at the next call.
//!
//! # What it costs
//!
//! With 64 writers waiting and one commit for all of them, two cores that others used too made 4 000 to 10 000 messages of
//! 10 KiB a second, at 32 to 45 microseconds of processor to accept one and 38 to 60 to accept and settle it. A commit for
//! one message alone takes half a millisecond of processor besides the wait for the sync, so whoever commits should gather
//! what waits. Opening takes 1.5 microseconds of processor per message after a close, and after a crash also a read of the
//! whole file. `examples/commits.rs` measures all of it.
//!
//! redb is used here and nowhere else. Time and chance are arguments.

mod accept;
mod backend;
mod batch;
mod check;
mod chunks;
mod counts;
mod error;
mod events;
mod history;
mod history_write;
mod id;
mod inbox;
mod kv;
mod limits;
mod listed;
mod manage;
mod message;
mod operation;
mod original;
mod quarantine;
mod record;
mod settle;
mod snapshot;
mod spool;
mod suppression;
mod tables;

pub use check::SetAside;
pub use counts::Counts;
pub use error::{Error, Refusal};
pub use events::EventPage;
pub use history::{
    HISTORY_RECIPIENTS_MAX, HistoryEntry, HistoryFilter, HistoryRow, LogPiece, MessageState,
    NotAState,
};
pub use id::{EntryId, IdSource, MessageId, NotAnId};
pub use kv::{KvRow, KvUsage};
pub use limits::Limits;
pub use message::{
    Body, CopyOf, Entry, EntryState, InboxMessage, LastReply, Message, NewEntry, NewMessage,
    Origin, PluginVersion, Suppression,
};
pub use operation::{Answer, Done, Durability, KvWrite, Operation, Outcome, Settle, Target};
pub use quarantine::Quarantined;
pub use snapshot::{Due, Snapshot};
pub use spool::{OpenReport, Spool};

/// What [`Spool::open_with_backend`] takes.
pub use redb::StorageBackend;
