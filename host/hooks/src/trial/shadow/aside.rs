//! What a shadow may ask of the relay: its key-value with a scratch over it, and the clock. Nothing else happens.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use baton_smtp::{Mailbox, ReversePath};
use bytes::Bytes;

use crate::limits;
use crate::record::LogLevel;
use crate::services::{
    BoxFuture, DnsError, HttpError, HttpRequest, HttpResponse, KvError, PluginEvent, Services,
    SubmitError,
};

/// Services of one candidate. Its plugin's real key-value is read and never written.
pub(crate) struct Aside {
    real: Arc<dyn Services>,
    scratch: Mutex<Scratch>,
}

#[derive(Default)]
struct Scratch {
    /// By key: a value until a time (in milliseconds of the relay's clock), or none where it was deleted.
    values: BTreeMap<String, Option<Value>>,
    buckets: BTreeMap<String, Bucket>,
    bytes: u64,
}

struct Value {
    bytes: Bytes,
    until_ms: Option<f64>,
}

/// Tokens at a time.
struct Bucket {
    tokens: f64,
    at_ms: f64,
}

impl Aside {
    pub fn new(real: Arc<dyn Services>) -> Aside {
        Aside {
            real,
            scratch: Mutex::default(),
        }
    }

    fn scratch(&self) -> MutexGuard<'_, Scratch> {
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The value as the candidate sees it.
    fn value(&self, scratch: &Scratch, plugin: &str, key: &str) -> Result<Option<Bytes>, KvError> {
        match scratch.values.get(key) {
            Some(Some(value)) if value.is_over(self.real.now_ms()) => Ok(None),
            Some(value) => Ok(value.as_ref().map(|value| value.bytes.clone())),
            None => self.real.kv_get(plugin, key),
        }
    }
}

impl Value {
    fn is_over(&self, now_ms: f64) -> bool {
        self.until_ms.is_some_and(|until| until <= now_ms)
    }
}

impl Scratch {
    fn put(&mut self, quota: u64, key: &str, value: Option<Value>) -> Result<(), KvError> {
        let size = |value: &Option<Value>| {
            value
                .as_ref()
                .map_or(0, |value| (key.len() + value.bytes.len()) as u64)
        };
        let old = self.values.get(key).map_or(0, size);
        let bytes = self.bytes - old + size(&value);
        if bytes > quota.min(limits::KV_BYTES_MAX) || self.values.len() >= limits::SHADOW_KEYS_MAX {
            return Err(KvError::Quota);
        }
        self.bytes = bytes;
        self.values.insert(key.to_owned(), value);
        Ok(())
    }
}

fn until(now_ms: f64, ttl: Option<Duration>) -> Option<f64> {
    ttl.map(|ttl| now_ms + ttl.as_secs_f64() * 1000.0)
}

fn withheld<'a, T: Send + 'a, E: Send + 'a>(error: E) -> BoxFuture<'a, Result<T, E>> {
    Box::pin(std::future::ready(Err(error)))
}

impl Services for Aside {
    fn kv_get(&self, plugin: &str, key: &str) -> Result<Option<Bytes>, KvError> {
        self.value(&self.scratch(), plugin, key)
    }

    fn kv_set(
        &self,
        _: &str,
        quota: u64,
        key: &str,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<(), KvError> {
        let until_ms = until(self.real.now_ms(), ttl);
        let value = Value {
            bytes: value,
            until_ms,
        };
        self.scratch().put(quota, key, Some(value))
    }

    fn kv_set_if_absent(
        &self,
        plugin: &str,
        quota: u64,
        key: &str,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<bool, KvError> {
        let mut scratch = self.scratch();
        if self.value(&scratch, plugin, key)?.is_some() {
            return Ok(false);
        }
        let until_ms = until(self.real.now_ms(), ttl);
        let value = Value {
            bytes: value,
            until_ms,
        };
        scratch.put(quota, key, Some(value)).map(|()| true)
    }

    fn kv_delete(&self, plugin: &str, key: &str) -> Result<bool, KvError> {
        let mut scratch = self.scratch();
        let was = self.value(&scratch, plugin, key)?.is_some();
        scratch.put(u64::MAX, key, None).map(|()| was)
    }

    fn kv_keys(
        &self,
        plugin: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, KvError> {
        let scratch = self.scratch();
        let now_ms = self.real.now_ms();
        // Deleted keys may hide that many of the real ones.
        let room = limit.saturating_add(scratch.values.len());
        let real = self.real.kv_keys(plugin, prefix, after, room)?;
        let mut keys: BTreeSet<String> = real.into_iter().collect();
        for (key, value) in &scratch.values {
            if !key.starts_with(prefix) || after.is_some_and(|after| key.as_str() <= after) {
                continue;
            }
            if value.as_ref().is_some_and(|value| !value.is_over(now_ms)) {
                keys.insert(key.clone());
            } else {
                keys.remove(key);
            }
        }
        Ok(keys.into_iter().take(limit).collect())
    }

    fn kv_increment(
        &self,
        plugin: &str,
        quota: u64,
        key: &str,
        by: i32,
        ttl: Option<Duration>,
    ) -> Result<f64, KvError> {
        let mut scratch = self.scratch();
        let old = self.value(&scratch, plugin, key)?;
        let kept_until = match scratch.values.get(key) {
            Some(Some(value)) if old.is_some() => value.until_ms,
            _ => until(self.real.now_ms(), ttl),
        };
        let number = old
            .as_deref()
            .and_then(|bytes| std::str::from_utf8(bytes).ok()?.parse::<f64>().ok());
        let sum = number.unwrap_or(0.0) + f64::from(by);
        let value = Value {
            bytes: sum.to_string().into(),
            until_ms: kept_until,
        };
        scratch.put(quota, key, Some(value)).map(|()| sum)
    }

    /// The real bucket cannot be read without taking from it, so the scratch has buckets of its own, full at first.
    fn kv_take(
        &self,
        _: &str,
        _: u64,
        key: &str,
        tokens: f64,
        per_second: f64,
        burst: f64,
    ) -> Result<bool, KvError> {
        let now = self.real.now_ms();
        let mut scratch = self.scratch();
        if scratch.buckets.len() >= limits::SHADOW_KEYS_MAX && !scratch.buckets.contains_key(key) {
            return Err(KvError::Quota);
        }
        let bucket = scratch.buckets.entry(key.to_owned()).or_insert(Bucket {
            tokens: burst,
            at_ms: now,
        });
        let since = (now - bucket.at_ms).max(0.0) / 1000.0;
        bucket.tokens = (bucket.tokens + since * per_second).min(burst);
        bucket.at_ms = now;
        if bucket.tokens < tokens {
            return Ok(false);
        }
        bucket.tokens -= tokens;
        Ok(true)
    }

    fn dns_texts<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<String>, DnsError>> {
        withheld(DnsError::NotGranted)
    }

    fn dns_addresses<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Vec<String>, DnsError>> {
        withheld(DnsError::NotGranted)
    }

    fn dns_mail_exchangers<'a>(
        &'a self,
        _: &'a str,
    ) -> BoxFuture<'a, Result<Vec<(u16, String)>, DnsError>> {
        withheld(DnsError::NotGranted)
    }

    fn dns_names<'a>(&'a self, _: IpAddr) -> BoxFuture<'a, Result<Vec<String>, DnsError>> {
        withheld(DnsError::NotGranted)
    }

    fn http_send<'a>(
        &'a self,
        _: &'a str,
        _: HttpRequest,
        _: Duration,
        _: usize,
    ) -> BoxFuture<'a, Result<HttpResponse, HttpError>> {
        withheld(HttpError::NotGranted)
    }

    fn submit<'a>(
        &'a self,
        _: &'a str,
        _: Option<&'a str>,
        _: ReversePath,
        _: Vec<Mailbox>,
        _: Bytes,
    ) -> BoxFuture<'a, Result<String, SubmitError>> {
        withheld(SubmitError::NotGranted)
    }

    fn property(&self, name: &str) -> Option<String> {
        self.real.property(name)
    }

    fn event(&self, _: PluginEvent<'_>) {}

    fn log(&self, _: &str, _: LogLevel, _: &str) {}

    fn now_ms(&self) -> f64 {
        self.real.now_ms()
    }

    fn monotonic_ms(&self) -> f64 {
        self.real.monotonic_ms()
    }
}
