//! One new header field: checked, encoded (RFC 2047) and folded (RFC 5322 2.2.3), ready to stand in a message.

use bytes::Bytes;

use crate::error::Error;
use crate::header::{Field, is_address_field, is_field_name};
use crate::limits::{
    FIELD_NAME_BYTES_MAX, FIELD_VALUE_BYTES_MAX, LINE_BYTES_MAX, LINE_BYTES_WANTED,
};

mod address;
#[cfg(test)]
mod tests;

/// A field with its line end. Whoever holds one can put it into a header section without a further check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewField(Bytes);

/// A piece of a value that is not broken over lines, and the white space before it.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    Plain {
        gap: String,
        text: String,
    },
    /// Text that is written as encoded words; `then` follows the last one without a gap.
    Encoded {
        gap: String,
        text: String,
        then: String,
    },
}

impl NewField {
    /// Makes a field. `value` is text for people: it is encoded where it is not ASCII, and folded. With `utf8`, for messages
    /// that travel with SMTPUTF8 (RFC 6532), what cannot be encoded, such as an address, is written raw.
    ///
    /// # Errors
    /// [`Error::Invalid`] if the name is not RFC 5322 ftext, or the value holds a control character or non-ASCII where
    /// neither encoding nor UTF-8 is allowed, or cannot be folded to lines of 998 bytes; [`Error::TooLarge`].
    pub fn new(name: &str, value: &str, utf8: bool) -> Result<Self, Error> {
        check_name(name)?;
        let value = check_value(value)?;
        let tokens = if is_address_field(name) {
            address::tokens(value, utf8)?
        } else if is_structured(name) {
            structured(value, utf8)?
        } else {
            unstructured(value)
        };
        let mut line = Folder::new(name);
        for token in &tokens {
            line.put(token);
        }
        line.finish()
    }

    /// A field that is already written and folded, as the relay's trace fields are.
    ///
    /// # Errors
    /// [`Error::Invalid`] if it is not one field with its final CRLF, or holds a control character or a line of over 998
    /// bytes.
    pub fn verbatim(field: &str) -> Result<Self, Error> {
        let wrong = || Error::invalid("it is not one field of a header section");
        let lines = field.strip_suffix("\r\n").ok_or_else(wrong)?;
        Field::from_bytes(lines.as_bytes()).ok_or_else(wrong)?;
        for (at, line) in lines.split("\r\n").enumerate() {
            let blank = line.trim_matches([' ', '\t']).is_empty();
            let folded = at == 0 || line.starts_with([' ', '\t']);
            let control = line.chars().any(|c| c.is_control() && c != '\t');
            if blank || !folded || control || line.len() > LINE_BYTES_MAX {
                return Err(wrong());
            }
        }
        Ok(Self(field.to_owned().into()))
    }

    /// A field whose value stands as it is, folded at its blanks: the fields of reports, which hold UTF-8 or ASCII and no
    /// encoded words.
    pub(crate) fn folded(name: &str, value: &str) -> Result<Self, Error> {
        check_name(name)?;
        let mut line = Folder::new(name);
        for token in &plain_tokens(check_value(value)?) {
            line.put(token);
        }
        line.finish()
    }

    /// A field that was put together in this crate, folded and with its final CRLF.
    pub(crate) fn from_folded(text: String) -> Self {
        debug_assert!(text.ends_with("\r\n") && Field::from_bytes(text.as_bytes()).is_some());
        Self(text.into())
    }

    /// The field with its final CRLF.
    pub fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// Name and value.
    pub fn as_field(&self) -> Field<'_> {
        Field::from_bytes(&self.0).expect("a new field begins with its name")
    }
}

/// RFC 5322 3.6.8, and short enough to leave room for a value.
pub(crate) fn check_name(name: &str) -> Result<(), Error> {
    if name.len() > FIELD_NAME_BYTES_MAX {
        return Err(Error::TooLarge("76 bytes of field name"));
    }
    if !is_field_name(name.as_bytes()) {
        return Err(Error::invalid(
            "a field name is printable ASCII without space and colon",
        ));
    }
    Ok(())
}

/// The value without outer blanks, if it may stand in a field.
fn check_value(value: &str) -> Result<&str, Error> {
    if value.len() > FIELD_VALUE_BYTES_MAX {
        return Err(Error::TooLarge("32 KiB of field value"));
    }
    if value.chars().any(|c| c.is_control() && c != '\t') {
        return Err(Error::invalid(
            "a field value holds no line end and no other control character",
        ));
    }
    Ok(value.trim_matches([' ', '\t']))
}

/// Fields whose syntax has no place for an encoded word.
fn is_structured(name: &str) -> bool {
    const NAMES: [&str; 25] = [
        "Date",
        "Resent-Date",
        "Message-ID",
        "Resent-Message-ID",
        "In-Reply-To",
        "References",
        "Return-Path",
        "Received",
        "MIME-Version",
        "Content-Type",
        "Content-Transfer-Encoding",
        "Content-Disposition",
        "Content-ID",
        "Content-Location",
        "DKIM-Signature",
        "Authentication-Results",
        "Received-SPF",
        "List-Unsubscribe",
        "List-Unsubscribe-Post",
        "List-Subscribe",
        "List-Archive",
        "List-Post",
        "List-Help",
        "List-Owner",
        "Auto-Submitted",
    ];
    NAMES.iter().any(|known| name.eq_ignore_ascii_case(known))
        || name
            .get(..4)
            .is_some_and(|head| head.eq_ignore_ascii_case("ARC-"))
}

/// White space and words in turn: (gap, word).
fn words(value: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    let mut rest = value;
    while !rest.is_empty() {
        let word_at = rest.find(|c| c != ' ' && c != '\t').unwrap_or(rest.len());
        let (gap, after) = rest.split_at(word_at);
        let end = after.find([' ', '\t']).unwrap_or(after.len());
        let (word, after) = after.split_at(end);
        found.push((gap, word));
        rest = after;
    }
    found
}

/// Words that cannot stand as they are. A word that looks encoded is encoded, so that the reader sees what was written; so
/// is one that no line can hold.
fn must_encode(gap: &str, word: &str) -> bool {
    const LONG: usize = LINE_BYTES_MAX - FIELD_NAME_BYTES_MAX - 4;
    !word.is_ascii() || word.contains("=?") || gap.len() + word.len() > LONG
}

fn unstructured(value: &str) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    for (gap, word) in words(value) {
        if !must_encode(gap, word) {
            tokens.push(Token::Plain {
                gap: gap.to_owned(),
                text: word.to_owned(),
            });
            continue;
        }
        match tokens.last_mut() {
            // Blanks between encoded words are not shown, so those that are meant are encoded too.
            Some(Token::Encoded { text, .. }) => {
                text.push_str(gap);
                text.push_str(word);
            }
            _ if gap.len() > 1 => tokens.push(Token::Encoded {
                gap: gap[..1].to_owned(),
                text: format!("{}{word}", &gap[1..]),
                then: String::new(),
            }),
            _ => tokens.push(Token::Encoded {
                gap: gap.to_owned(),
                text: word.to_owned(),
                then: String::new(),
            }),
        }
    }
    tokens
}

fn structured(value: &str, utf8: bool) -> Result<Vec<Token>, Error> {
    if !value.is_ascii() && !utf8 {
        return Err(Error::invalid(
            "this field takes ASCII only, unless the message is sent with SMTPUTF8",
        ));
    }
    Ok(plain_tokens(value))
}

/// Tokens of a value that stands as it is. A long list without blanks is broken after its commas.
fn plain_tokens(value: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    for (gap, word) in words(value) {
        if word.len() <= LINE_BYTES_MAX / 2 {
            tokens.push(Token::Plain {
                gap: gap.to_owned(),
                text: word.to_owned(),
            });
            continue;
        }
        for (at, piece) in word.split_inclusive(',').enumerate() {
            tokens.push(Token::Plain {
                gap: if at == 0 { gap } else { " " }.to_owned(),
                text: piece.to_owned(),
            });
        }
    }
    tokens
}

/// Writes tokens into lines.
struct Folder {
    out: String,
    column: usize,
    first: bool,
}

/// `=?utf-8?q?` and `?=`.
const WORD_FRAME: usize = 12;
/// RFC 2047 2.
const WORD_MAX: usize = 75;

impl Folder {
    fn new(name: &str) -> Self {
        Self {
            out: format!("{name}:"),
            column: name.len() + 1,
            first: true,
        }
    }

    fn put(&mut self, token: &Token) {
        match token {
            Token::Plain { gap, text } => self.piece(gap, text),
            Token::Encoded { gap, text, then } => self.encoded(gap, text, then),
        }
    }

    fn piece(&mut self, gap: &str, text: &str) {
        let gap = if self.first { " " } else { gap };
        let width = gap.len() + text.len();
        // The value begins on the line of the name unless that would break the hard limit.
        let limit = if self.first {
            LINE_BYTES_MAX
        } else {
            LINE_BYTES_WANTED
        };
        if !gap.is_empty() && self.column + width > limit {
            self.out.push_str("\r\n");
            self.column = 0;
        }
        self.out.push_str(gap);
        self.out.push_str(text);
        self.column += width;
        self.first = false;
    }

    fn encoded(&mut self, gap: &str, text: &str, then: &str) {
        let cheap: usize = text.bytes().map(q_width).sum();
        // Words that are mostly ASCII stay readable, others stay short.
        let quoted = cheap <= text.len().div_ceil(3) * 4 * 2;
        let mut rest = text;
        let mut gap = gap;
        while !rest.is_empty() {
            let room = LINE_BYTES_WANTED.saturating_sub(self.column + 1 + WORD_FRAME);
            let room = if room < 16 {
                WORD_MAX - WORD_FRAME
            } else {
                room.min(WORD_MAX - WORD_FRAME)
            };
            let cut = fitting(rest, quoted, room);
            let (chunk, after) = rest.split_at(cut);
            let mut word = encoded_word(chunk, quoted);
            if after.is_empty() {
                word.push_str(then);
            }
            if self.first && self.column + 1 + word.len() > LINE_BYTES_WANTED {
                self.out.push_str("\r\n");
                self.column = 0;
            }
            self.piece(gap, &word);
            gap = " ";
            rest = after;
        }
    }

    fn finish(mut self) -> Result<NewField, Error> {
        if self.first {
            self.out.push(' ');
        }
        self.out.push_str("\r\n");
        let fits = self
            .out
            .split("\r\n")
            .all(|line| line.len() <= LINE_BYTES_MAX);
        if !fits {
            return Err(Error::invalid(
                "the value cannot be folded to lines of 998 bytes",
            ));
        }
        Ok(NewField(self.out.into()))
    }
}

/// RFC 2047 5 (3): what may stand in a phrase, and so anywhere.
fn q_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!*+-/".contains(&byte)
}

fn q_width(byte: u8) -> usize {
    if q_plain(byte) || byte == b' ' { 1 } else { 3 }
}

/// How many bytes of the text one encoded word of that room takes; at least one character.
fn fitting(text: &str, quoted: bool, room: usize) -> usize {
    let (mut cut, mut width) = (0, 0);
    for c in text.chars() {
        let next = cut + c.len_utf8();
        width = if quoted {
            width
                + text.as_bytes()[cut..next]
                    .iter()
                    .map(|&b| q_width(b))
                    .sum::<usize>()
        } else {
            next.div_ceil(3) * 4
        };
        if width > room && cut > 0 {
            break;
        }
        cut = next;
    }
    cut
}

fn encoded_word(text: &str, quoted: bool) -> String {
    use base64::Engine;
    use std::fmt::Write;
    let mut word = String::with_capacity(WORD_MAX);
    if quoted {
        word.push_str("=?utf-8?q?");
        for byte in text.bytes() {
            match byte {
                b' ' => word.push('_'),
                _ if q_plain(byte) => word.push(byte as char),
                _ => {
                    let _ = write!(word, "={byte:02X}");
                }
            }
        }
    } else {
        word.push_str("=?utf-8?b?");
        base64::engine::general_purpose::STANDARD.encode_string(text, &mut word);
    }
    word.push_str("?=");
    word
}
