//! Reading: the spool as it was at one moment, from any number of threads.

mod events;
mod people;
mod plugins;

use std::sync::Arc;

use redb::{Key, ReadOnlyTable, ReadTransaction, TableDefinition, Value};

use crate::chunks;
use crate::error::Error;
use crate::id::{EntryId, MessageId};
use crate::listed::Listed;
use crate::message::{Body, Entry, Message};
use crate::record::{self, Unreadable};
use crate::tables::{BODIES, DUE, ENTRIES, MESSAGES, ORIGINAL_USES, ORIGINALS};

/// A view that later commits do not change. While it lives, the disk keeps what it shows: use it and drop it.
pub struct Snapshot {
    txn: ReadTransaction,
    listed: Arc<Listed>,
}

/// An entry and when it is due. Sorts by time; serves as the cursor behind the last one seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Due {
    /// When, in milliseconds since 1970.
    pub due_ms: u64,
    /// What.
    pub entry: EntryId,
}

impl Due {
    fn key(self) -> (u64, u128, u32) {
        (
            self.due_ms,
            self.entry.message.to_u128(),
            self.entry.recipient,
        )
    }

    fn of((due_ms, number, part): (u64, u128, u32)) -> Self {
        Self {
            due_ms,
            entry: EntryId::new(MessageId::from_u128(number), part),
        }
    }
}

impl Snapshot {
    pub(crate) fn new(txn: ReadTransaction, listed: Arc<Listed>) -> Self {
        Self { txn, listed }
    }

    fn table<K: Key, V: Value>(
        &self,
        table: TableDefinition<'_, K, V>,
    ) -> Result<ReadOnlyTable<K, V>, Error> {
        Ok(self.txn.open_table(table)?)
    }

    /// Entries due at `now_ms` or before, earliest first, at most `limit`, behind `after`.
    pub fn due_before(
        &self,
        now_ms: u64,
        after: Option<Due>,
        limit: usize,
    ) -> Result<Vec<Due>, Error> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let last = (now_ms, u128::MAX, u32::MAX);
        let first = match after.map(Due::key) {
            Some(key) if key >= last => return Ok(Vec::new()),
            Some(key) => Excluded(key),
            None => Unbounded,
        };
        let mut due = Vec::new();
        for row in self.table(DUE)?.range((first, Included(last)))?.take(limit) {
            due.push(Due::of(row?.0.value()));
        }
        Ok(due)
    }

    /// The earliest due entry behind `after`: when to look again.
    pub fn next_due(&self, after: Option<Due>) -> Result<Option<Due>, Error> {
        use std::ops::Bound::{Excluded, Unbounded};
        let first = after.map_or(Unbounded, |due| Excluded(due.key()));
        let row = self
            .table(DUE)?
            .range::<(u64, u128, u32)>((first, Unbounded))?
            .next();
        Ok(row.transpose()?.map(|(key, _)| Due::of(key.value())))
    }

    /// A message that waits; none if it does not.
    pub fn message(&self, id: MessageId) -> Result<Option<Message>, Error> {
        match self.table(MESSAGES)?.get(id.to_u128())? {
            Some(row) => record::decode_message(id, row.value())
                .map(Some)
                .map_err(unreadable(id)),
            None => Ok(None),
        }
    }

    /// Waiting messages behind `after`, oldest first, at most `limit`. Those that cannot be read are left out.
    pub fn messages(&self, after: Option<MessageId>, limit: usize) -> Result<Vec<Message>, Error> {
        let Some(first) = after.map_or(Some(0), |id| id.to_u128().checked_add(1)) else {
            return Ok(Vec::new());
        };
        let mut messages = Vec::new();
        for row in self.table(MESSAGES)?.range(first..)? {
            if messages.len() == limit {
                break;
            }
            let (number, bytes) = row?;
            let id = MessageId::from_u128(number.value());
            messages.extend(record::decode_message(id, bytes.value()));
        }
        Ok(messages)
    }

    /// The bytes of a message that waits, as they are kept; none if it does not wait.
    ///
    /// # Errors
    /// [`Error::Unreadable`] if they are not as many as were written.
    pub fn body(&self, id: MessageId) -> Result<Option<Body>, Error> {
        let Some(row) = self.table(MESSAGES)?.get(id.to_u128())? else {
            return Ok(None);
        };
        let kept = record::decode_kept(row.value()).map_err(unreadable(id))?;
        let damaged = |what: &str| unreadable(id)(Unreadable(what.to_owned()));
        let own = match chunks::get(&self.table(BODIES)?, id.to_u128())? {
            Some(own) if own.len() as u64 == kept.bytes => own,
            Some(_) => return Err(damaged("the body is cut")),
            None => return Err(damaged("the body is missing")),
        };
        let Some(original) = kept.original.map(MessageId::to_u128) else {
            return Ok(Some(Body::Whole(own)));
        };
        let uses = self.table(ORIGINAL_USES)?.get(original)?;
        let length = uses.map(|row| row.value().1);
        match chunks::get(&self.table(ORIGINALS)?, original)? {
            Some(bytes) if Some(bytes.len() as u64) == length => Ok(Some(Body::Copy {
                original: bytes,
                recipe: own,
                body_bytes: kept.body_bytes,
            })),
            Some(_) => Err(damaged("the original of the copy is cut")),
            None => Err(damaged("the original of the copy is missing")),
        }
    }

    /// What messages share: its name, how many do, and its length in bytes; at most `limit`.
    pub fn originals(&self, limit: usize) -> Result<Vec<(MessageId, u32, u64)>, Error> {
        let mut originals = Vec::new();
        for row in self.table(ORIGINAL_USES)?.range(0..)?.take(limit) {
            let (number, row) = row?;
            let (uses, bytes) = row.value();
            originals.push((MessageId::from_u128(number.value()), uses, bytes));
        }
        Ok(originals)
    }

    /// An entry that waits; none if it does not.
    pub fn entry(&self, id: EntryId) -> Result<Option<Entry>, Error> {
        match self
            .table(ENTRIES)?
            .get((id.message.to_u128(), id.recipient))?
        {
            Some(row) => record::decode_entry(id, row.value())
                .map(Some)
                .map_err(unreadable(id.message)),
            None => Ok(None),
        }
    }

    /// All entries of a message that wait, by number.
    pub fn entries_of(&self, message: MessageId) -> Result<Vec<Entry>, Error> {
        let number = message.to_u128();
        let mut entries = Vec::new();
        for row in self
            .table(ENTRIES)?
            .range((number, 0)..=(number, u32::MAX))?
        {
            let (key, bytes) = row?;
            let id = EntryId::new(message, key.value().1);
            entries.push(record::decode_entry(id, bytes.value()).map_err(unreadable(message))?);
        }
        Ok(entries)
    }

    /// Waiting entries behind `after`, oldest message first, at most `limit`. Those that cannot be read are left out.
    pub fn entries(&self, after: Option<EntryId>, limit: usize) -> Result<Vec<Entry>, Error> {
        use std::ops::Bound::{Excluded, Unbounded};
        let first = after.map_or(Unbounded, |id| {
            Excluded((id.message.to_u128(), id.recipient))
        });
        let mut entries = Vec::new();
        for row in self
            .table(ENTRIES)?
            .range::<(u128, u32)>((first, Unbounded))?
        {
            if entries.len() == limit {
                break;
            }
            let (key, bytes) = row?;
            let (number, part) = key.value();
            let id = EntryId::new(MessageId::from_u128(number), part);
            entries.extend(record::decode_entry(id, bytes.value()));
        }
        Ok(entries)
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").finish_non_exhaustive()
    }
}

fn unreadable(message: MessageId) -> impl Fn(Unreadable) -> Error {
    move |what| Error::Unreadable {
        message,
        reason: what.to_string(),
    }
}
