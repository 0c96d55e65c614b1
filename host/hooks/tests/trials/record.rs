//! Calls that are kept and made again.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use baton_hooks::{
    Attempt, PluginSettings, RecordOrder, Recording, RemoteReply, Replay, Replayed, Session,
    Sitting, Stage,
};

use crate::house::{Site, attempt, draft, envelope, guest, mailbox, recipient};

fn site() -> Site {
    Site::new(&[("p", "actor")], |settings| {
        let mut own = PluginSettings::default();
        own.grants.dns = true;
        own.grants.submit = true;
        own.grants.http = vec!["api.test".into()];
        own.config = r#"{"a":"b"}"#.into();
        settings.plugins.insert("p".into(), own);
    })
}

fn session(site: &Site, id: &str) -> Sitting {
    let session = Session::new(id, "smtp", IpAddr::from([192, 0, 2, 7]));
    Sitting::session(site.plugins.generation(), Arc::new(session))
}

/// Everything that was recorded so far.
async fn lines(mut recording: Recording) -> Vec<String> {
    recording.stop();
    let mut lines = Vec::new();
    while let Some(line) = recording.next().await {
        lines.push(line);
    }
    lines
}

async fn replay(lines: &[String], component: &str) -> Vec<Replayed> {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("native");
    let mut replay = Replay::new("p", guest(component).to_vec(), None, cache);
    let mut all = Vec::new();
    for line in lines {
        all.extend(replay.line(line).await.unwrap());
    }
    assert_eq!(replay.missing(), Some(0));
    all
}

/// A transaction that asks everything there is to ask.
async fn everything(site: &Site) -> Attempt {
    let mut sitting = session(site, "s1").transaction();
    sitting.set_message_id("m1".into());
    sitting.on_mail(&envelope()).await;
    let mut to = envelope();
    to.recipients.push(recipient("tag seen yes;count"));
    sitting.on_rcpt(&to, &recipient("tag seen yes;count")).await;
    sitting.set_draft(draft(
        "count;time;wasi;random 4;kv-set k v;kv-get k;kv-incr n;kv-take b;kv-keys k;kv-absent z;dns a.test;mx a.test;\
         ptr 192.0.2.1;listed bl.test 127.0.0.2;http http://api.test/x;http http://other.test/;submit example.net;\
         prepend X-A one;set-text 0 new words;score S 1.5;config a;secret none;property hostname;read-tag seen",
    ));
    sitting.on_data(&to).await;
    sitting.on_copy(&to, &recipient("append X-B two")).await;
    let of = attempt("next", 2);
    let mut later = Sitting::new(site.plugins.generation());
    let refused = RemoteReply {
        code: 452,
        status: "4.2.2".parse().ok(),
        text: "full\nof mail".into(),
    };
    later.on_route(&of).await;
    later.on_reply(&of, Stage::RcptTo, &refused).await;
    later.on_delivered(&of, &refused).await;
    of
}

#[tokio::test]
async fn the_same_version_answers_a_record_exactly_as_it_did() {
    let site = site();
    let recording = site.plugins.record(RecordOrder::default()).unwrap();
    everything(&site).await;
    let lines = lines(recording).await;
    let requests = site.house.requests.lock().unwrap().len();
    let calls = replay(&lines, "actor").await;
    let hooks: Vec<&str> = calls.iter().map(|call| call.hook.as_str()).collect();
    assert_eq!(
        hooks,
        [
            "on-mail",
            "on-rcpt",
            "on-data",
            "on-copy",
            "on-route",
            "on-reply",
            "on-delivered"
        ]
    );
    for call in &calls {
        assert_eq!(call.differences, [], "{call:#?}");
        assert!(
            call.beyond.is_empty() && call.skipped.is_none(),
            "{call:#?}"
        );
    }
    assert_eq!(
        site.house.requests.lock().unwrap().len(),
        requests,
        "nothing is sent again"
    );
}

#[tokio::test]
async fn another_version_is_told_apart() {
    let site = site();
    let recording = site.plugins.record(RecordOrder::default()).unwrap();
    for act in ["tag a b", "differ", "outside"] {
        let mut sitting = session(&site, act).transaction();
        sitting.set_draft(draft(act));
        sitting.on_data(&envelope()).await;
    }
    let calls = replay(&lines(recording).await, "rival").await;
    let differ: Vec<Vec<&str>> = calls
        .iter()
        .map(|call| call.differences.iter().map(|one| one.what).collect())
        .collect();
    assert_eq!(differ, [vec![], vec!["decision"], vec!["tags"]]);
    assert_eq!(calls[2].beyond.len(), 3, "{:?}", calls[2].beyond);
}

#[tokio::test]
async fn only_chosen_sessions_are_recorded_and_the_record_ends_with_the_last_one() {
    let site = site();
    let order = RecordOrder {
        listener: Some("smtp".into()),
        recipient: Some("example.org".into()),
        sessions_max: 2,
        ..RecordOrder::default()
    };
    let mut recording = site.plugins.record(order).unwrap();
    assert!(
        site.plugins.record(RecordOrder::default()).is_err(),
        "one at a time"
    );
    for (id, domain) in [
        ("a", "example.com"),
        ("b", "example.org"),
        ("c", "example.org"),
        ("d", "example.org"),
    ] {
        let mut sitting = session(&site, id).transaction();
        sitting.on_mail(&envelope()).await;
        let to = baton_smtp::Recipient::new(mailbox("next", domain));
        sitting.on_rcpt(&envelope(), &to).await;
    }
    let mut sessions = Vec::new();
    let mut hooks = Vec::new();
    while let Some(line) = recording.next().await {
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        if line["kind"] == "call" {
            sessions.push(line["session"]["id"].as_str().unwrap().to_owned());
            hooks.push(line["hook"].as_str().unwrap().to_owned());
        }
    }
    assert_eq!(sessions, ["b", "b", "c", "c"]);
    assert_eq!(
        hooks,
        ["on-mail", "on-rcpt", "on-mail", "on-rcpt"],
        "what came before it fitted, too"
    );
}

#[tokio::test]
async fn addresses_and_bodies_are_redacted_consistently_and_the_record_still_runs() {
    let site = site();
    let order = RecordOrder {
        redact_addresses: true,
        redact_bodies: true,
        ..RecordOrder::default()
    };
    let recording = site.plugins.record(order).unwrap();
    let mut sitting = session(&site, "s").transaction();
    let mut to = envelope();
    to.recipients.push(recipient("ann"));
    sitting.set_draft(draft(
        "http-message http://api.test/x;set-text 0 hello ann@example.org",
    ));
    sitting.on_data(&to).await;
    let lines = lines(recording).await;
    let all = lines.join("\n");
    for gone in ["joe@", "ann@", "\"a@example.net", "see http", "hello ann"] {
        assert!(!all.contains(gone), "{gone} in {all}");
    }
    assert!(all.contains("@example.org"), "{all}");
    let calls = replay(&lines, "actor").await;
    assert_eq!((calls.len(), calls[0].skipped), (1, None));
}

#[tokio::test]
async fn what_is_no_record_is_said_to_be_none() {
    let cache = Path::new(env!("CARGO_TARGET_TMPDIR")).join("native");
    let mut replay = Replay::new("p", guest("actor").to_vec(), None, cache);
    for line in [
        "{}",
        "nonsense",
        r#"{"kind":"record","format":9,"hostname":"h","public_url":null,"redacted_addresses":false,"redacted_bodies":false}"#,
        r#"{"kind":"end","sessions":1,"calls":1,"dropped":0}"#,
    ] {
        assert!(replay.line(line).await.is_err(), "{line}");
    }
    assert_eq!(replay.missing(), None);
}
