//! `baton dev` and `baton serve`: start, say what was bound, wait for a signal, drain. SIGHUP reads the sections of plugins
//! again; certificates are followed without being told.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use tokio::signal::unix::{SignalKind, signal};

use super::plugin::watch::Watch;
use super::{Failure, print};
use crate::Relay;
use crate::config::{Config, Mode, Scope, Token};
use crate::event::{Event, log};

#[derive(Debug, clap::Args)]
pub struct Dev {
    /// Folder of the spool and the inbox.
    #[arg(long, value_name = "DIR", default_value = "./.baton")]
    state: PathBuf,
    /// Where SMTP listens.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:2525")]
    smtp: SocketAddr,
    /// Where the page and the API listen.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8025")]
    http: SocketAddr,
    /// Watched folder of plugins; "plugins" below the state folder where absent.
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,
    /// Build the projects that stand in the folder of plugins, again whenever a source is saved, and show what came of it.
    #[arg(long)]
    watch: bool,
}

#[derive(Debug, clap::Args)]
pub struct Serve {
    /// The configuration.
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
    /// Folder of the spool, instead of the one in the configuration.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

impl Dev {
    pub fn run(self) -> Result<(), Failure> {
        let plugins = self.plugins.unwrap_or_else(|| self.state.join("plugins"));
        std::fs::create_dir_all(&plugins)
            .map_err(|e| Failure::failed(format_args!("{}: {e}", plugins.display())))?;
        let _watch = if self.watch {
            Some(Watch::start(plugins.clone())?)
        } else {
            None
        };
        let mut config = Config::dev(self.state, self.smtp, self.http, Some(plugins));
        // On an address that others reach, a token made for this run keeps them out.
        let token = (!config.http.open).then(|| format!("{:032x}", rand::random::<u128>()));
        if let Some(token) = &token {
            use sha2::Digest;
            let sha256 = sha2::Sha256::digest(token.as_bytes()).into();
            config.http.tokens.push(Token {
                name: "dev".into(),
                sha256,
                scopes: Scope::ALL.to_vec(),
            });
        }
        run(config, token.as_deref(), None)
    }
}

impl Serve {
    pub fn run(self) -> Result<(), Failure> {
        let mut config = Config::load(&self.config).map_err(Failure::usage)?;
        if let Some(state) = self.state {
            config.state = state;
        }
        run(config, None, Some(&self.config))
    }
}

fn run(config: Config, token: Option<&str>, file: Option<&Path>) -> Result<(), Failure> {
    // The guard outlives the runtime, so that the last lines are written.
    let _guard = log::init(&config.log).map_err(Failure::failed)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("baton")
        .build()
        .map_err(Failure::failed)?;
    runtime.block_on(serve(config, token, file))
}

async fn serve(config: Config, token: Option<&str>, file: Option<&Path>) -> Result<(), Failure> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Failure::failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Failure::failed)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(Failure::failed)?;
    let is_dev = config.mode == Mode::Dev;
    let plugins = config.plugins.dir.clone();
    let state = config.state.clone();
    let relay = Relay::start(config).await.map_err(Failure::failed)?;
    if is_dev {
        greet(&relay, plugins.as_deref(), token);
    }
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hangup.recv() => if let Some(file) = file {
                reload(&relay, file, &state).await;
            },
        }
    }
    // Whoever is in a hurry asks twice.
    tokio::select! {
        () = relay.stop() => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

async fn reload(relay: &Relay, file: &Path, state: &Path) {
    let path = file.display().to_string();
    let done = match Config::load(file) {
        Ok(mut config) => {
            config.state = state.to_owned();
            relay.reload(&config).await.map_err(|e| e.to_string())
        }
        Err(error) => Err(error.to_string()),
    };
    relay.bus().emit(match done {
        Ok(()) => Event::ConfigReloaded { path },
        Err(error) => Event::ConfigRefused { path, error },
    });
}

fn greet(relay: &Relay, plugins: Option<&Path>, token: Option<&str>) {
    for (_, address) in relay.smtp_addresses() {
        print(format_args!(
            "SMTP      {address}  (any sender and recipient; nothing leaves this machine)"
        ));
    }
    if let Some(address) = relay.http_address() {
        let secret = token
            .map(|token| format!("#token={token}"))
            .unwrap_or_default();
        print(format_args!("Web page  http://{address}/{secret}"));
    }
    if let Some(folder) = plugins {
        print(format_args!(
            "Plugins   {}  (drop a .wasm in)",
            folder.display()
        ));
    }
}
