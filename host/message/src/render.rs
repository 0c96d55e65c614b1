//! The edited message as bytes: slices of the base where no edit touched it, new pieces between them.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::charset::Charset;
use crate::edit::{EditSet, Line};
use crate::encoding::{TransferEncoding, quoted_printable_without_dashes};
use crate::field::NewField;
use crate::header::HeaderSection;
use crate::message::{Message, text_charset};
use crate::mime::Part;
use crate::params;

#[cfg(test)]
mod tests;

/// A message ready to be written, in pieces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rendered {
    segments: Vec<Bytes>,
}

impl Rendered {
    /// The pieces in order; none is empty.
    pub fn segments(&self) -> &[Bytes] {
        &self.segments
    }

    /// Bytes of all pieces.
    pub fn len(&self) -> usize {
        self.segments.iter().map(Bytes::len).sum()
    }

    /// True if there is no byte.
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty()
    }

    /// The message in one piece; nothing is copied if it is one already.
    pub fn into_bytes(mut self) -> Bytes {
        if self.segments.len() == 1
            && let Some(only) = self.segments.pop()
        {
            return only;
        }
        let mut whole = BytesMut::with_capacity(self.len());
        for segment in &self.segments {
            whole.extend_from_slice(segment);
        }
        whole.freeze()
    }

    fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.segments.push(piece);
        }
    }
}

impl Message {
    /// The message with the relay's own fields on top.
    pub fn render(&self, trace: &[NewField]) -> Rendered {
        EditSet::new(self.clone(), false).render(trace)
    }
}

impl EditSet {
    /// The edited message with the relay's own fields on top. Without either, the received bytes themselves.
    ///
    /// If a header section has no empty line after it, one is put there as soon as anything is changed.
    pub fn render(&self, trace: &[NewField]) -> Rendered {
        let message = self.message();
        let mut out = Rendered::default();
        if trace.is_empty() && self.is_empty() {
            out.push(message.bytes().clone());
            return out;
        }
        for field in trace {
            out.push(field.bytes().clone());
        }
        let changes = Changes::of(self);
        let base = Base {
            bytes: message.bytes(),
            splices: &changes.splices,
        };
        let section = message.header_section();
        put_header(&mut out, &base, section, self.lines());
        for field in &changes.root_fields {
            out.push(field.clone());
        }
        if !section.has_separator() {
            out.push(Bytes::from_static(b"\r\n"));
        }
        base.copy(&mut out, section.range().end..base.bytes.len());
        out
    }
}

fn put_header(
    out: &mut Rendered,
    base: &Base<'_>,
    section: &HeaderSection,
    lines: Option<&[Line]>,
) {
    let Some(lines) = lines else {
        base.copy_lines(out, section.range());
        return;
    };
    // Neighbours in the base are copied in one piece.
    let mut run: Option<Range<usize>> = None;
    for line in lines {
        match line {
            Line::Base(at) => {
                let field = &section.ranges()[*at];
                run = Some(match run.take() {
                    Some(run) if run.end == field.start => run.start..field.end,
                    Some(run) => {
                        base.copy_lines(out, run);
                        field.start..field.end
                    }
                    None => field.start..field.end,
                });
            }
            Line::New(field) => {
                if let Some(run) = run.take() {
                    base.copy_lines(out, run);
                }
                out.push(field.bytes().clone());
            }
        }
    }
    if let Some(run) = run {
        base.copy_lines(out, run);
    }
}

/// Bytes of the base that are replaced.
struct Splice {
    range: Range<usize>,
    bytes: Bytes,
}

/// The base as it comes out: its bytes, or what replaces them.
struct Base<'a> {
    bytes: &'a Bytes,
    /// In order, without overlap.
    splices: &'a [Splice],
}

impl Base<'_> {
    fn copy(&self, out: &mut Rendered, range: Range<usize>) {
        let mut at = range.start;
        let first = self
            .splices
            .partition_point(|splice| splice.range.start < range.start);
        for splice in &self.splices[first..] {
            if splice.range.end > range.end {
                break;
            }
            out.push(self.bytes.slice(at..splice.range.start));
            out.push(splice.bytes.clone());
            at = splice.range.end;
        }
        out.push(self.bytes.slice(at..range.end));
    }

    /// Copies header lines; a last line without line end gets one.
    fn copy_lines(&self, out: &mut Rendered, range: Range<usize>) {
        let ended = range.is_empty() || self.bytes[range.end - 1] == b'\n';
        self.copy(out, range);
        if !ended {
            out.push(Bytes::from_static(b"\r\n"));
        }
    }
}

/// What the set texts change in the base.
#[derive(Default)]
struct Changes {
    splices: Vec<Splice>,
    /// New fields of the message itself, which stand below all others.
    root_fields: Vec<Bytes>,
}

impl Changes {
    fn of(set: &EditSet) -> Self {
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
        let (Ok(part), Ok(header), Ok(content)) = (
            message.part(index),
            message.part_header(index),
            message.content(index),
        ) else {
            return;
        };
        let Ok(charset) = text_charset(part) else {
            return;
        };
        let (bytes, recoded) = match charset.encode(text, &content) {
            Some(bytes) => (bytes, false),
            None => (Charset::UTF_8.encode(text, b"").unwrap_or_default(), true),
        };
        let mut encoding = part.transfer_encoding().for_text(&bytes);
        let mut body = encoding.encode(&bytes).into_owned();
        if holds_delimiter(message, part, &body) {
            encoding = TransferEncoding::QuotedPrintable;
            body = quoted_printable_without_dashes(&bytes);
        }
        let mut added = Vec::new();
        if recoded {
            self.set_charset(&header, &mut added);
        }
        if encoding != part.transfer_encoding() {
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

/// True if a line of the body would end the part, or begin another.
fn holds_delimiter(message: &Message, part: &Part, body: &[u8]) -> bool {
    let mut boundaries = Vec::new();
    let mut above = part.parent();
    while let Some(parent) = above.and_then(|index| message.part(index).ok()) {
        boundaries.extend(parent.boundary());
        above = parent.parent();
    }
    !boundaries.is_empty()
        && body
            .split(|&byte| byte == b'\n')
            .filter_map(|line| line.strip_prefix(b"--"))
            .any(|line| boundaries.iter().any(|boundary| line.starts_with(boundary)))
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
