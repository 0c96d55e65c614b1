//! What is looked at when a spool is opened: every record of every waiting message, but no body.
//!
//! A crash cannot leave anything wrong here, since transactions are whole. A failing disk, a stray hand or a bug can. What
//! does not read goes to the quarantine with what depends on it; an index that disagrees with the entries is built anew, and
//! so is the count of who shares an original.

use std::collections::BTreeMap;

use redb::{Database, ReadTransaction, ReadableDatabase, ReadableTable, TableHandle};

use crate::batch::{Batch, Failure};
use crate::counts::Counts;
use crate::error::Error;
use crate::id::{EntryId, MessageId};
use crate::quarantine::part_key;
use crate::record;
use crate::tables::*;

/// One thing that was set aside at open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetAside {
    /// Table it was in.
    pub table: &'static str,
    /// The message it belongs to.
    pub message: MessageId,
    /// Why.
    pub reason: String,
}

/// What a scan found.
#[derive(Default)]
pub(crate) struct Findings {
    pub(crate) counts: Counts,
    messages: Vec<(MessageId, String)>,
    entries: Vec<(EntryId, String)>,
    history: Vec<(MessageId, String)>,
    inbox: Vec<(MessageId, String)>,
    index_is_wrong: bool,
    /// How many messages there are that need each original.
    copies: BTreeMap<MessageId, u32>,
    originals_are_wrong: bool,
}

impl Findings {
    pub(crate) fn is_clean(&self) -> bool {
        !self.index_is_wrong
            && !self.originals_are_wrong
            && self.messages.is_empty()
            && self.entries.is_empty()
            && self.history.is_empty()
            && self.inbox.is_empty()
    }

    pub(crate) fn index_is_wrong(&self) -> bool {
        self.index_is_wrong
    }

    /// For the report.
    pub(crate) fn list(&self) -> Vec<SetAside> {
        let row = |table, message, reason: &String| SetAside {
            table,
            message,
            reason: reason.clone(),
        };
        let mut all = Vec::new();
        all.extend(
            self.messages
                .iter()
                .map(|(id, reason)| row("messages", *id, reason)),
        );
        all.extend(
            self.entries
                .iter()
                .map(|(id, reason)| row("entries", id.message, reason)),
        );
        all.extend(
            self.history
                .iter()
                .map(|(id, reason)| row("history", *id, reason)),
        );
        all.extend(
            self.inbox
                .iter()
                .map(|(id, reason)| row("inbox", *id, reason)),
        );
        all
    }
}

/// Sums of the index rows there are and of those there should be, whatever their order.
#[derive(Default, PartialEq)]
struct IndexSum(u64, u64);

impl IndexSum {
    fn add(&mut self, due_ms: u64, number: u128, part: u32) {
        let mut mixed = due_ms ^ (number as u64).rotate_left(17) ^ ((number >> 64) as u64);
        mixed ^= u64::from(part) << 32;
        mixed = mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        mixed ^= mixed >> 29;
        self.0 += 1;
        self.1 = self
            .1
            .wrapping_add(mixed.wrapping_mul(0xbf58_476d_1ce4_e5b9));
    }
}

pub(crate) fn scan(database: &Database) -> Result<Findings, Error> {
    let txn = database.begin_read()?;
    let mut found = Findings::default();
    let wanted = scan_messages(&txn, &mut found)?;
    let mut present = IndexSum::default();
    for row in txn.open_table(DUE)?.iter()? {
        let (due_ms, number, part) = row?.0.value();
        present.add(due_ms, number, part);
    }
    found.index_is_wrong = present != wanted;
    scan_originals(&txn, &mut found)?;
    for row in txn.open_table(HISTORY)?.iter()? {
        let (number, bytes) = row?;
        let id = MessageId::from_u128(number.value());
        if let Err(what) = record::decode_history(id, bytes.value()) {
            found.history.push((id, what.to_string()));
        }
    }
    for row in txn.open_table(INBOX)?.iter()? {
        let (number, bytes) = row?;
        let id = MessageId::from_u128(number.value());
        if let Err(what) = record::decode_inbox(id, bytes.value()) {
            found.inbox.push((id, what.to_string()));
        }
    }
    Ok(found)
}

/// Walks messages and entries side by side; gives the index that the readable entries ask for.
fn scan_messages(txn: &ReadTransaction, found: &mut Findings) -> Result<IndexSum, Error> {
    let mut wanted = IndexSum::default();
    let messages = txn.open_table(MESSAGES)?;
    let entries = txn.open_table(ENTRIES)?;
    let mut entries = entries.iter()?.peekable();
    let mut messages = messages.iter()?;
    loop {
        let message = messages.next().transpose()?;
        let number = message.as_ref().map(|(key, _)| key.value());
        // Entries before this message have none.
        while let Some(Ok((key, _))) = entries.peek() {
            let (of, part) = key.value();
            if number.is_some_and(|number| of >= number) {
                break;
            }
            let id = EntryId::new(MessageId::from_u128(of), part);
            found
                .entries
                .push((id, "the entry has no message".to_owned()));
            entries.next();
        }
        let Some((key, bytes)) = message else { break };
        let number = key.value();
        let id = MessageId::from_u128(number);
        let kept = match record::decode_message(id, bytes.value())
            .and_then(|_| record::decode_kept(bytes.value()))
        {
            Ok(kept) => Some(kept),
            Err(what) => {
                found.messages.push((id, what.to_string()));
                None
            }
        };
        let mut waiting = 0;
        while let Some(entry) = entries.next_if(|row| match row {
            Ok((key, _)) => key.value().0 == number,
            Err(_) => true,
        }) {
            let (key, bytes) = entry?;
            let part = key.value().1;
            if kept.is_none() {
                continue; // goes with its message
            }
            match record::decode_entry(EntryId::new(id, part), bytes.value()) {
                Ok(entry) => {
                    waiting += 1;
                    let due_ms = crate::settle::due_of(&entry.state);
                    found.counts.add_entry(due_ms.is_some(), entry.attempts);
                    if let Some(due_ms) = due_ms {
                        wanted.add(due_ms, number, part);
                    }
                }
                Err(what) => found
                    .entries
                    .push((EntryId::new(id, part), what.to_string())),
            }
        }
        match kept {
            Some(kept) if waiting > 0 => {
                found.counts.add_message(kept.bytes);
                if let Some(original) = kept.original {
                    *found.copies.entry(original).or_default() += 1;
                }
            }
            Some(_) => found
                .messages
                .push((id, "the message has no entry".to_owned())),
            None => {}
        }
    }
    Ok(wanted)
}

/// Compares who shares an original with who says so. What needs one that is gone cannot be sent.
fn scan_originals(txn: &ReadTransaction, found: &mut Findings) -> Result<(), Error> {
    let mut missing = found.copies.clone();
    for row in txn.open_table(ORIGINAL_USES)?.iter()? {
        let (number, row) = row?;
        let (uses, bytes) = row.value();
        let id = MessageId::from_u128(number.value());
        found.originals_are_wrong |= missing.remove(&id) != Some(uses);
        found.counts.add_original(bytes);
    }
    if missing.is_empty() {
        return Ok(());
    }
    for row in txn.open_table(MESSAGES)?.iter()? {
        let (number, bytes) = row?;
        let kept = record::decode_kept(bytes.value());
        if let Ok(Some(original)) = kept.map(|kept| kept.original)
            && missing.contains_key(&original)
        {
            let id = MessageId::from_u128(number.value());
            let reason = "the original of the copy is missing".to_owned();
            found.messages.push((id, reason));
        }
    }
    Ok(())
}

/// Sets aside what a scan found. Counts are not kept here: the caller scans again.
pub(crate) fn repair(batch: &mut Batch<'_, '_>, found: &Findings) -> Result<(), Error> {
    for (id, reason) in &found.entries {
        let key = (id.message.to_u128(), id.recipient);
        let row = batch
            .tables
            .entries
            .remove(key)?
            .map(|row| row.value().to_vec());
        if let Some(row) = row {
            batch.quarantine(ENTRIES.name(), &part_key(key.0, key.1), reason, &row)?;
        }
    }
    for (id, reason) in &found.messages {
        match batch.set_aside(*id, reason) {
            Ok(_) | Err(Failure::Refused(_)) => {}
            Err(Failure::Broken(error)) => return Err(error),
        }
    }
    for (id, reason) in &found.history {
        let row = batch
            .tables
            .history
            .remove(id.to_u128())?
            .map(|row| row.value().to_vec());
        if let Some(row) = row {
            batch.quarantine(HISTORY.name(), &id.to_u128().to_be_bytes(), reason, &row)?;
        }
    }
    for (id, reason) in &found.inbox {
        let row = batch
            .tables
            .inbox
            .remove(id.to_u128())?
            .map(|row| row.value().to_vec());
        if let Some(row) = row {
            batch.quarantine(INBOX.name(), &id.to_u128().to_be_bytes(), reason, &row)?;
        }
    }
    if found.index_is_wrong || !found.entries.is_empty() {
        rebuild_index(batch)?;
    }
    if found.originals_are_wrong {
        recount_originals(batch)?;
    }
    Ok(())
}

fn rebuild_index(batch: &mut Batch<'_, '_>) -> Result<(), Error> {
    let tables = &mut batch.tables;
    tables.due.retain(|_, ()| false)?;
    for row in tables.entries.iter()? {
        let (key, bytes) = row?;
        let (number, part) = key.value();
        if let Ok((Some(due_ms), _)) = record::decode_entry_due(bytes.value()) {
            tables.due.insert((due_ms, number, part), ())?;
        }
    }
    Ok(())
}

/// Counts anew who shares what, and lets go of what nobody does. A message whose original is gone is found by its reader.
fn recount_originals(batch: &mut Batch<'_, '_>) -> Result<(), Error> {
    let tables = &mut batch.tables;
    let mut copies: BTreeMap<u128, u32> = BTreeMap::new();
    for row in tables.messages.iter()? {
        let kept = record::decode_kept(row?.1.value());
        if let Ok(Some(original)) = kept.map(|kept| kept.original) {
            *copies.entry(original.to_u128()).or_default() += 1;
        }
    }
    let mut bytes: BTreeMap<u128, u64> = BTreeMap::new();
    for row in tables.originals.iter()? {
        let (key, chunk) = row?;
        *bytes.entry(key.value().0).or_default() += chunk.value().len() as u64;
    }
    tables.original_uses.retain(|_, _| false)?;
    tables
        .originals
        .retain(|(number, _), _| copies.contains_key(&number))?;
    for (number, uses) in copies {
        if let Some(bytes) = bytes.get(&number) {
            tables.original_uses.insert(number, (uses, *bytes))?;
        }
    }
    Ok(())
}
