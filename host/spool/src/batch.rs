//! One write transaction with all its tables open, and what the operations of a batch share.
//!
//! Every operation first checks and then changes, so that a refusal leaves no trace: redb undoes whole transactions only.

use redb::{Table, WriteTransaction};

use crate::counts::Counts;
use crate::error::{Error, Refusal};
use crate::id::MessageId;
use crate::limits::Limits;
use crate::listed::Listed;
use crate::operation::{Done, Operation};
use crate::record::Unreadable;
use crate::tables::*;

/// Why an operation is not done.
pub(crate) enum Failure {
    /// It alone.
    Refused(Refusal),
    /// And with it the batch.
    Broken(Error),
}

impl<E: Into<Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Broken(error.into())
    }
}

impl Failure {
    pub(crate) fn unreadable(message: MessageId) -> impl FnOnce(Unreadable) -> Self {
        move |_| Self::Refused(Refusal::Unreadable(message))
    }
}

pub(crate) type Applied<T = Done> = Result<T, Failure>;

/// All tables of one write transaction.
pub(crate) struct Tables<'txn> {
    pub(crate) messages: Table<'txn, Number, Bytes>,
    pub(crate) bodies: Table<'txn, Part, Bytes>,
    pub(crate) originals: Table<'txn, Part, Bytes>,
    pub(crate) original_uses: Table<'txn, Number, (u32, u64)>,
    pub(crate) entries: Table<'txn, Part, Bytes>,
    pub(crate) due: Table<'txn, DueKey, ()>,
    pub(crate) history: Table<'txn, Number, Bytes>,
    pub(crate) history_log: Table<'txn, Part, Bytes>,
    pub(crate) inbox: Table<'txn, Number, Bytes>,
    pub(crate) inbox_raw: Table<'txn, Part, Bytes>,
    pub(crate) kv: Table<'txn, (&'static str, Bytes), Bytes>,
    pub(crate) kv_expiry: Table<'txn, (u64, &'static str, Bytes), ()>,
    pub(crate) kv_usage: Table<'txn, &'static str, (u64, u64)>,
    pub(crate) suppression: Table<'txn, (&'static str, &'static str), Bytes>,
    pub(crate) suppression_expiry: Table<'txn, (u64, &'static str, &'static str), ()>,
    pub(crate) events: Table<'txn, u64, Bytes>,
    pub(crate) event_readers: Table<'txn, &'static str, u64>,
    pub(crate) quarantine: Table<'txn, (&'static str, Bytes), Bytes>,
}

impl<'txn> Tables<'txn> {
    pub(crate) fn open(txn: &'txn WriteTransaction) -> Result<Self, Error> {
        Ok(Self {
            messages: txn.open_table(MESSAGES)?,
            bodies: txn.open_table(BODIES)?,
            originals: txn.open_table(ORIGINALS)?,
            original_uses: txn.open_table(ORIGINAL_USES)?,
            entries: txn.open_table(ENTRIES)?,
            due: txn.open_table(DUE)?,
            history: txn.open_table(HISTORY)?,
            history_log: txn.open_table(HISTORY_LOG)?,
            inbox: txn.open_table(INBOX)?,
            inbox_raw: txn.open_table(INBOX_RAW)?,
            kv: txn.open_table(KV)?,
            kv_expiry: txn.open_table(KV_EXPIRY)?,
            kv_usage: txn.open_table(KV_USAGE)?,
            suppression: txn.open_table(SUPPRESSION)?,
            suppression_expiry: txn.open_table(SUPPRESSION_EXPIRY)?,
            events: txn.open_table(EVENTS)?,
            event_readers: txn.open_table(EVENT_READERS)?,
            quarantine: txn.open_table(QUARANTINE)?,
        })
    }
}

/// A batch being applied.
pub(crate) struct Batch<'txn, 'spool> {
    pub(crate) tables: Tables<'txn>,
    pub(crate) limits: &'spool Limits,
    pub(crate) listed: &'spool Listed,
    /// As they will be once this transaction is committed.
    pub(crate) counts: Counts,
    /// Free bytes of the disk that accepts may still use.
    pub(crate) room_bytes: u64,
    /// Where records are written before they are inserted; kept between commits.
    pub(crate) scratch: Vec<u8>,
}

impl Batch<'_, '_> {
    pub(crate) fn apply(&mut self, operation: &Operation) -> Applied {
        match operation {
            Operation::Accept(messages) => self.accept(messages),
            Operation::Settle(settle) => self.settle(settle),
            Operation::Hold { target, reason } => self.hold(*target, reason),
            Operation::Release { target, due_ms } => self.release(*target, *due_ms),
            Operation::Reschedule { target, due_ms } => self.reschedule(*target, *due_ms),
            Operation::Remove { target, at_ms } => self.remove(*target, *at_ms),
            Operation::SetAside { message, reason } => self.set_aside(*message, reason),
            Operation::HistoryPut(entry) => self.history_put(entry),
            Operation::HistoryAppend {
                message,
                at_ms,
                log,
            } => self.history_append(*message, *at_ms, log),
            Operation::InboxPut(message) => self.inbox_put(message),
            Operation::InboxDelete(message) => self.inbox_delete(*message),
            Operation::InboxClear => self.inbox_clear(),
            Operation::Kv(writes) | Operation::KvWith(writes) => self.kv(writes),
            Operation::SuppressionPut(row) => self.suppression_put(row),
            Operation::SuppressionRemove { account, address } => {
                self.suppression_remove(account.as_deref(), address)
            }
            Operation::Events { rows, .. } => self.events_append(rows),
            Operation::EventReaders(names) => self.event_readers(names),
            Operation::EventsRead { reader, next } => self.events_read(reader, *next),
            Operation::Sweep { now_ms, rows_max } => self.sweep(*now_ms, *rows_max),
            Operation::QuarantineDelete { table, key } => self.quarantine_delete(table, key),
        }
    }

    /// What is done once per batch: the piles that only inform give up their oldest.
    pub(crate) fn finish(&mut self) -> Result<(), Error> {
        self.prune_history()?;
        self.prune_events()?;
        self.prune_inbox()
    }
}
