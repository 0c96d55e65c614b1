//! The only wall clock of the program. Decisions get the time as an argument; this is where it comes from.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970-01-01 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(u64);

/// The time now. A clock before 1970 counts as 1970.
#[allow(clippy::disallowed_methods)] // This is the door.
pub fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

impl Timestamp {
    pub const fn from_millis(millis: u64) -> Timestamp {
        Timestamp(millis)
    }

    pub const fn as_millis(self) -> u64 {
        self.0
    }

    pub const fn as_secs(self) -> u64 {
        self.0 / 1000
    }

    /// Zero if `earlier` is in fact later: clocks are set back now and then.
    pub fn since(self, earlier: Timestamp) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    pub fn plus(self, duration: Duration) -> Timestamp {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Timestamp(self.0.saturating_add(millis))
    }

    /// "Sat, 22 Nov 2025 10:10:00 +0000" (RFC 5322 3.3), in UTC.
    pub fn rfc5322(self) -> String {
        self.zoned()
            .strftime("%a, %d %b %Y %H:%M:%S %z")
            .to_string()
    }

    /// "2025-11-22T10:10:00.123Z" (RFC 3339).
    pub fn rfc3339(self) -> String {
        self.zoned().strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
    }

    /// Reads RFC 3339; none if it is none, or before 1970.
    pub fn parse_rfc3339(text: &str) -> Option<Timestamp> {
        let at: jiff::Timestamp = text.trim().parse().ok()?;
        u64::try_from(at.as_millisecond()).ok().map(Timestamp)
    }

    fn zoned(self) -> jiff::Zoned {
        let millis = i64::try_from(self.0).unwrap_or(i64::MAX);
        jiff::Timestamp::from_millisecond(millis)
            .unwrap_or(jiff::Timestamp::MAX)
            .to_zoned(jiff::tz::TimeZone::UTC)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_mail_and_the_web_want_them() {
        let at = Timestamp::from_millis(1_763_806_200_123);
        assert_eq!(at.rfc5322(), "Sat, 22 Nov 2025 10:10:00 +0000");
        assert_eq!(at.rfc3339(), "2025-11-22T10:10:00.123Z");
        for text in ["2025-11-22T10:10:00.123Z", "2025-11-22T12:10:00.123+02:00"] {
            assert_eq!(Timestamp::parse_rfc3339(text), Some(at), "{text}");
        }
        for text in ["", "yesterday", "1960-01-01T00:00:00Z"] {
            assert_eq!(Timestamp::parse_rfc3339(text), None, "{text}");
        }
        assert_eq!(
            Timestamp::from_millis(0).rfc5322(),
            "Thu, 01 Jan 1970 00:00:00 +0000"
        );
    }

    #[test]
    fn a_clock_set_back_makes_no_negative_age() {
        let early = Timestamp::from_millis(1000);
        let late = early.plus(Duration::from_secs(2));
        assert_eq!(late.since(early), Duration::from_secs(2));
        assert_eq!(early.since(late), Duration::ZERO);
        assert!(
            Timestamp::from_millis(u64::MAX)
                .rfc3339()
                .starts_with("9999")
        );
    }
}
