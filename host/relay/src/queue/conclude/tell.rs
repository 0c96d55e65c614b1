//! What is told of an attempt: events, and the piece of the message's log.

use std::sync::Arc;

use baton_hooks::CallRecord;
use baton_message::report::Action;
use bytes::Bytes;

use super::Concluded;
use crate::clock::Timestamp;
use crate::event::Event;
use crate::event::trace::{self, Step};
use crate::history;
use crate::meta;
use crate::outbound::stage_name;
use crate::queue::attempt::Tried;
use crate::queue::plan::SiteKey;
use crate::queue::{Parcel, Queue};

/// The attempt and the hook calls of it, for the history.
pub(super) fn log(
    key: &SiteKey,
    parcel: &Parcel,
    concluded: &[Concluded],
    tried: &Tried,
    records: &[CallRecord],
    now: Timestamp,
) -> Bytes {
    let at = now.as_millis();
    let mut steps: Vec<Step> = records
        .iter()
        .map(|record| Step::Hook {
            at,
            call: history::hook_call(record, None),
        })
        .collect();
    let outcomes = parcel.entries.iter().zip(concluded).map(|(one, end)| {
        history::outcome(
            one.entry.recipient.address.to_string(),
            end.word,
            &end.reported,
            shown(end),
            end.next.map(Timestamp::as_millis),
        )
    });
    steps.push(Step::Attempt {
        at,
        number: concluded.first().map_or(1, |end| end.number),
        site: key.site(),
        host: tried.host.as_deref().map(str::to_owned),
        address: tried.address.map(|address| address.to_string()),
        egress: key.egress.as_deref().map(str::to_owned),
        tls: tried.tls.as_deref().map(str::to_owned),
        microseconds: u64::try_from(tried.took.as_micros()).unwrap_or(u64::MAX),
        outcomes: outcomes.collect(),
    });
    history::piece(&steps)
}

fn shown(end: &Concluded) -> Option<trace::Translation> {
    let (plugin, translation) = end.translation.as_ref()?;
    Some(history::translation(plugin, translation))
}

/// Tells of the attempt and of each hook call.
pub(super) fn attempt(
    queue: &Queue,
    key: &Arc<SiteKey>,
    parcel: &Parcel,
    concluded: &[Concluded],
    tried: &Tried,
    records: &[CallRecord],
) {
    let bus = &queue.shared.parts.bus;
    let message = parcel.message.id.to_string();
    for record in records {
        history::tell(bus, record, Some(&message), None);
    }
    bus.emit(Event::Attempt {
        message: message.clone(),
        number: concluded.first().map_or(1, |end| end.number),
        site: key.site(),
        host: tried.host.as_deref().map(str::to_owned),
        address: tried.address,
        egress: key.egress.as_deref().map(str::to_owned),
        tls: tried.tls.as_deref().map(str::to_owned),
        recipients: parcel.entries.len(),
        bytes: parcel.message.body_bytes as usize,
        took: tried.took,
    });
}

/// What is told of each recipient, once it is durable.
pub(super) fn outcomes(
    key: &Arc<SiteKey>,
    parcel: &Parcel,
    concluded: &[Concluded],
    tried: &Tried,
    notifications: &[(Action, String)],
    now: Timestamp,
) -> Vec<Event> {
    let message = parcel.message.id.to_string();
    let mut told = Vec::with_capacity(concluded.len());
    for (one, end) in parcel.entries.iter().zip(concluded) {
        let recipient = one.entry.recipient.address.to_string();
        let id = end.tell.and_then(|action| {
            notifications
                .iter()
                .find(|(known, _)| *known == action)
                .map(|(_, id)| id.clone())
        });
        if let (Some(Action::Delayed), Some(notification)) = (end.tell, id.clone()) {
            let (message, recipient) = (message.clone(), recipient.clone());
            told.push(Event::DelayNotified {
                message,
                recipient,
                notification,
            });
        }
        told.push(outcome(
            key, parcel, tried, end, &message, recipient, id, now,
        ));
    }
    told
}

#[allow(clippy::too_many_arguments)]
fn outcome(
    key: &SiteKey,
    parcel: &Parcel,
    tried: &Tried,
    end: &Concluded,
    message: &str,
    recipient: String,
    notification: Option<String>,
    now: Timestamp,
) -> Event {
    let message = message.to_owned();
    let site = key.site();
    let host = tried.host.as_deref().map(str::to_owned);
    let egress = key.egress.as_deref().map(str::to_owned);
    let stage = stage_name(end.reported.stage).to_owned();
    let reply = end.reported.to_string();
    let attempt = end.number;
    let translation = shown(end);
    let plugins = || history::versions(&parcel.message.plugins);
    match end.word {
        "delivered" => Event::Delivered {
            message,
            recipient,
            site,
            host,
            reply,
            attempt,
            age: now.since(meta::begins(&parcel.message)),
        },
        "deferred" => Event::Deferred {
            message,
            recipient,
            site,
            host,
            egress,
            stage,
            reply,
            translation,
            attempt,
            next: end.next.map(|next| next.since(now)).unwrap_or_default(),
        },
        "expired" => Event::Expired {
            message,
            recipient,
            site,
            reply,
            attempt,
            notification,
            plugins: plugins(),
        },
        _ => Event::Bounced {
            message,
            recipient,
            site,
            host,
            egress,
            stage,
            reply,
            translation,
            attempt,
            notification,
            plugins: plugins(),
        },
    }
}
