use super::*;

fn set(text: &str) -> EditSet {
    EditSet::new(
        Message::parse(Bytes::from(text.replace('\n', "\r\n"))),
        false,
    )
}

fn rendered(set: &EditSet) -> String {
    String::from_utf8(set.render(&[]).into_bytes().to_vec())
        .unwrap()
        .replace("\r\n", "\n")
}

#[test]
fn without_edits_the_received_bytes_leave_uncopied() {
    let set = set("no header here\n");
    let out = set.render(&[]);
    assert_eq!(out.segments().len(), 1);
    assert_eq!(out.into_bytes().as_ptr(), set.message().bytes().as_ptr());
}

#[test]
fn untouched_bytes_are_slices_of_the_base() {
    let mut set = set("A: 1\nB: 2\nC: 3\n\nbody\n");
    set.remove_header("B").unwrap();
    set.prepend_header("X-First", "x").unwrap();
    let trace = NewField::new("X-Trace", "t", false).unwrap();
    let out = set.render(&[trace]);
    assert_eq!(out.len(), out.clone().into_bytes().len());
    let base = set.message().bytes();
    let whole = base.as_ptr() as usize..base.as_ptr() as usize + base.len();
    let slices: Vec<_> = out
        .segments()
        .iter()
        .filter(|s| whole.contains(&(s.as_ptr() as usize)))
        .collect();
    assert_eq!(slices, ["A: 1\r\n", "C: 3\r\n", "\r\nbody\r\n"]);
    assert_eq!(
        out.into_bytes(),
        "X-Trace: t\r\nX-First: x\r\nA: 1\r\nC: 3\r\n\r\nbody\r\n"
    );
}

#[test]
fn a_header_without_end_gets_one_when_something_changes() {
    for (text, wanted) in [
        ("hello\n", "X: y\n\nhello\n"),
        ("A: b\nhello\n", "X: y\nA: b\n\nhello\n"),
        ("A: b", "X: y\nA: b\n\n"),
        ("A: b\n", "X: y\nA: b\n\n"),
        ("", "X: y\n\n"),
        ("\nbody\n", "X: y\n\nbody\n"),
    ] {
        let field = NewField::new("X", "y", false).unwrap();
        let out = set(text).render(&[field]).into_bytes();
        assert_eq!(out, wanted.replace('\n', "\r\n"), "{text:?}");
    }
}

#[test]
fn new_text_keeps_charset_and_encoding_where_it_can() {
    let part = "Content-Type: text/plain; charset=iso-8859-1; format=flowed\nContent-Transfer-Encoding: 8bit\n\n";
    let mut kept = set(&format!("{part}caf\n"));
    kept.set_text(0, "caf\u{e9}\n").unwrap();
    let out = kept.render(&[]).into_bytes();
    assert_eq!(
        &out[..],
        [part.replace('\n', "\r\n").as_bytes(), b"caf\xe9\r\n"].concat()
    );
    assert_eq!(Message::parse(out).text(0), Ok("caf\u{e9}\r\n"));

    let mut recoded = set(&format!("{part}caf\n"));
    recoded.set_text(0, "5 \u{20ac}").unwrap();
    assert_eq!(
        rendered(&recoded),
        "Content-Type: text/plain; charset=utf-8; format=flowed\nContent-Transfer-Encoding: 8bit\n\n5 \u{20ac}\n"
    );
}

#[test]
fn seven_bit_text_becomes_quoted_printable_when_it_must() {
    let mut plain = set("Subject: x\n\nhello\n");
    plain.set_text(0, "hall\u{f6}\n").unwrap();
    assert_eq!(
        rendered(&plain),
        "Subject: x\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\nMIME-Version: 1.0\n\nhall=C3=B6\n"
    );
    let mut declared = set(
        "MIME-Version: 1.0\nContent-Transfer-Encoding: 7bit\nContent-Type: text/html;\n\tcharset=\"utf-8\"\n\nhi\n",
    );
    declared.set_text(0, "h\u{ef}").unwrap();
    assert_eq!(
        rendered(&declared),
        "MIME-Version: 1.0\nContent-Transfer-Encoding: quoted-printable\nContent-Type: text/html;\n\tcharset=\"utf-8\"\n\nh=C3=AF\n"
    );
}

#[test]
fn the_fields_of_a_part_are_changed_in_the_part() {
    let mut set = set(
        "Content-Type: multipart/mixed; boundary=b\nSubject: s\n\n--b\n\none\n--b\nContent-Type: text/html\n\ntwo\n--b--\n",
    );
    set.set_text(1, "\u{e9}").unwrap();
    set.set_text(2, "\u{e8}").unwrap();
    set.replace_header("Subject", "t").unwrap();
    assert_eq!(
        rendered(&set),
        "Content-Type: multipart/mixed; boundary=b\nSubject: t\n\n--b\n\
Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n=C3=A9\n--b\n\
Content-Type: text/html;\n\tcharset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n=C3=A8\n--b--\n"
    );
}

#[test]
fn new_text_in_an_empty_part_does_not_touch_the_delimiter() {
    let mut set = set("Content-Type: multipart/mixed; boundary=b\n\n--b\n\n--b\n\n\n--b--\n");
    set.set_text(1, "one").unwrap();
    set.set_text(2, "two").unwrap();
    let out = rendered(&set);
    assert_eq!(
        out,
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n--b--\n"
    );
}

#[test]
fn text_that_is_set_to_what_it_was_changes_nothing() {
    let text = "Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n=68=\nello=\n";
    let mut set = set(text);
    set.set_text(0, "hello").unwrap();
    assert_eq!(rendered(&set), text);
    assert_eq!(set.changed_parts(), [0u32; 0]);
}

#[test]
fn text_that_holds_its_own_boundary_does_not_make_a_part() {
    let mut set =
        set("Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n--b--\n");
    set.set_text(1, "x\r\n--b\r\n\r\nevil\r\n--b--").unwrap();
    let out = Message::parse(set.render(&[]).into_bytes());
    assert_eq!(out.parts().len(), 3);
    assert_eq!(out.text(1), Ok("x\r\n--b\r\n\r\nevil\r\n--b--"));
    assert_eq!(out.text(2), Ok("two"));
}

#[test]
fn a_last_line_that_has_no_end_gets_none() {
    let text = "Content-Transfer-Encoding: quoted-printable\n\none=\n";
    let mut set = set(text);
    assert_eq!(set.text(0), Ok("one"));
    set.set_text(0, "two").unwrap();
    assert_eq!(rendered(&set), text.replace("one", "two"));
    assert_eq!(
        Message::parse(set.render(&[]).into_bytes()).text(0),
        Ok("two")
    );
}

#[test]
fn bytes_beyond_ascii_stay_where_none_were_declared() {
    let mut set = set("Subject: x\nContent-Type: text/html\n\ncaf\u{e9}\nlink\n");
    set.set_text(0, "caf\u{e9}\nLINK\n").unwrap();
    assert_eq!(
        rendered(&set),
        "Subject: x\nContent-Type: text/html\n\ncaf\u{e9}\nLINK\n"
    );
}

#[test]
fn line_ends_within_base64_stay_what_they_are() {
    let part = |text: &str| {
        let encoded = String::from_utf8(crate::encoding::base64_encode(text.as_bytes())).unwrap();
        format!("Content-Transfer-Encoding: base64\n\n{encoded}\n")
    };
    let mut lf = set(&part("a\nlink\n"));
    lf.set_text(0, "a\nLINK\n").unwrap();
    assert_eq!(rendered(&lf), part("a\nLINK\n"));
    let mut crlf = set(&part("a\r\nlink\r\n"));
    crlf.set_text(0, "a\nLINK\n").unwrap();
    assert_eq!(rendered(&crlf), part("a\r\nLINK\r\n"));
}
