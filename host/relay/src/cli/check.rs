//! `baton check`.

use std::path::PathBuf;

use super::{Failure, print};
use crate::config::{Config, ConfigError};

#[derive(Debug, clap::Args)]
pub struct Check {
    /// The configuration.
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// Print the mistakes as a JSON array.
    #[arg(long)]
    json: bool,
}

impl Check {
    pub fn run(self) -> Result<(), Failure> {
        let found = Config::load(&self.config);
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
                    "line": problem.line, "column": problem.column, "key": problem.key,
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
