//! A relay in this process: from a client's socket through plugins and spool to the inbox or a remote host.

mod sink;

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use baton::Relay;
use baton::config::Config;
use baton_spool::{HistoryFilter, InboxMessage, MessageState};
use sink::Sink;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

const TIME: Duration = Duration::from_secs(60);

const MESSAGE: &str = "From: ann@sender.test\r\nSubject: hello\r\n\r\nline\r\n.dot\r\n";

struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    async fn connect(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).await.expect("a connection");
        let mut client = Client {
            stream: BufReader::new(stream),
        };
        assert!(client.reply().await.starts_with("220 "));
        assert!(client.command("EHLO client.test").await.starts_with("250"));
        client
    }

    async fn reply(&mut self) -> String {
        let mut whole = String::new();
        loop {
            let mut line = String::new();
            let read = self.stream.read_line(&mut line);
            let count = tokio::time::timeout(TIME, read)
                .await
                .expect("in time")
                .expect("a line");
            whole.push_str(&line);
            if count == 0 || line.as_bytes().get(3) == Some(&b' ') {
                return whole;
            }
        }
    }

    async fn command(&mut self, line: &str) -> String {
        self.stream
            .write_all(format!("{line}\r\n").as_bytes())
            .await
            .expect("written");
        self.reply().await
    }

    async fn send(&mut self, from: &str, to: &[&str], message: &str) -> String {
        assert!(
            self.command(&format!("MAIL FROM:<{from}>"))
                .await
                .starts_with("250")
        );
        for to in to {
            let reply = self.command(&format!("RCPT TO:<{to}>")).await;
            assert!(reply.starts_with("250"), "{reply}");
        }
        assert!(self.command("DATA").await.starts_with("354"));
        let stuffed = message.replace("\r\n.", "\r\n..");
        self.command(&format!("{stuffed}.")).await
    }
}

async fn dev(home: &Path) -> Relay {
    let any = || "127.0.0.1:0".parse().expect("an address");
    let mut config = Config::dev(home.join("state"), any(), any(), None);
    config.http.admin = None;
    Relay::start(config).await.expect("a relay")
}

/// A relay in production mode that gives everything to a smart host at `sink`.
async fn serve(home: &Path, sink: SocketAddr, more: &str) -> Relay {
    let text = format!(
        r#"
        hostname = "relay.test"
        [[listener]]
        name = "in"
        address = "127.0.0.1:0"
        [delivery]
        route = "smarthost:sink"
        retry = ["1s"]
        {more}
        [[smarthost]]
        name = "sink"
        host = "{}"
        port = {}
        tls = "none"
        "#,
        sink.ip(),
        sink.port(),
    );
    let mut config = Config::parse(&text, &home.join("baton.toml")).expect("a configuration");
    config.state = home.join("state");
    Relay::start(config).await.expect("a relay")
}

fn address(relay: &Relay) -> SocketAddr {
    relay.smtp_addresses().next().expect("a listener").1
}

async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + TIME;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "{what}: not in time"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn inbox(relay: &Relay, count: usize) -> Vec<(InboxMessage, String)> {
    eventually("the inbox", || {
        let snapshot = relay.store().snapshot().expect("a snapshot");
        let found = snapshot.inbox_list(None, 100).expect("a list");
        (found.len() >= count).then(|| {
            let raw = |item: &InboxMessage| {
                let raw = snapshot.inbox_raw(item.id).expect("read").expect("bytes");
                String::from_utf8(raw.to_vec()).expect("text")
            };
            found
                .into_iter()
                .map(|item| (item.clone(), raw(&item)))
                .collect()
        })
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mail_to_the_dev_relay_is_kept_in_the_inbox_below_a_received_field() {
    let home = TempDir::new().expect("a folder");
    let relay = dev(home.path()).await;
    let mut client = Client::connect(address(&relay)).await;
    let reply = client
        .send("ann@sender.test", &["bob@dest.test"], MESSAGE)
        .await;
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");
    let (item, raw) = inbox(&relay, 1).await.remove(0);
    assert_eq!(item.subject.as_deref(), Some("hello"));
    assert!(
        raw.starts_with("Received: from client.test ([127.0.0.1])"),
        "{raw}"
    );
    assert!(
        raw.contains("\r\nMessage-ID: <") && raw.contains("\r\nDate: "),
        "{raw}"
    );
    assert!(raw.ends_with(MESSAGE), "{raw}");
    let row = relay
        .store()
        .snapshot()
        .expect("a snapshot")
        .history(item.id)
        .expect("read");
    let row = row.expect("a row of the history");
    assert_eq!((row.state, row.delivered), (MessageState::Delivered, 1));
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_asks_for_a_refusal_gets_its_sender_a_bounce() {
    let home = TempDir::new().expect("a folder");
    let relay = dev(home.path()).await;
    let mut client = Client::connect(address(&relay)).await;
    client
        .send("ann@sender.test", &["550-5.1.1@sim.test"], MESSAGE)
        .await;
    let (item, raw) = inbox(&relay, 1).await.remove(0);
    assert!(item.sender.is_null());
    assert!(
        raw.contains("Status: 5.1.1") && raw.contains("Action: failed"),
        "{raw}"
    );
    assert!(
        raw.contains("Subject: hello") && !raw.contains(".dot"),
        "{raw}"
    );
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_site_is_given_all_recipients_at_once_and_those_it_put_off_again() {
    let home = TempDir::new().expect("a folder");
    let sink = Sink::start(|command, times| {
        (command.starts_with("RCPT TO:<later@") && times == 0).then_some("451 4.7.1 not yet")
    })
    .await;
    let relay = serve(home.path(), sink.address(), "").await;
    let mut client = Client::connect(address(&relay)).await;
    let to = ["one@a.test", "later@b.test", "two@c.test"];
    client.send("ann@sender.test", &to, MESSAGE).await;
    let got = sink.wait_for(2).await;
    assert_eq!(got[0].recipients, ["one@a.test", "two@c.test"]);
    assert_eq!(got[1].recipients, ["later@b.test"]);
    assert!(got[0].text.ends_with(MESSAGE), "{}", got[0].text);
    eventually("an empty spool", || {
        (relay.store().spool().counts().messages == 0).then_some(())
    })
    .await;
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_away_gets_its_mail_when_it_is_back_even_after_a_restart() {
    let home = TempDir::new().expect("a folder");
    let sink = Sink::start(|_, _| None).await;
    let place = sink.address();
    drop(sink);
    let relay = serve(home.path(), place, "").await;
    let mut client = Client::connect(address(&relay)).await;
    client
        .send("ann@sender.test", &["bob@dest.test"], MESSAGE)
        .await;
    eventually("a deferral", || {
        (relay.store().spool().counts().deferred == 1).then_some(())
    })
    .await;
    relay.stop().await;
    let sink = Sink::start_at(place, |_, _| None).await;
    let relay = serve(home.path(), place, "").await;
    let got = sink.wait_for(1).await;
    assert_eq!(got[0].recipients, ["bob@dest.test"]);
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_messages_at_once_all_arrive_once() {
    let home = TempDir::new().expect("a folder");
    let sink = Sink::start(|_, _| None).await;
    let relay = serve(home.path(), sink.address(), "").await;
    let place = address(&relay);
    let mut senders = tokio::task::JoinSet::new();
    for sender in 0..10 {
        senders.spawn(async move {
            let mut client = Client::connect(place).await;
            for number in 0..20 {
                let to = format!("{sender}-{number}@dest.test");
                let reply = client.send("ann@sender.test", &[&to], MESSAGE).await;
                assert!(reply.starts_with("250"), "{reply}");
            }
        });
    }
    while let Some(done) = senders.join_next().await {
        done.expect("a sender without a panic");
    }
    let got = sink.wait_for(200).await;
    let mut recipients: Vec<_> = got.iter().flat_map(|one| one.recipients.clone()).collect();
    recipients.sort();
    recipients.dedup();
    assert_eq!((got.len(), recipients.len()), (200, 200));
    eventually("an empty spool", || {
        (relay.store().spool().counts().messages == 0).then_some(())
    })
    .await;
    let filter = HistoryFilter {
        state: Some(MessageState::Delivered),
        ..Default::default()
    };
    let snapshot = relay.store().snapshot().expect("a snapshot");
    assert_eq!(
        snapshot
            .history_list(None, 1000, &filter)
            .expect("a list")
            .len(),
        200
    );
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stranger_is_relayed_nowhere() {
    let home = TempDir::new().expect("a folder");
    let text = r#"
        hostname = "relay.test"
        [relay]
        from = ["10.0.0.0/8"]
        domains = ["ours.test"]
        [[listener]]
        name = "in"
        address = "127.0.0.1:0"
    "#;
    let mut config = Config::parse(text, &home.path().join("baton.toml")).expect("a configuration");
    config.state = home.path().join("state");
    let relay = Relay::start(config).await.expect("a relay");
    let mut client = Client::connect(address(&relay)).await;
    client.command("MAIL FROM:<a@sender.test>").await;
    let reply = client.command("RCPT TO:<b@elsewhere.test>").await;
    assert!(reply.starts_with("550 5.7.1 "), "{reply}");
    let reply = client.command("RCPT TO:<b@ours.test>").await;
    assert!(reply.starts_with("250"), "{reply}");
    relay.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_relays_in_one_process_do_not_know_of_each_other() {
    let homes = (
        TempDir::new().expect("a folder"),
        TempDir::new().expect("a folder"),
    );
    let (one, other) = (dev(homes.0.path()).await, dev(homes.1.path()).await);
    let mut client = Client::connect(address(&one)).await;
    client
        .send("ann@sender.test", &["bob@dest.test"], MESSAGE)
        .await;
    inbox(&one, 1).await;
    let snapshot = other.store().snapshot().expect("a snapshot");
    assert_eq!(snapshot.inbox_len().expect("a number"), 0);
    drop(snapshot);
    one.stop().await;
    other.stop().await;
}
