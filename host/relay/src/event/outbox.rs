//! Events on their way to receivers outside: which of them go there, and how they are kept until they are taken.
//!
//! What an event tells of a message is written in the commit that makes it true ([`Outbox::row`]), so that neither a crash
//! nor a receiver that is down for a day loses it or makes it up. The rest (a site that rests, a plugin that faulted) is
//! written behind within a moment.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use baton_spool::Operation;
use bytes::Bytes;
use serde::Serialize;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::Event;
use crate::clock;
use crate::limits;
use crate::store::Store;

/// Every kind that a receiver can ask for.
pub const KINDS: &[&str] = &[
    "accepted",
    "refused",
    "discarded",
    "delivered",
    "deferred",
    "bounced",
    "expired",
    "suppressed",
    "suppression-added",
    "suppression-removed",
    "delay-notified",
    "held",
    "released",
    "removed",
    "report",
    "plugin-event",
    "plugin-refused",
    "plugin-fault",
    "plugin-breaker",
    "plugin-rolled-back",
    "site-throttled",
    "site-resumed",
    "spool-full",
    "spool-room",
    "alert",
];

/// What a receiver gets that asks for nothing in particular: what becomes of messages.
pub const USUAL: &[&str] = &[
    "accepted",
    "discarded",
    "delivered",
    "deferred",
    "bounced",
    "expired",
    "suppressed",
    "suppression-added",
    "suppression-removed",
    "held",
    "released",
    "removed",
    "report",
    "plugin-event",
];

/// The word of an event that receivers can ask for.
pub fn kind(event: &Event) -> Option<&'static str> {
    Some(match event {
        Event::Accepted { .. } => "accepted",
        Event::Refused { .. } => "refused",
        Event::Discarded { .. } => "discarded",
        Event::Delivered { .. } => "delivered",
        Event::Deferred { .. } => "deferred",
        Event::Bounced { .. } => "bounced",
        Event::Expired { .. } => "expired",
        Event::Suppressed { .. } => "suppressed",
        Event::SuppressionAdded { .. } => "suppression-added",
        Event::SuppressionRemoved { .. } => "suppression-removed",
        Event::DelayNotified { .. } => "delay-notified",
        Event::Held { .. } => "held",
        Event::Released { .. } => "released",
        Event::Removed { .. } => "removed",
        Event::Report { .. } => "report",
        Event::PluginEvent { .. } => "plugin-event",
        Event::PluginRefused { .. } => "plugin-refused",
        Event::PluginFault { .. } => "plugin-fault",
        Event::PluginBreaker { .. } => "plugin-breaker",
        Event::PluginRolledBack { .. } => "plugin-rolled-back",
        Event::SiteThrottled { .. } => "site-throttled",
        Event::SiteResumed { .. } => "site-resumed",
        Event::SpoolFull { .. } => "spool-full",
        Event::SpoolRoom { .. } => "spool-room",
        Event::Alert { .. } => "alert",
        _ => return None,
    })
}

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Outbox {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    /// Kinds that some receiver wants.
    wanted: Vec<&'static str>,
    behind: mpsc::Sender<Offered>,
    /// Taken by the task that writes behind.
    offered: Mutex<Option<mpsc::Receiver<Offered>>>,
    /// What found no room, to be told of.
    lost: AtomicU64,
    /// Told when there is something new.
    news: Notify,
}

/// An event that no commit told of.
struct Offered {
    at: u64,
    event: Event,
}

/// An event as receivers get it.
#[derive(Serialize)]
struct Row<'a> {
    /// The same however often it is sent.
    id: String,
    /// Milliseconds since 1970-01-01 UTC.
    at: u64,
    #[serde(flatten)]
    event: &'a Event,
    /// For events that do not say it themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    account: Option<&'a str>,
}

impl Outbox {
    /// For receivers that want these kinds.
    pub fn new(store: Store, wanted: Vec<&'static str>) -> Outbox {
        let (behind, offered) = mpsc::channel(limits::OUTBOX_WAITING_MAX);
        Outbox {
            shared: Arc::new(Shared {
                store,
                wanted,
                behind,
                offered: Mutex::new(Some(offered)),
                lost: AtomicU64::new(0),
                news: Notify::new(),
            }),
        }
    }

    /// An event as it goes into the commit that makes it true; none if nobody wants it. `account` is whose message it is
    /// about, where the event does not say so.
    pub fn row(&self, event: &Event, account: Option<&str>) -> Option<Bytes> {
        if !self.wants(event) {
            return None;
        }
        self.write(event, account, clock::now().as_millis())
    }

    fn wants(&self, event: &Event) -> bool {
        kind(event).is_some_and(|kind| self.shared.wanted.contains(&kind))
    }

    fn write(&self, event: &Event, account: Option<&str>, at: u64) -> Option<Bytes> {
        let says_it = matches!(
            event,
            Event::Accepted { .. }
                | Event::Report { .. }
                | Event::SuppressionAdded { .. }
                | Event::SuppressionRemoved { .. }
        );
        let row = Row {
            id: format!("evt_{}", self.shared.store.new_id()),
            at,
            event,
            account: account.filter(|_| !says_it),
        };
        serde_json::to_vec(&row).ok().map(Bytes::from)
    }

    /// Rows were committed.
    pub fn tell(&self) {
        self.shared.news.notify_waiters();
    }

    /// Waits for news, and not for ever: what is told of between two looks must not be missed.
    pub async fn news(&self) {
        let _ = tokio::time::timeout(limits::OUTBOX_LOOK_EVERY, self.shared.news.notified()).await;
    }

    /// Hands over an event that no commit tells of. Never waits.
    pub fn offer(&self, event: &Event) {
        if !self.wants(event) {
            return;
        }
        let offered = Offered {
            at: clock::now().as_millis(),
            event: event.clone(),
        };
        if self.shared.behind.try_send(offered).is_err() {
            self.shared.lost.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// An event that was offered, with the account whose message it is about.
    fn row_of(&self, offered: &Offered) -> Option<Bytes> {
        let known = message_of(&offered.event).and_then(|message| {
            let snapshot = self.shared.store.snapshot().ok()?;
            snapshot.history(message.parse().ok()?).ok()?
        });
        let account = known.and_then(|row| row.account);
        self.write(&offered.event, account.as_deref(), offered.at)
    }

    /// How many found no room since the last time this was asked.
    pub fn lost(&self) -> u64 {
        self.shared.lost.swap(0, Ordering::Relaxed)
    }

    /// Writes what is offered until `end`, and then what is left.
    pub async fn write_behind(self, end: CancellationToken, trouble: impl Fn(String)) {
        let offered = self
            .shared
            .offered
            .lock()
            .unwrap_or_else(|e| e.into_inner())
            .take();
        let Some(mut offered) = offered else { return };
        let mut ended = false;
        while !ended {
            let mut batch = Vec::new();
            tokio::select! {
                biased;
                _ = offered.recv_many(&mut batch, limits::OUTBOX_BATCH_MAX) => {}
                () = end.cancelled() => ended = true,
            }
            // Others that come in the same moment share the commit.
            if !ended {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            while let Ok(one) = offered.try_recv() {
                batch.push(one);
            }
            if batch.is_empty() {
                continue;
            }
            let rows = Operation::Events {
                rows: batch.iter().filter_map(|one| self.row_of(one)).collect(),
                if_done: false,
            };
            match self.shared.store.commit_later(vec![rows]).await {
                Ok(_) => self.tell(),
                Err(error) => trouble(error.to_string()),
            }
        }
    }
}

/// The message that an event is about, where the event does not say whose it is.
fn message_of(event: &Event) -> Option<&str> {
    match event {
        Event::Suppressed { message, .. }
        | Event::DelayNotified { message, .. }
        | Event::Held { message, .. }
        | Event::Released { message, .. }
        | Event::Removed { message, .. } => Some(message),
        Event::PluginEvent { message, .. } | Event::PluginFault { message, .. } => {
            message.as_deref()
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_that_can_be_asked_for_is_the_word_that_is_sent() {
        let event = Event::SiteResumed {
            site: "example.net".into(),
        };
        let sent = serde_json::to_value(&event).unwrap();
        assert_eq!(sent["kind"], kind(&event).unwrap());
        assert!(USUAL.iter().all(|kind| KINDS.contains(kind)));
    }
}
