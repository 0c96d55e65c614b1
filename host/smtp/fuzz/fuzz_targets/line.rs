//! Lines do not depend on how the bytes are cut, and hold no line end.
#![no_main]

use baton_smtp::line::{LineFault, LineReader};
use bytes::{Bytes, BytesMut};
use libfuzzer_sys::fuzz_target;

fn lines(stream: &[u8], piece_bytes: usize) -> Vec<Result<Bytes, LineFault>> {
    let (mut reader, mut buffer, mut taken) = (LineReader::default(), BytesMut::new(), vec![]);
    for piece in stream.chunks(piece_bytes) {
        buffer.extend_from_slice(piece);
        loop {
            match reader.take(&mut buffer, 20) {
                Ok(None) => break,
                Ok(Some(line)) => {
                    assert!(!line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
                    assert!(line.len() <= 18);
                    taken.push(Ok(line));
                }
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

fuzz_target!(|input: &[u8]| {
    let Some((&piece_bytes, stream)) = input.split_first() else {
        return;
    };
    let whole = lines(stream, stream.len().max(1));
    assert_eq!(lines(stream, usize::from(piece_bytes).max(1)), whole);
});
