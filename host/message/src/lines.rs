//! Line discipline of a whole message: what it needs of a next hop, and mail that never was on the wire made fit for it.

use bytes::Bytes;
use memchr::{memchr, memchr2_iter, memchr3, memrchr};

#[cfg(test)]
mod tests;

/// What a message is made of, seen by the next hop.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Shape {
    /// A byte is not ASCII: 8BITMIME (RFC 6152), or SMTPUTF8 if it stands in the header section.
    pub eight_bit: bool,
    /// The longest line without its end; RFC 5321 4.5.3.1.6 allows 998.
    pub line_bytes: usize,
    /// A CR without LF or an LF without CR: such bytes are never sent.
    pub bare: bool,
    /// A NUL: such bytes are never sent.
    pub nul: bool,
}

impl Shape {
    /// The shape of a message in one or more pieces.
    pub fn of<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut shape = Self::default();
        let (mut line, mut after_cr) = (0, false);
        for piece in pieces {
            shape.eight_bit |= !piece.is_ascii();
            shape.nul |= memchr(0, piece).is_some();
            let mut from = 0;
            for at in memchr2_iter(b'\r', b'\n', piece) {
                // A CR must be followed by its LF at once, and an LF must follow its CR.
                let touching = at == from;
                line += at - from;
                let is_lf = piece[at] == b'\n';
                shape.bare |= if is_lf {
                    !(after_cr && touching)
                } else {
                    after_cr
                };
                if is_lf {
                    shape.line_bytes = shape.line_bytes.max(line);
                    line = 0;
                }
                after_cr = !is_lf;
                from = at + 1;
            }
            if from < piece.len() {
                shape.bare |= after_cr;
                after_cr = false;
                line += piece.len() - from;
            }
        }
        shape.bare |= after_cr;
        shape.line_bytes = shape.line_bytes.max(line);
        shape
    }

    /// True if the message can be sent at all: only CRLF ends a line, and there is no NUL.
    pub fn is_clean(&self) -> bool {
        !self.bare && !self.nul
    }
}

/// Lines with their ends, from both sides; as `split_inclusive` cuts them, and several times as fast.
#[derive(Clone)]
pub(crate) struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Lines<'a> {
    pub fn of(text: &'a [u8]) -> Self {
        Self { rest: text }
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let end = memchr(b'\n', self.rest).map_or(self.rest.len(), |at| at + 1);
        let (line, rest) = self.rest.split_at(end);
        self.rest = rest;
        (!line.is_empty()).then_some(line)
    }
}

impl DoubleEndedIterator for Lines<'_> {
    fn next_back(&mut self) -> Option<Self::Item> {
        let (_, before) = self.rest.split_last()?;
        let start = memrchr(b'\n', before).map_or(0, |at| at + 1);
        let (rest, line) = self.rest.split_at(start);
        self.rest = rest;
        Some(line)
    }
}

/// The message with every line end as CRLF and without NUL: for mail from files and HTTP. The same bytes, uncopied, if they
/// are that already.
pub fn to_crlf(message: Bytes) -> Bytes {
    if Shape::of([&message[..]]).is_clean() {
        return message;
    }
    let mut out = Vec::with_capacity(message.len() + message.len() / 32);
    let mut rest = &message[..];
    while let Some(at) = memchr3(b'\r', b'\n', 0, rest) {
        out.extend_from_slice(&rest[..at]);
        if rest[at] == 0 {
            rest = &rest[at + 1..];
            continue;
        }
        out.extend_from_slice(b"\r\n");
        let end = if rest[at..].starts_with(b"\r\n") {
            2
        } else {
            1
        };
        rest = &rest[at + end..];
    }
    out.extend_from_slice(rest);
    out.into()
}
