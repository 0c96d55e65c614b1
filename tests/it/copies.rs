//! Copies of their own for several recipients: kept as the difference, sent whole, through a kill.

use std::time::Duration;

use baton_tests::{Client, Script, eventually};

use crate::world::World;

const TRACKING: &str =
    "\n[plugins.link-tracking]\nbase-url = \"https://links.test\"\nper-recipient = true\n";
const RECIPIENTS: [&str; 3] = ["a@dest.test", "b@dest.test", "c@dest.test"];

fn newsletter() -> String {
    let mut text = String::from(
        "From: news@sender.test\r\nSubject: News\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/html; charset=utf-8\r\n\r\n<html><body>\r\n",
    );
    for n in 0..2_000 {
        text.push_str(&format!(
            "<p>Line {n} of the newsletter, with some words.</p>\r\n"
        ));
    }
    text + "<a href=\"https://shop.test/\">Shop</a>\r\n</body></html>\r\n"
}

#[tokio::test]
async fn copies_that_differ_are_kept_as_the_difference_and_each_arrives_whole() {
    let world = World::new().await;
    world.domain("dest.test", &[1]);
    let mut relay = world.relay_with("", TRACKING).await;
    let before = relay.metric("baton_spool_size_bytes").await;
    let message = newsletter();
    let mut client = Client::ehlo(relay.smtp).await.unwrap();
    let reply = client
        .deliver("news@sender.test", &RECIPIENTS, &message)
        .await
        .unwrap();
    assert_eq!(reply.code, 250, "{reply:?}");

    // Nobody listens yet: all copies wait, and are read from the disk after the kill.
    eventually("all are deferred", Duration::from_secs(30), async || {
        let waiting = relay.api("/api/v1/messages?state=deferred").await;
        let rows = waiting
            .as_array()
            .or_else(|| waiting["messages"].as_array());
        (rows.is_some_and(|rows| rows.len() == RECIPIENTS.len())).then_some(())
    })
    .await;
    let kept = relay.metric("baton_spool_size_bytes").await - before;
    assert!(
        kept < 1.8 * message.len() as f64,
        "{kept} bytes for three copies of {}",
        message.len()
    );
    relay.kill();
    let mx = world.exchanger(1, Script::default()).await;
    relay.restart().await;

    let received = mx.wait_for(RECIPIENTS.len()).await;
    let mut links = Vec::new();
    for copy in &received {
        let text = copy.text();
        assert!(
            text.contains("<p>Line 1999 of the newsletter"),
            "it is whole"
        );
        assert!(
            text.ends_with("</body></html>\r\n"),
            "{}",
            &text[text.len() - 80..]
        );
        let link = text
            .split("https://links.test/c/")
            .nth(1)
            .expect("a tracked link");
        links.push(link.split('"').next().unwrap().to_owned());
    }
    links.sort();
    links.dedup();
    assert_eq!(links.len(), RECIPIENTS.len(), "each has a token of its own");
    eventually(
        "the original goes with the last",
        Duration::from_secs(30),
        async || (relay.metric("baton_spool_size_bytes").await <= before).then_some(()),
    )
    .await;
}
