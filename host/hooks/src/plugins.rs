//! All plugins of the process: what is installed, what serves, and how one becomes the other.
//!
//! Nothing here is on the path of a message. Changes come from the folder's watcher, from [`Plugins::reconfigure`] and
//! from breakers; each ends in a new [`Generation`], swapped in atomically.

mod core;

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use crate::error::Error;
use crate::generation::Generation;
use crate::info::PluginInfo;
use crate::services::Services;
use crate::settings::Settings;
use crate::trial::{RecordOrder, Recording, TrialReport};
use crate::watch::{self as folder, Watcher};

pub(crate) use core::{Core, Version};

/// All plugins of the process. Dropping it stops the watcher; generations in use stay usable.
pub struct Plugins {
    core: Arc<Core>,
    watcher: Mutex<Option<Watcher>>,
}

impl Plugins {
    /// Starts the engine, loads what is bundled and what lies in the folder, and watches the folder. A plugin that is
    /// refused is an event and no error. Blocks: milliseconds with a filled cache, seconds without.
    ///
    /// # Errors
    /// [`Error::Engine`], [`Error::Cache`], [`Error::Io`], [`Error::Watch`].
    pub fn start(settings: Settings, services: Arc<dyn Services>) -> Result<Plugins, Error> {
        let dir = settings.dir.clone();
        let core = Core::start(settings, services)?;
        let files = match &dir {
            Some(dir) => {
                std::fs::create_dir_all(dir).map_err(Error::io(dir))?;
                folder::scan(dir)?
            }
            None => folder::Files::new(),
        };
        core.install_all(&files);
        core.prune();
        let watcher = dir
            .map(|dir| Watcher::start(&dir, files, Arc::downgrade(&core)))
            .transpose()?;
        Ok(Plugins {
            core,
            watcher: Mutex::new(watcher),
        })
    }

    /// What serves now. Cheap.
    pub fn generation(&self) -> Arc<Generation> {
        self.core.generation()
    }

    /// A receiver that is told whenever another generation serves; the number only grows.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.core.changes()
    }

    /// Every plugin known, by name.
    pub fn list(&self) -> Vec<PluginInfo> {
        self.core.list()
    }

    /// Asks a plugin again what its configuration has a use for, after its key-value was written from outside. Blocks for a
    /// moment.
    pub fn consult_again(&self, name: &str) {
        self.core.consult_again(name);
    }

    /// Where the candidate of a plugin and its version in service differ so far; none where nothing is tried.
    pub fn diff(&self, name: &str) -> Option<TrialReport> {
        self.core.diff(name)
    }

    /// Puts the candidate of a plugin in service: its file takes the place of the plugin's. Blocks for a moment.
    ///
    /// # Errors
    /// [`Error::Refused`] where there is no candidate that loads; [`Error::Io`] where the file cannot be renamed.
    pub fn promote(&self, name: &str) -> Result<(), Error> {
        self.core.promote(name)
    }

    /// Records the calls of sessions that begin from now on.
    ///
    /// # Errors
    /// [`Error::Record`] while another recording is under way.
    pub fn record(&self, order: RecordOrder) -> Result<Recording, Error> {
        self.core.record(order)
    }

    /// Other settings from the next sitting on. The cache folder and the pool stay as they were at the start.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Watch`] for another plugin folder; then everything stays as it was.
    pub fn reconfigure(&self, settings: Settings) -> Result<(), Error> {
        let moved = self.core.dir() != settings.dir;
        if !moved {
            self.core.set_settings(settings);
            self.core.rebuild();
            return Ok(());
        }
        let dir = settings.dir.clone();
        let files = match &dir {
            Some(dir) => {
                std::fs::create_dir_all(dir).map_err(Error::io(dir))?;
                folder::scan(dir)?
            }
            None => folder::Files::new(),
        };
        let mut watcher = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        let new = dir
            .map(|dir| Watcher::start(&dir, files.clone(), Arc::downgrade(&self.core)))
            .transpose()?;
        *watcher = new;
        self.core.set_settings(settings);
        self.core.install_all(&files);
        Ok(())
    }
}
