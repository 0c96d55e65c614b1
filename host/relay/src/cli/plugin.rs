//! `baton plugin`: list those of a running relay; look into a component; run one hook of one on the spot.

mod desk;
mod golden;
mod kv;
mod project;
mod run;
mod tried;
pub(super) mod watch;

pub(super) use tried::sides;

use std::path::{Path, PathBuf};

use serde_json::json;

use super::api::Api;
use super::{Failure, print};
use crate::bundled;
use crate::event::short_digest;

#[derive(Debug, clap::Subcommand)]
pub enum Plugin {
    /// Write a project that builds at once.
    New(project::New),
    /// Make the component of a project, with the usual tools of its language.
    Build(project::Build),
    /// Do what the relay does when it loads a plugin: the contract, and the plugin's own tests.
    Check(project::Check),
    /// Print the reference of the contract, in Markdown.
    Reference,
    /// List the plugins of a running relay. A hook in parentheses has no use with the plugin's configuration and is not called.
    List {
        /// Print JSON.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        api: Api,
    },
    /// Show where the candidate of a plugin and its version in service differ.
    Diff(tried::Diff),
    /// Put the candidate of a plugin in service.
    Promote(tried::Promote),
    /// Say what a component is, which hooks it has and what it needs, without running it.
    Inspect {
        /// Name of a bundled plugin, or a file.
        plugin: String,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Run the tests a component carries, and folders of tests. Exit code 1 if one fails, 2 if they cannot be read.
    Test(golden::Test),
    /// Put a folder of tests into a component.
    Embed(golden::Embed),
    /// Read and change what a plugin of a running relay remembers.
    #[command(subcommand)]
    Kv(kv::Kv),
    /// Run one hook with a message or with replies; the result goes to standard output, all else to standard error.
    Run(run::Run),
}

impl Plugin {
    pub fn run(self) -> Result<(), Failure> {
        match self {
            Plugin::New(command) => command.run(),
            Plugin::Build(command) => command.run(),
            Plugin::Check(command) => command.run(),
            Plugin::Reference => {
                let page = baton_author::reference().map_err(Failure::failed)?;
                print(page.trim_end());
                Ok(())
            }
            Plugin::List { json, api } => list(&api, json),
            Plugin::Inspect { plugin, json } => inspect(&plugin, json),
            Plugin::Test(command) => command.run(),
            Plugin::Embed(command) => command.run(),
            Plugin::Kv(command) => command.run(),
            Plugin::Diff(command) => command.run(),
            Plugin::Promote(command) => command.run(),
            Plugin::Run(command) => command.run(),
        }
    }
}

/// What a plugin may ask of a command.
pub(super) fn services() -> std::sync::Arc<dyn baton_hooks::Services> {
    std::sync::Arc::new(desk::Desk::new(true))
}

/// The same without a word about what they do.
pub(super) fn quiet_services() -> std::sync::Arc<dyn baton_hooks::Services> {
    std::sync::Arc::new(desk::Desk::new(false))
}

/// A component with the name it goes by.
pub(super) struct Component {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// What a name on the command line means: a file if there is one, else a bundled plugin.
pub(super) fn find(plugin: &str) -> Result<Component, Failure> {
    let path = Path::new(plugin);
    if path.is_file() {
        let bytes = std::fs::read(path)
            .map_err(|e| Failure::failed(format_args!("{}: {e}", path.display())))?;
        let stem = path
            .file_stem()
            .map(|stem| stem.to_string_lossy().into_owned());
        return Ok(Component {
            name: stem.unwrap_or_else(|| "plugin".into()),
            bytes,
        });
    }
    let known = bundled::COMPONENTS.iter().find(|(name, _)| *name == plugin);
    match known {
        Some((name, bytes)) => Ok(Component {
            name: (*name).to_owned(),
            bytes: bytes.to_vec(),
        }),
        None => {
            let names: Vec<_> = bundled::COMPONENTS.iter().map(|(name, _)| *name).collect();
            let names = names.join(", ");
            let text = format_args!("{plugin:?} is neither a file nor a bundled plugin ({names})");
            Err(Failure::usage(text))
        }
    }
}

fn list(api: &Api, as_json: bool) -> Result<(), Failure> {
    let plugins = api.get("/plugins")?;
    if as_json {
        print(plugins);
        return Ok(());
    }
    for plugin in plugins.as_array().into_iter().flatten() {
        let text = |key: &str| plugin[key].as_str().unwrap_or("");
        let short = short_digest(text("digest"));
        let line = format!(
            "{:<24} {:<9} {short:<12} {}  {}",
            text("name"),
            text("state"),
            tried::hooks(plugin),
            text("reason")
        );
        print(line.trim_end());
        print(format_args!("{:24} {}", "", tried::counts(plugin)));
        if let Some(granted) = tried::granted(&plugin["grants"]) {
            print(format_args!("{:24} granted {granted}", ""));
        }
        if plugin["candidate"].is_object() {
            print(tried::candidate(&plugin["candidate"]));
        }
    }
    Ok(())
}

fn inspect(plugin: &str, as_json: bool) -> Result<(), Failure> {
    let component = find(plugin)?;
    let found = baton_hooks::inspect(&component.bytes).map_err(Failure::failed)?;
    let hooks: Vec<_> = found.hooks.iter().map(|hook| hook.name()).collect();
    if as_json {
        print(json!({
            "name": component.name,
            "digest": found.digest,
            "bytes": found.bytes,
            "hooks": hooks,
            "imports": found.imports,
            "grants": found.grants,
            "producers": found.producers,
            "concurrent": found.concurrent,
            "tests": found.tests.iter().map(|(hook, name)| json!({"hook": hook.name(), "name": name})).collect::<Vec<_>>(),
        }));
        return Ok(());
    }
    print(format_args!("name     {}", component.name));
    print(format_args!("digest   {}", found.digest));
    print(format_args!("size     {} bytes", found.bytes));
    print(format_args!("hooks    {}", hooks.join(" ")));
    let grants = if found.grants.is_empty() {
        "none".into()
    } else {
        found.grants.join(" ")
    };
    print(format_args!("can use  {grants}"));
    for import in &found.imports {
        print(format_args!("imports  {import}"));
    }
    for (field, values) in &found.producers {
        print(format_args!("{field}: {}", values.join(", ")));
    }
    for (hook, name) in &found.tests {
        print(format_args!("test     {hook}: {name}"));
    }
    Ok(())
}

/// Compiled components are kept between runs where the person's caches are.
pub(super) fn cache_dir() -> PathBuf {
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache"));
    std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or(home)
        .unwrap_or_else(std::env::temp_dir)
        .join("baton")
}
