//! Receiving: accept loops within their caps, one task per connection.
//!
//! [`connection`] moves bytes, [`judge`] answers the session's questions, [`accept`] takes a message. What is accepted
//! ends in the store; nothing here knows of queues or of sending.

pub mod accept;
mod alias;
pub mod auth;
mod authenticate;
pub mod chain;
mod connection;
mod judge;
pub mod refusal;
pub mod report;
mod stamp;
pub mod submit;

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use baton_hooks::Plugins;
use baton_smtp::{Domain, server};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::config::{Config, Listener, ListenerTls};
use crate::dns::Resolver;
use crate::event::{Bus, Event, Refused};
use crate::limits;
use crate::net::{Caps, Crowded};
use crate::return_path::ReturnPath;
use crate::signing::Signing;
use crate::store::Store;
use crate::suppression::Suppressions;
use crate::tls::ServerTls;

/// What all listeners share.
pub struct Shared {
    pub config: Arc<Config>,
    pub hostname: Domain,
    pub store: Store,
    pub plugins: Arc<Plugins>,
    pub resolver: Resolver,
    pub bus: Bus,
    pub auth: auth::Accounts,
    pub chains: chain::Chains,
    /// Where bounces come back to, if anywhere.
    pub return_path: Option<ReturnPath>,
    pub suppressions: Suppressions,
    pub signing: Signing,
    /// Reports that are being taken.
    pub reports: report::UnderWay,
    /// Tells sessions apart in logs; the first part differs from one start of the relay to the next.
    pub session_prefix: String,
    pub session_number: AtomicU64,
    pub stop: CancellationToken,
    pub tasks: TaskTracker,
}

impl Shared {
    /// A name that no other session has.
    fn new_session_id(&self) -> Arc<str> {
        let number = self.session_number.fetch_add(1, Ordering::Relaxed);
        format!("{}{number:06x}", self.session_prefix).into()
    }
}

/// One listener with its rules.
pub struct Door {
    pub config: Listener,
    pub name: Arc<str>,
    pub settings: Arc<server::Settings>,
    pub tls: Option<ServerTls>,
    pub caps: Caps,
}

impl Door {
    /// A listener's rules in the words of the protocol.
    pub fn new(config: Listener, hostname: &Domain, tls: Option<ServerTls>) -> Door {
        let limits = &config.limits;
        let settings = server::Settings {
            tls: match config.tls {
                ListenerTls::None => server::Tls::None,
                ListenerTls::StartTls if config.require_tls => server::Tls::Required,
                ListenerTls::StartTls => server::Tls::Offered,
                ListenerTls::Implicit => server::Tls::Implicit,
            },
            auth: match (config.auth, config.require_auth) {
                (false, _) => server::Auth::None,
                (true, false) => server::Auth::Offered,
                (true, true) => server::Auth::Required,
            },
            auth_in_clear: config.auth_in_clear,
            limits: server::Limits {
                message_bytes_max: limits.message_bytes_max as u64,
                recipients_max: limits.recipients_max,
                transactions_max: Some(limits.transactions_max as usize),
                errors_max: limits.errors_max as usize,
                idle_commands_max: limits.idle_commands_max as usize,
                ..server::Limits::default()
            },
            ..server::Settings::new(hostname.clone())
        };
        let caps = Caps::new(limits.connections_max, limits.connections_per_address_max);
        Door {
            name: config.name.as_str().into(),
            config,
            settings: Arc::new(settings),
            tls,
            caps,
        }
    }
}

/// Accepts connections until the relay stops.
pub async fn serve(listener: TcpListener, door: Arc<Door>, shared: Arc<Shared>) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = shared.stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => admit(stream, peer, &door, &shared),
            Err(error) if is_of_the_peer(&error) => {}
            Err(error) => {
                // Out of descriptors, usually. Trying again at once would only spin.
                shared.bus.emit(Event::Trouble {
                    place: "accept",
                    error: error.to_string(),
                });
                tokio::time::sleep(limits::ACCEPT_REST).await;
            }
        }
    }
}

fn is_of_the_peer(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionReset | Interrupted
    )
}

fn admit(stream: TcpStream, peer: SocketAddr, door: &Arc<Door>, shared: &Arc<Shared>) {
    let mut permit = match door.caps.enter() {
        Ok(permit) => permit,
        Err(crowded) => return turn_away(stream, peer, crowded, door, shared),
    };
    if door.config.proxy_protocol {
        let from = &door.config.proxy_from;
        if !from.is_empty() && !from.iter().any(|network| network.contains(peer.ip())) {
            let reason = Refused::Proxy;
            shared.bus.emit(Event::SessionRefused {
                listener: door.name.clone().into(),
                peer,
                reason,
            });
            return;
        }
    } else if let Err(crowded) = permit.belongs_to(peer.ip()) {
        return turn_away(stream, peer, crowded, door, shared);
    }
    let task = connection::run(stream, peer, permit, door.clone(), shared.clone());
    shared.tasks.spawn(task);
}

/// 421 if it can be said in clear and without waiting, then the connection is closed.
fn turn_away(stream: TcpStream, peer: SocketAddr, crowded: Crowded, door: &Door, shared: &Shared) {
    if door.config.tls != ListenerTls::Implicit
        && let Ok(mut stream) = stream.into_std()
    {
        let line = format!(
            "421 4.7.0 {} Too many connections, try again later\r\n",
            shared.hostname
        );
        let _ = stream.write_all(line.as_bytes());
    }
    let reason = match crowded {
        Crowded::Relay => Refused::TooManyConnections,
        Crowded::Address => Refused::TooManyFromAddress,
    };
    shared.bus.emit(Event::SessionRefused {
        listener: door.name.clone().into(),
        peer,
        reason,
    });
}
