//! May this plugin do this? Asked here, below the adapters of all contract versions, so that none can bypass it.
//!
//! A capability needs both: the component imports it (or it could not ask), and the operator granted it. The answer to a
//! call that is not granted is an error value and no trap, since toolchains of some languages import everything.

use crate::settings::Grants;

/// What is granted to one plugin, read once.
#[derive(Debug)]
pub(crate) struct Granted {
    /// The resolver.
    pub dns: bool,
    /// Messages of its own.
    pub submit: bool,
    /// Bytes of key-value; none where it is withdrawn.
    pub kv_bytes_max: Option<u64>,
    hosts: Vec<Pattern>,
    secrets: Vec<String>,
}

impl Granted {
    pub fn new(grants: &Grants) -> Granted {
        Granted {
            dns: grants.dns,
            submit: grants.submit,
            kv_bytes_max: (grants.kv_bytes_max > 0).then_some(grants.kv_bytes_max),
            hosts: grants
                .http
                .iter()
                .map(|text| Pattern::parse(text))
                .collect(),
            secrets: grants.secrets.clone(),
        }
    }

    /// Whether requests to that target are granted.
    pub fn http(&self, target: &Target<'_>) -> bool {
        self.hosts.iter().any(|pattern| pattern.matches(target))
    }

    /// Whether that secret may be read.
    pub fn secret(&self, name: &str) -> bool {
        self.secrets.iter().any(|granted| granted == name)
    }
}

/// One entry of [`Grants::http`].
#[derive(Debug)]
struct Pattern {
    host: Host,
    /// None: the ports of the schemes.
    port: Option<u16>,
}

#[derive(Debug)]
enum Host {
    All,
    /// Any name below this one; holds the leading dot.
    Below(String),
    Exactly(String),
}

impl Pattern {
    /// A text that is no host at all becomes a pattern that nothing matches.
    fn parse(text: &str) -> Pattern {
        let text = text.trim().to_ascii_lowercase();
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && !port.ends_with(']') => {
                (host.to_owned(), Some(port.parse().unwrap_or(0)))
            }
            _ => (text, None),
        };
        let host = match host.strip_prefix('*') {
            Some("") => Host::All,
            Some(rest) if rest.starts_with('.') => Host::Below(rest.to_owned()),
            _ => Host::Exactly(host),
        };
        Pattern { host, port }
    }

    fn matches(&self, target: &Target<'_>) -> bool {
        let port = match self.port {
            Some(port) => port == target.port,
            None => target.port == if target.tls { 443 } else { 80 },
        };
        port && match &self.host {
            Host::All => true,
            Host::Below(suffix) => {
                target.host.len() > suffix.len()
                    && target
                        .host
                        .is_char_boundary(target.host.len() - suffix.len())
                    && target.host[target.host.len() - suffix.len()..].eq_ignore_ascii_case(suffix)
            }
            Host::Exactly(host) => target.host.eq_ignore_ascii_case(host),
        }
    }
}

/// Where an absolute URL leads.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    /// A name, an IPv4 address, or an IPv6 address in brackets.
    pub host: &'a str,
    pub port: u16,
    pub tls: bool,
}

impl<'a> Target<'a> {
    /// Strict, so that no later parser can read another host out of the same text: no user, no backslash, no
    /// percent-encoding in the host, no space or control character anywhere. None if the text is no such URL.
    pub fn parse(url: &'a str) -> Option<Target<'a>> {
        if url.bytes().any(|b| b <= b' ' || b == 0x7f || b == b'\\') {
            return None;
        }
        let scheme_end = url.find("://")?;
        let tls = match &url[..scheme_end] {
            scheme if scheme.eq_ignore_ascii_case("https") => true,
            scheme if scheme.eq_ignore_ascii_case("http") => false,
            _ => return None,
        };
        let rest = &url[scheme_end + 3..];
        let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
        let (host, port) = match authority.strip_prefix('[') {
            Some(inner) => {
                let end = inner.find(']')?;
                inner[..end].parse::<std::net::Ipv6Addr>().ok()?;
                (&authority[..end + 2], &inner[end + 1..])
            }
            None => {
                let end = authority.find(':').unwrap_or(authority.len());
                let host = &authority[..end];
                let name = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'-' || b == b'_';
                if host.is_empty() || !host.bytes().all(name) {
                    return None;
                }
                (host, &authority[end..])
            }
        };
        let port = match port.strip_prefix(':') {
            None if port.is_empty() => {
                if tls {
                    443
                } else {
                    80
                }
            }
            Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                digits.parse().ok().filter(|port| *port != 0)?
            }
            _ => return None,
        };
        Some(Target { host, port, tls })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn granted(hosts: &[&str]) -> Granted {
        Granted::new(&Grants {
            http: hosts.iter().map(|h| (*h).to_owned()).collect(),
            ..Grants::default()
        })
    }

    fn may(hosts: &[&str], url: &str) -> bool {
        Target::parse(url).is_some_and(|target| granted(hosts).http(&target))
    }

    #[test]
    fn nothing_but_key_value_is_granted_by_default() {
        let granted = Granted::new(&Grants::default());
        assert!(!granted.dns && !granted.submit && granted.kv_bytes_max.is_some());
        assert!(!granted.secret("key"));
        assert!(!may(&[], "https://example.com/"));
    }

    #[test]
    fn a_host_is_granted_exactly_below_or_wholly() {
        assert!(may(&["api.example.com"], "https://API.example.com/x"));
        assert!(!may(
            &["api.example.com"],
            "https://api.example.com.evil.test/"
        ));
        assert!(!may(&["api.example.com"], "https://evilapi.example.com/"));
        assert!(may(&["*.example.com"], "https://a.b.example.com/"));
        assert!(!may(&["*.example.com"], "https://example.com/"));
        assert!(!may(&["*.example.com"], "https://badexample.com/"));
        assert!(may(&["*"], "http://anything.test/"));
        assert!(may(&["[::1]:8080"], "http://[::1]:8080/"));
        assert!(may(&["127.0.0.1:8080"], "http://127.0.0.1:8080/"));
    }

    #[test]
    fn a_port_is_granted_only_by_name_or_by_the_scheme() {
        assert!(!may(&["example.com"], "https://example.com:8443/"));
        assert!(!may(&["example.com"], "http://example.com:443/"));
        assert!(may(&["example.com:8443"], "https://example.com:8443/"));
        assert!(!may(&["example.com:8443"], "https://example.com/"));
        assert!(!may(&["example.com:x"], "https://example.com/"));
    }

    #[test]
    fn a_url_that_two_parsers_could_read_differently_is_none() {
        for url in [
            "https://good.test@evil.test/",
            "https://good.test\\@evil.test/",
            "https://good%2etest/",
            "https://good.test:80:90/",
            "https://good.test:/",
            "https://good.test:0/",
            "https:///path",
            "//good.test/",
            "ftp://good.test/",
            "https://good.test/a b",
            "https://good.test/\r\nX: y",
            "https://[::1/",
            "https://[nonsense]/",
            "good.test",
        ] {
            assert_eq!(Target::parse(url), None, "{url}");
        }
        assert_eq!(
            Target::parse("http://good.test?x#y"),
            Some(Target {
                host: "good.test",
                port: 80,
                tls: false
            })
        );
    }
}
