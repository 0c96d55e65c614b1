//! What is done about a finding, and how it explains itself: to the sender in a reply, to the operator in an event.

use baton_sdk::prelude::*;

use crate::who::Who;

/// What the operator wants done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Nothing: the rule is not asked.
    Off,
    /// The mail goes on, and `policy.tags` names the rule.
    Tag,
    /// The mail goes on; what this sender sends from now on is slowed down for a while.
    Slow,
    /// Accepted, and kept until an operator releases it.
    Hold,
    /// 4xx.
    Defer,
    /// 5xx.
    Reject,
}

/// What a rule found.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Name of the rule, as in events and tags.
    pub rule: String,
    pub action: Action,
    /// Second and third number of the enhanced status, such as "7.1".
    pub status: &'static str,
    /// For the sender: what is wrong and what to do.
    pub text: String,
    /// For the operator: what was compared with what.
    pub detail: Vec<(&'static str, String)>,
    /// Whether it tells against the sender's reputation.
    pub is_abuse: bool,
}

/// The tag that names the rules that a message met, separated by spaces.
const TAGS: &str = "policy.tags";

impl Finding {
    /// A finding that says nothing about the sender's honesty.
    pub fn new(rule: impl Into<String>, action: Action, text: impl Into<String>) -> Self {
        Self {
            rule: rule.into(),
            action,
            status: "7.1",
            text: text.into(),
            detail: Vec::new(),
            is_abuse: false,
        }
    }

    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.detail.push((name, value.into()));
        self
    }

    pub fn status(mut self, status: &'static str) -> Self {
        self.status = status;
        self
    }

    pub fn abuse(mut self) -> Self {
        self.is_abuse = true;
        self
    }

    /// Tells what was decided, and is the decision. The mail goes on where it is `Next` or `Hold`.
    pub fn decide(&self, who: &Who) -> Decision {
        let text = plain(&self.text);
        let (kind, decision) = match self.action {
            Action::Off => return Decision::Next,
            Action::Tag => ("tagged", Decision::Next),
            Action::Slow => ("slowed", Decision::Next),
            Action::Hold => ("held", Decision::hold(format!("{}: {text}", self.rule))),
            Action::Defer => {
                let reply = Reply::new(450, format!("4.{}", self.status), text.clone());
                ("deferred", Decision::Defer(reply))
            }
            Action::Reject => {
                let status = format!("5.{}", self.status);
                ("refused", Decision::reject(status, text.clone()))
            }
        };
        if matches!(self.action, Action::Tag | Action::Slow | Action::Hold) {
            add_tag(&self.rule);
        }
        let mut fields = vec![("rule", self.rule.clone()), ("key", who.key().to_owned())];
        fields.extend(self.detail.iter().cloned());
        fields.push(("text", text));
        events::emit(kind, fields);
        decision
    }
}

fn add_tag(rule: &str) {
    const VALUE_BYTES_MAX: usize = 1024;
    let rule = rule.replace(char::is_whitespace, "-");
    let tags = match context::tag(TAGS) {
        Some(known) if known.split(' ').any(|known| known == rule) => return,
        Some(known) => format!("{known} {rule}"),
        None => rule,
    };
    if tags.len() <= VALUE_BYTES_MAX {
        context::set_tag(TAGS, &tags);
    }
}

/// What a reply may carry: the relay takes a control character or an endless text in it for a fault.
pub fn plain(text: &str) -> String {
    const CHARACTERS_MAX: usize = 300;
    let shown = |c: char| if (' '..='~').contains(&c) { c } else { '?' };
    text.chars().map(shown).take(CHARACTERS_MAX).collect()
}

/// A time as people say it.
pub fn in_words(seconds: f64) -> String {
    let seconds = seconds.ceil().max(1.0);
    let (number, unit) = match seconds {
        s if s < 120.0 => (s, "second"),
        s if s < 7_200.0 => ((s / 60.0).ceil(), "minute"),
        s if s < 172_800.0 => ((s / 3_600.0).ceil(), "hour"),
        s => ((s / 86_400.0).ceil(), "day"),
    };
    let plural = if number == 1.0 { "" } else { "s" };
    format!("{number} {unit}{plural}")
}
