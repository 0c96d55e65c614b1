//! Where rows go that cannot be read: out of the way, with the reason, not a byte lost.

use bytes::Bytes;
use redb::{ReadableTable, TableHandle};

use crate::batch::{Applied, Batch, Failure};
use crate::error::{Error, Refusal};
use crate::id::MessageId;
use crate::operation::Done;
use crate::record;
use crate::tables::{BODIES, ENTRIES, MESSAGES};

/// A row that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Table it came from.
    pub table: String,
    /// Its key there: the message's number and the part, big-endian.
    pub key: Bytes,
    /// Why.
    pub reason: String,
    /// Its bytes.
    pub bytes: Bytes,
}

impl Quarantined {
    /// The message it belongs to, where the key tells.
    pub fn message(&self) -> Option<MessageId> {
        let number = self.key.first_chunk::<16>()?;
        Some(MessageId::from_u128(u128::from_be_bytes(*number)))
    }
}

pub(crate) fn part_key(number: u128, part: u32) -> [u8; 20] {
    let mut key = [0; 20];
    key[..16].copy_from_slice(&number.to_be_bytes());
    key[16..].copy_from_slice(&part.to_be_bytes());
    key
}

impl Batch<'_, '_> {
    pub(crate) fn set_aside(&mut self, message: MessageId, reason: &str) -> Applied {
        let number = message.to_u128();
        let row = self
            .tables
            .messages
            .remove(number)?
            .map(|row| row.value().to_vec());
        let kept = row.as_deref().map(record::decode_kept);
        if let Some(row) = &row {
            self.quarantine(MESSAGES.name(), &number.to_be_bytes(), reason, row)?;
        }
        let entries = take_parts(&mut self.tables.entries, number)?;
        if row.is_none() && entries.is_empty() {
            return Err(Failure::Refused(Refusal::NoMessage(message)));
        }
        for (part, bytes) in &entries {
            self.quarantine(ENTRIES.name(), &part_key(number, *part), reason, bytes)?;
            match record::decode_entry_due(bytes) {
                Ok((due_ms, attempts)) => {
                    if let Some(due_ms) = due_ms {
                        self.tables.due.remove((due_ms, number, *part))?;
                    }
                    self.counts.drop_entry(due_ms.is_some(), attempts);
                }
                // When it was due is lost with it; whatever says so is found by looking at all.
                Err(_) => self.forget_due(number, *part)?,
            }
        }
        for (part, bytes) in take_parts(&mut self.tables.bodies, number)? {
            self.quarantine(BODIES.name(), &part_key(number, part), reason, &bytes)?;
        }
        match kept {
            Some(Ok(kept)) => {
                self.counts.drop_message(kept.bytes);
                if let Some(original) = kept.original {
                    self.quarantine_original(original, reason)?;
                    self.release_original(original)?;
                }
            }
            Some(Err(_)) => self.counts.drop_message(0),
            None => {}
        }
        Ok(Done::Changed(entries.len() as u64))
    }

    /// Moves the bytes of a row; the caller removes it where it was.
    pub(crate) fn quarantine(
        &mut self,
        table: &str,
        key: &[u8],
        reason: &str,
        bytes: &[u8],
    ) -> Result<(), Error> {
        record::encode_quarantine(reason, bytes, &mut self.scratch);
        self.tables
            .quarantine
            .insert((table, key), self.scratch.as_slice())?;
        Ok(())
    }

    /// Removes every due row of an entry whose due time is unknown.
    pub(crate) fn forget_due(&mut self, number: u128, part: u32) -> Result<(), Error> {
        self.tables
            .due
            .retain(|(_, n, p), ()| (n, p) != (number, part))?;
        Ok(())
    }

    pub(crate) fn quarantine_delete(&mut self, table: &str, key: &[u8]) -> Applied {
        let there = self.tables.quarantine.remove((table, key))?.is_some();
        Ok(Done::Changed(there.into()))
    }
}

/// Removes and returns all parts of a message.
fn take_parts(
    table: &mut redb::Table<'_, crate::tables::Part, &'static [u8]>,
    number: u128,
) -> Result<Vec<(u32, Vec<u8>)>, Error> {
    let mut parts = Vec::new();
    for row in table.range((number, 0)..=(number, u32::MAX))? {
        let (key, value) = row?;
        parts.push((key.value().1, value.value().to_vec()));
    }
    for (part, _) in &parts {
        table.remove((number, *part))?;
    }
    Ok(parts)
}
