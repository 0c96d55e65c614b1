//! Which addresses a plugin's HTTP requests may reach. Pure.
//!
//! A grant names a host; what that name resolves to is the host's choice and may be a machine of ours. So an address that
//! is not public is reached only where the operator shows that it is meant: the grant is an address or `localhost`, or
//! names the port as well (`scanner.internal:8080`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether a grant list lets a request for `host` and `port` go to an address that is not public.
pub fn private_is_meant(grants: &[String], host: &str, port: u16) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    grants.iter().any(|grant| {
        let (name, granted_port) = split_port(grant);
        let same_host = name.eq_ignore_ascii_case(host);
        match granted_port {
            Some(granted) => same_host && granted == port,
            None => {
                let literal =
                    name.parse::<IpAddr>().is_ok() || name.eq_ignore_ascii_case("localhost");
                same_host && literal && matches!(port, 80 | 443)
            }
        }
    })
}

/// Whether the address belongs to the public internet (IANA special-purpose registries).
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => is_public_v4(v4),
        IpAddr::V6(v6) => is_public_v6(v6),
    }
}

fn split_port(grant: &str) -> (&str, Option<u16>) {
    if let Some(rest) = grant.strip_prefix('[') {
        return match rest.split_once(']') {
            Some((name, tail)) => (name, tail.strip_prefix(':').and_then(|p| p.parse().ok())),
            None => (grant, None),
        };
    }
    match grant.split_once(':') {
        Some((name, port)) if !port.contains(':') => (name, port.parse().ok()),
        _ => (grant, None),
    }
}

fn is_public_v4(v4: Ipv4Addr) -> bool {
    let [a, b, c, _] = v4.octets();
    !(a == 0
        || v4.is_private()
        || v4.is_loopback()
        || v4.is_link_local()
        || v4.is_broadcast()
        || v4.is_documentation()
        || v4.is_multicast()
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b))
        || a >= 240)
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    let s = v6.segments();
    // Only 2000::/3 is given out; of it, some is not for the world.
    let global = s[0] & 0xe000 == 0x2000;
    let documentation = (s[0] == 0x2001 && s[1] == 0xdb8) || (s[0] == 0x3fff && s[1] < 0x1000);
    let special = s[0] == 0x2001 && s[1] < 0x200;
    // 6to4 and NAT64 carry an IPv4 address that may be one of ours.
    let six_to_four = s[0] == 0x2002;
    global && !documentation && !special && !six_to_four
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(text: &str) -> bool {
        is_public(text.parse().expect("an address"))
    }

    #[test]
    fn only_addresses_of_the_internet_are_public() {
        for yes in [
            "1.1.1.1",
            "93.184.216.34",
            "2606:4700::1111",
            "2a00:1450:4001::5",
        ] {
            assert!(public(yes), "{yes}");
        }
        for no in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.2.1",
            "198.18.0.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "ff02::1",
            "2001::1",
        ] {
            assert!(!public(no), "{no}");
        }
    }

    #[test]
    fn a_private_target_must_be_meant() {
        let grants = [
            "api.example.com",
            "scanner.internal:8080",
            "127.0.0.1",
            "[::1]:9000",
            "*",
        ]
        .map(str::to_owned);
        let meant = |host, port| private_is_meant(&grants, host, port);
        assert!(meant("scanner.internal", 8080));
        assert!(meant("127.0.0.1", 80));
        assert!(meant("::1", 9000));
        assert!(meant("[::1]", 9000));
        assert!(!meant("scanner.internal", 8081));
        assert!(
            !meant("api.example.com", 443),
            "its name may point anywhere"
        );
        assert!(!meant("127.0.0.1", 6379));
        assert!(!meant("10.0.0.1", 80));
    }
}
