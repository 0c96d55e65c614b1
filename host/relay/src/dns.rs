//! Questions to the DNS, and the only user of hickory. Every question is bounded in time, and every failure says whether
//! asking again may help.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError as HickoryDnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

use crate::config;

/// Names of an address that are checked for a way back (RFC 8601 2.7.3 advises a bound).
const PTR_NAMES_MAX: usize = 5;
/// Mail exchangers of one domain that are looked at.
const EXCHANGERS_MAX: usize = 64;

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DnsError {
    /// NXDOMAIN: the name does not exist, nor does any record of it.
    #[error("the name {0} does not exist")]
    NoSuchName(String),
    /// The name exists, but has no record of the kind asked for.
    #[error("the name {0} has no such record")]
    NoData(String),
    #[error("{0} is not a DNS name")]
    InvalidName(String),
    #[error("no answer in time for {0}")]
    Timeout(String),
    /// SERVFAIL, REFUSED, an unreachable server and the like.
    #[error("no answer for {name}: {error}")]
    Failed { name: String, error: String },
}

impl DnsError {
    /// Whether asking again later would give the same.
    pub fn is_permanent(&self) -> bool {
        matches!(
            self,
            DnsError::NoSuchName(_) | DnsError::NoData(_) | DnsError::InvalidName(_)
        )
    }
}

/// What the MX records of a domain say (RFC 5321 5.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MailHosts {
    /// By preference; never empty.
    Exchangers(Vec<Mx>),
    /// No MX records: the domain itself is the host, if it has an address.
    Implicit,
    /// The domain says that it takes no mail (RFC 7505).
    Null,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mx {
    pub preference: u16,
    /// Lower case, without a final dot.
    pub exchange: String,
}

/// Asks and caches. Cheap to clone.
#[derive(Clone)]
pub struct Resolver {
    hickory: TokioResolver,
    timeout: Duration,
}

impl Resolver {
    /// Uses the configured servers, or those of the system.
    pub fn new(config: &config::Dns) -> Result<Resolver, DnsError> {
        let failed = |e: NetError| DnsError::Failed {
            name: "resolver".into(),
            error: e.to_string(),
        };
        let mut builder = if config.servers.is_empty() {
            TokioResolver::builder_tokio().map_err(failed)?
        } else {
            let servers = config.servers.iter().map(name_server).collect();
            let mut builder = TokioResolver::builder_with_config(
                ResolverConfig::from_name_servers(servers),
                TokioRuntimeProvider::default(),
            );
            builder.options_mut().use_hosts_file = ResolveHosts::Never;
            builder
        };
        bound(builder.options_mut(), config.timeout);
        Ok(Resolver {
            hickory: builder.build().map_err(failed)?,
            timeout: config.timeout,
        })
    }

    /// Where mail for a domain (ASCII) goes. `NoSuchName` means that it goes nowhere.
    pub async fn mail_hosts(&self, domain: &str) -> Result<MailHosts, DnsError> {
        match self.exchangers(domain).await {
            Ok(records)
                if records.iter().any(|mx| mx.exchange.is_empty()) && records.len() == 1 =>
            {
                Ok(MailHosts::Null)
            }
            Ok(mut records) => {
                records.retain(|mx| !mx.exchange.is_empty());
                if records.is_empty() {
                    Ok(MailHosts::Null)
                } else {
                    Ok(MailHosts::Exchangers(records))
                }
            }
            Err(DnsError::NoData(_)) => Ok(MailHosts::Implicit),
            Err(e) => Err(e),
        }
    }

    /// The MX records as they are, by preference; an empty exchange is the root (RFC 7505).
    pub async fn exchangers(&self, domain: &str) -> Result<Vec<Mx>, DnsError> {
        let mut records = self
            .ask(domain, RecordType::MX, |record| match &record.data {
                RData::MX(mx) => Some(Mx {
                    preference: mx.preference,
                    exchange: plain(&mx.exchange),
                }),
                _ => None,
            })
            .await?;
        records.sort();
        records.truncate(EXCHANGERS_MAX);
        Ok(records)
    }

    /// IPv6 and IPv4 addresses of a host, in this order; asked in parallel. An answer of one kind is enough.
    pub async fn addresses(
        &self,
        host: &str,
        families: config::IpFamilies,
    ) -> Result<Vec<IpAddr>, DnsError> {
        let v4 = async { self.ask(host, RecordType::A, address).await };
        let v6 = async { self.ask(host, RecordType::AAAA, address).await };
        match families {
            config::IpFamilies::V4 => v4.await,
            config::IpFamilies::V6 => v6.await,
            config::IpFamilies::Both => match tokio::join!(v4, v6) {
                (Ok(v4), Ok(v6)) => Ok(v6.into_iter().chain(v4).collect()),
                (Ok(found), Err(_)) | (Err(_), Ok(found)) => Ok(found),
                // A failure that may pass outweighs one that will not.
                (Err(v4), Err(v6)) => Err(if v4.is_permanent() { v6 } else { v4 }),
            },
        }
    }

    /// TXT records; the strings of each joined (RFC 7208 3.3).
    pub async fn texts(&self, name: &str) -> Result<Vec<String>, DnsError> {
        self.ask(name, RecordType::TXT, |record| match &record.data {
            RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
            _ => None,
        })
        .await
    }

    /// Names of an address (PTR), as they are claimed.
    pub async fn names(&self, address: IpAddr) -> Result<Vec<String>, DnsError> {
        let name = Name::from(address.to_canonical()).to_ascii();
        self.ask(&name, RecordType::PTR, |record| match &record.data {
            RData::PTR(name) => Some(plain(&name.0)),
            _ => None,
        })
        .await
    }

    /// The first name of an address that resolves back to it (RFC 1912 2.1).
    pub async fn confirmed_name(&self, address: IpAddr) -> Result<Option<String>, DnsError> {
        let address = address.to_canonical();
        let families = match address {
            IpAddr::V4(_) => config::IpFamilies::V4,
            IpAddr::V6(_) => config::IpFamilies::V6,
        };
        let names = match self.names(address).await {
            Ok(names) => names,
            Err(e) if e.is_permanent() => return Ok(None),
            Err(e) => return Err(e),
        };
        for name in names.into_iter().take(PTR_NAMES_MAX) {
            if self
                .addresses(&name, families)
                .await
                .is_ok_and(|found| found.contains(&address))
            {
                return Ok(Some(name));
            }
        }
        Ok(None)
    }

    /// A block-list question (RFC 5782): the address answered for an address or a domain, if it is listed.
    pub async fn listed(&self, zone: &str, subject: &str) -> Result<Option<IpAddr>, DnsError> {
        let name = match subject.parse::<IpAddr>() {
            Ok(address) => format!("{}.{zone}", reversed(address.to_canonical())),
            Err(_) => format!("{subject}.{zone}"),
        };
        match self.ask(&name, RecordType::A, address).await {
            // Only 127.0.0.0/8 means listed; anything else is a hijacked or expired zone.
            Ok(found) => Ok(found.into_iter().find(|a| a.is_loopback())),
            Err(e) if e.is_permanent() => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// The same resolver for questions about senders.
    pub fn authenticator(&self) -> baton_sign::Authenticator {
        baton_sign::Authenticator(self.hickory.clone())
    }

    async fn ask<T>(
        &self,
        name: &str,
        kind: RecordType,
        read: impl Fn(&Record) -> Option<T>,
    ) -> Result<Vec<T>, DnsError> {
        let mut query =
            Name::from_ascii(name).map_err(|_| DnsError::InvalidName(name.to_owned()))?;
        // Search domains have no place in mail.
        query.set_fqdn(true);
        let answer = tokio::time::timeout(self.timeout, self.hickory.lookup(query, kind))
            .await
            .map_err(|_| DnsError::Timeout(name.to_owned()))?
            .map_err(|e| failure(name, &e))?;
        let found: Vec<T> = answer.answers().iter().filter_map(read).collect();
        if found.is_empty() {
            Err(DnsError::NoData(name.to_owned()))
        } else {
            Ok(found)
        }
    }
}

fn name_server(address: &SocketAddr) -> NameServerConfig {
    let mut udp = ConnectionConfig::udp();
    let mut tcp = ConnectionConfig::tcp();
    udp.port = address.port();
    tcp.port = address.port();
    NameServerConfig::new(address.ip(), true, vec![udp, tcp])
}

/// Two tries within the time of one question.
fn bound(options: &mut ResolverOpts, timeout: Duration) {
    options.attempts = 1;
    options.timeout = timeout / 2;
}

fn failure(name: &str, error: &NetError) -> DnsError {
    match error {
        NetError::Dns(HickoryDnsError::NoRecordsFound(none)) => match none.response_code {
            ResponseCode::NXDomain => DnsError::NoSuchName(name.to_owned()),
            ResponseCode::NoError => DnsError::NoData(name.to_owned()),
            code => DnsError::Failed {
                name: name.to_owned(),
                error: code.to_string(),
            },
        },
        NetError::Timeout => DnsError::Timeout(name.to_owned()),
        other => DnsError::Failed {
            name: name.to_owned(),
            error: other.to_string(),
        },
    }
}

fn address(record: &Record) -> Option<IpAddr> {
    match &record.data {
        RData::A(a) => Some(IpAddr::V4(a.0)),
        RData::AAAA(a) => Some(IpAddr::V6(a.0)),
        _ => None,
    }
}

fn plain(name: &Name) -> String {
    let mut text = name.to_ascii().to_ascii_lowercase();
    if text.ends_with('.') {
        text.pop();
    }
    text
}

/// "1.2.0.192" for 192.0.2.1; nibbles for IPv6.
fn reversed(address: IpAddr) -> String {
    let parts: Vec<String> = match address {
        IpAddr::V4(address) => address.octets().iter().rev().map(u8::to_string).collect(),
        IpAddr::V6(address) => address
            .octets()
            .iter()
            .rev()
            .flat_map(|byte| [format!("{:x}", byte & 15), format!("{:x}", byte >> 4)])
            .collect(),
    };
    parts.join(".")
}
