//! The list of addresses that nothing is sent to, from whoever puts somebody on it: the queue and the receiving side where
//! a translation advises it, plugins, operators. The list itself is in the spool, since it must be true after a power cut
//! and holds for mail that waits already.

use baton_hooks::{Advice, Translation};
use baton_smtp::Mailbox;
use baton_spool::Suppression;

use crate::clock::Timestamp;
use crate::event::Event;
use crate::store::Store;

/// The row that a translation asks for, if it asks for one.
pub fn advised(
    account: Option<&str>,
    address: &Mailbox,
    plugin: &str,
    translation: &Translation,
    reply: &str,
    now: Timestamp,
) -> Option<Suppression> {
    (translation.advice == Advice::Suppress).then(|| Suppression {
        account: account.map(str::to_owned),
        address: address.clone(),
        reason: format!("{}: {reply}", translation.reason),
        source: plugin.to_owned(),
        created_ms: now.as_millis(),
        expires_ms: None,
    })
}

/// Whether somebody put the address on that account's list already, in a hook of the same event perhaps.
pub async fn is_listed(store: &Store, row: &Suppression, now: Timestamp) -> bool {
    let (account, address) = (row.account.clone(), row.address.clone());
    let found = store
        .read(move |spool| spool.suppressed(account.as_deref(), &address, now.as_millis()))
        .await;
    matches!(found, Ok(Some(_)))
}

/// The row as it is told of.
pub fn added(row: &Suppression) -> Event {
    Event::SuppressionAdded {
        recipient: row.address.to_string(),
        account: row.account.clone(),
        why: format!("{}: {}", row.source, row.reason),
    }
}
