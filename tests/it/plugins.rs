//! The plugins folder while mail flows, and what the decisions of a plugin look like on the wire.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use baton_tests::guests::guest;
use baton_tests::{Client, Relay, Script, eventually};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::world::World;

const MESSAGE: &str = "From: a@sender.test\r\nSubject: x\r\n\r\nbody\r\n";

/// Puts a component into the folder as a careful tool does: whole, by rename.
fn drop_in(folder: &Path, name: &str, bytes: &[u8]) {
    let partial = folder.join(format!(".{name}.partial"));
    std::fs::write(&partial, bytes).unwrap();
    std::fs::rename(partial, folder.join(format!("{name}.wasm"))).unwrap();
}

async fn plugin(relay: &Relay, name: &str) -> Option<Value> {
    let list = relay.api("/api/v1/plugins").await;
    let plugins = list
        .as_array()
        .or_else(|| list["plugins"].as_array())
        .expect("a list")
        .clone();
    plugins.into_iter().find(|p| p["name"] == name)
}

async fn wait_until_active(relay: &Relay, name: &str) -> String {
    eventually(
        &format!("{name} is active"),
        Duration::from_secs(30),
        async || {
            let plugin = plugin(relay, name).await?;
            (plugin["state"] == "active").then(|| plugin["digest"].as_str().unwrap().to_owned())
        },
    )
    .await
}

async fn wait_for_digest(relay: &Relay, name: &str, not: &str) -> String {
    eventually(
        &format!("{name} was replaced"),
        Duration::from_secs(30),
        async || {
            let digest = plugin(relay, name).await?["digest"].as_str()?.to_owned();
            (digest != not).then_some(digest)
        },
    )
    .await
}

async fn newest(relay: &Relay, count: usize) -> String {
    let inbox = relay.wait_for_inbox(count).await;
    String::from_utf8(relay.inbox_raw(inbox[0]["id"].as_str().unwrap()).await).unwrap()
}

#[tokio::test]
async fn a_plugin_dropped_in_replaced_and_removed_takes_effect_without_a_restart() {
    let relay = Relay::dev().await;
    let send = async || {
        let mut client = Client::ehlo(relay.smtp).await.unwrap();
        assert_eq!(
            client
                .deliver("a@s.test", &["b@e.test"], MESSAGE)
                .await
                .unwrap()
                .code,
            250
        );
    };
    send().await;
    assert!(!newest(&relay, 1).await.contains("X-Stamp"));

    drop_in(&relay.plugins(), "stamp", guest("stamp_one"));
    let one = wait_until_active(&relay, "stamp").await;
    send().await;
    assert!(newest(&relay, 2).await.contains("X-Stamp: one\r\n"));

    drop_in(&relay.plugins(), "stamp", guest("stamp_two"));
    let two = wait_for_digest(&relay, "stamp", &one).await;
    send().await;
    assert!(newest(&relay, 3).await.contains("X-Stamp: two\r\n"));

    // One that does not load is refused with the reason, and the last good one stays.
    drop_in(&relay.plugins(), "stamp", b"\0asm this is no component");
    eventually("the reason is told", Duration::from_secs(30), async || {
        let told = plugin(&relay, "stamp").await?.to_string();
        (told.contains("refused") || told.contains("error") || told.contains("reason"))
            .then_some(())
    })
    .await;
    assert_eq!(
        plugin(&relay, "stamp").await.unwrap()["digest"],
        two.as_str()
    );
    send().await;
    assert!(newest(&relay, 4).await.contains("X-Stamp: two\r\n"));

    std::fs::remove_file(relay.plugins().join("stamp.wasm")).unwrap();
    eventually("the plugin is gone", Duration::from_secs(30), async || {
        plugin(&relay, "stamp").await.is_none().then_some(())
    })
    .await;
    send().await;
    assert!(!newest(&relay, 5).await.contains("X-Stamp"));
}

#[tokio::test]
async fn a_session_finishes_on_the_version_it_began_with() {
    let relay = Relay::dev().await;
    drop_in(&relay.plugins(), "stamp", guest("stamp_one"));
    let one = wait_until_active(&relay, "stamp").await;
    let mut early = Client::ehlo(relay.smtp).await.unwrap();
    drop_in(&relay.plugins(), "stamp", guest("stamp_two"));
    wait_for_digest(&relay, "stamp", &one).await;
    early
        .deliver("a@s.test", &["b@e.test"], MESSAGE)
        .await
        .unwrap();
    assert!(newest(&relay, 1).await.contains("X-Stamp: one\r\n"));
    let mut late = Client::ehlo(relay.smtp).await.unwrap();
    late.deliver("a@s.test", &["b@e.test"], MESSAGE)
        .await
        .unwrap();
    assert!(newest(&relay, 2).await.contains("X-Stamp: two\r\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_swaps_under_load_lose_double_and_defer_nothing() {
    const SESSIONS: usize = 6;
    const SWAPS: usize = 50;
    let world = World::new().await;
    world.domain("dest.test", &[1]);
    let mx = world.exchanger(1, Script::default()).await;
    let relay = world
        .relay_with("", "[plugins]\ndir = \"{plugins}\"\n")
        .await;
    drop_in(&relay.plugins(), "stamp", guest("stamp_one"));
    let mut digest = wait_until_active(&relay, "stamp").await;

    let over = Arc::new(AtomicBool::new(false));
    let mut senders = JoinSet::new();
    for session in 0..SESSIONS {
        let (over, smtp) = (over.clone(), relay.smtp);
        senders.spawn(async move {
            let mut sent = BTreeSet::new();
            while !over.load(Ordering::Relaxed) {
                let mut client = Client::ehlo(smtp).await.unwrap();
                for _ in 0..5 {
                    let subject = format!("{session}-{}", sent.len());
                    let message = format!("Subject: {subject}\r\n\r\nx\r\n");
                    let reply = client
                        .deliver("a@s.test", &["b@dest.test"], message)
                        .await
                        .unwrap();
                    assert_eq!(reply.code, 250, "{reply:?}");
                    sent.insert(subject);
                }
                client.command("QUIT").await.unwrap();
            }
            sent
        });
    }
    for swap in 0..SWAPS {
        let next = if swap % 2 == 0 {
            "stamp_two"
        } else {
            "stamp_one"
        };
        drop_in(&relay.plugins(), "stamp", guest(next));
        digest = wait_for_digest(&relay, "stamp", &digest).await;
    }
    over.store(true, Ordering::Relaxed);
    let sent: BTreeSet<String> = senders.join_all().await.into_iter().flatten().collect();

    let received = mx.wait_for(sent.len()).await;
    let subjects: BTreeSet<String> = received
        .iter()
        .filter_map(|r| {
            Some(r.text().lines().find(|l| l.starts_with("Subject: "))?[9..].to_owned())
        })
        .collect();
    assert_eq!(subjects, sent, "nothing is lost");
    assert_eq!(received.len(), sent.len(), "nothing is doubled");
    for message in &received {
        let stamps = message.text().matches("X-Stamp: ").count();
        assert_eq!(
            stamps,
            1,
            "each message met exactly one version: {}",
            message.text()
        );
    }
    assert!(received.iter().any(|m| m.text().contains("X-Stamp: one")));
    assert!(received.iter().any(|m| m.text().contains("X-Stamp: two")));
}

#[tokio::test]
async fn each_decision_is_seen_on_the_wire() {
    let relay = Relay::dev().await;
    drop_in(&relay.plugins(), "decides", guest("decides"));
    wait_until_active(&relay, "decides").await;
    let mut client = Client::ehlo(relay.smtp).await.unwrap();

    let reply = client.command("MAIL FROM:<refused@s.test>").await.unwrap();
    assert_eq!(
        (reply.code, reply.text().as_str()),
        (550, "5.7.1 this sender is refused")
    );
    client.command("MAIL FROM:<a@s.test>").await.unwrap();
    let reply = client.command("RCPT TO:<reject@e.test>").await.unwrap();
    assert_eq!(
        (reply.code, reply.text().as_str()),
        (550, "5.7.1 rejected by the plugin")
    );
    let reply = client.command("RCPT TO:<defer@e.test>").await.unwrap();
    assert_eq!(
        (reply.code, reply.text().as_str()),
        (451, "4.7.1 deferred by the plugin")
    );
    let reply = client.command("RCPT TO:<error@e.test>").await.unwrap();
    assert_eq!(
        reply.code, 451,
        "a guest's error falls under the fault policy: {reply:?}"
    );
    assert!(
        !reply.text().contains("told"),
        "the text of a fault stays inside: {reply:?}"
    );
    client.command("RSET").await.unwrap();

    let reply = client
        .deliver("a@s.test", &["reject-data@e.test"], MESSAGE)
        .await
        .unwrap();
    assert_eq!(
        (reply.code, reply.text().as_str()),
        (550, "5.6.0 not this message")
    );
    assert_eq!(
        client
            .deliver("a@s.test", &["discard@e.test"], MESSAGE)
            .await
            .unwrap()
            .code,
        250
    );
    assert_eq!(
        client
            .deliver("a@s.test", &["hold@e.test"], MESSAGE)
            .await
            .unwrap()
            .code,
        250
    );
    assert_eq!(
        client
            .deliver("a@s.test", &["two@e.test"], MESSAGE)
            .await
            .unwrap()
            .code,
        250
    );
    let inbox = relay.wait_for_inbox(1).await;
    let to: String = inbox.iter().map(|i| i["to"].to_string()).collect();
    assert!(
        to.contains("first@example.net") && to.contains("second@example.net"),
        "{to}"
    );
    assert!(!to.contains("discard@") && !to.contains("hold@"), "{to}");

    client.command("MAIL FROM:<a@s.test>").await.unwrap();
    let reply = client.command("RCPT TO:<disconnect@e.test>").await.unwrap();
    assert_eq!((reply.code, reply.text().as_str()), (421, "4.7.0 good bye"));
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn globals_do_not_outlive_a_transaction() {
    let relay = Relay::dev().await;
    drop_in(&relay.plugins(), "remembers", guest("remembers"));
    wait_until_active(&relay, "remembers").await;
    let mut client = Client::ehlo(relay.smtp).await.unwrap();
    for n in 1..=3 {
        client
            .deliver("a@s.test", &["b@e.test"], MESSAGE)
            .await
            .unwrap();
        assert!(newest(&relay, n).await.contains("X-Calls: 1\r\n"));
    }
}
