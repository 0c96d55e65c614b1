//! Enhanced status codes (RFC 3463).

use std::fmt;
use std::str::FromStr;

/// `class.subject.detail`, such as `5.1.1`. The class is 2, 4 or 5.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EnhancedStatus {
    class: u8,
    subject: u16,
    detail: u16,
}

impl EnhancedStatus {
    /// A class other than 2 and 4 becomes 5, a number above 999 becomes 999.
    pub const fn new(class: u8, subject: u16, detail: u16) -> EnhancedStatus {
        let class = if class == 2 || class == 4 { class } else { 5 };
        let subject = if subject > 999 { 999 } else { subject };
        let detail = if detail > 999 { 999 } else { detail };
        EnhancedStatus {
            class,
            subject,
            detail,
        }
    }

    /// 2 (success), 4 (not now) or 5 (never).
    pub const fn class(self) -> u8 {
        self.class
    }

    /// What it is about: 1 address, 2 mailbox, 3 system, 4 network, 5 protocol, 6 content, 7 policy.
    pub const fn subject(self) -> u16 {
        self.subject
    }

    /// What exactly.
    pub const fn detail(self) -> u16 {
        self.detail
    }

    /// The same status with the class of a code's first digit; `None` where that has no class.
    pub(crate) fn of_class(self, digit: u16) -> Option<EnhancedStatus> {
        match digit {
            2 => Some(EnhancedStatus { class: 2, ..self }),
            4 => Some(EnhancedStatus { class: 4, ..self }),
            5 => Some(EnhancedStatus { class: 5, ..self }),
            _ => None,
        }
    }
}

/// The text is no status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusError;

impl fmt::Display for StatusError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an enhanced status code such as 5.7.1")
    }
}

impl std::error::Error for StatusError {}

impl FromStr for EnhancedStatus {
    type Err = StatusError;

    fn from_str(text: &str) -> Result<EnhancedStatus, StatusError> {
        let mut numbers = text.split('.');
        let mut number = |digits_max: usize| {
            let digits = numbers.next().ok_or(StatusError)?;
            let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            if !plain || digits.len() > digits_max {
                return Err(StatusError);
            }
            digits.parse::<u16>().map_err(|_| StatusError)
        };
        let (class, subject, detail) = (number(1)?, number(3)?, number(3)?);
        if numbers.next().is_some() || !matches!(class, 2 | 4 | 5) {
            return Err(StatusError);
        }
        let class = u8::try_from(class).map_err(|_| StatusError)?;
        Ok(EnhancedStatus {
            class,
            subject,
            detail,
        })
    }
}

impl fmt::Display for EnhancedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

impl fmt::Debug for EnhancedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
