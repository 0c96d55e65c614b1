//! Listening sockets, and how many connections may be open at once: in all and from one address.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};

use crate::limits;

/// Binds a listening socket. IPv6 sockets take IPv6 only, so that `[::]:25` and `0.0.0.0:25` stand side by side.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(limits::LISTEN_BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Connects, from `source` where one is wanted. The caller bounds the time.
pub async fn connect(target: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = if target.is_ipv4() {
        tokio::net::TcpSocket::new_v4()?
    } else {
        tokio::net::TcpSocket::new_v6()?
    };
    if let Some(source) = source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    let stream = socket.connect(target).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Counts open connections. Cheap to clone; all clones count together.
#[derive(Clone, Debug)]
pub struct Caps {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    total_max: usize,
    per_address_max: usize,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// Why a connection is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crowded {
    /// The relay holds as many connections as it may.
    Relay,
    /// This address holds as many as one may.
    Address,
}

/// The right to one open connection, given back when dropped.
#[derive(Debug)]
pub struct Permit {
    shared: Arc<Shared>,
    counted_as: Option<IpAddr>,
}

impl Caps {
    /// At most `total_max` connections, and `per_address_max` from one IPv4 address or IPv6 /64.
    pub fn new(total_max: usize, per_address_max: usize) -> Caps {
        Caps {
            shared: Arc::new(Shared {
                total_max,
                per_address_max,
                open: Mutex::default(),
            }),
        }
    }

    /// Lets one more connection in, from whomever.
    pub fn enter(&self) -> Result<Permit, Crowded> {
        let mut open = self
            .shared
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if open.total >= self.shared.total_max {
            return Err(Crowded::Relay);
        }
        open.total += 1;
        Ok(Permit {
            shared: self.shared.clone(),
            counted_as: None,
        })
    }

    /// Connections open now.
    pub fn open(&self) -> usize {
        self.shared
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .total
    }
}

impl Permit {
    /// Counts the connection for its address, once that is known.
    pub fn belongs_to(&mut self, peer: IpAddr) -> Result<(), Crowded> {
        let key = counted_as(peer);
        let mut open = self
            .shared
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let count = open.by_address.entry(key).or_insert(0);
        if *count >= self.shared.per_address_max {
            return Err(Crowded::Address);
        }
        *count += 1;
        self.counted_as = Some(key);
        Ok(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut open = self
            .shared
            .open
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        open.total -= 1;
        if let Some(Entry::Occupied(mut entry)) =
            self.counted_as.map(|key| open.by_address.entry(key))
        {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

/// One customer holds a whole IPv6 /64, so it counts as one address.
fn counted_as(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => {
            let s = v6.segments();
            IpAddr::V6(Ipv6Addr::new(s[0], s[1], s[2], s[3], 0, 0, 0, 0))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn enter(caps: &Caps, text: &str) -> Result<Permit, Crowded> {
        let mut permit = caps.enter()?;
        permit
            .belongs_to(text.parse().expect("an address"))
            .map(|()| permit)
    }

    #[test]
    fn an_address_gets_its_share_and_no_more_and_gives_it_back() {
        let caps = Caps::new(10, 2);
        let first = enter(&caps, "192.0.2.1").expect("first");
        let _second = enter(&caps, "::ffff:192.0.2.1").expect("second");
        assert_eq!(enter(&caps, "192.0.2.1").err(), Some(Crowded::Address));
        let _other = enter(&caps, "192.0.2.2").expect("other");
        drop(first);
        let _again = enter(&caps, "192.0.2.1").expect("again");
        assert_eq!(caps.open(), 3);
    }

    #[test]
    fn a_network_of_64_bits_counts_as_one_address() {
        let caps = Caps::new(10, 1);
        let _one = enter(&caps, "2001:db8::1").expect("one");
        assert_eq!(enter(&caps, "2001:db8::2").err(), Some(Crowded::Address));
        assert!(enter(&caps, "2001:db8:0:1::1").is_ok());
    }

    #[test]
    fn the_relay_has_a_limit_of_its_own() {
        let caps = Caps::new(1, 5);
        let _one = enter(&caps, "192.0.2.1").expect("one");
        assert_eq!(enter(&caps, "192.0.2.2").err(), Some(Crowded::Relay));
    }
}
