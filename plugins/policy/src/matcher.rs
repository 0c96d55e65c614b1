//! Patterns for addresses and for networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use baton_sdk::Mailbox;

/// `ann@example.com`, `example.com`, `.example.com` (all below it; `*.example.com` is the same) or `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AddressPattern {
    Any,
    Domain(String),
    Below(String),
    /// The local part is compared without regard to case, as all large providers do.
    Address {
        local: String,
        domain: String,
    },
}

impl AddressPattern {
    /// What is wrong with the text, where it is no pattern.
    pub fn parse(text: &str) -> Result<Self, String> {
        if !text.is_ascii() {
            return Err(format!("`{text}` must be in its ASCII form (xn--...)"));
        }
        let text = text.to_ascii_lowercase();
        if text == "*" {
            return Ok(Self::Any);
        }
        let checked = |domain: &str| {
            let is_good = !domain.is_empty()
                && domain.split('.').all(|label| !label.is_empty())
                && !domain.contains(|c: char| {
                    c.is_whitespace() || c.is_control() || "@<>,;*".contains(c)
                });
            if is_good {
                Ok(domain.to_owned())
            } else {
                Err(format!(
                    "`{text}` is no address, no domain, no \".domain\" and no \"*\""
                ))
            }
        };
        if let Some((local, domain)) = text.rsplit_once('@') {
            let domain = checked(domain)?;
            return Ok(match local {
                "" | "*" => Self::Domain(domain),
                _ => Self::Address {
                    local: local.to_owned(),
                    domain,
                },
            });
        }
        match text.strip_prefix("*.").or_else(|| text.strip_prefix('.')) {
            Some(parent) => Ok(Self::Below(checked(parent)?)),
            None => Ok(Self::Domain(checked(&text)?)),
        }
    }

    pub fn matches(&self, mailbox: &Mailbox) -> bool {
        match self {
            Self::Any => true,
            Self::Domain(domain) => mailbox.domain.eq_ignore_ascii_case(domain),
            Self::Below(parent) => {
                let domain = mailbox.domain.to_ascii_lowercase();
                domain
                    .strip_suffix(parent.as_str())
                    .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
            Self::Address { local, domain } => {
                mailbox.domain.eq_ignore_ascii_case(domain)
                    && mailbox.local.eq_ignore_ascii_case(local)
            }
        }
    }
}

/// Whether one of the patterns covers the address.
pub fn any(patterns: &[AddressPattern], mailbox: &Mailbox) -> bool {
    patterns.iter().any(|pattern| pattern.matches(mailbox))
}

/// An address, or a network such as `192.0.2.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    bits: u128,
    mask: u128,
}

impl Network {
    /// What is wrong with the text, where it is no network.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bad = || {
            format!("`{text}` is no address and no network such as 192.0.2.0/24 or 2001:db8::/32")
        };
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u32>().map_err(|_| bad())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| bad())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let length = length.unwrap_or(width);
        if length > width {
            return Err(bad());
        }
        // An IPv4 network is one of mapped addresses: 96 bits longer.
        let length = length + 128 - width;
        let mask = if length == 0 {
            0
        } else {
            u128::MAX << (128 - length)
        };
        let bits = to_bits(address);
        if bits & !mask != 0 {
            return Err(format!(
                "`{text}` has bits behind its length; write the network's first address"
            ));
        }
        Ok(Self { bits, mask })
    }

    /// Never for a text that is no address.
    pub fn contains(&self, ip: &str) -> bool {
        ip.parse()
            .is_ok_and(|address| to_bits(address) & self.mask == self.bits)
    }
}

/// Whether one of the networks holds the address.
pub fn within(networks: &[Network], ip: &str) -> bool {
    networks.iter().any(|network| network.contains(ip))
}

fn to_bits(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().to_bits(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// The address by which rates count: an IPv6 client has a whole /64 to send from.
pub fn counted_ip(ip: &str) -> String {
    match ip.parse() {
        Ok(IpAddr::V6(address)) => match address.to_ipv4_mapped() {
            Some(v4) => Ipv4Addr::to_string(&v4),
            None => format!("{}/64", Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        },
        _ => ip.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use baton_sdk::testing::mailbox;

    #[test]
    fn an_address_is_covered_by_itself_its_domain_and_what_is_above() {
        for (pattern, address, expected) in [
            ("ann@a.test", "Ann@A.test", true),
            ("ann@a.test", "bob@a.test", false),
            ("a.test", "ann@a.test", true),
            ("@a.test", "ann@a.test", true),
            ("a.test", "ann@b.a.test", false),
            (".a.test", "ann@b.a.test", true),
            ("*.a.test", "ann@a.test", false),
            (".a.test", "ann@ba.test", false),
            ("*", "ann@a.test", true),
        ] {
            let parsed = AddressPattern::parse(pattern).expect("a pattern");
            assert_eq!(
                parsed.matches(&mailbox(address)),
                expected,
                "{pattern} {address}"
            );
        }
        for bad in ["", ".", "a b", "a..b", "ann@", "münchen.test", "a.*"] {
            assert!(AddressPattern::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn networks_hold_their_addresses_of_both_families() {
        for (network, ip, expected) in [
            ("192.0.2.0/24", "192.0.2.200", true),
            ("192.0.2.0/24", "192.0.3.1", false),
            ("192.0.2.1", "192.0.2.1", true),
            ("192.0.2.1", "::ffff:192.0.2.1", true),
            ("2001:db8::/32", "2001:db8:1::1", true),
            ("2001:db8::/32", "2001:db9::1", false),
            ("0.0.0.0/0", "8.8.8.8", true),
            ("0.0.0.0/0", "2001:db8::1", false),
            ("::/0", "8.8.8.8", true),
        ] {
            assert_eq!(
                Network::parse(network).expect("a network").contains(ip),
                expected,
                "{network} {ip}"
            );
        }
        for bad in [
            "",
            "x",
            "192.0.2.0/33",
            "192.0.2.1/24",
            "192.0.2.0/",
            "2001:db8::/129",
        ] {
            assert!(Network::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_client_of_ipv6_is_counted_by_its_network() {
        assert_eq!(counted_ip("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::/64");
        assert_eq!(counted_ip("::ffff:192.0.2.1"), "192.0.2.1");
        assert_eq!(counted_ip("192.0.2.1"), "192.0.2.1");
    }
}
