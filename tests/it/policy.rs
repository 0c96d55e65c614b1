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
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::world::World;

/// Accounts without TLS, on loopback; refusals enough for a test.
pub const LISTENER: &str =
    "auth = true\nauth-in-clear = true\nerrors-max = 10000\nconnections-per-address-max = 1000";
const TRIES: Duration = Duration::from_secs(60);

/// `[[account]]` of each name; the password is "secret".
pub fn accounts(names: &[&str]) -> String {
    let hash = crate::relaying::hash("secret");
    let one =
        |name: &&str| format!("\n[[account]]\nname = \"{name}\"\npassword-hash = \"{hash}\"\n");
    names.iter().map(one).collect()
}

pub async fn login(smtp: SocketAddr, account: &str) -> Client {
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
    let mut accepted = 0;
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

#[tokio::test]
async fn a_client_on_a_block_list_is_refused_and_the_list_is_asked_once() {
    let world = World::new().await;
    world.domain("dest.test", &[1]);
    let mx = world.exchanger(1, Script::default()).await;
    world
        .dns
        .address("7.7.0.127.bl.test", [127, 0, 0, 2].into());
    // A list that answers so says that it answers nobody any more.
    world
        .dns
        .address("8.7.0.127.bl.test", [127, 255, 255, 254].into());
    let more = "[[plugins.policy.block-lists]]\nzone = \"bl.test\"\n[plugins.policy.grants]\ndns = true\n\
                [relay]\ndomains = [\"dest.test\"]\n";
    let relay = world.relay_with("relay-from = []", more).await;
    let bring = async |from: [u8; 4]| {
        let mut client = Client::connect_from(from.into(), relay.smtp).await.unwrap();
        assert_eq!(client.reply().await.unwrap().code, 220);
        client.command("EHLO client.test").await.unwrap();
        let body = message("ann@sender.test");
        client
            .deliver("ann@sender.test", &["b@dest.test"], body)
            .await
            .unwrap()
    };
    let mut asked = Vec::new();
    for _ in 0..3 {
        let reply = bring([127, 0, 7, 7]).await;
        assert_eq!(reply.code, 550);
        assert!(
            reply.text().contains(
                "Your address 127.0.7.7 is on the block list bl.test; ask there to be taken off"
            ),
            "{reply:?}"
        );
        asked.push(world.dns.asked("7.7.0.127.bl.test"));
    }
    assert!(
        asked[0] > 0 && asked.iter().all(|count| *count == asked[0]),
        "what was answered is remembered: {asked:?}"
    );
    assert_eq!(bring([127, 0, 7, 8]).await.code, 250);
    assert_eq!(bring([127, 0, 7, 9]).await.code, 250);
    mx.wait_for(2).await;
}

/// A scanner that speaks rspamd's protocol; it knows one word. What it was asked goes to the channel.
async fn scanner() -> (SocketAddr, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (asked, questions) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut bytes = Vec::new();
            let question = loop {
                if socket.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                    break String::from_utf8_lossy(&bytes).into_owned();
                }
                let text = String::from_utf8_lossy(&bytes);
                let length = text.lines().find_map(|line| {
                    let (name, value) = line.split_once(": ")?;
                    name.eq_ignore_ascii_case("content-length")
                        .then(|| value.parse::<usize>().ok())?
                });
                let body = text.split_once("\r\n\r\n").map(|(_, body)| body.len());
                if body.is_some() && body >= length {
                    break text.into_owned();
                }
            };
            let (action, score) = match question.contains("viagra") {
                true => ("reject", 21.5),
                false => ("no action", 0.1),
            };
            let answer = json!({
                "action": action, "score": score, "required_score": 15.0,
                "symbols": { "FUZZY": { "name": "FUZZY", "score": 12.0 } },
            });
            let answer = answer.to_string();
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
            let text = format!("{head}Content-Length: {}\r\n\r\n{answer}", answer.len());
            socket.write_all(text.as_bytes()).await.unwrap();
            asked.send(question).unwrap();
        }
    });
    (address, questions)
}

#[tokio::test]
async fn a_scanner_is_shown_the_message_as_it_came_and_decides_about_it() {
    let world = World::new().await;
    world.domain("dest.test", &[1]);
    let mx = world.exchanger(1, Script::default()).await;
    let (address, mut questions) = scanner().await;
    let more = accounts(&["shop"])
        + &format!(
            "\n[plugins.policy.scanner]\nurl = \"http://{address}/checkv2\"\n\
             [plugins.policy.grants]\nhttp = [\"{address}\"]\n"
        );
    let relay = world.relay_with(LISTENER, &more).await;
    let mut client = login(relay.smtp, "shop").await;
    assert_eq!(deliver(&mut client, "b@dest.test").await.code, 250);
    mx.wait_for(1).await;
    let question = questions.recv().await.unwrap();
    let (head, body) = question.split_once("\r\n\r\n").unwrap();
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with("post /checkv2 http/1.1"), "{head}");
    for field in [
        "from: ann@sender.test",
        "rcpt: b@dest.test",
        "ip: 127.0.0.1",
        "helo: client.test",
        "user: shop",
    ] {
        assert!(head.lines().any(|line| line == field), "{field}: {head}");
    }
    assert_eq!(body, message("ann@sender.test"), "the message as it came");

    let spam = "From: ann@sender.test\r\nSubject: x\r\n\r\nviagra\r\n";
    let reply = client
        .deliver("ann@sender.test", &["b@dest.test"], spam)
        .await
        .unwrap();
    assert_eq!(reply.code, 550);
    assert!(reply.text().contains("recognised as spam"), "{reply:?}");
    assert!(relay.log().contains("FUZZY=12.0"), "the event says why");
    assert_eq!(mx.count(), 1);
}
