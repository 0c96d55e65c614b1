//! Which mail a route is for: all conditions that are written must hold.

use std::cell::OnceCell;

use baton_sdk::{Attempt, Result, bail, context, dns};

use crate::entry::Entry;
use crate::pattern::Pattern;

/// One recipient's mail, with what is asked for at most once.
pub struct Mail<'a> {
    pub attempt: &'a Attempt,
    exchangers: OnceCell<Vec<String>>,
}

impl<'a> Mail<'a> {
    pub fn new(attempt: &'a Attempt) -> Self {
        Self {
            attempt,
            exchangers: OnceCell::new(),
        }
    }

    /// The domain's mail exchangers, or itself where it has none (RFC 5321 5.1). Nobody where the question failed: then the
    /// attempt will fail as well, and the next one asks again.
    fn exchangers(&self) -> Result<&[String]> {
        if let Some(known) = self.exchangers.get() {
            return Ok(known);
        }
        let domain = &self.attempt.recipient.domain;
        let found = match dns::mail_exchangers(domain) {
            Ok(found) => found.into_iter().map(|mx| mx.exchange).collect(),
            Err(dns::Error::NoData) => vec![domain.clone()],
            Err(dns::Error::NotGranted) => {
                bail!("a route with `mx` needs the grant dns = true in [plugins.routing.grants]")
            }
            Err(_) => Vec::new(),
        };
        Ok(self.exchangers.get_or_init(|| found))
    }
}

/// The first route that is for that mail.
pub fn first(entries: Vec<Entry>, mail: &Mail<'_>) -> Result<Option<Entry>> {
    Ok(first_of(&entries, mail)?.cloned())
}

/// The first route that is for that mail.
pub fn first_of<'a>(entries: &'a [Entry], mail: &Mail<'_>) -> Result<Option<&'a Entry>> {
    for entry in entries {
        if entry.holds(mail)? {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

impl Entry {
    /// What is wrong with its conditions.
    pub fn check_conditions(&self) -> Result<(), String> {
        for (key, list) in [
            ("domain", &self.domain),
            ("mx", &self.mx),
            ("site", &self.site),
            ("sender-domain", &self.sender_domain),
        ] {
            for pattern in list {
                Pattern::new(pattern)
                    .check()
                    .map_err(|text| format!("{key}: {text}"))?;
            }
        }
        for header in &self.header {
            let name = field_name(header);
            let is_name =
                !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && b != b':');
            if !is_name || header_tag(name).len() > TAG_KEY_BYTES_MAX {
                return Err(format!(
                    "header: `{header}` is no \"Name: value\" and no \"Name\""
                ));
            }
        }
        Ok(())
    }

    /// Whether it asks nothing.
    pub fn takes_all(&self) -> bool {
        let any = |patterns: &[String]| {
            patterns.is_empty() || patterns.iter().any(|pattern| pattern == "*")
        };
        any(&self.domain)
            && any(&self.site)
            && any(&self.sender_domain)
            && self.mx.is_empty()
            && self.account.is_empty()
            && self.tag.is_empty()
            && self.header.is_empty()
    }

    fn holds(&self, mail: &Mail<'_>) -> Result<bool> {
        let attempt = mail.attempt;
        let sender = attempt.sender.as_ref().map_or("", |sender| &sender.domain);
        let account = attempt.account.as_deref().unwrap_or_default();
        let covers = |patterns: &[String], domain: &str| {
            patterns.is_empty()
                || patterns
                    .iter()
                    .any(|pattern| Pattern::new(pattern).matches(domain))
        };
        let holds = covers(&self.domain, &attempt.recipient.domain)
            && covers(&self.site, &attempt.site)
            && covers(&self.sender_domain, sender)
            && (self.account.is_empty() || self.account.iter().any(|wanted| wanted == account))
            && self.tag.iter().all(|wanted| has_tag(wanted))
            && (self.header.is_empty() || self.header.iter().any(|wanted| has_header(wanted)));
        if !holds || self.mx.is_empty() {
            return Ok(holds);
        }
        // Asked last, since it may wait for the network.
        let exchangers = mail.exchangers()?;
        Ok(exchangers.iter().any(|host| covers(&self.mx, host)))
    }
}

fn has_tag(wanted: &str) -> bool {
    match wanted.split_once('=') {
        Some((key, value)) => context::tag(key).is_some_and(|found| found == value),
        None => context::tag(wanted).is_some(),
    }
}

const TAG_KEY_BYTES_MAX: usize = 64;
const TAG_VALUE_BYTES_MAX: usize = 1024;

/// The tag that carries a field of the header section to the deliveries.
pub fn header_tag(name: &str) -> String {
    format!("routing.header.{}", name.to_ascii_lowercase())
}

/// As much of a field's value as a tag holds.
pub fn kept(value: &str) -> &str {
    let value = value.trim();
    &value[..value.floor_char_boundary(TAG_VALUE_BYTES_MAX.min(value.len()))]
}

/// The name in "Name: value" or "Name".
pub fn field_name(header: &str) -> &str {
    header
        .split_once(':')
        .map_or(header, |(name, _)| name)
        .trim()
}

fn has_header(wanted: &str) -> bool {
    let Some(found) = context::tag(&header_tag(field_name(wanted))) else {
        return false;
    };
    match wanted.split_once(':') {
        Some((_, value)) => found.trim().eq_ignore_ascii_case(value.trim()),
        None => true,
    }
}
