//! Answers a session's questions: the relay's own safety first, then the plugins.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use baton_hooks::{self as hooks, AuthVerdict, CallRecord, RecipientVerdict, Sitting, Verdict};
use baton_smtp::auth::{Credentials, Mechanism};
use baton_smtp::server::{Answer, Question, Session};
use baton_smtp::{Envelope, Mailbox, Recipient, Reply, ReversePath};
use baton_spool::Origin;
use bytes::Bytes;
use tokio::time::timeout;

use super::accept::{self, Arrival, Taken};
use super::alias;
use super::auth::Checked;
use super::authenticate;
use super::refusal::Refusal;
use super::report;
use super::{Door, Shared};
use crate::clock;
use crate::config::{is_loopback, may_send_as};
use crate::event::{Closed, Event, Source, Stage};
use crate::history;
use crate::limits;
use crate::return_path::{Place, Rejected};

/// Decides for one session.
pub(super) struct Judge {
    shared: Arc<Shared>,
    door: Arc<Door>,
    peer: SocketAddr,
    /// What plugins are told of the session.
    facts: Arc<hooks::Session>,
    sitting: Sitting,
    transaction: Option<Transaction>,
    accepted: u32,
    closes: Option<Closed>,
}

/// From MAIL to the end of data.
struct Transaction {
    sitting: Sitting,
    records: Vec<CallRecord>,
    /// The plugin that said to drop all of it.
    discarded_by: Option<String>,
    /// Recipients that are addresses of the relay's own.
    own: Vec<(Mailbox, Place)>,
    /// Recipients that became several, and whose sender wants to know.
    expanded: Vec<Recipient>,
    /// What recipients became and a later plugin refused.
    refused: Vec<(Recipient, Reply)>,
}

impl Judge {
    pub fn new(id: Arc<str>, peer: SocketAddr, door: Arc<Door>, shared: Arc<Shared>) -> Judge {
        let facts = hooks::Session::new(id, door.name.clone(), peer.ip().to_canonical());
        let facts = Arc::new(facts);
        let sitting = Sitting::session(shared.plugins.generation(), facts.clone());
        Judge {
            shared,
            door,
            peer,
            facts,
            sitting,
            transaction: None,
            accepted: 0,
            closes: None,
        }
    }

    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Messages taken.
    pub fn accepted(&self) -> u32 {
        self.accepted
    }

    /// Why the last answer ends the session, if it does.
    pub fn closes(&mut self) -> Option<Closed> {
        self.closes.take()
    }

    /// The client is silent: what can be made again is given up.
    pub fn park(&mut self) {
        self.sitting.park();
        if let Some(transaction) = &mut self.transaction {
            transaction.sitting.park();
        }
    }

    /// The session is encrypted from here on, and has forgotten what it learned before.
    pub fn encrypted(&mut self, description: &str) {
        self.abandon();
        let facts = hooks::Session {
            tls: Some(description.into()),
            ..(*self.facts).clone()
        };
        self.learn(hooks::Session {
            helo: None,
            account: None,
            ..facts
        });
    }

    /// The transaction under way comes to nothing: what plugins did for it is told of all the same.
    pub fn abandon(&mut self) {
        if let Some(transaction) = self.transaction.take() {
            self.tell(&transaction.records, None);
        }
    }

    /// Decides one question.
    pub async fn answer(&mut self, session: &Session, question: Question) -> Answer {
        self.look_at(session);
        let stage = stage_of(&question);
        let (sender, recipient) = whom(session, &question);
        let decided = match question {
            Question::Connect => self.connect().await,
            Question::Auth {
                mechanism,
                credentials,
            } => {
                return self.auth(mechanism, credentials).await;
            }
            Question::Mail { sender, .. } => self.mail(session, &sender).await,
            Question::Recipient { recipient } => self.recipient(session, recipient).await,
            Question::Message { envelope, body } => self.message(session, envelope, body).await,
        };
        match decided {
            Ok(answer) => answer,
            Err(refusal) => {
                if refusal.closes {
                    self.closes = Some(Closed::Plugin);
                }
                self.shared.bus.emit(Event::Refused {
                    session: Some(self.facts.id.clone().into()),
                    source: Source::Smtp,
                    stage,
                    sender,
                    recipient,
                    reply: refusal.reply.to_string(),
                    cause: refusal.cause.clone(),
                    plugin: refusal.plugin.clone(),
                });
                refusal.into_answer()
            }
        }
    }

    async fn connect(&mut self) -> Result<Answer, Refusal> {
        self.learn_name().await;
        let verdict = self.sitting.on_connect().await;
        let plugin = self.report(None);
        match verdict {
            // There is no message to drop yet: the connection is what is not wanted.
            Verdict::Discard => Err(Refusal {
                plugin,
                closes: true,
                ..Refusal::new(421, (4, 7, 0), "Service not available", "discard")
            }),
            verdict => match Refusal::of_verdict(&verdict, plugin) {
                Some(refusal) => Err(refusal),
                None => Ok(Answer::Proceed),
            },
        }
    }

    /// The client's name, if it has one that leads back to it (RFC 8601 2.7.3). Machines of our own are not looked up.
    async fn learn_name(&mut self) {
        let address = self.peer.ip().to_canonical();
        let own = is_loopback(address)
            || self
                .door
                .config
                .relay_from
                .iter()
                .any(|network| network.contains(address));
        if own {
            return;
        }
        let name = timeout(
            limits::PEER_NAME_TIMEOUT,
            self.shared.resolver.confirmed_name(address),
        )
        .await;
        if let Ok(Ok(Some(name))) = name {
            self.learn(hooks::Session {
                peer_name: Some(name.into()),
                ..(*self.facts).clone()
            });
        }
    }

    async fn auth(&mut self, mechanism: Mechanism, credentials: Credentials) -> Answer {
        let Credentials { identity, secret } = credentials;
        let verdict = self
            .sitting
            .on_auth(mechanism.as_str(), &identity, &secret)
            .await;
        self.report(None);
        let checked = match verdict {
            AuthVerdict::Allow(account) => Checked::Account(account),
            AuthVerdict::Deny => {
                tokio::time::sleep(limits::PASSWORD_WRONG_REST).await;
                Checked::Wrong
            }
            AuthVerdict::Defer => Checked::Busy,
            AuthVerdict::Pass => self.shared.auth.check(&identity, &secret).await,
        };
        let session = self.facts.id.clone().into();
        let mechanism = mechanism.as_str().to_owned();
        match checked {
            Checked::Account(account) => {
                let event = Event::AuthOk {
                    session,
                    account: account.clone(),
                    mechanism,
                };
                self.shared.bus.emit(event);
                Answer::Account(account)
            }
            Checked::Wrong => {
                let peer = self.peer;
                self.shared.bus.emit(Event::AuthFailed {
                    session,
                    peer,
                    identity,
                    mechanism,
                });
                let text = "Authentication credentials invalid";
                Refusal::new(535, (5, 7, 8), text, "wrong credentials").into_answer()
            }
            Checked::Busy => {
                let text = "Temporary authentication failure";
                Refusal::new(454, (4, 7, 0), text, "no answer").into_answer()
            }
        }
    }

    async fn mail(&mut self, session: &Session, sender: &ReversePath) -> Result<Answer, Refusal> {
        self.abandon();
        self.check_sender(sender)?;
        self.check_room()?;
        let mut sitting = self.sitting.transaction();
        let verdict = match session.envelope() {
            Some(envelope) => sitting.on_mail(envelope).await,
            None => Verdict::Pass,
        };
        let mut transaction = Transaction {
            records: sitting.take_records(),
            sitting,
            discarded_by: None,
            own: Vec::new(),
            expanded: Vec::new(),
            refused: Vec::new(),
        };
        let plugin = transaction.last_plugin();
        if let Some(refusal) = Refusal::of_verdict(&verdict, plugin.clone()) {
            self.tell(&transaction.records, None);
            return Err(refusal);
        }
        if verdict == Verdict::Discard {
            transaction.discarded_by = plugin.or(Some(String::new()));
        }
        self.transaction = Some(transaction);
        Ok(Answer::Proceed)
    }

    /// An account that lists its senders sends as nobody else.
    fn check_sender(&self, sender: &ReversePath) -> Result<(), Refusal> {
        let (Some(account), Some(mailbox)) = (&self.facts.account, sender.mailbox()) else {
            return Ok(());
        };
        let senders = self
            .shared
            .auth
            .get(account)
            .map(|account| account.senders.as_slice());
        if may_send_as(senders.unwrap_or_default(), &mailbox.to_string()) {
            return Ok(());
        }
        let cause = format!("account {account} may not send as {mailbox}");
        Err(Refusal::new(
            553,
            (5, 7, 1),
            "Sender address not allowed for this account",
            cause,
        ))
    }

    /// A client need not send a whole message to learn that there is no room.
    fn check_room(&self) -> Result<(), Refusal> {
        let stored = self.shared.store.spool().counts().stored_bytes;
        let stored_max = self.shared.config.limits.spool_bytes_max;
        if stored < stored_max {
            return Ok(());
        }
        Err(Refusal::new(
            452,
            (4, 3, 1),
            "Insufficient system storage",
            "the spool is full",
        ))
    }

    async fn recipient(
        &mut self,
        session: &Session,
        recipient: Recipient,
    ) -> Result<Answer, Refusal> {
        if let Some(answer) = self.own_address(&recipient)? {
            return Ok(answer);
        }
        self.check_relay(&recipient.address)?;
        let (Some(transaction), Some(envelope)) = (&mut self.transaction, session.envelope())
        else {
            return Ok(Answer::Proceed);
        };
        let verdict = transaction.sitting.on_rcpt(envelope, &recipient).await;
        transaction
            .records
            .append(&mut transaction.sitting.take_records());
        let plugin = transaction.last_plugin();
        let (bus, session) = (&self.shared.bus, &self.facts.id);
        let dropped = |address: &Mailbox, plugin: String| {
            bus.emit(Event::Discarded {
                session: Some(session.clone().into()),
                sender: envelope.sender.mailbox().map(Mailbox::to_string),
                recipients: vec![address.to_string()],
                plugin,
            });
        };
        match verdict {
            RecipientVerdict::Rewrite(mut rewritten) => {
                for (address, plugin) in std::mem::take(&mut rewritten.discarded) {
                    dropped(&address, plugin);
                }
                let others = alias::others(&recipient, rewritten);
                if others.is_expansion {
                    transaction.expanded.push(recipient);
                }
                transaction.refused.extend(others.refused);
                Ok(Answer::Instead(others.to))
            }
            RecipientVerdict::Decide(Verdict::Discard) => {
                dropped(&recipient.address, plugin.unwrap_or_default());
                Ok(Answer::Instead(Vec::new()))
            }
            RecipientVerdict::Decide(verdict) => match Refusal::of_verdict(&verdict, plugin) {
                Some(refusal) => Err(refusal),
                None => Ok(Answer::Proceed),
            },
        }
    }

    /// The relay's own return paths, which reports are taken at from anybody; plugins are asked what they report and not
    /// whether they may.
    fn own_address(&mut self, recipient: &Recipient) -> Result<Option<Answer>, Refusal> {
        let Some(return_path) = &self.shared.return_path else {
            return Ok(None);
        };
        let Some(recognised) = return_path.recognise(&recipient.address, clock::now()) else {
            return Ok(None);
        };
        let place = match recognised {
            Ok(Place::People(people)) => {
                return Ok(Some(Answer::Instead(vec![Recipient::new(people)])));
            }
            Ok(place) => place,
            // The operator may have people at the domain whom other rules serve.
            Err(Rejected::Form)
                if self
                    .shared
                    .config
                    .relay
                    .serves(recipient.address.domain().as_str()) =>
            {
                return Ok(None);
            }
            Err(rejected) => {
                let text = "No such address here";
                return Err(Refusal::new(550, (5, 1, 1), text, rejected.to_string()));
            }
        };
        if let Some(transaction) = &mut self.transaction {
            if transaction.own.len() >= limits::REPORT_PLACES_MAX {
                let cause = "a report for too many return paths";
                return Err(Refusal::new(452, (4, 5, 3), "Too many recipients", cause));
            }
            transaction.own.push((recipient.address.clone(), place));
        }
        Ok(Some(Answer::Proceed))
    }

    /// Never an open relay: a trusted network, an account, or a domain we serve. No plugin can widen this.
    fn check_relay(&self, recipient: &Mailbox) -> Result<(), Refusal> {
        if self.is_trusted() || self.shared.config.relay.serves(recipient.domain().as_str()) {
            return Ok(());
        }
        let cause = format!("{} may not relay to {}", self.peer.ip(), recipient.domain());
        Err(Refusal::new(550, (5, 7, 1), "Relaying denied", cause))
    }

    /// Whether this client may send to the world.
    fn is_trusted(&self) -> bool {
        self.facts.account.is_some()
            || self
                .door
                .config
                .relay_from
                .iter()
                .any(|network| network.contains(self.peer.ip()))
    }

    async fn message(
        &mut self,
        session: &Session,
        envelope: Envelope,
        body: Bytes,
    ) -> Result<Answer, Refusal> {
        let began = Instant::now();
        let Some(Transaction {
            mut sitting,
            records,
            discarded_by,
            own,
            expanded,
            refused,
        }) = self.transaction.take()
        else {
            return Err(Refusal::new(
                451,
                (4, 3, 0),
                "Local trouble, try again later",
                "no transaction",
            ));
        };
        let mut arrival = Arrival {
            id: self.shared.store.new_id(),
            origin: Origin {
                listener: self.door.config.name.clone(),
                session: self.facts.id.to_string(),
                peer: Some(self.peer.ip().to_canonical()),
                peer_name: self.facts.peer_name.as_deref().map(str::to_owned),
                helo: session.helo().map(str::to_owned),
                tls: session.tls().map(str::to_owned),
                account: session.account().map(str::to_owned),
            },
            protocol: session.protocol(),
            source: Source::Smtp,
            session: Some(self.facts.id.clone()),
            envelope,
            body,
            is_submission: self.is_trusted(),
            hops: 0,
            judged: None,
            records,
            discarded_by,
            expanded,
            refused,
            wishes: accept::Wishes::default(),
            began,
        };
        if self.door.config.authenticate && !arrival.is_submission {
            authenticate::judge(&self.shared, &mut arrival).await;
        }
        let taken = match own.is_empty() || arrival.discarded_by.is_some() {
            true => accept::take(&self.shared, &mut sitting, arrival).await?,
            false => self.reports(&mut sitting, arrival, own).await?,
        };
        self.accepted += 1;
        Ok(Answer::ProceedWith(taken.reply()))
    }

    /// A message for return paths of ours, and perhaps for others as well: those get it in the usual way, once the reports
    /// have had their effects, which a second try does not repeat.
    async fn reports(
        &self,
        sitting: &mut Sitting,
        mut arrival: Arrival,
        own: Vec<(Mailbox, Place)>,
    ) -> Result<Taken, Refusal> {
        let Some(return_path) = &self.shared.return_path else {
            return accept::take(&self.shared, sitting, arrival).await;
        };
        let is_own = |one: &Recipient| own.iter().any(|(address, _)| *address == one.address);
        let mut places: Vec<Place> = Vec::with_capacity(own.len());
        for (_, place) in &own {
            if !places.contains(place) {
                places.push(place.clone());
            }
        }
        self.tell(&arrival.records, None);
        arrival.records.clear();
        arrival.envelope.recipients.retain(|one| !is_own(one));
        let taken = report::take(&self.shared, return_path, &arrival, &places).await?;
        if arrival.envelope.recipients.is_empty() {
            return Ok(taken);
        }
        accept::take(&self.shared, sitting, arrival).await
    }

    /// Takes over what the session has learned.
    fn look_at(&mut self, session: &Session) {
        let same = self.facts.helo.as_deref() == session.helo()
            && self.facts.account.as_deref() == session.account();
        if !same {
            self.learn(hooks::Session {
                helo: session.helo().map(Arc::from),
                account: session.account().map(Arc::from),
                ..(*self.facts).clone()
            });
        }
    }

    fn learn(&mut self, facts: hooks::Session) {
        self.facts = Arc::new(facts);
        self.sitting.set_session(self.facts.clone());
        if let Some(transaction) = &mut self.transaction {
            transaction.sitting.set_session(self.facts.clone());
        }
    }

    /// Tells of the session's own hook calls; the plugin that was asked last.
    fn report(&mut self, message: Option<&str>) -> Option<String> {
        let records = self.sitting.take_records();
        self.tell(&records, message);
        records.last().map(|record| record.plugin.to_string())
    }

    fn tell(&self, records: &[CallRecord], message: Option<&str>) {
        for record in records {
            history::tell(&self.shared.bus, record, message, Some(&self.facts.id));
        }
    }
}

impl Transaction {
    /// Whoever was asked last has decided, if somebody has.
    fn last_plugin(&self) -> Option<String> {
        self.records.last().map(|record| record.plugin.to_string())
    }
}

fn stage_of(question: &Question) -> Stage {
    match question {
        Question::Connect => Stage::Connect,
        Question::Auth { .. } => Stage::Auth,
        Question::Mail { .. } => Stage::Mail,
        Question::Recipient { .. } => Stage::Rcpt,
        Question::Message { .. } => Stage::Data,
    }
}

/// Sender and recipient that a question is about, for logs.
fn whom(session: &Session, question: &Question) -> (Option<String>, Option<String>) {
    let text = |path: &ReversePath| path.mailbox().map(Mailbox::to_string);
    match question {
        Question::Mail { sender, .. } => (text(sender), None),
        Question::Recipient { recipient } => {
            let sender = session
                .envelope()
                .and_then(|envelope| text(&envelope.sender));
            (sender, Some(recipient.address.to_string()))
        }
        Question::Message { envelope, .. } => (text(&envelope.sender), None),
        Question::Connect | Question::Auth { .. } => (None, None),
    }
}
