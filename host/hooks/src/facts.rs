//! What hooks are told. Texts are shared and not copied: the same session is shown to every hook of every plugin.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use baton_smtp::{EnhancedStatus, Mailbox, Reply, ReversePath};

/// One SMTP connection as the relay knows it now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Unique among all sessions of this relay.
    pub id: Arc<str>,
    /// Name of the listener in the configuration.
    pub listener: Arc<str>,
    /// Address of the client as text, after the PROXY protocol.
    pub peer_ip: Arc<str>,
    /// Reverse name, only if it resolves back to the address.
    pub peer_name: Option<Arc<str>>,
    /// Argument of EHLO or HELO as given.
    pub helo: Option<Arc<str>>,
    /// `TLSv1.3` and the like; none in clear.
    pub tls: Option<Arc<str>>,
    /// The authenticated account.
    pub account: Option<Arc<str>>,
}

impl Session {
    /// A session that was just accepted.
    pub fn new(id: impl Into<Arc<str>>, listener: impl Into<Arc<str>>, peer: IpAddr) -> Session {
        Session {
            id: id.into(),
            listener: listener.into(),
            peer_ip: peer.to_string().into(),
            peer_name: None,
            helo: None,
            tls: None,
            account: None,
        }
    }

    /// A session of which nothing is known.
    pub(crate) fn unknown() -> Session {
        Session::new("", "", IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED))
    }
}

/// One try to deliver one message to one recipient.
#[derive(Debug, Clone, PartialEq)]
pub struct Attempt {
    /// The relay's id of the message.
    pub message: Arc<str>,
    /// The reverse-path.
    pub sender: ReversePath,
    /// Who submitted it.
    pub account: Option<Arc<str>>,
    /// Whom it is for.
    pub recipient: Mailbox,
    /// Destination after MX roll-up; the recipient's domain where it is not resolved yet.
    pub site: Arc<str>,
    /// Name of the remote host, once one is chosen.
    pub host: Option<Arc<str>>,
    /// Name of the egress, once one is chosen.
    pub egress: Option<Arc<str>>,
    /// 1 for the first.
    pub number: u32,
    /// Since the message was accepted.
    pub age: Duration,
}

/// What a remote host said, or that it said nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteReply {
    /// 0 for a failure without a reply.
    pub code: u16,
    /// None where the remote gave none.
    pub status: Option<EnhancedStatus>,
    /// Lines joined by LF.
    pub text: Arc<str>,
}

impl RemoteReply {
    /// A connection that was refused, a name that does not exist: with a status of RFC 3463 and what happened.
    pub fn failure(status: EnhancedStatus, text: impl Into<Arc<str>>) -> RemoteReply {
        RemoteReply {
            code: 0,
            status: Some(status),
            text: text.into(),
        }
    }
}

impl From<&Reply> for RemoteReply {
    fn from(reply: &Reply) -> RemoteReply {
        RemoteReply {
            code: reply.code(),
            status: reply.status(),
            text: reply.text().into(),
        }
    }
}
