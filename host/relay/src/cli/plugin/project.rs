//! `baton plugin new`, `build` and `check`: a project from its template to a component that the relay takes.

use std::fs;
use std::path::{Path, PathBuf};

use baton_author::{Language, Project, Sdk, create};
use baton_hooks::golden::{Bench, Files, Outcome};
use baton_hooks::inspect;

use super::golden::replace;
use super::{Component, find};
use crate::cli::{Failure, print};

/// Where a project keeps its cases.
const GOLDEN: &str = "golden";

#[derive(Debug, clap::Args)]
pub struct New {
    /// Name of the plugin: lower-case letters, digits and hyphens.
    name: String,
    /// rust, js, ts, python, c or go.
    #[arg(long, value_name = "LANGUAGE")]
    lang: Language,
    /// Where the project goes; a folder of the plugin's name where absent.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// For Rust: a folder with baton-sdk to depend on; where absent, the project gets a copy.
    #[arg(long, value_name = "DIR")]
    sdk: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct Build {
    /// The project.
    #[arg(default_value = ".")]
    project: PathBuf,
    /// Where the component goes; NAME.wasm in the project where absent.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
pub struct Check {
    /// A project, which is built; a component; or the name of a bundled plugin.
    #[arg(default_value = ".")]
    plugin: String,
}

impl New {
    pub fn run(self) -> Result<(), Failure> {
        let folder = self.dir.unwrap_or_else(|| PathBuf::from(&self.name));
        let sdk = self.sdk.map_or(Sdk::Copy, Sdk::Path);
        let project = create(&self.name, self.lang, &folder, &sdk).map_err(|e| said(&e))?;
        let (needs, commands) = project.language().needs();
        print(format_args!(
            "Wrote {} ({}). It needs {needs}. Next:",
            folder.display(),
            self.lang
        ));
        print(format_args!("  cd {}", folder.display()));
        for command in commands {
            print(format_args!("  {command}"));
        }
        let name = project.name();
        print("  baton plugin build");
        print(format_args!("  baton plugin test {name}.wasm"));
        print(format_args!(
            "  baton plugin run {name}.wasm --hook on-data --eml mail.eml"
        ));
        Ok(())
    }
}

impl Build {
    pub fn run(self) -> Result<(), Failure> {
        let project = Project::open(&self.project).map_err(|e| said(&e))?;
        let component = built(&project)?;
        let output = self
            .output
            .unwrap_or_else(|| project.folder().join(format!("{}.wasm", project.name())));
        replace(&output, &component)?;
        print(format_args!(
            "{}  {} bytes",
            output.display(),
            component.len()
        ));
        Ok(())
    }
}

impl Check {
    /// What the relay does when it loads a plugin, and says why it would not.
    pub fn run(self) -> Result<(), Failure> {
        let folder = Path::new(&self.plugin);
        let component = if folder.is_dir() {
            let project = Project::open(folder).map_err(|e| said(&e))?;
            Component {
                bytes: built(&project)?,
                name: project.name().to_owned(),
            }
        } else {
            find(&self.plugin)?
        };
        let found = inspect(&component.bytes).map_err(Failure::failed)?;
        let hooks: Vec<_> = found.hooks.iter().map(|hook| hook.name()).collect();
        let outcomes = tested(&component.bytes)?;
        let failed: Vec<&Outcome> = outcomes.iter().filter(|o| !o.passed()).collect();
        for outcome in &failed {
            print(format_args!("FAILED {outcome}"));
        }
        if !failed.is_empty() {
            let text = format_args!(
                "it fails {} of its own {} tests",
                failed.len(),
                outcomes.len()
            );
            return Err(Failure::failed(text));
        }
        print(format_args!(
            "{} would be loaded: {}; {} own tests passed",
            component.name,
            hooks.join(" "),
            outcomes.len()
        ));
        Ok(())
    }
}

/// The component of a project, with its cases in it.
pub(in crate::cli) fn built(project: &Project) -> Result<Vec<u8>, Failure> {
    let component = project.build().map_err(|e| said(&e))?;
    let folder = project.folder().join(GOLDEN);
    if !folder.is_dir() {
        return Ok(component);
    }
    let files = Files::of_folder(&folder).map_err(Failure::usage)?;
    files
        .cases()
        .map_err(|e| Failure::usage(format_args!("{}: {e}", folder.display())))?;
    // A macro may have put them there already.
    if Files::of_component(&component).is_ok_and(|carried| carried == files) {
        return Ok(component);
    }
    files.embed(&component).map_err(Failure::failed)
}

/// Runs the cases that a component carries.
pub(in crate::cli) fn tested(component: &[u8]) -> Result<Vec<Outcome>, Failure> {
    let cases = Files::of_component(component)
        .and_then(|files| files.cases())
        .map_err(Failure::failed)?;
    let bench = Bench::start(component, &super::cache_dir()).map_err(Failure::failed)?;
    bench.run(&cases).map_err(Failure::failed)
}

/// What one message would become, for the eyes of an author: decision, edits and log lines.
pub(in crate::cli) fn traced(component: &[u8], eml: &Path) -> Result<Vec<String>, Failure> {
    let mut files = Files::default();
    let bytes =
        fs::read(eml).map_err(|e| Failure::failed(format_args!("{}: {e}", eml.display())))?;
    files.add("mail.eml", bytes).map_err(Failure::failed)?;
    let bench = Bench::start(component, &super::cache_dir()).map_err(Failure::failed)?;
    let cases = files.messages().map_err(Failure::failed)?;
    let mut lines = Vec::new();
    for outcome in bench.run(&cases).map_err(Failure::failed)? {
        let seen = &outcome.seen;
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        lines.push(format!(
            "{}: {} ({} µs)",
            outcome.hook,
            text(&seen["decision"]),
            outcome.elapsed.as_micros()
        ));
        for (key, word) in [("edits", "edit"), ("log", "log")] {
            for line in seen[key].as_array().into_iter().flatten() {
                lines.push(format!("  {word}: {}", text(line)));
            }
        }
        for (key, value) in seen["tags"].as_object().into_iter().flatten() {
            lines.push(format!("  tag: {key}={value}"));
        }
        if let Some(fault) = seen["fault"].as_str() {
            lines.push(format!("  fault: {fault}"));
        }
    }
    Ok(lines)
}

fn said(error: &baton_author::Error) -> Failure {
    match error {
        baton_author::Error::Usage(_) => Failure::usage(error),
        _ => Failure::failed(error),
    }
}
