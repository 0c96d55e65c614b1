use bytes::{Bytes, BytesMut};
use proptest::prelude::*;

use super::{LineFault, LineReader};
use crate::limits::LINE_SWALLOWED_BYTES_MAX;

type Taken = Vec<Result<Bytes, LineFault>>;

fn lines(stream: &[u8], piece_bytes: usize, line_bytes_max: usize) -> Taken {
    let mut reader = LineReader::default();
    let mut buffer = BytesMut::new();
    let mut taken = Taken::new();
    for piece in stream.chunks(piece_bytes) {
        buffer.extend_from_slice(piece);
        loop {
            match reader.take(&mut buffer, line_bytes_max) {
                Ok(None) => break,
                Ok(Some(line)) => taken.push(Ok(line)),
                Err(LineFault::TooLong) => taken.push(Err(LineFault::TooLong)),
                Err(fault) => {
                    taken.push(Err(fault));
                    return taken;
                }
            }
        }
    }
    taken
}

#[test]
fn crlf_ends_a_line() {
    let expected: Taken = ["a", "", "b c"]
        .map(|line| Ok(Bytes::from_static(line.as_bytes())))
        .into();
    assert_eq!(lines(b"a\r\n\r\nb c\r\nrest", 100, 100), expected);
    assert_eq!(lines(b"a\r\n\r\nb c\r\nrest", 1, 100), expected);
}

#[test]
fn nothing_else_ends_a_line() {
    for stream in ["a\nb\r\n", "a\rb\r\n", "a\0b\r\n", "\n", "\r\r\n"] {
        assert_eq!(
            lines(stream.as_bytes(), 1, 100),
            [Err(LineFault::Bare)],
            "{stream:?}"
        );
        assert_eq!(
            lines(stream.as_bytes(), 100, 100),
            [Err(LineFault::Bare)],
            "{stream:?}"
        );
    }
    assert_eq!(lines(b"a\r", 1, 100), []);
}

#[test]
fn an_overlong_line_is_gone_and_the_next_one_is_read() {
    let stream = format!("{}\r\nok\r\n", "x".repeat(11));
    let expected = [Err(LineFault::TooLong), Ok(Bytes::from_static(b"ok"))];
    assert_eq!(lines(stream.as_bytes(), 1, 12), expected);
    assert_eq!(lines(stream.as_bytes(), 100, 12), expected);
    assert!(lines(stream.as_bytes(), 100, 13)[0].is_ok());
}

#[test]
fn an_endless_line_is_given_up_and_not_kept() {
    let mut reader = LineReader::default();
    let mut buffer = BytesMut::new();
    let mut received = 0;
    loop {
        buffer.extend_from_slice(&[b'x'; 1000]);
        received += 1000;
        if reader.take(&mut buffer, 500) == Err(LineFault::Endless) {
            break;
        }
        assert!(buffer.is_empty() && received <= LINE_SWALLOWED_BYTES_MAX);
    }
}

proptest! {
    #[test]
    fn any_split_gives_the_same_lines(
        stream in prop::collection::vec(
            prop::sample::select(vec![b'\r', b'\n', b'a', b'b', b'c', b'd', 0]), 0..80
        ),
        clean in any::<bool>(),
        piece_bytes in 1_usize..10,
    ) {
        let mut stream = stream;
        if clean {
            stream.retain(|byte| !matches!(byte, b'\r' | 0));
            let text = String::from_utf8(stream).expect("ASCII");
            stream = text.replace('\n', "\r\n").into_bytes();
        }
        let whole = lines(&stream, 1000, 12);
        prop_assert_eq!(&lines(&stream, piece_bytes, 12), &whole);
        prop_assert_eq!(&lines(&stream, 1, 12), &whole);
    }
}
