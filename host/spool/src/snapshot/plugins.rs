//! What plugins read: their own key-value rows.

use bytes::Bytes;

use super::Snapshot;
use crate::error::Error;
use crate::kv::{KvRow, KvUsage};
use crate::record::{self, Unreadable};
use crate::tables::{KV, KV_USAGE};

impl Snapshot {
    /// A value; none if there is none or it has expired.
    pub fn kv_get(&self, namespace: &str, key: &[u8], now_ms: u64) -> Result<Option<KvRow>, Error> {
        let Some(row) = self.table(KV)?.get((namespace, key))? else {
            return Ok(None);
        };
        let value = record::decode_kv(row.value()).map_err(corrupt)?;
        Ok(value.alive(now_ms).then(|| KvRow {
            key: Bytes::copy_from_slice(key),
            value: Bytes::copy_from_slice(value.value),
            expires_ms: value.expires_ms,
        }))
    }

    /// Rows whose key begins with `prefix`, by key, behind `after`, at most `limit`, that have not expired.
    pub fn kv_scan(
        &self,
        namespace: &str,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
        now_ms: u64,
    ) -> Result<Vec<KvRow>, Error> {
        use std::ops::Bound::{Excluded, Included, Unbounded};
        let first = match after {
            Some(after) if after >= prefix => Excluded((namespace, after)),
            _ => Included((namespace, prefix)),
        };
        let mut rows = Vec::new();
        for row in self.table(KV)?.range::<(&str, &[u8])>((first, Unbounded))? {
            let (place, bytes) = row?;
            let (of, key) = place.value();
            if rows.len() == limit || of != namespace || !key.starts_with(prefix) {
                break;
            }
            let value = record::decode_kv(bytes.value()).map_err(corrupt)?;
            if value.alive(now_ms) {
                rows.push(KvRow {
                    key: Bytes::copy_from_slice(key),
                    value: Bytes::copy_from_slice(value.value),
                    expires_ms: value.expires_ms,
                });
            }
        }
        Ok(rows)
    }

    /// What a namespace takes.
    pub fn kv_usage(&self, namespace: &str) -> Result<KvUsage, Error> {
        let usage = self.table(KV_USAGE)?.get(namespace)?.map(|row| row.value());
        Ok(usage
            .map(|(rows, bytes)| KvUsage { rows, bytes })
            .unwrap_or_default())
    }
}

fn corrupt(what: Unreadable) -> Error {
    Error::Corrupt(format!("a key-value record: {what}"))
}
