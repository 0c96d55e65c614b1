//! Transfer encodings both ways (RFC 2045 6). Reading takes what is common in practice, writing is exact.

use std::borrow::Cow;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use memchr::memchr;

use crate::header::without_line_end;
use crate::limits::{ENCODED_LINE_BYTES_MAX, LINE_BYTES_MAX};
use crate::lines::Lines;

#[cfg(test)]
mod tests;

/// How the bytes of a part are written (Content-Transfer-Encoding).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransferEncoding {
    /// Also where nothing is declared.
    SevenBit,
    EightBit,
    Binary,
    QuotedPrintable,
    Base64,
    /// A name this relay does not know; the content stays as it is written.
    Unknown,
}

impl TransferEncoding {
    /// RFC 2045 6.1: the value of the field. Comments and what follows a semicolon, which does not belong there, are
    /// passed over.
    pub fn from_value(value: &str) -> Self {
        let word = value.split([';', '(']).next().unwrap_or("").trim();
        const NAMES: [(&str, TransferEncoding); 7] = [
            ("7bit", TransferEncoding::SevenBit),
            ("", TransferEncoding::SevenBit),
            ("8bit", TransferEncoding::EightBit),
            ("binary", TransferEncoding::Binary),
            ("quoted-printable", TransferEncoding::QuotedPrintable),
            ("base64", TransferEncoding::Base64),
            ("7-bit", TransferEncoding::SevenBit),
        ];
        NAMES
            .iter()
            .find(|(name, _)| word.eq_ignore_ascii_case(name))
            .map_or(Self::Unknown, |&(_, encoding)| encoding)
    }

    /// The name as it is written in the field.
    pub fn name(self) -> &'static str {
        match self {
            Self::SevenBit => "7bit",
            Self::EightBit => "8bit",
            Self::Binary => "binary",
            Self::QuotedPrintable => "quoted-printable",
            Self::Base64 => "base64",
            Self::Unknown => "x-unknown",
        }
    }

    /// True if the bytes stand as they are.
    pub fn is_identity(self) -> bool {
        matches!(self, Self::SevenBit | Self::EightBit | Self::Binary)
    }

    /// The decoded bytes. Never fails: what cannot be decoded is kept or passed over, as mail programs do.
    pub fn decode(self, bytes: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Self::QuotedPrintable => Cow::Owned(quoted_printable_decode(bytes)),
            Self::Base64 => Cow::Owned(base64_decode(bytes)),
            _ => Cow::Borrowed(bytes),
        }
    }

    /// Length of [`TransferEncoding::decode`], without the bytes where that is possible.
    pub fn decoded_len(self, bytes: &[u8]) -> usize {
        match self {
            Self::QuotedPrintable => quoted_printable_decode(bytes).len(),
            Self::Base64 => base64_decoded_len(bytes),
            _ => bytes.len(),
        }
    }

    /// The encoding that new text bytes get in a part that has this one: the same, if it can hold them.
    pub fn for_text(self, bytes: &[u8]) -> Self {
        let plain = !bytes.contains(&0) && lines_within(bytes, LINE_BYTES_MAX);
        match self {
            Self::SevenBit if plain && bytes.is_ascii() => self,
            Self::EightBit | Self::Binary if plain => self,
            Self::Base64 => self,
            _ => Self::QuotedPrintable,
        }
    }

    /// The encoded bytes of text whose lines end in CRLF.
    pub fn encode(self, bytes: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Self::QuotedPrintable => Cow::Owned(quoted_printable_encode(bytes)),
            Self::Base64 => Cow::Owned(base64_encode(bytes)),
            _ => Cow::Borrowed(bytes),
        }
    }
}

fn lines_within(bytes: &[u8], max: usize) -> bool {
    if bytes.len() <= max {
        return true;
    }
    Lines::of(bytes).all(|line| without_line_end(line).len() <= max)
}

pub(crate) fn hex_pair(pair: &[u8]) -> Option<u8> {
    let digit = |byte: u8| (byte as char).to_digit(16);
    match pair {
        &[high, low] => Some((digit(high)? * 16 + digit(low)?) as u8),
        _ => None,
    }
}

/// RFC 2045 6.7. White space before a line end is dropped; "=" that begins nothing is kept.
pub fn quoted_printable_decode(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while !rest.is_empty() {
        let end = memchr(b'\n', rest).map_or(rest.len(), |lf| lf + 1);
        let (line, after) = rest.split_at(end);
        rest = after;
        let content = without_line_end(line);
        let line_end = &line[content.len()..];
        let content = trim_blanks(content);
        match content.strip_suffix(b"=") {
            Some(content) if !line_end.is_empty() || rest.is_empty() => {
                quoted_printable_line(content, &mut out);
            }
            _ => {
                quoted_printable_line(content, &mut out);
                out.extend_from_slice(line_end);
            }
        }
    }
    out
}

fn trim_blanks(mut line: &[u8]) -> &[u8] {
    while let [head @ .., b' ' | b'\t'] = line {
        line = head;
    }
    line
}

fn quoted_printable_line(mut line: &[u8], out: &mut Vec<u8>) {
    while let Some(at) = memchr(b'=', line) {
        out.extend_from_slice(&line[..at]);
        match line.get(at + 1..at + 3).and_then(hex_pair) {
            Some(byte) => {
                out.push(byte);
                line = &line[at + 3..];
            }
            None => {
                out.push(b'=');
                line = &line[at + 1..];
            }
        }
    }
    out.extend_from_slice(line);
}

/// RFC 2045 6.7: lines of at most 76 bytes; CRLF stays a line end, any other CR or LF is encoded.
pub fn quoted_printable_encode(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    quoted_printable(bytes, false, &mut out);
    out
}

/// The same, behind what is there, which ends with a line end.
pub(crate) fn quoted_printable_encode_into(bytes: &[u8], out: &mut Vec<u8>) {
    quoted_printable(bytes, false, out);
}

/// The same with no line that begins with "-", so that none is taken for a delimiter.
pub(crate) fn quoted_printable_without_dashes(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    quoted_printable(bytes, true, &mut out);
    out
}

fn quoted_printable(bytes: &[u8], hide_dashes: bool, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.reserve(bytes.len() + bytes.len() / 8);
    let mut column = 0;
    let mut position = 0;
    while let Some(&byte) = bytes.get(position) {
        if !(hide_dashes && column == 0) {
            let room = (ENCODED_LINE_BYTES_MAX - 1).saturating_sub(column);
            let run = plain_run(&bytes[position..], room);
            out.extend_from_slice(&bytes[position..position + run]);
            column += run;
            position += run;
            if run > 0 {
                continue;
            }
        }
        let at = position;
        position += 1;
        let next = bytes.get(at + 1);
        match byte {
            b'\r' if next == Some(&b'\n') => continue,
            b'\n' if at > 0 && bytes[at - 1] == b'\r' => {
                out.extend_from_slice(b"\r\n");
                column = 0;
                continue;
            }
            _ => {}
        }
        let ends_line = match next {
            None => true,
            Some(b'\r') => bytes.get(at + 2) == Some(&b'\n'),
            Some(_) => false,
        };
        let mut plain = match byte {
            b'=' => false,
            b' ' | b'\t' => !ends_line,
            33..=126 => true,
            _ => false,
        };
        // A soft break needs a place for its own "=" unless the line ends here.
        let room = ENCODED_LINE_BYTES_MAX - usize::from(!ends_line);
        if column + if plain { 1 } else { 3 } > room {
            out.extend_from_slice(b"=\r\n");
            column = 0;
        }
        plain &= !(hide_dashes && column == 0 && byte == b'-');
        if plain {
            out.push(byte);
        } else {
            let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
            out.extend_from_slice(&[b'=', digits[0], digits[1]]);
        }
        column += if plain { 1 } else { 3 };
    }
}

/// How many bytes at the beginning stand for themselves wherever they are in a line, at most `max`: the last of a row may be
/// the last of its line, and is not among them.
fn plain_run(bytes: &[u8], max: usize) -> usize {
    const IS_PLAIN: [bool; 256] = {
        let mut is_plain = [false; 256];
        let mut byte = b' ';
        while byte <= b'~' {
            is_plain[byte as usize] = byte != b'=';
            byte += 1;
        }
        is_plain[b'\t' as usize] = true;
        is_plain
    };
    let row = &bytes[..bytes.len().min(max + 1)];
    let end = row.iter().position(|&byte| !IS_PLAIN[usize::from(byte)]);
    end.unwrap_or(row.len()).saturating_sub(1)
}

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// RFC 2045 6.8. Bytes outside the alphabet are passed over, and padding may stand anywhere, as it does where pieces were
/// joined.
pub fn base64_decode(bytes: &[u8]) -> Vec<u8> {
    let packed: Vec<u8> = bytes
        .iter()
        .copied()
        .filter(|byte| !matches!(byte, b'\r' | b'\n' | b' ' | b'\t'))
        .collect();
    BASE64
        .decode(&packed)
        .unwrap_or_else(|_| base64_decode_leniently(&packed))
}

/// `None` if a byte does not belong there.
pub(crate) fn base64_decode_strictly(bytes: &[u8]) -> Option<Vec<u8>> {
    BASE64.decode(bytes).ok()
}

fn base64_value(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    }))
}

fn base64_decode_leniently(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() / 4 * 3);
    let (mut bits, mut count) = (0u32, 0);
    for &byte in bytes {
        let Some(value) = base64_value(byte) else {
            if byte == b'=' {
                count = 0;
            }
            continue;
        };
        bits = bits << 6 | value;
        count += 1;
        match count {
            2 => out.push((bits >> 4) as u8),
            3 => out.push((bits >> 2) as u8),
            4 => {
                out.push(bits as u8);
                count = 0;
            }
            _ => {}
        }
    }
    out
}

fn base64_decoded_len(bytes: &[u8]) -> usize {
    let (mut length, mut count) = (0, 0);
    for &byte in bytes {
        if base64_value(byte).is_some() {
            length += usize::from(count != 0);
            count = (count + 1) % 4;
        } else if byte == b'=' {
            count = 0;
        }
    }
    length
}

/// RFC 2045 6.8: lines of 76 bytes, each ending in CRLF but the last.
pub fn base64_encode(bytes: &[u8]) -> Vec<u8> {
    const LINE_INPUT: usize = ENCODED_LINE_BYTES_MAX / 4 * 3;
    let mut out = String::with_capacity(bytes.len() / 3 * 4 + bytes.len() / 28 + 8);
    for (at, chunk) in bytes.chunks(LINE_INPUT).enumerate() {
        if at > 0 {
            out.push_str("\r\n");
        }
        base64::engine::general_purpose::STANDARD.encode_string(chunk, &mut out);
    }
    out.into_bytes()
}
