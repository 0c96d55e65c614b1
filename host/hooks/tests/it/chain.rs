//! Order, decisions, tags, scores, edits: what a chain of plugins comes to.

use baton_hooks::{AuthVerdict, HttpRequest};
use baton_hooks::{
    Hook, InstanceScope, PluginSettings, RecipientVerdict, RequestOutcome, Rewritten, Score,
    Sitting, Thresholds, Verdict,
};
use baton_smtp::{Mailbox, Parameter};
use bytes::Bytes;

use crate::house::{Site, draft, envelope, mailbox, recipient, session, tag};

#[tokio::test]
async fn each_decision_of_the_contract_becomes_its_verdict() {
    let site = Site::actor(|_| {});
    for (helo, verdict) in [
        ("next", "next"),
        ("accept", "accept"),
        ("discard", "discard"),
        ("reject 554 5.7.1 Go away", "reject 554 5.7.1 Go away"),
        ("defer 450 4.2.0 Later", "defer 450 4.2.0 Later"),
        ("disconnect 421 4.3.2 Bye", "disconnect 421 4.3.2 Bye"),
        ("disconnect 554 5.7.0 Bye", "disconnect 554 5.7.0 Bye"),
        ("reject 550 - no status", "reject 550 no status"),
    ] {
        let mut sitting = site.session(helo);
        assert_eq!(sitting.on_connect().await.to_string(), verdict, "{helo}");
        let records = sitting.take_records();
        assert_eq!(records.len(), 1);
        assert_eq!(records[0].decision, verdict);
        assert_eq!(records[0].hook, Hook::Connect);
        assert!(records[0].fault.is_none() && records[0].fresh);
    }
}

#[tokio::test]
async fn plugins_are_asked_in_order_and_the_first_final_decision_ends_the_chain() {
    let site = Site::new(
        &[("b", "actor"), ("a", "actor"), ("z", "actor")],
        |settings| {
            for (name, order) in [("z", 10), ("a", 50), ("b", 50)] {
                settings.plugins.insert(
                    name.into(),
                    PluginSettings {
                        order,
                        ..Default::default()
                    },
                );
            }
        },
    );
    let mut sitting = site.session("hold me");
    assert_eq!(sitting.on_connect().await, Verdict::Pass);
    let holds: Vec<String> = sitting
        .holds()
        .iter()
        .map(|h| format!("{} {}", h.plugin, h.reason))
        .collect();
    assert_eq!(holds, ["z me", "a me", "b me"]);
    let mut sitting = site.session("accept");
    assert_eq!(sitting.on_connect().await, Verdict::Accept);
    assert_eq!(
        sitting.take_records().len(),
        1,
        "nobody is asked after accept"
    );
    let names: Vec<&str> = ["z", "a", "b"].to_vec();
    let generation = site.plugins.generation();
    assert_eq!(
        generation
            .digests()
            .iter()
            .map(|(n, _)| &**n)
            .collect::<Vec<_>>(),
        names
    );
}

#[tokio::test]
async fn holds_tags_and_scores_of_a_session_reach_its_transactions_and_not_each_other() {
    let site = Site::actor(|_| {});
    let mut one = site.session("tag k v;score S 1.5;hold why");
    assert_eq!(one.on_connect().await, Verdict::Pass);
    let mut first = one.transaction();
    assert_eq!(tag(&first, "k").as_deref(), Some("v"));
    assert_eq!(first.scores().len(), 1);
    assert_eq!(first.holds().len(), 1);
    first.set_session(session("tag k other"));
    first.on_mail(&envelope()).await;
    assert_eq!(tag(&first, "k").as_deref(), Some("other"));
    assert_eq!(tag(&one.transaction(), "k").as_deref(), Some("v"));
}

#[tokio::test]
async fn an_instance_lives_for_one_transaction_unless_the_operator_says_session() {
    for (scope, expected) in [
        (InstanceScope::Transaction, "1"),
        (InstanceScope::Session, "2"),
    ] {
        let site = Site::actor(|own| own.instance = scope);
        let session = site.session("count");
        let mut first = session.transaction();
        first.on_mail(&envelope()).await;
        assert_eq!(tag(&first, "count").as_deref(), Some("1"));
        drop(first);
        let mut second = session.transaction();
        second.on_mail(&envelope()).await;
        assert_eq!(tag(&second, "count").as_deref(), Some(expected));
        drop(second);
        let mut other = site.session("count").transaction();
        other.on_mail(&envelope()).await;
        assert_eq!(
            tag(&other, "count").as_deref(),
            Some("1"),
            "another session sees nothing of it"
        );
    }
}

#[tokio::test]
async fn hooks_of_one_transaction_share_an_instance_until_it_is_parked() {
    let site = Site::actor(|_| {});
    let mut sitting = site.session("count").transaction();
    sitting.on_mail(&envelope()).await;
    sitting.on_mail(&envelope()).await;
    assert_eq!(tag(&sitting, "count").as_deref(), Some("2"));
    assert_eq!(sitting.instances(), 1);
    sitting.park();
    assert_eq!(sitting.instances(), 0);
    sitting.on_mail(&envelope()).await;
    assert_eq!(
        tag(&sitting, "count").as_deref(),
        Some("1"),
        "globals vanish, tags stay"
    );
}

#[tokio::test]
async fn a_recipient_is_shown_with_those_before_it_and_may_be_rewritten() {
    let site = Site::actor(|_| {});
    let mut sitting = site.session("").transaction();
    let mut envelope = envelope();
    envelope
        .parameters
        .push(Parameter::new("SIZE", Some("1000")).unwrap());
    let mut first = recipient("first");
    first
        .parameters
        .push(Parameter::new("NOTIFY", Some("NEVER")).unwrap());
    envelope.recipients.push(first);
    envelope.recipients.push(recipient("second"));
    let verdict = sitting.on_rcpt(&envelope, &recipient("rewrite a b")).await;
    let RecipientVerdict::Rewrite(others) = verdict else {
        panic!("{verdict:?}")
    };
    assert_eq!(
        others.to,
        [mailbox("a", "example.org"), mailbox("b", "example.org")]
    );
    assert_eq!(tag(&sitting, "before").as_deref(), Some("[1, 0]"));
    let verdict = sitting
        .on_rcpt(&envelope, &recipient("reject 550 5.1.1 none such"))
        .await;
    assert!(
        matches!(verdict, RecipientVerdict::Decide(Verdict::Reject(_))),
        "{verdict:?}"
    );
    let records = sitting.take_records();
    assert_eq!(records[0].decision, "rewrite a@example.org b@example.org");
}

/// Two plugins that do what the local part says; the second is asked about what the first names.
async fn ask_two(local: &str) -> (RecipientVerdict, Vec<String>) {
    let site = Site::new(&[("a", "actor"), ("b", "actor")], |_| {});
    let mut sitting = site.session("").transaction();
    let verdict = sitting.on_rcpt(&envelope(), &recipient(local)).await;
    let records = sitting.take_records().into_iter();
    let calls = records.map(|record| format!("{} {}", record.plugin, record.decision));
    (verdict, calls.collect())
}

fn rewritten(verdict: RecipientVerdict) -> Rewritten {
    match verdict {
        RecipientVerdict::Rewrite(others) => others,
        RecipientVerdict::Decide(verdict) => panic!("{verdict}"),
    }
}

fn locals<'a>(of: impl IntoIterator<Item = &'a Mailbox>) -> Vec<&'a str> {
    of.into_iter().map(Mailbox::local).collect()
}

#[tokio::test]
async fn what_a_recipient_became_goes_on_through_the_plugins_after_it_each_by_itself() {
    let local = "rewrite log_one reject_550_5.1.1_gone discard accept rewrite_three_four log_one";
    let (verdict, calls) = ask_two(local).await;
    let others = rewritten(verdict);
    assert_eq!(
        locals(&others.to),
        ["log one", "accept", "three", "four"],
        "in the order in which they were named, each once"
    );
    assert_eq!(
        locals(others.refused.iter().map(|(address, _)| address)),
        ["reject 550 5.1.1 gone"]
    );
    assert_eq!(others.refused[0].1.to_string(), "550 5.1.1 gone");
    assert_eq!(
        locals(others.discarded.iter().map(|(address, _)| address)),
        ["discard"]
    );
    assert_eq!(others.discarded[0].1, "b");
    assert_eq!(
        calls[1..],
        [
            "b next",
            "b reject 550 5.1.1 gone",
            "b discard",
            "b accept",
            "b rewrite three@example.org four@example.org",
        ],
        "nobody is asked about what it named"
    );
}

#[tokio::test]
async fn a_refusal_of_all_that_a_recipient_became_refuses_it_and_a_deferral_of_one_defers_it() {
    for (local, wanted) in [
        ("rewrite reject_550_5.1.1_gone", "reject 550 5.1.1 gone"),
        (
            "rewrite reject_550_5.1.1_one reject_550_5.1.2_two",
            "reject 550 5.1.2 two",
        ),
        (
            "rewrite reject_550_5.1.1_gone discard",
            "reject 550 5.1.1 gone",
        ),
        ("rewrite discard", "discard"),
        (
            "rewrite log_one defer_450_4.2.0_later log_two",
            "defer 450 4.2.0 later",
        ),
        (
            "rewrite log_one disconnect_421_4.3.2_bye",
            "disconnect 421 4.3.2 bye",
        ),
        (
            "rewrite log_one err_no",
            "defer 451 4.3.0 Local trouble, try again later",
        ),
    ] {
        let (verdict, _) = ask_two(local).await;
        let RecipientVerdict::Decide(verdict) = verdict else {
            panic!("{local}: {verdict:?}");
        };
        assert_eq!(verdict.to_string(), wanted, "{local}");
    }
}

#[tokio::test]
async fn plugins_that_name_each_others_addresses_come_to_an_end() {
    let (verdict, calls) = ask_two("again").await;
    assert_eq!(locals(&rewritten(verdict).to), ["again", "log other"]);
    assert_eq!(
        calls,
        [
            "a rewrite again@example.org \"log other\"@example.org",
            "b rewrite again@example.org \"log other\"@example.org",
            "b next",
        ]
    );
    let (verdict, calls) = ask_two("rewrite many_60 many_40 log_one").await;
    assert_eq!(
        verdict,
        RecipientVerdict::Decide(Verdict::Defer(baton_smtp::Reply::new(
            451,
            baton_smtp::EnhancedStatus::new(4, 3, 5),
            "Recipient stands for too many addresses, try again later"
        )))
    );
    assert!(calls.len() < 70, "{}", calls.len());
    let (verdict, _) = ask_two("rewrite many_60 many_40").await;
    assert_eq!(rewritten(verdict).to.len(), 100);
}

#[tokio::test]
async fn edits_of_one_plugin_are_seen_by_the_next_and_kept_for_the_relay() {
    let site = Site::new(&[("a", "actor"), ("b", "actor")], |_| {});
    let mut sitting = site.transaction("prepend X-New yes;header X-New;header Subject");
    assert_eq!(sitting.on_data(&envelope()).await, Verdict::Pass);
    assert_eq!(tag(&sitting, "header").as_deref(), Some("Some(\"hello\")"));
    let records = sitting.take_records();
    assert_eq!(records[0].edits, ["prepend-header X-New"]);
    assert_eq!(records[1].edits, ["prepend-header X-New"]);
    let draft = sitting.take_draft().unwrap();
    assert_eq!(draft.header_count("X-New"), 2);

    let mut sitting = site.transaction("set-text 0 other words;text 0;find WORDS nothing;urls");
    sitting.on_data(&envelope()).await;
    assert_eq!(
        tag(&sitting, "text").as_deref(),
        Some("Ok(\"other words\")")
    );
    assert_eq!(tag(&sitting, "find").as_deref(), Some("[0]"));
    assert_eq!(tag(&sitting, "urls").as_deref(), Some("[]"));
}

#[tokio::test]
async fn a_message_is_read_in_every_way_of_the_contract() {
    let site = Site::actor(|_| {});
    let mut sitting = site.transaction("sizes;parts;part-digest 0;urls;header Nope");
    sitting.on_data(&envelope()).await;
    let size = sitting.draft().unwrap().message().size();
    assert_eq!(
        tag(&sitting, "sizes"),
        Some(format!("({size}, Ok(10), Ok(5))"))
    );
    assert_eq!(
        tag(&sitting, "parts").as_deref(),
        Some("[(0, \"text/plain\", true)]")
    );
    assert_eq!(
        tag(&sitting, "urls").as_deref(),
        Some("[\"http://example.net/x\"]")
    );
    assert_eq!(tag(&sitting, "header").as_deref(), Some("None"));
    assert_eq!(
        tag(&sitting, "part-digest").unwrap().len(),
        "Ok(\"\")".len() + 64
    );
}

#[tokio::test]
async fn outside_of_a_message_reading_answers_no_message_and_editing_read_only() {
    let site = Site::actor(|_| {});
    let mut sitting = site.session("text 0;append X-A b").transaction();
    sitting.on_mail(&envelope()).await;
    assert_eq!(
        tag(&sitting, "text").as_deref(),
        Some("Err(Error::NoMessage)")
    );
    assert_eq!(
        tag(&sitting, "edit").as_deref(),
        Some("Err(Error::NoMessage)")
    );
    let mut sitting = Sitting::new(site.plugins.generation());
    sitting.set_draft(draft("append X-A b"));
    sitting.on_report().await;
    assert_eq!(
        tag(&sitting, "edit").as_deref(),
        Some("Err(Error::ReadOnly)")
    );
}

#[tokio::test]
async fn scores_are_summed_over_the_chain_and_compared_at_its_end() {
    let thresholds = Thresholds {
        reject: Some(6.0),
        defer: Some(4.0),
        hold: Some(2.0),
    };
    let site = Site::new(&[("a", "actor"), ("b", "actor")], |s| {
        s.thresholds = thresholds
    });
    let run = async |act: &str| {
        let mut sitting = site.transaction(act);
        let verdict = sitting.on_data(&envelope()).await;
        (verdict.to_string(), sitting.holds().len())
    };
    assert_eq!(run("score A 0.5").await, ("next".into(), 0));
    assert_eq!(run("score A 1").await, ("next".into(), 1));
    assert_eq!(
        run("score A 2").await,
        ("defer 451 4.7.1 Message deferred by policy".into(), 0)
    );
    assert_eq!(
        run("score A 3").await,
        ("reject 550 5.7.1 Message refused by policy".into(), 0)
    );
    assert_eq!(
        run("score A 9;accept").await,
        ("accept".into(), 0),
        "accept is a yes"
    );
    let mut sitting = site.transaction("score A -1");
    sitting.add_score(Score {
        plugin: "host".into(),
        symbol: "X".into(),
        points: 5.0,
        why: "y".into(),
    });
    assert_eq!(sitting.on_data(&envelope()).await, Verdict::Pass);
    assert_eq!(sitting.take_records()[0].scores.len(), 1);
}

#[tokio::test]
async fn a_copy_is_changed_for_its_recipient_alone() {
    let site = Site::actor(|_| {});
    let mut sitting = site.transaction("append X-All yes;tag who all");
    sitting.on_data(&envelope()).await;
    let own = sitting
        .on_copy(
            &envelope(),
            &recipient("append X-One yes;tag who one;hold on"),
        )
        .await;
    assert_eq!(own.verdict, Verdict::Pass);
    assert_eq!(own.draft.unwrap().header_count("X-One"), 1);
    assert_eq!(
        own.tags
            .unwrap()
            .iter()
            .find(|(k, _)| &**k == "who")
            .map(|(_, v)| &**v),
        Some("one")
    );
    assert_eq!(own.holds.len(), 1);
    let other = sitting.on_copy(&envelope(), &recipient("next")).await;
    assert!(other.draft.is_none() && other.tags.is_none() && other.holds.is_empty());
    assert_eq!(sitting.draft().unwrap().header_count("X-One"), 0);
    assert_eq!(sitting.draft().unwrap().header_count("X-All"), 1);
    assert_eq!(tag(&sitting, "who").as_deref(), Some("all"));
    assert!(sitting.holds().is_empty());
}

#[tokio::test]
async fn credentials_are_allowed_denied_or_left_to_the_relay() {
    let site = Site::actor(|_| {});
    let mut sitting = site.session("");
    let allowed = AuthVerdict::Allow("joe-PLAIN".into());
    assert_eq!(sitting.on_auth("PLAIN", "joe", "right").await, allowed);
    assert_eq!(
        sitting.on_auth("LOGIN", "joe", "wrong").await,
        AuthVerdict::Deny
    );
    assert_eq!(
        sitting.on_auth("PLAIN", "jane", "any").await,
        AuthVerdict::Pass
    );
    assert_eq!(
        sitting.on_auth("PLAIN", "err", "any").await,
        AuthVerdict::Defer
    );
    assert_eq!(
        sitting.on_auth("PLAIN", "bad", "two\r\nlines").await,
        AuthVerdict::Defer
    );
}

#[tokio::test]
async fn what_is_known_is_told_by_property() {
    let site = Site::actor(|own| own.config = r#"{"key":"value","n":[1]}"#.into());
    let mut sitting = site.transaction(
        "property hostname;property public-url;property message;property hook;property peer-ip;property nonsense;config n;authres",
    );
    sitting.set_authentication_results(vec![("spf".into(), "pass".into())]);
    sitting.on_data(&envelope()).await;
    let get = |key: &str| tag(&sitting, key).unwrap();
    assert_eq!(get("p-hostname"), "Some(\"relay.test\")");
    assert_eq!(get("p-public-url"), "Some(\"https://relay.test/p/actor\")");
    assert_eq!(get("p-message"), "Some(\"m1\")");
    assert_eq!(get("p-hook"), "Some(\"on-data\")");
    assert_eq!(get("p-peer-ip"), "Some(\"192.0.2.7\")");
    assert_eq!(get("p-nonsense"), "None");
    assert_eq!(
        get("config"),
        r#"(Some("[1]"), "{\"key\":\"value\",\"n\":[1]}")"#
    );
    assert_eq!(get("authres"), "[(\"spf\", \"pass\")]");
}

#[tokio::test]
async fn a_request_reaches_the_plugin_it_names_and_no_other() {
    let site = Site::new(&[("a", "actor"), ("b", "brief")], |_| {});
    let mut sitting = Sitting::new(site.plugins.generation());
    let request = |url: &str| HttpRequest {
        method: "GET".into(),
        url: url.into(),
        headers: vec![("Host".into(), "relay.test".into())],
        body: Bytes::from_static(b"12345"),
    };
    let RequestOutcome::Response(response) = sitting.on_request("a", &request("/x?y=1")).await
    else {
        panic!("no response");
    };
    assert_eq!(
        (response.status, &response.body[..]),
        (200, &b"GET /x?y=1 5"[..])
    );
    assert_eq!(
        sitting.on_request("b", &request("/")).await,
        RequestOutcome::NotFound
    );
    assert_eq!(
        sitting.on_request("c", &request("/")).await,
        RequestOutcome::NotFound
    );
    assert_eq!(
        sitting.on_request("a", &request("/act/trap")).await,
        RequestOutcome::Failed
    );
    assert_eq!(
        sitting.on_request("a", &request("/teapot")).await,
        RequestOutcome::Failed
    );
}

#[tokio::test]
async fn a_hook_nobody_has_makes_no_instance_and_no_record() {
    let site = Site::new(&[("brief", "brief")], |_| {});
    let generation = site.plugins.generation();
    assert!(generation.exports(Hook::Data) && !generation.exports(Hook::Connect));
    assert!(generation.exports_any(&[Hook::Mail, Hook::Rcpt]));
    let mut sitting = site.session("reject 550 5.0.0 no");
    assert_eq!(sitting.on_connect().await, Verdict::Pass);
    assert_eq!(sitting.on_mail(&envelope()).await, Verdict::Pass);
    assert_eq!(sitting.instances(), 0);
    assert!(sitting.take_records().is_empty());
}

#[tokio::test]
async fn a_disabled_plugin_is_listed_and_never_called() {
    let site = Site::actor(|own| own.enabled = false);
    assert!(!site.plugins.generation().exports(Hook::Connect));
    let list = site.plugins.list();
    assert_eq!((list[0].state.name(), list[0].calls), ("disabled", 0));
}
