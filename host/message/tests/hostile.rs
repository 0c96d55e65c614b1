//! Inputs made to hurt: each is read, edited where it may be, and rendered, in time that grows with its length alone.
//!
//! No test here looks at a clock. The inputs are so large that anything quadratic would not end.

use baton_message::report::Report;
use baton_message::{EditSet, Error, Message, NewField, limits};
use bytes::Bytes;

const MEGABYTE: usize = 1 << 20;

/// Asks everything that can be asked.
fn exercise(bytes: impl Into<Bytes>) -> Message {
    let message = Message::parse(bytes.into());
    let mut set = EditSet::new(message.clone(), false);
    set.begin();
    for (name, value) in set.headers() {
        assert!(!name.is_empty() && !value.contains(['\r', '\n', '\0']));
    }
    for info in set.parts() {
        let _ = set.text(info.index);
        let _ = set.content_range(info.index, 10, 10);
        assert_eq!(
            set.set_text(info.index, "new \u{e9} text").is_ok(),
            info.editable
        );
    }
    let _ = set.replace_header("Subject", "new");
    let _ = set.append_header("X-New", "new");
    set.commit();
    set.find(&["new"]).unwrap();
    set.urls();
    Report::read(&message);
    let trace = NewField::new("Received", "by test", false).unwrap();
    let out = Message::parse(set.render(&[trace]).into_bytes());
    assert_eq!(out.header("Received").as_deref(), Some("by test"));
    message
}

#[test]
fn ten_thousand_parts() {
    for part in [
        "--b\r\n\r\nx\r\n",
        "--b\r\n",
        "--b\r\nContent-Type: message/rfc822\r\n\r\nA: b\r\n\r\nx\r\n",
    ] {
        let message = exercise(format!(
            "Content-Type: multipart/mixed; boundary=b\r\n\r\n{}--b--\r\n",
            part.repeat(10_000)
        ));
        assert_eq!(message.parts().len(), limits::PARTS_MAX);
        assert!(!message.is_editable(1));
    }
}

#[test]
fn a_multipart_in_every_part_that_never_begins() {
    let part = "--b\r\nContent-Type: multipart/mixed; boundary=never\r\n\r\n";
    let message = exercise(format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n{}{}",
        part.repeat(900),
        "text line\r\n".repeat(MEGABYTE)
    ));
    assert_eq!(message.parts().len(), 901);
}

#[test]
fn ten_thousand_levels() {
    let mut multiparts = String::new();
    for level in 0..10_000 {
        multiparts.push_str(&format!(
            "Content-Type: multipart/mixed; boundary=\"{level}\"\r\n\r\n--{level}\r\n"
        ));
    }
    assert_eq!(exercise(multiparts).parts().len(), limits::DEPTH_MAX + 1);
    let enclosed = "Content-Type: message/rfc822\r\n\r\n".repeat(10_000);
    assert_eq!(exercise(enclosed).parts().len(), limits::DEPTH_MAX + 1);
    let encoded =
        "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n".repeat(10_000);
    assert_eq!(exercise(encoded).parts().len(), 1);
}

#[test]
fn megabytes_of_lines_that_look_like_delimiters() {
    for line in [
        "--\r\n",
        "--b\r\n",
        "--bx\r\n",
        "--b--\r\n",
        "--b --\r\n",
        "--",
        "-",
    ] {
        let mut text = String::from("Content-Type: multipart/mixed; boundary=b\r\n\r\n");
        text.push_str(&line.repeat(4 * MEGABYTE / line.len()));
        exercise(text);
    }
    let long = "b".repeat(limits::BOUNDARY_BYTES_MAX);
    let mut text = String::new();
    for level in 0..40 {
        text.push_str(&format!(
            "Content-Type: multipart/mixed; boundary={}{level:02}\r\n\r\n--{0}{level:02}\r\n",
            &long[2..]
        ));
    }
    text.push_str(&format!("--{long}\r\n").repeat(20_000));
    assert_eq!(exercise(text).parts().len(), 41);
}

#[test]
fn a_header_line_of_megabytes() {
    for name in [
        "Subject",
        "Content-Type",
        "From",
        "Content-Transfer-Encoding",
    ] {
        for filler in ["x", "=?utf-8?q?", "a; b=", "\"", "(", "<", "\\", "\u{e9}"] {
            let value = filler.repeat(MEGABYTE / filler.len());
            let message = exercise(format!("A: b\r\n{name}: {value}\r\n\r\nbody\r\n"));
            assert_eq!(message.header("a").as_deref(), Some("b"));
            assert_eq!(message.body(), "body\r\n");
        }
    }
}

#[test]
fn a_hundred_thousand_fields() {
    let message = exercise(format!("{}\r\nbody\r\n", "Received: x\r\n".repeat(100_000)));
    assert_eq!(message.received_count(), limits::HEADER_FIELDS_MAX);
    assert_eq!(message.body(), "body\r\n");
    let mut set = EditSet::new(message, false);
    assert!(matches!(
        set.append_header("X-A", "b"),
        Err(Error::Protected(_))
    ));
    let folds = exercise(format!("A: b\r\n{}\r\nbody\r\n", " x\r\n".repeat(200_000)));
    assert_eq!(folds.body(), "body\r\n");
}

#[test]
fn a_thousand_parameters_in_pieces() {
    let pieces: String = (0..500)
        .map(|at| format!("; x{at}*{at}*=utf-8''%41"))
        .collect();
    exercise(format!("Content-Type: text/plain{pieces}\r\n\r\nbody\r\n"));
    exercise(format!(
        "Content-Type: text/plain{}\r\n\r\nbody\r\n",
        pieces.repeat(1_000)
    ));
}

#[test]
fn bytes_that_belong_nowhere() {
    for bytes in [
        &b""[..],
        b"\0",
        b"\r",
        b"\n",
        b"\r\n",
        b"\r\n\r\n",
        b":",
        b": \r\n",
        b"\xff\xfe\xfd",
        b"A\0B: c\r\n\r\n\0",
        b"Subject: \0\x01\xff\r\n\r\n\0\xff",
        b"A: b\r\n \0\r\n\xe9: c\r\n",
        b"--\r\n--\r\n",
        b"Content-Type: multipart/mixed; boundary=\"\"\r\n\r\n--\r\n\r\nx\r\n----\r\n",
        b"Content-Type: multipart/mixed; boundary=\"\xff\"\r\n\r\n--\xff\r\n\r\nx\r\n--\xff--\r\n",
        b"Content-Type: multipart/mixed; boundary=\"a\r\n b\"\r\n\r\n--a b\r\n\r\nx\r\n",
        b"Content-Type: text/plain; charset=\"\r\n\r\n\xe9",
    ] {
        exercise(bytes.to_vec());
    }
}

#[test]
fn broken_encodings_of_megabytes() {
    for encoding in ["base64", "quoted-printable", "x-unknown"] {
        for filler in [
            "=", "=\r\n", "= ", "A", "A=", "=G", "!", "\u{e9}", " \r\n", "\r\n",
        ] {
            let body = filler.repeat(2 * MEGABYTE / filler.len());
            exercise(format!(
                "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n\r\n{body}"
            ));
        }
    }
}

#[test]
fn a_report_without_end() {
    for line in [
        "Final-Recipient: rfc822;a@b\r\n\r\n",
        "\r\n",
        "x\r\n",
        "Final-Recipient: utf-8;\\x{\\x{41}\r\n\r\n",
    ] {
        let status = line.repeat(2 * MEGABYTE / line.len());
        exercise(format!(
            "Content-Type: message/delivery-status\r\n\r\n{status}"
        ));
    }
}
