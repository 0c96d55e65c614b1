use proptest::prelude::*;

use super::*;
use crate::lines::Shape;

fn made(name: &str, value: &str) -> String {
    let field =
        NewField::new(name, value, false).unwrap_or_else(|error| panic!("{value:?}: {error}"));
    String::from_utf8(field.bytes().to_vec()).unwrap()
}

#[test]
fn ascii_stands_as_it_is() {
    assert_eq!(made("X-A", " b  c "), "X-A: b  c\r\n");
    assert_eq!(made("X-A", ""), "X-A: \r\n");
    assert_eq!(
        made("To", "a@b.example,c@d.example"),
        "To: a@b.example,c@d.example\r\n"
    );
}

#[test]
fn long_values_are_folded_at_their_blanks() {
    let value = "word ".repeat(40);
    let field = made("Subject", &value);
    assert!(field.lines().count() > 2);
    assert!(field.lines().all(|line| line.len() <= 78));
    assert_eq!(
        field.replace("\r\n ", " "),
        format!("Subject: {}\r\n", value.trim())
    );
}

#[test]
fn text_beyond_ascii_becomes_encoded_words() {
    assert_eq!(
        made("Subject", "Gr\u{fc}\u{df}e an alle"),
        "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= an alle\r\n"
    );
    assert_eq!(
        made("Subject", "a long phrase with \u{e9} in it"),
        "Subject: a long phrase with =?utf-8?q?=C3=A9?= in it\r\n"
    );
    let long = made("Subject", &"\u{4f60}\u{597d}".repeat(60));
    assert!(long.lines().all(|line| line.len() <= 78));
}

#[test]
fn only_the_names_of_addresses_are_encoded() {
    assert_eq!(
        made("From", "J\u{fc}rgen \u{41}. <j@example.net>"),
        "From: =?utf-8?q?J=C3=BCrgen_A=2E?= <j@example.net>\r\n"
    );
    assert_eq!(
        made(
            "To",
            "\"M\u{fc}ller, A\" <a@b.example>, c@d.example (\u{e9}t\u{e9}), Gru\u{df}: x@y.example;"
        ),
        "To: =?utf-8?q?M=C3=BCller=2C_A?= <a@b.example>, c@d.example (=?utf-8?q?=C3=A9t=C3=A9?=),\r\n =?utf-8?q?Gru=C3=9F?= : x@y.example;\r\n"
    );
}

#[test]
fn an_address_beyond_ascii_needs_smtputf8() {
    for value in ["j\u{fc}rgen@example.net", "X <j\u{fc}rgen@example.net>"] {
        assert!(matches!(
            NewField::new("To", value, false),
            Err(Error::Invalid(_))
        ));
        let raw = NewField::new("To", value, true).unwrap();
        assert_eq!(raw.as_field().value(), value);
    }
    assert!(NewField::new("Message-ID", "<\u{e9}@x>", false).is_err());
    assert!(NewField::new("Message-ID", "<\u{e9}@x>", true).is_ok());
}

#[test]
fn nothing_can_be_smuggled_into_a_field() {
    for value in [
        "a\r\nB: c",
        "a\nb",
        "a\rb",
        "a\0b",
        "a\x1bb",
        "a\x7fb",
        "a\u{9c}b",
    ] {
        assert!(
            matches!(NewField::new("X-A", value, true), Err(Error::Invalid(_))),
            "{value:?}"
        );
    }
    for name in ["", "a b", "a:b", "a\r\n", "\u{e9}", "a\0"] {
        assert!(
            matches!(NewField::new(name, "x", true), Err(Error::Invalid(_))),
            "{name:?}"
        );
    }
    assert!(matches!(
        NewField::new(&"n".repeat(77), "x", false),
        Err(Error::TooLarge(_))
    ));
    assert!(matches!(
        NewField::new("X-A", &"x".repeat(FIELD_VALUE_BYTES_MAX + 1), false),
        Err(Error::TooLarge(_))
    ));
}

#[test]
fn a_word_that_looks_encoded_is_shown_as_it_was_written() {
    let value = "see =?utf-8?q?x?= there";
    let field = NewField::new("Subject", value, false).unwrap();
    assert_eq!(field.as_field().value(), value);
}

#[test]
fn what_no_line_can_hold_is_encoded_or_refused() {
    let long = "x".repeat(2_000);
    let field = NewField::new("Subject", &long, false).unwrap();
    assert_eq!(field.as_field().value(), long);
    assert!(Shape::of([&field.bytes()[..]]).line_bytes <= LINE_BYTES_MAX);
    assert!(matches!(
        NewField::new("List-Unsubscribe", &long, false),
        Err(Error::Invalid(_))
    ));
    let list = format!("{}z@example.net", "a@example.net,".repeat(200));
    let field = NewField::new("To", &list, false).unwrap();
    assert!(Shape::of([&field.bytes()[..]]).line_bytes <= LINE_BYTES_MAX);
    assert_eq!(field.as_field().value().replace(' ', ""), list);
}

#[test]
fn a_field_that_is_written_already_is_checked() {
    let field = NewField::verbatim("Received: from a\r\n\tby b;\r\n now\r\n").unwrap();
    assert_eq!(field.as_field().value(), "from a\tby b; now");
    let long = format!("A: {}\r\n", "x".repeat(LINE_BYTES_MAX));
    for wrong in [
        "",
        "\r\n",
        "A: b",
        "A: b\n",
        "A: b\r\nC: d\r\n",
        "A: b\r\n\r\n",
        "A: b\r\n \r\n",
        "no field\r\n",
        "A: b\0\r\n",
        "A: b\rc\r\n",
        " A: b\r\n",
        &long,
    ] {
        assert!(
            matches!(NewField::verbatim(wrong), Err(Error::Invalid(_))),
            "{wrong:?}"
        );
    }
}

#[test]
fn a_list_of_addresses_without_end_is_refused() {
    for value in ["\"\u{e9} <a@b>", "\u{e9} <a@b", "\u{e9} (x"] {
        assert!(
            matches!(NewField::new("To", value, false), Err(Error::Invalid(_))),
            "{value}"
        );
    }
}

proptest! {
    #[test]
    fn any_value_comes_back_as_it_was(
        name in "[A-Za-z][A-Za-z0-9-]{0,75}",
        value in "([ -~]|[ \t]{1,5}|[\u{a0}-\u{24ff}]|=\\?|\u{1f600}){0,300}",
    ) {
        let name = format!("X-{}", &name[..name.len().min(70)]);
        let value = value.trim_matches([' ', '\t']);
        let field = NewField::new(&name, value, false).unwrap();
        prop_assert_eq!(field.as_field().value(), value);
        prop_assert!(field.bytes().is_ascii());
        let shape = Shape::of([&field.bytes()[..]]);
        prop_assert!(shape.is_clean() && shape.line_bytes <= LINE_BYTES_MAX);
        let text = std::str::from_utf8(field.bytes()).unwrap();
        prop_assert!(text.lines().all(|line| !line.trim().is_empty()));
        prop_assert!(text.lines().skip(1).all(|line| line.starts_with([' ', '\t'])));
    }

    #[test]
    fn encoded_words_are_those_of_rfc_2047(value in "[a-z \u{e9}\u{4f60}]{1,200}") {
        let field = NewField::new("Subject", &value, false).unwrap();
        let text = String::from_utf8(field.bytes().to_vec()).unwrap();
        for word in text.split_ascii_whitespace().filter(|word| word.contains("=?")) {
            prop_assert!(word.len() <= 75 && word.starts_with("=?utf-8?") && word.ends_with("?="), "{}", word);
        }
        // An independent reader understands it too.
        let message = [&field.bytes()[..], b"\r\n"].concat();
        let parsed = mail_parser::MessageParser::default().parse(&message).unwrap();
        let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        prop_assert_eq!(squeeze(parsed.subject().unwrap_or("")), squeeze(&value));
    }

    #[test]
    fn names_of_addresses_come_back(names in proptest::collection::vec("[A-Za-z\u{e9}\u{4f60}][A-Za-z \u{e9},.\u{4f60}]{0,40}", 1..6)) {
        let list: Vec<String> = names
            .iter()
            .enumerate()
            .map(|(at, name)| format!("\"{}\" <user{at}@example.net>", name.trim()))
            .collect();
        let field = NewField::new("To", &list.join(", "), false).unwrap();
        prop_assert!(field.bytes().is_ascii());
        let message = [&field.bytes()[..], b"\r\n"].concat();
        let parsed = mail_parser::MessageParser::default().parse(&message).unwrap();
        let read: Vec<_> = parsed
            .to()
            .unwrap()
            .iter()
            .map(|addr| (addr.name().unwrap_or("").to_owned(), addr.address().unwrap_or("").to_owned()))
            .collect();
        let squeeze = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        prop_assert_eq!(read.len(), names.len());
        for (at, (name, address)) in read.iter().enumerate() {
            prop_assert_eq!(squeeze(name), squeeze(&names[at]));
            prop_assert_eq!(address, &format!("user{at}@example.net"));
        }
    }
}
