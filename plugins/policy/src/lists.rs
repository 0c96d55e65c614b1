//! DNS block lists (RFC 5782), asked through the relay and remembered for a while.

use std::net::{IpAddr, Ipv4Addr};

use baton_sdk::prelude::*;

use crate::action::{Action, Finding};
use crate::rate::Span;

/// One `[[plugins.policy.block-lists]]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct BlockList {
    zone: String,
    #[serde(default)]
    pub of: Of,
    /// Which answers count; where empty, all of 127.0.0.0/8 but 127.255.255.0/24, by which lists say that they do not answer us.
    #[serde(default)]
    answers: Vec<Ipv4Addr>,
    #[serde(default = "reject")]
    action: Action,
    /// Added to the score of the message.
    #[serde(default)]
    points: f64,
    /// How long an answer is remembered.
    #[serde(default = "five_minutes")]
    cache: Span,
}

/// What is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Of {
    /// The client's address, where it has no account.
    #[default]
    Address,
    /// The envelope sender's domain.
    SenderDomain,
    /// Domains of the links in the message.
    Links,
}

/// Domains of one message's links that are asked about.
const LINK_DOMAINS_MAX: usize = 5;

fn reject() -> Action {
    Action::Reject
}

fn five_minutes() -> Span {
    Span::MINUTES_5
}

impl BlockList {
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        let is_name = !self.zone.is_empty()
            && self.zone.split('.').all(|label| !label.is_empty())
            && self
                .zone
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b));
        if !is_name {
            return Err(format!("`{}` is no zone", self.zone));
        }
        if !self.points.is_finite() {
            return Err("points: a number is wanted".to_owned());
        }
        Ok(())
    }

    /// Asks about one address or domain.
    fn ask(&self, subject: &str) -> Result<Option<Finding>> {
        if self.action == Action::Off && self.points == 0.0 {
            return Ok(None);
        }
        let Some(answer) = self.answer(subject)? else {
            return Ok(None);
        };
        if self.points != 0.0 {
            let why = format!("{subject} is on {}: {answer}", self.zone);
            context::add_score("block-list", self.points, &why);
        }
        let text = match self.of {
            Of::Address => format!(
                "Your address {subject} is on the block list {}; ask there to be taken off",
                self.zone
            ),
            Of::SenderDomain => format!("The domain {subject} is on the block list {}", self.zone),
            Of::Links => format!(
                "The message has a link to {subject}, which is on the block list {}",
                self.zone
            ),
        };
        let finding = Finding::new("block-list", self.action, text)
            .with("zone", self.zone.clone())
            .with("subject", subject)
            .with("answer", answer);
        Ok(Some(finding))
    }

    fn answer(&self, subject: &str) -> Result<Option<String>> {
        let key = format!("bl/{}/{subject}", self.zone);
        if let Some(known) = kv::get_string(&key)? {
            return Ok((!known.is_empty()).then_some(known));
        }
        let answer = match dns::listed(&self.zone, subject) {
            Ok(answer) => answer.filter(|answer| self.counts(answer)),
            Err(dns::Error::NotGranted) => {
                bail!("block-lists need the grant dns = true in [plugins.policy.grants]")
            }
            // A list that does not answer stops nobody's mail.
            Err(error) => {
                log::warn(format!(
                    "{} did not answer about {subject}: {error:?}",
                    self.zone
                ));
                return Ok(None);
            }
        };
        let seconds = self.cache.seconds() as u32;
        kv::set_string(&key, answer.as_deref().unwrap_or_default(), Some(seconds))?;
        Ok(answer)
    }

    fn counts(&self, answer: &str) -> bool {
        let Ok(IpAddr::V4(answer)) = answer.parse() else {
            return false;
        };
        match self.answers.as_slice() {
            [] => answer.octets()[0] == 127 && answer.octets()[..3] != [127, 255, 255],
            some => some.contains(&answer),
        }
    }
}

/// What the lists say about the client and the sender's domain.
pub fn at_mail(
    lists: &[BlockList],
    session: &Session,
    sender: Option<&Mailbox>,
) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    for list in lists {
        found.extend(match (list.of, sender) {
            (Of::Address, _) if session.account.is_none() => list.ask(&session.peer_ip)?,
            (Of::SenderDomain, Some(sender)) if !sender.domain.starts_with('[') => {
                list.ask(&sender.domain)?
            }
            _ => None,
        });
    }
    Ok(found)
}

/// What they say about the message's links.
pub fn at_data(lists: &[BlockList]) -> Result<Vec<Finding>> {
    let mut found = Vec::new();
    if !lists.iter().any(|list| list.of == Of::Links) {
        return Ok(found);
    }
    let mut domains: Vec<String> = Vec::new();
    for url in message::urls() {
        let domain = host(&url).unwrap_or_default();
        if domain.contains('.') && domain.parse::<IpAddr>().is_err() && !domains.contains(&domain) {
            domains.push(domain);
        }
    }
    domains.truncate(LINK_DOMAINS_MAX);
    for list in lists.iter().filter(|list| list.of == Of::Links) {
        for domain in &domains {
            found.extend(list.ask(domain)?);
        }
    }
    Ok(found)
}

/// The host of a URL, in lower case.
pub fn host(url: &str) -> Option<String> {
    let (_, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#', '\\']).next()?;
    let host = authority.rsplit('@').next()?;
    let host = match host.strip_prefix('[') {
        Some(literal) => literal.split(']').next()?,
        None => host.split(':').next()?,
    };
    (!host.is_empty()).then(|| host.trim_end_matches('.').to_ascii_lowercase())
}
