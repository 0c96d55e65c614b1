//! Reverse-paths and forward-paths (RFC 5321 4.1.2): what stands between `<` and `>`.

use std::fmt;
use std::str::FromStr;

use super::{AddressError, Domain, Mailbox};
use crate::limits::PATH_BYTES_MAX;

/// Where a message says it comes from.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ReversePath {
    /// `<>`: a notification, which must never be answered by another one.
    Null,
    /// A mailbox that wants to know when something goes wrong.
    Mailbox(Mailbox),
}

impl ReversePath {
    /// Parses `<>` or `<mailbox>` at the beginning of `text` and gives back what follows. A source
    /// route (`<@a,@b:user@domain>`) is checked and dropped, as RFC 5321 3.3 and appendix C allow.
    pub(crate) fn parse_prefix(text: &str) -> Result<(ReversePath, &str), AddressError> {
        if let Some(rest) = text.strip_prefix("<>") {
            return Ok((ReversePath::Null, rest));
        }
        let (mailbox, rest) = inside_brackets(text, Mailbox::parse_prefix)?;
        Ok((ReversePath::Mailbox(mailbox), rest))
    }

    /// The mailbox; `None` for the null reverse-path.
    pub fn mailbox(&self) -> Option<&Mailbox> {
        match self {
            ReversePath::Null => None,
            ReversePath::Mailbox(mailbox) => Some(mailbox),
        }
    }

    /// True for `<>`.
    pub fn is_null(&self) -> bool {
        matches!(self, ReversePath::Null)
    }

    /// True where the path can be sent without SMTPUTF8.
    pub fn is_ascii(&self) -> bool {
        self.mailbox().is_none_or(Mailbox::is_ascii)
    }
}

impl From<Option<Mailbox>> for ReversePath {
    fn from(mailbox: Option<Mailbox>) -> ReversePath {
        mailbox.map_or(ReversePath::Null, ReversePath::Mailbox)
    }
}

impl From<Mailbox> for ReversePath {
    fn from(mailbox: Mailbox) -> ReversePath {
        ReversePath::Mailbox(mailbox)
    }
}

impl FromStr for ReversePath {
    type Err = AddressError;

    /// With or without the angle brackets; the empty text is the null reverse-path.
    fn from_str(text: &str) -> Result<ReversePath, AddressError> {
        if text.is_empty() {
            return Ok(ReversePath::Null);
        }
        if !text.starts_with('<') {
            return Mailbox::parse(text).map(ReversePath::Mailbox);
        }
        match ReversePath::parse_prefix(text)? {
            (path, "") => Ok(path),
            _ => Err(AddressError::Trailing),
        }
    }
}

impl fmt::Display for ReversePath {
    /// With the angle brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ReversePath::Null => f.write_str("<>"),
            ReversePath::Mailbox(mailbox) => write!(f, "<{mailbox}>"),
        }
    }
}

impl fmt::Debug for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The path of a RCPT command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ForwardPath {
    /// `<Postmaster>` without a domain, which every server must take (RFC 5321 4.5.1).
    Postmaster,
    /// Any other recipient.
    Mailbox(Mailbox),
}

impl ForwardPath {
    /// Parses `<mailbox>` or `<postmaster>` at the beginning of `text` and gives back what follows.
    pub(crate) fn parse_prefix(text: &str) -> Result<(ForwardPath, &str), AddressError> {
        inside_brackets(text, |inside| {
            let word = inside.split(['>', ' ']).next().unwrap_or_default();
            if word.eq_ignore_ascii_case("postmaster") {
                return Ok((ForwardPath::Postmaster, &inside[word.len()..]));
            }
            let (mailbox, rest) = Mailbox::parse_prefix(inside)?;
            Ok((ForwardPath::Mailbox(mailbox), rest))
        })
    }

    /// The mailbox meant, with `here` as the domain of a bare postmaster.
    pub fn into_mailbox(self, here: &Domain) -> Mailbox {
        match self {
            ForwardPath::Mailbox(mailbox) => mailbox,
            ForwardPath::Postmaster => Mailbox {
                local: "postmaster".into(),
                domain: here.clone(),
            },
        }
    }

    /// True where the path can be sent without SMTPUTF8.
    pub fn is_ascii(&self) -> bool {
        match self {
            ForwardPath::Postmaster => true,
            ForwardPath::Mailbox(mailbox) => mailbox.is_ascii(),
        }
    }
}

impl fmt::Display for ForwardPath {
    /// With the angle brackets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ForwardPath::Postmaster => f.write_str("<Postmaster>"),
            ForwardPath::Mailbox(mailbox) => write!(f, "<{mailbox}>"),
        }
    }
}

fn inside_brackets<T>(
    text: &str,
    parse: impl FnOnce(&str) -> Result<(T, &str), AddressError>,
) -> Result<(T, &str), AddressError> {
    let inside = text.strip_prefix('<').ok_or(AddressError::Path)?;
    let inside = skip_source_route(inside)?;
    let (value, rest) = parse(inside)?;
    let rest = rest.strip_prefix('>').ok_or(AddressError::Path)?;
    if text.len() - rest.len() > PATH_BYTES_MAX {
        return Err(AddressError::TooLong);
    }
    Ok((value, rest))
}

fn skip_source_route(text: &str) -> Result<&str, AddressError> {
    if !text.starts_with('@') {
        return Ok(text);
    }
    // A literal such as `@[IPv6:::1]` holds colons of its own, so the route is walked by its parts.
    let mut rest = text;
    loop {
        rest = rest.strip_prefix('@').ok_or(AddressError::Path)?;
        let end = match rest.strip_prefix('[') {
            Some(literal) => literal.find(']').ok_or(AddressError::Path)? + 2,
            None => rest.find([',', ':', '>']).ok_or(AddressError::Path)?,
        };
        Domain::parse(&rest[..end]).map_err(|_| AddressError::Path)?;
        let next = &rest[end..];
        match next.as_bytes().first() {
            Some(b',') => rest = &next[1..],
            Some(b':') => return Ok(&next[1..]),
            _ => return Err(AddressError::Path),
        }
    }
}
