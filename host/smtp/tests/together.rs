//! Our client and our server understand each other, whatever is offered and however it is cut.

use std::sync::Arc;

use baton_smtp::auth::Credentials;
use baton_smtp::client::{self, Connection, Delivery, Stage, TlsDemand, Transaction};
use baton_smtp::server::{self, Answer, Question, Session};
use baton_smtp::{Domain, Envelope, Mailbox, Parameter, Recipient, Reply, ReversePath};
use bytes::Bytes;
use proptest::prelude::*;

/// Both ends, the wire between them, and what happened.
struct Pair {
    client: Connection,
    server: Session,
    piece_bytes: usize,
    transactions: Vec<Transaction>,
    reports: Vec<Delivery>,
    messages: Vec<(Envelope, Bytes)>,
    protocol: &'static str,
}

fn domain(text: &str) -> Domain {
    Domain::parse(text).expect("a domain")
}

fn mailbox(text: &str) -> Mailbox {
    Mailbox::parse(text).expect("a mailbox")
}

impl Pair {
    fn run(&mut self) {
        let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
        self.server_step(&mut to_client);
        while self.client.phase() != client::Phase::Closed {
            assert!(
                !to_server.is_empty() || !to_client.is_empty(),
                "both wait for the other"
            );
            for piece in std::mem::take(&mut to_client).chunks(self.piece_bytes) {
                self.client.receive(piece);
                self.client_step(&mut to_server);
            }
            for piece in std::mem::take(&mut to_server).chunks(self.piece_bytes) {
                self.server.receive(piece);
                self.server_step(&mut to_client);
            }
        }
    }

    fn client_step(&mut self, wire: &mut Vec<u8>) {
        while let Some(event) = self.client.next() {
            match event {
                client::Event::Send(bytes) => wire.extend_from_slice(&bytes),
                client::Event::StartTls => {
                    self.server.tls_established("TLSv1.3");
                    self.client.tls_established();
                }
                client::Event::Ready(_) => self.next_transaction(),
                client::Event::Report(delivery) => {
                    self.reports.push(delivery);
                    self.next_transaction();
                }
                client::Event::Failed(failure) => panic!("{failure:?}"),
                client::Event::Closed => {}
            }
        }
    }

    fn next_transaction(&mut self) {
        match self.transactions.pop() {
            Some(transaction) => self
                .client
                .deliver(transaction)
                .expect("an idle connection"),
            None => self.client.quit(),
        }
    }

    fn server_step(&mut self, wire: &mut Vec<u8>) {
        while let Some(event) = self.server.next() {
            match event {
                server::Event::Send(bytes) => wire.extend_from_slice(&bytes),
                server::Event::Ask(question) => {
                    let answer = self.decide(question);
                    self.server.answer(answer);
                }
                server::Event::StartTls | server::Event::Close => {}
            }
        }
    }

    fn decide(&mut self, question: Question) -> Answer {
        match question {
            Question::Auth { credentials, .. } => Answer::Account(credentials.identity),
            Question::Recipient { recipient } if recipient.address.local() == "nobody" => {
                Answer::Refuse(Reply::new(550, None, "nobody"))
            }
            Question::Message { envelope, body } => {
                self.protocol = self.server.protocol();
                self.messages.push((envelope, body));
                Answer::Proceed
            }
            _ => Answer::Proceed,
        }
    }
}

fn pair(
    server: server::Settings,
    client: client::Settings,
    transactions: Vec<Transaction>,
    piece_bytes: usize,
) -> Pair {
    Pair {
        client: Connection::new(client),
        server: Session::new(Arc::new(server)),
        piece_bytes,
        transactions,
        reports: Vec::new(),
        messages: Vec::new(),
        protocol: "",
    }
}

#[test]
fn a_secured_and_authenticated_message_arrives() {
    let mut server = server::Settings::new(domain("mx.test"));
    server.tls = server::Tls::Required;
    server.auth = server::Auth::Required;
    let mut client = client::Settings::new(domain("relay.test"));
    client.tls = TlsDemand::Verify;
    client.credentials = Some(Credentials {
        identity: "joe".to_owned(),
        secret: "secret".to_owned(),
    });
    let ret = Parameter::new("RET", Some("HDRS")).expect("a parameter");
    let notify = Parameter::new("NOTIFY", Some("NEVER")).expect("a parameter");
    let transaction = Transaction {
        sender: ReversePath::Mailbox(mailbox("josé@b.test")),
        parameters: vec![ret.clone()],
        recipients: vec![Recipient {
            address: mailbox("\"a b\"@[IPv6:::1]"),
            parameters: vec![notify.clone()],
        }],
        message: vec![Bytes::from_static("Subject: é\r\n\r\n.\r\n".as_bytes())],
        needs_utf8: true,
    };
    let mut pair = pair(server, client, vec![transaction.clone()], 7);
    pair.run();
    assert_eq!(pair.protocol, "UTF8SMTPSA");
    assert_eq!(pair.reports.len(), 1);
    assert!(pair.reports[0].outcomes[0].is_delivered());
    let (envelope, body) = pair.messages.pop().expect("a message");
    assert_eq!(body, transaction.message[0]);
    assert_eq!(envelope.sender, transaction.sender);
    assert_eq!(envelope.recipients, transaction.recipients);
    assert!(envelope.parameters.contains(&ret) && envelope.smtputf8());
    assert_eq!(envelope.size(), Some(body.len() as u64));
}

fn message() -> impl Strategy<Value = Vec<u8>> {
    let line = prop::sample::select(vec!["", ".", "..", "Subject: x", ".a", "QUIT", "é"]);
    (prop::collection::vec(line, 0..30), any::<bool>()).prop_map(|(lines, ended)| {
        let text = lines.join("\r\n");
        if ended {
            format!("{text}\r\n").into_bytes()
        } else {
            text.into_bytes()
        }
    })
}

fn slices(message: &[u8], slice_bytes: usize) -> Vec<Bytes> {
    message
        .chunks(slice_bytes)
        .map(Bytes::copy_from_slice)
        .collect()
}

proptest! {
    #[test]
    fn every_message_arrives_as_it_was_sent(
        messages in prop::collection::vec(message(), 1..4),
        recipients in prop::collection::vec(prop::sample::select(vec!["ann", "nobody"]), 1..4),
        (chunking, pipelining, dsn) in any::<(bool, bool, bool)>(),
        slice_bytes in 1_usize..40,
        piece_bytes in 1_usize..200,
    ) {
        let mut server = server::Settings::new(domain("mx.test"));
        server.extensions.chunking = chunking;
        server.extensions.pipelining = pipelining;
        server.extensions.dsn = dsn;
        let transactions: Vec<Transaction> = messages.iter().map(|message| Transaction {
            sender: ReversePath::Null,
            parameters: Vec::new(),
            recipients: recipients
                .iter()
                .map(|local| Recipient::new(mailbox(&format!("{local}@b.test"))))
                .collect(),
            message: slices(message, slice_bytes),
            needs_utf8: false,
        }).collect();
        let client = client::Settings::new(domain("relay.test"));
        let mut pair = pair(server, client, transactions, piece_bytes);
        pair.run();

        prop_assert_eq!(pair.reports.len(), messages.len());
        let taken = recipients.iter().filter(|local| **local == "ann").count();
        for report in &pair.reports {
            for (local, outcome) in recipients.iter().zip(&report.outcomes) {
                prop_assert_eq!(outcome.is_delivered(), *local == "ann");
                prop_assert!(outcome.is_delivered() || outcome.stage == Stage::RcptTo);
            }
        }
        if taken == 0 {
            prop_assert!(pair.messages.is_empty());
            return Ok(());
        }
        prop_assert_eq!(pair.messages.len(), messages.len());
        for ((envelope, body), message) in pair.messages.iter().rev().zip(&messages) {
            prop_assert_eq!(envelope.recipients.len(), taken);
            let ended = message.is_empty() || message.ends_with(b"\r\n") || chunking;
            let expected = if ended { message.clone() } else { [message, &b"\r\n"[..]].concat() };
            prop_assert_eq!(&body[..], &expected[..]);
        }
    }
}
