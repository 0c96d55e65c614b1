//! Sending: from a destination to a connection, and over it. Knows nothing of queues and spools: what is sent is given,
//! what became of it is returned.

mod connect;
mod link;
pub mod resolve;
pub mod simulate;
pub mod sts;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use baton_hooks::{NextHop, RemoteReply, Stage, TlsDemand};
use baton_smtp::auth::Credentials;
use baton_smtp::{Domain, EnhancedStatus, client};

use crate::config::{Egress, IpFamilies};
use crate::dns::Resolver;
use crate::tls::ClientTls;

pub use connect::open;
pub use link::Link;

/// What every connection to the outside needs. One for the relay.
pub struct Outbound {
    pub resolver: Resolver,
    pub tls: ClientTls,
    pub families: IpFamilies,
    /// Names of this relay in MX records.
    pub own_names: Vec<String>,
    pub times: Times,
    /// Absent where policies of domains are not asked for.
    pub sts: Option<sts::Sts>,
}

/// How long a remote host may take.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// To accept the connection.
    pub connect: Duration,
    /// To answer a command.
    pub command: Duration,
    /// To take a block of data, and to answer the end of it.
    pub data: Duration,
}

/// Where to, and how.
#[derive(Clone, Debug)]
pub struct Destination {
    pub hop: NextHop,
    pub port: u16,
    pub tls: TlsDemand,
    /// TLS from the first byte.
    pub implicit_tls: bool,
    pub credentials: Option<Credentials>,
    pub egress: Option<Arc<Egress>>,
    pub ehlo: Domain,
}

/// What a remote host said, or why it could not say anything, and where in the attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Reported {
    pub stage: Stage,
    pub reply: RemoteReply,
}

/// Why no connection could be made.
pub type Failure = Reported;

impl Reported {
    /// Something that no remote host said.
    pub fn without_reply(
        stage: Stage,
        status: EnhancedStatus,
        text: impl Into<Arc<str>>,
    ) -> Reported {
        Reported {
            stage,
            reply: RemoteReply::failure(status, text),
        }
    }

    /// The remote host has taken responsibility.
    pub fn is_success(&self) -> bool {
        (200..300).contains(&self.reply.code)
    }

    /// Trying again as it is cannot help.
    pub fn is_permanent(&self) -> bool {
        match self.reply.code {
            0 => self.reply.status.is_some_and(|status| status.class() == 5),
            code => code >= 500,
        }
    }

    fn of_response(stage: client::Stage, response: &client::Response) -> Reported {
        let reply = match response {
            client::Response::Reply(reply) => RemoteReply::from(reply),
            client::Response::Fault(fault) => RemoteReply::failure(fault.status(), fault.text()),
        };
        Reported {
            stage: stage_of(stage),
            reply,
        }
    }
}

impl fmt::Display for Reported {
    /// "550 5.1.1 no such user"; without a reply "4.4.1 cannot connect".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut gap = "";
        if self.reply.code != 0 {
            write!(f, "{}", self.reply.code)?;
            gap = " ";
        }
        if let Some(status) = self.reply.status {
            write!(f, "{gap}{status}")?;
            gap = " ";
        }
        for line in self.reply.text.lines() {
            write!(f, "{gap}{line}")?;
            gap = " ";
        }
        Ok(())
    }
}

impl From<&client::Outcome> for Reported {
    fn from(outcome: &client::Outcome) -> Reported {
        Reported::of_response(outcome.stage, &outcome.response)
    }
}

impl From<&client::Failure> for Reported {
    fn from(failure: &client::Failure) -> Reported {
        Reported::of_response(failure.stage, &failure.response)
    }
}

/// A stage in the words of the contract.
pub fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Dns => "dns",
        Stage::Connect => "connect",
        Stage::Greeting => "greeting",
        Stage::Ehlo => "ehlo",
        Stage::Tls => "tls",
        Stage::Auth => "auth",
        Stage::MailFrom => "mail-from",
        Stage::RcptTo => "rcpt-to",
        Stage::Data => "data",
        Stage::EndOfData => "end-of-data",
    }
}

fn stage_of(stage: client::Stage) -> Stage {
    match stage {
        client::Stage::Connect => Stage::Connect,
        client::Stage::Greeting => Stage::Greeting,
        client::Stage::Ehlo => Stage::Ehlo,
        client::Stage::Tls => Stage::Tls,
        client::Stage::Auth => Stage::Auth,
        client::Stage::MailFrom => Stage::MailFrom,
        client::Stage::RcptTo => Stage::RcptTo,
        client::Stage::Data => Stage::Data,
        client::Stage::EndOfData => Stage::EndOfData,
    }
}
