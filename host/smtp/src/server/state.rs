//! What a session knows: which kind of bytes comes next, who talks, and how often it erred.

use crate::auth::{Exchange, Mechanism};
use crate::bdat::Chunks;
use crate::data::Decoder;
use crate::envelope::{Envelope, Recipient};
use crate::reply::Reply;

/// What the next bytes are.
#[derive(Debug)]
pub(super) enum Mode {
    /// Nothing happened yet.
    Fresh,
    /// STARTTLS was answered, or TLS is implicit.
    Handshake,
    /// A question is open.
    Asked(Asked),
    /// Command lines.
    Commands,
    /// Lines of an authentication.
    Auth(Mechanism, Exchange),
    /// The text of a message.
    Data(Box<Decoder>),
    /// The octets of a chunk.
    Chunk(Chunk),
    /// Nothing more; what is to be said is said first.
    Closing,
    /// Nothing more, and the caller knows.
    Closed,
}

/// Which question is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Connect,
    Auth,
    Mail,
    Recipient,
    Message,
}

/// A chunk under way.
#[derive(Debug)]
pub(super) struct Chunk {
    /// Octets still to come.
    pub(super) remaining: u64,
    /// `LAST` was said.
    pub(super) last: bool,
    /// Set where the octets are thrown away, and this is said after them.
    pub(super) refusal: Option<Reply>,
}

/// From an accepted MAIL to the end of its message.
#[derive(Debug)]
pub(super) struct Transaction {
    pub(super) envelope: Envelope,
    /// RCPT commands accepted, whatever recipients came out of them.
    pub(super) accepted: usize,
    /// RCPT commands past the maximum.
    pub(super) overshoot: usize,
    /// Set by the first BDAT.
    pub(super) chunks: Option<Chunks>,
    /// The recipient a question is open about.
    pub(super) asked: Option<Recipient>,
}

impl Transaction {
    pub(super) fn new(envelope: Envelope) -> Transaction {
        Transaction {
            envelope,
            accepted: 0,
            overshoot: 0,
            chunks: None,
            asked: None,
        }
    }
}

/// Who talks, as far as they said.
#[derive(Debug, Default)]
pub(super) struct Peer {
    pub(super) helo: Option<String>,
    /// They said EHLO.
    pub(super) esmtp: bool,
    pub(super) tls: Option<String>,
    pub(super) account: Option<String>,
    /// They talked before the greeting.
    pub(super) early: bool,
}

impl Peer {
    /// RFC 3848 and RFC 6531 4.3. HELO knows no extensions, and so no TLS and AUTH by name.
    pub(super) fn protocol(&self, utf8: bool) -> &'static str {
        match (self.esmtp, utf8, self.tls.is_some(), self.account.is_some()) {
            (false, ..) => "SMTP",
            (true, false, false, false) => "ESMTP",
            (true, false, true, false) => "ESMTPS",
            (true, false, false, true) => "ESMTPA",
            (true, false, true, true) => "ESMTPSA",
            (true, true, false, false) => "UTF8SMTP",
            (true, true, true, false) => "UTF8SMTPS",
            (true, true, false, true) => "UTF8SMTPA",
            (true, true, true, true) => "UTF8SMTPSA",
        }
    }
}

/// How often what happened; each has its limit in [`super::Limits`].
#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) errors: usize,
    pub(super) refusals: usize,
    pub(super) idle_commands: usize,
    pub(super) auth_failures: usize,
    pub(super) transactions: usize,
}

impl Counters {
    /// An accepted message makes good for what went wrong before it.
    pub(super) fn forgive(&mut self) {
        self.errors = 0;
        self.refusals = 0;
        self.idle_commands = 0;
    }
}
