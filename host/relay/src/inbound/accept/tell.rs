//! What is told of a message that was taken, dropped or refused: events, and what the history keeps.

use std::collections::HashMap;

use baton_hooks::CallRecord;
use baton_message::EditSet;
use baton_smtp::Mailbox;
use baton_spool::{HistoryEntry, HistoryRow, MessageState, Operation, PluginVersion};
use bytes::Bytes;

use super::super::Shared;
use super::{Arrival, texts};
use crate::clock::Timestamp;
use crate::event::Event;
use crate::event::trace::{self, Edit, HookCall, Step};
use crate::history;

/// What the records of hook calls do not say of themselves, by their place.
#[derive(Default)]
pub(super) struct Asides {
    with_edits: bool,
    of: HashMap<usize, Aside>,
}

#[derive(Default)]
struct Aside {
    recipient: Option<String>,
    edits: Vec<Edit>,
}

impl Asides {
    /// `with_edits` keeps edits together with what was there before.
    pub fn new(with_edits: bool) -> Asides {
        Asides {
            with_edits,
            of: HashMap::new(),
        }
    }

    /// The calls from `first` on were for this recipient, and left this draft with edits after the first `known`.
    pub fn note(
        &mut self,
        records: &[CallRecord],
        first: usize,
        recipient: Option<&Mailbox>,
        draft: Option<&EditSet>,
        known: usize,
    ) {
        let shown = draft
            .filter(|_| self.with_edits)
            .map(trace::edits)
            .unwrap_or_default();
        let mut shown = shown.into_iter().skip(known);
        for (place, record) in records.iter().enumerate().skip(first) {
            let aside = Aside {
                recipient: recipient.map(Mailbox::to_string),
                edits: shown.by_ref().take(record.edits.len()).collect(),
            };
            if aside.recipient.is_some() || !aside.edits.is_empty() {
                self.of.insert(place, aside);
            }
        }
    }
}

/// The hook calls as a piece of the message's log, and as they are told of.
pub(super) fn trace(
    records: &[CallRecord],
    mut asides: Asides,
    at: Timestamp,
) -> (Bytes, Vec<HookCall>) {
    let at = at.as_millis();
    let steps: Vec<Step> = records
        .iter()
        .enumerate()
        .map(|(place, record)| {
            let aside = asides.of.remove(&place).unwrap_or_default();
            let mut call = history::hook_call(record, aside.recipient);
            if !aside.edits.is_empty() {
                call.edits = aside.edits;
            }
            Step::Hook { at, call }
        })
        .collect();
    let piece = history::piece(&steps);
    let calls = steps
        .into_iter()
        .filter_map(|step| match step {
            Step::Hook { call, .. } => Some(call),
            _ => None,
        })
        .collect();
    (piece, calls)
}

/// Tells of each hook call.
pub(super) fn calls(shared: &Shared, arrival: &Arrival, calls: Vec<HookCall>) {
    let message = arrival.id.to_string();
    for record in &arrival.records {
        history::tell_logs(&shared.bus, record, Some(&message));
    }
    for call in calls {
        shared.bus.emit(Event::Hook {
            message: Some(message.clone()),
            session: arrival.session.clone().map(Into::into),
            call,
        });
    }
}

/// What is told once it is durable.
pub(super) fn accepted(
    arrival: &Arrival,
    bytes: usize,
    subject: Option<String>,
    held: Option<String>,
    plugins: &[PluginVersion],
) -> Event {
    Event::Accepted {
        message: arrival.id.to_string(),
        session: arrival.session.clone().map(Into::into),
        source: arrival.source,
        sender: arrival.envelope.sender.mailbox().map(Mailbox::to_string),
        recipients: texts(arrival.envelope.recipients.iter().map(|one| &one.address)),
        account: arrival.origin.account.clone(),
        bytes,
        subject,
        held,
        plugins: history::versions(plugins),
        took: arrival.began.elapsed(),
    }
}

pub(super) fn discarded(shared: &Shared, arrival: &Arrival) {
    shared.bus.emit(Event::Discarded {
        session: arrival.session.clone().map(Into::into),
        sender: arrival.envelope.sender.mailbox().map(Mailbox::to_string),
        recipients: texts(arrival.envelope.recipients.iter().map(|one| &one.address)),
        plugin: arrival.discarded_by.clone().unwrap_or_default(),
    });
}

/// Remembers a message that is not kept, with what the plugins did. It informs only: trouble with it is nobody's answer.
pub(super) async fn gone(
    shared: &Shared,
    arrival: &Arrival,
    received: Timestamp,
    state: MessageState,
) {
    let (trace, told) = trace(&arrival.records, Asides::default(), received);
    calls(shared, arrival, told);
    let at_ms = received.as_millis();
    let recipients: Vec<Mailbox> = arrival
        .envelope
        .recipients
        .iter()
        .map(|one| one.address.clone())
        .collect();
    let subject = baton_message::Message::parse(arrival.body.clone()).header("Subject");
    let row = HistoryRow {
        id: arrival.id,
        received_ms: at_ms,
        changed_ms: at_ms,
        state,
        sender: arrival.envelope.sender.clone(),
        recipients_total: recipients.len() as u32,
        recipients,
        pending: 0,
        delivered: 0,
        failed: 0,
        subject,
        body_bytes: arrival.body.len() as u64,
        listener: arrival.origin.listener.clone(),
        account: arrival.origin.account.clone(),
        log_bytes: 0,
        log_pieces: 0,
    };
    let entry = Box::new(HistoryEntry { row, trace });
    let _ = shared
        .store
        .commit_later(vec![Operation::HistoryPut(entry)])
        .await;
}
