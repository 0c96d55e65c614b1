//! Records on disk: mirrors of the domain types with conversions both ways.
//!
//! A record is one byte of version and then postcard. The structs of a version are frozen the day it is released: a field
//! more is a new version, and the reader of the old one stays. `tests/compat.rs` holds bytes of every released version.
//! Reading checks everything again, so that a damaged record becomes an [`Unreadable`] and never a half-true message.

mod address;
mod history;
mod message;
mod other;

pub(crate) use history::{decode_history, encode_history};
pub(crate) use message::{
    Kept, decode_entry, decode_entry_due, decode_kept, decode_message, encode_entry,
    encode_message, encode_new_entry,
};
pub(crate) use other::{
    decode_inbox, decode_kv, decode_log, decode_quarantine, decode_suppression, encode_inbox,
    encode_kv, encode_log, encode_quarantine, encode_suppression,
};

use serde::{Deserialize, Serialize};

/// Why a record could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Unreadable(pub(crate) String);

impl Unreadable {
    fn new(what: impl std::fmt::Display) -> Self {
        Self(what.to_string())
    }
}

impl From<postcard::Error> for Unreadable {
    fn from(error: postcard::Error) -> Self {
        Self(format!("not a record: {error}"))
    }
}

type Read<T> = Result<T, Unreadable>;

/// Empties `into` and writes version and record to it.
fn write(into: &mut Vec<u8>, version: u8, record: &impl Serialize) {
    into.clear();
    into.push(version);
    let taken = std::mem::take(into);
    // Only a type without a known length could fail to serialise, and no mirror has one.
    *into = postcard::to_extend(record, taken).unwrap_or_default();
}

/// Splits the version off.
fn version(bytes: &[u8]) -> Read<(u8, &[u8])> {
    match bytes.split_first() {
        Some((version, rest)) => Ok((*version, rest)),
        None => Err(Unreadable::new("an empty record")),
    }
}

fn unknown<T>(version: u8) -> Read<T> {
    Err(Unreadable(format!(
        "version {version} of this record is not known"
    )))
}

/// Reads a record to its last byte: what is left over is damage too.
fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Read<T> {
    let (record, rest) = postcard::take_from_bytes(bytes)?;
    if rest.is_empty() {
        Ok(record)
    } else {
        Err(Unreadable::new("bytes after the end"))
    }
}

/// Byte strings as one piece rather than a sequence of numbers. The same on disk, and many times as fast.
mod raw {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(bytes)
    }

    pub(super) fn deserialize<'de: 'a, 'a, D: Deserializer<'de>>(
        from: D,
    ) -> Result<&'a [u8], D::Error> {
        <&[u8]>::deserialize(from)
    }
}
