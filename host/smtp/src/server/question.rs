//! What a session asks, and what it can be told.

use bytes::Bytes;

use crate::address::{Mailbox, ReversePath};
use crate::auth::{Credentials, Mechanism};
use crate::envelope::{Envelope, Parameter, Recipient};
use crate::reply::Reply;

/// What the session wants done next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// Write these bytes to the peer.
    Send(Bytes),
    /// Decide, and call [`Session::answer`](super::Session::answer). Nothing further is read from
    /// the input until then.
    Ask(Question),
    /// Do the server's side of a TLS handshake on the socket, after all that was sent, and call
    /// [`Session::tls_established`](super::Session::tls_established). Where it fails, just close.
    StartTls,
    /// Write what was sent, then close the connection. Nothing comes after this.
    Close,
}

/// One thing to be decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// May this peer talk at all? Asked before the greeting, and after the handshake where TLS is
    /// implicit.
    Connect,
    /// Are these credentials good?
    Auth {
        /// How they were presented.
        mechanism: Mechanism,
        /// Who, and the secret.
        credentials: Credentials,
    },
    /// May this sender send? While this is asked, [`Session::envelope`](super::Session::envelope)
    /// holds the sender and its parameters already.
    Mail {
        /// The reverse-path.
        sender: ReversePath,
        /// Checked against what was offered.
        parameters: Vec<Parameter>,
    },
    /// May this recipient be taken?
    Recipient {
        /// The forward-path with its parameters. A bare postmaster has the session's host name.
        recipient: Recipient,
    },
    /// Take this message. Proceed only once it is safe on disk: the peer forgets it then.
    Message {
        /// All of it, handed over: the session has no envelope from here on.
        envelope: Envelope,
        /// The message with dot-stuffing undone, every line ended by CRLF but perhaps the last one
        /// of a BDAT message; no bare CR, bare LF or NUL.
        body: Bytes,
    },
}

/// The decision. A reply that contradicts it (a refusal that says 250) is replaced by 451 4.3.0.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Yes, with the session's own words. For `Auth` this is no account, and so a refusal.
    Proceed,
    /// Yes, with these words (2xx).
    ProceedWith(Reply),
    /// No (4xx or 5xx). A refused `Connect` is greeted with 554 (or the 5xx given) and may then only
    /// quit; a 4xx there closes, as 421 does.
    Refuse(Reply),
    /// No (4xx or 5xx), and the connection is closed.
    Close(Reply),
    /// `Auth` alone: yes, as this account.
    Account(String),
    /// `Recipient` alone: yes, and these take its place in the envelope (none at all is possible:
    /// the recipient is accepted and gets nothing). Each takes the parameters given here.
    Instead(Vec<Recipient>),
}

impl Answer {
    /// [`Answer::Instead`] with the parameters of the recipient that was asked about.
    pub fn instead(asked: &Recipient, mailboxes: impl IntoIterator<Item = Mailbox>) -> Answer {
        let recipient = |address| Recipient {
            address,
            parameters: asked.parameters.clone(),
        };
        Answer::Instead(mailboxes.into_iter().map(recipient).collect())
    }
}
