//! What a sender hears that asked for it (RFC 3461): that its message arrived, went on to where nothing more is told, or
//! became several.

use baton_tests::{Client, Mx, Received, Relay, Script};

use crate::world::World;

const ALIASES: &str = "[plugins.routing.aliases]\n\"team@dest.test\" = [\"bob@dest.test\", \"eve@dest.test\"]\n\
    \"boss@dest.test\" = \"bob@dest.test\"\n";

/// Sends one message with those parameters behind the address.
async fn send(relay: &Relay, to: &str, parameters: &str) {
    let mut client = Client::ehlo(relay.smtp).await.unwrap();
    let mail = client.command("MAIL FROM:<ann@sender.test> RET=HDRS ENVID=env42");
    assert_eq!(mail.await.unwrap().code, 250);
    let rcpt = format!("RCPT TO:<{to}> {parameters}");
    let reply = client.command(rcpt.trim_end()).await.unwrap();
    assert_eq!(reply.code, 250, "{reply:?}");
    assert_eq!(client.command("DATA").await.unwrap().code, 354);
    let message = "From: ann@sender.test\r\nSubject: news\r\n\r\na secret\r\n.\r\n";
    client.send(message).await.unwrap();
    assert_eq!(client.reply().await.unwrap().code, 250);
}

/// Exchangers of `dest.test`, which offers those extensions, and of the sender.
async fn scene(extensions: &[&str]) -> (World, Mx, Mx, Relay) {
    let world = World::new().await;
    world.domain("dest.test", &[1]);
    world.domain("sender.test", &[9]);
    let dest = world
        .exchanger(1, Script::default().extensions(extensions))
        .await;
    let home = world.exchanger(9, Script::default()).await;
    let relay = world.relay_with("", ALIASES).await;
    (world, dest, home, relay)
}

/// Holds of every such notice; what it says in `message/delivery-status` is given back.
fn checked(notice: &Received, action: &str) -> String {
    assert_eq!(
        (notice.sender.as_str(), notice.recipients.as_slice()),
        ("", &["ann@sender.test".to_owned()][..])
    );
    let text = notice.text();
    for wanted in [
        "report-type=delivery-status",
        "Content-Type: message/delivery-status",
        "Original-Envelope-Id: env42",
        "Auto-Submitted: auto-replied",
        "Subject: news",
    ] {
        assert!(text.contains(wanted), "{wanted} is missing:\n{text}");
    }
    assert!(text.contains(&format!("Action: {action}")), "{text}");
    assert_eq!(text.matches("Action: ").count(), 1, "{text}");
    assert!(
        !text.contains("a secret"),
        "only the header comes back:\n{text}"
    );
    text.replace("; ", ";")
}

#[tokio::test]
async fn where_the_next_host_tells_nothing_the_sender_hears_that_mail_was_relayed() {
    let (_world, dest, home, relay) = scene(&["PIPELINING"]).await;
    send(
        &relay,
        "bob@dest.test",
        "NOTIFY=SUCCESS ORCPT=rfc822;Bob@old.test",
    )
    .await;
    let text = checked(&home.wait_for(1).await[0], "relayed");
    for wanted in [
        "Final-Recipient: rfc822;bob@dest.test",
        "Original-Recipient: rfc822;Bob@old.test",
        "Status: 2.0.0",
        "Remote-MTA: dns;mx1.dest.test",
    ] {
        assert!(text.contains(wanted), "{wanted} is missing:\n{text}");
    }
    assert_eq!(dest.received()[0].recipient_parameters, [""]);
    // Who did not ask hears nothing: the second notice is that of the third message.
    send(&relay, "bob@dest.test", "").await;
    dest.wait_for(2).await;
    send(&relay, "eve@dest.test", "NOTIFY=SUCCESS").await;
    let text = checked(&home.wait_for(2).await[1], "relayed");
    assert!(text.contains("eve@dest.test"), "{text}");
}

#[tokio::test]
async fn a_host_that_tells_itself_is_asked_to_and_the_relay_says_nothing() {
    let (_world, dest, home, relay) = scene(&["PIPELINING", "DSN"]).await;
    send(
        &relay,
        "bob@dest.test",
        "NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;Bob@old.test",
    )
    .await;
    let got = dest.wait_for(1).await.remove(0);
    assert!(got.sender_parameters.contains("RET=HDRS"), "{got:?}");
    assert!(got.sender_parameters.contains("ENVID=env42"), "{got:?}");
    let [parameters] = &got.recipient_parameters[..] else {
        panic!("one recipient: {got:?}");
    };
    assert!(
        parameters.contains("NOTIFY=SUCCESS,FAILURE"),
        "{parameters}"
    );
    assert!(
        parameters.contains("ORCPT=rfc822;Bob@old.test"),
        "{parameters}"
    );
    // The next notice is about another message.
    send(&relay, "team@dest.test", "NOTIFY=SUCCESS").await;
    checked(&home.wait_for(1).await[0], "expanded");
    assert_eq!(home.count(), 1);
}

#[tokio::test]
async fn a_recipient_that_becomes_several_is_told_of_once_and_not_of_each() {
    let (_world, dest, home, relay) = scene(&["PIPELINING", "DSN"]).await;
    send(&relay, "team@dest.test", "NOTIFY=SUCCESS,FAILURE").await;
    let text = checked(&home.wait_for(1).await[0], "expanded");
    assert!(
        text.contains("Final-Recipient: rfc822;team@dest.test"),
        "{text}"
    );
    assert!(text.contains("Status: 2."), "{text}");
    for hidden in ["bob@dest.test", "eve@dest.test"] {
        assert!(
            !text.contains(hidden),
            "who is behind an alias is nobody's business:\n{text}"
        );
    }
    let got = dest.wait_for(1).await.remove(0);
    assert_eq!(got.recipients, ["bob@dest.test", "eve@dest.test"]);
    for parameters in &got.recipient_parameters {
        assert!(parameters.contains("NOTIFY=FAILURE"), "{parameters}");
        assert!(
            parameters.contains("ORCPT=rfc822;team@dest.test"),
            "{parameters}"
        );
    }
    // One for one is the same recipient by another name: its arrival is told of, under the name that the sender knows.
    send(&relay, "boss@dest.test", "NOTIFY=SUCCESS").await;
    let got = dest.wait_for(2).await.remove(1);
    assert_eq!(got.recipients, ["bob@dest.test"]);
    assert!(
        got.recipient_parameters[0].contains("NOTIFY=SUCCESS"),
        "{got:?}"
    );
    assert!(
        got.recipient_parameters[0].contains("ORCPT=rfc822;boss@dest.test"),
        "{got:?}"
    );
    assert_eq!(home.count(), 1);
}

#[tokio::test]
async fn what_arrives_where_it_should_be_is_told_of_as_delivered() {
    let relay = Relay::dev().await;
    send(&relay, "bob@dest.test", "NOTIFY=SUCCESS").await;
    send(&relay, "eve@dest.test", "NOTIFY=NEVER").await;
    send(&relay, "eve@dest.test", "").await;
    let inbox = relay.wait_for_inbox(4).await;
    let mut notices = Vec::new();
    for item in &inbox {
        if item["to"].to_string().contains("ann@sender.test") {
            let raw = relay.inbox_raw(item["id"].as_str().unwrap()).await;
            notices.push(String::from_utf8(raw).unwrap().replace("; ", ";"));
        }
    }
    let [notice] = &notices[..] else {
        panic!("one notice: {inbox:?}");
    };
    for wanted in [
        "Action: delivered",
        "Final-Recipient: rfc822;bob@dest.test",
        "Status: 2.",
        "Original-Envelope-Id: env42",
    ] {
        assert!(notice.contains(wanted), "{wanted} is missing:\n{notice}");
    }
}
