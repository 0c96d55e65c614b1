//! Events that somebody outside is told of: a queue with several readers, each at its own place. A row goes when the last
//! reader is past it, or when there are too many: a receiver that is gone for good must not fill the disk.

use bytes::Bytes;
use redb::{ReadableTable, ReadableTableMetadata};

use crate::batch::{Applied, Batch};
use crate::error::Error;
use crate::operation::Done;

/// What a reader gets next.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EventPage {
    /// Number of each event, and the caller's own bytes.
    pub rows: Vec<(u64, Bytes)>,
    /// So many before them were dropped since there were too many.
    pub lost: u64,
}

impl Batch<'_, '_> {
    /// Appends rows; none where nobody reads.
    pub(crate) fn events_append(&mut self, rows: &[Bytes]) -> Applied {
        if rows.is_empty() || self.tables.event_readers.is_empty()? {
            return Ok(Done::Changed(0));
        }
        for (number, row) in (self.next_event()?..).zip(rows) {
            self.tables.events.insert(number, &**row)?;
        }
        Ok(Done::Changed(rows.len() as u64))
    }

    /// From now on these read, and no others. A new one begins with what comes next.
    pub(crate) fn event_readers(&mut self, names: &[String]) -> Applied {
        let next = self.next_event()?;
        self.tables
            .event_readers
            .retain(|name, _| names.iter().any(|known| known == name))?;
        for name in names {
            if self.tables.event_readers.get(name.as_str())?.is_none() {
                self.tables.event_readers.insert(name.as_str(), next)?;
            }
        }
        self.drop_read_events()?;
        Ok(Done::Done)
    }

    /// A reader has dealt with everything before `next`. Places only ever move on.
    pub(crate) fn events_read(&mut self, reader: &str, next: u64) -> Applied {
        let place = self
            .tables
            .event_readers
            .get(reader)?
            .map(|row| row.value());
        let Some(place) = place.filter(|place| *place < next) else {
            return Ok(Done::Changed(0));
        };
        let next = next.min(self.next_event()?);
        self.tables.event_readers.insert(reader, next)?;
        self.drop_read_events()?;
        Ok(Done::Changed(next - place))
    }

    pub(crate) fn prune_events(&mut self) -> Result<(), Error> {
        let over = self
            .tables
            .events
            .len()?
            .saturating_sub(self.limits.events_max);
        for _ in 0..over {
            self.tables.events.pop_first()?;
        }
        Ok(())
    }

    /// A number that none had before: readers' places outlive the rows.
    fn next_event(&self) -> Result<u64, Error> {
        let last = self.tables.events.last()?.map(|(key, _)| key.value() + 1);
        let mut next = last.unwrap_or(1);
        for row in self.tables.event_readers.iter()? {
            next = next.max(row?.1.value());
        }
        Ok(next)
    }

    fn drop_read_events(&mut self) -> Result<(), Error> {
        let mut first = u64::MAX;
        for row in self.tables.event_readers.iter()? {
            first = first.min(row?.1.value());
        }
        self.tables.events.retain_in(..first, |_, _| false)?;
        Ok(())
    }
}
