//! Guests that reach for more than they should, through each import: what they get is little, and mail goes on.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use baton_tests::dns::Dns;
use baton_tests::guests::guest;
use baton_tests::{Client, Relay, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::world::{NOBODY_THERE, World};

/// A relay with the guest as `reaches` and, as a stranger to it, as `other`.
async fn relay(world: &World, grants: &str) -> Relay {
    let more = format!(
        "\n[plugins]\ndir = \"{{plugins}}\"\n[plugins.reaches.grants]\n{grants}\n[plugins.other]\norder = 200\n{NOBODY_THERE}"
    );
    let put = |dir: &Path| {
        for name in ["reaches", "other"] {
            let file = dir.join(format!("plugins/{name}.wasm"));
            std::fs::write(file, guest("reaches")).unwrap();
        }
    };
    world.relay_from("", &more, put).await
}

/// What came of one command.
async fn ask(relay: &Relay, command: &str) -> String {
    let mut client = Client::ehlo(relay.smtp).await.unwrap();
    let message = format!("From: a@s.test\r\nSubject: {command}\r\n\r\nbody\r\n");
    let reply = client
        .deliver("a@s.test", &["b@e.test"], &message)
        .await
        .unwrap();
    reply.text()
}

/// What a server does once it was asked.
#[derive(Clone)]
enum Manner {
    Silent,
    Endless,
    Drips,
    Says(String),
}

impl Manner {
    async fn serve(&self, stream: &mut TcpStream) {
        match self {
            Manner::Silent => tokio::time::sleep(Duration::from_secs(60)).await,
            Manner::Endless => {
                let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
                let _ = stream.write_all(head).await;
                let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
                while stream.write_all(chunk.as_bytes()).await.is_ok() {}
            }
            Manner::Drips => {
                let head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n";
                let _ = stream.write_all(head).await;
                while stream.write_all(b"x").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
            Manner::Says(answer) => {
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        }
    }
}

/// A server's port, and how many connections it had.
async fn server(manner: Manner) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let count = Arc::new(AtomicUsize::new(0));
    let seen = count.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            seen.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut [0; 4096]).await;
            manner.serve(&mut stream).await;
        }
    });
    (port, count)
}

#[tokio::test]
async fn key_value_ends_at_its_quota_and_the_next_message_is_taken() {
    let world = World::new().await;
    let relay = relay(&world, "kv-bytes = \"4MiB\"").await;
    let before = relay.resident_kib();
    for _ in 0..2 {
        let found = ask(&relay, "fill").await;
        assert!(
            found.contains("quota") && found.contains("after"),
            "{found}"
        );
        let count: u32 = found
            .rsplit(' ')
            .next()
            .unwrap()
            .trim_matches('\'')
            .parse()
            .unwrap();
        assert!(count < 64, "4 MiB of 64 KiB: {found}");
    }
    assert!(
        relay.resident_kib() < before + 48 * 1024,
        "nothing is held beyond the quota"
    );
    assert!(ask(&relay, "nothing").await.contains("queued"));
}

#[tokio::test]
async fn another_plugins_keys_cannot_be_read_by_any_name() {
    let world = World::new().await;
    let relay = relay(&world, "").await;
    assert!(ask(&relay, "put treasure").await.contains("Ok"));
    // Only the other one is asked now.
    std::fs::remove_file(relay.plugins().join("reaches.wasm")).unwrap();
    eventually("it is gone", Duration::from_secs(30), async || {
        let list = relay.api("/api/v1/plugins").await;
        let all = list.as_array().unwrap();
        (!all.iter().any(|p| p["name"] == "reaches")).then_some(())
    })
    .await;
    let found = ask(&relay, "steal reaches").await;
    assert!(found.ends_with("[] []"), "{found}");
}

#[tokio::test]
async fn a_server_that_never_answers_or_never_ends_costs_a_bounded_time() {
    let world = World::new().await;
    let (silent, _) = server(Manner::Silent).await;
    let (endless, _) = server(Manner::Endless).await;
    let (drips, _) = server(Manner::Drips).await;
    let hosts = [silent, endless, drips]
        .map(|port| format!("\"127.0.0.1:{port}\""))
        .join(", ");
    let relay = relay(&world, &format!("http = [{hosts}]")).await;
    for (port, expected) in [
        (silent, "Timeout"),
        (endless, "TooLarge"),
        (drips, "Timeout"),
    ] {
        let began = Instant::now();
        let found = ask(&relay, &format!("get http://127.0.0.1:{port}/")).await;
        let plain = found.to_lowercase().replace('-', "");
        assert!(
            plain.contains(&expected.to_lowercase()),
            "{expected}: {found}"
        );
        assert!(
            began.elapsed() < Duration::from_secs(15),
            "{:?}",
            began.elapsed()
        );
    }
}

#[tokio::test]
async fn a_redirect_to_a_private_address_leads_nowhere() {
    let world = World::new().await;
    let (inside, reached) = server(Manner::Silent).await;
    let answer = format!(
        "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:{inside}/secret\r\nContent-Length: 0\r\n\r\n"
    );
    let (outside, _) = server(Manner::Says(answer)).await;
    let grants = format!("http = [\"127.0.0.1:{outside}\", \"*.test\"]");
    let relay = relay(&world, &grants).await;
    let found = ask(&relay, &format!("get http://127.0.0.1:{outside}/")).await;
    let plain = found.to_lowercase().replace('-', "");
    assert!(
        plain.contains("302 then err") && plain.contains("notgranted"),
        "{found}"
    );
    assert_eq!(reached.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_granted_name_that_resolves_to_a_machine_of_ours_is_not_connected_to_and_asked_for_once()
{
    let world = World::new().await;
    world.dns.address("rebind.test", [127, 0, 0, 1].into());
    world.dns.address("meta.test", [169, 254, 169, 254].into());
    let relay = relay(
        &world,
        "http = [\"*.test\", \"rebind.test\", \"meta.test\"]",
    )
    .await;
    for name in ["rebind.test", "meta.test"] {
        let found = ask(&relay, &format!("get http://{name}/")).await;
        assert!(
            found.to_lowercase().replace('-', "").contains("notgranted"),
            "{found}"
        );
        // One question for each family, and none between the check and a connection that could be answered otherwise.
        assert!(asked(&world.dns, name) <= 2, "{}", asked(&world.dns, name));
    }
}

fn asked(dns: &Dns, name: &str) -> usize {
    dns.asked(name)
}

#[tokio::test]
async fn a_flood_of_questions_ends_at_the_budget_of_the_call() {
    let world = World::new().await;
    let relay = relay(&world, "dns = true").await;
    let found = ask(&relay, "resolve").await;
    assert!(
        found.contains("budget") && found.ends_with("after 16"),
        "{found}"
    );
    assert_eq!(asked(&world.dns, "n17.flood.test"), 0);
}

#[tokio::test]
async fn messages_that_beget_messages_come_to_an_end() {
    let world = World::new().await;
    let relay = relay(&world, "submit = true").await;
    assert!(ask(&relay, "beget").await.contains("queued"));
    // Each message makes two of its kind: 2 + 4 + 8 in three generations, and then no more.
    let name = "baton_messages_accepted_total{source=\"plugin\"}";
    eventually("three generations", Duration::from_secs(30), async || {
        (relay.metric(name).await >= 14.0).then_some(())
    })
    .await;
    assert!(ask(&relay, "nothing").await.contains("queued"));
    assert!(
        (relay.metric(name).await - 14.0).abs() < 0.1,
        "{}",
        relay.metric(name).await
    );
    assert!(
        relay.log().contains("begot no more: Error::Loop"),
        "{}",
        relay.log()
    );
}
