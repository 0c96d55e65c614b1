//! `[dkim]` and `[[dkim.key]]`.

use std::path::PathBuf;
use std::time::Duration;

use baton_sign::{Algorithm, Key};

use super::network;
use super::raw::{Located, Section};

/// Whose mail is signed, and with which keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dkim {
    pub keys: Vec<DkimKey>,
    /// The domain that signs where the author's has no key.
    pub default: Option<String>,
    /// A domain that signs beside the author's.
    pub always: Option<String>,
    /// The domain whose key seals mail of others that is passed on (ARC).
    pub seal: Option<String>,
    /// Names of fields that are covered beside the usual ones.
    pub headers: Vec<String>,
    /// How long a signature is valid; for ever if zero.
    pub valid_for: Duration,
}

/// One `[[dkim.key]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DkimKey {
    /// In lower case.
    pub domain: String,
    pub selector: String,
    pub file: PathBuf,
    /// When it begins to sign, in seconds since 1970.
    pub from: u64,
}

pub(super) fn dkim(section: &Section<'_, '_>) -> Dkim {
    let mut seen: Vec<(String, String)> = Vec::new();
    let mut kinds: Vec<(String, Algorithm, u64)> = Vec::new();
    let mut keys = Vec::new();
    for one in section.sections("key") {
        keys.extend(key(&one, &mut seen, &mut kinds));
    }
    let default = section.parsed("default", network::host_name);
    let always = section.parsed("always", network::host_name);
    let seal = section.parsed("seal", network::host_name);
    let headers = section.list("headers", field_name);
    let valid_for = section.duration(
        "valid-for",
        Duration::ZERO,
        Duration::from_secs(400 * 86_400),
    );
    section.finish();
    for (name, domain) in [("default", &default), ("always", &always), ("seal", &seal)] {
        if let Some(Located { value, span }) = domain
            && !seen.iter().any(|(domain, _)| domain == value)
        {
            let message = format!("there is no key for {value}");
            let hint = "add [[dkim.key]] with that domain";
            section.wrong(span.clone(), name, message, Some(hint));
        }
    }
    Dkim {
        keys,
        default: default.map(|found| found.value),
        always: always.map(|found| found.value),
        seal: seal.map(|found| found.value),
        headers: super::read::values(headers),
        valid_for: valid_for.map_or(Duration::ZERO, |found| found.value),
    }
}

fn key(
    section: &Section<'_, '_>,
    seen: &mut Vec<(String, String)>,
    kinds: &mut Vec<(String, Algorithm, u64)>,
) -> Option<DkimKey> {
    let domain = section.parsed("domain", network::host_name);
    let selector = section.parsed("selector", network::host_name);
    let file = section.path("file");
    let from = section.parsed("from", moment);
    let active = section.flag("active");
    section.finish();
    for (name, is_there) in [
        ("domain", domain.is_some()),
        ("selector", selector.is_some()),
        ("file", file.is_some()),
    ] {
        if !is_there && section.get(name, |_| Ok(())).is_none() {
            let hint = "`baton dkim new` makes a key and prints this section";
            let message = format!("the key has no {name}");
            section.wrong(section.span(), name, message, Some(hint));
        }
    }
    let (domain, selector, file) = (domain?, selector?, file?);
    let from = from.map_or(0, |found| found.value);
    let name = (domain.value.clone(), selector.value.clone());
    if seen.contains(&name) {
        let message = format!("{} has another key with this selector", domain.value);
        let hint = "each key of a domain has a selector of its own";
        section.wrong(selector.span.clone(), "selector", message, Some(hint));
    }
    seen.push(name);
    if active.is_some_and(|found| !found.value) {
        return None;
    }
    match Key::read(&file.value) {
        Ok(key) => {
            let kind = (domain.value.clone(), key.algorithm(), from);
            if kinds.contains(&kind) {
                let message = format!(
                    "two keys of {} with {} begin to sign at the same time",
                    domain.value,
                    key.algorithm().name()
                );
                let hint =
                    "give the newer one from = \"2026-02-01\", or the older one active = false";
                section.wrong(section.span(), "from", message, Some(hint));
            }
            kinds.push(kind);
        }
        Err(error) => section.wrong(file.span, "file", error.to_string(), None),
    }
    Some(DkimKey {
        domain: domain.value,
        selector: selector.value,
        file: file.value,
        from,
    })
}

/// A day, which begins at midnight UTC, or a time of one; as seconds since 1970.
fn moment(text: &str) -> Result<u64, String> {
    let error =
        || format!("{text:?} is not a time; write \"2026-02-01\" or \"2026-02-01T12:00:00Z\"");
    let timestamp = match text.parse::<jiff::civil::Date>() {
        Ok(date) if text.len() <= 10 => {
            let midnight = date.to_zoned(jiff::tz::TimeZone::UTC);
            midnight.map_err(|_| error())?.timestamp()
        }
        _ => text.parse::<jiff::Timestamp>().map_err(|_| error())?,
    };
    u64::try_from(timestamp.as_second()).map_err(|_| error())
}

/// RFC 5322 3.6.8. Trace fields change on the way, and a signature over them would break.
fn field_name(text: &str) -> Result<String, String> {
    const TRACE: [&str; 4] = [
        "Received",
        "Return-Path",
        "DKIM-Signature",
        "Authentication-Results",
    ];
    let fits = text.bytes().all(|b| matches!(b, 33..=57 | 59..=126));
    if text.is_empty() || text.len() > 76 || !fits || text.contains(';') {
        return Err(format!("{text:?} is not the name of a field"));
    }
    if TRACE.iter().any(|trace| trace.eq_ignore_ascii_case(text)) {
        return Err(format!("{text} changes on the way and cannot be covered"));
    }
    Ok(text.to_owned())
}
