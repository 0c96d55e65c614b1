//! Command lines out of bytes. Only CRLF ends a line.
//!
//! A bare CR, a bare LF or a NUL in a command cannot come from a client that speaks SMTP, but it can
//! come from a message that somebody smuggles through another server. Where it stands the two sides
//! may disagree about what is a command, so there is no going on after it: the session answers 521
//! 5.5.2 and closes. A line that is merely too long is read to its end and refused.

#[cfg(test)]
mod tests;

use bytes::{Buf, Bytes, BytesMut};
use memchr::memchr3;

use crate::limits::LINE_SWALLOWED_BYTES_MAX;

/// Why there is no line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineFault {
    /// A CR without LF, an LF without CR, or a NUL. Nothing after it can be trusted.
    Bare,
    /// The line was longer than allowed. It is gone, and the next one can be read.
    TooLong,
    /// The line is so long that its end is not waited for.
    Endless,
}

/// Finds line ends in a buffer that grows, without looking at any byte twice.
#[derive(Debug, Default)]
pub struct LineReader {
    /// Bytes at the front of the buffer that hold no line end.
    scanned: usize,
    /// Bytes of an overlong line that are gone already.
    swallowed: usize,
}

impl LineReader {
    /// Takes the next line, without its CRLF, off the front of `input`; `None` where it has no end
    /// yet. `line_bytes_max` counts the CRLF.
    pub fn take(
        &mut self,
        input: &mut BytesMut,
        line_bytes_max: usize,
    ) -> Result<Option<Bytes>, LineFault> {
        let Some(at) = memchr3(b'\r', b'\n', 0, &input[self.scanned..]) else {
            self.scanned = input.len();
            return self.wait(input, line_bytes_max);
        };
        let end = self.scanned + at;
        if self.swallowed + end > LINE_SWALLOWED_BYTES_MAX {
            return Err(LineFault::Endless);
        }
        match (input[end], input.get(end + 1)) {
            (b'\r', Some(b'\n')) => {}
            (b'\r', None) => {
                self.scanned = end;
                return self.wait(input, line_bytes_max);
            }
            _ => return Err(LineFault::Bare),
        }
        self.scanned = 0;
        let too_long = std::mem::take(&mut self.swallowed) > 0 || end + 2 > line_bytes_max;
        if too_long {
            input.advance(end + 2);
            return Err(LineFault::TooLong);
        }
        let line = input.split_to(end).freeze();
        input.advance(2);
        Ok(Some(line))
    }

    /// Forgets what was seen of a line: the buffer was emptied.
    pub fn reset(&mut self) {
        *self = LineReader::default();
    }

    /// No line end yet: what is too long already is not kept.
    fn wait(
        &mut self,
        input: &mut BytesMut,
        line_bytes_max: usize,
    ) -> Result<Option<Bytes>, LineFault> {
        if self.swallowed + self.scanned > LINE_SWALLOWED_BYTES_MAX {
            return Err(LineFault::Endless);
        }
        if self.swallowed > 0 || self.scanned >= line_bytes_max {
            self.swallowed += self.scanned;
            input.advance(self.scanned);
            self.scanned = 0;
        }
        Ok(None)
    }
}
