//! The sending side of a connection, without the connection.
//!
//! ```text
//! connect; let mut connection = Connection::new(settings);
//! loop {
//!     while let Some(event) = connection.next() {
//!         match event {
//!             Event::Send(bytes) => write them (several in a row may be gathered),
//!             Event::StartTls => { handshake; connection.tls_established() }
//!             Event::Ready(capabilities) => connection.deliver(transaction), or connection.quit()
//!             Event::Report(delivery) => settle; deliver the next one, or quit, or keep it idle
//!             Event::Failed(failure) => note it; Closed follows
//!             Event::Closed => return,
//!         }
//!     }
//!     read within connection.phase().timeout(); connection.receive(&bytes), .end_of_stream()
//!     or .timed_out()
//! }
//! ```
//!
//! Each transaction gives exactly one `Report`, whatever happens; a connection that ends before it
//! was ready gives exactly one `Failed`; `Closed` is the last event.

mod delivery;
mod settings;

pub use delivery::{Delivery, Failure, Fault, Outcome, Response, Stage, Transaction};
pub use settings::{Settings, TlsDemand};

use std::time::Duration;

use bytes::Bytes;

use crate::extension::Capabilities;
use crate::limits;

/// What the connection wants done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Write these bytes to the server. A message comes as slices of its own bytes.
    Send(Bytes),
    /// Do the client's side of a TLS handshake, after all that was sent, and call
    /// [`Connection::tls_established`], or [`Connection::tls_failed`].
    StartTls,
    /// Greeted, introduced, encrypted and authenticated as demanded: transactions may follow.
    Ready(Capabilities),
    /// What became of the transaction.
    Report(Delivery),
    /// The connection did not get ready.
    Failed(Failure),
    /// Write what was sent, then close the socket. Nothing comes after this.
    Closed,
}

/// What a connection waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The greeting.
    Greeting,
    /// The reply to EHLO, HELO or AUTH.
    Ehlo,
    /// The reply to STARTTLS, and the handshake.
    Tls,
    /// The reply to MAIL (or RSET before it).
    Mail,
    /// The reply to RCPT.
    Rcpt,
    /// 354.
    Data,
    /// The reply to the end of data.
    EndOfData,
    /// The next transaction: the server may still say 421, or close.
    Idle,
    /// The reply to QUIT.
    Quit,
    /// Nothing: the connection is over.
    Closed,
}

impl Phase {
    /// How long to wait for the server (RFC 5321 4.5.3.2). How long to keep an idle connection is the
    /// caller's choice; servers wait five minutes at least.
    pub fn timeout(self) -> Duration {
        match self {
            Phase::Greeting => limits::GREETING_TIMEOUT,
            Phase::Ehlo => limits::EHLO_TIMEOUT,
            Phase::Tls => limits::TLS_TIMEOUT,
            Phase::Mail => limits::MAIL_TIMEOUT,
            Phase::Rcpt => limits::RCPT_TIMEOUT,
            Phase::Data => limits::DATA_TIMEOUT,
            Phase::EndOfData => limits::END_OF_DATA_TIMEOUT,
            Phase::Idle => limits::SERVER_COMMAND_TIMEOUT,
            Phase::Quit | Phase::Closed => limits::QUIT_TIMEOUT,
        }
    }
}

/// One connection to a server.
#[derive(Debug)]
pub struct Connection {
    settings: Settings,
}

impl Connection {
    /// A connection that was just made; the server speaks first.
    pub fn new(settings: Settings) -> Connection {
        Connection { settings }
    }

    /// Takes bytes from the server.
    pub fn receive(&mut self, bytes: &[u8]) {
        let _ = bytes;
    }

    /// The server closed its side, or the socket broke.
    pub fn end_of_stream(&mut self) {}

    /// The server was silent for longer than the relay waits.
    pub fn timed_out(&mut self) {}

    /// The handshake after [`Event::StartTls`] is done, and its certificate is good enough.
    pub fn tls_established(&mut self) {}

    /// The handshake after [`Event::StartTls`] failed. The connection is of no more use; where TLS was
    /// not demanded the relay may connect again with [`TlsDemand::Never`].
    pub fn tls_failed(&mut self) {}

    /// The next thing to do; `None` where the connection waits for the server or the caller.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<Event> {
        None
    }

    /// Begins a transaction; its [`Event::Report`] follows. Where the connection is not idle
    /// ([`Connection::is_idle`]) the transaction is given back untouched.
    pub fn deliver(&mut self, transaction: Transaction) -> Result<(), Transaction> {
        Err(transaction)
    }

    /// Says goodbye; `Closed` follows once the server answered, or at once where it cannot any more.
    pub fn quit(&mut self) {}

    /// True where a transaction can begin.
    pub fn is_idle(&self) -> bool {
        false
    }

    /// What the connection waits for.
    pub fn phase(&self) -> Phase {
        Phase::Greeting
    }

    /// What the server can do, once it said so.
    pub fn capabilities(&self) -> Option<&Capabilities> {
        None
    }

    /// The settings given at the start.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}
