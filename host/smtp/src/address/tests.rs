use proptest::prelude::*;

use super::{AddressError, Domain, ForwardPath, Mailbox, ReversePath};

fn mailbox(text: &str) -> Mailbox {
    Mailbox::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn domains_are_compared_in_ascii_and_lower_case() {
    let domain = |text| Domain::parse(text).expect(text);
    assert_eq!(domain("Example.COM").as_str(), "example.com");
    assert_eq!(domain("BÜCHER.example").as_str(), "xn--bcher-kva.example");
    assert_eq!(
        domain("xn--bcher-kva.example").to_unicode(),
        "bücher.example"
    );
    assert_eq!(domain("_dmarc.example").as_str(), "_dmarc.example");
    assert_eq!(domain("localhost").literal(), None);
}

#[test]
fn address_literals_hold_addresses() {
    let literal = |text| Domain::parse(text).expect(text);
    assert_eq!(
        literal("[192.0.2.1]").literal(),
        Some([192, 0, 2, 1].into())
    );
    let six = literal("[ipv6:2001:DB8:0::1]");
    assert_eq!(six.as_str(), "[IPv6:2001:db8::1]");
    assert_eq!(six.literal(), "2001:db8::1".parse().ok());
    assert_eq!(
        Domain::from(std::net::IpAddr::from([127, 0, 0, 1])).as_str(),
        "[127.0.0.1]"
    );
    for bad in [
        "[]",
        "[192.0.2]",
        "[2001:db8::1]",
        "[IPv6:192.0.2.1]",
        "[192.0.2.1",
        "[x:y]",
    ] {
        assert_eq!(Domain::parse(bad), Err(AddressError::Literal), "{bad}");
    }
}

#[test]
fn what_is_no_domain_is_refused() {
    for bad in [
        ".", "a.", ".a", "a..b", "-a.b", "a-.b", "a b", "a_b!", "a\u{0}b", "é..b", "a/b",
    ] {
        assert_eq!(Domain::parse(bad), Err(AddressError::Domain), "{bad}");
    }
    assert_eq!(Domain::parse(""), Err(AddressError::Empty));
    assert_eq!(Domain::parse(&"a".repeat(64)), Err(AddressError::TooLong));
    let long = ["a".repeat(63).as_str(); 4].join(".");
    assert_eq!(Domain::parse(&long), Err(AddressError::TooLong));
    assert!(Domain::parse(&long[..253]).is_ok());
}

#[test]
fn quoting_makes_no_difference_and_is_written_where_needed() {
    assert_eq!(mailbox("\"joe\"@b.test"), mailbox("joe@b.test"));
    assert_ne!(mailbox("Joe@b.test"), mailbox("joe@b.test"));
    for (text, local, written) in [
        ("\"joe smith\"@b.test", "joe smith", "\"joe smith\"@b.test"),
        (r#""a\"b\\c"@b.test"#, r#"a"b\c"#, r#""a\"b\\c"@b.test"#),
        (r#""\j@e"@b.test"#, "j@e", r#""j@e"@b.test"#),
        ("a..b@b.test", "a..b", "\"a..b\"@b.test"),
        ("\"\"@b.test", "", "\"\"@b.test"),
        ("josé@b.test", "josé", "josé@b.test"),
        ("a+b=c/d@B.test", "a+b=c/d", "a+b=c/d@b.test"),
    ] {
        assert_eq!(mailbox(text).local(), local);
        assert_eq!(mailbox(text).to_string(), written);
        assert_eq!(mailbox(written), mailbox(text));
    }
}

#[test]
fn what_is_no_mailbox_is_refused() {
    for (bad, error) in [
        ("", AddressError::Empty),
        ("joe", AddressError::NoDomain),
        ("@b.test", AddressError::Local),
        ("joe@", AddressError::Empty),
        ("joe smith@b.test", AddressError::Local),
        ("joe@b.test x", AddressError::Trailing),
        ("joe@b@c.test", AddressError::Domain),
        ("\"joe@b.test", AddressError::Local),
        ("\"joe\"x@b.test", AddressError::Local),
        ("\"a\\\u{e9}\"@b.test", AddressError::Local),
        ("jo\re@b.test", AddressError::Local),
        ("\"jo\re\"@b.test", AddressError::Local),
        ("\"jo\u{85}e\"@b.test", AddressError::Local),
    ] {
        assert_eq!(Mailbox::parse(bad), Err(error), "{bad:?}");
    }
    let long = format!("{}@b.test", "a".repeat(256));
    assert_eq!(Mailbox::parse(&long), Err(AddressError::TooLong));
}

#[test]
fn a_mailbox_from_parts_can_hold_anything_but_controls() {
    let domain = Domain::parse("b.test").expect("a domain");
    assert_eq!(
        Mailbox::new("a>b <c", domain.clone()).map(|mailbox| mailbox.to_string()),
        Ok("\"a>b <c\"@b.test".to_owned())
    );
    for bad in ["a\r\nRCPT TO:<x@y>", "a\nb", "a\0"] {
        assert_eq!(Mailbox::new(bad, domain.clone()), Err(AddressError::Local));
    }
}

#[test]
fn paths_have_brackets_and_perhaps_a_source_route() {
    let path = |text| ReversePath::parse_prefix(text);
    assert_eq!(path("<> X=1"), Ok((ReversePath::Null, " X=1")));
    let joe = ReversePath::Mailbox(mailbox("joe@b.test"));
    assert_eq!(path("<joe@b.test>"), Ok((joe.clone(), "")));
    assert_eq!(
        path("<@a.test,@[IPv6:::1]:joe@b.test> Y"),
        Ok((joe.clone(), " Y"))
    );
    for bad in [
        "joe@b.test",
        "<joe@b.test",
        "< joe@b.test>",
        "<joe@b.test >",
        "<@a.test>",
        "<@a.test:>",
        "<@:joe@b.test>",
        "<@a.test,joe@b.test>",
        "<@a.test,@:joe@b.test>",
        "<@[1.2.3.4:a@b.test>",
        "<@[é:a@b.test>",
        "",
    ] {
        assert!(path(bad).is_err(), "{bad}");
    }
    let route = format!("<{}:joe@b.test>", ["@a.test"; 200].join(","));
    assert_eq!(path(&route), Err(AddressError::TooLong));
    assert_eq!("<joe@b.test>".parse(), Ok(joe.clone()));
    assert_eq!("joe@b.test".parse(), Ok(joe));
    assert_eq!("".parse(), Ok(ReversePath::Null));
    assert_eq!(
        "<a@b.test>x".parse::<ReversePath>(),
        Err(AddressError::Trailing)
    );
}

#[test]
fn postmaster_needs_no_domain() {
    let here = Domain::parse("mx.test").expect("a domain");
    let (path, rest) = ForwardPath::parse_prefix("<PostMaster> X").expect("a path");
    assert_eq!((path.clone(), rest), (ForwardPath::Postmaster, " X"));
    assert_eq!(path.into_mailbox(&here), mailbox("postmaster@mx.test"));
    let (path, _) = ForwardPath::parse_prefix("<postmaster@b.test>").expect("a path");
    assert_eq!(path.into_mailbox(&here), mailbox("postmaster@b.test"));
    assert!(ForwardPath::parse_prefix("<>").is_err());
    assert!(ForwardPath::parse_prefix("<joe>").is_err());
}

proptest! {
    #[test]
    fn a_mailbox_prints_as_what_parses_to_it(
        local in "[ -~é\u{4e2d}]{0,20}",
        domain in "[a-z]([a-z0-9-]{0,8}[a-z0-9])?(\\.[a-z0-9]{1,5}){0,3}",
    ) {
        let mailbox = Mailbox::new(&local, Domain::parse(&domain).expect("a domain"))
            .expect("a mailbox");
        let text = mailbox.to_string();
        prop_assert_eq!(Mailbox::parse(&text), Ok(mailbox.clone()));
        let path = ReversePath::Mailbox(mailbox);
        let written = format!("{path} REST");
        prop_assert_eq!(ReversePath::parse_prefix(&written), Ok((path, " REST")));
    }

    #[test]
    fn any_text_parses_or_is_refused(text in "\\PC{0,40}") {
        if let Ok(mailbox) = Mailbox::parse(&text) {
            prop_assert_eq!(Mailbox::parse(&mailbox.to_string()), Ok(mailbox));
        }
        if let Ok(domain) = Domain::parse(&text) {
            prop_assert_eq!(Domain::parse(domain.as_str()), Ok(domain.clone()));
            prop_assert!(domain.as_str().is_ascii());
            prop_assert!(!domain.as_str().bytes().any(|byte| byte.is_ascii_uppercase())
                || domain.literal().is_some());
        }
        let _ = ReversePath::parse_prefix(&format!("<{text}>"));
    }
}
