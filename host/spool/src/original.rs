//! Bytes that several messages share: there from the first copy to the last.

use bytes::Bytes;
use redb::{ReadableTable, TableHandle};

use crate::batch::Batch;
use crate::chunks;
use crate::error::Error;
use crate::id::MessageId;
use crate::message::CopyOf;
use crate::quarantine::part_key;
use crate::tables::ORIGINALS;

impl Batch<'_, '_> {
    /// One more message is made from this original.
    pub(crate) fn use_original(&mut self, copy: &CopyOf) -> Result<(), Error> {
        let number = copy.original.to_u128();
        let known = self.tables.original_uses.get(number)?;
        let known = known.map(|row| row.value());
        let (uses, bytes) = match known {
            Some((uses, bytes)) => (uses.saturating_add(1), bytes),
            None => {
                chunks::put(
                    &mut self.tables.originals,
                    number,
                    std::slice::from_ref(&copy.bytes),
                )?;
                self.counts.add_original(copy.bytes.len() as u64);
                (1, copy.bytes.len() as u64)
            }
        };
        self.tables.original_uses.insert(number, (uses, bytes))?;
        Ok(())
    }

    /// One message less is made from it; the last one takes it along.
    pub(crate) fn release_original(&mut self, original: MessageId) -> Result<(), Error> {
        let number = original.to_u128();
        let known = self.tables.original_uses.get(number)?;
        let Some((uses, bytes)) = known.map(|row| row.value()) else {
            return Ok(());
        };
        if uses > 1 {
            self.tables
                .original_uses
                .insert(number, (uses - 1, bytes))?;
            return Ok(());
        }
        self.tables.original_uses.remove(number)?;
        chunks::remove(&mut self.tables.originals, number)?;
        self.counts.drop_original(bytes);
        Ok(())
    }

    /// Copies the original to the quarantine, for a message that goes there.
    pub(crate) fn quarantine_original(
        &mut self,
        original: MessageId,
        reason: &str,
    ) -> Result<(), Error> {
        let number = original.to_u128();
        let mut rows = Vec::new();
        for row in self
            .tables
            .originals
            .range((number, 0)..=(number, u32::MAX))?
        {
            let (key, bytes) = row?;
            rows.push((key.value().1, Bytes::copy_from_slice(bytes.value())));
        }
        for (part, bytes) in rows {
            self.quarantine(ORIGINALS.name(), &part_key(number, part), reason, &bytes)?;
        }
        Ok(())
    }
}
