//! The list of addresses that nothing is sent to, from whoever puts somebody on it: the queue and the receiving side where
//! a translation advises it, plugins, operators.
//!
//! The list itself is in the spool: it must be true after a power cut, and it holds for mail that waits already. What a
//! plugin changes in a hook is seen at once and made durable before the outcome of which the hook was told
//! ([`Suppressions::flush`]); the plugin does not wait for a disk.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use baton_hooks::{Advice, Translation};
use baton_smtp::Mailbox;
use baton_spool::{Operation, Snapshot, Suppression};
use tokio::sync::Notify;

use crate::clock::{self, Timestamp};
use crate::event::{Bus, Event};
use crate::outbound::simulate;
use crate::store::{Store, StoreError};

/// Cause of a row that a person made.
pub const MANUAL: &str = "manual";
/// Cause of a row that a bounce made.
pub const BOUNCE: &str = "bounce";
/// Cause of a row that the owner of the address asked for.
const UNSUBSCRIBE: &str = "unsubscribe";
/// Bytes of a reason that are kept.
const REASON_BYTES_MAX: usize = 1024;
/// Bytes of a cause: it is a word.
const CAUSE_BYTES_MAX: usize = 64;

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Suppressions {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    bus: Bus,
    /// Plugins that may change the list.
    trusted: HashSet<String>,
    pending: Mutex<Pending>,
    done: Notify,
}

/// What is not durable yet, by account and address; none takes a row off.
#[derive(Default)]
struct Pending {
    rows: HashMap<Key, (u64, Option<Suppression>)>,
    number: u64,
}

type Key = (String, String);

fn key(account: Option<&str>, address: &Mailbox) -> Key {
    let account = account.unwrap_or("").to_owned();
    (account, address.to_string().to_lowercase())
}

impl Suppressions {
    /// `trusted` are the plugins whose events change the list.
    pub fn new(store: Store, bus: Bus, trusted: HashSet<String>) -> Suppressions {
        Suppressions {
            shared: Arc::new(Shared {
                store,
                bus,
                trusted,
                pending: Mutex::default(),
                done: Notify::new(),
            }),
        }
    }

    /// Why nothing may be sent to `address` now: the account's own row, or else everybody's.
    pub fn look_up(&self, account: Option<&str>, address: &Mailbox) -> Option<Suppression> {
        let snapshot = self.shared.store.snapshot().ok()?;
        self.look_up_in(&snapshot, account, address)
    }

    /// The same, for who has a snapshot.
    pub fn look_up_in(
        &self,
        snapshot: &Snapshot,
        account: Option<&str>,
        address: &Mailbox,
    ) -> Option<Suppression> {
        let pending = {
            let pending = self.pending();
            match pending.rows.is_empty() {
                true => None,
                false => pending.rows.get(&key(account, address)).cloned(),
            }
        };
        let now_ms = clock::now().as_millis();
        match pending {
            Some((_, Some(row))) => Some(row),
            Some((_, None)) if account.is_some() => {
                snapshot.suppressed(None, address, now_ms).ok()?
            }
            Some((_, None)) => None,
            None => snapshot.suppressed(account, address, now_ms).ok()?,
        }
    }

    /// An event of a plugin, if it is one that changes the list: `suppress` and `unsubscribed` put a recipient on the list of
    /// the account, `unsuppress` takes it off where it is there for that cause. What others than the trusted emit is an
    /// event and nothing more.
    pub fn told(
        &self,
        plugin: &str,
        kind: &str,
        fields: &[(String, String)],
        message: Option<&str>,
    ) {
        if !matches!(kind, "suppress" | "unsuppress" | "unsubscribed")
            || !self.shared.trusted.contains(plugin)
        {
            return;
        }
        let field = |name: &str| {
            let found = fields.iter().find(|(key, _)| key == name);
            found
                .map(|(_, value)| value.as_str())
                .filter(|v| !v.is_empty())
        };
        let Some(address) = field("recipient").and_then(|text| Mailbox::parse(text).ok()) else {
            return;
        };
        // A simulated reply is asked for again and again.
        if address.domain().as_str() == simulate::DOMAIN {
            return;
        }
        let account = match field("account") {
            Some(account) => Some(account.to_owned()),
            None => self.account_of(field("message").or(message)),
        };
        let now = clock::now();
        let cause = match kind {
            "unsubscribed" => UNSUBSCRIBE,
            _ => field("cause").unwrap_or("other"),
        };
        let cause = cut(cause, CAUSE_BYTES_MAX);
        if kind == "unsuppress" {
            let listed = self.look_up(account.as_deref(), &address);
            if listed.is_some_and(|row| row.account == account && row.cause == cause) {
                let event = removed(&address, account.as_deref(), plugin);
                self.change(account, address, None, event);
            }
            return;
        }
        let reason = field("reason").or(field("method")).unwrap_or(&cause);
        let expires = field("expires-seconds").and_then(|text| text.parse::<u64>().ok());
        let row = Suppression {
            account: account.clone(),
            address: address.clone(),
            reason: cut(reason, REASON_BYTES_MAX),
            cause,
            source: plugin.to_owned(),
            created_ms: now.as_millis(),
            expires_ms: expires.map(|s| now.plus(Duration::from_secs(s)).as_millis()),
        };
        // What was said first stands, since it is what people look for when they ask since when; unless the new cause holds
        // where the old one would not.
        let known = self.look_up(account.as_deref(), &address);
        let stands = known.is_some_and(|known| {
            known.account == account
                && known.expires_ms.is_none()
                && weight(&known.cause) >= weight(&row.cause)
        });
        if !stands {
            let event = added(&row);
            self.change(account, address, Some(row), event);
        }
    }

    fn account_of(&self, message: Option<&str>) -> Option<String> {
        let snapshot = self.shared.store.snapshot().ok()?;
        snapshot.history(message?.parse().ok()?).ok()??.account
    }

    /// Seen at once, and made durable in the background.
    fn change(
        &self,
        account: Option<String>,
        address: Mailbox,
        row: Option<Suppression>,
        event: Event,
    ) {
        let key = key(account.as_deref(), &address);
        let number = {
            let mut pending = self.pending();
            pending.number += 1;
            let number = pending.number;
            pending.rows.insert(key.clone(), (number, row.clone()));
            number
        };
        let list = self.clone();
        let operation = match row {
            Some(row) => Operation::SuppressionPut(row),
            None => Operation::SuppressionRemove { account, address },
        };
        tokio::spawn(async move {
            let done = list.commit(operation, event).await;
            if let Err(error) = done {
                list.shared.bus.emit(Event::Trouble {
                    place: "suppression",
                    error: error.to_string(),
                });
            }
            let mut pending = list.pending();
            if pending
                .rows
                .get(&key)
                .is_some_and(|(known, _)| *known == number)
            {
                pending.rows.remove(&key);
            }
            drop(pending);
            list.shared.done.notify_waiters();
        });
    }

    async fn commit(&self, operation: Operation, event: Event) -> Result<(), StoreError> {
        let mut operations = vec![operation];
        operations.extend(self.shared.bus.rows([&event], None));
        self.shared.store.commit(operations).await?;
        self.shared.bus.emit_committed(event);
        Ok(())
    }

    /// Waits until everything that was changed so far is durable, or could not be made so.
    pub async fn flush(&self) {
        let mark = self.pending().number;
        let waits = |pending: &Pending| pending.rows.values().any(|(number, _)| *number <= mark);
        loop {
            let done = self.shared.done.notified();
            tokio::pin!(done);
            // Before looking, so that no end between the two is missed.
            done.as_mut().enable();
            if !waits(&self.pending()) {
                return;
            }
            done.await;
        }
    }

    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.shared
            .pending
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// A delivery may end a bounce, and nothing but a person what a person asked for.
fn weight(cause: &str) -> u8 {
    match cause {
        "soft-bounce" => 0,
        MANUAL => 4,
        "complaint" => 3,
        UNSUBSCRIBE => 2,
        _ => 1,
    }
}

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
        cause: BOUNCE.to_owned(),
        reason: format!("{}: {reply}", translation.reason),
        source: plugin.to_owned(),
        created_ms: now.as_millis(),
        expires_ms: None,
    })
}

/// The row as it is told of.
pub fn added(row: &Suppression) -> Event {
    Event::SuppressionAdded {
        recipient: row.address.to_string(),
        account: row.account.clone(),
        cause: row.cause.clone(),
        why: format!("{}: {}", row.source, row.reason),
    }
}

/// That a row is gone, as it is told of; `by` is a plugin or "operator".
pub fn removed(address: &Mailbox, account: Option<&str>, by: &str) -> Event {
    Event::SuppressionRemoved {
        recipient: address.to_string(),
        account: account.map(str::to_owned),
        by: by.to_owned(),
    }
}

/// The row as a plugin reads it.
pub fn shown(row: &Suppression) -> String {
    serde_json::json!({
        "cause": row.cause,
        "reason": row.reason,
        "source": row.source,
        "created": Timestamp::from_millis(row.created_ms).rfc3339(),
    })
    .to_string()
}

fn cut(text: &str, bytes_max: usize) -> String {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].chars().filter(|c| !c.is_control()).collect()
}
