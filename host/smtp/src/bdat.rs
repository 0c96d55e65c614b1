//! A message in chunks (RFC 3030): counted, not searched for an end.
//!
//! Since the client counts, there is no doubt about where a message ends, and a bare CR, bare LF or
//! NUL in it is refused after the last chunk (550 5.6.0) without closing anything. Chunks that cannot
//! be taken are read all the same, as many octets as were announced. BINARYMIME is not offered: what
//! it allows could only go on to servers that offer it too.

use bytes::{Bytes, BytesMut};

use crate::data::{self, Unacceptable};

/// Collects chunks into a message.
#[derive(Debug, Default)]
pub struct Chunks {
    body: BytesMut,
    count: usize,
}

impl Chunks {
    /// How many chunks began.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Begins a chunk of `size` octets, where that leaves the message within its limits.
    pub fn begin(&mut self, size: u64, message_bytes_max: u64) -> Result<(), Unacceptable> {
        self.count += 1;
        let length = (self.body.len() as u64).saturating_add(size);
        if length > message_bytes_max {
            Err(Unacceptable::TooLarge)
        } else {
            Ok(())
        }
    }

    /// Octets of the chunk under way.
    pub fn keep(&mut self, bytes: &[u8]) {
        self.body.extend_from_slice(bytes);
    }

    /// The message, after the last chunk.
    pub fn finish(self, line_bytes_max: Option<usize>) -> Result<Bytes, Unacceptable> {
        data::check_lines(&self.body, line_bytes_max).map_err(Unacceptable::Text)?;
        Ok(self.body.freeze())
    }
}
