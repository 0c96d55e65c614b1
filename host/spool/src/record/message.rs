//! Mirrors of messages and entries.

use std::net::IpAddr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::address::{MailboxV1, ParameterV1, RecipientV1};
use super::{Read, raw, read, unknown, version, write};
use crate::id::{EntryId, MessageId};
use crate::message::{
    Entry, EntryState, LastReply, Message, NewEntry, NewMessage, Origin, PluginVersion,
};

#[derive(Serialize, Deserialize)]
struct MessageV1<'a> {
    // First, so that sizes can be summed up without reading the rest.
    body_bytes: u64,
    received_ms: u64,
    #[serde(borrow)]
    sender: Option<MailboxV1<'a>>,
    #[serde(borrow)]
    parameters: Vec<ParameterV1<'a>>,
    recipients_total: u32,
    #[serde(borrow)]
    origin: OriginV1<'a>,
    #[serde(borrow)]
    tags: Vec<(&'a str, &'a str)>,
    #[serde(borrow)]
    plugins: Vec<(&'a str, &'a str)>,
    subject: Option<&'a str>,
    #[serde(with = "raw", borrow)]
    meta: &'a [u8],
}

/// A message that is kept as a copy.
#[derive(Serialize, Deserialize)]
struct MessageV2<'a> {
    // First, for the same reason.
    recipe_bytes: u64,
    original: u128,
    #[serde(borrow)]
    message: MessageV1<'a>,
}

/// What of a message lies in `bodies`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept {
    /// So many bytes.
    pub bytes: u64,
    /// They are a recipe that needs this original.
    pub original: Option<MessageId>,
    /// Length of the body itself.
    pub body_bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct OriginV1<'a> {
    listener: &'a str,
    session: &'a str,
    peer: Option<IpAddr>,
    peer_name: Option<&'a str>,
    helo: Option<&'a str>,
    tls: Option<&'a str>,
    account: Option<&'a str>,
}

#[derive(Serialize, Deserialize)]
struct EntryV1<'a> {
    // First, so that the due time can be read without the rest.
    #[serde(borrow)]
    state: StateV1<'a>,
    attempts: u32,
    #[serde(borrow)]
    last: Option<LastReplyV1<'a>>,
    #[serde(borrow)]
    recipient: RecipientV1<'a>,
    #[serde(with = "raw", borrow)]
    notes: &'a [u8],
}

#[derive(Serialize, Deserialize)]
enum StateV1<'a> {
    Due(u64),
    Held(&'a str),
}

#[derive(Serialize, Deserialize)]
struct LastReplyV1<'a> {
    at_ms: u64,
    code: u16,
    status: &'a str,
    text: &'a str,
    host: Option<&'a str>,
}

pub(crate) fn encode_message(message: &NewMessage, into: &mut Vec<u8>) {
    let origin = &message.origin;
    let record = MessageV1 {
        body_bytes: message.body_bytes(),
        received_ms: message.received_ms,
        sender: MailboxV1::of_path(&message.sender),
        parameters: ParameterV1::all(&message.parameters),
        recipients_total: u32::try_from(message.recipients.len()).unwrap_or(u32::MAX),
        origin: OriginV1 {
            listener: &origin.listener,
            session: &origin.session,
            peer: origin.peer,
            peer_name: origin.peer_name.as_deref(),
            helo: origin.helo.as_deref(),
            tls: origin.tls.as_deref(),
            account: origin.account.as_deref(),
        },
        tags: message
            .tags
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect(),
        plugins: message
            .plugins
            .iter()
            .map(|p| (p.name.as_str(), p.digest.as_str()))
            .collect(),
        subject: message.subject.as_deref(),
        meta: &message.meta,
    };
    match &message.copy_of {
        None => write(into, 1, &record),
        Some(copy) => write(
            into,
            2,
            &MessageV2 {
                recipe_bytes: copy.recipe.len() as u64,
                original: copy.original.to_u128(),
                message: record,
            },
        ),
    }
}

pub(crate) fn decode_message(id: MessageId, bytes: &[u8]) -> Read<Message> {
    let record: MessageV1<'_> = match version(bytes)? {
        (1, rest) => read(rest)?,
        (2, rest) => read::<MessageV2<'_>>(rest)?.message,
        (other, _) => return unknown(other),
    };
    let text = |t: Option<&str>| t.map(str::to_owned);
    Ok(Message {
        id,
        received_ms: record.received_ms,
        body_bytes: record.body_bytes,
        sender: MailboxV1::read_path(record.sender)?,
        parameters: ParameterV1::read_all(record.parameters)?,
        recipients_total: record.recipients_total,
        origin: Origin {
            listener: record.origin.listener.to_owned(),
            session: record.origin.session.to_owned(),
            peer: record.origin.peer,
            peer_name: text(record.origin.peer_name),
            helo: text(record.origin.helo),
            tls: text(record.origin.tls),
            account: text(record.origin.account),
        },
        tags: record
            .tags
            .into_iter()
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .collect(),
        plugins: record
            .plugins
            .into_iter()
            .map(|(name, digest)| PluginVersion {
                name: name.to_owned(),
                digest: digest.to_owned(),
            })
            .collect(),
        subject: text(record.subject),
        meta: Bytes::copy_from_slice(record.meta),
    })
}

/// Only what lies in `bodies`.
pub(crate) fn decode_kept(bytes: &[u8]) -> Read<Kept> {
    match version(bytes)? {
        (1, rest) => {
            let (bytes, _) = postcard::take_from_bytes::<u64>(rest)?;
            Ok(Kept {
                bytes,
                original: None,
                body_bytes: bytes,
            })
        }
        (2, rest) => {
            let (head, _) = postcard::take_from_bytes::<(u64, u128, u64)>(rest)?;
            let (bytes, original, body_bytes) = head;
            Ok(Kept {
                bytes,
                original: Some(MessageId::from_u128(original)),
                body_bytes,
            })
        }
        (other, _) => unknown(other),
    }
}

fn state(state: &EntryState) -> StateV1<'_> {
    match state {
        EntryState::Due(due_ms) => StateV1::Due(*due_ms),
        EntryState::Held(reason) => StateV1::Held(reason),
    }
}

pub(crate) fn encode_new_entry(entry: &NewEntry, into: &mut Vec<u8>) {
    let record = EntryV1 {
        state: state(&entry.state),
        attempts: 0,
        last: None,
        recipient: RecipientV1::of(&entry.recipient),
        notes: &entry.notes,
    };
    write(into, 1, &record);
}

pub(crate) fn encode_entry(entry: &Entry, into: &mut Vec<u8>) {
    let record = EntryV1 {
        state: state(&entry.state),
        attempts: entry.attempts,
        last: entry.last.as_ref().map(|last| LastReplyV1 {
            at_ms: last.at_ms,
            code: last.code,
            status: &last.status,
            text: &last.text,
            host: last.host.as_deref(),
        }),
        recipient: RecipientV1::of(&entry.recipient),
        notes: &entry.notes,
    };
    write(into, 1, &record);
}

pub(crate) fn decode_entry(id: EntryId, bytes: &[u8]) -> Read<Entry> {
    let record: EntryV1<'_> = match version(bytes)? {
        (1, rest) => read(rest)?,
        (other, _) => return unknown(other),
    };
    Ok(Entry {
        id,
        recipient: record.recipient.read()?,
        state: match record.state {
            StateV1::Due(due_ms) => EntryState::Due(due_ms),
            StateV1::Held(reason) => EntryState::Held(reason.to_owned()),
        },
        attempts: record.attempts,
        last: record.last.map(|last| LastReply {
            at_ms: last.at_ms,
            code: last.code,
            status: last.status.to_owned(),
            text: last.text.to_owned(),
            host: last.host.map(str::to_owned),
        }),
        notes: Bytes::copy_from_slice(record.notes),
    })
}

/// Only when the entry is due (none: it is held), and its attempts.
pub(crate) fn decode_entry_due(bytes: &[u8]) -> Read<(Option<u64>, u32)> {
    match version(bytes)? {
        (1, rest) => {
            let (head, _): ((StateV1<'_>, u32), _) = postcard::take_from_bytes(rest)?;
            Ok((
                match head.0 {
                    StateV1::Due(due_ms) => Some(due_ms),
                    StateV1::Held(_) => None,
                },
                head.1,
            ))
        }
        (other, _) => unknown(other),
    }
}
