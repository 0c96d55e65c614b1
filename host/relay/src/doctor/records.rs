//! What the domains of this relay say of it: SPF, DKIM, DMARC, MX.

use std::collections::BTreeSet;

use baton_sign::Key;
use baton_sign::verify::sender_policy;

use super::{Finding, Source, Verdict};
use crate::config::Config;
use crate::dns::{DnsError, MailHosts, Resolver};
use crate::outbound::sts::{Mode, Sts};
use crate::signing::published;

pub(super) async fn all(
    config: &Config,
    sources: &[Source],
    resolver: &Resolver,
    policies: &Sts,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for domain in senders(config) {
        findings.extend(spf(config, &domain, sources, resolver).await);
    }
    if config.dkim.keys.is_empty() {
        let message = "no mail is signed: large providers ask for it";
        findings.push(
            Finding::new("dkim", &config.hostname, Verdict::Warning, message)
                .fix("`baton dkim new --domain example.net` makes a key"),
        );
    }
    for at in &config.dkim.keys {
        let name = baton_sign::record::name(&at.selector, &at.domain);
        findings.push(match Key::read(&at.file) {
            Err(error) => Finding::new("dkim", name, Verdict::Wrong, error.to_string()),
            Ok(key) => match published(resolver, at, &key).await {
                Ok(message) => Finding::new("dkim", name, Verdict::Ok, message),
                Err(message) => Finding::new("dkim", name, Verdict::Wrong, message)
                    .fix("publish what `baton dkim show` prints"),
            },
        });
    }
    for domain in authors(config) {
        findings.push(dmarc(&domain, resolver).await);
    }
    for domain in receivers(config) {
        findings.extend(sts(config, &domain, policies).await);
    }
    if let Some(return_path) = &config.return_path {
        findings.push(exchanger(config, &return_path.domain, resolver).await);
    }
    findings
}

/// Domains in MAIL FROM and EHLO.
fn senders(config: &Config) -> BTreeSet<String> {
    let mut domains = BTreeSet::from([config.delivery.ehlo.clone()]);
    match &config.return_path {
        Some(return_path) => {
            domains.insert(return_path.domain.clone());
        }
        None => domains.extend(authors(config)),
    }
    domains
}

/// Domains in From, as far as we know them: those that we have keys for.
fn authors(config: &Config) -> BTreeSet<String> {
    let keys = config.dkim.keys.iter();
    keys.map(|key| key.domain.clone()).collect()
}

/// Domains that this relay receives for, as far as they are named.
fn receivers(config: &Config) -> BTreeSet<String> {
    let served = config.relay.domains.iter();
    let mut domains: BTreeSet<String> = served
        .filter_map(|pattern| pattern.exact().map(str::to_owned))
        .collect();
    domains.extend(config.return_path.iter().map(|one| one.domain.clone()));
    domains
}

/// A policy that leaves this relay out keeps mail from coming. To have none is no mistake.
async fn sts(config: &Config, domain: &str, policies: &Sts) -> Option<Finding> {
    let told = |verdict, message: String| Finding::new("mta-sts", domain, verdict, message);
    Some(match policies.published(domain).await {
        Ok(None) => return None,
        Ok(Some(policy)) if policy.mode == Mode::None || policy.lists(&config.hostname) => {
            told(Verdict::Ok, "its policy allows this relay".into())
        }
        Ok(Some(_)) => told(
            Verdict::Wrong,
            format!("its policy does not list {}", config.hostname),
        )
        .fix(format!(
            "add mx: {} to it, and give its record a new id",
            config.hostname
        )),
        Err(error) => told(Verdict::Warning, error)
            .fix("publish the policy, or take the record _mta-sts away"),
    })
}

async fn spf(
    config: &Config,
    domain: &str,
    sources: &[Source],
    resolver: &Resolver,
) -> Vec<Finding> {
    let told = |verdict, message: String| Finding::new("spf", domain, verdict, message);
    let texts = match resolver.texts(domain).await {
        Ok(texts) => texts,
        Err(error) if error.is_permanent() => Vec::new(),
        Err(error) => return vec![told(Verdict::Skipped, error.to_string())],
    };
    let is_spf = |text: &&String| {
        let word = text.split(' ').next().unwrap_or_default();
        word.eq_ignore_ascii_case("v=spf1")
    };
    let allowed: Vec<String> = sources.iter().map(mechanism).collect();
    let fix = format!("publish TXT \"v=spf1 {} -all\"", allowed.join(" "));
    match texts.iter().filter(is_spf).count() {
        0 => {
            // The name in EHLO need not have one; mail with the null reverse-path is judged by it.
            let verdict = match domain == config.delivery.ehlo {
                true => Verdict::Warning,
                false => Verdict::Wrong,
            };
            return vec![told(verdict, "there is no SPF record".into()).fix(fix)];
        }
        1 => {}
        count => {
            let message = format!("there are {count} SPF records, and one is allowed");
            return vec![told(Verdict::Wrong, message).fix("leave one of them")];
        }
    }
    let dns = resolver.authenticator();
    let mut findings = Vec::new();
    for source in sources {
        let result = sender_policy(&dns, source.address, &source.name, domain).await;
        let subject = format!("{domain} from {}", source.address);
        findings.push(match result {
            "pass" => Finding::new("spf", subject, Verdict::Ok, "allowed"),
            "temperror" => {
                let message = "the record could not be followed now";
                Finding::new("spf", subject, Verdict::Skipped, message)
            }
            other => {
                let message = format!("the record does not allow it ({other})");
                Finding::new("spf", subject, Verdict::Wrong, message)
                    .fix(format!("add {} to the record", mechanism(source)))
            }
        });
    }
    findings
}

fn mechanism(source: &Source) -> String {
    let version = if source.address.is_ipv4() { 4 } else { 6 };
    format!("ip{version}:{}", source.address)
}

/// The domain's own record or one of a domain above it (RFC 9989 4.10).
async fn dmarc(domain: &str, resolver: &Resolver) -> Finding {
    let told = |verdict, message: String| Finding::new("dmarc", domain, verdict, message);
    let mut at = domain;
    loop {
        let name = format!("_dmarc.{at}");
        let texts = match resolver.texts(&name).await {
            Ok(texts) => texts,
            Err(error) if error.is_permanent() => Vec::new(),
            Err(error) => return told(Verdict::Skipped, error.to_string()),
        };
        let records: Vec<&String> = texts
            .iter()
            .filter(|text| text.trim_start().starts_with("v=DMARC1"))
            .collect();
        match records.as_slice() {
            [record] => {
                let tags: Vec<(&str, &str)> = record
                    .split(';')
                    .filter_map(|tag| tag.split_once('='))
                    .map(|(name, value)| (name.trim(), value.trim()))
                    .collect();
                let tag = |name: &str| tags.iter().find(|(known, _)| *known == name);
                return match (tag("p"), tag("rua")) {
                    (None, None) => told(Verdict::Wrong, format!("{name} has no policy (p=)"))
                        .fix("publish \"v=DMARC1; p=none; rua=mailto:...\" to begin with"),
                    (Some((_, "none")), None) => {
                        let message = format!("{name} asks for nothing and for no reports");
                        told(Verdict::Warning, message).fix("add rua=mailto:... to get reports")
                    }
                    (policy, _) => {
                        let policy = policy.map_or("none", |(_, policy)| policy);
                        told(Verdict::Ok, format!("{name} says {policy}"))
                    }
                };
            }
            [] => {}
            several => {
                let message = format!("{name} has {} records, and one is allowed", several.len());
                return told(Verdict::Wrong, message).fix("leave one of them");
            }
        }
        match at.split_once('.') {
            Some((_, above)) if above.contains('.') => at = above,
            _ => {
                let message = "there is no DMARC record: large providers ask for one".to_owned();
                return told(Verdict::Wrong, message).fix(format!(
                    "publish _dmarc.{domain} TXT \"v=DMARC1; p=none; rua=mailto:...\""
                ));
            }
        }
    }
}

/// Bounces come back to this relay.
async fn exchanger(config: &Config, domain: &str, resolver: &Resolver) -> Finding {
    let told = |verdict, message: String| Finding::new("return-path", domain, verdict, message);
    let fix = format!("publish {domain} MX 10 {}", config.hostname);
    match resolver.mail_hosts(domain).await {
        Ok(MailHosts::Exchangers(hosts)) => {
            let names: Vec<&str> = hosts.iter().map(|mx| mx.exchange.as_str()).collect();
            match names.contains(&config.hostname.as_str()) {
                true => told(Verdict::Ok, "its mail comes here".into()),
                false => {
                    let message = format!("its mail goes to {}", names.join(", "));
                    told(Verdict::Warning, message).fix(fix)
                }
            }
        }
        Ok(MailHosts::Implicit | MailHosts::Null) => {
            told(Verdict::Wrong, "it has no MX record".into()).fix(fix)
        }
        Err(DnsError::NoSuchName(_)) => {
            told(Verdict::Wrong, "the name does not exist".into()).fix(fix)
        }
        Err(error) => told(Verdict::Skipped, error.to_string()),
    }
}
