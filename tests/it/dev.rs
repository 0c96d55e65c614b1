//! `baton dev` as a developer meets it: no configuration, mail in, mail seen, changed by the bundled plugins.

use baton_tests::{Client, Relay, http};
use serde_json::json;

const HTML: &str = "From: shop@sender.test\r\nTo: ann@example.net\r\nSubject: Hello\r\nMIME-Version: 1.0\r\n\
    Content-Type: text/html; charset=utf-8\r\n\r\n\
    <html><body><p>See <a href=\"https://example.org/offer?a=1&amp;b=2\">this</a>.</p></body></html>\r\n";

#[tokio::test]
async fn a_message_sent_to_dev_is_seen_in_the_inbox_with_its_links_tracked() {
    let relay = Relay::dev().await;
    let mut client = Client::ehlo(relay.smtp).await.unwrap();
    let reply = client
        .deliver("shop@sender.test", &["ann@example.net"], HTML)
        .await
        .unwrap();
    assert_eq!(reply.code, 250, "{reply:?}");

    let inbox = relay.wait_for_inbox(1).await;
    let item = &inbox[0];
    assert!(
        item["from"].as_str().unwrap().contains("shop@sender.test"),
        "{item}"
    );
    assert!(item["to"].to_string().contains("ann@example.net"), "{item}");
    assert_eq!(item["subject"], "Hello");
    assert!(item["received"].is_string(), "{item}");

    let raw = String::from_utf8(relay.inbox_raw(item["id"].as_str().unwrap()).await).unwrap();
    assert!(
        raw.starts_with("Return-Path:") || raw.starts_with("Received:"),
        "{raw}"
    );
    assert!(raw.contains("Subject: Hello\r\n"));
    assert!(
        !raw.contains("href=\"https://example.org/offer"),
        "the link was not rewritten: {raw}"
    );

    // The rewritten link leads through the relay to the exact original.
    let href = raw
        .split("href=\"")
        .nth(1)
        .unwrap()
        .split('"')
        .next()
        .unwrap()
        .replace("&amp;", "&");
    let path = href
        .strip_prefix(&format!("http://{}", relay.http))
        .unwrap_or_else(|| panic!("{href}"));
    let answer = http::get(relay.http, path).await.unwrap();
    assert_eq!(answer.status, 302, "{}", answer.text());
    assert_eq!(
        answer.header("location"),
        Some("https://example.org/offer?a=1&b=2")
    );
    assert_eq!(answer.header("set-cookie"), None);

    // An altered token leads nowhere.
    let mut altered = path.to_owned();
    let last = altered.pop().unwrap();
    altered.push(if last == 'A' { 'B' } else { 'A' });
    assert_eq!(http::get(relay.http, &altered).await.unwrap().status, 404);
}

#[tokio::test]
async fn the_trace_of_a_message_names_each_hook_call_with_plugin_digest_and_time() {
    let relay = Relay::dev().await;
    let mut client = Client::ehlo(relay.smtp).await.unwrap();
    client
        .deliver("shop@sender.test", &["ann@example.net"], HTML)
        .await
        .unwrap();
    relay.wait_for_inbox(1).await;

    let list = relay.api("/api/v1/messages").await;
    let messages = list
        .as_array()
        .or_else(|| list["messages"].as_array())
        .unwrap();
    let id = messages[0]["id"].as_str().unwrap();
    let message = relay.api(&format!("/api/v1/messages/{id}")).await;
    let trace = message["trace"]
        .as_array()
        .unwrap_or_else(|| panic!("{message}"));
    let call = trace
        .iter()
        .find(|c| c["plugin"] == "link-tracking" && c["hook"] == "on-data")
        .unwrap_or_else(|| panic!("{message}"));
    assert_eq!(call["digest"].as_str().unwrap().len(), 64, "{call}");
    assert!(call["microseconds"].as_f64().unwrap() > 0.0, "{call}");
    assert!(!call["edits"].as_array().unwrap().is_empty(), "{call}");
    assert!(call["decision"].is_string(), "{call}");
}

#[tokio::test]
async fn the_four_bundled_plugins_are_on() {
    let relay = Relay::dev().await;
    let list = relay.api("/api/v1/plugins").await;
    let plugins = list
        .as_array()
        .or_else(|| list["plugins"].as_array())
        .unwrap();
    for name in [
        "link-tracking",
        "isp-responses",
        "routing",
        "policy",
        "suppression",
    ] {
        let plugin = plugins
            .iter()
            .find(|p| p["name"] == name)
            .unwrap_or_else(|| panic!("{name} is missing: {list}"));
        assert_eq!(plugin["state"], "active", "{plugin}");
        assert_eq!(plugin["digest"].as_str().unwrap().len(), 64);
        assert!(!plugin["hooks"].as_array().unwrap().is_empty());
    }
}

#[tokio::test]
async fn an_address_at_sim_test_answers_its_own_reply_and_the_sender_gets_a_bounce() {
    let relay = Relay::dev().await;
    let mut client = Client::ehlo(relay.smtp).await.unwrap();
    let message = "From: a@sender.test\r\nTo: x@sim.test\r\nSubject: to nobody\r\n\r\nhello\r\n";
    let reply = client
        .deliver("a@sender.test", &["550-5.1.1@sim.test"], message)
        .await
        .unwrap();
    assert_eq!(reply.code, 250);

    let inbox = relay.wait_for_inbox(1).await;
    let raw = String::from_utf8(relay.inbox_raw(inbox[0]["id"].as_str().unwrap()).await).unwrap();
    assert!(raw.contains("multipart/report"), "{raw}");
    assert!(raw.contains("Status: 5.1.1"), "{raw}");
    assert!(
        raw.contains("Final-Recipient: rfc822; 550-5.1.1@sim.test")
            || raw.contains("Final-Recipient: rfc822;550-5.1.1@sim.test"),
        "{raw}"
    );
    assert!(
        raw.contains("Subject: to nobody"),
        "the original headers are enclosed: {raw}"
    );
    let plugins = relay.api("/api/v1/plugins").await;
    let plugins = plugins.as_array().expect("a list");
    let tracking = plugins.iter().find(|p| p["name"] == "link-tracking");
    let digest = tracking.expect("it is bundled")["digest"].as_str().unwrap();
    let unfolded = raw.replace("\r\n ", " ").replace("\r\n\t", " ");
    let versions = unfolded
        .lines()
        .find_map(|line| line.strip_prefix("X-Baton-Plugins: "));
    assert!(
        versions.is_some_and(|list| list.contains(&format!("link-tracking@{}", &digest[..12]))),
        "the bounce names the versions that took the message: {raw}"
    );
    assert!(
        inbox[0]["to"].to_string().contains("a@sender.test"),
        "{}",
        inbox[0]
    );
}

#[tokio::test]
async fn the_inbox_and_the_state_survive_a_kill() {
    let mut relay = Relay::dev().await;
    let mut client = Client::ehlo(relay.smtp).await.unwrap();
    client
        .deliver(
            "a@sender.test",
            &["b@example.net"],
            "Subject: kept\r\n\r\nx\r\n",
        )
        .await
        .unwrap();
    relay.wait_for_inbox(1).await;
    relay.restart().await;
    let inbox = relay.wait_for_inbox(1).await;
    assert_eq!(inbox[0]["subject"], "kept");
}

#[tokio::test]
async fn a_message_can_be_submitted_by_http_from_parts_or_raw() {
    let relay = Relay::dev().await;
    let parts = json!({
        "from": "a@sender.test", "to": ["b@example.net"], "subject": "Grüße",
        "text": "Hallo", "html": "<p>Hallo <a href='https://example.org/'>hier</a></p>",
    });
    let answer = http::post_json(relay.http, "/api/v1/messages", &parts)
        .await
        .unwrap();
    assert!((200..300).contains(&answer.status), "{}", answer.text());
    let raw = json!({
        "sender": "a@sender.test", "recipients": ["c@example.net"],
        "raw": "From: a@sender.test\r\nSubject: raw one\r\n\r\nhello\r\n",
    });
    let answer = http::post_json(relay.http, "/api/v1/messages", &raw)
        .await
        .unwrap();
    assert!((200..300).contains(&answer.status), "{}", answer.text());
    let inbox = relay.wait_for_inbox(2).await;
    let subjects: Vec<_> = inbox
        .iter()
        .map(|i| i["subject"].as_str().unwrap())
        .collect();
    assert!(
        subjects.contains(&"Grüße") && subjects.contains(&"raw one"),
        "{subjects:?}"
    );
    let bad = json!({ "from": "not an address", "to": [], "subject": 5 });
    let answer = http::post_json(relay.http, "/api/v1/messages", &bad)
        .await
        .unwrap();
    assert_eq!(answer.status / 100, 4, "{}", answer.text());
}

#[tokio::test]
async fn the_page_is_served_whole_without_external_resources() {
    let relay = Relay::dev().await;
    let page = http::get(relay.http, "/").await.unwrap();
    assert_eq!(page.status, 200);
    assert!(
        page.header("content-type")
            .unwrap()
            .starts_with("text/html")
    );
    let policy = page
        .header("content-security-policy")
        .expect("a content security policy");
    assert!(
        policy.contains("default-src 'none'") || policy.contains("default-src 'self'"),
        "{policy}"
    );
    let text = page.text();
    assert!(
        !text.contains("src=\"http") && !text.contains("href=\"http"),
        "{text}"
    );
}

#[tokio::test]
async fn metrics_count_what_was_accepted_and_delivered() {
    let relay = Relay::dev().await;
    let mut client = Client::ehlo(relay.smtp).await.unwrap();
    for _ in 0..3 {
        client
            .deliver(
                "a@sender.test",
                &["b@example.net"],
                "Subject: x\r\n\r\nx\r\n",
            )
            .await
            .unwrap();
    }
    relay.wait_for_inbox(3).await;
    let metrics = http::get(relay.http, "/metrics").await.unwrap();
    assert_eq!(metrics.status, 200);
    let text = metrics.text();
    assert!(text.contains("# TYPE baton_"), "{text}");
    assert!(
        text.lines()
            .any(|l| l.starts_with("baton_") && l.contains("_total") && l.ends_with(" 3")),
        "{text}"
    );
}
