use super::*;

fn set(raw: &str) -> String {
    String::from_utf8(with_charset(raw.as_bytes(), "utf-8")).unwrap()
}

#[test]
fn the_charset_is_changed_where_it_stands() {
    for (raw, wanted) in [
        (
            " text/plain; charset=us-ascii",
            " text/plain; charset=utf-8",
        ),
        (
            " text/plain; charset=\"iso-8859-1\"; format=flowed",
            " text/plain; charset=utf-8; format=flowed",
        ),
        (
            " text/plain;\r\n\tCharset = koi8-r ;x=y",
            " text/plain;\r\n\tCharset = utf-8 ;x=y",
        ),
        (" text/plain", " text/plain;\r\n\tcharset=utf-8"),
        (" text/plain;", " text/plain;\r\n\tcharset=utf-8"),
        (
            " text/html; name=\"a; charset=b\"",
            " text/html; name=\"a; charset=b\";\r\n\tcharset=utf-8",
        ),
        (
            " text/html (; charset=x); charset=y",
            " text/html (; charset=x); charset=utf-8",
        ),
        (
            " text/plain; charset*=us-ascii'en'x",
            " text/plain;\r\n\tcharset=utf-8",
        ),
        (
            " text/plain; charset=a; charset=b",
            " text/plain; charset=utf-8",
        ),
    ] {
        let made = set(raw);
        assert_eq!(made, wanted);
        assert_eq!(
            Parameterised::parse(made.as_bytes())
                .unwrap()
                .attribute("charset"),
            Some("utf-8")
        );
    }
}

#[test]
fn values_are_read_with_their_parameters() {
    let parsed = Parameterised::parse(b" Multipart/Mixed;\r\n boundary=\"a b\"; X=1").unwrap();
    assert_eq!(parsed.main, "multipart");
    assert_eq!(parsed.sub.as_deref(), Some("mixed"));
    assert_eq!(parsed.attribute("BOUNDARY"), Some("a b"));
    let parsed =
        Parameterised::parse(b" attachment; filename*0*=utf-8''%e2%82; filename*1*=%ac.txt");
    assert!(parsed.unwrap().attribute("filename").is_some());
    let parsed = Parameterised::parse(b" attachment; filename*=utf-8''%e2%82%ac.txt").unwrap();
    assert_eq!(parsed.attribute("filename"), Some("\u{20ac}.txt"));
    assert!(Parameterised::parse(&vec![b'a'; PARAMETERS_BYTES_MAX + 1]).is_none());
}
