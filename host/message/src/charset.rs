//! Charsets both ways (encoding_rs's only door).
//!
//! Labels are those of the WHATWG table, which is how mail programs read them: iso-8859-1 is read as windows-1252, gb2312 as
//! gbk. Writing is stricter than reading: a character is written in a charset only if the strict reading of the label has
//! it too, or the sender himself used it so, and only if it comes back the same. What cannot be written is the caller's to
//! write as UTF-8.

use std::borrow::Cow;

use encoding_rs::{DecoderResult, Encoding, REPLACEMENT, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

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
    /// Declared as ASCII, or nothing was declared: bytes beyond are UTF-8 if they can be, else windows-1252. They are written
    /// as they were read, and not at all where there were none.
    Ascii,
    /// An ISO 8859 label that is read as its windows superset: 0x80 to 0x9f are written only where they were read.
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

    /// The text of those bytes. Bytes that the charset does not have become private characters (U+F780 to U+F7FF) that
    /// [`Charset::encode`] turns back, so that an edit elsewhere in the text does not lose them; U+FFFD where that cannot
    /// be, which is where the text uses these characters itself, and in UTF-16 and ISO-2022-JP.
    pub fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        if self.encoding == UTF_8 || self.reading == Reading::Ascii {
            return match std::str::from_utf8(bytes) {
                Ok(text) => Cow::Borrowed(text),
                Err(_) if self.encoding == UTF_8 => Cow::Owned(
                    escape_invalid(bytes)
                        .unwrap_or_else(|| String::from_utf8_lossy(bytes).into_owned()),
                ),
                Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0,
            };
        }
        if self.is_utf16() {
            return self.encoding.decode(bytes).0;
        }
        let (text, is_lossy) = self.encoding.decode_without_bom_handling(bytes);
        if is_lossy
            && self.encoding.is_ascii_compatible()
            && let Some(escaped) = escape_malformed(self.encoding, bytes)
        {
            return Cow::Owned(escaped);
        }
        text
    }

    /// The bytes of that text; `None` if the charset cannot hold it. `original` is what the text replaces: what was read
    /// there in a wider sense than the label has is written in the same sense.
    pub fn encode<'a>(self, text: &'a str, original: &[u8]) -> Option<Cow<'a, [u8]>> {
        if self.encoding == UTF_8 {
            return Some(match std::str::from_utf8(original) {
                Ok(_) => Cow::Borrowed(text.as_bytes()),
                Err(_) => Cow::Owned(unescape_invalid(text, original)),
            });
        }
        if self.is_utf16() {
            return self.encode_utf16(text, original).map(Cow::Owned);
        }
        if text.is_ascii() && self.encoding.is_ascii_compatible() {
            return Some(Cow::Borrowed(text.as_bytes()));
        }
        if self.reading == Reading::Ascii {
            if original.is_ascii() {
                return None;
            }
            if std::str::from_utf8(original).is_ok() {
                return Some(Cow::Borrowed(text.as_bytes()));
            }
        }
        let (bytes, used, unmappable) = self.encoding.encode(text);
        let bytes = if unmappable {
            Cow::Owned(self.encode_escaped(text)?)
        } else {
            bytes
        };
        let is_c1 = |byte: &u8| matches!(byte, 0x80..=0x9f);
        let lost = used != self.encoding
            || (self.reading == Reading::Iso8859
                && bytes.iter().any(is_c1)
                && !original.iter().any(is_c1))
            || self.decode(&bytes) != text;
        (!lost).then_some(bytes)
    }

    /// True if one text can be written in several ways: in the multi-byte charsets of East Asia.
    pub(crate) fn has_spellings(self) -> bool {
        !(self.encoding.is_single_byte() || self.encoding == UTF_8 || self.is_utf16())
    }

    fn is_utf16(self) -> bool {
        self.encoding == UTF_16LE || self.encoding == UTF_16BE
    }

    /// In the byte order of the original, with its byte order mark where it had one.
    fn encode_utf16(self, text: &str, original: &[u8]) -> Option<Vec<u8>> {
        let (mark, big_endian) = match original {
            [0xfe, 0xff, ..] => (&original[..2], true),
            [0xff, 0xfe, ..] => (&original[..2], false),
            // UTF-8 under a wrong name, which its mark gives away.
            [0xef, 0xbb, 0xbf, ..] => return Some([&original[..3], text.as_bytes()].concat()),
            _ => (&original[..0], self.encoding == UTF_16BE),
        };
        let mut bytes = Vec::with_capacity(mark.len() + text.len() * 2);
        bytes.extend_from_slice(mark);
        for unit in text.encode_utf16() {
            bytes.extend(if big_endian {
                unit.to_be_bytes()
            } else {
                unit.to_le_bytes()
            });
        }
        // Text that begins like another mark would be read as one.
        (self.decode(&bytes) == text).then_some(bytes)
    }

    /// The pieces between private characters in the charset, and these as the bytes they stand for.
    fn encode_escaped(self, text: &str) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(text.len());
        for piece in text.split_inclusive(is_escape) {
            let escape = piece.chars().next_back().filter(|&c| is_escape(c));
            let plain = &piece[..piece.len() - escape.map_or(0, char::len_utf8)];
            let (encoded, _, unmappable) = self.encoding.encode(plain);
            if unmappable {
                return None;
            }
            bytes.extend_from_slice(&encoded);
            bytes.extend(escape.map(escaped_byte));
        }
        Some(bytes)
    }
}

/// True for the names of charsets in which ASCII bytes may stand for other characters, and which are not read here.
pub(crate) fn shifts(label: &str) -> bool {
    let label = label.trim().to_ascii_lowercase();
    label.contains("utf-7") || label.starts_with("hz") || label.starts_with("iso-2022")
}

const ESCAPE: u32 = 0xf700;

fn is_escape(c: char) -> bool {
    matches!(c as u32, 0xf780..=0xf7ff)
}

fn escape(byte: u8) -> Option<char> {
    char::from_u32(ESCAPE + u32::from(byte))
}

fn escaped_byte(c: char) -> u8 {
    (c as u32 - ESCAPE) as u8
}

/// `None` if the text uses these characters itself, so that they cannot stand for anything else.
fn escape_invalid(bytes: &[u8]) -> Option<String> {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        if chunk.valid().contains(is_escape) {
            return None;
        }
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().filter_map(|&byte| escape(byte)));
    }
    Some(out)
}

/// The same for another charset; `None` also if it does not come out as it went in.
fn escape_malformed(encoding: &'static Encoding, bytes: &[u8]) -> Option<String> {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut out = String::with_capacity(bytes.len() * 3 + 16);
    let mut checked = 0;
    let mut at = 0;
    loop {
        let (result, read) =
            decoder.decode_to_string_without_replacement(&bytes[at..], &mut out, true);
        at += read;
        if out[checked..].contains(is_escape) {
            return None;
        }
        match result {
            DecoderResult::InputEmpty => return Some(out),
            DecoderResult::OutputFull => out.reserve(bytes.len() - at + 16),
            DecoderResult::Malformed(length, behind) => {
                let end = at - usize::from(behind);
                for &byte in &bytes[end - usize::from(length)..end] {
                    out.push(if byte.is_ascii() {
                        char::from(byte)
                    } else {
                        escape(byte)?
                    });
                }
            }
        }
        checked = out.len();
    }
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
            out.push(escaped_byte(c));
        } else {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
    }
    out
}
