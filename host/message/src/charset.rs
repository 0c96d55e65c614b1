//! Charsets both ways (encoding_rs's only door).
//!
//! Labels are those of the WHATWG table, which is how mail programs read them: iso-8859-1 is read as windows-1252, gb2312 as
//! gbk. Writing is stricter than reading: a character is written in a charset only if the strict reading of the label has
//! it too, and only if it comes back the same. What cannot be written is the caller's to write as UTF-8.

use std::borrow::Cow;

use encoding_rs::{Encoding, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

#[cfg(test)]
mod tests;

/// A charset that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Charset {
    encoding: &'static Encoding,
    reading: Reading,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// As the encoding says.
    Plain,
    /// Declared as ASCII, or nothing was declared: bytes beyond are UTF-8 if they can be, else windows-1252.
    Ascii,
    /// An ISO 8859 label that is read as its windows superset: 0x80 to 0x9f are not written.
    Iso8859,
}

impl Charset {
    /// What new text is written in where its own charset cannot hold it.
    pub const UTF_8: Self = Self::plain(UTF_8);
    /// US-ASCII, the default of RFC 2045 5.2.
    pub const ASCII: Self = Self {
        encoding: WINDOWS_1252,
        reading: Reading::Ascii,
    };
    pub(crate) const WINDOWS_1252: Self = Self::plain(WINDOWS_1252);

    const fn plain(encoding: &'static Encoding) -> Self {
        Self {
            encoding,
            reading: Reading::Plain,
        }
    }

    /// The charset of that name, in any case; `None` if it is unknown.
    pub fn from_label(label: &str) -> Option<Self> {
        let label = label.trim();
        let encoding = Encoding::for_label(label.as_bytes())?;
        if encoding == REPLACEMENT {
            return None;
        }
        let lower = label.to_ascii_lowercase();
        let reading = if matches!(
            lower.as_str(),
            "us-ascii" | "ascii" | "ansi_x3.4-1968" | "iso-ir-6"
        ) {
            Reading::Ascii
        } else if encoding.name().starts_with("windows-")
            && !lower.contains("cp")
            && !lower.contains("windows")
        {
            Reading::Iso8859
        } else {
            Reading::Plain
        };
        Some(Self { encoding, reading })
    }

    /// The text of those bytes. What the charset does not have becomes U+FFFD, except in UTF-8, where each such byte
    /// becomes a private character (U+F780 to U+F7FF) that [`Charset::encode`] turns back, so that an edit elsewhere in the
    /// text does not lose it.
    pub fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        if self.encoding == UTF_8 || self.reading == Reading::Ascii {
            return match std::str::from_utf8(bytes) {
                Ok(text) => Cow::Borrowed(text),
                Err(_) if self.encoding == UTF_8 => Cow::Owned(escape_invalid(bytes)),
                Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0,
            };
        }
        if self.encoding == UTF_16LE || self.encoding == UTF_16BE {
            return self.encoding.decode(bytes).0;
        }
        self.encoding.decode_without_bom_handling(bytes).0
    }

    /// The bytes of that text; `None` if the charset cannot hold it. `original` is what the text replaces.
    pub fn encode<'a>(self, text: &'a str, original: &[u8]) -> Option<Cow<'a, [u8]>> {
        if self.encoding == UTF_8 {
            return Some(match std::str::from_utf8(original) {
                Ok(_) => Cow::Borrowed(text.as_bytes()),
                Err(_) => Cow::Owned(unescape_invalid(text, original)),
            });
        }
        if text.is_ascii() && self.encoding.is_ascii_compatible() {
            return Some(Cow::Borrowed(text.as_bytes()));
        }
        if self.reading == Reading::Ascii {
            return None;
        }
        let (bytes, used, unmappable) = self.encoding.encode(text);
        let lost = unmappable
            || used != self.encoding
            || (self.reading == Reading::Iso8859 && bytes.iter().any(|b| matches!(b, 0x80..=0x9f)))
            || self.decode(&bytes) != text;
        (!lost).then_some(bytes)
    }
}

const ESCAPE: u32 = 0xf700;

fn is_escape(c: char) -> bool {
    matches!(c as u32, 0xf780..=0xf7ff)
}

fn escape_invalid(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        if chunk.valid().contains(is_escape) {
            // The text uses these characters itself, so they cannot stand for anything else.
            return String::from_utf8_lossy(bytes).into_owned();
        }
        out.push_str(chunk.valid());
        out.extend(
            chunk
                .invalid()
                .iter()
                .filter_map(|&byte| char::from_u32(ESCAPE + u32::from(byte))),
        );
    }
    out
}

fn unescape_invalid(text: &str, original: &[u8]) -> Vec<u8> {
    if original
        .utf8_chunks()
        .any(|chunk| chunk.valid().contains(is_escape))
    {
        return text.as_bytes().to_vec();
    }
    let mut out = Vec::with_capacity(text.len());
    for c in text.chars() {
        if is_escape(c) {
            out.push((c as u32 - ESCAPE) as u8);
        } else {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    out
}
