use super::*;

fn shape(pieces: &[&str]) -> Shape {
    Shape::of(pieces.iter().map(|piece| piece.as_bytes()))
}

#[test]
fn only_crlf_is_clean() {
    for clean in [
        "",
        "a",
        "a\r\n",
        "\r\n",
        "\r\n\r\n",
        "a\r\n\r\nb\r\n",
        "a\r\nb",
    ] {
        assert!(shape(&[clean]).is_clean(), "{clean:?}");
    }
    for bare in [
        "\n",
        "\r",
        "a\n",
        "a\rb",
        "\r\r\n",
        "a\r\n\n",
        "\n\r",
        "a\r\nb\r",
        "\r\n\r",
        "a\rb\n",
        "\0",
        "a\r\n\0\r\n",
    ] {
        assert!(!shape(&[bare]).is_clean(), "{bare:?}");
    }
}

#[test]
fn pieces_do_not_change_the_shape() {
    let text = "abc\r\n\r\n\u{e9}\rx\ny\r\n";
    let whole = shape(&[text]);
    for cut in (0..=text.len()).filter(|&cut| text.is_char_boundary(cut)) {
        let (head, tail) = text.split_at(cut);
        assert_eq!(shape(&[head, tail]), whole);
    }
    let clean = "abc\r\ndefgh\r\n";
    for cut in 0..=clean.len() {
        let (head, tail) = clean.split_at(cut);
        let found = shape(&[head, "", tail]);
        assert!(found.is_clean());
        assert_eq!(found.line_bytes, 5);
    }
}

#[test]
fn mail_from_a_file_gets_crlf_and_clean_mail_is_not_copied() {
    let made = to_crlf(Bytes::from_static(b"a\nb\rc\r\nd\0e\n\n\r"));
    assert_eq!(made, "a\r\nb\r\nc\r\nde\r\n\r\n\r\n");
    let clean = Bytes::from_static(b"a\r\nb");
    assert_eq!(to_crlf(clean.clone()).as_ptr(), clean.as_ptr());
}
