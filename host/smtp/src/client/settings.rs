//! How a connection introduces itself and what it demands.

use crate::address::Domain;
use crate::auth::Credentials;

/// How much encryption the server must offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TlsDemand {
    /// STARTTLS is not used.
    Never,
    /// STARTTLS is used where offered, and a refusal of it is no failure.
    May,
    /// No mail without TLS; any certificate will do.
    Encrypt,
    /// No mail without TLS; the certificate must be valid, which whoever does the handshake checks.
    Verify,
}

/// Everything a connection is told before it begins.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The argument of EHLO.
    pub ehlo: Domain,
    /// TLS by STARTTLS.
    pub tls: TlsDemand,
    /// The socket speaks TLS from the start (port 465): STARTTLS is not used.
    pub already_tls: bool,
    /// Authenticate, by PLAIN or LOGIN; failing that is a failure.
    pub credentials: Option<Credentials>,
    /// Send the credentials in clear too: loopback and tests.
    pub credentials_in_clear: bool,
    /// Use PIPELINING where offered.
    pub allow_pipelining: bool,
    /// Use BDAT where offered.
    pub allow_chunking: bool,
}

impl Settings {
    /// Opportunistic TLS, no credentials, every extension allowed.
    pub fn new(ehlo: Domain) -> Settings {
        Settings {
            ehlo,
            tls: TlsDemand::May,
            already_tls: false,
            credentials: None,
            credentials_in_clear: false,
            allow_pipelining: true,
            allow_chunking: true,
        }
    }
}
