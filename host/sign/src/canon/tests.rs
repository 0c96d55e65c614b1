use proptest::prelude::*;

use super::{Body, field};

fn body(pieces: &[&[u8]]) -> Vec<u8> {
    let mut body = Body::new(Vec::new());
    for piece in pieces {
        body.write(piece);
    }
    body.finish()
}

/// RFC 6376 3.4.4, sentence by sentence.
fn by_the_book(text: &[u8]) -> Vec<u8> {
    let text: Vec<u8> = text.iter().copied().filter(|b| *b != b'\r').collect();
    let mut lines: Vec<Vec<u8>> = text
        .split(|byte| *byte == b'\n')
        .map(|line| {
            let mut out: Vec<u8> = Vec::new();
            for &byte in line {
                match byte {
                    b' ' | b'\t' if out.last() == Some(&b' ') => {}
                    b' ' | b'\t' => out.push(b' '),
                    _ => out.push(byte),
                }
            }
            if out.last() == Some(&b' ') {
                out.pop();
            }
            out
        })
        .collect();
    while lines.last().is_some_and(Vec::is_empty) {
        lines.pop();
    }
    let mut out = Vec::new();
    for line in lines {
        out.extend_from_slice(&line);
        out.extend_from_slice(b"\r\n");
    }
    out
}

#[test]
fn blanks_at_the_ends_of_lines_and_empty_lines_at_the_end_do_not_count() {
    assert_eq!(body(&[b" C \r\nD \t E\r\n"]), b" C\r\nD E\r\n");
    assert_eq!(body(&[b"a\r\n\r\nb\r\n\r\n\r\n"]), b"a\r\n\r\nb\r\n");
    assert_eq!(body(&[b"a\r\n \r\n\t\r\n"]), b"a\r\n");
    assert_eq!(body(&[b"a"]), b"a\r\n");
}

#[test]
fn a_body_of_nothing_but_blanks_is_empty() {
    for blank in [&b""[..], b"\r\n", b" \r\n", b"\r\n\t\r\n\r\n", b"  "] {
        assert_eq!(body(&[blank]), b"", "{blank:?}");
    }
}

#[test]
fn a_field_is_unfolded_and_its_blanks_are_made_one() {
    let relaxed = |name: &str, value: &[u8]| {
        let mut out = Vec::new();
        field(name, value, &mut out);
        String::from_utf8(out).expect("text")
    };
    assert_eq!(relaxed("A", b" X"), "a:X\r\n");
    assert_eq!(relaxed("B", b" Y\t\r\n\tZ  "), "b:Y Z\r\n");
    assert_eq!(relaxed("Empty", b" \r\n "), "empty:\r\n");
    // Only space and tab are blanks.
    assert_eq!(
        relaxed("Subject", b" a\x0cb \x0b"),
        "subject:a\x0cb \x0b\r\n"
    );
}

proptest! {
    #[test]
    fn a_body_is_hashed_as_the_rfc_says_wherever_it_is_cut(
        text in "([a-c\u{c}\u{e9}]| |\t|\r\n){0,60}",
        cuts in proptest::collection::vec(0usize..200, 0..4),
    ) {
        let text = text.as_bytes();
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
        cuts.sort_unstable();
        let mut pieces = Vec::new();
        let mut from = 0;
        for cut in cuts {
            pieces.push(&text[from..cut]);
            from = cut;
        }
        pieces.push(&text[from..]);
        prop_assert_eq!(body(&pieces), by_the_book(text));
    }

    #[test]
    fn long_lines_come_through_whole(length in 0usize..20_000) {
        let text = vec![b'x'; length];
        prop_assert_eq!(body(&[&text]), by_the_book(&text));
    }
}
