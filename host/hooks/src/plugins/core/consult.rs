//! `on-load`: what a version says about its configuration before it serves, and which of its hooks are called with it.
//!
//! The question is put in an instance and a set of plugins of its own, never while the slots are locked. Nothing in it may
//! wait for the world: a relay starts and takes a new configuration without its network.

use std::sync::{Arc, Weak};

use super::{Core, PluginSettings, Services, Settings, Version, house, settings_of};
use crate::fault::Fault;
use crate::generation::Generation;
use crate::golden::apart;
use crate::health::Health;
use crate::hook::{Hook, HookSet};
use crate::plugin::Plugin;
use crate::services::PluginEventKind;
use crate::sitting::Sitting;
use crate::trial::shadow::Aside;

/// What a version said when it was asked with these settings.
#[derive(Clone)]
pub(crate) struct Consulted {
    pub settings: PluginSettings,
    /// The hooks it wants, none of them being all; or why it cannot work with its configuration.
    pub answer: Answer,
}

type Answer = Result<Option<HookSet>, String>;

impl Core {
    /// Asks every version that was not asked with the settings it has now.
    pub(super) fn consult(&self) {
        let asked = {
            let state = self.lock();
            let mut asked = Vec::new();
            for (name, slot) in &state.slots {
                let own = settings_of(&state.settings, name);
                let versions = [(&slot.active, false), (&slot.candidate.version, true)];
                for (version, is_candidate) in versions {
                    let stale = |version: &&Version| {
                        let known = version.consulted.as_ref();
                        own.enabled && known.is_none_or(|known| known.settings != own)
                    };
                    if let Some(version) = version.as_ref().filter(stale) {
                        asked.push((name.clone(), version.clone(), own.clone(), is_candidate));
                    }
                }
            }
            asked
        };
        for (name, version, own, is_candidate) in asked {
            let services = match is_candidate {
                true => Arc::new(Aside::new(self.services.clone())),
                false => self.services.clone(),
            };
            let consulted = self.consult_one(&name, &version, &own, &services);
            if let Err(reason) = &consulted.answer {
                self.event(&name, PluginEventKind::Refused { reason });
            }
            let mut state = self.lock();
            let Some(slot) = state.slots.get_mut(&name) else {
                continue;
            };
            let of = match is_candidate {
                true => &mut slot.candidate.version,
                false => &mut slot.active,
            };
            // It may have been replaced meanwhile; then whoever did that asks again.
            if let Some(of) = of.as_mut()
                && of.loaded.digest == version.loaded.digest
            {
                of.consulted = Some(consulted);
            }
        }
    }

    /// Asks the versions of a plugin again: what they looked at has changed. What serves is swapped only if an answer is another.
    pub fn consult_again(&self, name: &str) {
        let before = self.answers(name);
        {
            let mut state = self.lock();
            let Some(slot) = state.slots.get_mut(name) else {
                return;
            };
            let versions = [&mut slot.active, &mut slot.candidate.version];
            for version in versions.into_iter().flatten() {
                version.consulted = None;
            }
        }
        self.consult();
        if self.answers(name) != before {
            self.rebuild();
        }
    }

    /// What the versions of a plugin said last.
    fn answers(&self, name: &str) -> Vec<Option<Answer>> {
        let state = self.lock();
        let Some(slot) = state.slots.get(name) else {
            return Vec::new();
        };
        let said = |version: &Version| Some(version.consulted.as_ref()?.answer.clone());
        let versions = [&slot.active, &slot.candidate.version];
        versions.map(|v| v.as_ref().and_then(said)).to_vec()
    }

    /// Asks one version. Blocks, at most for the time that its limits give a call.
    pub(super) fn consult_one(
        &self,
        name: &Arc<str>,
        version: &Version,
        own: &PluginSettings,
        services: &Arc<dyn Services>,
    ) -> Consulted {
        let answer = match version.loaded.hooks.contains(Hook::Load) && own.enabled {
            true => self.ask_on_load(name, version, own, services),
            false => Ok(None),
        };
        Consulted {
            settings: own.clone(),
            answer,
        }
    }

    fn ask_on_load(
        &self,
        name: &Arc<str>,
        version: &Version,
        own: &PluginSettings,
        services: &Arc<dyn Services>,
    ) -> Answer {
        let settings: Settings = self.lock().settings.clone();
        // Its own health: what comes of this call is told here, and opens no breaker.
        let loaded = version.loaded.clone();
        let plugin = Plugin::new(name.clone(), loaded, own.clone(), Arc::<Health>::default());
        let generation = Arc::new(Generation::new(
            house(&settings, services, &Arc::default()),
            self.engines.clone(),
            settings.thresholds,
            settings.breaker,
            Weak::new(),
            vec![Arc::new(plugin)],
        ));
        let said = apart(async || {
            let mut sitting = Sitting::new(generation);
            let said = sitting.on_load().await;
            for line in sitting.take_records().iter().flat_map(|call| &call.logs) {
                services.log(name, line.level, &line.text);
            }
            said
        });
        match said {
            Ok(None) => Ok(None),
            // All places are taken by mail, or there is no thread: that says nothing about the plugin.
            Err(_) | Ok(Some(Err(Fault::Exhausted))) => Ok(None),
            Ok(Some(Ok(wanted))) => Ok(wanted),
            Ok(Some(Err(Fault::Answered(text)))) => Err(text),
            Ok(Some(Err(fault))) => Err(format!("{} {fault}", Hook::Load)),
        }
    }
}
