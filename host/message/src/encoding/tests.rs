use proptest::prelude::*;

use super::*;

fn qp(text: &str) -> String {
    String::from_utf8(quoted_printable_encode(text.as_bytes())).unwrap()
}

#[test]
fn quoted_printable_leaves_readable_text_readable() {
    assert_eq!(qp("a=b\r\n"), "a=3Db\r\n");
    assert_eq!(qp("caf\u{e9}"), "caf=C3=A9");
    assert_eq!(qp("end \r\nend\t"), "end=20\r\nend=09");
    assert_eq!(qp("\rx\ny\0"), "=0Dx=0Ay=00");
    assert_eq!(qp(&"x".repeat(76)), "x".repeat(76));
    assert_eq!(qp(&"x".repeat(77)), format!("{}=\r\nxx", "x".repeat(75)));
}

#[test]
fn quoted_printable_is_read_as_mail_programs_do() {
    for (raw, wanted) in [
        ("a=\r\nb", "ab"),
        ("a=\nb", "ab"),
        ("a= \t\r\nb", "ab"),
        ("a \r\nb", "a\r\nb"),
        ("=e9=E9", "\u{e9}\u{e9}"),
        ("100=% =G0 =", "100=% =G0 "),
        ("a=", "a"),
        ("=3D", "="),
    ] {
        let wanted: Vec<u8> = wanted.chars().map(|c| c as u8).collect();
        assert_eq!(quoted_printable_decode(raw.as_bytes()), wanted, "{raw:?}");
    }
}

#[test]
fn base64_is_read_as_mail_programs_do() {
    for (raw, wanted) in [
        ("aGVsbG8=", "hello"),
        ("aGVs\r\nbG8=\r\n", "hello"),
        ("aGVsbG8", "hello"),
        ("aGVs!bG8=", "hello"),
        ("aGk=aGk=", "hihi"),
        ("", ""),
        ("a", ""),
    ] {
        assert_eq!(base64_decode(raw.as_bytes()), wanted.as_bytes(), "{raw:?}");
    }
}

#[test]
fn a_text_keeps_its_encoding_where_that_can_hold_it() {
    use TransferEncoding::{Base64, Binary, EightBit, QuotedPrintable, SevenBit};
    let long = "x".repeat(LINE_BYTES_MAX + 1);
    for (encoding, text, wanted) in [
        (SevenBit, "abc", SevenBit),
        (SevenBit, "\u{e9}", QuotedPrintable),
        (SevenBit, long.as_str(), QuotedPrintable),
        (SevenBit, "\0", QuotedPrintable),
        (EightBit, "\u{e9}", EightBit),
        (EightBit, long.as_str(), QuotedPrintable),
        (Binary, "\u{e9}", Binary),
        (Base64, "abc", Base64),
        (QuotedPrintable, "abc", QuotedPrintable),
    ] {
        assert_eq!(encoding.for_text(text.as_bytes()), wanted);
    }
}

#[test]
fn the_field_is_read_with_what_does_not_belong_there() {
    use TransferEncoding::{Base64, QuotedPrintable, SevenBit, Unknown};
    for (value, wanted) in [
        ("Base64", Base64),
        ("quoted-printable ", QuotedPrintable),
        ("base64; charset=utf-8", Base64),
        ("7bit (really)", SevenBit),
        ("x-uuencode", Unknown),
    ] {
        assert_eq!(TransferEncoding::from_value(value), wanted);
    }
}

proptest! {
    #[test]
    fn quoted_printable_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let encoded = quoted_printable_encode(&bytes);
        prop_assert!(encoded.is_ascii() && crate::lines::Shape::of([&encoded[..]]).is_clean());
        for line in encoded.split(|&b| b == b'\n') {
            prop_assert!(crate::header::without_line_end(line).len() <= ENCODED_LINE_BYTES_MAX);
        }
        prop_assert_eq!(quoted_printable_decode(&encoded), bytes);
    }

    #[test]
    fn quoted_printable_text_comes_back(text in "([a-z =.\u{e9}\t-]{0,90}(\r\n)?){0,6}") {
        let encoded = quoted_printable_encode(text.as_bytes());
        prop_assert_eq!(quoted_printable_decode(&encoded), text.as_bytes());
    }

    #[test]
    fn base64_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let encoded = base64_encode(&bytes);
        for line in encoded.split(|&b| b == b'\n') {
            prop_assert!(crate::header::without_line_end(line).len() <= ENCODED_LINE_BYTES_MAX);
        }
        prop_assert_eq!(base64_decode(&encoded), bytes);
    }

    #[test]
    fn the_length_is_known_before_decoding(text in "[A-Za-z0-9+/=\r\n !]{0,200}") {
        for encoding in [TransferEncoding::Base64, TransferEncoding::QuotedPrintable, TransferEncoding::SevenBit] {
            prop_assert_eq!(
                encoding.decoded_len(text.as_bytes()),
                encoding.decode(text.as_bytes()).len()
            );
        }
    }
}
