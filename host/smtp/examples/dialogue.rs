//! What the protocol costs for one message of 10 KiB, in microseconds of this machine:
//! `cargo run --release -p baton-smtp --example dialogue`.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use baton_smtp::client::{self, Connection, Transaction};
use baton_smtp::data::{Decoder, stuff};
use baton_smtp::server::{Answer, Event, Question, Session, Settings};
use baton_smtp::{Domain, Mailbox, Recipient, ReversePath};
use bytes::Bytes;

const ROUNDS: u32 = 20_000;

fn main() {
    let line = format!("{}\r\n", "x".repeat(76));
    let message = Bytes::from(line.repeat(10 * 1024 / line.len()));
    let wire = stuff(std::slice::from_ref(&message))
        .expect("a clean message")
        .concat();

    measure("server: decode the message", || {
        let mut decoder = Decoder::new(Some(10_240), 1 << 20, 1 << 20, None);
        black_box(decoder.decode(&mut &wire[..]));
        black_box(decoder.finish().expect("a clean message"));
    });
    measure("client: stuff the message", || {
        black_box(stuff(std::slice::from_ref(&message)).expect("a clean message"));
    });

    let domain = Domain::parse("mx.test").expect("a domain");
    let settings = Arc::new(Settings::new(domain.clone()));
    let mut session = Session::new(settings);
    session.receive(b"EHLO x.test\r\n");
    serve(&mut session);
    let head = format!(
        "MAIL FROM:<a@b.test> SIZE={}\r\nRCPT TO:<c@d.test>\r\nDATA\r\n",
        message.len()
    );
    measure("server: one transaction", || {
        session.receive(head.as_bytes());
        serve(&mut session);
        for piece in wire.chunks(8192) {
            session.receive(piece);
            serve(&mut session);
        }
    });

    for chunking in ["", "250-CHUNKING\r\n"] {
        let mut connection = Connection::new(client::Settings::new(domain.clone()));
        let hello = format!("220 x\r\n250-x\r\n{chunking}250 PIPELINING\r\n");
        connection.receive(hello.as_bytes());
        while connection.next().is_some() {}
        let mailbox = |text| Mailbox::parse(text).expect("a mailbox");
        let (sender, recipient) = (mailbox("a@b.test"), mailbox("c@d.test"));
        let name = if chunking.is_empty() {
            "client: DATA"
        } else {
            "client: BDAT"
        };
        measure(name, || {
            let transaction = Transaction {
                sender: ReversePath::Mailbox(sender.clone()),
                parameters: Vec::new(),
                recipients: vec![Recipient::new(recipient.clone())],
                message: vec![message.clone()],
                needs_utf8: false,
            };
            connection.deliver(transaction).expect("an idle connection");
            while connection.next().is_some() {}
            let go_ahead = if chunking.is_empty() {
                "354 go\r\n"
            } else {
                ""
            };
            let replies = format!("250 ok\r\n250 ok\r\n{go_ahead}250 2.0.0 Queued as 1234567\r\n");
            connection.receive(replies.as_bytes());
            while let Some(event) = connection.next() {
                black_box(event);
            }
        });
    }
}

fn serve(session: &mut Session) {
    while let Some(event) = session.next() {
        match event {
            Event::Ask(Question::Message { body, .. }) => {
                black_box(body);
                session.answer(Answer::Proceed);
            }
            Event::Ask(_) => session.answer(Answer::Proceed),
            other => drop(black_box(other)),
        }
    }
}

fn measure(what: &str, mut round: impl FnMut()) {
    let begun = Instant::now();
    for _ in 0..ROUNDS {
        round();
    }
    let micros = begun.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS);
    println!("{micros:7.2} us  {what}");
}
