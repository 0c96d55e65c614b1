//! The relay as a library: the parts of the program, and the place where they are wired together.
//!
//! [`Relay::start`] takes a [`Config`] and gives a relay that runs; two of them live in one process without knowing of
//! each other. A message walks from `inbound` through the plugins into the `store`, and from there through the `queue`
//! and `outbound` to its site; the rest serves these.

pub mod alert;
pub mod bundled;
pub mod cli;
pub mod clock;
pub mod config;
pub mod dns;
pub mod doctor;
pub mod event;
pub mod history;
mod housekeeping;
pub mod http;
pub mod inbound;
pub mod limits;
pub mod meta;
pub mod net;
pub mod notification;
pub mod outbound;
pub mod queue;
pub mod receipt;
pub mod return_path;
pub mod services;
pub mod signing;
pub mod store;
pub mod suppression;
pub mod tls;
pub mod webhook;
mod wiring;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use baton_hooks::Plugins;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::Config;
use crate::event::{Bus, Event};
use crate::queue::Queue;
use crate::services::RelayServices;
use crate::services::kv::Kv;
use crate::store::Store;

/// A relay that runs. It goes on until [`Relay::stop`]; dropping it without ends nothing in good order, and loses
/// nothing that was answered with 250 either.
pub struct Relay {
    config: Arc<Config>,
    bus: Bus,
    store: Store,
    kv: Arc<Kv>,
    services: Arc<RelayServices>,
    plugins: Arc<Plugins>,
    inbound: Arc<inbound::Shared>,
    queue: Queue,
    smtp: Vec<(String, SocketAddr)>,
    /// The admin listener and the public one.
    http: Option<SocketAddr>,
    public: Option<SocketAddr>,
    /// Ends listeners and sessions.
    stop: CancellationToken,
    /// Ends what goes on until the very end: timers, HTTP.
    end: CancellationToken,
    background: TaskTracker,
}

/// Why a relay does not start. Each is a sentence for the operator.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot listen on {address} for {listener}: {error}")]
    Listen {
        listener: String,
        address: SocketAddr,
        error: std::io::Error,
    },
    #[error("cannot open the spool in {folder}: {error}")]
    Spool {
        folder: String,
        error: baton_spool::Error,
    },
    #[error("cannot start the plugins: {0}")]
    Plugins(#[from] baton_hooks::Error),
    #[error("cannot use TLS: {0}")]
    Tls(#[from] tls::TlsError),
    #[error("cannot sign: {0}")]
    Key(#[from] baton_sign::KeyError),
    #[error("cannot ask the DNS: {0}")]
    Dns(#[from] dns::DnsError),
    #[error("{0}")]
    Other(String),
}

impl Relay {
    /// Binds every socket, opens the spool, loads the plugins and begins. Nothing is accepted before all of it is done.
    pub async fn start(config: Config) -> Result<Relay, StartError> {
        wiring::start(config).await
    }

    /// SMTP listeners by name, as they were bound.
    pub fn smtp_addresses(&self) -> impl Iterator<Item = (&str, SocketAddr)> {
        self.smtp
            .iter()
            .map(|(name, address)| (name.as_str(), *address))
    }

    /// The admin listener of HTTP, as it was bound.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http
    }

    /// The public listener of HTTP, as it was bound.
    pub fn public_address(&self) -> Option<SocketAddr> {
        self.public
    }

    /// Everything durable.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What delivers.
    pub fn queue(&self) -> &Queue {
        &self.queue
    }

    /// The plugins.
    pub fn plugins(&self) -> &Arc<Plugins> {
        &self.plugins
    }

    /// Everything that happens.
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// The receiving side.
    pub fn inbound(&self) -> &Arc<inbound::Shared> {
        &self.inbound
    }

    /// Takes the sections of plugins from another configuration, from the next session on. Everything else stays as it was
    /// at the start.
    pub async fn reload(&self, config: &Config) -> Result<(), StartError> {
        let settings = wiring::plugin_settings(config);
        let grants = wiring::http_grants(config);
        self.services.http_grants.store(Arc::new(grants));
        let plugins = self.plugins.clone();
        tokio::task::spawn_blocking(move || plugins.reconfigure(settings))
            .await
            .map_err(|error| StartError::Other(error.to_string()))??;
        Ok(())
    }

    /// Stops in good order, within the time of the configuration.
    pub async fn stop(self) {
        let deadline = Instant::now() + self.config.delivery.drain_timeout;
        self.drain(deadline).await;
    }

    /// Accepts nothing new; sessions end with a 421 after what they are in the middle of, attempts under way are
    /// finished, both until the deadline. Then all that is in memory and should last is written.
    pub async fn drain(self, deadline: Instant) {
        let load = self.queue.load();
        self.bus.emit(Event::ShutdownBegan {
            sessions: self.inbound.tasks.len(),
            attempts: load.connections,
        });
        self.stop.cancel();
        self.inbound.tasks.close();
        let sessions = tokio::time::timeout_at(deadline.into(), self.inbound.tasks.wait());
        let (_, attempts) = tokio::join!(sessions, self.queue.drain(deadline));
        let left = self.inbound.tasks.len() + attempts;
        if let Err(error) = self.kv.flush().await {
            self.bus.emit(Event::Trouble {
                place: "key-value",
                error: error.to_string(),
            });
        }
        self.end.cancel();
        self.background.close();
        let a_moment = Duration::from_secs(6);
        let _ = tokio::time::timeout(a_moment, self.background.wait()).await;
        self.store.close().await;
        self.bus.emit(Event::ShutdownDone { left });
    }
}
