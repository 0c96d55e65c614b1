//! What a message looks like: simple signals, each with points. Their sum goes to the relay's score, and is compared with
//! thresholds of this plugin's own.

use baton_sdk::prelude::*;

use crate::action::{Action, Finding};
use crate::lists::host;

/// `[plugins.policy.content]`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Content {
    rules: Vec<Rule>,
    signals: Signals,
    tag: Option<f64>,
    slow: Option<f64>,
    hold: Option<f64>,
    defer: Option<f64>,
    reject: Option<f64>,
}

/// Words in the text.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Rule {
    name: String,
    /// In any case, in the decoded text.
    find: Vec<String>,
    points: f64,
    /// All of them, and not one.
    #[serde(default)]
    all: bool,
}

/// Points of what needs no words; those of 0 are not looked for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct Signals {
    missing_date: f64,
    missing_message_id: f64,
    missing_subject: f64,
    /// A subject of capital letters.
    loud_subject: f64,
    /// A link to an address instead of a name.
    link_to_address: f64,
    /// A link to a name in punycode.
    link_to_punycode: f64,
    /// More than ten links.
    many_links: f64,
    /// HTML without a plain text beside it.
    html_only: f64,
    /// Nothing to read at all.
    no_text: f64,
}

const MANY_LINKS: usize = 10;
const POINTS_MAX: f64 = 1000.0;

impl Content {
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        for rule in &self.rules {
            if rule.name.is_empty()
                || rule.find.is_empty()
                || rule.find.iter().any(String::is_empty)
            {
                return Err("a rule needs a name, and words to find that are not empty".to_owned());
            }
            if !rule.points.is_finite() || rule.points.abs() > POINTS_MAX {
                return Err(format!(
                    "{}: points from -1000 to 1000 are wanted",
                    rule.name
                ));
            }
        }
        for (name, points, _) in self.signals.list() {
            if !points.is_finite() || points.abs() > POINTS_MAX {
                return Err(format!(
                    "signals.{name}: points from -1000 to 1000 are wanted"
                ));
            }
        }
        Ok(())
    }

    /// Whether no message can come to anything.
    pub fn is_idle(&self) -> bool {
        let is_silent = |(_, points, _): &(_, f64, _)| *points == 0.0;
        self.rules.is_empty()
            && self.signals.list().iter().all(is_silent)
            && self.over(0.0).is_none()
    }

    /// Scores the message; what is to be done about the sum.
    pub fn finding(&self) -> Option<Finding> {
        let mut sum = 0.0;
        let mut symbols = Vec::new();
        let mut add = |name: &str, points: f64, why: &str| {
            context::add_score(name, points, why);
            sum += points;
            symbols.push(format!("{name}={points}"));
        };
        for (rule, found) in self.words() {
            add(&rule.name, rule.points, &format!("the text has {found:?}"));
        }
        let message = Seen::default();
        for (name, points, look) in self.signals.list() {
            if points != 0.0 && look(&message) {
                add(name, points, "");
            }
        }
        let (limit, action) = self.over(sum)?;
        let text = "The message looks like spam; write it in another way, or ask your postmaster";
        Some(
            Finding::new("content", action, text)
                .with("score", format!("{sum:.1}"))
                .with("limit", limit.to_string())
                .with("symbols", symbols.join(" "))
                .abuse(),
        )
    }

    /// One question to the relay for all rules.
    fn words(&self) -> Vec<(&Rule, &str)> {
        if self.rules.is_empty() {
            return Vec::new();
        }
        let patterns: Vec<&str> = self
            .rules
            .iter()
            .flat_map(|rule| &rule.find)
            .map(String::as_str)
            .collect();
        let found = message::find(&patterns);
        let mut at = 0;
        let mut matched = Vec::new();
        for rule in &self.rules {
            let range = at..at + rule.find.len();
            at = range.end;
            let hits = || found.iter().filter(|hit| range.contains(hit));
            let wanted = if rule.all { rule.find.len() } else { 1 };
            if hits().count() >= wanted
                && let Some(first) = hits().next()
            {
                matched.push((rule, patterns[*first]));
            }
        }
        matched
    }

    /// The hardest threshold that the sum reaches.
    fn over(&self, sum: f64) -> Option<(f64, Action)> {
        [
            (self.reject, Action::Reject),
            (self.defer, Action::Defer),
            (self.hold, Action::Hold),
            (self.slow, Action::Slow),
            (self.tag, Action::Tag),
        ]
        .into_iter()
        .find_map(|(limit, action)| Some((limit.filter(|limit| sum >= *limit)?, action)))
    }
}

type Look = fn(&Seen) -> bool;

impl Signals {
    fn list(&self) -> [(&'static str, f64, Look); 9] {
        [
            ("missing-date", self.missing_date, |_| is_missing("Date")),
            ("missing-message-id", self.missing_message_id, |_| {
                is_missing("Message-ID")
            }),
            ("missing-subject", self.missing_subject, |_| {
                is_missing("Subject")
            }),
            ("loud-subject", self.loud_subject, |_| is_loud()),
            ("link-to-address", self.link_to_address, |seen| {
                seen.hosts()
                    .iter()
                    .any(|host| host.parse::<std::net::IpAddr>().is_ok())
            }),
            ("link-to-punycode", self.link_to_punycode, |seen| {
                seen.hosts()
                    .iter()
                    .any(|host| host.split('.').any(|label| label.starts_with("xn--")))
            }),
            ("many-links", self.many_links, |seen| {
                seen.hosts().len() > MANY_LINKS
            }),
            ("html-only", self.html_only, |seen| {
                seen.parts().iter().any(message::Part::is_html)
                    && !seen.parts().iter().any(message::Part::is_plain)
            }),
            ("no-text", self.no_text, |seen| {
                !seen
                    .parts()
                    .iter()
                    .any(|part| part.media_type.starts_with("text/") && part.size > 0)
            }),
        ]
    }
}

fn is_missing(name: &str) -> bool {
    message::header(name).is_none_or(|value| value.trim().is_empty())
}

fn is_loud() -> bool {
    const LETTERS_MIN: usize = 10;
    let subject = message::header("Subject").unwrap_or_default();
    let letters = || subject.chars().filter(|c| c.is_alphabetic());
    letters().count() >= LETTERS_MIN && letters().all(char::is_uppercase)
}

/// What is read of a message at most once, and only if somebody asks.
#[derive(Default)]
struct Seen {
    hosts: std::cell::OnceCell<Vec<String>>,
    parts: std::cell::OnceCell<Vec<message::Part>>,
}

impl Seen {
    fn hosts(&self) -> &[String] {
        self.hosts
            .get_or_init(|| message::urls().iter().filter_map(|url| host(url)).collect())
    }

    fn parts(&self) -> &[message::Part] {
        self.parts.get_or_init(|| message::parts().collect())
    }
}
