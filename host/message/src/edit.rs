//! Edits: typed changes over the received bytes, checked one by one as they are made.
//!
//! An [`EditSet`] is one reading of a message: the base and the edits so far. Each hook call is bracketed by `begin` and
//! `commit` or `rollback`, so that a plugin that faults leaves nothing behind, and every later read sees what was changed
//! before. Nothing is encoded or copied until the set is rendered.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::error::Error;
use crate::field::{NewField, check_name};
use crate::header::{Defect, Field};
use crate::limits::{EDIT_TEXT_BYTES_MAX, EDITS_BYTES_MAX, EDITS_MAX};
use crate::message::{Message, PartInfo};
use crate::search;

mod stored;
#[cfg(test)]
mod tests;

pub use stored::{StoredEditsError, decode_edits, encode_edits};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// The decoded text of a part.
    SetText { part: u32, text: Arc<str> },
    /// A field above all others, below the relay's own trace fields.
    PrependHeader { name: String, value: String },
    /// A field below all others.
    AppendHeader { name: String, value: String },
    /// The first field of that name gets the value, further ones go; or it is appended.
    ReplaceHeader { name: String, value: String },
    /// All fields of that name go.
    RemoveHeader { name: String },
}

/// An edit that was made, with what is said of it in the trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    pub edit: Edit,
    /// Such as "set-text part 2 (1834 -> 2210 bytes)".
    pub description: String,
}

/// A header line of the edited message.
#[derive(Debug, Clone)]
pub(crate) enum Line {
    /// The field of that position in the base.
    Base(usize),
    New(NewField),
}

/// A message with edits over it.
#[derive(Clone)]
pub struct EditSet {
    message: Message,
    utf8: bool,
    applied: Vec<Applied>,
    marks: Vec<usize>,
    held_bytes: usize,
    /// Absent while no edit touched the header.
    lines: Option<Vec<Line>>,
}

impl EditSet {
    /// No edits yet. `utf8` says that the message travels with SMTPUTF8 (RFC 6531), so that fields may hold raw UTF-8.
    pub fn new(message: Message, utf8: bool) -> Self {
        Self {
            message,
            utf8,
            applied: Vec::new(),
            marks: Vec::new(),
            held_bytes: 0,
            lines: None,
        }
    }

    /// Makes edits that were made before, as they come out of [`decode_edits`].
    ///
    /// # Errors
    /// That of the first edit that cannot be made; none is made then.
    pub fn replay(message: Message, utf8: bool, edits: &[Edit]) -> Result<Self, Error> {
        let mut set = Self::new(message, utf8);
        for edit in edits {
            set.apply(edit.clone())?;
        }
        Ok(set)
    }

    /// The message as received.
    pub fn message(&self) -> &Message {
        &self.message
    }

    /// True if nothing was changed.
    pub fn is_empty(&self) -> bool {
        self.applied.is_empty()
    }

    /// The edits so far, in order.
    pub fn applied(&self) -> &[Applied] {
        &self.applied
    }

    /// Begins a hook call: the edits from here on are committed or rolled back together.
    pub fn begin(&mut self) {
        self.marks.push(self.applied.len());
    }

    /// Ends the innermost hook call and keeps its edits, which are returned.
    pub fn commit(&mut self) -> &[Applied] {
        let mark = self.marks.pop().unwrap_or(self.applied.len());
        &self.applied[mark..]
    }

    /// Ends the innermost hook call and drops its edits; how many they were.
    pub fn rollback(&mut self) -> usize {
        let mark = self.marks.pop().unwrap_or(self.applied.len());
        let dropped = self.applied.split_off(mark);
        self.held_bytes -= dropped.iter().map(|a| a.edit.held_bytes()).sum::<usize>();
        if dropped.iter().any(|applied| applied.edit.is_header()) {
            self.rebuild_lines();
        }
        dropped.len()
    }

    /// Replaces the text of a part. Line ends of any kind become CRLF.
    ///
    /// # Errors
    /// [`Error::NoSuchPart`], [`Error::NotText`], [`Error::Protected`], [`Error::TooLarge`], or [`Error::Invalid`] if the
    /// part's charset is unknown.
    pub fn set_text(&mut self, part: u32, text: &str) -> Result<(), Error> {
        if let Some(why) = self.message.protection(part)? {
            return Err(Error::Protected(why));
        }
        if text.len() > EDIT_TEXT_BYTES_MAX {
            return Err(Error::TooLarge("16 MiB of text"));
        }
        let text = with_crlf(text);
        let description = format!(
            "set-text part {part} ({} -> {} bytes)",
            self.text(part)?.len(),
            text.len()
        );
        let edit = Edit::SetText {
            part,
            text: text.into(),
        };
        self.push(edit, description)
    }

    /// Adds a field at the top.
    ///
    /// # Errors
    /// [`Error::Invalid`] as [`NewField::new`], and if the field may occur only once (RFC 5322 3.6) and is there already;
    /// [`Error::Protected`] for the fields that are the relay's or hold the structure; [`Error::TooLarge`].
    pub fn prepend_header(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let field = self.new_field(name, value)?;
        self.check_single(name)?;
        let edit = Edit::PrependHeader {
            name: name.to_owned(),
            value: value.to_owned(),
        };
        self.push(edit, format!("prepend-header {name}"))?;
        self.lines_mut().insert(0, Line::New(field));
        Ok(())
    }

    /// Adds a field at the end of the header section.
    ///
    /// # Errors
    /// As [`EditSet::prepend_header`].
    pub fn append_header(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let field = self.new_field(name, value)?;
        self.check_single(name)?;
        let edit = Edit::AppendHeader {
            name: name.to_owned(),
            value: value.to_owned(),
        };
        self.push(edit, format!("append-header {name}"))?;
        self.lines_mut().push(Line::New(field));
        Ok(())
    }

    /// Replaces the first field of that name and removes further ones, or adds one at the end if there is none.
    ///
    /// # Errors
    /// As [`EditSet::prepend_header`], except that the field may be there.
    pub fn replace_header(&mut self, name: &str, value: &str) -> Result<(), Error> {
        let field = self.new_field(name, value)?;
        let found = self.header_count(name);
        let description = match found {
            0 => format!("replace-header {name} (added)"),
            1 => format!("replace-header {name}"),
            _ => format!("replace-header {name} ({found} fields became one)"),
        };
        let edit = Edit::ReplaceHeader {
            name: name.to_owned(),
            value: value.to_owned(),
        };
        self.push(edit, description)?;
        self.put_replaced(name, field);
        Ok(())
    }

    /// Removes all fields of that name; how many they were.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is no field name, [`Error::Protected`], [`Error::TooLarge`] if there are too many edits.
    pub fn remove_header(&mut self, name: &str) -> Result<u32, Error> {
        check_name(name)?;
        self.check_header_edit(name)?;
        let found = self.header_count(name);
        if found == 0 {
            return Ok(0);
        }
        let edit = Edit::RemoveHeader {
            name: name.to_owned(),
        };
        self.push(edit, format!("remove-header {name} ({found} removed)"))?;
        self.remove_lines(name);
        Ok(found as u32)
    }

    /// Makes one edit.
    ///
    /// # Errors
    /// Those of the method of its name.
    pub fn apply(&mut self, edit: Edit) -> Result<(), Error> {
        match edit {
            Edit::SetText { part, text } => self.set_text(part, &text),
            Edit::PrependHeader { name, value } => self.prepend_header(&name, &value),
            Edit::AppendHeader { name, value } => self.append_header(&name, &value),
            Edit::ReplaceHeader { name, value } => self.replace_header(&name, &value),
            Edit::RemoveHeader { name } => self.remove_header(&name).map(drop),
        }
    }

    /// The fields of the edited header section, in order.
    pub fn fields(&self) -> impl Iterator<Item = Field<'_>> {
        let section = self.message.header_section();
        let untouched = self.lines.is_none().then(|| section.fields());
        let edited = self.lines.iter().flatten().map(move |line| match line {
            Line::Base(at) => section.field(&section.ranges()[*at]),
            Line::New(field) => field.as_field(),
        });
        untouched.into_iter().flatten().chain(edited)
    }

    /// The first field of that name in the edited header section, unfolded and decoded.
    pub fn header(&self, name: &str) -> Option<String> {
        self.fields()
            .find(|field| field.is(name))
            .map(|field| field.value())
    }

    /// All fields of the edited header section: name and decoded value.
    pub fn headers(&self) -> Vec<(String, String)> {
        self.fields()
            .map(|field| (field.name().to_owned(), field.value()))
            .collect()
    }

    /// How many fields of that name the edited header section has.
    pub fn header_count(&self, name: &str) -> usize {
        self.fields().filter(|field| field.is(name)).count()
    }

    /// The text of a part as edited.
    ///
    /// # Errors
    /// As [`Message::text`].
    pub fn text(&self, part: u32) -> Result<&str, Error> {
        match self.set_texts(part).next_back() {
            Some(text) => Ok(text),
            None => self.message.text(part),
        }
    }

    /// Decoded bytes of a part as edited; an edited part's bytes are its text in UTF-8.
    ///
    /// # Errors
    /// [`Error::NoSuchPart`].
    pub fn content(&self, part: u32) -> Result<Bytes, Error> {
        match self.set_texts(part).next_back() {
            Some(text) => Ok(Bytes::copy_from_slice(text.as_bytes())),
            None => self.message.content(part),
        }
    }

    /// At most `length` decoded bytes of a part as edited, from `offset`.
    ///
    /// # Errors
    /// [`Error::NoSuchPart`].
    pub fn content_range(&self, part: u32, offset: usize, length: usize) -> Result<Bytes, Error> {
        match self.set_texts(part).next_back() {
            Some(text) => {
                let start = offset.min(text.len());
                let end = start.saturating_add(length).min(text.len());
                Ok(Bytes::copy_from_slice(&text.as_bytes()[start..end]))
            }
            None => self.message.content_range(part, offset, length),
        }
    }

    /// The parts, with the sizes they have after the edits.
    pub fn parts(&self) -> Vec<PartInfo> {
        let mut infos = self.message.part_infos();
        for info in &mut infos {
            if let Some(text) = self.set_texts(info.index).next_back() {
                info.size = text.len();
            }
        }
        infos
    }

    /// True if the text of the part may be set.
    pub fn is_editable(&self, part: u32) -> bool {
        self.message.is_editable(part)
    }

    /// Positions in `patterns` of those that occur in the text of a text part as edited, without regard to ASCII case. An
    /// empty pattern never occurs.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if there are too many patterns.
    pub fn find<P: AsRef<str>>(&self, patterns: &[P]) -> Result<Vec<u32>, Error> {
        search::find(self.texts().map(|(_, text)| text), patterns)
    }

    /// Absolute http and https URLs in the text and HTML parts as edited, in order.
    pub fn urls(&self) -> Vec<String> {
        search::urls(self.texts())
    }

    /// Parts whose text differs from what was received.
    pub fn changed_parts(&self) -> Vec<u32> {
        let mut parts: Vec<u32> = self.final_texts().map(|(part, _)| part).collect();
        parts.retain(|&part| self.message.text(part) != self.text(part));
        parts
    }

    /// Text of a part before and after all edits: the two sides of a diff.
    ///
    /// # Errors
    /// As [`Message::text`].
    pub fn text_before_and_after(&self, part: u32) -> Result<(&str, &str), Error> {
        Ok((self.message.text(part)?, self.text(part)?))
    }

    /// The header section before and after all edits, decoded, one field a line.
    pub fn header_before_and_after(&self) -> (String, String) {
        let lines = |fields: &mut dyn Iterator<Item = Field<'_>>| {
            fields.fold(String::new(), |mut out, field| {
                out.push_str(field.name());
                out.push_str(": ");
                out.push_str(&field.value());
                out.push('\n');
                out
            })
        };
        (
            lines(&mut self.message.header_section().fields()),
            lines(&mut self.fields()),
        )
    }

    /// Text parts that can be read, as edited: whether HTML, and the text.
    fn texts(&self) -> impl Iterator<Item = (bool, &str)> {
        self.message.parts().iter().filter_map(|part| {
            let text = self.text(part.index()).ok()?;
            Some((part.media_type() == "text/html", text))
        })
    }

    fn set_texts(&self, wanted: u32) -> impl DoubleEndedIterator<Item = &str> {
        self.applied
            .iter()
            .filter_map(move |applied| match &applied.edit {
                Edit::SetText { part, text } if *part == wanted => Some(&**text),
                _ => None,
            })
    }

    /// The last text of each part that was set, in the order of the parts.
    pub(crate) fn final_texts(&self) -> impl Iterator<Item = (u32, &str)> {
        let mut last = std::collections::BTreeMap::new();
        for applied in &self.applied {
            if let Edit::SetText { part, text } = &applied.edit {
                last.insert(*part, &**text);
            }
        }
        last.into_iter()
    }

    pub(crate) fn lines(&self) -> Option<&[Line]> {
        self.lines.as_deref()
    }

    fn push(&mut self, edit: Edit, description: String) -> Result<(), Error> {
        if self.applied.len() >= EDITS_MAX {
            return Err(Error::TooLarge("1000 edits of one message"));
        }
        let held = edit.held_bytes();
        if self.held_bytes + held > EDITS_BYTES_MAX {
            return Err(Error::TooLarge("64 MiB of edits of one message"));
        }
        self.held_bytes += held;
        self.applied.push(Applied { edit, description });
        Ok(())
    }

    fn new_field(&self, name: &str, value: &str) -> Result<NewField, Error> {
        check_name(name)?;
        self.check_header_edit(name)?;
        NewField::new(name, value, self.utf8)
    }

    /// What is not a plugin's to change.
    fn check_header_edit(&self, name: &str) -> Result<(), Error> {
        if self.message.header_section().defect() == Some(Defect::TooLarge) {
            return Err(Error::Protected("the header section is too large to edit"));
        }
        match protected_field(name) {
            Some(why) => Err(Error::Protected(why)),
            None => Ok(()),
        }
    }

    fn check_single(&self, name: &str) -> Result<(), Error> {
        const SINGLE: [&str; 11] = [
            "Date",
            "From",
            "Sender",
            "Reply-To",
            "To",
            "Cc",
            "Bcc",
            "Message-ID",
            "In-Reply-To",
            "References",
            "Subject",
        ];
        let single = SINGLE.iter().any(|known| name.eq_ignore_ascii_case(known));
        if single && self.header_count(name) > 0 {
            return Err(Error::invalid(format!(
                "{name} may occur only once and is there already; replace it"
            )));
        }
        Ok(())
    }

    fn lines_mut(&mut self) -> &mut Vec<Line> {
        let count = self.message.header_section().ranges().len();
        self.lines
            .get_or_insert_with(|| (0..count).map(Line::Base).collect())
    }

    fn has_name(&self, line: &Line, name: &str) -> bool {
        match line {
            Line::Base(at) => {
                let section = self.message.header_section();
                section.field(&section.ranges()[*at]).is(name)
            }
            Line::New(field) => field.as_field().is(name),
        }
    }

    fn put_replaced(&mut self, name: &str, field: NewField) {
        let mut field = Some(field);
        let lines = std::mem::take(self.lines_mut());
        let mut kept = Vec::with_capacity(lines.len() + 1);
        for line in lines {
            if self.has_name(&line, name) {
                kept.extend(field.take().map(Line::New));
            } else {
                kept.push(line);
            }
        }
        kept.extend(field.map(Line::New));
        self.lines = Some(kept);
    }

    fn remove_lines(&mut self, name: &str) {
        let mut lines = std::mem::take(self.lines_mut());
        lines.retain(|line| !self.has_name(line, name));
        self.lines = Some(lines);
    }

    /// The header lines once more from the base, after edits were dropped.
    fn rebuild_lines(&mut self) {
        self.lines = None;
        let edits: Vec<Edit> = self
            .applied
            .iter()
            .filter(|applied| applied.edit.is_header())
            .map(|applied| applied.edit.clone())
            .collect();
        for edit in edits {
            // Each of these was made before, so its field can be made again.
            match edit {
                Edit::PrependHeader { name, value } => {
                    if let Ok(field) = NewField::new(&name, &value, self.utf8) {
                        self.lines_mut().insert(0, Line::New(field));
                    }
                }
                Edit::AppendHeader { name, value } => {
                    if let Ok(field) = NewField::new(&name, &value, self.utf8) {
                        self.lines_mut().push(Line::New(field));
                    }
                }
                Edit::ReplaceHeader { name, value } => {
                    if let Ok(field) = NewField::new(&name, &value, self.utf8) {
                        self.put_replaced(&name, field);
                    }
                }
                Edit::RemoveHeader { name } => self.remove_lines(&name),
                Edit::SetText { .. } => {}
            }
        }
    }
}

impl Edit {
    /// True if it changes the header section.
    pub fn is_header(&self) -> bool {
        !matches!(self, Self::SetText { .. })
    }

    fn held_bytes(&self) -> usize {
        match self {
            Self::SetText { text, .. } => text.len(),
            Self::PrependHeader { name, value }
            | Self::AppendHeader { name, value }
            | Self::ReplaceHeader { name, value } => name.len() + value.len(),
            Self::RemoveHeader { name } => name.len(),
        }
    }
}

impl fmt::Debug for EditSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EditSet")
            .field("message", &self.message)
            .field("edits", &self.applied.len())
            .finish_non_exhaustive()
    }
}

/// Fields that plugins neither write nor remove.
fn protected_field(name: &str) -> Option<&'static str> {
    const STRUCTURE: [&str; 3] = ["Content-Type", "Content-Transfer-Encoding", "MIME-Version"];
    const TRACE: [&str; 2] = ["Received", "Return-Path"];
    const SIGNATURES: [&str; 4] = [
        "DKIM-Signature",
        "ARC-Seal",
        "ARC-Message-Signature",
        "ARC-Authentication-Results",
    ];
    let is_in = |names: &[&str]| names.iter().any(|known| name.eq_ignore_ascii_case(known));
    if is_in(&STRUCTURE) {
        Some("the field holds the structure of the message")
    } else if is_in(&TRACE) {
        Some("trace fields are the relay's")
    } else if is_in(&SIGNATURES) {
        Some("the field is a signature")
    } else {
        None
    }
}

/// Every line end, whatever it is, as CRLF.
pub(crate) fn with_crlf(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 32);
    let mut rest = text;
    while let Some(at) = memchr::memchr2(b'\r', b'\n', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        out.push_str("\r\n");
        let end = if rest[at..].starts_with("\r\n") { 2 } else { 1 };
        rest = &rest[at + end..];
    }
    out.push_str(rest);
    out
}
