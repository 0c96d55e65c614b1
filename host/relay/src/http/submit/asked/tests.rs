use serde_json::json;

use super::*;

const NOW: Timestamp = Timestamp::from_millis(1_763_806_200_000);

fn parsed(json: serde_json::Value) -> Result<(Envelope, String), Problem> {
    let asked: Asked = serde_json::from_value(json).unwrap();
    let made = Made {
        date: "Sat, 22 Nov 2025 10:10:00 +0000".into(),
        message_id: "id@relay.example".into(),
        boundary: "b".into(),
    };
    let letters = Letters::new(asked, NOW)?;
    let (envelope, message) = letters.compose(&letters.letter(0, NOW)?, &made)?;
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

fn letters(json: serde_json::Value) -> Result<Vec<(Letter, String)>, String> {
    let made = Made {
        date: "Sat, 22 Nov 2025 10:10:00 +0000".into(),
        message_id: "id@relay.example".into(),
        boundary: "b".into(),
    };
    let asked = serde_json::from_value(json).unwrap();
    let told = |problem: Problem| serde_json::to_value(problem).unwrap()["detail"].to_string();
    let letters = Letters::new(asked, NOW).map_err(told)?;
    let numbers = 0..letters.count();
    let one = |number| {
        let letter = letters.letter(number, NOW).map_err(told)?;
        let (envelope, message) = letters.compose(&letter, &made).map_err(told)?;
        let text = String::from_utf8(message.to_vec()).unwrap();
        Ok((letter, format!("{:?}\n{text}", recipients(&envelope))))
    };
    numbers.map(one).collect()
}

#[test]
fn a_template_becomes_a_message_for_each_of_its_recipients() {
    let all = letters(json!({
        "from": "shop@example.net", "subject": "Dear {{ name }}", "text": "{{ shop }} greets {{ name }}",
        "html": "<p>{{ name }}</p>", "headers": { "X-Order": "{{ order }}", "X-Shop": "1" },
        "substitutions": { "shop": "Acme", "order": 0 }, "tags": { "campaign": "may", "kind": "letter" },
        "messages": [
            { "to": "ann@example.org", "substitutions": { "name": "Ann & Co", "order": 7 }, "metadata": { "user": "17" } },
            { "to": ["bob@example.org"], "bcc": "eve@example.org", "substitutions": { "name": "Bob" },
              "headers": { "x-shop": "2" }, "tags": { "campaign": "june" }, "send_at": 1_763_806_300 },
        ],
    }))
    .unwrap();
    let (ann, text) = &all[0];
    for part in [
        "[\"ann@example.org\"]",
        "Subject: Dear Ann & Co\r\n",
        "X-Order: 7\r\n",
        "X-Shop: 1\r\n",
        "Acme greets Ann & Co",
        "<p>Ann &amp; Co</p>",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains("Bob"), "{text}");
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(
        ann.tags,
        [
            pair("campaign", "may"),
            pair("kind", "letter"),
            pair("metadata.user", "17")
        ]
    );
    assert_eq!(ann.send_at_ms, None);
    let (bob, text) = &all[1];
    for part in [
        "[\"bob@example.org\", \"eve@example.org\"]",
        "To: bob@example.org",
        "X-Order: 0\r\n",
        "x-shop: 2\r\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    assert!(!text.contains("X-Shop: 1") && !text.contains("eve@example.org\r\n"));
    assert_eq!(bob.tags[0], pair("campaign", "june"));
    assert_eq!(bob.send_at_ms, Some(1_763_806_300_000));
}

#[test]
fn a_text_without_values_is_no_template() {
    let all = letters(json!({
        "from": "a@example.net", "to": "b@example.net", "subject": "{{ this }}", "text": "{% that %}",
    }))
    .unwrap();
    assert!(all[0].1.contains("Subject: {{ this }}\r\n"));
    assert!(all[0].1.contains("{% that %}"));
}

#[test]
fn a_mistake_in_one_of_several_messages_is_named_before_any_is_sent() {
    let with = |messages: serde_json::Value| json!({ "from": "a@example.net", "text": "{{ name }}", "messages": messages });
    let named = json!({ "to": "b@example.net", "substitutions": { "name": "B" } });
    for (asked, words) in [
        (
            with(json!([named, { "to": "c@example.net" }])),
            "messages[1]: The template: text, line 1: undefined value",
        ),
        (
            with(json!([named, { "to": "nobody", "substitutions": { "name": "C" } }])),
            "messages[1]: The recipient",
        ),
        (
            with(json!([named, { "substitutions": { "name": "C" } }])),
            "messages[1]: There is no recipient",
        ),
        (
            json!({ "from": "a@example.net", "to": "b@example.net", "messages": [named] }),
            "recipients of its own",
        ),
        (
            json!({ "raw": "Subject: x\n\ny", "messages": [named] }),
            "A raw message is no template",
        ),
        (
            json!({ "from": "a@example.net", "to": "b@example.net", "send_at": "tomorrow" }),
            "send_at is a time",
        ),
        (
            json!({ "from": "a@example.net", "to": "b@example.net", "send_at": "2026-02-01T00:00:00Z" }),
            "30 days ahead",
        ),
        (
            json!({ "from": "a@example.net", "to": "b@example.net", "tags": { "k": "v".repeat(1025) } }),
            "At most 32 tags",
        ),
    ] {
        let error = letters(asked.clone())
            .err()
            .unwrap_or_else(|| panic!("{asked}"));
        assert!(error.contains(words), "{words}: {error}");
    }
}
