//! How much somebody may send: token buckets that the relay keeps, exact over all sessions.

use std::fmt;

use baton_sdk::prelude::*;
use serde::de::{self, Deserializer};

use crate::matcher::counted_ip;

/// One `[[rates]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Rate {
    /// Whose mail is counted together.
    pub per: Key,
    /// What is counted.
    #[serde(default)]
    pub count: Count,
    /// Such as "100/hour".
    pub limit: Limit,
    /// How many at once after a rest; the limit's own number where absent.
    #[serde(default)]
    burst: Option<f64>,
    /// Of these keys alone, where written: accounts, addresses, domains.
    #[serde(default)]
    only: Vec<String>,
}

/// Whose mail shares a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Key {
    Account,
    Sender,
    SenderDomain,
    Ip,
    RecipientDomain,
}

/// What takes a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Count {
    #[default]
    Messages,
    Recipients,
}

/// So many in such a time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    number: f64,
    seconds: f64,
}

/// A limit that was reached.
#[derive(Debug, Clone, PartialEq)]
pub struct Exceeded {
    pub key: String,
    pub limit: String,
    /// When one more will be let through at the earliest.
    pub seconds: u32,
}

impl Rate {
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        if self
            .burst
            .is_some_and(|burst| !(burst >= 1.0 && burst.is_finite()))
        {
            return Err("burst: a number of 1 or more is wanted".to_owned());
        }
        if self.per == Key::RecipientDomain && self.count == Count::Messages {
            return Err(
                "per = \"recipient-domain\" counts recipients; write count = \"recipients\""
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// Takes one from the bucket of that key, if this rate is about it.
    pub fn take(&self, key: Option<String>) -> Result<Option<Exceeded>, kv::Error> {
        let Some(key) = key.filter(|key| !key.is_empty()) else {
            return Ok(None);
        };
        if !self.only.is_empty() && !self.only.iter().any(|only| only.eq_ignore_ascii_case(&key)) {
            return Ok(None);
        }
        let burst = self.burst.unwrap_or(self.limit.number);
        let bucket = format!(
            "{}.{}.{}.{key}",
            self.per.word(),
            self.count.word(),
            self.limit
        );
        if kv::take(&bucket, 1.0, self.limit.number / self.limit.seconds, burst)? {
            return Ok(None);
        }
        let seconds = (self.limit.seconds / self.limit.number)
            .ceil()
            .clamp(1.0, f64::from(u32::MAX));
        Ok(Some(Exceeded {
            key,
            limit: self.limit.to_string(),
            seconds: seconds as u32,
        }))
    }
}

impl Key {
    /// The key of a transaction; nothing where it has none.
    pub fn of(
        self,
        session: &Session,
        sender: Option<&Mailbox>,
        recipient: Option<&Mailbox>,
    ) -> Option<String> {
        let lower = |mailbox: &Mailbox| mailbox.to_string().to_lowercase();
        match self {
            Self::Account => session.account.clone(),
            Self::Sender => sender.map(lower),
            Self::SenderDomain => sender.map(|mailbox| mailbox.domain.to_ascii_lowercase()),
            Self::Ip => Some(counted_ip(&session.peer_ip)),
            Self::RecipientDomain => recipient.map(|mailbox| mailbox.domain.to_ascii_lowercase()),
        }
    }

    /// As in the configuration and in replies.
    pub fn word(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Sender => "sender",
            Self::SenderDomain => "sender-domain",
            Self::Ip => "ip",
            Self::RecipientDomain => "recipient-domain",
        }
    }
}

impl Count {
    pub fn word(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Recipients => "recipients",
        }
    }
}

const UNITS: [(&str, f64); 4] = [
    ("second", 1.0),
    ("minute", 60.0),
    ("hour", 3600.0),
    ("day", 86_400.0),
];

impl Limit {
    fn parse(text: &str) -> Option<Self> {
        let (number, unit) = text.split_once('/')?;
        let number: f64 = number.trim().parse().ok()?;
        let unit = unit.trim();
        let unit = if unit == "min" { "minute" } else { unit };
        let named =
            |name: &str| unit == name || unit.strip_suffix('s') == Some(name) || unit == &name[..1];
        let (_, seconds) = UNITS.iter().find(|(name, _)| named(name))?;
        (number >= 1.0 && number.is_finite()).then_some(Self {
            number,
            seconds: *seconds,
        })
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = UNITS
            .iter()
            .find(|(_, seconds)| *seconds == self.seconds)
            .map_or("", |(name, _)| name);
        write!(f, "{}/{unit}", self.number)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            de::Error::custom(format!(
                "limit: `{text}` is not of the form \"100/hour\" (second, minute, hour or day; 1 or more)"
            ))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Limit;

    #[test]
    fn a_limit_is_a_number_and_a_unit() {
        for (text, expected) in [
            ("100/hour", "100/hour"),
            ("5/s", "5/second"),
            ("1 / min", "1/minute"),
            ("3/days", "3/day"),
            ("2/m", "2/minute"),
            ("7/h", "7/hour"),
        ] {
            assert_eq!(
                Limit::parse(text).map(|limit| limit.to_string()).as_deref(),
                Some(expected),
                "{text}"
            );
        }
        for text in [
            "", "100", "/hour", "x/hour", "0/hour", "-1/hour", "inf/hour", "NaN/day", "1/week",
            "1/",
        ] {
            assert_eq!(Limit::parse(text), None, "{text}");
        }
    }
}
