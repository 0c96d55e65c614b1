//! What plugins remember: rows of their own namespace, some with an expiry.
//!
//! An expired row reads as absent at once and is removed by a sweep later. `kv_usage` counts rows and bytes per namespace,
//! so that a quota costs one lookup.

use std::collections::BTreeMap;

use bytes::Bytes;
use redb::ReadableTable;

use crate::batch::{Applied, Batch, Failure};
use crate::error::{Error, Refusal};
use crate::operation::{Done, KvWrite};
use crate::record;

/// What a namespace takes, expired rows that are not swept yet included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KvUsage {
    /// Keys.
    pub rows: u64,
    /// Bytes of keys and values.
    pub bytes: u64,
}

/// One row of a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KvRow {
    /// The key.
    pub key: Bytes,
    /// The value.
    pub value: Bytes,
    /// When it expires, in milliseconds since 1970.
    pub expires_ms: Option<u64>,
}

impl Batch<'_, '_> {
    pub(crate) fn kv(&mut self, writes: &[KvWrite]) -> Applied {
        let most = self.limits.kv_value_bytes_max as usize;
        let too_large = |write: &KvWrite| {
            write.key.len() > most || write.value.as_ref().is_some_and(|value| value.len() > most)
        };
        if writes.iter().any(too_large) {
            return Err(Failure::Refused(Refusal::TooLarge));
        }
        for write in writes {
            self.kv_write(write)?;
        }
        Ok(Done::Done)
    }

    fn kv_write(&mut self, write: &KvWrite) -> Result<(), Error> {
        let KvWrite {
            namespace,
            key,
            value,
            expires_ms,
        } = write;
        let old = match value {
            Some(value) => {
                record::encode_kv(value, *expires_ms, &mut self.scratch);
                let key = (namespace.as_str(), &key[..]);
                let old = self.tables.kv.insert(key, self.scratch.as_slice())?;
                old.map(|old| weigh(old.value()))
            }
            None => self.kv_take(namespace, key)?,
        };
        if let Some((_, Some(expires_ms))) = old {
            self.tables
                .kv_expiry
                .remove((expires_ms, namespace.as_str(), &key[..]))?;
        }
        if let (Some(_), Some(expires_ms)) = (value, expires_ms) {
            self.tables
                .kv_expiry
                .insert((*expires_ms, namespace.as_str(), &key[..]), ())?;
        }
        let of_row = |value_bytes: u64| KvUsage {
            rows: 1,
            bytes: value_bytes + key.len() as u64,
        };
        let less = old.map(|(bytes, _)| of_row(bytes));
        let more = value.as_ref().map(|value| of_row(value.len() as u64));
        self.kv_count(
            namespace,
            less.unwrap_or_default(),
            more.unwrap_or_default(),
        )
    }

    /// Removes a row; gives its length and expiry.
    fn kv_take(
        &mut self,
        namespace: &str,
        key: &[u8],
    ) -> Result<Option<(u64, Option<u64>)>, Error> {
        let old = self.tables.kv.remove((namespace, key))?;
        Ok(old.map(|old| weigh(old.value())))
    }

    fn kv_count(&mut self, namespace: &str, less: KvUsage, more: KvUsage) -> Result<(), Error> {
        if less == more {
            return Ok(());
        }
        let (rows, bytes) = match self.tables.kv_usage.get(namespace)? {
            Some(usage) => usage.value(),
            None => (0, 0),
        };
        let rows = rows.saturating_sub(less.rows) + more.rows;
        let bytes = bytes.saturating_sub(less.bytes) + more.bytes;
        if rows == 0 {
            self.tables.kv_usage.remove(namespace)?;
        } else {
            self.tables.kv_usage.insert(namespace, (rows, bytes))?;
        }
        Ok(())
    }

    pub(crate) fn sweep(&mut self, now_ms: u64, rows_max: u32) -> Applied {
        let swept = self.kv_sweep(now_ms, rows_max)? + self.suppression_sweep(now_ms, rows_max)?;
        Ok(Done::Changed(swept))
    }

    fn kv_sweep(&mut self, now_ms: u64, rows_max: u32) -> Result<u64, Error> {
        let mut expired = Vec::new();
        for row in self
            .tables
            .kv_expiry
            .range(..(now_ms.saturating_add(1), "", &[][..]))?
        {
            if expired.len() == rows_max as usize {
                break;
            }
            let (key, ()) = row.map(|(key, _)| (key, ()))?;
            let (at_ms, namespace, key) = key.value();
            expired.push((at_ms, namespace.to_owned(), key.to_vec()));
        }
        let mut freed: BTreeMap<&str, KvUsage> = BTreeMap::new();
        for (at_ms, namespace, key) in &expired {
            self.tables
                .kv_expiry
                .remove((*at_ms, namespace.as_str(), key.as_slice()))?;
            if let Some((bytes, _)) = self.kv_take(namespace, key)? {
                let freed = freed.entry(namespace).or_default();
                freed.rows += 1;
                freed.bytes += bytes + key.len() as u64;
            }
        }
        for (namespace, freed) in freed {
            self.kv_count(namespace, freed, KvUsage::default())?;
        }
        Ok(expired.len() as u64)
    }
}

/// Length and expiry of a stored value. One that cannot be read weighs nothing.
fn weigh(bytes: &[u8]) -> (u64, Option<u64>) {
    match record::decode_kv(bytes) {
        Ok(value) => (value.value.len() as u64, value.expires_ms),
        Err(_) => (0, None),
    }
}
