//! What the sender of a message is told of an attempt, as a message for the spool.

use baton_message::report::Action;
use baton_smtp::Mailbox;
use baton_spool::{Message, NewMessage};
use bytes::Bytes;

use super::Queue;
use crate::clock::Timestamp;
use crate::meta;
use crate::notification::{self, About, Told};

/// The notification. The error is a sentence.
pub(super) fn make(
    queue: &Queue,
    message: &Message,
    sender: &Mailbox,
    body: &[Bytes],
    action: Action,
    told: &[Told<'_>],
    now: Timestamp,
) -> Result<NewMessage, String> {
    let parts = &queue.shared.parts;
    let received = Timestamp::from_millis(message.received_ms);
    let about = About {
        id: parts.store.new_id(),
        hostname: &parts.config.hostname,
        sender,
        parameters: &message.parameters,
        received,
        plugins: &message.plugins,
        until: Some(meta::begins(message).plus(queue.shared.policy.lifetime)),
        original: joined(body),
    };
    notification::make(about, action, told, now)
}

fn joined(body: &[Bytes]) -> Bytes {
    match body {
        [only] => only.clone(),
        pieces => pieces.concat().into(),
    }
}
