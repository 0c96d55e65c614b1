//! From a text to a [`Config`]: the order of sections, the small ones, and what must hold between several of them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::raw::{Located, Problem, Reader, Section};
use super::{
    Account, Certificate, Config, DefaultRoute, Dns, Limits, Log, LogFormat, Mode, Network,
    PluginSection, Relay, Suppression, account, alerts, delivery, dkim, http, listener, network,
    plugins, return_path, webhook,
};

/// A server in production keeps its state here.
const STATE: &str = "/var/lib/baton";

/// What holds where a key is absent.
pub(super) fn defaults() -> Config {
    let reader = Reader::new("", Path::new("."));
    let table = reader.parse();
    sections(&reader.root(&table))
}

/// Every mistake, or the configuration.
pub(super) fn read(text: &str, base: &Path) -> Result<Config, Vec<Problem>> {
    let reader = Reader::new(text, base);
    let table = reader.parse();
    let root = reader.root(&table);
    let config = sections(&root);
    if config.listeners.is_empty() && root.sections("listener").is_empty() {
        let hint = "add [[listener]] with name and address";
        root.wrong(0..0, "listener", "there is no listener", Some(hint));
    }
    root.finish();
    drop(root);
    let problems = reader.into_problems();
    if problems.is_empty() {
        Ok(config)
    } else {
        Err(problems)
    }
}

/// The section of one plugin, in a configuration or in a file that has nothing else; the rest is not looked at.
pub(super) fn plugin(text: &str, name: &str) -> Result<PluginSection, Vec<Problem>> {
    let reader = Reader::new(text, Path::new("."));
    let table = reader.parse();
    let root = reader.root(&table);
    let is_alone = !table.contains_key("plugins") && !table.contains_key("listener");
    let section = if is_alone {
        plugins::alone(&root)
    } else {
        let all = root.section("plugins");
        plugins::alone(&all.section(name))
    };
    let problems = reader.into_problems();
    if problems.is_empty() {
        Ok(section)
    } else {
        Err(problems)
    }
}

/// Every key that [`read`] asks for when each section is present: "listener[].address".
#[cfg(test)]
pub(super) fn keys(text: &str, base: &Path) -> std::collections::BTreeSet<String> {
    let reader = Reader::new(text, base);
    let table = reader.parse();
    sections(&reader.root(&table));
    reader.asked()
}

fn sections(root: &Section<'_, '_>) -> Config {
    let hostname = root
        .parsed("hostname", network::host_name)
        .map_or_else(system_hostname, |found| found.value);
    let state = root
        .path("state")
        .map_or_else(|| PathBuf::from(STATE), |found| found.value);
    let log = log(&root.section("log"));
    let tls = tls(&root.section("tls"));
    let relay = relay(&root.section("relay"));
    let accounts = accounts(root.sections("account"));
    let listeners = listener::listeners(root.sections("listener"), tls.as_ref(), &relay, &accounts);
    let dns = dns(&root.section("dns"));
    let smarthosts = delivery::smarthosts(root.sections("smarthost"));
    let egresses = delivery::egresses(root.sections("egress"));
    let pools = delivery::pools(root.sections("pool"), &egresses);
    let (delivery, default_route) = delivery::delivery(
        &root.section("delivery"),
        &hostname,
        egresses,
        pools,
        &smarthosts,
    );
    let dkim = dkim::dkim(&root.section("dkim"));
    let return_path = return_path::return_path(&root.section("return-path"));
    let suppression = suppression(&root.section("suppression"));
    let limits = limits(&root.section("limits"));
    let http = http::http(&root.section("http"));
    let webhooks = webhook::webhooks(root.sections("webhook"));
    let alerts = alerts::alerts(&root.section("alerts"));
    let plugins = plugins::plugins(&root.section("plugins"));
    Config {
        mode: Mode::Serve,
        hostname,
        state,
        log,
        listeners,
        relay,
        accounts,
        dns,
        delivery,
        dkim,
        default_route: default_route.unwrap_or(DefaultRoute::Mx),
        smarthosts,
        return_path,
        suppression,
        limits,
        http,
        webhooks,
        alerts,
        plugins,
    }
}

fn log(section: &Section<'_, '_>) -> Log {
    let format = section.choice(
        "format",
        &[("text", LogFormat::Text), ("json", LogFormat::Json)],
    );
    let level = section.parsed("level", |text| {
        tracing_subscriber::EnvFilter::try_new(text)
            .map(|_| text.to_owned())
            .map_err(|e| format!("{text:?} is not a level or filter: {e}"))
    });
    section.finish();
    Log {
        format: format.unwrap_or(LogFormat::Text),
        level: level.map_or_else(|| "info".into(), |found| found.value),
    }
}

fn tls(section: &Section<'_, '_>) -> Option<Certificate> {
    let certificate = certificate(section);
    section.finish();
    certificate
}

/// The keys `certificate` and `key`, here and in `[[listener]]`: both or neither.
pub(super) fn certificate(section: &Section<'_, '_>) -> Option<Certificate> {
    let chain = section.path("certificate");
    let key = section.path("key");
    let (chain, key) = match (chain, key) {
        (Some(chain), Some(key)) => (chain, key),
        (None, None) => return None,
        (Some(Located { span, .. }), None) => {
            section.wrong(
                span,
                "key",
                "a certificate needs its key",
                Some("add key = \"...\""),
            );
            return None;
        }
        (None, Some(Located { span, .. })) => {
            let hint = Some("add certificate = \"...\"");
            section.wrong(span, "certificate", "a key needs its certificate", hint);
            return None;
        }
    };
    let files = Certificate {
        chain: chain.value,
        key: key.value,
    };
    if let Err(e) = crate::tls::ServerTls::load(&files) {
        let hint = "relative paths begin at the folder of this configuration; both files are PEM";
        section.wrong(chain.span, "certificate", e.to_string(), Some(hint));
    }
    Some(files)
}

fn relay(section: &Section<'_, '_>) -> Relay {
    let relay = Relay {
        from: networks(section, "from").unwrap_or_else(network::loopback),
        domains: values(section.list("domains", str::parse)),
    };
    section.finish();
    relay
}

pub(super) fn networks(section: &Section<'_, '_>, key: &str) -> Option<Vec<Network>> {
    section
        .list(key, str::parse)
        .map(|found| values(Some(found)))
}

pub(super) fn values<T>(found: Option<Vec<Located<T>>>) -> Vec<T> {
    found
        .unwrap_or_default()
        .into_iter()
        .map(|located| located.value)
        .collect()
}

fn accounts(sections: Vec<Section<'_, '_>>) -> Vec<Account> {
    let mut accounts = Vec::new();
    let mut names = Names::default();
    for section in sections {
        let name = names.take(&section, "account");
        let hash = section.parsed("password-hash", account::check_hash);
        let senders = section.list("senders", sender);
        if hash.is_none() && section.get("password-hash", |_| Ok(())).is_none() {
            let hint = "add password-hash; `baton hash-password` makes one";
            section.wrong(
                section.span(),
                "password-hash",
                "the account has no password",
                Some(hint),
            );
        }
        section.finish();
        if let (Some(name), Some(hash)) = (name, hash) {
            accounts.push(Account {
                name,
                password_hash: hash.value,
                senders: values(senders),
            });
        }
    }
    accounts
}

/// A mailbox or a domain that an account may send from, in lower case.
fn sender(text: &str) -> Result<String, String> {
    let domain = match text.rsplit_once('@') {
        Some(("", _)) => return Err(format!("{text:?} has nothing before the @")),
        Some((_, domain)) => domain,
        None => text.strip_prefix("*.").unwrap_or(text),
    };
    network::host_name(domain)?;
    Ok(text.to_ascii_lowercase())
}

fn dns(section: &Section<'_, '_>) -> Dns {
    let servers = section.list("servers", |text| {
        let ip = |ip: std::net::IpAddr| std::net::SocketAddr::new(ip, 53);
        text.parse().or_else(|_| text.parse().map(ip)).map_err(|_| {
            format!("{text:?} is not an address; write \"192.0.2.1\" or \"192.0.2.1:53\"")
        })
    });
    let timeout = section.duration(
        "timeout",
        Duration::from_millis(100),
        Duration::from_secs(120),
    );
    section.finish();
    Dns {
        servers: values(servers),
        timeout: timeout.map_or(Duration::from_secs(10), |found| found.value),
    }
}

fn suppression(section: &Section<'_, '_>) -> Suppression {
    let plugins = section.list("plugins", |text| match plugins::is_plugin_name(text) {
        true => Ok(text.to_owned()),
        false => Err(format!("{text:?} is no name of a plugin")),
    });
    section.finish();
    Suppression {
        plugins: match plugins {
            Some(found) => values(Some(found)),
            None => ["suppression", "link-tracking"].map(str::to_owned).to_vec(),
        },
    }
}

fn limits(section: &Section<'_, '_>) -> Limits {
    let limits = Limits {
        spool_bytes_max: section.size("spool-bytes-max", 1 << 20).unwrap_or(10 << 30),
        disk_free_bytes_min: section.size("disk-free-bytes-min", 0).unwrap_or(256 << 20),
        history_messages_max: section
            .number("history-messages-max", 0..=100_000_000)
            .unwrap_or(100_000),
        inbox_messages_max: section
            .number("inbox-messages-max", 1..=10_000_000)
            .unwrap_or(1_000),
        events_max: section
            .number("events-max", 1_000..=1_000_000_000)
            .unwrap_or(1_000_000),
        received_max: section.number("received-max", 10..=1_000).unwrap_or(100),
    };
    section.finish();
    limits
}

/// Names that must be there and be unique among their kind.
#[derive(Default)]
pub(super) struct Names {
    seen: BTreeMap<String, ()>,
}

impl Names {
    pub fn take(&mut self, section: &Section<'_, '_>, kind: &str) -> Option<String> {
        let Some(found) = section.text("name") else {
            if section.get("name", |_| Ok(())).is_none() {
                let message = format!("the {kind} has no name");
                section.wrong(section.span(), "name", message, Some("add name = \"...\""));
            }
            return None;
        };
        if found.value.is_empty() || found.value.chars().any(char::is_control) {
            section.wrong(
                found.span,
                "name",
                "the name is empty or has control characters",
                None,
            );
            return None;
        }
        if self.seen.insert(found.value.clone(), ()).is_some() {
            let message = format!("another {kind} is called {:?} already", found.value);
            section.wrong(found.span, "name", message, Some("names are unique"));
        }
        Some(found.value)
    }
}

/// What the system calls itself, if that is a name other hosts could use.
fn system_hostname() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    network::host_name(name.trim()).unwrap_or_else(|_| "localhost".into())
}
