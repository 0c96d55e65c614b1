//! DATA on its way in.

use bytes::{Bytes, BytesMut};
use memchr::memchr3;

use super::TextFault;
use crate::limits::RESERVED_BYTES_MAX;

/// What became of the bytes given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// All were taken, and the message goes on.
    More,
    /// The message is over; what follows are commands.
    End,
    /// A dot alone on a line with a doubtful end: the connection must be closed.
    Ambiguous,
    /// More was thrown away than the limit allows: the connection must be closed.
    Overrun,
}

/// Why a message that was read to its end is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unacceptable {
    /// It is larger than the limit.
    TooLarge,
    /// It holds what no message may.
    Text(TextFault),
}

/// Where in a line the next byte stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    /// At the beginning of a line, after CRLF or at the very beginning.
    Start,
    /// After a dot that begins a line.
    Dot,
    /// After the CR of a line that holds only a dot.
    DotCr,
    /// Within a line.
    Text,
    /// After a CR within a line.
    Cr,
    /// At the beginning of what some would call a line: after a bare CR or a bare LF.
    BareStart,
    /// After a dot there.
    BareDot,
}

/// Takes a message out of the bytes after DATA: dots unstuffed, end found, size and text checked.
/// Once the message cannot be taken any more nothing of it is kept.
#[derive(Debug)]
pub struct Decoder {
    at: At,
    body: BytesMut,
    /// Octets of the message so far, kept or not.
    length: u64,
    message_bytes_max: u64,
    swallowed_bytes_max: u64,
    line_bytes_max: Option<usize>,
    /// Octets of the current line in slices before this one.
    line_bytes: usize,
    /// The worst there is in the text, wherever it stands: which of two faults is seen first would
    /// depend on how the bytes were cut.
    fault: Option<TextFault>,
}

impl Decoder {
    /// A decoder for one message. `size` is what the client announced; little is reserved on its word.
    pub fn new(
        size: Option<u64>,
        message_bytes_max: u64,
        swallowed_bytes_max: u64,
        line_bytes_max: Option<usize>,
    ) -> Decoder {
        let reserve = size
            .unwrap_or(0)
            .min(RESERVED_BYTES_MAX)
            .min(message_bytes_max);
        Decoder {
            at: At::Start,
            body: BytesMut::with_capacity(usize::try_from(reserve).unwrap_or(0)),
            length: 0,
            message_bytes_max,
            swallowed_bytes_max,
            line_bytes_max,
            line_bytes: 0,
            fault: None,
        }
    }

    /// Takes bytes from the front of `input`: all of them, or those up to the end of the message.
    pub fn decode(&mut self, input: &mut &[u8]) -> Decoded {
        let bytes = *input;
        // From `run` on nothing was kept yet; the line began at `line` or before these bytes.
        let (mut at, mut run, mut line) = (0, 0, 0);
        let decoded = loop {
            let Some(&byte) = bytes.get(at) else {
                break Decoded::More;
            };
            match self.at {
                At::Text => match memchr3(b'\r', b'\n', 0, &bytes[at..]) {
                    None => at = bytes.len(),
                    Some(offset) => {
                        at += offset + 1;
                        match bytes[at - 1] {
                            b'\r' => self.at = At::Cr,
                            b'\n' => self.bare(),
                            _ => self.refuse(TextFault::Nul),
                        }
                    }
                },
                At::Cr if byte == b'\n' => {
                    at += 1;
                    self.end_line(at - line);
                    line = at;
                    self.at = At::Start;
                }
                At::Cr => self.bare(),
                At::Start if byte == b'.' => {
                    self.keep(&bytes[run..at]);
                    at += 1;
                    run = at;
                    self.at = At::Dot;
                }
                At::BareStart if byte == b'.' => {
                    at += 1;
                    self.at = At::BareDot;
                }
                At::Dot if byte == b'\r' => {
                    at += 1;
                    run = at;
                    self.at = At::DotCr;
                }
                At::DotCr if byte == b'\n' => {
                    at += 1;
                    break Decoded::End;
                }
                At::DotCr => break Decoded::Ambiguous,
                At::Dot if byte == b'\n' => break Decoded::Ambiguous,
                At::BareDot if matches!(byte, b'\r' | b'\n') => break Decoded::Ambiguous,
                At::Start | At::BareStart | At::Dot | At::BareDot => self.at = At::Text,
            }
        };
        if decoded != Decoded::End {
            self.keep(&bytes[run..at]);
            self.line_bytes = self.line_bytes.saturating_add(at - line);
            self.check_line(0);
        }
        *input = &bytes[at..];
        let most = self
            .message_bytes_max
            .saturating_add(self.swallowed_bytes_max);
        if self.length > most {
            Decoded::Overrun
        } else {
            decoded
        }
    }

    /// The message, once [`Decoded::End`] was reached.
    pub fn finish(self) -> Result<Bytes, Unacceptable> {
        match self.fault {
            _ if self.length > self.message_bytes_max => Err(Unacceptable::TooLarge),
            Some(fault) => Err(Unacceptable::Text(fault)),
            None => Ok(self.body.freeze()),
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.length = self.length.saturating_add(bytes.len() as u64);
        if self.fault.is_some() || self.length > self.message_bytes_max {
            self.body = BytesMut::new();
        } else {
            self.body.extend_from_slice(bytes);
        }
    }

    fn bare(&mut self) {
        self.refuse(TextFault::BareLineEnd);
        self.at = At::BareStart;
    }

    fn refuse(&mut self, fault: TextFault) {
        self.fault = self.fault.max(Some(fault));
    }

    fn end_line(&mut self, bytes: usize) {
        self.check_line(bytes);
        self.line_bytes = 0;
    }

    fn check_line(&mut self, bytes: usize) {
        let length = self.line_bytes.saturating_add(bytes);
        if self.line_bytes_max.is_some_and(|max| length > max) {
            self.refuse(TextFault::LineTooLong);
        }
    }
}
