//! How many messages a second, and how much processor time each.
//!
//!     cargo run --release -p baton-spool --example commits -- DIR [WRITERS [SECONDS [BYTES [BACKLOG [CACHE_MIB]]]]]
//!
//! One committer does what the relay's writer thread does with so many sessions waiting: each commit accepts one message
//! of each and settles those of the commit before. With a BACKLOG, so many deferred messages are there first. Prints the
//! rate, the time of this thread on a processor per message, and how long an open takes after a close and after a kill.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use baton_spool::*;
use bytes::Bytes;

const NOW: u64 = 1_750_000_000_000;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let dir = PathBuf::from(arguments.next().expect("a folder on the disk to measure"));
    let mut number = |default: u64| match arguments.next() {
        Some(text) => text.parse().expect("a number"),
        None => default,
    };
    let (writers, seconds, bytes, backlog) = (number(64), number(5), number(10_240), number(0));
    let cache_bytes = (number(Limits::default().cache_bytes as u64 >> 20) as usize) << 20;
    let limits = Limits {
        cache_bytes,
        ..Limits::default()
    };
    let path = dir.join("bench-spool");
    let _ = std::fs::remove_dir_all(&path);

    let body: Bytes = (0..bytes).map(|i| (i * 31 % 251) as u8).collect();
    let (spool, _) = Spool::open(&path, limits.clone()).expect("opens");
    let mut ids = IdSource::default();
    let mut new = |due_ms| message(&mut ids, due_ms, &body);
    if backlog > 0 {
        fill(&spool, backlog, &mut new);
    }
    println!("accepts alone, then accepts with the settles of the commit before:");
    for settles in [false, true] {
        measure(
            &spool,
            writers,
            Duration::from_secs(seconds),
            settles,
            &mut new,
        );
    }
    report_opens(spool, &path, &limits);
    let _ = std::fs::remove_dir_all(&path);
}

fn message(ids: &mut IdSource, due_ms: u64, body: &Bytes) -> NewMessage {
    let id = ids.next(NOW, 1);
    let mailbox = |text: &str| text.parse::<baton_smtp::Mailbox>().expect("a mailbox");
    NewMessage {
        id,
        received_ms: NOW,
        sender: mailbox("newsletter@shop.example.org").into(),
        parameters: Vec::new(),
        recipients: vec![NewEntry {
            recipient: mailbox("somebody@d17.test").into(),
            state: EntryState::Due(due_ms),
            notes: Bytes::new(),
        }],
        origin: Origin {
            listener: "submission".into(),
            session: id.to_string(),
            peer: Some([127, 0, 0, 1].into()),
            helo: Some("client.example.org".into()),
            ..Origin::default()
        },
        tags: Vec::new(),
        plugins: ["link-tracking", "isp-responses", "routing", "policy"]
            .map(|name| PluginVersion {
                name: name.into(),
                digest: "a1".repeat(32),
            })
            .into(),
        subject: Some("An offer that fits in a line".into()),
        meta: Bytes::new(),
        // As the relay hands it over: the stamp, and what was received.
        body: vec![
            body.slice(..300.min(body.len())),
            body.slice(300.min(body.len())..),
        ],
        copy_of: None,
        trace: Bytes::from(vec![b't'; 600]),
    }
}

fn fill(spool: &Spool, backlog: u64, new: &mut impl FnMut(u64) -> NewMessage) {
    let started = Instant::now();
    for first in (0..backlog).step_by(500) {
        let batch: Vec<_> = (first..backlog.min(first + 500))
            .map(|n| Operation::Accept(vec![new(NOW + 3_600_000 + n * 7_919 % 1_000_000)]))
            .collect();
        spool.commit(&batch, Durability::Durable).expect("commits");
    }
    println!(
        "backlog of {backlog} written in {:?}; resident {} MiB",
        started.elapsed(),
        resident()
    );
}

fn measure(
    spool: &Spool,
    writers: u64,
    time: Duration,
    settles: bool,
    new: &mut impl FnMut(u64) -> NewMessage,
) {
    let (mut messages, mut commits) = (0, 0);
    let mut before: Vec<MessageId> = Vec::new();
    let (started, processor) = (Instant::now(), on_processor());
    let mut making = Duration::ZERO;
    while started.elapsed() < time {
        // What it costs to make the messages is not the spool's.
        let make = on_processor();
        let fresh: Vec<_> = (0..writers).map(|_| new(NOW)).collect();
        let accepted: Vec<_> = fresh.iter().map(|message| message.id).collect();
        let mut batch: Vec<_> = fresh
            .into_iter()
            .map(|message| Operation::Accept(vec![message]))
            .collect();
        for id in std::mem::take(&mut before) {
            batch.push(Operation::Settle(Box::new(Settle {
                outcomes: vec![(0, Outcome::Delivered)],
                log: vec![Bytes::from(vec![b'a'; 300])],
                ..Settle::new(id, NOW)
            })));
        }
        making += on_processor() - make;
        for answer in spool.commit(&batch, Durability::Durable).expect("commits") {
            answer.expect("nothing is refused");
        }
        if settles {
            before = accepted;
        }
        messages += writers;
        commits += 1;
    }
    let (elapsed, processor) = (started.elapsed(), on_processor() - processor - making);
    println!(
        "{:>7.0} messages/s  {:>6.1} us on a processor each  {:>5.2} ms per commit  {} commits",
        messages as f64 / elapsed.as_secs_f64(),
        processor.as_secs_f64() * 1e6 / messages as f64,
        elapsed.as_secs_f64() * 1e3 / commits as f64,
        commits,
    );
}

fn report_opens(spool: Spool, path: &Path, limits: &Limits) {
    let file = path.join("spool.redb");
    let killed = path.join("killed");
    std::fs::create_dir_all(&killed).expect("a folder");
    // What a kill leaves is what the file holds now.
    std::fs::copy(&file, killed.join("spool.redb")).expect("a copy");
    let length = std::fs::metadata(&file).map(|meta| meta.len()).unwrap_or(0);
    let counts = spool.counts();
    spool.close().expect("closes");
    for (what, path) in [("a close", path), ("a kill", &killed)] {
        let (started, processor) = (Instant::now(), on_processor());
        let (spool, report) = Spool::open(path, limits.clone()).expect("opens");
        assert_eq!(report.counts, counts);
        println!(
            "open after {what}: {:?}, {:?} on a processor ({} MiB, {} messages, recovered: {}); resident {} MiB",
            started.elapsed(),
            on_processor() - processor,
            length >> 20,
            counts.messages,
            report.recovered,
            resident(),
        );
        spool.close().expect("closes");
    }
}

/// Time this thread has spent on a processor.
fn on_processor() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds = text
        .split(' ')
        .next()
        .and_then(|first| first.parse().ok())
        .unwrap_or(0);
    Duration::from_nanos(nanoseconds)
}

fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages: u64 = text
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok())
        .unwrap_or(0);
    (pages * 4096) >> 20
}
