//! Who stands in the From field: whom the account may name, and who is pretended to be.

use baton_sdk::prelude::*;

use crate::action::{Action, Finding};
use crate::brand::{self, Claims};
use crate::from;
use crate::matcher::{self, AddressPattern};
use crate::settings::Settings;

/// What the session's account may send as; nothing where it may send as anybody.
fn allowed<'a>(settings: &'a Settings, session: &Session) -> Option<&'a [AddressPattern]> {
    let account = session.account.as_deref()?;
    let list = settings
        .senders
        .get(account)
        .or_else(|| settings.senders.get("*"))?;
    Some(list)
}

/// Whether some rule is about the From field.
pub fn is_asked(settings: &Settings, session: &Session) -> bool {
    let for_account = settings.check_from && allowed(settings, session).is_some();
    for_account || !settings.brands.is_empty() || settings.impersonation.is_on_without_brands()
}

/// The envelope's sender. The null sender of a bounce is nobody.
pub fn sender(settings: &Settings, session: &Session, sender: Option<&Mailbox>) -> Option<Finding> {
    let sender = sender?;
    let may = matcher::any(allowed(settings, session)?, sender);
    (!may).then(|| {
        let text = format!("You may not send as {sender}");
        not_allowed(settings, "sender-not-allowed", "7.1", text).with("subject", sender.to_string())
    })
}

/// The authors of the message, where the account is bound to some.
pub fn fields(settings: &Settings, session: &Session, fields: &[String]) -> Option<Finding> {
    let allowed = allowed(settings, session).filter(|_| settings.check_from)?;
    if fields.len() > 1 {
        let text = "The message has more than one From field";
        return Some(not_allowed(settings, "from-not-allowed", "6.0", text));
    }
    let Some(authors) = fields.first().and_then(|field| from::addresses(field)) else {
        let text = "The message names no author in its From field";
        return Some(not_allowed(settings, "from-not-allowed", "6.0", text));
    };
    let author = authors
        .iter()
        .find(|author| !matcher::any(allowed, author))?;
    let text = format!("You may not write as {author} in the From field");
    let finding = not_allowed(settings, "from-not-allowed", "7.1", text);
    Some(finding.with("subject", author.to_string()))
}

fn not_allowed(
    settings: &Settings,
    rule: &str,
    status: &'static str,
    text: impl Into<String>,
) -> Finding {
    let action = settings.from_not_allowed;
    let mut finding = Finding::new(rule, action, text).status(status);
    finding.is_abuse = action == Action::Reject;
    finding
}

/// Whom the message pretends to be from.
pub fn pretences(
    settings: &Settings,
    session: &Session,
    envelope: &Envelope,
    fields: &[String],
) -> Vec<Finding> {
    let mut authors = Vec::new();
    for field in fields {
        let found = from::addresses(field).unwrap_or_default();
        authors.extend(found.into_iter().map(|mailbox| mailbox.domain));
    }
    let mut domains = authors.clone();
    domains.extend(envelope.sender.as_ref().map(|sender| sender.domain.clone()));
    let reply_to = message::header("Reply-To").and_then(|field| from::addresses(&field));
    domains.extend(reply_to.into_iter().flatten().map(|mailbox| mailbox.domain));
    for domain in &mut domains {
        domain.make_ascii_lowercase();
    }
    domains.sort_unstable();
    domains.dedup();
    let from = message::header("From").unwrap_or_default();
    let claims = Claims {
        domains,
        from: &from,
        authors,
        account: session.account.as_deref(),
    };
    brand::findings(&settings.impersonation, &settings.brands, &claims)
}
