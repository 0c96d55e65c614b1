use baton_smtp::envelope::Notify;
use baton_spool::MessageId;
use bytes::Bytes;

use super::*;

const DAY_MS: u64 = 86_400_000;
const MADE_MS: u64 = 20_000 * DAY_MS;

fn settings() -> config::ReturnPath {
    config::ReturnPath {
        domain: "bounce.example.net".into(),
        per: config::Per::Transaction,
        valid_for: Duration::from_secs(60 * 86_400),
        rotate_after: Duration::from_secs(30 * 86_400),
        key_file: None,
        feedback: vec!["fbl@bounce.example.net".into()],
        postmaster: Mailbox::parse("ann@example.net").ok(),
        header: true,
    }
}

fn opened() -> (tempfile::TempDir, ReturnPath) {
    let folder = tempfile::tempdir().unwrap();
    let now = Timestamp::from_millis(MADE_MS);
    let open = ReturnPath::open(&settings(), folder.path(), now).unwrap();
    (folder, open)
}

fn token(recipient: Option<u32>) -> Token {
    Token {
        message: MessageId::new(MADE_MS, 0x1234_5678_9abc_def0_1234),
        recipient,
        wishes: Wishes(Some(Notify {
            success: true,
            failure: false,
            delay: true,
        })),
    }
}

fn later(days: u64) -> Timestamp {
    Timestamp::from_millis(MADE_MS + days * DAY_MS)
}

#[test]
fn an_address_comes_back_as_the_token_it_was_made_of_in_any_case() {
    let (_folder, ours) = opened();
    for recipient in [
        None,
        Some(0),
        Some(1),
        Some(126),
        Some(127),
        Some(9_999),
        Some(u32::MAX),
    ] {
        for wishes in [None, Some(Notify::default()), token(None).wishes.0] {
            let token = Token {
                wishes: Wishes(wishes),
                ..token(recipient)
            };
            let address = ours.address(&token).unwrap();
            assert!(address.local().len() <= 64, "{address}");
            assert_eq!(address.domain().as_str(), "bounce.example.net");
            let upper = Mailbox::parse(&address.to_string().to_uppercase()).unwrap();
            for address in [address, upper] {
                assert_eq!(
                    ours.recognise(&address, later(59)),
                    Some(Ok(Place::Token(token)))
                );
            }
        }
    }
}

#[test]
fn no_change_of_a_single_character_is_taken() {
    let (_folder, ours) = opened();
    let address = ours.address(&token(Some(3))).unwrap();
    let local = address.local();
    for place in 2..local.len() {
        for other in ["a", "q", "7", "0", "-"] {
            if local[place..].starts_with(other) {
                continue;
            }
            let mut forged = local.to_owned();
            forged.replace_range(place..=place, other);
            let forged = Mailbox::new(&forged, address.domain().clone()).unwrap();
            let answer = ours.recognise(&forged, later(1));
            assert!(matches!(answer, Some(Err(_))), "{forged}: {answer:?}");
        }
    }
    for cut in 1..4 {
        let short = Mailbox::new(&local[..local.len() - cut], address.domain().clone()).unwrap();
        assert!(matches!(ours.recognise(&short, later(1)), Some(Err(_))));
    }
}

#[test]
fn an_address_expires_and_another_relays_key_is_worth_nothing() {
    let (_folder, ours) = opened();
    let (_other_folder, theirs) = opened();
    let address = ours.address(&token(Some(0))).unwrap();
    assert_eq!(
        ours.recognise(&address, later(61)),
        Some(Err(Rejected::Expired))
    );
    assert_eq!(
        theirs.recognise(&address, later(1)),
        Some(Err(Rejected::Signature))
    );
}

#[test]
fn an_address_outlives_the_rotation_of_its_key() {
    let (folder, ours) = opened();
    let address = ours.address(&token(Some(0))).unwrap();
    ours.rotate(folder.path(), later(31)).unwrap();
    assert_ne!(ours.address(&token(Some(0))), Some(address.clone()));
    assert!(matches!(
        ours.recognise(&address, later(59)),
        Some(Ok(Place::Token(_)))
    ));
}

#[test]
fn nobody_else_is_at_the_domain_but_whom_the_operator_names() {
    let (_folder, ours) = opened();
    let answer = |text: &str| ours.recognise(&Mailbox::parse(text).unwrap(), later(1));
    assert_eq!(answer("FBL@Bounce.Example.NET"), Some(Ok(Place::Feedback)));
    let people = Mailbox::parse("ann@example.net").unwrap();
    assert_eq!(
        answer("Postmaster@bounce.example.net"),
        Some(Ok(Place::People(people)))
    );
    assert_eq!(answer("bob@bounce.example.net"), Some(Err(Rejected::Form)));
    assert_eq!(answer("b-@bounce.example.net"), Some(Err(Rejected::Form)));
    assert_eq!(answer("bob@example.net"), None);
}

#[test]
fn a_token_is_found_in_whatever_a_report_gives_back() {
    let (_folder, ours) = opened();
    let token = token(Some(7));
    let address = ours.address(&token).unwrap();
    let field = ours.field(&token).unwrap();
    assert!(field.starts_with("X-Return-Token: b-") && field.ends_with("\r\n"));
    let encoded =
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, field.as_bytes());
    let reports = [
        format!("Subject: x\r\n\r\nReturn-Path: <{address}>\r\n"),
        format!("Subject: x\r\n\r\n> {}", field.to_uppercase()),
        format!(
            "Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n{encoded}\r\n"
        ),
    ];
    for report in reports {
        let message = Message::parse(Bytes::from(report.clone()));
        assert_eq!(ours.find(&message, later(1)), Some(token), "{report}");
        assert_eq!(ours.find(&message, later(90)), None, "{report}");
    }
    let without = Message::parse(Bytes::from_static(
        b"Subject: x\r\n\r\nb-redacted b-aaaa\r\n",
    ));
    assert_eq!(ours.find(&without, later(1)), None);
}
