//! The way back of a transaction: the reverse-path that it leaves with, by which a later bounce or complaint finds the
//! message and, where the transaction has one, the recipient.

use baton_smtp::ReversePath;
use baton_spool::Message;
use bytes::Bytes;

use super::{JobEntry, Queue};
use crate::meta::Meta;
use crate::return_path::{Token, Wishes};

/// How a transaction is to be sent.
pub(super) struct Back {
    pub sender: ReversePath,
    /// A field for the top of the message.
    pub field: Option<Bytes>,
    /// Recipients, of those asked for, that may share the transaction.
    pub count: usize,
}

/// Decides for a transaction with the first `count` of `rest`. Only mail that was submitted here gets another sender:
/// what others send through us to a domain that we serve is theirs, and so is what comes of it. The null reverse-path stays
/// what it is, since nobody wants to hear of a notification.
pub(super) fn of(queue: &Queue, message: &Message, rest: &[JobEntry], count: usize) -> Back {
    let unchanged = Back {
        sender: message.sender.clone(),
        field: None,
        count,
    };
    let Some(return_path) = &queue.shared.parts.return_path else {
        return unchanged;
    };
    if message.sender.is_null() || !Meta::decode(&message.meta).submitted {
        return unchanged;
    }
    let wishes = |one: &JobEntry| Wishes(one.entry.recipient.notify());
    let Some(first) = rest.first() else {
        return unchanged;
    };
    let alike = rest[..count]
        .iter()
        .take_while(|one| wishes(one) == wishes(first));
    let count = match return_path.is_per_recipient() {
        true => 1,
        false => alike.count(),
    };
    // One of several that were accepted together may be left over: then it is named all the same.
    let token = Token {
        message: message.id,
        recipient: (count == 1).then_some(first.entry.id.recipient),
        wishes: wishes(first),
    };
    match return_path.address(&token) {
        Some(address) => Back {
            sender: address.into(),
            field: return_path.field(&token).map(Bytes::from),
            count,
        },
        None => unchanged,
    }
}
