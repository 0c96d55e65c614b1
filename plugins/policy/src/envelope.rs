//! Senders, recipients and clients that are refused by name, and spam traps: addresses that nobody gave away.
//!
//! What the configuration lists, an operator adds to while mail flows: `block/ADDRESS`, `block/DOMAIN`, `block/IP` and
//! `trap/ADDRESS` in key-value.

use baton_sdk::prelude::*;

use crate::action::{Action, Finding};
use crate::matcher::{self, within};
use crate::settings::Settings;

/// A client that may not send.
pub fn blocked_client(settings: &Settings, session: &Session) -> Result<Option<Finding>> {
    let ip = &session.peer_ip;
    let is_blocked = within(&settings.blocked_ips, ip) || is_set(&format!("block/{ip}"))?;
    Ok(is_blocked.then(|| refused("blocked-ip", ip, "Your address may not send here")))
}

/// A sender that may not send, from wherever.
pub fn sender(
    settings: &Settings,
    session: &Session,
    sender: Option<&Mailbox>,
) -> Result<Option<Finding>> {
    if within(&settings.blocked_ips, &session.peer_ip) {
        return blocked_client(settings, session);
    }
    let Some(sender) = sender else {
        return Ok(None);
    };
    let is_blocked = matcher::any(&settings.blocked_senders, sender) || is_blocked(sender)?;
    let text = "This sender may not send here";
    Ok(is_blocked.then(|| refused("blocked-sender", &sender.to_string(), text)))
}

/// A recipient that takes nothing through this relay.
pub fn blocked_recipient(settings: &Settings, address: &Mailbox) -> Result<Option<Finding>> {
    let is_blocked = matcher::any(&settings.blocked_recipients, address);
    let text = "Mail to this recipient is not accepted here";
    Ok(is_blocked.then(|| refused("blocked-recipient", &address.to_string(), text)))
}

/// An address that gets nothing but spam.
pub fn trap(settings: &Settings, address: &Mailbox) -> Result<Option<Finding>> {
    let lower = address.to_string().to_lowercase();
    if !matcher::any(&settings.traps, address) && !is_set(&format!("trap/{lower}"))? {
        return Ok(None);
    }
    let text = format!(
        "Nobody has ever asked for mail to {lower}: it is a trap for unsolicited mail. Check where your list of addresses comes from"
    );
    let finding = Finding::new("trap", settings.trap_action, text);
    Ok(Some(finding.with("recipient", lower)))
}

fn is_blocked(sender: &Mailbox) -> Result<bool> {
    let (address, domain) = (
        sender.to_string().to_lowercase(),
        sender.domain.to_lowercase(),
    );
    Ok(is_set(&format!("block/{address}"))? || is_set(&format!("block/{domain}"))?)
}

/// A key that is too long for the store is not there.
fn is_set(key: &str) -> Result<bool> {
    match kv::get(key) {
        Ok(found) => Ok(found.is_some()),
        Err(kv::Error::TooLarge) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn refused(rule: &str, subject: &str, text: &str) -> Finding {
    Finding::new(rule, Action::Reject, text).with("subject", subject)
}
