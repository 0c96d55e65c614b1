//! `baton check`.

use std::path::{Path, PathBuf};

use baton_hooks::{PluginState, Plugins, Settings};

use super::{Failure, plugin, print};
use crate::config::{Config, ConfigError, Problem};
use crate::wiring;

#[derive(Debug, clap::Args)]
pub struct Check {
    /// The configuration.
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// Print the mistakes as a JSON array.
    #[arg(long)]
    json: bool,
    /// Do not load the plugins: what only they can tell about their sections is not checked.
    #[arg(long)]
    without_plugins: bool,
}

impl Check {
    pub fn run(self) -> Result<(), Failure> {
        let found = Config::load(&self.config).and_then(|config| {
            let problems = match self.without_plugins {
                true => Vec::new(),
                false => plugin_problems(&config, &self.config),
            };
            match problems.is_empty() {
                true => Ok(config),
                false => Err(ConfigError::Invalid {
                    path: self.config.clone(),
                    problems,
                }),
            }
        });
        if !self.json {
            let config = found.map_err(Failure::usage)?;
            let count = config.listeners.len();
            let plural = if count == 1 { "" } else { "s" };
            print(format_args!(
                "{}: no mistakes, {count} listener{plural}",
                self.config.display()
            ));
            return Ok(());
        }
        let problems = match &found {
            Err(ConfigError::Invalid { problems, .. }) => problems.as_slice(),
            Err(error) => return Err(Failure::usage(error)),
            Ok(_) => &[],
        };
        let list: Vec<_> = problems
            .iter()
            .map(|problem| {
                serde_json::json!({
                    "line": problem.place.line, "column": problem.place.column, "key": problem.key,
                    "message": problem.message, "hint": problem.hint,
                })
            })
            .collect();
        print(serde_json::Value::from(list));
        match problems.len() {
            0 => Ok(()),
            count => Err(Failure::usage(format_args!("{count} mistakes"))),
        }
    }
}

/// Loads every plugin and asks it about its section (`on-load`), as the relay does when it starts.
fn plugin_problems(config: &Config, path: &Path) -> Vec<Problem> {
    let settings = Settings {
        cache_dir: plugin::cache_dir(),
        ..wiring::plugin_settings(config)
    };
    let section = |name: &str| config.plugins.sections.get(name);
    let problem = |name: &str, message: String| Problem {
        place: section(name).map_or(config.plugins.place, |section| section.place),
        key: format!("plugins.{name}"),
        message,
        hint: None,
    };
    let plugins = match Plugins::start(settings, plugin::quiet_services()) {
        Ok(plugins) => plugins,
        Err(error) => {
            return vec![Problem {
                place: config.plugins.place,
                key: "plugins".into(),
                message: error.to_string(),
                hint: None,
            }];
        }
    };
    let list = plugins.list();
    let mut problems: Vec<Problem> = list
        .iter()
        .filter_map(|info| {
            let refused = match &info.state {
                PluginState::Refused { reason } => Some(reason.clone()),
                _ => None,
            };
            let message = info.problem.clone().or(refused)?;
            Some(problem(&info.name, message))
        })
        .collect();
    problems.sort_by_key(|problem| problem.place);
    // No mistake: it may be the next thing that is put into the folder.
    for (name, section) in &config.plugins.sections {
        if !list.iter().any(|info| *info.name == **name) {
            let (path, place) = (path.display(), section.place);
            eprintln!("{path}:{place}: plugins.{name}: note: there is no plugin of this name yet");
        }
    }
    problems
}
