//! What an operator does to waiting entries: hold, release, retry now, remove.

use redb::ReadableTable;

use crate::batch::{Applied, Batch, Failure};
use crate::error::Refusal;
use crate::history::MessageState;
use crate::history_write::Change;
use crate::id::EntryId;
use crate::message::{Entry, EntryState};
use crate::operation::{Done, Target};
use crate::record;
use crate::settle::due_of;

impl Batch<'_, '_> {
    pub(crate) fn hold(&mut self, target: Target, reason: &str) -> Applied {
        self.restate(target, MessageState::Held, |_| {
            Some(EntryState::Held(reason.to_owned()))
        })
    }

    pub(crate) fn release(&mut self, target: Target, due_ms: u64) -> Applied {
        self.restate(target, MessageState::Queued, |state| match state {
            EntryState::Held(_) => Some(EntryState::Due(due_ms)),
            EntryState::Due(_) => None,
        })
    }

    pub(crate) fn reschedule(&mut self, target: Target, due_ms: u64) -> Applied {
        self.restate(target, MessageState::Queued, |state| match state {
            EntryState::Due(_) => Some(EntryState::Due(due_ms)),
            EntryState::Held(_) => None,
        })
    }

    pub(crate) fn remove(&mut self, target: Target, at_ms: u64) -> Applied {
        let message = target.message();
        let entries = self.targeted(target, record::decode_entry_due)?;
        let kept = self.kept(message)?;
        for (id, (due_ms, attempts)) in &entries {
            self.drop_entry(*id, *due_ms, *attempts)?;
        }
        if let Some(kept) = kept
            && !self.has_entries(message)?
        {
            self.forget(message, kept)?;
        }
        let change = Change {
            removed: entries.len() as u32,
            ..Change::at(at_ms)
        };
        self.history_change(message, change, &[])?;
        Ok(Done::Changed(entries.len() as u64))
    }

    /// Gives entries a new state where `next` says one.
    fn restate(
        &mut self,
        target: Target,
        shown: MessageState,
        next: impl Fn(&EntryState) -> Option<EntryState>,
    ) -> Applied {
        let entries = self.targeted(target, |bytes| Ok(bytes.to_vec()))?;
        let mut changed: Vec<(Entry, Option<u64>)> = Vec::new();
        for (id, bytes) in entries {
            let mut entry =
                record::decode_entry(id, &bytes).map_err(Failure::unreadable(id.message))?;
            if let Some(state) = next(&entry.state) {
                let due_ms = due_of(&entry.state);
                entry.state = state;
                changed.push((entry, due_ms));
            }
        }
        for (entry, due_ms) in &changed {
            self.rewrite_entry(entry, *due_ms, entry.attempts)?;
        }
        if !changed.is_empty() {
            let deferred = shown == MessageState::Queued
                && changed.iter().any(|(entry, _)| entry.attempts > 0);
            let shown = if deferred {
                MessageState::Deferred
            } else {
                shown
            };
            let change = Change {
                state: Some(shown),
                ..Change::default()
            };
            self.history_change(target.message(), change, &[])?;
        }
        Ok(Done::Changed(changed.len() as u64))
    }

    /// The waiting entries a target names, as `read` reads them. Refused if there is none.
    fn targeted<T>(
        &self,
        target: Target,
        read: impl Fn(&[u8]) -> Result<T, record::Unreadable>,
    ) -> Applied<Vec<(EntryId, T)>> {
        let number = target.message().to_u128();
        let places = match target {
            Target::Message(_) => (number, 0)..=(number, u32::MAX),
            Target::Entry(entry) => (number, entry.recipient)..=(number, entry.recipient),
        };
        let mut entries = Vec::new();
        for row in self.tables.entries.range(places)? {
            let (key, bytes) = row?;
            let id = EntryId::new(target.message(), key.value().1);
            let value = read(bytes.value()).map_err(Failure::unreadable(id.message))?;
            entries.push((id, value));
        }
        if entries.is_empty() {
            return Err(Failure::Refused(match target {
                Target::Message(message) => Refusal::NoMessage(message),
                Target::Entry(entry) => Refusal::NoEntry(entry),
            }));
        }
        Ok(entries)
    }
}
