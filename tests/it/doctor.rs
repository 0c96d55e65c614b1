//! `baton doctor` in a small world: a relay that is in order, and one where nothing is.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;

use baton_tests::Relay;
use baton_tests::relay::run;
use serde_json::Value;
use tempfile::TempDir;

use crate::made_key::MadeKey;
use crate::world::World;

const EGRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 9);

struct Examined {
    code: Option<i32>,
    findings: Vec<Value>,
}

impl Examined {
    /// Verdict and message of the findings of one check.
    fn of(&self, check: &str) -> Vec<(String, String)> {
        let found = self.findings.iter().filter(|one| one["check"] == check);
        found
            .map(|one| {
                let text = |key: &str| one[key].as_str().expect("a text").to_owned();
                (
                    text("verdict"),
                    format!("{}: {}", text("subject"), text("message")),
                )
            })
            .collect()
    }

    fn verdicts(&self, check: &str) -> Vec<String> {
        self.of(check)
            .into_iter()
            .map(|(verdict, _)| verdict)
            .collect()
    }
}

async fn examine(config: &Path) -> Examined {
    let config = config.display().to_string();
    let work = move || {
        run(&[
            "doctor",
            "--json",
            "--block-list",
            "bl.test",
            "--config",
            &config,
        ])
    };
    let output = tokio::task::spawn_blocking(work).await.expect("no panic");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    Examined {
        code: output.status.code(),
        findings: serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {told}")),
    }
}

const EGRESSES: &str = "\n[[egress]]\nname = \"one\"\naddress = \"192.0.2.9\"\n\n[return-path]\ndomain = \"bounce.relay.test\"\n";

async fn relay(world: &World, folder: &Path, listener: &str) -> (Relay, String, String) {
    let key = MadeKey::new(folder, "relay.test", "s1", &["--ed25519"]);
    let relay = world
        .relay_with(listener, &format!("{EGRESSES}{}", key.section))
        .await;
    (relay, key.name, key.text)
}

#[tokio::test]
async fn a_relay_that_is_in_order_gets_a_clean_bill() {
    let world = World::new().await;
    let folder = TempDir::new().expect("a folder");
    let (relay, name, text) = relay(&world, folder.path(), "relay-from = [\"127.0.0.9/32\"]").await;
    world.dns.address("relay.test", IpAddr::V4(EGRESS));
    world.dns.reverse(EGRESS, "relay.test");
    for domain in ["relay.test", "bounce.relay.test"] {
        world.dns.text(domain, "v=spf1 ip4:192.0.2.9 -all");
    }
    world.dns.mx("bounce.relay.test", 10, "relay.test");
    world.dns.text(&name, &text);
    world.dns.text(
        "_dmarc.relay.test",
        "v=DMARC1; p=reject; rua=mailto:d@relay.test",
    );
    let found = examine(&relay.dir.join("baton.toml")).await;
    for check in [
        "hostname",
        "ptr",
        "spf",
        "dkim",
        "dmarc",
        "return-path",
        "listener",
        "open-relay",
        "block-list",
    ] {
        let verdicts = found.verdicts(check);
        assert!(!verdicts.is_empty(), "{check}: {:?}", found.findings);
        assert!(
            verdicts.iter().all(|verdict| verdict == "ok"),
            "{:?}",
            found.of(check)
        );
    }
    assert_eq!(found.code, Some(0));
}

#[tokio::test]
async fn what_is_wrong_is_told_with_what_to_do() {
    let world = World::new().await;
    let folder = TempDir::new().expect("a folder");
    // Trusts the whole world by mistake.
    let (mut relay, name, _) = relay(&world, folder.path(), "relay-from = [\"0.0.0.0/0\"]").await;
    world.dns.text("relay.test", "v=spf1 -all");
    world.dns.text("relay.test", "v=spf1 +all");
    world
        .dns
        .text("bounce.relay.test", "v=spf1 ip4:192.0.2.1 -all");
    world.dns.text(&name, "v=DKIM1; k=ed25519; p=");
    world
        .dns
        .address("9.2.0.192.bl.test", IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)));
    let config = relay.dir.join("baton.toml");
    let found = examine(&config).await;
    for (check, message) in [
        ("hostname", "relay.test: the DNS has no address for it"),
        ("ptr", "192.0.2.9: the address has no name"),
        (
            "spf",
            "relay.test: there are 2 SPF records, and one is allowed",
        ),
        (
            "spf",
            "bounce.relay.test from 192.0.2.9: the record does not allow it (fail)",
        ),
        (
            "dkim",
            "s1._domainkey.relay.test: the record says that the key was revoked",
        ),
        (
            "dmarc",
            "relay.test: there is no DMARC record: large providers ask for one",
        ),
        ("return-path", "bounce.relay.test: it has no MX record"),
        (
            "open-relay",
            "in: everybody on the internet may send through it",
        ),
        ("block-list", "192.0.2.9 at bl.test: listed (127.0.0.2)"),
    ] {
        let told = ("wrong".to_owned(), message.to_owned());
        assert!(
            found.of(check).contains(&told),
            "{message}: {:?}",
            found.of(check)
        );
    }
    let has_fix = |one: &Value| one["verdict"] != "wrong" || one["fix"].is_string();
    assert!(found.findings.iter().all(has_fix), "{:?}", found.findings);
    assert_eq!(found.code, Some(1));

    assert!(relay.stop().await);
    let found = examine(&config).await;
    assert_eq!(found.verdicts("listener"), ["wrong"]);
}

#[tokio::test]
async fn an_open_relay_is_found_by_trying_it() {
    let world = World::new().await;
    let folder = TempDir::new().expect("a folder");
    // Not the whole world by its networks, but anybody may send to a domain that is not ours.
    let key = MadeKey::new(folder.path(), "relay.test", "s1", &["--ed25519"]);
    let more = format!(
        "\n[relay]\ndomains = [\"example.com\"]\n{EGRESSES}{}",
        key.section
    );
    let relay = world
        .relay_with("relay-from = [\"127.0.0.9/32\"]", &more)
        .await;
    let found = examine(&relay.dir.join("baton.toml")).await;
    assert_eq!(
        found.of("open-relay"),
        [(
            "wrong".to_owned(),
            "in: a stranger (127.0.0.1) may send to nobody@example.com".to_owned()
        )]
    );
}

#[tokio::test]
async fn a_dns_without_an_answer_is_no_verdict() {
    let world = World::new().await;
    let folder = TempDir::new().expect("a folder");
    let (relay, name, _) = relay(&world, folder.path(), "").await;
    for name in ["relay.test", "bounce.relay.test", "_dmarc.relay.test"] {
        world.dns.trouble(name, baton_tests::dns::Trouble::ServFail);
    }
    world
        .dns
        .trouble("9.2.0.192.bl.test", baton_tests::dns::Trouble::ServFail);
    let found = examine(&relay.dir.join("baton.toml")).await;
    for check in ["hostname", "spf", "dmarc", "return-path", "block-list"] {
        let verdicts = found.verdicts(check);
        assert!(
            verdicts.iter().all(|verdict| verdict == "skipped"),
            "{:?}",
            found.of(check)
        );
    }
    // Every address of this machine is trusted here, so nothing was tried.
    assert_eq!(found.verdicts("open-relay"), ["skipped"]);
    let _ = name;
}

#[tokio::test]
async fn a_certificate_that_ends_is_told_of() {
    let world = World::new().await;
    let folder = TempDir::new().expect("a folder");
    let end = |days: i64| {
        let mut parameters =
            rcgen::CertificateParams::new(vec!["relay.test".to_owned()]).expect("a name");
        // The certificate is held against the clock of the system.
        #[allow(clippy::disallowed_methods)]
        let now = std::time::SystemTime::now();
        let ends = match days {
            0.. => now + std::time::Duration::from_secs(86_400 * days as u64),
            _ => now - std::time::Duration::from_secs(86_400 * (-days) as u64),
        };
        parameters.not_after = ends.into();
        let key = rcgen::KeyPair::generate().expect("a key");
        let chain = parameters.self_signed(&key).expect("signed").pem();
        std::fs::write(folder.path().join("chain.pem"), chain).expect("written");
        std::fs::write(folder.path().join("key.pem"), key.serialize_pem()).expect("written");
    };
    end(400);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let listener = format!(
        "tls = \"starttls\"\ncertificate = \"{}\"\nkey = \"{}\"",
        path("chain.pem"),
        path("key.pem")
    );
    let relay = world.relay_with(&listener, EGRESSES).await;
    let config = relay.dir.join("baton.toml");
    for (days, verdict) in [(400, "ok"), (5, "warning"), (-1, "wrong")] {
        end(days);
        assert_eq!(
            examine(&config).await.verdicts("certificate"),
            [verdict],
            "{days}"
        );
    }
}
