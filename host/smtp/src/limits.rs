//! The numbers of the wire, each with its unit last and its reason beside it.
//!
//! RFC 5321 4.5.3.1 names sizes every server must be able to take; the assertions at the end hold
//! our maximums above them when the crate is compiled. What a site may set for itself is in
//! [`crate::server::Limits`]; its defaults come from here.

use std::time::Duration;

/// Longest local part taken, in octets. The RFC asks for 64; VERP, SRS and BATV write longer ones.
pub const LOCAL_PART_BYTES_MAX: usize = 255;
/// Longest domain, in octets (RFC 5321 4.5.3.1.2, RFC 1035 2.3.4).
pub const DOMAIN_BYTES_MAX: usize = 255;
/// Longest label of a domain, in octets (RFC 1035 2.3.4).
pub const LABEL_BYTES_MAX: usize = 63;
/// Longest path in a command, source route and punctuation included, in octets.
pub const PATH_BYTES_MAX: usize = 1024;
/// Longest command line, CRLF included, in octets. The RFC asks for 512, and its extensions for more
/// (SIZE 26, DSN 500 and more, SMTPUTF8 10, AUTH 500): this holds them together.
pub const COMMAND_LINE_BYTES_MAX: usize = 4096;
/// Longest line of an authentication exchange, CRLF included, in octets (RFC 4954 section 4).
pub const AUTH_LINE_BYTES_MAX: usize = 12_288;
/// What is read of a command line that is too long before its end is given up, in octets.
pub const LINE_SWALLOWED_BYTES_MAX: usize = 65_536;
/// Longest reply line we write, code and CRLF included, in octets (RFC 5321 4.5.3.1.5).
pub const REPLY_LINE_BYTES_MAX: usize = 512;
/// Longest reply line we read, in octets. Servers that explain themselves exceed the RFC's 512.
pub const REPLY_LINE_READ_BYTES_MAX: usize = 8192;
/// Most lines of one reply that are read. An EHLO reply has some thirty at the very most.
pub const REPLY_LINES_READ_MAX: usize = 128;
/// Largest whole reply that is read, in octets.
pub const REPLY_READ_BYTES_MAX: usize = 65_536;
/// Most ESMTP parameters of one command.
pub const PARAMETERS_MAX: usize = 32;
/// Longest ENVID after decoding, in octets (RFC 3461 4.4).
pub const ENVID_BYTES_MAX: usize = 100;
/// Longest ORCPT value, address type included, in octets (RFC 3461 4.2 says 500).
pub const ORCPT_BYTES_MAX: usize = 500;

/// Default for the size of a message, in octets.
pub const MESSAGE_BYTES_MAX: u64 = 50 * 1024 * 1024;
/// Default for what is read and thrown away beyond the largest message, so that the peer learns why
/// its message was refused, in octets. Past it the connection is closed.
pub const SWALLOWED_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Default for the recipients of one message.
pub const RECIPIENTS_MAX: usize = 1000;
/// Recipients past the listener's maximum that are answered with 452 alone; further ones are errors.
pub const RECIPIENTS_OVERSHOOT_MAX: usize = 1000;
/// Default for wrong commands in one session, after which it is closed.
pub const ERRORS_MAX: usize = 20;
/// Default for senders and recipients refused for good in one session: a list may hold some dead
/// addresses, a harvester tries thousands.
pub const REFUSALS_MAX: usize = 100;
/// Default for commands that move nothing (NOOP, RSET, VRFY) before a message is accepted.
pub const IDLE_COMMANDS_MAX: usize = 100;
/// Default for failed authentications in one session, after which it is closed.
pub const AUTH_FAILURES_MAX: usize = 3;
/// Default for BDAT commands of one message; a chunk of one octet costs a reply of a dozen.
pub const CHUNKS_MAX: usize = 20_000;
/// Replies held back to be written together are written out when they reach this size, in octets.
pub const HELD_REPLY_BYTES_MAX: usize = 4096;
/// What a session buffers while it waits for an answer, in octets, before it asks to be left alone
/// ([`crate::server::Session::wants_input`]).
pub const INPUT_BYTES_MAX: usize = 65_536;
/// What a message may reserve on the word of a SIZE parameter alone, in octets.
pub const RESERVED_BYTES_MAX: u64 = 65_536;

/// Largest header of the PROXY protocol, version 2 with its extra fields, in octets.
pub const PROXY_BYTES_MAX: usize = 2048;
/// Largest header of the PROXY protocol, version 1, CRLF included, in octets (its section 2.1).
pub const PROXY_V1_BYTES_MAX: usize = 107;

/// Commands a client sends before it has seen the replies (RFC 2920 3.1: mind the windows).
pub const PIPELINED_COMMANDS_MAX: usize = 100;
/// Messages up to this size go out in the same write as MAIL and RCPT where the server takes BDAT,
/// in octets; a larger one waits until a recipient is accepted.
pub const PIPELINED_MESSAGE_BYTES_MAX: usize = 65_536;
/// A message whose lines need more added dots than this is copied; one with fewer goes out in slices.
pub const STUFFED_SLICES_MAX: usize = 16;

/// Server: waiting for the next command (RFC 5321 4.5.3.2.7).
pub const SERVER_COMMAND_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// Server: waiting for more of a message (as the client's data block, RFC 5321 4.5.3.2.5).
pub const SERVER_DATA_TIMEOUT: Duration = Duration::from_secs(3 * 60);
/// Client: the greeting (RFC 5321 4.5.3.2.1).
pub const GREETING_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// Client: EHLO, HELO and AUTH, for which the RFC names no value of its own.
pub const EHLO_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// Client: STARTTLS and the handshake.
pub const TLS_TIMEOUT: Duration = Duration::from_secs(2 * 60);
/// Client: MAIL (RFC 5321 4.5.3.2.2).
pub const MAIL_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// Client: RCPT (RFC 5321 4.5.3.2.3).
pub const RCPT_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// Client: DATA, until 354 (RFC 5321 4.5.3.2.4).
pub const DATA_TIMEOUT: Duration = Duration::from_secs(2 * 60);
/// Client: each write of the message (RFC 5321 4.5.3.2.5).
pub const DATA_BLOCK_TIMEOUT: Duration = Duration::from_secs(3 * 60);
/// Client: the reply to the end of data (RFC 5321 4.5.3.2.6). Shorter means duplicates.
pub const END_OF_DATA_TIMEOUT: Duration = Duration::from_secs(10 * 60);
/// Client: QUIT; nothing depends on its reply.
pub const QUIT_TIMEOUT: Duration = Duration::from_secs(10);

const _: () = {
    assert!(LOCAL_PART_BYTES_MAX >= 64, "RFC 5321 4.5.3.1.1");
    assert!(DOMAIN_BYTES_MAX >= 255, "RFC 5321 4.5.3.1.2");
    assert!(PATH_BYTES_MAX >= 256, "RFC 5321 4.5.3.1.3");
    assert!(
        COMMAND_LINE_BYTES_MAX >= 512 + 26 + 500 + 500 + 10,
        "RFC 5321 4.5.3.1.4"
    );
    assert!(
        COMMAND_LINE_BYTES_MAX >= PATH_BYTES_MAX + 512,
        "a path and its parameters"
    );
    assert!(
        REPLY_LINE_BYTES_MAX <= 512,
        "RFC 5321 4.5.3.1.5: what we write"
    );
    assert!(
        REPLY_LINE_READ_BYTES_MAX >= 512,
        "RFC 5321 4.5.3.1.5: what we read"
    );
    assert!(MESSAGE_BYTES_MAX >= 64 * 1024, "RFC 5321 4.5.3.1.7");
    assert!(RECIPIENTS_MAX >= 100, "RFC 5321 4.5.3.1.8");
    assert!(AUTH_LINE_BYTES_MAX >= 12_288, "RFC 4954 section 4");
    assert!(PROXY_V1_BYTES_MAX <= PROXY_BYTES_MAX);
};
