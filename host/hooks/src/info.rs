//! What the host tells people about plugins.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use crate::hook::HookSet;
use crate::settings::Grants;
use crate::trial::CandidateInfo;

/// One plugin as `list` shows it.
#[derive(Debug, Clone)]
pub struct PluginInfo {
    /// File stem, or the bundled name.
    pub name: Arc<str>,
    /// Where what serves comes from; where nothing serves, what was refused.
    pub source: Source,
    /// SHA-256 in hex of what serves.
    pub digest: Option<Arc<str>>,
    /// Size of the component that serves.
    pub bytes: u64,
    /// Hooks of what serves.
    pub hooks: HookSet,
    /// Those of them that are called: its configuration may have no use for some.
    pub called: HookSet,
    /// Whether it is called.
    pub state: PluginState,
    /// Why the file in the folder does not serve although something does: it was refused, or it only faulted.
    pub problem: Option<String>,
    /// Calls of this version.
    pub calls: u64,
    /// Calls of this version that gave no usable answer, or could not be made.
    pub faults: u64,
    /// Half of the calls took no longer (a power of two).
    pub p50_microseconds: Option<u64>,
    /// 99 of 100 calls took no longer (a power of two).
    pub p99_microseconds: Option<u64>,
    /// Live instances now.
    pub instances: u64,
    /// Linear memory of the largest instance of this version so far, in bytes.
    pub memory_bytes: u64,
    /// Languages and tools it was made with, as the component says itself: name and version.
    pub producers: Arc<[String]>,
    /// What the operator grants it.
    pub grants: Grants,
    /// What is tried beside it.
    pub candidate: Option<CandidateInfo>,
}

/// Where a component comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// It is part of the program.
    Bundled,
    /// A file in the folder.
    File(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Bundled => f.write_str("bundled"),
            Source::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Whether a plugin is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginState {
    /// It is.
    Active,
    /// The operator said no.
    Disabled,
    /// Repeated faults: its fault policy is applied without a call until it recovers.
    Broken,
    /// It does not load, and there is nothing else of that name.
    Refused {
        /// For the operator.
        reason: String,
    },
}

impl PluginState {
    /// A word for lists.
    pub fn name(&self) -> &'static str {
        match self {
            PluginState::Active => "active",
            PluginState::Disabled => "disabled",
            PluginState::Broken => "broken",
            PluginState::Refused { .. } => "refused",
        }
    }
}
