//! Replies do not depend on how the bytes are cut, and can be written.
#![no_main]

use baton_smtp::reply::{Parser, Reply, ReplyError};
use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;

fn replies(stream: &[u8], piece_bytes: usize) -> (Vec<Reply>, Option<ReplyError>) {
    let (mut parser, mut replies) = (Parser::default(), vec![]);
    for piece in stream.chunks(piece_bytes) {
        let mut input = piece;
        loop {
            match parser.parse(&mut input) {
                Ok(Some(reply)) => replies.push(reply),
                Ok(None) => break,
                Err(error) => return (replies, Some(error)),
            }
        }
    }
    (replies, None)
}

fuzz_target!(|input: &[u8]| {
    let Some((&piece_bytes, stream)) = input.split_first() else {
        return;
    };
    let whole = replies(stream, stream.len().max(1));
    assert_eq!(replies(stream, usize::from(piece_bytes).max(1)), whole);
    for reply in whole.0 {
        let mut out = BytesMut::new();
        reply.encode(true, &mut out);
        let text = std::str::from_utf8(&out)
            .expect("UTF-8")
            .replace("\r\n", "");
        assert!(!text.chars().any(char::is_control));
    }
});
