//! The tree of parts (RFC 2045 to 2049), found in one pass over the lines that begin with "--".
//!
//! The tree is scanned here and not by mail-parser, which reads the values of the fields: an edit needs the exact bytes of
//! every part, nothing may be decoded before somebody asks, and the time must be linear whatever the input. Where two
//! readings of the same bytes are possible, the parts in question are shown but cannot be edited, because another mail
//! program may see a signed part there.

use std::ops::Range;

use bytes::Bytes;
use memchr::{memchr, memmem};

use crate::encoding::TransferEncoding;
use crate::header::{Defect, HeaderSection, without_line_end};
use crate::limits::{BOUNDARY_BYTES_MAX, DEPTH_MAX, PARTS_MAX};
use crate::params::Parameterised;

#[cfg(test)]
mod tests;

/// One part of a message; the first is the message itself.
#[derive(Debug, Clone)]
pub struct Part {
    index: u32,
    parent: Option<u32>,
    header: Range<usize>,
    body: Range<usize>,
    media_type: String,
    charset: Option<String>,
    disposition: Option<String>,
    filename: Option<String>,
    encoding: TransferEncoding,
    protection: Option<&'static str>,
    boundary: Option<Vec<u8>>,
}

impl Part {
    /// Position in depth-first order; 0 is the message itself.
    pub fn index(&self) -> u32 {
        self.index
    }

    /// The multipart or enclosed message this part belongs to.
    pub fn parent(&self) -> Option<u32> {
        self.parent
    }

    /// Bytes of the part's fields, without the empty line.
    pub fn header_range(&self) -> Range<usize> {
        self.header.clone()
    }

    /// Bytes of the encoded content. The line end before a delimiter belongs to the delimiter.
    pub fn body_range(&self) -> Range<usize> {
        self.body.clone()
    }

    /// type/subtype in lower case; text/plain where nothing is declared.
    pub fn media_type(&self) -> &str {
        &self.media_type
    }

    /// The charset as it is declared.
    pub fn charset(&self) -> Option<&str> {
        self.charset.as_deref()
    }

    /// "inline", "attachment" or another, in lower case.
    pub fn disposition(&self) -> Option<&str> {
        self.disposition.as_deref()
    }

    /// From Content-Disposition, else the name of Content-Type.
    pub fn filename(&self) -> Option<&str> {
        self.filename.as_deref()
    }

    /// How the content is written.
    pub fn transfer_encoding(&self) -> TransferEncoding {
        self.encoding
    }

    /// Why the part must not be edited, as far as the structure tells.
    pub fn protection(&self) -> Option<&'static str> {
        self.protection
    }

    /// Multiparts only.
    pub(crate) fn boundary(&self) -> Option<&[u8]> {
        self.boundary.as_deref()
    }

    /// True for text/*.
    pub fn is_text(&self) -> bool {
        self.media_type.starts_with("text/")
    }

    /// True for multipart/*.
    pub fn is_multipart(&self) -> bool {
        self.media_type.starts_with("multipart/")
    }

    /// An enclosed message whose fields can be read in place.
    pub fn is_enclosed_message(&self) -> bool {
        matches!(
            self.media_type.as_str(),
            "message/rfc822" | "message/global"
        ) && self.encoding.is_identity()
    }
}

/// What was found in a message.
#[derive(Debug)]
pub(crate) struct Structure {
    pub parts: Vec<Part>,
}

pub(crate) const OVERFLOW: &str = "the message has too many parts or levels";
const BROKEN_HEADER: &str = "the header section is not well formed";
const AMBIGUOUS: &str = "the structure can be read in two ways";
const ENCLOSED: &str = "the content of an enclosed message is not changed";
const SIGNED: &str = "the content is signed";
const ENCRYPTED: &str = "the content is encrypted";

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

/// A part from its fields, with the boundary if it is a multipart that has one.
fn read_part(
    header: &HeaderSection,
    parent: Option<usize>,
    index: usize,
    default_type: &str,
) -> (Part, Option<Vec<u8>>) {
    let content_type = header.first("Content-Type");
    let parsed = content_type.and_then(|field| Parameterised::parse(field.raw_value()));
    let media_type = match (&parsed, content_type) {
        (None, None) => default_type.to_owned(),
        (Some(parsed), _) => media_type(parsed),
        (None, Some(_)) => "application/octet-stream".to_owned(),
    };
    let disposition = header
        .first("Content-Disposition")
        .and_then(|field| Parameterised::parse(field.raw_value()));
    let encoding = header
        .first("Content-Transfer-Encoding")
        .map_or(TransferEncoding::SevenBit, |field| {
            TransferEncoding::from_value(&field.unfolded())
        });
    let attribute = |of: &Option<Parameterised>, name: &str| {
        of.as_ref()
            .and_then(|parsed| parsed.attribute(name))
            .filter(|value| !value.is_empty())
            .map(str::to_owned)
    };
    let boundary = attribute(&parsed, "boundary")
        .map(|boundary| boundary.trim_end().as_bytes().to_vec())
        .filter(|boundary| !boundary.is_empty() && boundary.len() <= BOUNDARY_BYTES_MAX)
        .filter(|_| media_type.starts_with("multipart/"));
    let protection = protection(header, &media_type, parsed.as_ref(), boundary.is_some());
    let part = Part {
        index: index as u32,
        parent: parent.map(|parent| parent as u32),
        header: header.range(),
        body: header.body()..header.body(),
        charset: attribute(&parsed, "charset").map(|label| label.trim().to_owned()),
        filename: attribute(&disposition, "filename").or_else(|| attribute(&parsed, "name")),
        disposition: disposition.map(|disposition| disposition.main),
        media_type,
        encoding,
        protection,
        boundary: boundary.clone(),
    };
    (part, boundary)
}

fn media_type(parsed: &Parameterised) -> String {
    match &parsed.sub {
        Some(sub) if !sub.is_empty() && !parsed.main.is_empty() => format!("{}/{sub}", parsed.main),
        // The old form of Sun's mail tool, read as text everywhere.
        _ if parsed.main == "text" => "text/plain".to_owned(),
        _ => "application/octet-stream".to_owned(),
    }
}

/// RFC 2045 5.1, and the slash.
fn is_type_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"()<>@,;:\\\"[]?=".contains(&byte)
}

/// What the part's own fields forbid.
fn protection(
    header: &HeaderSection,
    media_type: &str,
    parsed: Option<&Parameterised>,
    has_boundary: bool,
) -> Option<&'static str> {
    let twice = |name: &str| header.count(name) > 1;
    let attribute_twice = |name: &str| parsed.is_some_and(|parsed| parsed.occurrences(name) > 1);
    let sub = media_type.split_once('/').map_or("", |(_, sub)| sub);
    let pgp = media_type.starts_with("application/")
        && (sub.starts_with("pgp") || sub.starts_with("x-pgp"));
    let encrypted = matches!(
        media_type,
        "multipart/encrypted" | "application/pkcs7-mime" | "application/x-pkcs7-mime"
    );
    if media_type == "multipart/signed" {
        Some(SIGNED)
    } else if encrypted || pgp {
        Some(ENCRYPTED)
    } else if !media_type.bytes().all(is_type_byte)
        || twice("Content-Type")
        || twice("Content-Transfer-Encoding")
        || attribute_twice("boundary")
        || attribute_twice("charset")
    {
        Some(AMBIGUOUS)
    } else if matches!(
        header.defect(),
        Some(Defect::NotAField | Defect::TooLarge | Defect::NoSeparator)
    ) {
        Some(BROKEN_HEADER)
    } else if media_type.starts_with("multipart/") && !has_boundary {
        Some(AMBIGUOUS)
    } else {
        None
    }
}
