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
//! was ready gives exactly one `Failed`; `Closed` is the last event. A socket that breaks while bytes
//! are written should still be read before [`Connection::end_of_stream`] is called: a server that
//! closes early has often said why.

mod delivery;
mod job;
mod settings;
mod setup;

pub use delivery::{Delivery, Failure, Fault, Outcome, Response, Stage, Transaction};
pub use settings::{Settings, TlsDemand};

use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::extension::Capabilities;
use crate::limits;
use crate::reply::{Parser, Reply, ReplyError};
use job::Job;
use setup::Setup;

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

/// What is under way.
#[derive(Debug)]
enum State {
    /// Not ready for mail yet.
    Setup(Setup),
    /// Ready, and nothing to do.
    Idle,
    /// A transaction.
    Busy(Box<Job>),
    /// QUIT was said.
    Quit,
    /// It is over.
    Closed,
}

/// One connection to a server.
pub struct Connection {
    settings: Settings,
    state: State,
    parser: Parser,
    events: VecDeque<Event>,
    /// Commands not handed to the caller yet.
    commands: BytesMut,
    capabilities: Option<Capabilities>,
    /// The bytes are encrypted.
    tls: bool,
    /// The server may still hold a transaction that came to nothing: RSET goes before the next.
    stale: bool,
    /// Transactions begun.
    transactions: u32,
}

impl Connection {
    /// A connection that was just made; the server speaks first.
    pub fn new(settings: Settings) -> Connection {
        Connection {
            tls: settings.already_tls,
            settings,
            state: State::Setup(Setup::Greeting),
            parser: Parser::default(),
            events: VecDeque::new(),
            commands: BytesMut::new(),
            capabilities: None,
            stale: false,
            transactions: 0,
        }
    }

    /// Takes bytes from the server.
    pub fn receive(&mut self, bytes: &[u8]) {
        let mut input = bytes;
        while !input.is_empty() {
            match self.state {
                State::Closed => return,
                State::Setup(Setup::Handshake) => return self.break_off(Fault::Injection),
                _ => {}
            }
            match self.parser.parse(&mut input) {
                Ok(None) => return,
                Ok(Some(reply)) => self.reply(reply),
                Err(ReplyError::Garbage | ReplyError::Mixed) => {
                    return self.break_off(Fault::Protocol);
                }
                Err(ReplyError::LineTooLong | ReplyError::TooLong) => {
                    return self.break_off(Fault::ReplyTooLong);
                }
            }
        }
    }

    /// The server closed its side, or the socket broke.
    pub fn end_of_stream(&mut self) {
        self.break_off(Fault::Lost);
    }

    /// The server was silent for longer than the relay waits.
    pub fn timed_out(&mut self) {
        self.break_off(Fault::TimedOut);
    }

    /// The handshake after [`Event::StartTls`] is done, and its certificate is good enough. What the
    /// server said in clear is forgotten (RFC 3207 4.2).
    pub fn tls_established(&mut self) {
        if matches!(self.state, State::Setup(Setup::Handshake)) {
            self.tls = true;
            self.capabilities = None;
            self.say_ehlo();
        }
    }

    /// The handshake after [`Event::StartTls`] failed. The connection is of no more use; where TLS was
    /// not demanded the relay may connect again with [`TlsDemand::Never`].
    pub fn tls_failed(&mut self) {
        if matches!(self.state, State::Setup(Setup::Handshake)) {
            self.break_off(Fault::TlsFailed);
        }
    }

    /// The next thing to do; `None` where the connection waits for the server or the caller.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<Event> {
        self.flush();
        self.events.pop_front()
    }

    /// Begins a transaction; its [`Event::Report`] follows. Where the connection is not idle
    /// ([`Connection::is_idle`]) the transaction is given back untouched.
    pub fn deliver(&mut self, transaction: Transaction) -> Result<(), Box<Transaction>> {
        let (State::Idle, Some(capabilities)) = (&self.state, &self.capabilities) else {
            return Err(Box::new(transaction));
        };
        self.transactions += 1;
        let job = Job::new(transaction, capabilities, &self.settings, self.stale);
        self.state = State::Busy(Box::new(job));
        self.go_on();
        Ok(())
    }

    /// Says goodbye; `Closed` follows once the server answered, or at once where something was under
    /// way, which is given up.
    pub fn quit(&mut self) {
        match self.state {
            State::Idle => {
                self.commands.extend_from_slice(b"QUIT\r\n");
                self.state = State::Quit;
            }
            State::Setup(_) | State::Busy(_) => self.break_off(Fault::Abandoned),
            State::Quit | State::Closed => {}
        }
    }

    /// True where a transaction can begin.
    pub fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// What the connection waits for.
    pub fn phase(&self) -> Phase {
        match &self.state {
            State::Setup(setup) => setup.phase(),
            State::Idle => Phase::Idle,
            State::Busy(job) => job.phase(),
            State::Quit => Phase::Quit,
            State::Closed => Phase::Closed,
        }
    }

    /// What the server can do, once it said so.
    pub fn capabilities(&self) -> Option<&Capabilities> {
        self.capabilities.as_ref()
    }

    /// True where the bytes are encrypted, by STARTTLS or from the start.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// The settings given at the start.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    fn reply(&mut self, reply: Reply) {
        match &mut self.state {
            State::Setup(_) => self.setup_reply(reply),
            State::Busy(job) => match job.reply(reply) {
                Ok(()) => self.go_on(),
                Err(response) => self.end_job(response),
            },
            // Nothing was asked: 421, or something worse.
            State::Idle | State::Quit => self.close(),
            State::Closed => {}
        }
    }

    /// Sends what can be sent of the transaction, and reports it where it is over.
    fn go_on(&mut self) {
        let State::Busy(job) = &mut self.state else {
            return;
        };
        job.send(&mut self.commands);
        if let Some(text) = job.take_text() {
            self.flush();
            self.events.extend(text.into_iter().map(Event::Send));
        }
        let State::Busy(job) = &mut self.state else {
            return;
        };
        if !job.is_over() {
            return;
        }
        self.stale = job.leaves_stale();
        let outcomes = job.outcomes(&Response::Fault(Fault::Protocol));
        let most = self
            .capabilities
            .as_ref()
            .and_then(|offered| offered.transactions_max);
        let reusable = most.is_none_or(|most| self.transactions < most);
        self.state = State::Idle;
        self.events
            .push_back(Event::Report(Delivery { outcomes, reusable }));
        if !reusable {
            self.quit();
        }
    }

    /// The connection is of no more use, in the middle of a transaction.
    fn end_job(&mut self, response: Response) {
        if let State::Busy(job) = &mut self.state {
            let outcomes = job.outcomes(&response);
            self.events.push_back(Event::Report(Delivery {
                outcomes,
                reusable: false,
            }));
        }
        self.close();
    }

    fn break_off(&mut self, fault: Fault) {
        match &self.state {
            State::Setup(setup) => {
                let stage = setup.stage();
                self.events.push_back(Event::Failed(Failure {
                    stage,
                    response: fault.into(),
                }));
                self.close();
            }
            State::Busy(_) => self.end_job(fault.into()),
            State::Idle | State::Quit => self.close(),
            State::Closed => {}
        }
    }

    fn close(&mut self) {
        self.flush();
        self.state = State::Closed;
        self.events.push_back(Event::Closed);
    }

    fn command(&mut self, command: impl std::fmt::Display) {
        // Writing to memory that grows does not fail.
        let _ = write!(self.commands, "{command}\r\n");
    }

    fn flush(&mut self) {
        if !self.commands.is_empty() {
            self.events
                .push_back(Event::Send(self.commands.split().freeze()));
        }
    }
}

/// Without what is to be sent: it may be a password.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("phase", &self.phase())
            .field("capabilities", &self.capabilities)
            .field("tls", &self.tls)
            .finish_non_exhaustive()
    }
}
