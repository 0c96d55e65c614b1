//! Replies as bytes.

use bytes::{BufMut, BytesMut};

use super::Reply;
use crate::limits::REPLY_LINE_BYTES_MAX;

impl Reply {
    /// Appends the reply, every line ended by CRLF and at most [`REPLY_LINE_BYTES_MAX`] long; longer
    /// text goes on in the next line. Beyond ASCII is written only where `utf8` says that the client
    /// understands it (RFC 6531 3.7.4), and as `?` elsewhere.
    pub fn encode(&self, utf8: bool, out: &mut BytesMut) {
        let status = self
            .status
            .map(|status| format!("{status} "))
            .unwrap_or_default();
        // "250-" and CRLF around status and text.
        let room = REPLY_LINE_BYTES_MAX - 6 - status.len();
        let mut lines = self.lines().flat_map(|line| fold(line, room)).peekable();
        while let Some(line) = lines.next() {
            let mark = if lines.peek().is_some() { '-' } else { ' ' };
            out.put_slice(format!("{}{mark}{status}", self.code).as_bytes());
            if utf8 || line.is_ascii() {
                out.put_slice(line.as_bytes());
            } else {
                out.extend(
                    line.chars()
                        .map(|c| if c.is_ascii() { c as u8 } else { b'?' }),
                );
            }
            out.put_slice(b"\r\n");
        }
    }
}

/// Cuts a line into pieces of at most `room` bytes, at a space where there is one.
fn fold(line: &str, room: usize) -> impl Iterator<Item = &str> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest?;
        if line.len() <= room {
            rest = None;
            return Some(line);
        }
        let edge = line.floor_char_boundary(room);
        match line[..edge].rfind(' ').filter(|&space| space > 0) {
            Some(space) => {
                rest = Some(&line[space + 1..]);
                Some(&line[..space])
            }
            None => {
                rest = Some(&line[edge..]);
                Some(&line[..edge])
            }
        }
    })
}
