//! What came of a message, as far as it tells of its sender: refusals by remotes, dead addresses, complaints.
//!
//! A plugin that translates replies says more than their codes: where one was asked before, its words count. Otherwise the second
//! number of the status does: X.7.Y speaks of security and policy (RFC 3463 3.8).

use baton_sdk::prelude::*;

use crate::reputation::{Charge, Reputation};
use crate::who::Who;

/// Remembers, between the hooks of one attempt, for which recipient its refusal was charged.
const CHARGED_TAG: &str = "policy.charged";

/// A reply other than success.
pub fn of_reply(reputation: &Reputation, attempt: &Attempt, reply: &Reply) -> Result<()> {
    let charge = match context::property("translation-disposition") {
        Some(disposition) => {
            let said = |what: &str| context::property(what).unwrap_or_default();
            of_words(
                &disposition,
                &said("translation-reason"),
                &said("translation-scope"),
            )
        }
        None => is_policy(reply).then_some(Charge::Block),
    };
    // The same refusal for now comes again with each attempt.
    let is_first = attempt.number == 1 || reply.code >= 500;
    let Some(charge) = charge.filter(|charge| *charge != Charge::Bounce && is_first) else {
        return Ok(());
    };
    let recipient = attempt.recipient.to_string();
    context::set_tag(CHARGED_TAG, clip(&recipient));
    charge_of(reputation, attempt.account.as_deref(), charge, &recipient)
}

/// A permanent failure, at once or reported later.
pub fn of_bounce(reputation: &Reputation, attempt: &Attempt, report: &Report) -> Result<()> {
    let recipient = attempt.recipient.to_string();
    if context::tag(CHARGED_TAG).as_deref() == Some(clip(&recipient)) {
        return Ok(());
    }
    let charge = match (&report.translation, &report.reply) {
        (Some(said), _) => {
            let disposition = match said.disposition {
                Disposition::Hard => "hard",
                Disposition::Block => "block",
                _ => "",
            };
            let scope = if said.scope == Scope::Content {
                "content"
            } else {
                ""
            };
            of_words(disposition, &said.reason, scope)
        }
        (None, Some(reply)) if is_policy(reply) => Some(Charge::Block),
        (None, Some(reply)) if reply.status.starts_with("5.1.") => Some(Charge::Bounce),
        _ => None,
    };
    match charge {
        Some(charge) => charge_of(reputation, attempt.account.as_deref(), charge, &recipient),
        None => Ok(()),
    }
}

/// A complaint; what says that something is no spam is none.
pub fn of_complaint(
    reputation: &Reputation,
    report: &Report,
    attempt: Option<&Attempt>,
) -> Result<()> {
    if report.feedback_type.as_deref() == Some("not-spam") {
        return Ok(());
    }
    let recipient = attempt.map(|attempt| attempt.recipient.to_string());
    let about = recipient
        .or_else(|| report.recipient.clone())
        .unwrap_or_default();
    let account = attempt.and_then(|attempt| attempt.account.as_deref());
    charge_of(reputation, account, Charge::Complaint, &about)
}

fn charge_of(
    reputation: &Reputation,
    account: Option<&str>,
    charge: Charge,
    about: &str,
) -> Result<()> {
    match Who::noted(account) {
        Some(who) => reputation.charge(&who, charge, about),
        None => Ok(()),
    }
}

fn of_words(disposition: &str, reason: &str, scope: &str) -> Option<Charge> {
    match disposition {
        "block" if scope == "content" || reason.contains("spam") => Some(Charge::Spam),
        // A site that refuses the relay's own address says nothing about one sender among many.
        "block" if scope == "egress" || scope == "connection" => None,
        "block" => Some(Charge::Block),
        "hard" => Some(Charge::Bounce),
        _ => None,
    }
}

fn is_policy(reply: &Reply) -> bool {
    reply.status.split('.').nth(1) == Some("7")
}

/// As much as a tag holds.
fn clip(text: &str) -> &str {
    const BYTES_MAX: usize = 1024;
    &text[..text.floor_char_boundary(BYTES_MAX.min(text.len()))]
}
