//! What a plugin may ask of `baton plugin run`: a key-value that lives as long as the command, the system's resolver, and a
//! standard error that tells what it did. Nothing is sent to anybody.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use baton_hooks::{
    BoxFuture, DnsError, HttpError, HttpRequest, HttpResponse, KvError, LogLevel, PluginEvent,
    PluginEventKind, Services, SubmitError,
};
use baton_smtp::{Mailbox, ReversePath};
use bytes::Bytes;

use crate::clock;
use crate::config::{Dns, IpFamilies};
use crate::dns::{self, Resolver};

/// One question.
const DNS_TIMEOUT: Duration = Duration::from_secs(10);

pub struct Desk {
    began: Instant,
    values: Mutex<BTreeMap<String, Bytes>>,
    resolver: Option<Resolver>,
    tells: bool,
}

impl Desk {
    /// Whether it `tells` what a plugin did.
    pub fn new(tells: bool) -> Desk {
        let config = Dns {
            servers: Vec::new(),
            timeout: DNS_TIMEOUT,
        };
        Desk {
            began: Instant::now(),
            values: Mutex::default(),
            resolver: Resolver::new(&config).ok(),
            tells,
        }
    }

    fn values(&self) -> MutexGuard<'_, BTreeMap<String, Bytes>> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, text: std::fmt::Arguments<'_>) {
        if self.tells {
            eprintln!("{text}");
        }
    }

    fn resolver(&self) -> Result<&Resolver, DnsError> {
        self.resolver.as_ref().ok_or(DnsError::Failed)
    }
}

impl Services for Desk {
    fn kv_get(&self, _plugin: &str, key: &str) -> Result<Option<Bytes>, KvError> {
        Ok(self.values().get(key).cloned())
    }

    fn kv_set(
        &self,
        _plugin: &str,
        quota: u64,
        key: &str,
        value: Bytes,
        _ttl: Option<Duration>,
    ) -> Result<(), KvError> {
        let mut values = self.values();
        let others = values.iter().filter(|(known, _)| *known != key);
        let used: usize = others.map(|(key, value)| key.len() + value.len()).sum();
        if (used + key.len() + value.len()) as u64 > quota {
            return Err(KvError::Quota);
        }
        values.insert(key.to_owned(), value);
        Ok(())
    }

    fn kv_set_if_absent(
        &self,
        plugin: &str,
        quota: u64,
        key: &str,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<bool, KvError> {
        if self.values().contains_key(key) {
            return Ok(false);
        }
        self.kv_set(plugin, quota, key, value, ttl).map(|()| true)
    }

    fn kv_delete(&self, _plugin: &str, key: &str) -> Result<bool, KvError> {
        Ok(self.values().remove(key).is_some())
    }

    fn kv_keys(
        &self,
        _plugin: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, KvError> {
        let values = self.values();
        let keys = values.keys().filter(|key| key.starts_with(prefix));
        Ok(keys
            .filter(|key| after.is_none_or(|after| key.as_str() > after))
            .take(limit)
            .cloned()
            .collect())
    }

    fn kv_increment(
        &self,
        plugin: &str,
        quota: u64,
        key: &str,
        by: i32,
        ttl: Option<Duration>,
    ) -> Result<f64, KvError> {
        let old = self.values().get(key).and_then(number).unwrap_or(0.0);
        let new = old + f64::from(by);
        self.kv_set(plugin, quota, key, new.to_string().into(), ttl)?;
        Ok(new)
    }

    /// One command takes no time worth refilling for.
    fn kv_take(
        &self,
        plugin: &str,
        quota: u64,
        key: &str,
        tokens: f64,
        _per_second: f64,
        burst: f64,
    ) -> Result<bool, KvError> {
        let left = self.values().get(key).and_then(number).unwrap_or(burst);
        if left < tokens {
            return Ok(false);
        }
        self.kv_set(plugin, quota, key, (left - tokens).to_string().into(), None)?;
        Ok(true)
    }

    fn dns_texts<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, DnsError>> {
        Box::pin(async move { self.resolver()?.texts(name).await.map_err(|e| failure(&e)) })
    }

    fn dns_addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, DnsError>> {
        Box::pin(async move {
            let found = self.resolver()?.addresses(name, IpFamilies::Both).await;
            found
                .map(|all| all.iter().map(IpAddr::to_string).collect())
                .map_err(|e| failure(&e))
        })
    }

    fn dns_mail_exchangers<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Vec<(u16, String)>, DnsError>> {
        Box::pin(async move {
            let found = self
                .resolver()?
                .exchangers(name)
                .await
                .map_err(|e| failure(&e))?;
            Ok(found
                .into_iter()
                .map(|mx| (mx.preference, mx.exchange))
                .collect())
        })
    }

    fn dns_names<'a>(&'a self, ip: IpAddr) -> BoxFuture<'a, Result<Vec<String>, DnsError>> {
        Box::pin(async move { self.resolver()?.names(ip).await.map_err(|e| failure(&e)) })
    }

    fn http_send<'a>(
        &'a self,
        _plugin: &'a str,
        request: HttpRequest,
        _timeout: Duration,
        _body_bytes_max: usize,
    ) -> BoxFuture<'a, Result<HttpResponse, HttpError>> {
        let HttpRequest { method, url, .. } = &request;
        self.tell(format_args!("http: {method} {url} (not sent)"));
        Box::pin(async { Err(HttpError::Connect) })
    }

    fn submit<'a>(
        &'a self,
        _plugin: &'a str,
        _cause: Option<&'a str>,
        sender: ReversePath,
        recipients: Vec<Mailbox>,
        message: Bytes,
    ) -> BoxFuture<'a, Result<String, SubmitError>> {
        let to: Vec<_> = recipients.iter().map(ToString::to_string).collect();
        let (to, bytes) = (to.join(", "), message.len());
        self.tell(format_args!(
            "submit: from {sender} to {to}, {bytes} bytes (not sent)"
        ));
        Box::pin(async { Ok("not-sent".to_owned()) })
    }

    fn event(&self, event: PluginEvent<'_>) {
        match event.kind {
            PluginEventKind::Emitted { kind, fields } => {
                let fields: Vec<_> = fields.iter().map(|(k, v)| format!("{k}={v:?}")).collect();
                self.tell(format_args!("event: {kind} {}", fields.join(" ")));
            }
            PluginEventKind::Refused { reason } => self.tell(format_args!("refused: {reason}")),
            _ => {}
        }
    }

    fn log(&self, plugin: &str, level: LogLevel, text: &str) {
        self.tell(format_args!("log: {plugin}: {level:?}: {text}"));
    }

    fn now_ms(&self) -> f64 {
        clock::now().as_millis() as f64
    }

    fn monotonic_ms(&self) -> f64 {
        self.began.elapsed().as_secs_f64() * 1000.0
    }
}

fn number(bytes: &Bytes) -> Option<f64> {
    std::str::from_utf8(bytes).ok()?.parse().ok()
}

fn failure(error: &dns::DnsError) -> DnsError {
    match error {
        dns::DnsError::NoSuchName(_) | dns::DnsError::InvalidName(_) => DnsError::NoSuchName,
        dns::DnsError::NoData(_) => DnsError::NoData,
        dns::DnsError::Timeout(_) => DnsError::Timeout,
        dns::DnsError::Failed { .. } => DnsError::Failed,
    }
}
