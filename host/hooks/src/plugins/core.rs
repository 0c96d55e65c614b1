//! Slots by name, and the ways from one generation to the next.

mod consult;
mod tried;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::cache::Cache;
use crate::desk::House;
use crate::engine::Engines;
use crate::error::Error;
use crate::generation::Generation;
use crate::health::Health;
use crate::hook::HookSet;
use crate::info::{PluginInfo, PluginState, Source};
use crate::limits;
use crate::load::{Loaded, Loader, digest};
use crate::plugin::Plugin;
use crate::services::{PluginEvent, PluginEventKind, Services};
use crate::settings::{PluginSettings, Settings};
use crate::trial::canary::Side;
use crate::trial::candidate::{self, Candidate};
use crate::trial::record::Recorders;
use crate::watch as folder;

use consult::Consulted;

/// What the watcher and the sittings share with [`Plugins`].
pub(crate) struct Core {
    current: ArcSwap<Generation>,
    engines: Arc<Engines>,
    loader: Loader,
    services: Arc<dyn Services>,
    recorders: Arc<Recorders>,
    changed: watch::Sender<u64>,
    state: Mutex<State>,
}

struct State {
    settings: Settings,
    slots: BTreeMap<Arc<str>, Slot>,
}

/// Everything known of one name.
#[derive(Default)]
struct Slot {
    /// What serves.
    active: Option<Version>,
    /// What served before, and serves again if `active` only faults.
    previous: Option<Version>,
    /// The file in the folder, refused or not.
    file: Option<PathBuf>,
    /// Why the file does not serve.
    problem: Option<String>,
    /// Digests that only faulted; they come back as a changed file and not by themselves.
    broken: BTreeSet<Arc<str>>,
    /// What is tried beside `active`.
    candidate: Candidate,
}

/// One component under one name.
#[derive(Clone)]
pub(crate) struct Version {
    pub loaded: Arc<Loaded>,
    pub source: Source,
    pub health: Arc<Health>,
    /// What it said about its configuration, once it was asked.
    pub consulted: Option<Consulted>,
}

impl Core {
    /// Nothing is installed yet.
    pub fn start(settings: Settings, services: Arc<dyn Services>) -> Result<Arc<Core>, Error> {
        let engines = Arc::new(Engines::start(settings.pool)?);
        let loader = Loader::new(
            engines.clone(),
            Cache::open(&settings.cache_dir)?,
            settings.own_tests,
        );
        let recorders = Arc::<Recorders>::default();
        Ok(Arc::new_cyclic(|weak| {
            let empty = Generation::new(
                house(&settings, &services, &recorders),
                engines.clone(),
                settings.thresholds,
                settings.breaker,
                weak.clone(),
                Vec::new(),
            );
            Core {
                current: ArcSwap::from_pointee(empty),
                engines,
                loader,
                services,
                recorders,
                changed: watch::Sender::new(0),
                state: Mutex::new(State {
                    settings,
                    slots: BTreeMap::new(),
                }),
            }
        }))
    }

    /// What serves now.
    pub fn generation(&self) -> Arc<Generation> {
        self.current.load_full()
    }

    /// Told of every swap.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// Every plugin known.
    pub fn list(&self) -> Vec<PluginInfo> {
        let state = self.lock();
        state
            .slots
            .iter()
            .map(|(name, slot)| slot.info(name, &state.settings))
            .collect()
    }

    /// The folder as it is configured.
    pub fn dir(&self) -> Option<PathBuf> {
        self.lock().settings.dir.clone()
    }

    /// Takes effect with the next [`Core::rebuild`].
    pub fn set_settings(&self, settings: Settings) {
        self.lock().settings = settings;
    }

    /// Keeps the cache within its limit.
    pub fn prune(&self) {
        self.loader.prune(&self.digests());
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn event(&self, plugin: &str, kind: PluginEventKind<'_>) {
        self.services.event(PluginEvent {
            plugin,
            message: None,
            kind,
        });
    }

    /// Makes the slots what bundled plugins and these files say. At the start there is no mail yet, so all cores compile.
    pub fn install_all(&self, files: &folder::Files) {
        let names: Vec<Arc<str>> = {
            let state = self.lock();
            let bundled = state.settings.bundled.iter().map(|b| b.name.clone());
            let candidates = state
                .slots
                .iter()
                .filter(|(_, slot)| slot.candidate.file.is_some())
                .map(|(name, _)| format!("{name}{}", candidate::SUFFIX).into());
            let all: BTreeSet<Arc<str>> = bundled
                .chain(files.keys().cloned())
                .chain(state.slots.keys().cloned())
                .chain(candidates)
                .collect();
            all.into_iter().collect()
        };
        let workers = thread::available_parallelism()
            .map_or(1, usize::from)
            .min(names.len().max(1));
        let next = Mutex::new(names.iter());
        thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| {
                    loop {
                        let name = next.lock().unwrap_or_else(PoisonError::into_inner).next();
                        let Some(name) = name else { return };
                        match files.get(name) {
                            Some((path, _)) => self.offer(name, path, false),
                            None => self.withdraw(name, false),
                        }
                    }
                });
            }
        });
        self.rebuild();
    }

    /// A complete file lies in the folder under this name.
    pub fn offer(&self, name: &Arc<str>, path: &Path, rebuild: bool) {
        if let Some(of) = name.strip_suffix(candidate::SUFFIX) {
            return self.offer_candidate(&of.into(), path, rebuild);
        }
        let read = folder::read(path);
        let known = {
            let mut state = self.lock();
            let slot = state.slots.entry(name.clone()).or_default();
            slot.file = Some(path.to_owned());
            slot.active
                .as_ref()
                .map(|active| (active.loaded.digest.clone(), active.source.clone()))
        };
        let bytes = match read {
            Ok(bytes) => bytes,
            Err(e) => return self.refuse(name, e.to_string(), rebuild),
        };
        let source = Source::File(path.to_owned());
        let digest = digest(&bytes);
        if known
            .as_ref()
            .is_some_and(|(d, s)| **d == *digest && *s == source)
        {
            self.lock().slots.entry(name.clone()).or_default().problem = None;
            return;
        }
        match self.loader.load(&bytes) {
            Ok(loaded) => self.install(name, loaded, source, rebuild),
            Err(e) => self.refuse(name, e.to_string(), rebuild),
        }
    }

    /// No file has this name (any more): the bundled plugin serves, or none.
    pub fn withdraw(&self, name: &Arc<str>, rebuild: bool) {
        if let Some(of) = name.strip_suffix(candidate::SUFFIX) {
            return self.withdraw_candidate(&of.into(), rebuild);
        }
        let (bundled, active) = {
            let mut state = self.lock();
            let slot = state.slots.entry(name.clone()).or_default();
            slot.file = None;
            slot.problem = None;
            let active = slot
                .active
                .as_ref()
                .map(|a| (a.loaded.digest.clone(), a.source.clone()));
            (
                state
                    .settings
                    .bundled
                    .iter()
                    .find(|b| b.name == *name)
                    .map(|b| b.bytes),
                active,
            )
        };
        match (bundled, active) {
            (Some(_), Some((_, Source::Bundled))) => {}
            (Some(bytes), _) => match self.loader.load(bytes) {
                Ok(loaded) => self.install(name, loaded, Source::Bundled, rebuild),
                Err(e) => self.refuse(name, e.to_string(), rebuild),
            },
            (None, active) => {
                {
                    let mut state = self.lock();
                    let slot = state.slots.remove(name).unwrap_or_default();
                    // A candidate may be there before the plugin, and after it.
                    if slot.candidate.file.is_some() {
                        let candidate = slot.candidate;
                        state.slots.entry(name.clone()).or_default().candidate = candidate;
                    }
                }
                if rebuild {
                    self.rebuild();
                }
                if let Some((digest, _)) = active {
                    self.event(name, PluginEventKind::Removed { digest: &digest });
                }
            }
        }
    }

    fn install(&self, name: &Arc<str>, loaded: Arc<Loaded>, source: Source, rebuild: bool) {
        let digest = loaded.digest.clone();
        let mut version = Version {
            loaded,
            source,
            health: Arc::default(),
            consulted: None,
        };
        let (own, has_last_good) = {
            let state = self.lock();
            let slot = state.slots.get(name);
            let last_good = slot.and_then(|slot| slot.active.as_ref());
            (
                settings_of(&state.settings, name),
                last_good.is_some_and(|last| last.problem().is_none()),
            )
        };
        let consulted = self.consult_one(name, &version, &own, &self.services);
        if let Err(reason) = &consulted.answer {
            if has_last_good {
                return self.refuse(name, reason.clone(), rebuild);
            }
            // Nothing else could serve: its calls fault, and its fault policy decides about mail, which is not let by.
            self.event(name, PluginEventKind::Refused { reason });
        }
        version.consulted = Some(consulted);
        let replaced = {
            let mut state = self.lock();
            let slot = state.slots.entry(name.clone()).or_default();
            slot.problem = None;
            slot.broken.remove(&digest);
            let old = slot.active.replace(version);
            let replaced = old.as_ref().map(|old| old.loaded.digest.clone());
            // What only faulted is nothing to go back to.
            if let Some(old) = old
                && !slot.broken.contains(&old.loaded.digest)
                && old.loaded.digest != digest
            {
                slot.previous = Some(old);
            }
            replaced
        };
        if rebuild {
            self.rebuild();
        }
        let replaces = replaced.as_deref();
        self.event(
            name,
            PluginEventKind::Loaded {
                digest: &digest,
                replaces,
            },
        );
    }

    /// What served goes on; where nothing did, the bundled plugin of that name does.
    fn refuse(&self, name: &Arc<str>, reason: String, rebuild: bool) {
        self.event(name, PluginEventKind::Refused { reason: &reason });
        let bundled = {
            let mut state = self.lock();
            let slot = state.slots.entry(name.clone()).or_default();
            let from_file = slot.file.is_some();
            slot.problem = Some(reason.clone());
            let idle = slot.active.is_none();
            let found = state
                .settings
                .bundled
                .iter()
                .find(|b| b.name == *name)
                .map(|b| b.bytes);
            found.filter(|_| idle && from_file)
        };
        if let Some(bytes) = bundled
            && let Ok(loaded) = self.loader.load(bytes)
        {
            self.install(name, loaded, Source::Bundled, rebuild);
            self.lock().slots.entry(name.clone()).or_default().problem = Some(reason);
        }
    }

    /// Says that something was refused that is not even a plugin's name.
    pub fn refuse_name(&self, name: &str, reason: &str) {
        self.event(name, PluginEventKind::Refused { reason });
    }

    /// The breaker of a version opened: the version before serves again, if there is one.
    pub fn roll_back(&self, name: &Arc<str>, faulty: &Arc<str>) {
        let to = {
            let mut state = self.lock();
            let Some(slot) = state.slots.get_mut(name) else {
                return;
            };
            let is_candidate = slot
                .candidate
                .version
                .as_ref()
                .is_some_and(|version| version.loaded.digest == *faulty);
            if slot
                .active
                .as_ref()
                .is_none_or(|active| active.loaded.digest != *faulty)
            {
                drop(state);
                if is_candidate {
                    self.withdraw_canary(name, faulty, "its breaker opened after faults in a row");
                }
                return;
            }
            let Some(previous) = slot.previous.take() else {
                return;
            };
            slot.broken.insert(faulty.clone());
            slot.problem = Some(format!(
                "version {} only faulted",
                &faulty[..faulty.len().min(12)]
            ));
            let to = previous.loaded.digest.clone();
            slot.active = Some(previous);
            to
        };
        self.rebuild();
        self.event(
            name,
            PluginEventKind::RolledBack {
                from: faulty,
                to: &to,
            },
        );
    }

    /// What serves, or would again.
    fn digests(&self) -> BTreeSet<Arc<str>> {
        let state = self.lock();
        let versions = state
            .slots
            .values()
            .flat_map(|slot| [&slot.active, &slot.previous, &slot.candidate.version]);
        versions
            .flatten()
            .map(|version| version.loaded.digest.clone())
            .collect()
    }

    /// Swaps in what the slots and the settings say now.
    pub fn rebuild(&self) {
        self.consult();
        let mut state = self.lock();
        let State { settings, slots } = &mut *state;
        let house = house(settings, &self.services, &self.recorders);
        let mut plugins = Vec::new();
        let mut canaries = Vec::new();
        for (name, slot) in slots.iter_mut() {
            let own = settings_of(settings, name);
            if !own.enabled {
                slot.candidate.shadow = None;
                slot.candidate.canary = None;
                continue;
            }
            self.try_in_shadow(name, slot, settings, &own);
            let serving = slot.canary(name, &own, canaries.len() < limits::CANARIES_MAX);
            let shadow = slot.candidate.shadow.clone();
            if let Some(version) = &slot.active {
                let mut plugin = version.plugin(name, own.clone());
                plugin.shadow = shadow;
                plugin.canary = serving.clone().map(|canary| (canary, Side::InService));
                plugins.push(Arc::new(plugin));
            }
            if let (Some(canary), Some(version)) = (serving, &slot.candidate.version) {
                let mut plugin = version.plugin(name, own);
                plugin.canary = Some((canary.clone(), Side::Candidate));
                canaries.push((canary, Arc::new(plugin)));
            }
        }
        let core = self.current.load().core.clone();
        let make = |plugins| {
            Generation::new(
                house.clone(),
                self.engines.clone(),
                settings.thresholds,
                settings.breaker,
                core.clone(),
                plugins,
            )
        };
        let variants = (1..1usize << canaries.len()).map(|chosen| {
            let mut set = plugins.clone();
            for (at, (canary, plugin)) in canaries.iter().enumerate() {
                if chosen & (1 << at) != 0 {
                    set.retain(|other: &Arc<Plugin>| other.name != canary.name);
                    set.push(plugin.clone());
                }
            }
            Arc::new(make(set))
        });
        let variants = variants.collect();
        let canaries = canaries.into_iter().map(|(canary, _)| canary).collect();
        let generation = make(plugins).with_canaries(canaries, variants);
        self.current.store(Arc::new(generation));
        drop(state);
        self.changed.send_modify(|count| *count += 1);
    }
}

impl Version {
    fn plugin(&self, name: &Arc<str>, settings: PluginSettings) -> Plugin {
        let (loaded, health) = (self.loaded.clone(), self.health.clone());
        let mut plugin = Plugin::new(name.clone(), loaded, settings, health);
        plugin.hooks = self.called();
        plugin
    }

    /// The hooks that are called with its configuration.
    fn called(&self) -> HookSet {
        match &self.consulted {
            Some(Consulted {
                answer: Ok(Some(wanted)),
                ..
            }) => self.loaded.hooks.and(*wanted),
            _ => self.loaded.hooks,
        }
    }

    /// Why it cannot work with its configuration.
    fn problem(&self) -> Option<&String> {
        let consulted = self.consulted.as_ref()?;
        consulted.answer.as_ref().err()
    }
}

impl Slot {
    fn info(&self, name: &Arc<str>, settings: &Settings) -> PluginInfo {
        let active = self.active.as_ref();
        let health = active.map(|version| &version.health);
        let own = settings_of(settings, name);
        let state = match active {
            None if self.file.is_none() && self.candidate.file.is_some() => PluginState::Refused {
                reason: "no version is in service, only a candidate".into(),
            },
            None => {
                let reason = self.problem.clone().unwrap_or_else(|| "not loaded".into());
                PluginState::Refused { reason }
            }
            Some(_) if !settings_of(settings, name).enabled => PluginState::Disabled,
            Some(version) if version.health.is_open() => PluginState::Broken,
            Some(_) => PluginState::Active,
        };
        PluginInfo {
            name: name.clone(),
            source: match (active, &self.file) {
                (Some(version), _) => version.source.clone(),
                (None, Some(file)) => Source::File(file.clone()),
                (None, None) => Source::Bundled,
            },
            digest: active.map(|version| version.loaded.digest.clone()),
            bytes: active.map_or(0, |version| version.loaded.size),
            hooks: active
                .map(|version| version.loaded.hooks)
                .unwrap_or_default(),
            called: active.map(Version::called).unwrap_or_default(),
            state,
            problem: active.and_then(|version| {
                let file = self.problem.as_ref();
                file.or_else(|| version.problem()).cloned()
            }),
            calls: health.map_or(0, |health| health.calls()),
            faults: health.map_or(0, |health| health.faults()),
            p50_microseconds: health.and_then(|health| health.percentile(0.5)),
            p99_microseconds: health.and_then(|health| health.percentile(0.99)),
            instances: health.map_or(0, |health| health.instances()),
            memory_bytes: health.map_or(0, |health| health.memory()),
            producers: active
                .map(|version| version.loaded.producers.clone())
                .unwrap_or_default(),
            grants: own.grants.clone(),
            candidate: self
                .candidate
                .state(own.trial, own.enabled, active.is_some())
                .map(|state| self.candidate.info(state)),
        }
    }
}

fn settings_of(settings: &Settings, name: &str) -> PluginSettings {
    settings.plugins.get(name).cloned().unwrap_or_default()
}

fn house(
    settings: &Settings,
    services: &Arc<dyn Services>,
    recorders: &Arc<Recorders>,
) -> Arc<House> {
    Arc::new(House {
        recorders: recorders.clone(),
        services: services.clone(),
        hostname: settings.hostname.clone(),
        public_url: settings.public_url.clone(),
    })
}
