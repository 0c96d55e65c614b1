//! What a million keys of plugins take on disk, how long they take to be written and read, and that they go when their time is over.
//!
//!     cargo run --release -p baton-spool --example keys -- DIR [KEYS]
//!
//! The keys are those of the policy plugin for so many senders: a token bucket for each of them, as the relay keeps it. Writes come
//! in flushes of 10 000, as the relay's do twice a second.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use baton_spool::*;
use bytes::Bytes;

const NOW: u64 = 1_767_225_600_000;
const DAY_MS: u64 = 86_400_000;
const FLUSH: u64 = 10_000;
/// Rows of one step of a sweep, as the relay has it.
const STEP: u32 = 1_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let dir = PathBuf::from(arguments.next().expect("a folder on the disk to measure"));
    let keys: u64 = arguments
        .next()
        .map_or(1_000_000, |text| text.parse().expect("a number"));
    let path = dir.join("bench-keys");
    let _ = std::fs::remove_dir_all(&path);
    let (spool, _) = Spool::open(&path, Limits::default()).expect("opens");

    let started = Instant::now();
    write_all(&spool, keys);
    let took = started.elapsed();
    let usage = spool
        .snapshot()
        .expect("reads")
        .kv_usage("policy")
        .expect("counts");
    println!(
        "{keys} keys written in {took:.1?}: {} MiB on disk, {} MiB of keys and values, {} rows",
        mebibytes(&path),
        usage.bytes >> 20,
        usage.rows
    );
    let started = Instant::now();
    write_all(&spool, keys);
    println!(
        "all written again in {:.1?}: {} MiB on disk",
        started.elapsed(),
        mebibytes(&path)
    );
    read_some(&spool, keys);
    expire(&spool);
    println!("after their time: {} MiB on disk", mebibytes(&path));
    write_all(&spool, keys);
    println!("and once more so many: {} MiB on disk", mebibytes(&path));
    spool.close().expect("closes");
    let (spool, _) = Spool::open(&path, Limits::default()).expect("opens");
    println!("after a close: {} MiB on disk", mebibytes(&path));
    spool.close().expect("closes");
    let _ = std::fs::remove_dir_all(&path);
}

/// As the relay names a bucket: a mark and twenty characters of a digest, in no order.
fn key(number: u64) -> Bytes {
    let scattered = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    Bytes::from(format!("\0b{scattered:016x}{:04x}", number & 0xffff))
}

fn write_all(spool: &Spool, keys: u64) {
    for first in (0..keys).step_by(FLUSH as usize) {
        let writes = (first..keys.min(first + FLUSH)).map(|number| KvWrite {
            namespace: "policy".into(),
            key: key(number),
            value: Some(Bytes::copy_from_slice(&[7; 16])),
            expires_ms: Some(NOW + DAY_MS + number % 3_600_000),
        });
        let flush = Operation::Kv(writes.collect());
        for answer in spool
            .commit(&[flush], Durability::Durable)
            .expect("commits")
        {
            answer.expect("nothing is refused");
        }
    }
}

fn read_some(spool: &Spool, keys: u64) {
    const READS: u64 = 100_000;
    let started = Instant::now();
    let mut found = 0;
    for number in 0..READS {
        let snapshot = spool.snapshot().expect("reads");
        let row = snapshot
            .kv_get("policy", &key(number * 7_919 % keys), NOW)
            .expect("reads");
        found += u64::from(row.is_some());
    }
    assert_eq!(found, READS);
    let each = started.elapsed().as_secs_f64() * 1e6 / READS as f64;
    println!("a read of a row that is not in memory: {each:.1} microseconds");
}

/// As the relay does it: short steps, and a rest after each for as long as it took.
fn expire(spool: &Spool) {
    let started = Instant::now();
    let (mut steps, mut longest) = (0, Duration::ZERO);
    loop {
        let sweep = Operation::Sweep {
            now_ms: NOW + 3 * DAY_MS,
            rows_max: STEP,
        };
        let began = Instant::now();
        let answers = spool
            .commit(&[sweep], Durability::Durable)
            .expect("commits");
        let took = began.elapsed();
        steps += 1;
        longest = longest.max(took);
        if answers[0].as_ref().expect("is not refused") != &Done::Changed(u64::from(STEP)) {
            break;
        }
        std::thread::sleep(took);
    }
    let snapshot = spool.snapshot().expect("reads");
    assert_eq!(snapshot.kv_usage("policy").expect("counts").rows, 0);
    println!(
        "removed in {:.1?}: {steps} steps, the longest of {longest:.1?}, and a rest after each",
        started.elapsed()
    );
}

/// What the disk has given away; a file may be longer than that.
fn mebibytes(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let files = std::fs::read_dir(path).expect("a folder");
    let bytes: u64 = files
        .filter_map(|entry| Some(entry.ok()?.metadata().ok()?.blocks() * 512))
        .sum();
    bytes >> 20
}
