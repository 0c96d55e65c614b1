//! Events for others: in order, for each reader at its own pace, as true as the operation that they tell of.

use baton_spool::*;
use bytes::Bytes;

fn spool(events_max: u64) -> (tempfile::TempDir, Spool) {
    let folder = tempfile::tempdir().unwrap();
    let limits = Limits {
        events_max,
        ..Limits::default()
    };
    let (spool, _) = Spool::open(folder.path(), limits).unwrap();
    (folder, spool)
}

fn rows(texts: &[&str]) -> Operation {
    let rows = texts.iter().map(|text| Bytes::from(text.to_string()));
    Operation::Events {
        rows: rows.collect(),
        if_done: false,
    }
}

fn readers(names: &[&str]) -> Operation {
    Operation::EventReaders(names.iter().map(|name| name.to_string()).collect())
}

fn run(spool: &Spool, operations: &[Operation]) -> Vec<Answer> {
    spool.commit(operations, Durability::Durable).unwrap()
}

fn texts(spool: &Spool, reader: &str) -> Vec<String> {
    let page = spool.snapshot().unwrap().events(reader, 100, 1000).unwrap();
    let text = |(_, row): (u64, Bytes)| String::from_utf8(row.to_vec()).unwrap();
    page.rows.into_iter().map(text).collect()
}

fn read(spool: &Spool, reader: &str, next: u64) {
    let reader = reader.to_owned();
    run(spool, &[Operation::EventsRead { reader, next }]);
}

#[test]
fn each_reader_goes_on_from_its_own_place_and_rows_go_with_the_slowest() {
    let (folder, spool) = spool(100);
    run(&spool, &[rows(&["nobody reads this"])]);
    run(&spool, &[readers(&["a", "b"])]);
    run(&spool, &[rows(&["1", "2"]), rows(&["3"])]);
    assert_eq!(texts(&spool, "a"), ["1", "2", "3"]);
    let page = spool.snapshot().unwrap().events("a", 2, 1000).unwrap();
    assert_eq!(page.rows.len(), 2);
    read(&spool, "a", page.rows[1].0 + 1);
    assert_eq!(texts(&spool, "a"), ["3"]);
    assert_eq!(texts(&spool, "b"), ["1", "2", "3"]);
    assert_eq!(spool.snapshot().unwrap().events_len().unwrap(), 3);
    // A place does not go back, and not beyond the end.
    read(&spool, "a", 1);
    read(&spool, "b", u64::MAX);
    assert_eq!(texts(&spool, "a"), ["3"]);
    assert_eq!(spool.snapshot().unwrap().events_len().unwrap(), 1);
    read(&spool, "a", page.rows[1].0 + 2);
    spool.close().unwrap();
    let (spool, _) = Spool::open(folder.path(), Limits::default()).unwrap();
    run(&spool, &[readers(&["a", "b"]), rows(&["4"])]);
    assert_eq!(
        (texts(&spool, "a"), texts(&spool, "b")),
        (vec!["4".to_owned()], vec!["4".to_owned()])
    );
    // Who reads no more holds up nobody.
    run(&spool, &[readers(&["a"])]);
    assert_eq!(texts(&spool, "b"), Vec::<String>::new());
}

#[test]
fn what_is_refused_is_told_to_nobody() {
    let (_folder, spool) = spool(100);
    run(&spool, &[readers(&["a"])]);
    let refused = Settle::new(MessageId::new(1, 1), 1);
    let told = Operation::Events {
        rows: vec![Bytes::from_static(b"false")],
        if_done: true,
    };
    let answers = run(
        &spool,
        &[Operation::Settle(Box::new(refused)), told.clone()],
    );
    assert!(answers[0].is_err());
    assert_eq!(texts(&spool, "a"), Vec::<String>::new());
    run(&spool, &[Operation::InboxClear, told]);
    assert_eq!(texts(&spool, "a"), ["false"]);
}

#[test]
fn too_many_push_out_the_oldest_and_the_reader_learns_how_many() {
    let (_folder, spool) = spool(3);
    run(&spool, &[readers(&["a"])]);
    run(&spool, &[rows(&["1", "2", "3", "4", "5"])]);
    let page = spool.snapshot().unwrap().events("a", 100, 1000).unwrap();
    assert_eq!((page.lost, page.rows.len()), (2, 3));
    assert_eq!(texts(&spool, "a"), ["3", "4", "5"]);
}

#[test]
fn a_page_has_its_bytes_and_one_row_whatever_its_size() {
    let (_folder, spool) = spool(100);
    run(&spool, &[readers(&["a"])]);
    let long = "x".repeat(500);
    run(&spool, &[rows(&[&long, "b", "c"])]);
    let page = |bytes_max| {
        spool
            .snapshot()
            .unwrap()
            .events("a", 100, bytes_max)
            .unwrap()
    };
    assert_eq!(page(10).rows.len(), 1);
    assert_eq!(page(501).rows.len(), 2);
}
