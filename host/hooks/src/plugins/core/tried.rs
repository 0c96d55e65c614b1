//! Candidates: from a file to a shadow or a canary, and out of the trial again.

use std::path::Path;
use std::sync::Arc;

use super::{Core, PluginSettings, Settings, Slot, Source, Version, settings_of};
use crate::desk::House;
use crate::error::Error;
use crate::generation::Generation;
use crate::load::digest;
use crate::services::PluginEventKind;
use crate::settings::Trial;
use crate::trial::canary::Canary;

use crate::trial::record::Recorders;
use crate::trial::shadow::{Aside, Shadow};
use crate::trial::{RecordOrder, Recording, TrialReport};
use crate::watch as folder;

impl Core {
    /// A complete file of a candidate for this plugin lies in the folder.
    pub(super) fn offer_candidate(&self, name: &Arc<str>, path: &Path, rebuild: bool) {
        let read = folder::read(path);
        let known = {
            let mut state = self.lock();
            let candidate = &mut state.slots.entry(name.clone()).or_default().candidate;
            candidate.file = Some(path.to_owned());
            let version = candidate.version.as_ref();
            version.map(|version| version.loaded.digest.clone())
        };
        let same = |bytes: &Vec<u8>| known.as_ref().is_some_and(|k| **k == *digest(bytes));
        if read.as_ref().is_ok_and(same) {
            self.lock()
                .slots
                .entry(name.clone())
                .or_default()
                .candidate
                .problem = None;
            return;
        }
        match read.and_then(|bytes| self.loader.load(&bytes)) {
            Ok(loaded) => {
                let digest = loaded.digest.clone();
                {
                    let mut state = self.lock();
                    let candidate = &mut state.slots.entry(name.clone()).or_default().candidate;
                    candidate.problem = None;
                    candidate.withdrawn = None;
                    candidate.version = Some(Version {
                        loaded,
                        source: Source::File(path.to_owned()),
                        health: Arc::default(),
                        consulted: None,
                    });
                }
                if rebuild {
                    self.rebuild();
                }
                let trial = settings_of(&self.lock().settings, name).trial;
                self.tell_trial(name, &digest, trial_word(trial), "");
            }
            Err(error) => {
                let reason = error.to_string();
                let digest = {
                    let mut state = self.lock();
                    let candidate = &mut state.slots.entry(name.clone()).or_default().candidate;
                    candidate.problem = Some(reason.clone());
                    candidate.version = None;
                    known.unwrap_or_else(|| "".into())
                };
                if rebuild {
                    self.rebuild();
                }
                self.tell_trial(name, &digest, "refused", &reason);
            }
        }
    }

    /// There is no file of a candidate for this plugin any more.
    pub(super) fn withdraw_candidate(&self, name: &Arc<str>, rebuild: bool) {
        let gone = {
            let mut state = self.lock();
            let Some(slot) = state.slots.get_mut(name) else {
                return;
            };
            let gone = std::mem::take(&mut slot.candidate);
            if slot.active.is_none() && slot.file.is_none() {
                state.slots.remove(name);
            }
            gone
        };
        if rebuild {
            self.rebuild();
        }
        if let Some(version) = &gone.version {
            self.tell_trial(name, &version.loaded.digest, "removed", "");
        }
    }

    /// A canary does worse than the version in service: no session gets it any more.
    pub fn withdraw_canary(&self, name: &Arc<str>, digest: &Arc<str>, why: &str) {
        {
            let mut state = self.lock();
            let Some(slot) = state.slots.get_mut(name) else {
                return;
            };
            let candidate = &mut slot.candidate;
            let is_it = candidate
                .version
                .as_ref()
                .is_some_and(|version| version.loaded.digest == *digest);
            if !is_it || candidate.withdrawn.is_some() {
                return;
            }
            candidate.withdrawn = Some((digest.clone(), why.to_owned()));
        }
        self.rebuild();
        self.tell_trial(name, digest, "rolled-back", why);
    }

    /// See [`crate::Plugins::diff`].
    pub fn diff(&self, name: &str) -> Option<TrialReport> {
        let state = self.lock();
        let (name, slot) = state.slots.get_key_value(name)?;
        let own = settings_of(&state.settings, name);
        let in_service = slot.active.as_ref();
        let trial = slot
            .candidate
            .state(own.trial, own.enabled, in_service.is_some())?;
        slot.candidate.report(name, trial, in_service)
    }

    /// See [`crate::Plugins::promote`].
    pub fn promote(&self, name: &str) -> Result<(), Error> {
        let name: Arc<str> = name.into();
        let (from, digest) = {
            let state = self.lock();
            let candidate = state.slots.get(&name).map(|slot| &slot.candidate);
            let found = candidate.and_then(|c| Some((c.file.clone()?, c.version.as_ref()?)));
            let Some((file, version)) = found else {
                return Err(Error::Refused(format!(
                    "{name} has no candidate that loads"
                )));
            };
            (file, version.loaded.digest.clone())
        };
        let now = folder::read(&from)?;
        if *crate::load::digest(&now) != *digest {
            return Err(Error::Refused(
                "the file of the candidate has just changed; look at it again first".into(),
            ));
        }
        let to = from.with_file_name(format!("{name}.wasm"));
        std::fs::rename(&from, &to).map_err(Error::io(&to))?;
        // The watcher would find it as well, a moment later.
        self.offer(&name, &to, false);
        self.withdraw_candidate(&name, false);
        self.rebuild();
        self.tell_trial(&name, &digest, "promoted", "");
        Ok(())
    }

    /// See [`crate::Plugins::record`].
    pub fn record(&self, order: RecordOrder) -> Result<Recording, Error> {
        let state = self.lock();
        let hostname = &state.settings.hostname;
        let public_url = state.settings.public_url.as_deref();
        self.recorders
            .start(order, hostname, public_url)
            .ok_or_else(|| Error::Record("another recording is under way".into()))
    }

    fn tell_trial(&self, name: &str, digest: &str, state: &str, why: &str) {
        self.event(name, PluginEventKind::Trial { digest, state, why });
    }

    /// Gives the candidate its shadow, or takes it away. One that goes on keeps what it has counted.
    pub(super) fn try_in_shadow(
        &self,
        name: &Arc<str>,
        slot: &mut Slot,
        settings: &Settings,
        own: &PluginSettings,
    ) {
        let (Some(active), Some(version), Trial::Shadow) =
            (&slot.active, &slot.candidate.version, own.trial)
        else {
            slot.candidate.shadow = None;
            return;
        };
        let (digest, against) = (&version.loaded.digest, &active.loaded.digest);
        let running = slot
            .candidate
            .shadow
            .take_if(|shadow| shadow.digest == *digest && shadow.against == *against);
        slot.candidate.shadow = None;
        let house = House {
            services: Arc::new(Aside::new(self.services.clone())),
            hostname: settings.hostname.clone(),
            public_url: settings.public_url.clone(),
            recorders: Arc::<Recorders>::default(),
        };
        let generation = Arc::new(Generation::new(
            Arc::new(house),
            self.engines.clone(),
            settings.thresholds,
            settings.breaker,
            std::sync::Weak::new(),
            vec![Arc::new(version.plugin(name, own.clone()))],
        ));
        if let Some(shadow) = running {
            shadow.serve(generation);
            slot.candidate.shadow = Some(shadow);
            return;
        }
        let started = Shadow::start(
            name.clone(),
            digest.clone(),
            against.clone(),
            generation,
            self.services.clone(),
        );
        match started {
            Ok(shadow) => slot.candidate.shadow = Some(Arc::new(shadow)),
            Err(error) => {
                slot.candidate.problem = Some(format!("no thread for a shadow: {error}"));
            }
        }
    }
}

impl Slot {
    /// The canary of this slot, if its candidate may serve. One that goes on keeps what it has counted.
    pub(super) fn canary(
        &mut self,
        name: &Arc<str>,
        own: &PluginSettings,
        has_room: bool,
    ) -> Option<Arc<Canary>> {
        let against = self.active.as_ref().map(|v| v.loaded.digest.clone());
        let candidate = &mut self.candidate;
        let Some((share, version)) = candidate.canary_share(own.trial).filter(|_| has_room) else {
            // What it counted is still to be read after it was withdrawn.
            if candidate.withdrawn.is_none() {
                candidate.canary = None;
            }
            return None;
        };
        let digest = version.loaded.digest.clone();
        let running = candidate.canary.as_ref().filter(|canary| {
            canary.digest == digest
                && canary.against == against
                && canary.share.to_bits() == share.to_bits()
        });
        let canary = match running {
            Some(canary) => canary.clone(),
            None => Arc::new(Canary::new(name.clone(), digest, against, share)),
        };
        candidate.canary = Some(canary.clone());
        Some(canary)
    }
}

fn trial_word(trial: Trial) -> &'static str {
    match trial {
        Trial::Shadow => "shadow",
        Trial::Canary(_) => "canary",
        Trial::Off => "off",
    }
}
