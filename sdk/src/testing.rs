//! A stand-in for the relay, so that a plugin's tests run natively under `cargo test`.
//!
//! There is one for each thread, and so one for each test. [`Relay::new`] empties it; what follows sets it up and looks at what
//! the plugin did. It stands in for the relay's answers and not for its rules: limits, grants and the exact rendering of edits
//! are the relay's, and `baton plugin run` shows them.

use std::time::Duration;

use serde_json::Value;

use crate::bindings::baton::relay::{dns, log};
use crate::{Attempt, Envelope, Mailbox, Plugin, Recipient, Request, Response, Session};

pub(crate) mod fake;
mod mime;
mod state;
#[cfg(test)]
mod tests;

pub use state::Submission;
use state::{State, with};

/// The stand-in of this thread.
#[derive(Debug, Clone, Copy)]
pub struct Relay(());

impl Relay {
    /// Empties the stand-in: no message, no configuration, nothing in key-value, and a clock that stands at 2026-01-01.
    #[allow(clippy::new_without_default)]
    pub fn new() -> Self {
        with(|state| *state = State::default());
        Self(())
    }

    /// The message of the running hook, with CRLF line ends. Edits of an earlier message are forgotten.
    pub fn message(self, bytes: impl AsRef<[u8]>) -> Self {
        with(|state| state.message = Some(mime::Message::parse(bytes.as_ref())));
        self
    }

    /// The plugin's section of the configuration.
    pub fn config(self, section: Value) -> Self {
        with(|state| state.config = section);
        self
    }

    /// A granted secret.
    pub fn secret(self, name: &str, value: &str) -> Self {
        with(|state| state.secrets.insert(name.to_owned(), value.to_owned()));
        self
    }

    /// What `context::property` answers.
    pub fn property(self, name: &str, value: &str) -> Self {
        with(|state| state.properties.insert(name.to_owned(), value.to_owned()));
        self
    }

    /// What `context::authentication_results` answers: methods and results in the words of RFC 8601.
    pub fn authentication(self, results: &[(&str, &str)]) -> Self {
        let owned = |(method, result): &(&str, &str)| ((*method).to_owned(), (*result).to_owned());
        with(|state| state.authentication = results.iter().map(owned).collect());
        self
    }

    /// Sets the clock.
    pub fn now_ms(self, milliseconds: f64) -> Self {
        with(|state| state.now_ms = milliseconds);
        self
    }

    /// Moves the clock on.
    pub fn advance(&self, by: Duration) {
        with(|state| state.now_ms += by.as_secs_f64() * 1000.0);
    }

    /// Answers of the resolver to a question of that kind ("TXT", "A", "MX", "PTR" or a block list's zone) and name. A mail
    /// exchanger is written "10 mx.example". Names that are not set do not exist.
    pub fn dns(self, kind: &str, name: &str, answers: &[&str]) -> Self {
        let answers = answers.iter().map(|answer| (*answer).to_owned()).collect();
        with(|state| {
            state
                .dns
                .insert((kind.to_owned(), name.to_owned()), Ok(answers))
        });
        self
    }

    /// Lets a question fail.
    pub fn dns_error(self, kind: &str, name: &str, error: dns::Error) -> Self {
        with(|state| {
            state
                .dns
                .insert((kind.to_owned(), name.to_owned()), Err(error))
        });
        self
    }

    /// Answers outgoing requests; without it they are `not-granted`.
    pub fn http(self, answer: impl FnMut(&Request) -> Response + 'static) -> Self {
        with(|state| state.http = Some(Box::new(answer)));
        self
    }

    /// Decoded text of a part as it is now.
    ///
    /// # Panics
    /// Where there is no message, no such part, or the part is not text.
    pub fn text(&self, part: u32) -> String {
        fake::message::text(part).expect("a text part of that index")
    }

    /// Indices of the parts whose text was set.
    pub fn edited_parts(&self) -> Vec<u32> {
        with(|state| {
            state
                .message
                .as_ref()
                .map(mime::Message::edited)
                .unwrap_or_default()
        })
    }

    /// The first field of that name as it is now.
    pub fn header(&self, name: &str) -> Option<String> {
        fake::message::header(name)
    }

    /// Events emitted so far: kind and fields.
    pub fn events(&self) -> Vec<(String, Vec<(String, String)>)> {
        with(|state| state.events.clone())
    }

    /// Lines logged so far.
    pub fn log(&self) -> Vec<(log::Level, String)> {
        with(|state| state.log.clone())
    }

    /// Scores added so far: symbol, points and reason.
    pub fn scores(&self) -> Vec<(String, f64, String)> {
        with(|state| state.scores.clone())
    }

    /// A tag as it is now.
    pub fn tag(&self, key: &str) -> Option<String> {
        with(|state| state.tags.get(key).cloned())
    }

    /// Messages submitted so far.
    pub fn submitted(&self) -> Vec<Submission> {
        with(|state| state.submitted.clone())
    }
}

/// A session from 192.0.2.1 on the listener "smtp", without account and in clear.
pub fn session() -> Session {
    Session {
        id: "test-session".to_owned(),
        listener: "smtp".to_owned(),
        peer_ip: "192.0.2.1".to_owned(),
        peer_name: None,
        helo: Some("client.test".to_owned()),
        tls: None,
        account: None,
    }
}

/// An address.
///
/// # Panics
/// Where the text is none.
pub fn mailbox(text: &str) -> Mailbox {
    text.parse().expect("local@domain")
}

/// A recipient without parameters.
pub fn recipient(text: &str) -> Recipient {
    Recipient {
        address: mailbox(text),
        parameters: Vec::new(),
    }
}

/// An envelope without parameters; an empty sender is the null reverse-path.
pub fn envelope(sender: &str, recipients: &[&str]) -> Envelope {
    Envelope {
        sender: (!sender.is_empty()).then(|| mailbox(sender)),
        parameters: Vec::new(),
        recipients: recipients.iter().map(|text| recipient(text)).collect(),
    }
}

/// The first attempt for that recipient, one second after the message came.
pub fn attempt(sender: &str, to: &str) -> Attempt {
    let recipient = mailbox(to);
    Attempt {
        message: "test-message".to_owned(),
        sender: (!sender.is_empty()).then(|| mailbox(sender)),
        account: None,
        site: recipient.domain.clone(),
        recipient,
        host: None,
        egress: None,
        number: 1,
        age: 1.0,
    }
}

/// Holds a README to the keys of a plugin's configuration. Each of `sections` has the key `no-such-key` in one of its tables; the
/// keys that are known beside it have to stand in `readme`: in a table of keys, alone or with what they are part of, or in an
/// example.
///
/// # Panics
/// Where a key is missing, or a section is refused for another reason or not at all.
pub fn keys_are_described<P: Plugin>(readme: &str, sections: impl IntoIterator<Item = Value>) {
    for section in sections {
        let shown = section.to_string();
        let _relay = Relay::new().config(section);
        let error = P::new().err().expect("a mistake").to_string();
        let (_, known) = error
            .split_once("unknown field `no-such-key`, expected ")
            .unwrap_or_else(|| panic!("{shown}: {error}"));
        let known = known.split(", near").next().unwrap_or_default();
        for key in known.split('`').skip(1).step_by(2) {
            let ways = ["{}`", "`{}.", "{} = ", ".{}]"];
            let mut shapes = ways.iter().map(|way| way.replace("{}", key));
            assert!(
                shapes.any(|shape| readme.contains(&shape)),
                "`{key}` of {shown} is not described"
            );
        }
    }
}
