//! A set of plugins that serves: never changed, only replaced. Sittings that began with one end with it.

use std::sync::{Arc, Weak};

use crate::desk::House;
use crate::engine::Engines;
use crate::hook::{Hook, HookSet};
use crate::load::digest;
use crate::plugin::Plugin;
use crate::plugins::Core;
use crate::settings::{Breaker, Thresholds};
use crate::trial::canary::Canary;

/// See the module.
pub struct Generation {
    pub(crate) house: Arc<House>,
    pub(crate) engines: Arc<Engines>,
    pub(crate) thresholds: Thresholds,
    pub(crate) breaker: Breaker,
    /// Told when a plugin should be rolled back.
    pub(crate) core: Weak<Core>,
    plugins: Vec<Arc<Plugin>>,
    /// For each hook, positions in `plugins`, in the order in which they are asked.
    by_hook: [Box<[u16]>; Hook::COUNT],
    exported: HookSet,
    digests: Arc<[(Arc<str>, Arc<str>)]>,
    id: Arc<str>,
    /// Candidates that serve a share of the sessions, and for each choice of them (as a number whose bits they are, less
    /// one) the set that serves then.
    canaries: Vec<Arc<Canary>>,
    variants: Vec<Arc<Generation>>,
}

impl Generation {
    pub(crate) fn new(
        house: Arc<House>,
        engines: Arc<Engines>,
        thresholds: Thresholds,
        breaker: Breaker,
        core: Weak<Core>,
        mut plugins: Vec<Arc<Plugin>>,
    ) -> Generation {
        plugins.sort_by(|a, b| (a.settings.order, &a.name).cmp(&(b.settings.order, &b.name)));
        plugins.truncate(usize::from(u16::MAX));
        let by_hook: [Box<[u16]>; Hook::COUNT] = Hook::ALL.map(|hook| {
            let of = |(at, plugin): (usize, &Arc<Plugin>)| {
                plugin
                    .hooks
                    .contains(hook)
                    .then(|| u16::try_from(at).ok())
                    .flatten()
            };
            plugins.iter().enumerate().filter_map(of).collect()
        });
        let exported = Hook::ALL
            .into_iter()
            .filter(|hook| !by_hook[*hook as usize].is_empty())
            .collect();
        let digests: Arc<[_]> = plugins
            .iter()
            .map(|p| (p.name.clone(), p.loaded.digest.clone()))
            .collect();
        let listed: String = digests
            .iter()
            .map(|(name, digest)| format!("{name}={digest}\n"))
            .collect();
        let id = digest(listed.as_bytes())[..16].into();
        Generation {
            house,
            engines,
            thresholds,
            breaker,
            core,
            plugins,
            by_hook,
            exported,
            digests,
            id,
            canaries: Vec::new(),
            variants: Vec::new(),
        }
    }

    /// With candidates that serve a share of the sessions: `variants[n - 1]` serves where the bits of `n` are chosen.
    pub(crate) fn with_canaries(
        mut self,
        canaries: Vec<Arc<Canary>>,
        variants: Vec<Arc<Generation>>,
    ) -> Generation {
        for variant in &variants {
            for hook in variant.exported.iter() {
                self.exported.insert(hook);
            }
        }
        self.canaries = canaries;
        self.variants = variants;
        self
    }

    /// The set that serves whoever has this key, such as the id of a session: this one, or one with candidates in it. The
    /// same key gets the same answer as long as the candidates are the same.
    pub fn chosen(self: &Arc<Generation>, key: &str) -> Arc<Generation> {
        let bit = |(at, canary): (usize, &Arc<Canary>)| usize::from(canary.serves(key)) << at;
        let chosen: usize = self.canaries.iter().enumerate().map(bit).sum();
        match chosen.checked_sub(1).and_then(|at| self.variants.get(at)) {
            Some(variant) => variant.clone(),
            None => self.clone(),
        }
    }

    /// Whether any plugin of this set, or a candidate that may serve in its place, is asked at that hook. One that nobody has costs nothing: do not even make a sitting.
    pub fn exports(&self, hook: Hook) -> bool {
        self.exported.contains(hook)
    }

    /// Whether any plugin of this set has any of those hooks.
    pub fn exports_any(&self, hooks: &[Hook]) -> bool {
        hooks.iter().any(|hook| self.exports(*hook))
    }

    /// Name and SHA-256 of each plugin, in the order in which they are asked. It is recorded on every message.
    pub fn digests(&self) -> &Arc<[(Arc<str>, Arc<str>)]> {
        &self.digests
    }

    /// A short name of this set, made from the digests.
    pub fn id(&self) -> &Arc<str> {
        &self.id
    }

    /// Positions of the plugins that have this hook, in order.
    pub(crate) fn asked(&self, hook: Hook) -> &[u16] {
        &self.by_hook[hook as usize]
    }

    pub(crate) fn plugin(&self, at: u16) -> &Arc<Plugin> {
        &self.plugins[usize::from(at)]
    }

    /// The position of a plugin that has this hook.
    pub(crate) fn find(&self, name: &str, hook: Hook) -> Option<u16> {
        self.asked(hook)
            .iter()
            .copied()
            .find(|at| &*self.plugin(*at).name == name)
    }
}

impl std::fmt::Debug for Generation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generation")
            .field("id", &self.id)
            .field("digests", &self.digests)
            .finish()
    }
}
