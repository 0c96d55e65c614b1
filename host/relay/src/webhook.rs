//! Webhooks: events go out by HTTP, signed, in batches, in order, from the spool.
//!
//! Each receiver has a task and a place in the spool of its own, so that one that is slow or gone holds up nobody. A batch
//! is sent until it is answered with 2xx, and the place moves on when that is durable: every event arrives at least once,
//! and in the order in which things became true. What is sent again after a crash has the same ids, by which a receiver
//! knows it. The form is that of Standard Webhooks (standardwebhooks.com), for which there are libraries to verify it.

mod sign;

use std::time::Duration;

use baton_hooks::{HttpError, HttpRequest};
use baton_spool::{EventPage, Operation};
use bytes::Bytes;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

use crate::clock::{self, Timestamp};
use crate::config::Webhook;
use crate::event::outbox::Outbox;
use crate::event::{Bus, Event};
use crate::limits;
use crate::services::http::HttpClient;
use crate::store::{Store, StoreError};

/// One receiver.
pub struct Receiver {
    pub config: Webhook,
    pub store: Store,
    pub outbox: Outbox,
    pub http: HttpClient,
    pub bus: Bus,
}

/// Events that are sent together.
struct Batch {
    /// The same as long as it holds the same events.
    id: String,
    body: Bytes,
    count: usize,
    /// When its first event happened.
    began: Timestamp,
}

/// As much of an event as decides whether a receiver wants it.
#[derive(Deserialize)]
struct Head<'a> {
    id: &'a str,
    at: u64,
    kind: &'a str,
    #[serde(default)]
    account: Option<std::borrow::Cow<'a, str>>,
}

/// From now on these receivers are kept events for, and no others.
pub async fn register(store: &Store, hooks: &[Webhook]) -> Result<(), StoreError> {
    let names = hooks.iter().map(|hook| hook.name.clone()).collect();
    let registered = store.commit(vec![Operation::EventReaders(names)]).await;
    registered.map(|_| ())
}

impl Receiver {
    /// Sends until `end`.
    pub async fn run(self, end: CancellationToken) {
        tokio::select! {
            () = end.cancelled() => {}
            () = self.send_all() => {}
        }
    }

    async fn send_all(&self) {
        loop {
            let page = match self.look().await {
                Ok(page) => page,
                Err(error) => {
                    self.failed(&error.to_string(), limits::OUTBOX_LOOK_EVERY);
                    tokio::time::sleep(limits::OUTBOX_LOOK_EVERY).await;
                    continue;
                }
            };
            if page.lost > 0 {
                self.lost(page.lost, "too many waited");
            }
            let Some(&(last, _)) = page.rows.last() else {
                self.outbox.news().await;
                // More may happen at the same moment, and one request is cheaper than two.
                tokio::time::sleep(self.config.batch_wait).await;
                continue;
            };
            if let Some(batch) = self.batch(&page) {
                self.send(&batch).await;
            }
            self.move_on(last + 1).await;
        }
    }

    async fn look(&self) -> Result<EventPage, StoreError> {
        let (name, max) = (self.config.name.clone(), self.config.batch_max);
        self.store
            .read(move |spool| spool.events(&name, max, limits::WEBHOOK_BODY_BYTES_MAX))
            .await
    }

    /// What the receiver wants of a page.
    fn batch(&self, page: &EventPage) -> Option<Batch> {
        let mut wanted = page.rows.iter().filter_map(|(_, row)| {
            let head: Head<'_> = serde_json::from_slice(row).ok()?;
            let is_theirs = match &self.config.account {
                Some(account) => head.account.as_deref() == Some(account),
                None => true,
            };
            let is_wanted = self.config.events.contains(&head.kind);
            (is_theirs && is_wanted).then_some((head.id.to_owned(), head.at, row))
        });
        let (first_id, first_at, first) = wanted.next()?;
        let mut body = Vec::with_capacity(1024);
        body.extend_from_slice(b"{\"events\":[");
        body.extend_from_slice(first);
        let mut count = 1;
        for (_, _, row) in wanted {
            body.push(b',');
            body.extend_from_slice(row);
            count += 1;
        }
        body.extend_from_slice(b"]}");
        Some(Batch {
            id: format!("{first_id}.{count}"),
            body: body.into(),
            count,
            began: Timestamp::from_millis(first_at),
        })
    }

    /// Until it is taken, or too old for anybody to care.
    async fn send(&self, batch: &Batch) {
        let mut wait = self.config.retry_min;
        loop {
            let now = clock::now();
            let Err(why) = self.post(batch, now).await else {
                return;
            };
            if now.since(batch.began) >= self.config.give_up_after {
                return self.lost(batch.count as u64, &why);
            }
            // Receivers that were down together must not be met by all relays together.
            let spread = wait.mul_f64(0.75 + 0.5 * rand::random::<f64>());
            self.failed(&why, spread);
            tokio::time::sleep(spread).await;
            wait = (wait * 2).min(self.config.retry_max);
        }
    }

    async fn post(&self, batch: &Batch, now: Timestamp) -> Result<(), String> {
        let seconds = now.as_millis() / 1000;
        let signature = sign::signatures(&self.config.secrets, &batch.id, seconds, &batch.body);
        let header = |name: &str, value: String| (name.to_owned(), value);
        let request = HttpRequest {
            method: "POST".to_owned(),
            url: self.config.url.clone(),
            headers: vec![
                header("content-type", "application/json".to_owned()),
                header(
                    "user-agent",
                    concat!("baton/", env!("CARGO_PKG_VERSION")).to_owned(),
                ),
                header("webhook-id", batch.id.clone()),
                header("webhook-timestamp", seconds.to_string()),
                header("webhook-signature", signature),
            ],
            body: batch.body.clone(),
        };
        // The operator wrote the address: wherever it points is meant.
        let meant = meant(&self.config.url);
        let sent = self
            .http
            .send(
                &meant,
                request,
                self.config.timeout,
                limits::WEBHOOK_ANSWER_BYTES_MAX,
            )
            .await;
        match sent {
            Ok(answer) if (200..300).contains(&answer.status) => Ok(()),
            Ok(answer) => Err(format!("it answered {}", answer.status)),
            Err(error) => Err(words(&error).to_owned()),
        }
    }

    /// Remembers what was dealt with. Without that, it would be sent again after a restart, and nothing is lost.
    async fn move_on(&self, next: u64) {
        loop {
            let reader = self.config.name.clone();
            let read = Operation::EventsRead { reader, next };
            match self.store.commit_later(vec![read]).await {
                Ok(_) => return,
                Err(error) => {
                    self.failed(&error.to_string(), limits::OUTBOX_LOOK_EVERY);
                    tokio::time::sleep(limits::OUTBOX_LOOK_EVERY).await;
                }
            }
        }
    }

    fn failed(&self, error: &str, next: Duration) {
        self.bus.emit(Event::WebhookFailed {
            webhook: self.config.name.clone(),
            error: error.to_owned(),
            next,
        });
    }

    fn lost(&self, count: u64, why: &str) {
        self.bus.emit(Event::WebhookLost {
            webhook: self.config.name.clone(),
            count,
            why: why.to_owned(),
        });
    }
}

fn words(error: &HttpError) -> &'static str {
    match error {
        HttpError::Dns => "its name cannot be resolved",
        HttpError::Connect => "it cannot be reached",
        HttpError::Tls => "it offers no TLS that can be trusted",
        HttpError::Timeout => "it does not answer in time",
        // Taken perhaps, with more words than anybody reads.
        HttpError::TooLarge => "its answer is too long",
        _ => "it does not speak HTTP",
    }
}

/// The host and port of a URL, as a grant for exactly that.
fn meant(url: &str) -> Vec<String> {
    let Ok(uri) = url.parse::<hyper::Uri>() else {
        return Vec::new();
    };
    let usual = if uri.scheme_str() == Some("http") {
        80
    } else {
        443
    };
    let host = uri.host().unwrap_or_default();
    vec![format!("{host}:{}", uri.port_u16().unwrap_or(usual))]
}
