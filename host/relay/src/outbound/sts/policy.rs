//! What a domain says of its exchangers (RFC 8461 3), read from its record and its file. Pure.

use std::time::Duration;

/// RFC 8461 3.2: a year, and a day for leap years.
const MAX_AGE_SECONDS_MAX: u64 = 31_557_600;
/// Patterns of one policy.
const PATTERNS_MAX: usize = 100;

/// What is to be done where an exchanger does not do as the policy says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing is sent to it.
    Enforce,
    /// It is told of, and mail goes.
    Testing,
    None,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    pub mode: Mode,
    /// How long it holds after it was fetched.
    pub max_age: Duration,
    /// Names, or `*.` and a name for one label more; in lower case.
    pub exchangers: Vec<String>,
}

impl Policy {
    /// Reads the file. The error is a sentence.
    pub fn parse(text: &str) -> Result<Policy, &'static str> {
        let mut lines = text
            .lines()
            .map(str::trim_end)
            .filter(|line| !line.is_empty());
        let pair = |line: &str| -> Option<(String, String)> {
            let (name, value) = line.split_once(':')?;
            Some((name.trim().to_owned(), value.trim().to_owned()))
        };
        let first = lines.next().and_then(pair);
        if first != Some(("version".into(), "STSv1".into())) {
            return Err("it does not begin with version: STSv1");
        }
        let (mut mode, mut max_age, mut exchangers) = (None, None, Vec::new());
        for (name, value) in lines.filter_map(pair) {
            match name.as_str() {
                "mode" if mode.is_none() => {
                    mode = Some(match value.as_str() {
                        "enforce" => Mode::Enforce,
                        "testing" => Mode::Testing,
                        "none" => Mode::None,
                        _ => return Err("its mode is unknown"),
                    });
                }
                "max_age" if max_age.is_none() => {
                    let seconds: u64 = value.parse().map_err(|_| "its max_age is no number")?;
                    max_age = Some(Duration::from_secs(seconds.min(MAX_AGE_SECONDS_MAX)));
                }
                "mx" if exchangers.len() < PATTERNS_MAX => {
                    exchangers.push(value.trim_end_matches('.').to_ascii_lowercase());
                }
                _ => {}
            }
        }
        let mode = mode.ok_or("it has no mode")?;
        let max_age = max_age.ok_or("it has no max_age")?;
        if exchangers.is_empty() && mode != Mode::None {
            return Err("it lists no exchangers");
        }
        Ok(Policy {
            mode,
            max_age,
            exchangers,
        })
    }

    /// Whether the policy lists that host (RFC 8461 4.1).
    pub fn lists(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        self.exchangers
            .iter()
            .any(|pattern| match pattern.strip_prefix("*.") {
                Some(above) => host
                    .split_once('.')
                    .is_some_and(|(label, rest)| !label.is_empty() && rest == above),
                None => *pattern == host,
            })
    }
}

/// The `id` of a policy from the TXT records at `_mta-sts` (RFC 8461 3.1); none where there is not exactly one.
pub fn id(texts: &[String]) -> Option<String> {
    let mut records = texts.iter().filter(|text| {
        let mut rest = text.strip_prefix("v=STSv1").unwrap_or_default().chars();
        rest.find(|c| !c.is_whitespace()) == Some(';')
    });
    let record = records.next().filter(|_| records.next().is_none())?;
    record
        .split(';')
        .filter_map(|tag| tag.split_once('='))
        .map(|(name, value)| (name.trim(), value.trim()))
        .find(|(name, _)| *name == "id")
        .map(|(_, value)| value.to_owned())
        .filter(|id| (1..=32).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_read_with_any_line_ends_and_unknown_keys() {
        let text = "version: STSv1\r\nmode: enforce\nmx: Mail.example.com.\r\nmx:*.example.net\nx: y\nmode: none\nmax_age: 604800\n";
        let policy = Policy::parse(text).expect("a policy");
        assert_eq!(policy.mode, Mode::Enforce);
        assert_eq!(policy.max_age, Duration::from_secs(604_800));
        assert_eq!(policy.exchangers, ["mail.example.com", "*.example.net"]);
    }

    #[test]
    fn a_star_stands_for_one_label() {
        let text = "version: STSv1\nmode: testing\nmx: a.test\nmx: *.b.test\nmax_age: 1\n";
        let policy = Policy::parse(text).expect("a policy");
        for yes in ["a.test", "A.Test", "x.b.test"] {
            assert!(policy.lists(yes), "{yes}");
        }
        for no in ["b.test", "x.y.b.test", ".b.test", "x.a.test", "xb.test", ""] {
            assert!(!policy.lists(no), "{no}");
        }
    }

    #[test]
    fn what_is_no_policy_says_why() {
        for text in [
            "",
            "<html>",
            "mode: enforce\nversion: STSv1\n",
            "version: STSv2\nmode: none\nmax_age: 1\n",
            "version: STSv1\nmode: perhaps\nmx: a\nmax_age: 1\n",
            "version: STSv1\nmode: enforce\nmax_age: 1\n",
            "version: STSv1\nmode: enforce\nmx: a\n",
            "version: STSv1\nmode: enforce\nmx: a\nmax_age: -1\n",
        ] {
            assert!(Policy::parse(text).is_err(), "{text:?}");
        }
        let long =
            Policy::parse("version: STSv1\nmode: none\nmax_age: 99999999999\n").expect("a policy");
        assert_eq!(long.max_age.as_secs(), MAX_AGE_SECONDS_MAX);
    }

    #[test]
    fn the_record_has_one_id() {
        let one = |text: &str| id(&[text.to_owned()]);
        assert_eq!(
            one("v=STSv1; id=20160831085700Z;"),
            Some("20160831085700Z".into())
        );
        assert_eq!(one("v=STSv1 ;id=1"), Some("1".into()));
        for none in [
            "v=STSv1",
            "v=STSv1; id=",
            "v=STSv1; id=a b",
            "v=STSv10; id=1",
            "v=spf1 -all",
            "",
        ] {
            assert_eq!(one(none), None, "{none:?}");
        }
        let twice = ["v=STSv1; id=1;".to_owned(), "v=STSv1; id=2;".to_owned()];
        assert_eq!(id(&twice), None);
        let among = ["other".to_owned(), "v=STSv1; id=2;".to_owned()];
        assert_eq!(id(&among), Some("2".into()));
    }
}
