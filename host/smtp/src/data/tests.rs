use bytes::Bytes;
use proptest::prelude::*;

use super::{Decoded, Decoder, TextFault, Unacceptable, check, check_lines, check_slices, stuff};

type Fate = (Decoded, Option<Result<Bytes, Unacceptable>>, usize);

/// What a decoder makes of a stream in pieces, and how much of it it took.
fn decode(stream: &[u8], pieces: &[usize], bytes_max: u64, line_bytes_max: Option<usize>) -> Fate {
    let mut decoder = Decoder::new(None, bytes_max, 50, line_bytes_max);
    let mut rest = stream;
    for &piece in pieces.iter().cycle() {
        let (mut input, after) = rest.split_at(piece.min(rest.len()));
        match decoder.decode(&mut input) {
            Decoded::More => rest = after,
            end @ Decoded::End => {
                let taken = stream.len() - after.len() - input.len();
                return (end, Some(decoder.finish()), taken);
            }
            // Where the connection is closed it does not matter how much was read.
            broken => return (broken, None, 0),
        }
        if rest.is_empty() {
            break;
        }
    }
    (Decoded::More, None, stream.len())
}

fn wire(message: &[u8]) -> Vec<u8> {
    let slices = stuff(&[Bytes::copy_from_slice(message)]).expect("a clean message");
    slices.concat()
}

fn ends(stream: &[u8]) -> Decoded {
    decode(stream, &[usize::MAX], 1000, None).0
}

#[test]
fn only_crlf_dot_crlf_ends_a_message() {
    assert_eq!(ends(b".\r\n"), Decoded::End);
    assert_eq!(ends(b"a\r\n.\r\n"), Decoded::End);
    assert_eq!(ends(b"a.\r\n"), Decoded::More);
    assert_eq!(ends(b"a\r\n..\r\n"), Decoded::More);
    assert_eq!(ends(b"a\r\n.b\r\n"), Decoded::More);
    assert_eq!(ends(b"a\r\n. \r\n"), Decoded::More);
}

#[test]
fn a_dot_alone_between_doubtful_line_ends_closes_the_connection() {
    let ends_of_line: [&[u8]; 3] = [b"\r\n", b"\n", b"\r"];
    for before in ends_of_line {
        for after in ends_of_line {
            let stream = [b"text", before, b".", after, b"MAIL FROM:<a@b.test>\r\n"].concat();
            let clean = before == b"\r\n" && after == b"\r\n";
            let expected = if clean {
                Decoded::End
            } else {
                Decoded::Ambiguous
            };
            for pieces in [usize::MAX, 1, 2, 3] {
                let fate = decode(&stream, &[pieces], 1000, None).0;
                assert_eq!(fate, expected, "{stream:?} in pieces of {pieces}");
            }
        }
    }
}

#[test]
fn a_bare_line_end_elsewhere_is_found_at_the_true_end() {
    for text in ["a\nb", "a\rb", "a\r\r\nb", "\n..\n.", "\n", "\r", ".\n.a"] {
        let stream = format!("{text}x\r\n.\r\nQUIT\r\n");
        let (end, body, taken) = decode(stream.as_bytes(), &[usize::MAX], 1000, None);
        let fault = Unacceptable::Text(TextFault::BareLineEnd);
        if text == ".\n.a" {
            // A dot between CRLF (the one of DATA itself) and LF.
            assert_eq!(end, Decoded::Ambiguous);
            continue;
        }
        assert_eq!((end, body), (Decoded::End, Some(Err(fault))), "{text:?}");
        assert_eq!(&stream[taken..], "QUIT\r\n");
    }
}

#[test]
fn a_nul_and_a_long_line_are_found() {
    let refused = |stream: &[u8]| decode(stream, &[1], 1000, Some(6)).1;
    let text = |fault| Some(Err(Unacceptable::Text(fault)));
    assert_eq!(refused(b"a\0b\r\n.\r\n"), text(TextFault::Nul));
    assert_eq!(refused(b"12345\r\n.\r\n"), text(TextFault::LineTooLong));
    assert_eq!(
        refused(b"1234\r\n.\r\n"),
        Some(Ok(Bytes::from_static(b"1234\r\n")))
    );
}

#[test]
fn what_cannot_be_taken_is_not_kept() {
    let mut decoder = Decoder::new(Some(u64::MAX), 10, 1_000_000, None);
    assert_eq!(
        decoder.decode(&mut [b'a'; 100_000].as_slice()),
        Decoded::More
    );
    assert_eq!(decoder.decode(&mut b"\r\n.\r\n".as_slice()), Decoded::End);
    assert_eq!(decoder.finish(), Err(Unacceptable::TooLarge));
}

#[test]
fn what_is_thrown_away_is_bounded() {
    let mut decoder = Decoder::new(None, 10, 20, None);
    assert_eq!(decoder.decode(&mut [b'a'; 30].as_slice()), Decoded::More);
    assert_eq!(decoder.decode(&mut b"a".as_slice()), Decoded::Overrun);
}

#[test]
fn a_clean_message_goes_out_in_its_own_slices() {
    let message = Bytes::from_static(b"a\r\n.b\r\nc\r\n");
    let slices = stuff(std::slice::from_ref(&message)).expect("a clean message");
    let parts: Vec<&[u8]> = slices.iter().map(|slice| &slice[..]).collect();
    assert_eq!(parts, [&b"a\r\n"[..], b".", b".b\r\nc\r\n", b".\r\n"]);
    assert_eq!(slices[0].as_ptr(), message.as_ptr());
    assert_eq!(slices[2].as_ptr(), message[3..].as_ptr());
}

#[test]
fn many_dots_are_copied_into_one_slice() {
    let message = Bytes::from(b".\r\n".repeat(100));
    let slices = stuff(&[message]).expect("a clean message");
    assert_eq!(slices.len(), 1);
    assert_eq!(
        slices[0],
        [b"..\r\n".repeat(100), b".\r\n".to_vec()].concat()
    );
}

#[test]
fn a_message_without_a_last_line_end_gets_one() {
    assert_eq!(wire(b""), b".\r\n");
    assert_eq!(wire(b"a"), b"a\r\n.\r\n");
    assert_eq!(wire(b"."), b"..\r\n.\r\n");
    assert_eq!(wire(b"a\r\n"), b"a\r\n.\r\n");
}

#[test]
fn bare_line_ends_and_nuls_are_never_sent() {
    for text in [
        "a\nb", "a\rb", "\n", "\r", "a\r\r\n", "a\r\n\n", "a\0", "\r\n\r",
    ] {
        assert!(check(text.as_bytes()).is_err(), "{text:?}");
        assert!(
            stuff(&[Bytes::from_static(text.as_bytes())]).is_err(),
            "{text:?}"
        );
    }
}

#[test]
fn a_line_end_between_two_slices_is_one() {
    let slices = |parts: &[&'static str]| -> Vec<Bytes> {
        parts
            .iter()
            .map(|part| Bytes::from_static(part.as_bytes()))
            .collect()
    };
    let stuffed = stuff(&slices(&["a\r", "", "\n", ".b", "\r\n"])).expect("a clean message");
    assert_eq!(stuffed.concat(), b"a\r\n..b\r\n.\r\n");
    assert!(stuff(&slices(&["a\r", "b"])).is_err());
    assert!(stuff(&slices(&["a", "\nb"])).is_err());
    assert!(check_slices(&slices(&["a\r", "\nb"])).is_ok());
    assert!(check_slices(&slices(&["a\r", "b"])).is_err());
}

#[test]
fn lines_are_measured_with_their_ends() {
    assert_eq!(check_lines(b"1234\r\n12345", Some(6)), Ok(()));
    assert_eq!(
        check_lines(b"12345\r\n1", Some(6)),
        Err(TextFault::LineTooLong)
    );
    assert_eq!(
        check_lines(b"1\r\n1234567", Some(6)),
        Err(TextFault::LineTooLong)
    );
}

/// Octets in which line ends and dots are frequent.
fn tricky(length_max: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(
        prop::sample::select(vec![b'\r', b'\n', b'.', b'.', b'a', b'\r', b'\n', 0, 0xe9]),
        0..length_max,
    )
}

/// Lines with CRLF between them, and often a dot in front.
fn clean() -> impl Strategy<Value = Vec<u8>> {
    let line = prop::sample::select(vec!["", ".", "..", "a", ".a", "a.", "long line", ". "]);
    (prop::collection::vec(line, 0..40), any::<bool>()).prop_map(|(lines, ended)| {
        let text = lines.join("\r\n");
        if ended {
            format!("{text}\r\n").into_bytes()
        } else {
            text.into_bytes()
        }
    })
}

fn cut(message: &[u8], sizes: &[usize]) -> Vec<Bytes> {
    let mut slices = Vec::new();
    let mut rest = message;
    for &size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (slice, after) = rest.split_at(size.clamp(1, rest.len()));
        slices.push(Bytes::copy_from_slice(slice));
        rest = after;
    }
    slices
}

proptest! {
    #[test]
    fn what_is_stuffed_decodes_to_the_same(
        message in clean(),
        slices in prop::collection::vec(1_usize..20, 1..6),
        pieces in prop::collection::vec(1_usize..20, 1..6),
    ) {
        let stream = stuff(&cut(&message, &slices)).expect("a clean message").concat();
        prop_assert_eq!(&stream, &wire(&message));
        let (end, body, taken) = decode(&stream, &pieces, 1000, None);
        prop_assert_eq!(end, Decoded::End);
        prop_assert_eq!(taken, stream.len());
        let body = body.expect("an end").expect("a clean message");
        let mut expected = message;
        if !expected.is_empty() && !expected.ends_with(b"\r\n") {
            expected.extend_from_slice(b"\r\n");
        }
        prop_assert_eq!(&body[..], &expected[..]);
    }

    #[test]
    fn any_split_decodes_to_the_same(
        stream in tricky(120),
        pieces in prop::collection::vec(1_usize..10, 1..6),
        line_bytes_max in prop::option::of(3_usize..20),
    ) {
        let whole = decode(&stream, &[usize::MAX], 40, line_bytes_max);
        prop_assert_eq!(&decode(&stream, &pieces, 40, line_bytes_max), &whole);
        prop_assert_eq!(&decode(&stream, &[1], 40, line_bytes_max), &whole);
    }

    #[test]
    fn the_end_is_where_the_plain_reading_of_the_rfc_puts_it(stream in tricky(60)) {
        let marked = [b"\r\n".as_slice(), &stream].concat();
        let end = marked.windows(5).position(|window| window == b"\r\n.\r\n");
        match decode(&stream, &[usize::MAX], 1000, None) {
            (Decoded::End, body, taken) => {
                prop_assert_eq!(Some(taken), end.map(|at| at + 3));
                let text = &stream[..taken - 3];
                let clean = check(text).is_ok();
                prop_assert_eq!(body.expect("an end").is_ok(), clean);
            }
            (Decoded::More, ..) => prop_assert_eq!(end, None),
            _ => {}
        }
    }

    #[test]
    fn nothing_unclean_is_stuffed_and_nothing_clean_refused(
        message in tricky(60),
        sizes in prop::collection::vec(1_usize..10, 1..6),
    ) {
        let text = String::from_utf8_lossy(&message).replace("\r\n", "");
        let clean = !text.contains(['\r', '\n', '\0']);
        prop_assert_eq!(check(&message).is_ok(), clean);
        prop_assert_eq!(stuff(&cut(&message, &sizes)).is_ok(), clean);
        prop_assert_eq!(check_slices(&cut(&message, &sizes)).is_ok(), clean);
    }
}
