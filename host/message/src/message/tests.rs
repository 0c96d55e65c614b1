use super::*;

fn message(text: &[u8]) -> Message {
    Message::parse(Bytes::copy_from_slice(text))
}

#[test]
fn text_is_decoded_from_its_encoding_and_charset() {
    for (head, body, wanted) in [
        (
            "Content-Type: text/plain; charset=koi8-r",
            &b"\xf0\xd2\xc9"[..],
            "\u{41f}\u{440}\u{438}",
        ),
        (
            "Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable",
            b"caf=E9=\r\n!",
            "caf\u{e9}!",
        ),
        (
            "Content-Type: text/html; charset=\"utf-8\"\r\nContent-Transfer-Encoding: BASE64",
            b"4oKs",
            "\u{20ac}",
        ),
        (
            "Content-Type: text/plain; charset=iso-2022-jp",
            b"\x1b$B$3\x1b(B",
            "\u{3053}",
        ),
        (
            "Content-Type: text/plain; charset=gb18030",
            b"\xc4\xe3",
            "\u{4f60}",
        ),
        (
            "Content-Type: text/plain; charset=shift_jis",
            b"\x83n",
            "\u{30cf}",
        ),
        (
            "Content-Type: text/plain; charset=windows-1252",
            b"\x80",
            "\u{20ac}",
        ),
        ("X: y", b"plain \xe9", "plain \u{e9}"),
        ("X: y", b"plain \xc3\xa9", "plain \u{e9}"),
    ] {
        let message = message(&[head.as_bytes(), b"\r\n\r\n", body].concat());
        assert_eq!(message.text(0), Ok(wanted), "{head}");
    }
}

#[test]
fn an_unknown_charset_is_a_clear_error_and_its_bytes_are_there() {
    for (label, body) in [
        ("x-made-up", &b"ab\xe9"[..]),
        ("utf-7", b"abc"),
        ("iso-2022-kr", b"abc"),
    ] {
        let head = format!("Content-Type: text/plain; charset={label}\r\n\r\n");
        let message = message(&[head.as_bytes(), body].concat());
        assert_eq!(
            message.text(0),
            Err(Error::Invalid(format!("unknown charset {label}")))
        );
        assert_eq!(message.content(0).unwrap(), body);
        assert!(!message.is_editable(0));
    }
}

#[test]
fn ascii_is_read_under_any_name() {
    let message = message(b"Content-Type: text/plain; charset=x-made-up\r\n\r\nabc");
    assert_eq!(message.text(0), Ok("abc"));
    assert!(message.is_editable(0));
}

#[test]
fn windows_into_bytes_end_where_the_bytes_end() {
    let message = message(b"A: b\r\n\r\nbody");
    assert_eq!(message.raw(0, 4), "A: b");
    assert_eq!(message.raw(8, usize::MAX), "body");
    assert_eq!(message.raw(99, 1), "");
    assert_eq!(message.content_range(0, 2, 100).unwrap(), "dy");
    assert_eq!(message.body(), "body");
}

#[test]
fn untouched_content_is_a_slice_of_the_message() {
    let message = message(b"A: b\r\n\r\nbody");
    let content = message.content(0).unwrap();
    assert_eq!(content.as_ptr(), message.bytes()[8..].as_ptr());
}

#[test]
fn headers_are_read_without_a_look_at_the_parts() {
    let message = message(b"Received: a\r\nreceived: b\r\nSubject: =?utf-8?q?=C3=A9?=\r\n\r\nbody");
    assert_eq!(message.received_count(), 2);
    assert_eq!(message.header("subject").as_deref(), Some("\u{e9}"));
    assert!(message.inner.structure.get().is_none());
}

#[test]
fn every_part_is_told_in_one_record() {
    let message = message(b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\nYWJj\r\n");
    assert_eq!(
        message.part_infos(),
        [PartInfo {
            index: 0,
            parent: None,
            media_type: "text/html".into(),
            charset: Some("utf-8".into()),
            disposition: None,
            filename: None,
            size: 3,
            editable: true,
        }]
    );
}
