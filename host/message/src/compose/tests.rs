use mail_parser::{MessageParser, MimeHeaders};

use super::*;
use crate::lines::Shape;
use crate::message::Message;

fn draft<'a>() -> Draft<'a> {
    Draft {
        from: "J\u{fc}rgen <j@example.net>",
        to: &["a@example.org", "\"B, C\" <b@example.org>"],
        subject: "Gr\u{fc}\u{df}e",
        date: "Mon, 02 Jan 2006 15:04:05 +0000",
        message_id: "1@example.net",
        boundary: "seed",
        ..Draft::default()
    }
}

#[test]
fn text_alone_is_one_part() {
    let message = Draft {
        text: Some("hello\n\nworld"),
        ..draft()
    }
    .compose()
    .unwrap();
    assert_eq!(
        message,
        "From: =?utf-8?q?J=C3=BCrgen?= <j@example.net>\r\nTo: a@example.org, \"B, C\" <b@example.org>\r\n\
Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\nDate: Mon, 02 Jan 2006 15:04:05 +0000\r\nMessage-ID: <1@example.net>\r\n\
MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\nContent-Transfer-Encoding: 7bit\r\n\r\nhello\r\n\r\nworld\r\n"
    );
}

#[test]
fn another_parser_reads_what_was_put_in() {
    let data: Vec<u8> = (0..=255).cycle().take(1000).collect();
    let name = "\u{4f60}\u{597d} a long name of a file that goes over several lines.pdf";
    let attachments = [
        Attachment {
            filename: name,
            media_type: "application/pdf",
            content: &data,
            content_id: None,
        },
        Attachment {
            filename: "a \"b\".png",
            media_type: "bad type\r\n",
            content: b"x",
            content_id: Some("pic"),
        },
    ];
    let draft = Draft {
        text: Some("caf\u{e9}\n--=_seedm\n"),
        html: Some("<p>caf\u{e9}</p>"),
        cc: &["c@example.org"],
        reply_to: Some("r@example.org"),
        attachments: &attachments,
        headers: &[("X-Tag", "one")],
        ..draft()
    };
    let made = draft.compose().unwrap();
    assert_eq!(made, draft.compose().unwrap());
    let shape = Shape::of([&made[..]]);
    assert!(shape.is_clean() && !shape.eight_bit && shape.line_bytes <= 78);
    let read = MessageParser::default().parse(&made[..]).unwrap();
    assert_eq!(read.subject(), Some("Gr\u{fc}\u{df}e"));
    assert_eq!(
        read.from().unwrap().first().unwrap().name(),
        Some("J\u{fc}rgen")
    );
    assert_eq!(read.body_text(0).unwrap(), "caf\u{e9}\r\n--=_seedm\r\n");
    assert_eq!(read.body_html(0).unwrap(), "<p>caf\u{e9}</p>");
    let first = read.attachment(0).unwrap();
    assert_eq!(
        (first.attachment_name(), first.contents()),
        (Some(name), &data[..])
    );
    assert_eq!(
        read.attachment(1).unwrap().attachment_name(),
        Some("a \"b\".png")
    );
    let ours = Message::parse(made);
    assert!(ours.header_section().is_well_formed());
    let types: Vec<_> = ours.parts().iter().map(|part| part.media_type()).collect();
    assert_eq!(
        types,
        [
            "multipart/mixed",
            "multipart/alternative",
            "text/plain",
            "text/html",
            "application/pdf",
            "application/octet-stream"
        ]
    );
    assert_eq!(ours.part(4).unwrap().filename(), Some(name));
}

#[test]
fn what_would_break_the_header_is_refused() {
    for headers in [
        &[("Subject", "again")][..],
        &[("Content-Type", "text/x")],
        &[("X-A", "b\r\nC: d")],
        &[("X A", "b")],
    ] {
        let draft = Draft { headers, ..draft() };
        assert!(
            matches!(draft.compose(), Err(Error::Invalid(_))),
            "{headers:?}"
        );
    }
    assert!(
        Draft {
            from: "a\r\nb",
            ..draft()
        }
        .compose()
        .is_err()
    );
    assert!(
        Draft {
            from: "\u{e9}@example.net",
            ..draft()
        }
        .compose()
        .is_err()
    );
    assert!(
        Draft {
            from: "\u{e9}@example.net",
            utf8: true,
            ..draft()
        }
        .compose()
        .is_ok()
    );
}

#[test]
fn a_boundary_is_one_that_nothing_holds() {
    assert_eq!(safe_boundary("ab!c", &[b"x"]), "=_abc");
    assert_eq!(
        safe_boundary("abc", &[b"--=_abc\r\n", b"=_abc.1"]),
        "=_abc.2"
    );
}
