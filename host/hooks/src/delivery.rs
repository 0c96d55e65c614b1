//! What delivery-side hooks decide: routes, translations, reports.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use baton_smtp::Domain;

use crate::facts::RemoteReply;

/// Where in an attempt a reply or failure came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Stage {
    Dns,
    Connect,
    Greeting,
    Ehlo,
    Tls,
    Auth,
    MailFrom,
    RcptTo,
    Data,
    EndOfData,
}

/// What becomes of the recipient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Disposition {
    /// The address is dead.
    Hard,
    /// It may work later.
    Soft,
    /// Refused for what the sender, egress or content is.
    Block,
    /// Refused by configuration.
    Admin,
    /// The text does not tell.
    Undetermined,
}

impl Disposition {
    /// The word of the contract.
    pub fn name(self) -> &'static str {
        match self {
            Disposition::Hard => "hard",
            Disposition::Soft => "soft",
            Disposition::Block => "block",
            Disposition::Admin => "admin",
            Disposition::Undetermined => "undetermined",
        }
    }
}

/// What a reply speaks about, and so what else it holds for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Scope {
    Recipient,
    Domain,
    Sender,
    Egress,
    Content,
    Connection,
}

impl Scope {
    /// The word of the contract.
    pub fn name(self) -> &'static str {
        match self {
            Scope::Recipient => "recipient",
            Scope::Domain => "domain",
            Scope::Sender => "sender",
            Scope::Egress => "egress",
            Scope::Content => "content",
            Scope::Connection => "connection",
        }
    }
}

/// What the queue should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Advice {
    /// Nothing beyond what the code says.
    None,
    /// Do not send to this recipient again.
    Suppress,
    /// Retry, after that time where the remote said so.
    Retry(Option<Duration>),
    /// Slow down towards this site for that time.
    BackOff(Duration),
    /// Stop sending to this site for that time.
    Suspend(Duration),
    /// Try from another egress of the pool.
    RotateEgress,
}

impl Advice {
    /// The word of the contract.
    pub fn name(self) -> &'static str {
        match self {
            Advice::None => "none",
            Advice::Suppress => "suppress",
            Advice::Retry(_) => "retry",
            Advice::BackOff(_) => "back-off",
            Advice::Suspend(_) => "suspend",
            Advice::RotateEgress => "rotate-egress",
        }
    }
}

/// What an ISP's words mean, in one vocabulary.
#[derive(Debug, Clone, PartialEq)]
pub struct Translation {
    /// What becomes of the recipient.
    pub disposition: Disposition,
    /// One of the published reasons, such as `mailbox-full`.
    pub reason: String,
    /// What the reply speaks about.
    pub scope: Scope,
    /// What the queue should do.
    pub advice: Advice,
    /// One sentence for people.
    pub explanation: String,
    /// From 0 to 1.
    pub confidence: f64,
    /// Which rule said so.
    pub rule: String,
}

/// How much encryption the next hop must offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsDemand {
    /// In clear.
    Never,
    /// STARTTLS where offered.
    May,
    /// STARTTLS with any certificate.
    Encrypt,
    /// A certificate valid for the host's name.
    Verify,
}

/// Where a recipient's mail goes. Absent fields leave the relay's default.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Route {
    /// None: by the MX of the recipient's domain.
    pub next_hop: Option<NextHop>,
    /// TCP port.
    pub port: Option<u16>,
    /// Name of an egress pool of the configuration.
    pub egress_pool: Option<String>,
    /// Mail in queues of different names shares no limits.
    pub queue: Option<String>,
    /// 0 (last) to 255 (first).
    pub priority: Option<u8>,
    /// How much encryption.
    pub tls: Option<TlsDemand>,
}

/// A destination as a plugin names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum NextHop {
    /// `mx:example.net`: the MX of that domain.
    Mx(Domain),
    /// `mail.example.net`: that host, no MX.
    Host(Domain),
    /// `[192.0.2.1]`, `[IPv6:2001:db8::1]`: that address.
    Address(IpAddr),
    /// `smarthost:NAME`: a smart host of the configuration.
    SmartHost(String),
}

impl NextHop {
    /// Reads the forms of the contract; none if it is no destination.
    pub fn parse(text: &str) -> Option<NextHop> {
        if let Some(domain) = text.strip_prefix("mx:") {
            let domain = Domain::parse(domain).ok()?;
            return domain.literal().is_none().then_some(NextHop::Mx(domain));
        }
        if let Some(name) = text.strip_prefix("smarthost:") {
            let clean =
                !name.is_empty() && name.len() <= 128 && !name.chars().any(char::is_control);
            return clean.then(|| NextHop::SmartHost(name.to_owned()));
        }
        let domain = Domain::parse(text).ok()?;
        Some(match domain.literal() {
            Some(address) => NextHop::Address(address),
            None => NextHop::Host(domain),
        })
    }
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NextHop::Mx(domain) => write!(f, "mx:{domain}"),
            NextHop::Host(host) => write!(f, "{host}"),
            NextHop::Address(IpAddr::V4(ip)) => write!(f, "[{ip}]"),
            NextHop::Address(IpAddr::V6(ip)) => write!(f, "[IPv6:{ip}]"),
            NextHop::SmartHost(name) => write!(f, "smarthost:{name}"),
        }
    }
}

/// What a report is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum ReportKind {
    Bounce,
    Delay,
    Delivered,
    Complaint,
    AutoReply,
}

/// What a report that came back by mail says of one recipient.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What it is about.
    pub kind: ReportKind,
    /// Final-Recipient, where known.
    pub recipient: Option<String>,
    /// Original-Recipient or Original-Rcpt-To, where stated.
    pub original_recipient: Option<String>,
    /// What the remote host said.
    pub reply: Option<RemoteReply>,
    /// Which host said it.
    pub remote_host: Option<String>,
    /// What it means.
    pub translation: Option<Translation>,
    /// RFC 5965 3.1; complaints only.
    pub feedback_type: Option<String>,
    /// Message-ID of the message that is reported on.
    pub original_message_id: Option<String>,
}

impl Report {
    /// A report that says nothing beyond its kind.
    pub fn new(kind: ReportKind) -> Report {
        Report {
            kind,
            recipient: None,
            original_recipient: None,
            reply: None,
            remote_host: None,
            translation: None,
            feedback_type: None,
            original_message_id: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_next_hop_is_read_in_every_form_of_the_contract() {
        for text in [
            "mx:example.net",
            "mail.example.net",
            "[192.0.2.1]",
            "[IPv6:2001:db8::1]",
            "smarthost:a",
        ] {
            assert_eq!(
                NextHop::parse(text).map(|hop| hop.to_string()).as_deref(),
                Some(text)
            );
        }
        for text in [
            "",
            "mx:",
            "mx:[192.0.2.1]",
            "smarthost:",
            "smarthost:a\r\n",
            "a b",
            "[300.1.1.1]",
        ] {
            assert_eq!(NextHop::parse(text), None, "{text:?}");
        }
    }
}
