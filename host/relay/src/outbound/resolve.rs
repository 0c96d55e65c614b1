//! From a next hop to the hosts that are tried, in order (RFC 5321 5.1, RFC 7505).

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;

use baton_hooks::{NextHop, RemoteReply, Stage};
use baton_smtp::EnhancedStatus;
use rand::Rng;
use rand::seq::SliceRandom;

use super::Failure;
use crate::config::IpFamilies;
use crate::dns::{DnsError, MailHosts, Mx, Resolver};

/// A host that may be tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    /// The name its certificate is checked for, or the address as text.
    pub name: String,
    /// Present where no name needs to be looked up.
    pub address: Option<IpAddr>,
}

impl Host {
    fn named(name: &str) -> Host {
        Host {
            name: name.to_owned(),
            address: None,
        }
    }

    fn literal(address: IpAddr) -> Host {
        Host {
            name: address.to_string(),
            address: Some(address),
        }
    }
}

/// The hosts for a next hop, in the order in which they are tried; never empty. `own_names` are the names of this relay:
/// it does not send to itself or to hosts behind it in its own domain's list.
pub async fn hosts(
    hop: &NextHop,
    resolver: &Resolver,
    own_names: &[String],
) -> Result<Vec<Host>, Failure> {
    let domain = match hop {
        NextHop::Address(address) => return Ok(vec![Host::literal(*address)]),
        NextHop::Host(host) => return Ok(vec![named_or_literal(host.as_str())]),
        NextHop::SmartHost(name) => return Ok(vec![named_or_literal(name)]),
        NextHop::Mx(domain) => domain,
    };
    if let Some(address) = domain.literal() {
        return Ok(vec![Host::literal(address)]);
    }
    match resolver.mail_hosts(domain.as_str()).await {
        Ok(MailHosts::Exchangers(records)) => {
            in_order(records, own_names, &mut rand::rng()).ok_or_else(loops_back)
        }
        Ok(MailHosts::Implicit) => Ok(vec![Host::named(domain.as_str())]),
        Ok(MailHosts::Null) => Err(Failure::without_reply(
            Stage::Dns,
            EnhancedStatus::new(5, 1, 10),
            "the domain takes no mail (null MX)",
        )),
        Err(error) => Err(of_dns(&error, EnhancedStatus::new(5, 1, 2))),
    }
}

/// Addresses of a host. `NoSuchName` and `NoData` are permanent for this host alone: another may take the mail.
pub async fn addresses(
    host: &Host,
    resolver: &Resolver,
    families: IpFamilies,
) -> Result<Vec<IpAddr>, Failure> {
    match host.address {
        Some(address) => Ok(vec![address]),
        None => resolver
            .addresses(&host.name, families)
            .await
            .map_err(|error| of_dns(&error, EnhancedStatus::new(5, 4, 4))),
    }
}

/// By preference, equals in random order, cut before the first that is ourselves (RFC 5321 5.1). `None` if nothing is
/// left: the mail has come home and nobody here takes it.
fn in_order(records: Vec<Mx>, own_names: &[String], chance: &mut impl Rng) -> Option<Vec<Host>> {
    let is_own = |mx: &Mx| {
        own_names
            .iter()
            .any(|name| name.eq_ignore_ascii_case(&mx.exchange))
    };
    let own_preference = records
        .iter()
        .filter(|mx| is_own(mx))
        .map(|mx| mx.preference)
        .min();
    let mut by_preference: BTreeMap<u16, Vec<Host>> = BTreeMap::new();
    for mx in records {
        if own_preference.is_none_or(|own| mx.preference < own) {
            // A literal where a name must be is wrong, and common enough to be taken.
            by_preference
                .entry(mx.preference)
                .or_default()
                .push(named_or_literal(&mx.exchange));
        }
    }
    let mut hosts = Vec::new();
    for (_, mut equals) in by_preference {
        equals.shuffle(chance);
        hosts.append(&mut equals);
    }
    (!hosts.is_empty()).then_some(hosts)
}

fn named_or_literal(name: &str) -> Host {
    match name.parse() {
        Ok(address) => Host::literal(address),
        Err(_) => Host::named(name),
    }
}

fn loops_back() -> Failure {
    Failure::without_reply(
        Stage::Dns,
        EnhancedStatus::new(5, 4, 6),
        "the mail exchanger of the domain is this relay, which does not serve it",
    )
}

fn of_dns(error: &DnsError, permanent: EnhancedStatus) -> Failure {
    let status = if error.is_permanent() {
        permanent
    } else {
        EnhancedStatus::new(4, 4, 3)
    };
    Failure {
        stage: Stage::Dns,
        reply: RemoteReply::failure(status, error.to_string()),
    }
}
