//! The configuration as the program uses it: every value parsed, in range, and consistent with the others.
//!
//! How a TOML text becomes this, and how every mistake in it is reported at once, is in [`raw`] and the files beside it.
//! Nothing here reads the clock, a socket or a file other than through [`Config::load`].

mod account;
mod alerts;
mod delivery;
mod dkim;
mod http;
mod listener;
mod network;
mod plugins;
mod raw;
mod read;
mod return_path;
#[cfg(test)]
mod tests;
mod units;
mod webhook;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use baton_smtp::Mailbox;

pub use account::{Account, hash_password, may_send_as, verify_nobody};
pub use dkim::{Dkim, DkimKey};
pub use network::{DomainPattern, Network, host_name, is_loopback};
pub use plugins::is_plugin_name;
pub use raw::{Place, Problem};

/// Everything a relay process needs to know before it starts.
#[derive(Debug, Clone)]
pub struct Config {
    pub mode: Mode,
    /// Name of this relay in greetings, Received fields and bounces: a host name in lower case.
    pub hostname: String,
    /// Folder that holds the spool, the inbox and the cache of compiled plugins.
    pub state: PathBuf,
    pub log: Log,
    /// At least one; names and addresses are unique.
    pub listeners: Vec<Listener>,
    pub relay: Relay,
    /// Names are unique.
    pub accounts: Vec<Account>,
    pub dns: Dns,
    pub delivery: Delivery,
    pub dkim: Dkim,
    /// Next hop for mail that no plugin routes; absent means the MX of the recipient's domain.
    pub default_route: DefaultRoute,
    /// By name.
    pub smarthosts: BTreeMap<String, Smarthost>,
    /// Absent means that mail leaves with the sender it came with.
    pub return_path: Option<ReturnPath>,
    pub suppression: Suppression,
    pub limits: Limits,
    pub http: Http,
    /// Names are unique.
    pub webhooks: Vec<Webhook>,
    /// Absent means that nobody is written to.
    pub alerts: Option<Alerts>,
    pub plugins: Plugins,
}

/// How the relay treats accepted mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Mail ends in the built-in inbox; nothing leaves the machine.
    Dev,
    /// Mail is delivered.
    Serve,
}

/// `[log]`
#[derive(Debug, Clone)]
pub struct Log {
    pub format: LogFormat,
    /// A level ("info") or a tracing filter ("info,baton=debug").
    pub level: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// One `[[listener]]`: a socket that speaks SMTP, with its own rules.
#[derive(Debug, Clone)]
pub struct Listener {
    pub name: String,
    pub address: SocketAddr,
    pub tls: ListenerTls,
    /// MAIL is refused (530) until the session is encrypted.
    pub require_tls: bool,
    /// AUTH is offered; under TLS, or on a loopback address where `auth_in_clear` says so.
    pub auth: bool,
    /// MAIL is refused (530) until the session is authenticated.
    pub require_auth: bool,
    /// AUTH is offered without TLS; only ever true on a loopback address.
    pub auth_in_clear: bool,
    /// Mail of clients that may not relay is judged by SPF, DKIM, ARC and DMARC.
    pub authenticate: bool,
    /// Each connection begins with a PROXY protocol header (v1 or v2).
    pub proxy_protocol: bool,
    /// Who may connect and speak the PROXY protocol; others are dropped. Empty means anybody.
    pub proxy_from: Vec<Network>,
    /// Clients that may relay without an account: the listener's own list, or that of `[relay]`.
    pub relay_from: Vec<Network>,
    /// Present if and only if `tls` is not `None`: the listener's own files, or those of `[tls]`.
    pub certificate: Option<Certificate>,
    pub limits: ListenerLimits,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenerTls {
    None,
    StartTls,
    Implicit,
}

/// Numbers of one listener; each has a key of the same name in `[[listener]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct ListenerLimits {
    /// Open connections in all; more are answered 421.
    pub connections_max: usize,
    /// Open connections from one address (IPv4) or /64 (IPv6); more are answered 421.
    pub connections_per_address_max: usize,
    /// 4xx and 5xx replies to one session before it is closed with 421.
    pub errors_max: u32,
    /// Commands of one session that are not part of a transaction (NOOP, RSET, VRFY and the like).
    pub idle_commands_max: u32,
    /// Transactions of one session before it is closed with 421.
    pub transactions_max: u32,
    /// RCPT TO of one transaction; RFC 5321 4.5.3.1.8 asks for 100 at least.
    pub recipients_max: usize,
    /// Announced as SIZE (RFC 1870).
    pub message_bytes_max: usize,
    /// Silence before a command (RFC 5321 4.5.3.2.7 asks for 5 minutes).
    pub command_timeout: Duration,
    /// Silence inside a message.
    pub data_timeout: Duration,
    /// Whole life of a session.
    pub session_timeout: Duration,
}

/// Files of a certificate chain and its key, both PEM.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Certificate {
    pub chain: PathBuf,
    pub key: PathBuf,
}

/// `[relay]`: who may send through us to the world. Accounts may always.
#[derive(Debug, Clone)]
pub struct Relay {
    /// Networks that need no account; loopback where the key is absent.
    pub from: Vec<Network>,
    /// Domains that mail from anybody is accepted for.
    pub domains: Vec<DomainPattern>,
}

impl Relay {
    /// Whether mail for this domain (ASCII, any case) is accepted from anybody.
    pub fn serves(&self, domain: &str) -> bool {
        self.domains.iter().any(|pattern| pattern.matches(domain))
    }
}

/// `[dns]`
#[derive(Debug, Clone)]
pub struct Dns {
    /// Empty means the system's resolver configuration.
    pub servers: Vec<SocketAddr>,
    /// One question, retries included.
    pub timeout: Duration,
}

/// `[delivery]`
#[derive(Debug, Clone)]
pub struct Delivery {
    /// Argument of EHLO, unless the egress has its own.
    pub ehlo: String,
    /// Port of remote hosts; 25 except in tests.
    pub port: u16,
    pub connections_max: usize,
    pub connections_per_site_max: usize,
    pub messages_per_connection_max: u32,
    pub recipients_per_transaction_max: usize,
    pub retry: RetrySchedule,
    /// Age at which an entry that is still deferred bounces.
    pub expire_after: Duration,
    /// Age at which the sender is told of a delay, once; absent means never.
    pub delay_warning_after: Option<Duration>,
    pub connect_timeout: Duration,
    /// Greeting and replies to commands.
    pub command_timeout: Duration,
    /// Reply to the end of data (RFC 5321 4.5.3.2.6 asks for 10 minutes).
    pub data_timeout: Duration,
    /// How long an idle connection is kept for reuse.
    pub idle_timeout: Duration,
    pub families: IpFamilies,
    /// Encryption asked of remote hosts where no plugin says otherwise.
    pub tls: TlsDemand,
    /// Policies of domains are asked for and heeded (RFC 8461).
    pub mta_sts: bool,
    /// Port of their files; 443 except in tests.
    pub mta_sts_port: u16,
    /// PEM file of further roots for `verify`, beside those of the system.
    pub ca_file: Option<PathBuf>,
    /// By name. Empty means the system's default source address.
    pub egresses: BTreeMap<String, Egress>,
    /// By name; the members are keys of `egresses`.
    pub pools: BTreeMap<String, Vec<String>>,
    /// Pool or egress where no plugin chooses one.
    pub default_pool: Option<String>,
    /// Time that sessions and attempts under way get when the relay is told to stop.
    pub drain_timeout: Duration,
}

/// Waits between attempts: the nth after the nth try, the last one repeated.
#[derive(Debug, Clone, PartialEq)]
pub struct RetrySchedule {
    /// Never empty.
    pub waits: Vec<Duration>,
    /// Share of a wait, from 0 to 1, by which it is varied in both directions.
    pub jitter: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IpFamilies {
    Both,
    V4,
    V6,
}

/// The words of the contract (`tls-demand` in `wit/deliveries.wit`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsDemand {
    Never,
    May,
    Encrypt,
    Verify,
}

/// One `[[egress]]`: a source address with the name it goes by.
#[derive(Debug, Clone)]
pub struct Egress {
    pub name: String,
    pub address: IpAddr,
    pub ehlo: Option<String>,
}

/// One `[[smarthost]]`.
#[derive(Debug, Clone)]
pub struct Smarthost {
    pub name: String,
    /// Host name or address.
    pub host: String,
    pub port: u16,
    pub tls: SmarthostTls,
    pub credentials: Option<Credentials>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SmarthostTls {
    None,
    /// STARTTLS where offered, any certificate.
    Opportunistic,
    /// STARTTLS with a valid certificate.
    StartTls,
    /// TLS from the first byte with a valid certificate.
    Implicit,
}

/// What we present to a smart host. Debug output hides the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub username: String,
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
}

/// `[delivery] route`
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DefaultRoute {
    /// The MX of the recipient's domain.
    Mx,
    /// A key of `Config::smarthosts`.
    Smarthost(String),
    /// The built-in inbox.
    Inbox,
}

/// `[return-path]`: addresses of our own to which bounces and complaints come back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReturnPath {
    /// In lower case. Its MX is this relay, and nothing else lives there.
    pub domain: String,
    pub per: Per,
    /// How long an address is taken mail for.
    pub valid_for: Duration,
    /// Age at which a key is followed by the next one.
    pub rotate_after: Duration,
    /// The operator's keys; absent means own ones in the state folder.
    pub key_file: Option<PathBuf>,
    /// Addresses that feedback loops send complaints to, in lower case.
    pub feedback: Vec<String>,
    /// Who reads mail for people at the domain, and what no machine could read.
    pub postmaster: Option<Mailbox>,
    /// Messages carry the token in a field as well.
    pub header: bool,
}

/// What a return path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// The recipient, where the transaction has one, or else the message alone.
    Transaction,
    /// Always the recipient: every transaction has one.
    Recipient,
}

/// `[suppression]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suppression {
    /// Plugins whose events change the list of addresses that nothing is sent to.
    pub plugins: Vec<String>,
}

/// `[limits]`
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of queued messages; beyond, MAIL is answered 452.
    pub spool_bytes_max: u64,
    /// Free bytes that must be left on the disk of the state folder.
    pub disk_free_bytes_min: u64,
    /// Settled messages that can still be looked up.
    pub history_messages_max: usize,
    /// Messages kept in the inbox; the oldest go first.
    pub inbox_messages_max: usize,
    /// Events that wait for receivers; the oldest go first.
    pub events_max: usize,
    /// Received fields of a message before it is refused as a loop (RFC 5321 6.3).
    pub received_max: usize,
}

/// `[http]`. The admin listener serves API, metrics and page; the public one `/p/<plugin>/` alone.
#[derive(Debug, Clone)]
pub struct Http {
    /// Absent means no admin listener.
    pub admin: Option<SocketAddr>,
    /// Absent means that the admin listener, if there is one, serves `/p/` as well in dev mode, and nobody otherwise.
    pub public: Option<SocketAddr>,
    /// Where the public listener is reached from outside, without a final slash.
    pub public_url: Option<String>,
    /// Names by which the admin listener may be addressed, beside loopback names and its own address.
    pub hosts: Vec<String>,
    pub tokens: Vec<Token>,
    /// No token is asked for; only ever true where `admin` is a loopback address.
    pub open: bool,
    pub body_bytes_max: usize,
    pub request_timeout: Duration,
    pub connections_max: usize,
}

/// One `[[http.token]]`: only the hash of a bearer token is kept.
#[derive(Debug, Clone)]
pub struct Token {
    pub name: String,
    pub sha256: [u8; 32],
    /// What it is good for; at least one.
    pub scopes: Vec<Scope>,
}

/// What a token may be good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Submitting messages.
    Send,
    /// Looking at everything.
    Read,
    /// Changing what waits, is suppressed and is remembered.
    Operate,
}

impl Scope {
    pub const ALL: [Scope; 3] = [Scope::Send, Scope::Read, Scope::Operate];

    /// As it is written in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Scope::Send => "send",
            Scope::Read => "read",
            Scope::Operate => "operate",
        }
    }
}

/// One `[[webhook]]`: a receiver of events.
#[derive(Debug, Clone)]
pub struct Webhook {
    pub name: String,
    pub url: String,
    /// At least one; every one of them signs, so that a receiver can change from one to the next.
    pub secrets: Vec<WebhookSecret>,
    /// Of [`crate::event::outbox::KINDS`].
    pub events: Vec<&'static str>,
    /// Only events about this account's messages.
    pub account: Option<String>,
    /// Events of one request.
    pub batch_max: usize,
    /// How long others are waited for before a request.
    pub batch_wait: Duration,
    pub timeout: Duration,
    /// Doubled after each try ...
    pub retry_min: Duration,
    /// ... up to this.
    pub retry_max: Duration,
    /// Age at which events are dropped that the receiver does not take.
    pub give_up_after: Duration,
}

/// A key of a webhook's signatures. Debug output hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct WebhookSecret(pub Vec<u8>);

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookSecret").finish_non_exhaustive()
    }
}

/// `[alerts]`: what an operator is told of by mail.
#[derive(Debug, Clone)]
pub struct Alerts {
    pub to: Vec<Mailbox>,
    /// At most one mail in that time.
    pub every: Duration,
    /// Of an account's recipients in a day.
    pub bounces_per_1000: u64,
    /// Of an account's recipients in a day.
    pub complaints_per_1000: u64,
    /// Recipients of an account in a day before its rates say anything.
    pub recipients_min: u64,
    /// Events of plugins that are worth an alert.
    pub events: Vec<String>,
}

/// `[plugins]`
#[derive(Debug, Clone)]
pub struct Plugins {
    /// Where the section begins.
    pub place: Place,
    /// The watched folder; absent means bundled plugins only.
    pub dir: Option<PathBuf>,
    /// `[plugins.NAME]` by name.
    pub sections: BTreeMap<String, PluginSection>,
}

/// One `[plugins.NAME]`: the reserved keys parsed, the rest kept for the plugin.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PluginSection {
    /// Where it begins.
    pub place: Place,
    pub enabled: Option<bool>,
    /// Lower runs earlier; equal orders run by name.
    pub order: Option<i32>,
    pub fault: Option<FaultPolicy>,
    pub instance: Option<InstanceLife>,
    pub grants: Grants,
    /// By name. Given only to a plugin that is granted the name.
    pub secrets: Secrets,
    pub cpu: Option<Duration>,
    pub wall: Option<Duration>,
    pub memory_bytes: Option<u64>,
    /// How its candidate, the file NAME.candidate.wasm, is tried.
    pub trial: Option<PluginTrial>,
    /// Everything else: what `config.json()` gives to the plugin.
    pub settings: serde_json::Map<String, serde_json::Value>,
}

/// What happens to the transaction when a plugin faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultPolicy {
    Defer,
    Skip,
    Reject,
}

/// How a candidate is tried.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum PluginTrial {
    /// `shadow = true`
    Shadow,
    /// `shadow = false`
    Off,
    /// `canary = "5%"`, as a number from 0 to 1.
    Canary(f64),
}

/// How long an instance lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InstanceLife {
    Transaction,
    Session,
}

/// `[plugins.NAME.grants]`
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Grants {
    /// Hosts it may send HTTP requests to.
    pub http: Vec<String>,
    pub dns: bool,
    pub submit: bool,
    /// Quota of its key-value store.
    pub kv_bytes: Option<u64>,
    pub secrets: Vec<String>,
}

/// Secrets of a plugin by name. Debug output shows the names alone.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secrets(pub BTreeMap<String, String>);

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("cannot read {path}: {source}")]
    Unreadable {
        path: PathBuf,
        source: std::io::Error,
    },
    /// Every mistake that was found, in the order of their lines.
    #[error("{}", Mistakes { path, problems })]
    Invalid {
        path: PathBuf,
        problems: Vec<Problem>,
    },
}

struct Mistakes<'a> {
    path: &'a Path,
    problems: &'a [Problem],
}

impl fmt::Display for Mistakes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for problem in self.problems {
            writeln!(f, "{}:{problem}", self.path.display())?;
        }
        let count = self.problems.len();
        write!(
            f,
            "{count} mistake{} in {}",
            if count == 1 { "" } else { "s" },
            self.path.display()
        )
    }
}

impl Config {
    /// Reads and checks a file. Relative paths in it are relative to its folder.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Config::parse(&text, path)
    }

    /// Checks a text; `path` names it in messages, and its folder is where relative paths begin.
    pub fn parse(text: &str, path: &Path) -> Result<Config, ConfigError> {
        let base = path
            .parent()
            .filter(|p| !p.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        read::read(text, base).map_err(|problems| ConfigError::Invalid {
            path: path.to_owned(),
            problems,
        })
    }

    /// The section of one plugin, from a configuration, or from a file that holds that section's keys alone.
    pub fn load_plugin(path: &Path, name: &str) -> Result<PluginSection, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        read::plugin(&text, name).map_err(|problems| ConfigError::Invalid {
            path: path.to_owned(),
            problems,
        })
    }

    /// The dev mode: everything on loopback, anybody may send anything, mail ends in the inbox.
    pub fn dev(
        state: PathBuf,
        smtp: SocketAddr,
        http: SocketAddr,
        plugins: Option<PathBuf>,
    ) -> Config {
        let mut config = read::defaults();
        config.mode = Mode::Dev;
        config.hostname = "localhost".into();
        config.state = state;
        config.listeners = vec![Listener {
            relay_from: network::everywhere(),
            auth: true,
            auth_in_clear: is_loopback(smtp.ip()),
            ..listener::defaults("dev", smtp)
        }];
        config.relay.from = network::everywhere();
        config.delivery.ehlo = config.hostname.clone();
        config.default_route = DefaultRoute::Inbox;
        config.http.admin = Some(http);
        config.http.open = is_loopback(http.ip());
        config.http.public_url = Some(format!("http://{http}"));
        config.plugins.dir = plugins;
        config
    }
}
