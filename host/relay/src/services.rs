//! What plugins may ask of the relay: [`baton_hooks::Services`], over the relay's own parts. Grants and budgets were
//! checked before a call comes here.

pub mod http;
pub mod kv;
pub mod reach;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use baton_hooks::{
    BoxFuture, DnsError, HttpError, HttpRequest, HttpResponse, KvError, LogLevel, PluginEvent,
    PluginEventKind, Services, SubmitError,
};
use baton_smtp::{Mailbox, Recipient, ReversePath};
use bytes::Bytes;

use self::http::HttpClient;
use self::kv::Kv;
use crate::clock;
use crate::config::IpFamilies;
use crate::dns::{self, Resolver};
use crate::event::{self, Bus, Event, Source};
use crate::inbound::{self, accept::Wishes, submit};
use crate::limits;
use crate::meta::Meta;
use crate::queue::rests::Rests;
use crate::suppression::{self, Suppressions};

/// Hosts that each plugin may send requests to, by its name.
pub type HttpGrants = HashMap<String, Vec<String>>;

/// The relay, as plugins see it.
pub struct RelayServices {
    pub kv: Arc<Kv>,
    pub resolver: Resolver,
    pub families: IpFamilies,
    pub http: HttpClient,
    /// Hosts that each plugin may send requests to.
    pub http_grants: ArcSwap<HttpGrants>,
    pub bus: Bus,
    pub suppressions: Suppressions,
    pub began: Instant,
    /// Egresses that are left alone towards some site.
    pub rests: Arc<Rests>,
    /// By name of a pool or an egress: the egresses it stands for.
    pub pools: HashMap<String, Vec<String>>,
    /// Set once there is somebody to submit to. Weak, since that one has the plugins, and they have this.
    pub inbound: OnceLock<Weak<inbound::Shared>>,
}

impl RelayServices {
    fn now(&self) -> u64 {
        clock::now().as_millis()
    }

    /// How long the chain is that a message submitted because of `cause` belongs to.
    fn hops_after(shared: &inbound::Shared, cause: Option<&str>) -> u8 {
        let Some(cause) = cause else { return 1 };
        let before = shared.chains.hops(cause).or_else(|| {
            let snapshot = shared.store.snapshot().ok()?;
            let message = snapshot.message(cause.parse().ok()?).ok()??;
            Some(Meta::decode(&message.meta).hops)
        });
        before.unwrap_or(0).saturating_add(1)
    }

    async fn submit_now(
        &self,
        plugin: &str,
        cause: Option<&str>,
        sender: ReversePath,
        recipients: Vec<Mailbox>,
        message: Bytes,
    ) -> Result<String, SubmitError> {
        let stopping = || SubmitError::Invalid("the relay is stopping".into());
        let shared = self
            .inbound
            .get()
            .and_then(Weak::upgrade)
            .ok_or_else(stopping)?;
        let hops = RelayServices::hops_after(&shared, cause);
        if hops > limits::SUBMIT_HOPS_MAX {
            return Err(SubmitError::Loop);
        }
        let submission = submit::Submission {
            sender,
            parameters: Vec::new(),
            recipients: recipients.into_iter().map(Recipient::new).collect(),
            message: baton_message::lines::to_crlf(message),
            source: Source::Plugin,
            door: format!("plugin:{plugin}"),
            account: None,
            peer: None,
            hops,
            tags: Vec::new(),
            wishes: Wishes::default(),
        };
        match submit::submit(&shared, submission).await {
            Ok(taken) => Ok(taken.id.to_string()),
            Err(refusal) => Err(match refusal.reply.code() {
                452 => SubmitError::Full,
                552 => SubmitError::TooLarge,
                _ => SubmitError::Invalid(refusal.reply.to_string()),
            }),
        }
    }
}

impl Services for RelayServices {
    fn kv_get(&self, plugin: &str, key: &str) -> Result<Option<Bytes>, KvError> {
        self.kv.get(plugin, key, self.now())
    }

    fn kv_set(
        &self,
        plugin: &str,
        quota: u64,
        key: &str,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<(), KvError> {
        self.kv.set(plugin, quota, key, value, ttl, self.now())
    }

    fn kv_set_if_absent(
        &self,
        plugin: &str,
        quota: u64,
        key: &str,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<bool, KvError> {
        self.kv
            .set_if_absent(plugin, quota, key, value, ttl, self.now())
    }

    fn kv_delete(&self, plugin: &str, key: &str) -> Result<bool, KvError> {
        self.kv.delete(plugin, key, self.now())
    }

    fn kv_keys(
        &self,
        plugin: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, KvError> {
        self.kv.keys(plugin, prefix, after, limit, self.now())
    }

    fn kv_increment(
        &self,
        plugin: &str,
        quota: u64,
        key: &str,
        by: i32,
        ttl: Option<Duration>,
    ) -> Result<f64, KvError> {
        self.kv.increment(plugin, quota, key, by, ttl, self.now())
    }

    fn kv_take(
        &self,
        plugin: &str,
        quota: u64,
        key: &str,
        tokens: f64,
        per_second: f64,
        burst: f64,
    ) -> Result<bool, KvError> {
        self.kv
            .take(plugin, quota, key, tokens, per_second, burst, self.now())
    }

    fn dns_texts<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, DnsError>> {
        Box::pin(async move { self.resolver.texts(name).await.map_err(of_dns) })
    }

    fn dns_addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, DnsError>> {
        Box::pin(async move {
            let found = self
                .resolver
                .addresses(name, self.families)
                .await
                .map_err(of_dns)?;
            Ok(found.iter().map(IpAddr::to_string).collect())
        })
    }

    fn dns_mail_exchangers<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Vec<(u16, String)>, DnsError>> {
        Box::pin(async move {
            let found = self.resolver.exchangers(name).await.map_err(of_dns)?;
            Ok(found
                .into_iter()
                .map(|mx| (mx.preference, mx.exchange))
                .collect())
        })
    }

    fn dns_names<'a>(&'a self, ip: IpAddr) -> BoxFuture<'a, Result<Vec<String>, DnsError>> {
        Box::pin(async move { self.resolver.names(ip).await.map_err(of_dns) })
    }

    fn http_send<'a>(
        &'a self,
        plugin: &'a str,
        request: HttpRequest,
        timeout: Duration,
        body_bytes_max: usize,
    ) -> BoxFuture<'a, Result<HttpResponse, HttpError>> {
        let all = self.http_grants.load_full();
        Box::pin(async move {
            let grants = all.get(plugin).map_or(&[][..], Vec::as_slice);
            self.http
                .send(grants, request, timeout, body_bytes_max)
                .await
        })
    }

    fn submit<'a>(
        &'a self,
        plugin: &'a str,
        cause: Option<&'a str>,
        sender: ReversePath,
        recipients: Vec<Mailbox>,
        message: Bytes,
    ) -> BoxFuture<'a, Result<String, SubmitError>> {
        Box::pin(self.submit_now(plugin, cause, sender, recipients, message))
    }

    fn property(&self, name: &str) -> Option<String> {
        let (what, of) = name.split_once(':')?;
        match what {
            "egresses" => Some(self.pools.get(of)?.join(" ")),
            "suspended-egresses" => {
                let resting = self.rests.of(of, Instant::now());
                (!resting.is_empty()).then(|| resting.join(" "))
            }
            _ => None,
        }
    }

    fn suppressed(&self, account: Option<&str>, address: &str) -> Option<String> {
        let address = Mailbox::parse(address).ok()?;
        let row = self.suppressions.look_up(account, &address)?;
        Some(suppression::shown(&row))
    }

    fn event(&self, told: PluginEvent<'_>) {
        if let PluginEventKind::Emitted { kind, fields } = &told.kind {
            self.suppressions
                .told(told.plugin, kind, fields, told.message);
        }
        let plugin = told.plugin.to_owned();
        let message = told.message.map(str::to_owned);
        let breaker = |plugin, open, why| Event::PluginBreaker { plugin, open, why };
        self.bus.emit(match told.kind {
            PluginEventKind::Emitted { kind, fields } => Event::PluginEvent {
                plugin,
                name: kind.to_owned(),
                fields: fields.to_vec(),
                message,
            },
            PluginEventKind::Loaded { digest, replaces } => Event::PluginLoaded {
                plugin,
                digest: digest.to_owned(),
                replaces: replaces.map(str::to_owned),
            },
            PluginEventKind::Refused { reason } => Event::PluginRefused {
                plugin,
                error: reason.to_owned(),
            },
            PluginEventKind::Removed { .. } => Event::PluginRemoved { plugin },
            PluginEventKind::NotGranted { capability } => Event::PluginLog {
                plugin,
                level: event::LogLevel::Warn,
                text: format!("asked for {capability}, which is not granted"),
                message,
            },
            PluginEventKind::Fault { hook, text } => Event::PluginFault {
                plugin,
                hook: hook.to_owned(),
                fault: text.to_owned(),
                message,
            },
            PluginEventKind::BreakerOpened { faults } => {
                breaker(plugin, true, format!("{faults} faults in a row"))
            }
            PluginEventKind::BreakerClosed => breaker(plugin, false, "it answered".to_owned()),
            PluginEventKind::Trial { digest, state, why } => Event::PluginTrial {
                plugin,
                digest: digest.to_owned(),
                state: state.to_owned(),
                why: why.to_owned(),
            },
            PluginEventKind::Compared { hook, result } => Event::PluginCompared {
                plugin,
                hook: hook.to_owned(),
                result: result.to_owned(),
                message,
            },
            PluginEventKind::RolledBack { from, to } => Event::PluginRolledBack {
                plugin,
                from: from.to_owned(),
                to: to.to_owned(),
            },
        });
    }

    fn log(&self, plugin: &str, level: LogLevel, text: &str) {
        self.bus.emit(Event::PluginLog {
            plugin: plugin.to_owned(),
            level: match level {
                LogLevel::Debug => event::LogLevel::Debug,
                LogLevel::Info => event::LogLevel::Info,
                LogLevel::Warn => event::LogLevel::Warn,
                LogLevel::Error => event::LogLevel::Error,
            },
            text: text.to_owned(),
            message: None,
        });
    }

    fn now_ms(&self) -> f64 {
        self.now() as f64
    }

    fn monotonic_ms(&self) -> f64 {
        self.began.elapsed().as_secs_f64() * 1000.0
    }
}

fn of_dns(error: dns::DnsError) -> DnsError {
    match error {
        dns::DnsError::NoSuchName(_) => DnsError::NoSuchName,
        dns::DnsError::NoData(_) => DnsError::NoData,
        dns::DnsError::Timeout(_) => DnsError::Timeout,
        dns::DnsError::InvalidName(_) | dns::DnsError::Failed { .. } => DnsError::Failed,
    }
}
