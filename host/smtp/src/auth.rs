//! SASL PLAIN (RFC 4616) and LOGIN, both sides, as RFC 4954 frames them.

mod exchange;

#[cfg(test)]
mod tests;

use std::fmt;

pub(crate) use exchange::{Exchange, Step, client_initial, client_login};

/// The ways to authenticate that are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mechanism {
    /// RFC 4616: all in one message.
    Plain,
    /// The older two questions, which many clients still prefer.
    Login,
}

impl Mechanism {
    /// By its name in any case.
    pub fn parse(name: &str) -> Option<Mechanism> {
        [Mechanism::Plain, Mechanism::Login]
            .into_iter()
            .find(|mechanism| name.eq_ignore_ascii_case(mechanism.as_str()))
    }

    /// As it stands in the command.
    pub fn as_str(self) -> &'static str {
        match self {
            Mechanism::Plain => "PLAIN",
            Mechanism::Login => "LOGIN",
        }
    }
}

/// A name and a secret. Printing it for debugging hides the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Who asks (the authentication identity). The authorisation identity of PLAIN is this one or
    /// empty: acting for somebody else is refused.
    pub identity: String,
    /// The password.
    pub secret: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}
