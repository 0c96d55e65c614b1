use proptest::prelude::*;

use super::parameter::{check_mail, check_rcpt, parse_list};
use super::*;
use crate::extension::Extensions;

fn parameters(text: &str) -> Vec<Parameter> {
    parse_list(text).unwrap_or_else(|error| panic!("{text}: {error:?}"))
}

#[test]
fn the_readings_of_an_envelope_are_decoded() {
    let mut envelope = Envelope::new(ReversePath::Null);
    assert_eq!((envelope.size(), envelope.body()), (None, Body::SevenBit));
    envelope.parameters =
        parameters("SIZE=12 body=8bitmime SMTPUTF8 RET=hdrs ENVID=a+2Bb AUTH=joe+40b.test");
    assert_eq!(envelope.size(), Some(12));
    assert_eq!(envelope.body(), Body::EightBitMime);
    assert!(envelope.smtputf8());
    assert_eq!(envelope.ret(), Some(Ret::Headers));
    assert_eq!(envelope.envid().as_deref(), Some("a+b"));
    assert_eq!(envelope.auth().as_deref(), Some("joe@b.test"));
}

#[test]
fn the_readings_of_a_recipient_are_decoded() {
    let mut recipient = Recipient::new(Mailbox::parse("a@b.test").expect("a mailbox"));
    assert_eq!((recipient.notify(), recipient.orcpt()), (None, None));
    recipient.parameters = parameters("NOTIFY=failure,DELAY ORCPT=rfc822;a+2Bb@c.test");
    let notify = recipient.notify().expect("NOTIFY");
    assert_eq!(
        notify,
        Notify {
            success: false,
            failure: true,
            delay: true
        }
    );
    assert_eq!(notify.to_string(), "FAILURE,DELAY");
    let original = recipient.orcpt().expect("ORCPT");
    assert_eq!(
        (original.address_type.as_str(), original.address.as_str()),
        ("rfc822", "a+b@c.test")
    );
    assert_eq!(original.to_string(), "rfc822;a+2Bb@c.test");
    recipient.parameters = parameters("NOTIFY=NEVER");
    assert!(recipient.notify().expect("NOTIFY").is_never());
}

#[test]
fn utf8_addresses_are_understood_in_both_forms() {
    for text in [r"utf-8;jos\x{E9}@b.test", "utf-8;josé@b.test"] {
        let original = OriginalRecipient::parse(text).expect(text);
        assert_eq!(original.address, "josé@b.test");
        assert_eq!(original.to_string(), r"utf-8;jos\x{E9}@b.test");
    }
    for bad in [
        r"utf-8;\x{}",
        r"utf-8;\x{D800}",
        r"utf-8;\x{110000}",
        r"utf-8;\x{0}",
        r"utf-8;\xE9",
        r"utf-8;\",
        "utf-8;a b",
        "utf-8;a+b",
        "rfc822;josé@b.test",
        ";a",
        "a@b.test",
        "a b;c",
    ] {
        assert_eq!(OriginalRecipient::parse(bad), None, "{bad}");
    }
}

#[test]
fn parameters_have_a_form() {
    assert_eq!(
        parameters(" A  b-1=x "),
        [
            Parameter::new("A", None).expect("a parameter"),
            Parameter::new("B-1", Some("x")).expect("a parameter"),
        ]
    );
    for bad in ["=1", "a=", "a==", "-a", "a_b", "a=b=c", "é=1"] {
        assert_eq!(parse_list(bad), Err(ParameterError::Malformed), "{bad}");
    }
    for value in ["a b", "a\r\nRCPT", "a\n", "\0", ""] {
        assert_eq!(Parameter::new("X", Some(value)), None);
    }
    assert_eq!(parse_list("a A"), Err(ParameterError::Repeated));
    let many: Vec<String> = (0..33).map(|index| format!("x{index}")).collect();
    assert_eq!(parse_list(&many.join(" ")), Err(ParameterError::TooMany));
}

#[test]
fn parameters_are_checked_against_what_was_offered() {
    let all = Extensions::default();
    let mail = |text: &str| check_mail(&parameters(text), &all, true);
    let rcpt = |text: &str| check_rcpt(&parameters(text), &all);
    for good in [
        "SIZE=0",
        "BODY=7BIT",
        "SMTPUTF8",
        "RET=FULL",
        "ENVID=x",
        "AUTH=<>",
        "",
    ] {
        assert_eq!(mail(good), Ok(()), "{good}");
    }
    for bad in [
        "SIZE",
        "SIZE=",
        "SIZE=-1",
        "SIZE=123456789012345678901",
        "BODY",
        "BODY=BINARYMIME",
        "SMTPUTF8=1",
        "RET",
        "ENVID",
        "AUTH=+",
        "ENVID=+00",
        "ENVID=+FF",
    ] {
        if let Ok(parameters) = parse_list(bad) {
            let error = check_mail(&parameters, &all, true);
            assert_eq!(error, Err(ParameterError::Value), "{bad}");
        }
    }
    assert_eq!(
        mail(&format!("ENVID={}", "x".repeat(101))),
        Err(ParameterError::Value)
    );
    assert_eq!(mail("NOTIFY=NEVER"), Err(ParameterError::Unknown));
    assert_eq!(
        check_mail(&parameters("AUTH=<>"), &all, false),
        Err(ParameterError::Unknown)
    );
    for good in [
        "NOTIFY=NEVER",
        "NOTIFY=success,failure,delay",
        "ORCPT=rfc822;a@b.test",
    ] {
        assert_eq!(rcpt(good), Ok(()), "{good}");
    }
    for bad in [
        "NOTIFY",
        "NOTIFY=NEVER,DELAY",
        "NOTIFY=,",
        "ORCPT=x",
        "ORCPT",
    ] {
        assert_eq!(rcpt(bad), Err(ParameterError::Value), "{bad}");
    }
    assert_eq!(
        rcpt(&format!("ORCPT=rfc822;{}", "x".repeat(500))),
        Err(ParameterError::Value)
    );
    let none = Extensions { dsn: false, ..all };
    assert_eq!(
        check_rcpt(&parameters("NOTIFY=NEVER"), &none),
        Err(ParameterError::Unknown)
    );
}

#[test]
fn xtext_is_what_the_rfc_says() {
    assert_eq!(encode_xtext("a+b=c d\u{7f}é"), "a+2Bb+3Dc+20d+7F+C3+A9");
    for bad in ["+", "+2", "+2G", "=", "a b", "é", "+0A", "+00", "+C3"] {
        assert_eq!(decode_xtext(bad), None, "{bad}");
    }
    assert_eq!(decode_xtext("+2b"), Some("+".to_owned()));
}

proptest! {
    #[test]
    fn xtext_decodes_to_what_was_encoded(text in "\\PC{0,40}") {
        let encoded = encode_xtext(&text);
        prop_assert!(encoded.bytes().all(|byte| (b'!'..=b'~').contains(&byte) && byte != b'='));
        prop_assert_eq!(decode_xtext(&encoded), Some(text));
    }

    #[test]
    fn an_original_recipient_prints_as_what_parses_to_it(
        address_type in prop::sample::select(vec!["rfc822", "utf-8", "UTF-8", "x400"]),
        address in "\\PC{1,40}",
    ) {
        let original = OriginalRecipient { address_type: address_type.to_owned(), address };
        let text = original.to_string();
        prop_assert!(Parameter::new("ORCPT", Some(&text)).is_some());
        prop_assert_eq!(OriginalRecipient::parse(&text), Some(original));
    }

    #[test]
    fn any_text_of_parameters_is_parsed_or_refused(text in "\\PC{0,60}") {
        if let Ok(parsed) = parse_list(&text) {
            let words: Vec<String> = parsed.iter().map(Parameter::to_string).collect();
            prop_assert_eq!(parse_list(&words.join(" ")), Ok(parsed.clone()));
            let _ = check_mail(&parsed, &Extensions::default(), true);
            let _ = check_rcpt(&parsed, &Extensions::default());
        }
    }
}
