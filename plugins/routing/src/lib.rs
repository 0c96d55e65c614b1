//! Where mail goes: tables of recipient domains and conditions, each with a next hop, port, egress pool, queue, priority and
//! TLS demand; and which mailboxes a recipient stands for.
//!
//! This file holds the hooks. [`settings`] is what the operator wrote, [`live`] what was written into key-value since, [`entry`]
//! one route, [`condition`] the mail it is for, [`pool`] which pool takes a message, [`alias`] addresses that stand for others,
//! [`pattern`] what a domain's pattern covers.

use baton_sdk::prelude::*;

baton_sdk::golden!("golden");

mod alias;
mod condition;
mod day;
mod entry;
mod live;
mod pattern;
mod pool;
mod settings;

#[cfg(test)]
mod tests;

use alias::Resolved;
use condition::Mail;
use entry::Entry;
use settings::Settings;

struct Routing {
    settings: Settings,
}

#[baton_sdk::plugin]
impl Plugin for Routing {
    fn new() -> Result<Self> {
        Ok(Self {
            settings: Settings::read()?,
        })
    }

    fn on_load(&mut self) -> Result<Option<Vec<Hook>>> {
        let settings = &self.settings;
        let routes_live = kv::any("routes")?;
        Ok(Some(Hook::needed([
            (Hook::OnRcpt, settings.rewrites() || kv::any("alias/")?),
            (Hook::OnData, settings.asks_headers() || routes_live),
            (
                Hook::OnRoute,
                settings.routes_any() || routes_live || kv::any("domain/")?,
            ),
        ])))
    }

    fn on_rcpt(
        &mut self,
        session: &Session,
        _: &Envelope,
        recipient: &Recipient,
    ) -> Result<RecipientDecision> {
        let account = session.account.as_deref();
        let address = &recipient.address;
        match alias::resolve(&self.settings, account, address)? {
            Resolved::Itself => Ok(Decision::Next.into()),
            Resolved::To(targets) => {
                let to: Vec<String> = targets.iter().map(ToString::to_string).collect();
                let from = address.to_string();
                events::emit("rewritten", [("recipient", from), ("to", to.join(" "))]);
                Ok(targets.into())
            }
            Resolved::Nobody => {
                events::emit("unknown-recipient", [("recipient", address.to_string())]);
                let text = format!("There is no mailbox {} here", plain(&address.to_string()));
                Ok(Decision::reject("5.1.1", text).into())
            }
        }
    }

    fn on_data(&mut self, session: &Session, _: &Envelope) -> Result<Decision> {
        // A delivery sees no message: what routes ask about fields travels with it as tags.
        for name in self.settings.header_names(session.account.as_deref())? {
            if let Some(value) = message::header(&name) {
                context::set_tag(&condition::header_tag(&name), condition::kept(&value));
            }
        }
        Ok(Decision::Next)
    }

    fn on_route(&mut self, attempt: &Attempt) -> Result<Option<Route>> {
        let mail = Mail::new(attempt);
        let found = self.find(&mail)?;
        let route = match &found {
            Some(entry) => entry.route(attempt, &self.settings)?,
            None => Route::new(),
        };
        let route = self.settings.separated(route, attempt.account.as_deref());
        Ok((route != Route::new() || found.is_some()).then_some(route))
    }
}

impl Routing {
    /// The account's own tables before those for all, and what was written into key-value before the configuration.
    fn find(&self, mail: &Mail<'_>) -> Result<Option<Entry>> {
        if let Some(account) = mail.attempt.account.as_deref() {
            let live = live::routes(Some(account))?;
            if let Some(found) = condition::first(live, mail)? {
                return Ok(Some(found));
            }
            if let Some(tenant) = self.settings.tenants.get(account)
                && let Some(found) = condition::first_of(&tenant.routes, mail)?
            {
                return Ok(Some(found.clone()));
            }
        }
        if let Some(found) = live::domain(&mail.attempt.recipient.domain)? {
            return Ok(Some(found));
        }
        if let Some(found) = condition::first(live::routes(None)?, mail)? {
            return Ok(Some(found));
        }
        Ok(condition::first_of(&self.settings.routes, mail)?.cloned())
    }
}

/// What a reply may carry.
fn plain(text: &str) -> String {
    const CHARACTERS_MAX: usize = 160;
    text.chars()
        .map(|c| if (' '..='~').contains(&c) { c } else { '?' })
        .take(CHARACTERS_MAX)
        .collect()
}
