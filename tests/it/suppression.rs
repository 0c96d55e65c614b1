//! The suppression list, end to end: who gets on it, what that means, who gets off it, and that it outlives a crash.

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use baton_tests::client::Reply;
use baton_tests::mx::Act;
use baton_tests::relay::{binary, free_port, run};
use baton_tests::{Client, Mx, Relay, Script, eventually, http};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::feedback::{self, STRANGERS};
use crate::policy::{LISTENER, accounts, login};
use crate::world::World;

const TIME: Duration = Duration::from_secs(60);

/// Mail of the accounts `letters` and `shop` to `dest.test`, where nobody is called `gone`; the sender's exchanger is `home`.
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
        let dest = world.exchanger(1, Script::default().on(nobody_gone)).await;
        let home = world.exchanger(9, Script::default()).await;
        let more = format!("{more}{}", accounts(&["letters", "shop"]));
        let relay = world.relay_with(LISTENER, &more).await;
        Scene {
            _world: world,
            dest,
            home,
            relay,
        }
    }

    /// What somebody hears who sends to that address: an account, or a neighbour that needs none.
    async fn send(&self, account: &str, to: &str) -> Reply {
        let mut client = match account {
            "" => Client::ehlo(self.relay.smtp).await.unwrap(),
            account => login(self.relay.smtp, account).await,
        };
        let message = "From: ann@sender.test\r\nSubject: news\r\n\r\nhello\r\n";
        client
            .deliver("ann@sender.test", &[to], message)
            .await
            .unwrap()
    }

    async fn codes(&self, to: &str) -> [u16; 3] {
        let mut codes = [0; 3];
        for (code, account) in codes.iter_mut().zip(["letters", "shop", ""]) {
            *code = self.send(account, to).await.code;
        }
        codes
    }

    async fn rows(&self) -> Vec<Value> {
        let rows = self.relay.api("/api/v1/suppression").await;
        rows.as_array().unwrap().clone()
    }

    /// Nothing waits any more.
    async fn settled(&self) {
        eventually("all is settled", TIME, async || {
            let queue = self.relay.api("/api/v1/queue").await;
            queue.as_array()?.is_empty().then_some(())
        })
        .await;
    }

    /// The only row there is to be, once there is one.
    async fn row(&self) -> Value {
        let rows = eventually("an address is listed", TIME, async || {
            let rows = self.rows().await;
            (!rows.is_empty()).then_some(rows)
        })
        .await;
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows[0].clone()
    }

    /// `baton suppression ...`; what it printed, or what it complained of.
    fn command(&self, arguments: &[&str]) -> Result<String, String> {
        let url = format!("http://{}", self.relay.http);
        let all = [&["suppression"], arguments, &["--url", &url]].concat();
        let output = run(&all);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        match output.status.success() {
            true => Ok(text(&output.stdout)),
            false => Err(text(&output.stderr)),
        }
    }
}

fn nobody_gone(event: &str, _: usize) -> Option<Act> {
    event
        .starts_with("RCPT TO:<gone@")
        .then(|| Act::say("550 5.1.1 <gone@dest.test>: Recipient address rejected: User unknown"))
}

#[tokio::test]
async fn a_hard_bounce_lists_the_address_for_that_account_and_outlives_a_kill() {
    let mut scene = Scene::new("").await;
    assert_eq!(scene.send("letters", "gone@dest.test").await.code, 250);
    // The sender hears of the bounce only once the address is on the list.
    scene.home.wait_for(1).await;
    scene.relay.restart().await;
    let row = scene.row().await;
    assert_eq!(
        (
            &row["address"],
            &row["account"],
            &row["cause"],
            &row["expires"]
        ),
        (
            &json!("gone@dest.test"),
            &json!("letters"),
            &json!("bounce"),
            &Value::Null
        ),
    );
    let reply = scene.send("letters", "Gone@DEST.test").await;
    assert_eq!(reply.code, 550);
    let day = row["created"].as_str().unwrap().get(..10).unwrap();
    let wanted = format!(
        "5.1.1 Gone@dest.test is on the suppression list since {day}: it does not exist or takes no mail \
         (user-unknown: "
    );
    assert!(reply.text().starts_with(&wanted), "{reply:?}");
    assert!(reply.text().contains("User unknown"), "{reply:?}");
    // It is the account's own list: the others find out for themselves.
    assert_eq!(scene.send("shop", "gone@dest.test").await.code, 250);
    assert_eq!(scene.send("", "gone@dest.test").await.code, 250);
    assert_eq!(scene.send("letters", "bob@dest.test").await.code, 250);
    eventually("each has a row of its own", TIME, async || {
        let whose = |row: &Value| row["account"].as_str().unwrap_or("").to_owned();
        let all: BTreeSet<String> = scene.rows().await.iter().map(whose).collect();
        (all == BTreeSet::from(["", "letters", "shop"].map(str::to_owned))).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_waits_already_is_dropped_and_the_sender_is_told() {
    let scene = Scene::new("").await;
    let busy = |event: &str, _: usize| {
        event
            .starts_with("RCPT TO:<busy@")
            .then(|| Act::say("451 4.3.2 try later"))
    };
    scene.dest.follow(Script::default().on(busy));
    assert_eq!(scene.send("letters", "busy@dest.test").await.code, 250);
    eventually("it was tried", TIME, async || {
        let queue = scene.relay.api("/api/v1/queue").await;
        queue[0]["attempts"].as_u64().filter(|tries| *tries > 0)
    })
    .await;
    let added = [
        "add",
        "busy@dest.test",
        "--account",
        "letters",
        "--reason",
        "left us",
    ];
    scene.command(&added).unwrap();
    let told = scene.home.wait_for(1).await.remove(0).text();
    for wanted in [
        "Action: failed",
        "busy@dest.test",
        "suppression list",
        "left us",
    ] {
        assert!(told.contains(wanted), "{wanted} is missing:\n{told}");
    }
    scene.settled().await;
}

#[tokio::test]
async fn people_add_list_and_remove_for_an_account_or_for_everybody() {
    let scene = Scene::new("").await;
    let bob = "bob@dest.test";
    let added = [
        "add",
        bob,
        "--account",
        "letters",
        "--reason",
        "asked by phone",
    ];
    scene.command(&added).unwrap();
    assert_eq!(scene.codes(bob).await, [550, 250, 250]);
    let reply = scene.send("letters", bob).await;
    assert!(reply.text().contains("(asked by phone)"), "{reply:?}");
    scene.command(&["add", bob, "--days", "90"]).unwrap();
    assert_eq!(scene.codes(bob).await, [550, 550, 550]);
    let listed = scene.command(&["list", "--account", "letters"]).unwrap();
    assert_eq!(listed.lines().count(), 1, "{listed}");
    for word in [bob, "letters", "manual", "asked by phone"] {
        assert!(listed.contains(word), "{word}: {listed}");
    }
    let json: Value = serde_json::from_str(&scene.command(&["list", "--json"]).unwrap()).unwrap();
    let ends: Vec<bool> = json
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["expires"].is_string())
        .collect();
    assert_eq!(ends.len(), 2, "{json}");
    assert!(ends.contains(&true) && ends.contains(&false), "{json}");
    scene.command(&["remove", bob]).unwrap();
    assert_eq!(scene.codes(bob).await, [550, 250, 250]);
    scene
        .command(&["remove", bob, "--account", "letters"])
        .unwrap();
    assert_eq!(scene.codes(bob).await, [250, 250, 250]);
    assert!(scene.relay.log().contains("\"by operator\""), "told of");
    let error = scene.command(&["remove", bob]).unwrap_err();
    assert!(error.contains("not on the list"), "{error}");
    assert!(scene.command(&["add", "nobody"]).is_err());
}

#[tokio::test]
async fn a_list_goes_out_and_comes_back_the_same_and_one_with_mistakes_changes_nothing() {
    let scene = Scene::new("").await;
    let path = scene.relay.dir.join("list.csv");
    let file = path.to_str().unwrap();
    let list = "address,account,cause,reason,created,expires\r\n\
        bob@dest.test,letters,complaint,\"he said \"\"no\"\", twice\",2026-01-02T03:04:05Z,\r\n\
        eve@dest.test,,unsubscribe,,,2099-01-01T00:00:00Z\r\n\
        old@dest.test,,bounce,,,2020-01-01T00:00:00Z\r\n";
    std::fs::write(&path, list).unwrap();
    assert_eq!(scene.command(&["import", file]).unwrap(), "imported 3");
    assert_eq!(scene.codes("bob@dest.test").await, [550, 250, 250]);
    assert_eq!(scene.codes("eve@dest.test").await, [550, 550, 550]);
    assert_eq!(
        scene.codes("old@dest.test").await,
        [250; 3],
        "its time is over"
    );
    let reply = scene.send("letters", "bob@dest.test").await.text();
    assert!(
        reply.contains("since 2026-01-02: its owner complained of mail from this account (he said \"no\", twice)"),
        "{reply}"
    );

    for format in ["csv", "json"] {
        let before = scene.rows().await;
        let exported = scene.command(&["export", "--format", format]).unwrap();
        for row in &before {
            let address = row["address"].as_str().unwrap();
            let whose = row["account"].as_str();
            let account: Vec<&str> = whose
                .iter()
                .flat_map(|whose| ["--account", whose])
                .collect();
            scene
                .command(&[&["remove", address], &account[..]].concat())
                .unwrap();
        }
        assert!(scene.rows().await.is_empty());
        let path = scene.relay.dir.join(format!("again.{format}"));
        std::fs::write(&path, exported).unwrap();
        assert_eq!(
            scene.command(&["import", path.to_str().unwrap()]).unwrap(),
            "imported 2"
        );
        assert_eq!(scene.rows().await, before, "{format}");
    }

    let before = scene.rows().await;
    std::fs::write(
        &path,
        "new@dest.test\nno address\nother@dest.test\nalso none\n",
    )
    .unwrap();
    let error = scene.command(&["import", file]).unwrap_err();
    assert!(
        error.contains("row 2") && error.contains("row 4"),
        "{error}"
    );
    assert_eq!(scene.rows().await, before);
    // A list of addresses is a list, also from standard input.
    let url = format!("http://{}", scene.relay.http);
    let mut child = Command::new(binary())
        .args([
            "suppression",
            "import",
            "-",
            "--account",
            "shop",
            "--url",
            &url,
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"new@dest.test\n").unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success());
    assert_eq!(scene.codes("new@dest.test").await, [250, 550, 250]);
}

#[tokio::test]
async fn a_row_ends_by_itself_when_its_time_is_over() {
    let scene = Scene::new("").await;
    let new = json!({ "address": "bob@dest.test", "cause": "soft-bounce", "expires_seconds": 3 });
    let added = http::post_json(scene.relay.http, "/api/v1/suppression", &new)
        .await
        .unwrap();
    assert_eq!(added.status, 201, "{}", added.text());
    let reply = scene.send("", "bob@dest.test").await;
    assert_eq!(reply.code, 550);
    assert!(reply.text().starts_with("5.2.1"), "{reply:?}");
    eventually("it is written to again", TIME, async || {
        (scene.send("", "bob@dest.test").await.code == 250).then_some(())
    })
    .await;
    assert!(scene.rows().await.is_empty());
}

#[tokio::test]
async fn who_unsubscribes_by_the_link_of_a_message_gets_no_more_of_that_account() {
    let public = free_port();
    let scene = Scene::new(&format!(
        "\n[http]\nadmin = \"{{http}}\"\nopen = true\npublic = \"127.0.0.1:{public}\"\n\
         public-url = \"http://127.0.0.1:{public}\"\n[plugins.link-tracking]\nlist-unsubscribe = true\n"
    ))
    .await;
    assert_eq!(scene.send("letters", "bob@dest.test").await.code, 250);
    let got = scene.dest.wait_for(1).await.remove(0).text();
    let unfolded = got.replace("\r\n ", " ");
    let field = unfolded
        .lines()
        .find(|line| line.starts_with("List-Unsubscribe: "))
        .expect("a field");
    let (_, link) = field
        .split_once(&format!("<http://127.0.0.1:{public}"))
        .expect("a link of the relay's");
    let path = link.split('>').next().unwrap();
    let listener = ([127, 0, 0, 1], public).into();
    // A scanner that looks at every link takes nobody off.
    assert_eq!(http::get(listener, path).await.unwrap().status, 200);
    assert!(scene.rows().await.is_empty());
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let one_click =
        http::request(listener, "POST", path, &form, b"List-Unsubscribe=One-Click").await;
    assert_eq!(one_click.unwrap().status, 200);
    let row = scene.row().await;
    assert_eq!(
        (
            &row["address"],
            &row["account"],
            &row["cause"],
            &row["source"]
        ),
        (
            &json!("bob@dest.test"),
            &json!("letters"),
            &json!("unsubscribe"),
            &json!("link-tracking")
        ),
    );
    assert_eq!(scene.codes("bob@dest.test").await, [550, 250, 250]);
    let reply = scene.send("letters", "bob@dest.test").await;
    assert!(
        reply
            .text()
            .contains("its owner wants no more mail from this account"),
        "{reply:?}"
    );
}

#[tokio::test]
async fn a_complaint_lists_for_good_and_the_isp_may_take_it_back() {
    let scene = Scene::new(&format!("{}{STRANGERS}", feedback::RETURN_PATH)).await;
    assert_eq!(scene.send("letters", "bob@dest.test").await.code, 250);
    let got = scene.dest.wait_for(1).await.remove(0);
    let report = feedback::arf(&got);
    for (report, codes) in [
        (report.clone(), [550, 250, 250]),
        (
            report.replace("Feedback-Type: abuse", "Feedback-Type: not-spam"),
            [250; 3],
        ),
    ] {
        let code = feedback::bring(
            &scene.relay,
            "fbl@isp.test",
            "fbl@bounce.relay.test",
            &report,
        )
        .await
        .0;
        assert_eq!(code, 250);
        assert_eq!(
            scene.codes("bob@dest.test").await,
            codes,
            "known before the 250"
        );
    }
}

#[tokio::test]
async fn mail_that_was_under_way_and_arrives_takes_a_bounce_off_and_nothing_else() {
    let scene = Scene::new("").await;
    let told = Arc::new(Notify::new());
    let first_waits = {
        let told = told.clone();
        move |event: &str, before: usize| match (event, before) {
            (".", 0) => Some(Act::Later(told.clone(), "250 2.0.0 taken".into())),
            (event, 1) if event.starts_with("RCPT TO:<bob@") => {
                Some(Act::say("550 5.1.1 <bob@dest.test>: User unknown"))
            }
            _ => None,
        }
    };
    for (cause, left) in [("bounce", 0), ("complaint", 1)] {
        scene.dest.forget();
        scene.dest.follow(Script::default().on(first_waits.clone()));
        let before = scene.dest.count();
        assert_eq!(scene.send("letters", "bob@dest.test").await.code, 250);
        scene.dest.wait_for(before + 1).await;
        match cause {
            // A mailbox that is being moved is unknown for a while. Two wait, and so get a connection of their own.
            "bounce" => {
                for to in ["bob@dest.test", "carol@dest.test"] {
                    assert_eq!(scene.send("letters", to).await.code, 250);
                }
            }
            cause => {
                let new =
                    json!({ "address": "bob@dest.test", "account": "letters", "cause": cause });
                let added = http::post_json(scene.relay.http, "/api/v1/suppression", &new).await;
                assert_eq!(added.unwrap().status, 201);
            }
        }
        assert_eq!(scene.row().await["cause"], cause);
        assert_eq!(scene.send("letters", "bob@dest.test").await.code, 550);
        told.notify_one();
        scene.settled().await;
        assert_eq!(scene.rows().await.len(), left, "{cause}");
        assert!(scene.relay.log().contains("\"by suppression\""), "told of");
    }
}

#[tokio::test]
async fn a_listed_address_behind_an_alias_is_refused_and_the_others_get_the_mail() {
    let scene = Scene::new(
        "[plugins.routing.aliases]\n\"team@dest.test\" = [\"bob@dest.test\", \"eve@dest.test\"]\n\
         \"boss@dest.test\" = \"eve@dest.test\"\n",
    )
    .await;
    scene
        .command(&["add", "eve@dest.test", "--reason", "asked by phone"])
        .unwrap();
    // For one alone the client hears it at once.
    let reply = scene.send("letters", "boss@dest.test").await;
    assert_eq!(reply.code, 550);
    assert!(
        reply
            .text()
            .contains("eve@dest.test is on the suppression list"),
        "{reply:?}"
    );
    // For one of several the sender hears it as of any failure.
    assert_eq!(scene.send("letters", "team@dest.test").await.code, 250);
    let told = scene.home.wait_for(1).await.remove(0).text();
    for wanted in [
        "Action: failed",
        "Status: 5.7.1",
        "eve@dest.test",
        "team@dest.test",
        "asked by phone",
    ] {
        assert!(told.contains(wanted), "{wanted} is missing:\n{told}");
    }
    assert!(!told.contains("bob@dest.test"), "{told}");
    let got = scene.dest.wait_for(1).await;
    assert_eq!(got[0].recipients, ["bob@dest.test"]);
    scene.settled().await;
    assert_eq!((scene.dest.count(), scene.home.count()), (1, 1));
    // The same over HTTP.
    let mail =
        json!({ "from": "ann@sender.test", "to": "team@dest.test", "subject": "s", "text": "t" });
    let sent = http::post_json(scene.relay.http, "/api/v1/messages", &mail)
        .await
        .unwrap();
    assert!((200..300).contains(&sent.status), "{}", sent.text());
    assert_eq!(
        scene.dest.wait_for(2).await[1].recipients,
        ["bob@dest.test"]
    );
    scene.home.wait_for(2).await;
}
