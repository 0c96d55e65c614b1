//! Clicks, openings and one-click unsubscribe.
//!
//! [`html`] finds tags by position, [`link`] reads what an attribute leads to, [`rewrite`] splices tracked links in, [`token`] signs
//! them, [`pages`] answers when they come back. This file holds the hooks: which parts of which message, and for whom.

use baton_sdk::prelude::*;

mod html;
mod key;
mod link;
mod marker;
mod name;
mod pages;
mod parts;
mod rewrite;
mod settings;
mod splice;
mod template;
mod token;
mod tracker;
mod visitor;

#[cfg(test)]
mod tests;

use settings::Settings;
use token::Subject;
use tracker::{Tracker, Wishes};

/// Links of one message; what comes after stays as it is.
const LINKS_MAX: u16 = 5000;
/// Longer texts stay as they are: no mail program shows them whole, and the work on a message is bounded.
const TEXT_BYTES_MAX: u32 = 4 * 1024 * 1024;
/// What the copies of one message may come to. Where they would be more, all recipients share one: a letter to a thousand
/// people is written a thousand times, a film to a thousand is not.
const COPIES_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// Under this key `on_data` tells `on_copy` that recipients get copies of their own, and what to track.
const TAG: &str = "link-tracking";

baton_sdk::golden!("golden");

/// The plugin.
pub struct LinkTracking {
    settings: Settings,
}

#[baton_sdk::plugin]
impl Plugin for LinkTracking {
    fn new() -> Result<Self> {
        let settings: Settings = config::read()?;
        match settings.check() {
            Ok(settings) => Ok(Self { settings }),
            Err(text) => bail!("configuration: {text}"),
        }
    }

    fn on_data(&mut self, session: &Session, envelope: &Envelope) -> Result<Decision> {
        let wishes = self.wishes();
        let recipients = envelope.recipients.as_slice();
        if recipients.len() > 1 && self.makes_copies(wishes, recipients.len()) {
            // Links, markers and headers are each copy's own.
            context::set_tag(TAG, wishes.word());
            return Ok(Decision::Next);
        }
        let recipient = match recipients {
            [only] => only.address.to_string(),
            _ => String::new(),
        };
        self.track(wishes, recipient, session.account.clone())
    }

    fn on_copy(&mut self, _: &Envelope, recipient: &Recipient) -> Result<Decision> {
        let Some(word) = context::tag(TAG) else {
            return Ok(Decision::Next);
        };
        let account = context::property("account");
        self.track(
            Wishes::from_word(&word),
            recipient.address.to_string(),
            account,
        )
    }

    fn on_request(&mut self, request: &Request) -> Result<Response> {
        pages::answer(&self.settings, request)
    }
}

impl LinkTracking {
    /// What the configuration offers and the message's own header leaves of it. The header is for the relay alone.
    fn wishes(&self) -> Wishes {
        let offered = Wishes {
            clicks: self.settings.clicks,
            opens: self.settings.opens,
        };
        let name = &self.settings.opt_out_header;
        let Some(value) = message::header(name) else {
            return offered;
        };
        if let Err(error) = message::remove_header(name) {
            log::warn(format!("{name} stays in the message: {error}"));
        }
        offered.limited_to(&value)
    }

    /// Whether recipients of one message get copies that differ.
    fn makes_copies(&self, wishes: Wishes, recipients: usize) -> bool {
        let differ = wishes != Wishes::NOTHING || self.settings.list_unsubscribe;
        if !self.settings.per_recipient || !differ {
            return false;
        }
        let bytes = u64::from(message::size()) * recipients as u64;
        if bytes > COPIES_BYTES_MAX {
            log::warn(format!(
                "{recipients} recipients share one copy: theirs would come to {bytes} bytes"
            ));
            return false;
        }
        true
    }

    fn track(
        &self,
        wishes: Wishes,
        recipient: String,
        account: Option<String>,
    ) -> Result<Decision> {
        let subject = Subject {
            message: message::id(),
            recipient,
            account: account.unwrap_or_default(),
            sent: u32::try_from(clock::now_seconds()).unwrap_or(u32::MAX),
        };
        let mut tracker = Tracker::new(&self.settings, wishes, subject)?;
        tracker.rewrite()?;
        tracker.offer_unsubscribe()?;
        Ok(Decision::Next)
    }
}
