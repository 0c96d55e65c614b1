//! `baton plugin test` and `baton plugin embed`: cases, in a component and in folders.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use baton_hooks::golden::{Bench, Case, Files, Outcome};
use serde_json::{Map, Value, json};

use super::{Component, find};
use crate::cli::{Failure, print};
use crate::config::Config;

#[derive(Debug, clap::Args)]
pub struct Test {
    /// Name of a bundled plugin, or a file.
    plugin: String,
    /// Folders of cases, beside those that the component carries: .json files, and messages NAME.eml that are to become
    /// NAME.expected.eml.
    folders: Vec<PathBuf>,
    /// A configuration with [plugins.NAME], or a file with that section's keys alone, for cases that say none of their own.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Write what came out of each NAME.eml in the folders to NAME.expected.eml, where it is absent or different.
    #[arg(long)]
    bless: bool,
    /// Print JSON: a list with one object for each case.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub struct Embed {
    /// The component.
    component: PathBuf,
    /// The folder of cases that it is to carry; what it carried before is replaced.
    #[arg(long, value_name = "DIR")]
    golden: PathBuf,
    /// Where the new component goes; the same file where absent.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Test {
    pub fn run(self) -> Result<(), Failure> {
        let component = find(&self.plugin)?;
        let section = self.section(&component)?;
        let own = Files::of_component(&component.bytes)
            .and_then(|files| files.cases())
            .map_err(Failure::usage)?;
        let bench = Bench::start(&component.bytes, &super::cache_dir()).map_err(Failure::failed)?;
        let mut cases = own;
        for folder in &self.folders {
            let mut files = Files::of_folder(folder).map_err(Failure::usage)?;
            if self.bless {
                files = bless(&bench, folder, &files, section.as_ref())?;
            }
            let found = files
                .cases()
                .map_err(|e| Failure::usage(format_args!("{}: {e}", folder.display())))?;
            cases.extend(found);
        }
        if cases.is_empty() {
            let text = format_args!(
                "{} carries no tests, and no folder of tests was given",
                component.name
            );
            return Err(Failure::usage(text));
        }
        if let Some(section) = &section {
            cases.iter_mut().for_each(|case| case.set_config(section));
        }
        self.tell(&bench.run(&cases).map_err(Failure::failed)?)
    }

    fn section(&self, component: &Component) -> Result<Option<Map<String, Value>>, Failure> {
        let Some(path) = &self.config else {
            return Ok(None);
        };
        let section = Config::load_plugin(path, &component.name).map_err(Failure::usage)?;
        let settings = baton_hooks::PluginSettings::from(&section);
        serde_json::from_str(&settings.config)
            .map(Some)
            .map_err(Failure::usage)
    }

    fn tell(&self, outcomes: &[Outcome]) -> Result<(), Failure> {
        if self.json {
            print(Value::from(
                outcomes.iter().map(as_json).collect::<Vec<_>>(),
            ));
        }
        let mut failed = 0;
        for outcome in outcomes {
            failed += usize::from(!outcome.passed());
            if !self.json {
                let word = if outcome.passed() { "ok    " } else { "FAILED" };
                print(format_args!("{word} {outcome}"));
            }
        }
        if failed > 0 {
            let text = format_args!("{failed} of {} tests failed", outcomes.len());
            return Err(Failure::failed(text));
        }
        if !self.json {
            print(format_args!("{} tests passed", outcomes.len()));
        }
        Ok(())
    }
}

fn as_json(outcome: &Outcome) -> Value {
    json!({
        "file": outcome.file,
        "name": outcome.name,
        "hook": outcome.hook.name(),
        "passed": outcome.passed(),
        "differences": outcome.differences,
        "microseconds": u64::try_from(outcome.elapsed.as_micros()).unwrap_or(u64::MAX),
        "seen": outcome.seen,
    })
}

/// Writes what came out beside what went in; the folder as it is then.
fn bless(
    bench: &Bench,
    folder: &Path,
    files: &Files,
    section: Option<&Map<String, Value>>,
) -> Result<Files, Failure> {
    let mut cases: Vec<Case> = files.messages().map_err(Failure::usage)?;
    if let Some(section) = section {
        cases.iter_mut().for_each(|case| case.set_config(section));
    }
    for outcome in bench.run(&cases).map_err(Failure::failed)? {
        if let Some(fault) = outcome.seen["fault"].as_str() {
            return Err(Failure::failed(format_args!("{}: {fault}", outcome.file)));
        }
        let Some(message) = &outcome.message else {
            continue;
        };
        let mut bytes = message.to_vec();
        // A folder with the line ends of this machine stays one.
        let given = files.get(&outcome.file).unwrap_or_default();
        if memchr::memmem::find(given, b"\r\n").is_none() {
            bytes.retain(|byte| *byte != b'\r');
        }
        let path = folder.join(baton_hooks::golden::expected_name(&outcome.file));
        if fs::read(&path).is_ok_and(|old| old == bytes) {
            continue;
        }
        fs::write(&path, &bytes)
            .map_err(|e| Failure::failed(format_args!("{}: {e}", path.display())))?;
        eprintln!("wrote {}", path.display());
    }
    Files::of_folder(folder).map_err(Failure::usage)
}

impl Embed {
    pub fn run(self) -> Result<(), Failure> {
        let bytes = fs::read(&self.component)
            .map_err(|e| Failure::failed(format_args!("{}: {e}", self.component.display())))?;
        let files = Files::of_folder(&self.golden).map_err(Failure::usage)?;
        let cases = files.cases().map_err(Failure::usage)?;
        if cases.is_empty() {
            let text = format_args!("{} holds no tests", self.golden.display());
            return Err(Failure::usage(text));
        }
        let made = files.embed(&bytes).map_err(Failure::usage)?;
        let output = self.output.as_ref().unwrap_or(&self.component);
        replace(output, &made)?;
        let hooks: BTreeSet<_> = cases.iter().map(|case| case.hook.name()).collect();
        let hooks: Vec<_> = hooks.into_iter().collect();
        print(format_args!(
            "{} carries {} tests of {}",
            output.display(),
            cases.len(),
            hooks.join(" ")
        ));
        Ok(())
    }
}

/// Written beside and renamed: a relay that watches the folder sees a whole file.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let beside = path.with_extension("wasm.part");
    fs::write(&beside, bytes)
        .and_then(|()| fs::rename(&beside, path))
        .map_err(|e| Failure::failed(format_args!("{}: {e}", path.display())))
}
