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
//! waits for its answer. Replies are held back while there is input to work on, and written
//! together; asking for the next event while a question is open gives those held so far.

mod answers;
mod commands;
mod message;
mod question;
mod settings;
mod state;

use std::fmt;
use std::sync::Arc;

use bytes::{Buf, BytesMut};

use crate::envelope::Envelope;
use crate::limits::{AUTH_LINE_BYTES_MAX, HELD_REPLY_BYTES_MAX, INPUT_BYTES_MAX};
use crate::line::{LineFault, LineReader};
use crate::reply::Reply;

pub use question::{Answer, Event, Question};
pub use settings::{Auth, Limits, Settings, Tls};
use state::{Asked, Counters, Mode, Peer, Transaction};

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
pub struct Session {
    settings: Arc<Settings>,
    mode: Mode,
    peer: Peer,
    transaction: Option<Transaction>,
    counters: Counters,
    /// Received and not looked at yet.
    input: BytesMut,
    lines: LineReader,
    /// Said and not given to the caller yet.
    output: BytesMut,
    /// To be given to the caller; a question at once, anything else after the output.
    queued: Option<Event>,
    /// To be said, before closing, once the open question is answered.
    last_words: Option<Reply>,
    /// The greeting was a refusal: only QUIT works.
    unwelcome: bool,
    /// A BDAT failed: more of its message is under way, and refusing that is no new error.
    after_failed_chunk: bool,
    /// The last MAIL asked for SMTPUTF8.
    utf8: bool,
}

impl Session {
    /// A connection that was just accepted. Nothing happens before the first [`Session::next`].
    pub fn new(settings: Arc<Settings>) -> Session {
        Session {
            settings,
            mode: Mode::Fresh,
            peer: Peer::default(),
            transaction: None,
            counters: Counters::default(),
            input: BytesMut::new(),
            lines: LineReader::default(),
            output: BytesMut::new(),
            queued: None,
            last_words: None,
            unwelcome: false,
            after_failed_chunk: false,
            utf8: false,
        }
    }

    /// Takes bytes from the peer, any number of them. See [`Session::wants_input`].
    pub fn receive(&mut self, bytes: &[u8]) {
        match self.mode {
            Mode::Closing | Mode::Closed | Mode::Handshake => return,
            Mode::Fresh | Mode::Asked(Asked::Connect) => self.peer.early |= !bytes.is_empty(),
            _ => {}
        }
        let mut bytes = bytes;
        if self.input.is_empty() {
            // The text of a message goes where it belongs without a stop in between.
            self.take_text(&mut bytes);
        }
        self.input.extend_from_slice(bytes);
    }

    /// The next thing to do; `None` where the session waits for the peer or for an answer.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<Event> {
        loop {
            if self.output.len() >= HELD_REPLY_BYTES_MAX {
                return self.flush();
            }
            match self.queued.take() {
                Some(Event::Ask(question)) => return Some(Event::Ask(question)),
                Some(event) if self.output.is_empty() => return Some(event),
                Some(event) => {
                    self.queued = Some(event);
                    return self.flush();
                }
                None => {}
            }
            if !self.step() {
                return self.flush();
            }
        }
    }

    /// The handshake after [`Event::StartTls`] is done; `description` is such as "TLSv1.3". What was
    /// received in clear is forgotten, bytes and knowledge both (RFC 3207 4.2).
    pub fn tls_established(&mut self, description: &str) {
        if !matches!(self.mode, Mode::Handshake) {
            return;
        }
        self.peer = Peer {
            tls: Some(description.to_owned()),
            ..Peer::default()
        };
        self.transaction = None;
        self.drop_input();
        if self.settings.tls == Tls::Implicit {
            self.ask(Asked::Connect, Question::Connect);
        } else {
            self.mode = Mode::Commands;
        }
    }

    /// The peer was silent for too long: 421 4.4.2, and the connection is closed.
    pub fn timed_out(&mut self) {
        self.end(Reply::timed_out());
    }

    /// The relay stops: 421 4.3.2, and the connection is closed. A question that is open stays open
    /// and its answer is still sent, followed by the 421, so that no accepted message is doubled.
    pub fn shutting_down(&mut self) {
        self.end(Reply::shutting_down());
    }

    /// False while so much input waits (or an answer is due) that the socket should not be read.
    pub fn wants_input(&self) -> bool {
        let reads = matches!(
            self.mode,
            Mode::Commands | Mode::Auth(..) | Mode::Data(_) | Mode::Chunk(_)
        );
        reads && self.input.len() < INPUT_BYTES_MAX
    }

    /// What the session waits for.
    pub fn phase(&self) -> Phase {
        match self.mode {
            Mode::Fresh | Mode::Asked(_) | Mode::Closing => Phase::Answer,
            Mode::Handshake => Phase::Tls,
            Mode::Commands | Mode::Auth(..) => Phase::Command,
            Mode::Data(_) | Mode::Chunk(_) => Phase::Data,
            Mode::Closed => Phase::Closed,
        }
    }

    /// True where the peer talked before it was greeted. The relay may let some time pass before it
    /// answers [`Question::Connect`], and give what it reads meanwhile to [`Session::receive`].
    pub fn talked_early(&self) -> bool {
        self.peer.early
    }

    /// The argument of EHLO or HELO, as given.
    pub fn helo(&self) -> Option<&str> {
        self.peer.helo.as_deref()
    }

    /// As [`Session::tls_established`] was told; `None` in clear.
    pub fn tls(&self) -> Option<&str> {
        self.peer.tls.as_deref()
    }

    /// Who authenticated, if anybody.
    pub fn account(&self) -> Option<&str> {
        self.peer.account.as_deref()
    }

    /// The transaction under way: from the question about MAIL until the message is handed over.
    pub fn envelope(&self) -> Option<&Envelope> {
        self.transaction
            .as_ref()
            .map(|transaction| &transaction.envelope)
    }

    /// The name of the protocol for the Received field: SMTP, ESMTP, ESMTPS, ESMTPA, ESMTPSA (RFC
    /// 3848), or UTF8SMTP and its kin where the last MAIL asked for SMTPUTF8 (RFC 6531 4.3).
    pub fn protocol(&self) -> &'static str {
        self.peer.protocol(self.utf8)
    }

    /// The settings given at the start.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Does one thing; false where there is nothing to do without the peer or the caller.
    fn step(&mut self) -> bool {
        match self.mode {
            Mode::Fresh if self.settings.tls == Tls::Implicit => {
                self.start_tls();
                true
            }
            Mode::Fresh => {
                self.ask(Asked::Connect, Question::Connect);
                true
            }
            Mode::Handshake | Mode::Asked(_) | Mode::Closed => false,
            Mode::Commands => self.line_step(self.settings.limits.command_line_bytes_max),
            Mode::Auth(..) => self.line_step(AUTH_LINE_BYTES_MAX),
            Mode::Data(_) | Mode::Chunk(_) => self.text_step(),
            Mode::Closing => {
                self.mode = Mode::Closed;
                self.drop_input();
                self.queued = Some(Event::Close);
                true
            }
        }
    }

    fn line_step(&mut self, line_bytes_max: usize) -> bool {
        match self.lines.take(&mut self.input, line_bytes_max) {
            Ok(None) => return false,
            Ok(Some(line)) if matches!(self.mode, Mode::Commands) => self.command_line(&line),
            Ok(Some(line)) => self.auth_line(&line),
            Err(LineFault::Bare) => self.close_with(Reply::bare_in_command()),
            Err(LineFault::Endless) => self.close_with(Reply::line_too_long()),
            Err(LineFault::TooLong) => {
                self.mode = Mode::Commands;
                self.fail(Reply::line_too_long());
            }
        }
        true
    }

    fn text_step(&mut self) -> bool {
        if self.input.is_empty() {
            return false;
        }
        let mut input = std::mem::take(&mut self.input);
        let mut rest = &input[..];
        self.take_text(&mut rest);
        let taken = input.len() - rest.len();
        input.advance(taken);
        self.input = input;
        true
    }

    /// What was said, if anything. Called where the session comes to rest, so that is also when the
    /// room of a large input is given back: many sessions are idle for long.
    fn flush(&mut self) -> Option<Event> {
        if self.input.is_empty() && self.input.capacity() > HELD_REPLY_BYTES_MAX {
            self.input = BytesMut::new();
        }
        if self.output.is_empty() {
            return None;
        }
        Some(Event::Send(std::mem::take(&mut self.output).freeze()))
    }

    fn say(&mut self, reply: &Reply) {
        reply.encode(self.utf8, &mut self.output);
    }

    /// A reply to something the peer did wrong. Too many of them end the session.
    fn fail(&mut self, reply: Reply) {
        self.counters.errors += 1;
        if self.counters.errors > self.settings.limits.errors_max {
            self.close_with(Reply::too_many_errors());
        } else {
            self.say(&reply);
        }
    }

    fn close_with(&mut self, reply: Reply) {
        self.say(&reply);
        self.close();
    }

    fn close(&mut self) {
        self.mode = Mode::Closing;
        self.transaction = None;
        self.queued = None;
    }

    fn end(&mut self, reply: Reply) {
        match self.mode {
            Mode::Closing | Mode::Closed => {}
            Mode::Asked(_) => self.last_words = Some(reply),
            // Nothing in clear can be said in the middle of a handshake.
            Mode::Handshake => self.close(),
            _ => self.close_with(reply),
        }
    }

    fn ask(&mut self, asked: Asked, question: Question) {
        self.mode = Mode::Asked(asked);
        self.queued = Some(Event::Ask(question));
    }

    fn start_tls(&mut self) {
        self.drop_input();
        self.mode = Mode::Handshake;
        self.queued = Some(Event::StartTls);
    }

    fn drop_input(&mut self) {
        self.input = BytesMut::new();
        self.lines.reset();
    }
}

/// Without what was received: it may be a password.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("phase", &self.phase())
            .field("peer", &self.peer)
            .field("transaction", &self.transaction)
            .finish_non_exhaustive()
    }
}
