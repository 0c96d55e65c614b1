use bytes::BytesMut;
use proptest::prelude::*;

use super::{EnhancedStatus, Parser, Reply, ReplyError};
use crate::limits::{REPLY_LINE_BYTES_MAX, REPLY_LINE_READ_BYTES_MAX, REPLY_LINES_READ_MAX};

fn written(reply: &Reply) -> String {
    let mut out = BytesMut::new();
    reply.encode(true, &mut out);
    String::from_utf8(out.to_vec()).expect("UTF-8")
}

fn read(stream: &[u8], piece_bytes: usize) -> Result<Vec<Reply>, ReplyError> {
    let mut parser = Parser::default();
    let mut replies = Vec::new();
    for piece in stream.chunks(piece_bytes) {
        let mut input = piece;
        while let Some(reply) = parser.parse(&mut input)? {
            replies.push(reply);
        }
        assert!(input.is_empty());
    }
    Ok(replies)
}

fn status(text: &str) -> EnhancedStatus {
    text.parse().expect("a status")
}

#[test]
fn statuses_have_three_numbers() {
    assert_eq!(status("5.7.26"), EnhancedStatus::new(5, 7, 26));
    assert_eq!(status("2.0.0").to_string(), "2.0.0");
    for bad in [
        "", "5", "5.1", "5.1.1.1", "3.0.0", "5.1000.0", "5.+1.1", "05.1.1", "5..1", "x.1.1",
    ] {
        assert!(bad.parse::<EnhancedStatus>().is_err(), "{bad}");
    }
}

#[test]
fn each_line_carries_code_and_status() {
    let reply = Reply::new(550, status("5.7.1"), "first\nsecond");
    assert_eq!(written(&reply), "550-5.7.1 first\r\n550 5.7.1 second\r\n");
    assert_eq!(
        written(&Reply::new(354, status("2.0.0"), "go")),
        "354 go\r\n"
    );
    assert_eq!(written(&Reply::new(250, None, "")), "250 \r\n");
    assert_eq!(reply.to_string(), "550 5.7.1 first second");
}

#[test]
fn whatever_is_given_a_reply_can_be_written() {
    let reply = Reply::new(550, status("2.1.1"), "a\r\n250 ok\0\u{85}b\n");
    assert_eq!(written(&reply), "550-5.1.1 a \r\n550 5.1.1 250 ok  b\r\n");
    assert_eq!(Reply::new(99, None, "x").code(), 451);
    assert_eq!(Reply::new(600, None, "x").code(), 451);
}

#[test]
fn empty_last_lines_are_no_lines() {
    // A reply with several of them once read back with one fewer each time.
    for text in ["a\n", "a\n\n\n"] {
        assert_eq!(Reply::new(250, None, text).text(), "a");
    }
    assert_eq!(Reply::new(250, None, "\n\na\n").text(), "\n\na");
    assert_eq!(Reply::new(250, None, "\n\n").text(), "");
}

#[test]
fn a_text_by_strangers_is_refused_where_it_would_be_mended() {
    let checked = |code, status: Option<&str>, text: &str| {
        Reply::checked(
            code,
            status.map(|text| text.parse().expect("a status")),
            text,
            10,
        )
    };
    assert!(checked(550, Some("5.7.1"), "no").is_some());
    assert!(checked(550, Some("4.7.1"), "no").is_none());
    assert!(checked(199, None, "no").is_none());
    assert!(checked(550, None, "a\nb").is_none());
    assert!(checked(550, None, "a\rb").is_none());
    assert!(checked(550, None, "01234567890").is_none());
}

#[test]
fn letters_beyond_ascii_are_written_only_to_those_who_asked() {
    let mut out = BytesMut::new();
    Reply::new(250, None, "josé").encode(false, &mut out);
    assert_eq!(&out[..], b"250 jos?\r\n");
}

#[test]
fn long_text_is_folded() {
    let reply = Reply::new(550, status("5.7.1"), &"word ".repeat(300));
    let text = written(&reply);
    assert!(
        text.split_inclusive("\r\n")
            .all(|line| line.len() <= REPLY_LINE_BYTES_MAX)
    );
    assert!(text.lines().count() >= 3 && text.lines().all(|line| line.contains("word")));
    let solid = written(&Reply::new(550, None, &"é".repeat(1000)));
    assert!(
        solid
            .split_inclusive("\r\n")
            .all(|line| line.len() <= REPLY_LINE_BYTES_MAX)
    );
}

#[test]
fn replies_are_read_with_their_status_taken_off() {
    let stream =
        b"250-mx.test\r\n250-SIZE 10\r\n250 DSN\r\n550-5.1.1 no\r\n550 5.1.1 such user\r\n221\r\n";
    let expected = [
        Reply::new(250, None, "mx.test\nSIZE 10\nDSN"),
        Reply::new(550, status("5.1.1"), "no\nsuch user"),
        Reply::new(221, None, ""),
    ];
    assert_eq!(read(stream, 1000).as_deref(), Ok(&expected[..]));
    assert_eq!(read(stream, 1).as_deref(), Ok(&expected[..]));
}

#[test]
fn a_status_that_contradicts_the_code_is_text() {
    let replies = read(b"550 4.2.2 full\r\n250-2.0.0 a\r\n250 2.1.5 b\r\n", 100).expect("replies");
    assert_eq!(
        (replies[0].status(), replies[0].text()),
        (None, "4.2.2 full")
    );
    assert_eq!(
        (replies[1].status(), replies[1].text()),
        (Some(status("2.0.0")), "a\n2.1.5 b")
    );
    assert_eq!(replies[0].status_or_default(), status("5.0.0"));
}

#[test]
fn what_is_no_reply_is_refused() {
    for bad in [
        "hello\r\n",
        "25\r\n",
        "2500 x\r\n",
        "250_x\r\n",
        "199 x\r\n",
        "600 x\r\n",
        "\r\n",
    ] {
        assert_eq!(read(bad.as_bytes(), 1), Err(ReplyError::Garbage), "{bad}");
    }
    assert_eq!(read(b"250-a\r\n550 b\r\n", 3), Err(ReplyError::Mixed));
}

#[test]
fn only_crlf_ends_a_reply() {
    let replies = read(b"550 no\nnot ever\r\n", 100).expect("replies");
    assert_eq!(replies.len(), 1);
    assert_eq!((replies[0].code(), replies[0].text()), (550, "no not ever"));
}

#[test]
fn endless_replies_are_given_up() {
    let line = vec![b'2'; REPLY_LINE_READ_BYTES_MAX + 1];
    assert_eq!(read(&line, 100), Err(ReplyError::LineTooLong));
    let lines = b"250-x\r\n".repeat(REPLY_LINES_READ_MAX + 1);
    assert_eq!(read(&lines, 100), Err(ReplyError::TooLong));
    let bulky = format!("250-{}\r\n", "x".repeat(8000)).repeat(10);
    assert_eq!(read(bulky.as_bytes(), 4096), Err(ReplyError::TooLong));
}

#[test]
fn letters_of_an_old_charset_do_not_hide_the_code() {
    let replies = read(b"550 5.7.1 \xb0\xa1\x07\r\n", 100).expect("replies");
    assert_eq!(replies[0].text(), "\u{fffd}\u{fffd} ");
    assert_eq!(replies[0].code(), 550);
}

proptest! {
    #[test]
    fn a_reply_reads_as_it_was_written(
        code in 200_u16..600,
        subject in 0_u16..8,
        detail in 0_u16..40,
        lines in prop::collection::vec("[a-zA-Zé ]{0,60}", 1..5),
        piece_bytes in 1_usize..30,
    ) {
        let reply = Reply::new(code, EnhancedStatus::new(2, subject, detail), &lines.join("\n"));
        let replies = read(written(&reply).as_bytes(), piece_bytes).expect("a reply");
        prop_assert_eq!(replies, [reply]);
    }

    #[test]
    fn no_text_brings_a_bare_line_end_onto_the_wire(code in 0_u16..1000, text in any::<String>()) {
        let reply = Reply::new(code, None, &text);
        for utf8 in [false, true] {
            let mut out = BytesMut::new();
            reply.encode(utf8, &mut out);
            let text = String::from_utf8(out.to_vec()).expect("UTF-8");
            prop_assert!(text.ends_with("\r\n"));
            for line in text.trim_end_matches("\r\n").split("\r\n") {
                prop_assert!(!line.chars().any(char::is_control));
                prop_assert!(line.len() <= REPLY_LINE_BYTES_MAX - 2);
            }
        }
    }

    #[test]
    fn any_stream_in_any_pieces_reads_the_same(
        stream in prop::collection::vec(prop::sample::select(
            vec![b'2', b'5', b'0', b'-', b' ', b'.', b'\r', b'\n', b'\r', b'\n', 0xff]
        ), 0..80),
        piece_bytes in 1_usize..10,
    ) {
        prop_assert_eq!(read(&stream, piece_bytes), read(&stream, 1000));
    }
}

#[test]
fn a_reply_hidden_behind_a_bare_lf_is_garbage_however_it_is_cut() {
    let input: &[u8] = b"250 ok\n503 5.5.1 MAIL first\r\n";
    for cut in 0..input.len() {
        let mut parser = Parser::default();
        let (mut first, mut second) = input.split_at(cut);
        let met = parser
            .parse(&mut first)
            .and_then(|_| parser.parse(&mut second));
        assert_eq!(met, Err(ReplyError::Garbage), "cut at {cut}");
    }
}
