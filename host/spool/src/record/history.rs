//! Mirror of a history row.

use serde::{Deserialize, Serialize};

use super::address::MailboxV1;
use super::{Read, read, unknown, version, write};
use crate::history::{HistoryRow, MessageState};
use crate::id::MessageId;

#[derive(Serialize, Deserialize)]
struct HistoryV1<'a> {
    state: StateV1,
    received_ms: u64,
    changed_ms: u64,
    #[serde(borrow)]
    sender: Option<MailboxV1<'a>>,
    #[serde(borrow)]
    recipients: Vec<MailboxV1<'a>>,
    recipients_total: u32,
    pending: u32,
    delivered: u32,
    failed: u32,
    subject: Option<&'a str>,
    body_bytes: u64,
    listener: &'a str,
    account: Option<&'a str>,
    log_bytes: u32,
    log_pieces: u32,
}

/// The order is what is on disk; new states go to the end.
#[derive(Serialize, Deserialize, Clone, Copy)]
enum StateV1 {
    Queued,
    Deferred,
    Held,
    Delivered,
    Failed,
    Partial,
    Removed,
    Rejected,
    Discarded,
}

macro_rules! same_states {
    ($($name:ident),*) => {
        fn write_state(state: MessageState) -> StateV1 {
            match state { $(MessageState::$name => StateV1::$name),* }
        }
        fn read_state(state: StateV1) -> MessageState {
            match state { $(StateV1::$name => MessageState::$name),* }
        }
    };
}
same_states!(
    Queued, Deferred, Held, Delivered, Failed, Partial, Removed, Rejected, Discarded
);

pub(crate) fn encode_history(row: &HistoryRow, into: &mut Vec<u8>) {
    let record = HistoryV1 {
        state: write_state(row.state),
        received_ms: row.received_ms,
        changed_ms: row.changed_ms,
        sender: MailboxV1::of_path(&row.sender),
        recipients: row.recipients.iter().map(MailboxV1::of).collect(),
        recipients_total: row.recipients_total,
        pending: row.pending,
        delivered: row.delivered,
        failed: row.failed,
        subject: row.subject.as_deref(),
        body_bytes: row.body_bytes,
        listener: &row.listener,
        account: row.account.as_deref(),
        log_bytes: row.log_bytes,
        log_pieces: row.log_pieces,
    };
    write(into, 1, &record);
}

pub(crate) fn decode_history(id: MessageId, bytes: &[u8]) -> Read<HistoryRow> {
    let record: HistoryV1<'_> = match version(bytes)? {
        (1, rest) => read(rest)?,
        (other, _) => return unknown(other),
    };
    Ok(HistoryRow {
        id,
        received_ms: record.received_ms,
        changed_ms: record.changed_ms,
        state: read_state(record.state),
        sender: MailboxV1::read_path(record.sender)?,
        recipients: record
            .recipients
            .iter()
            .map(MailboxV1::read)
            .collect::<Read<_>>()?,
        recipients_total: record.recipients_total,
        pending: record.pending,
        delivered: record.delivered,
        failed: record.failed,
        subject: record.subject.map(str::to_owned),
        body_bytes: record.body_bytes,
        listener: record.listener.to_owned(),
        account: record.account.map(str::to_owned),
        log_bytes: record.log_bytes,
        log_pieces: record.log_pieces,
    })
}
