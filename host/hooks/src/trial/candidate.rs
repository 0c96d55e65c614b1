//! A candidate in its plugin's slot: which file, how it is tried, and what came of it so far.

use std::path::PathBuf;
use std::sync::Arc;

use super::canary::{Canary, Rates};
use super::shadow::{Example, Shadow};
use crate::hook::{Hook, HookSet};
use crate::plugins::Version;
use crate::settings::Trial;

/// The end of a candidate's file name, before `.wasm`.
pub(crate) const SUFFIX: &str = ".candidate";

/// See the module.
#[derive(Default)]
pub(crate) struct Candidate {
    pub version: Option<Version>,
    pub file: Option<PathBuf>,
    /// Why the file does not load.
    pub problem: Option<String>,
    /// Digest and reason of the canary that was withdrawn.
    pub withdrawn: Option<(Arc<str>, String)>,
    pub shadow: Option<Arc<Shadow>>,
    pub canary: Option<Arc<Canary>>,
}

/// How a candidate does, as `list` shows it.
#[derive(Debug, Clone)]
pub struct CandidateInfo {
    /// SHA-256 in hex; none where it does not load.
    pub digest: Option<Arc<str>>,
    /// Its file.
    pub file: PathBuf,
    /// Bytes of the component.
    pub bytes: u64,
    /// Its hooks.
    pub hooks: HookSet,
    /// How it is tried.
    pub state: CandidateState,
    /// Calls it answered.
    pub calls: u64,
    /// Calls that gave no usable answer.
    pub faults: u64,
    /// Half of the calls took no longer (a power of two).
    pub p50_microseconds: Option<u64>,
    /// 99 of 100 calls took no longer (a power of two).
    pub p99_microseconds: Option<u64>,
    /// Calls that were compared with the version in service; shadows only.
    pub compared: u64,
    /// How many of them differ.
    pub differ: u64,
    /// Calls that were not compared for want of room.
    pub dropped: u64,
}

/// How a candidate is tried.
#[derive(Debug, Clone, PartialEq)]
pub enum CandidateState {
    /// It answers again what the version in service has answered.
    Shadow,
    /// It serves this share of the sessions.
    Canary(f64),
    /// It was a canary, and is not called any more.
    Withdrawn(String),
    /// It does not load.
    Refused(String),
    /// The operator said no, or to the plugin as a whole.
    Off,
    /// A shadow needs a version in service, and there is none.
    Waiting,
}

impl CandidateState {
    /// A word for lists.
    pub fn name(&self) -> &'static str {
        match self {
            CandidateState::Shadow => "shadow",
            CandidateState::Canary(_) => "canary",
            CandidateState::Withdrawn(_) => "withdrawn",
            CandidateState::Refused(_) => "refused",
            CandidateState::Off => "off",
            CandidateState::Waiting => "waiting",
        }
    }
}

/// Where a candidate and the version in service differ.
#[derive(Debug, Clone)]
pub struct TrialReport {
    /// Name of the plugin.
    pub plugin: Arc<str>,
    /// SHA-256 in hex of the candidate.
    pub candidate: Arc<str>,
    /// SHA-256 in hex of what it is compared with, if there is something.
    pub in_service: Option<Arc<str>>,
    /// How it is tried.
    pub state: CandidateState,
    /// The hooks that were called on either side.
    pub hooks: Vec<HookReport>,
    /// Calls that were not compared for want of room.
    pub dropped: u64,
    /// Calls that were answered differently; the first ones and the latest. Shadows only.
    pub examples: Vec<Example>,
    /// Hooks of the candidate that the version in service has not: they are not called in its shadow.
    pub new_hooks: HookSet,
}

/// One hook of a [`TrialReport`].
#[derive(Debug, Clone)]
pub struct HookReport {
    /// Which hook.
    pub hook: Hook,
    /// What the version in service came to.
    pub in_service: Rates,
    /// What the candidate came to.
    pub candidate: Rates,
    /// Calls that were compared one by one; shadows only.
    pub compared: u64,
    /// How many of them differ in anything.
    pub differ: u64,
    /// In the decision.
    pub decision: u64,
    /// In the edits of the message.
    pub edits: u64,
    /// In the tags.
    pub tags: u64,
    /// In the scores.
    pub scores: u64,
    /// In whether there was a fault.
    pub fault: u64,
}

impl Candidate {
    /// Whether it is a canary that may serve.
    pub fn canary_share(&self, trial: Trial) -> Option<(f64, &Version)> {
        let version = self.version.as_ref()?;
        let Trial::Canary(share) = trial else {
            return None;
        };
        let withdrawn = self
            .withdrawn
            .as_ref()
            .is_some_and(|(digest, _)| *digest == version.loaded.digest);
        (!withdrawn).then_some((share, version))
    }

    /// None while there is neither a candidate nor a file of one.
    pub fn state(&self, trial: Trial, enabled: bool, in_service: bool) -> Option<CandidateState> {
        if self.version.is_none() && self.file.is_none() {
            return None;
        }
        if let Some(problem) = &self.problem {
            return Some(CandidateState::Refused(problem.clone()));
        }
        let version = self.version.as_ref()?;
        Some(match trial {
            _ if !enabled => CandidateState::Off,
            Trial::Off => CandidateState::Off,
            Trial::Shadow if !in_service => CandidateState::Waiting,
            Trial::Shadow => CandidateState::Shadow,
            Trial::Canary(share) => match &self.withdrawn {
                Some((digest, why)) if *digest == version.loaded.digest => {
                    CandidateState::Withdrawn(why.clone())
                }
                _ => CandidateState::Canary(share),
            },
        })
    }

    pub fn info(&self, state: CandidateState) -> CandidateInfo {
        let version = self.version.as_ref();
        let health = version.map(|version| &version.health);
        let (compared, differ) = self.shadow.as_ref().map_or((0, 0), |s| s.totals());
        CandidateInfo {
            digest: version.map(|version| version.loaded.digest.clone()),
            file: self.file.clone().unwrap_or_default(),
            bytes: version.map_or(0, |version| version.loaded.size),
            hooks: version
                .map(|version| version.loaded.hooks)
                .unwrap_or_default(),
            state,
            calls: health.map_or(0, |health| health.calls()),
            faults: health.map_or(0, |health| health.faults()),
            p50_microseconds: health.and_then(|health| health.percentile(0.5)),
            p99_microseconds: health.and_then(|health| health.percentile(0.99)),
            compared,
            differ,
            dropped: self.shadow.as_ref().map_or(0, |shadow| shadow.dropped()),
        }
    }

    pub fn report(
        &self,
        plugin: &Arc<str>,
        state: CandidateState,
        in_service: Option<&Version>,
    ) -> Option<TrialReport> {
        let version = self.version.as_ref()?;
        let served = in_service.map_or_else(HookSet::default, |v| v.loaded.hooks);
        let row = |hook: Hook| {
            let (notes, service, candidate) = match (&self.shadow, &self.canary) {
                (Some(shadow), _) => shadow.hook(hook),
                (None, Some(canary)) => (
                    Default::default(),
                    canary.in_service.rates(hook),
                    canary.candidate.rates(hook),
                ),
                (None, None) => Default::default(),
            };
            HookReport {
                hook,
                in_service: service,
                candidate,
                compared: notes.compared,
                differ: notes.differ,
                decision: notes.decision,
                edits: notes.edits,
                tags: notes.tags,
                scores: notes.scores,
                fault: notes.fault,
            }
        };
        let called = |row: &HookReport| row.in_service.calls + row.candidate.calls > 0;
        Some(TrialReport {
            plugin: plugin.clone(),
            candidate: version.loaded.digest.clone(),
            in_service: in_service.map(|version| version.loaded.digest.clone()),
            state,
            hooks: Hook::ALL.into_iter().map(row).filter(called).collect(),
            dropped: self.shadow.as_ref().map_or(0, |shadow| shadow.dropped()),
            examples: self
                .shadow
                .as_ref()
                .map(|shadow| shadow.examples())
                .unwrap_or_default(),
            new_hooks: version
                .loaded
                .hooks
                .iter()
                .filter(|hook| !served.contains(*hook))
                .collect(),
        })
    }
}
