use super::*;

fn charset(label: &str) -> Charset {
    Charset::from_label(label).unwrap_or_else(|| panic!("{label} is known"))
}

#[test]
fn text_of_many_countries_comes_back() {
    for (label, text) in [
        ("iso-8859-1", "Gr\u{fc}\u{df}e \u{e9}"),
        ("windows-1252", "5 \u{20ac} \u{201c}x\u{201d}"),
        ("iso-8859-15", "5 \u{20ac}"),
        (
            "koi8-r",
            "\u{41f}\u{440}\u{438}\u{432}\u{435}\u{442}, \u{43c}\u{438}\u{440}",
        ),
        (
            "iso-2022-jp",
            "\u{3053}\u{3093}\u{306b}\u{3061}\u{306f} abc",
        ),
        ("gb18030", "\u{4f60}\u{597d} \u{1f600}"),
        ("gb2312", "\u{4f60}\u{597d}"),
        ("shift_jis", "\u{30cf}\u{30ed}\u{30fc}"),
        ("big5", "\u{4f60}\u{597d}"),
        ("euc-kr", "\u{c548}\u{b155}"),
        ("utf-8", "\u{1f600}"),
    ] {
        let charset = charset(label);
        let bytes = charset
            .encode(text, b"")
            .unwrap_or_else(|| panic!("{label} holds it"));
        assert_eq!(charset.decode(&bytes), text, "{label}");
        if label != "utf-8" {
            assert_ne!(&bytes[..], text.as_bytes(), "{label}");
        }
    }
}

#[test]
fn a_charset_does_not_take_what_it_cannot_hold() {
    for (label, text) in [
        ("us-ascii", "\u{e9}"),
        ("iso-8859-1", "\u{20ac}"),
        ("iso-8859-1", "\u{201c}"),
        ("latin1", "\u{20ac}"),
        ("iso-8859-9", "\u{20ac}"),
        ("windows-1252", "\u{416}"),
        ("koi8-r", "\u{4f60}"),
        // Would come back as another character.
        ("iso-2022-jp", "\u{ff71}"),
        ("shift_jis", "\u{1f600}"),
    ] {
        assert_eq!(charset(label).encode(text, b""), None, "{label} {text:?}");
    }
}

#[test]
fn unknown_charsets_are_unknown() {
    for label in ["", "x-nonsense", "utf-7", "iso-2022-kr", "unknown-8bit"] {
        assert_eq!(Charset::from_label(label), None, "{label}");
    }
}

#[test]
fn undeclared_bytes_are_utf_8_or_windows_1252_and_stay_so() {
    assert_eq!(charset("us-ascii"), Charset::ASCII);
    for (original, text) in [
        (&b"\xc3\xa9"[..], "\u{e9}"),
        (b"\xe9\x80 \x81", "\u{e9}\u{20ac} \u{81}"),
    ] {
        assert_eq!(Charset::ASCII.decode(original), text);
        let edited = format!("{text}!");
        let bytes = Charset::ASCII
            .encode(&edited, original)
            .map(Cow::into_owned);
        assert_eq!(bytes, Some([original, b"!"].concat()));
    }
    // What is left would be read as UTF-8.
    assert_eq!(Charset::ASCII.encode("\u{c3}\u{a9}", b"\xc3\xa9\xff"), None);
}

#[test]
fn windows_characters_under_an_iso_label_are_written_where_they_were_read() {
    let latin = charset("iso-8859-1");
    let text = latin.decode(b"it\x92s");
    assert_eq!(text, "it\u{2019}s");
    let bytes = latin.encode("it\u{2019}s \u{201d}", b"it\x92s").unwrap();
    assert_eq!(&bytes[..], b"it\x92s \x94");
}

#[test]
fn utf_16_keeps_its_order_and_its_mark() {
    for (label, original, longer) in [
        ("utf-16", &b"\xff\xfea\0"[..], &b"\xff\xfea\0\xac\x20"[..]),
        ("utf-16", b"\xfe\xff\0a", b"\xfe\xff\0a\x20\xac"),
        ("utf-16", b"a\0", b"a\0\xac\x20"),
        ("utf-16be", b"\0a", b"\0a\x20\xac"),
        ("utf-16le", b"\xef\xbb\xbfa", b"\xef\xbb\xbfa\xe2\x82\xac"),
    ] {
        let charset = charset(label);
        assert_eq!(charset.decode(original), "a", "{label}");
        let bytes = charset.encode("a\u{20ac}", original).unwrap();
        assert_eq!(&bytes[..], longer, "{label}");
    }
}

#[test]
fn bytes_that_a_charset_does_not_have_survive_an_edit_beside_them() {
    for (label, original) in [
        ("shift_jis", &b"\x83\x6e\xff \x81\"link\" \xa0"[..]),
        ("gb2312", b"caf\xe9 link \xff\xff"),
        ("big5", b"\xa7A\xff link"),
        ("euc-kr", b"\xbe\xc8\xff\xff link"),
        ("windows-1253", b"\xd2 link"),
        ("euc-jp", b"\x8f\xa2 link \x8e"),
    ] {
        let charset = charset(label);
        let text = charset.decode(original);
        assert!(!text.contains('\u{fffd}'), "{label} {text:?}");
        let edited = text.replace("link", "LINK");
        let bytes = charset
            .encode(&edited, original)
            .unwrap_or_else(|| panic!("{label} {text:?}"));
        let at = original
            .windows(4)
            .position(|four| four == b"link")
            .unwrap();
        let wanted = [&original[..at], b"LINK", &original[at + 4..]].concat();
        assert_eq!(&bytes[..], wanted, "{label}");
    }
}

#[test]
fn bytes_that_are_no_utf_8_survive_an_edit_beside_them() {
    let original = b"caf\xe9 \xe2\x82\xac \xff end";
    let text = Charset::UTF_8.decode(original);
    let edited = text.replace("end", "END");
    let bytes = Charset::UTF_8.encode(&edited, original).unwrap();
    assert_eq!(&bytes[..], b"caf\xe9 \xe2\x82\xac \xff END");
}

#[test]
fn private_characters_of_the_text_itself_stay() {
    let own = "\u{f7e9} valid".as_bytes();
    let text = Charset::UTF_8.decode(own);
    assert_eq!(Charset::UTF_8.encode(&text, own).unwrap(), own);
    let mixed = [own, b"\xff"].concat();
    let text = Charset::UTF_8.decode(&mixed);
    assert_eq!(text, "\u{f7e9} valid\u{fffd}");
    assert_eq!(
        Charset::UTF_8.encode(&text, &mixed).unwrap(),
        text.as_bytes()
    );
}
