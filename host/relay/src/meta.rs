//! The relay's own bytes beside a message and beside a recipient in the spool. Records on disk: each begins with a
//! version, and what cannot be read is as if it were not there.

use baton_smtp::{EnhancedStatus, Reply};
use baton_spool::Message;
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

const VERSION: u8 = 1;

/// Beside a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// The header section holds UTF-8, so that the message needs SMTPUTF8 (RFC 6531).
    pub needs_utf8: bool,
    /// How many messages begot each other by plugins' `submit` before this one.
    pub hops: u8,
    /// It came from somebody who may send to the world: what becomes of it is our affair.
    pub submitted: bool,
    /// The relay wrote it.
    pub own: bool,
    /// Its sender asked for no attempt before this time, in milliseconds since 1970; 0 where none was asked for.
    pub not_before_ms: u64,
}

impl Meta {
    /// For the spool; empty for the usual message.
    pub fn encode(self) -> Bytes {
        if self == Meta::default() {
            return Bytes::new();
        }
        let flags =
            u8::from(self.needs_utf8) | u8::from(self.submitted) << 1 | u8::from(self.own) << 2;
        let mut bytes = vec![VERSION, flags, self.hops];
        if self.not_before_ms != 0 {
            bytes.extend_from_slice(&self.not_before_ms.to_le_bytes());
        }
        bytes.into()
    }

    /// From the spool.
    pub fn decode(bytes: &[u8]) -> Meta {
        match *bytes {
            [VERSION, flags, hops, ref rest @ ..] => Meta {
                needs_utf8: flags & 1 != 0,
                hops,
                submitted: flags & 2 != 0,
                own: flags & 4 != 0,
                not_before_ms: rest.first_chunk().map_or(0, |at| u64::from_le_bytes(*at)),
            },
            _ => Meta::default(),
        }
    }
}

/// When the time of a message begins: when it was received, or when its sender wants it sent.
pub fn begins(message: &Message) -> Timestamp {
    let not_before = Meta::decode(&message.meta).not_before_ms;
    Timestamp::from_millis(message.received_ms.max(not_before))
}

/// Beside a recipient.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// The sender was told of the delay.
    pub warned: bool,
    /// The egress that the site did not want.
    pub avoid: Option<String>,
    /// A plugin refused this copy: it fails at once.
    pub refused: Option<Reply>,
}

#[derive(Default, Serialize, Deserialize)]
struct StoredNotes {
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    warned: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    avoid: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refused: Option<(u16, String, String)>,
}

impl Notes {
    /// For the spool; empty where there is nothing to note.
    pub fn encode(&self) -> Bytes {
        if *self == Notes::default() {
            return Bytes::new();
        }
        let status = |reply: &Reply| reply.status().map(|s| s.to_string()).unwrap_or_default();
        let stored = StoredNotes {
            warned: self.warned,
            avoid: self.avoid.clone(),
            refused: self
                .refused
                .as_ref()
                .map(|reply| (reply.code(), status(reply), reply.text().to_owned())),
        };
        let mut bytes = vec![VERSION];
        match serde_json::to_writer(&mut bytes, &stored) {
            Ok(()) => bytes.into(),
            Err(_) => Bytes::new(),
        }
    }

    /// From the spool.
    pub fn decode(bytes: &[u8]) -> Notes {
        let stored = match bytes.split_first() {
            Some((&VERSION, json)) => serde_json::from_slice(json).unwrap_or_default(),
            _ => StoredNotes::default(),
        };
        Notes {
            warned: stored.warned,
            avoid: stored.avoid,
            refused: stored.refused.map(|(code, status, text)| {
                Reply::new(code, status.parse::<EnhancedStatus>().ok(), &text)
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_and_the_usual_case_takes_no_bytes() {
        assert!(Meta::default().encode().is_empty());
        assert!(Notes::default().encode().is_empty());
        let meta = Meta {
            needs_utf8: true,
            hops: 2,
            submitted: true,
            own: true,
            not_before_ms: 0,
        };
        assert_eq!(Meta::decode(&meta.encode()), meta);
        let later = Meta {
            not_before_ms: 1_763_806_200_123,
            ..meta
        };
        assert_eq!(Meta::decode(&later.encode()), later);
        let notes = Notes {
            warned: true,
            avoid: Some("a".into()),
            refused: Some(Reply::new(550, EnhancedStatus::new(5, 7, 1), "no")),
        };
        assert_eq!(Notes::decode(&notes.encode()), notes);
    }

    #[test]
    fn what_cannot_be_read_is_as_if_it_were_not_there() {
        for bytes in [&b""[..], b"\x01", b"\x02abc", b"\x01{", b"\xff\xff\xff"] {
            assert_eq!(Notes::decode(bytes), Notes::default());
        }
        assert_eq!(Meta::decode(b"\x09\x01\x01"), Meta::default());
    }
}
