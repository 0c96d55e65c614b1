//! The component's own tests: what passes serves, what fails is refused with the difference, and the world is not touched.

use std::sync::Arc;

use baton_hooks::golden::{Bench, Case, Files};
use baton_hooks::{Bundled, Hook, PluginState, Plugins, Settings, inspect};
use serde_json::{Value, json};

use crate::house::{House, Site, guest};

/// A guest that carries these cases.
fn carrying(name: &str, cases: Value) -> Vec<u8> {
    let mut files = Files::default();
    files
        .add("cases.json", cases.to_string().into_bytes())
        .unwrap();
    files.embed(guest(name)).unwrap()
}

fn files_of(cases: Value) -> Files {
    let mut files = Files::default();
    files
        .add("cases.json", cases.to_string().into_bytes())
        .unwrap();
    files
}

/// A case of `on-rcpt` in `brief`, which refuses nobody.
fn nobody(decision: &str) -> Value {
    json!({
        "name": "nobody is refused", "hook": "on-rcpt", "recipient": "nobody@example.org",
        "expect": { "decision": decision }
    })
}

fn reason(plugins: &Plugins) -> String {
    match &plugins.list()[0].state {
        PluginState::Refused { reason } => reason.clone(),
        other => panic!("{other:?}"),
    }
}

fn start_with(bytes: Vec<u8>, cache: &std::path::Path) -> Plugins {
    let mut settings = Settings::new(cache);
    settings.pool.instances_max = 4;
    settings.bundled = vec![Bundled {
        name: "own".into(),
        bytes: bytes.leak(),
    }];
    Plugins::start(settings, Arc::new(House::default())).unwrap()
}

#[test]
fn a_version_that_fails_its_own_tests_is_refused_with_the_difference_and_the_last_good_one_stays() {
    let site = Site::new(&[], |_| {});
    let put = |bytes: &[u8]| {
        std::fs::write(site.dir.join("a.part"), bytes).unwrap();
        std::fs::rename(site.dir.join("a.part"), site.dir.join("a.wasm")).unwrap();
    };
    put(&carrying("brief", nobody("reject 550 5.1.1 Nobody")));
    site.until("the good one serves", |site| {
        site.plugins.generation().exports(Hook::Rcpt)
    });
    let good = site.plugins.list()[0].digest.clone();
    put(&carrying("brief", nobody("accept")));
    site.until("the bad one is refused", |site| {
        site.plugins.list()[0].problem.is_some()
    });
    let info = site.plugins.list().remove(0);
    assert_eq!(info.digest, good);
    assert_eq!(info.state, PluginState::Active);
    assert_eq!(
        info.problem.unwrap(),
        "it fails 1 of its own 1 tests\n\
         cases.json: nobody is refused (on-rcpt)\n  \
         decision: expected \"accept\", got \"reject 550 5.1.1 Nobody\""
    );
    put(guest("brief"));
    site.until("one without tests serves", |site| {
        site.plugins.list()[0].digest != good
    });
}

#[test]
fn a_warm_start_remembers_what_passed_on_this_host_and_nothing_else() {
    let temp = tempfile::TempDir::new().unwrap();
    let cache = temp.path().join("cache");
    let good = carrying("brief", nobody("reject 550 5.1.1 Nobody"));
    let bad = carrying("brief", nobody("accept"));
    let passed = |bytes: &[u8]| cache.join(format!("{}.passed", inspect(bytes).unwrap().digest));
    let serves = |bytes: &[u8]| {
        let plugins = start_with(bytes.to_vec(), &cache);
        plugins.generation().exports(Hook::Rcpt)
    };
    assert!(serves(&good));
    assert!(!serves(&bad));
    assert!(!serves(&bad), "failing is not remembered as passing");
    // Were they run again, this one would fail: so they are not.
    std::fs::copy(passed(&good), passed(&bad)).unwrap();
    assert!(serves(&bad));
    // What another host let pass is run again.
    std::fs::write(passed(&bad), "0.0.0-0").unwrap();
    assert!(!serves(&bad));
}

#[test]
fn cases_see_nothing_of_the_world_but_what_they_give() {
    let data = |act: &str, more: Value, expect: Value| {
        let mut case = json!({
            "name": act, "hook": "on-data", "message": ["Subject: x", format!("X-Act: {act}"), "", "Hello"],
            "expect": expect
        });
        let Value::Object(more) = more else { panic!() };
        case.as_object_mut().unwrap().extend(more);
        case
    };
    let cases = json!([
        data(
            "kv-get a",
            json!({"kv": {"a": "1"}}),
            json!({"tags": {"kv": "Ok(Some(\"1\"))"}})
        ),
        data("kv-get a", json!({}), json!({"tags": {"kv": "Ok(None)"}})),
        data(
            "kv-incr n",
            json!({"kv": {"n": "4"}}),
            json!({"kv": {"n": "5"}})
        ),
        data(
            "dns a.test",
            json!({}),
            json!({"tags": {"dns": "Err(not-granted)"}})
        ),
        data(
            "dns a.test",
            json!({"dns": {"texts": {"a.test": ["t"]}}}),
            json!({"tags": {"dns": "Ok([\"t\"])"}})
        ),
        data(
            "dns b.test",
            json!({"dns": {}}),
            json!({"tags": {"dns": "Err(no-such-name)"}})
        ),
        data(
            "http https://a.test/",
            json!({}),
            json!({"tags": {"http": "Err(not-granted)"}, "requests": []})
        ),
        data(
            "http https://a.test/",
            json!({"http": [{"url": "https://a.test/", "status": 201, "body": "four"}]}),
            json!({"tags": {"http": "Ok((201, 4))"}, "requests": [{"method": "GET", "url": "https://a.test/"}]})
        ),
        data(
            "http https://a.test/",
            json!({"http": [{"url": "https://a.test/", "error": "timeout"}]}),
            json!({"tags": {"http": "Err(timeout)"}})
        ),
        data(
            "submit b.test",
            json!({}),
            json!({"tags": {"submit": "Err({*})"}, "submitted": []})
        ),
        data(
            "submit b.test",
            json!({"submit": true}),
            json!({"submitted": [{"sender": "", "recipients": ["joe@b.test"], "message": "Subject: x\r\n\r\nx\r\n"}]})
        ),
        data(
            "emit seen",
            json!({}),
            json!({"events": [{"kind": "seen", "fields": {"key": "value"}}]})
        ),
        data(
            "secret s",
            json!({"secrets": {"s": "x"}}),
            json!({"tags": {"secret": "Ok(\"x\")"}})
        ),
        data(
            "secret s",
            json!({}),
            json!({"tags": {"secret": "Err({*}"}})
        ),
        data(
            "config a",
            json!({"config": {"a": [1]}}),
            json!({"tags": {"config": "(Some(\"[1]\"), {*})"}})
        ),
        data(
            "property public-url",
            json!({}),
            json!({"tags": {"p-public-url": "{*}https://relay.test/p/plugin{*}"}})
        ),
        data("score BAD 2.5", json!({}), json!({"scores": {"BAD": 2.5}})),
        data("stderr hm", json!({}), json!({"log": ["warn: hm"]})),
        data(
            "hold look",
            json!({}),
            json!({"decision": "hold look", "holds": ["look"]})
        ),
        data(
            "prepend X-A 1",
            json!({}),
            json!({
                "headers": {"x-a": "1", "x-b": null},
                "text": {"0": ["Hello"]},
                "message": ["X-A: 1", "Subject: x", "X-Act: prepend X-A 1", "", "Hello"],
            })
        ),
        data(
            "trap",
            json!({}),
            json!({"decision": "fault", "fault": "trap: {*}"})
        ),
    ]);
    let temp = tempfile::TempDir::new().unwrap();
    let bench = Bench::start(guest("actor"), &temp.path().join("cache")).unwrap();
    for outcome in bench.run(&files_of(cases).cases().unwrap()).unwrap() {
        assert!(outcome.passed(), "{outcome}\n{:#}", outcome.seen);
    }
}

#[test]
fn every_hook_has_its_cases() {
    let attempt = json!({"recipient": "bob@example.org", "sender": "ann@example.net", "number": 2});
    let cases = json!([
        {"hook": "on-load", "expect": {"decision": "wants all", "hooks": null}},
        {"hook": "on-connect", "session": {"helo": "accept"}, "expect": {"decision": "accept"}},
        {"hook": "on-auth", "credentials": {"identity": "joe", "secret": "right"}, "expect": {"decision": "allow joe-PLAIN"}},
        {"hook": "on-mail", "session": {"helo": "defer 451 4.7.1 Later"},
            "envelope": {"sender": "a@b.test", "parameters": {"RET": "HDRS"}},
            "expect": {"decision": "defer 451 4.7.1 Later", "tags": {"sender": "(\"a\", \"b.test\", 1)"}}},
        {"hook": "on-rcpt", "recipient": {"address": "\"rewrite x y\"@b.test", "parameters": {"NOTIFY": "NEVER"}},
            "expect": {"decision": "rewrite x@b.test y@b.test"}},
        {"hook": "on-data", "message": "X-Act: discard\n\n", "expect": {"decision": "discard"}},
        {"hook": "on-copy", "message": "A: b\n\n", "recipient": "\"append X-C 1\"@b.test", "expect": {"headers": {"X-C": "1"}}},
        {"hook": "on-route", "attempt": {"recipient": "next@b.test", "egress": "e1", "host": "mx.b.test"},
            "expect": {"route": {"next_hop": "mx.b.test", "port": 2525, "priority": 200, "tls": "verify", "queue": null}}},
        {"hook": "on-reply", "attempt": {"recipient": "next@b.test"}, "stage": "end-of-data",
            "reply": {"code": 452, "status": "4.2.2", "text": "full"},
            "expect": {"translation": {"disposition": "soft", "reason": "mailbox-full", "advice": "retry", "advice_seconds": 90,
                "explanation": "452 full {*}", "confidence": 0.9, "rule": "4.2.2"}}},
        {"hook": "on-delivered", "attempt": {"recipient": "next@b.test", "number": 3}, "reply": {"code": 250, "text": "ok"},
            "expect": {"decision": "done", "tags": {"delivered": "(3, 250)"}}},
        {"hook": "on-report", "message": ["X-Final-Recipient: x@y.test", "", ""],
            "expect": {"reports": [{"kind": "bounce", "recipient": "x@y.test", "reply": {"code": 550, "status": "5.1.1", "text": "a\nb"}}]}},
        {"hook": "on-bounce", "attempt": attempt, "report": {"kind": "bounce", "translation": {"disposition": "hard", "reason": "no-such-user"}},
            "expect": {"decision": "silent", "tags": {"bounce": "(Some(\"no-such-user\"), None)"}}},
        {"hook": "on-feedback", "report": {"kind": "complaint", "feedback_type": "abuse"}, "attempt": attempt,
            "expect": {"tags": {"feedback": "(Some(\"abuse\"), true)"}}},
        {"hook": "on-request", "request": {"method": "POST", "url": "/x", "body": "abc"},
            "expect": {"response": {"status": 200, "headers": {"content-type": "text/plain"}, "body": "POST /x 3"}}},
    ]);
    let files = files_of(cases);
    let found = files.cases().unwrap();
    let mut hooks: Vec<Hook> = found.iter().map(|case| case.hook).collect();
    hooks.sort();
    assert_eq!(hooks, Hook::ALL);
    let temp = tempfile::TempDir::new().unwrap();
    let bench = Bench::start(guest("actor"), &temp.path().join("cache")).unwrap();
    for outcome in bench.run(&found).unwrap() {
        assert!(outcome.passed(), "{outcome}\n{:#}", outcome.seen);
    }
    let carried = files.embed(guest("actor")).unwrap();
    assert_eq!(inspect(&carried).unwrap().tests.len(), Hook::COUNT);
}

#[test]
fn a_test_that_never_ends_is_cut_off_and_refuses_the_version() {
    let case =
        json!({"hook": "on-data", "message": "X-Act: loop\n\n", "expect": {"decision": "next"}});
    let temp = tempfile::TempDir::new().unwrap();
    let plugins = start_with(carrying("actor", case), &temp.path().join("cache"));
    assert!(
        reason(&plugins).contains("processor time"),
        "{}",
        reason(&plugins)
    );
}

#[test]
fn what_cannot_be_understood_is_refused_with_its_place() {
    let temp = tempfile::TempDir::new().unwrap();
    for (case, words) in [
        (
            json!({"hook": "on-dta", "expect": {"decision": "next"}}),
            "cases.json: cases 1: \"on-dta\" is no hook; there are on-load, on-connect,",
        ),
        (
            json!({"hook": "on-data", "expect": {"decision": "next"}}),
            "on-data needs a message",
        ),
        (
            json!({"hook": "on-mail", "expect": {}}),
            "it expects nothing",
        ),
        (
            json!({"hook": "on-mail", "expct": {}}),
            "unknown field `expct`",
        ),
        (
            json!({"name": "n", "hook": "on-mail", "envelope": {"sender": "@"}, "expect": {"decision": "next"}}),
            "cases.json: n: \"@\" is no sender",
        ),
        (
            json!({"hook": "on-data", "eml": "gone.eml", "expect": {"decision": "next"}}),
            "there is no file \"gone.eml\"",
        ),
        (json!("nonsense"), "neither a case nor a list"),
    ] {
        let plugins = start_with(carrying("brief", case), &temp.path().join("cache"));
        let reason = reason(&plugins);
        assert!(
            reason.starts_with("its own tests cannot be read: "),
            "{reason}"
        );
        assert!(reason.contains(words), "{reason}");
    }
}

#[test]
fn messages_beside_what_they_are_to_become_are_cases_too() {
    let mut files = Files::default();
    let mut add = |name: &str, text: &str| files.add(name, text.as_bytes().to_vec()).unwrap();
    add("config.json", r#"{"greeting": "Hi"}"#);
    add(
        "a.eml",
        "From: ann@a.test\nTo: Bob <bob@b.test>\nX-Act: append X-A 1;config greeting\n\nHello\n",
    );
    add(
        "a.expected.eml",
        "From: ann@a.test\nTo: Bob <bob@b.test>\nX-Act: append X-A 1;config greeting\nX-A: 1\n\nHello\n",
    );
    let cases = files.cases().unwrap();
    let temp = tempfile::TempDir::new().unwrap();
    let bench = Bench::start(guest("actor"), &temp.path().join("cache")).unwrap();
    let outcomes = bench.run(&cases).unwrap();
    assert_eq!(outcomes.len(), 1);
    assert!(outcomes[0].passed(), "{}", outcomes[0]);
    assert_eq!(
        outcomes[0].seen["tags"]["config"],
        "(Some(\"Hi\"), \"{\\\"greeting\\\":\\\"Hi\\\"}\")"
    );
    files.add("b.eml", b"A: b\n\n".to_vec()).unwrap();
    let why = files.cases().unwrap_err().to_string();
    assert_eq!(
        why,
        "b.eml: no case uses it, and there is no b.expected.eml"
    );
}

#[test]
fn cases_that_a_compiler_put_into_a_module_inside_are_found() {
    let text = r#"{"hook":"on-mail","expect":{"decision":"next"}}"#;
    let record = format!(
        "baton-golden/1 a.json {}\\n{}\\n",
        text.len(),
        text.replace('"', "\\\"")
    );
    let inner = format!(r#"(component (core module (@custom "baton:golden" "{record}")))"#);
    let files = Files::of_component(&wat::parse_str(inner).unwrap()).unwrap();
    assert_eq!(files.cases().unwrap()[0].hook, Hook::Mail);
}

#[test]
fn a_single_case_can_be_written_without_an_expectation() {
    let case = Case::parse(r#"{"hook":"on-connect","session":{"peer_ip":"2001:db8::1"}}"#).unwrap();
    assert_eq!(case.hook, Hook::Connect);
    assert!(Case::parse(r#"{"hook":"on-connect","session":{"peer_ip":"x"}}"#).is_err());
}
