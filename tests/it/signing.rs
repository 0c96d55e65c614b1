//! DKIM signatures of what the relay sends, checked by somebody else's verifier (dkimpy) over every message of
//! `corpus/mail` and over messages that are hard to sign, each with tracked links and copies of their own.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use baton_tests::relay::run;
use baton_tests::{Client, Mx, Received, Relay, Script, eventually};
use serde_json::Value;
use tempfile::TempDir;

use crate::made_key::MadeKey;
use crate::verifier::{Verifier, signatures};
use crate::world::World;

const TRACKING: &str =
    "\n[plugins.link-tracking]\nbase-url = \"https://links.test\"\nper-recipient = true\n";

/// Keys as `baton dkim new` makes them, and the records it says to publish.
struct Keys {
    folder: TempDir,
    records: BTreeMap<String, String>,
    sections: String,
}

impl Keys {
    fn new() -> Keys {
        Keys {
            folder: TempDir::new().expect("a temporary folder"),
            records: BTreeMap::new(),
            sections: String::new(),
        }
    }

    /// One key more; the file's path.
    fn make(&mut self, domain: &str, selector: &str, more: &[&str], keys: &str) -> PathBuf {
        let made = MadeKey::new(self.folder.path(), domain, selector, more);
        self.records.insert(made.name, made.text);
        self.sections += &format!("{}{keys}\n", made.section);
        made.file.into()
    }
}

/// Messages that signers and verifiers disagree about easily.
fn hard() -> Vec<Vec<u8>> {
    let from = "From: Ann <ann@sender.test>\r\n";
    let mut all: Vec<Vec<u8>> = [
        "Subject: no body\r\n\r\n",
        "Subject: no separator\r\n",
        "Subject: only empty lines\r\n\r\n\r\n\r\n\r\n",
        "Subject: blanks at the end\r\n\r\ntext\r\n \r\n\t\r\n  \r\n",
        "Subject: only blanks\r\n\r\n \r\n\t\r\n",
        "Subject: trailing \t \r\n\r\n line  with \t blanks \t\r\n\r\n and more \r\n",
        "Subject: folded\r\n\t\r\n \tthrice \r\n\r\ntext\r\n",
        "Subject:no blank\r\nX-Empty:\r\nTo:\r\n\r\ntext\r\n",
        "Subject: form\x0cfeed \x0b and more\r\n\r\nform\x0cfeed\r\n\x0c\r\n",
        "Subject: dots\r\n\r\n.\r\n..\r\n...two\r\n.\r\n",
        "Subject: Gr\u{fc}\u{df}e\r\n\r\nGr\u{fc}\u{df}e\r\n",
        "To: a@b.test\r\nTo: c@d.test\r\nCc: e@f.test\r\nSubject: one\r\nSubject: two\r\n\r\ntext\r\n",
        "List-Unsubscribe: <https://sender.test/u>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\
         Content-Type: text/html\r\nSubject: links\r\n\r\n<a href=\"https://sender.test/\">x</a> \r\n\r\n",
    ]
    .iter()
    .map(|rest| format!("{from}{rest}").into_bytes())
    .collect();
    let long = format!(
        "{from}Subject: long\r\nX-Long: {}\r\n\r\n{}\r\n",
        "y".repeat(980),
        "x y".repeat(332)
    );
    all.push(long.into_bytes());
    all.push(
        b"From: =?utf-8?q?A?= (a \"comment\") \r\n <ann@sender.test>\r\nSubject: x\r\n\r\ntext\r\n"
            .to_vec(),
    );
    all.push(
        [
            b"From: a@sender.test\r\nSubject: octets\r\n\r\n",
            &[0x80, 0xff, b'\r', b'\n'][..],
        ]
        .concat(),
    );
    all
}

/// Messages as they can be sent: with lines that end as they should.
fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus/mail");
    let entries = std::fs::read_dir(folder).expect("the corpus is there");
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "eml"));
    files.sort();
    let messages = files
        .iter()
        .map(|path| std::fs::read(path).expect("a message"));
    messages.map(|message| with_line_ends(&message)).collect()
}

fn with_line_ends(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len());
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        out.extend(text.iter().filter(|byte| **byte != b'\r' && **byte != 0));
        out.extend_from_slice(b"\r\n");
    }
    out
}

async fn send(relay: &Relay, to: &[&str], message: &[u8]) -> bool {
    let mut client = Client::ehlo(relay.smtp).await.expect("a session");
    let reply = client
        .deliver("ann@sender.test", to, message)
        .await
        .expect("a reply");
    reply.code == 250
}

fn from_fields(message: &[u8]) -> usize {
    let head = message
        .split(|byte| *byte == b'\n')
        .take_while(|line| !line.trim_ascii().is_empty());
    head.filter(|line| line.to_ascii_lowercase().starts_with(b"from:"))
        .count()
}

/// `dest.test` and `else.test`, with an exchanger each.
async fn two_sites() -> (World, Mx, Mx) {
    let world = World::new().await;
    world.domain("dest.test", &[1]);
    world.domain("else.test", &[2]);
    let (one, two) = (
        world.exchanger(1, Script::default()).await,
        world.exchanger(2, Script::default()).await,
    );
    (world, one, two)
}

#[tokio::test]
async fn every_message_that_is_sent_carries_signatures_that_others_can_verify() {
    let Some(verifier) = Verifier::find() else {
        return;
    };
    let (world, one, two) = two_sites().await;
    let mut keys = Keys::new();
    for domain in ["sender.test", "relay.test"] {
        keys.make(domain, "r1", &["--rsa", "2048"], "");
        keys.make(domain, "e1", &["--ed25519"], "");
    }
    let config = format!(
        "\n[dkim]\ndefault = \"relay.test\"\n{}{TRACKING}",
        keys.sections
    );
    let relay = world.relay_with("", &config).await;
    let mut taken = 0;
    for message in corpus().iter().chain(&hard()) {
        if send(
            &relay,
            &["a@dest.test", "b@dest.test", "c@else.test"],
            message,
        )
        .await
        {
            taken += 1;
        }
    }
    assert!(taken >= 45, "{taken}");
    let received: Vec<Received> = eventually("all arrives", Duration::from_secs(60), async || {
        let all: Vec<Received> = one.received().into_iter().chain(two.received()).collect();
        let recipients: usize = all.iter().map(|one| one.recipients.len()).sum();
        (recipients >= 3 * taken).then_some(all)
    })
    .await;
    let messages: Vec<&[u8]> = received.iter().map(|one| &one.message[..]).collect();
    let verified = verifier.verify(&messages, &keys.records);
    let mut signed = 0;
    for (message, found) in messages.iter().zip(&verified) {
        let text = String::from_utf8_lossy(message);
        let wanted = if from_fields(message) == 1 { 2 } else { 0 };
        assert_eq!(signatures(message), wanted, "{text}");
        assert_eq!(found.len(), wanted, "{text}");
        assert!(
            found.iter().all(|result| *result == "pass"),
            "{found:?}: {text}"
        );
        signed += wanted;
    }
    assert!(signed > 200, "{signed}");
    // The author's own domain signs where it can, and links of others were tracked before.
    let texts: Vec<String> = received.iter().map(Received::text).collect();
    assert!(texts.iter().any(|text| text.contains("d=sender.test")));
    assert!(texts.iter().any(|text| text.contains("d=relay.test")));
    let tracked = texts
        .iter()
        .filter(|text| text.contains("https://links.test/c/"))
        .count();
    assert!(tracked > 20, "{tracked}");
}

#[tokio::test]
async fn a_large_message_to_several_sites_is_signed_once_and_for_all_of_them() {
    let Some(verifier) = Verifier::find() else {
        return;
    };
    let (world, one, two) = two_sites().await;
    let mut keys = Keys::new();
    keys.make("sender.test", "r1", &["--rsa", "2048"], "");
    let relay = world
        .relay_with("", &format!("\n[dkim]{}", keys.sections))
        .await;
    let line = "A line with some words in it, \t and blanks at its end. \r\n";
    let body = line.repeat(20_000);
    let message = format!("From: ann@sender.test\r\nSubject: large\r\n\r\n{body}");
    assert!(send(&relay, &["a@dest.test", "b@else.test"], message.as_bytes()).await);
    let (here, there) = (
        one.wait_for(1).await.remove(0),
        two.wait_for(1).await.remove(0),
    );
    assert_eq!(here.message, there.message);
    let verified = verifier.verify(&[&here.message], &keys.records);
    assert_eq!(verified, [["pass"]]);
}

#[tokio::test]
async fn what_strangers_send_to_a_domain_we_serve_is_not_signed_in_its_name() {
    let world = World::new().await;
    world.domain("served.test", &[1]);
    let mx = world.exchanger(1, Script::default()).await;
    let mut keys = Keys::new();
    keys.make("served.test", "e1", &["--ed25519"], "");
    let config = format!(
        "\n[relay]\nfrom = [\"127.0.0.9/32\"]\ndomains = [\"served.test\"]\n\n[dkim]\nalways = \"served.test\"\n{}",
        keys.sections
    );
    let relay = world.relay_with("", &config).await;
    let message = b"From: Boss <boss@served.test>\r\nSubject: pay\r\n\r\nnow\r\n";
    assert!(send(&relay, &["bob@served.test"], message).await);
    let received = mx.wait_for(1).await;
    assert_eq!(
        signatures(&received[0].message),
        0,
        "{}",
        received[0].text()
    );
}

#[tokio::test]
async fn bounces_of_the_relay_are_signed_as_well() {
    let Some(verifier) = Verifier::find() else {
        return;
    };
    let world = World::new().await;
    world.domain("sender.test", &[1]);
    world.domain("dest.test", &[2]);
    let home = world.exchanger(1, Script::default()).await;
    let refusing = Script::default().on(|event, _| {
        event
            .starts_with("RCPT")
            .then(|| baton_tests::mx::Act::say("550 5.1.1 no such user"))
    });
    let _away = world.exchanger(2, refusing).await;
    let mut keys = Keys::new();
    keys.make("relay.test", "e1", &["--ed25519"], "");
    let relay = world
        .relay_with("", &format!("\n[dkim]{}", keys.sections))
        .await;
    assert!(
        send(
            &relay,
            &["nobody@dest.test"],
            b"From: ann@sender.test\r\n\r\nx\r\n"
        )
        .await
    );
    let received = home.wait_for(1).await;
    let message = &received[0].message[..];
    assert_eq!(
        verifier.verify(&[message], &keys.records),
        [["pass"]],
        "{}",
        received[0].text()
    );
}

#[tokio::test]
async fn a_key_that_is_replaced_signs_from_then_on_and_a_broken_one_does_not() {
    let world = World::new().await;
    world.domain("dest.test", &[1]);
    let mx = world.exchanger(1, Script::default()).await;
    let (mut keys, mut newer) = (Keys::new(), Keys::new());
    let file = keys.make("sender.test", "e1", &["--ed25519"], "");
    let other = newer.make("sender.test", "e1", &["--ed25519"], "");
    let Some(verifier) = Verifier::find() else {
        return;
    };
    let relay = world
        .relay_with("", &format!("\n[dkim]{}", keys.sections))
        .await;
    let message = b"From: ann@sender.test\r\nSubject: x\r\n\r\nx\r\n";
    let last = async |count| {
        let received = mx.wait_for(count).await;
        received.last().expect("one").message.clone()
    };
    assert!(send(&relay, &["a@dest.test"], message).await);
    let first = last(1).await;
    assert_eq!(verifier.verify(&[&first], &keys.records), [["pass"]]);

    std::fs::write(&file, "no key").expect("written");
    eventually("it is told of", Duration::from_secs(30), async || {
        relay.log().contains("key not reloaded").then_some(())
    })
    .await;
    assert!(send(&relay, &["a@dest.test"], message).await);
    let second = last(2).await;
    assert_eq!(verifier.verify(&[&second], &keys.records), [["pass"]]);

    std::fs::copy(&other, &file).expect("copied");
    eventually("it is told of", Duration::from_secs(30), async || {
        relay.log().contains("key reloaded").then_some(())
    })
    .await;
    assert!(send(&relay, &["a@dest.test"], message).await);
    let third = last(3).await;
    assert_eq!(verifier.verify(&[&third], &newer.records), [["pass"]]);
    let by_the_old = verifier.verify(&[&third], &keys.records);
    assert_ne!(by_the_old, [["pass"]]);
}

#[test]
fn mistakes_about_keys_are_told_before_the_start() {
    let mut keys = Keys::new();
    let open = keys.make("a.test", "s1", &["--ed25519"], "");
    let broken = keys.make("a.test", "s2", &["--ed25519"], "from = \"soon\"");
    keys.make("b.test", "s1", &["--ed25519"], "");
    keys.make("b.test", "s2", &["--ed25519"], "");
    std::fs::set_permissions(&open, std::fs::Permissions::from_mode(0o644)).expect("chmod");
    std::fs::write(&broken, "nothing").expect("written");
    let missing =
        "\n[[dkim.key]]\ndomain = \"c.test\"\nselector = \"s1\"\nfile = \"/nonexistent.pem\"\n";
    let config = keys.folder.path().join("baton.toml");
    let text = format!(
        "[[listener]]\nname = \"in\"\naddress = \"127.0.0.1:0\"\n[dkim]\ndefault = \"d.test\"\nheaders = [\"Received\"]\n{}{missing}",
        keys.sections
    );
    std::fs::write(&config, text).expect("written");
    let output = run(&["check", "--config", &config.display().to_string()]);
    assert_eq!(output.status.code(), Some(2));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    for what in [
        "can be read by others than its owner (mode 0644): run chmod 600",
        "holds no key that signs",
        "\"soon\" is not a time",
        "begin to sign at the same time",
        "there is no key for d.test",
        "Received changes on the way",
        "cannot read /nonexistent.pem",
    ] {
        assert!(told.contains(what), "{what}: {told}");
    }
    // A key that is there is never written over.
    let out = keys.folder.path().display().to_string();
    let again = run(&[
        "dkim",
        "new",
        "--domain",
        "a.test",
        "--selector",
        "s1",
        "--ed25519",
        "--out",
        &out,
    ]);
    assert_eq!(again.status.code(), Some(1));
}

#[tokio::test]
async fn the_keys_are_compared_with_what_is_published() {
    let world = World::new().await;
    let mut keys = Keys::new();
    for selector in ["good", "other", "gone", "nothing"] {
        let more = format!("active = {}", selector == "good");
        keys.make("sender.test", selector, &["--ed25519"], &more);
    }
    let name = |selector: &str| format!("{selector}._domainkey.sender.test");
    let record = |selector: &str| keys.records[&name(selector)].clone();
    world.dns.text(&name("good"), &record("good"));
    world.dns.text(&name("other"), &record("good"));
    world.dns.text(&name("gone"), "v=DKIM1; k=ed25519; p=");
    let check = |sections: String| {
        let config = keys.folder.path().join("baton.toml");
        let text = format!(
            "[[listener]]\nname = \"in\"\naddress = \"127.0.0.1:0\"\n[dns]\nservers = [\"{}\"]\n{sections}",
            world.dns.addr
        );
        std::fs::write(&config, text).expect("written");
        let config = config.display().to_string();
        async move {
            let work = move || run(&["dkim", "check", "--json", "--config", &config]);
            tokio::task::spawn_blocking(work).await.expect("no panic")
        }
    };
    let output = check(keys.sections.clone()).await;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{told}");
    let sections = keys
        .sections
        .replace("active = false", "from = \"2090-01-01\"");
    let sections =
        sections
            .replacen("2090-01-01", "2091-01-01", 1)
            .replacen("2090-01-01", "2092-01-01", 1);
    let output = check(sections).await;
    assert_eq!(output.status.code(), Some(1));
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let said = |selector: &str| {
        let all = found.as_array().expect("a list");
        let one = all
            .iter()
            .find(|one| one["selector"] == selector)
            .expect("listed");
        one["message"].as_str().expect("a text").to_owned()
    };
    assert_eq!(said("good"), "published");
    assert_eq!(said("other"), "the record holds another key");
    assert_eq!(said("gone"), "the record says that the key was revoked");
    assert_eq!(said("nothing"), "nothing is published there");
}
