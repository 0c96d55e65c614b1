//! The transaction behind 250.

use std::collections::HashSet;

use redb::ReadableTable;

use crate::batch::{Applied, Batch, Failure};
use crate::chunks;
use crate::counts::{message_bytes, original_bytes};
use crate::error::{Error, Refusal};
use crate::history::MessageState;
use crate::id::MessageId;
use crate::message::{EntryState, NewMessage};
use crate::operation::{Done, Target};
use crate::record;

impl Batch<'_, '_> {
    pub(crate) fn accept(&mut self, messages: &[NewMessage]) -> Applied {
        self.check_new(messages)?;
        let bytes = bytes_on_disk(messages);
        let stored = self.counts.stored_bytes.saturating_add(bytes);
        if bytes > self.room_bytes || stored > self.limits.spool_bytes_max {
            return Err(Failure::Refused(Refusal::Full));
        }
        self.room_bytes -= bytes;
        for message in messages {
            self.insert_new(message)?;
        }
        Ok(Done::Done)
    }

    /// Whether these may be inserted, room aside.
    pub(crate) fn check_new(&self, messages: &[NewMessage]) -> Applied<()> {
        let mut names = HashSet::new();
        for message in messages {
            if message.recipients.is_empty() {
                return Err(Failure::Refused(Refusal::NoRecipients));
            }
            if message.recipients.len() > self.limits.message_recipients_max as usize {
                return Err(Failure::Refused(Refusal::TooManyRecipients));
            }
            let again = messages.len() > 1 && !names.insert(message.id);
            if again || self.tables.messages.get(message.id.to_u128())?.is_some() {
                return Err(Failure::Refused(Refusal::Taken(message.id)));
            }
        }
        Ok(())
    }

    pub(crate) fn insert_new(&mut self, message: &NewMessage) -> Result<(), Error> {
        let number = message.id.to_u128();
        record::encode_message(message, &mut self.scratch);
        self.tables
            .messages
            .insert(number, self.scratch.as_slice())?;
        match &message.copy_of {
            None => chunks::put(&mut self.tables.bodies, number, &message.body)?,
            Some(copy) => {
                let recipe = std::slice::from_ref(&copy.recipe);
                chunks::put(&mut self.tables.bodies, number, recipe)?;
                self.use_original(copy)?;
            }
        }
        self.counts.add_message(message.kept_bytes());
        let mut held = 0;
        for (place, entry) in message.recipients.iter().enumerate() {
            let place = place as u32;
            record::encode_new_entry(entry, &mut self.scratch);
            self.tables
                .entries
                .insert((number, place), self.scratch.as_slice())?;
            match entry.state {
                EntryState::Due(due_ms) => {
                    self.tables.due.insert((due_ms, number, place), ())?;
                    self.counts.add_entry(true, 0);
                }
                EntryState::Held(_) => {
                    held += 1;
                    self.counts.add_entry(false, 0);
                }
            }
        }
        let state = if held == message.recipients.len() {
            MessageState::Held
        } else {
            MessageState::Queued
        };
        self.history_begin(message, state)
    }
}

impl Batch<'_, '_> {
    /// Takes back an accept of a commit that failed and may have reached the disk nevertheless.
    pub(crate) fn unaccept(&mut self, message: MessageId) -> Applied<()> {
        let Some(kept) = self.kept(message)? else {
            return Ok(());
        };
        self.remove(Target::Message(message), 0)?;
        self.forget(message, kept)?;
        self.tables.history.remove(message.to_u128())?;
        chunks::remove(&mut self.tables.history_log, message.to_u128())?;
        Ok(())
    }
}

/// What these messages take together; an original that several of them share is counted once.
fn bytes_on_disk(messages: &[NewMessage]) -> u64 {
    let mut originals = HashSet::new();
    let of = |message: &NewMessage| {
        let own = message_bytes(message.kept_bytes());
        match &message.copy_of {
            Some(copy) if originals.insert(copy.original) => {
                own + original_bytes(copy.bytes.len() as u64)
            }
            _ => own,
        }
    };
    messages.iter().map(of).sum()
}
