//! Where mail goes, end to end: tables that an operator changes while mail flows, and aliases.

use std::time::Duration;

use baton_tests::relay::run;
use baton_tests::{Client, Relay, Script, eventually};

use crate::world::World;

async fn send(relay: &Relay, to: &str) -> u16 {
    let mut client = Client::ehlo(relay.smtp).await.unwrap();
    let message = "From: ann@sender.test\r\nX-Queue: bulk\r\nSubject: x\r\n\r\nbody\r\n";
    client
        .deliver("ann@sender.test", &[to], message)
        .await
        .unwrap()
        .code
}

/// `baton plugin kv ...` against that relay; what it printed.
fn kv(relay: &Relay, arguments: &[&str]) -> Result<String, String> {
    let url = format!("http://{}", relay.http);
    let all = [&["plugin", "kv"], arguments, &["--url", &url]].concat();
    let output = run(&all);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    match output.status.success() {
        true => Ok(text(&output.stdout)),
        false => Err(text(&output.stderr)),
    }
}

#[tokio::test]
async fn an_operator_changes_routes_and_aliases_while_mail_flows() {
    let world = World::new().await;
    world.domain("dest.test", &[1]);
    let usual = world.exchanger(1, Script::default()).await;
    let other = world.exchanger(2, Script::default()).await;
    let third = world.exchanger(3, Script::default()).await;
    let more = "[[plugins.routing.routes]]\nheader = \"X-Queue: bulk\"\ndomain = \"bulk.test\"\nnext-hop = \"[127.0.5.3]\"\n\
                [plugins.routing]\nknown-recipients-only = [\"closed.test\"]\n";
    let relay = world.relay_with("", more).await;
    assert_eq!(send(&relay, "b@dest.test").await, 250);
    usual.wait_for(1).await;
    assert_eq!(send(&relay, "b@bulk.test").await, 250);
    third.wait_for(1).await;

    kv(
        &relay,
        &[
            "set",
            "routing",
            "domain/dest.test",
            r#"{"next-hop":"[127.0.5.2]"}"#,
        ],
    )
    .unwrap();
    assert_eq!(send(&relay, "b@dest.test").await, 250);
    other.wait_for(1).await;
    assert_eq!(
        kv(&relay, &["get", "routing", "domain/dest.test"]).unwrap(),
        r#"{"next-hop":"[127.0.5.2]"}"#
    );
    assert_eq!(send(&relay, "info@closed.test").await, 550);
    kv(
        &relay,
        &[
            "set",
            "routing",
            "alias/info@closed.test",
            "ann@dest.test",
            "--ttl",
            "3600",
        ],
    )
    .unwrap();
    assert_eq!(send(&relay, "info@closed.test").await, 250);
    assert_eq!(other.wait_for(2).await[1].recipients, ["ann@dest.test"]);
    assert_eq!(
        kv(&relay, &["list", "routing"]).unwrap(),
        "alias/info@closed.test\ndomain/dest.test"
    );

    kv(&relay, &["delete", "routing", "domain/dest.test"]).unwrap();
    assert_eq!(send(&relay, "b@dest.test").await, 250);
    usual.wait_for(2).await;
    let error = kv(&relay, &["get", "routing", "domain/dest.test"]).unwrap_err();
    assert!(
        error.contains("remembers nothing under this key"),
        "{error}"
    );
    assert!(kv(&relay, &["set", "nobody", "a", "b"]).is_err());
    assert!(
        relay.log().contains("plugin key changed"),
        "who changes tables is told"
    );
}

#[tokio::test]
async fn a_table_that_makes_no_sense_keeps_mail_waiting_until_it_does() {
    let world = World::new().await;
    world.domain("dest.test", &[1]);
    let mx = world.exchanger(1, Script::default()).await;
    let mut relay = world.relay_with("", "").await;
    kv(&relay, &["set", "routing", "domain/dest.test", "nonsense"]).unwrap();
    assert_eq!(send(&relay, "b@dest.test").await, 250);
    eventually("the fault is told", Duration::from_secs(30), async || {
        relay
            .log()
            .contains("key-value `domain/dest.test`")
            .then_some(())
    })
    .await;
    assert_eq!(mx.count(), 0);
    kv(&relay, &["delete", "routing", "domain/dest.test"]).unwrap();
    // The operator asks for it now, instead of waiting for the next try.
    assert!(relay.stop().await);
    relay.restart().await;
    let queue = relay.api("/api/v1/queue").await;
    for entry in queue.as_array().unwrap() {
        let id = entry["entry"]
            .as_str()
            .unwrap()
            .split('.')
            .next()
            .unwrap()
            .to_owned();
        let url = format!("http://{}", relay.http);
        assert!(
            run(&["queue", "retry", &id, "--url", &url])
                .status
                .success()
        );
    }
    mx.wait_for(1).await;
}

#[tokio::test]
async fn mail_goes_round_an_egress_that_rests_or_that_an_operator_took_out() {
    let world = World::new().await;
    world.domain("dest.test", &[1]);
    let mx = world.exchanger(1, Script::default()).await;
    // From an address that this machine does not have, nothing can be sent.
    let more = "\n[delivery]\nport = {port}\nretry = [\"60s\"]\n\
        [[egress]]\nname = \"one\"\naddress = \"192.0.2.1\"\n[[egress]]\nname = \"two\"\naddress = \"127.0.6.2\"\n\
        [[egress]]\nname = \"three\"\naddress = \"127.0.6.3\"\n\
        [[plugins.routing.routes]]\negress-pools = [{ name = \"one\", weight = 1 }, { name = \"two\", weight = 1 }, { name = \"three\", weight = 1 }]\n";
    let relay = world.relay_with("", more).await;
    kv(&relay, &["set", "routing", "suspend/three", "listed"]).unwrap();
    let mut sent = 0;
    eventually(
        "the first egress rests",
        Duration::from_secs(30),
        async || {
            assert_eq!(send(&relay, "b@dest.test").await, 250);
            sent += 1;
            relay.log().contains("dest.test from one").then_some(())
        },
    )
    .await;
    let before = mx.count();
    for _ in 0..8 {
        assert_eq!(send(&relay, "b@dest.test").await, 250);
    }
    mx.wait_for(before + 8).await;
    let egresses = eventually(
        "the attempts are told",
        Duration::from_secs(30),
        async || {
            let mut egresses = Vec::new();
            for message in relay
                .api("/api/v1/messages?limit=8")
                .await
                .as_array()
                .unwrap()
            {
                let path = format!("/api/v1/messages/{}", message["id"].as_str().unwrap());
                let attempts = relay.api(&path).await["attempts"].clone();
                egresses.extend(
                    attempts
                        .as_array()
                        .unwrap()
                        .iter()
                        .map(|one| one["egress"].clone()),
                );
            }
            (egresses.len() >= 8).then_some(egresses)
        },
    )
    .await;
    assert!(
        egresses.iter().all(|egress| egress == "two"),
        "{egresses:?}"
    );
}
