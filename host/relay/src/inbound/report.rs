//! Mail at the relay's own return paths: what it reports is read, finds the message and the recipient it is about, and has
//! its effects in one commit before the peer is told 250.
//!
//! Nothing that arrives here is relayed. What the sender of the named message is told goes out with the null reverse-path,
//! so that a notification never begets another one; each kind of news about a recipient has its effects once, so that a
//! report that is sent again (or replayed by whoever got hold of an address) is written down and does nothing.

mod act;
mod known;
mod read;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use baton_hooks::{ReportKind, Sitting};
use baton_message::received::Received;
use baton_message::report::is_automatic;
use baton_message::{EditSet, Message};
use baton_smtp::Mailbox;
use baton_spool::{NewMessage, Operation};
use bytes::Bytes;

use self::known::Known;
use super::Shared;
use super::accept::{Arrival, Taken};
use super::refusal::Refusal;
use super::stamp;
use crate::clock::{self, Timestamp};
use crate::event::Event;
use crate::history;
use crate::notification::Outgoing;
use crate::return_path::{Place, ReturnPath, Token};

/// News that is being taken now: whoever brings the same at the same time comes back later.
#[derive(Default)]
pub struct UnderWay {
    keys: Mutex<HashSet<String>>,
}

/// A report that has arrived.
struct Arrived<'a> {
    shared: &'a Shared,
    arrival: &'a Arrival,
    message: Message,
    now: Timestamp,
}

/// All that follows from it.
#[derive(Default)]
struct Effects {
    operations: Vec<Operation>,
    messages: Vec<NewMessage>,
    events: Vec<Event>,
}

/// Takes a message for addresses of ours, one commit for all of them.
pub(super) async fn take(
    shared: &Shared,
    return_path: &ReturnPath,
    arrival: &Arrival,
    places: &[Place],
) -> Result<Taken, Refusal> {
    let arrived = Arrived {
        shared,
        arrival,
        message: Message::parse(arrival.body.clone()),
        now: clock::now(),
    };
    let hops_seen = arrived.message.received_count();
    if hops_seen > shared.config.limits.received_max {
        let cause = format!("{hops_seen} Received fields");
        return Err(Refusal::new(554, (5, 4, 6), "Routing loop detected", cause));
    }
    let findings = read::findings(&arrived).await;
    let mut effects = Effects::default();
    // A report may say the same twice.
    let mut seen = HashSet::new();
    let mut guards = Vec::new();
    for place in places {
        let token = match place {
            Place::Token(token) => Some(*token),
            Place::Feedback => return_path.find(&arrived.message, arrived.now),
            // Whoever is a person gets mail by the usual way.
            Place::People(_) => continue,
        };
        let known = match &token {
            Some(token) => known::look_up(shared, token).await?,
            None => None,
        };
        if findings.is_empty() {
            nothing_reported(
                &arrived,
                return_path,
                place,
                token,
                known.as_ref(),
                &mut effects,
            )?;
            continue;
        }
        for finding in read::of_token(&findings, token.as_ref(), known.as_ref()) {
            let news = act::News {
                finding,
                token,
                known: known.as_ref(),
                return_path,
            };
            let key = news.key();
            if key.as_ref().is_some_and(|key| !seen.insert(key.clone())) {
                continue;
            }
            let Some(guard) = shared.reports.begin(key) else {
                let text = "The same report is being taken";
                return Err(Refusal::new(451, (4, 3, 0), text, "reported twice at once"));
            };
            guards.push(guard);
            act::on(&arrived, &news, &mut effects).await?;
        }
    }
    shared.suppressions.flush().await;
    commit(&arrived, effects).await?;
    Ok(Taken {
        id: arrival.id,
        ids: Vec::new(),
        held: None,
    })
}

/// Some programs answer in words that no plugin knows, and some people answer a machine. The first is for the sender of the
/// message, the second for nobody.
fn nothing_reported(
    arrived: &Arrived<'_>,
    return_path: &ReturnPath,
    place: &Place,
    token: Option<Token>,
    known: Option<&Known>,
    effects: &mut Effects,
) -> Result<(), Refusal> {
    let by_machine = arrived.arrival.envelope.sender.is_null() || is_automatic(&arrived.message);
    let to = match place {
        Place::Token(_) if by_machine => known.and_then(Known::sender),
        Place::Token(_) => None,
        _ => return_path.postmaster(),
    };
    let Some(to) = to.or(return_path.postmaster().filter(|_| by_machine)) else {
        let text = "This address takes reports about messages and nothing else";
        return Err(Refusal::new(550, (5, 7, 1), text, "it reports nothing"));
    };
    let notification = forward(arrived, to);
    effects.events.push(Event::Report {
        message: token.map(|token| token.message.to_string()),
        account: known.and_then(|known| known.row.account.clone()),
        recipient: None,
        report: "unknown".to_owned(),
        reply: None,
        host: None,
        feedback_type: None,
        translation: None,
        notification: Some(notification.id.to_string()),
        repeated: false,
    });
    effects.messages.push(notification);
    Ok(())
}

/// What came, as it came, to somebody who should read it.
fn forward(arrived: &Arrived<'_>, to: &Mailbox) -> NewMessage {
    let Arrived {
        shared,
        arrival,
        message,
        now,
    } = arrived;
    let id = shared.store.new_id();
    let (text_id, date) = (id.to_string(), now.rfc5322());
    let received = Received {
        helo: arrival.origin.helo.as_deref(),
        peer_ip: arrival.origin.peer,
        peer_name: arrival.origin.peer_name.as_deref(),
        by: shared.hostname.as_str(),
        protocol: arrival.protocol,
        tls: arrival.origin.tls.as_deref(),
        id: &text_id,
        recipient: Some(to),
        date: &date,
    };
    let draft = EditSet::new(message.clone(), false);
    let fields = stamp::fields(&received, &draft, false);
    let outgoing = Outgoing {
        id,
        to: to.clone(),
        utf8: arrival.envelope.smtputf8() && !message.header_section().is_ascii(),
        subject: message.header("Subject"),
        body: draft.render(&fields).segments().to_vec(),
        trace: Bytes::new(),
    };
    outgoing.into_message(*now)
}

async fn commit(arrived: &Arrived<'_>, effects: Effects) -> Result<(), Refusal> {
    let Effects {
        mut operations,
        messages,
        events,
    } = effects;
    let store = &arrived.shared.store;
    let rows = arrived.shared.bus.rows(&events, None);
    let done = if messages.is_empty() {
        operations.extend(rows);
        match operations.is_empty() {
            true => Ok(()),
            false => store.commit(operations).await.map(|_| ()),
        }
    } else {
        store
            .accept_and_tell(messages, operations, rows, Vec::new())
            .await
    };
    done.map_err(|error| Refusal::of_store(&error))?;
    for event in events {
        arrived.shared.bus.emit_committed(event);
    }
    Ok(())
}

/// A sitting for hooks about the message that is reported on.
fn sitting_about(shared: &Shared, token: Option<Token>, known: Option<&Known>) -> Sitting {
    let mut sitting = Sitting::new(shared.plugins.generation());
    if let Some(token) = token {
        sitting.set_message_id(token.message.to_string().into());
    }
    if let Some(known) = known {
        sitting.set_account(known.row.account.as_deref().map(Arc::from));
        let tags = known.tags.iter();
        sitting.set_tags(
            tags.map(|(k, v)| (k.as_str().into(), v.as_str().into()))
                .collect(),
        );
    }
    sitting
}

/// Tells of the calls that a sitting made, and gives them back as steps of the message's trace.
fn told(
    shared: &Shared,
    sitting: &mut Sitting,
    message: Option<&str>,
    now: Timestamp,
) -> Vec<crate::event::trace::Step> {
    let records = sitting.take_records();
    let step = |record: &baton_hooks::CallRecord| {
        history::tell(&shared.bus, record, message, None);
        crate::event::trace::Step::Hook {
            at: now.as_millis(),
            call: history::hook_call(record, None),
        }
    };
    records.iter().map(step).collect()
}

/// The word of the contract.
fn kind_name(kind: ReportKind) -> &'static str {
    match kind {
        ReportKind::Bounce => "bounce",
        ReportKind::Delay => "delay",
        ReportKind::Delivered => "delivered",
        ReportKind::Complaint => "complaint",
        ReportKind::AutoReply => "auto-reply",
    }
}

/// Forgets the news when dropped.
struct Guard<'a> {
    under_way: &'a UnderWay,
    key: Option<String>,
}

impl UnderWay {
    /// None if the same news is being taken. News about nothing in particular has no key, and is no trouble.
    fn begin(&self, key: Option<String>) -> Option<Guard<'_>> {
        if let Some(key) = &key {
            let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
            if !keys.insert(key.clone()) {
                return None;
            }
        }
        Some(Guard {
            under_way: self,
            key,
        })
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if let Some(key) = &self.key {
            let mut keys = self
                .under_way
                .keys
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            keys.remove(key);
        }
    }
}
