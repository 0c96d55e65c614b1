//! `[[plugins.routing.routes]]`: what an operator writes, checked before it is used. The first route that matches wins.

use std::fmt;
use std::net::IpAddr;

use baton_sdk::{Attempt, Route, TlsDemand};
use serde::Deserialize;
use serde::de::{self, Deserializer, SeqAccess, Visitor};

use crate::pattern::Pattern;

/// `[plugins.routing]`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Table {
    routes: Vec<Entry>,
}

/// One `[[routes]]`: conditions, then where to. A condition that is not written holds always.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct Entry {
    #[serde(deserialize_with = "one_or_many")]
    domain: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    site: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    sender_domain: Vec<String>,
    #[serde(deserialize_with = "one_or_many")]
    account: Vec<String>,
    /// "key=value", or "key" for any value.
    #[serde(deserialize_with = "one_or_many")]
    tag: Vec<String>,

    next_hop: Option<String>,
    port: Option<u16>,
    egress_pool: Option<String>,
    egress_pools: Vec<Pool>,
    queue: Option<String>,
    priority: Option<u8>,
    tls: Option<Tls>,
}

/// One of several pools that share the mail of a route.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Pool {
    name: String,
    weight: u32,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Tls {
    Never,
    May,
    Encrypt,
    Verify,
}

impl Table {
    /// What is wrong in it, in words for the operator.
    pub fn check(&self) -> Result<(), String> {
        let mut for_all: Option<usize> = None;
        for (position, entry) in self.routes.iter().enumerate() {
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

    /// The route of that attempt; `tag` looks up a tag of the message.
    pub fn route(&self, attempt: &Attempt, tag: impl Fn(&str) -> Option<String>) -> Option<Route> {
        let entry = self
            .routes
            .iter()
            .find(|entry| entry.matches(attempt, &tag))?;
        Some(entry.route(&attempt.message))
    }
}

impl Entry {
    fn check(&self) -> Result<(), String> {
        for (key, list) in [
            ("domain", &self.domain),
            ("site", &self.site),
            ("sender-domain", &self.sender_domain),
        ] {
            for pattern in list {
                Pattern::new(pattern)
                    .check()
                    .map_err(|text| format!("{key}: {text}"))?;
            }
        }
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

    fn takes_all(&self) -> bool {
        let any = |patterns: &[String]| {
            patterns.is_empty() || patterns.iter().any(|pattern| pattern == "*")
        };
        any(&self.domain)
            && any(&self.site)
            && any(&self.sender_domain)
            && self.account.is_empty()
            && self.tag.is_empty()
    }

    fn matches(&self, attempt: &Attempt, tag: &impl Fn(&str) -> Option<String>) -> bool {
        let sender = attempt.sender.as_ref().map_or("", |sender| &sender.domain);
        let account = attempt.account.as_deref().unwrap_or_default();
        let holds = |patterns: &[String], domain: &str| {
            patterns.is_empty()
                || patterns
                    .iter()
                    .any(|pattern| Pattern::new(pattern).matches(domain))
        };
        let has_tag = |wanted: &String| match wanted.split_once('=') {
            Some((key, value)) => tag(key).is_some_and(|found| found == value),
            None => tag(wanted).is_some(),
        };
        holds(&self.domain, &attempt.recipient.domain)
            && holds(&self.site, &attempt.site)
            && holds(&self.sender_domain, sender)
            && (self.account.is_empty() || self.account.iter().any(|wanted| wanted == account))
            && self.tag.iter().all(has_tag)
    }

    fn route(&self, message: &str) -> Route {
        Route {
            next_hop: self.next_hop.clone(),
            port: self.port,
            egress_pool: self
                .egress_pool
                .clone()
                .or_else(|| weighted(&self.egress_pools, message)),
            queue: self.queue.clone(),
            priority: self.priority,
            tls: self.tls.map(|tls| match tls {
                Tls::Never => TlsDemand::Never,
                Tls::May => TlsDemand::May,
                Tls::Encrypt => TlsDemand::Encrypt,
                Tls::Verify => TlsDemand::Verify,
            }),
        }
    }
}

/// The message's id decides, so that every attempt of a message takes the same pool and all recipients of it share one.
fn weighted(pools: &[Pool], message: &str) -> Option<String> {
    let total: u64 = pools.iter().map(|pool| u64::from(pool.weight)).sum();
    if total == 0 {
        return None;
    }
    let mut point = fnv1a(message) % total;
    for pool in pools {
        let weight = u64::from(pool.weight);
        if point < weight {
            return Some(pool.name.clone());
        }
        point -= weight;
    }
    None
}

/// FNV-1a and a final mixing: even over ids that differ in their last characters alone.
fn fnv1a(text: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in text.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
    }
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash ^ hash >> 32
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

/// A text, or a list of texts.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    struct Either;

    impl<'de> Visitor<'de> for Either {
        type Value = Vec<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text or a list of texts")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(vec![text.to_owned()])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut texts = Vec::new();
            while let Some(text) = list.next_element()? {
                texts.push(text);
            }
            if texts.is_empty() {
                return Err(de::Error::custom(
                    "an empty list matches nothing; leave the key out to match all",
                ));
            }
            Ok(texts)
        }
    }

    deserializer.deserialize_any(Either)
}
