//! How an event reads as a log line: a fixed sentence, and fields that are the same for all events.
//!
//! Everything that came from outside stands in fields, which tracing quotes and escapes: nobody writes lines of ours.

use std::borrow::Cow;
use std::net::SocketAddr;

use super::{Event, LogLevel};
use tracing::Level;

/// What a log line says.
#[derive(Default)]
pub(super) struct Line<'a> {
    pub what: &'static str,
    pub message_id: Option<&'a str>,
    pub session: Option<&'a str>,
    pub listener: Option<&'a str>,
    pub peer: Option<SocketAddr>,
    pub account: Option<&'a str>,
    pub sender: Option<&'a str>,
    pub recipient: Option<Cow<'a, str>>,
    pub site: Option<&'a str>,
    pub host: Option<&'a str>,
    pub reply: Option<&'a str>,
    pub plugin: Option<&'a str>,
    pub detail: Option<Cow<'a, str>>,
    pub bytes: Option<u64>,
    pub microseconds: Option<u64>,
}

/// How important an event is; what happens several times per message is `DEBUG`.
pub(super) fn level(event: &Event) -> Level {
    match event {
        Event::SessionOpened { .. }
        | Event::SessionClosed { .. }
        | Event::Hook { .. }
        | Event::Attempt { .. }
        | Event::AuthOk { .. } => Level::DEBUG,
        Event::PluginLog { level, .. } => match level {
            LogLevel::Debug => Level::DEBUG,
            LogLevel::Info => Level::INFO,
            LogLevel::Warn => Level::WARN,
            LogLevel::Error => Level::ERROR,
        },
        Event::SessionRefused { .. }
        | Event::AuthFailed { .. }
        | Event::PluginFault { .. }
        | Event::SiteThrottled { .. }
        | Event::Alert { .. }
        | Event::WebhookFailed { .. }
        | Event::HttpRefused { .. } => Level::WARN,
        Event::CertificateFailed { .. }
        | Event::KeyFailed { .. }
        | Event::ConfigRefused { .. }
        | Event::SpoolFull { .. }
        | Event::RecordSetAside { .. }
        | Event::PluginRefused { .. }
        | Event::PluginBreaker { open: true, .. }
        | Event::PluginRolledBack { .. }
        | Event::WebhookLost { .. }
        | Event::Trouble { .. } => Level::ERROR,
        Event::PluginTrial { state, .. } if state == "rolled-back" || state == "refused" => {
            Level::ERROR
        }
        Event::PluginCompared { result, .. } if result == "same" => Level::TRACE,
        Event::PluginCompared { .. } => Level::DEBUG,
        _ => Level::INFO,
    }
}

fn micros(duration: &std::time::Duration) -> Option<u64> {
    u64::try_from(duration.as_micros()).ok()
}

fn json<T: serde::Serialize>(value: &T) -> Option<Cow<'static, str>> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(text)) => Some(Cow::Owned(text)),
        Ok(value) => Some(Cow::Owned(value.to_string())),
        Err(_) => None,
    }
}

pub(super) fn line(event: &Event) -> Line<'_> {
    match event {
        Event::Started { .. }
        | Event::ListenerBound { .. }
        | Event::ConfigReloaded { .. }
        | Event::ConfigRefused { .. }
        | Event::CertificateReloaded { .. }
        | Event::CertificateFailed { .. }
        | Event::KeyReloaded { .. }
        | Event::KeyFailed { .. }
        | Event::ShutdownBegan { .. }
        | Event::ShutdownDone { .. }
        | Event::SpoolFull { .. }
        | Event::SpoolRoom { .. }
        | Event::RecordSetAside { .. }
        | Event::Trouble { .. }
        | Event::Alert { .. }
        | Event::WebhookFailed { .. }
        | Event::WebhookLost { .. }
        | Event::HttpRefused { .. } => process(event),
        Event::SessionOpened { .. }
        | Event::SessionRefused { .. }
        | Event::SessionClosed { .. }
        | Event::TlsFailed { .. }
        | Event::AuthOk { .. }
        | Event::AuthFailed { .. }
        | Event::Accepted { .. }
        | Event::Refused { .. }
        | Event::Discarded { .. } => receiving(event),
        Event::Hook { .. }
        | Event::PluginLoaded { .. }
        | Event::PluginRefused { .. }
        | Event::PluginRemoved { .. }
        | Event::PluginFault { .. }
        | Event::PluginBreaker { .. }
        | Event::PluginRolledBack { .. }
        | Event::PluginKeyChanged { .. }
        | Event::PluginTrial { .. }
        | Event::PluginCompared { .. }
        | Event::PluginLog { .. }
        | Event::PluginEvent { .. } => plugin(event),
        _ => delivering(event),
    }
}

fn process(event: &Event) -> Line<'_> {
    let (what, detail): (_, Option<Cow<'_, str>>) = match event {
        Event::Started { version, hostname } => (
            "started",
            Some(format!("baton {version} as {hostname}").into()),
        ),
        Event::ListenerBound { listener, address } => {
            ("listening", Some(format!("{listener} on {address}").into()))
        }
        Event::Alert {
            alert, about, why, ..
        } => ("alert", Some(format!("{alert}: {about}: {why}").into())),
        Event::WebhookFailed {
            webhook,
            error,
            next,
        } => (
            "webhook failed",
            Some(format!("{webhook}: {error}; again in {} s", next.as_secs()).into()),
        ),
        Event::WebhookLost {
            webhook,
            count,
            why,
        } => (
            "webhook events lost",
            Some(format!("{webhook}: {count}: {why}").into()),
        ),
        Event::ConfigReloaded { path } => ("configuration reloaded", Some(path.into())),
        Event::ConfigRefused { path, error } => (
            "configuration not reloaded",
            Some(format!("{path}: {error}").into()),
        ),
        Event::CertificateReloaded { path } => ("certificate reloaded", Some(path.into())),
        Event::CertificateFailed { path, error } => (
            "certificate not reloaded",
            Some(format!("{path}: {error}").into()),
        ),
        Event::KeyReloaded { path } => ("key reloaded", Some(path.into())),
        Event::KeyFailed { path, error } => {
            ("key not reloaded", Some(format!("{path}: {error}").into()))
        }
        Event::ShutdownBegan { sessions, attempts } => (
            "stopping",
            Some(format!("{sessions} sessions, {attempts} attempts under way").into()),
        ),
        Event::ShutdownDone { left } => ("stopped", Some(format!("{left} cut off").into())),
        Event::SpoolFull { bytes, bytes_max } => (
            "spool full",
            Some(format!("{bytes} of {bytes_max} bytes").into()),
        ),
        Event::SpoolRoom { bytes } => (
            "spool has room again",
            Some(format!("{bytes} bytes").into()),
        ),
        Event::RecordSetAside { table, key, error } => (
            "record set aside",
            Some(format!("{table} {key}: {error}").into()),
        ),
        Event::Trouble { place, error } => ("trouble", Some(format!("{place}: {error}").into())),
        Event::HttpRefused {
            path,
            status,
            reason,
            ..
        } => (
            "http request refused",
            Some(format!("{status} {reason}: {path}").into()),
        ),
        _ => ("event", None),
    };
    Line {
        what,
        detail,
        ..Line::default()
    }
}

fn receiving(event: &Event) -> Line<'_> {
    match event {
        Event::SessionOpened {
            session,
            listener,
            peer,
        } => Line {
            what: "session opened",
            session: Some(session),
            listener: Some(listener),
            peer: Some(*peer),
            ..Line::default()
        },
        Event::SessionRefused {
            listener,
            peer,
            reason,
        } => Line {
            what: "session refused",
            listener: Some(listener),
            peer: Some(*peer),
            detail: json(reason),
            ..Line::default()
        },
        Event::SessionClosed {
            session,
            listener,
            peer,
            reason,
            took,
            ..
        } => Line {
            what: "session closed",
            session: Some(session),
            listener: Some(listener),
            peer: Some(*peer),
            detail: json(reason),
            microseconds: micros(took),
            ..Line::default()
        },
        Event::TlsFailed {
            listener,
            peer,
            error,
        } => Line {
            what: "tls failed",
            listener: Some(listener),
            peer: Some(*peer),
            detail: Some(error.into()),
            ..Line::default()
        },
        Event::AuthOk {
            session,
            account,
            mechanism,
        } => Line {
            what: "authenticated",
            session: Some(session),
            account: Some(account),
            detail: Some(mechanism.into()),
            ..Line::default()
        },
        Event::AuthFailed {
            session,
            peer,
            identity,
            mechanism,
        } => Line {
            what: "authentication failed",
            session: Some(session),
            peer: Some(*peer),
            account: Some(identity),
            detail: Some(mechanism.into()),
            ..Line::default()
        },
        Event::Accepted {
            message,
            session,
            sender,
            recipients,
            account,
            bytes,
            held,
            took,
            ..
        } => Line {
            what: if held.is_some() {
                "accepted and held"
            } else {
                "accepted"
            },
            message_id: Some(message),
            session: session.as_deref(),
            account: account.as_deref(),
            sender: Some(sender.as_deref().unwrap_or("<>")),
            recipient: Some(many(recipients)),
            detail: held.as_deref().map(Cow::Borrowed),
            bytes: Some(*bytes as u64),
            microseconds: micros(took),
            ..Line::default()
        },
        Event::Refused {
            session,
            sender,
            recipient,
            reply,
            cause,
            plugin,
            ..
        } => Line {
            what: "refused",
            session: session.as_deref(),
            sender: sender.as_deref(),
            recipient: recipient.as_deref().map(Cow::Borrowed),
            reply: Some(reply),
            plugin: plugin.as_deref(),
            detail: Some(cause.into()),
            ..Line::default()
        },
        Event::Discarded {
            session,
            sender,
            recipients,
            plugin,
        } => Line {
            what: "discarded",
            session: session.as_deref(),
            sender: sender.as_deref(),
            recipient: Some(many(recipients)),
            plugin: Some(plugin),
            ..Line::default()
        },
        _ => Line {
            what: "event",
            ..Line::default()
        },
    }
}

/// The first of several, and how many more.
fn many(recipients: &[String]) -> Cow<'_, str> {
    match recipients {
        [] => Cow::Borrowed(""),
        [one] => Cow::Borrowed(one),
        [first, rest @ ..] => Cow::Owned(format!("{first} and {} more", rest.len())),
    }
}

fn plugin(event: &Event) -> Line<'_> {
    match event {
        Event::Hook {
            message,
            session,
            call,
        } => Line {
            what: "hook",
            message_id: message.as_deref(),
            session: session.as_deref(),
            plugin: Some(&call.plugin),
            detail: Some(format!("{}: {}", call.hook, call.decision).into()),
            microseconds: Some(call.microseconds),
            ..Line::default()
        },
        Event::PluginLoaded {
            plugin,
            digest,
            replaces,
        } => Line {
            what: "plugin loaded",
            plugin: Some(plugin),
            detail: Some(match replaces {
                Some(before) => format!(
                    "{} instead of {}",
                    short_digest(digest),
                    short_digest(before)
                )
                .into(),
                None => short_digest(digest).into(),
            }),
            ..Line::default()
        },
        Event::PluginRolledBack { plugin, from, to } => Line {
            what: "plugin rolled back",
            plugin: Some(plugin),
            detail: Some(
                format!(
                    "{} only faulted, {} serves",
                    short_digest(from),
                    short_digest(to)
                )
                .into(),
            ),
            ..Line::default()
        },
        Event::PluginTrial {
            plugin,
            digest,
            state,
            why,
        } => Line {
            what: match state.as_str() {
                "shadow" => "plugin candidate runs in the shadow",
                "canary" => "plugin candidate serves as a canary",
                "rolled-back" => "plugin candidate rolled back",
                "refused" => "plugin candidate refused",
                "promoted" => "plugin candidate promoted",
                "removed" => "plugin candidate removed",
                _ => "plugin candidate loaded",
            },
            plugin: Some(plugin),
            detail: Some(
                format!("{} {why}", short_digest(digest))
                    .trim()
                    .to_owned()
                    .into(),
            ),
            ..Line::default()
        },
        Event::PluginCompared {
            plugin,
            hook,
            result,
            message,
        } => Line {
            what: "plugin candidate compared",
            message_id: message.as_deref(),
            plugin: Some(plugin),
            detail: Some(format!("{hook} {result}").into()),
            ..Line::default()
        },
        Event::PluginRefused { plugin, error } => Line {
            what: "plugin refused",
            plugin: Some(plugin),
            detail: Some(error.into()),
            ..Line::default()
        },
        Event::PluginRemoved { plugin } => Line {
            what: "plugin removed",
            plugin: Some(plugin),
            ..Line::default()
        },
        Event::PluginKeyChanged {
            plugin,
            key,
            what,
            by,
        } => Line {
            what: "plugin key changed",
            plugin: Some(plugin),
            account: by.as_deref(),
            detail: Some(format!("{what} {key}").into()),
            ..Line::default()
        },
        Event::PluginFault {
            plugin,
            hook,
            fault,
            message,
            ..
        } => Line {
            what: "plugin fault",
            message_id: message.as_deref(),
            plugin: Some(plugin),
            detail: Some(format!("{hook}: {fault}").into()),
            ..Line::default()
        },
        Event::PluginBreaker {
            plugin, open, why, ..
        } => Line {
            what: if *open {
                "plugin breaker opened"
            } else {
                "plugin breaker closed"
            },
            plugin: Some(plugin),
            detail: Some(why.into()),
            ..Line::default()
        },
        Event::PluginLog {
            plugin,
            text,
            message,
            ..
        } => Line {
            what: "plugin says",
            message_id: message.as_deref(),
            plugin: Some(plugin),
            detail: Some(text.into()),
            ..Line::default()
        },
        Event::PluginEvent {
            plugin,
            name,
            fields,
            message,
        } => Line {
            what: "plugin event",
            message_id: message.as_deref(),
            plugin: Some(plugin),
            detail: Some(pairs(name, fields).into()),
            ..Line::default()
        },
        _ => Line {
            what: "event",
            ..Line::default()
        },
    }
}

/// The beginning of a plugin's digest, which is enough to tell versions apart where people read it.
pub(crate) fn short_digest(digest: &str) -> &str {
    digest.get(..12).unwrap_or(digest)
}

fn pairs(name: &str, fields: &[(String, String)]) -> String {
    let mut text = name.to_owned();
    for (key, value) in fields {
        text.push_str(&format!(" {key}={value:?}"));
    }
    text
}

fn delivering(event: &Event) -> Line<'_> {
    let mut line = Line {
        what: outcome(event),
        ..Line::default()
    };
    match event {
        Event::Attempt {
            message,
            site,
            host,
            tls,
            took,
            bytes,
            ..
        } => {
            line.message_id = Some(message);
            line.site = Some(site);
            line.host = host.as_deref();
            line.detail = tls.as_deref().map(Cow::Borrowed);
            line.microseconds = micros(took);
            line.bytes = Some(*bytes as u64);
        }
        Event::Delivered {
            message,
            recipient,
            site,
            host,
            reply,
            age,
            ..
        } => {
            line.message_id = Some(message);
            line.recipient = Some(recipient.into());
            line.site = Some(site);
            line.host = host.as_deref();
            line.reply = Some(reply);
            line.microseconds = micros(age);
        }
        Event::Deferred {
            message,
            recipient,
            site,
            host,
            stage,
            reply,
            translation,
            next,
            ..
        } => {
            line.message_id = Some(message);
            line.recipient = Some(recipient.into());
            line.site = Some(site);
            line.host = host.as_deref();
            line.reply = Some(reply);
            let reason = translation.as_ref().map_or("unknown", |t| &t.reason);
            line.detail = Some(format!("{stage}: {reason}, again in {} s", next.as_secs()).into());
        }
        Event::Bounced {
            message,
            recipient,
            site,
            host,
            stage,
            reply,
            translation,
            ..
        } => {
            line.message_id = Some(message);
            line.recipient = Some(recipient.into());
            line.site = Some(site);
            line.host = host.as_deref();
            line.reply = Some(reply);
            let reason = translation.as_ref().map_or("unknown", |t| &t.reason);
            line.detail = Some(format!("{stage}: {reason}").into());
        }
        Event::Expired {
            message,
            recipient,
            site,
            reply,
            ..
        } => {
            line.message_id = Some(message);
            line.recipient = Some(recipient.into());
            line.site = Some(site);
            line.reply = Some(reply);
        }
        Event::Suppressed {
            message,
            recipient,
            why,
        }
        | Event::Held {
            message,
            recipient,
            why,
        } => {
            line.message_id = Some(message);
            line.recipient = Some(recipient.into());
            line.detail = Some(why.into());
        }
        Event::SuppressionAdded {
            recipient,
            account,
            cause,
            why,
        } => {
            line.account = account.as_deref();
            line.recipient = Some(recipient.into());
            line.detail = Some(format!("{cause}: {why}").into());
        }
        Event::SuppressionRemoved {
            recipient,
            account,
            by,
        } => {
            line.account = account.as_deref();
            line.recipient = Some(recipient.into());
            line.detail = Some(format!("by {by}").into());
        }
        Event::DelayNotified {
            message,
            recipient,
            notification,
        } => {
            line.message_id = Some(message);
            line.recipient = Some(recipient.into());
            line.detail = Some(notification.into());
        }
        Event::Released { message, recipient } | Event::Removed { message, recipient } => {
            line.message_id = Some(message);
            line.recipient = Some(recipient.into());
        }
        Event::SiteThrottled {
            site, lasts, why, ..
        } => {
            line.site = Some(site);
            line.detail = Some(format!("{} s: {why}", lasts.as_secs()).into());
        }
        Event::SiteResumed { site } => line.site = Some(site),
        Event::Report {
            message,
            account,
            recipient,
            report,
            reply,
            host,
            translation,
            ..
        } => {
            line.account = account.as_deref();
            line.reply = reply.as_deref();
            line.host = host.as_deref();
            line.message_id = message.as_deref();
            line.recipient = recipient.as_deref().map(Cow::Borrowed);
            let reason = translation.as_ref().map_or("unknown", |t| &t.reason);
            line.detail = Some(format!("{report}: {reason}").into());
        }
        _ => {}
    }
    line
}

fn outcome(event: &Event) -> &'static str {
    match event {
        Event::Attempt { .. } => "attempt",
        Event::Delivered { .. } => "delivered",
        Event::Deferred { .. } => "deferred",
        Event::Bounced { .. } => "bounced",
        Event::Expired { .. } => "expired",
        Event::Suppressed { .. } => "suppressed",
        Event::SuppressionAdded { .. } => "suppression added",
        Event::SuppressionRemoved { .. } => "suppression removed",
        Event::DelayNotified { .. } => "delay notified",
        Event::Held { .. } => "held",
        Event::Released { .. } => "released",
        Event::Removed { .. } => "removed",
        Event::SiteThrottled { .. } => "site throttled",
        Event::SiteResumed { .. } => "site resumed",
        Event::Report { .. } => "report",
        _ => "event",
    }
}
