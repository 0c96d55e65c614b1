use serde_json::json;

use super::*;

fn parsed(json: serde_json::Value) -> Result<(Envelope, String), Problem> {
    let asked: Asked = serde_json::from_value(json).unwrap();
    let made = Made {
        date: "Sat, 22 Nov 2025 10:10:00 +0000".into(),
        message_id: "id@relay.example".into(),
        boundary: "b".into(),
    };
    let (envelope, message) = read(&asked, &made)?;
    Ok((envelope, String::from_utf8(message.to_vec()).unwrap()))
}

fn recipients(envelope: &Envelope) -> Vec<String> {
    envelope
        .recipients
        .iter()
        .map(|r| r.address.to_string())
        .collect()
}

#[test]
fn a_message_is_made_of_its_parts() {
    let (envelope, message) = parsed(json!({
        "from": "Ann <ann@example.net>", "to": "bob@example.org", "cc": ["Carl <carl@example.org>"],
        "bcc": ["dora@example.org", "bob@example.org"], "subject": "Hi", "text": "Hello\nyou",
    }))
    .unwrap();
    assert_eq!(envelope.sender.to_string(), "<ann@example.net>");
    assert_eq!(
        recipients(&envelope),
        ["bob@example.org", "carl@example.org", "dora@example.org"]
    );
    assert!(
        message.contains("From: Ann <ann@example.net>\r\n"),
        "{message}"
    );
    assert!(message.contains("Subject: Hi\r\n"), "{message}");
    assert!(message.contains("\r\n\r\nHello\r\nyou"), "{message}");
    assert!(!message.contains("dora"), "{message}");
}

#[test]
fn a_raw_message_gets_the_line_ends_of_the_wire() {
    let (envelope, message) = parsed(json!({
        "raw": "Subject: x\n\nbody\r\nend", "envelope": { "from": "", "to": ["a@example.net"] },
    }))
    .unwrap();
    assert!(envelope.sender.is_null());
    assert_eq!(message, "Subject: x\r\n\r\nbody\r\nend");
    let (_, message) = parsed(json!({
        "raw_base64": "U3ViamVjdDogeA0KDQpiDQo=", "from": "a@example.net", "to": "b@example.net",
    }))
    .unwrap();
    assert_eq!(message, "Subject: x\r\n\r\nb\r\n");
}

#[test]
fn what_the_bytes_need_is_declared() {
    let (envelope, _) = parsed(json!({
        "raw": "Subject: x\n\nbödy\n", "from": "a@example.net", "to": "b@example.net",
    }))
    .unwrap();
    assert_eq!(envelope.body().as_str(), "8BITMIME");
    assert!(!envelope.smtputf8());
    let (envelope, _) = parsed(json!({
        "raw": "Subject: ä\n\nbody\n", "from": "a@example.net", "to": "b@example.net",
    }))
    .unwrap();
    assert!(envelope.smtputf8());
}

#[test]
fn what_makes_no_sense_is_refused_with_the_reason() {
    for json in [
        json!({ "to": "a@example.net", "text": "x" }),
        json!({ "from": "a@example.net", "text": "x" }),
        json!({ "from": "nobody", "to": "a@example.net" }),
        json!({ "from": "a@example.net", "to": "b@" }),
        json!({ "raw": "x", "raw_base64": "eA==", "from": "a@example.net", "to": "b@example.net" }),
        json!({ "raw_base64": "%", "from": "a@example.net", "to": "b@example.net" }),
        json!({ "raw": "x", "subject": "y", "from": "a@example.net", "to": "b@example.net" }),
        json!({ "from": "a@example.net", "to": "b@example.net", "headers": [["X-A", "1\r\nB: 2"]] }),
        json!({ "from": "a@example.net\r\nBcc: x@example.net", "to": "b@example.net" }),
    ] {
        assert!(parsed(json.clone()).is_err(), "{json}");
    }
}

#[test]
fn the_envelope_may_be_named_in_several_ways() {
    let raw = "From: x@example.net\nTo: y@example.net, Z <z@example.net>\n\nbody\n";
    for (json, to) in [
        (
            json!({ "raw": raw, "envelope": { "from": "a@example.net", "to": "b@example.net" } }),
            vec!["b@example.net"],
        ),
        (
            json!({ "raw": raw, "envelope": { "sender": "a@example.net", "recipients": ["b@example.net"] } }),
            vec!["b@example.net"],
        ),
        (
            json!({ "raw": raw, "sender": "a@example.net", "recipients": ["b@example.net"] }),
            vec!["b@example.net"],
        ),
        (
            json!({ "raw": raw, "from": "a@example.net", "to": "b@example.net" }),
            vec!["b@example.net"],
        ),
        (
            json!({ "raw": raw, "sender": "a@example.net" }),
            vec!["y@example.net", "z@example.net"],
        ),
    ] {
        let (envelope, message) = parsed(json.clone()).unwrap();
        assert_eq!(envelope.sender.to_string(), "<a@example.net>", "{json}");
        assert_eq!(recipients(&envelope), to, "{json}");
        assert!(message.starts_with("From: x@example.net\r\n"), "{message}");
    }
}

#[test]
fn a_raw_message_may_be_base64_as_well() {
    let (_, message) = parsed(json!({
        "raw": "U3ViamVjdDogeA0K\nDQpiDQo=", "from": "a@example.net", "to": "b@example.net",
    }))
    .unwrap();
    assert_eq!(message, "Subject: x\r\n\r\nb\r\n");
}

#[test]
fn further_fields_come_as_pairs_or_as_an_object() {
    for headers in [json!([["X-A", "1"]]), json!({ "X-A": "1" })] {
        let (_, message) = parsed(json!({
            "from": "a@example.net", "to": "b@example.net", "headers": headers, "text": "t",
        }))
        .unwrap();
        assert!(message.contains("X-A: 1\r\n"), "{message}");
    }
}
