//! Whole messages through the hooks, and the links that come out through the pages.

use baton_sdk::prelude::*;
use baton_sdk::serde_json::{self, json};

use super::LinkTracking;

const PUBLIC: &str = "https://t.test/p/link-tracking";

fn relay(config: serde_json::Value, message: &str) -> testing::Relay {
    testing::Relay::new()
        .property("public-url", PUBLIC)
        .config(config)
        .message(message.replace('\n', "\r\n"))
}

fn receive(recipients: &[&str]) -> LinkTracking {
    let mut plugin = LinkTracking::new().expect("a good configuration");
    let envelope = testing::envelope("ann@a.test", recipients);
    let decision = plugin
        .on_data(&testing::session(), &envelope)
        .expect("no fault");
    assert_eq!(decision, Decision::Next);
    plugin
}

fn copy(plugin: &mut LinkTracking, recipient: &str) {
    let envelope = testing::envelope("ann@a.test", &[recipient]);
    plugin
        .on_copy(&envelope, &testing::recipient(recipient))
        .expect("no fault");
}

/// Paths of this plugin's pages in a text, in order.
fn paths(text: &str) -> Vec<String> {
    let is_end = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/'));
    let tails = text.split(PUBLIC).skip(1);
    tails
        .map(|tail| tail[..tail.find(is_end).unwrap_or(tail.len())].to_owned())
        .collect()
}

fn get(plugin: &mut LinkTracking, path: &str) -> Response {
    plugin.on_request(&Request::get(path)).expect("an answer")
}

fn recipient_of(relay: &testing::Relay) -> Option<String> {
    let (_, fields) = relay.events().pop().expect("an event");
    fields
        .into_iter()
        .find(|(key, _)| key == "recipient")
        .map(|(_, value)| value)
}

const SIMPLE: &str = "Subject: x\nContent-Type: text/html\n\n<body><a href=\"https://x.test/?a&amp;b\">x</a></body>\n";

#[test]
fn a_link_leads_through_the_relay_to_where_it_led_before() {
    let relay = relay(json!({}), SIMPLE);
    let mut plugin = receive(&["bob@b.test"]);
    let text = relay.text(0);
    let paths = paths(&text);
    assert_eq!(paths.len(), 2, "{text}");
    assert!(
        text.starts_with(&format!("<body><a href=\"{PUBLIC}/c/")),
        "{text}"
    );
    assert!(text.ends_with("></body>\r\n"), "{text}");
    let response = get(&mut plugin, &paths[0]);
    assert_eq!(response.header("location"), Some("https://x.test/?a&b"));
    assert_eq!(recipient_of(&relay).as_deref(), Some("bob@b.test"));
    assert_eq!(
        get(&mut plugin, &paths[1]).header("content-type"),
        Some("image/gif")
    );
}

#[test]
fn each_recipient_of_several_has_tokens_of_its_own() {
    let message = SIMPLE.replace("<body>", "<body><a notrack href=\"https://y.test\">y</a>");
    let relay = relay(json!({ "list-unsubscribe": true }), &message);
    let mut plugin = receive(&["bob@b.test", "cat@c.test"]);
    assert!(relay.edited_parts().is_empty(), "nothing is common to all");
    copy(&mut plugin, "cat@c.test");
    let text = relay.text(0);
    assert!(
        text.starts_with("<body><a href=\"https://y.test\">"),
        "{text}"
    );
    let paths = paths(&text);
    assert_eq!(paths.len(), 2, "the marked link stays: {text}");
    get(&mut plugin, &paths[0]);
    assert_eq!(recipient_of(&relay).as_deref(), Some("cat@c.test"));
    assert!(relay.header("List-Unsubscribe").is_some());
}

#[test]
fn recipients_share_a_token_that_names_none_where_configured() {
    let relay = relay(
        json!({ "per-recipient": false, "list-unsubscribe": true }),
        SIMPLE,
    );
    let mut plugin = receive(&["bob@b.test", "cat@c.test"]);
    let paths = paths(&relay.text(0));
    assert_eq!(get(&mut plugin, &paths[0]).status, 302);
    assert_eq!(recipient_of(&relay), None);
    let text = relay.text(0);
    copy(&mut plugin, "cat@c.test");
    assert_eq!(relay.text(0), text);
    assert_eq!(
        relay.header("List-Unsubscribe"),
        None,
        "whom would it be for"
    );
}

#[test]
fn recipients_share_what_would_be_too_much_to_copy() {
    let message = format!("{SIMPLE}{}", "0123456789abcde\n".repeat(100_000));
    let relay = relay(json!({}), &message);
    let recipients: Vec<String> = (0..100).map(|n| format!("r{n}@b.test")).collect();
    let recipients: Vec<&str> = recipients.iter().map(String::as_str).collect();
    let mut plugin = receive(&recipients);
    let paths = paths(&relay.text(0));
    assert_eq!(get(&mut plugin, &paths[0]).status, 302);
    assert_eq!(recipient_of(&relay), None);
    assert!(
        relay
            .log()
            .iter()
            .any(|(_, line)| line.contains("100 recipients share"))
    );
}

#[test]
fn without_anything_to_tell_apart_there_are_no_copies() {
    let relay = relay(
        json!({}),
        &format!("X-Baton-Track: off\n{SIMPLE}").replace("<a ", "<a notrack "),
    );
    let mut plugin = receive(&["bob@b.test", "cat@c.test"]);
    let text = relay.text(0);
    assert!(text.starts_with("<body><a href=\"https://x.test"), "{text}");
    copy(&mut plugin, "cat@c.test");
    assert_eq!(relay.text(0), text);
}

#[test]
fn a_message_with_one_recipient_needs_no_copy_of_its_own() {
    let relay = relay(json!({}), SIMPLE);
    let mut plugin = receive(&["bob@b.test"]);
    let text = relay.text(0);
    assert_eq!(paths(&text).len(), 2);
    copy(&mut plugin, "bob@b.test");
    assert_eq!(relay.text(0), text);
}

#[test]
fn the_header_of_the_application_decides_and_goes() {
    for (value, links) in [
        ("off", 0),
        ("clicks", 1),
        ("opens", 1),
        ("on", 2),
        ("nonsense", 0),
    ] {
        let relay = relay(json!({}), &format!("x-baton-track: {value}\n{SIMPLE}"));
        receive(&["bob@b.test"]);
        assert_eq!(paths(&relay.text(0)).len(), links, "{value}");
        assert_eq!(relay.header("X-Baton-Track"), None);
    }
}

#[test]
fn markers_go_even_where_nothing_is_tracked() {
    let message =
        "X-Baton-Track: off\nContent-Type: text/html\n\n<a notrack href=\"https://x.test\">\n";
    let relay = relay(json!({}), message);
    receive(&["bob@b.test"]);
    assert_eq!(relay.text(0), "<a href=\"https://x.test\">\r\n");
}

#[test]
fn attachments_forwarded_messages_and_signed_parts_stay() {
    let html = "<a href=\"https://x.test\">";
    let message = format!(
        "Content-Type: multipart/mixed; boundary=m\n\n\
         --m\nContent-Type: multipart/alternative; boundary=a\n\n\
         --a\nContent-Type: text/plain\n\nhttps://x.test\n--a\nContent-Type: text/html\n\n{html}\n--a--\n\
         --m\nContent-Type: text/html; name=x.html\n\n{html}\n\
         --m\nContent-Type: text/html\nContent-Disposition: attachment\n\n{html}\n\
         --m\nContent-Type: multipart/signed; boundary=s\n\n--s\nContent-Type: text/html\n\n{html}\n--s--\n\
         --m\nContent-Type: message/rfc822\n\nContent-Type: text/html\n\n{html}\n\
         --m\nContent-Type: text/html\n\n{html}\n--m--\n"
    );
    let relay = relay(json!({}), &message);
    receive(&["bob@b.test"]);
    let edited = relay.edited_parts();
    let media: Vec<u32> = message::parts()
        .filter(|part| part.is_html())
        .map(|part| part.index)
        .collect();
    assert_eq!(edited, [media[0], *media.last().expect("parts")]);
    assert_eq!(
        paths(&relay.text(edited[0])).len(),
        2,
        "a link and the pixel"
    );
    assert_eq!(
        paths(&relay.text(edited[1])).len(),
        1,
        "one pixel in a message"
    );
}

#[test]
fn the_text_is_told_from_what_stands_beside_it() {
    let link = "<a href=\"https://x.test\">";
    let part = |fields: &str| format!("Content-Type: text/html{fields}\n\n{link}\n");
    let one = |place: &str, part: &str| {
        format!("Content-Type: multipart/{place}; boundary=b\n\n--b\n{part}--b--\n")
    };
    let file = "\nContent-Disposition: inline; filename=a.html";
    for (message, tracked) in [
        (part(""), &[0][..]),
        (part("; name=a.html"), &[0]),
        (part(file), &[0]),
        (part("\nContent-Disposition: attachment"), &[]),
        (one("mixed", &part("")), &[1]),
        (one("mixed", &part("\nContent-Disposition: inline")), &[1]),
        (one("mixed", &part(file)), &[]),
        (one("mixed", &part("\nContent-Disposition: x-other")), &[]),
        (one("alternative", &part(file)), &[1]),
        (one("related", &part(file)), &[1]),
        (
            one("related", &format!("{}--b\n{}", part(""), part(""))),
            &[1],
        ),
        (
            one(
                "related",
                &format!("Content-Type: image/png\n\nx\n--b\n{}", part("")),
            ),
            &[2],
        ),
        (
            one(
                "alternative",
                &part("").replace("text/html", "text/x-amp-html"),
            ),
            &[],
        ),
        (
            one(
                "alternative",
                &part("").replace("text/html", "text/calendar"),
            ),
            &[],
        ),
        (one("encrypted", &part("")), &[]),
    ] {
        let relay = relay(json!({ "opens": false }), &message);
        receive(&["bob@b.test"]);
        assert_eq!(relay.edited_parts(), tracked, "{message}");
    }
}

#[test]
fn plain_text_is_rewritten_where_configured() {
    let message = "Content-Type: text/plain\n\nSee https://x.test/a.\n";
    let relay = relay(json!({ "text": true }), message);
    let mut plugin = receive(&["bob@b.test"]);
    let paths = paths(&relay.text(0));
    assert_eq!(
        get(&mut plugin, &paths[0]).header("location"),
        Some("https://x.test/a")
    );
}

#[test]
fn excluded_domains_own_pages_and_the_way_out_stay() {
    let message = format!(
        "List-Unsubscribe: <mailto:u@a.test>, <https://a.test/out>\nContent-Type: text/html\n\n\
         <a href=\"https://a.test/out\"><a href=\"https://X.test/\"><a href=\"https://s.y.test/\">\
         <a href=\"{PUBLIC}/u/abc\"><a href=\"https://xx.test/\">\n"
    );
    let relay = relay(
        json!({ "exclude-domains": ["x.test", "*.y.test"], "opens": false }),
        &message,
    );
    receive(&["bob@b.test"]);
    let text = relay.text(0);
    assert_eq!(paths(&text).len(), 2, "{text}");
    assert!(text.starts_with("<a href=\"https://a.test/out\"><a href=\"https://X.test/\"><a href=\"https://s.y.test/\">"), "{text}");
}

#[test]
fn one_click_unsubscribe_is_offered_once() {
    let relay = relay(json!({ "list-unsubscribe": true }), SIMPLE);
    let mut plugin = receive(&["bob@b.test"]);
    assert_eq!(
        relay.header("List-Unsubscribe-Post").as_deref(),
        Some("List-Unsubscribe=One-Click")
    );
    let url = relay.header("List-Unsubscribe").expect("a header");
    assert!(url.starts_with('<') && url.ends_with('>'));
    let request = Request::post(paths(&url).remove(0), "List-Unsubscribe=One-Click");
    assert_eq!(plugin.on_request(&request).expect("an answer").status, 200);
    assert_eq!(relay.events()[0].0, "unsubscribed");

    let relay = self::relay(
        json!({ "list-unsubscribe": true }),
        &format!("List-Unsubscribe: <mailto:u@a.test>\n{SIMPLE}"),
    );
    receive(&["bob@b.test"]);
    assert_eq!(
        relay.header("List-Unsubscribe").as_deref(),
        Some("<mailto:u@a.test>")
    );
    assert_eq!(relay.header("List-Unsubscribe-Post"), None);
}

#[test]
fn without_a_public_url_mail_passes_unchanged() {
    let relay = testing::Relay::new().message(SIMPLE);
    receive(&["bob@b.test"]);
    assert!(relay.edited_parts().is_empty());
}

#[test]
fn text_that_its_charset_does_not_explain_stays() {
    let mut message =
        b"Content-Type: text/html; charset=utf-8\r\n\r\n<a href=\"https://x.test\">\xff</a>\r\n"
            .to_vec();
    let relay = testing::Relay::new()
        .property("public-url", PUBLIC)
        .message(&message);
    receive(&["bob@b.test"]);
    assert!(relay.edited_parts().is_empty());
    let at = message
        .iter()
        .position(|&byte| byte == 0xff)
        .expect("the byte");
    message.splice(at..=at, "\u{fffd}".bytes());
    let relay = testing::Relay::new()
        .property("public-url", PUBLIC)
        .message(&message);
    receive(&["bob@b.test"]);
    assert_eq!(relay.edited_parts(), [0]);
}

#[test]
fn wrong_configuration_is_named() {
    for (config, words) in [
        (json!({ "clicks": "yes" }), "expected a boolean"),
        (json!({ "click": true }), "unknown field `click`"),
        (json!({ "base-url": "t.test" }), "base-url"),
        (json!({ "key-id": "a b" }), "key-id"),
    ] {
        let _relay = testing::Relay::new().config(config);
        let error = LinkTracking::new().err().expect("a mistake").to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn every_key_is_in_the_readme() {
    let section = json!({ "no-such-key": 1 });
    testing::keys_are_described::<LinkTracking>(include_str!("../README.md"), [section]);
}

#[test]
fn a_long_text_and_a_thousand_links_are_bounded() {
    let body = "<a href=\"https://x.test/\">x</a>\n".repeat(6000);
    let relay = relay(json!({}), &format!("Content-Type: text/html\n\n{body}"));
    receive(&["bob@b.test"]);
    assert_eq!(paths(&relay.text(0)).len(), 5001, "links and the pixel");
    let body = "<a href=\"https://x.test/\">x</a>\n".repeat(200_000);
    let relay = self::relay(json!({}), &format!("Content-Type: text/html\n\n{body}"));
    receive(&["bob@b.test"]);
    assert!(relay.edited_parts().is_empty());
}
