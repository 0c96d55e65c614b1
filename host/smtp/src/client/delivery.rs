//! A transaction, and what became of it.

use std::fmt;

use bytes::Bytes;

use crate::address::ReversePath;
use crate::envelope::{Parameter, Recipient};
use crate::reply::{EnhancedStatus, Reply};

/// One message to one or more recipients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The reverse-path.
    pub sender: ReversePath,
    /// RET and ENVID are sent on where the server offers DSN. SIZE, BODY and SMTPUTF8 are worked out
    /// here; others are left out.
    pub parameters: Vec<Parameter>,
    /// In the order of the report. NOTIFY and ORCPT are sent on where the server offers DSN.
    pub recipients: Vec<Recipient>,
    /// The message in as many slices as it has, which make one text with CRLF line ends. They are not
    /// copied.
    pub message: Vec<Bytes>,
    /// True where the header section holds UTF-8, so that the message needs SMTPUTF8 whatever its
    /// addresses are. Whether it needs 8BITMIME is seen from its bytes.
    pub needs_utf8: bool,
}

/// Where in an attempt a reply or failure came. The same words as in the plugins' contract, which
/// adds `dns`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Before the greeting; the relay's own, since connections are made there.
    Connect,
    /// The greeting.
    Greeting,
    /// EHLO or HELO.
    Ehlo,
    /// STARTTLS and the handshake.
    Tls,
    /// AUTH.
    Auth,
    /// MAIL, or RSET before it.
    MailFrom,
    /// RCPT.
    RcptTo,
    /// DATA, or what the message itself makes impossible.
    Data,
    /// The reply to the whole message.
    EndOfData,
}

impl Stage {
    /// `connect`, `greeting`, `ehlo`, `tls`, `auth`, `mail-from`, `rcpt-to`, `data`, `end-of-data`.
    pub fn as_str(self) -> &'static str {
        match self {
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
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A failure no reply of the server tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// TLS is demanded and not offered.
    TlsNotOffered,
    /// The handshake failed, or the certificate is not good enough.
    TlsFailed,
    /// Credentials are to be used, and AUTH is not offered with a mechanism we speak.
    AuthNotOffered,
    /// Credentials are to be used, and the connection is in clear.
    AuthInClear,
    /// The message has octets beyond ASCII, and the server takes only 7BIT.
    EightBitNotOffered,
    /// An address or the header section needs SMTPUTF8, and the server does not offer it.
    Utf8NotOffered,
    /// The message is larger than the server takes.
    TooLarge,
    /// The message has a bare CR, a bare LF or a NUL, which SMTP cannot carry.
    BareLineEnd,
    /// The server sent something that is no reply, or one that cannot stand where it came.
    Protocol,
    /// The server sent a line or a reply without end.
    ReplyTooLong,
    /// The server spoke before the handshake it agreed to was done.
    Injection,
    /// The server closed the connection, or it broke.
    Lost,
    /// The server was silent for too long.
    TimedOut,
    /// The caller said goodbye in the middle of it.
    Abandoned,
}

impl Fault {
    /// What RFC 3463 calls it; the class says whether trying again can help.
    pub fn status(self) -> EnhancedStatus {
        let (class, subject, detail) = match self {
            Fault::TlsNotOffered => (4, 7, 10),
            Fault::TlsFailed => (4, 7, 5),
            Fault::AuthNotOffered | Fault::AuthInClear => (4, 7, 0),
            Fault::EightBitNotOffered => (5, 6, 3),
            Fault::Utf8NotOffered => (5, 6, 7),
            Fault::TooLarge => (5, 3, 4),
            Fault::BareLineEnd => (5, 6, 0),
            Fault::Protocol | Fault::ReplyTooLong | Fault::Injection => (4, 5, 0),
            Fault::Lost | Fault::TimedOut => (4, 4, 2),
            Fault::Abandoned => (4, 3, 2),
        };
        EnhancedStatus::new(class, subject, detail)
    }

    /// One sentence for people.
    pub fn text(self) -> &'static str {
        match self {
            Fault::TlsNotOffered => "TLS is required, and the server does not offer it",
            Fault::TlsFailed => "the TLS handshake failed",
            Fault::AuthNotOffered => "the server offers no authentication that could be used",
            Fault::AuthInClear => "credentials are not sent without TLS",
            Fault::EightBitNotOffered => "the message is 8-bit, and the server takes 7-bit only",
            Fault::Utf8NotOffered => "the message needs SMTPUTF8, and the server does not offer it",
            Fault::TooLarge => "the message is larger than the server takes",
            Fault::BareLineEnd => "the message holds a bare CR, a bare LF or a NUL",
            Fault::Protocol => "the server sent something that is no fitting SMTP reply",
            Fault::ReplyTooLong => "the server sent an endless reply",
            Fault::Injection => "the server sent data in clear before the TLS handshake",
            Fault::Lost => "the connection was lost",
            Fault::TimedOut => "the server did not answer in time",
            Fault::Abandoned => "the attempt was given up",
        }
    }

    /// True where trying again as it is cannot help.
    pub fn is_permanent(self) -> bool {
        self.status().class() == 5
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.status(), self.text())
    }
}

impl std::error::Error for Fault {}

/// What the server said, or why it could not say anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// In its own words.
    Reply(Reply),
    /// Found out here.
    Fault(Fault),
}

impl Response {
    /// A positive reply.
    pub fn is_positive(&self) -> bool {
        matches!(self, Response::Reply(reply) if reply.is_positive())
    }

    /// Trying again as it is cannot help.
    pub fn is_permanent(&self) -> bool {
        match self {
            Response::Reply(reply) => reply.is_permanent(),
            Response::Fault(fault) => fault.is_permanent(),
        }
    }

    /// The reply, if it is one.
    pub fn reply(&self) -> Option<&Reply> {
        match self {
            Response::Reply(reply) => Some(reply),
            Response::Fault(_) => None,
        }
    }
}

impl From<Reply> for Response {
    fn from(reply: Reply) -> Response {
        Response::Reply(reply)
    }
}

impl From<Fault> for Response {
    fn from(fault: Fault) -> Response {
        Response::Fault(fault)
    }
}

impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Response::Reply(reply) => reply.fmt(f),
            Response::Fault(fault) => fault.fmt(f),
        }
    }
}

/// What ended one recipient's try, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Where it was decided.
    pub stage: Stage,
    /// How.
    pub response: Response,
}

impl Outcome {
    /// The server has taken responsibility for this recipient.
    pub fn is_delivered(&self) -> bool {
        self.stage == Stage::EndOfData && self.response.is_positive()
    }

    /// Trying again as it is cannot help.
    pub fn is_permanent(&self) -> bool {
        self.response.is_permanent()
    }
}

/// What became of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// One for each recipient, in the order of the transaction.
    pub outcomes: Vec<Outcome>,
    /// True where another transaction can follow on this connection; else `Closed` follows.
    pub reusable: bool,
}

/// Why a connection did not get ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Where.
    pub stage: Stage,
    /// Why.
    pub response: Response,
}
