use super::*;
use crate::store::Store;

const QUOTA: u64 = 10_000;
const MINUTE: Option<Duration> = Some(Duration::from_secs(60));

fn open(dir: &std::path::Path) -> (Kv, Store) {
    let (store, _handover, _report) =
        Store::open(dir, baton_spool::Limits::default()).expect("a spool");
    (Kv::new(store.clone()), store)
}

fn bytes(text: &'static str) -> Bytes {
    Bytes::from_static(text.as_bytes())
}

#[tokio::test]
async fn what_was_flushed_is_there_after_a_restart() {
    let dir = tempfile::tempdir().expect("a folder");
    let (kv, store) = open(dir.path());
    kv.set("a", QUOTA, "kept", bytes("1"), None, 1)
        .expect("set");
    kv.set("a", QUOTA, "gone", bytes("2"), None, 1)
        .expect("set");
    kv.flush().await.expect("flush");
    assert_eq!(kv.delete("a", "gone", 1), Ok(true));
    assert_eq!(kv.increment("a", QUOTA, "count", 5, None, 1), Ok(5.0));
    kv.flush().await.expect("flush");
    store.close().await;
    drop((kv, store));
    let (kv, _store) = open(dir.path());
    assert_eq!(kv.get("a", "kept", 1), Ok(Some(bytes("1"))));
    assert_eq!(kv.get("a", "gone", 1), Ok(None));
    assert_eq!(
        kv.get("b", "kept", 1),
        Ok(None),
        "another plugin's rows are not seen"
    );
    assert_eq!(kv.increment("a", QUOTA, "count", -2, None, 1), Ok(3.0));
}

#[tokio::test]
async fn values_end_with_their_time_and_counters_keep_their_first_one() {
    let dir = tempfile::tempdir().expect("a folder");
    let (kv, _store) = open(dir.path());
    kv.set("a", QUOTA, "k", bytes("v"), MINUTE, 1000)
        .expect("set");
    assert_eq!(kv.get("a", "k", 60_999), Ok(Some(bytes("v"))));
    assert_eq!(kv.get("a", "k", 61_000), Ok(None));
    assert_eq!(
        kv.set_if_absent("a", QUOTA, "k", bytes("w"), MINUTE, 61_000),
        Ok(true)
    );
    assert_eq!(
        kv.set_if_absent("a", QUOTA, "k", bytes("x"), MINUTE, 61_001),
        Ok(false)
    );
    kv.increment("a", QUOTA, "n", 1, MINUTE, 0).expect("one");
    assert_eq!(kv.increment("a", QUOTA, "n", 1, MINUTE, 59_000), Ok(2.0));
    assert_eq!(kv.increment("a", QUOTA, "n", 1, MINUTE, 60_000), Ok(1.0));
}

#[tokio::test]
async fn a_quota_stops_growth_and_not_shrinking() {
    let dir = tempfile::tempdir().expect("a folder");
    let (kv, _store) = open(dir.path());
    kv.set("a", 20, "k", bytes("0123456789"), None, 1)
        .expect("fits");
    assert_eq!(
        kv.set("a", 20, "l", bytes("0123456789"), None, 1),
        Err(KvError::Quota)
    );
    kv.set("a", 20, "k", bytes("01"), None, 1).expect("shrinks");
    kv.set("a", 20, "l", bytes("0123456789"), None, 1)
        .expect("fits now");
    kv.flush().await.expect("flush");
    assert_eq!(
        kv.set("a", 20, "m", bytes("0123456789"), None, 1),
        Err(KvError::Quota)
    );
    assert_eq!(kv.delete("a", "l", 1), Ok(true));
    kv.set("a", 20, "m", bytes("0123456789"), None, 1)
        .expect("fits after the deletion");
}

#[tokio::test]
async fn keys_are_listed_in_order_from_memory_and_disk_alike() {
    let dir = tempfile::tempdir().expect("a folder");
    let (kv, _store) = open(dir.path());
    for key in ["p/1", "p/3", "p/5", "q/1"] {
        kv.set("a", QUOTA, key, bytes("v"), None, 1).expect("set");
    }
    kv.flush().await.expect("flush");
    *lock(&kv.namespace("a")) = Namespace::default();
    kv.set("a", QUOTA, "p/2", bytes("v"), None, 1).expect("set");
    kv.delete("a", "p/3", 1).expect("delete");
    kv.take("a", QUOTA, "p/bucket", 1.0, 1.0, 1.0, 1)
        .expect("take");
    assert_eq!(
        kv.keys("a", "p/", None, 10, 1).expect("keys"),
        ["p/1", "p/2", "p/5"]
    );
    assert_eq!(
        kv.keys("a", "p/", Some("p/1"), 1, 1).expect("keys"),
        ["p/2"]
    );
    assert_eq!(
        kv.keys("a", "", None, 10, 1).expect("keys"),
        ["p/1", "p/2", "p/5", "q/1"]
    );
}

#[tokio::test]
async fn a_bucket_is_shared_and_survives_a_restart() {
    let dir = tempfile::tempdir().expect("a folder");
    let (kv, store) = open(dir.path());
    let take = |kv: &Kv, now_ms| {
        kv.take("a", QUOTA, "joe", 1.0, 0.1, 2.0, now_ms)
            .expect("take")
    };
    assert!(take(&kv, 0) && take(&kv, 0) && !take(&kv, 0));
    kv.flush().await.expect("flush");
    store.close().await;
    drop((kv, store));
    let (kv, _store) = open(dir.path());
    assert!(!take(&kv, 9_000));
    assert!(take(&kv, 10_000));
}

#[tokio::test]
async fn however_much_was_changed_is_written_in_steps_and_none_of_it_is_left_out() {
    const ROWS: usize = 2 * limits::KV_WRITES_MAX + 500;
    let dir = tempfile::tempdir().expect("a folder");
    let (kv, store) = open(dir.path());
    for plugin in ["a", "b"] {
        for n in 0..ROWS {
            kv.set(plugin, u64::MAX, &format!("{n}"), bytes("1"), None, 1)
                .expect("set");
        }
    }
    let written = |plugin: &str| {
        let snapshot = store.snapshot().expect("reads");
        snapshot.kv_usage(plugin).expect("counts").rows as usize
    };
    let mut steps = Vec::new();
    let flush = kv.flush();
    tokio::pin!(flush);
    loop {
        tokio::select! {
            done = &mut flush => break done.expect("flush"),
            () = tokio::task::yield_now() => steps.push(written("a") + written("b")),
        }
    }
    assert_eq!((written("a"), written("b")), (ROWS, ROWS));
    steps.dedup();
    let steps_max = steps.windows(2).map(|pair| pair[1] - pair[0]).max();
    assert!(
        steps_max.is_some_and(|most| most <= 2 * limits::KV_WRITES_MAX),
        "{steps:?}"
    );
    let all = |namespace: &Namespace| namespace.rows.values().all(|row| row.state == State::Clean);
    assert!(all(&lock(&kv.namespace("a"))) && all(&lock(&kv.namespace("b"))));
}

#[tokio::test]
async fn a_small_namespace_is_in_memory_as_a_whole_and_asking_in_vain_leaves_nothing_there() {
    let dir = tempfile::tempdir().expect("a folder");
    let (kv, store) = open(dir.path());
    for key in ["k", "l"] {
        kv.set("a", QUOTA, key, bytes("v"), None, 1).expect("set");
    }
    kv.flush().await.expect("flush");
    store.close().await;
    drop((kv, store));
    let (kv, _store) = open(dir.path());
    assert_eq!(kv.get("a", "m", 1), Ok(None));
    assert_eq!(kv.get("a", "l", 1), Ok(Some(bytes("v"))));
    let namespace = kv.namespace("a");
    assert!(lock(&namespace).held == Held::Whole);
    assert_eq!(lock(&namespace).rows.len(), 2);
}

#[tokio::test]
async fn what_gave_way_in_memory_is_found_on_the_disk_again() {
    let dir = tempfile::tempdir().expect("a folder");
    let (kv, _store) = open(dir.path());
    let rows = limits::KV_ROWS_CACHED_MAX + 10;
    for n in 0..rows {
        if n == limits::KV_ROWS_CACHED_MAX {
            kv.flush().await.expect("flush");
        }
        kv.set("a", u64::MAX, &format!("{n}"), bytes("v"), None, 1)
            .expect("set");
    }
    let namespace = kv.namespace("a");
    assert!(lock(&namespace).held == Held::Part);
    assert_eq!(lock(&namespace).rows.len(), 10);
    assert_eq!(kv.get("a", "0", 1), Ok(Some(bytes("v"))));
    assert_eq!(kv.get("a", &format!("{rows}"), 1), Ok(None));
    assert_eq!(kv.delete("a", "1", 1), Ok(true));
}

#[tokio::test]
async fn a_large_namespace_is_read_row_by_row() {
    let dir = tempfile::tempdir().expect("a folder");
    let (kv, _store) = open(dir.path());
    for n in 0..=limits::KV_WHOLE_ROWS_MAX {
        kv.set("a", u64::MAX, &format!("{n}"), bytes("v"), None, 1)
            .expect("set");
    }
    kv.flush().await.expect("flush");
    *lock(&kv.namespace("a")) = Namespace::default();
    assert_eq!(kv.get("a", "7", 1), Ok(Some(bytes("v"))));
    assert_eq!(kv.get("a", "x", 1), Ok(None));
    assert!(lock(&kv.namespace("a")).held == Held::Part);
}
