//! The command line.
//!
//! Exit codes: 0 done; 1 it did not work; 2 wrong usage, or mistakes in the configuration; 3 the relay cannot be reached.

mod api;
mod check;
mod dkim;
mod doctor;
mod hash;
mod plugin;
mod queue;
mod record;
mod replay;
mod run;
mod send;
mod suppression;

use std::fmt;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// A programmable SMTP relay whose behaviour is made of WebAssembly plugins.
#[derive(Debug, Parser)]
#[command(name = "baton", version, propagate_version = true, after_help = AFTER_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "Exit codes: 0 done; 1 it did not work; 2 wrong usage, or mistakes in the \
                          configuration; 3 the relay cannot be reached.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run on loopback with no configuration: mail ends in a built-in inbox with a web page.
    Dev(run::Dev),
    /// Run as configured.
    Serve(run::Serve),
    /// Report every mistake in a configuration.
    Check(check::Check),
    /// Make keys that sign mail (DKIM), and compare them with the DNS.
    #[command(subcommand)]
    Dkim(dkim::Dkim),
    /// Look for what keeps mail from being taken: names, records, listeners, block lists. Exit codes: 0 nothing is wrong; 1 something is.
    Doctor(doctor::Doctor),
    /// Send a test message over SMTP.
    Send(send::Send),
    /// Look at plugins, and try them out.
    #[command(subcommand)]
    Plugin(plugin::Plugin),
    /// Keep the hook calls of chosen sessions of a running relay in a file.
    Record(record::Record),
    /// Run the calls of a record again with another version of a plugin. Exit codes: 0 nothing differs; 1 something does;
    /// 2 it could not be done.
    Replay(replay::Replay),
    /// Look at what waits, and act on it.
    #[command(subcommand)]
    Queue(queue::Queue),
    /// Look at the list of addresses that nothing is sent to, and change it.
    #[command(subcommand)]
    Suppression(suppression::Suppression),
    /// Show what became of a message.
    Message(queue::Message),
    /// Make the hash of a password, or a token of the API with its hash.
    HashPassword(hash::HashPassword),
}

/// Why a command did not do its work.
#[derive(Debug)]
pub(crate) enum Failure {
    /// It did not work.
    Failed(String),
    /// Wrong usage, or mistakes in the configuration.
    Usage(String),
    /// The relay cannot be reached.
    Unreachable(String),
}

impl Failure {
    pub fn failed(error: impl fmt::Display) -> Failure {
        Failure::Failed(error.to_string())
    }

    pub fn usage(error: impl fmt::Display) -> Failure {
        Failure::Usage(error.to_string())
    }

    fn code(&self) -> u8 {
        match self {
            Failure::Failed(_) => 1,
            Failure::Usage(_) => 2,
            Failure::Unreachable(_) => 3,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Failure::Failed(text) | Failure::Usage(text) | Failure::Unreachable(text)) = self;
        f.write_str(text)
    }
}

/// Runs the command that the arguments of the process ask for.
pub fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match arguments.command {
        Command::Dev(command) => command.run(),
        Command::Serve(command) => command.run(),
        Command::Check(command) => command.run(),
        Command::Dkim(command) => command.run(),
        Command::Doctor(command) => command.run(),
        Command::Send(command) => command.run(),
        Command::Plugin(command) => command.run(),
        Command::Record(command) => command.run(),
        Command::Replay(command) => command.run(),
        Command::Queue(command) => command.run(),
        Command::Suppression(command) => command.run(),
        Command::Message(command) => command.run(),
        Command::HashPassword(command) => command.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("baton: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

/// Writes a line to standard output; a reader that has gone is no failure.
pub(crate) fn print(text: impl fmt::Display) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// A runtime for commands that need the network for a moment.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::failed)
}

/// Services for tests of whatever needs plugins and no relay around them.
#[cfg(test)]
pub(crate) fn test_services() -> std::sync::Arc<dyn baton_hooks::Services> {
    plugin::services()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_arguments_are_consistent() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }
}
