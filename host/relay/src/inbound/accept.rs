//! Taking a message, from wherever it came: `on-data`, `on-copy`, the relay's own fields, the commit.
//!
//! When [`take`] returns Ok the message is durable (or was dropped, as a plugin decided), and the peer may be told.

mod copies;
mod share;
mod tell;

use std::sync::Arc;
use std::time::Instant;

use baton_hooks::{CallRecord, RemoteReply, Sitting, Verdict};
use baton_message::received::Received;
use baton_message::report::Action;
use baton_message::{EditSet, Message};
use baton_smtp::{EnhancedStatus, Envelope, Mailbox, Recipient, Reply};
use baton_spool::{
    EntryState, KvWrite, MessageId, NewEntry, NewMessage, Operation, Origin, PluginVersion,
};
use bytes::Bytes;

use self::copies::{Copy, CopyRecipient};
use super::Shared;
use super::authenticate::{self, Judged};
use super::refusal::Refusal;
use super::stamp;
use crate::clock::{self, Timestamp};
use crate::config::Mode;
use crate::event::trace::Step;
use crate::event::{Event, Source};
use crate::history;
use crate::meta::{Meta, Notes};
use crate::notification::{self, About, Told};
use crate::receipt::Receipt;

/// A message that has arrived, with all that is known of it.
pub struct Arrival {
    pub id: MessageId,
    pub envelope: Envelope,
    pub body: Bytes,
    pub origin: Origin,
    /// "ESMTPS", "HTTP" and the like, for the Received field.
    pub protocol: &'static str,
    pub source: Source,
    pub session: Option<Arc<str>>,
    /// From somebody who may send to the world: what such a client forgot is added (RFC 6409 8).
    pub is_submission: bool,
    /// How many messages begot each other by plugins' `submit` before this one.
    pub hops: u8,
    /// What its domain says of who sent it, where that was asked.
    pub judged: Option<Judged>,
    /// Hook calls so far.
    pub records: Vec<CallRecord>,
    /// The plugin that said to drop it, at MAIL.
    pub discarded_by: Option<String>,
    /// Recipients that became several, and whose sender wants to know (RFC 3461 5.2.7).
    pub expanded: Vec<Recipient>,
    /// What recipients became and a later plugin refused: they fail at once, and the sender is told.
    pub refused: Vec<(Recipient, Reply)>,
    pub wishes: Wishes,
    /// The end of data.
    pub began: Instant,
}

/// What only a submission over HTTP can ask for.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// No attempt before this time.
    pub not_before: Option<Timestamp>,
    /// Written with the message, so that the submission can be asked for again.
    pub receipt: Option<Receipt>,
}

/// A message that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    /// What the peer is told it is called.
    pub id: MessageId,
    /// In the spool: one, or several where recipients got copies of their own. None if it was dropped, as a plugin
    /// decided, of which nobody but the operator is told.
    pub ids: Vec<MessageId>,
    /// Why it waits for an operator, if it does.
    pub held: Option<String>,
}

impl Taken {
    /// What the peer is told.
    pub fn reply(&self) -> Reply {
        Reply::new(
            250,
            EnhancedStatus::new(2, 0, 0),
            &format!("OK queued as {}", self.id),
        )
    }
}

/// Asks the plugins, writes the relay's fields and makes the message durable.
pub async fn take(
    shared: &Shared,
    sitting: &mut Sitting,
    mut arrival: Arrival,
) -> Result<Taken, Refusal> {
    let received = clock::now();
    if arrival.discarded_by.is_some() || arrival.envelope.recipients.is_empty() {
        return discard(shared, arrival, received).await;
    }
    let message = Message::parse(arrival.body.clone());
    let hops_seen = message.received_count();
    if hops_seen > shared.config.limits.received_max {
        let cause = format!("{hops_seen} Received fields");
        let refusal = Refusal::new(554, (5, 4, 6), "Routing loop detected", cause);
        return reject(shared, arrival, received, refusal).await;
    }
    let text_id: Arc<str> = arrival.id.to_string().into();
    let _chain = shared.chains.begin(&text_id, arrival.hops);
    sitting.set_message_id(text_id);
    sitting.set_draft(EditSet::new(message, arrival.envelope.smtputf8()));
    if let Some(judged) = &arrival.judged {
        sitting.set_authentication_results(judged.findings.results.clone());
    }
    let mut asides = tell::Asides::new(shared.config.mode == Mode::Dev);
    let first = arrival.records.len();
    let verdict = sitting.on_data(&arrival.envelope).await;
    arrival.records.append(&mut sitting.take_records());
    asides.note(&arrival.records, first, None, sitting.draft(), 0);
    let plugin = arrival
        .records
        .last()
        .map(|record| record.plugin.to_string());
    if let Some(refusal) = Refusal::of_verdict(&verdict, plugin.clone()) {
        return reject(shared, arrival, received, refusal).await;
    }
    if verdict == Verdict::Discard {
        arrival.discarded_by = plugin;
        return discard(shared, arrival, received).await;
    }
    let records = &mut arrival.records;
    let copies = copies::make(sitting, records, &mut asides, &arrival.envelope).await;
    let mut copies = match copies {
        Ok(copies) if copies.is_empty() => return discard(shared, arrival, received).await,
        Ok(copies) => copies,
        Err(refusal) => return reject(shared, arrival, received, refusal).await,
    };
    if let Some(first) = copies.first_mut() {
        for (recipient, reply) in std::mem::take(&mut arrival.refused) {
            arrival.envelope.recipients.push(recipient.clone());
            first.recipients.push(CopyRecipient {
                recipient,
                refused: Some(reply),
            });
        }
    }
    let plugins = versions(sitting);
    keep(shared, plugins, arrival, copies, asides, received).await
}

/// The set of plugins that takes the message (I7).
fn versions(sitting: &Sitting) -> Vec<PluginVersion> {
    let digests = sitting.generation().digests().iter();
    digests
        .map(|(name, digest)| PluginVersion {
            name: name.to_string(),
            digest: digest.to_string(),
        })
        .collect()
}

async fn keep(
    shared: &Shared,
    plugins: Vec<PluginVersion>,
    arrival: Arrival,
    copies: Vec<Copy>,
    asides: tell::Asides,
    received: Timestamp,
) -> Result<Taken, Refusal> {
    let id = arrival.id;
    let date = received.rfc5322();
    let (trace, calls) = tell::trace(&arrival.records, asides, received);
    let held = copies.iter().find_map(|copy| copy.held.clone());
    let mut messages = Vec::with_capacity(copies.len());
    let mut subject = None;
    for (nth, copy) in copies.into_iter().enumerate() {
        let own_id = if nth == 0 { id } else { shared.store.new_id() };
        let mut message = new_message(
            shared,
            &arrival,
            copy,
            own_id,
            received,
            &date,
            &plugins,
            trace.clone(),
        );
        if let Some(judged) = &arrival.judged
            && let Some(seal) = authenticate::seal(shared, judged, &message.body, received).await
        {
            message.body.insert(0, seal);
        }
        if nth == 0 {
            subject = message.subject.clone();
        }
        messages.push(message);
    }
    share::originals(&arrival.body, id, &mut messages);
    let ids = messages.iter().map(|message| message.id).collect();
    let bytes = messages
        .first()
        .map_or(0, |message| message.body_bytes() as usize);
    let expansion = expansion(shared, &arrival, &messages, received);
    messages.extend(expansion);
    let mut accepted = tell::accepted(&arrival, bytes, subject, held.clone(), &plugins);
    let rows = shared.bus.rows([&accepted], None);
    let taken = Taken { id, ids, held };
    let receipt = arrival.wishes.receipt.as_ref();
    let writes: Vec<KvWrite> = receipt
        .map(|receipt| receipt.row(&taken, received))
        .into_iter()
        .collect();
    let done = shared
        .store
        .accept_and_tell(messages, Vec::new(), rows, writes);
    if let Err(error) = done.await {
        if let Some(receipt) = receipt {
            take_back(shared, receipt).await;
        }
        let refusal = Refusal::of_store(&error);
        tell::calls(shared, &arrival, calls);
        return Err(refusal);
    }
    tell::calls(shared, &arrival, calls);
    if let Event::Accepted { took, .. } = &mut accepted {
        *took = arrival.began.elapsed();
    }
    shared.bus.emit_committed(accepted);
    Ok(taken)
}

/// A commit that failed may have reached the disk nevertheless: its message is taken back with the next one, and so is what
/// was written with it.
async fn take_back(shared: &Shared, receipt: &Receipt) {
    let operation = Operation::Kv(vec![receipt.removal()]);
    // If that fails too, the relay is asked again with a receipt whose message is gone: the operator sees why in the log.
    let _ = shared.store.commit(vec![operation]).await;
}

/// What the sender is told of recipients that became several.
fn expansion(
    shared: &Shared,
    arrival: &Arrival,
    messages: &[NewMessage],
    received: Timestamp,
) -> Option<NewMessage> {
    let sender = arrival.envelope.sender.mailbox()?;
    let taken = messages.first()?;
    let reply = RemoteReply {
        code: 250,
        status: Some(EnhancedStatus::new(2, 1, 5)),
        text: "sent on to several addresses".into(),
    };
    let told: Vec<Told<'_>> = arrival
        .expanded
        .iter()
        .map(|recipient| Told {
            recipient,
            reply: &reply,
            explanation: None,
            host: None,
            expired: false,
        })
        .collect();
    if told.is_empty() {
        return None;
    }
    let about = About {
        id: shared.store.new_id(),
        hostname: shared.hostname.as_str(),
        sender,
        parameters: &arrival.envelope.parameters,
        received,
        plugins: &taken.plugins,
        until: None,
        original: taken.body.concat().into(),
    };
    match notification::make(about, Action::Expanded, &told, received) {
        Ok(message) => Some(message),
        Err(error) => {
            let place = "bounce";
            shared.bus.emit(Event::Trouble { place, error });
            None
        }
    }
}

#[allow(clippy::too_many_arguments)]
fn new_message(
    shared: &Shared,
    arrival: &Arrival,
    copy: Copy,
    id: MessageId,
    received: Timestamp,
    date: &str,
    plugins: &[PluginVersion],
    trace: Bytes,
) -> NewMessage {
    let recipient = match copy.recipients.as_slice() {
        [only] => Some(&only.recipient.address),
        _ => None,
    };
    let text_id = id.to_string();
    let received_by = Received {
        helo: arrival.origin.helo.as_deref(),
        peer_ip: arrival.origin.peer,
        peer_name: arrival.origin.peer_name.as_deref(),
        by: shared.hostname.as_str(),
        protocol: arrival.protocol,
        tls: arrival.origin.tls.as_deref(),
        id: &text_id,
        recipient,
        date,
    };
    let mut fields = stamp::fields(&received_by, &copy.draft, arrival.is_submission);
    if let Some(field) = arrival.judged.as_ref().and_then(Judged::field) {
        fields.insert(0, field);
    }
    let body = copy.draft.render(&fields).segments().to_vec();
    let is_ascii = copy.draft.message().header_section().is_ascii();
    let needs_utf8 = arrival.envelope.smtputf8() && !is_ascii;
    let not_before = arrival.wishes.not_before.filter(|at| *at > received);
    let due = match &copy.held {
        Some(why) => EntryState::Held(why.clone()),
        None => EntryState::Due(not_before.unwrap_or(received).as_millis()),
    };
    NewMessage {
        id,
        received_ms: received.as_millis(),
        sender: arrival.envelope.sender.clone(),
        parameters: arrival.envelope.parameters.clone(),
        recipients: copy
            .recipients
            .into_iter()
            .map(|one| NewEntry {
                recipient: one.recipient,
                state: if one.refused.is_some() {
                    EntryState::Due(received.as_millis())
                } else {
                    due.clone()
                },
                notes: Notes {
                    refused: one.refused,
                    ..Notes::default()
                }
                .encode(),
            })
            .collect(),
        origin: arrival.origin.clone(),
        tags: copy
            .tags
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect(),
        plugins: plugins.to_vec(),
        subject: copy.draft.header("Subject"),
        meta: Meta {
            needs_utf8,
            hops: arrival.hops,
            submitted: arrival.is_submission,
            own: false,
            not_before_ms: not_before.map_or(0, Timestamp::as_millis),
        }
        .encode(),
        body,
        copy_of: None,
        trace: with_tags(trace, &copy.tags, received),
    }
}

/// The trace of a copy, which ends with its tags.
fn with_tags(trace: Bytes, tags: &[(Arc<str>, Arc<str>)], at: Timestamp) -> Bytes {
    if tags.is_empty() {
        return trace;
    }
    let tags = tags.iter().map(|(k, v)| (k.to_string(), v.to_string()));
    let step = Step::Tags {
        at: at.as_millis(),
        tags: tags.collect(),
    };
    history::with(&trace, &step)
}

/// 250, and nothing is kept but a line for the operator.
async fn discard(shared: &Shared, arrival: Arrival, received: Timestamp) -> Result<Taken, Refusal> {
    let id = arrival.id;
    tell::gone(
        shared,
        &arrival,
        received,
        baton_spool::MessageState::Discarded,
    )
    .await;
    tell::discarded(shared, &arrival);
    Ok(Taken {
        id,
        ids: Vec::new(),
        held: None,
    })
}

async fn reject(
    shared: &Shared,
    arrival: Arrival,
    received: Timestamp,
    refusal: Refusal,
) -> Result<Taken, Refusal> {
    tell::gone(
        shared,
        &arrival,
        received,
        baton_spool::MessageState::Rejected,
    )
    .await;
    Err(refusal)
}

/// Addresses as text.
fn texts<'a>(mailboxes: impl IntoIterator<Item = &'a Mailbox>) -> Vec<String> {
    mailboxes.into_iter().map(Mailbox::to_string).collect()
}
