//! The relay's own return paths: addresses by which a bounce or a complaint finds the message and the recipient it is
//! about, whatever the remote host makes of the rest (VERP).
//!
//! Such an address carries a signed [`Token`]. Mail to one is taken from anybody, and mail to anything else at the same
//! domain from nobody, so this never is a relay: what arrives ends in a report, and goes on to nobody but the sender of
//! the message that it names. What is here gives and recognises addresses; sending with them is the queue's, and what
//! comes of a report is in `inbound`.

mod base32;
pub mod keys;
mod token;

use std::sync::{Arc, RwLock};
use std::time::Duration;

use baton_message::Message;
use baton_smtp::{Domain, Mailbox};
use memchr::memmem;

pub use keys::{KeyError, Keys};
pub use token::{Rejected, Token, Wishes};

use crate::clock::Timestamp;
use crate::config;
use crate::limits;

/// The field that carries the token, for the sake of those who give the message back without addresses.
pub const FIELD: &str = "X-Return-Token";

/// Begins the local part of every return path.
const PREFIX: &str = "b-";

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct ReturnPath {
    shared: Arc<Shared>,
}

struct Shared {
    config: config::ReturnPath,
    domain: Domain,
    keys: RwLock<Keys>,
}

/// What an address of the relay's own is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Reports about the message that the token names.
    Token(Token),
    /// Complaints; the token is somewhere in the message.
    Feedback,
    /// People at the bounce domain (RFC 2142, RFC 5321 4.5.1): their mail goes to this address.
    People(Mailbox),
}

impl ReturnPath {
    /// Makes ready what the configuration says. `folder` keeps the keys where no file of them is named.
    pub fn open(
        config: &config::ReturnPath,
        folder: &std::path::Path,
        now: Timestamp,
    ) -> Result<ReturnPath, KeyError> {
        let keys = match &config.key_file {
            Some(file) => Keys::read(file)?,
            None => Keys::keep(folder, config.rotate_after, config.valid_for, now)?,
        };
        let domain = Domain::parse(&config.domain).map_err(|_| KeyError::Domain)?;
        Ok(ReturnPath {
            shared: Arc::new(Shared {
                config: config.clone(),
                domain,
                keys: RwLock::new(keys),
            }),
        })
    }

    /// Makes a new key where it is time, and forgets those that can have signed nothing that is still valid. Nothing
    /// happens to keys that the operator keeps.
    pub fn rotate(&self, folder: &std::path::Path, now: Timestamp) -> Result<(), KeyError> {
        let config = &self.shared.config;
        if config.key_file.is_some() {
            return Ok(());
        }
        let keys = Keys::keep(folder, config.rotate_after, config.valid_for, now)?;
        *self.shared.keys.write().unwrap_or_else(|e| e.into_inner()) = keys;
        Ok(())
    }

    /// Each recipient gets a transaction of its own, so that its return path names it.
    pub fn is_per_recipient(&self) -> bool {
        self.shared.config.per == config::Per::Recipient
    }

    /// How long an address is valid.
    pub fn valid_for(&self) -> Duration {
        self.shared.config.valid_for
    }

    /// The return path of a token.
    pub fn address(&self, token: &Token) -> Option<Mailbox> {
        Mailbox::new(&self.local(token), self.shared.domain.clone()).ok()
    }

    /// The field of a token, with its line end; none where the configuration wants none.
    pub fn field(&self, token: &Token) -> Option<String> {
        let wanted = self.shared.config.header;
        wanted.then(|| format!("{FIELD}: {}\r\n", self.local(token)))
    }

    fn local(&self, token: &Token) -> String {
        let keys = self.shared.keys.read().unwrap_or_else(|e| e.into_inner());
        format!("{PREFIX}{}", token.sign(keys.signing()))
    }

    /// Whether an address is one of ours. None: it is not, and other rules hold. An error: nobody is there, and why for
    /// the log.
    pub fn recognise(&self, address: &Mailbox, now: Timestamp) -> Option<Result<Place, Rejected>> {
        let config = &self.shared.config;
        let text = address.to_string().to_ascii_lowercase();
        if config.feedback.contains(&text) {
            return Some(Ok(Place::Feedback));
        }
        if *address.domain() != self.shared.domain {
            return None;
        }
        let local = address.local().to_ascii_lowercase();
        if let Some(signed) = local.strip_prefix(PREFIX) {
            return Some(self.verify(signed, now).map(Place::Token));
        }
        match &config.postmaster {
            Some(people) if matches!(local.as_str(), "postmaster" | "abuse") => {
                Some(Ok(Place::People(people.clone())))
            }
            _ => Some(Err(Rejected::Form)),
        }
    }

    /// Who reads what a machine could not.
    pub fn postmaster(&self) -> Option<&Mailbox> {
        self.shared.config.postmaster.as_ref()
    }

    /// The first valid token anywhere in a message: in the return path or the field of ours that it gives back, however it
    /// is encoded.
    pub fn find(&self, message: &Message, now: Timestamp) -> Option<Token> {
        let mut tries = limits::REPORT_TOKENS_TRIED_MAX;
        if let Some(found) = self.find_in(message.bytes(), now, &mut tries) {
            return Some(found);
        }
        (0..message.parts().len() as u32)
            .filter(|&part| message.part(part).is_ok_and(|part| !part.is_multipart()))
            .filter_map(|part| message.content(part).ok())
            .find_map(|content| self.find_in(&content, now, &mut tries))
    }

    fn find_in(&self, bytes: &[u8], now: Timestamp, tries: &mut usize) -> Option<Token> {
        let lower = bytes.to_ascii_lowercase();
        for at in memmem::find_iter(&lower, PREFIX) {
            let rest = &lower[at + PREFIX.len()..];
            let end = rest.iter().position(|byte| !base32::is_digit(*byte));
            let signed = &rest[..end.unwrap_or(rest.len())];
            if !Token::SIGNED_CHARACTERS.contains(&signed.len()) {
                continue;
            }
            *tries = tries.checked_sub(1)?;
            let text = std::str::from_utf8(signed).ok()?;
            if let Ok(token) = self.verify(text, now) {
                return Some(token);
            }
        }
        None
    }

    fn verify(&self, signed: &str, now: Timestamp) -> Result<Token, Rejected> {
        let keys = self.shared.keys.read().unwrap_or_else(|e| e.into_inner());
        let token = Token::verify(signed, keys.all())?;
        let age = now.since(Timestamp::from_millis(token.message.unix_ms()));
        if age > self.shared.config.valid_for {
            return Err(Rejected::Expired);
        }
        Ok(token)
    }
}

#[cfg(test)]
mod tests;
