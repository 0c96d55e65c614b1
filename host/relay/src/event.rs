//! Everything observable is one [`Event`]. Log lines, metrics, the live stream and the trace of a message derive from it
//! and from nothing else.
//!
//! [`Bus::emit`] is called on the path of every message, so it never waits: metrics are atomic counters, log lines go to
//! a bounded queue of their own, and the stream is a ring that slow readers fall out of.

mod line;
pub mod log;
pub mod metrics;
pub mod outbox;
pub mod stream;
#[cfg(test)]
mod tests;
pub mod trace;

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use baton_spool::Operation;
use serde::Serialize;

pub(crate) use line::short_digest;

/// Something happened. Each is emitted once, where it happens, after it is true (an acceptance after the commit).
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Event {
    // The process.
    Started {
        version: &'static str,
        hostname: String,
    },
    ListenerBound {
        listener: String,
        address: SocketAddr,
    },
    /// The sections of plugins hold from now on; the rest of the configuration is that of the start.
    ConfigReloaded {
        path: String,
    },
    /// The file has mistakes; everything stays as it was.
    ConfigRefused {
        path: String,
        error: String,
    },
    CertificateReloaded {
        path: String,
    },
    CertificateFailed {
        path: String,
        error: String,
    },
    KeyReloaded {
        path: String,
    },
    KeyFailed {
        path: String,
        error: String,
    },
    ShutdownBegan {
        sessions: usize,
        attempts: usize,
    },
    ShutdownDone {
        left: usize,
    },
    /// New mail is refused with 452 until the spool or the disk has room again.
    SpoolFull {
        bytes: u64,
        bytes_max: u64,
    },
    SpoolRoom {
        bytes: u64,
    },
    /// A record that cannot be read was set aside; the rest goes on.
    RecordSetAside {
        table: String,
        key: String,
        error: String,
    },
    /// Something of ours went wrong that has no better name; the process lives.
    Trouble {
        place: &'static str,
        error: String,
    },

    // Receiving.
    SessionOpened {
        session: Name,
        listener: Name,
        peer: SocketAddr,
    },
    /// The connection was closed before a greeting, or with a 421 instead of one.
    SessionRefused {
        listener: Name,
        peer: SocketAddr,
        reason: Refused,
    },
    SessionClosed {
        session: Name,
        listener: Name,
        peer: SocketAddr,
        reason: Closed,
        /// Transactions that were accepted.
        accepted: u32,
        #[serde(rename = "microseconds", serialize_with = "microseconds")]
        took: Duration,
    },
    TlsFailed {
        listener: Name,
        peer: SocketAddr,
        error: String,
    },
    AuthOk {
        session: Name,
        account: String,
        mechanism: String,
    },
    AuthFailed {
        session: Name,
        peer: SocketAddr,
        identity: String,
        mechanism: String,
    },
    /// The commit returned; 250 is being written.
    Accepted {
        message: String,
        /// Absent for mail that came over HTTP, from a plugin or from the relay itself.
        session: Option<Name>,
        source: Source,
        sender: Option<String>,
        recipients: Vec<String>,
        account: Option<String>,
        bytes: usize,
        subject: Option<String>,
        /// Kept until an operator releases it, and why.
        held: Option<String>,
        /// The set of plugins that took it: name@digest of each.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        plugins: Vec<String>,
        /// From the end of data to the commit.
        #[serde(rename = "microseconds", serialize_with = "microseconds")]
        took: Duration,
    },
    /// A command or a message was answered with 4xx or 5xx.
    Refused {
        session: Option<Name>,
        source: Source,
        stage: Stage,
        sender: Option<String>,
        recipient: Option<String>,
        /// As the peer reads it: "550 5.7.1 No".
        reply: String,
        /// What the peer does not read.
        cause: String,
        /// The plugin that decided, if one did.
        plugin: Option<String>,
    },
    /// A plugin said 250 and drop it.
    Discarded {
        session: Option<Name>,
        sender: Option<String>,
        recipients: Vec<String>,
        plugin: String,
    },

    // Plugins.
    /// One call of one hook.
    Hook {
        message: Option<String>,
        session: Option<Name>,
        call: trace::HookCall,
    },
    PluginLoaded {
        plugin: String,
        digest: String,
        /// The version before, if there was one.
        replaces: Option<String>,
    },
    /// The new version does not load; the last good one stays, if there was one.
    PluginRefused {
        plugin: String,
        error: String,
    },
    PluginRemoved {
        plugin: String,
    },
    PluginFault {
        plugin: String,
        hook: String,
        fault: String,
        message: Option<String>,
    },
    /// Calls stop (`open`) or begin again.
    PluginBreaker {
        plugin: String,
        open: bool,
        why: String,
    },
    /// A version only faulted: the one before serves again.
    PluginRolledBack {
        plugin: String,
        from: String,
        to: String,
    },
    /// An operator changed what a plugin remembers.
    PluginKeyChanged {
        plugin: String,
        key: String,
        /// "set" or "deleted".
        what: &'static str,
        /// Name of the token that was shown; none where none is asked for.
        by: Option<String>,
    },
    /// A candidate is tried beside the version in service, or is no longer.
    PluginTrial {
        plugin: String,
        digest: String,
        /// "shadow", "canary", "off", "refused", "rolled-back", "removed" or "promoted".
        state: String,
        why: String,
    },
    /// A shadow answered a call that the version in service had answered.
    PluginCompared {
        plugin: String,
        hook: String,
        /// "same", "differs" or "fault".
        result: String,
        message: Option<String>,
    },
    /// A line a plugin wrote with `log`, or to standard error.
    PluginLog {
        plugin: String,
        level: LogLevel,
        text: String,
        message: Option<String>,
    },
    /// A plugin's own event (`events.emit`).
    PluginEvent {
        plugin: String,
        name: String,
        fields: Vec<(String, String)>,
        message: Option<String>,
    },

    // Delivering. One event per recipient, except for the attempt.
    /// A try to reach a site ended; the recipients' outcomes follow.
    Attempt {
        message: String,
        number: u32,
        site: String,
        host: Option<String>,
        address: Option<SocketAddr>,
        egress: Option<String>,
        tls: Option<String>,
        recipients: usize,
        bytes: usize,
        #[serde(rename = "microseconds", serialize_with = "microseconds")]
        took: Duration,
    },
    Delivered {
        message: String,
        recipient: String,
        site: String,
        host: Option<String>,
        reply: String,
        attempt: u32,
        /// Since the message was accepted.
        #[serde(rename = "age_microseconds", serialize_with = "microseconds")]
        age: Duration,
    },
    Deferred {
        message: String,
        recipient: String,
        site: String,
        host: Option<String>,
        egress: Option<String>,
        stage: String,
        reply: String,
        translation: Option<trace::Translation>,
        attempt: u32,
        #[serde(rename = "next_seconds", serialize_with = "seconds")]
        next: Duration,
    },
    Bounced {
        message: String,
        recipient: String,
        site: String,
        host: Option<String>,
        egress: Option<String>,
        stage: String,
        reply: String,
        translation: Option<trace::Translation>,
        attempt: u32,
        /// Id of the notification, if the sender is told.
        notification: Option<String>,
        /// The set of plugins that took the message: name@digest of each.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        plugins: Vec<String>,
    },
    Expired {
        message: String,
        recipient: String,
        site: String,
        reply: String,
        attempt: u32,
        notification: Option<String>,
        /// As for [`Event::Bounced`].
        #[serde(skip_serializing_if = "Vec::is_empty")]
        plugins: Vec<String>,
    },
    /// Not sent, since the recipient is on the suppression list.
    Suppressed {
        message: String,
        recipient: String,
        why: String,
    },
    /// The recipient was put on the suppression list.
    SuppressionAdded {
        recipient: String,
        /// For whose mail; none for everybody's.
        account: Option<String>,
        /// "bounce", "complaint", "unsubscribe", "manual" and the like.
        cause: String,
        why: String,
    },
    /// The recipient was taken off the suppression list; not told where its time is over.
    SuppressionRemoved {
        recipient: String,
        account: Option<String>,
        /// The plugin, or "operator".
        by: String,
    },
    DelayNotified {
        message: String,
        recipient: String,
        notification: String,
    },
    /// Kept until an operator releases it.
    Held {
        message: String,
        recipient: String,
        why: String,
    },
    Released {
        message: String,
        recipient: String,
    },
    /// An operator dropped it.
    Removed {
        message: String,
        recipient: String,
    },
    /// Sending to a site stopped or was slowed down for a while.
    SiteThrottled {
        site: String,
        how: Throttle,
        #[serde(rename = "seconds", serialize_with = "seconds")]
        lasts: Duration,
        why: String,
    },
    SiteResumed {
        site: String,
    },
    /// A report came back by mail.
    Report {
        /// The message that it is about; none where no valid token was in it.
        message: Option<String>,
        account: Option<String>,
        recipient: Option<String>,
        /// "bounce", "delay", "delivered", "complaint", "auto-reply", or "unknown" for what nobody could read.
        report: String,
        reply: Option<String>,
        host: Option<String>,
        /// RFC 5965 3.1; complaints only.
        feedback_type: Option<String>,
        translation: Option<trace::Translation>,
        /// Id of what the sender is told, if anything.
        notification: Option<String>,
        /// The same was reported before; this had no effect.
        repeated: bool,
    },

    /// Something an operator should know; it goes out by mail as well.
    Alert {
        alert: &'static str,
        /// The account, site or plugin.
        about: String,
        count: u64,
        why: String,
    },
    /// A receiver did not take its events; they are sent again.
    WebhookFailed {
        webhook: String,
        error: String,
        #[serde(rename = "next_seconds", serialize_with = "seconds")]
        next: Duration,
    },
    /// Events that a receiver will never get.
    WebhookLost {
        webhook: String,
        count: u64,
        why: String,
    },

    // HTTP.
    HttpRefused {
        peer: SocketAddr,
        path: String,
        status: u16,
        reason: &'static str,
    },
}

/// A name that many events share: of a session or a listener. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name(Arc<str>);

impl From<&str> for Name {
    fn from(text: &str) -> Name {
        Name(text.into())
    }
}

impl From<String> for Name {
    fn from(text: String) -> Name {
        Name(text.into())
    }
}

impl From<Arc<str>> for Name {
    fn from(text: Arc<str>) -> Name {
        Name(text)
    }
}

impl std::ops::Deref for Name {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Name {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

/// Where a message came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    Smtp,
    Http,
    Plugin,
    /// A bounce or delay notification of our own.
    Relay,
}

/// Where in a transaction something was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    Connect,
    Auth,
    Mail,
    Rcpt,
    Data,
}

/// Why a connection got no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Refused {
    TooManyConnections,
    TooManyFromAddress,
    Proxy,
}

/// Why a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Closed {
    Quit,
    Peer,
    Timeout,
    Plugin,
    Stopping,
    Network,
    Tls,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Throttle {
    BackOff,
    Suspend,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogLevel {
    Debug,
    Info,
    Warn,
    Error,
}

fn microseconds<S: serde::Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_u64(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX))
}

fn seconds<S: serde::Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_f64(duration.as_secs_f64())
}

/// Takes events from everywhere to whoever derives something from them. Cheap to clone.
#[derive(Clone)]
pub struct Bus {
    parts: Arc<Parts>,
}

struct Parts {
    metrics: metrics::Metrics,
    stream: stream::Stream,
    outbox: OnceLock<outbox::Outbox>,
    now: fn() -> crate::clock::Timestamp,
}

impl Bus {
    /// `now` stamps what goes into the stream.
    pub fn new(now: fn() -> crate::clock::Timestamp) -> Bus {
        Bus {
            parts: Arc::new(Parts {
                metrics: metrics::Metrics::new(),
                stream: stream::Stream::new(),
                outbox: OnceLock::new(),
                now,
            }),
        }
    }

    /// Receivers outside are told as well from now on. Only the first call counts.
    pub fn set_outbox(&self, outbox: outbox::Outbox) {
        let _ = self.parts.outbox.set(outbox);
    }

    /// Where events for receivers outside go, if there are any.
    pub fn outbox(&self) -> Option<&outbox::Outbox> {
        self.parts.outbox.get()
    }

    /// Events as they go into the commit that makes them true, for receivers outside; each with the account whose message
    /// it is about. They are then told with [`Bus::emit_committed`].
    pub fn rows<'e>(
        &self,
        events: impl IntoIterator<Item = &'e Event>,
        account: Option<&str>,
    ) -> Option<Operation> {
        let outbox = self.outbox()?;
        let rows: Vec<_> = events
            .into_iter()
            .filter_map(|event| outbox.row(event, account))
            .collect();
        (!rows.is_empty()).then_some(Operation::Events {
            rows,
            if_done: true,
        })
    }

    /// Tells everybody. Never waits.
    pub fn emit(&self, event: Event) {
        if let Some(outbox) = self.outbox() {
            outbox.offer(&event);
        }
        self.observe(event);
    }

    /// Tells everybody but the receivers outside, for whom the commit has it.
    pub fn emit_committed(&self, event: Event) {
        if let Some(outbox) = self.outbox() {
            outbox.tell();
        }
        self.observe(event);
    }

    fn observe(&self, event: Event) {
        self.parts.metrics.observe(&event);
        log::write(&event);
        if self.parts.stream.readers() > 0 {
            self.parts.stream.send((self.parts.now)(), event);
        }
    }

    /// Counters and gauges; gauges are set by their owners.
    pub fn metrics(&self) -> &metrics::Metrics {
        &self.parts.metrics
    }

    /// How many watch the stream.
    pub fn watchers(&self) -> usize {
        self.parts.stream.readers()
    }

    /// Events from now on, for a live view.
    pub fn subscribe(&self) -> stream::Reader {
        self.parts.stream.subscribe()
    }
}
