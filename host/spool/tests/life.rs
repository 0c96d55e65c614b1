//! The life of messages on a real disk: accept, due, settle, hold, release, remove.

mod support;

use baton_spool::*;
use bytes::Bytes;
use support::*;

#[test]
fn an_accepted_message_is_there_entire_after_a_reopen() {
    let dir = tempfile::tempdir().unwrap();
    let new = message(1, 2, 100_000);
    {
        let (spool, report) = open(dir.path());
        assert!(report.created);
        assert_eq!(
            one(&spool, Operation::Accept(vec![new.clone()])),
            Ok(Done::Done)
        );
    }
    let (spool, report) = open(dir.path());
    assert!(!report.created && !report.recovered && report.set_aside.is_empty());
    assert_eq!((report.counts.messages, report.counts.queued), (1, 2));
    let now = spool.snapshot().unwrap();
    let kept = now.message(new.id).unwrap().unwrap();
    assert_eq!(kept.sender, new.sender);
    assert_eq!(kept.parameters, new.parameters);
    assert_eq!(kept.origin, new.origin);
    assert_eq!(kept.tags, new.tags);
    assert_eq!(kept.plugins, new.plugins);
    assert_eq!(kept.subject, new.subject);
    assert_eq!(kept.meta, new.meta);
    assert_eq!((kept.recipients_total, kept.body_bytes), (2, 100_000));
    assert_eq!(
        now.body(new.id).unwrap().unwrap().into_whole().unwrap(),
        new.body.concat()
    );
    let entries = now.entries_of(new.id).unwrap();
    assert_eq!(entries.len(), 2);
    for (entry, new) in entries.iter().zip(&new.recipients) {
        assert_eq!(entry.recipient, new.recipient);
        assert_eq!(
            (&entry.state, entry.attempts, &entry.notes),
            (&new.state, 0, &new.notes)
        );
    }
    assert_eq!(now.history_log(new.id).unwrap()[0].bytes, new.trace);
}

#[test]
fn the_body_goes_with_the_last_recipient() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    one(&spool, accept(1, 2, 500)).unwrap();
    let first = one(&spool, settled(1, vec![(1, Outcome::Delivered)]));
    assert_eq!(
        first,
        Ok(Done::Settled {
            gone: false,
            missing: vec![]
        })
    );
    assert!(spool.snapshot().unwrap().body(id(1)).unwrap().is_some());
    let last = one(
        &spool,
        settled(1, vec![(0, Outcome::Failed), (1, Outcome::Delivered)]),
    );
    assert_eq!(
        last,
        Ok(Done::Settled {
            gone: true,
            missing: vec![1]
        })
    );
    let now = spool.snapshot().unwrap();
    assert!(now.message(id(1)).unwrap().is_none());
    assert!(now.body(id(1)).unwrap().is_none());
    assert_eq!(now.next_due(None).unwrap(), None);
    assert_eq!(spool.counts(), Counts::default());
    let row = now.history(id(1)).unwrap().unwrap();
    assert_eq!(
        (row.state, row.delivered, row.failed, row.pending),
        (MessageState::Partial, 1, 1, 0)
    );
    assert_eq!(
        one(&spool, settled(1, vec![(0, Outcome::Failed)])),
        Err(Refusal::NoMessage(id(1)))
    );
}

#[test]
fn a_deferred_entry_is_due_at_its_new_time_and_remembers_the_reply() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    one(&spool, accept(1, 1, 500)).unwrap();
    let later = NOW + 60_000;
    one(&spool, settled(1, vec![(0, deferred(later, 1))])).unwrap();
    let now = spool.snapshot().unwrap();
    let entry = EntryId::new(id(1), 0);
    assert!(now.due_before(later - 1, None, 10).unwrap().is_empty());
    assert_eq!(
        now.due_before(later, None, 10).unwrap(),
        [Due {
            due_ms: later,
            entry
        }]
    );
    let kept = now.entry(entry).unwrap().unwrap();
    assert_eq!((kept.state, kept.attempts), (EntryState::Due(later), 1));
    assert_eq!(kept.last.unwrap().text, "later");
    assert_eq!(kept.notes, "note");
    assert_eq!((spool.counts().queued, spool.counts().deferred), (0, 1));
    assert_eq!(
        now.history(id(1)).unwrap().unwrap().state,
        MessageState::Deferred
    );
}

#[test]
fn due_entries_come_in_portions_earliest_first() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let batch: Vec<_> = (0..10).rev().map(|n| accept(n, 3, 100)).collect();
    spool.commit(&batch, Durability::Durable).unwrap();
    let now = spool.snapshot().unwrap();
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let portion = now.due_before(NOW + 5, after, 4).unwrap();
        let Some(last) = portion.last() else { break };
        assert!(portion.len() <= 4);
        after = Some(*last);
        seen.extend(portion);
    }
    assert_eq!(seen.len(), 6 * 3);
    assert!(seen.is_sorted());
    assert_eq!(now.next_due(after).unwrap().unwrap().due_ms, NOW + 6);
}

#[test]
fn a_held_entry_is_never_due_until_it_is_released() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    one(&spool, accept(1, 2, 500)).unwrap();
    let entry = EntryId::new(id(1), 1);
    let hold = Operation::Hold {
        target: Target::Entry(entry),
        reason: "looks odd".into(),
    };
    assert_eq!(one(&spool, hold), Ok(Done::Changed(1)));
    let now = spool.snapshot().unwrap();
    assert_eq!(now.due_before(u64::MAX, None, 10).unwrap().len(), 1);
    assert_eq!(
        now.entry(entry).unwrap().unwrap().state,
        EntryState::Held("looks odd".into())
    );
    assert_eq!(spool.counts().held, 1);
    let target = Target::Message(id(1));
    // Retry now is not a release.
    assert_eq!(
        one(&spool, Operation::Reschedule { target, due_ms: 5 }),
        Ok(Done::Changed(1))
    );
    assert_eq!(
        one(&spool, Operation::Release { target, due_ms: 9 }),
        Ok(Done::Changed(1))
    );
    let due = spool
        .snapshot()
        .unwrap()
        .due_before(u64::MAX, None, 10)
        .unwrap();
    assert_eq!(due.iter().map(|due| due.due_ms).collect::<Vec<_>>(), [5, 9]);
    assert_eq!(spool.counts().held, 0);
}

#[test]
fn a_removed_message_leaves_nothing_but_its_history() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    one(&spool, accept(1, 3, 500)).unwrap();
    let target = Target::Message(id(1));
    assert_eq!(
        one(&spool, Operation::Remove { target, at_ms: NOW }),
        Ok(Done::Changed(3))
    );
    let now = spool.snapshot().unwrap();
    assert!(now.message(id(1)).unwrap().is_none());
    assert_eq!(now.next_due(None).unwrap(), None);
    assert_eq!(
        now.history(id(1)).unwrap().unwrap().state,
        MessageState::Removed
    );
    assert_eq!(spool.counts(), Counts::default());
    assert_eq!(
        one(&spool, Operation::Remove { target, at_ms: NOW }),
        Err(Refusal::NoMessage(id(1)))
    );
}

#[test]
fn writes_that_go_with_a_message_are_there_with_it_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let row = |key: &'static str| {
        Operation::KvWith(vec![KvWrite {
            namespace: "space".into(),
            key: Bytes::from_static(key.as_bytes()),
            value: Some(Bytes::from_static(b"value")),
            expires_ms: None,
        }])
    };
    let tells = Operation::Events {
        rows: Vec::new(),
        if_done: true,
    };
    let operations = [
        accept(1, 1, 10),
        tells.clone(),
        row("kept"),
        accept(1, 1, 10),
        tells,
        row("refused"),
    ];
    spool.commit(&operations, Durability::Durable).unwrap();
    let now = spool.snapshot().unwrap();
    assert!(now.kv_get("space", b"kept", NOW).unwrap().is_some());
    assert_eq!(now.kv_get("space", b"refused", NOW).unwrap(), None);
}

#[test]
fn a_refused_operation_does_not_hinder_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let nobody = NewMessage {
        recipients: vec![],
        ..message(3, 1, 10)
    };
    let answers = spool
        .commit(
            &[
                accept(1, 1, 10),
                accept(1, 1, 10),
                Operation::Accept(vec![message(2, 1, 10), nobody]),
                settled(7, vec![(0, Outcome::Delivered)]),
                accept(4, 1, 10),
            ],
            Durability::Durable,
        )
        .unwrap();
    assert_eq!(
        answers,
        [
            Ok(Done::Done),
            Err(Refusal::Taken(id(1))),
            Err(Refusal::NoRecipients),
            Err(Refusal::NoMessage(id(7))),
            Ok(Done::Done),
        ]
    );
    let now = spool.snapshot().unwrap();
    assert!(
        now.message(id(2)).unwrap().is_none(),
        "copies are accepted all or none"
    );
    assert!(now.message(id(4)).unwrap().is_some());
}

#[test]
fn a_settle_brings_bounce_suppression_and_inbox_along() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    one(&spool, accept(1, 1, 500)).unwrap();
    let bounce = NewMessage {
        sender: None.into(),
        ..message(2, 1, 300)
    };
    let suppression = Suppression {
        account: None,
        address: mailbox("R0@d1.test"),
        cause: "bounce".into(),
        reason: "no such user".into(),
        source: "isp-responses".into(),
        created_ms: NOW,
        expires_ms: None,
    };
    let captured = InboxMessage {
        id: id(3),
        received_ms: NOW,
        sender: None.into(),
        recipients: vec![mailbox("dev@example.test")],
        subject: None,
        meta: Default::default(),
        raw: vec![body_of(3, 700)],
        raw_bytes: 0,
    };
    let settle = Settle {
        accept: vec![bounce],
        suppress: vec![suppression.clone()],
        inbox: vec![captured],
        log: vec!["attempt".into()],
        ..settle(1, vec![(0, Outcome::Failed)])
    };
    one(&spool, Operation::Settle(Box::new(settle))).unwrap();
    let now = spool.snapshot().unwrap();
    assert!(now.message(id(2)).unwrap().unwrap().sender.is_null());
    let found = now
        .suppressed(Some("someone"), &mailbox("r0@d1.test"), NOW)
        .unwrap();
    assert_eq!(found, Some(suppression));
    assert_eq!(now.inbox_list(None, 10).unwrap()[0].raw_bytes, 700);
    assert_eq!(now.inbox_raw(id(3)).unwrap().unwrap(), body_of(3, 700));
    assert_eq!(
        now.history(id(1)).unwrap().unwrap().state,
        MessageState::Failed
    );
    assert_eq!(now.history_log(id(1)).unwrap()[1].bytes, "attempt");
}

#[test]
fn a_second_opener_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    assert!(matches!(
        Spool::open(dir.path(), Limits::default()),
        Err(Error::InUse)
    ));
    spool.close().unwrap();
    open(dir.path());
}

#[test]
fn a_full_spool_refuses_accepts_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits {
        spool_bytes_max: 100_000,
        ..Limits::default()
    };
    let (spool, _) = Spool::open(dir.path(), limits).unwrap();
    let mut n = 0;
    while one(&spool, accept(n, 1, 10_000)).is_ok() {
        n += 1;
        assert!(n < 100);
    }
    assert!((4..=10).contains(&n), "{n}");
    assert_eq!(one(&spool, accept(n, 1, 10_000)), Err(Refusal::Full));
    let bounce = Settle {
        accept: vec![message(50, 1, 9_000)],
        ..settle(0, vec![(0, Outcome::Failed)])
    };
    one(&spool, Operation::Settle(Box::new(bounce))).unwrap();
    one(&spool, settled(1, vec![(0, Outcome::Delivered)])).unwrap();
    assert_eq!(one(&spool, accept(n, 1, 10_000)), Ok(Done::Done));
}

#[test]
fn an_eventual_commit_is_seen_at_once_and_stays_after_a_close() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    spool
        .commit(&[accept(1, 1, 10)], Durability::Eventual)
        .unwrap();
    assert!(spool.snapshot().unwrap().message(id(1)).unwrap().is_some());
    spool.close().unwrap();
    assert!(
        open(dir.path())
            .0
            .snapshot()
            .unwrap()
            .message(id(1))
            .unwrap()
            .is_some()
    );
}

#[test]
fn copies_share_their_original_from_the_first_to_the_last() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let (one_copy, other) = (copy(1, 1, 1), copy(2, 1, 2));
    one(&spool, Operation::Accept(vec![one_copy.clone(), other])).unwrap();
    let together = spool.counts().stored_bytes;
    let now = spool.snapshot().unwrap();
    assert_eq!(now.message(id(1)).unwrap().unwrap().body_bytes, 20_100);
    let kept = one_copy.copy_of.unwrap();
    assert_eq!(
        now.body(id(1)).unwrap().unwrap(),
        Body::Copy {
            original: kept.bytes,
            recipe: kept.recipe,
            body_bytes: 20_100,
        }
    );
    assert_eq!(now.originals(9).unwrap(), [(id(1), 2, 20_000)]);
    drop(now);
    one(&spool, settled(1, vec![(0, Outcome::Delivered)])).unwrap();
    let half = settled(2, vec![(0, Outcome::Delivered)]);
    one(&spool, half).unwrap();
    assert!(spool.snapshot().unwrap().body(id(2)).unwrap().is_some());
    assert!(
        together < 2 * 32_768,
        "the pages of the original are there once"
    );
    one(&spool, settled(2, vec![(1, Outcome::Failed)])).unwrap();
    assert_eq!(spool.snapshot().unwrap().originals(9).unwrap(), []);
    assert_eq!(spool.counts(), Counts::default());
}

#[test]
fn a_snapshot_does_not_move() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    one(&spool, accept(1, 1, 5_000)).unwrap();
    let before = spool.snapshot().unwrap();
    for n in 2..40 {
        spool
            .commit(
                &[
                    accept(n, 1, 5_000),
                    settled(n - 1, vec![(0, Outcome::Delivered)]),
                ],
                Durability::Durable,
            )
            .unwrap();
    }
    assert_eq!(
        before.body(id(1)).unwrap().unwrap().into_whole().unwrap(),
        body_of(1, 5_000)
    );
    assert!(spool.snapshot().unwrap().body(id(1)).unwrap().is_none());
}

#[test]
fn readers_on_other_threads_see_whole_commits_while_one_writes() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let last = 60;
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                loop {
                    let now = spool.snapshot().unwrap();
                    let due = now.due_before(u64::MAX, None, 100).unwrap();
                    for due in &due {
                        let message = due.entry.message;
                        let body = now.body(message).unwrap().expect("an entry has its body");
                        assert_eq!(body.into_whole().map(|body| body.len()), Some(3_000));
                        assert_eq!(now.entries_of(message).unwrap().len(), 2);
                    }
                    // Each commit brings one message with two recipients and takes another.
                    assert!(due.len() <= 2, "{}", due.len());
                    if due.first().is_some_and(|due| due.entry.message == id(last)) {
                        return;
                    }
                }
            });
        }
        for n in 0..=last {
            let mut batch = vec![accept(n, 2, 3_000)];
            if n > 0 {
                batch.push(settled(
                    n - 1,
                    vec![(0, Outcome::Delivered), (1, Outcome::Failed)],
                ));
            }
            for answer in spool.commit(&batch, Durability::Durable).unwrap() {
                answer.unwrap();
            }
        }
    });
}

#[test]
fn a_message_of_many_megabytes_comes_back_byte_by_byte() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let new = message(1, 1, 12_345_678);
    one(&spool, Operation::Accept(vec![new.clone()])).unwrap();
    assert_eq!(
        spool
            .snapshot()
            .unwrap()
            .body(id(1))
            .unwrap()
            .unwrap()
            .into_whole()
            .unwrap(),
        new.body.concat()
    );
    one(&spool, settled(1, vec![(0, Outcome::Delivered)])).unwrap();
    assert_eq!(spool.counts(), Counts::default());
}

#[test]
fn the_file_does_not_grow_while_as_much_leaves_as_comes() {
    let dir = tempfile::tempdir().unwrap();
    let (spool, _) = open(dir.path());
    let file = dir.path().join("spool.redb");
    let length = || std::fs::metadata(&file).unwrap().len();
    let round = |n: u64| {
        let batch = [
            accept(n, 1, 200_000),
            settled(n - 1, vec![(0, Outcome::Delivered)]),
        ];
        spool.commit(&batch, Durability::Durable).unwrap();
    };
    one(&spool, accept(0, 1, 200_000)).unwrap();
    (1..20).for_each(round);
    let early = length();
    (20..200).for_each(round);
    assert!(length() <= early, "{} after {early}", length());
}

#[test]
fn a_spool_and_its_snapshots_go_from_thread_to_thread() {
    fn shared<T: Send + Sync>() {}
    shared::<Spool>();
    shared::<Snapshot>();
}
