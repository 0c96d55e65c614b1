//! Mirrors of the smaller things: pieces of log, the inbox, key-value, suppression, quarantine.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::address::MailboxV1;
use super::{Read, raw, read, unknown, version, write};
use crate::history::LogPiece;
use crate::id::MessageId;
use crate::message::{InboxMessage, Suppression};

#[derive(Serialize, Deserialize)]
struct LogV1<'a> {
    at_ms: u64,
    #[serde(with = "raw", borrow)]
    bytes: &'a [u8],
}

pub(crate) fn encode_log(at_ms: u64, bytes: &[u8], into: &mut Vec<u8>) {
    write(into, 1, &LogV1 { at_ms, bytes });
}

pub(crate) fn decode_log(bytes: &[u8]) -> Read<LogPiece> {
    let record: LogV1<'_> = match version(bytes)? {
        (1, rest) => read(rest)?,
        (other, _) => return unknown(other),
    };
    Ok(LogPiece {
        at_ms: record.at_ms,
        bytes: Bytes::copy_from_slice(record.bytes),
    })
}

#[derive(Serialize, Deserialize)]
struct InboxV1<'a> {
    received_ms: u64,
    raw_bytes: u64,
    #[serde(borrow)]
    sender: Option<MailboxV1<'a>>,
    #[serde(borrow)]
    recipients: Vec<MailboxV1<'a>>,
    subject: Option<&'a str>,
    #[serde(with = "raw", borrow)]
    meta: &'a [u8],
}

pub(crate) fn encode_inbox(message: &InboxMessage, into: &mut Vec<u8>) {
    let record = InboxV1 {
        received_ms: message.received_ms,
        raw_bytes: message.raw.iter().map(|piece| piece.len() as u64).sum(),
        sender: MailboxV1::of_path(&message.sender),
        recipients: message.recipients.iter().map(MailboxV1::of).collect(),
        subject: message.subject.as_deref(),
        meta: &message.meta,
    };
    write(into, 1, &record);
}

pub(crate) fn decode_inbox(id: MessageId, bytes: &[u8]) -> Read<InboxMessage> {
    let record: InboxV1<'_> = match version(bytes)? {
        (1, rest) => read(rest)?,
        (other, _) => return unknown(other),
    };
    Ok(InboxMessage {
        id,
        received_ms: record.received_ms,
        sender: MailboxV1::read_path(record.sender)?,
        recipients: record
            .recipients
            .iter()
            .map(MailboxV1::read)
            .collect::<Read<_>>()?,
        subject: record.subject.map(str::to_owned),
        meta: Bytes::copy_from_slice(record.meta),
        raw: Vec::new(),
        raw_bytes: record.raw_bytes,
    })
}

#[derive(Serialize, Deserialize)]
pub(crate) struct KvValue<'a> {
    pub(crate) expires_ms: Option<u64>,
    #[serde(with = "raw", borrow)]
    pub(crate) value: &'a [u8],
}

impl KvValue<'_> {
    pub(crate) fn alive(&self, now_ms: u64) -> bool {
        self.expires_ms.is_none_or(|expires_ms| expires_ms > now_ms)
    }
}

pub(crate) fn encode_kv(value: &[u8], expires_ms: Option<u64>, into: &mut Vec<u8>) {
    write(into, 1, &KvValue { expires_ms, value });
}

pub(crate) fn decode_kv(bytes: &[u8]) -> Read<KvValue<'_>> {
    match version(bytes)? {
        (1, rest) => read(rest),
        (other, _) => unknown(other),
    }
}

#[derive(Serialize, Deserialize)]
struct SuppressionV1<'a> {
    account: Option<&'a str>,
    #[serde(borrow)]
    address: MailboxV1<'a>,
    reason: &'a str,
    source: &'a str,
    created_ms: u64,
    expires_ms: Option<u64>,
}

/// With the cause, which the first version did not tell from the reason.
#[derive(Serialize, Deserialize)]
struct SuppressionV2<'a> {
    cause: &'a str,
    #[serde(borrow)]
    row: SuppressionV1<'a>,
}

pub(crate) fn encode_suppression(row: &Suppression, into: &mut Vec<u8>) {
    let record = SuppressionV2 {
        cause: &row.cause,
        row: SuppressionV1 {
            account: row.account.as_deref(),
            address: MailboxV1::of(&row.address),
            reason: &row.reason,
            source: &row.source,
            created_ms: row.created_ms,
            expires_ms: row.expires_ms,
        },
    };
    write(into, 2, &record);
}

pub(crate) fn decode_suppression(bytes: &[u8]) -> Read<Suppression> {
    let (cause, record): (_, SuppressionV1<'_>) = match version(bytes)? {
        (1, rest) => {
            let record: SuppressionV1<'_> = read(rest)?;
            // Rows were made by people and, for bounces, by plugins.
            let cause = match record.source {
                "operator" => "manual",
                _ => "bounce",
            };
            (cause, record)
        }
        (2, rest) => {
            let record: SuppressionV2<'_> = read(rest)?;
            (record.cause, record.row)
        }
        (other, _) => return unknown(other),
    };
    Ok(Suppression {
        cause: cause.to_owned(),
        account: record.account.map(str::to_owned),
        address: record.address.read()?,
        reason: record.reason.to_owned(),
        source: record.source.to_owned(),
        created_ms: record.created_ms,
        expires_ms: record.expires_ms,
    })
}

#[derive(Serialize, Deserialize)]
struct QuarantineV1<'a> {
    reason: &'a str,
    #[serde(with = "raw", borrow)]
    bytes: &'a [u8],
}

pub(crate) fn encode_quarantine(reason: &str, bytes: &[u8], into: &mut Vec<u8>) {
    write(into, 1, &QuarantineV1 { reason, bytes });
}

/// Reason and bytes of the row set aside.
pub(crate) fn decode_quarantine(bytes: &[u8]) -> Read<(&str, &[u8])> {
    let record: QuarantineV1<'_> = match version(bytes)? {
        (1, rest) => read(rest)?,
        (other, _) => return unknown(other),
    };
    Ok((record.reason, record.bytes))
}
