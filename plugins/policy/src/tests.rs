use std::time::Duration;

use baton_sdk::prelude::*;
use baton_sdk::serde_json::{Value, json};

use super::Policy;

fn policy(config: Value) -> (testing::Relay, Policy) {
    let relay = testing::Relay::new().config(config);
    (relay, Policy::new().expect("a good configuration"))
}

fn session(account: &str) -> Session {
    Session {
        account: (!account.is_empty()).then(|| account.to_owned()),
        ..testing::session()
    }
}

fn mail(plugin: &mut Policy, session: &Session, sender: &str) -> Decision {
    plugin
        .on_mail(session, &testing::envelope(sender, &[]))
        .expect("no fault")
}

fn rcpt(plugin: &mut Policy, session: &Session, recipient: &str) -> Decision {
    let envelope = testing::envelope("ann@a.test", &[]);
    match plugin
        .on_rcpt(session, &envelope, &testing::recipient(recipient))
        .expect("no fault")
    {
        RecipientDecision::Decide(decision) => decision,
        RecipientDecision::Rewrite(to) => panic!("rewritten to {to:?}"),
    }
}

fn code(decision: &Decision) -> u16 {
    match decision {
        Decision::Reject(reply) | Decision::Defer(reply) => reply.code,
        _ => 250,
    }
}

fn text(decision: &Decision) -> &str {
    match decision {
        Decision::Reject(reply) | Decision::Defer(reply) => &reply.text,
        _ => "",
    }
}

#[test]
fn without_configuration_nobody_is_refused() {
    let (relay, mut plugin) = policy(json!({}));
    for _ in 0..1000 {
        assert_eq!(
            mail(&mut plugin, &session(""), "ann@a.test"),
            Decision::Next
        );
        assert_eq!(
            rcpt(&mut plugin, &session("shop"), "bob@b.test"),
            Decision::Next
        );
    }
    assert!(relay.events().is_empty());
}

#[test]
fn an_account_over_its_rate_is_told_when_to_come_back() {
    let (relay, mut plugin) =
        policy(json!({ "rates": [{ "per": "account", "limit": "60/hour", "burst": 2 }] }));
    let shop = session("shop");
    assert_eq!(mail(&mut plugin, &shop, "ann@a.test"), Decision::Next);
    assert_eq!(mail(&mut plugin, &shop, "bob@b.test"), Decision::Next);
    let decision = mail(&mut plugin, &shop, "ann@a.test");
    assert_eq!(
        decision,
        Decision::Defer(Reply::new(
            450,
            "4.7.1",
            "Too many messages for account shop: 60/hour are allowed; try again in 60 seconds"
        ))
    );
    assert_eq!(relay.events()[0].0, "refused");
    assert_eq!(
        mail(&mut plugin, &session("other"), "ann@a.test"),
        Decision::Next
    );
    assert_eq!(
        mail(&mut plugin, &session(""), "ann@a.test"),
        Decision::Next
    );
    relay.advance(Duration::from_secs(60));
    assert_eq!(mail(&mut plugin, &shop, "ann@a.test"), Decision::Next);
    assert_eq!(code(&mail(&mut plugin, &shop, "ann@a.test")), 450);
}

#[test]
fn senders_addresses_and_recipients_have_rates_of_their_own() {
    let (_relay, mut plugin) = policy(json!({ "rates": [
        { "per": "sender", "limit": "1/day" },
        { "per": "ip", "count": "recipients", "limit": "3/minute" },
        { "per": "recipient-domain", "count": "recipients", "limit": "2/minute" },
    ]}));
    let client = session("");
    assert_eq!(mail(&mut plugin, &client, "ann@a.test"), Decision::Next);
    assert_eq!(code(&mail(&mut plugin, &client, "Ann@A.test")), 450);
    assert_eq!(
        mail(&mut plugin, &client, ""),
        Decision::Next,
        "a bounce has no sender to count by"
    );
    assert_eq!(rcpt(&mut plugin, &client, "a@b.test"), Decision::Next);
    assert_eq!(rcpt(&mut plugin, &client, "b@B.test"), Decision::Next);
    assert!(text(&rcpt(&mut plugin, &client, "c@b.test")).contains("recipient-domain b.test"));
    assert!(text(&rcpt(&mut plugin, &client, "c@c.test")).contains("ip 192.0.2.1"));
}

#[test]
fn a_rate_may_be_for_some_alone_and_some_may_be_exempt() {
    let (_relay, mut plugin) = policy(json!({
        "rates": [{ "per": "account", "limit": "1/day", "only": ["trial"] }, { "per": "ip", "limit": "5/day" }],
        "exempt-accounts": ["boss"], "exempt-ips": ["198.51.100.0/24"]
    }));
    assert_eq!(code(&mail(&mut plugin, &session("trial"), "a@a.test")), 250);
    assert_eq!(code(&mail(&mut plugin, &session("trial"), "a@a.test")), 450);
    let local = Session {
        peer_ip: "198.51.100.7".to_owned(),
        ..session("trial")
    };
    assert_eq!(code(&mail(&mut plugin, &local, "a@a.test")), 250);
    for _ in 0..10 {
        assert_eq!(code(&mail(&mut plugin, &session("boss"), "a@a.test")), 250);
    }
}

#[test]
fn an_account_sends_as_its_own_addresses_alone() {
    let config = json!({ "senders": { "shop": ["shop.test", "ann@a.test"], "*": [".test"] } });
    let (_relay, mut plugin) = policy(config);
    assert_eq!(
        code(&mail(&mut plugin, &session("shop"), "x@shop.test")),
        250
    );
    assert_eq!(
        code(&mail(&mut plugin, &session("shop"), "ann@a.test")),
        250
    );
    assert_eq!(code(&mail(&mut plugin, &session("shop"), "")), 250);
    let decision = mail(&mut plugin, &session("shop"), "bob@a.test");
    assert_eq!(
        (code(&decision), text(&decision)),
        (550, "You may not send as bob@a.test")
    );
    assert_eq!(code(&mail(&mut plugin, &session("other"), "x@y.test")), 250);
    assert_eq!(
        code(&mail(&mut plugin, &session("other"), "x@y.example")),
        550
    );
    assert_eq!(
        code(&mail(&mut plugin, &session(""), "x@y.example")),
        250,
        "who has no account is the relay's own affair"
    );
}

#[test]
fn the_author_of_the_message_must_be_allowed_too() {
    for (from, expected) in [
        ("From: Shop <news@shop.test>\r\n", 250),
        ("From: \"news@shop.test\" <boss@bank.test>\r\n", 550),
        ("From: news@shop.test, boss@bank.test\r\n", 550),
        ("From: news@shop.test\r\nFROM: boss@bank.test\r\n", 550),
        (
            "From: =?utf-8?q?=3Cnews=40shop.test=3E_=22?= <boss@bank.test>\r\n",
            550,
        ),
        ("From: nobody\r\n", 550),
        ("Subject: x\r\n", 550),
    ] {
        let (relay, mut plugin) = policy(json!({ "senders": { "shop": ["shop.test"] } }));
        relay.message(format!("{from}\r\ntext\r\n"));
        let envelope = testing::envelope("x@shop.test", &["bob@b.test"]);
        let decision = plugin
            .on_data(&session("shop"), &envelope)
            .expect("no fault");
        assert_eq!(code(&decision), expected, "{from}");
        assert_eq!(
            plugin.on_data(&session(""), &envelope).expect("no fault"),
            Decision::Next
        );
    }
}

#[test]
fn blocked_senders_recipients_and_clients_are_refused() {
    let (relay, mut plugin) = policy(json!({
        "blocked-senders": ["spam@a.test", ".bad.test"], "blocked-recipients": ["b.test"], "blocked-ips": ["203.0.113.0/24"]
    }));
    assert_eq!(code(&mail(&mut plugin, &session(""), "Spam@a.test")), 550);
    assert_eq!(
        code(&mail(&mut plugin, &session(""), "x@very.bad.test")),
        550
    );
    assert_eq!(code(&mail(&mut plugin, &session(""), "x@a.test")), 250);
    assert_eq!(code(&rcpt(&mut plugin, &session(""), "x@b.test")), 550);
    assert_eq!(code(&rcpt(&mut plugin, &session(""), "x@c.test")), 250);
    let blocked = Session {
        peer_ip: "203.0.113.9".to_owned(),
        ..session("")
    };
    assert_eq!(code(&mail(&mut plugin, &blocked, "x@a.test")), 550);
    let rules: Vec<String> = relay
        .events()
        .into_iter()
        .map(|(_, fields)| fields[0].1.clone())
        .collect();
    assert_eq!(
        rules,
        [
            "blocked-sender",
            "blocked-sender",
            "blocked-recipient",
            "blocked-ip"
        ]
    );
}

#[test]
fn a_reply_carries_nothing_that_the_relay_would_refuse() {
    let (_relay, mut plugin) = policy(json!({ "senders": { "*": ["shop.test"] } }));
    let sender = Mailbox {
        local: format!("ü\u{1}{}", "x".repeat(300)),
        domain: "a.test".to_owned(),
    };
    let envelope = Envelope {
        sender: Some(sender),
        ..testing::envelope("", &[])
    };
    let decision = plugin
        .on_mail(&session("shop"), &envelope)
        .expect("no fault");
    assert!(
        text(&decision).len() <= 400
            && text(&decision)
                .bytes()
                .all(|byte| (b' '..=b'~').contains(&byte))
    );
}

#[test]
fn wrong_configuration_is_named() {
    for (config, words) in [
        (json!({ "rate": [] }), "unknown field `rate`"),
        (
            json!({ "rates": [{ "per": "account", "limit": "100" }] }),
            "\"100/hour\"",
        ),
        (
            json!({ "rates": [{ "per": "user", "limit": "1/day" }] }),
            "unknown variant `user`",
        ),
        (
            json!({ "rates": [{ "limit": "1/day" }] }),
            "missing field `per`",
        ),
        (
            json!({ "rates": [{ "per": "ip", "limit": "1/day", "burst": 0 }] }),
            "rate 1: burst",
        ),
        (
            json!({ "rates": [{ "per": "recipient-domain", "limit": "1/day" }] }),
            "count = \"recipients\"",
        ),
        (
            json!({ "blocked-senders": ["a b"] }),
            "blocked-senders: `a b`",
        ),
        (json!({ "blocked-ips": ["192.0.2.1/24"] }), "blocked-ips"),
        (json!({ "senders": { "shop": ["x@"] } }), "senders of shop"),
    ] {
        let _relay = testing::Relay::new().config(config);
        let error = Policy::new().err().expect("a mistake").to_string();
        assert!(error.contains(words), "{error} should contain {words}");
    }
}
