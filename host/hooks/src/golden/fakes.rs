//! The world of a case: what it gives, and a record of what was done to it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use baton_smtp::{Mailbox, ReversePath};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::words;
use crate::record::LogLevel;
use crate::services::{
    BoxFuture, DnsError, HttpError, HttpRequest, HttpResponse, KvError, PluginEvent,
    PluginEventKind, Services, SubmitError,
};

/// 2026-01-01T00:00:00Z.
const NOW_MS: f64 = 1_767_225_600_000.0;

/// What the resolver knows. A name that is not there does not exist.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Zone {
    texts: BTreeMap<String, Vec<String>>,
    addresses: BTreeMap<String, Vec<String>>,
    mail_exchangers: BTreeMap<String, Vec<(u16, String)>>,
    names: BTreeMap<String, Vec<String>>,
}

/// An answer to a request. The first that fits the method and URL is given.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    #[serde(default)]
    method: Option<String>,
    url: String,
    #[serde(default = "ok")]
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    /// Instead of an answer: `timeout`, `connect`, `dns` or `tls`.
    #[serde(default)]
    error: Option<String>,
}

fn ok() -> u16 {
    200
}

/// Everything a case gives.
#[derive(Debug, Clone, Default)]
pub(super) struct World {
    pub kv: BTreeMap<String, String>,
    pub zone: Zone,
    pub answers: Vec<Answer>,
    pub now_ms: Option<f64>,
}

/// See the module.
pub(super) struct Fakes {
    world: World,
    kv: Mutex<BTreeMap<String, Bytes>>,
    done: Mutex<Done>,
}

/// What a call did to the world.
#[derive(Default)]
struct Done {
    events: Vec<Value>,
    requests: Vec<Value>,
    submitted: Vec<Value>,
}

impl Fakes {
    pub fn new(world: World) -> Fakes {
        let kv = world
            .kv
            .iter()
            .map(|(key, value)| (key.clone(), value.clone().into()))
            .collect();
        Fakes {
            world,
            kv: Mutex::new(kv),
            done: Mutex::default(),
        }
    }

    /// Key-value as it is now; what is no text is shown as far as it is.
    pub fn kv(&self) -> Value {
        let kv = self.values();
        kv.iter()
            .map(|(key, value)| (key.clone(), String::from_utf8_lossy(value).into()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    }

    pub fn events(&self) -> Value {
        self.done().events.clone().into()
    }

    pub fn requests(&self) -> Value {
        self.done().requests.clone().into()
    }

    pub fn submitted(&self) -> Value {
        self.done().submitted.clone().into()
    }

    fn values(&self) -> MutexGuard<'_, BTreeMap<String, Bytes>> {
        self.kv.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn done(&self) -> MutexGuard<'_, Done> {
        self.done.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn number(&self, key: &str) -> Option<f64> {
        std::str::from_utf8(self.values().get(key)?)
            .ok()?
            .parse()
            .ok()
    }

    fn answer(&self, request: &HttpRequest) -> Result<HttpResponse, HttpError> {
        let fits = |answer: &&Answer| {
            answer.url == request.url
                && answer
                    .method
                    .as_ref()
                    .is_none_or(|method| method.eq_ignore_ascii_case(&request.method))
        };
        let answer = self.world.answers.iter().find(fits);
        let answer = answer.ok_or(HttpError::Connect)?;
        match answer.error.as_deref() {
            None => Ok(HttpResponse {
                status: answer.status,
                headers: answer.headers.clone().into_iter().collect(),
                body: answer.body.clone().into(),
            }),
            Some("timeout") => Err(HttpError::Timeout),
            Some("dns") => Err(HttpError::Dns),
            Some("tls") => Err(HttpError::Tls),
            Some(_) => Err(HttpError::Connect),
        }
    }
}

fn records<T: Clone>(known: &BTreeMap<String, Vec<T>>, name: &str) -> Result<Vec<T>, DnsError> {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    match known.get(&name) {
        None => Err(DnsError::NoSuchName),
        Some(found) if found.is_empty() => Err(DnsError::NoData),
        Some(found) => Ok(found.clone()),
    }
}

impl Services for Fakes {
    fn kv_get(&self, _: &str, key: &str) -> Result<Option<Bytes>, KvError> {
        Ok(self.values().get(key).cloned())
    }

    fn kv_set(
        &self,
        _: &str,
        quota: u64,
        key: &str,
        value: Bytes,
        _: Option<Duration>,
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

    fn kv_delete(&self, _: &str, key: &str) -> Result<bool, KvError> {
        Ok(self.values().remove(key).is_some())
    }

    fn kv_keys(
        &self,
        _: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, KvError> {
        let values = self.values();
        Ok(values
            .keys()
            .filter(|key| key.starts_with(prefix))
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
        let sum = self.number(key).unwrap_or(0.0) + f64::from(by);
        self.kv_set(plugin, quota, key, sum.to_string().into(), ttl)?;
        Ok(sum)
    }

    /// The clock stands, so nothing is refilled.
    fn kv_take(
        &self,
        plugin: &str,
        quota: u64,
        key: &str,
        tokens: f64,
        _: f64,
        burst: f64,
    ) -> Result<bool, KvError> {
        let left = self.number(key).unwrap_or(burst);
        if left < tokens {
            return Ok(false);
        }
        self.kv_set(plugin, quota, key, (left - tokens).to_string().into(), None)?;
        Ok(true)
    }

    fn dns_texts<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, DnsError>> {
        Box::pin(async move { records(&self.world.zone.texts, name) })
    }

    fn dns_addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, DnsError>> {
        Box::pin(async move { records(&self.world.zone.addresses, name) })
    }

    fn dns_mail_exchangers<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Vec<(u16, String)>, DnsError>> {
        Box::pin(async move { records(&self.world.zone.mail_exchangers, name) })
    }

    fn dns_names<'a>(&'a self, ip: IpAddr) -> BoxFuture<'a, Result<Vec<String>, DnsError>> {
        Box::pin(async move { records(&self.world.zone.names, &ip.to_string()) })
    }

    fn http_send<'a>(
        &'a self,
        _: &'a str,
        request: HttpRequest,
        _: Duration,
        body_bytes_max: usize,
    ) -> BoxFuture<'a, Result<HttpResponse, HttpError>> {
        let answer = self.answer(&request);
        self.done().requests.push(json!({
            "method": request.method,
            "url": request.url,
            "headers": words::header_map(&request.headers),
            "body": String::from_utf8_lossy(&request.body),
        }));
        let answer = answer.and_then(|answer| {
            if answer.body.len() > body_bytes_max {
                return Err(HttpError::TooLarge);
            }
            Ok(answer)
        });
        Box::pin(async { answer })
    }

    fn submit<'a>(
        &'a self,
        _: &'a str,
        _: Option<&'a str>,
        sender: ReversePath,
        recipients: Vec<Mailbox>,
        message: Bytes,
    ) -> BoxFuture<'a, Result<String, SubmitError>> {
        let recipients: Vec<String> = recipients.iter().map(Mailbox::to_string).collect();
        let mut done = self.done();
        done.submitted.push(json!({
            "sender": sender.mailbox().map(Mailbox::to_string).unwrap_or_default(),
            "recipients": recipients,
            "message": String::from_utf8_lossy(&message),
        }));
        let id = format!("submitted-{}", done.submitted.len());
        Box::pin(async { Ok(id) })
    }

    fn event(&self, event: PluginEvent<'_>) {
        if let PluginEventKind::Emitted { kind, fields } = event.kind {
            let fields: serde_json::Map<_, _> = fields
                .iter()
                .map(|(key, value)| (key.clone(), value.as_str().into()))
                .collect();
            let event = json!({ "kind": kind, "fields": fields });
            self.done().events.push(event);
        }
    }

    fn log(&self, _: &str, _: LogLevel, _: &str) {}

    fn now_ms(&self) -> f64 {
        self.world.now_ms.unwrap_or(NOW_MS)
    }

    fn monotonic_ms(&self) -> f64 {
        0.0
    }
}
