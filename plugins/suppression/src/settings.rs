//! `[plugins.suppression]`.

use std::result::Result as StdResult;

use baton_sdk::prelude::*;
use baton_sdk::serde_json::Value;
use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// Days that somebody could mean.
const DAYS_MAX: u32 = 3650;

#[derive(Debug, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Settings {
    /// Causes for which RCPT is refused. Mail to the others is taken, and dropped by the queue.
    refuse: Option<Vec<String>>,
    /// How long a hard bounce stands: "for-ever", "never", or days.
    pub bounce: Lasts,
    /// So many soft bounces in the window list an address; 0 never.
    pub soft_bounces: u32,
    pub soft_bounce_window_days: u32,
    pub soft_bounce_days: u32,
    /// How long a complaint stands: "for-ever", "never", or days.
    pub complaint: Lasts,
    /// Feedback types that are complaints (RFC 5965 3.1).
    pub complaints: Vec<String>,
    /// A delivery takes a bounce off the list.
    pub recover: bool,
}

/// For how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasts {
    ForEver,
    Never,
    Days(u32),
}

impl<'de> Deserialize<'de> for Lasts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> StdResult<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let days = value.as_u64().and_then(|days| u32::try_from(days).ok());
        match (value.as_str(), days) {
            (Some("for-ever"), _) => Ok(Lasts::ForEver),
            (Some("never"), _) => Ok(Lasts::Never),
            (_, Some(days)) => Ok(Lasts::Days(days)),
            _ => Err(D::Error::custom(format_args!(
                "{value} is no time: \"for-ever\", \"never\" or a number of days is wanted"
            ))),
        }
    }
}

impl Lasts {
    /// Whether anybody is listed at all.
    pub fn is_on(self) -> bool {
        self != Lasts::Never && self != Lasts::Days(0)
    }

    /// None for ever.
    pub fn days(self) -> Option<u32> {
        match self {
            Lasts::ForEver | Lasts::Never => None,
            Lasts::Days(days) => Some(days),
        }
    }
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            refuse: None,
            bounce: Lasts::ForEver,
            soft_bounces: 5,
            soft_bounce_window_days: 30,
            soft_bounce_days: 14,
            complaint: Lasts::ForEver,
            complaints: ["abuse", "fraud", "virus", "other", "miscategorized"]
                .map(str::to_owned)
                .to_vec(),
            recover: true,
        }
    }
}

impl Settings {
    pub fn read() -> Result<Settings> {
        let settings: Settings = config::read()?;
        let days = [
            ("soft-bounce-window-days", settings.soft_bounce_window_days),
            ("soft-bounce-days", settings.soft_bounce_days),
            ("bounce", settings.bounce.days().unwrap_or(1)),
            ("complaint", settings.complaint.days().unwrap_or(1)),
        ];
        for (key, days) in days {
            if days > DAYS_MAX {
                bail!("{key}: {days} days is more than {DAYS_MAX}; for ever is \"for-ever\"");
            }
        }
        if settings.soft_bounces > 0 && settings.soft_bounce_window_days == 0 {
            bail!("soft-bounce-window-days: soft bounces cannot be counted within 0 days");
        }
        Ok(settings)
    }

    pub fn refuses(&self, cause: &str) -> bool {
        let listed = |causes: &Vec<String>| causes.iter().any(|known| known == cause);
        self.refuse.as_ref().is_none_or(listed)
    }
}
