//! What the relay calls itself, and whether its addresses say the same.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::{Finding, Source, Verdict};
use crate::config::{Config, IpFamilies};
use crate::dns::{DnsError, Resolver};

/// The name in EHLO must lead to an address (RFC 5321 4.1.1.1).
pub(super) async fn hostname(config: &Config, resolver: &Resolver) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in names(config) {
        if !name.contains('.') {
            let message = "it is no name that others know";
            findings.push(
                Finding::new("hostname", &name, Verdict::Wrong, message)
                    .fix("set hostname to a full name, such as relay.example.net"),
            );
            continue;
        }
        findings.push(match resolver.addresses(&name, IpFamilies::Both).await {
            Ok(found) => {
                let list: Vec<String> = found.iter().map(IpAddr::to_string).collect();
                Finding::new("hostname", &name, Verdict::Ok, list.join(", "))
            }
            Err(error) if error.is_permanent() => {
                let message = "the DNS has no address for it";
                Finding::new("hostname", &name, Verdict::Wrong, message)
                    .fix("publish an A or AAAA record for it")
            }
            Err(error) => Finding::new("hostname", &name, Verdict::Skipped, error.to_string()),
        });
    }
    findings
}

fn names(config: &Config) -> BTreeSet<String> {
    let egresses = config.delivery.egresses.values();
    let mut names: BTreeSet<String> = egresses.filter_map(|egress| egress.ehlo.clone()).collect();
    names.insert(config.hostname.clone());
    names.insert(config.delivery.ehlo.clone());
    names
}

/// The configured egresses; without any, the addresses of the name in EHLO.
pub(super) async fn sources(config: &Config, resolver: &Resolver) -> Vec<Source> {
    let ehlo = &config.delivery.ehlo;
    if config.delivery.egresses.is_empty() {
        let addresses = resolver.addresses(ehlo, config.delivery.families).await;
        return addresses
            .unwrap_or_default()
            .into_iter()
            .map(|address| Source {
                address,
                name: ehlo.clone(),
            })
            .collect();
    }
    let egresses = config.delivery.egresses.values();
    egresses
        .map(|egress| Source {
            address: egress.address,
            name: egress.ehlo.as_ref().unwrap_or(ehlo).clone(),
        })
        .collect()
}

/// The address has a name, the name leads back, and it is the one in EHLO: large providers refuse the rest.
pub(super) async fn reverse(source: &Source, resolver: &Resolver) -> Finding {
    let told = |verdict, message: String| Finding::new("ptr", source.address, verdict, message);
    let names = match resolver.names(source.address).await {
        Ok(names) => names,
        Err(DnsError::NoSuchName(_) | DnsError::NoData(_)) => {
            let fix = format!(
                "ask who gave you the address for a PTR record to {}",
                source.name
            );
            return told(Verdict::Wrong, "the address has no name".into()).fix(fix);
        }
        Err(error) => return told(Verdict::Skipped, error.to_string()),
    };
    match resolver.confirmed_name(source.address).await {
        Ok(Some(_)) if names.contains(&source.name) => told(Verdict::Ok, source.name.clone()),
        Ok(Some(name)) => {
            let message = format!("its name is {name}, and the relay says {}", source.name);
            let fix = format!("set ehlo to {name}, or the PTR record to {}", source.name);
            told(Verdict::Warning, message).fix(fix)
        }
        Ok(None) => {
            let message = format!("its name {} does not lead back to it", names.join(", "));
            let fix = format!("publish {} for {}", source.address, source.name);
            told(Verdict::Wrong, message).fix(fix)
        }
        Err(error) => told(Verdict::Skipped, error.to_string()),
    }
}
