//! Runs a transcript against a client connection.

use std::collections::VecDeque;

use baton_smtp::auth::Credentials;
use baton_smtp::client::{Connection, Event, Settings, TlsDemand, Transaction};
use baton_smtp::{Domain, Mailbox, Parameter, Recipient, ReversePath};
use bytes::Bytes;

use super::script::{Cut, Script, Step, escape, octets, take_lines, unescape};

struct Run<'a> {
    script: &'a Script,
    connection: Connection,
    stream: Vec<u8>,
    did: VecDeque<String>,
}

/// Panics with file and line where the connection does anything else than the transcript says.
pub fn run(script: &Script, cut: &Cut) {
    let mut run = Run {
        script,
        connection: Connection::new(settings(script)),
        stream: Vec::new(),
        did: VecDeque::new(),
    };
    run.pump();
    let mut steps = script.steps.as_slice();
    while let Some(step) = steps.first() {
        if !step.mark.starts_with('S') {
            run.other(step);
            steps = &steps[1..];
            continue;
        }
        // Replies that follow each other may arrive together: nothing we say comes between.
        let together = if matches!(cut, Cut::Lines) {
            1
        } else {
            steps
                .iter()
                .take_while(|step| step.mark.starts_with('S'))
                .count()
        };
        let (replies, rest) = steps.split_at(together);
        let input: Vec<u8> = replies.iter().flat_map(octets).collect();
        for piece in cut.pieces(&input) {
            run.connection.receive(piece);
            run.pump();
        }
        steps = rest;
    }
    let name = script.path.display();
    assert!(
        run.stream.is_empty(),
        "{name}: an unfinished line: {}",
        escape(&run.stream)
    );
    assert!(run.did.is_empty(), "{name}: more was done: {:?}", run.did);
}

impl Run<'_> {
    fn other(&mut self, step: &Step) {
        let at = self.script.at(step);
        match step.mark.as_str() {
            "C" | "*" => {
                let expected = if step.mark == "C" {
                    step.text.clone()
                } else {
                    format!("* {}", step.text)
                };
                assert_eq!(self.did.pop_front(), Some(expected), "{at}");
            }
            ">" => {
                match step.text.split_once(' ').unwrap_or((&step.text, "")) {
                    ("deliver", rest) => {
                        self.connection
                            .deliver(transaction(rest))
                            .expect("an idle connection");
                    }
                    ("quit", _) => self.connection.quit(),
                    ("eof", _) => self.connection.end_of_stream(),
                    ("timeout", _) => self.connection.timed_out(),
                    ("tls", _) => self.connection.tls_established(),
                    ("tls-failed", _) => self.connection.tls_failed(),
                    ("phase", name) => {
                        assert_eq!(format!("{:?}", self.connection.phase()), name, "{at}");
                    }
                    _ => panic!("unknown action: {at}"),
                }
                self.pump();
            }
            "set" => {}
            _ => panic!("unknown mark: {at}"),
        }
    }

    fn pump(&mut self) {
        while let Some(event) = self.connection.next() {
            match event {
                Event::Send(bytes) => {
                    self.stream.extend_from_slice(&bytes);
                    self.did.extend(take_lines(&mut self.stream));
                }
                Event::StartTls => self.did.push_back("* starttls".to_owned()),
                Event::Ready(_) => self.did.push_back("* ready".to_owned()),
                Event::Report(delivery) => {
                    for (index, outcome) in delivery.outcomes.iter().enumerate() {
                        let (stage, response) = (outcome.stage, &outcome.response);
                        self.did
                            .push_back(format!("* outcome {index} {stage} {response}"));
                    }
                    let reusable = if delivery.reusable {
                        "reusable"
                    } else {
                        "not reusable"
                    };
                    self.did.push_back(format!("* report {reusable}"));
                }
                Event::Failed(failure) => {
                    self.did
                        .push_back(format!("* failed {} {}", failure.stage, failure.response));
                }
                Event::Closed => self.did.push_back("* closed".to_owned()),
            }
        }
    }
}

/// `<sender> [RET=.. ENVID=..] <recipient> [NOTIFY=.. ORCPT=..] ... [utf8] = message`, where the
/// message is cut into slices at `|`.
fn transaction(text: &str) -> Transaction {
    let (envelope, message) = text.split_once(" = ").expect("a message");
    let mut words = envelope.split(' ');
    let sender: ReversePath = words
        .next()
        .and_then(|word| word.parse().ok())
        .expect("a sender");
    let mut transaction = Transaction {
        sender,
        parameters: Vec::new(),
        recipients: Vec::new(),
        message: message
            .split('|')
            .map(|slice| Bytes::from(unescape(slice)))
            .collect(),
        needs_utf8: false,
    };
    for word in words {
        if word == "utf8" {
            transaction.needs_utf8 = true;
        } else if let Some(address) = word.strip_prefix('<').and_then(|w| w.strip_suffix('>')) {
            let address = Mailbox::parse(address).expect("a recipient");
            transaction.recipients.push(Recipient::new(address));
        } else {
            let (keyword, value) = word.split_once('=').expect("a parameter");
            let parameter = Parameter::new(keyword, Some(value)).expect("a parameter");
            match transaction.recipients.last_mut() {
                None => transaction.parameters.push(parameter),
                Some(recipient) => recipient.parameters.push(parameter),
            }
        }
    }
    transaction
}

fn settings(script: &Script) -> Settings {
    let mut settings = Settings::new(Domain::parse("relay.test").expect("a domain"));
    for step in script.steps.iter().filter(|step| step.mark == "set") {
        let (name, value) = step.text.split_once(' ').unwrap_or((&step.text, ""));
        match (name, value) {
            ("tls", "never") => settings.tls = TlsDemand::Never,
            ("tls", "encrypt") => settings.tls = TlsDemand::Encrypt,
            ("tls", "verify") => settings.tls = TlsDemand::Verify,
            ("already-tls", _) => settings.already_tls = true,
            ("no-pipelining", _) => settings.allow_pipelining = false,
            ("no-chunking", _) => settings.allow_chunking = false,
            ("credentials-in-clear", _) => settings.credentials_in_clear = true,
            ("credentials", both) => {
                let (identity, secret) = both.split_once(' ').expect("identity and secret");
                let (identity, secret) = (identity.to_owned(), secret.to_owned());
                settings.credentials = Some(Credentials { identity, secret });
            }
            _ => panic!("unknown setting: {}", script.at(step)),
        }
    }
    settings
}
