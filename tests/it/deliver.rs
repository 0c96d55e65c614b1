//! Delivering: where mail goes, what happens when it cannot, and that nothing is broken on the way.

use std::time::Duration;

use baton_tests::dns::Trouble;
use baton_tests::mx::Act;
use baton_tests::{Client, Mx, Received, Relay, Script, eventually};

use crate::world::World;

const MESSAGE: &str = "From: ann@sender.test\r\nTo: bob@dest.test\r\nSubject: hello\r\n\
    Date: Mon, 06 Jul 2026 10:00:00 +0000\r\nMessage-ID: <1@sender.test>\r\n\r\nline\r\n.dot\r\n";

async fn send(relay: &Relay, from: &str, to: &[&str], message: &str) {
    let mut client = Client::ehlo(relay.smtp).await.unwrap();
    let reply = client.deliver(from, to, message).await.unwrap();
    assert_eq!(reply.code, 250, "{reply:?}");
}

/// The bounce for `ann@sender.test`, whose exchanger is `home`.
async fn bounce(home: &Mx) -> Received {
    let bounce = home.wait_for(1).await.remove(0);
    assert_eq!(bounce.sender, "", "a bounce has the null reverse-path");
    assert_eq!(bounce.recipients, ["ann@sender.test"]);
    bounce
}

#[tokio::test]
async fn a_message_arrives_byte_for_byte_below_the_relays_trace_field() {
    let world = World::new().await;
    world.domain("dest.test", &[1]);
    let mx = world.exchanger(1, Script::default()).await;
    let relay = world.relay().await;
    send(&relay, "ann@sender.test", &["bob@dest.test"], MESSAGE).await;
    let got = mx.wait_for(1).await.remove(0);
    assert_eq!(got.sender, "ann@sender.test");
    assert_eq!(got.recipients, ["bob@dest.test"]);
    assert!(
        got.text().starts_with("Received: from client.test"),
        "{}",
        got.text()
    );
    assert!(got.text().ends_with(MESSAGE), "{}", got.text());
    assert_eq!(got.text().matches("\r\nReceived:").count(), 0);
}

#[tokio::test]
async fn exchangers_are_tried_in_order_of_preference() {
    let world = World::new().await;
    world.domain("dest.test", &[1, 2, 3]);
    let refusing = Script::default()
        .on(|event, _| (event == "CONNECT").then(|| Act::say("421 4.3.2 closed for repairs")));
    // Nothing listens at 1, 2 turns everybody away, 3 takes it.
    let second = world.exchanger(2, refusing).await;
    let third = world.exchanger(3, Script::default()).await;
    let relay = world.relay().await;
    send(&relay, "ann@sender.test", &["bob@dest.test"], MESSAGE).await;
    third.wait_for(1).await;
    assert_eq!(second.connections(), 1);
}

#[tokio::test]
async fn a_domain_without_mx_is_its_own_exchanger() {
    let world = World::new().await;
    world.dns.address("plain.test", World::ip(1));
    let mx = world.exchanger(1, Script::default()).await;
    let relay = world.relay().await;
    send(&relay, "ann@sender.test", &["bob@plain.test"], MESSAGE).await;
    mx.wait_for(1).await;
}

#[tokio::test]
async fn null_mx_and_missing_domains_bounce_at_once() {
    let world = World::new().await;
    world.domain("sender.test", &[9]);
    world.dns.mx("null.test", 0, ".");
    let home = world.exchanger(9, Script::default()).await;
    let relay = world.relay().await;
    send(&relay, "ann@sender.test", &["bob@null.test"], MESSAGE).await;
    let report = bounce(&home).await;
    assert!(
        report.text().contains("Status: 5.1.10"),
        "{}",
        report.text()
    );
    send(&relay, "ann@sender.test", &["bob@missing.test"], MESSAGE).await;
    let report = home.wait_for(2).await.remove(1);
    assert!(
        report.text().contains("Status: 5.1.2") || report.text().contains("Status: 5.4.4"),
        "{}",
        report.text()
    );
}

#[tokio::test]
async fn trouble_with_dns_is_waited_out() {
    for trouble in [Trouble::ServFail, Trouble::Silence] {
        let world = World::new().await;
        world.dns.trouble("dest.test", trouble);
        let mx = world.exchanger(1, Script::default()).await;
        let relay = world.relay().await;
        send(&relay, "ann@sender.test", &["bob@dest.test"], MESSAGE).await;
        eventually(
            "the name was asked for",
            Duration::from_secs(20),
            async || (world.dns.asked("dest.test") > 0).then_some(()),
        )
        .await;
        world.dns.forget("dest.test");
        world.domain("dest.test", &[1]);
        mx.wait_for(1).await;
    }
}

#[tokio::test]
async fn a_temporary_refusal_is_retried_until_it_is_taken() {
    let world = World::new().await;
    world.domain("dest.test", &[1]);
    let script = Script::default().on(|event, times| {
        (event.starts_with("RCPT") && times < 2)
            .then(|| Act::say("451 4.7.1 greylisted, come back"))
    });
    let mx = world.exchanger(1, script).await;
    let relay = world.relay().await;
    send(&relay, "ann@sender.test", &["bob@dest.test"], MESSAGE).await;
    let got = mx.wait_for(1).await;
    assert_eq!(got.len(), 1);
    assert_eq!(
        mx.commands()
            .iter()
            .filter(|c| c.starts_with("RCPT"))
            .count(),
        3
    );
}

#[tokio::test]
async fn a_permanent_refusal_bounces_with_the_remote_words_and_the_original_headers() {
    let world = World::new().await;
    world.domain("dest.test", &[1]);
    world.domain("sender.test", &[9]);
    let script = Script::default().on(|event, _| {
        event
            .starts_with("RCPT")
            .then(|| Act::say("550-5.1.1 no such person\r\n550 5.1.1 ask elsewhere"))
    });
    let mx = world.exchanger(1, script).await;
    let home = world.exchanger(9, Script::default()).await;
    let relay = world.relay().await;
    send(&relay, "ann@sender.test", &["bob@dest.test"], MESSAGE).await;
    let report = bounce(&home).await.text();
    // RFC 3464 allows white space after the type's semicolon.
    let report = report.replace("; ", ";");
    for wanted in [
        "multipart/report",
        "report-type=",
        "message/delivery-status",
        "Reporting-MTA: dns;relay.test",
        "Final-Recipient: rfc822;bob@dest.test",
        "Action: failed",
        "Status: 5.1.1",
        "Diagnostic-Code: smtp;550",
        "no such person",
        "Subject: hello",
        "Message-ID: <1@sender.test>",
        "Auto-Submitted: auto-replied",
    ] {
        assert!(report.contains(wanted), "{wanted} is missing:\n{report}");
    }
    assert!(
        !report.contains(".dot"),
        "the body stays out of it:\n{report}"
    );
    assert_eq!(mx.count(), 0);
}

#[tokio::test]
async fn a_bounce_that_cannot_be_delivered_is_not_bounced_again() {
    let world = World::new().await;
    world.domain("dest.test", &[1]);
    let refusing = Script::default()
        .on(|event, _| event.starts_with("RCPT").then(|| Act::say("550 5.1.1 no")));
    let mx = world.exchanger(1, refusing).await;
    let relay = world.relay().await;
    send(&relay, "", &["bob@dest.test"], MESSAGE).await;
    eventually("it was tried", Duration::from_secs(20), async || {
        mx.commands()
            .iter()
            .any(|c| c.starts_with("RCPT"))
            .then_some(())
    })
    .await;
    eventually("the queue is empty", Duration::from_secs(20), async || {
        let left = relay.api("/api/v1/queue").await;
        let entries = left
            .as_array()
            .or_else(|| left["entries"].as_array())
            .expect("a list")
            .len();
        (entries == 0).then_some(())
    })
    .await;
    assert_eq!(mx.connections(), 1);
}

#[tokio::test]
async fn recipients_at_one_site_share_a_transaction_and_each_gets_its_own_answer() {
    let world = World::new().await;
    world.domain("dest.test", &[1]);
    world.domain("sender.test", &[9]);
    let script = Script::default().on(|event, times| match event {
        e if e.contains("gone@") => Some(Act::say("550 5.1.1 gone")),
        e if e.contains("later@") && times == 0 => Some(Act::say("452 4.2.2 full")),
        _ => None,
    });
    let mx = world.exchanger(1, script).await;
    let home = world.exchanger(9, Script::default()).await;
    let relay = world.relay().await;
    let to = [
        "one@dest.test",
        "gone@dest.test",
        "later@dest.test",
        "two@dest.test",
    ];
    send(&relay, "ann@sender.test", &to, MESSAGE).await;
    let got = mx.wait_for(2).await;
    assert_eq!(got[0].recipients, ["one@dest.test", "two@dest.test"]);
    assert_eq!(got[1].recipients, ["later@dest.test"]);
    let report = bounce(&home).await.text();
    assert!(
        report.contains("gone@dest.test") && !report.contains("later@dest.test"),
        "{report}"
    );
}

#[tokio::test]
async fn a_connection_is_used_again_for_the_next_message() {
    let world = World::new().await;
    world.domain("dest.test", &[1]);
    let mx = world.exchanger(1, Script::default()).await;
    let relay = world
        .relay_with(
            "",
            "[delivery]\nport = {port}\nconnections-per-site-max = 1\n",
        )
        .await;
    for n in 0..10 {
        send(
            &relay,
            "ann@sender.test",
            &[&format!("u{n}@dest.test")],
            MESSAGE,
        )
        .await;
    }
    let got = mx.wait_for(10).await;
    let connections: std::collections::BTreeSet<_> = got.iter().map(|r| r.connection).collect();
    assert!(connections.len() <= 3, "{connections:?}");
    assert_eq!(mx.open_most(), 1);
}

#[tokio::test]
async fn eight_bit_and_utf8_mail_is_sent_where_offered_and_bounces_elsewhere() {
    let world = World::new().await;
    world.domain("modern.test", &[1]);
    world.domain("old.test", &[2]);
    world.domain("sender.test", &[9]);
    let modern = world.exchanger(1, Script::default()).await;
    let old = world
        .exchanger(2, Script::default().extensions(&["PIPELINING"]))
        .await;
    let home = world.exchanger(9, Script::default()).await;
    let relay = world.relay().await;
    let eight = "From: ann@sender.test\r\nSubject: 8\r\nMIME-Version: 1.0\r\n\
        Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nGr\u{fc}\u{df}e\r\n";
    send(&relay, "ann@sender.test", &["bob@modern.test"], eight).await;
    let got = modern.wait_for(1).await.remove(0);
    assert!(
        got.sender_parameters.contains("BODY=8BITMIME"),
        "{}",
        got.sender_parameters
    );
    assert!(got.text().ends_with("\r\n\r\nGr\u{fc}\u{df}e\r\n"));
    send(&relay, "ann@sender.test", &["bob@old.test"], eight).await;
    let report = bounce(&home).await.text();
    assert!(report.contains("Status: 5.6.3"), "{report}");
    assert_eq!(old.count(), 0);

    let mut client = Client::ehlo(relay.smtp).await.unwrap();
    client
        .command("MAIL FROM:<ann@sender.test> SMTPUTF8")
        .await
        .unwrap();
    client.command("RCPT TO:<b\u{f6}b@old.test>").await.unwrap();
    client.command("DATA").await.unwrap();
    assert_eq!(
        client
            .command("Subject: u\r\n\r\nx\r\n.")
            .await
            .unwrap()
            .code,
        250
    );
    let report = home.wait_for(2).await.remove(1).text();
    assert!(report.contains("5.6.7"), "{report}");
}

#[tokio::test]
async fn bdat_is_used_where_the_exchanger_offers_chunking() {
    let world = World::new().await;
    world.domain("dest.test", &[1]);
    let mx = world
        .exchanger(
            1,
            Script::default().extensions(&["PIPELINING", "CHUNKING", "8BITMIME"]),
        )
        .await;
    let relay = world.relay().await;
    send(&relay, "ann@sender.test", &["bob@dest.test"], MESSAGE).await;
    let got = mx.wait_for(1).await.remove(0);
    assert!(got.chunked);
    assert!(got.text().ends_with(MESSAGE), "{}", got.text());
}

#[tokio::test]
async fn rude_exchangers_do_not_break_the_relay() {
    let world = World::new().await;
    let rude: [(&str, Act); 6] = [
        ("CONNECT", Act::Close),
        ("CONNECT", Act::Raw(vec![0xff; 100_000])),
        ("MAIL", Act::Raw(b"250 ok\n".to_vec())),
        ("RCPT", Act::Raw("250 x".repeat(200_000).into_bytes())),
        ("DATA", Act::Close),
        (".", Act::say("999 what")),
    ];
    let mut exchangers = Vec::new();
    for (n, (stage, act)) in rude.into_iter().enumerate() {
        let n = n as u8 + 1;
        world.domain(&format!("rude{n}.test"), &[n]);
        let script = Script::default()
            .on(move |event, times| (event.starts_with(stage) && times == 0).then(|| act.clone()));
        exchangers.push(world.exchanger(n, script).await);
    }
    // A reply whose line never ends is waited for until the time of a command is over.
    let more = "[delivery]\nport = {port}\nretry = [\"1s\"]\ncommand-timeout = \"2s\"\n";
    let relay = world.relay_with("", more).await;
    for n in 1..=exchangers.len() {
        send(
            &relay,
            "ann@sender.test",
            &[&format!("bob@rude{n}.test")],
            MESSAGE,
        )
        .await;
    }
    for (n, mx) in exchangers.iter().enumerate() {
        // Rude once, then it takes the message; a lost answer to the end of data may double it, never lose it.
        if n != 5 {
            mx.wait_for(1).await;
        }
    }
}

#[tokio::test]
async fn undeliverable_mail_expires_with_a_warning_before() {
    let world = World::new().await;
    world.domain("dest.test", &[1]);
    world.domain("sender.test", &[9]);
    let home = world.exchanger(9, Script::default()).await;
    let more = "[delivery]\nport = {port}\nretry = [\"1s\"]\nexpire-after = \"6s\"\ndelay-warning-after = \"2s\"\n";
    let relay = world.relay_with("", more).await;
    send(&relay, "ann@sender.test", &["bob@dest.test"], MESSAGE).await;
    let got = home.wait_for(2).await;
    assert!(
        got[0].text().contains("Action: delayed"),
        "{}",
        got[0].text()
    );
    assert!(
        got[1].text().contains("Action: failed"),
        "{}",
        got[1].text()
    );
    assert!(
        got[1].text().contains("Status: 4.4.7") || got[1].text().contains("Status: 5.4.7"),
        "{}",
        got[1].text()
    );
}

#[tokio::test]
async fn notify_never_is_honoured_and_dsn_parameters_travel() {
    let world = World::new().await;
    world.domain("dest.test", &[1]);
    world.domain("sender.test", &[9]);
    let script = Script::default()
        .extensions(&["PIPELINING", "DSN"])
        .on(|event, _| {
            (event.starts_with("RCPT") && event.contains("gone@"))
                .then(|| Act::say("550 5.1.1 gone"))
        });
    let mx = world.exchanger(1, script).await;
    let home = world.exchanger(9, Script::default()).await;
    let relay = world.relay().await;
    let mut client = Client::ehlo(relay.smtp).await.unwrap();
    client
        .command("MAIL FROM:<ann@sender.test> RET=HDRS ENVID=e1")
        .await
        .unwrap();
    client
        .command("RCPT TO:<gone@dest.test> NOTIFY=NEVER")
        .await
        .unwrap();
    client
        .command("RCPT TO:<bob@dest.test> NOTIFY=FAILURE ORCPT=rfc822;bob@dest.test")
        .await
        .unwrap();
    client.command("DATA").await.unwrap();
    client.command("Subject: x\r\n\r\nx\r\n.").await.unwrap();
    let got = mx.wait_for(1).await.remove(0);
    assert!(
        got.sender_parameters.contains("RET=HDRS") && got.sender_parameters.contains("ENVID=e1")
    );
    assert!(
        got.recipient_parameters[0].contains("NOTIFY=FAILURE"),
        "{:?}",
        got.recipient_parameters
    );
    eventually("the queue is empty", Duration::from_secs(20), async || {
        let left = relay.api("/api/v1/queue").await;
        let entries = left
            .as_array()
            .or_else(|| left["entries"].as_array())
            .expect("a list")
            .len();
        (entries == 0).then_some(())
    })
    .await;
    assert_eq!(home.count(), 0);
}

#[tokio::test]
async fn a_smart_host_gets_everything_with_tls_and_credentials() {
    let world = World::new().await;
    let identity = std::sync::Arc::new(baton_tests::tls::Identity::for_names(&["smart.test"]));
    world.dns.address("smart.test", World::ip(7));
    let script = Script::default()
        .extensions(&["PIPELINING", "AUTH PLAIN LOGIN", "8BITMIME"])
        .tls(identity.clone());
    let smart = world.exchanger(7, script).await;
    let more = "[delivery]\nport = {port}\nroute = \"smarthost:up\"\nca-file = \"{dir}/ca.pem\"\n\
        [[smarthost]]\nname = \"up\"\nhost = \"smart.test\"\nport = {port}\ntls = \"starttls\"\n\
        username = \"relay\"\npassword = \"s3cret\"\n";
    let relay = world
        .relay_from("", more, |dir| {
            std::fs::write(dir.join("ca.pem"), &identity.certificate_pem).unwrap();
        })
        .await;
    send(&relay, "ann@sender.test", &["bob@anywhere.test"], MESSAGE).await;
    let got = smart.wait_for(1).await.remove(0);
    assert!(got.tls);
    let commands = smart.commands();
    assert!(
        commands
            .iter()
            .any(|c| c == "AUTH PLAIN AHJlbGF5AHMzY3JldA=="),
        "{commands:?}"
    );
}

#[tokio::test]
async fn starttls_is_used_where_offered_with_any_certificate() {
    let world = World::new().await;
    world.domain("dest.test", &[1]);
    let identity = std::sync::Arc::new(baton_tests::tls::Identity::for_names(&["other.name.test"]));
    let mx = world.exchanger(1, Script::default().tls(identity)).await;
    let relay = world.relay().await;
    send(&relay, "ann@sender.test", &["bob@dest.test"], MESSAGE).await;
    assert!(mx.wait_for(1).await[0].tls);
}

#[tokio::test]
async fn one_site_that_hangs_does_not_hold_up_the_others() {
    let world = World::new().await;
    world.domain("slow.test", &[1]);
    world.domain("fast.test", &[2]);
    let _slow = world
        .exchanger(
            1,
            Script::default().on(|e, _| (e == "CONNECT").then_some(Act::Hang)),
        )
        .await;
    let fast = world.exchanger(2, Script::default()).await;
    let relay = world.relay().await;
    for n in 0..100 {
        send(
            &relay,
            "ann@sender.test",
            &[&format!("u{n}@slow.test")],
            MESSAGE,
        )
        .await;
    }
    for n in 0..20 {
        send(
            &relay,
            "ann@sender.test",
            &[&format!("u{n}@fast.test")],
            MESSAGE,
        )
        .await;
    }
    fast.wait_for(20).await;
}
