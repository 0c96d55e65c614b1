//! Values that hold addresses (RFC 5322 3.4): phrases and comments are encoded, addresses never.

use super::{Token, plain_tokens};
use crate::error::Error;

/// The tokens of an address list, a single address or a List-Id.
pub(super) fn tokens(value: &str, utf8: bool) -> Result<Vec<Token>, Error> {
    if value.is_ascii() && !value.contains("=?") {
        return Ok(plain_tokens(value));
    }
    let mut list = List {
        tokens: Vec::new(),
        word: String::new(),
        utf8,
    };
    let mut rest = value.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '"' => list.word.push_str(&quoted(&mut rest)?),
            '[' => list.word.push_str(&until(&mut rest, '[', ']')?),
            '(' => {
                list.flush()?;
                list.comment(&nested(&mut rest)?);
            }
            '<' => {
                let address = until(&mut rest, '<', '>')?;
                list.phrase();
                list.raw(&address)?;
            }
            ':' if !list.word.contains('@') => {
                list.phrase();
                list.close(c);
            }
            ',' | ';' => {
                list.flush()?;
                list.close(c);
            }
            _ => list.word.push(c),
        }
    }
    list.flush()?;
    Ok(list.tokens)
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

struct List {
    tokens: Vec<Token>,
    /// What was read since the last token: a phrase or an address, with quotes.
    word: String,
    utf8: bool,
}

impl List {
    /// The pending text stands as a phrase.
    fn phrase(&mut self) {
        let word = std::mem::take(&mut self.word);
        let word = word.trim_matches([' ', '\t']);
        if word.is_ascii() && !word.contains("=?") {
            self.plain(word);
        } else if !word.is_empty() {
            self.tokens.push(Token::Encoded {
                gap: self.gap(),
                text: unquote(word),
                then: String::new(),
            });
        }
    }

    /// The pending text stands alone: an address if it has an "@", else a phrase.
    fn flush(&mut self) -> Result<(), Error> {
        if !has_at(&self.word) {
            self.phrase();
            return Ok(());
        }
        let word = std::mem::take(&mut self.word);
        self.raw(word.trim_matches([' ', '\t']))
    }

    fn raw(&mut self, text: &str) -> Result<(), Error> {
        if !text.is_ascii() && !self.utf8 {
            return Err(Error::invalid(
                "an address is not ASCII, and the message is not sent with SMTPUTF8",
            ));
        }
        self.plain(text);
        Ok(())
    }

    fn plain(&mut self, text: &str) {
        let gap = self.gap();
        for (at, token) in plain_tokens(text).into_iter().enumerate() {
            self.tokens.push(match token {
                Token::Plain { text, .. } if at == 0 => Token::Plain {
                    gap: gap.clone(),
                    text,
                },
                other => other,
            });
        }
    }

    fn comment(&mut self, text: &str) {
        if text.is_ascii() && !text.contains("=?") {
            self.plain(&format!("({text})"));
            return;
        }
        // RFC 2047 5 (2): in a comment the parentheses may touch the encoded word.
        self.tokens.push(Token::Plain {
            gap: self.gap(),
            text: "(".to_owned(),
        });
        self.tokens.push(Token::Encoded {
            gap: String::new(),
            text: text.to_owned(),
            then: ")".to_owned(),
        });
    }

    fn close(&mut self, mark: char) {
        match self.tokens.last_mut() {
            Some(Token::Plain { text, .. }) => text.push(mark),
            Some(Token::Encoded { then, .. }) if !then.is_empty() => then.push(mark),
            // RFC 2047 5 (3): white space stands between an encoded word and a special.
            _ => self.tokens.push(Token::Plain {
                gap: self.gap(),
                text: mark.to_string(),
            }),
        }
    }

    fn gap(&self) -> String {
        if self.tokens.is_empty() { "" } else { " " }.to_owned()
    }
}

fn unterminated(what: &str) -> Error {
    Error::invalid(format!("a {what} in the list of addresses has no end"))
}

/// A quoted string, with its quotes.
fn quoted(rest: &mut Chars<'_>) -> Result<String, Error> {
    let mut out = String::from('"');
    while let Some(c) = rest.next() {
        out.push(c);
        match c {
            '\\' => out.extend(rest.next()),
            '"' => return Ok(out),
            _ => {}
        }
    }
    Err(unterminated("quoted string"))
}

/// What stands in brackets, with them. Quotes inside are respected.
fn until(rest: &mut Chars<'_>, open: char, close: char) -> Result<String, Error> {
    let mut out = String::from(open);
    while let Some(c) = rest.next() {
        if c == '"' {
            out.push_str(&quoted(rest)?);
            continue;
        }
        out.push(c);
        if c == close {
            return Ok(out);
        }
    }
    Err(unterminated("bracket"))
}

/// What stands in a comment, without the outer parentheses.
fn nested(rest: &mut Chars<'_>) -> Result<String, Error> {
    let mut out = String::new();
    let mut depth = 1;
    while let Some(c) = rest.next() {
        match c {
            '\\' => {
                out.push(c);
                out.extend(rest.next());
                continue;
            }
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Ok(out);
        }
        out.push(c);
    }
    Err(unterminated("comment"))
}

fn has_at(text: &str) -> bool {
    let (mut quoted, mut escaped) = (false, false);
    for c in text.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            '@' if !quoted => return true,
            _ => {}
        }
    }
    false
}

/// The text of a phrase: quotes and backslashes taken away, runs of blanks outside quotes made one.
fn unquote(phrase: &str) -> String {
    let mut out = String::with_capacity(phrase.len());
    let (mut quoted, mut chars) = (false, phrase.chars());
    while let Some(c) = chars.next() {
        match c {
            '"' => quoted = !quoted,
            '\\' if quoted => out.extend(chars.next()),
            ' ' | '\t' if !quoted => {
                if !out.ends_with(' ') {
                    out.push(' ');
                }
            }
            _ => out.push(c),
        }
    }
    out
}
