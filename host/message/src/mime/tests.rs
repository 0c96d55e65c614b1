use super::*;
use crate::message::Message;

fn message(text: &str) -> Message {
    Message::parse(Bytes::from(text.replace('\n', "\r\n")))
}

fn types(message: &Message) -> Vec<(Option<u32>, String)> {
    let parts = message.parts().iter();
    parts
        .map(|part| (part.parent(), part.media_type().to_owned()))
        .collect()
}

fn body(message: &Message, part: u32) -> String {
    let range = message.part(part).unwrap().body_range();
    String::from_utf8_lossy(&message.bytes()[range]).into_owned()
}

const NESTED: &str = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=out\n\npreamble\n--out\n\
Content-Type: multipart/alternative; boundary=\"in ner\"\n\n--in ner\n\nplain\n\n--in ner  \nContent-Type: TEXT/HTML; charset=UTF-8\n\n\
<p>\n--in ner--\nepilogue\n--out\nContent-Type: image/png; name=\"a.png\"\nContent-Disposition: Attachment; filename=\"b.png\"\n\
Content-Transfer-Encoding: base64\n\nAAECAwQ=\n--out--\nend\n";

#[test]
fn parts_have_their_place_and_their_bytes() {
    let message = message(NESTED);
    assert_eq!(
        types(&message),
        [
            (None, "multipart/mixed".into()),
            (Some(0), "multipart/alternative".into()),
            (Some(1), "text/plain".into()),
            (Some(1), "text/html".into()),
            (Some(0), "image/png".into()),
        ]
    );
    assert_eq!(body(&message, 2), "plain\r\n");
    assert_eq!(body(&message, 3), "<p>");
    assert_eq!(body(&message, 4), "AAECAwQ=");
    let picture = message.part(4).unwrap();
    assert_eq!(picture.filename(), Some("b.png"));
    assert_eq!(picture.disposition(), Some("attachment"));
    assert_eq!(message.content(4).unwrap(), &[0u8, 1, 2, 3, 4][..]);
    assert_eq!(message.part_size(4), Ok(5));
    assert!(message.is_editable(2) && message.is_editable(3) && !message.is_editable(4));
    assert_eq!(message.text(4), Err(crate::Error::NotText));
    assert_eq!(message.text(9), Err(crate::Error::NoSuchPart));
}

#[test]
fn what_is_signed_or_encrypted_is_shown_and_protected() {
    for kind in ["multipart/signed", "multipart/encrypted"] {
        let message = message(&NESTED.replace("multipart/mixed", kind));
        assert_eq!(message.parts().len(), 5);
        assert!(!message.is_editable(2) && !message.is_editable(3));
        assert_eq!(message.text(2), Ok("plain\r\n"));
    }
    let inner = message(&NESTED.replace("multipart/alternative", "multipart/signed"));
    assert!(!inner.is_editable(2) && !inner.is_editable(3));
    let pgp =
        message("Subject: x\n\nhello\n-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nhi\n");
    assert!(!pgp.is_editable(0));
    let hidden = message(
        "Content-Type: text/plain\nContent-Transfer-Encoding: base64\n\nLS0tLS1CRUdJTiBQR1AgTUVTU0FHRS0tLS0tCg==\n",
    );
    assert!(!hidden.is_editable(0));
    let smime = message("Content-Type: application/pkcs7-mime; smime-type=signed-data\n\nMIIB\n");
    assert!(!smime.is_editable(0) && smime.part(0).unwrap().protection().is_some());
}

#[test]
fn an_enclosed_message_is_shown_and_protected() {
    let message = message(
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n\nnote\n--b\nContent-Type: message/rfc822\n\n\
Subject: inner\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\ninner text\n--c--\n--b\n\nlast\n--b--\n",
    );
    let types: Vec<_> = types(&message)
        .into_iter()
        .map(|(parent, kind)| format!("{parent:?} {kind}"))
        .collect();
    assert_eq!(
        types,
        [
            "None multipart/mixed",
            "Some(0) text/plain",
            "Some(0) message/rfc822",
            "Some(2) multipart/mixed",
            "Some(3) text/plain",
            "Some(0) text/plain",
        ]
    );
    assert_eq!(
        message
            .part_header(3)
            .unwrap()
            .first("Subject")
            .unwrap()
            .value(),
        "inner"
    );
    assert_eq!(message.text(4), Ok("inner text"));
    assert!(message.is_editable(1) && !message.is_editable(4) && message.is_editable(5));
}

#[test]
fn the_parts_of_a_digest_are_messages() {
    let message = message(
        "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: one\n\nfirst\n--b\n\nSubject: two\n\nsecond\n--b--\n",
    );
    let kinds: Vec<_> = message
        .parts()
        .iter()
        .map(|part| part.media_type())
        .collect();
    assert_eq!(
        kinds,
        [
            "multipart/digest",
            "message/rfc822",
            "text/plain",
            "message/rfc822",
            "text/plain"
        ]
    );
    assert_eq!(message.text(4), Ok("second"));
}

#[test]
fn a_part_without_content_ends_where_it_begins() {
    let message = message(
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n\n--b\nX: y\n--b\nX: y\n\n--b--\n",
    );
    assert_eq!(message.parts().len(), 4);
    for part in 1..4 {
        assert_eq!(body(&message, part), "", "{part}");
    }
    // The second has no empty line, so that new text would have no place.
    assert!(message.is_editable(1) && !message.is_editable(2) && message.is_editable(3));
}

#[test]
fn a_missing_end_is_the_end_of_the_message() {
    let message = message("Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo\n");
    assert_eq!(message.text(1), Ok("one"));
    assert_eq!(message.text(2), Ok("two\r\n"));
    assert!(message.is_editable(2));
}

#[test]
fn a_boundary_that_never_comes_leaves_one_part() {
    let message = message("Content-Type: multipart/mixed; boundary=never\n\n--b\n\none\n--b--\n");
    assert_eq!(message.parts().len(), 1);
    assert!(!message.is_editable(0));
}

#[test]
fn what_can_be_read_in_two_ways_is_not_edited() {
    for ambiguous in [
        "Content-Type: multipart/mixed; boundary=b\nContent-Type: text/plain\n\n--b\n\none\n--b--\n",
        "Content-Type: text/plain\nContent-Type: multipart/signed; boundary=b\n\n--b\n\none\n--b--\n",
        "Content-Type: multipart/mixed; boundary=b; boundary=c\n\n--b\n\none\n--c\n--b--\n",
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--bb\ntwo\n--b--\n",
        "Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--\n--b\ntwo\n",
        "Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b--\n--b--\n",
        "Content-Type: multipart/mixed\n\n--b\n\none\n--b--\n",
        "Content-Type: text/plain\nContent-Transfer-Encoding: base64\nContent-Transfer-Encoding: 7bit\n\nYWJj\n",
        "Content-Type: text/plain\nthis is no field\n\none\n",
    ] {
        let message = message(ambiguous);
        let editable: Vec<u32> = (0..message.parts().len() as u32)
            .filter(|&part| message.is_editable(part))
            .collect();
        assert_eq!(editable, [0u32; 0], "{ambiguous}");
    }
}

#[test]
fn a_type_that_cannot_be_read_is_no_text() {
    for (field, wanted) in [
        ("", "text/plain"),
        ("Content-Type: text\n", "text/plain"),
        ("Content-Type: /\n", "application/octet-stream"),
        ("Content-Type: ;;;\n", "application/octet-stream"),
        ("Content-Type:\n", "application/octet-stream"),
        ("Content-Type: Text/X-Own; a\n", "text/x-own"),
    ] {
        let message = message(&format!("{field}\nbody\n"));
        assert_eq!(message.part(0).unwrap().media_type(), wanted, "{field:?}");
    }
}

#[test]
fn beyond_the_limits_nothing_is_edited() {
    let many = format!(
        "Content-Type: multipart/mixed; boundary=b\n\n{}--b--\n",
        "--b\n\nx\n".repeat(PARTS_MAX * 10)
    );
    let many = message(&many);
    assert_eq!(many.parts().len(), PARTS_MAX);
    assert_eq!(many.protection(1), Ok(Some(OVERFLOW)));

    let mut deep = String::new();
    for level in 0..10_000 {
        deep.push_str(&format!(
            "Content-Type: multipart/mixed; boundary=b{level}\n\n--b{level}\n"
        ));
    }
    let deep = message(&deep);
    assert_eq!(deep.parts().len(), DEPTH_MAX + 1);
    assert!(deep.part(3).unwrap().protection() == Some(OVERFLOW));

    let enclosed = message(&"Content-Type: message/rfc822\n\n".repeat(10_000));
    assert_eq!(enclosed.parts().len(), DEPTH_MAX + 1);
}

#[test]
fn a_signed_part_is_known_however_its_type_is_written() {
    for value in [
        "multipart/signed",
        "MULTIPART/Signed",
        "multipart/signed (comment)",
        "(comment) multipart/signed",
        "multipart / signed",
        "multipart (x) / (y) signed",
        "multipart/signed\n\t",
        "multipart/\n signed",
        "\"multipart/signed\"",
        "multipart/=?utf-8?q?signed?=",
        "multipart/signed extra",
        "multipart/\u{17f}igned",
    ] {
        let text = format!("Content-Type: {value}; boundary=b\n\n--b\n\none\n--b--\n");
        let message = message(&text);
        let editable = (0..message.parts().len() as u32).find(|&part| message.is_editable(part));
        assert_eq!(editable, None, "{value}: {:?}", types(&message));
    }
}
