//! What an operator decides about plugins.
//!
//! Plain data: reading it from a file, and telling a person what is wrong in it, is the relay's work.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::limits;

/// Everything [`crate::Plugins::start`] needs to know.
#[derive(Debug, Clone)]
pub struct Settings {
    /// By plugin name (file stem). A plugin without an entry runs with [`PluginSettings::default`].
    pub plugins: BTreeMap<String, PluginSettings>,
    /// The watched folder; none means bundled plugins only. It is made if it does not exist.
    pub dir: Option<PathBuf>,
    /// Where native code is kept. It is made, with mode 0700, if it does not exist.
    pub cache_dir: PathBuf,
    /// Plugins that are part of the program. A file of the same stem in `dir` takes their place.
    pub bundled: Vec<Bundled>,
    /// The relay's own name, for `context.property("hostname")`.
    pub hostname: Arc<str>,
    /// Where `/p/` of the public listener is reached, without a final slash; such as `https://mail.example.net`.
    pub public_url: Option<Arc<str>>,
    /// What scores lead to.
    pub thresholds: Thresholds,
    /// How many instances may live, and how long a call waits for a free one.
    pub pool: Pool,
    /// When a faulting plugin is no longer called.
    pub breaker: Breaker,
    /// Whether a component that fails its own tests ([`crate::golden`]) is refused; only tools for authors say no. Stays as
    /// it was at the start.
    pub own_tests: bool,
}

impl Settings {
    /// Settings with nothing bundled and no folder.
    pub fn new(cache_dir: impl Into<PathBuf>) -> Settings {
        Settings {
            plugins: BTreeMap::new(),
            dir: None,
            cache_dir: cache_dir.into(),
            bundled: Vec::new(),
            hostname: Arc::from("localhost"),
            public_url: None,
            thresholds: Thresholds::default(),
            pool: Pool::default(),
            breaker: Breaker::default(),
            own_tests: true,
        }
    }
}

/// A component that is embedded in the program.
#[derive(Debug, Clone)]
pub struct Bundled {
    /// The plugin's name.
    pub name: Arc<str>,
    /// The component.
    pub bytes: &'static [u8],
}

/// What an operator decides about one plugin.
#[derive(Debug, Clone, PartialEq)]
pub struct PluginSettings {
    /// A disabled plugin is listed and never called.
    pub enabled: bool,
    /// Lower comes first; equals are ordered by name.
    pub order: i32,
    /// What a fault does to the mail.
    pub fault: FaultPolicy,
    /// What it may do beyond looking at mail.
    pub grants: Grants,
    /// How much it may use.
    pub limits: Limits,
    /// How long an instance lives.
    pub instance: InstanceScope,
    /// The plugin's own section as a JSON object.
    pub config: Arc<str>,
    /// By name; given out where [`Grants::secrets`] lists the name.
    pub secrets: BTreeMap<String, Arc<str>>,
    /// How a candidate of this plugin is tried.
    pub trial: Trial,
}

/// How a candidate, the file `NAME.candidate.wasm`, is tried beside the version in service.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Trial {
    /// It answers the calls of live mail a second time; what it says is compared and thrown away.
    #[default]
    Shadow,
    /// It serves that share of the sessions, from 0 to 1, and is withdrawn when it does worse.
    Canary(f64),
    /// It is loaded and checked, and not called.
    Off,
}

impl Default for PluginSettings {
    fn default() -> PluginSettings {
        PluginSettings {
            enabled: true,
            order: 100,
            fault: FaultPolicy::Defer,
            grants: Grants::default(),
            limits: Limits::default(),
            instance: InstanceScope::Transaction,
            config: Arc::from("{}"),
            secrets: BTreeMap::new(),
            trial: Trial::default(),
        }
    }
}

/// What becomes of the mail when a plugin faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FaultPolicy {
    /// 4xx: the peer tries again later.
    #[default]
    Defer,
    /// As if the plugin were not there; the fault is recorded all the same.
    Skip,
    /// 5xx.
    Reject,
}

/// What a plugin may do beyond looking at mail. The default is nothing but its own key-value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grants {
    /// Hosts it may send HTTP to: `api.example.com`, `*.example.com` (any name below), `*` (all), each with an optional
    /// `:port`; without one, 80 and 443.
    pub http: Vec<String>,
    /// Whether it may ask the resolver.
    pub dns: bool,
    /// Whether it may queue messages of its own.
    pub submit: bool,
    /// Bytes of key-value it may hold; 0 withdraws the key-value.
    pub kv_bytes_max: u64,
    /// Names of the secrets it may read.
    pub secrets: Vec<String>,
}

impl Default for Grants {
    fn default() -> Grants {
        Grants {
            http: Vec::new(),
            dns: false,
            submit: false,
            kv_bytes_max: limits::KV_BYTES_MAX,
            secrets: Vec::new(),
        }
    }
}

/// How much a plugin may use in one call; a limit that is hit is a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Processor time of one call, counted in ticks of 10 ms.
    pub cpu: Duration,
    /// Time of one call, waits for host functions included.
    pub wall: Duration,
    /// Linear memory of one instance.
    pub memory_bytes_max: usize,
    /// Elements of one table.
    pub table_elements_max: usize,
    /// Host functions one call may call.
    pub host_calls_max: u32,
    /// Bytes one host call, or the answer of a hook, may hand to the host.
    pub host_bytes_max: usize,
    /// Questions to the resolver, HTTP requests and submitted messages of one call, together.
    pub waits_max: u32,
    /// Bytes of log text kept of one call; more is cut off and said so.
    pub log_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            cpu: limits::CPU,
            wall: limits::WALL,
            memory_bytes_max: limits::MEMORY_BYTES_MAX,
            table_elements_max: limits::TABLE_ELEMENTS_MAX,
            host_calls_max: limits::HOST_CALLS_MAX,
            host_bytes_max: limits::HOST_BYTES_MAX,
            waits_max: limits::WAITS_MAX,
            log_bytes_max: limits::LOG_BYTES_MAX,
        }
    }
}

/// How long an instance lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InstanceScope {
    /// One transaction; nothing leaks from message to message.
    #[default]
    Transaction,
    /// One session: for a plugin whose language is slow to start.
    Session,
}

/// Sums of scores from which on the host acts; compared after `on-data` and after `on-copy`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Thresholds {
    /// 550 5.7.1.
    pub reject: Option<f64>,
    /// 451 4.7.1.
    pub defer: Option<f64>,
    /// Accept and keep for an operator.
    pub hold: Option<f64>,
}

/// How many instances may live, and how long a call waits for a free one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// Live instances of all plugins together.
    pub instances_max: u32,
    /// How long a call waits for one while all are at work; afterwards the mail is deferred.
    pub wait: Duration,
    /// How long an instance may rest between two calls; its globals are gone after that.
    pub rest: Duration,
}

impl Default for Pool {
    fn default() -> Pool {
        Pool {
            instances_max: limits::INSTANCES_MAX,
            wait: limits::INSTANCE_WAIT,
            rest: limits::INSTANCE_REST,
        }
    }
}

/// When a faulting plugin is no longer called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breaker {
    /// Faults in a row, over all sittings, that open the breaker.
    pub faults_max: u32,
    /// How long the fault policy is applied without a call; then one call is tried.
    pub cool_down: Duration,
}

impl Default for Breaker {
    fn default() -> Breaker {
        Breaker {
            faults_max: limits::BREAKER_FAULTS_MAX,
            cool_down: limits::BREAKER_COOL_DOWN,
        }
    }
}
