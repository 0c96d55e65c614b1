//! Messages and small helpers shared by the tests of the spool.
#![allow(dead_code)]

pub mod disk;
pub mod dump;
pub mod fixture;
pub mod script;

use baton_spool::*;
use bytes::Bytes;

pub const NOW: u64 = 1_750_000_000_000;

/// The n-th message's name: a millisecond apart, so that they sort as they count.
pub fn id(n: u64) -> MessageId {
    MessageId::new(NOW + n, u128::from(n) * 7 + 1)
}

pub fn mailbox(text: &str) -> baton_smtp::Mailbox {
    text.parse().expect("a mailbox")
}

pub fn body_of(n: u64, length: usize) -> Bytes {
    (0..length)
        .map(|i| (i as u64 * 13 + n * 31 + (i as u64 >> 8)) as u8)
        .collect()
}

/// A message to `recipients` recipients, all due at once, with a body that is its own.
pub fn message(n: u64, recipients: usize, body_bytes: usize) -> NewMessage {
    let body = body_of(n, body_bytes);
    let cut = body.len() / 3;
    NewMessage {
        id: id(n),
        received_ms: NOW + n,
        sender: mailbox("sender@example.org").into(),
        parameters: vec![baton_smtp::Parameter::new("RET", Some("HDRS")).expect("a parameter")],
        recipients: (0..recipients)
            .map(|r| NewEntry {
                recipient: mailbox(&format!("r{r}@d{n}.test")).into(),
                state: EntryState::Due(NOW + n),
                notes: Bytes::from_static(b"note"),
            })
            .collect(),
        origin: Origin {
            listener: "submission".into(),
            session: "s1".into(),
            ..Origin::default()
        },
        tags: vec![("campaign".into(), "spring".into())],
        plugins: vec![PluginVersion {
            name: "policy".into(),
            digest: "ab12".into(),
        }],
        subject: Some(format!("Number {n}")),
        meta: Bytes::from_static(b"meta"),
        body: vec![body.slice(..cut), body.slice(cut..)],
        copy_of: None,
        trace: Bytes::from_static(b"trace"),
    }
}

/// A message that is kept as a copy of the n-th original.
pub fn copy(n: u64, original: u64, recipients: usize) -> NewMessage {
    NewMessage {
        copy_of: Some(CopyOf {
            original: id(original),
            bytes: body_of(original, 20_000),
            recipe: body_of(n, 300),
        }),
        ..message(n, recipients, 20_100)
    }
}

pub fn accept(n: u64, recipients: usize, body_bytes: usize) -> Operation {
    Operation::Accept(vec![message(n, recipients, body_bytes)])
}

pub fn settle(n: u64, outcomes: Vec<(u32, Outcome)>) -> Settle {
    Settle {
        outcomes,
        ..Settle::new(id(n), NOW + 1_000)
    }
}

pub fn settled(n: u64, outcomes: Vec<(u32, Outcome)>) -> Operation {
    Operation::Settle(Box::new(settle(n, outcomes)))
}

pub fn deferred(due_ms: u64, attempts: u32) -> Outcome {
    Outcome::Deferred {
        due_ms,
        attempts,
        last: LastReply {
            at_ms: NOW,
            code: 451,
            status: "4.2.1".into(),
            text: "later".into(),
            host: Some("mx.test".into()),
        },
        notes: None,
    }
}

pub fn open(dir: &std::path::Path) -> (Spool, OpenReport) {
    Spool::open(dir, Limits::default()).expect("the spool opens")
}

/// Commits one operation, durably.
pub fn one(spool: &Spool, operation: Operation) -> Answer {
    let mut answers = spool
        .commit(&[operation], Durability::Durable)
        .expect("the commit");
    answers.remove(0)
}
