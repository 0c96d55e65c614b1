//! `[plugins]` and `[plugins.NAME]`: the host's keys are checked like everywhere, the plugin's own are handed over.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use baton_hooks::{InstanceScope, Limits, PluginSettings, Trial};
use serde_json::{Map, Value};
use toml::de::DeValue;

use super::raw::Section;
use super::read::values;
use super::{FaultPolicy, Grants, InstanceLife, PluginSection, PluginTrial, Plugins, Secrets};

pub(super) fn plugins(section: &Section<'_, '_>) -> Plugins {
    let dir = section.path("dir").and_then(|found| {
        if found.value.is_dir() {
            return Some(found.value);
        }
        let message = format!("{} is not a folder", found.value.display());
        section.wrong(
            found.span,
            "dir",
            message,
            Some("make it first; it may be empty"),
        );
        None
    });
    let mut sections = BTreeMap::new();
    for (name, below) in section.named_sections() {
        if !is_plugin_name(&name.value) {
            let hint = "a plugin is called as its file without .wasm: letters, digits, - _ and .";
            below.wrong(name.span, "", "this is no name of a plugin", Some(hint));
        }
        sections.insert(name.value, plugin(&below));
    }
    section.finish();
    Plugins {
        place: section.place(),
        dir,
        sections,
    }
}

impl From<&PluginSection> for PluginSettings {
    fn from(section: &PluginSection) -> PluginSettings {
        let usual = PluginSettings::default();
        let defaults = Limits::default();
        let secret = |(name, value): (&String, &String)| (name.clone(), Arc::from(value.as_str()));
        PluginSettings {
            enabled: section.enabled.unwrap_or(usual.enabled),
            order: section.order.unwrap_or(usual.order),
            fault: match section.fault {
                None => usual.fault,
                Some(FaultPolicy::Defer) => baton_hooks::FaultPolicy::Defer,
                Some(FaultPolicy::Skip) => baton_hooks::FaultPolicy::Skip,
                Some(FaultPolicy::Reject) => baton_hooks::FaultPolicy::Reject,
            },
            grants: baton_hooks::Grants {
                http: section.grants.http.clone(),
                dns: section.grants.dns,
                submit: section.grants.submit,
                kv_bytes_max: section.grants.kv_bytes.unwrap_or(usual.grants.kv_bytes_max),
                secrets: section.grants.secrets.clone(),
            },
            limits: Limits {
                cpu: section.cpu.unwrap_or(defaults.cpu),
                wall: section.wall.unwrap_or(defaults.wall),
                memory_bytes_max: section
                    .memory_bytes
                    .and_then(|bytes| usize::try_from(bytes).ok())
                    .unwrap_or(defaults.memory_bytes_max),
                ..defaults
            },
            instance: match section.instance {
                None => usual.instance,
                Some(InstanceLife::Transaction) => InstanceScope::Transaction,
                Some(InstanceLife::Session) => InstanceScope::Session,
            },
            config: serde_json::Value::Object(section.settings.clone())
                .to_string()
                .into(),
            secrets: section.secrets.0.iter().map(secret).collect(),
            trial: match section.trial {
                None | Some(PluginTrial::Shadow) => Trial::Shadow,
                Some(PluginTrial::Off) => Trial::Off,
                Some(PluginTrial::Canary(share)) => Trial::Canary(share),
            },
        }
    }
}

/// The whole text as the section of one plugin: for trying it out from the command line.
pub(super) fn alone(section: &Section<'_, '_>) -> PluginSection {
    plugin(section)
}

/// What a file's stem may be.
pub fn is_plugin_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && !name.starts_with('.')
}

fn plugin(section: &Section<'_, '_>) -> PluginSection {
    let faults = [
        ("defer", FaultPolicy::Defer),
        ("skip", FaultPolicy::Skip),
        ("reject", FaultPolicy::Reject),
    ];
    let lives = [
        ("transaction", InstanceLife::Transaction),
        ("session", InstanceLife::Session),
    ];
    let enabled = section.flag("enabled").map(|found| found.value);
    let order = section.get("order", |value| match value {
        DeValue::Integer(number) => i32::from_str_radix(number.as_str(), number.radix())
            .map_err(|_| format!("{} is too large", number.as_str())),
        other => Err(format!(
            "expected a whole number, found a {}",
            other.type_str()
        )),
    });
    let fault = section.choice("fault", &faults);
    let instance = section.choice("instance", &lives);
    let trial = trial(section);
    let grants = grants(&section.section("grants"));
    let secrets = secrets(&section.section("secrets"));
    let limits = section.section("limits");
    let millis = |key: &str, max: u64| limits.number(key, 1..=max).map(Duration::from_millis);
    let (cpu, wall) = (millis("cpu-ms", 60_000), millis("wall-ms", 600_000));
    let memory_bytes = limits
        .number::<u64>("memory-mib", 1..=4096)
        .map(|mib| mib << 20);
    limits.finish();
    let mut settings = Map::new();
    for (key, span, value) in section.rest() {
        match json(value) {
            Ok(value) => {
                settings.insert(key, value);
            }
            Err(message) => section.wrong(span, &key, message, None),
        }
    }
    PluginSection {
        place: section.place(),
        enabled,
        order: order.map(|found| found.value),
        fault,
        instance,
        grants,
        secrets,
        cpu,
        wall,
        memory_bytes,
        trial,
        settings,
    }
}

/// `shadow` or `canary`, and not both.
fn trial(section: &Section<'_, '_>) -> Option<PluginTrial> {
    let shadow = section.flag("shadow");
    let canary = section.parsed("canary", |text| {
        let number = text.strip_suffix('%').map(str::trim_end).unwrap_or("");
        match number.parse::<f64>() {
            Ok(percent) if (0.0..=100.0).contains(&percent) => Ok(percent / 100.0),
            _ => Err(format!("{text:?} is no share; write \"5%\"")),
        }
    });
    match (shadow, canary) {
        (Some(shadow), Some(_)) if shadow.value => {
            let hint = "a candidate is tried in one way: remove the other key";
            let message = "a candidate that serves is in nobody's shadow";
            section.wrong(shadow.span, "shadow", message, Some(hint));
            None
        }
        (_, Some(share)) => Some(PluginTrial::Canary(share.value)),
        (Some(shadow), None) if shadow.value => Some(PluginTrial::Shadow),
        (Some(_), None) => Some(PluginTrial::Off),
        (None, None) => None,
    }
}

fn grants(section: &Section<'_, '_>) -> Grants {
    let grants = Grants {
        http: values(section.list("http", |text| {
            let host = text.rsplit_once(':').map_or(text, |(host, port)| {
                if port.parse::<u16>().is_ok() {
                    host
                } else {
                    text
                }
            });
            let name = host.strip_prefix("*.").unwrap_or(host);
            match name.parse::<std::net::IpAddr>() {
                Ok(_) => Ok(text.to_owned()),
                Err(_) => super::network::host_name(name).map(|_| text.to_ascii_lowercase()),
            }
        })),
        dns: section.flag("dns").is_some_and(|found| found.value),
        submit: section.flag("submit").is_some_and(|found| found.value),
        kv_bytes: section.size("kv-bytes", 0),
        secrets: values(section.list("secrets", |text| Ok(text.to_owned()))),
    };
    section.finish();
    grants
}

fn secrets(section: &Section<'_, '_>) -> Secrets {
    let mut secrets = BTreeMap::new();
    for (name, span, value) in section.rest() {
        match value {
            DeValue::String(text) => {
                secrets.insert(name, text.clone().into_owned());
            }
            _ => section.wrong(span, &name, "a secret is a text", None),
        }
    }
    Secrets(secrets)
}

/// The value as the plugin sees it through `config.json()`.
fn json(value: &DeValue<'_>) -> Result<Value, String> {
    Ok(match value {
        DeValue::String(text) => Value::String(text.clone().into_owned()),
        DeValue::Integer(number) => Value::from(
            i64::from_str_radix(number.as_str(), number.radix())
                .map_err(|_| format!("{} is too large", number.as_str()))?,
        ),
        DeValue::Float(number) => {
            let float: f64 = number
                .as_str()
                .parse()
                .map_err(|_| "not a number".to_owned())?;
            serde_json::Number::from_f64(float)
                .map(Value::Number)
                .ok_or_else(|| "inf and nan have no form in JSON".to_owned())?
        }
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Datetime(time) => Value::String(time.to_string()),
        DeValue::Array(items) => Value::Array(
            items
                .iter()
                .map(|item| json(item.get_ref()))
                .collect::<Result<_, _>>()?,
        ),
        DeValue::Table(table) => Value::Object(
            table
                .iter()
                .map(|(key, value)| Ok((key.get_ref().to_string(), json(value.get_ref())?)))
                .collect::<Result<_, String>>()?,
        ),
    })
}
