//! One try to deliver one message to one site: what is sent, and what each recipient was answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use baton_hooks::{RemoteReply, Stage};
use baton_sign::Unsigned;
use baton_smtp::EnhancedStatus;
use baton_smtp::client::{self, Delivery, Transaction};
use bytes::Bytes;

use super::plan::{self, Hop, SiteKey};
use super::{Job, Parcel, Queue, back, conclude, intake};
use crate::clock;
use crate::event::Event;
use crate::meta::Meta;
use crate::outbound::{self, Destination, Failure, Link, Reported, simulate};
use crate::store::StoreError;

/// The connection of a worker, made when it is needed.
pub(super) struct Line {
    destination: Option<Destination>,
    link: Option<Link>,
}

/// What became of an attempt.
pub(super) struct Tried {
    /// One for each recipient, in order.
    pub reports: Vec<Reported>,
    pub host: Option<Arc<str>>,
    pub address: Option<SocketAddr>,
    pub tls: Option<Arc<str>>,
    /// The site itself could not be reached.
    pub unreachable: bool,
    /// The remote host passes on what the sender wants to know of success (RFC 3461 5.2.1).
    pub passes_on_notify: bool,
    /// Recipients whose mail goes into the inbox.
    pub captured: Vec<usize>,
    pub took: Duration,
}

impl Line {
    pub fn new(queue: &Queue, key: &SiteKey) -> Line {
        Line {
            destination: plan::destination(&queue.shared.parts.config, key),
            link: None,
        }
    }

    /// Waits until the remote host ends the connection; for ever without one.
    pub async fn ended(&mut self) {
        match &mut self.link {
            Some(link) => link.ended().await,
            None => std::future::pending().await,
        }
    }

    /// The connection is of no more use.
    pub fn forget(&mut self) {
        self.link = None;
    }

    /// Says goodbye.
    pub async fn close(self) {
        if let Some(link) = self.link {
            link.quit().await;
        }
    }

    /// A connection that may carry one more transaction; true if it has carried some.
    async fn ready(&mut self, queue: &Queue) -> Result<(&mut Link, bool), Failure> {
        let transactions_max = queue
            .shared
            .parts
            .config
            .delivery
            .messages_per_connection_max;
        let worn = self.link.as_ref().is_some_and(|link| {
            let theirs = link
                .capabilities()
                .and_then(|c| c.transactions_max)
                .unwrap_or(u32::MAX);
            !link.is_usable() || link.transactions() >= transactions_max.min(theirs)
        });
        if worn && let Some(link) = self.link.take() {
            queue.shared.tasks.spawn(link.quit());
        }
        let reused = self.link.is_some();
        if !reused {
            let destination = self.destination.as_ref().ok_or_else(|| {
                Failure::without_reply(Stage::Dns, EnhancedStatus::new(4, 3, 5), "no destination")
            })?;
            self.link = Some(outbound::open(&queue.shared.parts.outbound, destination).await?);
        }
        match &mut self.link {
            Some(link) => Ok((link, reused)),
            None => Err(lost()),
        }
    }
}

/// Tries one job, and makes durable what came of it.
pub(super) async fn run(queue: &Queue, key: &Arc<SiteKey>, line: &mut Line, job: Job) {
    let Job {
        mut parcel,
        sitting,
    } = job;
    let began = Instant::now();
    let body = match body(queue, &mut parcel).await {
        Some(body) => body,
        None => return,
    };
    let mut tried = match key.hop {
        Hop::Inbox => capture(&parcel),
        Hop::Next(_) => send(queue, line, &parcel, &body).await,
    };
    tried.took = began.elapsed();
    conclude::run(queue, key, parcel, sitting, &body, tried).await;
}

/// The message's bytes: still in memory, or read back. Without them there is no attempt.
async fn body(queue: &Queue, parcel: &mut Parcel) -> Option<Vec<Bytes>> {
    if let Some(body) = &parcel.body {
        return Some(body.pieces.clone());
    }
    let id = parcel.message.id;
    match queue.shared.parts.store.body(id).await {
        Ok(Some(body)) => Some(body),
        // Removed by an operator meanwhile.
        Ok(None) => {
            queue.release(id, &parcel.entries);
            None
        }
        Err(StoreError::Broken(error)) => {
            if let baton_spool::Error::Unreadable { reason, .. } = &*error {
                intake::set_aside(queue, id, reason.clone()).await;
                queue.release(id, &parcel.entries);
            } else {
                trouble(queue, parcel, &error.to_string()).await;
            }
            None
        }
        Err(error) => {
            trouble(queue, parcel, &error.to_string()).await;
            None
        }
    }
}

async fn trouble(queue: &Queue, parcel: &Parcel, error: &str) {
    queue.shared.parts.bus.emit(Event::Trouble {
        place: "queue",
        error: error.to_owned(),
    });
    tokio::time::sleep(Duration::from_secs(1)).await;
    queue.give_back(parcel.message.id, &parcel.entries);
}

/// The inbox takes everything but what asks for another reply.
fn capture(parcel: &Parcel) -> Tried {
    let mut tried = Tried::without_connection(Vec::with_capacity(parcel.entries.len()));
    for (nth, one) in parcel.entries.iter().enumerate() {
        let report = simulate::reply_for(&one.entry.recipient.address).unwrap_or_else(|| {
            tried.captured.push(nth);
            Reported {
                stage: Stage::EndOfData,
                reply: RemoteReply {
                    code: 250,
                    status: Some(EnhancedStatus::new(2, 0, 0)),
                    text: "kept in the inbox".into(),
                },
            }
        });
        tried.reports.push(report);
    }
    tried
}

async fn send(queue: &Queue, line: &mut Line, parcel: &Parcel, body: &[Bytes]) -> Tried {
    let mut tried = Tried::without_connection(Vec::with_capacity(parcel.entries.len()));
    let mut rest = parcel.entries.as_slice();
    let signatures = signatures(queue, parcel, body).await;
    while !rest.is_empty() {
        let (link, mut reused) = match line.ready(queue).await {
            Ok(ready) => ready,
            Err(failure) => {
                tried.unreachable = tried.reports.is_empty() && !failure.is_permanent();
                tried.reports.resize(parcel.entries.len(), failure);
                return tried;
            }
        };
        let count = rest.len().min(recipients_max(queue, link));
        let back::Back {
            sender,
            field,
            count,
        } = back::of(queue, &parcel.message, rest, count);
        let transaction = Transaction {
            sender,
            parameters: parcel.message.parameters.clone(),
            recipients: rest[..count]
                .iter()
                .map(|one| one.entry.recipient.clone())
                .collect(),
            message: field
                .into_iter()
                .chain(signatures.clone())
                .chain(body.iter().cloned())
                .collect(),
            needs_utf8: Meta::decode(&parcel.message.meta).needs_utf8,
        };
        let mut delivery = link.deliver(transaction.clone()).await;
        // The host closed the connection while it was idle: that was no attempt.
        if reused && delivery.as_ref().is_none_or(was_never_begun) {
            line.forget();
            (_, reused) = match line.ready(queue).await {
                Ok(ready) => ready,
                Err(failure) => {
                    tried.unreachable = tried.reports.is_empty() && !failure.is_permanent();
                    tried.reports.resize(parcel.entries.len(), failure);
                    return tried;
                }
            };
            debug_assert!(!reused);
            delivery = match &mut line.link {
                Some(link) => link.deliver(transaction).await,
                None => None,
            };
        }
        if let Some(link) = &line.link {
            tried.host = Some(link.host().clone());
            tried.address = Some(link.address());
            tried.tls = link.tls().cloned();
            tried.passes_on_notify = link.capabilities().is_some_and(|c| c.dsn);
        }
        match delivery {
            Some(delivery) => {
                tried
                    .reports
                    .extend(delivery.outcomes.iter().map(Reported::from));
                if !delivery.reusable {
                    line.forget();
                }
            }
            None => {
                tried.reports.resize(tried.reports.len() + count, lost());
                line.forget();
            }
        }
        rest = &rest[count..];
    }
    tried
}

/// Made last of all: nothing changes the message any more.
async fn signatures(queue: &Queue, parcel: &Parcel, body: &[Bytes]) -> Option<Bytes> {
    let parts = &queue.shared.parts;
    let made = parts.signing.fields(&parcel.message, body, clock::now());
    match made.await {
        Ok(fields) => Some(fields),
        Err(Unsigned::Key(error)) => {
            let place = "signatures";
            parts.bus.emit(Event::Trouble { place, error });
            None
        }
        Err(_) => None,
    }
}

/// The connection was lost before the host had said a word to the transaction.
fn was_never_begun(delivery: &Delivery) -> bool {
    delivery.outcomes.iter().all(|outcome| {
        outcome.stage == client::Stage::MailFrom
            && matches!(
                outcome.response,
                client::Response::Fault(client::Fault::Lost)
            )
    })
}

fn recipients_max(queue: &Queue, link: &Link) -> usize {
    let ours = queue
        .shared
        .parts
        .config
        .delivery
        .recipients_per_transaction_max;
    let theirs = link
        .capabilities()
        .and_then(|c| c.recipients_max)
        .map(|max| max as usize);
    ours.min(theirs.unwrap_or(usize::MAX)).max(1)
}

fn lost() -> Reported {
    let text = "the connection was lost";
    Reported::without_reply(Stage::MailFrom, EnhancedStatus::new(4, 4, 2), text)
}

impl Tried {
    pub fn without_connection(reports: Vec<Reported>) -> Tried {
        Tried {
            reports,
            host: None,
            address: None,
            tls: None,
            unreachable: false,
            passes_on_notify: false,
            captured: Vec::new(),
            took: Duration::ZERO,
        }
    }
}
