//! Making a connection: hosts in order, their addresses in order, TLS as demanded.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use baton_hooks::{NextHop, Stage, TlsDemand};
use baton_smtp::{EnhancedStatus, client};
use tokio::time::timeout;

use super::link::{Link, Stream};
use super::sts::{Mode, Policy};
use super::{Destination, Failure, Outbound, resolve};
use crate::clock;
use crate::limits;
use crate::net;
use crate::tls::Trust;

/// A connection over which transactions can be sent, to the first host that gives one.
pub async fn open(outbound: &Outbound, destination: &Destination) -> Result<Link, Failure> {
    let hosts = resolve::hosts(&destination.hop, &outbound.resolver, &outbound.own_names).await?;
    let policy = policy(outbound, &destination.hop).await;
    let demand = match policy {
        Some(_) => TlsDemand::Verify,
        None => destination.tls,
    };
    let mut worst: Option<Failure> = None;
    let mut tried = 0;
    for host in hosts {
        if policy
            .as_ref()
            .is_some_and(|policy| !policy.lists(&host.name))
        {
            note(&mut worst, unlisted(&host.name));
            continue;
        }
        let addresses = match resolve::addresses(&host, &outbound.resolver, outbound.families).await
        {
            Ok(addresses) => addresses,
            Err(failure) => {
                note(&mut worst, failure);
                continue;
            }
        };
        for address in usable(addresses, destination) {
            if tried == limits::ADDRESSES_TRIED_MAX {
                break;
            }
            tried += 1;
            match at_address(outbound, destination, &host.name, address, demand).await {
                Ok(link) => return Ok(link),
                Err(failure) => note(&mut worst, failure),
            }
        }
    }
    Err(worst.unwrap_or_else(|| {
        Failure::without_reply(
            Stage::Connect,
            EnhancedStatus::new(4, 4, 1),
            "the host has no address that can be reached from here",
        )
    }))
}

/// What the domain asks of every connection for its mail, whatever a route says (RFC 8461 5).
async fn policy(outbound: &Outbound, hop: &NextHop) -> Option<Arc<Policy>> {
    let (Some(sts), NextHop::Mx(domain)) = (&outbound.sts, hop) else {
        return None;
    };
    if domain.literal().is_some() {
        return None;
    }
    let policy = sts.policy(domain, clock::now()).await?;
    (policy.mode == Mode::Enforce).then_some(policy)
}

/// RFC 8461 8.4: it may be a policy or a record that is on its way.
fn unlisted(host: &str) -> Failure {
    let text = format!("the domain's MTA-STS policy does not list {host}");
    Failure::without_reply(Stage::Tls, EnhancedStatus::new(4, 7, 5), text)
}

/// A failure that may pass outweighs one that will not: as long as one host may take the mail later, it is kept.
fn note(worst: &mut Option<Failure>, failure: Failure) {
    if worst
        .as_ref()
        .is_none_or(|before| before.is_permanent() || !failure.is_permanent())
    {
        *worst = Some(failure);
    }
}

/// An egress reaches addresses of its own family alone.
fn usable(addresses: Vec<IpAddr>, destination: &Destination) -> Vec<IpAddr> {
    match &destination.egress {
        Some(egress) => {
            let v4 = egress.address.is_ipv4();
            addresses
                .into_iter()
                .filter(|address| address.is_ipv4() == v4)
                .collect()
        }
        None => addresses,
    }
}

async fn at_address(
    outbound: &Outbound,
    destination: &Destination,
    host: &str,
    address: IpAddr,
    demand: TlsDemand,
) -> Result<Link, Failure> {
    let target = SocketAddr::new(address, destination.port);
    match attempt(outbound, destination, host, target, demand).await {
        // Encryption was only a courtesy, and the handshake failed: once more in clear (RFC 7435).
        Err(failure) if failure.stage == Stage::Tls && demand == TlsDemand::May => {
            attempt(outbound, destination, host, target, TlsDemand::Never).await
        }
        other => other,
    }
}

async fn attempt(
    outbound: &Outbound,
    destination: &Destination,
    host: &str,
    target: SocketAddr,
    demand: TlsDemand,
) -> Result<Link, Failure> {
    let source = destination.egress.as_ref().map(|egress| egress.address);
    let failed =
        |text: String| Failure::without_reply(Stage::Connect, EnhancedStatus::new(4, 4, 1), text);
    let tcp = match timeout(outbound.times.connect, net::connect(target, source)).await {
        Ok(Ok(tcp)) => tcp,
        Ok(Err(error)) => return Err(failed(format!("cannot connect to {target}: {error}"))),
        Err(_) => {
            return Err(failed(format!(
                "{target} does not accept the connection in time"
            )));
        }
    };
    let trust = match demand {
        TlsDemand::Verify => Trust::Verified,
        _ => Trust::Anyone,
    };
    let mut stream = Stream::Plain(tcp);
    if destination.implicit_tls {
        stream = match timeout(
            outbound.times.command,
            stream.encrypt(&outbound.tls, trust, host),
        )
        .await
        {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(tls_failed(&error.to_string())),
            Err(_) => return Err(tls_failed("no answer in time")),
        };
    }
    let settings = client::Settings {
        tls: match demand {
            TlsDemand::Never => client::TlsDemand::Never,
            TlsDemand::May => client::TlsDemand::May,
            TlsDemand::Encrypt => client::TlsDemand::Encrypt,
            TlsDemand::Verify => client::TlsDemand::Verify,
        },
        already_tls: destination.implicit_tls,
        credentials: destination.credentials.clone(),
        credentials_in_clear: target.ip().is_loopback(),
        ..client::Settings::new(destination.ehlo.clone())
    };
    let mut link = Link::new(
        stream,
        client::Connection::new(settings),
        host,
        target,
        outbound,
        trust,
    );
    link.introduce().await.map(|()| link)
}

fn tls_failed(error: &str) -> Failure {
    Failure::without_reply(
        Stage::Tls,
        EnhancedStatus::new(4, 7, 5),
        format!("the TLS handshake failed: {error}"),
    )
}
