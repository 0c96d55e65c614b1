//! Content-Type and Content-Disposition: read by mail-parser (its only door), and one parameter changed in place.

use std::ops::Range;

use mail_parser::parsers::MessageStream;

use crate::limits::{PARAMETERS_BYTES_MAX, PARAMETERS_MAX};

#[cfg(test)]
mod tests;

/// A value such as `text/plain; charset=utf-8` or `attachment; filename="a.pdf"`.
#[derive(Debug, Default)]
pub(crate) struct Parameterised {
    /// In lower case.
    pub main: String,
    /// In lower case; content types only.
    pub sub: Option<String>,
    attributes: Vec<(String, String)>,
}

impl Parameterised {
    /// `None` if the value is too long or says nothing.
    pub fn parse(raw: &[u8]) -> Option<Self> {
        let semicolons = memchr::memchr_iter(b';', raw);
        if raw.len() > PARAMETERS_BYTES_MAX || semicolons.count() > PARAMETERS_MAX {
            return None;
        }
        // The parser wants a line end, and stops at one that no white space follows.
        let mut value = raw.to_vec();
        value.extend_from_slice(b"\r\n");
        let parsed = MessageStream::new(&value).parse_content_type();
        let parsed = parsed.into_content_type()?;
        Some(Self {
            main: parsed.c_type.trim().to_ascii_lowercase(),
            sub: parsed.c_subtype.map(|sub| sub.trim().to_ascii_lowercase()),
            attributes: parsed
                .attributes
                .unwrap_or_default()
                .into_iter()
                .map(|attribute| (attribute.name.into_owned(), attribute.value.into_owned()))
                .collect(),
        })
    }

    /// The first parameter of that name.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// How often the parameter occurs.
    pub fn occurrences(&self, name: &str) -> usize {
        self.attributes
            .iter()
            .filter(|(known, _)| known.eq_ignore_ascii_case(name))
            .count()
    }
}

/// The raw value with its charset parameter set to `charset`; all other bytes stay.
pub(crate) fn with_charset(raw: &[u8], charset: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len() + 20);
    let mut done = false;
    let mut from = 0;
    for parameter in parameters(raw) {
        let name = raw[parameter.name.clone()].trim_ascii();
        if name.eq_ignore_ascii_case(b"charset") && !done {
            out.extend_from_slice(&raw[from..parameter.value.start]);
            out.extend_from_slice(charset.as_bytes());
            from = parameter.value.end;
            done = true;
        } else if name.len() >= 7 && name[..7].eq_ignore_ascii_case(b"charset") {
            // A second one, or one in the extended form of RFC 2231: it would contradict.
            out.extend_from_slice(&raw[from..parameter.semicolon]);
            from = parameter.value.end;
        }
    }
    out.extend_from_slice(&raw[from..]);
    if !done {
        while out
            .last()
            .is_some_and(|b| b.is_ascii_whitespace() || *b == b';')
        {
            out.pop();
        }
        out.extend_from_slice(b";\r\n\tcharset=");
        out.extend_from_slice(charset.as_bytes());
    }
    out
}

struct Parameter {
    semicolon: usize,
    name: Range<usize>,
    value: Range<usize>,
}

/// Where the parameters are, with respect to quotes and comments.
fn parameters(raw: &[u8]) -> Vec<Parameter> {
    let mut found = Vec::new();
    let mut semicolons: Vec<usize> = Vec::new();
    let mut equals: Vec<(usize, usize)> = Vec::new();
    let (mut quoted, mut depth, mut at) = (false, 0usize, 0);
    while at < raw.len() {
        match raw[at] {
            b'\\' if quoted || depth > 0 => at += 1,
            b'"' if depth == 0 => quoted = !quoted,
            b'(' if !quoted => depth += 1,
            b')' if !quoted => depth = depth.saturating_sub(1),
            b';' if !quoted && depth == 0 => semicolons.push(at),
            b'=' if !quoted && depth == 0 && !semicolons.is_empty() => {
                let owner = semicolons.len();
                if equals.last().is_none_or(|&(last, _)| last != owner) {
                    equals.push((owner, at));
                }
            }
            _ => {}
        }
        at += 1;
    }
    for (owner, equal) in equals {
        let semicolon = semicolons[owner - 1];
        let end = semicolons.get(owner).copied().unwrap_or(raw.len());
        let start = equal + 1;
        let lead = raw[start..end].len() - raw[start..end].trim_ascii_start().len();
        let value = raw[start..end].trim_ascii();
        found.push(Parameter {
            semicolon,
            name: semicolon + 1..equal,
            value: start + lead..start + lead + value.len(),
        });
    }
    found
}
