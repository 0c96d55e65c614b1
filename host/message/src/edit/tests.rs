use bytes::Bytes;

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

#[test]
fn fields_of_the_relay_and_of_the_structure_are_not_touched() {
    let mut set = EditSet::new(message(TWO), false);
    for name in [
        "Content-Type",
        "content-transfer-encoding",
        "MIME-Version",
        "Received",
        "Return-Path",
        "DKIM-Signature",
        "ARC-Seal",
    ] {
        let protected = |result: Result<(), Error>| {
            assert!(matches!(result, Err(Error::Protected(_))), "{name}")
        };
        protected(set.prepend_header(name, "x"));
        protected(set.append_header(name, "x"));
        protected(set.replace_header(name, "x"));
        protected(set.remove_header(name).map(drop));
    }
    assert!(set.is_empty());
}

#[test]
fn a_field_that_may_occur_once_is_replaced_and_not_repeated() {
    let mut set = EditSet::new(message(TWO), false);
    assert!(matches!(
        set.append_header("subject", "x"),
        Err(Error::Invalid(_))
    ));
    assert!(matches!(
        set.prepend_header("From", "x@example.net"),
        Err(Error::Invalid(_))
    ));
    set.append_header("Reply-To", "r@example.net").unwrap();
    assert!(set.append_header("Reply-To", "s@example.net").is_err());
    set.remove_header("Subject").unwrap();
    set.prepend_header("Subject", "once more").unwrap();
    assert_eq!(set.header_count("Subject"), 1);
}

#[test]
fn every_edit_says_what_it_did() {
    let mut set = EditSet::new(message("X-A: 1\nX-A: 2\n\nhello\n"), false);
    set.begin();
    set.set_text(0, "hello world\n").unwrap();
    set.prepend_header("X-B", "1").unwrap();
    set.append_header("X-C", "1").unwrap();
    set.replace_header("X-A", "3").unwrap();
    set.replace_header("X-D", "1").unwrap();
    set.replace_header("X-D", "2").unwrap();
    assert_eq!(set.remove_header("X-D"), Ok(1));
    assert_eq!(set.remove_header("X-None"), Ok(0));
    let told: Vec<_> = set
        .commit()
        .iter()
        .map(|applied| applied.description.as_str())
        .collect();
    assert_eq!(
        told,
        [
            "set-text part 0 (7 -> 13 bytes)",
            "prepend-header X-B",
            "append-header X-C",
            "replace-header X-A (2 fields became one)",
            "replace-header X-D (added)",
            "replace-header X-D",
            "remove-header X-D (1 removed)",
        ]
    );
    assert_eq!(
        set.header_before_and_after(),
        ("X-A: 1\nX-A: 2\n".into(), "X-B: 1\nX-A: 3\nX-C: 1\n".into())
    );
    assert_eq!(
        set.text_before_and_after(0),
        Ok(("hello\r\n", "hello world\r\n"))
    );
    assert_eq!(set.changed_parts(), [0]);
}

#[test]
fn reads_see_the_edits_before_them() {
    let mut set = EditSet::new(message(TWO), false);
    assert_eq!(set.urls(), ["http://x"]);
    assert_eq!(set.find(&["plain", "fresh"]).unwrap(), [0]);
    set.set_text(1, "fresh http://new.example/").unwrap();
    assert_eq!(set.find(&["plain", "FRESH"]).unwrap(), [1]);
    assert_eq!(set.urls(), ["http://new.example/", "http://x"]);
    assert_eq!(set.parts()[1].size, 25);
    assert_eq!(set.content(1).unwrap(), "fresh http://new.example/");
    assert_eq!(set.content_range(1, 6, 4).unwrap(), "http");
    assert_eq!(set.content_range(1, 99, 4).unwrap(), "");
}

#[test]
fn calls_within_calls_end_from_the_inside() {
    let mut set = EditSet::new(message(TWO), false);
    set.begin();
    set.append_header("X-A", "1").unwrap();
    set.begin();
    set.append_header("X-B", "1").unwrap();
    set.commit();
    assert_eq!(set.rollback(), 2);
    assert!(set.is_empty() && set.header("X-A").is_none());
    assert_eq!((set.rollback(), set.commit().len()), (0, 0));
}

#[test]
fn a_copy_goes_its_own_way() {
    let mut shared = EditSet::new(message(TWO), false);
    shared.append_header("X-All", "1").unwrap();
    let mut copy = shared.clone();
    copy.append_header("X-One", "1").unwrap();
    assert_eq!(shared.header("X-One"), None);
    assert_eq!(copy.header("X-All").as_deref(), Some("1"));
}

#[test]
fn edits_are_bounded() {
    let mut set = EditSet::new(message(TWO), false);
    let long = "x".repeat(EDIT_TEXT_BYTES_MAX + 1);
    assert!(matches!(set.set_text(1, &long), Err(Error::TooLarge(_))));
    for at in 0..EDITS_MAX {
        set.append_header(&format!("X-{at}"), "v").unwrap();
    }
    assert!(matches!(
        set.append_header("X-More", "v"),
        Err(Error::TooLarge(_))
    ));
    assert_eq!(set.header("X-More"), None);
    let mut set = EditSet::new(message(TWO), false);
    let text = "x".repeat(EDIT_TEXT_BYTES_MAX);
    for _ in 0..EDITS_BYTES_MAX / EDIT_TEXT_BYTES_MAX {
        set.begin();
        set.set_text(1, &text).unwrap();
    }
    assert!(matches!(set.set_text(1, "x"), Err(Error::TooLarge(_))));
    set.rollback();
    assert!(set.set_text(1, "x").is_ok());
}

#[test]
fn stored_edits_of_another_version_are_refused() {
    let edits = [
        Edit::SetText {
            part: 7,
            text: "t\u{e9}".into(),
        },
        Edit::RemoveHeader { name: "X".into() },
    ];
    let mut bytes = encode_edits(&edits);
    assert_eq!(decode_edits(&bytes), Ok(edits.to_vec()));
    bytes.push(9);
    assert_eq!(decode_edits(&bytes), Err(StoredEditsError));
    assert_eq!(decode_edits(&[2]), Err(StoredEditsError));
    assert_eq!(decode_edits(&[]), Err(StoredEditsError));
    assert_eq!(
        decode_edits(&[1, 1, 0, 0, 0, 0, 255, 255, 255, 255]),
        Err(StoredEditsError)
    );
}
