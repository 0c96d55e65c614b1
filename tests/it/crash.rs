//! Kill -9 under load and restart, many rounds: every message answered with 250 is delivered or still queued.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use baton_tests::{Client, Relay, Script, eventually, within};
use tokio::task::JoinSet;

use crate::world::World;

const ROUNDS: usize = 6;
const SESSIONS: usize = 6;
/// Accepted in a round before the relay is killed.
const PER_ROUND: usize = 120;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_answered_with_250_is_lost_when_the_relay_is_killed() {
    let world = World::new().await;
    world.domain("dest.test", &[1]);
    let mx = world.exchanger(1, Script::default()).await;
    let mut relay = world.relay().await;
    let mut accepted = BTreeSet::new();
    for round in 0..ROUNDS {
        accepted.append(&mut load_until_killed(&mut relay, round).await);
        relay.restart().await;
    }
    let wanted = accepted.clone();
    eventually(
        "all that was answered with 250 arrives",
        Duration::from_secs(90),
        async || {
            let seen: BTreeSet<String> = mx.received().iter().map(|r| subject(&r.text())).collect();
            wanted.is_subset(&seen).then_some(())
        },
    )
    .await;
    assert!(
        accepted.len() >= ROUNDS * PER_ROUND,
        "the load was real: {}",
        accepted.len()
    );

    // Once is usual. Twice only where a kill cut off the answer to an attempt: at most one message per open connection and kill.
    let mut times: BTreeMap<String, usize> = BTreeMap::new();
    for received in mx.received() {
        *times.entry(subject(&received.text())).or_default() += 1;
    }
    let doubled: usize = times.values().map(|n| n - 1).sum();
    assert!(
        doubled <= ROUNDS * mx.open_most(),
        "{doubled} doubled, {} connections",
        mx.open_most()
    );
}

fn subject(message: &str) -> String {
    let line = message
        .lines()
        .find(|l| l.starts_with("Subject: "))
        .unwrap_or_default();
    line.trim_start_matches("Subject: ").to_owned()
}

/// Sends from several sessions at once and kills the relay in the middle; the subjects that were answered with 250.
async fn load_until_killed(relay: &mut Relay, round: usize) -> BTreeSet<String> {
    let (done, mut count) = tokio::sync::mpsc::unbounded_channel();
    let mut sessions = JoinSet::new();
    for session in 0..SESSIONS {
        let (smtp, done) = (relay.smtp, done.clone());
        sessions.spawn(async move {
            let mut accepted = BTreeSet::new();
            let Ok(mut client) = Client::ehlo(smtp).await else {
                return accepted;
            };
            for n in 0.. {
                let subject = format!("{round}-{session}-{n}");
                let message = format!("Subject: {subject}\r\n\r\n{}\r\n", "x".repeat(500));
                match client
                    .deliver("a@sender.test", &["b@dest.test"], message)
                    .await
                {
                    Ok(reply) if reply.code == 250 => {
                        accepted.insert(subject);
                        let _ = done.send(());
                    }
                    _ => break,
                }
            }
            accepted
        });
    }
    drop(done);
    within("enough is accepted", Duration::from_secs(60), async {
        for _ in 0..PER_ROUND {
            count
                .recv()
                .await
                .expect("the sessions go on until the kill");
        }
    })
    .await;
    relay.kill();
    sessions.join_all().await.into_iter().flatten().collect()
}

#[tokio::test]
async fn sigterm_drains_and_ends_well() {
    let world = World::new().await;
    world.domain("dest.test", &[1]);
    let mx = world.exchanger(1, Script::default()).await;
    let mut relay = world.relay().await;
    let mut open = Client::ehlo(relay.smtp).await.unwrap();
    let reply = open
        .deliver("a@s.test", &["b@dest.test"], "Subject: x\r\n\r\nx\r\n")
        .await
        .unwrap();
    assert_eq!(reply.code, 250);
    assert!(relay.stop().await);
    // What it had accepted was sent, or is sent after the next start.
    relay.restart().await;
    mx.wait_for(1).await;
}

#[tokio::test]
async fn a_second_relay_on_the_same_state_is_refused() {
    let relay = Relay::dev().await;
    let state = relay.dir.join("state").display().to_string();
    let (smtp, http) = (
        baton_tests::relay::free_port(),
        baton_tests::relay::free_port(),
    );
    let output = baton_tests::relay::run(&[
        "dev",
        "--state",
        &state,
        "--smtp",
        &format!("127.0.0.1:{smtp}"),
        "--http",
        &format!("127.0.0.1:{http}"),
    ]);
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains(&state) || text.contains("already"), "{text}");
}
