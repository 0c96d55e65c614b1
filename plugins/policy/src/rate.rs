//! How much somebody may send: token buckets that the relay keeps, exact over all sessions.

use std::fmt;

use baton_sdk::prelude::*;
use serde::de::{self, Deserializer};

use crate::matcher::counted_ip;
use crate::who::Who;

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
    /// No more than this many on a day in UTC, whatever the limit allows.
    #[serde(default)]
    daily: Option<u32>,
    /// How many at once after a rest; the limit's own number where absent.
    #[serde(default)]
    burst: Option<f64>,
    /// Of these keys alone, where written: accounts, addresses, domains.
    #[serde(default)]
    only: Vec<String>,
}

/// Whose mail shares a bucket.
#[allow(clippy::enum_variant_names)] // One of the kinds is called so in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Key {
    /// The one key of who sent it: the account, the address, or the script behind a shared host.
    Key,
    Account,
    Sender,
    SenderDomain,
    #[serde(alias = "ip")]
    Address,
    RecipientDomain,
}

/// What takes a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Count {
    #[default]
    Messages,
    Recipients,
    /// Credentials that were presented, right or wrong.
    Logins,
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
    pub seconds: f64,
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
        let per = self.per.word();
        match (self.per, self.count) {
            (Key::RecipientDomain, Count::Messages) => Err(
                "per = \"recipient-domain\" counts recipients; write count = \"recipients\""
                    .to_owned(),
            ),
            (Key::Key | Key::Sender | Key::SenderDomain | Key::RecipientDomain, Count::Logins) => {
                Err(format!(
                    "per = \"{per}\" is not known at a login; write \"account\" or \"address\""
                ))
            }
            _ if self.daily == Some(0) => Err("daily: a number of 1 or more is wanted".to_owned()),
            _ => Ok(()),
        }
    }

    /// Takes so many from the bucket of that key, if this rate is about it.
    pub fn take(&self, key: Option<String>, count: usize) -> Result<Option<Exceeded>, kv::Error> {
        let Some(key) = key.filter(|key| !key.is_empty()) else {
            return Ok(None);
        };
        if !self.only.is_empty() && !self.only.iter().any(|only| only.eq_ignore_ascii_case(&key)) {
            return Ok(None);
        }
        let (per, what) = (self.per.word(), self.count.word());
        let limit = self.limit;
        if let Some(daily) = self.daily
            && let Some(seconds) = over_day(&format!("d/{per}.{what}/{key}"), count, daily)?
        {
            let limit = format!("{daily} a day");
            return Ok(Some(Exceeded {
                key,
                limit,
                seconds,
            }));
        }
        let burst = self.burst.unwrap_or(limit.number);
        // What is more than a bucket ever holds empties it.
        let tokens = (count as f64).min(burst);
        let bucket = format!("{per}.{what}.{limit}.{key}");
        if kv::take(&bucket, tokens, limit.per_second(), burst)? {
            return Ok(None);
        }
        Ok(Some(Exceeded {
            key,
            limit: limit.to_string(),
            seconds: (tokens / limit.per_second()).max(1.0),
        }))
    }
}

/// Seconds until midnight in UTC where the day's counter is over its cap; else so many are counted.
fn over_day(key: &str, count: usize, cap: u32) -> Result<Option<f64>, kv::Error> {
    const DAY_SECONDS: u64 = 86_400;
    let now = clock::now_seconds();
    let left = DAY_SECONDS - now % DAY_SECONDS;
    let key = format!("{key}/{}", now / DAY_SECONDS);
    let count = i32::try_from(count).unwrap_or(i32::MAX);
    let ttl = Some(left as u32);
    if kv::increment(&key, count, ttl)? <= f64::from(cap) {
        return Ok(None);
    }
    // What is refused was not sent, and must not stand in the way of less.
    kv::increment(&key, -count, ttl)?;
    Ok(Some(left as f64))
}

impl Key {
    /// The key of a transaction; nothing where it has none.
    pub fn of(
        self,
        who: &Who,
        session: &Session,
        sender: Option<&Mailbox>,
        recipient: Option<&Mailbox>,
    ) -> Option<String> {
        let lower = |mailbox: &Mailbox| mailbox.to_string().to_lowercase();
        match self {
            Self::Key => Some(who.key().to_owned()),
            Self::Account => session.account.clone(),
            Self::Sender => sender.map(lower),
            Self::SenderDomain => sender.map(|mailbox| mailbox.domain.to_ascii_lowercase()),
            Self::Address => Some(counted_ip(&session.peer_ip)),
            Self::RecipientDomain => recipient.map(|mailbox| mailbox.domain.to_ascii_lowercase()),
        }
    }

    /// As in the configuration and in replies.
    pub fn word(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Account => "account",
            Self::Sender => "sender",
            Self::SenderDomain => "sender-domain",
            Self::Address => "address",
            Self::RecipientDomain => "recipient-domain",
        }
    }
}

impl Count {
    pub fn word(self) -> &'static str {
        match self {
            Self::Messages => "messages",
            Self::Recipients => "recipients",
            Self::Logins => "logins",
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
    pub const HOURLY_30: Self = Self {
        number: 30.0,
        seconds: 3600.0,
    };

    pub fn number(self) -> f64 {
        self.number
    }

    pub fn per_second(self) -> f64 {
        self.number / self.seconds
    }

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

/// A time such as "90s", "30m", "24h" or "7d".
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span(f64);

impl Span {
    pub const MINUTES_5: Self = Self(300.0);
    pub const HOUR: Self = Self(3600.0);
    pub const HOURS_24: Self = Self(86_400.0);

    pub fn seconds(self) -> f64 {
        self.0
    }

    fn parse(text: &str) -> Option<Self> {
        /// A key-value row lives no longer than what 32 bits of seconds hold, twice.
        const SECONDS_MAX: f64 = 1e9;
        let text = text.trim();
        let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
        let number: f64 = number.trim().parse().ok()?;
        let (_, seconds) = UNITS.iter().find(|(name, _)| unit == &name[..1])?;
        let span = number * seconds;
        (1.0..=SECONDS_MAX).contains(&span).then_some(Self(span))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            de::Error::custom(format!(
                "`{text}` is no time such as \"90s\", \"30m\", \"24h\" or \"7d\""
            ))
        })
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
    use super::{Limit, Span};

    #[test]
    fn a_time_is_a_number_and_a_letter() {
        for (text, expected) in [
            ("90s", 90.0),
            ("1.5m", 90.0),
            ("24h", 86_400.0),
            ("7d", 604_800.0),
        ] {
            assert_eq!(
                Span::parse(text).map(Span::seconds),
                Some(expected),
                "{text}"
            );
        }
        for text in ["", "h", "90", "-1h", "0s", "1w", "1e99d", "é"] {
            assert_eq!(Span::parse(text), None, "{text}");
        }
    }

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
