//! `baton dev --watch`: projects in the plugins folder are built when a source was saved, and what came of it is shown at once.
//!
//! A project is a folder below the plugins folder with a `plugin.toml`. Its component goes into the plugins folder, where the
//! relay finds it. Sources are looked at several times a second: projects are small, and editors save in many ways.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime};

use baton_author::Project;

use super::golden::replace;
use super::project::{built, tested, traced};
use crate::cli::{Failure, print};

/// How often sources are looked at.
const LOOK: Duration = Duration::from_millis(250);
/// Files of one project that are looked at, at most.
const FILES_MAX: usize = 10_000;
/// Folders that tools fill.
const MADE: [&str; 5] = ["build", "target", "node_modules", ".venv", "__pycache__"];
/// The message that shows what a plugin does.
const MAIL: &str = "mail.eml";

/// Watches until dropped.
pub(in crate::cli) struct Watch {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Builds every project in the folder, and again whenever one changes.
    pub fn start(folder: PathBuf) -> Result<Watch, Failure> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let thread = thread::Builder::new()
            .name("baton-watch".into())
            .spawn(move || look(&folder, &stopped))
            .map_err(Failure::failed)?;
        Ok(Watch {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // A build under way is waited for: its tools would go on without us.
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn look(folder: &Path, stop: &AtomicBool) {
    let mut known: BTreeMap<PathBuf, Stamp> = BTreeMap::new();
    while !stop.load(Ordering::Relaxed) {
        for project in projects(folder) {
            let stamp = stamp(&project);
            if known.get(&project) == Some(&stamp) {
                continue;
            }
            let done = build(folder, &project);
            if let Err(failure) = done {
                print(format_args!("{}: {failure}", project.display()));
            }
            // A tool may have touched sources itself, such as a lock file.
            known.insert(project.clone(), self::stamp(&project));
        }
        thread::park_timeout(LOOK);
    }
}

fn projects(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.join(Project::FILE).is_file())
        .collect();
    found.sort();
    found
}

fn build(folder: &Path, project: &Path) -> Result<(), Failure> {
    let project = Project::open(project).map_err(Failure::usage)?;
    let name = project.name();
    let component = built(&project)?;
    replace(&folder.join(format!("{name}.wasm")), &component)?;
    print(format_args!("{name}: built, {} bytes", component.len()));
    let outcomes = tested(&component)?;
    for outcome in outcomes.iter().filter(|outcome| !outcome.passed()) {
        print(format_args!("{name}: FAILED {outcome}"));
    }
    let passed = outcomes.iter().filter(|outcome| outcome.passed()).count();
    print(format_args!(
        "{name}: {passed} of {} tests passed",
        outcomes.len()
    ));
    let mail = project.folder().join(MAIL);
    if mail.is_file() {
        for line in traced(&component, &mail)? {
            print(format_args!("{name}: {line}"));
        }
    }
    Ok(())
}

/// What tells whether a source changed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stamp {
    files: usize,
    bytes: u64,
    newest: Option<SystemTime>,
}

fn stamp(project: &Path) -> Stamp {
    let mut stamp = Stamp {
        files: 0,
        bytes: 0,
        newest: None,
    };
    let mut folders = vec![project.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Ok(found) = entry.metadata() else {
                continue;
            };
            if found.is_dir()
                && !MADE.iter().any(|made| name == *made)
                && !is_generated(&name.to_string_lossy())
            {
                folders.push(entry.path());
            }
            let is_source = found.is_file() && !is_generated(&name.to_string_lossy());
            if is_source && stamp.files < FILES_MAX {
                stamp.files += 1;
                stamp.bytes += found.len();
                stamp.newest = stamp.newest.max(found.modified().ok());
            }
        }
    }
    stamp
}

/// Bindings for Go and components stand beside sources.
fn is_generated(name: &str) -> bool {
    name.ends_with(".wasm")
        || name.ends_with(".part")
        || name.starts_with("baton_relay_")
        || name == "wit_exports.go"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_source_is_noticed_and_what_tools_write_is_not() {
        let temp = tempfile::TempDir::new().unwrap();
        let put = |path: &str, text: &str| {
            let path = temp.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        put("src/plugin.c", "a");
        let before = stamp(temp.path());
        for made in [
            "build/core.wasm",
            "x.wasm",
            "node_modules/a/b.js",
            "baton_relay_kv/a.go",
            "target/x",
        ] {
            put(made, "made");
        }
        assert_eq!(stamp(temp.path()), before);
        put("src/plugin.c", "ab");
        assert_ne!(stamp(temp.path()), before);
    }
}
