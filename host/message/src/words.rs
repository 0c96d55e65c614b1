//! Encoded words (RFC 2047), read: from the bytes of a field's value to text for people.
//!
//! Adjacent words of one charset are joined before they are decoded, since many senders cut inside a character. What comes
//! out never holds a line end or another control character, whatever the words decode to.

use crate::charset::Charset;
use crate::encoding;

#[cfg(test)]
mod tests;

/// A charset's name in an encoded word, with language; longer is no encoded word.
const LABEL_BYTES_MAX: usize = 80;

/// The value without its folds (RFC 5322 2.2.3), trimmed. Bytes that are not UTF-8 are taken for windows-1252.
pub(crate) fn unfold(raw: &[u8]) -> String {
    let trimmed = raw.trim_ascii();
    let text = if memchr::memchr2(b'\r', b'\n', trimmed).is_none() {
        text_of(trimmed)
    } else {
        let bytes: Vec<u8> = trimmed
            .iter()
            .copied()
            .filter(|&byte| byte != b'\r' && byte != b'\n')
            .collect();
        text_of(&bytes)
    };
    without_controls(text)
}

/// Control characters as spaces; the tab stays.
fn without_controls(text: String) -> String {
    let is_control = |c: char| c.is_control() && c != '\t';
    if !text.contains(is_control) {
        return text;
    }
    text.replace(is_control, " ")
}

/// An unstructured value, decoded.
pub(crate) fn decode(raw: &[u8]) -> String {
    decode_with(unfold(raw), |text, out| out.push_str(&text))
}

/// A value that holds addresses, decoded; a decoded phrase with specials is quoted.
pub(crate) fn decode_phrases(raw: &[u8]) -> String {
    decode_with(unfold(raw), |text, out| push_phrase(&text, out))
}

fn text_of(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => Charset::WINDOWS_1252.decode(bytes).into_owned(),
    }
}

/// One encoded word, with its transfer encoding undone.
struct Word {
    charset: Charset,
    bytes: Vec<u8>,
}

/// What stands at a "=?".
enum Found {
    Word(Word, usize),
    /// Not a word that can be read; so many bytes of plain text.
    Plain(usize),
    /// No word ends from here on.
    NoneLeft,
}

fn decode_with(text: String, push: impl Fn(String, &mut String)) -> String {
    let Some(first) = text.find("=?") else {
        return text;
    };
    let mut out = String::with_capacity(text.len());
    let mut run: Vec<Word> = Vec::new();
    let (mut plain_from, mut at) = (0, first);
    loop {
        match take_word(&text[at..]) {
            Found::Word(word, length) => {
                let between = &text[plain_from..at];
                if run.is_empty() || !between.trim_matches([' ', '\t']).is_empty() {
                    flush(&mut run, &mut out, &push);
                    out.push_str(between);
                }
                run.push(word);
                at += length;
                plain_from = at;
            }
            Found::Plain(length) => at += length,
            Found::NoneLeft => break,
        }
        match text[at..].find("=?") {
            Some(next) => at += next,
            None => break,
        }
    }
    flush(&mut run, &mut out, &push);
    out.push_str(&text[plain_from..]);
    out
}

fn flush(run: &mut Vec<Word>, out: &mut String, push: &impl Fn(String, &mut String)) {
    let mut decoded = String::new();
    let mut words = run.drain(..).peekable();
    while let Some(mut word) = words.next() {
        while let Some(next) = words.next_if(|next| next.charset == word.charset) {
            word.bytes.extend_from_slice(&next.bytes);
        }
        decoded.push_str(&word.charset.decode(&word.bytes));
    }
    let decoded = without_controls(decoded);
    if !decoded.is_empty() {
        push(decoded, out);
    }
}

/// `=?charset*language?encoding?data?=`. A word that has an end is passed over as a whole even if it cannot be read, so
/// that no byte is looked at more than a few times.
fn take_word(text: &str) -> Found {
    let bytes = text.as_bytes();
    let head = &bytes[2..bytes.len().min(LABEL_BYTES_MAX + 2)];
    let Some(label_end) = head.iter().position(|&b| !is_label_byte(b)).map(|n| n + 2) else {
        return Found::Plain(2);
    };
    let [b'?', encoding, b'?', ..] = bytes[label_end..] else {
        return Found::Plain(2);
    };
    let data_start = label_end + 3;
    let Some(data_end) = memchr::memmem::find(&bytes[data_start..], b"?=") else {
        return Found::NoneLeft;
    };
    let data = &bytes[data_start..data_start + data_end];
    let length = data_start + data_end + 2;
    let label = &text[2..label_end];
    let label = label.split('*').next().unwrap_or(label);
    let decoded = match encoding {
        b'q' | b'Q' => Some(q_decode(data)),
        b'b' | b'B' => encoding::base64_decode_strictly(data),
        _ => None,
    };
    match (Charset::from_label(label), decoded) {
        (Some(charset), Some(bytes)) => Found::Word(Word { charset, bytes }, length),
        _ => Found::Plain(length),
    }
}

fn is_label_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"()<>@,;\"/[]?=".contains(&byte)
}

/// RFC 2047 4.2.
fn q_decode(data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len());
    let mut at = 0;
    while at < data.len() {
        match data[at] {
            b'_' => out.push(b' '),
            b'=' => match data.get(at + 1..at + 3).and_then(encoding::hex_pair) {
                Some(byte) => {
                    out.push(byte);
                    at += 2;
                }
                None => out.push(b'='),
            },
            byte => out.push(byte),
        }
        at += 1;
    }
    out
}

/// RFC 5322 3.2.3: what may not stand in a phrase without quotes.
pub(crate) fn has_specials(text: &str) -> bool {
    text.bytes().any(|b| b"()<>[]:;@\\,.\"".contains(&b))
}

fn push_phrase(text: &str, out: &mut String) {
    if !has_specials(text) {
        out.push_str(text);
        return;
    }
    out.push('"');
    for c in text.chars() {
        if c == '"' || c == '\\' {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}
