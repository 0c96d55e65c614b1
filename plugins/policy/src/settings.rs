//! `[plugins.policy]`. Every list is empty where it is not written, and an empty list refuses nobody.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::matcher::{AddressPattern, Network};
use crate::rate::Rate;

/// The section as written.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct Written {
    rates: Vec<Rate>,
    senders: BTreeMap<String, Vec<String>>,
    check_from: Option<bool>,
    blocked_senders: Vec<String>,
    blocked_recipients: Vec<String>,
    blocked_ips: Vec<String>,
    exempt_accounts: Vec<String>,
    exempt_ips: Vec<String>,
}

/// The section, checked.
#[derive(Debug, Default)]
pub struct Settings {
    pub rates: Vec<Rate>,
    /// By account; "*" for accounts that are not named.
    pub senders: BTreeMap<String, Vec<AddressPattern>>,
    /// Whether the From field must be allowed too, not the envelope alone.
    pub check_from: bool,
    pub blocked_senders: Vec<AddressPattern>,
    pub blocked_recipients: Vec<AddressPattern>,
    pub blocked_ips: Vec<Network>,
    pub exempt_accounts: Vec<String>,
    pub exempt_ips: Vec<Network>,
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
        for (position, rate) in self.rates.iter().enumerate() {
            rate.check()
                .map_err(|text| format!("rate {}: {text}", position + 1))?;
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
            blocked_senders: addresses("blocked-senders", &self.blocked_senders)?,
            blocked_recipients: addresses("blocked-recipients", &self.blocked_recipients)?,
            blocked_ips: networks("blocked-ips", &self.blocked_ips)?,
            exempt_accounts: self.exempt_accounts,
            exempt_ips: networks("exempt-ips", &self.exempt_ips)?,
        })
    }
}

fn addresses(key: &str, list: &[String]) -> Result<Vec<AddressPattern>, String> {
    let read = |text: &String| AddressPattern::parse(text).map_err(|text| format!("{key}: {text}"));
    list.iter().map(read).collect()
}

fn networks(key: &str, list: &[String]) -> Result<Vec<Network>, String> {
    let read = |text: &String| Network::parse(text).map_err(|text| format!("{key}: {text}"));
    list.iter().map(read).collect()
}
