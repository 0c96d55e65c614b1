//! Whether mail of strangers is from whom it says it is: asked before a plugin reads it, written into it, and sealed when it is
//! passed on (RFC 8601, RFC 8617).

use baton_message::NewField;
use baton_sign::verify::{Asked, Findings, seal as make_seal, verify, without_forged};
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::Shared;
use super::accept::Arrival;
use crate::clock::Timestamp;
use crate::limits;

/// What was found out about a message.
pub struct Judged {
    pub findings: Findings,
    /// As it came.
    received: Bytes,
}

impl Judged {
    /// The field Authentication-Results.
    pub fn field(&self) -> Option<NewField> {
        NewField::verbatim(&self.findings.field).ok()
    }
}

/// Asks, and takes away what pretends to be our answer.
pub async fn judge(shared: &Shared, arrival: &mut Arrival) {
    let Some(peer) = arrival.origin.peer else {
        return;
    };
    let by = shared.hostname.as_str();
    let dns = shared.resolver.authenticator();
    let (own, message) = (by.to_owned(), arrival.body.clone());
    let helo = arrival.origin.helo.clone().unwrap_or_default();
    let sender = arrival.envelope.sender.mailbox();
    let sender = sender.map(ToString::to_string).unwrap_or_default();
    let asking = async move {
        let asked = Asked {
            by: &own,
            peer,
            helo: &helo,
            sender: &sender,
            message: &message,
        };
        let found = timeout(limits::AUTHENTICATION_TIME, verify(&dns, asked)).await;
        found.unwrap_or_else(|_| Findings::without(&own, "temperror"))
    };
    let is_large = arrival.body.len() as u64 > limits::SIGNED_AT_ONCE_BYTES_MAX;
    let findings = match is_large {
        false => asking.await,
        true => {
            let here = Handle::current();
            let done = tokio::task::spawn_blocking(move || here.block_on(asking)).await;
            done.unwrap_or_else(|_| Findings::without(by, "temperror"))
        }
    };
    arrival.judged = Some(Judged {
        findings,
        received: arrival.body.clone(),
    });
    arrival.body = without_forged(&arrival.body, by);
}

/// The fields of a seal for a message as it goes; none where no key seals, or its chain is broken.
pub async fn seal(
    shared: &Shared,
    judged: &Judged,
    sent: &[Bytes],
    now: Timestamp,
) -> Option<Bytes> {
    let key = shared.signing.sealing(now)?;
    let dns = shared.resolver.authenticator();
    let by = shared.hostname.as_str();
    let sealing = make_seal(&dns, &key, by, &judged.findings, &judged.received, sent);
    timeout(limits::AUTHENTICATION_TIME, sealing).await.ok()?
}
