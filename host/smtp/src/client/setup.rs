//! From the greeting to the first transaction: EHLO, STARTTLS, AUTH.

use super::{Connection, Event, Failure, Fault, Phase, Response, Stage, State, TlsDemand};
use crate::auth::{self, Mechanism};
use crate::extension::Capabilities;
use crate::reply::Reply;

/// Which reply is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setup {
    Greeting,
    Ehlo,
    Helo,
    StartTls,
    /// No reply: the caller does a handshake.
    Handshake,
    /// AUTH, and how many challenges were answered.
    Auth(Mechanism, usize),
}

impl Setup {
    pub(super) fn stage(self) -> Stage {
        match self {
            Setup::Greeting => Stage::Greeting,
            Setup::Ehlo | Setup::Helo => Stage::Ehlo,
            Setup::StartTls | Setup::Handshake => Stage::Tls,
            Setup::Auth(..) => Stage::Auth,
        }
    }

    pub(super) fn phase(self) -> Phase {
        match self {
            Setup::Greeting => Phase::Greeting,
            Setup::Ehlo | Setup::Helo | Setup::Auth(..) => Phase::Ehlo,
            Setup::StartTls | Setup::Handshake => Phase::Tls,
        }
    }
}

impl Connection {
    pub(super) fn setup_reply(&mut self, reply: Reply) {
        let State::Setup(setup) = self.state else {
            return;
        };
        if reply.code() == 421 {
            return self.fail(setup.stage(), reply.into());
        }
        match (setup, reply.code()) {
            (Setup::Greeting, 220) => self.say_ehlo(),
            (Setup::Ehlo, 250) => {
                self.capabilities = Some(Capabilities::from_ehlo(&reply));
                self.after_hello();
            }
            // A server from before 1995, or one that wants to look like it (RFC 5321 3.2).
            (Setup::Ehlo, 500..600) => {
                let name = self.settings.ehlo.clone();
                self.command(format_args!("HELO {name}"));
                self.state = State::Setup(Setup::Helo);
            }
            (Setup::Helo, 250) => {
                self.capabilities = Some(Capabilities::default());
                self.after_hello();
            }
            (Setup::StartTls, 220) => {
                self.flush();
                self.state = State::Setup(Setup::Handshake);
                self.events.push_back(Event::StartTls);
            }
            (Setup::StartTls, 400..600) => self.tls_refused(reply),
            (Setup::Auth(..), 235) => self.ready(),
            (Setup::Auth(mechanism, asked), 334) => self.answer_challenge(mechanism, asked),
            (_, 400..600) => self.fail(setup.stage(), reply.into()),
            _ => self.break_off(Fault::Protocol),
        }
    }

    pub(super) fn say_ehlo(&mut self) {
        let name = self.settings.ehlo.clone();
        self.command(format_args!("EHLO {name}"));
        self.state = State::Setup(Setup::Ehlo);
    }

    fn after_hello(&mut self) {
        let offered = self
            .capabilities
            .as_ref()
            .is_some_and(|known| known.starttls);
        if !self.tls && offered && self.settings.tls != TlsDemand::Never {
            self.command("STARTTLS");
            self.state = State::Setup(Setup::StartTls);
        } else {
            self.after_tls();
        }
    }

    /// A permanent refusal of STARTTLS says nothing about the mail, so it is no permanent failure.
    fn tls_refused(&mut self, reply: Reply) {
        match self.settings.tls {
            TlsDemand::Never | TlsDemand::May => self.after_tls(),
            _ if reply.is_transient() => self.fail(Stage::Tls, reply.into()),
            _ => self.fail(Stage::Tls, Fault::TlsNotOffered.into()),
        }
    }

    fn after_tls(&mut self) {
        let demanded = matches!(self.settings.tls, TlsDemand::Encrypt | TlsDemand::Verify);
        if demanded && !self.tls {
            return self.fail(Stage::Tls, Fault::TlsNotOffered.into());
        }
        let Some(credentials) = &self.settings.credentials else {
            return self.ready();
        };
        if !self.tls && !self.settings.credentials_in_clear {
            return self.fail(Stage::Auth, Fault::AuthInClear.into());
        }
        let offered = self.capabilities.clone().unwrap_or_default();
        let mechanism = if offered.auth_plain {
            let initial = auth::client_initial(credentials);
            self.command(format_args!("AUTH PLAIN {initial}"));
            Mechanism::Plain
        } else if offered.auth_login {
            self.command("AUTH LOGIN");
            Mechanism::Login
        } else {
            return self.fail(Stage::Auth, Fault::AuthNotOffered.into());
        };
        self.state = State::Setup(Setup::Auth(mechanism, 0));
    }

    /// LOGIN asks twice. PLAIN said everything at once, and a server that asks all the same is told
    /// again, once.
    fn answer_challenge(&mut self, mechanism: Mechanism, asked: usize) {
        let Some(credentials) = &self.settings.credentials else {
            return self.break_off(Fault::Protocol);
        };
        let answer = match mechanism {
            Mechanism::Login => auth::client_login(credentials, asked),
            Mechanism::Plain => (asked == 0).then(|| auth::client_initial(credentials)),
        };
        match answer {
            Some(answer) => {
                self.command(answer);
                self.state = State::Setup(Setup::Auth(mechanism, asked + 1));
            }
            None => self.break_off(Fault::Protocol),
        }
    }

    fn ready(&mut self) {
        self.flush();
        self.state = State::Idle;
        let capabilities = self.capabilities.clone().unwrap_or_default();
        self.events.push_back(Event::Ready(capabilities));
    }

    /// The server is sound and will not do: it is told so, and its goodbye is not waited for.
    fn fail(&mut self, stage: Stage, response: Response) {
        if response.reply().is_none_or(|reply| reply.code() != 421) {
            self.command("QUIT");
            self.flush();
        }
        self.events
            .push_back(Event::Failed(Failure { stage, response }));
        self.close();
    }
}
