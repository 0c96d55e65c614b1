//! A run of commits in which every operation occurs, also in company.

use baton_spool::*;

use super::*;

fn inbox(n: u64, length: usize) -> InboxMessage {
    InboxMessage {
        id: id(n),
        received_ms: NOW + n,
        sender: mailbox("app@example.org").into(),
        recipients: vec![mailbox("dev@example.test")],
        subject: Some("Hello".into()),
        meta: "meta".into(),
        raw: vec![body_of(n, length)],
        raw_bytes: length as u64,
    }
}

fn suppression(n: u64, expires_ms: Option<u64>) -> Suppression {
    Suppression {
        account: (n % 2 == 1).then(|| "acme".into()),
        address: mailbox(&format!("user{n}@example.net")),
        cause: "bounce".into(),
        reason: "no such user".into(),
        source: "operator".into(),
        created_ms: NOW,
        expires_ms,
    }
}

fn kv(namespace: &str, key: &str, value: Option<&str>, expires_ms: Option<u64>) -> KvWrite {
    KvWrite {
        namespace: namespace.into(),
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: value.map(|value| Bytes::copy_from_slice(value.as_bytes())),
        expires_ms,
    }
}

fn rejected(n: u64) -> Operation {
    Operation::HistoryPut(Box::new(HistoryEntry {
        row: HistoryRow {
            id: id(n),
            received_ms: NOW + n,
            changed_ms: NOW + n,
            state: MessageState::Rejected,
            sender: mailbox("spam@example.org").into(),
            recipients: vec![mailbox("victim@example.net")],
            recipients_total: 1,
            pending: 0,
            delivered: 0,
            failed: 0,
            subject: None,
            body_bytes: 10,
            listener: "mx".into(),
            account: None,
            log_bytes: 0,
            log_pieces: 0,
        },
        trace: "why".into(),
    }))
}

/// Limits small enough for the script to reach them.
pub fn limits() -> Limits {
    Limits {
        history_messages_max: 9,
        inbox_messages_max: 2,
        cache_bytes: 4 << 20,
        ..Limits::default()
    }
}

/// The commits. Their order matters: later ones act on what earlier ones left.
pub fn script() -> Vec<(Vec<Operation>, Durability)> {
    use Durability::{Durable, Eventual};
    use Operation::*;
    let held = |reason: &str| EntryState::Held(reason.into());
    let mut on_hold = message(4, 2, 900);
    on_hold.recipients[0].state = held("policy");
    let bounce = baton_spool::Settle {
        accept: vec![NewMessage {
            sender: None.into(),
            ..message(20, 1, 1_500)
        }],
        suppress: vec![suppression(1, None)],
        inbox: vec![inbox(21, 400)],
        log: vec!["attempt one".into()],
        ..settle(
            1,
            vec![
                (0, Outcome::Failed),
                (1, Outcome::Delivered),
                (2, deferred(NOW + 90, 1)),
            ],
        )
    };
    let hold_again = Outcome::Held {
        reason: "loop".into(),
        attempts: 1,
        last: None,
        notes: None,
    };
    vec![
        (vec![accept(1, 3, 10_240)], Durable),
        (
            vec![
                accept(2, 1, 200),
                accept(3, 1, 70_000),
                Accept(vec![on_hold]),
            ],
            Durable,
        ),
        (
            vec![Accept(vec![message(5, 1, 3_000), message(6, 2, 0)])],
            Durable,
        ),
        (vec![Settle(Box::new(bounce))], Durable),
        (
            vec![
                settled(2, vec![(0, Outcome::Delivered)]),
                accept(7, 1, 10_000),
            ],
            Durable,
        ),
        (
            vec![Hold {
                target: Target::Message(id(6)),
                reason: "wait".into(),
            }],
            Durable,
        ),
        (
            vec![Release {
                target: Target::Entry(EntryId::new(id(6), 1)),
                due_ms: NOW + 7,
            }],
            Durable,
        ),
        (
            vec![Reschedule {
                target: Target::Message(id(1)),
                due_ms: NOW,
            }],
            Durable,
        ),
        (
            vec![settled(3, vec![(0, deferred(NOW + 500, 1))])],
            Eventual,
        ),
        (vec![settled(7, vec![(0, Outcome::Delivered)])], Eventual),
        (vec![accept(8, 2, 20_000)], Durable),
        (
            vec![settled(4, vec![(0, Outcome::Delivered), (1, hold_again)])],
            Durable,
        ),
        (
            vec![Remove {
                target: Target::Entry(EntryId::new(id(8), 0)),
                at_ms: NOW + 3,
            }],
            Durable,
        ),
        (
            vec![
                Remove {
                    target: Target::Message(id(8)),
                    at_ms: NOW + 4,
                },
                rejected(9),
            ],
            Durable,
        ),
        (
            vec![
                HistoryAppend {
                    message: id(3),
                    at_ms: NOW + 5,
                    log: "noted".into(),
                },
                InboxPut(Box::new(inbox(22, 5_000))),
            ],
            Durable,
        ),
        (vec![InboxPut(Box::new(inbox(23, 80_000)))], Durable),
        (vec![InboxDelete(id(22))], Durable),
        (
            vec![Kv(vec![
                kv("policy", "a", Some("1"), None),
                kv("policy", "b", Some("22"), Some(NOW + 10)),
                kv("routing", "a", Some("333"), Some(NOW + 99)),
            ])],
            Eventual,
        ),
        (
            vec![Kv(vec![
                kv("policy", "a", None, None),
                kv("policy", "b", Some("4"), None),
            ])],
            Durable,
        ),
        (
            vec![SuppressionPut(suppression(2, Some(NOW + 10)))],
            Durable,
        ),
        (
            vec![
                SuppressionPut(suppression(3, Some(NOW + 10))),
                accept(10, 1, 4_000),
            ],
            Durable,
        ),
        (
            vec![SuppressionRemove {
                account: Some("acme".into()),
                address: mailbox("user1@example.net"),
            }],
            Durable,
        ),
        (
            vec![Sweep {
                now_ms: NOW + 50,
                rows_max: 100,
            }],
            Durable,
        ),
        (
            vec![SetAside {
                message: id(10),
                reason: "an operator said so".into(),
            }],
            Durable,
        ),
        (
            vec![QuarantineDelete {
                table: "messages".into(),
                key: Bytes::copy_from_slice(&id(10).to_u128().to_be_bytes()),
            }],
            Durable,
        ),
        (vec![InboxClear], Durable),
        (
            vec![Accept(vec![copy(30, 30, 1), copy(31, 30, 2)])],
            Durable,
        ),
        (
            vec![
                settled(30, vec![(0, Outcome::Delivered)]),
                Accept(vec![copy(32, 32, 1), copy(33, 32, 1)]),
            ],
            Durable,
        ),
        (
            vec![settled(
                31,
                vec![(0, Outcome::Failed), (1, deferred(NOW + 60, 1))],
            )],
            Durable,
        ),
        (
            vec![
                settled(31, vec![(1, Outcome::Delivered)]),
                SetAside {
                    message: id(32),
                    reason: "an operator said so".into(),
                },
                Remove {
                    target: Target::Message(id(33)),
                    at_ms: NOW + 6,
                },
            ],
            Durable,
        ),
        (
            vec![
                accept(11, 1, 10_000),
                settled(5, vec![(0, Outcome::Failed)]),
            ],
            Durable,
        ),
    ]
}
