//! Plugins' key-value: answered from memory, written behind within a second.
//!
//! What a plugin wrote is seen by every instance at once. A row that is not in memory is read from the spool; a row that
//! was changed stays in memory until the commit that holds it is durable, and afterwards as long as there is room.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use baton_hooks::KvError;
use baton_spool::{KvRow, KvWrite, Operation};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::limits;
use crate::queue::throttle::Bucket;
use crate::store::{Store, StoreError};

/// Keys of token buckets begin with this, so that they and a plugin's own rows never meet.
const BUCKET: &str = "\0b";
/// Bytes of a bucket's digest: as many as nobody finds two keys for, so that nobody drains a bucket of somebody else.
const BUCKET_DIGEST_BYTES: usize = 15;

/// All plugins' rows.
pub struct Kv {
    store: Store,
    /// One flush at a time: what one hands to a commit, another must not take for durable.
    flushing: tokio::sync::Mutex<()>,
    namespaces: Mutex<HashMap<String, Arc<Mutex<Namespace>>>>,
}

#[derive(Default)]
struct Namespace {
    rows: BTreeMap<String, Row>,
    held: Held,
    /// Rows before which looking for some that may give way is in vain: all wait to be written.
    crowded: usize,
    /// Bytes of keys and values, once it was asked for.
    usage_bytes: Option<u64>,
}

/// How much of a namespace its rows in memory are.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Held {
    /// Nobody has asked for anything yet.
    #[default]
    Unknown,
    /// All of it: what is not there is nowhere.
    Whole,
    /// What was asked for.
    Part,
}

#[derive(Clone)]
struct Row {
    /// None where there is none.
    value: Option<Bytes>,
    expires_ms: Option<u64>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// As in the spool.
    Clean,
    Changed,
    /// Handed to a commit, and not changed since.
    Writing,
}

impl Row {
    /// As the spool has it.
    fn clean(found: Option<KvRow>) -> Row {
        Row {
            expires_ms: found.as_ref().and_then(|row| row.expires_ms),
            value: found.map(|row| row.value),
            state: State::Clean,
        }
    }

    fn alive(&self, now_ms: u64) -> Option<&Bytes> {
        self.value
            .as_ref()
            .filter(|_| self.expires_ms.is_none_or(|at| at > now_ms))
    }
}

impl Kv {
    /// Over the rows of this store.
    pub fn new(store: Store) -> Kv {
        Kv {
            store,
            flushing: tokio::sync::Mutex::default(),
            namespaces: Mutex::default(),
        }
    }

    /// The value, unless its time is over.
    pub fn get(&self, plugin: &str, key: &str, now_ms: u64) -> Result<Option<Bytes>, KvError> {
        let namespace = self.namespace(plugin);
        let mut namespace = lock(&namespace);
        let row = self.row(&mut namespace, plugin, key, now_ms)?;
        Ok(row.alive(now_ms).cloned())
    }

    /// The value and when its time is over, in milliseconds since 1970.
    pub fn look(
        &self,
        plugin: &str,
        key: &str,
        now_ms: u64,
    ) -> Result<Option<(Bytes, Option<u64>)>, KvError> {
        let namespace = self.namespace(plugin);
        let mut namespace = lock(&namespace);
        let row = self.row(&mut namespace, plugin, key, now_ms)?;
        Ok(row
            .alive(now_ms)
            .map(|value| (value.clone(), row.expires_ms)))
    }

    /// Stores a value.
    pub fn set(
        &self,
        plugin: &str,
        quota: u64,
        key: &str,
        value: Bytes,
        ttl: Option<Duration>,
        now_ms: u64,
    ) -> Result<(), KvError> {
        let namespace = self.namespace(plugin);
        let mut namespace = lock(&namespace);
        self.put(
            &mut namespace,
            plugin,
            quota,
            key,
            Some(value),
            expiry(ttl, now_ms),
            now_ms,
        )
    }

    /// Stores a value unless there is one; false if there was.
    pub fn set_if_absent(
        &self,
        plugin: &str,
        quota: u64,
        key: &str,
        value: Bytes,
        ttl: Option<Duration>,
        now_ms: u64,
    ) -> Result<bool, KvError> {
        let namespace = self.namespace(plugin);
        let mut namespace = lock(&namespace);
        if self
            .row(&mut namespace, plugin, key, now_ms)?
            .alive(now_ms)
            .is_some()
        {
            return Ok(false);
        }
        let expires_ms = expiry(ttl, now_ms);
        self.put(
            &mut namespace,
            plugin,
            quota,
            key,
            Some(value),
            expires_ms,
            now_ms,
        )?;
        Ok(true)
    }

    /// False if there was none.
    pub fn delete(&self, plugin: &str, key: &str, now_ms: u64) -> Result<bool, KvError> {
        let namespace = self.namespace(plugin);
        let mut namespace = lock(&namespace);
        if self
            .row(&mut namespace, plugin, key, now_ms)?
            .alive(now_ms)
            .is_none()
        {
            return Ok(false);
        }
        self.put(&mut namespace, plugin, u64::MAX, key, None, None, now_ms)?;
        Ok(true)
    }

    /// Adds to a counter and returns the sum. What is no number counts as none.
    pub fn increment(
        &self,
        plugin: &str,
        quota: u64,
        key: &str,
        by: i32,
        ttl: Option<Duration>,
        now_ms: u64,
    ) -> Result<f64, KvError> {
        let namespace = self.namespace(plugin);
        let mut namespace = lock(&namespace);
        let row = self.row(&mut namespace, plugin, key, now_ms)?;
        let (before, expires_ms) = match row.alive(now_ms) {
            Some(value) => {
                let number = std::str::from_utf8(value)
                    .ok()
                    .and_then(|text| text.parse().ok());
                (number.unwrap_or(0.0), row.expires_ms)
            }
            None => (0.0, expiry(ttl, now_ms)),
        };
        let sum: f64 = before + f64::from(by);
        let value = Bytes::from(sum.to_string());
        self.put(
            &mut namespace,
            plugin,
            quota,
            key,
            Some(value),
            expires_ms,
            now_ms,
        )?;
        Ok(sum)
    }

    /// Takes tokens from a bucket that is full at first.
    #[allow(clippy::too_many_arguments)]
    pub fn take(
        &self,
        plugin: &str,
        quota: u64,
        key: &str,
        tokens: f64,
        per_second: f64,
        burst: f64,
        now_ms: u64,
    ) -> Result<bool, KvError> {
        let key = bucket_key(key);
        let namespace = self.namespace(plugin);
        let mut namespace = lock(&namespace);
        let row = self.row(&mut namespace, plugin, &key, now_ms)?;
        let mut bucket = row
            .alive(now_ms)
            .and_then(|value| read_bucket(value))
            .unwrap_or_else(|| Bucket::full(burst, now_ms));
        if !bucket.take(tokens, per_second, burst, now_ms) {
            return Ok(false);
        }
        // Once it would be full again, nothing need be remembered.
        let full_again_ms = (burst / per_second * 1000.0).ceil();
        let expires_ms = full_again_ms
            .is_finite()
            .then(|| now_ms.saturating_add(full_again_ms as u64));
        let value = write_bucket(&bucket);
        self.put(
            &mut namespace,
            plugin,
            quota,
            &key,
            Some(value),
            expires_ms,
            now_ms,
        )?;
        Ok(true)
    }

    /// Keys that begin with `prefix` and sort after `after`, in order, at most `limit`.
    pub fn keys(
        &self,
        plugin: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        now_ms: u64,
    ) -> Result<Vec<String>, KvError> {
        let namespace = self.namespace(plugin);
        let namespace = lock(&namespace);
        let wanted = |key: &str| {
            key.starts_with(prefix)
                && after.is_none_or(|after| key > after)
                && !key.starts_with(BUCKET)
        };
        let known: BTreeMap<&String, bool> = namespace
            .rows
            .range(prefix.to_owned()..)
            .take_while(|(key, _)| key.starts_with(prefix))
            .filter(|(key, _)| wanted(key))
            .map(|(key, row)| (key, row.alive(now_ms).is_some()))
            .collect();
        let snapshot = self.store.snapshot().map_err(|_| KvError::Unavailable)?;
        let mut keys: Vec<String> = Vec::new();
        let mut cursor = after.map(str::to_owned);
        // What memory says is gone leaves gaps in a page: further pages fill them.
        loop {
            let page = snapshot
                .kv_scan(
                    plugin,
                    prefix.as_bytes(),
                    cursor.as_ref().map(String::as_bytes),
                    limit.max(1),
                    now_ms,
                )
                .map_err(|_| KvError::Unavailable)?;
            let last = page.len() < limit.max(1);
            for row in page {
                let key = String::from_utf8_lossy(&row.key).into_owned();
                if wanted(&key) && !known.contains_key(&key) {
                    keys.push(key.clone());
                }
                cursor = Some(key);
            }
            if last || keys.len() >= limit {
                break;
            }
        }
        keys.extend(
            known
                .into_iter()
                .filter(|(_, alive)| *alive)
                .map(|(key, _)| key.clone()),
        );
        keys.sort_unstable();
        keys.truncate(limit);
        Ok(keys)
    }

    /// Makes durable what was changed since the last time, in steps: who commits meanwhile waits for one of them.
    pub async fn flush(&self) -> Result<(), StoreError> {
        let _alone = self.flushing.lock().await;
        let namespaces: Vec<(String, Arc<Mutex<Namespace>>)> = lock(&self.namespaces)
            .iter()
            .map(|(name, namespace)| (name.clone(), namespace.clone()))
            .collect();
        let (mut batch, mut room) = (Vec::new(), limits::KV_WRITES_MAX);
        for (name, namespace) in &namespaces {
            let mut after = None;
            loop {
                let writes = lock(namespace).begin_write(name, after.as_ref(), room);
                room -= writes.len();
                if let Some(last) = writes.last() {
                    after = Some(String::from_utf8_lossy(&last.key).into_owned());
                    batch.push(Operation::Kv(writes));
                }
                if room > 0 {
                    break;
                }
                self.write(std::mem::take(&mut batch), &namespaces).await?;
                room = limits::KV_WRITES_MAX;
            }
        }
        self.write(batch, &namespaces).await
    }

    /// Commits what the namespaces began to write.
    async fn write(
        &self,
        operations: Vec<Operation>,
        namespaces: &[(String, Arc<Mutex<Namespace>>)],
    ) -> Result<(), StoreError> {
        if operations.is_empty() {
            return Ok(());
        }
        let answers = self.store.commit(operations).await;
        let done = answers.is_ok();
        for (_, namespace) in namespaces {
            lock(namespace).end_write(done);
        }
        answers.map(drop)
    }

    fn namespace(&self, plugin: &str) -> Arc<Mutex<Namespace>> {
        let mut namespaces = lock(&self.namespaces);
        match namespaces.get(plugin) {
            Some(namespace) => namespace.clone(),
            None => namespaces.entry(plugin.to_owned()).or_default().clone(),
        }
    }

    /// The row as it is now, read into memory.
    fn row(
        &self,
        namespace: &mut Namespace,
        plugin: &str,
        key: &str,
        now_ms: u64,
    ) -> Result<Row, KvError> {
        if namespace.held == Held::Unknown {
            self.take_in(namespace, plugin, now_ms)?;
        }
        if let Some(row) = namespace.rows.get(key) {
            return Ok(row.clone());
        }
        if namespace.held == Held::Whole {
            return Ok(Row::clean(None));
        }
        let snapshot = self.store.snapshot().map_err(|_| KvError::Unavailable)?;
        let found = snapshot
            .kv_get(plugin, key.as_bytes(), now_ms)
            .map_err(|_| KvError::Unavailable)?;
        let row = Row::clean(found);
        namespace.keep(key, row.clone());
        Ok(row)
    }

    /// Reads a small namespace into memory as a whole, so that asking in vain, as most do, costs no look at the disk.
    fn take_in(&self, namespace: &mut Namespace, plugin: &str, now_ms: u64) -> Result<(), KvError> {
        let snapshot = self.store.snapshot().map_err(|_| KvError::Unavailable)?;
        let usage = snapshot
            .kv_usage(plugin)
            .map_err(|_| KvError::Unavailable)?;
        if usage.rows > limits::KV_WHOLE_ROWS_MAX || usage.bytes > limits::KV_WHOLE_BYTES_MAX {
            namespace.held = Held::Part;
            return Ok(());
        }
        let found = snapshot
            .kv_scan(plugin, b"", None, usize::MAX, now_ms)
            .map_err(|_| KvError::Unavailable)?;
        for row in found {
            let key = String::from_utf8_lossy(&row.key).into_owned();
            namespace.rows.entry(key).or_insert(Row::clean(Some(row)));
        }
        namespace.held = Held::Whole;
        Ok(())
    }

    #[allow(clippy::too_many_arguments)]
    fn put(
        &self,
        namespace: &mut Namespace,
        plugin: &str,
        quota: u64,
        key: &str,
        value: Option<Bytes>,
        expires_ms: Option<u64>,
        now_ms: u64,
    ) -> Result<(), KvError> {
        let before = self.row(namespace, plugin, key, now_ms)?;
        let usage = match namespace.usage_bytes {
            Some(usage) => usage,
            None => {
                let snapshot = self.store.snapshot().map_err(|_| KvError::Unavailable)?;
                snapshot
                    .kv_usage(plugin)
                    .map_err(|_| KvError::Unavailable)?
                    .bytes
            }
        };
        let size = |value: &Option<Bytes>| {
            value
                .as_ref()
                .map_or(0, |value| (key.len() + value.len()) as u64)
        };
        let (old, new) = (size(&before.value), size(&value));
        let after = usage.saturating_sub(old).saturating_add(new);
        if new > old && after > quota {
            return Err(KvError::Quota);
        }
        namespace.usage_bytes = Some(after);
        let row = Row {
            value,
            expires_ms,
            state: State::Changed,
        };
        namespace.keep(key, row);
        Ok(())
    }
}

impl Namespace {
    /// Puts a row into memory; where there are too many, what the spool has as well gives way.
    fn keep(&mut self, key: &str, row: Row) {
        let rows_max = limits::KV_ROWS_CACHED_MAX.max(self.crowded);
        if self.rows.len() >= rows_max && !self.rows.contains_key(key) {
            self.rows.retain(|_, row| row.state != State::Clean);
            self.held = Held::Part;
            self.crowded = 2 * self.rows.len();
        }
        self.rows.insert(key.to_owned(), row);
    }

    /// What was changed, in order, behind that key.
    fn begin_write(&mut self, name: &str, after: Option<&String>, limit: usize) -> Vec<KvWrite> {
        let behind = (
            after.map_or(Bound::Unbounded, Bound::Excluded),
            Bound::Unbounded,
        );
        let changed = self
            .rows
            .range_mut::<String, _>(behind)
            .filter(|(_, row)| row.state == State::Changed)
            .take(limit);
        changed
            .map(|(key, row)| {
                row.state = State::Writing;
                KvWrite {
                    namespace: name.to_owned(),
                    key: Bytes::copy_from_slice(key.as_bytes()),
                    value: row.value.clone(),
                    expires_ms: row.expires_ms,
                }
            })
            .collect()
    }

    fn end_write(&mut self, done: bool) {
        for row in self
            .rows
            .values_mut()
            .filter(|row| row.state == State::Writing)
        {
            row.state = if done { State::Clean } else { State::Changed };
        }
        if done {
            self.crowded = 0;
        }
        // Expired rows leave the spool by themselves: the sum is asked for again.
        if done && self.rows.values().all(|row| row.state == State::Clean) {
            self.usage_bytes = None;
        }
    }
}

fn expiry(ttl: Option<Duration>, now_ms: u64) -> Option<u64> {
    ttl.map(|ttl| now_ms.saturating_add(u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX)))
}

/// A bucket's row is asked for and never listed, and there may be millions: a digest is shorter than most names.
fn bucket_key(key: &str) -> String {
    let digest = Sha256::digest(key.as_bytes());
    format!(
        "{BUCKET}{}",
        STANDARD.encode(&digest[..BUCKET_DIGEST_BYTES])
    )
}

fn read_bucket(value: &[u8]) -> Option<Bucket> {
    let (tokens, at_ms) = value.split_at_checked(8)?;
    let tokens = f64::from_le_bytes(tokens.try_into().ok()?);
    Some(Bucket::restored(
        tokens,
        u64::from_le_bytes(at_ms.try_into().ok()?),
    ))
}

fn write_bucket(bucket: &Bucket) -> Bytes {
    let mut value = Vec::with_capacity(16);
    value.extend_from_slice(&bucket.tokens().to_le_bytes());
    value.extend_from_slice(&bucket.at_ms().to_le_bytes());
    value.into()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
