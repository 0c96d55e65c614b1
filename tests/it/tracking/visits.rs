//! Links of a real relay, followed over a real socket.

use std::time::Duration;

use baton_tests::{Client, Relay, eventually, http};

use super::Token;

#[tokio::test]
async fn each_recipient_gets_a_copy_and_a_click_on_it_tells_whose_it_was() {
    let relay = Relay::dev().await;
    let mut client = Client::ehlo(relay.smtp).await.expect("a session");
    let message = "From: shop@sender.test\r\nTo: a@b.test\r\nSubject: x\r\nContent-Type: text/html\r\n\r\n\
        <body><a href=\"https://example.org/?a=1&amp;b=2\">x</a></body>\r\n";
    let recipients = ["ann@example.net", "bob@example.net"];
    let reply = client
        .deliver("shop@sender.test", &recipients, message)
        .await;
    assert_eq!(reply.expect("a reply").code, 250);

    let pages = format!("http://{}/p/link-tracking", relay.http);
    let mut seen = Vec::new();
    for item in relay.wait_for_inbox(2).await {
        let raw = relay.inbox_raw(item["id"].as_str().expect("an id")).await;
        let raw = String::from_utf8(raw).expect("UTF-8");
        let path = |kind: &str| {
            let (_, rest) = raw.split_once(&format!("\"{pages}{kind}")).expect("a link");
            let (token, _) = rest.split_once('"').expect("its end");
            (
                format!("/p/link-tracking{kind}{token}"),
                Token::read(token.as_bytes()),
            )
        };
        let (click, token) = path("/c/");
        assert!(item["to"].to_string().contains(&token.recipient), "{item}");
        seen.push(token.recipient);

        let answer = http::get(relay.http, &click).await.expect("an answer");
        assert_eq!(answer.status, 302);
        assert_eq!(
            answer.header("location"),
            Some("https://example.org/?a=1&b=2")
        );
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("set-cookie"), None);
        let head = http::request(relay.http, "HEAD", &click, &[], b"").await;
        assert_eq!(head.expect("an answer").status, 302);
        let (pixel, _) = path("/o/");
        let answer = http::get(relay.http, &pixel).await.expect("an answer");
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, Some("image/gif"))
        );
        // Nothing opens another page, and nobody makes a link of his own.
        for path in [
            click.replace("/c/", "/u/"),
            pixel.replace("/o/", "/c/"),
            click[..click.len() - 1].to_owned(),
            format!("{click}A"),
            click.replace("/c/", "/c/%2e%2e/"),
            "/p/link-tracking/c/https://evil.test/".to_owned(),
            "/p/link-tracking/c/".to_owned(),
        ] {
            let answer = http::get(relay.http, &path).await.expect("an answer");
            assert_eq!(
                (answer.status, answer.header("location")),
                (404, None),
                "{path}"
            );
        }
    }
    seen.sort();
    assert_eq!(seen, recipients);
    let count = async |kind: &str| {
        let name = "baton_plugin_events_total";
        let metrics = http::get(relay.http, "/metrics").await.ok()?.text();
        let line = metrics.lines().find(|line| {
            line.starts_with(name) && line.contains("link-tracking") && line.contains(kind)
        })?;
        line.rsplit(' ').next()?.parse::<f64>().ok()
    };
    // Two visits with GET, and none of the others.
    eventually(
        "both clicks are counted",
        Duration::from_secs(10),
        async || {
            (count("clicked").await == Some(2.0) && count("opened").await == Some(2.0))
                .then_some(())
        },
    )
    .await;
}
