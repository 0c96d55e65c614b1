//! Hostile guests: the peer gets the configured reply, the next session works, memory comes back, nothing is half done.

use std::time::{Duration, Instant};

use baton_tests::client::Reply;
use baton_tests::guests::guest;
use baton_tests::{Client, Relay, eventually, within};

const MESSAGE: &str =
    "From: a@sender.test\r\nSubject: x\r\nContent-Type: text/plain\r\n\r\nbody\r\n";

async fn with_guest(name: &str) -> Relay {
    let relay = Relay::dev().await;
    std::fs::write(relay.plugins().join(format!("{name}.wasm")), guest(name)).unwrap();
    eventually(
        &format!("{name} is active"),
        Duration::from_secs(30),
        async || {
            let list = relay.api("/api/v1/plugins").await;
            let plugins = list
                .as_array()
                .or_else(|| list["plugins"].as_array())
                .expect("a list")
                .clone();
            plugins
                .iter()
                .any(|p| p["name"] == name && p["state"] == "active")
                .then_some(())
        },
    )
    .await;
    relay
}

async fn deliver(relay: &Relay, to: &str, message: &str) -> Reply {
    let mut client = Client::ehlo(relay.smtp).await.unwrap();
    within(
        "an answer",
        Duration::from_secs(20),
        client.deliver("a@s.test", &[to], message),
    )
    .await
    .unwrap()
}

/// Without the guest the relay works as if nothing had been.
async fn works_without(relay: &Relay, name: &str) {
    std::fs::remove_file(relay.plugins().join(format!("{name}.wasm"))).unwrap();
    eventually("mail flows again", Duration::from_secs(30), async || {
        (deliver(relay, "b@e.test", MESSAGE).await.code == 250).then_some(())
    })
    .await;
    let inbox = relay.wait_for_inbox(1).await;
    let raw = String::from_utf8(relay.inbox_raw(inbox[0]["id"].as_str().unwrap()).await).unwrap();
    assert!(raw.ends_with("\r\n\r\nbody\r\n"), "{raw}");
}

/// The guest faults at once or at its limit: 451 without a word about why, the session lives on, memory comes back.
async fn is_contained(name: &str) {
    let relay = with_guest(name).await;
    let first = deliver(&relay, "b@e.test", MESSAGE).await;
    assert_eq!(first.code, 451, "{first:?}");
    let text = first.text().to_lowercase();
    for inside in ["wasm", "trap", "plugin", name, "epoch", "memory", "panic"] {
        assert!(
            !text.contains(inside),
            "the reply tells about the inside: {first:?}"
        );
    }
    let before = relay.resident_kib();
    let began = Instant::now();
    for _ in 0..8 {
        assert_eq!(deliver(&relay, "b@e.test", MESSAGE).await.code, 451);
    }
    assert!(
        began.elapsed() < Duration::from_secs(60),
        "eight faults took {:?}",
        began.elapsed()
    );
    eventually("memory comes back", Duration::from_secs(20), async || {
        (relay.resident_kib() < before + 32 * 1024).then_some(())
    })
    .await;
    assert!(
        relay.inbox().await.is_empty(),
        "nothing is delivered half edited"
    );
    works_without(&relay, name).await;
}

#[tokio::test]
async fn an_endless_loop_is_cut_off() {
    is_contained("endless_loop").await;
}

#[tokio::test]
async fn a_memory_bomb_hits_its_limit() {
    is_contained("memory_bomb").await;
}

#[tokio::test]
async fn a_trap_leaves_no_half_edit() {
    is_contained("trap").await;
}

#[tokio::test]
async fn deep_recursion_ends_in_a_fault() {
    is_contained("deep_recursion").await;
}

#[tokio::test]
async fn a_flood_of_host_calls_is_cut_off() {
    is_contained("host_flood").await;
}

#[tokio::test]
async fn a_huge_answer_is_a_fault() {
    is_contained("huge_answer").await;
}

#[tokio::test]
async fn while_one_guest_loops_others_are_served() {
    let relay = with_guest("endless_loop").await;
    let mut looping = Client::ehlo(relay.smtp).await.unwrap();
    looping.command("MAIL FROM:<a@s.test>").await.unwrap();
    looping.send("RCPT TO:<b@e.test>\r\n").await.unwrap();
    let mut other = Client::ehlo(relay.smtp).await.unwrap();
    let began = Instant::now();
    for _ in 0..20 {
        assert_eq!(other.command("NOOP").await.unwrap().code, 250);
    }
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    assert_eq!(looping.reply().await.unwrap().code, 451);
}

#[tokio::test]
async fn no_line_break_reaches_a_header_or_a_reply() {
    let relay = with_guest("header_injection").await;
    let mut client = Client::ehlo(relay.smtp).await.unwrap();
    client.command("MAIL FROM:<a@s.test>").await.unwrap();
    let reply = client.command("RCPT TO:<reply@e.test>").await.unwrap();
    assert_eq!(
        reply.code, 451,
        "a reply with a line break is a fault: {reply:?}"
    );
    assert_eq!(
        client.command("NOOP").await.unwrap().code,
        250,
        "no second reply came along"
    );
    client.command("RSET").await.unwrap();
    assert_eq!(
        client
            .deliver("a@s.test", &["b@e.test"], MESSAGE)
            .await
            .unwrap()
            .code,
        250
    );
    let inbox = relay.wait_for_inbox(1).await;
    let raw = String::from_utf8(relay.inbox_raw(inbox[0]["id"].as_str().unwrap()).await).unwrap();
    assert!(raw.contains("X-Through: 0\r\n"), "{raw}");
    assert!(!raw.contains("Injected"), "{raw}");
}

#[tokio::test]
async fn signed_parts_stay_as_they_came() {
    let signed = "From: a@s.test\r\nSubject: signed\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/signed; boundary=\"s\"; protocol=\"application/pgp-signature\"; micalg=pgp-sha256\r\n\r\n\
        --s\r\nContent-Type: text/html\r\n\r\n<a href=\"https://example.org/\">x</a>\r\n\
        --s\r\nContent-Type: application/pgp-signature\r\n\r\nnot a real one\r\n--s--\r\n";
    let relay = with_guest("protected_edit").await;
    assert_eq!(deliver(&relay, "b@e.test", signed).await.code, 250);
    let inbox = relay.wait_for_inbox(1).await;
    let raw = String::from_utf8(relay.inbox_raw(inbox[0]["id"].as_str().unwrap()).await).unwrap();
    assert!(raw.contains("X-Changed: 0\r\n"), "{raw}");
    let body = signed.split_once("\r\n\r\n").unwrap().1;
    assert!(raw.ends_with(body), "{raw}");
}
