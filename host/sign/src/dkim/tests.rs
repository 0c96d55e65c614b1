use std::sync::{Arc, OnceLock};

use mail_auth::AuthenticatedMessage;
use mail_auth::common::parse::TxtRecordParser;
use mail_auth::common::verify::DomainKey as Published;
use proptest::prelude::*;

use super::*;
use crate::generate;
use crate::key::Key;

const NOW: u64 = 1_760_000_000;

fn pems() -> &'static [String; 2] {
    static PEMS: OnceLock<[String; 2]> = OnceLock::new();
    PEMS.get_or_init(|| {
        [
            generate::rsa(2048).expect("a key"),
            generate::ed25519().expect("a key"),
        ]
    })
}

/// Both kinds of keys for each domain.
fn ring(domains: &[&str], fallback: Option<&str>) -> Keyring {
    let mut keys = Vec::new();
    for domain in domains {
        for (selector, pem) in ["r", "e"].iter().zip(pems()) {
            keys.push(DomainKey {
                domain: (*domain).into(),
                selector: (*selector).into(),
                from: 0,
                key: Arc::new(Key::from_pem(pem.as_bytes()).expect("valid")),
            });
        }
    }
    Keyring::new(keys, fallback, None)
}

fn anybody(_: &Mailbox) -> bool {
    true
}

fn signed(message: &[u8]) -> Vec<u8> {
    let ring = ring(&["example.net"], None);
    let pieces = [Bytes::copy_from_slice(message)];
    let fields = sign(&pieces, &ring, &Coverage::default(), anybody, NOW).expect("signed");
    [&fields, message].concat()
}

/// How many signatures of a message hold, by mail-auth's reading of it.
fn holding(message: &[u8]) -> usize {
    let message = AuthenticatedMessage::parse(message).expect("a message");
    let holds = |header: &mail_auth::common::headers::Header<'_, Signature>| {
        let signature = &header.header;
        let known = ring(&["example.net"], None);
        let key = known
            .keys()
            .find(|key| *key.selector == signature.s)
            .expect("ours");
        let published = Published::parse(key.key.record().as_bytes()).expect("a record");
        let body = message
            .body_hashes
            .iter()
            .any(|(.., hash)| *hash == signature.bh);
        let stripped = strip(header.value);
        let mut fields = message.signed_headers(&signature.h, header.name, &stripped);
        body && published
            .p
            .verify(&mut fields, &signature.b, signature.ch, signature.a)
            .is_ok()
    };
    message
        .dkim_headers
        .iter()
        .filter(|header| holds(header))
        .count()
}

/// A signature field without the octets of the signature, and without its line end (RFC 6376 3.7).
fn strip(value: &[u8]) -> Vec<u8> {
    let start = memmem::rfind(value, b" b=")
        .or_else(|| memmem::rfind(value, b"\tb="))
        .expect("a signature")
        + 3;
    let end = start + memchr::memchr(b';', &value[start..]).unwrap_or(value.len() - start);
    [&value[..start], &value[end..]]
        .concat()
        .trim_ascii_end()
        .to_vec()
}

const MESSAGE: &[u8] = b"Received: from here\r\nFrom: Ann <ann@example.net>\r\nTo: bob@example.org\r\n\
    Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n and more\r\nDate: Sat, 22 Nov 2025 10:10:00 +0000\r\n\
    List-Unsubscribe: <https://example.net/u>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n\r\n\
    Hello  Bob,\r\n\r\nbye \r\n";

#[test]
fn a_message_gets_a_signature_of_each_kind_and_both_hold() {
    let signed = signed(MESSAGE);
    let text = String::from_utf8_lossy(&signed);
    assert_eq!(text.matches("DKIM-Signature: v=1;").count(), 2, "{text}");
    assert!(
        text.contains("a=rsa-sha256; s=r; d=example.net; c=relaxed/relaxed;"),
        "{text}"
    );
    assert!(text.contains("a=ed25519-sha256; s=e;"), "{text}");
    assert!(!text.contains(" l=") && !text.contains("x="), "{text}");
    assert_eq!(holding(&signed), 2, "{text}");
}

#[test]
fn the_fields_are_folded() {
    let signed = signed(MESSAGE);
    let longest = signed.split(|byte| *byte == b'\n').map(<[u8]>::len).max();
    assert!(longest < Some(90), "{longest:?}");
}

#[test]
fn nothing_that_people_see_can_be_changed_or_added() {
    let signed = signed(MESSAGE);
    let text = String::from_utf8(signed).expect("text");
    for (what, to) in [
        ("Ann <ann@", "Eve <ann@"),
        ("and more", "and less"),
        ("Hello  Bob", "Hello  Eve"),
        ("bye \r\n", "bye \r\nP.S. pay\r\n"),
        ("net/u>", "net/v>"),
        ("=One-Click", "=Two-Click"),
    ] {
        let changed = text.replace(what, to);
        assert_ne!(changed, text);
        assert_eq!(holding(changed.as_bytes()), 0, "{what}");
    }
    for added in [
        "From: eve@example.com",
        "Subject: pay",
        "To: all@example.org",
        "Reply-To: eve@example.com",
        "Cc: eve@example.com",
        "Date: now",
        "Content-Type: text/html",
        "Content-Transfer-Encoding: base64",
        "List-Unsubscribe: <https://example.com/>",
        "List-Unsubscribe-Post: x",
    ] {
        assert_eq!(
            holding(format!("{added}\r\n{text}").as_bytes()),
            0,
            "{added}"
        );
        let lower = text.replace("Received:", &format!("{added}\r\nReceived:"));
        assert_eq!(holding(lower.as_bytes()), 0, "{added}");
    }
    // What trace fields are added on the way does no harm, nor does new folding.
    let relayed = format!("Received: from there\r\nX-Seen: yes\r\n{text}");
    assert_eq!(holding(relayed.as_bytes()), 2);
    let folded = text
        .replace("Hello  Bob", "Hello \t Bob")
        .replace("\r\n and more", " and\r\n more");
    assert_eq!(holding(folded.as_bytes()), 2);
}

#[test]
fn a_message_whose_author_is_in_doubt_is_not_signed() {
    let ring = ring(&["example.net"], Some("example.net"));
    let why = |message: &'static [u8]| {
        let pieces = [Bytes::from_static(message)];
        sign(&pieces, &ring, &Coverage::default(), anybody, NOW).expect_err("not signed")
    };
    let two = b"From: ann@example.net\r\nfrom : eve@example.com\r\n\r\nx\r\n";
    assert_eq!(why(two), Unsigned::Froms(2));
    assert_eq!(why(b"Subject: x\r\n\r\nx\r\n"), Unsigned::Froms(0));
    assert_eq!(
        why(b"From: ann@example.net\r\nno field\r\n\r\nx\r\n"),
        Unsigned::Malformed
    );
    assert_eq!(why(b"From: ann@example.net\r\n"), Unsigned::Malformed);
}

#[test]
fn an_account_gets_no_signature_of_a_domain_that_it_may_not_use() {
    let message = Bytes::from_static(b"From: Boss <boss@example.net>\r\n\r\nx\r\n");
    let ann_alone = |author: &Mailbox| author.to_string() == "ann@example.com";
    let sign = |ring: &Keyring, message: &Bytes| {
        sign(
            std::slice::from_ref(message),
            ring,
            &Coverage::default(),
            ann_alone,
            NOW,
        )
    };
    let theirs = Unsigned::NotTheirs("boss@example.net".into());
    assert_eq!(
        sign(&ring(&["example.net"], None), &message),
        Err(theirs.clone())
    );
    // Not by way of the domain that signs for others either.
    let own = ring(&["example.net"], Some("example.net"));
    assert_eq!(sign(&own, &message), Err(theirs.clone()));
    let beside = ring(&["mail.example.net"], Some("mail.example.net"));
    assert_eq!(sign(&beside, &message), Err(theirs));
    let other = ring(&["example.net", "relay.example"], Some("relay.example"));
    let fields = sign(&other, &message).expect("signed");
    assert!(memmem::find(&fields, b"d=relay.example;").is_some());
    assert!(memmem::find(&fields, b"d=example.net").is_none());
    // One author among several that is not theirs is enough.
    let several = Bytes::from_static(b"From: ann@example.com, boss@example.net\r\n\r\nx\r\n");
    let both = ring(&["example.com", "example.net"], None);
    assert!(matches!(sign(&both, &several), Err(Unsigned::NotTheirs(_))));
}

#[test]
fn further_fields_and_an_end_are_signed_where_they_are_asked_for() {
    let ring = ring(&["example.net"], None);
    let coverage = Coverage {
        further: vec!["X-Campaign".into()],
        valid_seconds: 3600,
    };
    let message = Bytes::from_static(b"From: a@example.net\r\nX-Campaign: 7\r\n\r\n");
    let fields = sign(
        std::slice::from_ref(&message),
        &ring,
        &coverage,
        anybody,
        NOW,
    )
    .expect("signed");
    let text = String::from_utf8_lossy(&fields).replace("\r\n\t", "");
    assert!(text.contains("X-Campaign:X-Campaign"), "{text}");
    assert!(text.contains(&format!("x={}", NOW + 3600)), "{text}");
    assert_eq!(holding(&[&fields[..], &message].concat()), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_message_cut_anywhere_gets_the_same_signatures_and_they_hold(
        subject in "[ -~\u{e9}]{0,60}( |\t)?",
        body in "([a-z.=]{0,70}( |\t)?\r\n){0,8}[a-z]{0,10}",
        cuts in proptest::collection::vec(0usize..600, 0..5),
    ) {
        // mail-auth and the RFC differ about lines of blanks at the end: see `canon`.
        prop_assume!(body.trim_end_matches("\r\n") == body.trim_end());
        let message = format!(
            "Received: here\r\nFrom: ann@example.net\r\nSubject: {subject}\r\n\tx\r\n\r\n{body}"
        );
        let bytes = Bytes::from(message.into_bytes());
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(bytes.len())).collect();
        cuts.extend([0, bytes.len()]);
        cuts.sort_unstable();
        let pieces: Vec<Bytes> = cuts.windows(2).map(|two| bytes.slice(two[0]..two[1])).collect();
        let ring = ring(&["example.net"], None);
        let sign = |pieces: &[Bytes]| sign(pieces, &ring, &Coverage::default(), anybody, NOW);
        let fields = sign(&pieces).expect("signed");
        prop_assert_eq!(&fields, &sign(std::slice::from_ref(&bytes)).expect("signed"));
        prop_assert_eq!(holding(&[&fields[..], &bytes].concat()), 2);
    }
}
