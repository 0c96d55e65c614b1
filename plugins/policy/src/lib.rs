//! Who may send, as whom, to whom, and how much. Without configuration it refuses nobody.
//!
//! This file holds the hooks and the words of refusal; [`settings`] what the operator wrote, [`rate`] the buckets, [`matcher`] the
//! patterns, [`from`] the author's field.

use baton_sdk::prelude::*;

mod from;
mod matcher;
mod rate;
mod settings;

#[cfg(test)]
mod tests;

use matcher::{AddressPattern, Network};
use rate::Count;
use settings::Settings;

struct Policy {
    settings: Settings,
}

#[baton_sdk::plugin]
impl Plugin for Policy {
    fn new() -> Result<Self> {
        Ok(Self {
            settings: Settings::read()?,
        })
    }

    fn on_mail(&mut self, session: &Session, envelope: &Envelope) -> Result<Decision> {
        if self
            .settings
            .blocked_ips
            .iter()
            .any(|network| network.contains(&session.peer_ip))
        {
            return Ok(refuse(
                "blocked-ip",
                &session.peer_ip,
                "5.7.1",
                "Your address may not send here",
            ));
        }
        let sender = envelope.sender.as_ref();
        if let Some(sender) = sender {
            if matcher::any(&self.settings.blocked_senders, sender) {
                return Ok(refuse(
                    "blocked-sender",
                    &sender.to_string(),
                    "5.7.1",
                    "This sender may not send here",
                ));
            }
            if let Some(allowed) = self.allowed_senders(session)
                && !matcher::any(allowed, sender)
            {
                let text = format!("You may not send as {sender}");
                return Ok(refuse(
                    "sender-not-allowed",
                    &sender.to_string(),
                    "5.7.1",
                    &text,
                ));
            }
        }
        self.limit(Count::Messages, session, sender, None)
    }

    fn on_rcpt(
        &mut self,
        session: &Session,
        envelope: &Envelope,
        recipient: &Recipient,
    ) -> Result<RecipientDecision> {
        let address = &recipient.address;
        if matcher::any(&self.settings.blocked_recipients, address) {
            let text = "Mail to this recipient is not accepted here";
            return Ok(refuse("blocked-recipient", &address.to_string(), "5.7.1", text).into());
        }
        Ok(self
            .limit(
                Count::Recipients,
                session,
                envelope.sender.as_ref(),
                Some(address),
            )?
            .into())
    }

    fn on_data(&mut self, session: &Session, _: &Envelope) -> Result<Decision> {
        if !self.settings.check_from {
            return Ok(Decision::Next);
        }
        let Some(allowed) = self.allowed_senders(session) else {
            return Ok(Decision::Next);
        };
        let fields = from::fields(&header_section()?);
        if fields.len() > 1 {
            let text = "The message has more than one From field";
            return Ok(refuse("from-not-allowed", "", "5.6.0", text));
        }
        let authors = fields.first().and_then(|field| from::addresses(field));
        let Some(authors) = authors else {
            return Ok(refuse(
                "from-not-allowed",
                "",
                "5.6.0",
                "The message names no author in its From field",
            ));
        };
        match authors.iter().find(|author| !matcher::any(allowed, author)) {
            Some(author) => {
                let text = format!("You may not write as {author} in the From field");
                Ok(refuse(
                    "from-not-allowed",
                    &author.to_string(),
                    "5.7.1",
                    &text,
                ))
            }
            None => Ok(Decision::Next),
        }
    }
}

impl Policy {
    /// What the session's account may send as; nothing where it may send as anybody.
    fn allowed_senders(&self, session: &Session) -> Option<&[AddressPattern]> {
        let account = session.account.as_deref()?;
        let list = self
            .settings
            .senders
            .get(account)
            .or_else(|| self.settings.senders.get("*"))?;
        Some(list)
    }

    fn limit(
        &self,
        count: Count,
        session: &Session,
        sender: Option<&Mailbox>,
        recipient: Option<&Mailbox>,
    ) -> Result<Decision> {
        if self.settings.rates.is_empty() || self.is_exempt(session) {
            return Ok(Decision::Next);
        }
        for rate in self
            .settings
            .rates
            .iter()
            .filter(|rate| rate.count == count)
        {
            let key = rate.per.of(session, sender, recipient);
            if let Some(exceeded) = rate.take(key)? {
                explain("rate", rate.per.word(), &exceeded.key, &exceeded.limit);
                let text = format!(
                    "Too many {} for {} {}: {} are allowed; try again in {} seconds",
                    count.word(),
                    rate.per.word(),
                    plain(&exceeded.key),
                    exceeded.limit,
                    exceeded.seconds
                );
                return Ok(Decision::Defer(Reply::new(450, "4.7.1", text)));
            }
        }
        Ok(Decision::Next)
    }

    fn is_exempt(&self, session: &Session) -> bool {
        let is_account = |account: &String| session.account.as_ref() == Some(account);
        self.settings.exempt_accounts.iter().any(is_account)
            || within(&self.settings.exempt_ips, &session.peer_ip)
    }
}

/// The message's first bytes, up to the empty line or the end of what any header section needs.
fn header_section() -> Result<Vec<u8>> {
    const HEADER_BYTES_MAX: usize = 256 * 1024;
    let mut header = Vec::new();
    for piece in message::raw() {
        header.extend(piece?);
        if header.len() >= HEADER_BYTES_MAX || header.windows(4).any(|window| window == b"\r\n\r\n")
        {
            break;
        }
    }
    Ok(header)
}

fn within(networks: &[Network], ip: &str) -> bool {
    networks.iter().any(|network| network.contains(ip))
}

fn refuse(rule: &str, key: &str, status: &str, text: &str) -> Decision {
    explain(rule, "address", key, text);
    Decision::reject(status, plain(text))
}

/// Every refusal explains itself in an event.
fn explain(rule: &str, kind: &str, key: &str, detail: &str) {
    events::emit(
        "refused",
        [
            ("rule", rule),
            ("kind", kind),
            ("key", key),
            ("detail", detail),
        ],
    );
}

/// What a reply may carry: the relay takes a control character or an endless address in it for a fault.
fn plain(text: &str) -> String {
    const CHARACTERS_MAX: usize = 160;
    text.chars()
        .map(|c| {
            if c.is_ascii() && !c.is_ascii_control() {
                c
            } else {
                '?'
            }
        })
        .take(CHARACTERS_MAX)
        .collect()
}
