//! What is told of a message that was taken, dropped or refused: events, and what the history keeps.

use baton_hooks::CallRecord;
use baton_smtp::Mailbox;
use baton_spool::{HistoryEntry, HistoryRow, MessageState, Operation};
use bytes::Bytes;

use super::super::Shared;
use super::{Arrival, texts};
use crate::clock::Timestamp;
use crate::event::Event;
use crate::event::trace::{HookCall, Step};
use crate::history;

/// The hook calls as a piece of the message's log, and as they are told of.
pub(super) fn trace(records: &[CallRecord], at: Timestamp) -> (Bytes, Vec<HookCall>) {
    let at = at.as_millis();
    let steps: Vec<Step> = records
        .iter()
        .map(|record| Step::Hook {
            at,
            call: history::hook_call(record, None),
        })
        .collect();
    let piece = history::piece(&steps);
    let calls = steps
        .into_iter()
        .filter_map(|step| match step {
            Step::Hook { call, .. } => Some(call),
            Step::Attempt { .. } => None,
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

pub(super) fn accepted(
    shared: &Shared,
    arrival: Arrival,
    bytes: usize,
    subject: Option<String>,
    held: Option<String>,
) {
    shared.bus.emit(Event::Accepted {
        message: arrival.id.to_string(),
        session: arrival.session.map(Into::into),
        source: arrival.source,
        sender: arrival.envelope.sender.mailbox().map(Mailbox::to_string),
        recipients: texts(arrival.envelope.recipients.iter().map(|one| &one.address)),
        account: arrival.origin.account,
        bytes,
        subject,
        held,
        took: arrival.began.elapsed(),
    });
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
    let (trace, told) = trace(&arrival.records, received);
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
