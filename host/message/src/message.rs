//! A message as it was received: bytes that never change, and what is read out of them when somebody asks.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::charset::{self, Charset};
use crate::encoding::TransferEncoding;
use crate::error::Error;
use crate::header::HeaderSection;
use crate::lines::Shape;
use crate::mime::{Part, Structure};
use crate::search;

#[cfg(test)]
mod tests;

/// A received message. Cloning shares the bytes and everything already read.
#[derive(Clone)]
pub struct Message {
    inner: Arc<Inner>,
}

struct Inner {
    bytes: Bytes,
    header: OnceLock<HeaderSection>,
    structure: OnceLock<Structure>,
    contents: OnceLock<Box<[Content]>>,
}

/// What was decoded of one part.
#[derive(Default)]
struct Content {
    bytes: OnceLock<Bytes>,
    text: OnceLock<Result<String, Error>>,
    size: OnceLock<usize>,
    pgp: OnceLock<bool>,
}

/// Everything a plugin may know of a part, as one plain record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartInfo {
    pub index: u32,
    pub parent: Option<u32>,
    pub media_type: String,
    pub charset: Option<String>,
    pub disposition: Option<String>,
    pub filename: Option<String>,
    /// Decoded bytes.
    pub size: usize,
    pub editable: bool,
}

impl Message {
    /// Takes a message in. Costs nothing: reading begins with the first question.
    pub fn parse(bytes: Bytes) -> Self {
        Self {
            inner: Arc::new(Inner {
                bytes,
                header: OnceLock::new(),
                structure: OnceLock::new(),
                contents: OnceLock::new(),
            }),
        }
    }

    /// The bytes as received.
    pub fn bytes(&self) -> &Bytes {
        &self.inner.bytes
    }

    /// Number of bytes as received.
    pub fn size(&self) -> usize {
        self.inner.bytes.len()
    }

    /// At most `length` bytes as received, from `offset`; fewer, or none, at the end.
    pub fn raw(&self, offset: usize, length: usize) -> Bytes {
        window(&self.inner.bytes, offset, length)
    }

    /// The header section.
    pub fn header_section(&self) -> &HeaderSection {
        self.inner
            .header
            .get_or_init(|| HeaderSection::parse(self.inner.bytes.clone()))
    }

    /// The first field of that name, unfolded and decoded.
    pub fn header(&self, name: &str) -> Option<String> {
        self.header_section().first(name).map(|field| field.value())
    }

    /// How many Received fields the message has: a mail loop shows here (RFC 5321 6.3).
    pub fn received_count(&self) -> usize {
        self.header_section().count("Received")
    }

    /// The body after the header section, as received.
    pub fn body(&self) -> Bytes {
        self.inner.bytes.slice(self.header_section().body()..)
    }

    /// The parts in depth-first order; the first is the message itself.
    pub fn parts(&self) -> &[Part] {
        &self
            .inner
            .structure
            .get_or_init(|| Structure::parse(&self.inner.bytes, self.header_section()))
            .parts
    }

    /// One part.
    ///
    /// # Errors
    /// [`Error::NoSuchPart`].
    pub fn part(&self, part: u32) -> Result<&Part, Error> {
        self.parts().get(part as usize).ok_or(Error::NoSuchPart)
    }

    /// The fields of one part.
    pub fn part_header(&self, part: u32) -> Result<HeaderSection, Error> {
        let range = self.part(part)?.header_range();
        Ok(HeaderSection::scan(
            self.inner.bytes.slice(..range.end),
            range.start,
            |_| false,
        ))
    }

    /// Decoded bytes of a part; of a multipart the bytes as they are.
    pub fn content(&self, part: u32) -> Result<Bytes, Error> {
        let slot = self.slot(part)?;
        let info = self.part(part)?;
        let encoded = self.inner.bytes.slice(info.body_range());
        if info.transfer_encoding().is_identity()
            || info.transfer_encoding() == TransferEncoding::Unknown
            || info.is_multipart()
        {
            return Ok(encoded);
        }
        Ok(slot
            .bytes
            .get_or_init(|| {
                info.transfer_encoding()
                    .decode(&encoded)
                    .into_owned()
                    .into()
            })
            .clone())
    }

    /// At most `length` decoded bytes of a part, from `offset`.
    pub fn content_range(&self, part: u32, offset: usize, length: usize) -> Result<Bytes, Error> {
        Ok(window(&self.content(part)?, offset, length))
    }

    /// Number of decoded bytes of a part.
    pub fn part_size(&self, part: u32) -> Result<usize, Error> {
        let slot = self.slot(part)?;
        let info = self.part(part)?;
        Ok(*slot.size.get_or_init(|| {
            let encoded = &self.inner.bytes[info.body_range()];
            if info.is_multipart() {
                encoded.len()
            } else if let Some(decoded) = slot.bytes.get() {
                decoded.len()
            } else {
                info.transfer_encoding().decoded_len(encoded)
            }
        }))
    }

    /// Text of a text part, with transfer encoding and charset decoded. Lines end as they do in the part, which is CRLF in
    /// honest mail.
    ///
    /// # Errors
    /// [`Error::NotText`] if the part is no text or has an unknown transfer encoding, [`Error::Invalid`] if the charset is
    /// unknown.
    pub fn text(&self, part: u32) -> Result<&str, Error> {
        let slot = self.slot(part)?;
        slot.text
            .get_or_init(|| {
                let charset = self.charset(part)?;
                let content = self.content(part)?;
                Ok(charset.decode(&content).into_owned())
            })
            .as_ref()
            .map(String::as_str)
            .map_err(Clone::clone)
    }

    /// Why the text of a part must not be set; `None` if it may.
    ///
    /// # Errors
    /// As [`Message::text`].
    pub fn protection(&self, part: u32) -> Result<Option<&'static str>, Error> {
        let info = self.part(part)?;
        self.charset(part)?;
        if let Some(why) = info.protection() {
            return Ok(Some(why));
        }
        let slot = self.slot(part)?;
        let text = self.text(part)?;
        let pgp = *slot.pgp.get_or_init(|| search::has_pgp_block(text));
        Ok(pgp.then_some("the text is signed or encrypted with PGP"))
    }

    /// The charset a text part is read in. Text in ASCII is read under any name, except where ASCII bytes mean other characters.
    pub(crate) fn charset(&self, part: u32) -> Result<Charset, Error> {
        let info = self.part(part)?;
        if !info.is_text() || info.transfer_encoding() == TransferEncoding::Unknown {
            return Err(Error::NotText);
        }
        let Some(label) = info.charset() else {
            return Ok(Charset::ASCII);
        };
        match Charset::from_label(label) {
            Some(charset) => Ok(charset),
            None if !charset::shifts(label) && self.content(part)?.is_ascii() => Ok(Charset::ASCII),
            None => Err(Error::invalid(format!(
                "unknown charset {}",
                label.escape_default()
            ))),
        }
    }

    /// True if the decoded text has a CR or LF that is no CRLF, which only base64 and quoted-printable can carry.
    pub(crate) fn has_bare_line_ends(&self, part: u32) -> Result<bool, Error> {
        if self.part(part)?.transfer_encoding().is_identity() {
            return Ok(false);
        }
        Ok(Shape::of([self.text(part)?.as_bytes()]).bare)
    }

    /// True if the text of the part may be set.
    pub fn is_editable(&self, part: u32) -> bool {
        matches!(self.protection(part), Ok(None))
    }

    /// The parts as plain records.
    pub fn part_infos(&self) -> Vec<PartInfo> {
        self.parts()
            .iter()
            .map(|part| PartInfo {
                index: part.index(),
                parent: part.parent(),
                media_type: part.media_type().to_owned(),
                charset: part.charset().map(str::to_owned),
                disposition: part.disposition().map(str::to_owned),
                filename: part.filename().map(str::to_owned),
                size: self.part_size(part.index()).unwrap_or(0),
                editable: self.is_editable(part.index()),
            })
            .collect()
    }

    fn slot(&self, part: u32) -> Result<&Content, Error> {
        self.inner
            .contents
            .get_or_init(|| self.parts().iter().map(|_| Content::default()).collect())
            .get(part as usize)
            .ok_or(Error::NoSuchPart)
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message")
            .field("size", &self.size())
            .finish_non_exhaustive()
    }
}

impl From<Bytes> for Message {
    fn from(bytes: Bytes) -> Self {
        Self::parse(bytes)
    }
}

pub(crate) fn window(bytes: &Bytes, offset: usize, length: usize) -> Bytes {
    let start = offset.min(bytes.len());
    let end = start.saturating_add(length).min(bytes.len());
    bytes.slice(start..end)
}
