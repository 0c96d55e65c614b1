use proptest::prelude::*;

use super::exchange::{Exchange, Step, client_initial, client_login};
use super::{Credentials, Mechanism};

fn done(step: Step) -> Option<Credentials> {
    match step {
        Step::Done(credentials) => Some(credentials),
        _ => None,
    }
}

#[test]
fn secrets_are_not_shown() {
    let credentials = Credentials {
        identity: "joe".to_owned(),
        secret: "hush".to_owned(),
    };
    assert!(!format!("{credentials:?}").contains("hush"));
}

#[test]
fn plain_takes_three_parts_and_nobody_else() {
    use base64::Engine;
    let plain = |text: &str| {
        let line = base64::engine::general_purpose::STANDARD.encode(text);
        done(Exchange::begin(Mechanism::Plain, Some(&line)))
    };
    assert!(plain("\0joe\0secret").is_some());
    assert!(plain("joe\0joe\0secret").is_some());
    for bad in [
        "",
        "joe",
        "joe\0secret",
        "\0joe\0",
        "\0\0secret",
        "\0joe\0a\0b",
        "ann\0joe\0secret",
        "\0jo\ne\0secret",
    ] {
        assert!(plain(bad).is_none(), "{bad:?}");
    }
    assert!(matches!(
        Exchange::Plain.line("not base64!"),
        Step::Malformed
    ));
    assert!(matches!(Exchange::Plain.line("/////w=="), Step::Malformed));
    assert!(matches!(Exchange::Plain.line("*"), Step::Cancelled));
}

proptest! {
    #[test]
    fn the_server_understands_what_the_client_says(
        identity in "[^\\pC]{1,20}",
        secret in "[^\\x00]{1,20}",
    ) {
        let credentials = Credentials { identity, secret };
        let line = client_initial(&credentials);
        prop_assert_eq!(
            done(Exchange::begin(Mechanism::Plain, Some(&line))),
            Some(credentials.clone())
        );
        let name = client_login(&credentials, 0).expect("a name");
        let Step::Challenge(exchange, _) = Exchange::begin(Mechanism::Login, Some(&name)) else {
            panic!("no challenge");
        };
        let secret = client_login(&credentials, 1).expect("a secret");
        prop_assert_eq!(done(exchange.line(&secret)), Some(credentials.clone()));
        prop_assert_eq!(client_login(&credentials, 2), None);
    }
}
