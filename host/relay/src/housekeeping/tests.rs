use std::time::Duration;

use baton_spool::{KvWrite, Limits};
use bytes::Bytes;

use super::*;

const EXPIRED: u64 = 25 * limits::SWEEP_ROWS_MAX as u64;

fn row(number: u64, expires_ms: Option<u64>) -> KvWrite {
    KvWrite {
        namespace: "policy".into(),
        key: Bytes::from(format!("key {number}")),
        value: Some(Bytes::from_static(&[7; 16])),
        expires_ms,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn however_much_has_expired_goes_in_one_sweep_and_nobody_waits_for_the_whole_of_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let (store, _handover, _report) = Store::open(dir.path(), Limits::default()).expect("a spool");
    let mut rows: Vec<KvWrite> = (0..EXPIRED).map(|n| row(n, Some(1000 + n % 7))).collect();
    rows.push(row(EXPIRED, Some(2001)));
    rows.push(row(EXPIRED + 1, None));
    store
        .commit(vec![Operation::Kv(rows)])
        .await
        .expect("written");
    let left = || {
        let snapshot = store.snapshot().expect("reads");
        snapshot.kv_usage("policy").expect("counts").rows
    };
    assert_eq!(left(), EXPIRED + 2);

    let sweeping = tokio::spawn({
        let store = store.clone();
        async move { sweep_all(&store, 2000).await }
    });
    // Others commit meanwhile: so long as rows are left, what they wait for is less than all of it.
    let mut commits = 0;
    let mut seen = Vec::new();
    while !sweeping.is_finished() {
        let write = Operation::Kv(vec![row(EXPIRED + 2, None)]);
        store.commit(vec![write]).await.expect("written");
        commits += 1;
        seen.push(left());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(sweeping.await.expect("ended").expect("swept"), EXPIRED);
    assert_eq!(left(), 3, "what has not expired stays");
    seen.dedup();
    assert!(
        commits > 2 && seen.len() > 2,
        "{commits} commits saw {seen:?}"
    );
}
