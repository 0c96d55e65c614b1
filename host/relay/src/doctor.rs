//! What keeps mail of this relay from being taken elsewhere, and what others could do with it: names, records, listeners, block
//! lists. Looks and says what to fix; changes nothing, and needs no relay that runs, except to try its listeners.

mod identity;
mod listeners;
mod lists;
mod records;

use std::fmt;
use std::net::IpAddr;

use crate::config::Config;
use crate::dns::Resolver;
use crate::outbound::sts::Sts;

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    Ok,
    /// It could not be checked from here.
    Skipped,
    /// Mail goes, and could go better.
    Warning,
    /// Mail will be refused, or somebody can do harm.
    Wrong,
}

impl Verdict {
    /// The word in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Ok => "ok",
            Verdict::Skipped => "skipped",
            Verdict::Warning => "warning",
            Verdict::Wrong => "wrong",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// "dkim" and the like.
    pub check: &'static str,
    /// The name or address that it is about.
    pub subject: String,
    pub verdict: Verdict,
    pub message: String,
    /// What to do about it.
    pub fix: Option<String>,
}

impl Finding {
    fn new(
        check: &'static str,
        subject: impl fmt::Display,
        verdict: Verdict,
        message: impl Into<String>,
    ) -> Finding {
        Finding {
            check,
            subject: subject.to_string(),
            verdict,
            message: message.into(),
            fix: None,
        }
    }

    fn fix(mut self, fix: impl Into<String>) -> Finding {
        self.fix = Some(fix.into());
        self
    }
}

/// An address that mail leaves from, and the name it goes by.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Source {
    address: IpAddr,
    name: String,
}

/// Looks at everything, in the order in which a mail meets it. `lists` are zones of block lists.
pub async fn examine(
    config: &Config,
    resolver: &Resolver,
    policies: &Sts,
    lists: &[String],
) -> Vec<Finding> {
    let mut findings = identity::hostname(config, resolver).await;
    let sources = identity::sources(config, resolver).await;
    for source in &sources {
        findings.push(identity::reverse(source, resolver).await);
    }
    findings.extend(records::all(config, &sources, resolver, policies).await);
    for listener in &config.listeners {
        findings.extend(listeners::all(listener).await);
    }
    findings.extend(lists::all(&sources, lists, resolver).await);
    findings
}
