//! Clicks, openings and one-click unsubscribe.
//!
//! [`html`] finds tags by position, [`link`] reads what an attribute leads to, [`rewrite`] splices tracked links in, [`token`] signs
//! them, [`pages`] answers when they come back. This file holds the hooks: which parts of which message, and for whom.

use baton_sdk::prelude::*;

mod html;
mod key;
mod link;
mod pages;
mod rewrite;
mod settings;
mod splice;
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
/// Under this key `on_data` tells `on_copy` that recipients get copies of their own, and what to track.
const TAG: &str = "link-tracking";

struct LinkTracking {
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
        let wishes = self.wishes()?;
        let recipients = envelope.recipients.as_slice();
        if self.settings.per_recipient && recipients.len() > 1 {
            // Markers go from every copy, links are each copy's own.
            Tracker::new(&self.settings, Wishes::NOTHING, Subject::default())?.rewrite()?;
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
        if !self.settings.per_recipient {
            return Ok(Decision::Next);
        }
        match context::tag(TAG) {
            Some(word) => {
                let account = context::property("account");
                self.track(
                    Wishes::from_word(&word),
                    recipient.address.to_string(),
                    account,
                )
            }
            None => Ok(Decision::Next),
        }
    }

    fn on_request(&mut self, request: &Request) -> Result<Response> {
        pages::answer(&self.settings, request)
    }
}

impl LinkTracking {
    /// What the configuration offers and the message's own header leaves of it. The header is for the relay alone.
    fn wishes(&self) -> Result<Wishes> {
        let offered = Wishes {
            clicks: self.settings.clicks,
            opens: self.settings.opens,
        };
        let name = &self.settings.opt_out_header;
        let Some(value) = message::header(name) else {
            return Ok(offered);
        };
        message::remove_header(name)?;
        Ok(offered.limited_to(&value))
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
