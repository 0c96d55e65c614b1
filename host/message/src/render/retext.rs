//! New text in place of a part's own: in its charset and transfer encoding where they can hold it, in others where not.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

use super::keep;
use crate::edit::EditSet;
use crate::encoding::{TransferEncoding, quoted_printable_without_dashes};
use crate::header::HeaderSection;
use crate::lines::Lines;
use crate::message::Message;
use crate::mime::Part;
use crate::params;

/// Bytes of the base that are replaced.
pub(super) struct Splice {
    pub range: Range<usize>,
    pub bytes: Bytes,
}

/// What the set texts change in the base.
#[derive(Default)]
pub(super) struct Changes {
    /// In order, without overlap.
    pub splices: Vec<Splice>,
    /// New fields of the message itself, which stand below all others.
    pub root_fields: Vec<Bytes>,
}

impl Changes {
    pub fn of(set: &EditSet) -> Self {
        let mut changes = Self::default();
        for (part, text) in set.final_texts() {
            if set.message().text(part) == Ok(text) {
                continue;
            }
            changes.retext(set, part, text);
        }
        changes
            .splices
            .sort_by_key(|splice| (splice.range.start, splice.range.end));
        changes
    }

    /// A part with new text: its charset and transfer encoding where they can hold it, others where not.
    fn retext(&mut self, set: &EditSet, index: u32, text: &str) {
        let message = set.message();
        let (Ok(part), Ok(header), Ok(content), Ok(old), Ok(charset)) = (
            message.part(index),
            message.part_header(index),
            message.content(index),
            message.text(index),
            message.charset(index),
        ) else {
            return;
        };
        let (bytes, recoded) = match keep::charset(charset, &content, old, text) {
            Some(bytes) => (bytes, false),
            None => (Cow::Borrowed(text.as_bytes()), true),
        };
        let declared = part.transfer_encoding();
        let mut encoding = transfer_encoding(declared, &content, &bytes);
        let mut body = if declared == encoding && encoding == TransferEncoding::QuotedPrintable {
            keep::quoted_printable(&message.bytes()[part.body_range()], &content, &bytes)
        } else {
            encoding.encode(&bytes).into_owned()
        };
        if holds_delimiter(message, part, &body) {
            encoding = TransferEncoding::QuotedPrintable;
            body = quoted_printable_without_dashes(&bytes);
        }
        let mut added = Vec::new();
        if recoded {
            self.set_charset(&header, &mut added);
        }
        if encoding != declared {
            self.set_encoding(&header, encoding, &mut added);
        }
        if !added.is_empty() {
            if part.parent().is_none() {
                if set.header_count("MIME-Version") == 0 {
                    added.extend_from_slice(b"MIME-Version: 1.0\r\n");
                }
                self.root_fields.push(added.into());
            } else {
                let end = header.range().end;
                self.splices.push(Splice {
                    range: end..end,
                    bytes: added.into(),
                });
            }
        }
        if declared == encoding
            && encoding == TransferEncoding::QuotedPrintable
            && !content.ends_with(b"\n")
        {
            open_end(message.bytes(), part, &mut body);
        }
        end_body(message.bytes(), part, &mut body);
        self.splices.push(Splice {
            range: part.body_range(),
            bytes: body.into(),
        });
    }

    fn set_charset(&mut self, header: &HeaderSection, added: &mut Vec<u8>) {
        match header
            .ranges()
            .iter()
            .find(|range| header.field(range).is("Content-Type"))
        {
            Some(range) => {
                let raw = header.field(range).raw_value();
                let value = range.value..range.value + raw.len();
                self.splices.push(Splice {
                    bytes: params::with_charset(raw, "utf-8").into(),
                    range: value,
                });
            }
            None => added.extend_from_slice(b"Content-Type: text/plain; charset=utf-8\r\n"),
        }
    }

    fn set_encoding(
        &mut self,
        header: &HeaderSection,
        encoding: TransferEncoding,
        added: &mut Vec<u8>,
    ) {
        const NAME: &str = "Content-Transfer-Encoding";
        match header
            .ranges()
            .iter()
            .find(|range| header.field(range).is(NAME))
        {
            Some(range) => {
                let raw = header.field(range).raw_value();
                self.splices.push(Splice {
                    range: range.value..range.value + raw.len(),
                    bytes: format!(" {}", encoding.name()).into(),
                });
            }
            None => added.extend_from_slice(format!("{NAME}: {}\r\n", encoding.name()).as_bytes()),
        }
    }
}

/// The encoding of new content: the declared one if it can hold it, or if it was taken to hold such bytes before.
fn transfer_encoding(declared: TransferEncoding, old: &[u8], new: &[u8]) -> TransferEncoding {
    let holds_8bit = declared == TransferEncoding::SevenBit && !old.is_ascii();
    if holds_8bit && TransferEncoding::EightBit.for_text(new) == TransferEncoding::EightBit {
        declared
    } else {
        declared.for_text(new)
    }
}

/// True if a line of the body would end the part, or begin another.
fn holds_delimiter(message: &Message, part: &Part, body: &[u8]) -> bool {
    let mut boundaries = Vec::new();
    let mut above = part.parent();
    while let Some(parent) = above.and_then(|index| message.part(index).ok()) {
        boundaries.extend(parent.boundary());
        above = parent.parent();
    }
    !boundaries.is_empty()
        && Lines::of(body)
            .filter_map(|line| line.strip_prefix(b"--"))
            .any(|line| boundaries.iter().any(|boundary| line.starts_with(boundary)))
}

/// A last line without an end, which the wire must give one, gets one that is not read as such, as it had before.
fn open_end(base: &[u8], part: &Part, body: &mut Vec<u8>) {
    let is_last = part.body_range().end == base.len();
    if is_last && !body.is_empty() && !body.ends_with(b"\n") {
        let mark: &[u8] = if body.ends_with(b"=") {
            b"\r\n"
        } else {
            b"=\r\n"
        };
        body.extend_from_slice(mark);
    }
}

/// The new body ends as its place asks: with a line end at the end of the message, and before a delimiter that does not
/// bring its own.
fn end_body(base: &[u8], part: &Part, body: &mut Vec<u8>) {
    let after = &base[part.body_range().end..];
    let wants_line_end = after.is_empty() || !matches!(after[0], b'\r' | b'\n');
    if wants_line_end && !body.is_empty() && !body.ends_with(b"\r\n") {
        body.extend_from_slice(b"\r\n");
    }
}
