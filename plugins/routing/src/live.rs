//! Tables in key-value, which an operator changes while mail flows (`baton plugin kv set routing KEY VALUE`, or the API):
//!
//! | key | value |
//! |---|---|
//! | `routes` | a list of routes as JSON, asked before those of the configuration |
//! | `routes/ACCOUNT` | the same for the mail of one account |
//! | `domain/DOMAIN` | one route for a recipient's domain; as many as you like |
//! | `alias/ADDRESS`, `alias/@DOMAIN` | a text or a list of addresses |
//! | `alias/ACCOUNT/ADDRESS` | the same for the mail of one account |
//! | `suspend/POOL` | any text: the pool takes nothing as long as the key is there |
//!
//! A value that makes no sense is a fault that says so, and mail waits: it must not go where it should not because of a typo.

use baton_sdk::serde_json;
use baton_sdk::{Error, Result, kv};
use serde::de::DeserializeOwned;

use crate::alias::Targets;
use crate::entry::{self, Entry};

/// Routes for all mail, or for that account's.
pub fn routes(account: Option<&str>) -> Result<Vec<Entry>> {
    let key = match account {
        Some(account) => format!("routes/{account}"),
        None => "routes".to_owned(),
    };
    let entries: Vec<Entry> = read(&key)?.unwrap_or_default();
    entry::check_all(&entries).map_err(|text| wrong(&key, &text))?;
    Ok(entries)
}

/// The route of that recipient domain.
pub fn domain(domain: &str) -> Result<Option<Entry>> {
    let key = format!("domain/{domain}");
    let entry: Option<Entry> = read(&key)?;
    if let Some(entry) = &entry {
        entry.check().map_err(|text| wrong(&key, &text))?;
    }
    Ok(entry)
}

/// What `name` (an address, or `@` and a domain) stands for.
pub fn alias(account: Option<&str>, name: &str) -> Result<Option<Targets>> {
    let key = match account {
        Some(account) => format!("alias/{account}/{name}"),
        None => format!("alias/{name}"),
    };
    let targets: Option<Targets> = match kv::get_string(&key)? {
        Some(text) if !text.trim_start().starts_with(['[', '"']) => Some(Targets::one(text)),
        Some(text) => Some(parse(&key, &text)?),
        None => None,
    };
    if let Some(targets) = &targets {
        targets.check().map_err(|text| wrong(&key, &text))?;
    }
    Ok(targets)
}

/// Whether an operator took that pool out.
pub fn is_suspended(pool: &str) -> Result<bool> {
    Ok(kv::get(&format!("suspend/{pool}"))?.is_some())
}

fn read<T: DeserializeOwned>(key: &str) -> Result<Option<T>> {
    // A key that is too long for the store holds nothing.
    match kv::get_string(key) {
        Ok(Some(text)) => parse(key, &text).map(Some),
        Ok(None) | Err(kv::Error::TooLarge) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn parse<T: DeserializeOwned>(key: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| wrong(key, &error.to_string()))
}

fn wrong(key: &str, text: &str) -> Error {
    Error::new(format!("key-value `{key}`: {text}"))
}
