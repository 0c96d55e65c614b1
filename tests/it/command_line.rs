//! The command line as people and scripts use it: output where it belongs, exit codes that tell.

use baton_tests::Relay;
use baton_tests::relay::run;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn check_reports_every_mistake_at_once_with_line_and_hint() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("baton.toml");
    let config = "hostnam = \"x\"\n[[listener]]\nname = \"a\"\naddress = \"nonsense\"\nfoo = 1\n";
    std::fs::write(&file, config).unwrap();
    let output = run(&["check", "--config", file.to_str().unwrap()]);
    assert!(!output.status.success());
    let told = text(&output.stderr) + &text(&output.stdout);
    for wanted in [":1:", "hostname", ":4:", "nonsense", ":5:", "foo"] {
        assert!(told.contains(wanted), "{wanted} is missing: {told}");
    }
}

#[test]
fn check_asks_the_plugins_about_their_sections() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("plugins")).unwrap();
    std::fs::write(folder.path().join("plugins/odd.wasm"), "no component").unwrap();
    let file = folder.path().join("baton.toml");
    let config = "hostname = \"relay.test\"\n[[listener]]\nname = \"a\"\naddress = \"127.0.0.1:0\"\n\
        [plugins]\ndir = \"plugins\"\n[plugins.link-tracking]\nklicks = false\n[plugins.later]\nkey = 1\n";
    std::fs::write(&file, config).unwrap();
    let file = file.to_str().unwrap();
    let output = run(&["check", "--config", file]);
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stderr);
    for wanted in [
        "baton.toml:7:10: plugins.link-tracking: ",
        "unknown field `klicks`",
        "baton.toml:5:1: plugins.odd: ",
        "baton.toml:9:10: plugins.later: note: ",
        "2 mistakes in ",
    ] {
        assert!(told.contains(wanted), "{wanted} is missing: {told}");
    }
    let quick = run(&["check", "--without-plugins", "--config", file]);
    assert!(quick.status.success(), "{}", text(&quick.stderr));
}

#[test]
fn the_example_configuration_has_no_mistakes() {
    let example = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../host/relay/baton.example.toml"
    );
    let output = run(&["check", "--config", example]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let bench = concat!(env!("CARGO_MANIFEST_DIR"), "/bench.toml");
    assert!(run(&["check", "--config", bench]).status.success());
}

#[test]
fn a_plugin_runs_over_a_message_without_a_relay() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mail.eml");
    let mail = "Subject: t\r\nFrom: a@b.test\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n\
        <p><a href=\"https://example.org/\">x</a></p>\r\n";
    std::fs::write(&file, mail).unwrap();
    let eml = file.to_str().unwrap();
    let output = run(&[
        "plugin",
        "run",
        "link-tracking",
        "--hook",
        "on-data",
        "--eml",
        eml,
    ]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let changed = text(&output.stdout);
    assert!(changed.starts_with("Subject: t\r\n"), "{changed}");
    assert!(
        changed.contains("/c/") && !changed.contains("href=\"https://example.org/\""),
        "{changed}"
    );
    assert!(
        text(&output.stderr).contains("set-text"),
        "{}",
        text(&output.stderr)
    );
}

#[test]
fn replies_are_translated_line_by_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("replies.jsonl");
    let replies = "{\"code\":550,\"status\":\"5.1.1\",\"text\":\"User unknown\",\"stage\":\"rcpt-to\"}\n\
        {\"text\":\"452 4.2.2 The mailbox is full\"}\n";
    std::fs::write(&file, replies).unwrap();
    let replies = file.to_str().unwrap();
    let output = run(&[
        "plugin",
        "run",
        "isp-responses",
        "--hook",
        "on-reply",
        "--replies",
        replies,
    ]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines: Vec<serde_json::Value> = text(&output.stdout)
        .lines()
        .map(|l| serde_json::from_str(l).expect("JSON"))
        .collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(
        (&lines[0]["disposition"], &lines[0]["reason"]),
        (&"hard".into(), &"user-unknown".into())
    );
    assert_eq!(
        (&lines[1]["disposition"], &lines[1]["reason"]),
        (&"soft".into(), &"mailbox-full".into())
    );
}

#[tokio::test]
async fn send_sends_and_tells_when_it_could_not() {
    let relay = Relay::dev().await;
    let server = relay.smtp.to_string();
    let arguments = [
        "send", "--from", "a@s.test", "--to", "b@e.test", "--server", &server,
    ];
    let output = run(&arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    relay.wait_for_inbox(1).await;
    let closed = format!("127.0.0.1:{}", baton_tests::relay::free_port());
    let output = run(&[
        "send", "--from", "a@s.test", "--to", "b@e.test", "--server", &closed,
    ]);
    assert!(!output.status.success());
    assert!(
        text(&output.stderr).contains(&closed),
        "{}",
        text(&output.stderr)
    );
}

#[tokio::test]
async fn a_full_spool_answers_452_and_loses_nothing() {
    let world = crate::world::World::new().await;
    // Nothing listens there: mail waits, and the spool fills.
    world.domain("dest.test", &[1]);
    let relay = world
        .relay_with("", "[limits]\nspool-bytes-max = \"1MiB\"\n")
        .await;
    let mut client = baton_tests::Client::ehlo(relay.smtp).await.unwrap();
    let message = |n: usize| format!("Subject: {n}\r\n\r\n{}", "0123456789abcde\r\n".repeat(4096));
    let mut accepted = 0;
    let refused = loop {
        let reply = client
            .deliver("a@s.test", &["b@dest.test"], message(accepted))
            .await
            .unwrap();
        if reply.code != 250 {
            break reply;
        }
        accepted += 1;
        assert!(accepted < 100, "the limit was never met");
    };
    assert_eq!(refused.code, 452, "{refused:?}");
    assert!(refused.text().starts_with("4.3.1"), "{refused:?}");
    assert!(accepted >= 5, "{accepted}");
    let mx = world.exchanger(1, baton_tests::Script::default()).await;
    let received = mx.wait_for(accepted).await;
    let subjects: std::collections::BTreeSet<_> = received
        .iter()
        .map(|r| {
            r.text()
                .lines()
                .find(|l| l.starts_with("Subject: "))
                .unwrap()
                .to_owned()
        })
        .collect();
    assert_eq!(subjects.len(), accepted);
    baton_tests::eventually(
        "there is room again",
        std::time::Duration::from_secs(20),
        async || {
            let mut client = baton_tests::Client::ehlo(relay.smtp).await.ok()?;
            let reply = client
                .deliver("a@s.test", &["b@dest.test"], message(0))
                .await
                .ok()?;
            (reply.code == 250).then_some(())
        },
    )
    .await;
}
