//! Mail of strangers: SPF, DKIM, DMARC and ARC, told to plugins and in the message, and sealed when it is passed on. Signatures and
//! seals are made and checked by dkimpy.

use std::collections::BTreeMap;
use std::time::Duration;

use baton_tests::{Client, Mx, Relay, Script, eventually};
use tempfile::TempDir;

use crate::made_key::MadeKey;
use crate::verifier::Verifier;
use crate::world::World;

const STRANGERS: &str = "relay-from = [\"127.0.0.9/32\"]\nauthenticate = true";
const SERVED: &str = "\n[relay]\ndomains = [\"served.test\"]\n";

async fn served(more: &str) -> (World, Mx, Relay) {
    let world = World::new().await;
    world.domain("served.test", &[1]);
    let mx = world.exchanger(1, Script::default()).await;
    let relay = world
        .relay_with(STRANGERS, &format!("{SERVED}{more}"))
        .await;
    (world, mx, relay)
}

async fn send(relay: &Relay, from: &str, message: &[u8]) -> u16 {
    let mut client = Client::ehlo(relay.smtp).await.expect("a session");
    let reply = client.deliver(from, &["bob@served.test"], message).await;
    reply.expect("a reply").code
}

/// The field of ours, unfolded.
fn results(text: &str) -> String {
    let start = text
        .find("Authentication-Results: relay.test")
        .expect("our field");
    let field = &text[start..];
    let end = field
        .match_indices("\r\n")
        .find(|(at, _)| !field[at + 2..].starts_with(['\t', ' ']));
    field[..end.map_or(field.len(), |(at, _)| at)].replace("\r\n", "")
}

const MESSAGE: &[u8] =
    b"From: Ann <ann@sender.test>\r\nTo: bob@served.test\r\nSubject: hello\r\n\r\ntext \r\n \r\n";

#[tokio::test]
async fn what_a_domain_says_of_its_sender_is_found_out_and_written_down() {
    let Some(verifier) = Verifier::find() else {
        return;
    };
    let (world, mx, relay) = served("").await;
    let folder = TempDir::new().expect("a temporary folder");
    let key = MadeKey::new(folder.path(), "sender.test", "s1", &["--rsa", "2048"]);
    world.dns.text("sender.test", "v=spf1 ip4:127.0.0.1 -all");
    world.dns.text("_dmarc.sender.test", "v=DMARC1; p=reject");
    world.dns.long_text(&key.name, &key.text);
    let signed = verifier.sign(MESSAGE, "sender.test", "s1", &key.file);
    let forged = [
        b"Authentication-Results: relay.test; dmarc=pass\r\n",
        &signed[..],
    ]
    .concat();
    assert_eq!(send(&relay, "ann@sender.test", &forged).await, 250);
    let text = mx.wait_for(1).await[0].text();
    let said = results(&text);
    for what in [
        "spf=pass",
        "smtp.mailfrom=ann@sender.test",
        "dkim=pass",
        "header.i=@sender.test",
        "dmarc=pass",
        "policy.dmarc=reject",
    ] {
        assert!(said.contains(what), "{what}: {said}");
    }
    assert_eq!(
        text.matches("Authentication-Results: relay.test").count(),
        1,
        "{text}"
    );

    // Somebody else, with a body that was changed.
    let changed = String::from_utf8_lossy(&signed).replace("text", "lies");
    assert_eq!(
        send(&relay, "eve@other.test", changed.as_bytes()).await,
        250
    );
    let said = results(&mx.wait_for(2).await[1].text());
    for what in ["spf=none", "dkim=fail", "dmarc=fail"] {
        assert!(said.contains(what), "{what}: {said}");
    }
}

#[tokio::test]
async fn a_large_message_is_judged_like_any_other() {
    let Some(verifier) = Verifier::find() else {
        return;
    };
    let (world, mx, relay) = served("").await;
    let folder = TempDir::new().expect("a temporary folder");
    let key = MadeKey::new(folder.path(), "sender.test", "s1", &["--rsa", "2048"]);
    world.dns.long_text(&key.name, &key.text);
    let large = [MESSAGE, &b"A line of a large message. \r\n".repeat(30_000)].concat();
    let signed = verifier.sign(&large, "sender.test", "s1", &key.file);
    assert_eq!(send(&relay, "ann@sender.test", &signed).await, 250);
    let said = results(&mx.wait_for(1).await[0].text());
    assert!(said.contains("dkim=pass"), "{said}");
}

#[tokio::test]
async fn plugins_are_told_and_may_refuse() {
    let (world, mx, relay) =
        served("\n[plugins.policy.authentication]\n\"dmarc=fail\" = \"reject\"\n").await;
    world.dns.text("sender.test", "v=spf1 -all");
    world.dns.text("_dmarc.sender.test", "v=DMARC1; p=reject");
    assert_eq!(send(&relay, "ann@sender.test", MESSAGE).await, 550);
    world.dns.text("fine.test", "v=spf1 +all");
    world.dns.text("_dmarc.fine.test", "v=DMARC1; p=reject");
    let fine = String::from_utf8_lossy(MESSAGE).replace("sender.test", "fine.test");
    assert_eq!(send(&relay, "ann@fine.test", fine.as_bytes()).await, 250);
    assert_eq!(mx.wait_for(1).await.len(), 1);
}

#[tokio::test]
async fn a_dns_that_fails_is_no_verdict_and_holds_up_no_mail() {
    let (world, mx, relay) = served("").await;
    world
        .dns
        .trouble("sender.test", baton_tests::dns::Trouble::ServFail);
    world
        .dns
        .trouble("_dmarc.sender.test", baton_tests::dns::Trouble::Silence);
    assert_eq!(send(&relay, "ann@sender.test", MESSAGE).await, 250);
    let said = results(&mx.wait_for(1).await[0].text());
    assert!(
        said.contains("spf=temperror") && said.contains("dmarc=temperror"),
        "{said}"
    );
    assert!(said.contains("dkim=none"), "{said}");
}

/// What a reader of RFC 8601 takes for structure.
fn without_quoted(text: &str) -> String {
    let (mut out, mut quoted, mut escaped) = (String::new(), false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if !quoted => out.push(c),
            _ => {}
        }
    }
    out
}

#[tokio::test]
async fn nothing_of_a_peer_breaks_out_of_the_field() {
    let (_world, mx, relay) = served("").await;
    let message = b"From: \"a;b\" <x;dmarc=pass@sender.test>\r\nDKIM-Signature: v=1; a=rsa-sha256; d=x.test;dmarc=pass; s=a b;\r\n h=from; bh=AA==; b=AA==\r\n\r\nx\r\n";
    let mut client = Client::connect(relay.smtp).await.expect("a session");
    let helo = client.command("EHLO [127.0.0.1]").await.expect("a reply");
    assert_eq!(helo.code, 250);
    let reply = client
        .deliver(
            "\"a;dmarc=pass b\"@sender.test",
            &["bob@served.test"],
            message,
        )
        .await;
    assert_eq!(reply.expect("a reply").code, 250);
    let said = results(&mx.wait_for(1).await[0].text());
    let said = without_quoted(&said);
    let methods: Vec<&str> = said
        .split(';')
        .map(str::trim)
        .filter(|one| one.starts_with("dmarc="))
        .collect();
    assert_eq!(methods.len(), 1, "{said}");
    assert!(!methods[0].starts_with("dmarc=pass"), "{said}");
}

#[tokio::test]
async fn our_own_people_are_not_judged() {
    let world = World::new().await;
    world.domain("served.test", &[1]);
    let mx = world.exchanger(1, Script::default()).await;
    let relay = world.relay_with("authenticate = true", SERVED).await;
    assert_eq!(send(&relay, "ann@sender.test", MESSAGE).await, 250);
    let text = mx.wait_for(1).await[0].text();
    assert!(!text.contains("Authentication-Results"), "{text}");
}

#[tokio::test]
async fn what_is_passed_on_is_sealed_and_a_second_seal_follows_the_first() {
    let Some(verifier) = Verifier::find() else {
        return;
    };
    let folder = TempDir::new().expect("a temporary folder");
    let key = MadeKey::new(folder.path(), "relay.test", "s1", &["--rsa", "2048"]);
    let config = format!("\n[dkim]\nseal = \"relay.test\"\n{}", key.section);
    let (world, mx, relay) = served(&config).await;
    world.dns.long_text(&key.name, &key.text);
    let records = BTreeMap::from([(key.name.clone(), key.text.clone())]);
    assert_eq!(send(&relay, "ann@sender.test", MESSAGE).await, 250);
    let first = mx.wait_for(1).await[0].message.clone();
    assert_eq!(
        verifier.chain(&first, &records),
        "pass",
        "{}",
        String::from_utf8_lossy(&first)
    );
    assert_eq!(send(&relay, "ann@sender.test", &first).await, 250);
    let second = mx.wait_for(2).await[1].message.clone();
    let text = String::from_utf8_lossy(&second);
    assert!(
        text.contains("ARC-Seal: i=2") && text.contains("cv=pass"),
        "{text}"
    );
    assert_eq!(verifier.chain(&second, &records), "pass", "{text}");
    assert!(results(&text).contains("arc=pass"), "{text}");
    // A chain that was broken on the way is told of.
    let broken = text.replace("text \r\n", "lies \r\n");
    assert_eq!(
        send(&relay, "ann@sender.test", broken.as_bytes()).await,
        250
    );
    let third = eventually("the third", Duration::from_secs(20), async || {
        mx.received().get(2).cloned()
    })
    .await;
    assert!(
        !results(&third.text()).contains("arc=pass"),
        "{}",
        third.text()
    );
}
