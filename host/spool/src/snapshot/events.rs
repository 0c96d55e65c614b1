//! What readers of events have not dealt with.

use bytes::Bytes;
use redb::{ReadableTableMetadata, TableError};

use super::Snapshot;
use crate::error::Error;
use crate::events::EventPage;
use crate::tables::{EVENT_READERS, EVENTS};

impl Snapshot {
    /// What `reader` has not dealt with, oldest first: at most `limit` rows and about `bytes_max` bytes, but one at least.
    /// Nothing for who does not read.
    pub fn events(&self, reader: &str, limit: usize, bytes_max: usize) -> Result<EventPage, Error> {
        let mut page = EventPage::default();
        let place = match self.txn.open_table(EVENT_READERS) {
            Ok(readers) => readers.get(reader)?.map(|row| row.value()),
            // Of a spool that an older release wrote last.
            Err(TableError::TableDoesNotExist(_)) => None,
            Err(error) => return Err(error.into()),
        };
        let Some(place) = place else { return Ok(page) };
        let mut bytes = 0;
        for row in self.table(EVENTS)?.range(place..)? {
            let (number, row) = row?;
            let (number, row) = (number.value(), row.value());
            if page.rows.is_empty() {
                page.lost = number - place;
            } else if page.rows.len() >= limit || bytes + row.len() > bytes_max {
                break;
            }
            bytes += row.len();
            page.rows.push((number, Bytes::copy_from_slice(row)));
        }
        Ok(page)
    }

    /// Events that some reader has not dealt with.
    pub fn events_len(&self) -> Result<u64, Error> {
        match self.txn.open_table(EVENTS) {
            Ok(events) => Ok(events.len()?),
            Err(TableError::TableDoesNotExist(_)) => Ok(0),
            Err(error) => Err(error.into()),
        }
    }
}
