//! From what a plugin or the configuration says about a recipient's way to a destination, and the queue it waits in.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use baton_hooks::{NextHop, Route, TlsDemand};
use baton_smtp::Domain;
use baton_smtp::auth::Credentials;

use crate::config::{self, Config, DefaultRoute, Mode, SmarthostTls};
use crate::outbound::Destination;

/// A queue of its own: what differs here shares no connections and no limits.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SiteKey {
    pub hop: Hop,
    pub port: u16,
    pub tls: TlsDemand,
    pub egress: Option<Arc<str>>,
    pub queue: Option<Arc<str>>,
}

/// Where a recipient's mail goes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Hop {
    /// The built-in inbox.
    Inbox,
    Next(NextHop),
}

impl SiteKey {
    /// For what fails without an attempt.
    pub fn nowhere(domain: &Domain) -> SiteKey {
        SiteKey {
            hop: Hop::Next(NextHop::Mx(domain.clone())),
            port: 0,
            tls: TlsDemand::Never,
            egress: None,
            queue: None,
        }
    }

    /// The site as people and plugins read it.
    pub fn site(&self) -> String {
        self.hop.site()
    }
}

impl Hop {
    /// A domain, a host, an address, or a smart host's name.
    fn site(&self) -> String {
        match self {
            Hop::Inbox => "inbox".to_owned(),
            Hop::Next(NextHop::Mx(domain)) => domain.to_string(),
            Hop::Next(hop) => hop.to_string(),
        }
    }
}

impl fmt::Display for SiteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.site())?;
        if let Some(egress) = &self.egress {
            write!(f, " from {egress}")?;
        }
        match &self.queue {
            Some(queue) => write!(f, " ({queue})"),
            None => Ok(()),
        }
    }
}

/// A way, decided.
#[derive(Clone, Debug)]
pub struct Plan {
    pub key: SiteKey,
    pub priority: u8,
}

/// A route names something that the configuration does not have. The operator's mistake: the mail waits for its mending.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    #[error("there is no smart host {0}")]
    NoSmarthost(String),
    #[error("there is no egress or pool {0}")]
    NoEgress(String),
}

/// Priority of a route that names none.
const PRIORITY: u8 = 128;

/// Decides where a recipient's mail goes. `chance` is uniform in `0.0..1.0` and picks an egress of a pool; `avoid` are those
/// that rest.
pub fn plan(
    config: &Config,
    route: &Route,
    domain: &Domain,
    avoid: &[String],
    chance: f64,
) -> Result<Plan, PlanError> {
    let hop = hop(config, route, domain);
    let egress = egress(config, route.egress_pool.as_deref(), avoid, chance)?;
    let (port, tls) = match &hop {
        Hop::Inbox => (0, TlsDemand::Never),
        Hop::Next(NextHop::SmartHost(name)) => {
            let smarthost = config
                .smarthosts
                .get(name)
                .ok_or_else(|| PlanError::NoSmarthost(name.clone()))?;
            let tls = match smarthost.tls {
                SmarthostTls::None => TlsDemand::Never,
                SmarthostTls::Opportunistic => TlsDemand::May,
                SmarthostTls::StartTls | SmarthostTls::Implicit => TlsDemand::Verify,
            };
            (smarthost.port, tls)
        }
        Hop::Next(_) => (config.delivery.port, of_config(config.delivery.tls)),
    };
    Ok(Plan {
        key: SiteKey {
            hop,
            port: route.port.unwrap_or(port),
            tls: route.tls.unwrap_or(tls),
            egress,
            queue: route.queue.as_deref().map(Arc::from),
        },
        priority: route.priority.unwrap_or(PRIORITY),
    })
}

/// The site that [`plan`] comes to.
pub fn site(config: &Config, route: &Route, domain: &Domain) -> String {
    hop(config, route, domain).site()
}

fn hop(config: &Config, route: &Route, domain: &Domain) -> Hop {
    // Whatever a plugin says: in the dev mode nothing leaves the machine.
    if config.mode == Mode::Dev {
        return Hop::Inbox;
    }
    match (&route.next_hop, &config.default_route) {
        (Some(hop), _) => Hop::Next(hop.clone()),
        (None, DefaultRoute::Mx) => Hop::Next(NextHop::Mx(domain.clone())),
        (None, DefaultRoute::Smarthost(name)) => Hop::Next(NextHop::SmartHost(name.clone())),
        (None, DefaultRoute::Inbox) => Hop::Inbox,
    }
}

fn egress(
    config: &Config,
    wanted: Option<&str>,
    avoid: &[String],
    chance: f64,
) -> Result<Option<Arc<str>>, PlanError> {
    let Some(name) = wanted.or(config.delivery.default_pool.as_deref()) else {
        return Ok(None);
    };
    if config.delivery.egresses.contains_key(name) {
        return Ok(Some(name.into()));
    }
    let pool = config.delivery.pools.get(name);
    let pool = pool.filter(|pool| !pool.is_empty());
    let pool = pool.ok_or_else(|| PlanError::NoEgress(name.to_owned()))?;
    let rested: Vec<&String> = pool.iter().filter(|one| !avoid.contains(one)).collect();
    let from = if rested.is_empty() {
        pool.iter().collect()
    } else {
        rested
    };
    let place = ((chance.clamp(0.0, 1.0) * from.len() as f64) as usize).min(from.len() - 1);
    Ok(Some(from[place].as_str().into()))
}

/// Everything a connection to a site needs; `None` for the inbox.
pub fn destination(config: &Config, key: &SiteKey) -> Option<Destination> {
    let Hop::Next(hop) = &key.hop else {
        return None;
    };
    let egress = key
        .egress
        .as_deref()
        .and_then(|name| config.delivery.egresses.get(name));
    let ehlo = egress
        .and_then(|egress| egress.ehlo.as_deref())
        .unwrap_or(&config.delivery.ehlo);
    let mut destination = Destination {
        hop: hop.clone(),
        port: key.port,
        tls: key.tls,
        implicit_tls: false,
        credentials: None,
        egress: egress.cloned().map(Arc::new),
        ehlo: Domain::parse(ehlo).unwrap_or_else(|_| IpAddr::from([127, 0, 0, 1]).into()),
    };
    if let NextHop::SmartHost(name) = hop {
        let smarthost = config.smarthosts.get(name)?;
        // From here on the name is a host's, no longer ours.
        destination.hop = NextHop::SmartHost(smarthost.host.clone());
        destination.implicit_tls = smarthost.tls == SmarthostTls::Implicit;
        destination.credentials = smarthost
            .credentials
            .as_ref()
            .map(|credentials| Credentials {
                identity: credentials.username.clone(),
                secret: credentials.password.clone(),
            });
    }
    Some(destination)
}

fn of_config(tls: config::TlsDemand) -> TlsDemand {
    match tls {
        config::TlsDemand::Never => TlsDemand::Never,
        config::TlsDemand::May => TlsDemand::May,
        config::TlsDemand::Encrypt => TlsDemand::Encrypt,
        config::TlsDemand::Verify => TlsDemand::Verify,
    }
}

#[cfg(test)]
mod tests;
