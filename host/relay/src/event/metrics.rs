//! Counters, gauges and histograms, derived from events. Names follow the conventions of Prometheus; every label has few
//! values by construction (a recipient or a message id never is one), and those that come from outside are bounded.

use std::fmt::Write as _;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use super::Event;

/// Label values of one name that came from outside (reasons of translations); more are counted as "other".
const REASON_BYTES_MAX: usize = 48;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Listener {
    listener: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListenerReason {
    listener: String,
    reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Source {
    source: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refusal {
    source: String,
    stage: String,
    class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Failure {
    outcome: &'static str,
    reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Result_ {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PluginHook {
    plugin: String,
    hook: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Plugin {
    plugin: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PluginEvent {
    plugin: String,
    event: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PluginTrial {
    plugin: String,
    state: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PluginComparison {
    plugin: String,
    hook: String,
    result: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

/// How much waits and is under way: read when somebody asks, since it is known at any time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Load {
    /// Entries that were never tried.
    pub queued: u64,
    /// Entries that were tried and wait for the next time.
    pub deferred: u64,
    /// Entries that wait for an operator.
    pub held: u64,
    /// Entries being worked on.
    pub active: u64,
    /// Connections to remote hosts, idle ones included.
    pub connections: u64,
    /// Bytes of queued messages.
    pub spool_bytes: u64,
}

/// What the writer of the spool measures. Clones share the numbers.
#[derive(Debug, Clone)]
pub struct CommitMeter {
    commits: Counter,
    operations: Histogram,
    seconds: Histogram,
}

impl CommitMeter {
    /// One commit of so many operations, sync included.
    pub fn committed(&self, operations: usize, took: Duration) {
        self.commits.inc();
        self.operations.observe(operations as f64);
        self.seconds.observe(took.as_secs_f64());
    }
}

/// Everything that `/metrics` shows.
pub struct Metrics {
    registry: Registry,
    sessions: Family<Listener, Counter>,
    sessions_open: Family<Listener, Gauge>,
    sessions_refused: Family<ListenerReason, Counter>,
    session_seconds: Histogram,
    tls_failed: Family<Listener, Counter>,
    auth: Family<Result_, Counter>,
    accepted: Family<Source, Counter>,
    accepted_bytes: Counter,
    accept_seconds: Histogram,
    refused: Family<Refusal, Counter>,
    discarded: Counter,
    recipients: Family<Outcome, Counter>,
    failures: Family<Failure, Counter>,
    attempts: Counter,
    attempt_seconds: Histogram,
    delivery_age_seconds: Histogram,
    hook_seconds: Family<PluginHook, Histogram>,
    plugin_loads: Family<Result_, Counter>,
    plugin_faults: Family<PluginHook, Counter>,
    plugin_breaker: Family<Plugin, Gauge>,
    plugin_events: Family<PluginEvent, Counter>,
    plugin_trials: Family<PluginTrial, Counter>,
    plugin_comparisons: Family<PluginComparison, Counter>,
    certificate_reloads: Family<Result_, Counter>,
    troubles: Counter,
    spool_full: Gauge,
    log_lines_dropped: Counter,
    queue_entries: Family<State, Gauge>,
    queue_active: Gauge,
    connections_open: Gauge,
    spool_bytes: Gauge,
    commits: CommitMeter,
}

fn fast() -> Histogram {
    // 1 microsecond to 4 seconds.
    Histogram::new(exponential_buckets(1e-6, 4.0, 12))
}

fn slow() -> Histogram {
    // 1 millisecond to 18 hours.
    Histogram::new(exponential_buckets(0.001, 4.0, 14))
}

impl Metrics {
    pub(super) fn new() -> Metrics {
        let mut metrics = Metrics {
            registry: Registry::with_prefix("baton"),
            sessions: Family::default(),
            sessions_open: Family::default(),
            sessions_refused: Family::default(),
            session_seconds: slow(),
            tls_failed: Family::default(),
            auth: Family::default(),
            accepted: Family::default(),
            accepted_bytes: Counter::default(),
            accept_seconds: fast(),
            refused: Family::default(),
            discarded: Counter::default(),
            recipients: Family::default(),
            failures: Family::default(),
            attempts: Counter::default(),
            attempt_seconds: slow(),
            delivery_age_seconds: slow(),
            hook_seconds: Family::new_with_constructor(fast),
            plugin_loads: Family::default(),
            plugin_faults: Family::default(),
            plugin_breaker: Family::default(),
            plugin_events: Family::default(),
            plugin_trials: Family::default(),
            plugin_comparisons: Family::default(),
            certificate_reloads: Family::default(),
            troubles: Counter::default(),
            spool_full: Gauge::default(),
            log_lines_dropped: super::log::dropped(),
            queue_entries: Family::default(),
            queue_active: Gauge::default(),
            connections_open: Gauge::default(),
            spool_bytes: Gauge::default(),
            commits: CommitMeter {
                commits: Counter::default(),
                operations: Histogram::new(exponential_buckets(1.0, 2.0, 10)),
                seconds: fast(),
            },
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let r = &mut self.registry;
        let seconds = || Unit::Seconds;
        r.register(
            "smtp_sessions",
            "SMTP sessions begun",
            self.sessions.clone(),
        );
        r.register(
            "smtp_sessions_open",
            "SMTP sessions under way",
            self.sessions_open.clone(),
        );
        r.register(
            "smtp_sessions_refused",
            "Connections that got no session",
            self.sessions_refused.clone(),
        );
        r.register_with_unit(
            "smtp_session_duration",
            "Life of an SMTP session",
            seconds(),
            self.session_seconds.clone(),
        );
        r.register(
            "smtp_tls_failures",
            "Failed TLS handshakes of clients",
            self.tls_failed.clone(),
        );
        r.register("smtp_auth", "Attempts to log in", self.auth.clone());
        r.register(
            "messages_accepted",
            "Messages accepted and durable",
            self.accepted.clone(),
        );
        r.register_with_unit(
            "messages_accepted_size",
            "Bytes of accepted messages",
            Unit::Bytes,
            self.accepted_bytes.clone(),
        );
        r.register_with_unit(
            "message_accept_duration",
            "From the end of data to the commit",
            seconds(),
            self.accept_seconds.clone(),
        );
        r.register(
            "refusals",
            "Commands and messages answered 4xx or 5xx",
            self.refused.clone(),
        );
        r.register(
            "messages_discarded",
            "Messages dropped by a plugin",
            self.discarded.clone(),
        );
        r.register(
            "recipients",
            "What became of recipients",
            self.recipients.clone(),
        );
        r.register(
            "recipient_failures",
            "Failures by translated reason",
            self.failures.clone(),
        );
        r.register("attempts", "Attempts to deliver", self.attempts.clone());
        r.register_with_unit(
            "attempt_duration",
            "Time of an attempt",
            seconds(),
            self.attempt_seconds.clone(),
        );
        r.register_with_unit(
            "delivery_age",
            "From acceptance to delivery",
            seconds(),
            self.delivery_age_seconds.clone(),
        );
        r.register_with_unit(
            "plugin_hook_duration",
            "Time of a hook call, instance included",
            seconds(),
            self.hook_seconds.clone(),
        );
        r.register(
            "plugin_loads",
            "Plugin versions loaded or refused",
            self.plugin_loads.clone(),
        );
        r.register(
            "plugin_faults",
            "Hook calls that faulted",
            self.plugin_faults.clone(),
        );
        r.register(
            "plugin_breaker_open",
            "1 while a plugin is not called because of its faults",
            self.plugin_breaker.clone(),
        );
        r.register(
            "plugin_trials",
            "What became of candidates of plugins",
            self.plugin_trials.clone(),
        );
        r.register(
            "plugin_comparisons",
            "Calls that a shadow answered as well",
            self.plugin_comparisons.clone(),
        );
        r.register(
            "plugin_events",
            "Events emitted by plugins",
            self.plugin_events.clone(),
        );
        r.register(
            "certificate_reloads",
            "Certificates read again",
            self.certificate_reloads.clone(),
        );
        r.register(
            "troubles",
            "Internal errors that were survived",
            self.troubles.clone(),
        );
        r.register(
            "spool_full",
            "1 while new mail is refused for want of room",
            self.spool_full.clone(),
        );
        r.register(
            "log_lines_dropped",
            "Log lines lost because their reader was too slow",
            self.log_lines_dropped.clone(),
        );
        r.register(
            "queue_entries",
            "Recipients that wait",
            self.queue_entries.clone(),
        );
        r.register(
            "queue_entries_active",
            "Recipients being worked on",
            self.queue_active.clone(),
        );
        r.register(
            "connections_open",
            "Connections to remote hosts",
            self.connections_open.clone(),
        );
        r.register_with_unit(
            "spool_size",
            "Bytes of queued messages",
            Unit::Bytes,
            self.spool_bytes.clone(),
        );
        r.register(
            "spool_commits",
            "Commits to the spool",
            self.commits.commits.clone(),
        );
        r.register(
            "spool_commit_operations",
            "Operations in a commit",
            self.commits.operations.clone(),
        );
        r.register_with_unit(
            "spool_commit_duration",
            "Time of a commit, sync included",
            seconds(),
            self.commits.seconds.clone(),
        );
    }

    /// For the writer of the spool.
    pub fn commit_meter(&self) -> CommitMeter {
        self.commits.clone()
    }

    /// The OpenMetrics text, with the load of this moment.
    pub fn render(&self, load: &Load) -> String {
        let gauge = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        for (state, entries) in [
            ("queued", load.queued),
            ("deferred", load.deferred),
            ("held", load.held),
        ] {
            let entries = gauge(entries);
            self.queue_entries
                .get_or_create(&State { state })
                .set(entries);
        }
        self.queue_active.set(gauge(load.active));
        self.connections_open.set(gauge(load.connections));
        self.spool_bytes.set(gauge(load.spool_bytes));
        let mut text = String::with_capacity(16 * 1024);
        if encode(&mut text, &self.registry).is_err() {
            // Writing to a String does not fail; an encoder that does leaves a comment instead of half a page.
            text.clear();
            let _ = writeln!(text, "# EOF");
        }
        text
    }

    pub(super) fn observe(&self, event: &Event) {
        match event {
            Event::SessionOpened { listener, .. } => {
                let label = Listener {
                    listener: listener.to_string(),
                };
                self.sessions.get_or_create(&label).inc();
                self.sessions_open.get_or_create(&label).inc();
            }
            Event::SessionClosed { listener, took, .. } => {
                let label = Listener {
                    listener: listener.to_string(),
                };
                self.sessions_open.get_or_create(&label).dec();
                self.session_seconds.observe(took.as_secs_f64());
            }
            Event::SessionRefused {
                listener, reason, ..
            } => {
                let label = ListenerReason {
                    listener: listener.to_string(),
                    reason: word(reason),
                };
                self.sessions_refused.get_or_create(&label).inc();
            }
            Event::TlsFailed { listener, .. } => {
                self.tls_failed
                    .get_or_create(&Listener {
                        listener: listener.to_string(),
                    })
                    .inc();
            }
            Event::AuthOk { .. } => self.auth("ok"),
            Event::AuthFailed { .. } => self.auth("failed"),
            Event::Accepted {
                source,
                bytes,
                took,
                recipients,
                held,
                ..
            } => {
                self.accepted
                    .get_or_create(&Source {
                        source: word(source),
                    })
                    .inc();
                self.accepted_bytes.inc_by(*bytes as u64);
                self.accept_seconds.observe(took.as_secs_f64());
                self.outcomes("accepted", recipients.len() as u64);
                if held.is_some() {
                    self.outcomes("held", recipients.len() as u64);
                }
            }
            Event::Refused {
                source,
                stage,
                reply,
                ..
            } => {
                let class = if reply.starts_with('4') { "4xx" } else { "5xx" };
                let label = Refusal {
                    source: word(source),
                    stage: word(stage),
                    class,
                };
                self.refused.get_or_create(&label).inc();
            }
            Event::Discarded { .. } => {
                self.discarded.inc();
            }
            Event::Hook { call, .. } => {
                let label = PluginHook {
                    plugin: call.plugin.clone(),
                    hook: call.hook.clone(),
                };
                self.hook_seconds
                    .get_or_create(&label)
                    .observe(call.microseconds as f64 / 1e6);
            }
            Event::PluginLoaded { .. } => {
                self.plugin_loads
                    .get_or_create(&Result_ { result: "ok" })
                    .inc();
            }
            Event::PluginRefused { .. } => {
                self.plugin_loads
                    .get_or_create(&Result_ { result: "failed" })
                    .inc();
            }
            Event::PluginFault { plugin, hook, .. } => {
                let label = PluginHook {
                    plugin: plugin.clone(),
                    hook: hook.clone(),
                };
                self.plugin_faults.get_or_create(&label).inc();
            }
            Event::PluginTrial { plugin, state, .. } => {
                let label = PluginTrial {
                    plugin: plugin.clone(),
                    state: state.clone(),
                };
                self.plugin_trials.get_or_create(&label).inc();
            }
            Event::PluginCompared {
                plugin,
                hook,
                result,
                ..
            } => {
                let label = PluginComparison {
                    plugin: plugin.clone(),
                    hook: hook.clone(),
                    result: result.clone(),
                };
                self.plugin_comparisons.get_or_create(&label).inc();
            }
            Event::PluginBreaker { plugin, open, .. } => {
                let gauge = self.plugin_breaker.get_or_create(&Plugin {
                    plugin: plugin.clone(),
                });
                gauge.set(i64::from(*open));
            }
            Event::PluginEvent { plugin, name, .. } => {
                let label = PluginEvent {
                    plugin: plugin.clone(),
                    event: bounded(name),
                };
                self.plugin_events.get_or_create(&label).inc();
            }
            Event::Attempt { took, .. } => {
                self.attempts.inc();
                self.attempt_seconds.observe(took.as_secs_f64());
            }
            Event::Delivered { age, .. } => {
                self.outcomes("delivered", 1);
                self.delivery_age_seconds.observe(age.as_secs_f64());
            }
            Event::Deferred { translation, .. } => self.failed("deferred", translation.as_ref()),
            Event::Bounced { translation, .. } => self.failed("bounced", translation.as_ref()),
            Event::Expired { .. } => self.outcomes("expired", 1),
            Event::Suppressed { .. } => self.outcomes("suppressed", 1),
            Event::Report {
                report,
                repeated: false,
                ..
            } => match report.as_str() {
                "bounce" => self.outcomes("bounced-later", 1),
                "complaint" => self.outcomes("complained", 1),
                _ => {}
            },
            Event::Removed { .. } => self.outcomes("removed", 1),
            Event::CertificateReloaded { .. } => {
                self.certificate_reloads
                    .get_or_create(&Result_ { result: "ok" })
                    .inc();
            }
            Event::CertificateFailed { .. } => {
                self.certificate_reloads
                    .get_or_create(&Result_ { result: "failed" })
                    .inc();
            }
            Event::Trouble { .. } | Event::RecordSetAside { .. } => {
                self.troubles.inc();
            }
            Event::SpoolFull { .. } => {
                self.spool_full.set(1);
            }
            Event::SpoolRoom { .. } => {
                self.spool_full.set(0);
            }
            _ => {}
        }
    }

    fn auth(&self, result: &'static str) {
        self.auth.get_or_create(&Result_ { result }).inc();
    }

    fn outcomes(&self, outcome: &'static str, count: u64) {
        self.recipients
            .get_or_create(&Outcome { outcome })
            .inc_by(count);
    }

    fn failed(&self, outcome: &'static str, translation: Option<&super::trace::Translation>) {
        self.outcomes(outcome, 1);
        let reason = translation.map_or_else(|| "unknown".to_owned(), |t| bounded(&t.reason));
        self.failures
            .get_or_create(&Failure { outcome, reason })
            .inc();
    }
}

/// A name of an enum's value as it is serialized.
fn word<T: serde::Serialize>(value: &T) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => text,
        _ => "other".to_owned(),
    }
}

/// A word from a plugin as a label: letters, digits and hyphens of a decent length.
fn bounded(text: &str) -> String {
    let is_word = text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if is_word && (1..=REASON_BYTES_MAX).contains(&text.len()) {
        text.to_owned()
    } else {
        "other".to_owned()
    }
}
