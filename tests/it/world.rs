//! A relay in production mode inside a small world: a DNS zone and exchangers on one port of different loopback addresses.

use std::net::{IpAddr, Ipv4Addr};

use baton_tests::dns::Dns;
use baton_tests::relay::free_port;
use baton_tests::{Mx, Relay, Script};

/// `[delivery]` keys that make an attempt every second; `{more}` is for the test.
const CONFIG: &str = r#"
hostname = "relay.test"

[log]
level = "info,baton=debug"

[[listener]]
name = "in"
address = "{smtp}"
{listener}

[dns]
servers = ["{dns}"]
timeout = "2s"
"#;

/// Where a test does not say.
const HTTP: &str = "\n[http]\nadmin = \"{http}\"\nopen = true\n";

/// For tests that send to a domain that does not exist: the address is dead then, and the next message for it would be refused.
pub const NOBODY_THERE: &str = "[plugins.suppression]\nenabled = false\n";

pub struct World {
    pub dns: Dns,
    /// Where exchangers listen.
    pub port: u16,
}

impl World {
    pub async fn new() -> World {
        World {
            dns: Dns::start().await,
            port: free_port(),
        }
    }

    /// An exchanger at 127.0.5.N.
    pub async fn exchanger(&self, n: u8, script: Script) -> Mx {
        Mx::start_at(IpAddr::V4(Ipv4Addr::new(127, 0, 5, n)), self.port, script).await
    }

    /// The address of exchanger N, whether or not one listens there.
    pub fn ip(n: u8) -> IpAddr {
        IpAddr::V4(Ipv4Addr::new(127, 0, 5, n))
    }

    /// `domain` has the exchangers mxN.domain at 127.0.5.N, in order of preference.
    pub fn domain(&self, domain: &str, exchangers: &[u8]) {
        for (rank, &n) in exchangers.iter().enumerate() {
            let host = format!("mx{n}.{domain}");
            self.dns.mx(domain, 10 * (rank as u16 + 1), &host);
            self.dns.address(&host, World::ip(n));
        }
    }

    /// A relay that delivers into this world, retrying each second.
    pub async fn relay(&self) -> Relay {
        self.relay_with("", "").await
    }

    /// The same with more keys for the listener, and more of the file.
    pub async fn relay_with(&self, listener: &str, more: &str) -> Relay {
        self.relay_from(listener, more, |_| {}).await
    }

    pub async fn relay_from(
        &self,
        listener: &str,
        more: &str,
        prepare: impl FnOnce(&std::path::Path),
    ) -> Relay {
        let mut config = CONFIG.replace("{listener}", listener);
        if !more.contains("[http]") {
            config += HTTP;
        }
        if !more.contains("[delivery]") {
            config += &format!("\n[delivery]\nport = {}\nretry = [\"1s\"]\n", self.port);
        }
        config += more;
        let config = config
            .replace("{port}", &self.port.to_string())
            .replace("{dns}", &self.dns.addr.to_string());
        Relay::serve_with(&config, prepare).await
    }
}
