//! The plugin as the relay sees it.

use baton_sdk::prelude::*;
use isp_responses::IspResponses;

fn attempt(host: &str) -> Attempt {
    Attempt {
        message: "m".into(),
        sender: None,
        account: None,
        recipient: Mailbox {
            local: "ann".into(),
            domain: "example.net".into(),
        },
        site: "example.net".into(),
        host: Some(host.into()),
        egress: None,
        number: 1,
        age: 1.0,
    }
}

fn translate(text: &str, code: u16, status: &str) -> Translation {
    let mut plugin = IspResponses::new().expect("a plugin");
    let reply = Reply {
        code,
        status: status.into(),
        text: text.into(),
    };
    plugin
        .on_reply(&attempt("mx.example.net"), Stage::RcptTo, &reply)
        .expect("an answer")
        .expect("a translation")
}

#[test]
fn a_reply_is_translated_with_the_time_it_states() {
    let _relay = testing::Relay::new();
    let found = translate("4.7.1 Greylisted, try again in 5 minutes", 451, "4.7.1");
    assert_eq!(found.reason, "greylisted");
    assert!(matches!(found.advice, Advice::Retry(Some(300))));
    assert!(matches!(found.disposition, Disposition::Soft));
}

#[test]
fn a_rule_of_the_configuration_is_asked_first() {
    let _relay = testing::Relay::new().config(baton_sdk::serde_json::from_str(r#"{"rule":[{"id":"own","reason":"system-error","score":50,"any":["closed ..3 sunday"],"advice":"retry:21600"}]}"#).expect("JSON"));
    let found = translate(
        "550 User unknown, we are closed on every sunday",
        550,
        "5.1.1",
    );
    assert_eq!(
        (found.rule.as_str(), found.reason.as_str()),
        ("own", "system-error")
    );
    assert!(matches!(found.advice, Advice::Retry(Some(21600))));
    assert_eq!(
        translate("550 User unknown", 550, "5.1.1").reason,
        "user-unknown"
    );
}

#[test]
fn a_rule_that_is_disabled_does_not_speak() {
    let _relay = testing::Relay::new().config(
        baton_sdk::serde_json::from_str(r#"{"disabled-rules":["user-unknown.table"]}"#)
            .expect("JSON"),
    );
    assert_ne!(
        translate("User unknown", 550, "5.1.1").rule,
        "user-unknown.table"
    );
}

#[test]
fn a_faulty_rule_is_refused_by_name() {
    let _relay = testing::Relay::new().config(
        baton_sdk::serde_json::from_str(
            r#"{"rule":[{"id":"own","reason":"no-such","any":["x"]}]}"#,
        )
        .expect("JSON"),
    );
    let error = IspResponses::new().err().expect("a mistake");
    assert!(format!("{error:?}").contains("own"), "{error:?}");
}

#[test]
fn a_bounce_is_reported_from_the_ambient_message() {
    let _relay = testing::Relay::new().message(
        "From: MAILER-DAEMON@mx.example.org\r\nSubject: failure notice\r\n\r\nHi. This is the qmail-send program.\r\n\r\n<bob@example.net>:\r\n550 5.1.1 User unknown\r\n",
    );
    let found = IspResponses::new()
        .expect("a plugin")
        .on_report()
        .expect("reports");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].recipient.as_deref(), Some("bob@example.net"));
    assert_eq!(
        found[0].translation.as_ref().map(|t| t.reason.as_str()),
        Some("user-unknown")
    );
}

#[test]
fn hostile_messages_end_quickly_and_without_a_panic() {
    let _relay = testing::Relay::new();
    let translator = isp_responses::translate::Translator::default();
    let deep = "Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n".repeat(2000);
    let many = format!(
        "From: MAILER-DAEMON@x.example\r\nSubject: failure\r\n\r\n{}",
        "<a@b.example>:\r\n550 x\r\n".repeat(20_000)
    );
    let wide = format!(
        "Subject: {}\r\n\r\n{}",
        "=?utf-8?B?".repeat(5000),
        "<".repeat(200_000)
    );
    for message in [
        deep.as_bytes(),
        many.as_bytes(),
        wide.as_bytes(),
        b"\xff\xfe\x00\r\n\r\n\x1b$B",
        b"",
        b"\n\n",
        b":",
    ] {
        assert!(isp_responses::report::read(&translator, message).len() <= 200);
    }
}

#[test]
fn a_block_list_of_the_configuration_is_told_by_its_name() {
    let lists = r#"{"list":[{"name":"Partner BL","text":["partnerbl"]}]}"#;
    let _relay =
        testing::Relay::new().config(baton_sdk::serde_json::from_str(lists).expect("JSON"));
    let found = translate("550 blocked by partnerbl, your IP is blacklisted", 550, "");
    assert_eq!(found.reason, "blocklisted");
    assert!(
        found.explanation.contains("Partner BL"),
        "{}",
        found.explanation
    );
    let found = translate("554 blocked using zen.spamhaus.org", 554, "5.7.1");
    assert!(
        found.explanation.contains("Spamhaus"),
        "{}",
        found.explanation
    );
}

#[test]
fn a_misspelt_key_is_refused_by_name() {
    let config = r#"{"disabled-rule":["gmx.policy"]}"#;
    let _relay =
        testing::Relay::new().config(baton_sdk::serde_json::from_str(config).expect("JSON"));
    let error = IspResponses::new().err().expect("a mistake").to_string();
    assert!(error.contains("disabled-rule"), "{error}");
}
