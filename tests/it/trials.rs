//! Try before you trust, as an operator does it: a file, two keys of the configuration, and the command line.

use std::path::Path;
use std::time::Duration;

use baton_tests::guests::guest;
use baton_tests::relay::run;
use baton_tests::{Client, Relay, eventually};
use serde_json::Value;

use crate::world::{NOBODY_THERE, World};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A relay with this guest as `mine`, and one as its candidate.
async fn relay(world: &World, guests: (&'static str, &'static str), section: &str) -> Relay {
    let more =
        format!("\n[plugins]\ndir = \"{{plugins}}\"\n[plugins.mine]\n{section}\n{NOBODY_THERE}");
    let put = |dir: &Path| {
        let folder = dir.join("plugins");
        std::fs::write(folder.join("mine.wasm"), guest(guests.0)).unwrap();
        std::fs::write(folder.join("mine.candidate.wasm"), guest(guests.1)).unwrap();
    };
    world.relay_from("", &more, put).await
}

async fn mine(relay: &Relay) -> Value {
    let list = relay.api("/api/v1/plugins").await;
    let all = list.as_array().unwrap();
    all.iter()
        .find(|plugin| plugin["name"] == "mine")
        .unwrap()
        .clone()
}

async fn send(relay: &Relay, to: &str) -> u16 {
    let mut client = Client::ehlo(relay.smtp).await.unwrap();
    let message = "From: Ann <ann@s.test>\r\nSubject: secret plans\r\n\r\nbody\r\n";
    client
        .deliver("ann@s.test", &[to], message)
        .await
        .unwrap()
        .code
}

fn url(relay: &Relay) -> String {
    format!("http://{}", relay.http)
}

/// Both guests stamp a field with another value: an edit that differs.
#[tokio::test]
async fn a_candidate_in_the_shadow_is_shown_by_diff_and_put_in_service_by_promote() {
    let world = World::new().await;
    let relay = relay(&world, ("stamp_one", "stamp_two"), "shadow = true").await;
    for _ in 0..3 {
        assert_eq!(send(&relay, "b@e.test").await, 250);
    }
    eventually("three comparisons", Duration::from_secs(30), async || {
        (mine(&relay).await["candidate"]["compared"] == 3).then_some(())
    })
    .await;
    let url = url(&relay);
    let list = text(&run(&["plugin", "list", "--url", &url]).stdout);
    assert!(list.contains("compared 3  differ 3  dropped 0"), "{list}");
    let shown = run(&["plugin", "diff", "mine", "--url", &url]);
    let shown = text(&shown.stdout);
    for part in [
        "on-data",
        "compared 3",
        "differ 3",
        "edits 3",
        "  - edits",
        "  + edits",
        "X-Stamp",
    ] {
        assert!(shown.contains(part), "{part} in\n{shown}");
    }
    let json = run(&["plugin", "diff", "mine", "--url", &url, "--json"]);
    let report: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(report["hooks"][0]["differ_in"]["edits"], 3);
    let served = relay.metric("baton_plugin_comparisons_total").await;
    assert!((served - 3.0).abs() < 0.1);

    let candidate = mine(&relay).await["candidate"]["digest"].clone();
    let done = run(&["plugin", "promote", "mine", "--url", &url]);
    assert!(done.status.success(), "{}", text(&done.stderr));
    let now = mine(&relay).await;
    assert_eq!(
        (&now["digest"], now["candidate"].is_null()),
        (&candidate, true)
    );
    let again = run(&["plugin", "promote", "mine", "--url", &url]);
    assert_eq!(again.status.code(), Some(1));
    assert!(
        run(&["plugin", "diff", "mine", "--url", &url])
            .status
            .code()
            == Some(1)
    );
}

#[tokio::test]
async fn a_canary_that_faults_is_withdrawn_by_itself_and_said_so_in_the_log() {
    let world = World::new().await;
    let section = "canary = \"50%\"\nfault = \"skip\"";
    let relay = relay(&world, ("stamp_one", "trap"), section).await;
    assert_eq!(mine(&relay).await["candidate"]["share"], 0.5);
    let mut sent = 0;
    while mine(&relay).await["candidate"]["state"] == "canary" {
        assert_eq!(send(&relay, "b@e.test").await, 250, "the policy is to skip");
        sent += 1;
        assert!(sent < 400);
    }
    let after = mine(&relay).await;
    assert_eq!(after["candidate"]["state"], "withdrawn");
    assert!(
        after["candidate"]["reason"]
            .as_str()
            .unwrap()
            .contains("fault"),
        "{after}"
    );
    assert_eq!(
        (&after["state"], &after["faults"]),
        (&"active".into(), &0.into())
    );
    assert!(
        relay.log().contains("candidate rolled back"),
        "{}",
        relay.log()
    );
}

#[tokio::test]
async fn a_record_is_kept_for_its_owner_alone_and_replayed_by_its_exit_code() {
    use std::os::unix::fs::PermissionsExt;
    let world = World::new().await;
    let relay = relay(&world, ("stamp_one", "stamp_two"), "shadow = false").await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("calls.jsonl");
    let (record, url) = (file.display().to_string(), url(&relay));
    let recording = tokio::task::spawn_blocking({
        let (record, url) = (record.clone(), url.clone());
        move || {
            run(&[
                "record",
                &record,
                "--sessions",
                "2",
                "--to",
                "e.test",
                "--redact",
                "addresses,bodies",
                "--url",
                &url,
            ])
        }
    });
    eventually("the record begins", Duration::from_secs(30), async || {
        let begun = std::fs::metadata(&file).is_ok_and(|found| found.len() > 0);
        begun.then_some(())
    })
    .await;
    for to in ["b@other.test", "b@e.test", "b@e.test", "b@e.test"] {
        assert_eq!(send(&relay, to).await, 250);
    }
    let done = tokio::time::timeout(Duration::from_secs(30), recording)
        .await
        .unwrap()
        .unwrap();
    assert!(done.status.success(), "{}", text(&done.stderr));
    let kept = std::fs::read_to_string(&file).unwrap();
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(
        kept.contains("\"kind\":\"end\"") && kept.contains("@e.test"),
        "{kept}"
    );
    for gone in ["ann@", "Ann", "secret plans", "other.test"] {
        assert!(!kept.contains(gone), "{gone} in {kept}");
    }
    let component = |name: &str| {
        let path = folder.path().join(format!("{name}.wasm"));
        std::fs::write(&path, guest(name)).unwrap();
        path.display().to_string()
    };
    let (same, other) = (component("stamp_one"), component("trap"));
    let replay = |plugin: &str| run(&["replay", &record, "--plugin", plugin, "--name", "mine"]);
    let output = replay(&same);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    assert!(
        text(&output.stderr).contains("0 differ"),
        "{}",
        text(&output.stderr)
    );
    let output = replay(&other);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    assert!(
        text(&output.stdout).contains("+ fault"),
        "{}",
        text(&output.stdout)
    );
    let output = run(&["replay", &record, "--plugin", &same]);
    assert_eq!(
        output.status.code(),
        Some(2),
        "no calls of stamp_one: {}",
        text(&output.stderr)
    );
    let output = run(&["replay", "/nonexistent", "--plugin", &same]);
    assert_eq!(output.status.code(), Some(2));
}
