//! A row of the relay's list, and the words for who runs into it.

use baton_sdk::prelude::*;
use serde::Deserialize;

/// Characters of a reason that a client reads.
const SHOWN_CHARACTERS: usize = 160;

/// What the relay says of an address of this account.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub struct Listed {
    /// "bounce", "soft-bounce", "complaint", "unsubscribe", "manual", or what somebody else calls it.
    pub cause: String,
    /// For people.
    pub reason: String,
    /// RFC 3339.
    pub created: String,
}

impl Listed {
    /// The row that stands against mail of the account under way to that address.
    pub fn look_up(address: &Mailbox) -> Option<Listed> {
        let json = context::property(&format!("suppressed:{address}"))?;
        baton_sdk::serde_json::from_str(&json).ok()
    }

    /// What the client is told: whose doing it is, since when, and what was said.
    pub fn refusal(&self, address: &Mailbox) -> Decision {
        let since = self.created.get(..10).unwrap_or(&self.created);
        let (status, what) = match self.cause.as_str() {
            "bounce" => ("5.1.1", "it does not exist or takes no mail"),
            "soft-bounce" => ("5.2.1", "its mail came back again and again"),
            "complaint" => ("5.7.1", "its owner complained of mail from this account"),
            "unsubscribe" => ("5.7.1", "its owner wants no more mail from this account"),
            _ => ("5.7.1", "somebody put it there"),
        };
        let text = format!("{address} is on the suppression list since {since}: {what}");
        let reason = line(&self.reason);
        Decision::reject(status, shown(&format!("{text} ({reason})")))
    }
}

/// Text on one line of printable ASCII: replies are made of that, and remote hosts write what they like.
pub fn line(text: &str) -> String {
    let clean = text.chars().map(|c| match c {
        ' '..='~' => c,
        c if c.is_whitespace() || c.is_control() => ' ',
        _ => '?',
    });
    let clean: String = clean.collect();
    let words: Vec<&str> = clean.split_ascii_whitespace().collect();
    words.join(" ").chars().take(SHOWN_CHARACTERS).collect()
}

/// Within what a reply may hold.
fn shown(text: &str) -> String {
    text.chars().take(380).collect()
}
