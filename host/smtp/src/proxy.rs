//! The PROXY protocol, versions 1 and 2: a balancer's word on who the client is.
//!
//! The header comes before anything else, TLS included, so it is read by whoever owns the socket,
//! before there is a session. Only a listener that is told so may believe one.

#[cfg(test)]
mod tests;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use memchr::memmem;

use crate::limits::{PROXY_BYTES_MAX, PROXY_V1_BYTES_MAX};

/// What the header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// The balancer itself (health checks), or a client it does not know: the socket's own addresses
    /// hold.
    Local,
    /// A client at `source` that connected to `destination`.
    Proxied {
        /// The client.
        source: SocketAddr,
        /// What it connected to.
        destination: SocketAddr,
    },
}

/// The bytes are no header; the connection should be closed without a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyError {
    /// Neither version begins like this.
    NotProxy,
    /// It begins well and goes on badly.
    Malformed,
    /// Longer than [`PROXY_BYTES_MAX`].
    TooLong,
}

impl fmt::Display for ProxyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ProxyError::NotProxy => "no PROXY protocol header",
            ProxyError::Malformed => "a malformed PROXY protocol header",
            ProxyError::TooLong => "a PROXY protocol header that is too long",
        })
    }
}

impl std::error::Error for ProxyError {}

const V1: &[u8] = b"PROXY ";
const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
const V2_FIXED_BYTES: usize = 16;

/// Reads a header at the front of everything received so far: the header and how many bytes it
/// took, or `None` where more is needed. Bytes after the header are the client's own.
pub fn parse(input: &[u8]) -> Result<Option<(Header, usize)>, ProxyError> {
    if begins(input, V1) {
        parse_v1(input)
    } else if begins(input, V2) {
        parse_v2(input)
    } else {
        Err(ProxyError::NotProxy)
    }
}

/// True where `input` is a beginning of `signature` or has it whole.
fn begins(input: &[u8], signature: &[u8]) -> bool {
    let both = input.len().min(signature.len());
    input[..both] == signature[..both]
}

fn parse_v1(input: &[u8]) -> Result<Option<(Header, usize)>, ProxyError> {
    let window = &input[..input.len().min(PROXY_V1_BYTES_MAX)];
    let Some(end) = memmem::find(window, b"\r\n") else {
        return if window.len() == PROXY_V1_BYTES_MAX {
            Err(ProxyError::TooLong)
        } else {
            Ok(None)
        };
    };
    let line = std::str::from_utf8(&window[V1.len()..end]).map_err(|_| ProxyError::Malformed)?;
    let words: Vec<&str> = line.split(' ').collect();
    let header = match words.as_slice() {
        ["UNKNOWN", ..] => Header::Local,
        ["TCP4", from, to, from_port, to_port] => Header::Proxied {
            source: v1_address::<Ipv4Addr>(from, from_port)?,
            destination: v1_address::<Ipv4Addr>(to, to_port)?,
        },
        ["TCP6", from, to, from_port, to_port] => Header::Proxied {
            source: v1_address::<Ipv6Addr>(from, from_port)?,
            destination: v1_address::<Ipv6Addr>(to, to_port)?,
        },
        _ => return Err(ProxyError::Malformed),
    };
    Ok(Some((header, end + 2)))
}

fn v1_address<Ip>(ip: &str, port: &str) -> Result<SocketAddr, ProxyError>
where
    Ip: std::str::FromStr + Into<IpAddr>,
{
    let ip: Ip = ip.parse().map_err(|_| ProxyError::Malformed)?;
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let port = port
        .parse()
        .ok()
        .filter(|_| digits)
        .ok_or(ProxyError::Malformed)?;
    Ok(SocketAddr::new(ip.into(), port))
}

fn parse_v2(input: &[u8]) -> Result<Option<(Header, usize)>, ProxyError> {
    let Some((fixed, rest)) = input.split_at_checked(V2_FIXED_BYTES) else {
        return Ok(None);
    };
    let length = usize::from(u16::from_be_bytes([fixed[14], fixed[15]]));
    if V2_FIXED_BYTES + length > PROXY_BYTES_MAX {
        return Err(ProxyError::TooLong);
    }
    let Some(body) = rest.get(..length) else {
        return Ok(None);
    };
    let header = match (fixed[12], fixed[13]) {
        (0x20, _) => Header::Local,
        // Over TCP, IPv4 and IPv6. What follows the addresses are extra fields nobody here asks for.
        (0x21, 0x11) => {
            let (ips, ports) = body.split_at_checked(8).ok_or(ProxyError::Malformed)?;
            v2_addresses::<4>(ips, ports)?
        }
        (0x21, 0x21) => {
            let (ips, ports) = body.split_at_checked(32).ok_or(ProxyError::Malformed)?;
            v2_addresses::<16>(ips, ports)?
        }
        // Unspecified, datagram and UNIX: known to the protocol, of no use to us.
        (0x21, 0x00 | 0x12 | 0x22 | 0x31 | 0x32) => Header::Local,
        _ => return Err(ProxyError::Malformed),
    };
    Ok(Some((header, V2_FIXED_BYTES + length)))
}

/// Two addresses of `N` bytes each, then two ports.
fn v2_addresses<const N: usize>(ips: &[u8], ports: &[u8]) -> Result<Header, ProxyError>
where
    IpAddr: From<[u8; N]>,
{
    let ip = |bytes: &[u8]| <[u8; N]>::try_from(bytes).map(IpAddr::from);
    let (source, destination) = ips.split_at(N);
    let [a, b, c, d] = *ports.first_chunk::<4>().ok_or(ProxyError::Malformed)?;
    let source = ip(source).map_err(|_| ProxyError::Malformed)?;
    let destination = ip(destination).map_err(|_| ProxyError::Malformed)?;
    Ok(Header::Proxied {
        source: SocketAddr::new(source, u16::from_be_bytes([a, b])),
        destination: SocketAddr::new(destination, u16::from_be_bytes([c, d])),
    })
}
