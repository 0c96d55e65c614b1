//! Runs a transcript against a server session.

use std::collections::VecDeque;
use std::sync::Arc;

use baton_smtp::envelope::{Envelope, Parameter};
use baton_smtp::server::{Answer, Auth, Event, Phase, Question, Session, Settings, Tls};
use baton_smtp::{Domain, Mailbox, Recipient};

use super::script::{Cut, Script, Step, escape, octets, reply, take_lines};

struct Run<'a> {
    script: &'a Script,
    session: Session,
    answers: VecDeque<String>,
    stream: Vec<u8>,
    /// What the peer saw: lines and events.
    said: VecDeque<String>,
    asked: VecDeque<String>,
}

/// Panics with file and line where the session does anything else than the transcript says.
pub fn run(script: &Script, cut: &Cut) {
    let settings = Arc::new(settings(script));
    let answers = script.steps.iter().filter(|step| step.mark == "!");
    let mut run = Run {
        script,
        session: Session::new(settings),
        answers: answers.map(|step| step.text.clone()).collect(),
        stream: Vec::new(),
        said: VecDeque::new(),
        asked: VecDeque::new(),
    };
    run.pump();
    if matches!(cut, Cut::Lines) {
        run.by_line();
    } else {
        run.by_segment(cut);
    }
    let name = script.path.display();
    assert!(
        run.stream.is_empty(),
        "{name}: an unfinished line: {}",
        escape(&run.stream)
    );
    assert!(run.said.is_empty(), "{name}: more was said: {:?}", run.said);
    assert!(
        run.asked.is_empty(),
        "{name}: more was asked: {:?}",
        run.asked
    );
    assert!(
        run.answers.is_empty(),
        "{name}: answers to no question: {:?}",
        run.answers
    );
}

impl Run<'_> {
    fn by_line(&mut self) {
        for step in &self.script.steps {
            match step.mark.as_str() {
                "C" | "C+" => {
                    self.session.receive(&octets(step));
                    self.pump();
                }
                _ => self.other(step),
            }
        }
    }

    fn by_segment(&mut self, cut: &Cut) {
        let mut steps = self.script.steps.as_slice();
        while !steps.is_empty() {
            let end = steps
                .iter()
                .position(|step| step.mark == ">")
                .unwrap_or(steps.len());
            let (segment, rest) = steps.split_at(end);
            let input: Vec<u8> = segment
                .iter()
                .filter(|step| step.mark.starts_with('C'))
                .flat_map(octets)
                .collect();
            for piece in cut.pieces(&input) {
                self.session.receive(piece);
                self.pump();
            }
            for step in segment.iter().filter(|step| !step.mark.starts_with('C')) {
                self.other(step);
            }
            if let Some((action, after)) = rest.split_first() {
                self.other(action);
                steps = after;
            } else {
                steps = rest;
            }
        }
    }

    fn other(&mut self, step: &Step) {
        match step.mark.as_str() {
            "S" | "*" => {
                let expected = if step.mark == "S" {
                    step.text.clone()
                } else {
                    format!("* {}", step.text)
                };
                let said = self.said.pop_front();
                assert_eq!(said, Some(expected), "{}", self.script.at(step));
            }
            "?" => {
                let asked = self.asked.pop_front();
                assert_eq!(asked.as_ref(), Some(&step.text), "{}", self.script.at(step));
            }
            ">" => {
                match step.text.split_once(' ').unwrap_or((&step.text, "")) {
                    ("tls", description) => self.session.tls_established(description),
                    ("timeout", _) => self.session.timed_out(),
                    ("shutdown", _) => self.session.shutting_down(),
                    ("protocol", name) => {
                        assert_eq!(self.session.protocol(), name, "{}", self.script.at(step));
                    }
                    ("phase", name) => {
                        let phase = format!("{:?}", self.session.phase());
                        assert_eq!(phase, name, "{}", self.script.at(step));
                    }
                    _ => panic!("unknown action: {}", self.script.at(step)),
                }
                self.pump();
            }
            "!" | "set" => {}
            _ => panic!("unknown mark: {}", self.script.at(step)),
        }
    }

    fn pump(&mut self) {
        while let Some(event) = self.session.next() {
            match event {
                Event::Send(bytes) => {
                    self.stream.extend_from_slice(&bytes);
                    self.said.extend(take_lines(&mut self.stream));
                }
                Event::Ask(question) => {
                    self.asked.push_back(describe(&question));
                    let answer = self
                        .answers
                        .pop_front()
                        .unwrap_or_else(|| "proceed".to_owned());
                    if answer == "never" {
                        continue;
                    }
                    self.session.answer(parse_answer(&answer, &question));
                }
                Event::StartTls => self.said.push_back("* starttls".to_owned()),
                Event::Close => {
                    self.said.push_back("* close".to_owned());
                    assert_eq!(self.session.phase(), Phase::Closed);
                }
            }
        }
    }
}

fn parse_answer(text: &str, question: &Question) -> Answer {
    let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
    match word {
        "proceed" if rest.is_empty() => Answer::Proceed,
        "proceed" => Answer::ProceedWith(reply(rest)),
        "refuse" => Answer::Refuse(reply(rest)),
        "close" => Answer::Close(reply(rest)),
        "account" => Answer::Account(rest.to_owned()),
        "instead" => {
            let Question::Recipient { recipient } = question else {
                panic!("no recipient")
            };
            let mailboxes = rest.split(' ').filter(|word| !word.is_empty());
            Answer::instead(
                recipient,
                mailboxes.map(|word| Mailbox::parse(word).expect("mailbox")),
            )
        }
        _ => panic!("unknown answer {text}"),
    }
}

fn describe(question: &Question) -> String {
    match question {
        Question::Connect => "connect".to_owned(),
        Question::Auth {
            mechanism,
            credentials,
        } => {
            format!(
                "auth {} {} {}",
                mechanism.as_str(),
                credentials.identity,
                credentials.secret
            )
        }
        Question::Mail { sender, parameters } => format!("mail {sender}{}", list(parameters)),
        Question::Recipient { recipient } => format!("rcpt {}", describe_recipient(recipient)),
        Question::Message { envelope, body } => {
            format!("message {} {}", describe_envelope(envelope), escape(body))
        }
    }
}

fn describe_envelope(envelope: &Envelope) -> String {
    let recipients: Vec<String> = envelope.recipients.iter().map(describe_recipient).collect();
    format!(
        "{}{} [{}]",
        envelope.sender,
        list(&envelope.parameters),
        recipients.join(", ")
    )
}

fn describe_recipient(recipient: &Recipient) -> String {
    format!("<{}>{}", recipient.address, list(&recipient.parameters))
}

fn list(parameters: &[Parameter]) -> String {
    parameters
        .iter()
        .map(|parameter| format!(" {parameter}"))
        .collect()
}

fn settings(script: &Script) -> Settings {
    let mut settings = Settings::new(Domain::parse("mx.test").expect("a domain"));
    for step in script.steps.iter().filter(|step| step.mark == "set") {
        let (name, value) = step.text.split_once(' ').unwrap_or((&step.text, ""));
        let number = || {
            value
                .parse::<usize>()
                .unwrap_or_else(|_| panic!("{}", script.at(step)))
        };
        let limits = &mut settings.limits;
        match name {
            "greeting" => settings.greeting = value.to_owned(),
            "tls" => {
                settings.tls = match value {
                    "offered" => Tls::Offered,
                    "required" => Tls::Required,
                    "implicit" => Tls::Implicit,
                    _ => panic!("{}", script.at(step)),
                }
            }
            "auth" => {
                settings.auth = match value {
                    "offered" => Auth::Offered,
                    "required" => Auth::Required,
                    _ => panic!("{}", script.at(step)),
                }
            }
            "auth-in-clear" => settings.auth_in_clear = true,
            "no-chunking" => settings.extensions.chunking = false,
            "no-dsn" => settings.extensions.dsn = false,
            "no-smtputf8" => settings.extensions.smtputf8 = false,
            "no-8bitmime" => settings.extensions.eight_bit_mime = false,
            "message-bytes-max" => limits.message_bytes_max = number() as u64,
            "swallowed-bytes-max" => limits.swallowed_bytes_max = number() as u64,
            "command-line-bytes-max" => limits.command_line_bytes_max = number(),
            "text-line-bytes-max" => limits.text_line_bytes_max = Some(number()),
            "recipients-max" => limits.recipients_max = number(),
            "transactions-max" => limits.transactions_max = Some(number()),
            "errors-max" => limits.errors_max = number(),
            "refusals-max" => limits.refusals_max = number(),
            "idle-commands-max" => limits.idle_commands_max = number(),
            "auth-failures-max" => limits.auth_failures_max = number(),
            "chunks-max" => limits.chunks_max = number(),
            _ => panic!("unknown setting: {}", script.at(step)),
        }
    }
    settings
}
