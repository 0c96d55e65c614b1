//! A message does not depend on how the bytes are cut, and what is accepted can be sent on.
#![no_main]

use baton_smtp::data::{Decoded, Decoder, Unacceptable, check, stuff};
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;

fn decode(stream: &[u8], piece_bytes: usize) -> (Decoded, Option<Result<Bytes, Unacceptable>>) {
    let mut decoder = Decoder::new(Some(100), 200, 100, Some(80));
    for piece in stream.chunks(piece_bytes) {
        let mut input = piece;
        match decoder.decode(&mut input) {
            Decoded::More => {}
            Decoded::End => return (Decoded::End, Some(decoder.finish())),
            broken => return (broken, None),
        }
    }
    (Decoded::More, None)
}

fuzz_target!(|input: &[u8]| {
    let Some((&piece_bytes, stream)) = input.split_first() else {
        return;
    };
    let whole = decode(stream, stream.len().max(1));
    assert_eq!(decode(stream, usize::from(piece_bytes).max(1)), whole);
    if let Some(Ok(body)) = whole.1 {
        assert_eq!(check(&body), Ok(()));
        let wire = stuff(&[body.clone()])
            .expect("an accepted message")
            .concat();
        assert_eq!(decode(&wire, wire.len()), (Decoded::End, Some(Ok(body))));
    }
    let slices: Vec<Bytes> = stream
        .chunks(usize::from(piece_bytes).max(1))
        .map(Bytes::copy_from_slice)
        .collect();
    assert_eq!(stuff(&slices).is_ok(), check(stream).is_ok());
});
