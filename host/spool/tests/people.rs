//! What people and plugins see: history, inbox, suppression, key-value.

mod support;

use baton_spool::*;
use bytes::Bytes;
use support::*;

fn small(limits: Limits) -> (tempfile::TempDir, Spool) {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = Spool::open(dir.path(), limits).unwrap();
    (dir, spool)
}

fn names(rows: &[HistoryRow]) -> Vec<MessageId> {
    rows.iter().map(|row| row.id).collect()
}

#[test]
fn the_history_keeps_the_newest_and_forgets_the_log_with_the_row() {
    let (_dir, spool) = small(Limits {
        history_messages_max: 3,
        ..Limits::default()
    });
    for n in 0..10 {
        one(&spool, accept(n, 1, 10)).unwrap();
    }
    let now = spool.snapshot().unwrap();
    let rows = now
        .history_list(None, 100, &HistoryFilter::default())
        .unwrap();
    assert_eq!(names(&rows), [id(9), id(8), id(7)]);
    assert!(now.history_log(id(6)).unwrap().is_empty());
    assert!(
        now.message(id(0)).unwrap().is_some(),
        "a message waits whether it is remembered or not"
    );
    one(&spool, settled(0, vec![(0, Outcome::Delivered)])).unwrap();
    assert_eq!(spool.snapshot().unwrap().history_len().unwrap(), 3);
}

#[test]
fn a_history_of_none_is_not_written() {
    let (_dir, spool) = small(Limits {
        history_messages_max: 0,
        ..Limits::default()
    });
    one(&spool, accept(1, 1, 10)).unwrap();
    one(&spool, settled(1, vec![(0, Outcome::Delivered)])).unwrap();
    let now = spool.snapshot().unwrap();
    assert_eq!(now.history_len().unwrap(), 0);
    assert!(now.history_log(id(1)).unwrap().is_empty());
}

#[test]
fn the_history_is_paged_and_filtered() {
    let (_dir, spool) = small(Limits::default());
    for n in 0..10 {
        one(&spool, accept(n, 1, 10)).unwrap();
    }
    one(&spool, settled(4, vec![(0, Outcome::Delivered)])).unwrap();
    let now = spool.snapshot().unwrap();
    let any = HistoryFilter::default();
    let first = now.history_list(None, 4, &any).unwrap();
    let second = now.history_list(Some(first[3].id), 4, &any).unwrap();
    assert_eq!(names(&second), [id(5), id(4), id(3), id(2)]);
    let delivered = HistoryFilter {
        state: Some(MessageState::Delivered),
        ..any.clone()
    };
    assert_eq!(
        names(&now.history_list(None, 10, &delivered).unwrap()),
        [id(4)]
    );
    let to = HistoryFilter {
        recipient: Some("@D7.test".into()),
        ..any.clone()
    };
    assert_eq!(names(&now.history_list(None, 10, &to).unwrap()), [id(7)]);
    let from = HistoryFilter {
        sender: Some("nobody".into()),
        ..any
    };
    assert!(now.history_list(None, 10, &from).unwrap().is_empty());
}

#[test]
fn a_log_stops_at_its_limit_and_later_shorter_pieces_still_fit() {
    let (_dir, spool) = small(Limits {
        history_log_bytes_max: 20,
        ..Limits::default()
    });
    one(&spool, accept(1, 1, 10)).unwrap();
    for piece in ["0123456789", "0123456789", "01234"] {
        let log = Bytes::from_static(piece.as_bytes());
        one(
            &spool,
            Operation::HistoryAppend {
                message: id(1),
                at_ms: NOW,
                log,
            },
        )
        .unwrap();
    }
    let now = spool.snapshot().unwrap();
    let log: Vec<_> = now
        .history_log(id(1))
        .unwrap()
        .into_iter()
        .map(|p| p.bytes)
        .collect();
    assert_eq!(log, ["trace", "0123456789", "01234"]);
    assert_eq!(now.history(id(1)).unwrap().unwrap().log_bytes, 20);
}

#[test]
fn a_message_of_a_thousand_recipients_is_remembered_by_its_first_and_their_number() {
    let (_dir, spool) = small(Limits::default());
    one(&spool, accept(1, 1_000, 10)).unwrap();
    let row = spool.snapshot().unwrap().history(id(1)).unwrap().unwrap();
    assert_eq!(row.recipients.len(), HISTORY_RECIPIENTS_MAX);
    assert_eq!((row.recipients_total, row.pending), (1_000, 1_000));
    let all = (0..1_000).map(|r| (r, Outcome::Delivered)).collect();
    assert_eq!(
        one(&spool, settled(1, all)),
        Ok(Done::Settled {
            gone: true,
            missing: vec![]
        })
    );
    assert_eq!(spool.counts(), Counts::default());
}

#[test]
fn more_recipients_than_the_limit_are_refused() {
    let (_dir, spool) = small(Limits {
        message_recipients_max: 5,
        ..Limits::default()
    });
    assert_eq!(
        one(&spool, accept(1, 6, 10)),
        Err(Refusal::TooManyRecipients)
    );
    one(&spool, accept(1, 5, 10)).unwrap();
}

fn capture(n: u64) -> InboxMessage {
    InboxMessage {
        id: id(n),
        received_ms: NOW,
        sender: None.into(),
        recipients: vec![mailbox("dev@example.test")],
        subject: Some(format!("Number {n}")),
        meta: Bytes::new(),
        raw: vec![body_of(n, 1_000)],
        raw_bytes: 0,
    }
}

#[test]
fn the_inbox_keeps_the_newest_and_is_paged_newest_first() {
    let (_dir, spool) = small(Limits {
        inbox_messages_max: 5,
        ..Limits::default()
    });
    for n in 0..8 {
        one(&spool, Operation::InboxPut(Box::new(capture(n)))).unwrap();
    }
    assert_eq!(
        one(&spool, Operation::InboxPut(Box::new(capture(7)))),
        Err(Refusal::Taken(id(7)))
    );
    let now = spool.snapshot().unwrap();
    assert_eq!(now.inbox_len().unwrap(), 5);
    let first = now.inbox_list(None, 3).unwrap();
    assert_eq!(
        first.iter().map(|m| m.id).collect::<Vec<_>>(),
        [id(7), id(6), id(5)]
    );
    let second = now.inbox_list(Some(first[2].id), 3).unwrap();
    assert_eq!(
        second.iter().map(|m| m.id).collect::<Vec<_>>(),
        [id(4), id(3)]
    );
    assert!(now.inbox_raw(id(2)).unwrap().is_none());
    assert_eq!(
        one(&spool, Operation::InboxDelete(id(7))),
        Ok(Done::Changed(1))
    );
    assert_eq!(
        one(&spool, Operation::InboxDelete(id(7))),
        Ok(Done::Changed(0))
    );
    assert_eq!(one(&spool, Operation::InboxClear), Ok(Done::Changed(4)));
    let now = spool.snapshot().unwrap();
    assert!(now.inbox(id(6)).unwrap().is_none() && now.inbox_raw(id(6)).unwrap().is_none());
}

fn suppress(account: Option<&str>, address: &str, expires_ms: Option<u64>) -> Operation {
    Operation::SuppressionPut(Suppression {
        account: account.map(str::to_owned),
        address: mailbox(address),
        cause: "bounce".into(),
        reason: account.unwrap_or("everybody").into(),
        source: "operator".into(),
        created_ms: NOW,
        expires_ms,
    })
}

#[test]
fn an_address_is_suppressed_for_its_account_or_for_everybody() {
    let (_dir, spool) = small(Limits::default());
    one(&spool, suppress(Some("acme"), "a@example.net", None)).unwrap();
    one(&spool, suppress(None, "b@example.net", None)).unwrap();
    one(
        &spool,
        suppress(Some("acme"), "B@Example.net", Some(NOW + 10)),
    )
    .unwrap();
    let now = spool.snapshot().unwrap();
    let why = |account, address, at_ms| {
        now.suppressed(account, &mailbox(address), at_ms)
            .unwrap()
            .map(|row| row.reason)
    };
    assert_eq!(
        why(Some("acme"), "A@example.net", NOW).as_deref(),
        Some("acme")
    );
    assert_eq!(why(Some("other"), "a@example.net", NOW), None);
    assert_eq!(why(None, "a@example.net", NOW), None);
    assert_eq!(
        why(Some("acme"), "b@example.net", NOW).as_deref(),
        Some("acme")
    );
    // Its own row has expired; everybody's has not.
    assert_eq!(
        why(Some("acme"), "b@example.net", NOW + 10).as_deref(),
        Some("everybody")
    );
    assert_eq!(
        why(None, "b@example.net", NOW).as_deref(),
        Some("everybody")
    );
}

#[test]
fn suppressed_addresses_are_paged_and_removed() {
    let (_dir, spool) = small(Limits::default());
    for n in 0..7 {
        one(
            &spool,
            suppress(Some("acme"), &format!("u{n}@example.net"), None),
        )
        .unwrap();
    }
    let now = spool.snapshot().unwrap();
    let first = now.suppressions(None, 4, NOW).unwrap();
    let second = now.suppressions(first.last(), 4, NOW).unwrap();
    assert_eq!((first.len(), second.len()), (4, 3));
    assert_eq!(second[2].address, mailbox("u6@example.net"));
    let remove = |account: Option<&str>| Operation::SuppressionRemove {
        account: account.map(str::to_owned),
        address: mailbox("U6@example.net"),
    };
    assert_eq!(one(&spool, remove(None)), Ok(Done::Changed(0)));
    assert_eq!(one(&spool, remove(Some("acme"))), Ok(Done::Changed(1)));
}

fn write(space: &str, key: &str, value: Option<&str>, expires_ms: Option<u64>) -> KvWrite {
    KvWrite {
        namespace: space.into(),
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: value.map(|value| Bytes::copy_from_slice(value.as_bytes())),
        expires_ms,
    }
}

#[test]
fn a_plugin_reads_its_own_rows_and_no_other() {
    let (_dir, spool) = small(Limits::default());
    let rows = vec![
        write("policy", "a/1", Some("one"), None),
        write("policy", "a/2", Some("two"), None),
        write("policy", "b", Some("three"), None),
        write("policy2", "a/3", Some("not mine"), None),
        write("polic", "a/4", Some("not mine"), None),
    ];
    one(&spool, Operation::Kv(rows)).unwrap();
    let now = spool.snapshot().unwrap();
    let keys = |prefix: &[u8], after: Option<&[u8]>, limit| {
        let rows = now.kv_scan("policy", prefix, after, limit, NOW).unwrap();
        rows.into_iter().map(|row| row.key).collect::<Vec<_>>()
    };
    assert_eq!(keys(b"", None, 10), ["a/1", "a/2", "b"]);
    assert_eq!(keys(b"a/", None, 10), ["a/1", "a/2"]);
    assert_eq!(keys(b"a/", Some(b"a/1"), 10), ["a/2"]);
    assert_eq!(keys(b"", None, 2), ["a/1", "a/2"]);
    assert!(keys(b"c", None, 10).is_empty());
    assert_eq!(
        now.kv_get("policy", b"b", NOW).unwrap().unwrap().value,
        "three"
    );
    assert!(now.kv_get("policy", b"a/3", NOW).unwrap().is_none());
    assert_eq!(
        now.kv_usage("policy").unwrap(),
        KvUsage { rows: 3, bytes: 18 }
    );
}

#[test]
fn an_expired_value_reads_as_absent_and_is_swept_away() {
    let (_dir, spool) = small(Limits::default());
    let rows = vec![
        write("p", "gone", Some("1"), Some(NOW)),
        write("p", "soon", Some("2"), Some(NOW + 1)),
        write("p", "renewed", Some("3"), Some(NOW)),
        write("p", "renewed", Some("4"), None),
    ];
    one(&spool, Operation::Kv(rows)).unwrap();
    let now = spool.snapshot().unwrap();
    assert!(now.kv_get("p", b"gone", NOW).unwrap().is_none());
    assert!(now.kv_get("p", b"soon", NOW).unwrap().is_some());
    assert_eq!(now.kv_scan("p", b"", None, 10, NOW).unwrap().len(), 2);
    assert_eq!(now.kv_usage("p").unwrap().rows, 3);
    let sweep = Operation::Sweep {
        now_ms: NOW,
        rows_max: 10,
    };
    assert_eq!(one(&spool, sweep.clone()), Ok(Done::Changed(1)));
    assert_eq!(one(&spool, sweep), Ok(Done::Changed(0)));
    let now = spool.snapshot().unwrap();
    assert_eq!(now.kv_usage("p").unwrap(), KvUsage { rows: 2, bytes: 13 });
    assert_eq!(
        now.kv_get("p", b"renewed", u64::MAX)
            .unwrap()
            .unwrap()
            .value,
        "4"
    );
}

#[test]
fn a_sweep_is_as_short_as_it_is_told() {
    let (_dir, spool) = small(Limits::default());
    let rows = (0..10)
        .map(|n| write("p", &n.to_string(), Some("x"), Some(NOW)))
        .collect();
    one(&spool, Operation::Kv(rows)).unwrap();
    for swept in [4, 4, 2, 0] {
        let sweep = Operation::Sweep {
            now_ms: NOW,
            rows_max: 4,
        };
        assert_eq!(one(&spool, sweep), Ok(Done::Changed(swept)));
    }
}

#[test]
fn writes_of_a_plugin_are_all_done_or_none() {
    let (_dir, spool) = small(Limits {
        kv_value_bytes_max: 8,
        ..Limits::default()
    });
    let rows = vec![
        write("p", "fits", Some("12345678"), None),
        write("p", "does not", Some("123456789"), None),
    ];
    assert_eq!(one(&spool, Operation::Kv(rows)), Err(Refusal::TooLarge));
    assert_eq!(
        spool.snapshot().unwrap().kv_usage("p").unwrap(),
        KvUsage::default()
    );
}
