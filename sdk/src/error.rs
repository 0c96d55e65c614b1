//! Why a hook gives up. To the relay every such error is a fault of the plugin: its text goes to the log, never to a peer,
//! and the configured fault policy (defer, skip or reject) decides what happens to the mail.

use std::fmt;

/// What a hook returns when it cannot do its work. Made from any standard error by `?`, or by [`bail!`](crate::bail).
///
/// To refuse mail is no error: that is a [`Decision`](crate::Decision).
#[derive(Clone, PartialEq, Eq)]
pub struct Error(String);

/// The result of a hook.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error with that text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The same error, with what was being done in front.
    pub fn context(self, doing: impl fmt::Display) -> Self {
        Self(format!("{doing}: {}", self.0))
    }

    pub(crate) fn into_text(self) -> String {
        self.0
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            text.push_str(": ");
            text.push_str(&inner.to_string());
            source = inner.source();
        }
        Self(text)
    }
}

/// Returns from the function with an [`Error`] of the formatted text.
#[macro_export]
macro_rules! bail {
    ($($text:tt)*) => { return ::core::result::Result::Err($crate::Error::new(::std::format!($($text)*))) };
}
