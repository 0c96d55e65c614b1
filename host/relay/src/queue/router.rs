//! From the window to a site's queue: the message is loaded, plugins say where it goes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use baton_hooks::{Attempt, Hook, RemoteReply, Route, RouteVerdict, Sitting, Stage};
use baton_smtp::EnhancedStatus;
use baton_spool::{Entry, EntryId, EntryState, Message, MessageId, Snapshot};

use super::plan::{self, Plan};
use super::window::Group;
use super::{Job, JobEntry, Parcel, Payload, Queue, conclude, intake};
use crate::clock;
use crate::config::Mode;
use crate::event::Event;
use crate::limits;
use crate::meta::{self, Notes};
use crate::outbound::{Reported, simulate};
use crate::store::StoreError;

/// Routes what the window hands out until the queue stops.
pub(super) async fn run(queue: Queue) {
    while !queue.shared.stop.is_cancelled() {
        match queue.next_group() {
            Some((group, more)) => {
                if more {
                    queue.shared.work.notify_one();
                }
                route(&queue, group).await;
            }
            None => tokio::select! {
                () = queue.shared.work.notified() => {}
                () = queue.shared.stop.cancelled() => {}
            },
        }
    }
}

async fn route(queue: &Queue, group: Group<MessageId, Payload>) {
    let Some(Parcel {
        message,
        body,
        entries,
    }) = load(queue, group).await
    else {
        return;
    };
    let generation = queue.shared.parts.plugins.generation();
    let asks = [Hook::Route, Hook::Reply, Hook::Delivered, Hook::Bounce];
    let mut sitting = generation
        .exports_any(&asks)
        .then(|| sitting_for(&message, generation.clone()));
    let mut routed: Vec<(Plan, Vec<JobEntry>)> = Vec::new();
    let mut going = Vec::with_capacity(entries.len());
    for (one, stopped) in with_stops(queue, &message, entries) {
        match stopped {
            Some(reported) => {
                conclude::refused(queue, &message, body.clone(), one, reported).await;
            }
            None => going.push(one),
        }
    }
    for one in going {
        let notes = Notes::decode(&one.entry.notes);
        let route = match &mut sitting {
            Some(sitting) if generation.exports(Hook::Route) => {
                match sitting.on_route(&attempt_of(&message, &one.entry)).await {
                    RouteVerdict::Default => Route::default(),
                    RouteVerdict::Route(route) => route,
                    RouteVerdict::Defer => {
                        wait(queue, &message, one, "no route could be decided").await;
                        continue;
                    }
                }
            }
            _ => Route::default(),
        };
        let domain = one.entry.recipient.address.domain();
        let site = plan::site(&queue.shared.parts.config, &route, domain);
        let mut avoid = queue.shared.parts.rests.of(&site, Instant::now());
        avoid.extend(notes.avoid);
        let planned = plan::plan(
            &queue.shared.parts.config,
            &route,
            domain,
            &avoid,
            rand::random(),
        );
        match planned {
            Ok(plan) => match routed.iter_mut().find(|(known, _)| known.key == plan.key) {
                Some((_, entries)) => entries.push(one),
                None => routed.push((plan, vec![one])),
            },
            Err(error) => {
                let place = "routing";
                queue.shared.parts.bus.emit(Event::Trouble {
                    place,
                    error: error.to_string(),
                });
                wait(queue, &message, one, "the route is not configured").await;
            }
        }
    }
    if let Some(sitting) = &mut sitting {
        sitting.park();
    }
    for (plan, entries) in routed {
        // The first job has the sitting that was asked; others, which are rare, make their own.
        let sitting = match sitting.take() {
            Some(sitting) => Some(sitting),
            None if generation.exports_any(&asks) => {
                Some(sitting_for(&message, generation.clone()))
            }
            None => None,
        };
        let parcel = Parcel {
            message: message.clone(),
            body: body.clone(),
            entries,
        };
        let job = Job { parcel, sitting };
        queue.enqueue(plan, job);
    }
}

/// A sitting for hooks about this message.
fn sitting_for(message: &Message, generation: Arc<baton_hooks::Generation>) -> Sitting {
    // All attempts of a message meet the same version where a candidate serves a share.
    let id = message.id.to_string();
    let mut sitting = Sitting::new(generation.chosen(&id));
    sitting.set_message_id(id.into());
    sitting.set_account(message.origin.account.as_deref().map(Arc::from));
    let tags = message
        .tags
        .iter()
        .map(|(k, v)| (Arc::from(k.as_str()), Arc::from(v.as_str())));
    sitting.set_tags(tags.collect());
    sitting
}

/// What plugins are told of an attempt before a host is chosen.
pub(super) fn attempt_of(message: &Message, entry: &Entry) -> Attempt {
    let now = clock::now();
    Attempt {
        message: message.id.to_string().into(),
        sender: message.sender.clone(),
        account: message.origin.account.as_deref().map(Arc::from),
        recipient: entry.recipient.address.clone(),
        site: entry.recipient.address.domain().as_str().into(),
        host: None,
        egress: None,
        number: entry.attempts + 1,
        age: now.since(meta::begins(message)),
    }
}

/// Why there will be no attempt at all for some: a plugin refused this copy, or the address is suppressed.
fn with_stops(
    queue: &Queue,
    message: &Message,
    entries: Vec<JobEntry>,
) -> Vec<(JobEntry, Option<Reported>)> {
    // Without a look at the list nobody is on it: mail that waits is worse than mail to somebody who does not want it.
    let snapshot = queue.shared.parts.store.snapshot().ok();
    let look = |one: JobEntry| {
        let stopped = stopped(queue, message, &one.entry, snapshot.as_ref());
        (one, stopped)
    };
    entries.into_iter().map(look).collect()
}

fn stopped(
    queue: &Queue,
    message: &Message,
    entry: &Entry,
    snapshot: Option<&Snapshot>,
) -> Option<Reported> {
    if let Some(reply) = Notes::decode(&entry.notes).refused {
        return Some(Reported {
            stage: Stage::Data,
            reply: RemoteReply::from(&reply),
        });
    }
    let address = &entry.recipient.address;
    // Who tries out in the dev mode what a reply leads to does so more than once.
    let is_dev = queue.shared.parts.config.mode == Mode::Dev;
    if is_dev && simulate::reply_for(address).is_some() {
        return None;
    }
    let account = message.origin.account.as_deref();
    let list = &queue.shared.parts.suppressions;
    let row = list.look_up_in(snapshot?, account, address)?;
    queue.shared.parts.bus.emit(Event::Suppressed {
        message: message.id.to_string(),
        recipient: address.to_string(),
        why: row.reason.clone(),
    });
    let text = format!("the address is on the suppression list: {}", row.reason);
    Some(Reported::without_reply(
        Stage::RcptTo,
        EnhancedStatus::new(5, 7, 1),
        text,
    ))
}

async fn wait(queue: &Queue, message: &Arc<Message>, one: JobEntry, why: &str) {
    let reported = Reported::without_reply(Stage::Dns, EnhancedStatus::new(4, 3, 5), why);
    conclude::wait(
        queue,
        message,
        vec![one],
        reported,
        limits::ROUTE_TROUBLE_REST,
    )
    .await;
}

/// What the window handed out, as far as it still waits.
async fn load(queue: &Queue, group: Group<MessageId, Payload>) -> Option<Parcel> {
    let Group {
        message: id,
        payload,
        recipients,
    } = group;
    if let Some(fresh) = payload {
        let of = |(number, domain)| {
            let entry = fresh
                .entries
                .iter()
                .find(|entry| entry.id.recipient == number)?;
            Some(JobEntry {
                entry: entry.clone(),
                domain,
            })
        };
        let entries = recipients.into_iter().filter_map(of).collect();
        let (message, body) = (fresh.message.clone(), fresh.body.clone());
        return Some(Parcel {
            message,
            body,
            entries,
        });
    }
    match look_up(queue, id, &recipients) {
        Ok(found) => {
            for (number, domain) in &recipients {
                let kept = found.as_ref().is_some_and(|found| {
                    found
                        .entries
                        .iter()
                        .any(|one| one.entry.id.recipient == *number)
                });
                if !kept {
                    queue.lock().window.release(id, *number, domain);
                }
            }
            found
        }
        Err(error) => {
            if let StoreError::Broken(cause) = &error
                && let baton_spool::Error::Unreadable { reason, .. } = &**cause
            {
                intake::set_aside(queue, id, reason.clone()).await;
            } else {
                let error = error.to_string();
                queue.shared.parts.bus.emit(Event::Trouble {
                    place: "queue",
                    error,
                });
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            let mut state = queue.lock();
            for (number, domain) in &recipients {
                state.window.release(id, *number, domain);
            }
            None
        }
    }
}

fn look_up(
    queue: &Queue,
    id: MessageId,
    recipients: &[(u32, Arc<str>)],
) -> Result<Option<Parcel>, StoreError> {
    let snapshot = queue.shared.parts.store.snapshot()?;
    let Some(message) = snapshot.message(id).map_err(StoreError::of)? else {
        return Ok(None);
    };
    let now = clock::now().as_millis();
    let mut entries = Vec::with_capacity(recipients.len());
    for (number, domain) in recipients {
        let found = snapshot
            .entry(EntryId::new(id, *number))
            .map_err(StoreError::of)?;
        // Held, or put off by an operator since it was seen.
        let due = |entry: &Entry| matches!(entry.state, EntryState::Due(at) if at <= now + 1000);
        if let Some(entry) = found.filter(due) {
            entries.push(JobEntry {
                entry,
                domain: domain.clone(),
            });
        }
    }
    if entries.is_empty() {
        return Ok(None);
    }
    Ok(Some(Parcel {
        message: Arc::new(message),
        body: None,
        entries,
    }))
}
