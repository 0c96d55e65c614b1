//! The receiving side of a connection, without the connection.
//!
//! The caller moves bytes and decides; the session knows the protocol:
//!
//! ```text
//! loop {
//!     while let Some(event) = session.next() {
//!         match event {
//!             Event::Send(bytes) => write them,
//!             Event::Ask(question) => session.answer(decide(question)),
//!             Event::StartTls => { handshake; session.tls_established("TLSv1.3") }
//!             Event::Close => return,
//!         }
//!     }
//!     read some bytes within a timeout that fits session.phase(); session.receive(&bytes)
//! }
//! ```
//!
//! Replies come in the order of the commands, one question is open at a time, and pipelined input
//! waits for its answer. Replies that can be written together are given together.

mod question;
mod settings;

use std::sync::Arc;

use crate::envelope::Envelope;

pub use question::{Answer, Event, Question};
pub use settings::{Auth, Limits, Settings, Tls};

/// What a session waits for; the relay picks a timeout by it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// For [`Session::next`] to be called, or for an answer: the peer is not to blame for the time.
    Answer,
    /// For the handshake.
    Tls,
    /// For a command, or a line of an authentication ([`crate::limits::SERVER_COMMAND_TIMEOUT`]).
    Command,
    /// For more of a message ([`crate::limits::SERVER_DATA_TIMEOUT`]).
    Data,
    /// For nothing: the session is over.
    Closed,
}

/// One connection from a client.
#[derive(Debug)]
pub struct Session {
    settings: Arc<Settings>,
}

impl Session {
    /// A connection that was just accepted. Nothing happens before the first [`Session::next`].
    pub fn new(settings: Arc<Settings>) -> Session {
        Session { settings }
    }

    /// Takes bytes from the peer, any number of them. See [`Session::wants_input`].
    pub fn receive(&mut self, bytes: &[u8]) {
        let _ = bytes;
    }

    /// The next thing to do; `None` where the session waits for the peer or for an answer.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<Event> {
        None
    }

    /// Answers the open question. Without one nothing happens.
    pub fn answer(&mut self, answer: Answer) {
        let _ = answer;
    }

    /// The handshake after [`Event::StartTls`] is done; `description` is such as "TLSv1.3". What was
    /// received in clear is forgotten, bytes and knowledge both (RFC 3207 4.2).
    pub fn tls_established(&mut self, description: &str) {
        let _ = description;
    }

    /// The peer was silent for too long: 421 4.4.2, and the connection is closed.
    pub fn timed_out(&mut self) {}

    /// The relay stops: 421 4.3.2, and the connection is closed. A question that is open stays open
    /// and its answer is still sent, followed by the 421, so that no accepted message is doubled.
    pub fn shutting_down(&mut self) {}

    /// False while so much input waits (or an answer is due) that the socket should not be read.
    pub fn wants_input(&self) -> bool {
        true
    }

    /// What the session waits for.
    pub fn phase(&self) -> Phase {
        Phase::Command
    }

    /// True where the peer talked before it was greeted.
    pub fn talked_early(&self) -> bool {
        false
    }

    /// The argument of EHLO or HELO, as given.
    pub fn helo(&self) -> Option<&str> {
        None
    }

    /// As [`Session::tls_established`] was told; `None` in clear.
    pub fn tls(&self) -> Option<&str> {
        None
    }

    /// Who authenticated, if anybody.
    pub fn account(&self) -> Option<&str> {
        None
    }

    /// The transaction under way: from the question about MAIL until the message is handed over.
    pub fn envelope(&self) -> Option<&Envelope> {
        None
    }

    /// The name of the protocol for the Received field: SMTP, ESMTP, ESMTPS, ESMTPA, ESMTPSA (RFC
    /// 3848), or UTF8SMTP and its kin where the last MAIL asked for SMTPUTF8 (RFC 6531 4.3).
    pub fn protocol(&self) -> &'static str {
        "SMTP"
    }

    /// The settings given at the start.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }
}
