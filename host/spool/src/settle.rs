//! The transaction after an attempt: outcomes, next due times, bounce, suppression and removal together.

use std::collections::HashSet;

use redb::ReadableTable;

use crate::batch::{Applied, Batch, Failure};
use crate::chunks;
use crate::error::{Error, Refusal};
use crate::history::MessageState;
use crate::history_write::Change;
use crate::id::{EntryId, MessageId};
use crate::message::{Entry, EntryState};
use crate::operation::{Done, Outcome, Settle};
use crate::record::{self, Kept};

/// An entry as it is on disk now, as far as an outcome needs it.
struct Waiting<'s> {
    recipient: u32,
    outcome: &'s Outcome,
    due_ms: Option<u64>,
    attempts: u32,
    /// Read only where it is going to be written again.
    entry: Option<Entry>,
}

impl Batch<'_, '_> {
    pub(crate) fn settle(&mut self, settle: &Settle) -> Applied {
        let message = settle.message;
        let Some(kept) = self.kept(message)? else {
            return Err(Failure::Refused(Refusal::NoMessage(message)));
        };
        let (waiting, missing) = self.waiting(settle)?;
        if waiting.is_empty() && !missing.is_empty() {
            let first = EntryId::new(message, missing[0]);
            return Err(Failure::Refused(Refusal::NoEntry(first)));
        }
        self.check_new(&settle.accept)?;
        self.check_inbox(&settle.inbox)?;

        let mut change = Change::at(settle.at_ms);
        for entry in waiting {
            self.settle_one(message, entry, &mut change)?;
        }
        let gone = !self.has_entries(message)?;
        if gone {
            self.forget(message, kept)?;
        }
        self.history_change(message, change, &settle.log)?;
        for new in &settle.accept {
            self.insert_new(new)?;
        }
        for row in &settle.suppress {
            self.suppression_put(row)?;
        }
        for captured in &settle.inbox {
            self.inbox_insert(captured)?;
        }
        Ok(Done::Settled { gone, missing })
    }

    /// What is kept of the body of a waiting message; none if it does not wait.
    pub(crate) fn kept(&self, message: MessageId) -> Applied<Option<Kept>> {
        match self.tables.messages.get(message.to_u128())? {
            Some(row) => record::decode_kept(row.value())
                .map(Some)
                .map_err(Failure::unreadable(message)),
            None => Ok(None),
        }
    }

    /// The entries that outcomes speak of, and the numbers of those that wait no more.
    fn waiting<'s>(&self, settle: &'s Settle) -> Applied<(Vec<Waiting<'s>>, Vec<u32>)> {
        let number = settle.message.to_u128();
        let mut seen = HashSet::new();
        let mut waiting = Vec::with_capacity(settle.outcomes.len());
        let mut missing = Vec::new();
        for (recipient, outcome) in &settle.outcomes {
            let again = settle.outcomes.len() > 1 && !seen.insert(*recipient);
            let row = self.tables.entries.get((number, *recipient))?;
            let Some(row) = row.filter(|_| !again) else {
                missing.push(*recipient);
                continue;
            };
            let unreadable = Failure::unreadable(settle.message);
            let rewritten = matches!(outcome, Outcome::Deferred { .. } | Outcome::Held { .. });
            waiting.push(if rewritten {
                let id = EntryId::new(settle.message, *recipient);
                let entry = record::decode_entry(id, row.value()).map_err(unreadable)?;
                let (due_ms, attempts) = (due_of(&entry.state), entry.attempts);
                Waiting {
                    recipient: *recipient,
                    outcome,
                    due_ms,
                    attempts,
                    entry: Some(entry),
                }
            } else {
                let (due_ms, attempts) =
                    record::decode_entry_due(row.value()).map_err(unreadable)?;
                Waiting {
                    recipient: *recipient,
                    outcome,
                    due_ms,
                    attempts,
                    entry: None,
                }
            });
        }
        Ok((waiting, missing))
    }

    fn settle_one(
        &mut self,
        message: MessageId,
        waiting: Waiting<'_>,
        change: &mut Change,
    ) -> Result<(), Error> {
        let Waiting {
            recipient,
            outcome,
            due_ms,
            attempts,
            entry,
        } = waiting;
        let key = EntryId::new(message, recipient);
        match (outcome, entry) {
            (Outcome::Delivered, _) => {
                change.delivered += 1;
                self.drop_entry(key, due_ms, attempts)?;
            }
            (Outcome::Failed, _) => {
                change.failed += 1;
                self.drop_entry(key, due_ms, attempts)?;
            }
            (
                Outcome::Deferred {
                    due_ms: next,
                    attempts: count,
                    last,
                    notes,
                },
                Some(mut entry),
            ) => {
                change.state = Some(MessageState::Deferred);
                entry.state = EntryState::Due(*next);
                entry.attempts = *count;
                entry.last = Some(last.clone());
                entry.notes = notes.clone().unwrap_or(entry.notes);
                self.rewrite_entry(&entry, due_ms, attempts)?;
            }
            (
                Outcome::Held {
                    reason,
                    attempts: count,
                    last,
                    notes,
                },
                Some(mut entry),
            ) => {
                change.state = Some(MessageState::Held);
                entry.state = EntryState::Held(reason.clone());
                entry.attempts = *count;
                entry.last = last.clone().or(entry.last);
                entry.notes = notes.clone().unwrap_or(entry.notes);
                self.rewrite_entry(&entry, due_ms, attempts)?;
            }
            // `waiting` reads the entry for exactly these outcomes.
            (Outcome::Deferred { .. } | Outcome::Held { .. }, None) => {}
        }
        Ok(())
    }

    pub(crate) fn drop_entry(
        &mut self,
        id: EntryId,
        due_ms: Option<u64>,
        attempts: u32,
    ) -> Result<(), Error> {
        let number = id.message.to_u128();
        self.tables.entries.remove((number, id.recipient))?;
        if let Some(due_ms) = due_ms {
            self.tables.due.remove((due_ms, number, id.recipient))?;
        }
        self.counts.drop_entry(due_ms.is_some(), attempts);
        Ok(())
    }

    /// Writes an entry in its new state; `due_ms` and `attempts` are those it had.
    pub(crate) fn rewrite_entry(
        &mut self,
        entry: &Entry,
        due_ms: Option<u64>,
        attempts: u32,
    ) -> Result<(), Error> {
        let (number, place) = (entry.id.message.to_u128(), entry.id.recipient);
        record::encode_entry(entry, &mut self.scratch);
        self.tables
            .entries
            .insert((number, place), self.scratch.as_slice())?;
        let next = due_of(&entry.state);
        if next != due_ms {
            if let Some(due_ms) = due_ms {
                self.tables.due.remove((due_ms, number, place))?;
            }
            if let Some(next) = next {
                self.tables.due.insert((next, number, place), ())?;
            }
        }
        self.counts.drop_entry(due_ms.is_some(), attempts);
        self.counts.add_entry(next.is_some(), entry.attempts);
        Ok(())
    }

    pub(crate) fn has_entries(&self, message: MessageId) -> Result<bool, Error> {
        let number = message.to_u128();
        Ok(self
            .tables
            .entries
            .range((number, 0)..=(number, u32::MAX))?
            .next()
            .is_some())
    }

    /// Removes message and body once no entry is left.
    pub(crate) fn forget(&mut self, message: MessageId, kept: Kept) -> Result<(), Error> {
        let number = message.to_u128();
        self.tables.messages.remove(number)?;
        chunks::remove(&mut self.tables.bodies, number)?;
        self.counts.drop_message(kept.bytes);
        if let Some(original) = kept.original {
            self.release_original(original)?;
        }
        Ok(())
    }
}

pub(crate) fn due_of(state: &EntryState) -> Option<u64> {
    match state {
        EntryState::Due(due_ms) => Some(*due_ms),
        EntryState::Held(_) => None,
    }
}
