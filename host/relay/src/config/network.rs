//! Who is meant: networks of addresses and patterns of domains.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// An address with a prefix length, such as 10.0.0.0/8 or 2001:db8::/32.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether the address lies within. An IPv4 address mapped into IPv6 counts as IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                leading_bits(u128::from(network.to_bits()) << 96, self.prefix)
                    == leading_bits(u128::from(address.to_bits()) << 96, self.prefix)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                leading_bits(network.to_bits(), self.prefix)
                    == leading_bits(address.to_bits(), self.prefix)
            }
            _ => false,
        }
    }
}

fn leading_bits(bits: u128, count: u8) -> u128 {
    bits.checked_shr(128 - u32::from(count)).unwrap_or(0)
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address
            .parse()
            .map_err(|_| format!("{text:?} is not an address or network"))?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => bits_max,
            Some(prefix) => prefix
                .parse()
                .ok()
                .filter(|bits| *bits <= bits_max)
                .ok_or_else(|| format!("the prefix of {text:?} must be 0 to {bits_max}"))?,
        };
        let network = Network { address, prefix };
        if !network.is_clean() {
            return Err(format!("{text:?} has bits set behind its prefix"));
        }
        Ok(network)
    }
}

impl Network {
    fn is_clean(&self) -> bool {
        let (bits, host_bits) = match self.address {
            IpAddr::V4(address) => (u128::from(address.to_bits()), 32 - self.prefix),
            IpAddr::V6(address) => (address.to_bits(), 128 - self.prefix),
        };
        host_bits == 0 || bits & (u128::MAX >> (128 - u32::from(host_bits))) == 0
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// 127.0.0.0/8 and ::1.
pub(super) fn loopback() -> Vec<Network> {
    vec![
        Network {
            address: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)),
            prefix: 8,
        },
        Network {
            address: IpAddr::V6(Ipv6Addr::LOCALHOST),
            prefix: 128,
        },
    ]
}

/// Every address.
pub(super) fn everywhere() -> Vec<Network> {
    vec![
        Network {
            address: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            prefix: 0,
        },
        Network {
            address: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
            prefix: 0,
        },
    ]
}

/// Whether a socket bound here is reached from this machine alone.
pub fn is_loopback(address: IpAddr) -> bool {
    address.to_canonical().is_loopback()
}

/// A domain, or with a leading "*." every domain below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainPattern {
    domain: String,
    below: bool,
}

impl DomainPattern {
    /// Whether the domain (ASCII, any case) fits.
    pub fn matches(&self, domain: &str) -> bool {
        if self.below {
            domain.len() > self.domain.len() + 1
                && domain.is_char_boundary(domain.len() - self.domain.len())
                && domain[domain.len() - self.domain.len()..].eq_ignore_ascii_case(&self.domain)
                && domain.as_bytes()[domain.len() - self.domain.len() - 1] == b'.'
        } else {
            domain.eq_ignore_ascii_case(&self.domain)
        }
    }
}

impl DomainPattern {
    /// The domain itself; none of a pattern for those below it.
    pub fn exact(&self) -> Option<&str> {
        (!self.below).then_some(&self.domain)
    }
}

impl FromStr for DomainPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<DomainPattern, String> {
        let (below, name) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        Ok(DomainPattern {
            domain: host_name(name)?,
            below,
        })
    }
}

/// A DNS name in lower case: RFC 1123 letters, digits and hyphens, labels within 63 bytes, 253 in all.
pub fn host_name(text: &str) -> Result<String, String> {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if text.len() <= 253 && text.split('.').all(label) {
        Ok(text.to_ascii_lowercase())
    } else if text.is_ascii() {
        Err(format!("{text:?} is not a host name"))
    } else {
        Err(format!(
            "{text:?} is not a host name; write it in its ASCII form (xn--...)"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_contains_what_shares_its_prefix() {
        assert!(network("10.0.0.0/8").contains("10.255.0.1".parse().unwrap()));
        assert!(!network("10.0.0.0/8").contains("11.0.0.1".parse().unwrap()));
        assert!(network("10.0.0.0/8").contains("::ffff:10.1.1.1".parse().unwrap()));
        assert!(network("2001:db8::/32").contains("2001:db8:1::1".parse().unwrap()));
        assert!(!network("2001:db8::/32").contains("2001:db9::1".parse().unwrap()));
        assert!(network("192.0.2.1").contains("192.0.2.1".parse().unwrap()));
        assert!(!network("192.0.2.1").contains("192.0.2.2".parse().unwrap()));
        assert!(network("0.0.0.0/0").contains("255.255.255.255".parse().unwrap()));
        assert!(!network("0.0.0.0/0").contains("::2".parse().unwrap()));
    }

    #[test]
    fn a_network_with_bits_behind_its_prefix_is_refused() {
        assert!("10.0.0.1/8".parse::<Network>().is_err());
        assert!("10.0.0.0/33".parse::<Network>().is_err());
        assert!("2001:db8::1/32".parse::<Network>().is_err());
        assert!("ten".parse::<Network>().is_err());
    }

    #[test]
    fn a_pattern_with_a_star_means_the_domains_below() {
        let exact: DomainPattern = "Example.net".parse().unwrap();
        assert!(exact.matches("EXAMPLE.NET"));
        assert!(!exact.matches("a.example.net"));
        let below: DomainPattern = "*.example.net".parse().unwrap();
        assert!(below.matches("a.B.example.net"));
        assert!(!below.matches("example.net"));
        assert!(!below.matches("badexample.net"));
        assert!(!below.matches("é.net"));
    }
}
