//! The tree of parts (RFC 2045 to 2049), found in one pass over the lines that begin with "--".
//!
//! The tree is scanned here and not by mail-parser, which reads the values of the fields: an edit needs the exact bytes of
//! every part, nothing may be decoded before somebody asks, and the time must be linear whatever the input. Where two
//! readings of the same bytes are possible, the parts in question are shown but cannot be edited, because another mail
//! program may see a signed part there.

use bytes::Bytes;
use memchr::{memchr, memmem};

use crate::header::{HeaderSection, without_line_end};
use crate::limits::{DEPTH_MAX, PARTS_MAX};

mod part;
#[cfg(test)]
mod tests;

pub use part::Part;
use part::{AMBIGUOUS, BROKEN_HEADER, read_part};

/// What was found in a message.
#[derive(Debug)]
pub(crate) struct Structure {
    pub parts: Vec<Part>,
}

pub(crate) const OVERFLOW: &str = "the message has too many parts or levels";
const ENCLOSED: &str = "the content of an enclosed message is not changed";

impl Structure {
    pub fn parse(bytes: &Bytes, header: &HeaderSection) -> Self {
        let mut scan = Scan {
            bytes,
            parts: Vec::new(),
            stack: Vec::new(),
            overflow: false,
        };
        let mut at = scan.start(header.clone(), None, "text/plain");
        while scan.wants_more() {
            let Some(line_start) = next_dashes(bytes, at) else {
                break;
            };
            let line_end =
                memchr(b'\n', &bytes[line_start..]).map_or(bytes.len(), |lf| line_start + lf + 1);
            let line = without_line_end(&bytes[line_start..line_end]);
            at = match scan.delimiter(line) {
                Delimiter::None => line_end,
                Delimiter::Ambiguous(part) => {
                    scan.protect(part, AMBIGUOUS);
                    line_end
                }
                Delimiter::Close(level) => {
                    scan.close(level + 1, line_start);
                    scan.stack[level].closed = true;
                    line_end
                }
                Delimiter::Next(level) => {
                    scan.close(level + 1, line_start);
                    scan.next_part(level, line_end)
                }
            };
        }
        scan.close(0, bytes.len());
        scan.finish(header)
    }
}

enum Delimiter {
    None,
    Next(usize),
    Close(usize),
    /// It begins as the boundary of this part does, but goes on.
    Ambiguous(usize),
}

/// A part whose end is not yet found.
struct Open {
    part: usize,
    /// Multiparts only.
    boundary: Option<Vec<u8>>,
    closed: bool,
}

struct Scan<'a> {
    bytes: &'a Bytes,
    parts: Vec<Part>,
    stack: Vec<Open>,
    overflow: bool,
}

impl Scan<'_> {
    fn wants_more(&self) -> bool {
        !self.overflow && self.stack.iter().any(|open| open.boundary.is_some())
    }

    /// Takes in a part, and what it encloses; where the scan goes on.
    fn start(
        &mut self,
        mut header: HeaderSection,
        mut parent: Option<usize>,
        mut default_type: &str,
    ) -> usize {
        loop {
            let index = self.parts.len();
            let (mut part, boundary) = read_part(&header, parent, index, default_type);
            let body = part.body.start;
            if let Some(boundary) = &boundary
                && let Some(outer) = self.open_with(boundary)
            {
                part.protection.get_or_insert(AMBIGUOUS);
                self.protect(outer, AMBIGUOUS);
            }
            let encloses = part.is_enclosed_message();
            self.parts.push(part);
            self.stack.push(Open {
                part: index,
                boundary,
                closed: false,
            });
            if self.stack.len() > DEPTH_MAX || self.parts.len() >= PARTS_MAX {
                self.overflow = true;
                return body;
            }
            if !encloses {
                return body;
            }
            header = self.header_at(body);
            parent = Some(index);
            default_type = "text/plain";
        }
    }

    fn open_with(&self, boundary: &Vec<u8>) -> Option<usize> {
        self.stack
            .iter()
            .find(|open| open.boundary.as_ref() == Some(boundary))
            .map(|open| open.part)
    }

    fn next_part(&mut self, level: usize, at: usize) -> usize {
        let parent = self.stack[level].part;
        let default_type = if self.parts[parent].media_type == "multipart/digest" {
            "message/rfc822"
        } else {
            "text/plain"
        };
        let header = self.header_at(at);
        self.start(header, Some(parent), default_type)
    }

    fn header_at(&self, at: usize) -> HeaderSection {
        HeaderSection::scan(self.bytes.clone(), at, |line| {
            line.starts_with(b"--")
                && matches!(
                    self.delimiter(line),
                    Delimiter::Next(_) | Delimiter::Close(_)
                )
        })
    }

    /// What a line that begins with "--" is. An exact match counts; a line that only begins like one is told apart,
    /// since RFC 2046 5.1.1 lets a reader take it for a delimiter.
    fn delimiter(&self, line: &[u8]) -> Delimiter {
        let mut ambiguous = Delimiter::None;
        for (level, open) in self.stack.iter().enumerate().rev() {
            let Some(boundary) = &open.boundary else {
                continue;
            };
            let Some(rest) = line[2..].strip_prefix(boundary.as_slice()) else {
                continue;
            };
            match rest.trim_ascii_end() {
                b"" if !open.closed => return Delimiter::Next(level),
                b"--" if !open.closed => return Delimiter::Close(level),
                _ => ambiguous = Delimiter::Ambiguous(open.part),
            }
        }
        ambiguous
    }

    /// Ends all parts from that level on at a delimiter line, or at the end of the message.
    fn close(&mut self, level: usize, at: usize) {
        let mut end = at;
        if at < self.bytes.len() {
            end -= usize::from(self.bytes[..end].ends_with(b"\n"));
            end -= usize::from(self.bytes[..end].ends_with(b"\r"));
        }
        // From the innermost on: a part that begins after that line end takes its parents along.
        for open in self.stack.drain(level..).rev() {
            let body = &mut self.parts[open.part].body;
            end = end.max(body.start);
            body.end = end;
        }
    }

    fn protect(&mut self, part: usize, why: &'static str) {
        self.parts[part].protection.get_or_insert(why);
    }

    /// Hands protection down the tree: a parent stands before its children.
    fn finish(mut self, header: &HeaderSection) -> Structure {
        let whole = if self.overflow {
            Some(OVERFLOW)
        } else if header.is_well_formed() {
            None
        } else {
            Some(BROKEN_HEADER)
        };
        for index in 0..self.parts.len() {
            let part = &self.parts[index];
            let inherited = part.parent.and_then(|parent| {
                let parent = &self.parts[parent as usize];
                if parent.is_enclosed_message() {
                    Some(parent.protection.unwrap_or(ENCLOSED))
                } else {
                    parent.protection
                }
            });
            let part = &mut self.parts[index];
            part.protection = whole.or(inherited).or(part.protection);
        }
        Structure { parts: self.parts }
    }
}

/// The start of the next line that begins with "--".
fn next_dashes(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes[at..].starts_with(b"--") {
        return Some(at);
    }
    memmem::find(&bytes[at..], b"\n--").map(|found| at + found + 1)
}
