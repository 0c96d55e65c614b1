use baton_smtp::{Mailbox, Recipient, ReversePath};
use baton_spool::{EntryState, NewEntry, Origin, Outcome};

use super::*;

fn message(store: &Store, to: &str, text: &'static str) -> NewMessage {
    let mailbox: Mailbox = to.parse().expect("a mailbox");
    NewMessage {
        id: store.new_id(),
        received_ms: 1,
        sender: ReversePath::Null,
        parameters: Vec::new(),
        recipients: vec![NewEntry {
            recipient: Recipient::from(mailbox),
            state: EntryState::Due(1),
            notes: Bytes::new(),
        }],
        origin: Origin::default(),
        tags: Vec::new(),
        plugins: Vec::new(),
        subject: None,
        meta: Bytes::new(),
        body: vec![Bytes::from_static(text.as_bytes())],
        copy_of: None,
        trace: Bytes::new(),
    }
}

fn open(limits: Limits) -> (tempfile::TempDir, Store, Handover) {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, handover, _report) = Store::open(dir.path(), limits).expect("a spool");
    (dir, store, handover)
}

#[tokio::test]
async fn what_is_accepted_is_in_the_spool_and_handed_to_the_queue() {
    let (_dir, store, mut handover) = open(Limits::default());
    let new = message(&store, "joe@example.net", "hello");
    let id = new.id;
    store.accept(vec![new], Vec::new()).await.expect("accepted");
    let body = store.body(id).await.expect("read").expect("it waits");
    assert_eq!(body.concat(), b"hello");
    let fresh = handover.fresh.recv().await.expect("handed over");
    assert_eq!((fresh.message.id, fresh.entries.len()), (id, 1));
    assert_eq!(fresh.body.expect("the body").pieces.concat(), b"hello");
    assert!(!handover.missed.take());
}

#[tokio::test]
async fn many_accepts_share_a_few_commits_and_all_are_durable() {
    let (dir, store, _handover) = open(Limits::default());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..100 {
        let store = store.clone();
        tasks.spawn(async move {
            let new = message(&store, "joe@example.net", "hello");
            let id = new.id;
            store.accept(vec![new], Vec::new()).await.map(|()| id)
        });
    }
    let mut ids = Vec::new();
    while let Some(id) = tasks.join_next().await {
        ids.push(id.expect("no panic").expect("accepted"));
    }
    store.close().await;
    drop(store);
    let (store, _handover, _report) = Store::open(dir.path(), Limits::default()).expect("again");
    let snapshot = store.snapshot().expect("a snapshot");
    for id in ids {
        assert!(snapshot.message(id).expect("read").is_some(), "{id}");
    }
}

#[tokio::test]
async fn a_spool_that_is_full_says_so_and_still_settles() {
    let limits = Limits {
        spool_bytes_max: 8192,
        ..Limits::default()
    };
    let (_dir, store, _handover) = open(limits);
    let first = message(&store, "joe@example.net", "hello");
    let id = first.id;
    store
        .accept(vec![first], Vec::new())
        .await
        .expect("there is room for one");
    let second = message(&store, "joe@example.net", "hello");
    let refused = store.accept(vec![second], Vec::new()).await;
    assert!(matches!(refused, Err(StoreError::Full(_))), "{refused:?}");
    let mut settle = Settle::new(id, 2);
    settle.outcomes.push((0, Outcome::Delivered));
    store.settle(settle).await.expect("settled");
    let third = message(&store, "joe@example.net", "hello");
    store
        .accept(vec![third], Vec::new())
        .await
        .expect("there is room again");
}

#[tokio::test]
async fn what_cannot_be_handed_over_is_told_of() {
    let (_dir, store, handover) = open(Limits::default());
    drop(handover.fresh);
    let new = message(&store, "joe@example.net", "hello");
    store.accept(vec![new], Vec::new()).await.expect("accepted");
    assert!(handover.missed.take());
}

#[tokio::test]
async fn nothing_is_answered_ok_after_the_end() {
    let (_dir, store, _handover) = open(Limits::default());
    store.close().await;
    let new = message(&store, "joe@example.net", "hello");
    let answer = store.accept(vec![new], Vec::new()).await;
    assert!(matches!(answer, Err(StoreError::Closed)), "{answer:?}");
}
