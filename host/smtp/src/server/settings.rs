//! What a listener decides for all of its sessions.

use crate::address::Domain;
use crate::extension::Extensions;
use crate::limits;

/// TLS on a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// STARTTLS is unknown here.
    None,
    /// STARTTLS may be used.
    Offered,
    /// Nothing but EHLO, NOOP, HELP, RSET, STARTTLS and QUIT works before STARTTLS (530 5.7.0).
    Required,
    /// The handshake comes first: the session's first event is `StartTls` (RFC 8314 3.3).
    Implicit,
}

/// AUTH on a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Auth {
    /// AUTH is unknown here.
    None,
    /// AUTH may be used.
    Offered,
    /// No mail without it (530 5.7.0).
    Required,
}

/// One listener's rules.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name in the greeting and in the reply to EHLO, and the domain of a bare postmaster.
    pub hostname: Domain,
    /// What follows the name in the greeting; "ESMTP" stands before it. Often empty.
    pub greeting: String,
    /// TLS.
    pub tls: Tls,
    /// AUTH.
    pub auth: Auth,
    /// Offer AUTH without TLS too: loopback and tests.
    pub auth_in_clear: bool,
    /// Refuse (554) a client that talks before it is greeted. Those are seldom real servers.
    pub refuse_early_talkers: bool,
    /// The other extensions.
    pub extensions: Extensions,
    /// The numbers.
    pub limits: Limits,
}

impl Settings {
    /// Everything offered that needs no certificate and no accounts, limits at their defaults.
    pub fn new(hostname: Domain) -> Settings {
        Settings {
            hostname,
            greeting: String::new(),
            tls: Tls::None,
            auth: Auth::None,
            auth_in_clear: false,
            refuse_early_talkers: false,
            extensions: Extensions::default(),
            limits: Limits::default(),
        }
    }
}

/// The numbers of one listener. The defaults are in [`crate::limits`].
#[derive(Clone, Debug)]
pub struct Limits {
    /// Largest message, in octets, dot-stuffing undone.
    pub message_bytes_max: u64,
    /// What is read beyond it only to be thrown away, in octets.
    pub swallowed_bytes_max: u64,
    /// Longest command line with its CRLF, in octets.
    pub command_line_bytes_max: usize,
    /// Longest line of a message with its CRLF, in octets; `None` leaves it to the message size.
    pub text_line_bytes_max: Option<usize>,
    /// Accepted recipients of one message; further ones get 452 4.5.3.
    pub recipients_max: usize,
    /// Messages in one session; a further one gets 421 4.7.0. `None` is no limit.
    pub transactions_max: Option<usize>,
    /// Wrong commands in one session since the last accepted message; then 421 4.7.0.
    pub errors_max: usize,
    /// Senders and recipients refused with 5xx in one session since the last accepted message; then
    /// 421 4.7.0.
    pub refusals_max: usize,
    /// Commands that move nothing since the last accepted message (NOOP, RSET, EHLO, VRFY, a MAIL that
    /// announces too much); then 421 4.7.0.
    pub idle_commands_max: usize,
    /// Failed authentications in one session; then 421 4.7.0.
    pub auth_failures_max: usize,
    /// BDAT commands of one message.
    pub chunks_max: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            message_bytes_max: limits::MESSAGE_BYTES_MAX,
            swallowed_bytes_max: limits::SWALLOWED_BYTES_MAX,
            command_line_bytes_max: limits::COMMAND_LINE_BYTES_MAX,
            text_line_bytes_max: None,
            recipients_max: limits::RECIPIENTS_MAX,
            transactions_max: None,
            errors_max: limits::ERRORS_MAX,
            refusals_max: limits::REFUSALS_MAX,
            idle_commands_max: limits::IDLE_COMMANDS_MAX,
            auth_failures_max: limits::AUTH_FAILURES_MAX,
            chunks_max: limits::CHUNKS_MAX,
        }
    }
}
