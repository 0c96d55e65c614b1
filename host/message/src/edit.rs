//! Edits: typed changes over the received bytes, checked one by one as they are made.
//!
//! An [`EditSet`] is one reading of a message: the base and the edits so far. Each hook call is bracketed by `begin` and
//! `commit` or `rollback`, so that a plugin that faults leaves nothing behind, and every later read sees what was changed
//! before. Nothing is encoded or copied until the set is rendered.

use std::fmt;
use std::sync::Arc;

use crate::error::Error;
use crate::field::{NewField, check_name};
use crate::header::Defect;
use crate::limits::{EDIT_TEXT_BYTES_MAX, EDITS_BYTES_MAX, EDITS_MAX};
use crate::message::Message;

mod lines;
mod read;
mod rules;
mod stored;
#[cfg(test)]
mod tests;

pub(crate) use lines::Line;
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

    /// Whether the message travels with SMTPUTF8 (RFC 6531).
    pub fn utf8(&self) -> bool {
        self.utf8
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

    /// Replaces the text of a part. Line ends of any kind become CRLF, unless the part has other ones of its own, which
    /// base64 and quoted-printable can carry.
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
        let text = if self.message.has_bare_line_ends(part)? {
            text.to_owned()
        } else {
            with_crlf(text)
        };
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
        rules::check_single(self, name)?;
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
        rules::check_single(self, name)?;
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
        match rules::protected_field(name) {
            Some(why) => Err(Error::Protected(why)),
            None => Ok(()),
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
