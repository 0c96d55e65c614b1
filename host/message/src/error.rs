//! What can be wrong with a question about a message or with an edit of it.

use std::fmt;

/// Why a read or an edit was refused. Nothing changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The message has no part of that index.
    NoSuchPart,
    /// The part is not text, or its transfer encoding is unknown.
    NotText,
    /// The part or field must not be changed; says why.
    Protected(&'static str),
    /// The name, value, text or charset is not usable; says why.
    Invalid(String),
    /// A named limit would be exceeded; says which.
    TooLarge(&'static str),
}

impl Error {
    pub(crate) fn invalid(why: impl Into<String>) -> Self {
        Self::Invalid(why.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchPart => f.write_str("no such part"),
            Self::NotText => f.write_str("the part is not text"),
            Self::Protected(why) => write!(f, "protected: {why}"),
            Self::Invalid(why) => write!(f, "invalid: {why}"),
            Self::TooLarge(limit) => write!(f, "too large: more than {limit}"),
        }
    }
}

impl std::error::Error for Error {}
