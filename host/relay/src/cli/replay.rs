//! `baton replay`: the calls of a record once more, with another version of a plugin.
//!
//! Exit codes as those of diff(1): 0 nothing differs, 1 something does, 2 it could not be done.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::path::PathBuf;

use baton_hooks::{PluginSettings, Replayed};
use serde_json::{Value, json};

use super::plugin::{self, sides};
use super::{Failure, print};
use crate::config::Config;

#[derive(Debug, clap::Args)]
pub struct Replay {
    /// What `baton record` wrote; "-" for standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Name of a bundled plugin, or a component.
    #[arg(long, value_name = "NEW.wasm")]
    plugin: String,
    /// Whose calls are run; where absent, those of the plugin that is called like the component.
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// A configuration with [plugins.NAME], or a file with that section's keys alone. Without it the recorded section holds;
    /// secrets are never recorded.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON: a line for each call, and one at the end.
    #[arg(long)]
    json: bool,
}

/// What came of all calls.
#[derive(Debug, Default)]
struct Sums {
    calls: u64,
    differ: u64,
    beyond: u64,
    skipped: BTreeMap<&'static str, u64>,
}

impl Replay {
    pub fn run(self) -> Result<(), Failure> {
        // Everything but a difference is trouble.
        let trouble = |failure: Failure| Failure::Usage(failure.to_string());
        let sums = super::runtime()
            .and_then(|runtime| runtime.block_on(self.all()))
            .map_err(trouble)?;
        if sums.differ > 0 {
            let text = format_args!("{} of {} calls differ", sums.differ, sums.calls);
            return Err(Failure::failed(text));
        }
        Ok(())
    }

    async fn all(&self) -> Result<Sums, Failure> {
        let component = plugin::find(&self.plugin)?;
        let stem = component.name.strip_suffix(".candidate");
        let usual = stem.unwrap_or(&component.name);
        let name = self.name.as_deref().unwrap_or(usual).to_owned();
        let settings = match &self.config {
            Some(path) => {
                let section = Config::load_plugin(path, &name).map_err(Failure::usage)?;
                Some(PluginSettings::from(&section))
            }
            None => None,
        };
        let cache = plugin::cache_dir();
        let mut replay = baton_hooks::Replay::new(&name, component.bytes, settings, cache);
        let mut sums = Sums::default();
        for (number, line) in (1..).zip(self.open()?.lines()) {
            let line = line.map_err(Failure::failed)?;
            let at = |e| Failure::failed(format_args!("{}:{number}: {e}", self.file.display()));
            if let Some(replayed) = replay.line(&line).await.map_err(at)? {
                self.tell(&replayed, &mut sums);
            }
        }
        let skipped: u64 = sums.skipped.values().sum();
        if sums.calls + skipped == 0 {
            let text =
                format_args!("the record has no calls of {name}; --name says whose are meant");
            return Err(Failure::usage(text));
        }
        self.sum_up(&sums, replay.missing());
        Ok(sums)
    }

    fn open(&self) -> Result<Box<dyn BufRead>, Failure> {
        if self.file.as_os_str() == "-" {
            return Ok(Box::new(std::io::stdin().lock()));
        }
        let file = std::fs::File::open(&self.file)
            .map_err(|e| Failure::failed(format_args!("{}: {e}", self.file.display())))?;
        Ok(Box::new(std::io::BufReader::new(file)))
    }

    fn tell(&self, replayed: &Replayed, sums: &mut Sums) {
        if let Some(why) = replayed.skipped {
            *sums.skipped.entry(why).or_default() += 1;
        } else {
            sums.calls += 1;
            sums.differ += u64::from(!replayed.differences.is_empty());
            sums.beyond += u64::from(!replayed.beyond.is_empty());
        }
        if self.json {
            print(as_json(replayed));
            return;
        }
        if replayed.differences.is_empty() {
            return;
        }
        let message = replayed.message.as_deref().unwrap_or("");
        let line = format!("{} {message} (sitting {})", replayed.hook, replayed.sitting);
        print(line);
        for one in &replayed.differences {
            let lines = sides(one.what, "-", &one.before);
            for line in lines.into_iter().chain(sides(one.what, "+", &one.after)) {
                print(line);
            }
        }
        for asked in &replayed.beyond {
            print(format_args!("  asked beyond the record: {asked}"));
        }
    }

    fn sum_up(&self, sums: &Sums, missing: Option<u64>) {
        if self.json {
            print(json!({
                "calls": sums.calls, "differ": sums.differ, "beyond": sums.beyond,
                "skipped": sums.skipped.values().sum::<u64>(), "missing": missing,
            }));
            return;
        }
        eprintln!("{} calls, {} differ", sums.calls, sums.differ);
        if sums.beyond > 0 {
            eprintln!("{} asked for what the record cannot answer", sums.beyond);
        }
        for (why, count) in &sums.skipped {
            eprintln!("{count} left out: {why}");
        }
        match missing {
            Some(0) => {}
            Some(count) => eprintln!("{count} calls are missing in the record"),
            None => eprintln!("the record was stopped before its end"),
        }
    }
}

fn as_json(replayed: &Replayed) -> Value {
    let differences: Vec<Value> = replayed
        .differences
        .iter()
        .map(|one| json!({ "what": one.what, "before": one.before, "after": one.after }))
        .collect();
    json!({
        "sitting": replayed.sitting,
        "hook": replayed.hook,
        "message": replayed.message,
        "recorded_digest": replayed.digest,
        "skipped": replayed.skipped,
        "differences": differences,
        "beyond": replayed.beyond,
        "decision": replayed.record.as_ref().map(|record| record.decision.clone()),
        "microseconds": replayed.record.as_ref().map(|record| record.microseconds()),
        "recorded_microseconds": replayed.recorded_microseconds,
    })
}
