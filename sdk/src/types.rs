//! Shorthands on the contract's own records: addresses as text, replies and decisions in one call.

use std::fmt;
use std::str::FromStr;

use crate::{
    Advice, Decision, Disposition, Mailbox, Parameter, Recipient, Reply, Route, Scope, Translation,
};

impl fmt::Display for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.local, self.domain)
    }
}

/// A text that is no `local@domain`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotAMailbox(String);

impl fmt::Display for NotAMailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no address of the form local@domain", self.0)
    }
}

impl std::error::Error for NotAMailbox {}

impl FromStr for Mailbox {
    type Err = NotAMailbox;

    /// `local@domain`, cut at the last at sign; the domain becomes lower case. The relay checks the rest.
    fn from_str(text: &str) -> Result<Self, NotAMailbox> {
        let bad = || NotAMailbox(text.to_owned());
        let (local, domain) = text.rsplit_once('@').ok_or_else(bad)?;
        if local.is_empty() || domain.is_empty() || text.contains(char::is_control) {
            return Err(bad());
        }
        Ok(Self {
            local: local.to_owned(),
            domain: domain.to_ascii_lowercase(),
        })
    }
}

impl Recipient {
    /// The value of an ESMTP parameter; the empty text where it stands without one.
    pub fn parameter(&self, keyword: &str) -> Option<&str> {
        value_of(&self.parameters, keyword)
    }
}

impl crate::Envelope {
    /// The value of an ESMTP parameter of MAIL FROM; the empty text where it stands without one.
    pub fn parameter(&self, keyword: &str) -> Option<&str> {
        value_of(&self.parameters, keyword)
    }
}

fn value_of<'a>(parameters: &'a [Parameter], keyword: &str) -> Option<&'a str> {
    let parameter = parameters
        .iter()
        .find(|p| p.keyword.eq_ignore_ascii_case(keyword))?;
    Some(parameter.value.as_deref().unwrap_or_default())
}

impl Reply {
    /// A reply from its three pieces.
    pub fn new(code: u16, status: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            code,
            status: status.into(),
            text: text.into(),
        }
    }
}

impl Decision {
    /// 550 with an enhanced status such as "5.7.1" and a text the sender will read.
    pub fn reject(status: impl Into<String>, text: impl Into<String>) -> Self {
        Self::Reject(Reply::new(550, status, text))
    }

    /// 451 with an enhanced status such as "4.7.1" and a text the sender will read.
    pub fn defer(status: impl Into<String>, text: impl Into<String>) -> Self {
        Self::Defer(Reply::new(451, status, text))
    }

    /// Accept, but keep until an operator releases it.
    pub fn hold(why: impl Into<String>) -> Self {
        Self::Hold(why.into())
    }

    /// 421, and the connection is closed.
    pub fn disconnect(status: impl Into<String>, text: impl Into<String>) -> Self {
        Self::Disconnect(Reply::new(421, status, text))
    }
}

impl Route {
    /// A route that leaves everything to the relay; set what you want to change.
    pub fn new() -> Self {
        Self {
            next_hop: None,
            port: None,
            egress_pool: None,
            queue: None,
            priority: None,
            tls: None,
        }
    }

    /// A route to that next hop, written as in the contract: "mx:example.net", "mail.example.net", "[192.0.2.1]" or
    /// "smarthost:NAME".
    pub fn to(next_hop: impl Into<String>) -> Self {
        Self {
            next_hop: Some(next_hop.into()),
            ..Self::new()
        }
    }
}

impl Default for Route {
    fn default() -> Self {
        Self::new()
    }
}

impl Translation {
    /// A certain translation about the recipient that advises nothing; change the fields that differ.
    pub fn new(disposition: Disposition, reason: impl Into<String>) -> Self {
        Self {
            disposition,
            reason: reason.into(),
            scope: Scope::Recipient,
            advice: Advice::None,
            explanation: String::new(),
            confidence: 1.0,
            rule: String::new(),
        }
    }
}
