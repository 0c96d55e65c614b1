//! What an operator is told of by mail: each kind of alert, from what causes it to the mail in somebody's mailbox.

use std::time::Duration;

use baton_tests::guests::guest;
use baton_tests::mx::Act;
use baton_tests::{Client, Mx, Relay, Script, eventually};

use crate::feedback::{self, STRANGERS};
use crate::policy::{LISTENER, accounts, login};
use crate::world::World;

const TIME: Duration = Duration::from_secs(60);

/// Each second instead of each quarter of an hour, and rates that few messages reach.
const ALERTS: &str = "\n[alerts]\nto = [\"ops@ops.test\"]\nevery = \"1s\"\nrecipients-min = 4\n\
    bounces-per-1000 = 500\ncomplaints-per-1000 = 250\n";

/// Mail to `dest.test` goes to an exchanger with a script; alerts go to `ops`.
struct Scene {
    _world: World,
    dest: Mx,
    ops: Mx,
    /// Of the sender, for bounces.
    _home: Mx,
    relay: Relay,
}

impl Scene {
    async fn new(script: Script, more: &str, prepare: impl FnOnce(&std::path::Path)) -> Scene {
        let world = World::new().await;
        world.domain("dest.test", &[1]);
        world.domain("ops.test", &[8]);
        world.domain("sender.test", &[9]);
        let dest = world.exchanger(1, script).await;
        let ops = world.exchanger(8, Script::default()).await;
        let home = world.exchanger(9, Script::default()).await;
        let more = format!("{more}{ALERTS}{}", accounts(&["letters", "shop"]));
        let relay = world.relay_from(LISTENER, &more, prepare).await;
        Scene {
            _world: world,
            dest,
            ops,
            _home: home,
            relay,
        }
    }

    /// Sends messages to that address until one is refused; how many were taken.
    async fn send(&self, account: &str, to: &str, count: usize) -> usize {
        let mut client = login(self.relay.smtp, account).await;
        for taken in 0..count {
            let message = "From: ann@sender.test\r\nSubject: news\r\n\r\nhello\r\n";
            let reply = client
                .deliver("ann@sender.test", &[to], message)
                .await
                .unwrap();
            if reply.code != 250 {
                return taken;
            }
        }
        count
    }

    /// The text of alerts so far, once that line is among them.
    async fn told(&self, line: &str) -> String {
        eventually(&format!("an alert: {line}"), TIME, async || {
            let received = self.ops.received();
            let all: String = received.iter().map(|one| one.text()).collect();
            all.contains(&format!("\r\n* {line}\r\n")).then_some(all)
        })
        .await
    }
}

fn refuse_all_as(words: &'static str) -> Script {
    Script::default().on(move |event, _| (event == ".").then(|| Act::say(words)))
}

#[tokio::test]
async fn an_account_that_spams_is_told_of_once_by_a_mail_that_nobody_answers() {
    let more = "\n[plugins.policy.reputation]\npoints = { spam = 50, block = 50 }\n";
    let script = refuse_all_as("550 5.7.1 Message rejected as spam");
    let scene = Scene::new(script, more, |_| {}).await;
    eventually("the account is stopped", TIME, async || {
        (scene.send("letters", "bob@dest.test", 1).await == 0).then_some(())
    })
    .await;
    let text = scene
        .told("account:letters sends what a plugin stopped it for")
        .await;
    assert!(text.contains("policy: stopped: "), "{text}");
    let mail = scene.ops.received().remove(0);
    assert_eq!(
        (mail.sender.as_str(), mail.recipients.as_slice()),
        ("", &["ops@ops.test".to_owned()][..])
    );
    assert!(
        mail.text().contains("Auto-Submitted: auto-generated\r\n"),
        "{}",
        mail.text()
    );
    assert!(!text.contains("shop"), "{text}");
    assert!(
        scene.relay.log().contains("account-stopped"),
        "an alert is an event as well"
    );
}

#[tokio::test]
async fn an_account_whose_mail_bounces_too_often_is_told_of() {
    let nobody = |event: &str, _: usize| {
        let here = event.starts_with("RCPT TO:<bob@");
        (event.starts_with("RCPT") && !here).then(|| Act::say("550 5.1.1 User unknown"))
    };
    let scene = Scene::new(Script::default().on(nobody), "", |_| {}).await;
    // As many, all of which arrive: nothing to tell of.
    assert_eq!(scene.send("shop", "bob@dest.test", 4).await, 4);
    for n in 0..4 {
        assert_eq!(
            scene
                .send("letters", &format!("nobody{n}@dest.test"), 1)
                .await,
            1
        );
    }
    let text = scene.told("letters has too many bounces").await;
    assert!(text.contains("of 4 recipients today"), "{text}");
    assert!(!text.contains("shop"), "{text}");
}

#[tokio::test]
async fn an_account_that_people_complain_about_is_told_of() {
    let more = format!("{}{STRANGERS}", feedback::RETURN_PATH);
    let scene = Scene::new(Script::default(), &more, |_| {}).await;
    assert_eq!(scene.send("shop", "bob@dest.test", 4).await, 4);
    scene.dest.wait_for(4).await;
    assert_eq!(scene.send("letters", "bob@dest.test", 4).await, 4);
    let got = scene.dest.wait_for(8).await;
    let report = feedback::arf(got.last().unwrap());
    let brought = feedback::bring(
        &scene.relay,
        "fbl@isp.test",
        "fbl@bounce.relay.test",
        &report,
    );
    assert_eq!(brought.await.0, 250);
    let text = scene.told("letters has too many complaints").await;
    assert!(text.contains("1 of 4 recipients today"), "{text}");
    assert!(!text.contains("shop"), "{text}");
}

#[tokio::test]
async fn an_egress_on_a_block_list_is_told_of_by_its_name() {
    let listed =
        "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org";
    let more = "\n[delivery]\nport = {port}\nretry = [\"1s\"]\npool = \"west\"\n\
        [[egress]]\nname = \"west\"\naddress = \"127.0.6.2\"\n";
    let scene = Scene::new(refuse_all_as(listed), more, |_| {}).await;
    assert_eq!(scene.send("letters", "bob@dest.test", 1).await, 1);
    let text = scene.told("egress west is on a block list").await;
    assert!(
        text.contains("dest.test: 554 5.7.1 Service unavailable"),
        "{text}"
    );
    eventually("there is no other egress: it fails", TIME, async || {
        let queue = scene.relay.api("/api/v1/queue").await;
        queue.as_array()?.is_empty().then_some(())
    })
    .await;
    let tries = scene
        .dest
        .commands()
        .iter()
        .filter(|line| *line == "DATA")
        .count();
    assert_eq!(tries, 2, "tried again once, and not for days");
}

#[tokio::test]
async fn a_site_that_cannot_be_reached_is_told_of() {
    let scene = Scene::new(Script::default(), "", |_| {}).await;
    scene._world.domain("down.test", &[77]);
    assert_eq!(scene.send("letters", "bob@down.test", 1).await, 1);
    scene.told("down.test is left alone for a while").await;
}

#[tokio::test]
async fn a_plugin_that_faults_is_told_of() {
    let prepare = |dir: &std::path::Path| {
        std::fs::write(dir.join("plugins/trap.wasm"), guest("trap")).unwrap();
    };
    let scene = Scene::new(
        Script::default(),
        "\n[plugins]\ndir = \"{plugins}\"\n",
        prepare,
    )
    .await;
    assert_eq!(scene.send("letters", "bob@dest.test", 1).await, 0);
    let text = scene.told("trap is a plugin in trouble").await;
    assert!(text.contains("on-data: "), "{text}");
    let mut client = Client::ehlo(scene.relay.smtp).await.unwrap();
    assert_eq!(client.command("NOOP").await.unwrap().code, 250);
}
