//! What became of a submission that has a name of its own (an `Idempotency-Key`): kept in the commit that keeps its message, so
//! that whoever missed the answer may ask again and sends nothing twice.

use std::time::Duration;

use baton_spool::{KvWrite, MessageId, Snapshot};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::clock::Timestamp;
use crate::inbound::accept::Taken;

/// Where they are kept; no plugin can have that name.
const NAMESPACE: &str = "@submissions";
/// How long a submission may be asked for again.
pub const VALID_FOR: Duration = Duration::from_secs(24 * 3600);

/// The name of one message of one submission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Of the account and the name it gave; no longer than a hash, whatever that is.
    name: [u8; 32],
    /// Of what was asked.
    asked: [u8; 32],
    /// Of the messages of one request.
    number: u32,
}

/// What a receipt is found to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    Taken(Taken),
    /// The name was given to another request.
    Other,
}

#[derive(Serialize, Deserialize)]
struct Row {
    asked: [u8; 32],
    id: String,
    ids: Vec<String>,
    held: Option<String>,
}

impl Receipt {
    /// For the first message of a request; `asked` is all of it.
    pub fn new(account: Option<&str>, name: &str, asked: &[u8]) -> Receipt {
        // The length keeps an account and a name from being read as another account and another name.
        let account = account.unwrap_or_default();
        let mut hash = Sha256::new();
        hash.update((account.len() as u64).to_le_bytes());
        hash.update(account);
        hash.update(name);
        Receipt {
            name: hash.finalize().into(),
            asked: Sha256::digest(asked).into(),
            number: 0,
        }
    }

    /// The same for another message of the request.
    pub fn numbered(&self, number: u32) -> Receipt {
        Receipt {
            number,
            ..self.clone()
        }
    }

    /// The same for every message of every request of that name.
    pub fn name(&self) -> [u8; 32] {
        self.name
    }

    /// What is written when the message is taken.
    pub fn row(&self, taken: &Taken, now: Timestamp) -> KvWrite {
        let row = Row {
            asked: self.asked,
            id: taken.id.to_string(),
            ids: taken.ids.iter().map(MessageId::to_string).collect(),
            held: taken.held.clone(),
        };
        KvWrite {
            value: serde_json::to_vec(&row).ok().map(Bytes::from),
            expires_ms: Some(now.plus(VALID_FOR).as_millis()),
            ..self.removal()
        }
    }

    /// What takes it back.
    pub fn removal(&self) -> KvWrite {
        KvWrite {
            namespace: NAMESPACE.to_owned(),
            key: Bytes::copy_from_slice(&self.key()),
            value: None,
            expires_ms: None,
        }
    }

    /// What was written under this name, if it was.
    pub fn find(
        &self,
        spool: &Snapshot,
        now: Timestamp,
    ) -> Result<Option<Found>, baton_spool::Error> {
        let row = spool.kv_get(NAMESPACE, &self.key(), now.as_millis())?;
        let row = row.and_then(|row| serde_json::from_slice::<Row>(&row.value).ok());
        Ok(row.and_then(|row| {
            if row.asked != self.asked {
                return Some(Found::Other);
            }
            let ids: Result<Vec<MessageId>, _> = row.ids.iter().map(|id| id.parse()).collect();
            Some(Found::Taken(Taken {
                id: row.id.parse().ok()?,
                ids: ids.ok()?,
                held: row.held,
            }))
        }))
    }

    fn key(&self) -> [u8; 36] {
        let mut key = [0; 36];
        key[..32].copy_from_slice(&self.name);
        key[32..].copy_from_slice(&self.number.to_be_bytes());
        key
    }
}
