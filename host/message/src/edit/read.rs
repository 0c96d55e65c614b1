//! Reads that see the edits: header, parts and text as they are now, and as they were.

use bytes::Bytes;

use super::{Edit, EditSet, Line};
use crate::error::Error;
use crate::header::Field;
use crate::message::PartInfo;
use crate::search;

impl EditSet {
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
}
