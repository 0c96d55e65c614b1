use super::*;

pub(crate) fn message(text: &str) -> Message {
    Message::parse(Bytes::from(text.replace('\n', "\r\n")))
}

const TWO: &str = "From: a@example.com\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\nMIME-Version: 1.0\n\
Content-Type: multipart/alternative; boundary=\"b\"\n\npreamble\n--b\nContent-Type: text/plain; charset=iso-8859-1\n\n\
plain\n--b\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n<a href=3D\"http://x\">=\nfoo</a>\n--b--\n";

#[test]
fn an_edit_changes_its_part_and_nothing_else() {
    let base = message(TWO);
    let mut set = EditSet::new(base.clone(), false);
    set.begin();
    set.set_text(2, "<b>\u{20ac}</b>").unwrap();
    assert_eq!(
        set.commit()[0].description,
        "set-text part 2 (26 -> 10 bytes)"
    );
    let out = set.render(&[]).into_bytes();
    let wanted = TWO.replace("<a href=3D\"http://x\">=\nfoo</a>", "<b>=E2=82=AC</b>");
    assert_eq!(out, wanted.replace('\n', "\r\n"));
}

#[test]
fn a_rollback_drops_only_the_edits_of_its_call() {
    let base = message(TWO);
    let mut set = EditSet::new(base, false);
    set.begin();
    set.replace_header("Subject", "first").unwrap();
    set.commit();
    set.begin();
    set.replace_header("Subject", "second").unwrap();
    set.append_header("X-Later", "1").unwrap();
    set.set_text(1, "other").unwrap();
    assert_eq!(set.header("subject").as_deref(), Some("second"));
    assert_eq!(set.text(1), Ok("other"));
    assert_eq!(set.rollback(), 3);
    assert_eq!(set.header("subject").as_deref(), Some("first"));
    assert_eq!(set.header("x-later"), None);
    assert_eq!(set.text(1), Ok("plain"));
}
