//! Writing the history: rows begin with an accept and follow every change.

use bytes::Bytes;
use redb::{ReadableTable, ReadableTableMetadata};

use crate::batch::{Applied, Batch};
use crate::chunks;
use crate::error::Error;
use crate::history::{HISTORY_RECIPIENTS_MAX, HistoryEntry, HistoryRow, MessageState};
use crate::id::MessageId;
use crate::message::NewMessage;
use crate::operation::Done;
use crate::record;

/// What a transaction does to a message, as its row shows it.
#[derive(Debug, Default)]
pub(crate) struct Change {
    /// When; 0 leaves the row's time alone.
    pub(crate) at_ms: u64,
    pub(crate) delivered: u32,
    pub(crate) failed: u32,
    pub(crate) removed: u32,
    /// How it stands while something waits.
    pub(crate) state: Option<MessageState>,
}

impl Change {
    pub(crate) fn at(at_ms: u64) -> Self {
        Self {
            at_ms,
            ..Self::default()
        }
    }

    fn apply(&self, row: &mut HistoryRow) {
        row.changed_ms = row.changed_ms.max(self.at_ms);
        row.delivered += self.delivered;
        row.failed += self.failed;
        let settled = self.delivered + self.failed + self.removed;
        row.pending = row.pending.saturating_sub(settled);
        if row.pending > 0 {
            row.state = self.state.unwrap_or(row.state);
        } else if settled > 0 {
            row.state = match (row.delivered, row.failed) {
                (_, 0) if self.removed > 0 => MessageState::Removed,
                (_, 0) => MessageState::Delivered,
                (0, _) => MessageState::Failed,
                (_, _) => MessageState::Partial,
            };
        }
    }
}

impl Batch<'_, '_> {
    pub(crate) fn history_begin(
        &mut self,
        message: &NewMessage,
        state: MessageState,
    ) -> Result<(), Error> {
        let recipients = message.recipients.iter().take(HISTORY_RECIPIENTS_MAX);
        let total = message.recipients.len() as u32;
        self.history_insert(
            HistoryRow {
                id: message.id,
                received_ms: message.received_ms,
                changed_ms: message.received_ms,
                state,
                sender: message.sender.clone(),
                recipients: recipients
                    .map(|entry| entry.recipient.address.clone())
                    .collect(),
                recipients_total: total,
                pending: total,
                delivered: 0,
                failed: 0,
                subject: message.subject.clone(),
                body_bytes: message.body_bytes(),
                listener: message.origin.listener.clone(),
                account: message.origin.account.clone(),
                log_bytes: 0,
                log_pieces: 0,
            },
            &message.trace,
        )
    }

    pub(crate) fn history_put(&mut self, entry: &HistoryEntry) -> Applied {
        let mut row = entry.row.clone();
        row.recipients.truncate(HISTORY_RECIPIENTS_MAX);
        (row.log_bytes, row.log_pieces) = (0, 0);
        self.history_insert(row, &entry.trace)?;
        Ok(Done::Done)
    }

    fn history_insert(&mut self, mut row: HistoryRow, trace: &Bytes) -> Result<(), Error> {
        if self.limits.history_messages_max == 0 {
            return Ok(());
        }
        let number = row.id.to_u128();
        let at_ms = row.received_ms;
        self.log_append(&mut row, at_ms, trace)?;
        record::encode_history(&row, &mut self.scratch);
        let old = self
            .tables
            .history
            .insert(number, self.scratch.as_slice())?
            .is_some();
        if old {
            // A second life under one name: pieces beyond the new ones belong to the first.
            let mut place = row.log_pieces;
            while self.tables.history_log.remove((number, place))?.is_some() {
                place += 1;
            }
        }
        Ok(())
    }

    pub(crate) fn history_append(
        &mut self,
        message: MessageId,
        at_ms: u64,
        log: &Bytes,
    ) -> Applied {
        self.history_change(message, Change::at(at_ms), std::slice::from_ref(log))?;
        Ok(Done::Done)
    }

    /// Changes the row of a message and appends to its log. A row that is gone, or cannot be read, is left so.
    pub(crate) fn history_change(
        &mut self,
        message: MessageId,
        change: Change,
        log: &[Bytes],
    ) -> Result<(), Error> {
        if self.limits.history_messages_max == 0 {
            return Ok(());
        }
        let number = message.to_u128();
        let row = match self.tables.history.get(number)? {
            Some(row) => record::decode_history(message, row.value()).ok(),
            None => None,
        };
        let Some(mut row) = row else { return Ok(()) };
        change.apply(&mut row);
        let at_ms = row.changed_ms;
        for piece in log {
            self.log_append(&mut row, at_ms, piece)?;
        }
        record::encode_history(&row, &mut self.scratch);
        self.tables
            .history
            .insert(number, self.scratch.as_slice())?;
        Ok(())
    }

    fn log_append(&mut self, row: &mut HistoryRow, at_ms: u64, piece: &Bytes) -> Result<(), Error> {
        let length = u32::try_from(piece.len()).unwrap_or(u32::MAX);
        let total = row.log_bytes.saturating_add(length);
        if piece.is_empty() || total > self.limits.history_log_bytes_max {
            return Ok(());
        }
        record::encode_log(at_ms, piece, &mut self.scratch);
        let key = (row.id.to_u128(), row.log_pieces);
        self.tables
            .history_log
            .insert(key, self.scratch.as_slice())?;
        row.log_bytes = total;
        row.log_pieces += 1;
        Ok(())
    }

    pub(crate) fn prune_history(&mut self) -> Result<(), Error> {
        let tables = &mut self.tables;
        let over = tables
            .history
            .len()?
            .saturating_sub(self.limits.history_messages_max);
        for _ in 0..over {
            let Some(number) = tables.history.pop_first()?.map(|(key, _)| key.value()) else {
                break;
            };
            chunks::remove(&mut tables.history_log, number)?;
        }
        Ok(())
    }
}
