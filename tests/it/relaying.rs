//! Who may relay: never everybody.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use baton_tests::tls::Identity;
use baton_tests::{Client, Mx, Relay, Script};

use crate::world::World;

const NOBODY: &str = "relay-from = [\"192.0.2.0/24\"]";

/// A PHC hash of the given password, made by the relay's own command.
pub fn hash(password: &str) -> String {
    use std::io::Write;
    let mut child = std::process::Command::new(baton_tests::relay::binary())
        .arg("hash-password")
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .expect("baton runs");
    child
        .stdin
        .take()
        .expect("piped")
        .write_all(format!("{password}\n").as_bytes())
        .expect("written");
    let output = child.wait_with_output().expect("it ends");
    String::from_utf8(output.stdout)
        .expect("text")
        .trim()
        .to_owned()
}

async fn world() -> (World, Mx) {
    let world = World::new().await;
    world.domain("dest.test", &[1]);
    let mx = world.exchanger(1, Script::default()).await;
    (world, mx)
}

async fn rcpt(relay: &Relay, to: &str) -> u16 {
    let mut client = Client::ehlo(relay.smtp).await.unwrap();
    assert_eq!(
        client
            .command("MAIL FROM:<a@sender.test>")
            .await
            .unwrap()
            .code,
        250
    );
    client
        .command(&format!("RCPT TO:<{to}>"))
        .await
        .unwrap()
        .code
}

#[tokio::test]
async fn a_stranger_may_not_relay_in_any_disguise() {
    let (world, _mx) = world().await;
    let relay = world.relay_with(NOBODY, "").await;
    for to in [
        "b@dest.test",
        "b%dest.test@relay.test",
        "dest.test!b",
        "\"b@dest.test\"@relay.test",
        "@relay.test:b@dest.test",
        "b@[127.0.5.1]",
        "b@[IPv6:::1]",
    ] {
        let code = rcpt(&relay, to).await;
        assert!((500..600).contains(&code), "{to} was answered {code}");
    }
}

#[tokio::test]
async fn listed_relay_domains_are_taken_from_anybody() {
    let (world, mx) = world().await;
    let relay = world
        .relay_with(NOBODY, "[relay]\ndomains = [\"dest.test\"]\n")
        .await;
    assert_eq!(rcpt(&relay, "b@dest.test").await, 250);
    assert_eq!(rcpt(&relay, "b@other.test").await / 100, 5);
    let mut client = Client::ehlo(relay.smtp).await.unwrap();
    client
        .deliver("a@sender.test", &["b@dest.test"], "Subject: x\r\n\r\nx\r\n")
        .await
        .unwrap();
    mx.wait_for(1).await;
}

#[tokio::test]
async fn an_account_relays_under_tls_and_its_password_is_never_taken_in_clear() {
    let (world, mx) = world().await;
    let identity = Arc::new(Identity::for_names(&["relay.test"]));
    let more = format!(
        "[tls]\ncertificate = \"{{dir}}/cert.pem\"\nkey = \"{{dir}}/key.pem\"\n\
         [[account]]\nname = \"ann\"\npassword-hash = \"{}\"\n",
        hash("correct horse")
    );
    let listener = format!("{NOBODY}\ntls = \"starttls\"\nauth = true");
    let relay = world
        .relay_from(&listener, &more, |dir| {
            std::fs::write(dir.join("cert.pem"), &identity.certificate_pem).unwrap();
            std::fs::write(dir.join("key.pem"), &identity.key_pem).unwrap();
        })
        .await;
    let right = STANDARD.encode("\0ann\0correct horse");
    let wrong = STANDARD.encode("\0ann\0battery staple");

    let mut clear = Client::connect(relay.smtp).await.unwrap();
    let ehlo = clear.command("EHLO c.test").await.unwrap();
    assert!(!ehlo.text().contains("AUTH"), "{ehlo:?}");
    assert!(
        clear
            .command(&format!("AUTH PLAIN {right}"))
            .await
            .unwrap()
            .code
            >= 500
    );

    let client = Client::ehlo(relay.smtp).await.unwrap();
    let mut client = client
        .starttls("relay.test", identity.client())
        .await
        .unwrap();
    let ehlo = client.command("EHLO c.test").await.unwrap();
    assert!(
        ehlo.text().contains("AUTH PLAIN LOGIN") || ehlo.text().contains("AUTH LOGIN PLAIN"),
        "{ehlo:?}"
    );
    assert!(!ehlo.text().contains("STARTTLS"), "{ehlo:?}");
    assert_eq!(
        client
            .command(&format!("AUTH PLAIN {wrong}"))
            .await
            .unwrap()
            .code,
        535
    );
    assert_eq!(client.command("AUTH LOGIN").await.unwrap().code, 334);
    assert_eq!(
        client.command(&STANDARD.encode("ann")).await.unwrap().code,
        334
    );
    assert_eq!(
        client
            .command(&STANDARD.encode("correct horse"))
            .await
            .unwrap()
            .code,
        235
    );
    let reply = client
        .deliver("ann@s.test", &["b@dest.test"], "Subject: x\r\n\r\nx\r\n")
        .await
        .unwrap();
    assert_eq!(reply.code, 250, "{reply:?}");
    let got = mx.wait_for(1).await.remove(0);
    assert!(got.text().contains("with ESMTPSA"), "{}", got.text());
}

#[tokio::test]
async fn what_was_said_before_starttls_is_forgotten_and_what_was_sent_is_dropped() {
    let (world, _mx) = world().await;
    let identity = Arc::new(Identity::for_names(&["relay.test"]));
    let more = "[tls]\ncertificate = \"{dir}/cert.pem\"\nkey = \"{dir}/key.pem\"\n";
    let relay = world
        .relay_from("tls = \"starttls\"", more, |dir| {
            std::fs::write(dir.join("cert.pem"), &identity.certificate_pem).unwrap();
            std::fs::write(dir.join("key.pem"), &identity.key_pem).unwrap();
        })
        .await;
    let mut client = Client::ehlo(relay.smtp).await.unwrap();
    client
        .send("STARTTLS\r\nMAIL FROM:<injected@evil.test>\r\n")
        .await
        .unwrap();
    assert_eq!(client.reply().await.unwrap().code, 220);
    let mut client = client
        .secure("relay.test", identity.client())
        .await
        .unwrap();
    // No reply to the injected command comes first, and without a new EHLO there is no extended session.
    assert_eq!(
        client.command("RCPT TO:<b@dest.test>").await.unwrap().code,
        503
    );
    assert_eq!(client.command("EHLO c.test").await.unwrap().code, 250);
    assert_eq!(
        client.command("RCPT TO:<b@dest.test>").await.unwrap().code,
        503
    );
}

#[tokio::test]
async fn a_new_certificate_is_served_without_a_restart() {
    let (world, _mx) = world().await;
    let first = Arc::new(Identity::for_names(&["relay.test"]));
    let second = Arc::new(Identity::for_names(&["relay.test"]));
    let more = "[tls]\ncertificate = \"{dir}/cert.pem\"\nkey = \"{dir}/key.pem\"\n";
    let put = |dir: &std::path::Path, identity: &Identity| {
        std::fs::write(dir.join("key.pem"), &identity.key_pem).unwrap();
        std::fs::write(dir.join("cert.pem"), &identity.certificate_pem).unwrap();
    };
    let relay = world
        .relay_from("tls = \"implicit\"", more, |dir| put(dir, &first))
        .await;
    let connect = async |identity: &Identity| {
        let client = Client::connect_silently(relay.smtp).await?;
        client.secure("relay.test", identity.client()).await
    };
    assert!(connect(&first).await.is_ok());
    assert!(connect(&second).await.is_err());
    put(&relay.dir, &second);
    baton_tests::eventually(
        "the new certificate",
        std::time::Duration::from_secs(30),
        async || connect(&second).await.ok().map(drop),
    )
    .await;
}

#[tokio::test]
async fn connections_from_one_address_are_limited() {
    let (world, _mx) = world().await;
    let relay = world
        .relay_with("connections-per-address-max = 3", "")
        .await;
    let source = IpAddr::V4(Ipv4Addr::new(127, 0, 9, 1));
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut client = Client::connect_from(source, relay.smtp).await.unwrap();
        assert_eq!(client.reply().await.unwrap().code, 220);
        open.push(client);
    }
    let mut fourth = Client::connect_from(source, relay.smtp).await.unwrap();
    assert_eq!(fourth.reply().await.unwrap().code, 421);
    assert!(fourth.is_closed().await);
    assert!(
        Client::connect(relay.smtp).await.is_ok(),
        "others are served"
    );
}

#[tokio::test]
async fn the_proxy_protocol_tells_who_the_client_is() {
    let (world, _mx) = world().await;
    let listener =
        "proxy-protocol = true\nproxy-from = [\"127.0.0.0/8\"]\nrelay-from = [\"192.0.2.7/32\"]";
    // A relay behind a proxy does not greet without its header, so readiness is asked of the API alone.
    let relay = world.relay_with(&format!("{listener}\n"), "").await;
    let mut client = Client::connect_silently(relay.smtp).await.unwrap();
    client
        .send("PROXY TCP4 192.0.2.7 127.0.0.1 4711 25\r\n")
        .await
        .unwrap();
    assert_eq!(client.reply().await.unwrap().code, 220);
    client.command("EHLO c.test").await.unwrap();
    client.command("MAIL FROM:<a@sender.test>").await.unwrap();
    assert_eq!(
        client.command("RCPT TO:<b@dest.test>").await.unwrap().code,
        250
    );
    let mut stranger = Client::connect_silently(relay.smtp).await.unwrap();
    stranger
        .send("PROXY TCP4 198.51.100.1 127.0.0.1 4711 25\r\n")
        .await
        .unwrap();
    assert_eq!(stranger.reply().await.unwrap().code, 220);
    stranger.command("EHLO c.test").await.unwrap();
    stranger.command("MAIL FROM:<a@sender.test>").await.unwrap();
    assert!(
        stranger
            .command("RCPT TO:<b@dest.test>")
            .await
            .unwrap()
            .code
            >= 500
    );
}
