//! What comes back: bounces and complaints at the relay's own return paths find the message, the account and the recipient
//! they are about, and nothing else gets in by that door.

use std::time::Duration;

use baton_tests::mx::Act;
use baton_tests::{Client, Mx, Received, Relay, Script, eventually};
use serde_json::Value;

use crate::world::World;

pub const RETURN_PATH: &str = "\n[return-path]\ndomain = \"bounce.relay.test\"\n";

/// RFC 3461 and the rest of what a modern exchanger offers.
const WITH_DSN: [&str; 4] = ["PIPELINING", "8BITMIME", "ENHANCEDSTATUSCODES", "DSN"];

/// Ann's mail goes through a relay with return paths to `dest.test`; her own exchanger is `home`.
struct Scene {
    _world: World,
    dest: Mx,
    home: Mx,
    relay: Relay,
}

impl Scene {
    async fn new(more: &str) -> Scene {
        let world = World::new().await;
        world.domain("dest.test", &[1]);
        world.domain("sender.test", &[9]);
        let dest = world
            .exchanger(1, Script::default().extensions(&WITH_DSN))
            .await;
        let home = world.exchanger(9, Script::default()).await;
        let relay = world
            .relay_with(
                "auth = true\nauth-in-clear = true",
                &format!("{RETURN_PATH}{more}"),
            )
            .await;
        Scene {
            _world: world,
            dest,
            home,
            relay,
        }
    }

    /// Sends one message and gives what the exchanger of its recipients got: one for each transaction.
    async fn send(&self, to: &[&str], transactions: usize) -> Vec<Received> {
        let before = self.dest.count();
        let mut client = Client::ehlo(self.relay.smtp).await.unwrap();
        let reply = client
            .command("MAIL FROM:<ann@sender.test> ENVID=env42")
            .await
            .unwrap();
        assert_eq!(reply.code, 250, "{reply:?}");
        for to in to {
            // What follows the address stands behind its bracket.
            let (address, parameters) = to.split_once(' ').unwrap_or((to, ""));
            let command = format!("RCPT TO:<{address}> {parameters}");
            let reply = client.command(command.trim_end()).await.unwrap();
            assert_eq!(reply.code, 250, "{reply:?}");
        }
        assert_eq!(client.command("DATA").await.unwrap().code, 354);
        let message = "From: ann@sender.test\r\nTo: someone@dest.test\r\nSubject: news\r\n\
            Message-ID: <n1@sender.test>\r\nDate: Mon, 06 Jul 2026 10:00:00 +0000\r\n\r\nhello\r\n.\r\n";
        client.send(message).await.unwrap();
        let reply = client.reply().await.unwrap();
        assert_eq!(reply.code, 250, "{reply:?}");
        self.dest
            .wait_for(before + transactions)
            .await
            .split_off(before)
    }

    /// What a stranger hears who brings a message.
    async fn bring(&self, from: &str, to: &str, message: &str) -> (u16, String) {
        bring(&self.relay, from, to, message).await
    }

    /// The one message that was accepted first, with what came back of it, once that many reports did.
    async fn reported(&self, count: usize) -> Value {
        let list = self.relay.api("/api/v1/messages?sender=ann&limit=10").await;
        let id = list.as_array().unwrap().last().unwrap()["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let path = format!("/api/v1/messages/{id}");
        eventually(
            "the reports are written down",
            Duration::from_secs(20),
            async || {
                let message = self.relay.api(&path).await;
                let reports = message["reports"].as_array()?.len();
                (reports >= count).then_some(message)
            },
        )
        .await
    }
}

/// What a stranger hears who brings a message.
pub async fn bring(relay: &Relay, from: &str, to: &str, message: &str) -> (u16, String) {
    let stranger = std::net::IpAddr::from([127, 0, 7, 7]);
    let mut client = Client::connect_from(stranger, relay.smtp).await.unwrap();
    assert_eq!(client.reply().await.unwrap().code, 220);
    assert_eq!(client.command("EHLO mx.isp.test").await.unwrap().code, 250);
    let reply = client.deliver(from, &[to], message).await.unwrap();
    (reply.code, reply.text())
}

/// Strangers are everybody but 127.0.0.1: the usual trust in loopback would make a poor test of an open door.
pub const STRANGERS: &str = "\n[relay]\nfrom = [\"127.0.0.1\"]\n";

/// A delivery report as a large provider's exchanger sends it hours later.
fn dsn(
    to: &str,
    original: &Received,
    recipient: &str,
    action: &str,
    status: &str,
    said: &str,
) -> String {
    let head = original.text();
    let head = head.split("\r\n\r\n").next().unwrap();
    format!(
        "Received: by mx.isp.test; Mon, 06 Jul 2026 12:00:00 +0000\r\n\
         From: Mail Delivery Subsystem <mailer-daemon@isp.test>\r\nTo: {to}\r\n\
         Subject: Delivery Status Notification ({action})\r\nAuto-Submitted: auto-replied\r\n\
         Date: Mon, 06 Jul 2026 12:00:00 +0000\r\nMessage-ID: <d1@isp.test>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=\"b1\"\r\n\r\n\
         --b1\r\nContent-Type: text/plain\r\n\r\nYour message wasn't delivered.\r\n\
         --b1\r\nContent-Type: message/delivery-status\r\n\r\n\
         Original-Envelope-Id: env42\r\nReporting-MTA: dns; mx.isp.test\r\n\r\n\
         Final-Recipient: rfc822; {recipient}\r\nAction: {action}\r\nStatus: {status}\r\n\
         Diagnostic-Code: smtp; {said}\r\n\r\n\
         --b1\r\nContent-Type: text/rfc822-headers\r\n\r\n{head}\r\n\r\n--b1--\r\n"
    )
}

/// A complaint of a feedback loop: the recipient is redacted wherever it stands, and so is every other address.
pub fn arf(original: &Received) -> String {
    let redacted = original
        .text()
        .replace("bob@dest.test", "[redacted]")
        .replace("carol@dest.test", "[redacted]")
        .replace(&original.sender, "[redacted]");
    assert!(!redacted.contains("@bounce.relay.test"), "{redacted}");
    format!(
        "From: feedbackloop@isp.test\r\nTo: fbl@bounce.relay.test\r\nSubject: Abuse report\r\n\
         Date: Mon, 06 Jul 2026 12:00:00 +0000\r\nMessage-ID: <c1@isp.test>\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=feedback-report; boundary=\"b2\"\r\n\r\n\
         --b2\r\nContent-Type: text/plain\r\n\r\nThis is an email abuse report.\r\n\
         --b2\r\nContent-Type: message/feedback-report\r\n\r\n\
         Feedback-Type: abuse\r\nUser-Agent: isp-fbl/1.0\r\nVersion: 1\r\n\
         Original-Rcpt-To: [redacted]\r\nSource-IP: 192.0.2.1\r\n\r\n\
         --b2\r\nContent-Type: message/rfc822\r\n\r\n{redacted}\r\n--b2--\r\n"
    )
}

#[tokio::test]
async fn a_later_bounce_finds_its_message_and_recipient_and_the_sender_is_told_once() {
    let scene = Scene::new(STRANGERS).await;
    let got = scene.send(&["bob@dest.test"], 1).await.remove(0);
    assert!(got.sender.starts_with("b-"), "{got:?}");
    assert!(got.sender.ends_with("@bounce.relay.test") && got.sender.len() <= 64 + 1 + 17);
    assert!(
        got.text().starts_with("X-Return-Token: b-"),
        "{}",
        got.text()
    );
    let (local, domain) = got.sender.split_once('@').unwrap();
    let shouted = format!("{}@{domain}", local.to_uppercase());
    let said = "550 5.1.1 The email account that you tried to reach does not exist";
    let report = dsn(&got.sender, &got, "bob@dest.test", "failed", "5.1.1", said);
    assert_eq!(scene.bring("", &shouted, &report).await.0, 250);

    let told = scene.home.wait_for(1).await.remove(0);
    assert_eq!(
        (told.sender.as_str(), told.recipients.as_slice()),
        ("", &["ann@sender.test".to_owned()][..])
    );
    let text = told.text().replace("; ", ";");
    for wanted in [
        "report-type=delivery-status",
        "Reporting-MTA: dns;relay.test",
        "Original-Envelope-Id: env42",
        "Final-Recipient: rfc822;bob@dest.test",
        "Action: failed",
        "Status: 5.1.1",
        "Subject: news",
        "X-Baton-Plugins:",
        "link-tracking@",
    ] {
        assert!(text.contains(wanted), "{wanted} is missing:\n{text}");
    }
    let message = scene.reported(1).await;
    let plugins = message["plugins"].to_string();
    assert!(plugins.contains("link-tracking"), "{plugins}");
    let report_step = &message["reports"][0];
    assert_eq!(report_step["report"], "bounce");
    assert_eq!(report_step["recipient"], "bob@dest.test");
    assert_eq!(
        report_step["translation"]["reason"], "user-unknown",
        "{report_step}"
    );
    assert_eq!(report_step["translation"]["plugin"], "isp-responses");

    // Brought again, by an exchanger that missed the 250 or by a thief: it is written down and does nothing.
    assert_eq!(scene.bring("", &got.sender, &report).await.0, 250);
    let listed = scene.relay.api("/api/v1/suppression").await;
    assert_eq!(listed[0]["address"], "bob@dest.test", "{listed}");
    // The sender's next message is the second that its exchanger gets.
    let mut client = Client::ehlo(scene.relay.smtp).await.unwrap();
    let reply = client
        .deliver(
            "ann@sender.test",
            &["x@missing.test"],
            "Subject: marker\r\n\r\n",
        )
        .await
        .unwrap();
    assert_eq!(reply.code, 250);
    let all = scene.home.wait_for(2).await;
    assert!(all[1].text().contains("missing.test"), "{}", all[1].text());
    assert_eq!(all.len(), 2);
}

#[tokio::test]
async fn a_redacted_complaint_finds_message_account_and_recipient_by_the_token() {
    let accounts = format!(
        "{STRANGERS}\n[[account]]\nname = \"letters\"\npassword-hash = \"{}\"\n",
        crate::relaying::hash("secret")
    );
    let scene = Scene::new(&accounts).await;
    let mut client = Client::ehlo(scene.relay.smtp).await.unwrap();
    // "\0letters\0secret"
    let reply = client
        .command("AUTH PLAIN AGxldHRlcnMAc2VjcmV0")
        .await
        .unwrap();
    assert_eq!(reply.code, 235, "{reply:?}");
    let reply = client
        .deliver(
            "ann@sender.test",
            &["bob@dest.test"],
            "To: bob@dest.test\r\nSubject: news\r\n\r\nhello\r\n",
        )
        .await
        .unwrap();
    assert_eq!(reply.code, 250);
    let got = scene.dest.wait_for(1).await.remove(0);
    assert_eq!(
        scene
            .bring("fbl@isp.test", "fbl@bounce.relay.test", &arf(&got))
            .await
            .0,
        250
    );
    let message = scene.reported(1).await;
    assert_eq!(message["account"], "letters");
    let report = &message["reports"][0];
    assert_eq!(
        (
            &report["report"],
            &report["recipient"],
            &report["feedback_type"]
        ),
        (
            &"complaint".into(),
            &"bob@dest.test".into(),
            &"abuse".into()
        )
    );
    // Nobody is told by mail that somebody complained.
    assert_eq!(scene.home.count(), 0);
}

#[tokio::test]
async fn nobody_gets_in_by_a_return_path_that_is_not_the_relays() {
    let scene = Scene::new(STRANGERS).await;
    let got = scene.send(&["bob@dest.test"], 1).await.remove(0);
    let (local, domain) = got.sender.split_once('@').unwrap();
    let mut forged = local.to_owned();
    forged.replace_range(10..11, if &forged[10..11] == "a" { "b" } else { "a" });
    let report = dsn(
        &got.sender,
        &got,
        "bob@dest.test",
        "failed",
        "5.1.1",
        "550 5.1.1 no",
    );
    for nobody in [forged.as_str(), "b-", "b-aaaa", "bob", "postmaster"] {
        let (code, text) = scene
            .bring("", &format!("{nobody}@{domain}"), &report)
            .await;
        assert_eq!(code, 550, "{nobody}: {text}");
        assert!(text.starts_with("5.1.1"), "{nobody}: {text}");
    }
    let (code, text) = scene
        .bring("x@isp.test", "anybody@elsewhere.test", &report)
        .await;
    assert_eq!((code, &text[..5]), (550, "5.7.1"));
    // A person who writes to a machine is told so, and nothing is passed on.
    let letter = "From: x@isp.test\r\nSubject: buy\r\n\r\nspam\r\n";
    assert_eq!(scene.bring("x@isp.test", &got.sender, letter).await.0, 550);
    assert_eq!(
        scene
            .bring("x@isp.test", "fbl@bounce.relay.test", letter)
            .await
            .0,
        550
    );
    assert_eq!(scene.home.count(), 0);
    assert_eq!(scene.dest.count(), 1);
}

#[tokio::test]
async fn what_a_machine_says_in_words_nobody_knows_goes_to_the_sender_with_the_null_path() {
    let scene = Scene::new(STRANGERS).await;
    let got = scene.send(&["bob@dest.test"], 1).await.remove(0);
    let odd =
        "From: robot@isp.test\r\nSubject: zzz\r\nAuto-Submitted: auto-generated\r\n\r\nqwerty\r\n";
    assert_eq!(scene.bring("", &got.sender, odd).await.0, 250);
    let passed = scene.home.wait_for(1).await.remove(0);
    assert_eq!(passed.sender, "");
    assert!(
        passed.text().starts_with("Received: from mx.isp.test"),
        "{}",
        passed.text()
    );
    assert!(passed.text().ends_with(odd), "{}", passed.text());
}

#[tokio::test]
async fn notify_never_holds_for_what_comes_back_later_too() {
    let scene = Scene::new(STRANGERS).await;
    let got = scene.send(&["bob@dest.test NOTIFY=NEVER"], 1).await;
    let report = dsn(
        &got[0].sender,
        &got[0],
        "bob@dest.test",
        "failed",
        "5.1.1",
        "550 5.1.1 unknown user",
    );
    assert_eq!(scene.bring("", &got[0].sender, &report).await.0, 250);
    let message = scene.reported(1).await;
    assert_eq!(message["reports"][0]["report"], "bounce");
    assert_eq!(message["reports"][0].get("notification"), None);
}

#[tokio::test]
async fn several_recipients_share_a_transaction_and_the_report_says_which_one_it_was() {
    let scene = Scene::new(STRANGERS).await;
    let got = scene
        .send(&["bob@dest.test", "carol@dest.test"], 1)
        .await
        .remove(0);
    assert_eq!(got.recipients.len(), 2);
    let report = dsn(
        &got.sender,
        &got,
        "Carol@dest.test",
        "failed",
        "5.2.2",
        "552 5.2.2 mailbox full",
    );
    assert_eq!(scene.bring("", &got.sender, &report).await.0, 250);
    let told = scene.home.wait_for(1).await.remove(0).text();
    assert!(told.contains("carol@dest.test"), "{told}");
    // A report about somebody the message never went to speaks for nobody.
    let victim = dsn(
        &got.sender,
        &got,
        "victim@other.test",
        "failed",
        "5.1.1",
        "550 5.1.1 unknown user",
    );
    assert_eq!(scene.bring("", &got.sender, &victim).await.0, 250);
    scene.reported(2).await;
    let listed = scene.relay.api("/api/v1/suppression").await.to_string();
    assert!(!listed.contains("victim"), "{listed}");
    assert_eq!(scene.home.count(), 1);
}

#[tokio::test]
async fn each_recipient_has_its_own_return_path_where_the_operator_wants_it() {
    let scene = Scene::new(&format!("per = \"recipient\"\n{STRANGERS}")).await;
    let got = scene.send(&["bob@dest.test", "carol@dest.test"], 2).await;
    assert_ne!(got[0].sender, got[1].sender);
    let carols = got
        .iter()
        .find(|one| one.recipients == ["carol@dest.test"])
        .unwrap();
    // The report names an address that her mail was forwarded to.
    let report = dsn(
        &carols.sender,
        carols,
        "hidden@far.test",
        "failed",
        "5.1.1",
        "550 5.1.1 unknown user",
    );
    assert_eq!(scene.bring("", &carols.sender, &report).await.0, 250);
    let message = scene.reported(1).await;
    assert_eq!(message["reports"][0]["recipient"], "carol@dest.test");
}

#[tokio::test]
async fn tokens_survive_a_restart_and_mail_of_strangers_keeps_its_sender() {
    let mut scene =
        Scene::new("\n[relay]\nfrom = [\"127.0.0.1\"]\ndomains = [\"dest.test\"]\n").await;
    let got = scene.send(&["bob@dest.test"], 1).await.remove(0);
    let stranger = "x@isp.test";
    assert_eq!(
        scene
            .bring(stranger, "bob@dest.test", "Subject: hi\r\n\r\nhello\r\n")
            .await
            .0,
        250
    );
    let theirs = scene.dest.wait_for(2).await.remove(1);
    assert_eq!(theirs.sender, stranger);
    assert!(
        !theirs.text().contains("X-Return-Token"),
        "{}",
        theirs.text()
    );
    scene.relay.restart().await;
    let report = dsn(
        &got.sender,
        &got,
        "bob@dest.test",
        "failed",
        "5.1.1",
        "550 5.1.1 unknown user",
    );
    assert_eq!(scene.bring("", &got.sender, &report).await.0, 250);
    scene.home.wait_for(1).await;
}

#[tokio::test]
async fn news_of_delay_and_arrival_goes_on_to_a_sender_that_wants_it() {
    let scene = Scene::new(STRANGERS).await;
    let got = scene
        .send(&["bob@dest.test NOTIFY=SUCCESS"], 1)
        .await
        .remove(0);
    assert_eq!(got.recipient_parameters[0], "NOTIFY=SUCCESS");
    let late = dsn(
        &got.sender,
        &got,
        "bob@dest.test",
        "delayed",
        "4.4.7",
        "451 4.4.7 still trying",
    );
    assert_eq!(scene.bring("", &got.sender, &late).await.0, 250);
    let there = dsn(
        &got.sender,
        &got,
        "bob@dest.test",
        "delivered",
        "2.0.0",
        "250 2.0.0 ok",
    );
    assert_eq!(scene.bring("", &got.sender, &there).await.0, 250);
    let passed = scene.home.wait_for(1).await.remove(0);
    assert_eq!(passed.sender, "");
    assert!(
        passed.text().contains("Action: delivered"),
        "{}",
        passed.text()
    );
    let message = scene.reported(2).await;
    assert_eq!(message["reports"][0]["report"], "delay");
    assert_eq!(scene.home.count(), 1);
}

#[tokio::test]
async fn a_refused_recipient_never_comes_back_as_a_loop() {
    let scene = Scene::new(STRANGERS).await;
    // The sender's own exchanger refuses what it is told.
    scene.home.follow(Script::default().on(|event, _| {
        event
            .starts_with("RCPT")
            .then(|| Act::say("550 5.1.1 nobody here"))
    }));
    let got = scene.send(&["bob@dest.test"], 1).await.remove(0);
    let report = dsn(
        &got.sender,
        &got,
        "bob@dest.test",
        "failed",
        "5.1.1",
        "550 5.1.1 unknown user",
    );
    assert_eq!(scene.bring("", &got.sender, &report).await.0, 250);
    scene.reported(1).await;
    eventually(
        "the notification was refused",
        Duration::from_secs(20),
        async || {
            let refused = scene.home.commands().iter().any(|c| c.starts_with("RCPT"));
            let waiting = scene.relay.api("/api/v1/queue").await;
            (refused && waiting.as_array()?.is_empty()).then_some(())
        },
    )
    .await;
    assert_eq!(scene.dest.count(), 1);
    assert_eq!(
        scene
            .home
            .commands()
            .iter()
            .filter(|c| c.starts_with("MAIL"))
            .count(),
        1
    );
}
