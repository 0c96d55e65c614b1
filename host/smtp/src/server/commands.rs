//! One command at a time: is it allowed now, and what does it begin?

use super::state::{Asked, Chunk, Mode, Transaction};
use super::{Auth, Question, Session, Tls};
use crate::address::{ForwardPath, ReversePath};
use crate::auth::{Exchange, Mechanism, Step};
use crate::command::{Command, CommandError, Verb};
use crate::envelope::{Envelope, Parameter, Recipient, check_mail, check_rcpt, find, value};
use crate::limits::RECIPIENTS_OVERSHOOT_MAX;
use crate::reply::{Reply, texts};

impl Session {
    pub(super) fn command_line(&mut self, line: &[u8]) {
        match Command::parse(line) {
            Ok(command) => self.command(command),
            // A browser was made to post here: what follows is not what its owner wants to say.
            Err(CommandError::Unknown) if is_http(line) => self.close_with(Reply::not_http()),
            Err(CommandError::Unknown) => self.fail(Reply::unknown_command()),
            Err(CommandError::NotText) => self.fail(Reply::not_text()),
            // So many octets follow as nobody knows.
            Err(CommandError::Syntax(verb @ Verb::Bdat)) => self.close_with(texts::syntax(verb)),
            Err(CommandError::Syntax(verb)) => self.fail(texts::syntax(verb)),
            Err(CommandError::Address(error)) => {
                let sender = line.first().is_some_and(|b| b.eq_ignore_ascii_case(&b'M'));
                self.fail(texts::bad_address(error, sender));
            }
            Err(CommandError::Parameter(error)) => self.fail(texts::bad_parameter(error)),
        }
    }

    fn command(&mut self, command: Command) {
        if self.unwelcome && !matches!(command, Command::Quit | Command::Bdat { .. }) {
            return self.fail(Reply::bad_sequence());
        }
        if self.needs_tls() && is_guarded(&command) {
            return self.fail(Reply::tls_first());
        }
        match command {
            Command::Ehlo(name) => self.hello(name, true),
            Command::Helo(name) => self.hello(name, false),
            Command::Mail { sender, parameters } => self.mail(sender, parameters),
            Command::Rcpt {
                recipient,
                parameters,
            } => self.rcpt(recipient, parameters),
            Command::Data => self.data(),
            Command::Bdat { size, last } => self.bdat(size, last),
            Command::Rset => {
                self.forget_transaction();
                self.idle(Reply::ok());
            }
            Command::Noop => self.idle(Reply::ok()),
            Command::Vrfy(_) => self.idle(Reply::cannot_verify()),
            Command::Expn(_) => self.fail(Reply::not_implemented()),
            Command::Help => self.idle(Reply::help()),
            Command::Quit => self.close_with(Reply::goodbye()),
            Command::StartTls => self.starttls(),
            Command::Auth { mechanism, initial } => self.auth(&mechanism, initial.as_deref()),
        }
    }

    /// A reply to a command that moves nothing. Too many of them end the session.
    fn idle(&mut self, reply: Reply) {
        self.counters.idle_commands += 1;
        if self.counters.idle_commands > self.settings.limits.idle_commands_max {
            self.close_with(Reply::too_many_errors());
        } else {
            self.say(&reply);
        }
    }

    pub(super) fn forget_transaction(&mut self) {
        self.transaction = None;
        self.after_failed_chunk = false;
    }

    fn needs_tls(&self) -> bool {
        self.settings.tls == Tls::Required && self.peer.tls.is_none()
    }

    /// AUTH stands in the reply to EHLO, and may be used.
    fn offers_auth(&self) -> bool {
        let safe = self.peer.tls.is_some() || self.settings.auth_in_clear;
        self.settings.auth != Auth::None && safe
    }

    fn offers_starttls(&self) -> bool {
        matches!(self.settings.tls, Tls::Offered | Tls::Required) && self.peer.tls.is_none()
    }

    fn hello(&mut self, name: String, esmtp: bool) {
        self.forget_transaction();
        self.peer.helo = Some(name);
        self.peer.esmtp = esmtp;
        self.utf8 = false;
        let keywords = if esmtp { self.keywords() } else { Vec::new() };
        let reply = texts::hello(&self.settings.hostname, &keywords);
        self.idle(reply);
    }

    fn keywords(&self) -> Vec<String> {
        let offered = &self.settings.extensions;
        let limits = &self.settings.limits;
        let mut keywords = Vec::new();
        let mut add = |yes: bool, keyword: &str| {
            if yes {
                keywords.push(keyword.to_owned());
            }
        };
        add(offered.pipelining, "PIPELINING");
        add(true, &format!("SIZE {}", limits.message_bytes_max));
        add(self.offers_starttls(), "STARTTLS");
        // After a success a client may not authenticate again, so there is nothing to offer.
        add(
            self.offers_auth() && self.peer.account.is_none(),
            "AUTH PLAIN LOGIN",
        );
        add(offered.enhanced_status_codes, "ENHANCEDSTATUSCODES");
        add(offered.eight_bit_mime, "8BITMIME");
        add(offered.dsn, "DSN");
        add(offered.smtputf8, "SMTPUTF8");
        add(offered.chunking, "CHUNKING");
        let mails = limits.transactions_max.map(|max| format!(" MAILMAX={max}"));
        let mails = mails.unwrap_or_default();
        add(
            offered.limits,
            &format!("LIMITS RCPTMAX={}{mails}", limits.recipients_max),
        );
        keywords
    }

    fn mail(&mut self, sender: ReversePath, parameters: Vec<Parameter>) {
        let limits = &self.settings.limits;
        if self.peer.helo.is_none() {
            return self.fail(Reply::hello_first());
        }
        if self.settings.auth == Auth::Required && self.peer.account.is_none() {
            return self.fail(Reply::auth_first());
        }
        if self.transaction.is_some() {
            return self.fail(Reply::nested_mail());
        }
        if limits
            .transactions_max
            .is_some_and(|max| self.counters.transactions >= max)
        {
            return self.close_with(Reply::too_many_messages());
        }
        if let Err(error) = check_mail(&parameters, &self.settings.extensions, self.offers_auth()) {
            return self.fail(texts::bad_parameter(error));
        }
        let utf8 = find(&parameters, "SMTPUTF8").is_some();
        if !utf8 && !sender.is_ascii() {
            return self.fail(Reply::utf8_not_asked());
        }
        // Digits that no u64 holds are more than any limit.
        let size = value(&parameters, "SIZE").map(|size| size.parse().unwrap_or(u64::MAX));
        if size.is_some_and(|size| size > limits.message_bytes_max) {
            return self.idle(Reply::too_large());
        }
        self.utf8 = utf8;
        self.after_failed_chunk = false;
        let mut envelope = Envelope::new(sender.clone());
        envelope.parameters = parameters.clone();
        self.transaction = Some(Transaction::new(envelope));
        self.ask(Asked::Mail, Question::Mail { sender, parameters });
    }

    fn rcpt(&mut self, path: ForwardPath, parameters: Vec<Parameter>) {
        let Some(transaction) = &mut self.transaction else {
            return self.fail(Reply::mail_first());
        };
        if transaction.chunks.is_some() {
            return self.fail(Reply::within_chunks());
        }
        if transaction.accepted >= self.settings.limits.recipients_max {
            // A client that honours the limit sends the rest in another transaction.
            transaction.overshoot += 1;
            return if transaction.overshoot > RECIPIENTS_OVERSHOOT_MAX {
                self.fail(Reply::too_many_recipients())
            } else {
                self.say(&Reply::too_many_recipients())
            };
        }
        if let Err(error) = check_rcpt(&parameters, &self.settings.extensions) {
            return self.fail(texts::bad_parameter(error));
        }
        if !path.is_ascii() && !transaction.envelope.smtputf8() {
            return self.fail(Reply::utf8_not_asked());
        }
        let address = path.into_mailbox(&self.settings.hostname);
        let recipient = Recipient {
            address,
            parameters,
        };
        transaction.asked = Some(recipient.clone());
        self.ask(Asked::Recipient, Question::Recipient { recipient });
    }

    fn data(&mut self) {
        match &self.transaction {
            None if self.after_failed_chunk => self.say(&Reply::mail_first()),
            None => self.fail(Reply::mail_first()),
            Some(transaction) if transaction.chunks.is_some() => self.fail(Reply::within_chunks()),
            // Every recipient was refused and counted already, and DATA was pipelined after them.
            Some(transaction) if transaction.accepted == 0 => self.idle(Reply::no_recipients()),
            Some(_) => self.begin_data(),
        }
    }

    /// The octets after BDAT come whatever is replied, so they are counted off before the refusal.
    fn bdat(&mut self, size: u64, last: bool) {
        let limits = &self.settings.limits;
        if !self.settings.extensions.chunking || self.unwelcome {
            return self.close_with(Reply::not_implemented());
        }
        let most = limits
            .message_bytes_max
            .saturating_add(limits.swallowed_bytes_max);
        if size > most {
            return self.close_with(Reply::too_large());
        }
        let refusal = self.refuse_chunk(size);
        if refusal.is_some() {
            self.transaction = None;
        }
        self.begin_chunk(Chunk {
            remaining: size,
            last,
            refusal,
        });
    }

    fn refuse_chunk(&mut self, size: u64) -> Option<Reply> {
        let limits = &self.settings.limits;
        if self.needs_tls() {
            return Some(Reply::tls_first());
        }
        let Some(transaction) = &mut self.transaction else {
            return Some(Reply::mail_first());
        };
        if transaction.accepted == 0 {
            return Some(Reply::no_recipients());
        }
        let chunks = transaction.chunks.get_or_insert_default();
        if chunks.begin(size, limits.message_bytes_max).is_err() {
            return Some(Reply::too_large());
        }
        (chunks.count() > limits.chunks_max).then(Reply::too_many_chunks)
    }

    fn starttls(&mut self) {
        if self.peer.tls.is_some() {
            return self.fail(Reply::bad_sequence());
        }
        if !self.offers_starttls() {
            return self.fail(Reply::not_implemented());
        }
        self.say(&Reply::tls_ready());
        self.start_tls();
    }

    fn auth(&mut self, mechanism: &str, initial: Option<&str>) {
        if self.settings.auth == Auth::None {
            return self.fail(Reply::not_implemented());
        }
        if !self.offers_auth() {
            return self.fail(Reply::auth_needs_tls());
        }
        if self.peer.helo.is_none() {
            return self.fail(Reply::hello_first());
        }
        if self.peer.account.is_some() || self.transaction.is_some() {
            return self.fail(Reply::bad_sequence());
        }
        let Some(mechanism) = Mechanism::parse(mechanism) else {
            return self.fail(Reply::unknown_mechanism());
        };
        let step = Exchange::begin(mechanism, initial);
        self.auth_step(mechanism, step);
    }

    pub(super) fn auth_line(&mut self, line: &[u8]) {
        let Mode::Auth(mechanism, exchange) = std::mem::replace(&mut self.mode, Mode::Commands)
        else {
            return;
        };
        let step = match std::str::from_utf8(line) {
            Ok(line) => exchange.line(line),
            Err(_) => Step::Malformed,
        };
        self.auth_step(mechanism, step);
    }

    fn auth_step(&mut self, mechanism: Mechanism, step: Step) {
        match step {
            Step::Challenge(exchange, challenge) => {
                self.say(&texts::challenge(challenge));
                self.mode = Mode::Auth(mechanism, exchange);
            }
            Step::Done(credentials) => {
                self.ask(
                    Asked::Auth,
                    Question::Auth {
                        mechanism,
                        credentials,
                    },
                );
            }
            Step::Malformed => self.fail(Reply::auth_malformed()),
            Step::Cancelled => self.fail(Reply::auth_cancelled()),
        }
    }
}

fn is_http(line: &[u8]) -> bool {
    let verb = line.split(|&byte| byte == b' ').next().unwrap_or_default();
    let verbs: [&[u8]; 7] = [
        b"GET", b"POST", b"PUT", b"HEAD", b"OPTIONS", b"CONNECT", b"Host:",
    ];
    verbs.iter().any(|http| verb.eq_ignore_ascii_case(http))
}

/// What RFC 3207 section 4 does not let through before TLS, on a listener that requires it. BDAT is
/// refused where its octets are counted.
fn is_guarded(command: &Command) -> bool {
    matches!(
        command,
        Command::Mail { .. }
            | Command::Rcpt { .. }
            | Command::Data
            | Command::Auth { .. }
            | Command::Vrfy(_)
            | Command::Expn(_)
    )
}
