//! Who may send, end to end: limits that hold however many sessions push at them, and a hijacked account that is slowed down,
//! stopped and reported while its neighbours notice nothing.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use baton_tests::client::Reply;
use baton_tests::mx::Act;
use baton_tests::{Client, Relay, Script, eventually, http};
use serde_json::json;
use tokio::task::JoinSet;

use crate::world::World;

/// Accounts without TLS, on loopback; refusals enough for a test.
const LISTENER: &str =
    "auth = true\nauth-in-clear = true\nerrors-max = 10000\nconnections-per-address-max = 1000";
const TRIES: Duration = Duration::from_secs(60);

/// `[[account]]` of each name; the password is "secret".
fn accounts(names: &[&str]) -> String {
    let hash = crate::relaying::hash("secret");
    let one =
        |name: &&str| format!("\n[[account]]\nname = \"{name}\"\npassword-hash = \"{hash}\"\n");
    names.iter().map(one).collect()
}

async fn login(smtp: SocketAddr, account: &str) -> Client {
    let mut client = Client::ehlo(smtp).await.unwrap();
    let credentials = STANDARD.encode(format!("\0{account}\0secret"));
    let reply = client
        .command(&format!("AUTH PLAIN {credentials}"))
        .await
        .unwrap();
    assert_eq!(reply.code, 235, "{reply:?}");
    client
}

fn message(from: &str) -> String {
    format!("From: {from}\r\nSubject: x\r\n\r\nbody\r\n")
}

async fn deliver(client: &mut Client, to: &str) -> Reply {
    let reply = client
        .deliver("ann@sender.test", &[to], message("ann@sender.test"))
        .await;
    let reply = reply.unwrap();
    if reply.code >= 400 {
        client.command("RSET").await.unwrap();
    }
    reply
}

/// How many events of that name the policy has told.
async fn told(relay: &Relay, event: &str) -> f64 {
    let metrics = http::get(relay.http, "/metrics").await.unwrap().text();
    let wanted = |line: &&str| {
        line.contains("plugin_events")
            && line.contains("\"policy\"")
            && line.contains(&format!("\"{event}\""))
    };
    metrics
        .lines()
        .filter(wanted)
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}

/// Fifty sessions from one address ask for one message after the other until refused; how many were let through.
async fn push(smtp: SocketAddr, tries: usize) -> usize {
    const SESSIONS: usize = 50;
    let mut sessions = JoinSet::new();
    for _ in 0..SESSIONS {
        sessions.spawn(async move {
            let mut client = Client::ehlo(smtp).await.unwrap();
            let mut passed = 0;
            for _ in 0..tries {
                let reply = client.command("MAIL FROM:<ann@sender.test>").await.unwrap();
                match reply.code {
                    250 => passed += 1,
                    450 => assert!(reply.text().contains("try again in"), "{reply:?}"),
                    _ => panic!("{reply:?}"),
                }
                client.command("RSET").await.unwrap();
            }
            passed
        });
    }
    sessions.join_all().await.into_iter().sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_holds_exactly_under_fifty_sessions_and_through_a_restart() {
    const DAILY: usize = 237;
    let world = World::new().await;
    // The bucket would give more: the cap of the day is what is exact for ever. And the other way round, below.
    let more = format!(
        "[[plugins.policy.rates]]\nper = \"address\"\nlimit = \"100000/second\"\ndaily = {DAILY}\n\
         [[plugins.policy.rates]]\nper = \"sender\"\nlimit = \"1/day\"\nburst = 150\n"
    );
    let mut relay = world.relay_with(LISTENER, &more).await;
    let passed = push(relay.smtp, 6).await;
    assert_eq!(
        passed, 150,
        "the bucket of the sender gives its burst and not one more"
    );
    assert!(relay.stop().await);
    relay.restart().await;
    assert_eq!(push(relay.smtp, 1).await, 0, "a restart gives nothing back");

    let more = format!(
        "[[plugins.policy.rates]]\nper = \"address\"\nlimit = \"100000/second\"\ndaily = {DAILY}\n"
    );
    let mut relay = world.relay_with(LISTENER, &more).await;
    assert_eq!(
        push(relay.smtp, 6).await,
        DAILY,
        "nor does the day give more than its cap"
    );
    assert!(relay.stop().await);
    relay.restart().await;
    assert_eq!(push(relay.smtp, 1).await, 0);
}

#[tokio::test]
async fn a_hijacked_account_is_slowed_stopped_and_reported_while_its_neighbours_go_on() {
    let world = World::new().await;
    world.domain("spam.test", &[1]);
    world.domain("good.test", &[2]);
    world.domain("sender.test", &[2]);
    let refusal = |event: &str, _: usize| {
        (event == ".").then(|| Act::say("550 5.7.1 Message rejected as spam"))
    };
    let _refuses = world.exchanger(1, Script::default().on(refusal)).await;
    let takes = world.exchanger(2, Script::default()).await;
    let more = accounts(&["hijacked", "neighbour"])
        + "\n[plugins.policy.reputation]\nslow-limit = \"60/minute\"\npoints = { spam = 10, block = 10 }\n";
    let relay = world.relay_with(LISTENER, &more).await;
    let mut neighbour = login(relay.smtp, "neighbour").await;
    assert_eq!(deliver(&mut neighbour, "b@good.test").await.code, 250);

    let mut hijacked = login(relay.smtp, "hijacked").await;
    let (mut accepted, mut slowed) = (0, false);
    let stopped = eventually("the account is stopped", TRIES, async || {
        let reply = deliver(&mut hijacked, "b@spam.test").await;
        if reply.code == 250 {
            accepted += 1;
            assert!(
                accepted <= 20,
                "stopped within a bounded number of messages"
            );
            // What the remote says is known before the next message comes: so the number is the same each time.
            eventually("it is held against the account", TRIES, async || {
                (told(&relay, "charged").await >= f64::from(accepted)).then_some(())
            })
            .await;
            return None;
        }
        assert_eq!(reply.code, 450, "{reply:?}");
        slowed |= reply.text().contains("slowed down");
        reply.text().contains("stopped").then_some(reply)
    })
    .await;
    assert!(
        stopped
            .text()
            .starts_with("4.7.1 Sending by account hijacked is stopped"),
        "{stopped:?}"
    );
    assert!(stopped.text().contains("ends by itself in"), "{stopped:?}");
    assert!((8..=10).contains(&accepted), "{accepted}");
    assert_eq!(told(&relay, "slowed").await, 1.0, "told once, at 60");
    assert_eq!(told(&relay, "stopped").await, 1.0, "told once, at 20");
    assert!(
        relay.log().contains("account:hijacked"),
        "the report names the account"
    );
    let _ = slowed;

    // Those who sent nothing of the kind notice nothing.
    for _ in 0..10 {
        assert_eq!(deliver(&mut neighbour, "b@good.test").await.code, 250);
    }
    let from_neighbour = || {
        takes
            .received()
            .iter()
            .filter(|r| r.sender == "ann@sender.test")
            .count()
    };
    eventually("the neighbour's mail is delivered", TRIES, async || {
        (from_neighbour() == 11).then_some(())
    })
    .await;

    // An operator lets the account go on, while mail flows.
    let path = "/api/v1/plugins/policy/kv/standing/account:hijacked";
    let headers = [("Content-Type", "application/json")];
    let body = json!({ "value": "good" }).to_string();
    let set = http::request(relay.http, "PUT", path, &headers, body.as_bytes())
        .await
        .unwrap();
    assert_eq!(set.status, 204, "{}", set.text());
    assert_eq!(deliver(&mut hijacked, "b@good.test").await.code, 250);
}

#[tokio::test]
async fn slowed_down_means_a_few_at_once_and_then_a_time_to_wait() {
    let world = World::new().await;
    let more = accounts(&["hijacked"])
        + "\n[plugins.policy]\ntraps = [\"trap@t.test\"]\n\
           [plugins.policy.reputation]\nslow-limit = \"30/hour\"\npoints = { trap = 50 }\n";
    let relay = world.relay_with(LISTENER, &more).await;
    let mut client = login(relay.smtp, "hijacked").await;
    client.command("MAIL FROM:<ann@sender.test>").await.unwrap();
    let reply = client.command("RCPT TO:<trap@t.test>").await.unwrap();
    assert_eq!(reply.code, 550);
    assert!(
        reply.text().contains("it is a trap for unsolicited mail"),
        "{reply:?}"
    );
    client.command("RSET").await.unwrap();
    let mut codes = Vec::new();
    for _ in 0..7 {
        let reply = client.command("MAIL FROM:<ann@sender.test>").await.unwrap();
        client.command("RSET").await.unwrap();
        codes.push(reply.code);
        if reply.code == 450 {
            assert!(reply.text().contains("slowed down to 30/hour"), "{reply:?}");
            assert!(
                reply.text().ends_with("try again in 2 minutes"),
                "{reply:?}"
            );
        }
    }
    assert_eq!(codes, [250, 250, 250, 250, 250, 450, 450]);
}

#[tokio::test]
async fn a_look_alike_domain_and_a_forged_author_are_refused_in_clear_words() {
    let world = World::new().await;
    let more = accounts(&["shop"])
        + "\n[plugins.policy.senders]\nshop = [\"sender.test\", \"xn--pypal-4ve.test\"]\n\
           [[plugins.policy.brands]]\nname = \"Example Pay\"\ndomains = [\"paypal.test\"]\n";
    let relay = world.relay_with(LISTENER, &more).await;
    let mut client = login(relay.smtp, "shop").await;
    let mut send = async |from: &str| {
        let reply = client
            .deliver("ann@sender.test", &["b@dest.test"], message(from))
            .await;
        reply.unwrap()
    };
    let reply = send("Service <service@xn--pypal-4ve.test>").await;
    assert_eq!(reply.code, 550);
    assert_eq!(
        reply.text(),
        "5.7.1 The domain xn--pypal-4ve.test looks like paypal.test, which belongs to Example Pay; write from a domain of your own"
    );
    let reply = send("\"ann@sender.test\" <boss@bank.test>").await;
    assert_eq!(reply.code, 550);
    assert_eq!(
        reply.text(),
        "5.7.1 You may not write as boss@bank.test in the From field"
    );
    assert_eq!(send("Ann <ann@sender.test>").await.code, 250);
    let reply = client.command("MAIL FROM:<boss@bank.test>").await.unwrap();
    assert_eq!(
        (reply.code, reply.text().as_str()),
        (550, "5.7.1 You may not send as boss@bank.test")
    );
}
