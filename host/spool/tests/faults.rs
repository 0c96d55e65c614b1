//! A disk that is full, a disk that fails, records that cannot be read, a spool from the future.

mod support;

use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use baton_spool::*;
use redb::{ReadableDatabase, TableDefinition};
use support::disk::{Disk, Fault};
use support::dump::{Dump, dump};
use support::script::{limits, script};
use support::*;

const MESSAGES: TableDefinition<u128, &[u8]> = TableDefinition::new("messages");
const ENTRIES: TableDefinition<(u128, u32), &[u8]> = TableDefinition::new("entries");
const ORIGINALS: TableDefinition<(u128, u32), &[u8]> = TableDefinition::new("originals");
const ORIGINAL_USES: TableDefinition<u128, (u32, u64)> = TableDefinition::new("original_uses");
const BODIES: TableDefinition<(u128, u32), &[u8]> = TableDefinition::new("bodies");
const DUE: TableDefinition<(u64, u128, u32), ()> = TableDefinition::new("due");
const HISTORY: TableDefinition<u128, &[u8]> = TableDefinition::new("history");
const META: TableDefinition<&str, u64> = TableDefinition::new("meta");

fn open_on(disk: &Disk) -> Spool {
    let same = disk.clone();
    let free = || Ok(u64::MAX);
    Spool::open_with_backend(move || Ok(same.clone()), free, limits())
        .expect("opens")
        .0
}

/// What the accepts among these would have brought.
fn accepted_names(operations: &[Operation]) -> Vec<MessageId> {
    let names = operations.iter().filter_map(|operation| match operation {
        Operation::Accept(messages) => Some(messages.iter().map(|message| message.id)),
        _ => None,
    });
    names.flatten().collect()
}

/// Calls to the disk that the script makes.
fn calls_of_script() -> u64 {
    let disk = Disk::default();
    let spool = open_on(&disk);
    let start = disk.calls();
    for (operations, durability) in script() {
        spool.commit(&operations, durability).unwrap();
    }
    disk.calls() - start
}

/// Runs the script on a disk that fails `calls` calls, beginning at the script's call `from`. Gives whether a commit failed.
fn run_with_fault(from: u64, calls: u64, kind: ErrorKind, syncs: bool) -> bool {
    let disk = Disk::default();
    let spool = open_on(&disk);
    let start = disk.calls();
    disk.set_fault(Some(Fault {
        from_call: start + from,
        to_call: (start + from).saturating_add(calls),
        kind,
        syncs,
    }));
    for (operations, durability) in script() {
        let before = disk.failures();
        let Err(error) = spool.commit(&operations, durability) else {
            continue;
        };
        assert!(disk.failures() > before, "{error} came out of nowhere");
        match kind {
            ErrorKind::StorageFull => assert!(matches!(error, Error::Full(_)), "{error}"),
            _ => assert!(matches!(error, Error::Io(_)), "{error}"),
        }
        assert!(error.may_be_retried());
        assert!(spool.trouble().is_some());
        // The disk is well again: the spool is too, and tells the truth about the batch.
        disk.set_fault(None);
        let held = dump(&spool);
        assert_eq!(spool.trouble(), None);
        for name in accepted_names(&operations) {
            assert!(
                !held.messages.contains_key(&name),
                "{name} was not acknowledged"
            );
            assert!(held.history.iter().all(|(row, _)| row.id != name));
        }
        // The same again: what had reached the disk is refused as done, the rest is done now.
        for answer in spool
            .commit(&operations, Durability::Durable)
            .expect("the disk is well")
        {
            match answer {
                Ok(_) | Err(Refusal::NoMessage(_) | Refusal::NoEntry(_)) => {}
                Err(Refusal::Taken(name)) => assert!(!accepted_names(&operations).contains(&name)),
                Err(other) => panic!("{other}"),
            }
        }
        dump(&spool);
        drop(spool);
        dump(&open_on(&disk));
        return true;
    }
    false
}

#[test]
fn a_disk_that_is_full_at_any_call_loses_nothing_and_works_again_when_there_is_room() {
    let calls = calls_of_script();
    let failed =
        (0..calls).filter(|from| run_with_fault(*from, u64::MAX, ErrorKind::StorageFull, false));
    assert!(failed.count() as u64 > calls * 9 / 10);
}

#[test]
fn a_disk_that_fails_at_any_call_loses_nothing_and_works_again_when_it_does() {
    let calls = calls_of_script();
    let failed = (0..calls).filter(|from| run_with_fault(*from, 1, ErrorKind::Other, true));
    assert!(failed.count() as u64 > calls * 9 / 10);
}

#[test]
fn a_panic_inside_the_store_is_an_error_and_the_spool_goes_on() {
    let mut panicked = 0;
    for call in 0.. {
        let disk = Disk::default();
        let spool = open_on(&disk);
        one(&spool, accept(1, 1, 1_000)).unwrap();
        let start = disk.calls();
        disk.panic_at(Some(start + call));
        let batch = [
            accept(2, 2, 9_000),
            settled(1, vec![(0, Outcome::Delivered)]),
        ];
        let done = spool.commit(&batch, Durability::Durable);
        disk.panic_at(None);
        match done {
            Ok(_) => break,
            Err(error) => assert!(matches!(&error, Error::Corrupt(what) if what.contains("page"))),
        }
        panicked += 1;
        let held = dump(&spool);
        assert!(!held.messages.contains_key(&id(2)));
        one(&spool, accept(3, 1, 10)).unwrap();
        drop(spool);
        assert!(dump(&open_on(&disk)).messages.contains_key(&id(3)));
    }
    assert!(panicked > 5, "{panicked}");
}

#[test]
fn while_the_disk_stays_broken_every_call_says_so() {
    let disk = Disk::default();
    let spool = open_on(&disk);
    one(&spool, accept(1, 1, 1_000)).unwrap();
    let kind = ErrorKind::Other;
    disk.set_fault(Some(Fault {
        from_call: 0,
        to_call: u64::MAX,
        kind,
        syncs: true,
    }));
    for n in 2..5 {
        let error = spool
            .commit(&[accept(n, 1, 10)], Durability::Durable)
            .unwrap_err();
        assert!(matches!(error, Error::Io(_)), "{error}");
    }
    disk.set_fault(None);
    assert_eq!(one(&spool, accept(9, 1, 10)), Ok(Done::Done));
    let held = dump(&spool);
    assert_eq!(
        held.messages.keys().copied().collect::<Vec<_>>(),
        [id(1), id(9)]
    );
}

#[test]
fn a_nearly_full_disk_refuses_accepts_and_settles_still_work() {
    let free = Arc::new(AtomicU64::new(u64::MAX));
    let (disk, said) = (Disk::default(), free.clone());
    let limits = Limits {
        disk_free_bytes_min: 1_000_000,
        ..limits()
    };
    let (spool, _) = Spool::open_with_backend(
        move || Ok(disk.clone()),
        move || Ok(said.load(Ordering::Relaxed)),
        limits,
    )
    .unwrap();
    one(&spool, accept(1, 1, 10_000)).unwrap();
    free.store(1_000_000 + 20_000, Ordering::Relaxed);
    let answers = spool
        .commit(
            &[accept(2, 1, 10_000), accept(3, 1, 10_000)],
            Durability::Durable,
        )
        .unwrap();
    assert_eq!(answers, [Ok(Done::Done), Err(Refusal::Full)]);
    free.store(0, Ordering::Relaxed);
    assert_eq!(one(&spool, accept(4, 1, 10)), Err(Refusal::Full));
    one(&spool, settled(1, vec![(0, Outcome::Delivered)])).unwrap();
    free.store(u64::MAX, Ordering::Relaxed);
    one(&spool, accept(4, 1, 10)).unwrap();
}

/// Makes a spool with three messages, lets `spoil` at its tables, and opens it again.
fn spoiled(spoil: impl FnOnce(&redb::WriteTransaction)) -> (Spool, OpenReport) {
    spoiled_after((1..=3).map(|n| accept(n, 2, 5_000)), spoil)
}

fn spoiled_after(
    operations: impl IntoIterator<Item = Operation>,
    spoil: impl FnOnce(&redb::WriteTransaction),
) -> (Spool, OpenReport) {
    let disk = Disk::default();
    let spool = open_on(&disk);
    for operation in operations {
        one(&spool, operation).unwrap();
    }
    spool.close().unwrap();
    let database = redb::Database::builder()
        .create_with_backend(disk.clone())
        .unwrap();
    let txn = database.begin_write().unwrap();
    spoil(&txn);
    txn.commit().unwrap();
    database.close().unwrap();
    let same = disk.clone();
    Spool::open_with_backend(move || Ok(same.clone()), || Ok(u64::MAX), limits()).unwrap()
}

fn number(n: u64) -> u128 {
    id(n).to_u128()
}

#[test]
fn a_message_that_cannot_be_read_is_set_aside_whole_and_the_rest_goes_on() {
    for garbage in [
        &b""[..],
        b"\x01",
        b"\x09 a version of tomorrow",
        b"\x01\xff\xff\xff\xff\xff\xff",
    ] {
        let (spool, report) = spoiled(|txn| {
            txn.open_table(MESSAGES)
                .unwrap()
                .insert(number(2), garbage)
                .unwrap();
        });
        assert_eq!(report.set_aside.len(), 1);
        assert_eq!(
            (report.set_aside[0].table, report.set_aside[0].message),
            ("messages", id(2))
        );
        let held = dump(&spool);
        assert_eq!(
            held.messages.keys().copied().collect::<Vec<_>>(),
            [id(1), id(3)]
        );
        let tables: Vec<_> = held
            .quarantine
            .iter()
            .map(|row| row.table.as_str())
            .collect();
        assert_eq!(tables, ["bodies", "entries", "entries", "messages"]);
        assert!(
            held.quarantine
                .iter()
                .all(|row| row.message() == Some(id(2)))
        );
        assert_eq!(held.quarantine[0].bytes, body_of(2, 5_000));
        assert_eq!(held.quarantine[3].bytes, garbage);
        one(&spool, settled(1, vec![(0, Outcome::Delivered)])).unwrap();
    }
}

#[test]
fn an_entry_that_cannot_be_read_is_set_aside_and_its_siblings_stay() {
    let (spool, report) = spoiled(|txn| {
        txn.open_table(ENTRIES)
            .unwrap()
            .insert((number(2), 0), &b"\x01\x07"[..])
            .unwrap();
    });
    assert_eq!(report.set_aside.len(), 1);
    assert_eq!(report.set_aside[0].table, "entries");
    let now = spool.snapshot().unwrap();
    assert_eq!(now.entries_of(id(2)).unwrap().len(), 1);
    assert_eq!(now.due_before(u64::MAX, None, 100).unwrap().len(), 5);
    assert_eq!(spool.counts().entries(), 5);
    assert_eq!(now.quarantine(10).unwrap()[0].bytes, &b"\x01\x07"[..]);
}

#[test]
fn a_message_whose_last_entry_is_unreadable_is_set_aside_with_it() {
    let (spool, report) = spoiled(|txn| {
        let mut entries = txn.open_table(ENTRIES).unwrap();
        entries.insert((number(2), 0), &b"x"[..]).unwrap();
        entries.insert((number(2), 1), &b"y"[..]).unwrap();
    });
    assert_eq!(report.set_aside.len(), 3);
    let held = dump(&spool);
    assert_eq!(held.messages.len(), 2);
    assert_eq!(held.quarantine.len(), 4);
}

#[test]
fn an_index_that_disagrees_is_built_anew() {
    let (spool, report) = spoiled(|txn| {
        let mut due = txn.open_table(DUE).unwrap();
        due.remove((NOW + 2, number(2), 0)).unwrap();
        due.insert((NOW + 77, number(2), 1), ()).unwrap();
    });
    assert!(report.index_rebuilt && report.set_aside.is_empty());
    assert_eq!(dump(&spool).due.len(), 6);
}

#[test]
fn an_entry_without_its_message_and_an_unreadable_history_row_are_set_aside() {
    let (spool, report) = spoiled(|txn| {
        txn.open_table(MESSAGES).unwrap().remove(number(3)).unwrap();
        txn.open_table(HISTORY)
            .unwrap()
            .insert(number(1), &b"\x01"[..])
            .unwrap();
    });
    let tables: Vec<_> = report.set_aside.iter().map(|row| row.table).collect();
    assert_eq!(tables, ["entries", "entries", "history"]);
    let held = dump(&spool);
    assert_eq!((held.messages.len(), held.quarantine.len()), (2, 3));
}

#[test]
fn a_body_that_is_cut_is_said_to_be_and_can_be_set_aside() {
    let (spool, report) = spoiled(|txn| {
        let mut bodies = txn.open_table(BODIES).unwrap();
        bodies.insert((number(2), 0), &b"only this"[..]).unwrap();
        bodies.remove((number(3), 0)).unwrap();
    });
    assert!(report.set_aside.is_empty(), "bodies are not read at open");
    for n in [2, 3] {
        let error = spool.snapshot().unwrap().body(id(n)).unwrap_err();
        assert!(matches!(error, Error::Unreadable { message, .. } if message == id(n)));
        let aside = Operation::SetAside {
            message: id(n),
            reason: error.to_string(),
        };
        assert_eq!(one(&spool, aside), Ok(Done::Changed(2)));
    }
    let held = dump(&spool);
    assert_eq!(held.messages.len(), 1);
    assert!(
        held.quarantine
            .iter()
            .all(|row| row.reason.contains("body"))
    );
}

#[test]
fn an_operation_on_a_record_spoiled_while_the_spool_is_open_is_refused_alone() {
    let disk = Disk::default();
    let same = disk.clone();
    let limits = Limits {
        cache_bytes: 0,
        ..limits()
    };
    let (spool, _) =
        Spool::open_with_backend(move || Ok(same.clone()), || Ok(u64::MAX), limits).unwrap();
    for n in 1..=3 {
        one(&spool, accept(n, 1, 100)).unwrap();
    }
    assert!(disk.replace_all(b"d2.test", b"d2.te t") > 0);
    let entry = EntryId::new(id(2), 0);
    let error = spool.snapshot().unwrap().entry(entry).unwrap_err();
    assert!(
        matches!(error, Error::Unreadable { message, .. } if message == id(2)),
        "{error}"
    );
    let answers = spool
        .commit(
            &[
                settled(2, vec![(0, deferred(NOW, 1))]),
                settled(3, vec![(0, deferred(NOW, 1))]),
            ],
            Durability::Durable,
        )
        .unwrap();
    assert_eq!(answers[0], Err(Refusal::Unreadable(id(2))));
    assert!(answers[1].is_ok());
    let aside = Operation::SetAside {
        message: id(2),
        reason: error.to_string(),
    };
    assert_eq!(one(&spool, aside), Ok(Done::Changed(1)));
    let now = spool.snapshot().unwrap();
    assert_eq!(now.due_before(u64::MAX, None, 10).unwrap().len(), 2);
    assert_eq!((spool.counts().messages, spool.counts().entries()), (2, 2));
}

#[test]
fn a_spool_from_the_future_is_refused_and_not_touched() {
    let disk = Disk::default();
    let spool = open_on(&disk);
    one(&spool, accept(1, 1, 10)).unwrap();
    spool.close().unwrap();
    let database = redb::Database::builder()
        .create_with_backend(disk.clone())
        .unwrap();
    let txn = database.begin_write().unwrap();
    txn.open_table(META).unwrap().insert("format", 2).unwrap();
    txn.commit().unwrap();
    database.close().unwrap();
    let same = disk.clone();
    let opened = Spool::open_with_backend(move || Ok(same.clone()), || Ok(u64::MAX), limits());
    assert!(matches!(
        opened,
        Err(Error::Version {
            found: 2,
            supported: 1
        })
    ));
    let database = redb::Database::builder().create_with_backend(disk).unwrap();
    let meta = database.begin_read().unwrap().open_table(META).unwrap();
    assert_eq!(meta.get("format").unwrap().unwrap().value(), 2);
}

#[test]
fn a_file_that_is_no_spool_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("spool.redb"), vec![7u8; 100_000]).unwrap();
    let opened = Spool::open(dir.path(), limits());
    assert!(matches!(opened, Err(Error::Corrupt(_))), "{opened:?}");
}

#[test]
fn a_folder_that_cannot_be_made_is_an_error_of_input_and_output() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    assert!(matches!(
        Spool::open(&file.join("spool"), limits()),
        Err(Error::Io(_))
    ));
}

#[test]
fn an_empty_spool_holds_nothing() {
    assert_eq!(dump(&open_on(&Disk::default())), Dump::default());
}

/// Two copies that share the first original, and one that has another.
fn copies() -> [Operation; 2] {
    [
        Operation::Accept(vec![copy(1, 1, 1), copy(2, 1, 1)]),
        Operation::Accept(vec![copy(3, 3, 1)]),
    ]
}

#[test]
fn who_shares_an_original_is_counted_anew_where_the_count_is_wrong() {
    let (spool, report) = spoiled_after(copies(), |txn| {
        let mut uses = txn.open_table(ORIGINAL_USES).unwrap();
        uses.insert(number(1), (7, 20_000)).unwrap();
        uses.insert(number(9), (1, 5)).unwrap();
        let mut originals = txn.open_table(ORIGINALS).unwrap();
        originals.insert((number(9), 0), &b"nobody"[..]).unwrap();
    });
    assert!(report.set_aside.is_empty());
    let held = dump(&spool);
    assert_eq!(held.originals, [(id(1), 2, 20_000), (id(3), 1, 20_000)]);
    for n in 1..=3 {
        one(&spool, settled(n, vec![(0, Outcome::Delivered)])).unwrap();
    }
    assert_eq!(dump(&spool).originals, []);
    assert_eq!(spool.counts(), Counts::default());
}

#[test]
fn copies_whose_original_is_gone_are_set_aside_and_the_rest_goes_on() {
    let (spool, report) = spoiled_after(copies(), |txn| {
        txn.open_table(ORIGINAL_USES)
            .unwrap()
            .remove(number(1))
            .unwrap();
    });
    let aside: Vec<_> = report.set_aside.iter().map(|row| row.message).collect();
    assert_eq!(aside, [id(1), id(2)]);
    let held = dump(&spool);
    assert_eq!(held.messages.keys().copied().collect::<Vec<_>>(), [id(3)]);
    one(&spool, settled(3, vec![(0, Outcome::Delivered)])).unwrap();
    assert_eq!(spool.counts(), Counts::default());
}

#[test]
fn an_original_that_is_cut_is_said_to_be() {
    let (spool, report) = spoiled_after(copies(), |txn| {
        let mut originals = txn.open_table(ORIGINALS).unwrap();
        originals.insert((number(1), 0), &b"only this"[..]).unwrap();
    });
    assert!(
        report.set_aside.is_empty(),
        "originals are not read at open"
    );
    let error = spool.snapshot().unwrap().body(id(1)).unwrap_err();
    assert!(error.to_string().contains("original"), "{error}");
    let aside = Operation::SetAside {
        message: id(1),
        reason: error.to_string(),
    };
    one(&spool, aside).unwrap();
    let quarantine = spool.snapshot().unwrap().quarantine(10).unwrap();
    assert!(
        quarantine
            .iter()
            .any(|row| row.table == "originals" && row.bytes == "only this")
    );
}
