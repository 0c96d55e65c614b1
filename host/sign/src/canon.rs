//! The "relaxed" forms of RFC 6376 3.4: a message as it is hashed.
//!
//! mail-auth has both, and differs from the RFC where a field holds a form feed, and where lines of blanks end a body: a
//! signature over either would hold for nobody else. `tests` compare with the RFC taken word by word.

use mail_auth::common::headers::Writer;

#[cfg(test)]
mod tests;

/// Body bytes that are gathered before they are hashed.
const BUFFER_BYTES: usize = 4096;

/// A field with its line end (3.4.2). `value` is what follows the colon.
pub fn field(name: &str, value: &[u8], out: &mut Vec<u8>) {
    out.extend(name.bytes().map(|byte| byte.to_ascii_lowercase()));
    out.push(b':');
    let start = out.len();
    let mut gap = false;
    for &byte in value {
        match byte {
            b'\r' | b'\n' => {}
            b' ' | b'\t' => gap = true,
            _ => {
                if std::mem::take(&mut gap) && out.len() > start {
                    out.push(b' ');
                }
                out.push(byte);
            }
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// Takes a body in pieces, and writes it as it is hashed (3.4.4).
#[derive(Debug)]
pub struct Body<W> {
    out: W,
    buffer: Vec<u8>,
    /// Line ends that count only if something follows them.
    line_ends: usize,
    /// Blanks that count as one if something other than a line end follows them.
    gap: bool,
    is_empty: bool,
}

impl<W: Writer> Body<W> {
    /// Into a hash.
    pub fn new(out: W) -> Body<W> {
        Body {
            out,
            buffer: Vec::with_capacity(BUFFER_BYTES),
            line_ends: 0,
            gap: false,
            is_empty: true,
        }
    }

    /// Takes the next piece, wherever it was cut.
    pub fn write(&mut self, mut piece: &[u8]) {
        while let Some(&byte) = piece.first() {
            let taken = match byte {
                b'\r' => 1,
                b'\n' => {
                    self.gap = false;
                    self.line_ends += 1;
                    1
                }
                b' ' | b'\t' => {
                    self.gap = true;
                    1
                }
                _ => {
                    let end = run(piece);
                    self.text(&piece[..end]);
                    end
                }
            };
            piece = &piece[taken..];
        }
    }

    /// The hash of all of it. A body that is not empty ends with a line end.
    pub fn finish(mut self) -> W {
        if !self.is_empty {
            self.put(b"\r\n");
        }
        self.out.write(&self.buffer);
        self.out
    }

    fn text(&mut self, text: &[u8]) {
        self.is_empty = false;
        for _ in 0..std::mem::take(&mut self.line_ends) {
            self.put(b"\r\n");
        }
        if std::mem::take(&mut self.gap) {
            self.put(b" ");
        }
        self.put(text);
    }

    fn put(&mut self, bytes: &[u8]) {
        if self.buffer.len() + bytes.len() > BUFFER_BYTES {
            self.out.write(&self.buffer);
            self.buffer.clear();
        }
        if bytes.len() > BUFFER_BYTES {
            self.out.write(bytes);
        } else {
            self.buffer.extend_from_slice(bytes);
        }
    }
}

/// Length of what a piece begins with that is hashed as it stands: words with one space between them, and whole lines.
fn run(piece: &[u8]) -> usize {
    let mut at = 0;
    while let Some(&byte) = piece.get(at) {
        at += match byte {
            b' ' if piece.get(at + 1).is_some_and(|next| !is_white(*next)) => 2,
            b'\r'
                if piece.get(at + 1) == Some(&b'\n')
                    && piece.get(at + 2).is_some_and(|next| !is_white(*next)) =>
            {
                3
            }
            byte if is_white(byte) => break,
            _ => 1,
        };
    }
    at
}

fn is_white(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}
