//! The edited message as bytes: slices of the base where no edit touched it, new pieces between them.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::edit::{EditSet, Line};
use crate::field::NewField;
use crate::header::HeaderSection;
use crate::message::Message;

mod keep;
mod retext;
#[cfg(test)]
mod tests;

use retext::{Changes, Splice};

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
