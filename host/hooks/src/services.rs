//! What plugins may ask of the relay.
//!
//! The relay implements [`Services`]; this crate calls it only after [`crate::grant`] said yes and the budgets of the
//! call allow it. Functions that may wait return a future, the others answer from memory: a hook never waits for a disk.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use baton_smtp::{Mailbox, ReversePath};
use bytes::Bytes;

use crate::record::LogLevel;

/// A future that may cross threads.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Implemented by the relay.
pub trait Services: Send + Sync + 'static {
    /// The value under `key`, unless its time is over.
    fn kv_get(&self, plugin: &str, key: &str) -> Result<Option<Bytes>, KvError>;
    /// Stores a value; `ttl` none means for ever. [`KvError::Quota`] when the plugin would hold more than `quota` bytes.
    fn kv_set(
        &self,
        plugin: &str,
        quota: u64,
        key: &str,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<(), KvError>;
    /// Stores a value unless there is one; false if there was.
    fn kv_set_if_absent(
        &self,
        plugin: &str,
        quota: u64,
        key: &str,
        value: Bytes,
        ttl: Option<Duration>,
    ) -> Result<bool, KvError>;
    /// False if there was none.
    fn kv_delete(&self, plugin: &str, key: &str) -> Result<bool, KvError>;
    /// Keys that begin with `prefix` and sort after `after`, in order, at most `limit`.
    fn kv_keys(
        &self,
        plugin: &str,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, KvError>;
    /// Adds to a counter and returns the sum. The time to live counts from the first increment.
    fn kv_increment(
        &self,
        plugin: &str,
        quota: u64,
        key: &str,
        by: i32,
        ttl: Option<Duration>,
    ) -> Result<f64, KvError>;
    /// Takes tokens from a bucket that is full at first; false, and nothing taken, if there are too few.
    fn kv_take(
        &self,
        plugin: &str,
        quota: u64,
        key: &str,
        tokens: f64,
        per_second: f64,
        burst: f64,
    ) -> Result<bool, KvError>;

    /// TXT records, each with its strings joined.
    fn dns_texts<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, DnsError>>;
    /// A and AAAA records as text.
    fn dns_addresses<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, DnsError>>;
    /// MX records: preference and name without a final dot.
    fn dns_mail_exchangers<'a>(
        &'a self,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Vec<(u16, String)>, DnsError>>;
    /// PTR names of an address.
    fn dns_names<'a>(
        &'a self,
        ip: std::net::IpAddr,
    ) -> BoxFuture<'a, Result<Vec<String>, DnsError>>;

    /// One request to a granted host. The implementation refuses private and loopback targets unless configured
    /// otherwise, follows no redirect to another host, and bounds the answer by `body_bytes_max`.
    fn http_send<'a>(
        &'a self,
        plugin: &'a str,
        request: HttpRequest,
        timeout: Duration,
        body_bytes_max: usize,
    ) -> BoxFuture<'a, Result<HttpResponse, HttpError>>;

    /// Queues a message of the plugin's own; its id, once it is durable. `cause` is the id of the message under way, so
    /// that a message that begets messages is noticed ([`SubmitError::Loop`]).
    fn submit<'a>(
        &'a self,
        plugin: &'a str,
        cause: Option<&'a str>,
        sender: ReversePath,
        recipients: Vec<Mailbox>,
        message: Bytes,
    ) -> BoxFuture<'a, Result<String, SubmitError>>;

    /// A fact for `context.property` that belongs to no call of a plugin; none where the relay knows nothing of that name.
    fn property(&self, name: &str) -> Option<String> {
        let _ = name;
        None
    }

    /// Why nothing is sent to an address now, for that account's mail: JSON with cause, reason, source and created; none if it
    /// may be written to.
    fn suppressed(&self, account: Option<&str>, address: &str) -> Option<String> {
        let _ = (account, address);
        None
    }

    /// Something worth an event: of the plugin itself, or of the host about it.
    fn event(&self, event: PluginEvent<'_>);
    /// A line a plugin wrote in a call that was dropped halfway; those of other calls are in [`crate::CallRecord::logs`].
    fn log(&self, plugin: &str, level: LogLevel, text: &str);

    /// Milliseconds since 1970-01-01 UTC.
    fn now_ms(&self) -> f64;
    /// Milliseconds since an arbitrary start; never goes back.
    fn monotonic_ms(&self) -> f64;
}

/// What happened to a plugin, or what a plugin says happened.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginEvent<'a> {
    /// Name of the plugin.
    pub plugin: &'a str,
    /// The id of the message under way, if any.
    pub message: Option<&'a str>,
    /// What it is about.
    pub kind: PluginEventKind<'a>,
}

/// The kinds of [`PluginEvent`].
#[derive(Debug, Clone, PartialEq)]
pub enum PluginEventKind<'a> {
    /// The plugin called `events.emit`.
    Emitted {
        /// The plugin's word for it.
        kind: &'a str,
        /// As given.
        fields: &'a [(String, String)],
    },
    /// A version serves from now on.
    Loaded {
        /// SHA-256 in hex.
        digest: &'a str,
        /// The version before, if there was one.
        replaces: Option<&'a str>,
    },
    /// A file was refused; what served before still does.
    Refused {
        /// For the operator.
        reason: &'a str,
    },
    /// The plugin is gone.
    Removed {
        /// SHA-256 in hex of the last version.
        digest: &'a str,
    },
    /// A capability was asked for that is not granted; once per plugin version and capability.
    NotGranted {
        /// Such as `http api.example.com`.
        capability: &'a str,
    },
    /// A call faulted.
    Fault {
        /// Interface name of the hook.
        hook: &'a str,
        /// For the operator.
        text: &'a str,
    },
    /// Too many faults in a row: the fault policy is applied without a call until the breaker closes.
    BreakerOpened {
        /// Faults in a row.
        faults: u32,
    },
    /// The plugin answered again.
    BreakerClosed,
    /// Too many faults in a row: the version before serves again.
    RolledBack {
        /// The version that faulted.
        from: &'a str,
        /// The version that serves now.
        to: &'a str,
    },
    /// A candidate is tried, or is no longer.
    Trial {
        /// SHA-256 in hex of the candidate; empty where there is none.
        digest: &'a str,
        /// `shadow`, `canary`, `off`, `refused`, `rolled-back`, `removed` or `promoted`.
        state: &'a str,
        /// For the operator.
        why: &'a str,
    },
    /// A shadow answered a call that the version in service had answered.
    Compared {
        /// Interface name of the hook.
        hook: &'a str,
        /// `same`, `differs` or `fault`.
        result: &'a str,
    },
}

impl PluginEventKind<'_> {
    /// A short name such as `plugin-refused`; `plugin-emitted` for a plugin's own.
    pub fn name(&self) -> &'static str {
        match self {
            PluginEventKind::Emitted { .. } => "plugin-emitted",
            PluginEventKind::Loaded { .. } => "plugin-loaded",
            PluginEventKind::Refused { .. } => "plugin-refused",
            PluginEventKind::Removed { .. } => "plugin-removed",
            PluginEventKind::NotGranted { .. } => "plugin-not-granted",
            PluginEventKind::Fault { .. } => "plugin-fault",
            PluginEventKind::BreakerOpened { .. } => "plugin-breaker-opened",
            PluginEventKind::BreakerClosed => "plugin-breaker-closed",
            PluginEventKind::RolledBack { .. } => "plugin-rolled-back",
            PluginEventKind::Trial { .. } => "plugin-trial",
            PluginEventKind::Compared { .. } => "plugin-compared",
        }
    }
}

/// Why a key-value call failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KvError {
    /// The operator withdrew the key-value (answered by this crate).
    NotGranted,
    /// Key or value too long (answered by this crate).
    TooLarge,
    /// The plugin holds as much as it may.
    Quota,
    /// The store does not work now.
    Unavailable,
}

/// Why a question to the resolver failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DnsError {
    /// Answered by this crate.
    NotGranted,
    /// NXDOMAIN.
    NoSuchName,
    /// The name exists and has no record of that type.
    NoData,
    /// No answer in time.
    Timeout,
    /// Anything else, a name that is none included.
    Failed,
    /// Too many questions in one call (answered by this crate).
    Budget,
}

/// Why a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpError {
    /// The host is not granted (answered by this crate, and by the relay for private addresses).
    NotGranted,
    /// The host's name does not resolve.
    Dns,
    /// No connection.
    Connect,
    /// No trust in the host's certificate, or no handshake.
    Tls,
    /// No answer in time.
    Timeout,
    /// The answer is larger than allowed.
    TooLarge,
    /// The answer is no HTTP, or the request is none.
    Protocol,
    /// Too many requests in one call (answered by this crate).
    Budget,
}

/// Why a message was not queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubmitError {
    /// Answered by this crate.
    NotGranted,
    /// Larger than the relay takes.
    TooLarge,
    /// What is wrong with it.
    Invalid(String),
    /// The spool is full.
    Full,
    /// A message that was submitted by a plugin begets messages.
    Loop,
}

/// A request of, or to, a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpRequest {
    /// Such as `GET`.
    pub method: String,
    /// Absolute for `http.send`; path and query below the plugin's prefix for `on-request`.
    pub url: String,
    /// In order, names as given.
    pub headers: Vec<(String, String)>,
    /// May be empty.
    pub body: Bytes,
}

/// An answer to, or of, a plugin.
#[derive(Clone, PartialEq, Eq)]
pub struct HttpResponse {
    /// From 100 to 599.
    pub status: u16,
    /// In order.
    pub headers: Vec<(String, String)>,
    /// May be empty.
    pub body: Bytes,
}

impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse")
            .field("status", &self.status)
            .field("headers", &self.headers)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}
