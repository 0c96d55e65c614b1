//! How much waits: summed up at open, carried along with every commit.

use crate::chunks;

/// Bytes a message takes besides its body, for the limit: its record, entries and index rows.
const RECORDS_BYTES: u64 = 1024;

/// What is waiting in the spool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Messages with at least one entry.
    pub messages: u64,
    /// Entries that were never tried.
    pub queued: u64,
    /// Entries that were tried and wait for the next time.
    pub deferred: u64,
    /// Entries that wait for a person.
    pub held: u64,
    /// Bytes on disk of all waiting messages, as [`crate::Limits::spool_bytes_max`] counts them.
    pub stored_bytes: u64,
}

impl Counts {
    /// Entries of any kind.
    pub fn entries(&self) -> u64 {
        self.queued + self.deferred + self.held
    }

    pub(crate) fn add_entry(&mut self, due: bool, attempts: u32) {
        *self.place(due, attempts) += 1;
    }

    pub(crate) fn drop_entry(&mut self, due: bool, attempts: u32) {
        let place = self.place(due, attempts);
        *place = place.saturating_sub(1);
    }

    pub(crate) fn add_message(&mut self, kept_bytes: u64) {
        self.messages += 1;
        self.stored_bytes += message_bytes(kept_bytes);
    }

    pub(crate) fn drop_message(&mut self, kept_bytes: u64) {
        self.messages = self.messages.saturating_sub(1);
        self.stored_bytes = self.stored_bytes.saturating_sub(message_bytes(kept_bytes));
    }

    pub(crate) fn add_original(&mut self, bytes: u64) {
        self.stored_bytes += original_bytes(bytes);
    }

    pub(crate) fn drop_original(&mut self, bytes: u64) {
        self.stored_bytes = self.stored_bytes.saturating_sub(original_bytes(bytes));
    }

    fn place(&mut self, due: bool, attempts: u32) -> &mut u64 {
        match (due, attempts) {
            (true, 0) => &mut self.queued,
            (true, _) => &mut self.deferred,
            (false, _) => &mut self.held,
        }
    }
}

/// Bytes on disk of a message of whose body so much is kept.
pub(crate) fn message_bytes(kept_bytes: u64) -> u64 {
    chunks::disk_bytes(kept_bytes) + RECORDS_BYTES
}

/// Bytes on disk of what messages share.
pub(crate) fn original_bytes(bytes: u64) -> u64 {
    chunks::disk_bytes(bytes)
}
