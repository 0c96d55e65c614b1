//! HTML as bytes with positions: start tags with their attributes, end tags and comments, cut as the WHATWG tokenizer cuts
//! them (HTML 13.2.5). It changes nothing and copies nothing: who edits splices by position, so that every other byte stays.
//!
//! Text inside `script`, `style`, `title`, `textarea` and their like is passed over; what looks like a tag there is none. A tag or
//! comment that the document breaks off is not reported: no reader shows it either. Inside `svg` and `math` those elements are
//! ordinary ones and CDATA sections exist, as the tree builder would tell the tokenizer; its finer turns (integration points)
//! are not followed, where the worst is a link left alone.

use std::ops::Range;

use memchr::{memchr, memchr2, memmem};

#[cfg(test)]
mod tests;

/// An attribute of a start tag, by position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attribute {
    /// The name as written.
    pub name: Range<usize>,
    /// The value as written, without its quotes; empty at the name's end where there is none.
    pub value: Range<usize>,
    /// From the name to behind the value and its quotes.
    pub whole: Range<usize>,
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// Its attributes are in [`Tokens::attributes`].
    Start { name: Range<usize> },
    /// The second range covers the whole tag.
    End {
        name: Range<usize>,
        whole: Range<usize>,
    },
    /// The text between the comment's delimiters.
    Comment { text: Range<usize> },
    /// The text of `<!...>`: a doctype, or a condition for Outlook; browsers take the latter for a comment.
    Declaration { text: Range<usize> },
}

/// Walks over a document, or over a piece of one.
pub struct Tokens<'a> {
    html: &'a [u8],
    at: usize,
    foreign_depth: u32,
    open: bool,
    attributes: Vec<Attribute>,
}

impl<'a> Tokens<'a> {
    /// The tokens of that piece of the document; positions count from the document's start.
    pub fn new(html: &'a str, piece: Range<usize>) -> Self {
        let html = html.as_bytes().get(..piece.end).unwrap_or_default();
        Self {
            html,
            at: piece.start,
            foreign_depth: 0,
            open: false,
            attributes: Vec::new(),
        }
    }

    /// The attributes of the start tag that was returned last, in order. Of several with one name the first counts.
    pub fn attributes(&self) -> &[Attribute] {
        &self.attributes
    }

    /// True once the document ended within a tag, a comment or raw text: what is appended to it would be swallowed.
    pub fn ended_open(&self) -> bool {
        self.open
    }

    /// Whether the bytes are that word, which is in lower case, without regard to ASCII case.
    pub fn is(&self, range: &Range<usize>, word: &str) -> bool {
        self.html[range.clone()].eq_ignore_ascii_case(word.as_bytes())
    }

    fn peek(&self, at: usize) -> Option<u8> {
        self.html.get(at).copied()
    }

    fn find_byte(&self, byte: u8, from: usize) -> Option<usize> {
        memchr(byte, self.html.get(from..)?).map(|found| from + found)
    }

    fn find_text(&self, text: &[u8], from: usize) -> Option<usize> {
        memmem::find(self.html.get(from..)?, text).map(|found| from + found)
    }

    fn end_of_input<T>(&mut self, open: bool) -> Option<T> {
        self.at = self.html.len();
        self.open |= open;
        None
    }

    fn start_tag(&mut self, name_at: usize) -> Option<Token> {
        let name = name_at..self.name_end(name_at);
        let Some((end, self_closing)) = self.read_attributes(name.end) else {
            return self.end_of_input(true);
        };
        self.at = end;
        self.enter(&name, self_closing);
        Some(Token::Start { name })
    }

    /// An end tag may carry attributes too; they mean nothing but may hold a `>`.
    fn end_tag(&mut self, name_at: usize) -> Option<Token> {
        let name = name_at..self.name_end(name_at);
        let Some((end, _)) = self.read_attributes(name.end) else {
            return self.end_of_input(true);
        };
        self.attributes.clear();
        let whole = self.at..end;
        self.at = end;
        if self.is(&name, "svg") || self.is(&name, "math") {
            self.foreign_depth = self.foreign_depth.saturating_sub(1);
        }
        Some(Token::End { name, whole })
    }

    /// A tag's name ends at white space, a slash or the tag's end.
    fn name_end(&self, from: usize) -> usize {
        let rest = &self.html[from..];
        let length = rest
            .iter()
            .position(|&byte| is_space(byte) || matches!(byte, b'/' | b'>'));
        from + length.unwrap_or(rest.len())
    }

    /// Position behind the tag's `>`, and whether it closes itself; nothing if the document ends first.
    fn read_attributes(&mut self, from: usize) -> Option<(usize, bool)> {
        self.attributes.clear();
        let mut at = from;
        loop {
            match self.peek(at)? {
                b'>' => return Some((at + 1, false)),
                b'/' if self.peek(at + 1) == Some(b'>') => return Some((at + 2, true)),
                byte if is_space(byte) || byte == b'/' => at += 1,
                _ => {
                    let attribute = self.read_attribute(at)?;
                    at = attribute.whole.end;
                    if self.attributes.len() < ATTRIBUTES_MAX {
                        self.attributes.push(attribute);
                    }
                }
            }
        }
    }

    fn read_attribute(&self, start: usize) -> Option<Attribute> {
        // An equals sign in the first place belongs to the name.
        let mut at = start + 1;
        while !matches!(self.peek(at)?, b'=' | b'/' | b'>') && !is_space(self.peek(at)?) {
            at += 1;
        }
        let name = start..at;
        let equals = self.skip_space(at);
        if self.peek(equals)? != b'=' {
            return Some(Attribute {
                value: name.end..name.end,
                whole: name.clone(),
                name,
            });
        }
        let first = self.skip_space(equals + 1);
        let (value, end) = match self.peek(first)? {
            quote @ (b'"' | b'\'') => {
                let close = self.find_byte(quote, first + 1)?;
                (first + 1..close, close + 1)
            }
            b'>' => (first..first, first),
            _ => {
                let rest = &self.html[first..];
                let length = rest
                    .iter()
                    .position(|&byte| is_space(byte) || byte == b'>')?;
                (first..first + length, first + length)
            }
        };
        Some(Attribute {
            name,
            value,
            whole: start..end,
        })
    }

    fn skip_space(&self, mut at: usize) -> usize {
        while self.peek(at).is_some_and(is_space) {
            at += 1;
        }
        at
    }

    /// What a start tag does to the text behind it.
    fn enter(&mut self, name: &Range<usize>, self_closing: bool) {
        if self.is(name, "svg") || self.is(name, "math") {
            self.foreign_depth += u32::from(!self_closing);
        } else if self.foreign_depth > 0 {
            // Raw text is an affair of HTML elements.
        } else if self.is(name, "script") {
            self.at = self.script_end();
        } else if self.is(name, "plaintext") {
            self.end_of_input::<()>(true);
        } else if let Some(raw) = RAW_TEXT.iter().find(|raw| self.is(name, raw)) {
            let end = self.raw_end(raw, self.at);
            self.open |= end.is_none();
            self.at = end.unwrap_or(self.html.len());
        }
    }

    /// Where the end tag of that name begins that ends raw text.
    fn raw_end(&self, name: &str, mut from: usize) -> Option<usize> {
        loop {
            let at = self.find_text(b"</", from)?;
            if self.is_tag_name(at + 2, name) {
                return Some(at);
            }
            from = at + 2;
        }
    }

    fn is_tag_name(&self, at: usize, name: &str) -> bool {
        let end = at + name.len();
        self.html
            .get(at..end)
            .is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()))
            && self
                .peek(end)
                .is_some_and(|byte| is_space(byte) || matches!(byte, b'/' | b'>'))
    }

    /// A script may hold `<!--`, and within that a `<script>` whose end tag does not end it (HTML 13.2.5.15 and on).
    fn script_end(&mut self) -> usize {
        #[derive(PartialEq)]
        enum Inside {
            Data,
            Escaped,
            DoubleEscaped,
        }
        let mut inside = Inside::Data;
        let mut at = self.at;
        while let Some(found) =
            memchr2(b'<', b'-', self.html.get(at..).unwrap_or_default()).map(|found| at + found)
        {
            let rest = &self.html[found..];
            at = found + 1;
            match inside {
                Inside::Data if rest.starts_with(b"<!--") => {
                    inside = Inside::Escaped;
                    // `<!-->` and `<!--->` are over at once: the dashes count for the end too.
                    at = found + 2;
                }
                Inside::Escaped | Inside::DoubleEscaped if rest.starts_with(b"-->") => {
                    inside = Inside::Data;
                }
                Inside::Data | Inside::Escaped
                    if rest.starts_with(b"</") && self.is_tag_name(found + 2, "script") =>
                {
                    return found;
                }
                Inside::Escaped if rest[0] == b'<' && self.is_tag_name(found + 1, "script") => {
                    inside = Inside::DoubleEscaped;
                }
                Inside::DoubleEscaped
                    if rest.starts_with(b"</") && self.is_tag_name(found + 2, "script") =>
                {
                    inside = Inside::Escaped;
                }
                _ => {}
            }
        }
        self.open = true;
        self.html.len()
    }

    /// `<!` without dashes: a doctype, a CDATA section, or something that browsers take for a comment. Its end.
    fn declaration(&self, start: usize) -> Option<usize> {
        let rest = &self.html[start..];
        if self.foreign_depth > 0 && rest.starts_with(b"<![CDATA[") {
            self.find_text(b"]]>", start + 9).map(|at| at + 3)
        } else {
            self.find_byte(b'>', start + 2).map(|at| at + 1)
        }
    }

    /// HTML 13.2.5.43 and on: `-->` and `--!>` end a comment, `<!-->` and `<!--->` are empty ones.
    fn comment(&mut self, start: usize) -> Option<Token> {
        let rest = &self.html[start..];
        for empty in [&b">"[..], b"->"] {
            if rest.starts_with(empty) {
                self.at = start + empty.len();
                return Some(Token::Comment { text: start..start });
            }
        }
        let mut from = start;
        while let Some(dashes) = self.find_text(b"--", from) {
            let after = &self.html[dashes + 2..];
            let length = if after.starts_with(b">") {
                3
            } else if after.starts_with(b"!>") {
                4
            } else {
                from = dashes + 1;
                continue;
            };
            self.at = dashes + length;
            return Some(Token::Comment {
                text: start..dashes,
            });
        }
        self.end_of_input(true)
    }
}

/// Further attributes of one tag are read and not reported: memory stays bounded whatever the document holds.
const ATTRIBUTES_MAX: usize = 256;

/// Elements whose text is no markup; `noscript` is not among them, for mail readers run no scripts.
const RAW_TEXT: [&str; 7] = [
    "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes",
];

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c)
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        loop {
            let Some(start) = self.find_byte(b'<', self.at) else {
                return self.end_of_input(false);
            };
            self.at = start;
            match (self.peek(start + 1), self.peek(start + 2)) {
                (Some(byte), _) if byte.is_ascii_alphabetic() => return self.start_tag(start + 1),
                (Some(b'/'), Some(byte)) if byte.is_ascii_alphabetic() => {
                    return self.end_tag(start + 2);
                }
                (Some(b'!'), _) if self.html[start..].starts_with(b"<!--") => {
                    return self.comment(start + 4);
                }
                (Some(b'!'), _) => match self.declaration(start) {
                    Some(end) => {
                        self.at = end;
                        let text = start + 2..end - 1;
                        return Some(Token::Declaration { text });
                    }
                    None => return self.end_of_input(true),
                },
                // Browsers take `<?...>` and `</3...>` for comments, and `</>` for nothing.
                (Some(b'?'), _) | (Some(b'/'), Some(_)) => match self.find_byte(b'>', start + 2) {
                    Some(end) => self.at = end + 1,
                    None => return self.end_of_input(true),
                },
                (Some(b'/'), None) | (None, _) => return self.end_of_input(true),
                (Some(_), _) => self.at = start + 1,
            }
        }
    }
}
