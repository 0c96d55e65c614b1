//! What people and the API look at: history, inbox, suppression, quarantine.

use baton_smtp::Mailbox;
use bytes::Bytes;
use redb::{ReadableTable, ReadableTableMetadata};

use super::{Snapshot, unreadable};
use crate::chunks;
use crate::error::Error;
use crate::history::{HistoryFilter, HistoryRow, LogPiece};
use crate::id::MessageId;
use crate::message::{InboxMessage, Suppression};
use crate::quarantine::Quarantined;
use crate::record;
use crate::suppression::key_of;
use crate::tables::{HISTORY, HISTORY_LOG, INBOX, INBOX_RAW, QUARANTINE, SUPPRESSION};

impl Snapshot {
    /// What is remembered of a message.
    pub fn history(&self, id: MessageId) -> Result<Option<HistoryRow>, Error> {
        match self.table(HISTORY)?.get(id.to_u128())? {
            Some(row) => record::decode_history(id, row.value())
                .map(Some)
                .map_err(unreadable(id)),
            None => Ok(None),
        }
    }

    /// The log of a message, oldest piece first.
    pub fn history_log(&self, id: MessageId) -> Result<Vec<LogPiece>, Error> {
        let number = id.to_u128();
        let mut pieces = Vec::new();
        for row in self
            .table(HISTORY_LOG)?
            .range((number, 0)..=(number, u32::MAX))?
        {
            pieces.push(record::decode_log(row?.1.value()).map_err(unreadable(id))?);
        }
        Ok(pieces)
    }

    /// Rows older than `before`, newest first, at most `limit`, that pass the filter.
    pub fn history_list(
        &self,
        before: Option<MessageId>,
        limit: usize,
        filter: &HistoryFilter,
    ) -> Result<Vec<HistoryRow>, Error> {
        let table = self.table(HISTORY)?;
        let rows = newest_first(&table, before, |id, bytes| {
            record::decode_history(id, bytes)
                .ok()
                .filter(|row| filter.admits(row))
        });
        rows.take(limit).collect()
    }

    /// Rows in the history.
    pub fn history_len(&self) -> Result<u64, Error> {
        Ok(self.table(HISTORY)?.len()?)
    }

    /// Captured messages older than `before`, newest first, at most `limit`, without their bytes.
    pub fn inbox_list(
        &self,
        before: Option<MessageId>,
        limit: usize,
    ) -> Result<Vec<InboxMessage>, Error> {
        let table = self.table(INBOX)?;
        let rows = newest_first(&table, before, |id, bytes| {
            record::decode_inbox(id, bytes).ok()
        });
        rows.take(limit).collect()
    }

    /// Messages in the inbox.
    pub fn inbox_len(&self) -> Result<u64, Error> {
        Ok(self.table(INBOX)?.len()?)
    }

    /// One captured message, without its bytes.
    pub fn inbox(&self, id: MessageId) -> Result<Option<InboxMessage>, Error> {
        match self.table(INBOX)?.get(id.to_u128())? {
            Some(row) => record::decode_inbox(id, row.value())
                .map(Some)
                .map_err(unreadable(id)),
            None => Ok(None),
        }
    }

    /// The bytes of a captured message.
    pub fn inbox_raw(&self, id: MessageId) -> Result<Option<Bytes>, Error> {
        chunks::get(&self.table(INBOX_RAW)?, id.to_u128())
    }

    /// Why nothing may be sent to `address` now: the account's own row, or else everybody's.
    pub fn suppressed(
        &self,
        account: Option<&str>,
        address: &Mailbox,
        now_ms: u64,
    ) -> Result<Option<Suppression>, Error> {
        let address = key_of(address);
        let may_hold = |account: &&str| self.listed.may_hold(account, &address);
        let accounts = account.into_iter().chain([""]).filter(may_hold);
        let mut accounts = accounts.peekable();
        if accounts.peek().is_none() {
            return Ok(None);
        }
        let table = self.table(SUPPRESSION)?;
        for account in accounts {
            let Some(row) = table.get((account, address.as_str()))? else {
                continue;
            };
            let row = read_suppression(row.value())?;
            if row.expires_ms.is_none_or(|expires_ms| expires_ms > now_ms) {
                return Ok(Some(row));
            }
        }
        Ok(None)
    }

    /// Rows behind `after` by account and address, at most `limit`, that have not expired.
    pub fn suppressions(
        &self,
        after: Option<&Suppression>,
        limit: usize,
        now_ms: u64,
    ) -> Result<Vec<Suppression>, Error> {
        use std::ops::Bound::{Excluded, Unbounded};
        let table = self.table(SUPPRESSION)?;
        let address = after.map(|row| key_of(&row.address)).unwrap_or_default();
        let first = match after {
            Some(row) => Excluded((row.account.as_deref().unwrap_or(""), address.as_str())),
            None => Unbounded,
        };
        let mut rows = Vec::new();
        for row in table.range::<(&str, &str)>((first, Unbounded))? {
            if rows.len() == limit {
                break;
            }
            let row = record::decode_suppression(row?.1.value());
            let alive = |row: &Suppression| row.expires_ms.is_none_or(|at_ms| at_ms > now_ms);
            rows.extend(row.ok().filter(alive));
        }
        Ok(rows)
    }

    /// Rows that were set aside, at most `limit`.
    pub fn quarantine(&self, limit: usize) -> Result<Vec<Quarantined>, Error> {
        let mut rows = Vec::new();
        for row in self.table(QUARANTINE)?.iter()?.take(limit) {
            let (key, bytes) = row?;
            let (table, key) = key.value();
            let (reason, bytes) = record::decode_quarantine(bytes.value())
                .unwrap_or(("the quarantine's own record cannot be read", bytes.value()));
            rows.push(Quarantined {
                table: table.to_owned(),
                key: Bytes::copy_from_slice(key),
                reason: reason.to_owned(),
                bytes: Bytes::copy_from_slice(bytes),
            });
        }
        Ok(rows)
    }

    /// Rows in the quarantine.
    pub fn quarantine_len(&self) -> Result<u64, Error> {
        Ok(self.table(QUARANTINE)?.len()?)
    }
}

fn read_suppression(bytes: &[u8]) -> Result<Suppression, Error> {
    record::decode_suppression(bytes)
        .map_err(|what| Error::Corrupt(format!("a suppression record: {what}")))
}

/// Rows before `before` from the newest on, as `read` reads them; those it does not want are left out.
fn newest_first<T>(
    table: &redb::ReadOnlyTable<u128, &'static [u8]>,
    before: Option<MessageId>,
    read: impl Fn(MessageId, &[u8]) -> Option<T>,
) -> impl Iterator<Item = Result<T, Error>> {
    let range = match before {
        Some(before) => table.range(..before.to_u128()),
        None => table.iter(),
    };
    let (rows, failed) = match range {
        Ok(rows) => (Some(rows), None),
        Err(error) => (None, Some(Err(error.into()))),
    };
    let rows = rows
        .into_iter()
        .flat_map(Iterator::rev)
        .filter_map(move |row| match row {
            Ok((number, bytes)) => {
                read(MessageId::from_u128(number.value()), bytes.value()).map(Ok)
            }
            Err(error) => Some(Err(error.into())),
        });
    failed.into_iter().chain(rows)
}
