//! The operations behind a fixture of the format, for its writer and for the test that reads it.

use baton_spool::*;
use bytes::Bytes;

use super::*;

/// What the fixture holds: one of each record, with every field set, in every state.
pub fn fixture() -> Vec<Operation> {
    let origin = Origin {
        listener: "submission".into(),
        session: "4f2a".into(),
        peer: Some("2001:db8::7".parse().unwrap()),
        peer_name: Some("client.example.org".into()),
        helo: Some("[192.0.2.1]".into()),
        tls: Some("TLSv1.3".into()),
        account: Some("acme".into()),
    };
    let mut waiting = NewMessage {
        origin,
        ..message(1, 3, 70_000)
    };
    waiting.recipients[1].recipient.parameters = vec![
        baton_smtp::Parameter::new("NOTIFY", Some("FAILURE,DELAY")).unwrap(),
        baton_smtp::Parameter::new("ORCPT", Some("rfc822;a+2Bb@example.org")).unwrap(),
    ];
    waiting.recipients[2].state = EntryState::Held("by hand".into());
    let quoted = "\"joe smith\"@[192.0.2.1]";
    let bounce = NewMessage {
        sender: None.into(),
        subject: None,
        recipients: vec![NewEntry {
            recipient: mailbox(quoted).into(),
            state: EntryState::Due(NOW + 5),
            notes: Bytes::new(),
        }],
        ..message(2, 1, 10)
    };
    let attempt = Settle {
        log: vec!["attempt".into()],
        suppress: vec![suppression()],
        inbox: vec![captured()],
        ..settle(1, vec![(1, deferred(NOW + 60_000, 2))])
    };
    vec![
        Operation::Accept(vec![waiting, bounce]),
        Operation::Settle(Box::new(attempt)),
        Operation::Accept(vec![message(5, 1, 30)]),
        Operation::SetAside {
            message: id(5),
            reason: "a test".into(),
        },
        Operation::Kv(vec![KvWrite {
            namespace: "policy".into(),
            key: Bytes::from_static(b"key\0\xff"),
            value: Some(Bytes::from_static(b"value\0\xff")),
            expires_ms: Some(NOW + 9),
        }]),
    ]
}

pub fn suppression() -> Suppression {
    Suppression {
        account: Some("acme".into()),
        address: mailbox("User@example.net"),
        cause: "bounce".into(),
        reason: "no such user".into(),
        source: "isp-responses".into(),
        created_ms: NOW + 1,
        expires_ms: Some(NOW + 2),
    }
}

pub fn captured() -> InboxMessage {
    InboxMessage {
        id: id(3),
        received_ms: NOW + 3,
        sender: mailbox("app@example.org").into(),
        recipients: vec![mailbox("dev@example.test"), mailbox("jörg@example.test")],
        subject: Some("Grüße".into()),
        meta: "inbox meta".into(),
        raw: vec![],
        raw_bytes: 700,
    }
}
