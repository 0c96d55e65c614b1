//! What a client says, one line at a time.

mod parse;

#[cfg(test)]
mod tests;

use std::fmt;

use crate::address::{AddressError, ForwardPath, ReversePath};
use crate::envelope::{Parameter, ParameterError};

/// A command with its arguments parsed. What it prints as parses to the same command.
#[derive(Clone, PartialEq, Eq)]
pub enum Command {
    /// EHLO, with the client's name as given.
    Ehlo(String),
    /// HELO, with the client's name as given.
    Helo(String),
    /// MAIL FROM.
    Mail {
        /// The reverse-path.
        sender: ReversePath,
        /// Split, not yet checked against what was offered.
        parameters: Vec<Parameter>,
    },
    /// RCPT TO.
    Rcpt {
        /// The forward-path.
        recipient: ForwardPath,
        /// Split, not yet checked against what was offered.
        parameters: Vec<Parameter>,
    },
    /// DATA.
    Data,
    /// BDAT (RFC 3030); as many octets follow the line.
    Bdat {
        /// Octets of this chunk.
        size: u64,
        /// True in the last chunk of the message.
        last: bool,
    },
    /// RSET.
    Rset,
    /// NOOP; its argument is of no meaning.
    Noop,
    /// VRFY.
    Vrfy(String),
    /// EXPN.
    Expn(String),
    /// HELP.
    Help,
    /// QUIT.
    Quit,
    /// STARTTLS (RFC 3207).
    StartTls,
    /// AUTH (RFC 4954).
    Auth {
        /// The name of the mechanism, in upper case.
        mechanism: String,
        /// The initial response, encoded as it came.
        initial: Option<String>,
    },
}

/// A command that takes an argument in a form of its own; names the syntax to a client that got it
/// wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// EHLO or HELO.
    Hello,
    /// MAIL.
    Mail,
    /// RCPT.
    Rcpt,
    /// BDAT. Since the octets after it cannot be counted, nothing after it can be trusted.
    Bdat,
    /// AUTH.
    Auth,
    /// VRFY or EXPN.
    Verify,
    /// One that takes no argument.
    Plain,
}

/// Why a line is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// No command begins with this word.
    Unknown,
    /// The line is not UTF-8, or holds control characters.
    NotText,
    /// The command is known and its arguments are not in order.
    Syntax(Verb),
    /// The address in MAIL or RCPT is none.
    Address(AddressError),
    /// The parameters of MAIL or RCPT are none.
    Parameter(ParameterError),
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Command::Ehlo(name) => write!(f, "EHLO {name}"),
            Command::Helo(name) => write!(f, "HELO {name}"),
            Command::Mail { sender, parameters } => {
                write!(f, "MAIL FROM:{sender}")?;
                parameters
                    .iter()
                    .try_for_each(|parameter| write!(f, " {parameter}"))
            }
            Command::Rcpt {
                recipient,
                parameters,
            } => {
                write!(f, "RCPT TO:{recipient}")?;
                parameters
                    .iter()
                    .try_for_each(|parameter| write!(f, " {parameter}"))
            }
            Command::Data => f.write_str("DATA"),
            Command::Bdat { size, last: false } => write!(f, "BDAT {size}"),
            Command::Bdat { size, last: true } => write!(f, "BDAT {size} LAST"),
            Command::Rset => f.write_str("RSET"),
            Command::Noop => f.write_str("NOOP"),
            Command::Vrfy(who) => write!(f, "VRFY {who}"),
            Command::Expn(who) => write!(f, "EXPN {who}"),
            Command::Help => f.write_str("HELP"),
            Command::Quit => f.write_str("QUIT"),
            Command::StartTls => f.write_str("STARTTLS"),
            Command::Auth {
                mechanism,
                initial: None,
            } => write!(f, "AUTH {mechanism}"),
            Command::Auth {
                mechanism,
                initial: Some(initial),
            } => {
                write!(f, "AUTH {mechanism} {initial}")
            }
        }
    }
}

impl fmt::Debug for Command {
    /// Without the initial response, which is a password as a rule.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Command::Auth { mechanism, .. } => write!(f, "Command(AUTH {mechanism})"),
            other => write!(f, "Command({other})"),
        }
    }
}
