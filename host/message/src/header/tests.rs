use super::*;

fn section(text: &str) -> HeaderSection {
    HeaderSection::parse(Bytes::copy_from_slice(text.as_bytes()))
}

#[test]
fn fields_keep_their_bytes_and_order() {
    let header = section("Subject: one\r\n two\r\nX-A :  b \r\nsubject: last\r\n\r\nbody: no\r\n");
    let fields: Vec<_> = header.fields().map(|f| (f.name(), f.raw_value())).collect();
    assert_eq!(
        fields,
        [
            ("Subject", &b" one\r\n two"[..]),
            ("X-A", b"  b "),
            ("subject", b" last"),
        ]
    );
    assert_eq!(header.first("SUBJECT").unwrap().value(), "one two");
    assert_eq!(header.first("x-a").unwrap().value(), "b");
    assert_eq!(header.count("Subject"), 2);
    assert!(header.is_well_formed() && header.has_separator());
    assert_eq!(header.body(), 48);
}

#[test]
fn a_message_without_header_is_all_body() {
    let header = section("\r\nhello\r\n");
    assert_eq!((header.fields().len(), header.body()), (0, 2));
    assert!(header.is_well_formed());
}

#[test]
fn a_line_that_is_no_field_ends_the_section() {
    let header = section("From: a\r\nhello world\r\nTo: b\r\n\r\nx\r\n");
    assert_eq!(header.fields().len(), 1);
    assert_eq!(header.defect(), Some(Defect::NotAField));
    assert_eq!(header.body(), 9);
    assert!(!header.has_separator());
    for broken in [
        " folded first\r\n\r\n",
        ": no name\r\n\r\n",
        "a b: c\r\n\r\n",
        "\u{e9}: c\r\n\r\n",
    ] {
        let header = section(broken);
        assert_eq!(header.defect(), Some(Defect::NotAField), "{broken:?}");
        assert_eq!(header.body(), 0);
    }
}

#[test]
fn a_section_without_end_is_told_apart() {
    for text in ["", "From: a", "From: a\r\n", "From: a\r\n b"] {
        let header = section(text);
        assert_eq!(header.defect(), Some(Defect::NoSeparator), "{text:?}");
        assert_eq!(header.body(), text.len());
    }
}

#[test]
fn lines_may_end_in_lf() {
    let header = section("A: 1\nB: 2\n 3\n\nbody");
    let values: Vec<_> = header.fields().map(|f| f.value()).collect();
    assert_eq!(values, ["1", "2 3"]);
    assert_eq!(header.body(), 14);
}

#[test]
fn a_section_beyond_the_limits_still_has_its_border() {
    let mut text = "A: 1\r\n".repeat(HEADER_FIELDS_MAX + 10);
    let end = text.len();
    text.push_str("\r\nbody");
    let header = section(&text);
    assert_eq!(header.defect(), Some(Defect::TooLarge));
    assert_eq!(header.count("a"), HEADER_FIELDS_MAX);
    assert_eq!((header.range().end, header.body()), (end, end + 2));

    let long = format!("A: {}\r\n\r\nbody", "x".repeat(HEADER_BYTES_MAX));
    let header = section(&long);
    assert_eq!(header.defect(), Some(Defect::TooLarge));
    assert_eq!(header.body(), long.len() - 4);
}

#[test]
fn a_value_never_holds_control_characters() {
    let header = section("S: a\x01b\r\n\tc =?utf-8?q?x=0D=0AEvil:_1=00?=\r\n\r\n");
    assert_eq!(header.first("s").unwrap().value(), "a b\tc x  Evil: 1 ");
}

#[test]
fn eight_bit_values_are_read_as_utf_8_or_windows_1252() {
    let header = HeaderSection::parse(Bytes::from_static(b"A: \xc3\xa9\r\nB: \xe9\r\n\r\n"));
    assert_eq!(header.first("a").unwrap().value(), "\u{e9}");
    assert_eq!(header.first("b").unwrap().value(), "\u{e9}");
    assert!(!header.is_ascii());
}
