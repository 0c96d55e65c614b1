//! What goes wrong, who is to blame, and whether trying again helps.

use crate::id::{EntryId, MessageId};

/// The spool as a whole could not do what was asked. Nothing of the batch counts as done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The disk has no room. The operator's trouble; the same call works once there is room. Answer 452.
    #[error("no room on the disk: {0}")]
    Full(String),
    /// The disk failed to read, write or sync. The machine's trouble; may be tried again. Answer 451.
    #[error("input or output failed: {0}")]
    Io(String),
    /// What was read is not what was written. Trying again does not help; an operator must look.
    #[error("corrupt: {0}")]
    Corrupt(String),
    /// One message's record cannot be read. The others can; set it aside with [`crate::Operation::SetAside`].
    #[error("the record of {message} cannot be read: {reason}")]
    Unreadable {
        /// Whose record it is.
        message: MessageId,
        /// What is wrong with it.
        reason: String,
    },
    /// Another process has this spool open.
    #[error("the spool is in use by another process")]
    InUse,
    /// A newer release wrote this spool. Nothing was touched.
    #[error("the spool has format {found}; this release reads formats up to {supported}")]
    Version {
        /// What the spool says of itself.
        found: u64,
        /// The highest this release knows.
        supported: u64,
    },
}

impl Error {
    /// Whether the same call may succeed later without a person doing something to the spool itself.
    pub fn may_be_retried(&self) -> bool {
        matches!(self, Self::Full(_) | Self::Io(_))
    }
}

/// One operation of a batch was refused; the others went on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The spool is at its limit of bytes, or the disk is nearly full. Answer 452.
    #[error("the spool is full")]
    Full,
    /// More recipients than [`crate::Limits::message_recipients_max`].
    #[error("too many recipients")]
    TooManyRecipients,
    /// No message without a recipient.
    #[error("no recipients")]
    NoRecipients,
    /// A message, history row or inbox message of this id is there already.
    #[error("{0} is taken")]
    Taken(MessageId),
    /// No such message, or none of the named entries is waiting: settled or removed meanwhile.
    #[error("{0} is not in the spool")]
    NoMessage(MessageId),
    /// The entry is not waiting: settled or removed meanwhile.
    #[error("{0} is not in the spool")]
    NoEntry(EntryId),
    /// A key or value is over [`crate::Limits::kv_value_bytes_max`].
    #[error("key or value too large")]
    TooLarge,
    /// The record that would have to change cannot be read; see [`Error::Unreadable`].
    #[error("the record of {0} cannot be read")]
    Unreadable(MessageId),
}

/// How redb's error reads to us. `PreviousIo` never comes first: the caller keeps the first cause.
pub(crate) fn from_redb(error: redb::Error) -> Error {
    match error {
        redb::Error::Io(io) => from_io(&io),
        redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => Error::InUse,
        redb::Error::Corrupted(what) => Error::Corrupt(what),
        other @ (redb::Error::UpgradeRequired(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TypeDefinitionChanged { .. }
        | redb::Error::TableIsMultimap(_)) => Error::Corrupt(other.to_string()),
        other => Error::Io(other.to_string()),
    }
}

pub(crate) fn from_io(io: &std::io::Error) -> Error {
    use std::io::ErrorKind::{FileTooLarge, InvalidData, QuotaExceeded, StorageFull};
    match io.kind() {
        StorageFull | QuotaExceeded | FileTooLarge => Error::Full(io.to_string()),
        // redb says so of a file that is not one of its own.
        InvalidData => Error::Corrupt(io.to_string()),
        _ => Error::Io(io.to_string()),
    }
}

macro_rules! from_redb_errors {
    ($($kind:ty),*) => {$(
        impl From<$kind> for Error {
            fn from(error: $kind) -> Self { from_redb(error.into()) }
        }
    )*};
}
from_redb_errors!(
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::CommitError,
    redb::DatabaseError,
    redb::SetDurabilityError
);
