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
    let (kind, fields) = relay.events().remove(0);
    assert_eq!(kind, "deferred");
    for field in [
        ("rule", "rate"),
        ("key", "account:shop"),
        ("limit", "60/hour"),
        ("seconds", "60"),
    ] {
        let field = (field.0.to_owned(), field.1.to_owned());
        assert!(fields.contains(&field), "{fields:?}");
    }
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
    assert!(text(&rcpt(&mut plugin, &client, "c@c.test")).contains("address 192.0.2.1"));
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

fn data(plugin: &mut Policy, session: &Session, to: &[&str]) -> Decision {
    let envelope = testing::envelope("ann@a.test", to);
    plugin.on_data(session, &envelope).expect("no fault")
}

/// A client that sends for many, and a message of one of its scripts.
fn script(relay: testing::Relay, name: &str) -> testing::Relay {
    relay.message(format!(
        "X-PHP-Originating-Script: 1001:{name}\r\nFrom: a@a.test\r\n\r\nx\r\n"
    ))
}

fn kinds(relay: &testing::Relay) -> Vec<String> {
    relay.events().into_iter().map(|(kind, _)| kind).collect()
}

#[test]
fn a_day_has_a_cap_that_ends_at_midnight() {
    let (relay, mut plugin) = policy(json!({
        "rates": [{ "per": "account", "limit": "1000/second", "daily": 3 }]
    }));
    let shop = session("shop");
    for _ in 0..3 {
        assert_eq!(code(&mail(&mut plugin, &shop, "ann@a.test")), 250);
    }
    relay.advance(Duration::from_secs(22 * 3600));
    let decision = mail(&mut plugin, &shop, "ann@a.test");
    assert_eq!(
        text(&decision),
        "Too many messages for account shop: 3 a day are allowed; try again in 2 hours"
    );
    relay.advance(Duration::from_secs(2 * 3600));
    assert_eq!(code(&mail(&mut plugin, &shop, "ann@a.test")), 250);
}

#[test]
fn what_is_refused_for_its_number_leaves_room_for_less() {
    let (relay, mut plugin) = policy(json!({
        "rates": [{ "per": "key", "count": "recipients", "limit": "1000/second", "daily": 4 }]
    }));
    let _relay = relay.message("From: a@a.test\r\n\r\nx\r\n");
    let shop = session("shop");
    assert_eq!(
        code(&data(
            &mut plugin,
            &shop,
            &["a@b.test", "b@b.test", "c@b.test"]
        )),
        250
    );
    assert_eq!(
        code(&data(&mut plugin, &shop, &["a@b.test", "b@b.test"])),
        450
    );
    assert_eq!(code(&data(&mut plugin, &shop, &["a@b.test"])), 250);
    assert_eq!(code(&data(&mut plugin, &shop, &["a@b.test"])), 450);
}

#[test]
fn each_script_behind_a_shared_host_is_a_sender_of_its_own() {
    let (relay, mut plugin) = policy(json!({
        "shared-accounts": ["web"],
        "rates": [{ "per": "key", "limit": "2/hour" }]
    }));
    let web = session("web");
    let relay = script(relay, "bad.php");
    for expected in [250, 250, 450] {
        assert_eq!(code(&data(&mut plugin, &web, &["b@b.test"])), expected);
    }
    let refusal = data(&mut plugin, &web, &["b@b.test"]);
    assert!(
        text(&refusal).contains("the script php=1001:bad.php"),
        "{}",
        text(&refusal)
    );
    let relay = script(relay, "good.php");
    assert_eq!(code(&data(&mut plugin, &web, &["b@b.test"])), 250);
    // Nobody else is believed.
    let _relay = script(relay, "bad.php");
    assert_eq!(
        code(&data(&mut plugin, &session("shop"), &["b@b.test"])),
        250
    );
}

#[test]
fn logins_are_limited_whatever_their_password() {
    let (relay, mut plugin) = policy(json!({ "rates": [
        { "per": "address", "count": "logins", "limit": "3/minute" },
        { "per": "account", "count": "logins", "limit": "2/minute" },
    ]}));
    let mut login = |name: &str| {
        plugin
            .on_auth(&session(""), "PLAIN", name, "x")
            .expect("no fault")
    };
    assert_eq!(login("ann"), AuthDecision::Next);
    assert_eq!(login("Ann"), AuthDecision::Next);
    assert_eq!(login("ann"), AuthDecision::Deny);
    assert_eq!(
        login("bob"),
        AuthDecision::Deny,
        "the address has used up its own"
    );
    assert_eq!(kinds(&relay), ["deferred", "deferred"]);
}

#[test]
fn a_blocked_client_is_refused_in_the_greeting() {
    let (_relay, mut plugin) = policy(json!({ "blocked-ips": ["192.0.2.0/24"] }));
    let decision = plugin.on_connect(&testing::session()).expect("no fault");
    assert!(matches!(decision, Decision::Disconnect(reply) if reply.code == 554));
    let (_relay, mut plugin) = policy(json!({}));
    assert_eq!(plugin.on_connect(&testing::session()), Ok(Decision::Next));
    kv::set_string("block/192.0.2.1", "", None).expect("kv");
    assert!(matches!(
        plugin.on_connect(&testing::session()),
        Ok(Decision::Disconnect(_))
    ));
    kv::set_string("block/bad.test", "", None).expect("kv");
    let elsewhere = Session {
        peer_ip: "198.51.100.1".to_owned(),
        ..session("")
    };
    assert_eq!(code(&mail(&mut plugin, &elsewhere, "x@Bad.test")), 550);
}

#[test]
fn a_trap_is_refused_with_a_reason_and_costs_trust() {
    let (relay, mut plugin) = policy(json!({ "traps": ["trap@t.test"], "reputation": {} }));
    let shop = session("shop");
    let decision = rcpt(&mut plugin, &shop, "Trap@t.test");
    assert_eq!(code(&decision), 550);
    assert!(
        text(&decision).contains("trap for unsolicited mail"),
        "{}",
        text(&decision)
    );
    assert_eq!(kinds(&relay), ["refused", "charged"]);
    assert_eq!(code(&mail(&mut plugin, &shop, "ann@a.test")), 250);
    rcpt(&mut plugin, &shop, "trap@t.test");
    rcpt(&mut plugin, &shop, "trap@t.test");
    assert_eq!(
        kinds(&relay)
            .iter()
            .filter(|kind| *kind == "stopped")
            .count(),
        1
    );
    let decision = mail(&mut plugin, &shop, "ann@a.test");
    assert_eq!(code(&decision), 450);
    assert!(
        text(&decision).starts_with("Sending by account shop is stopped"),
        "{}",
        text(&decision)
    );
    assert_eq!(
        code(&mail(&mut plugin, &session("other"), "ann@a.test")),
        250
    );
    kv::set_string("trap/later@t.test", "", None).expect("kv");
    assert_eq!(
        code(&rcpt(&mut plugin, &session("other"), "later@t.test")),
        550
    );
}

#[test]
fn a_trap_met_by_a_script_is_the_scripts_own() {
    let (relay, mut plugin) = policy(json!({
        "traps": ["trap@t.test"], "trap-action": "tag", "reputation": {}, "shared-accounts": ["web"]
    }));
    let web = session("web");
    let relay = script(relay, "bad.php");
    for _ in 0..3 {
        assert_eq!(code(&rcpt(&mut plugin, &web, "trap@t.test")), 250);
    }
    assert_eq!(code(&data(&mut plugin, &web, &["trap@t.test"])), 450);
    let _relay = script(relay, "good.php");
    assert_eq!(code(&mail(&mut plugin, &web, "ann@a.test")), 250);
    assert_eq!(code(&data(&mut plugin, &web, &["b@b.test"])), 250);
}

fn reply(code: u16, status: &str) -> Reply {
    Reply::new(code, status, "no")
}

#[test]
fn spam_that_remotes_refuse_slows_and_stops_its_sender_and_nobody_else() {
    let (relay, mut plugin) = policy(json!({ "reputation": {} }));
    let relay = relay
        .message("From: a@a.test\r\n\r\nx\r\n")
        .property("translation-disposition", "block")
        .property("translation-reason", "spam")
        .property("translation-scope", "content");
    let shop = session("shop");
    let mut sent = 0;
    let mut slowed_at = None;
    for _ in 0..1000 {
        let first = mail(&mut plugin, &shop, "ann@a.test");
        if code(&first) != 250 {
            if text(&first).contains("stopped") {
                break;
            }
            slowed_at.get_or_insert(sent);
            assert!(
                text(&first).contains("slowed down to 30/hour"),
                "{}",
                text(&first)
            );
            relay.advance(Duration::from_secs(120));
            continue;
        }
        assert_eq!(code(&data(&mut plugin, &shop, &["b@b.test"])), 250);
        sent += 1;
        let attempt = Attempt {
            account: Some("shop".to_owned()),
            ..testing::attempt("ann@a.test", "b@b.test")
        };
        let answer = plugin.on_reply(&attempt, Stage::EndOfData, &reply(550, "5.7.1"));
        assert_eq!(answer, Ok(None));
        let report = Report {
            kind: ReportKind::Bounce,
            recipient: None,
            original_recipient: None,
            reply: Some(reply(550, "5.7.1")),
            remote_host: None,
            translation: None,
            feedback_type: None,
            original_message_id: None,
        };
        assert_eq!(
            plugin.on_bounce(&attempt, &report),
            Ok(BounceDecision::Notify)
        );
    }
    assert!(
        (8..=20).contains(&slowed_at.expect("slowed")),
        "{slowed_at:?}"
    );
    assert!((16..=20).contains(&sent), "{sent}");
    for kind in ["slowed", "stopped"] {
        assert_eq!(
            kinds(&relay).iter().filter(|known| *known == kind).count(),
            1,
            "{kind}"
        );
    }
    assert_eq!(
        kinds(&relay)
            .iter()
            .filter(|kind| *kind == "charged")
            .count(),
        sent,
        "once a message"
    );
    assert_eq!(
        code(&mail(&mut plugin, &session("other"), "ann@a.test")),
        250
    );

    // An operator's word comes first.
    kv::set_string("standing/account:shop", "good", None).expect("kv");
    assert_eq!(code(&mail(&mut plugin, &shop, "ann@a.test")), 250);
    kv::delete("standing/account:shop").expect("kv");
    assert_eq!(code(&mail(&mut plugin, &shop, "ann@a.test")), 450);

    // And time heals.
    relay.advance(Duration::from_secs(3 * 86_400));
    assert_eq!(code(&mail(&mut plugin, &shop, "ann@a.test")), 250);
}

#[test]
fn a_sender_comes_back_when_it_was_told() {
    let (relay, mut plugin) =
        policy(json!({ "traps": ["trap@t.test"], "reputation": { "slow-below": 20 } }));
    let shop = session("shop");
    for _ in 0..3 {
        rcpt(&mut plugin, &shop, "trap@t.test");
    }
    let decision = mail(&mut plugin, &shop, "ann@a.test");
    // 90 points of 100, of which 80 may be held: a ninth of the second day has to pass, and the whole first.
    assert!(
        text(&decision).ends_with("it ends by itself in 27 hours"),
        "{}",
        text(&decision)
    );
    relay.advance(Duration::from_secs(26 * 3600));
    assert_eq!(code(&mail(&mut plugin, &shop, "ann@a.test")), 450);
    relay.advance(Duration::from_secs(3600));
    assert_eq!(code(&mail(&mut plugin, &shop, "ann@a.test")), 250);
}

#[test]
fn who_sends_much_may_be_refused_more() {
    let (_relay, mut plugin) = policy(json!({ "traps": ["trap@t.test"], "reputation": {} }));
    kv::set_string("m/account:big/20454", "100000", None).expect("kv");
    for _ in 0..10 {
        rcpt(&mut plugin, &session("big"), "trap@t.test");
    }
    assert_eq!(code(&mail(&mut plugin, &session("big"), "ann@a.test")), 250);
}

#[test]
fn complaints_and_dead_addresses_are_held_against_who_sent_the_message() {
    let (relay, mut plugin) = policy(json!({ "reputation": {} }));
    let relay = relay.message("From: a@a.test\r\n\r\nx\r\n");
    data(&mut plugin, &session("shop"), &["b@b.test"]);
    let report = |kind, feedback_type: Option<&str>, reply: Option<Reply>| Report {
        kind,
        recipient: Some("b@b.test".to_owned()),
        original_recipient: None,
        reply,
        remote_host: None,
        translation: None,
        feedback_type: feedback_type.map(str::to_owned),
        original_message_id: None,
    };
    let attempt = testing::attempt("ann@a.test", "b@b.test");
    let complaint = report(ReportKind::Complaint, Some("abuse"), None);
    plugin
        .on_feedback(&complaint, Some(&attempt))
        .expect("no fault");
    plugin
        .on_feedback(&report(ReportKind::Complaint, Some("not-spam"), None), None)
        .expect("no fault");
    let dead = report(ReportKind::Bounce, None, Some(reply(550, "5.1.1")));
    plugin.on_bounce(&attempt, &dead).expect("no fault");
    let full = report(ReportKind::Bounce, None, Some(reply(552, "5.2.2")));
    plugin.on_bounce(&attempt, &full).expect("no fault");
    let blocked = Translation {
        scope: Scope::Sender,
        ..Translation::new(Disposition::Block, "policy")
    };
    let late = Report {
        translation: Some(blocked),
        ..report(ReportKind::Bounce, None, Some(reply(550, "5.7.1")))
    };
    plugin.on_bounce(&attempt, &late).expect("no fault");
    let charged: Vec<(String, String)> = relay
        .events()
        .into_iter()
        .filter(|(kind, _)| kind == "charged")
        .map(|(_, fields)| (fields[1].1.clone(), fields[2].1.clone()))
        .collect();
    let of = |what: &str| ("account:shop".to_owned(), what.to_owned());
    assert_eq!(charged, [of("complaint"), of("bounce"), of("block")]);
}

#[test]
fn look_alike_domains_and_forged_authors_are_refused_with_words_people_understand() {
    let (relay, mut plugin) = policy(json!({
        "brands": [{ "name": "Example Bank", "domains": ["bank.test"] }],
        "impersonation": { "display-address": "hold" },
    }));
    let relay = relay.message("From: Service <x@b4nk.test>\r\n\r\nx\r\n");
    let decision = data(&mut plugin, &session("shop"), &["b@b.test"]);
    assert_eq!(
        (code(&decision), text(&decision)),
        (
            550,
            "The domain b4nk.test looks like bank.test, which belongs to Example Bank; write from a domain of your own"
        )
    );
    let relay = relay.message("From: a@a.test\r\nReply-To: x@xn--bnk-6cd.test\r\n\r\nx\r\n");
    assert_eq!(
        code(&data(&mut plugin, &session("shop"), &["b@b.test"])),
        550
    );
    let relay = relay.message("From: Example Bank <a@a.test>\r\n\r\nx\r\n");
    assert_eq!(
        data(&mut plugin, &session("shop"), &["b@b.test"]),
        Decision::Next
    );
    assert_eq!(relay.tag("policy.tags").as_deref(), Some("brand-name"));
    let relay = relay.message("From: \"boss@firm.test\" <a@a.test>\r\n\r\nx\r\n");
    assert!(matches!(
        data(&mut plugin, &session("shop"), &["b@b.test"]),
        Decision::Hold(_)
    ));
    let _relay = relay.message("From: a@bank.test\r\n\r\nx\r\n");
    assert_eq!(
        code(&data(&mut plugin, &session("shop"), &["b@b.test"])),
        250
    );
}

#[test]
fn block_lists_are_asked_once_and_only_about_strangers() {
    let (relay, mut plugin) = policy(json!({ "block-lists": [
        { "zone": "bl.test" },
        { "zone": "dom.test", "of": "sender-domain", "action": "tag", "points": 2.5 },
        { "zone": "url.test", "of": "links", "action": "hold" },
    ]}));
    let relay = relay
        .dns("bl.test", "192.0.2.1", &["127.0.0.2"])
        .dns("bl.test", "192.0.2.9", &["127.255.255.254"])
        .dns("dom.test", "spam.test", &["127.0.1.2"])
        .dns("url.test", "evil.test", &["127.0.0.4"])
        .dns_error("bl.test", "192.0.2.8", dns::Error::Timeout);
    let from = |ip: &str| Session {
        peer_ip: ip.to_owned(),
        ..session("")
    };
    let decision = mail(&mut plugin, &from("192.0.2.1"), "ann@a.test");
    assert_eq!(
        (code(&decision), text(&decision)),
        (
            550,
            "Your address 192.0.2.1 is on the block list bl.test; ask there to be taken off"
        )
    );
    assert_eq!(
        code(&mail(&mut plugin, &session("shop"), "ann@a.test")),
        250
    );
    for ip in ["192.0.2.7", "192.0.2.8", "192.0.2.9"] {
        assert_eq!(
            code(&mail(&mut plugin, &from(ip), "ann@a.test")),
            250,
            "{ip}"
        );
    }
    assert_eq!(
        code(&mail(&mut plugin, &session("shop"), "x@spam.test")),
        250
    );
    assert_eq!(relay.scores()[0].1, 2.5);
    let relay =
        relay.message("From: a@a.test\r\n\r\nsee http://EVIL.test:80/x and http://192.0.2.1/\r\n");
    assert!(matches!(
        data(&mut plugin, &session("shop"), &["b@b.test"]),
        Decision::Hold(_)
    ));
    // What was answered is remembered for its time.
    let relay = relay
        .dns("bl.test", "192.0.2.1", &[])
        .dns("bl.test", "192.0.2.7", &["127.0.0.3"]);
    assert_eq!(
        code(&mail(&mut plugin, &from("192.0.2.1"), "ann@a.test")),
        550
    );
    assert_eq!(
        code(&mail(&mut plugin, &from("192.0.2.7"), "ann@a.test")),
        250
    );
    relay.advance(Duration::from_secs(300));
    assert_eq!(
        code(&mail(&mut plugin, &from("192.0.2.1"), "ann@a.test")),
        250
    );
    assert_eq!(
        code(&mail(&mut plugin, &from("192.0.2.7"), "ann@a.test")),
        550
    );
    let _relay = relay.dns_error("bl.test", "192.0.2.77", dns::Error::NotGranted);
    let envelope = testing::envelope("ann@a.test", &[]);
    let error = plugin
        .on_mail(&from("192.0.2.77"), &envelope)
        .expect_err("a mistake");
    assert!(error.to_string().contains("dns = true"), "{error}");
}

#[test]
fn what_is_known_of_the_senders_domain_decides_about_strangers() {
    let config = json!({ "authentication": { "dmarc=fail": "reject", "dkim=fail": "defer", "spf=softfail": "tag" } });
    let (relay, mut plugin) = policy(config);
    let relay = relay.message("From: a@a.test\r\n\r\nx\r\n");
    let stranger = session("");
    for (results, expected) in [
        (vec![], 250),
        (
            vec![("dmarc", "pass"), ("dkim", "fail"), ("dkim", "pass")],
            250,
        ),
        (vec![("dmarc", "none"), ("dkim", "fail")], 450),
        (vec![("spf", "softfail")], 250),
        (vec![("spf", "pass"), ("dmarc", "fail")], 550),
    ] {
        let _relay = relay.authentication(&results);
        assert_eq!(
            code(&data(&mut plugin, &stranger, &["b@b.test"])),
            expected,
            "{results:?}"
        );
        assert_eq!(
            code(&data(&mut plugin, &session("shop"), &["b@b.test"])),
            250
        );
    }
    assert_eq!(relay.tag("policy.tags").as_deref(), Some("spf=softfail"));
}

#[test]
fn content_is_scored_and_the_sum_decides() {
    let (relay, mut plugin) = policy(json!({ "content": {
        "rules": [
            { "name": "lottery", "find": ["you have won", "lottery"], "points": 3 },
            { "name": "both", "find": ["urgent", "wire transfer"], "all": true, "points": 4 },
        ],
        "signals": { "missing-date": 1, "loud-subject": 2, "link-to-address": 5, "html-only": 1, "many-links": 1 },
        "tag": 3, "reject": 8,
    }}));
    let relay = relay.message("Date: x\r\nFrom: a@a.test\r\nSubject: Lunch\r\n\r\nurgent\r\n");
    assert_eq!(code(&data(&mut plugin, &session(""), &["b@b.test"])), 250);
    assert!(relay.scores().is_empty() && relay.tag("policy.tags").is_none());
    let relay = relay.message("Date: x\r\nFrom: a@a.test\r\nSubject: Hi\r\n\r\nYou HAVE won\r\n");
    assert_eq!(code(&data(&mut plugin, &session(""), &["b@b.test"])), 250);
    assert_eq!(relay.tag("policy.tags").as_deref(), Some("content"));
    let _relay = relay.message(
        "From: a@a.test\r\nSubject: READ THIS NOW\r\n\r\nurgent wire transfer http://192.0.2.1/x\r\n",
    );
    let decision = data(&mut plugin, &session(""), &["b@b.test"]);
    assert_eq!(code(&decision), 550);
    let (_, fields) = relay.events().pop().expect("an event");
    let symbols = &fields
        .iter()
        .find(|(name, _)| name == "symbols")
        .expect("symbols")
        .1;
    assert_eq!(
        symbols,
        "both=4 missing-date=1 loud-subject=2 link-to-address=5"
    );
}

#[test]
fn a_scanner_is_asked_in_the_words_of_rspamd() {
    let (relay, mut plugin) = policy(json!({
        "scanner": { "url": "http://127.0.0.1:11333/checkv2", "password-secret": "rspamd", "weight": 0.5 }
    }));
    let answer = std::rc::Rc::new(std::cell::RefCell::new((200_u16, String::new())));
    let given = answer.clone();
    let relay = relay
        .message("From: a@a.test\r\n\r\nx\r\n")
        .secret("rspamd", "s3cret")
        .http(move |request| {
            assert_eq!(
                (request.method.as_str(), request.path()),
                ("POST", "http://127.0.0.1:11333/checkv2")
            );
            for (name, value) in [
                ("From", "ann@a.test"),
                ("Rcpt", "b@b.test"),
                ("IP", "192.0.2.1"),
                ("Helo", "client.test"),
                ("User", "shop"),
                ("Password", "s3cret"),
            ] {
                assert_eq!(request.header(name), Some(value), "{name}");
            }
            assert!(request.body.starts_with(b"From: a@a.test"));
            let (status, body) = given.borrow().clone();
            Response::text(body).with_status(status)
        });
    let mut ask = |status: u16, body: Value| {
        *answer.borrow_mut() = (status, body.to_string());
        data(&mut plugin, &session("shop"), &["b@b.test"])
    };
    let verdict = |action: &str| {
        json!({ "action": action, "score": 8.4, "required_score": 15.0, "is_skipped": false,
            "symbols": { "A": { "name": "A", "score": 1.0 }, "BIG": { "name": "BIG", "score": -7.0, "options": ["x"] } } })
    };
    assert_eq!(ask(200, verdict("no action")), Decision::Next);
    assert_eq!(relay.tag("policy.scanner").as_deref(), Some("8.40/15.00"));
    assert_eq!(relay.scores()[0].1, 4.2);
    assert_eq!(ask(200, verdict("add header")), Decision::Next);
    assert_eq!(relay.tag("policy.tags").as_deref(), Some("scanner"));
    assert_eq!(code(&ask(200, verdict("greylist"))), 450);
    assert_eq!(code(&ask(200, verdict("soft reject"))), 450);
    assert_eq!(code(&ask(200, verdict("reject"))), 550);
    let (_, fields) = relay.events().pop().expect("an event");
    assert!(
        fields.contains(&("symbols".to_owned(), "BIG=-7.0 A=1.0".to_owned())),
        "{fields:?}"
    );
    assert_eq!(code(&ask(500, json!({}))), 450);
    let decision = ask(200, json!("no verdict"));
    assert_eq!(
        (code(&decision), text(&decision)),
        (450, "The message could not be checked now; try again later")
    );
}

#[test]
fn a_rule_may_slow_its_sender_down_for_a_while() {
    let (relay, mut plugin) = policy(json!({
        "reputation": { "slow-limit": "1/minute" },
        "content": { "rules": [{ "name": "x", "find": ["bulk"], "points": 1 }], "slow": 1 },
    }));
    let relay = relay.message("From: a@a.test\r\n\r\nbulk\r\n");
    let shop = session("shop");
    assert_eq!(code(&mail(&mut plugin, &shop, "ann@a.test")), 250);
    assert_eq!(code(&data(&mut plugin, &shop, &["b@b.test"])), 250);
    assert_eq!(code(&mail(&mut plugin, &shop, "ann@a.test")), 250);
    let decision = mail(&mut plugin, &shop, "ann@a.test");
    assert!(
        text(&decision).contains("slowed down to 1/minute"),
        "{}",
        text(&decision)
    );
    assert!(
        text(&decision).ends_with("try again in 60 seconds"),
        "{}",
        text(&decision)
    );
    relay.advance(Duration::from_secs(3600));
    for _ in 0..5 {
        assert_eq!(code(&mail(&mut plugin, &shop, "ann@a.test")), 250);
    }
}

#[test]
fn attachments_and_held_mail_are_told_in_events() {
    let (relay, mut plugin) =
        policy(json!({ "attachments": { "extensions": ["exe"], "action": "hold" } }));
    let relay = relay.message(
        "From: a@a.test\r\nContent-Disposition: attachment; filename=run.exe\r\n\r\nx\r\n",
    );
    let decision = data(&mut plugin, &session(""), &["b@b.test"]);
    assert_eq!(
        decision,
        Decision::Hold(
            "extension: Attachments of the kind .exe are not accepted: run.exe".to_owned()
        )
    );
    assert_eq!(kinds(&relay), ["held"]);
}

#[test]
fn wrong_sections_are_named() {
    for (config, words) in [
        (
            json!({ "rates": [{ "per": "key", "count": "logins", "limit": "1/day" }] }),
            "not known at a login",
        ),
        (
            json!({ "rates": [{ "per": "account", "limit": "1/day", "daily": 0 }] }),
            "rate 1: daily",
        ),
        (
            json!({ "authentication": { "dmarc": "reject" } }),
            "`dmarc` is no method and result",
        ),
        (
            json!({ "authentication": { "dmarc=fail": "kill" } }),
            "unknown variant `kill`",
        ),
        (
            json!({ "brands": [{ "name": "B", "domains": ["bank"] }] }),
            "brand 1: `bank`",
        ),
        (
            json!({ "block-lists": [{ "zone": "a b" }] }),
            "block list 1: `a b` is no zone",
        ),
        (
            json!({ "block-lists": [{ "zone": "a.test", "cache": "1 week" }] }),
            "is no time such as",
        ),
        (
            json!({ "attachments": { "extensions": [".exe"] } }),
            "attachments: `.exe`",
        ),
        (
            json!({ "content": { "rules": [{ "name": "x", "find": [], "points": 1 }] } }),
            "content: a rule needs",
        ),
        (
            json!({ "scanner": { "url": "127.0.0.1:11333" } }),
            "scanner: url",
        ),
        (
            json!({ "reputation": { "stop-below": 90 } }),
            "reputation: 0 <= stop-below",
        ),
        (
            json!({ "reputation": { "stop": "tag" } }),
            "reputation: stop",
        ),
        (
            json!({ "reputation": { "points": { "trap": -1 } } }),
            "points.trap",
        ),
        (json!({ "shared-ips": ["x"] }), "shared-ips"),
        (json!({ "traps": ["@"] }), "traps"),
    ] {
        let _relay = testing::Relay::new().config(config);
        let error = Policy::new().err().expect("a mistake").to_string();
        assert!(error.contains(words), "{error} should contain {words}");
    }
}

#[test]
fn every_key_is_in_the_readme() {
    let sections = [
        json!({ "no-such-key": 1 }),
        json!({ "rates": [{ "no-such-key": 1 }] }),
        json!({ "block-lists": [{ "no-such-key": 1 }] }),
        json!({ "brands": [{ "no-such-key": 1 }] }),
        json!({ "impersonation": { "no-such-key": 1 } }),
        json!({ "attachments": { "no-such-key": 1 } }),
        json!({ "content": { "no-such-key": 1 } }),
        json!({ "content": { "rules": [{ "no-such-key": 1 }] } }),
        json!({ "content": { "signals": { "no-such-key": 1 } } }),
        json!({ "scanner": { "no-such-key": 1 } }),
        json!({ "reputation": { "no-such-key": 1 } }),
        json!({ "reputation": { "points": { "no-such-key": 1 } } }),
    ];
    testing::keys_are_described::<Policy>(include_str!("../README.md"), sections);
}
