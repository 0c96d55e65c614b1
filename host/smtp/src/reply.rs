//! Replies: what a server says (RFC 5321 4.2, RFC 2034, RFC 3463).
//!
//! A [`Reply`] can be written as it is: its code is in range, its status agrees with the code, and
//! its text holds no control characters. Every text a peer reads from us is made in `texts`, so
//! that one file shows all we ever tell strangers.

mod encode;
mod parse;
mod status;
pub(crate) mod texts;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

pub use parse::{Parser, ReplyError};
pub use status::EnhancedStatus;

/// A code, a status where there is one, and lines of text. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Reply {
    code: u16,
    status: Option<EnhancedStatus>,
    /// Lines joined by LF; no other control character.
    text: Arc<str>,
}

/// What a first digit says (RFC 5321 4.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// 2xx.
    Positive,
    /// 3xx: go on.
    Intermediate,
    /// 4xx: not now.
    Transient,
    /// 5xx: never.
    Permanent,
}

impl Reply {
    /// Makes a reply out of anything: a code outside 200 to 599 becomes 451, a status of another
    /// class takes the code's (and one for a code that has none is dropped), lines end at LF,
    /// empty ones at the end are dropped, and other control characters become spaces. Use
    /// [`Reply::checked`] for what strangers wrote.
    pub fn new(code: u16, status: impl Into<Option<EnhancedStatus>>, text: &str) -> Reply {
        let code = if (200..600).contains(&code) {
            code
        } else {
            451
        };
        let status = status.into().and_then(|status| status.of_class(code / 100));
        let clean = text.trim_end_matches('\n');
        let space = |c: char| if c.is_control() && c != '\n' { ' ' } else { c };
        let text = clean.chars().map(space).collect::<String>().into();
        Reply { code, status, text }
    }

    /// Refuses what [`Reply::new`] would mend, and texts of more than one line or `text_bytes_max`.
    /// `None` then.
    pub fn checked(
        code: u16,
        status: Option<EnhancedStatus>,
        text: &str,
        text_bytes_max: usize,
    ) -> Option<Reply> {
        let agrees = status.is_none_or(|status| u16::from(status.class()) == code / 100);
        let clean = text.len() <= text_bytes_max && !text.chars().any(char::is_control);
        ((200..600).contains(&code) && agrees && clean).then(|| Reply::new(code, status, text))
    }

    /// 200 to 599.
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The enhanced status, if the reply has one.
    pub fn status(&self) -> Option<EnhancedStatus> {
        self.status
    }

    /// The enhanced status, or the one a bare code stands for (`X.0.0`).
    pub fn status_or_default(&self) -> EnhancedStatus {
        let class = if self.code < 400 {
            2
        } else {
            u8::try_from(self.code / 100).unwrap_or(5)
        };
        self.status.unwrap_or(EnhancedStatus::new(class, 0, 0))
    }

    /// The text without codes and status, lines joined by LF.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text line by line; at least one, which may be empty.
    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.text.split('\n')
    }

    /// What the first digit says.
    pub fn severity(&self) -> Severity {
        match self.code / 100 {
            2 => Severity::Positive,
            3 => Severity::Intermediate,
            4 => Severity::Transient,
            _ => Severity::Permanent,
        }
    }

    /// 2xx.
    pub fn is_positive(&self) -> bool {
        self.severity() == Severity::Positive
    }

    /// 4xx.
    pub fn is_transient(&self) -> bool {
        self.severity() == Severity::Transient
    }

    /// 5xx.
    pub fn is_permanent(&self) -> bool {
        self.severity() == Severity::Permanent
    }
}

impl fmt::Display for Reply {
    /// On one line, for logs: `550 5.1.1 no such user`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(status) = self.status {
            write!(f, " {status}")?;
        }
        for line in self.lines().filter(|line| !line.is_empty()) {
            write!(f, " {line}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({self})")
    }
}
