//! Addresses as the wire writes them: parsed once, valid ever after.
//!
//! A [`Domain`] is always in its ASCII form and lower case, so that two spellings of one domain are
//! equal. A [`Mailbox`] keeps its local part without quoting and quotes it again where the syntax
//! needs that, so that `"joe"@example.net` and `joe@example.net` are equal too. UTF-8 local parts
//! are parsed here and allowed or refused where SMTPUTF8 is known (RFC 6531 3.3).

mod domain;
mod path;

#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

pub use domain::Domain;
pub use path::{ForwardPath, ReversePath};

use crate::limits::{DOMAIN_BYTES_MAX, LOCAL_PART_BYTES_MAX};

/// Why a text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressError {
    /// Nothing where something must be.
    Empty,
    /// A part is longer than its limit in [`crate::limits`].
    TooLong,
    /// A mailbox without `@`.
    NoDomain,
    /// The local part has a character or a quoting it must not have.
    Local,
    /// The domain is no sequence of labels, or no valid internationalised name.
    Domain,
    /// An address literal that holds no IPv4 or IPv6 address.
    Literal,
    /// A path without `<` and `>`, or with a broken source route.
    Path,
    /// Something follows the address.
    Trailing,
}

impl fmt::Display for AddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AddressError::Empty => "an address is missing",
            AddressError::TooLong => "an address is too long",
            AddressError::NoDomain => "an address has no domain",
            AddressError::Local => "the local part of an address is malformed",
            AddressError::Domain => "the domain of an address is malformed",
            AddressError::Literal => "an address literal is malformed",
            AddressError::Path => "a path is malformed",
            AddressError::Trailing => "there is text after an address",
        })
    }
}

impl std::error::Error for AddressError {}

/// `local@domain` (RFC 5321 4.1.2). Comparison is exact in the local part, as the RFC demands.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Mailbox {
    local: Arc<str>,
    domain: Domain,
}

impl Mailbox {
    /// From a local part without quoting. Any text without control characters is a local part; what
    /// is no dot-string is quoted when written.
    pub fn new(local: &str, domain: Domain) -> Result<Mailbox, AddressError> {
        if local.len() > LOCAL_PART_BYTES_MAX {
            return Err(AddressError::TooLong);
        }
        if local.chars().any(char::is_control) {
            return Err(AddressError::Local);
        }
        Ok(Mailbox {
            local: local.into(),
            domain,
        })
    }

    /// Parses the whole of `text`, such as `joe@example.net` or `"joe smith"@[192.0.2.1]`.
    pub fn parse(text: &str) -> Result<Mailbox, AddressError> {
        let (mailbox, rest) = Mailbox::parse_prefix(text)?;
        if rest.is_empty() {
            Ok(mailbox)
        } else {
            Err(AddressError::Trailing)
        }
    }

    /// The local part without quoting.
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The domain, in its ASCII form and lower case.
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// True where the mailbox can be sent without SMTPUTF8. Domains always can.
    pub fn is_ascii(&self) -> bool {
        self.local.is_ascii()
    }

    /// Parses a mailbox at the beginning of `text`, which ends before `>` or a space.
    pub(crate) fn parse_prefix(text: &str) -> Result<(Mailbox, &str), AddressError> {
        let (local, rest) = match text.strip_prefix('"') {
            Some(quoted) => unquote(quoted)?,
            None => {
                let end = text
                    .find(|c| !is_atext(c) && c != '.')
                    .unwrap_or(text.len());
                (text[..end].to_owned(), &text[end..])
            }
        };
        let Some(domain) = rest.strip_prefix('@') else {
            return Err(match rest.chars().next() {
                None | Some('>') if text.is_empty() || text.starts_with('>') => AddressError::Empty,
                None | Some('>') => AddressError::NoDomain,
                Some(_) => AddressError::Local,
            });
        };
        if local.is_empty() && !text.starts_with('"') {
            return Err(AddressError::Local);
        }
        let end = domain.find(['>', ' ']).unwrap_or(domain.len());
        if end > DOMAIN_BYTES_MAX * 4 {
            return Err(AddressError::TooLong);
        }
        let mailbox = Mailbox::new(&local, Domain::parse(&domain[..end])?)?;
        Ok((mailbox, &domain[end..]))
    }
}

impl FromStr for Mailbox {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Mailbox, AddressError> {
        Mailbox::parse(text)
    }
}

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_dot_string(&self.local) {
            write!(f, "{}@{}", self.local, self.domain)
        } else {
            f.write_str("\"")?;
            for c in self.local.chars() {
                if matches!(c, '"' | '\\') {
                    f.write_str("\\")?;
                }
                write!(f, "{c}")?;
            }
            write!(f, "\"@{}", self.domain)
        }
    }
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{self}>")
    }
}

/// The content of a quoted string whose opening quote is gone, and what follows the closing one.
fn unquote(text: &str) -> Result<(String, &str), AddressError> {
    let mut content = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((content, &text[at + 1..])),
            '\\' => match chars.next() {
                Some((_, c @ ' '..='~')) => content.push(c),
                _ => return Err(AddressError::Local),
            },
            c if c.is_control() => return Err(AddressError::Local),
            c => content.push(c),
        }
        if content.len() > LOCAL_PART_BYTES_MAX {
            return Err(AddressError::TooLong);
        }
    }
    Err(AddressError::Local)
}

/// RFC 5322 3.2.3, with UTF-8 as RFC 6531 3.3 adds it.
fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~".contains(c)
        || (!c.is_ascii() && !c.is_control())
}

fn is_dot_string(local: &str) -> bool {
    local
        .split('.')
        .all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}
