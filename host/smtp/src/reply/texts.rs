//! Everything the server side ever says by itself, in one place.
//!
//! These texts are read by strangers: they name no path, no configuration and no plugin, and repeat
//! nothing the peer said.

use super::{EnhancedStatus, Reply};
use crate::address::{AddressError, Domain};
use crate::command::Verb;
use crate::data::{TextFault, Unacceptable};
use crate::envelope::ParameterError;

const fn status(class: u8, subject: u16, detail: u16) -> EnhancedStatus {
    EnhancedStatus::new(class, subject, detail)
}

macro_rules! replies {
    ($($(#[$doc:meta])* $name:ident: $code:literal $class:literal . $subject:literal . $detail:literal, $text:literal;)*) => {
        impl Reply {$(
            $(#[$doc])*
            pub fn $name() -> Reply {
                Reply::new($code, status($class, $subject, $detail), $text)
            }
        )*}
    };
}

replies! {
    /// 250: RSET, NOOP.
    ok: 250 2 . 0 . 0, "OK";
    /// 250 to MAIL.
    sender_ok: 250 2 . 1 . 0, "Sender OK";
    /// 250 to RCPT.
    recipient_ok: 250 2 . 1 . 5, "Recipient OK";
    /// 250 to a message.
    message_accepted: 250 2 . 6 . 0, "Message accepted";
    /// 250 to a chunk that is not the last.
    chunk_ok: 250 2 . 0 . 0, "Chunk received";
    /// 221 to QUIT.
    goodbye: 221 2 . 0 . 0, "Goodbye";
    /// 220 to STARTTLS.
    tls_ready: 220 2 . 0 . 0, "Ready to start TLS";
    /// 235 to AUTH.
    authenticated: 235 2 . 7 . 0, "Authenticated";
    /// 252 to VRFY: it tells nobody who has a mailbox here.
    cannot_verify: 252 2 . 5 . 0, "Cannot verify, but will take the message and try";
    /// 214 to HELP.
    help: 214 2 . 0 . 0, "See RFC 5321";

    /// 421: the session is over because the peer was silent.
    timed_out: 421 4 . 4 . 2, "Timeout, closing the connection";
    /// 421: the relay stops.
    shutting_down: 421 4 . 3 . 2, "Service shutting down, try again later";
    /// 421: too many wrong commands.
    too_many_errors: 421 4 . 7 . 0, "Too many errors, closing the connection";
    /// 421: too many messages in one session.
    too_many_messages: 421 4 . 7 . 0, "Too many messages in one session, connect again";
    /// 421: too many connections, from one address or at all. For the relay, in place of a greeting.
    too_many_connections: 421 4 . 7 . 0, "Too many connections, try again later";
    /// 451: our own trouble.
    internal_error: 451 4 . 3 . 0, "Internal error, try again later";
    /// 452: the spool is full. For the relay.
    insufficient_storage: 452 4 . 3 . 1, "Insufficient storage, try again later";
    /// 452: RFC 5321 4.5.3.1.10.
    too_many_recipients: 452 4 . 5 . 3, "Too many recipients";

    /// 500: no such command.
    unknown_command: 500 5 . 5 . 1, "Command not recognized";
    /// 500: not a line of text.
    not_text: 500 5 . 5 . 2, "Syntax error, not a line of text";
    /// 500: the line is too long.
    line_too_long: 500 5 . 5 . 6, "Line too long";
    /// 502: known, and not done here.
    not_implemented: 502 5 . 5 . 1, "Command not implemented";
    /// 503: before EHLO.
    hello_first: 503 5 . 5 . 1, "Send EHLO first";
    /// 503: before MAIL.
    mail_first: 503 5 . 5 . 1, "Send MAIL first";
    /// 503: MAIL within a transaction.
    nested_mail: 503 5 . 5 . 1, "A transaction is under way, send RSET first";
    /// 503: DATA or RCPT after BDAT.
    within_chunks: 503 5 . 5 . 1, "A message is being sent with BDAT";
    /// 503: not here and now.
    bad_sequence: 503 5 . 5 . 1, "Bad sequence of commands";
    /// 554: DATA without a recipient.
    no_recipients: 554 5 . 5 . 1, "No valid recipients";
    /// 530: RFC 3207 section 4.
    tls_first: 530 5 . 7 . 0, "Must issue a STARTTLS command first";
    /// 530: RFC 4954 section 6.
    auth_first: 530 5 . 7 . 0, "Authentication required";
    /// 538: RFC 4954 section 6.
    auth_needs_tls: 538 5 . 7 . 11, "Encryption required for authentication";
    /// 504: RFC 4954 section 4.
    unknown_mechanism: 504 5 . 5 . 4, "Authentication mechanism not supported";
    /// 501: not base64, or not what was asked for.
    auth_malformed: 501 5 . 5 . 2, "Cannot understand the authentication response";
    /// 501: the client said `*`.
    auth_cancelled: 501 5 . 7 . 0, "Authentication cancelled";
    /// 535: wrong name or secret.
    auth_failed: 535 5 . 7 . 8, "Authentication failed";
    /// 454: RFC 4954 section 6. For the relay, where passwords cannot be checked just now.
    auth_unavailable: 454 4 . 7 . 0, "Authentication is not available at the moment";
    /// 552: RFC 1870 section 6.
    too_large: 552 5 . 3 . 4, "Message too large";
    /// 552: more BDAT commands than a message may have.
    too_many_chunks: 552 5 . 3 . 4, "Too many chunks";
    /// 553: RFC 6531 3.5.
    utf8_not_asked: 553 5 . 6 . 7, "Address needs SMTPUTF8";
    /// 521: a command with a bare CR, a bare LF or a NUL.
    bare_in_command: 521 5 . 5 . 2, "Lines must end in CRLF, closing the connection";
    /// 521: a request of HTTP.
    not_http: 521 5 . 5 . 1, "This is no HTTP server, closing the connection";
    /// 521: a message whose end is in doubt.
    ambiguous_end: 521 5 . 5 . 2, "End of data must be CRLF.CRLF, closing the connection";
    /// 554 in place of a greeting.
    no_service: 554 5 . 7 . 1, "No service for you here";
    /// 554 to a client that did not wait for its greeting.
    early_talker: 554 5 . 5 . 1, "You talked before you were greeted";
    /// 550: relaying is not permitted. For the relay.
    relay_denied: 550 5 . 7 . 1, "Relaying denied";
    /// 550: refused by policy. For the relay, where a plugin gives no words of its own.
    policy: 550 5 . 7 . 1, "Refused by policy";
    /// 451: refused for now. For the relay, where a plugin failed or gives no words of its own.
    try_later: 451 4 . 7 . 1, "Try again later";
    /// 554: more Received fields than any honest path has. For the relay.
    routing_loop: 554 5 . 4 . 6, "Routing loop detected";
}

impl Reply {
    /// 250 to a message that is kept under this id, in the words people look for in logs.
    pub fn queued_as(id: &str) -> Reply {
        Reply::new(250, status(2, 0, 0), &format!("Queued as {}", one_line(id)))
    }
}

/// 220, with the server's name and what the operator added.
pub(crate) fn greeting(hostname: &Domain, more: &str) -> Reply {
    let space = if more.is_empty() { "" } else { " " };
    Reply::new(
        220,
        None,
        &format!("{hostname} ESMTP{space}{}", one_line(more)),
    )
}

/// 250 to EHLO and HELO: the name, then one line for each keyword.
pub(crate) fn hello(hostname: &Domain, keywords: &[String]) -> Reply {
    let mut text = hostname.to_string();
    for keyword in keywords {
        text.push('\n');
        text.push_str(keyword);
    }
    Reply::new(250, None, &text)
}

/// 354, which has no status.
pub(crate) fn start_data() -> Reply {
    Reply::new(354, None, "End data with <CR><LF>.<CR><LF>")
}

/// 334 with a challenge in base64.
pub(crate) fn challenge(base64: &str) -> Reply {
    Reply::new(334, None, base64)
}

/// 501: the arguments are not in order.
pub(crate) fn syntax(verb: Verb) -> Reply {
    Reply::new(
        501,
        status(5, 5, 4),
        match verb {
            Verb::Hello => "Syntax: EHLO hostname",
            Verb::Mail => "Syntax: MAIL FROM:<address>",
            Verb::Rcpt => "Syntax: RCPT TO:<address>",
            Verb::Bdat => "Syntax: BDAT size [LAST], closing the connection",
            Verb::Auth => "Syntax: AUTH mechanism [initial-response]",
            Verb::Verify => "Syntax: VRFY address",
            Verb::Plain => "This command takes no argument",
        },
    )
}

/// 501 or 553: the address is none. `sender` says in which command.
pub(crate) fn bad_address(error: AddressError, sender: bool) -> Reply {
    let (detail, text) = match (error, sender) {
        (AddressError::NoDomain, true) => (7, "Sender address needs a domain"),
        (AddressError::NoDomain, false) => (3, "Recipient address needs a domain"),
        (AddressError::TooLong, _) => (3, "Address too long"),
        (_, true) => (7, "Bad sender address syntax"),
        (_, false) => (3, "Bad recipient address syntax"),
    };
    Reply::new(501, status(5, 1, detail), text)
}

/// 501 or 555: the parameters are not in order, or not offered.
pub(crate) fn bad_parameter(error: ParameterError) -> Reply {
    let (code, text) = match error {
        ParameterError::Malformed => (501, "Malformed parameter"),
        ParameterError::Repeated => (501, "Parameter given twice"),
        ParameterError::TooMany => (501, "Too many parameters"),
        ParameterError::Unknown => (555, "Parameter not recognized or not implemented"),
        ParameterError::Value => (501, "Bad parameter value"),
    };
    Reply::new(code, status(5, 5, 4), text)
}

/// 550 or 552: the message was read and is not taken.
pub(crate) fn unacceptable(why: Unacceptable) -> Reply {
    let text = match why {
        Unacceptable::TooLarge => return Reply::too_large(),
        Unacceptable::Text(TextFault::BareLineEnd) => {
            "Message holds a bare CR or LF, lines must end in CRLF"
        }
        Unacceptable::Text(TextFault::Nul) => "Message holds a NUL",
        Unacceptable::Text(TextFault::LineTooLong) => "Message holds a line that is too long",
    };
    Reply::new(550, status(5, 6, 0), text)
}

fn one_line(text: &str) -> String {
    text.replace('\n', " ")
}
