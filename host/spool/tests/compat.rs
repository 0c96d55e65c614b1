//! Spools written by released versions stay readable, every field of them.
//!
//! `compat/format-1.redb` was written by the example `fixture` and is never written again: a change that makes this test fail needs a
//! new version of a record or of the format, with the old reader kept.

mod support;

use baton_spool::*;
use support::fixture::{captured, fixture, suppression};
use support::*;

const FIXTURE: &[u8] = include_bytes!("compat/format-1.redb");

fn open_fixture() -> (tempfile::TempDir, Spool) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("spool.redb"), FIXTURE).unwrap();
    let (spool, report) = Spool::open(dir.path(), Limits::default()).unwrap();
    assert_eq!((report.created, report.set_aside), (false, vec![]));
    (dir, spool)
}

#[test]
fn a_message_of_format_1_reads_as_it_was_written() {
    let (_dir, spool) = open_fixture();
    let now = spool.snapshot().unwrap();
    let Operation::Accept(written) = fixture().remove(0) else {
        unreachable!()
    };
    for new in &written {
        let kept = now.message(new.id).unwrap().unwrap();
        assert_eq!(kept.received_ms, new.received_ms);
        assert_eq!(kept.sender, new.sender);
        assert_eq!(kept.parameters, new.parameters);
        assert_eq!(kept.recipients_total as usize, new.recipients.len());
        assert_eq!(kept.origin, new.origin);
        assert_eq!(kept.tags, new.tags);
        assert_eq!(kept.plugins, new.plugins);
        assert_eq!(kept.subject, new.subject);
        assert_eq!(kept.meta, new.meta);
        assert_eq!(
            now.body(new.id).unwrap().unwrap().into_whole().unwrap(),
            new.body.concat()
        );
        let entries = now.entries_of(new.id).unwrap();
        for (entry, new) in entries.iter().zip(&new.recipients) {
            assert_eq!(
                (&entry.recipient, &entry.notes),
                (&new.recipient, &new.notes)
            );
        }
    }
}

#[test]
fn entries_of_format_1_wait_for_what_they_waited_for() {
    let (_dir, spool) = open_fixture();
    let now = spool.snapshot().unwrap();
    let entries = now.entries_of(id(1)).unwrap();
    assert_eq!(entries[0].state, EntryState::Due(NOW + 1));
    assert_eq!((entries[0].attempts, &entries[0].last), (0, &None));
    assert_eq!(entries[1].state, EntryState::Due(NOW + 60_000));
    assert_eq!(entries[2].state, EntryState::Held("by hand".into()));
    let Outcome::Deferred { last, attempts, .. } = deferred(0, 2) else {
        unreachable!()
    };
    assert_eq!(
        (entries[1].attempts, &entries[1].last),
        (attempts, &Some(last))
    );
    let due = now.due_before(u64::MAX, None, 10).unwrap();
    assert_eq!(
        due.iter().map(|due| due.due_ms).collect::<Vec<_>>(),
        [NOW + 1, NOW + 5, NOW + 60_000]
    );
}

#[test]
fn history_inbox_suppression_values_and_quarantine_of_format_1_read_as_they_were_written() {
    let (_dir, spool) = open_fixture();
    let now = spool.snapshot().unwrap();
    let row = now.history(id(1)).unwrap().unwrap();
    assert_eq!(
        (row.state, row.pending, row.delivered, row.failed),
        (MessageState::Deferred, 3, 0, 0)
    );
    assert_eq!((row.received_ms, row.changed_ms), (NOW + 1, NOW + 1_000));
    assert_eq!(
        (row.listener.as_str(), row.account.as_deref()),
        ("submission", Some("acme"))
    );
    assert_eq!(
        (row.recipients.len(), row.recipients_total, row.body_bytes),
        (3, 3, 70_000)
    );
    assert_eq!(row.subject.as_deref(), Some("Number 1"));
    let log = now.history_log(id(1)).unwrap();
    assert_eq!(
        log[0],
        LogPiece {
            at_ms: NOW + 1,
            bytes: "trace".into()
        }
    );
    assert_eq!(
        log[1],
        LogPiece {
            at_ms: NOW + 1_000,
            bytes: "attempt".into()
        }
    );
    assert_eq!(now.inbox_list(None, 10).unwrap(), [captured()]);
    assert_eq!(now.inbox_raw(id(3)).unwrap().unwrap(), body_of(3, 700));
    let suppressed = now
        .suppressed(Some("acme"), &mailbox("user@example.net"), NOW)
        .unwrap();
    assert_eq!(suppressed, Some(suppression()));
    let value = now.kv_get("policy", b"key\0\xff", NOW).unwrap().unwrap();
    assert_eq!(
        (&value.value[..], value.expires_ms),
        (&b"value\0\xff"[..], Some(NOW + 9))
    );
    assert_eq!(
        now.kv_usage("policy").unwrap(),
        KvUsage { rows: 1, bytes: 12 }
    );
    let aside = now.quarantine(10).unwrap();
    assert_eq!(
        aside
            .iter()
            .map(|row| row.table.as_str())
            .collect::<Vec<_>>(),
        ["bodies", "entries", "messages"]
    );
    assert!(
        aside
            .iter()
            .all(|row| row.reason == "a test" && row.message() == Some(id(5)))
    );
}

#[test]
fn a_spool_of_format_1_can_be_worked_with() {
    let (_dir, spool) = open_fixture();
    let outcomes = (0..3).map(|r| (r, Outcome::Delivered)).collect();
    assert_eq!(
        one(&spool, settled(1, outcomes)),
        Ok(Done::Settled {
            gone: true,
            missing: vec![]
        })
    );
    one(
        &spool,
        Operation::Sweep {
            now_ms: NOW + 100,
            rows_max: 10,
        },
    )
    .unwrap();
    one(&spool, Operation::InboxClear).unwrap();
    assert!(
        one(
            &spool,
            Operation::HistoryAppend {
                message: id(1),
                at_ms: NOW,
                log: "x".into()
            }
        )
        .is_ok()
    );
    assert_eq!(spool.counts().messages, 1);
}
