//! Rules as people write them: TOML files at build time, the plugin's own configuration table at run time.

use serde::Deserialize;
use std::collections::BTreeMap;

/// One file of rules.
#[derive(Deserialize, Default, Debug)]
#[serde(rename_all = "kebab-case", default)]
pub struct Source {
    /// Named groups of phrases, used as `@name` in patterns. A later file adds to a group of the same name.
    pub concept: BTreeMap<String, Vec<String>>,
    pub rule: Vec<RuleSource>,
    /// How much a status speaks for a reason beside what the words say.
    pub prior: Vec<PriorSource>,
    pub provider: Vec<ProviderSource>,
    /// Block lists; one that names itself more exactly stands before its more general kin.
    pub list: Vec<ListSource>,
}

/// A rule holds if one of `any` (if given) and all of `all` match, none of `none` does, and every condition holds.
#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct RuleSource {
    pub id: String,
    pub reason: String,
    /// The strongest rule wins: 0 to 127.
    pub score: u8,
    pub any: Vec<String>,
    pub all: Vec<String>,
    pub none: Vec<String>,
    /// "550", "5xx", "45x".
    pub code: Vec<String>,
    /// "5.1.1", "*.2.2", "5.7.*".
    pub status: Vec<String>,
    pub stage: Vec<String>,
    pub provider: Vec<String>,
    pub disposition: Option<String>,
    pub scope: Option<String>,
    /// "none", "suppress", "retry", "retry:600", "back-off:600", "suspend:3600", "rotate-egress".
    pub advice: Option<String>,
    pub explanation: Option<String>,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
pub struct PriorSource {
    pub status: String,
    pub reason: String,
    pub points: i8,
}

#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, default)]
pub struct ProviderSource {
    pub id: String,
    /// Ends of host names: "google.com" fits "google.com" and "mx.google.com".
    pub hosts: Vec<String>,
    /// Patterns in the reply that only this provider uses.
    pub text: Vec<String>,
}

#[derive(Deserialize, Default, Debug)]
#[serde(deny_unknown_fields, default)]
pub struct ListSource {
    pub name: String,
    /// Patterns that name it.
    pub text: Vec<String>,
}

/// The stages of the contract, in its order.
pub const STAGES: [&str; 10] = [
    "dns",
    "connect",
    "greeting",
    "ehlo",
    "tls",
    "auth",
    "mail-from",
    "rcpt-to",
    "data",
    "end-of-data",
];
