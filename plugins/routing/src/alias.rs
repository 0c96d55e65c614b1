//! Addresses that stand for others: aliases, rewritten domains, catch-alls.
//!
//! `ann@a.test` is looked up first, then `@a.test`, the catch-all, then `@.test` for every domain below. A target is an address,
//! or `@` and a domain: the same local part there. Targets are looked up in turn, an address without its domain's catch-all; one
//! that leads back is taken as it is.

use std::collections::BTreeMap;

use baton_sdk::{Mailbox, Result, bail};
use serde::Deserialize;

use crate::live;
use crate::pattern::{self, one_or_many};
use crate::settings::Settings;

/// Aliases of aliases.
const DEPTH_MAX: usize = 8;
/// Mailboxes of one recipient; the relay takes no more either.
const TARGETS_MAX: usize = 100;

/// By address, or `@` and a domain, in lower case.
#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
pub struct Aliases(BTreeMap<String, Targets>);

/// What one of them stands for.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Targets(#[serde(deserialize_with = "one_or_many")] Vec<String>);

/// What becomes of a recipient.
#[derive(Debug, PartialEq)]
pub enum Resolved {
    Itself,
    To(Vec<Mailbox>),
    /// Its domain is one where everybody has an alias, and it has none.
    Nobody,
}

impl Targets {
    pub fn one(text: String) -> Self {
        Self(vec![text.trim().to_owned()])
    }

    /// What is wrong with them.
    pub fn check(&self) -> Result<(), String> {
        if self.0.len() > TARGETS_MAX {
            return Err(format!("more than {TARGETS_MAX} targets"));
        }
        for target in &self.0 {
            let is_good = match target.rsplit_once('@') {
                Some((local, domain)) => is_local(local) && pattern::is_domain(domain),
                None => false,
            };
            if !is_good {
                return Err(format!(
                    "`{target}` is no address and no \"@domain\" to keep the local part in"
                ));
            }
        }
        Ok(())
    }
}

impl Aliases {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is wrong with them.
    pub fn check(&self) -> Result<(), String> {
        for (name, targets) in &self.0 {
            let is_good = name.rsplit_once('@').is_some_and(|(local, domain)| {
                let domain = match local {
                    "" => domain.strip_prefix('.').unwrap_or(domain),
                    _ => domain,
                };
                is_local(local) && pattern::is_domain(domain)
            });
            if !is_good {
                return Err(format!(
                    "`{name}` is no address, no \"@domain\" and no \"@.domain\""
                ));
            }
            if *name != name.to_ascii_lowercase() {
                return Err(format!(
                    "`{name}` must be in lower case; it is compared without regard to case"
                ));
            }
            targets.check().map_err(|text| format!("{name}: {text}"))?;
        }
        Ok(())
    }
}

fn is_local(local: &str) -> bool {
    local.len() <= 64 && !local.contains(|c: char| c.is_control() || c.is_whitespace())
}

/// Whom that recipient stands for, by the account's own aliases and then by those for all.
pub fn resolve(
    settings: &Settings,
    account: Option<&str>,
    recipient: &Mailbox,
) -> Result<Resolved> {
    let mut found = Vec::new();
    let mut path = Vec::new();
    follow(settings, account, recipient, true, &mut path, &mut found)?;
    if found.len() == 1 && found[0] == *recipient {
        // Nobody said that it stands for itself: only then is it unknown where all are known.
        let is_alias = find(settings, account, recipient, true)?.is_some();
        let nobody = !is_alias && settings.is_closed(&recipient.domain);
        return Ok(if nobody {
            Resolved::Nobody
        } else {
            Resolved::Itself
        });
    }
    Ok(Resolved::To(found))
}

fn follow(
    settings: &Settings,
    account: Option<&str>,
    address: &Mailbox,
    is_loose: bool,
    path: &mut Vec<Mailbox>,
    found: &mut Vec<Mailbox>,
) -> Result<()> {
    let leads_back = path.contains(address) || path.len() >= DEPTH_MAX;
    let targets = match leads_back {
        true => None,
        false => find(settings, account, address, is_loose)?,
    };
    let Some(targets) = targets else {
        if !found.contains(address) {
            if found.len() >= TARGETS_MAX {
                bail!("{} stands for more than {TARGETS_MAX} mailboxes", path[0]);
            }
            found.push(address.clone());
        }
        return Ok(());
    };
    path.push(address.clone());
    for target in &targets.0 {
        // A mailbox that an alias names is meant: no catch-all takes it.
        let (target, is_loose) = match target.strip_prefix('@') {
            Some(domain) => {
                let local = address.local.clone();
                let domain = domain.to_ascii_lowercase();
                (Mailbox { local, domain }, true)
            }
            None => (target.parse()?, false),
        };
        follow(settings, account, &target, is_loose, path, found)?;
    }
    path.pop();
    Ok(())
}

/// The closest alias: the address and, where `is_loose`, its domain or a domain above.
fn find(
    settings: &Settings,
    account: Option<&str>,
    address: &Mailbox,
    is_loose: bool,
) -> Result<Option<Targets>> {
    let local = address.local.to_ascii_lowercase();
    let domain = address.domain.to_ascii_lowercase();
    let tenant = account.and_then(|account| settings.tenants.get(account));
    let look = |name: &str, is_live: bool| -> Result<Option<Targets>> {
        if is_live
            && let Some(account) = account
            && let Some(found) = live::alias(Some(account), name)?
        {
            return Ok(Some(found));
        }
        if let Some(found) = tenant.and_then(|tenant| tenant.aliases.0.get(name)) {
            return Ok(Some(found.clone()));
        }
        if is_live && let Some(found) = live::alias(None, name)? {
            return Ok(Some(found));
        }
        Ok(settings.aliases.0.get(name).cloned())
    };
    if let Some(found) = look(&format!("{local}@{domain}"), true)? {
        return Ok(Some(found));
    }
    if !is_loose {
        return Ok(None);
    }
    if let Some(found) = look(&format!("@{domain}"), true)? {
        return Ok(Some(found));
    }
    let mut rest = domain.as_str();
    while let Some((_, above)) = rest.split_once('.') {
        if let Some(found) = look(&format!("@.{above}"), false)? {
            return Ok(Some(found));
        }
        rest = above;
    }
    Ok(None)
}
