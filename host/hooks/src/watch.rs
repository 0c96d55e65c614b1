//! The plugins folder: which files are plugins, when one is complete, and what became of it (notify's only door).
//!
//! A file counts when it was renamed into the folder, or when it did not change for a while. Every few seconds the folder
//! is read anew, since some file systems tell nothing and every queue of events can overflow.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Weak};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use notify::event::{ModifyKind, RenameMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::error::Error;
use crate::limits;
use crate::plugins::Core;
use crate::trial::candidate::SUFFIX;

/// How often the folder is read although nothing was heard of it.
const RESCAN: Duration = Duration::from_secs(5);

/// Watches until dropped.
pub(crate) struct Watcher {
    /// Sends into the thread's queue; dropped first, so that the thread ends.
    notifier: Option<RecommendedWatcher>,
    stop: Sender<Heard>,
    thread: Option<JoinHandle<()>>,
}

enum Heard {
    /// Something happened to these; `true` where a file is complete already.
    Changed(Vec<PathBuf>, bool),
    Stop,
}

impl Watcher {
    /// `files` is what was installed from the folder already.
    pub fn start(dir: &Path, files: Files, core: Weak<Core>) -> Result<Watcher, Error> {
        let fail = |e: &dyn std::fmt::Display| Error::Watch(dir.to_owned(), e.to_string());
        let (heard, queue) = mpsc::channel();
        let stop = heard.clone();
        let mut notifier = notify::recommended_watcher(move |event| {
            let heard_now = match event {
                Ok(event) => hear(event),
                Err(_) => Heard::Changed(Vec::new(), false),
            };
            // The thread is gone only when nobody wants to know any more.
            let _ = heard.send(heard_now);
        })
        .map_err(|e| fail(&e))?;
        notifier
            .watch(dir, RecursiveMode::NonRecursive)
            .map_err(|e| fail(&e))?;
        let folder = Folder::new(dir.to_owned(), files, core);
        let thread = thread::Builder::new()
            .name("baton-plugins".into())
            .spawn(move || folder.run(&queue))
            .map_err(|e| fail(&e))?;
        Ok(Watcher {
            notifier: Some(notifier),
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        drop(self.notifier.take());
        let _ = self.stop.send(Heard::Stop);
        // The thread itself may hold the last reference to the core, and so be the one that drops us.
        if let Some(thread) = self.thread.take()
            && thread.thread().id() != thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

fn hear(event: notify::Event) -> Heard {
    let complete = matches!(
        event.kind,
        EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both))
    );
    // Reading a file is no change.
    let reading = matches!(event.kind, EventKind::Access(access)
        if !matches!(access, notify::event::AccessKind::Close(notify::event::AccessMode::Write)));
    Heard::Changed(if reading { Vec::new() } else { event.paths }, complete)
}

/// Plugins by name: the file, and what it looked like before it was read.
pub(crate) type Files = BTreeMap<Arc<str>, (PathBuf, Option<Stamp>)>;

/// What tells whether a file changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    bytes: u64,
    modified: Option<SystemTime>,
    inode: u64,
}

impl Stamp {
    /// Of what a path leads to; a link that leads nowhere has none.
    fn of(path: &Path) -> Option<Stamp> {
        let found = fs::metadata(path).ok()?;
        #[cfg(unix)]
        let inode = std::os::unix::fs::MetadataExt::ino(&found);
        #[cfg(not(unix))]
        let inode = 0;
        Some(Stamp {
            bytes: found.len(),
            modified: found.modified().ok(),
            inode,
        })
    }
}

/// The thread's own view of the folder.
struct Folder {
    dir: PathBuf,
    core: Weak<Core>,
    /// Files that were offered, with what they looked like then.
    offered: HashMap<Arc<str>, (PathBuf, Option<Stamp>)>,
    /// Files that may not be complete yet: since when they look as they do.
    waiting: HashMap<PathBuf, (Instant, Option<Stamp>)>,
    /// File names that were refused already.
    strange: HashSet<PathBuf>,
    rescan: Instant,
}

impl Folder {
    fn new(dir: PathBuf, files: Files, core: Weak<Core>) -> Folder {
        let offered = files.into_iter().collect();
        let (waiting, strange) = (HashMap::new(), HashSet::new());
        // The first look follows at once: something may have changed between the scan and the watch.
        Folder {
            dir,
            core,
            offered,
            waiting,
            strange,
            rescan: Instant::now(),
        }
    }

    fn run(mut self, queue: &Receiver<Heard>) {
        // What is dropped in is compiled here, one after the other; a third of a core where mail wants all of it.
        crate::engine::step_back(5);
        loop {
            let now = Instant::now();
            let due = self
                .waiting
                .values()
                .map(|(since, _)| *since + limits::QUIET)
                .min();
            let next = due.map_or(self.rescan, |due| due.min(self.rescan));
            match queue.recv_timeout(next.saturating_duration_since(now)) {
                Ok(Heard::Changed(paths, complete)) => {
                    if paths.is_empty() {
                        continue;
                    }
                    for path in paths {
                        let Some(path) = self.here(&path) else {
                            continue;
                        };
                        if complete && path.exists() {
                            self.waiting.remove(&path);
                            self.look(&path);
                        } else {
                            self.wait_for(path);
                        }
                    }
                }
                Ok(Heard::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) => {}
            }
            if self.core.strong_count() == 0 {
                return;
            }
            let now = Instant::now();
            self.take_quiet(now);
            if now >= self.rescan {
                self.rescan = now + RESCAN;
                self.read_folder();
            }
        }
    }

    /// The path as reading the folder gives it: what is heard of may be written in another way.
    fn here(&self, path: &Path) -> Option<PathBuf> {
        Some(self.dir.join(path.file_name()?))
    }

    fn wait_for(&mut self, path: PathBuf) {
        let stamp = Stamp::of(&path);
        self.waiting.insert(path, (Instant::now(), stamp));
    }

    /// Offers what did not change for long enough.
    fn take_quiet(&mut self, now: Instant) {
        let due: Vec<PathBuf> = self
            .waiting
            .iter()
            .filter(|(_, (since, _))| now.saturating_duration_since(*since) >= limits::QUIET)
            .map(|(path, _)| path.clone())
            .collect();
        for path in due {
            let Some((_, before)) = self.waiting.remove(&path) else {
                continue;
            };
            if Stamp::of(&path) == before {
                self.look(&path);
            } else {
                self.wait_for(path);
            }
        }
    }

    /// Compares the folder with what is known of it.
    fn read_folder(&mut self) {
        let Ok(entries) = fs::read_dir(&self.dir) else {
            // A folder that is away for a moment takes no plugin with it.
            tracing::warn!(dir = %self.dir.display(), "the plugins folder cannot be read");
            return;
        };
        let mut seen = HashSet::new();
        for path in entries.flatten().map(|entry| entry.path()) {
            seen.insert(path.clone());
            let known = name_of(&path)
                .ok()
                .flatten()
                .and_then(|name| self.offered.get(&name))
                .is_some_and(|(of, stamp)| *of == path && *stamp == Stamp::of(&path));
            if !known && !self.waiting.contains_key(&path) && !self.strange.contains(&path) {
                self.wait_for(path);
            }
        }
        self.strange.retain(|path| seen.contains(path));
        let gone: Vec<PathBuf> = self
            .offered
            .values()
            .filter(|(path, _)| !seen.contains(path))
            .map(|(path, _)| path.clone())
            .collect();
        for path in gone {
            if !self.waiting.contains_key(&path) {
                self.wait_for(path);
            }
        }
    }

    /// One path, complete or gone.
    fn look(&mut self, path: &Path) {
        let Some(core) = self.core.upgrade() else {
            return;
        };
        let name = match name_of(path) {
            Ok(Some(name)) => name,
            Ok(None) => return,
            Err(reason) => {
                if path.exists() && self.strange.insert(path.to_owned()) {
                    let shown = path.file_name().unwrap_or_default().to_string_lossy();
                    core.refuse_name(&shown, reason);
                }
                return;
            }
        };
        if fs::symlink_metadata(path).is_err() {
            if self.offered.remove(&name).is_some() {
                core.withdraw(&name, true);
            }
            return;
        }
        let stamp = Stamp::of(path);
        let same = self
            .offered
            .get(&name)
            .is_some_and(|(of, old)| of == path && *old == stamp);
        if same && stamp.is_some() {
            return;
        }
        self.offered.insert(name.clone(), (path.to_owned(), stamp));
        core.offer(&name, path, true);
    }
}

/// The plugins in a folder: name and file. What is strange is left to the watcher's first look.
pub(crate) fn scan(dir: &Path) -> Result<Files, Error> {
    let entries = fs::read_dir(dir).map_err(Error::io(dir))?;
    Ok(entries
        .flatten()
        .map(|entry| entry.path())
        .filter_map(|path| {
            let (name, stamp) = (name_of(&path).ok()??, Stamp::of(&path));
            Some((name, (path, stamp)))
        })
        .collect())
}

/// The name of the plugin a file holds, with `.candidate` after it where it is one to be tried: none if it is no plugin at all, an error if its name cannot be one.
fn name_of(path: &Path) -> Result<Option<Arc<str>>, &'static str> {
    let Some(file) = path.file_name() else {
        return Ok(None);
    };
    let Some(file) = file.to_str() else {
        return if path.extension().is_some_and(|e| e == "wasm") {
            Err(BAD_NAME)
        } else {
            Ok(None)
        };
    };
    let Some(stem) = file.strip_suffix(".wasm") else {
        return Ok(None);
    };
    if stem.is_empty() || stem.starts_with('.') {
        return Ok(None);
    }
    if is_name(stem.strip_suffix(SUFFIX).unwrap_or(stem)) {
        Ok(Some(stem.into()))
    } else {
        Err(BAD_NAME)
    }
}

const BAD_NAME: &str = "a plugin's name has letters, digits, - and _, begins with a letter or digit, and has at most 64 characters";

/// A name goes into URLs, events and key-value without any quoting.
fn is_name(stem: &str) -> bool {
    stem.len() <= limits::NAME_BYTES_MAX
        && stem.starts_with(|c: char| c.is_ascii_alphanumeric())
        && stem
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// Reads a component, if it is a file of a sane size.
pub(crate) fn read(path: &Path) -> Result<Vec<u8>, Error> {
    let found = fs::metadata(path).map_err(Error::io(path))?;
    // Opening a pipe would wait for somebody at its other end.
    if !found.is_file() {
        return Err(Error::Refused("not a file".into()));
    }
    let too_large = || {
        Error::Refused(format!(
            "larger than {} MiB",
            limits::COMPONENT_BYTES_MAX >> 20
        ))
    };
    if found.len() > limits::COMPONENT_BYTES_MAX {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(found.len()).unwrap_or(0));
    let file = File::open(path).map_err(Error::io(path))?;
    file.take(limits::COMPONENT_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(Error::io(path))?;
    if bytes.len() as u64 > limits::COMPONENT_BYTES_MAX {
        return Err(too_large());
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plugin_is_named_after_its_file() {
        let name = |file: &str| name_of(Path::new(file)).map(|name| name.map(|n| n.to_string()));
        assert_eq!(
            name("/p/link-tracking.wasm"),
            Ok(Some("link-tracking".into()))
        );
        assert_eq!(name("/p/a.candidate.wasm"), Ok(Some("a.candidate".into())));
        assert_eq!(name("/p/a.wasm.part"), Ok(None));
        assert_eq!(name("/p/.hidden.wasm"), Ok(None));
        assert_eq!(name("/p/.wasm"), Ok(None));
        for bad in [
            "/p/a b.wasm",
            "/p/a.b.wasm",
            "/p/a.b.candidate.wasm",
            "/p/-a.wasm",
            "/p/ä.wasm",
            "/p/a\n.wasm",
        ] {
            assert_eq!(name(bad), Err(BAD_NAME), "{bad:?}");
        }
        assert!(name(&format!("/p/{}.wasm", "a".repeat(65))).is_err());
    }
}
