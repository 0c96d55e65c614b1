//! One `[[plugins.routing.routes]]`: conditions, then where to.

use std::net::IpAddr;

use baton_sdk::{Attempt, Result, Route, TlsDemand};
use serde::Deserialize;

use crate::condition::field_name;
use crate::pattern::one_or_many;
use crate::pool::{self, Pool};
use crate::settings::Settings;

/// See the module. A condition that is not written holds always; of the rest, what is not written leaves the relay's default.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Entry {
    #[serde(deserialize_with = "one_or_many")]
    pub domain: Vec<String>,
    /// A mail exchanger of the recipient's domain.
    #[serde(deserialize_with = "one_or_many")]
    pub mx: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    pub site: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    pub sender_domain: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    pub account: Vec<String>,
    /// "key=value", or "key" for any value; all of them.
    #[serde(deserialize_with = "one_or_many")]
    pub tag: Vec<String>,
    /// "Name: value", or "Name" for any value; one of them.
    #[serde(deserialize_with = "one_or_many")]
    pub header: Vec<String>,

    next_hop: Option<String>,
    port: Option<u16>,
    egress_pool: Option<String>,
    egress_pools: Vec<Pool>,
    queue: Option<String>,
    priority: Option<u8>,
    tls: Option<Tls>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Tls {
    Never,
    May,
    Encrypt,
    Verify,
}

/// What is wrong in a table, in words for the operator.
pub fn check_all(entries: &[Entry]) -> Result<(), String> {
    let mut for_all: Option<usize> = None;
    for (position, entry) in entries.iter().enumerate() {
        let number = position + 1;
        entry
            .check()
            .map_err(|text| format!("route {number}: {text}"))?;
        if let Some(first) = for_all {
            return Err(format!(
                "route {number} is never used: route {first} comes before it and takes all mail"
            ));
        }
        if entry.takes_all() {
            for_all = Some(number);
        }
    }
    Ok(())
}

impl Entry {
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        self.check_conditions()?;
        if let Some(next_hop) = &self.next_hop {
            check_next_hop(next_hop).map_err(|text| format!("next-hop: {text}"))?;
        }
        if self.port == Some(0) {
            return Err("port: 0 is no port".to_owned());
        }
        if self.egress_pool.is_some() && !self.egress_pools.is_empty() {
            return Err(
                "egress-pool and egress-pools are both there; write one of them".to_owned(),
            );
        }
        if !self.egress_pools.is_empty() && self.egress_pools.iter().all(|pool| pool.weight == 0) {
            return Err(
                "egress-pools: every weight is 0, so no pool would ever be taken".to_owned(),
            );
        }
        let does_nothing = self.next_hop.is_none()
            && self.port.is_none()
            && self.egress_pool.is_none()
            && self.egress_pools.is_empty()
            && self.queue.is_none()
            && self.priority.is_none()
            && self.tls.is_none();
        if does_nothing {
            return Err("it says which mail but not where to; add next-hop, port, egress-pool, queue, priority or tls".to_owned());
        }
        Ok(())
    }

    /// Names of the header fields it asks about, in lower case.
    pub fn header_names(&self) -> impl Iterator<Item = String> {
        let names = self.header.iter();
        names.map(|header| field_name(header).to_ascii_lowercase())
    }

    /// The pools that may take its mail.
    pub fn pool_names(&self) -> Vec<&str> {
        let several = self.egress_pools.iter().filter(|pool| pool.weight > 0);
        let one = self.egress_pool.as_deref();
        one.into_iter()
            .chain(several.map(|pool| pool.name.as_str()))
            .collect()
    }

    /// The way of that attempt.
    pub fn route(&self, attempt: &Attempt, settings: &Settings) -> Result<Route> {
        let egress_pool = match &self.egress_pool {
            Some(pool) => Some(pool.clone()),
            None if self.egress_pools.is_empty() => None,
            None => pool::choose(&self.egress_pools, attempt, self.site(attempt), settings)?,
        };
        Ok(Route {
            next_hop: self.next_hop.clone(),
            port: self.port,
            egress_pool,
            queue: self.queue.clone(),
            priority: self.priority,
            tls: self.tls.map(|tls| match tls {
                Tls::Never => TlsDemand::Never,
                Tls::May => TlsDemand::May,
                Tls::Encrypt => TlsDemand::Encrypt,
                Tls::Verify => TlsDemand::Verify,
            }),
        })
    }

    /// Where the mail goes, as the relay names a site.
    fn site<'a>(&'a self, attempt: &'a Attempt) -> &'a str {
        match self.next_hop.as_deref() {
            None => &attempt.site,
            Some(hop) => hop.strip_prefix("mx:").unwrap_or(hop),
        }
    }
}

fn check_next_hop(text: &str) -> Result<(), String> {
    let forms = "\"mx:DOMAIN\", \"HOST\", \"[ADDRESS]\" or \"smarthost:NAME\"";
    if let Some(address) = text.strip_prefix('[') {
        let inner = address.strip_suffix(']').unwrap_or_default();
        let inner = inner.strip_prefix("IPv6:").unwrap_or(inner);
        return match inner.parse::<IpAddr>() {
            Ok(_) => Ok(()),
            Err(_) => Err(format!(
                "`{text}` is no address in brackets, such as [192.0.2.1] or [2001:db8::1]"
            )),
        };
    }
    if let Some(name) = text.strip_prefix("smarthost:") {
        return if name.is_empty() {
            Err(format!("`{text}` names no smart host"))
        } else {
            Ok(())
        };
    }
    if text.parse::<IpAddr>().is_ok() {
        return Err(format!("an address stands in brackets: \"[{text}]\""));
    }
    let host = text.strip_prefix("mx:").unwrap_or(text);
    if let Some((name, port)) = host.rsplit_once(':')
        && port.bytes().all(|byte| byte.is_ascii_digit())
    {
        return Err(format!(
            "the port stands in a key of its own: next-hop = \"{name}\", port = {port}"
        ));
    }
    if crate::pattern::is_domain(host) {
        Ok(())
    } else {
        Err(format!("`{text}` is none of {forms}"))
    }
}
