use baton_sdk::prelude::*;
use baton_sdk::serde_json::{self, json};

use super::*;

fn plugin(config: serde_json::Value) -> (testing::Relay, Suppression) {
    let relay = testing::Relay::new().config(config);
    let plugin = Suppression::new().expect("a good configuration");
    (relay, plugin)
}

fn attempt() -> Attempt {
    Attempt {
        account: Some("letters".into()),
        ..testing::attempt("ann@sender.test", "Bob@dest.test")
    }
}

fn bounce(disposition: Disposition, advice: Advice, reason: &str) -> Report {
    let translation = Translation {
        advice,
        ..Translation::new(disposition, reason)
    };
    Report {
        kind: ReportKind::Bounce,
        recipient: None,
        original_recipient: None,
        reply: Some(Reply::new(550, "5.1.1", "no such\r\nuser \u{e9}")),
        remote_host: None,
        translation: Some(translation),
        feedback_type: None,
        original_message_id: None,
    }
}

fn complaint(kind: &str) -> Report {
    Report {
        kind: ReportKind::Complaint,
        translation: None,
        reply: None,
        feedback_type: Some(kind.into()),
        ..bounce(Disposition::Hard, Advice::None, "")
    }
}

/// Kind and fields of the events so far, on a line each.
fn events(relay: &testing::Relay) -> Vec<String> {
    let line = |(kind, fields): (String, Vec<(String, String)>)| {
        let fields = fields.iter().map(|(key, value)| format!(" {key}={value}"));
        kind + &fields.collect::<String>()
    };
    relay.events().into_iter().map(line).collect()
}

fn ask(plugin: &mut Suppression, to: &str) -> RecipientDecision {
    let envelope = testing::envelope("ann@sender.test", &[]);
    plugin
        .on_rcpt(&testing::session(), &envelope, &testing::recipient(to))
        .expect("an answer")
}

#[test]
fn a_listed_address_is_refused_with_cause_date_and_words() {
    let row = json!({
        "cause": "bounce", "reason": "user-unknown: 550 5.1.1 gone", "source": "suppression",
        "created": "2026-07-01T10:00:00Z",
    });
    let (relay, mut plugin) = plugin(json!({}));
    let _relay = relay.property("suppressed:bob@dest.test", &row.to_string());
    let RecipientDecision::Decide(Decision::Reject(reply)) = ask(&mut plugin, "bob@dest.test")
    else {
        panic!("it is refused");
    };
    assert_eq!((reply.code, reply.status.as_str()), (550, "5.1.1"));
    assert_eq!(
        reply.text,
        "bob@dest.test is on the suppression list since 2026-07-01: it does not exist or takes no mail \
         (user-unknown: 550 5.1.1 gone)"
    );
    let RecipientDecision::Decide(Decision::Next) = ask(&mut plugin, "eve@dest.test") else {
        panic!("it passes");
    };
}

#[test]
fn what_a_remote_host_wrote_cannot_break_the_reply() {
    let row = json!({ "cause": "x", "reason": "a\r\nb\u{1}\u{fc}".repeat(200), "created": "now" });
    let (relay, mut plugin) = plugin(json!({}));
    let _relay = relay.property("suppressed:bob@dest.test", &row.to_string());
    let RecipientDecision::Decide(Decision::Reject(reply)) = ask(&mut plugin, "bob@dest.test")
    else {
        panic!("it is refused");
    };
    assert!(reply.text.len() <= 400 && reply.text.bytes().all(|b| (b' '..=b'~').contains(&b)));
    assert_eq!(reply.status, "5.7.1");
}

#[test]
fn only_the_causes_that_the_operator_names_are_refused() {
    let row = json!({ "cause": "bounce", "reason": "", "created": "" });
    let (relay, mut plugin) = plugin(json!({ "refuse": ["complaint"] }));
    let _relay = relay.property("suppressed:bob@dest.test", &row.to_string());
    assert!(matches!(
        ask(&mut plugin, "bob@dest.test"),
        RecipientDecision::Decide(Decision::Next)
    ));
}

#[test]
fn a_hard_bounce_lists_and_a_block_does_not() {
    let (relay, mut plugin) = plugin(json!({ "bounce": 90 }));
    let hard = bounce(Disposition::Hard, Advice::Suppress, "user-unknown");
    plugin.on_bounce(&attempt(), &hard).expect("done");
    let block = bounce(Disposition::Block, Advice::None, "bad-reputation");
    plugin.on_bounce(&attempt(), &block).expect("done");
    let told = events(&relay);
    assert_eq!(told.len(), 1, "{told:?}");
    for wanted in [
        "suppress recipient=Bob@dest.test cause=bounce",
        "account=letters",
        "reason=user-unknown: no such user ?",
        "expires-seconds=7776000",
    ] {
        assert!(told[0].contains(wanted), "{wanted}: {told:?}");
    }
}

#[test]
fn soft_bounces_list_for_a_while_once_there_are_enough_of_them() {
    let (relay, mut plugin) = plugin(json!({ "soft-bounces": 3, "soft-bounce-days": 7 }));
    let full = bounce(Disposition::Soft, Advice::None, "mailbox-full");
    for _ in 0..2 {
        plugin.on_bounce(&attempt(), &full).expect("done");
    }
    // A delivery in between begins the count anew.
    let ok = Reply::new(250, "2.0.0", "ok");
    plugin.on_delivered(&attempt(), &ok).expect("done");
    for _ in 0..2 {
        plugin.on_bounce(&attempt(), &full).expect("done");
    }
    assert_eq!(events(&relay), Vec::<String>::new());
    plugin.on_bounce(&attempt(), &full).expect("done");
    let told = events(&relay);
    assert!(
        told[0].contains("cause=soft-bounce") && told[0].contains("expires-seconds=604800"),
        "{told:?}"
    );
}

#[test]
fn a_complaint_lists_only_where_it_is_certain_whose_it_is() {
    let (relay, mut plugin) = plugin(json!({}));
    plugin.on_feedback(&complaint("abuse"), None).expect("done");
    plugin
        .on_feedback(&complaint("auth-failure"), Some(&attempt()))
        .expect("done");
    assert_eq!(events(&relay), Vec::<String>::new());
    plugin
        .on_feedback(&complaint("abuse"), Some(&attempt()))
        .expect("done");
    plugin
        .on_feedback(&complaint("opt-out"), Some(&attempt()))
        .expect("done");
    plugin
        .on_feedback(&complaint("not-spam"), Some(&attempt()))
        .expect("done");
    let told = events(&relay);
    assert!(
        told[0].starts_with("suppress") && told[0].contains("cause=complaint"),
        "{told:?}"
    );
    assert!(
        told[1].starts_with("suppress") && told[1].contains("cause=unsubscribe"),
        "{told:?}"
    );
    assert!(
        told[2].starts_with("unsuppress") && told[2].contains("cause=complaint"),
        "{told:?}"
    );
}

#[test]
fn a_delivery_takes_off_a_bounce_and_never_a_complaint() {
    let row = |cause| json!({ "cause": cause, "reason": "", "created": "" }).to_string();
    let ok = Reply::new(250, "2.0.0", "ok");
    for (cause, count) in [
        ("bounce", 1),
        ("soft-bounce", 1),
        ("complaint", 0),
        ("unsubscribe", 0),
        ("manual", 0),
    ] {
        let (relay, mut plugin) = plugin(json!({}));
        let relay = relay.property("suppressed:Bob@dest.test", &row(cause));
        plugin.on_delivered(&attempt(), &ok).expect("done");
        assert_eq!(events(&relay).len(), count, "{cause}");
    }
    let (relay, mut plugin) = plugin(json!({ "recover": false }));
    let relay = relay.property("suppressed:Bob@dest.test", &row("bounce"));
    plugin.on_delivered(&attempt(), &ok).expect("done");
    assert_eq!(events(&relay).len(), 0);
}

#[test]
fn mistakes_in_the_configuration_are_named() {
    for (config, word) in [
        (json!({ "bounces": 1 }), "bounces"),
        (
            json!({ "bounce": "sometimes" }),
            "\"sometimes\" is no time: \"for-ever\", \"never\" or a number of days is wanted, near `{\"bounce\"",
        ),
        (json!({ "complaint": -1 }), "-1 is no time"),
        (
            json!({ "complaint": 99999 }),
            "complaint: 99999 days is more than 3650",
        ),
        (
            json!({ "soft-bounce-window-days": 0 }),
            "soft-bounce-window-days",
        ),
    ] {
        let _relay = testing::Relay::new().config(config);
        let Err(error) = Suppression::new() else {
            panic!("{word} is a mistake");
        };
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn every_key_is_in_the_readme() {
    let section = json!({ "no-such-key": 1 });
    testing::keys_are_described::<Suppression>(include_str!("../README.md"), [section]);
}
