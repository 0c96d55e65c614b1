//! The text of a message on the wire: DATA decoded, DATA encoded, and what may never pass.
//!
//! # What ends a message
//!
//! CRLF `.` CRLF, and nothing else. A bare CR, a bare LF or a NUL anywhere makes the message
//! unacceptable, since the next server might read its lines differently than we do. How it is
//! refused depends on what can be known:
//!
//! - A line that holds only a dot and has a doubtful end on either side (`LF . LF`, `CRLF . LF`,
//!   `LF . CRLF`, `CR . CR` and so on): the client may believe that its message ended there, and what
//!   follows may be commands to it and text to us. The true end cannot be known, so the
//!   connection is closed at once, with 521 5.5.2 ([`Decoded::Ambiguous`]).
//! - Anywhere else both sides agree on the end. The message is read to CRLF `.` CRLF without being
//!   kept, and refused there with 550 5.6.0; the session goes on.
//!
//! Nothing after a doubtful end is ever run as a command, and nothing with a doubtful line end is
//! ever accepted, which is all that smuggling needs to fail.

#[cfg(test)]
mod tests;

mod decode;
mod encode;

pub use decode::{Decoded, Decoder, Unacceptable};
pub use encode::stuff;

use bytes::Bytes;
use memchr::memchr3_iter;

/// Why a text cannot be a message, the least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TextFault {
    /// A line longer than the listener takes.
    LineTooLong,
    /// A NUL (RFC 5322 4.1).
    Nul,
    /// A CR that no LF follows, an LF that no CR precedes.
    BareLineEnd,
}

/// The first thing in a text that SMTP cannot carry. For messages that did not come by DATA.
pub fn check(text: &[u8]) -> Result<(), TextFault> {
    Checker::default()
        .slice(text, |_| {})
        .and_then(Checker::end)
}

/// [`check`], and the length of lines with their CRLF.
pub fn check_lines(text: &[u8], line_bytes_max: Option<usize>) -> Result<(), TextFault> {
    let mut line = 0;
    let mut longest = 0;
    let checker = Checker::default().slice(text, |end| {
        longest = longest.max(end - line);
        line = end;
    })?;
    checker.end()?;
    let longest = longest.max(text.len() - line);
    let too_long = line_bytes_max.is_some_and(|max| longest > max);
    if too_long {
        Err(TextFault::LineTooLong)
    } else {
        Ok(())
    }
}

/// [`check`] over several slices that make one text.
pub fn check_slices(slices: &[Bytes]) -> Result<(), TextFault> {
    let mut checker = Checker::default();
    for slice in slices {
        checker = checker.slice(slice, |_| {})?;
    }
    checker.end()
}

/// Walks a text from line end to line end.
#[derive(Clone, Copy, Default)]
struct Checker {
    /// The text so far ends in a CR.
    carriage_return: bool,
}

impl Checker {
    /// Goes on with the next slice of the text. `line_end` is told the position after each CRLF.
    fn slice(self, text: &[u8], mut line_end: impl FnMut(usize)) -> Result<Checker, TextFault> {
        if text.is_empty() {
            return Ok(self);
        }
        // Where an LF must stand: right after a CR.
        let mut expected = self.carriage_return.then_some(0);
        for at in memchr3_iter(b'\r', b'\n', 0, text) {
            let in_place = expected.take().map(|place| place == at);
            match (text[at], in_place) {
                (b'\n', Some(true)) => line_end(at + 1),
                (_, Some(_)) | (b'\n', None) => return Err(TextFault::BareLineEnd),
                (b'\r', None) => expected = Some(at + 1),
                (_, None) => return Err(TextFault::Nul),
            }
        }
        match expected {
            Some(place) if place < text.len() => Err(TextFault::BareLineEnd),
            rest => Ok(Checker {
                carriage_return: rest.is_some(),
            }),
        }
    }

    fn end(self) -> Result<(), TextFault> {
        if self.carriage_return {
            Err(TextFault::BareLineEnd)
        } else {
            Ok(())
        }
    }
}
