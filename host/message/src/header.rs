//! A header section as bytes: where its fields are, and what they say.
//!
//! The section ends at the first empty line, or before the first line that is neither a field nor the continuation of one;
//! what follows is the body. That is how Postfix and sendmail read a broken header, and it loses nothing. Lines end at LF
//! with or without CR, so that a message that never was on the wire can be looked at too.

use std::ops::Range;

use bytes::Bytes;
use memchr::memchr;

use crate::limits::{HEADER_BYTES_MAX, HEADER_FIELDS_MAX, LINE_BYTES_MAX};
use crate::words;

#[cfg(test)]
mod tests;

/// What is not as RFC 5322 wants it in a header section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// A line that is not a field stands where a field or the empty line should be. The body begins with it.
    NotAField,
    /// The section ends with the message, without an empty line.
    NoSeparator,
    /// More fields or bytes than the limits; the rest is not indexed.
    TooLarge,
}

/// Where one field is, all positions in the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FieldRange {
    pub start: usize,
    pub name_end: usize,
    /// After the colon.
    pub value: usize,
    /// After the line end of the last line.
    pub end: usize,
}

/// One field as it stands in a message or in an edit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Field<'a> {
    name: &'a str,
    raw: &'a [u8],
}

/// The fields of a message or of one of its parts.
#[derive(Debug, Clone)]
pub struct HeaderSection {
    bytes: Bytes,
    fields: Vec<FieldRange>,
    start: usize,
    end: usize,
    body: usize,
    defect: Option<Defect>,
}

impl HeaderSection {
    /// Reads the section that `bytes` begins with.
    pub fn parse(bytes: Bytes) -> Self {
        Self::scan(bytes, 0, |_| false)
    }

    /// Reads the section at `start`. A line for which `stop` holds ends it, as a delimiter does.
    pub(crate) fn scan(bytes: Bytes, start: usize, stop: impl Fn(&[u8]) -> bool) -> Self {
        let mut fields: Vec<FieldRange> = Vec::with_capacity(24);
        let mut at = start;
        let mut defect = None;
        let mut body = None;
        while at < bytes.len() {
            let next = memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |lf| at + lf + 1);
            let line = without_line_end(&bytes[at..next]);
            if line.is_empty() {
                body = Some(next);
                break;
            }
            if stop(line) {
                defect = Some(Defect::NoSeparator);
                body = Some(at);
                break;
            }
            if next - start > HEADER_BYTES_MAX {
                defect = Some(Defect::TooLarge);
                break;
            }
            if matches!(line[0], b' ' | b'\t') {
                match fields.last_mut() {
                    Some(field) => field.end = next,
                    None => {
                        defect = Some(Defect::NotAField);
                        body = Some(at);
                        break;
                    }
                }
            } else if fields.len() == HEADER_FIELDS_MAX {
                defect = Some(Defect::TooLarge);
                break;
            } else if let Some((name_end, value)) = split_field(line) {
                fields.push(FieldRange {
                    start: at,
                    name_end: at + name_end,
                    value: at + value,
                    end: next,
                });
            } else {
                defect = Some(Defect::NotAField);
                body = Some(at);
                break;
            }
            at = next;
        }
        if defect == Some(Defect::TooLarge) {
            // Only the border is looked for, so that the body is still the body.
            (at, body) = border(&bytes, at, &stop);
        }
        if body.is_none() && defect.is_none() {
            defect = Some(Defect::NoSeparator);
        }
        let body = body.unwrap_or(bytes.len());
        Self {
            bytes,
            fields,
            start,
            end: at.min(body),
            body,
            defect,
        }
    }

    /// The fields in order.
    pub fn fields(&self) -> impl ExactSizeIterator<Item = Field<'_>> + DoubleEndedIterator {
        self.fields.iter().map(|range| self.field(range))
    }

    /// The bytes of each field in order, from its name to its line end.
    pub fn field_bytes(&self) -> impl Iterator<Item = &[u8]> {
        self.fields
            .iter()
            .map(|field| &self.bytes[field.start..field.end])
    }

    /// The first field of that name, whatever its case.
    pub fn first(&self, name: &str) -> Option<Field<'_>> {
        self.fields().find(|field| field.is(name))
    }

    /// How many fields have that name, whatever its case.
    pub fn count(&self, name: &str) -> usize {
        self.fields().filter(|field| field.is(name)).count()
    }

    /// The bytes of the fields, without the empty line.
    pub fn range(&self) -> Range<usize> {
        self.start..self.end
    }

    /// Where the body begins.
    pub fn body(&self) -> usize {
        self.body
    }

    /// What is wrong with the section; `None` if it is well formed.
    pub fn defect(&self) -> Option<Defect> {
        self.defect
    }

    /// True if every line is a field and an empty line ends the section.
    pub fn is_well_formed(&self) -> bool {
        self.defect.is_none()
    }

    /// True if an empty line stands between the fields and the body.
    pub fn has_separator(&self) -> bool {
        self.body > self.end
    }

    /// False if a byte of the section is not ASCII, so that the message needs SMTPUTF8 (RFC 6531).
    pub fn is_ascii(&self) -> bool {
        self.bytes[self.range()].is_ascii()
    }

    /// True if a line is longer than RFC 5322 allows.
    pub fn has_long_line(&self) -> bool {
        self.bytes[self.range()]
            .split(|&byte| byte == b'\n')
            .any(|line| line.len() > LINE_BYTES_MAX + 1)
    }

    pub(crate) fn ranges(&self) -> &[FieldRange] {
        &self.fields
    }

    pub(crate) fn field(&self, range: &FieldRange) -> Field<'_> {
        Field {
            // The name was checked to be ASCII when it was scanned.
            name: std::str::from_utf8(&self.bytes[range.start..range.name_end]).unwrap_or(""),
            raw: without_line_end(&self.bytes[range.value..range.end]),
        }
    }
}

impl<'a> Field<'a> {
    /// A field from its bytes, with or without the final line end; `None` if they do not begin with a name and a colon.
    pub(crate) fn from_bytes(bytes: &'a [u8]) -> Option<Self> {
        let (name_end, value) = split_field(bytes)?;
        Some(Self {
            name: std::str::from_utf8(&bytes[..name_end]).ok()?,
            raw: without_line_end(&bytes[value..]),
        })
    }

    /// The name as it is written.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// The bytes between the colon and the last line end, folds included.
    pub fn raw_value(&self) -> &'a [u8] {
        self.raw
    }

    /// The value for people: unfolded, trimmed, and RFC 2047 words decoded. In fields of addresses a decoded name that
    /// holds specials is quoted, so that the value can be taken apart as before.
    pub fn value(&self) -> String {
        if is_address_field(self.name) {
            words::decode_phrases(self.raw)
        } else {
            words::decode(self.raw)
        }
    }

    /// The value unfolded and trimmed, with nothing decoded.
    pub fn unfolded(&self) -> String {
        words::unfold(self.raw)
    }

    /// True if the field has that name, whatever its case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// Fields whose value is a list of addresses or begins with a phrase.
pub(crate) fn is_address_field(name: &str) -> bool {
    const NAMES: [&str; 17] = [
        "From",
        "To",
        "Cc",
        "Bcc",
        "Sender",
        "Reply-To",
        "Resent-From",
        "Resent-To",
        "Resent-Cc",
        "Resent-Bcc",
        "Resent-Sender",
        "Resent-Reply-To",
        "Disposition-Notification-To",
        "Return-Receipt-To",
        "Mail-Followup-To",
        "Mail-Reply-To",
        "List-Id",
    ];
    NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
}

/// RFC 5322 3.6.8: printable ASCII without the colon.
pub(crate) fn is_field_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|&b| matches!(b, 33..=57 | 59..=126))
}

pub(crate) fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// Length of the name and start of the value. White space before the colon is the old syntax of RFC 5322 4.5.
fn split_field(line: &[u8]) -> Option<(usize, usize)> {
    let colon = memchr(b':', line)?;
    let name = line[..colon].trim_ascii_end();
    is_field_name(name).then_some((name.len(), colon + 1))
}

/// Where the section ends and the body begins, from `at` on, without a look at the fields.
fn border(bytes: &[u8], mut at: usize, stop: &impl Fn(&[u8]) -> bool) -> (usize, Option<usize>) {
    while at < bytes.len() {
        let next = memchr(b'\n', &bytes[at..]).map_or(bytes.len(), |lf| at + lf + 1);
        let line = without_line_end(&bytes[at..next]);
        if line.is_empty() {
            return (at, Some(next));
        }
        if stop(line) {
            return (at, Some(at));
        }
        at = next;
    }
    (at, None)
}
