//! `[plugins.policy]`. Every list is empty where it is not written, and an empty list refuses nobody.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::action::Action;
use crate::attachment::Attachments;
use crate::brand::{Brand, Impersonation};
use crate::content::Content;
use crate::lists::BlockList;
use crate::matcher::{AddressPattern, Network};
use crate::rate::Rate;
use crate::reputation::Reputation;
use crate::scanner::Scanner;
use crate::who::SharedHosts;

/// The section as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct Written {
    rates: Vec<Rate>,
    senders: BTreeMap<String, Vec<String>>,
    check_from: Option<bool>,
    from_not_allowed: Option<Action>,
    blocked_senders: Vec<String>,
    blocked_recipients: Vec<String>,
    blocked_ips: Vec<String>,
    exempt_accounts: Vec<String>,
    exempt_ips: Vec<String>,
    shared_accounts: Vec<String>,
    shared_ips: Vec<String>,
    traps: Vec<String>,
    trap_action: Option<Action>,
    block_lists: Vec<BlockList>,
    brands: Vec<Brand>,
    impersonation: Impersonation,
    authentication: BTreeMap<String, Action>,
    attachments: Attachments,
    content: Content,
    scanner: Option<Scanner>,
    reputation: Option<Reputation>,
}

/// The section, checked.
#[derive(Debug)]
pub struct Settings {
    pub rates: Vec<Rate>,
    /// By account; "*" for accounts that are not named.
    pub senders: BTreeMap<String, Vec<AddressPattern>>,
    /// Whether the From field must be allowed too, not the envelope alone.
    pub check_from: bool,
    /// What is done about a sender or author that the account may not name.
    pub from_not_allowed: Action,
    pub blocked_senders: Vec<AddressPattern>,
    pub blocked_recipients: Vec<AddressPattern>,
    pub blocked_ips: Vec<Network>,
    pub exempt_accounts: Vec<String>,
    pub exempt_ips: Vec<Network>,
    pub shared_hosts: SharedHosts,
    pub traps: Vec<AddressPattern>,
    pub trap_action: Action,
    pub block_lists: Vec<BlockList>,
    pub brands: Vec<Brand>,
    pub impersonation: Impersonation,
    /// By method and result, such as ("dmarc", "fail").
    pub authentication: Vec<((String, String), Action)>,
    pub attachments: Attachments,
    pub content: Content,
    pub scanner: Option<Scanner>,
    pub reputation: Option<Reputation>,
}

impl Settings {
    /// Reads the section; what is wrong in it, in words for the operator.
    pub fn read() -> baton_sdk::Result<Self> {
        let written: Written = baton_sdk::config::read()?;
        written
            .check()
            .map_err(|text| baton_sdk::Error::new(format!("configuration: {text}")))
    }
}

impl Written {
    fn check(self) -> Result<Settings, String> {
        numbered("rate", &self.rates, Rate::check)?;
        numbered("block list", &self.block_lists, BlockList::check)?;
        numbered("brand", &self.brands, Brand::check)?;
        let place = |name: &'static str| move |text: String| format!("{name}: {text}");
        self.attachments.check().map_err(place("attachments"))?;
        self.content.check().map_err(place("content"))?;
        if let Some(scanner) = &self.scanner {
            scanner.check().map_err(place("scanner"))?;
        }
        if let Some(reputation) = &self.reputation {
            reputation.check().map_err(place("reputation"))?;
        }
        let mut senders = BTreeMap::new();
        for (account, list) in &self.senders {
            senders.insert(
                account.clone(),
                addresses(&format!("senders of {account}"), list)?,
            );
        }
        Ok(Settings {
            rates: self.rates,
            senders,
            check_from: self.check_from.unwrap_or(true),
            from_not_allowed: self.from_not_allowed.unwrap_or(Action::Reject),
            blocked_senders: addresses("blocked-senders", &self.blocked_senders)?,
            blocked_recipients: addresses("blocked-recipients", &self.blocked_recipients)?,
            blocked_ips: networks("blocked-ips", &self.blocked_ips)?,
            exempt_accounts: self.exempt_accounts,
            exempt_ips: networks("exempt-ips", &self.exempt_ips)?,
            shared_hosts: SharedHosts {
                accounts: self.shared_accounts,
                networks: networks("shared-ips", &self.shared_ips)?,
            },
            traps: addresses("traps", &self.traps)?,
            trap_action: self.trap_action.unwrap_or(Action::Reject),
            block_lists: self.block_lists,
            brands: self.brands,
            impersonation: self.impersonation,
            authentication: authentication(self.authentication)?,
            attachments: self.attachments,
            content: self.content,
            scanner: self.scanner,
            reputation: self.reputation,
        })
    }
}

fn numbered<T>(
    name: &str,
    list: &[T],
    check: impl Fn(&T) -> Result<(), String>,
) -> Result<(), String> {
    for (position, one) in list.iter().enumerate() {
        check(one).map_err(|text| format!("{name} {}: {text}", position + 1))?;
    }
    Ok(())
}

/// A method and its result (RFC 8601), and what is done about it.
type OnResult = ((String, String), Action);

/// Keys are written `method=result`.
fn authentication(written: BTreeMap<String, Action>) -> Result<Vec<OnResult>, String> {
    const METHODS: [&str; 4] = ["spf", "dkim", "dmarc", "arc"];
    const RESULTS: [&str; 8] = [
        "none",
        "pass",
        "fail",
        "softfail",
        "neutral",
        "policy",
        "temperror",
        "permerror",
    ];
    let read = |(key, action): (String, Action)| {
        let (method, result) = key.split_once('=').unwrap_or_default();
        if !METHODS.contains(&method) || !RESULTS.contains(&result) {
            return Err(format!(
                "authentication: `{key}` is no method and result such as \"dmarc=fail\" ({}; {})",
                METHODS.join(", "),
                RESULTS.join(", ")
            ));
        }
        Ok(((method.to_owned(), result.to_owned()), action))
    };
    written.into_iter().map(read).collect()
}

fn addresses(key: &str, list: &[String]) -> Result<Vec<AddressPattern>, String> {
    let read = |text: &String| AddressPattern::parse(text).map_err(|text| format!("{key}: {text}"));
    list.iter().map(read).collect()
}

fn networks(key: &str, list: &[String]) -> Result<Vec<Network>, String> {
    let read = |text: &String| Network::parse(text).map_err(|text| format!("{key}: {text}"));
    list.iter().map(read).collect()
}
