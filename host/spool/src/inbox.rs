//! The development inbox: captured messages, the newest so many.

use redb::{ReadableTable, ReadableTableMetadata};

use crate::batch::{Applied, Batch, Failure};
use crate::chunks;
use crate::error::{Error, Refusal};
use crate::id::MessageId;
use crate::message::InboxMessage;
use crate::operation::Done;
use crate::record;

impl Batch<'_, '_> {
    pub(crate) fn inbox_put(&mut self, message: &InboxMessage) -> Applied {
        self.check_inbox(std::slice::from_ref(message))?;
        self.inbox_insert(message)?;
        Ok(Done::Done)
    }

    pub(crate) fn check_inbox(&self, messages: &[InboxMessage]) -> Applied<()> {
        for (place, message) in messages.iter().enumerate() {
            let again = messages[..place].iter().any(|other| other.id == message.id);
            if again || self.tables.inbox.get(message.id.to_u128())?.is_some() {
                return Err(Failure::Refused(Refusal::Taken(message.id)));
            }
        }
        Ok(())
    }

    pub(crate) fn inbox_insert(&mut self, message: &InboxMessage) -> Result<(), Error> {
        let number = message.id.to_u128();
        record::encode_inbox(message, &mut self.scratch);
        self.tables.inbox.insert(number, self.scratch.as_slice())?;
        chunks::put(&mut self.tables.inbox_raw, number, &message.raw)
    }

    pub(crate) fn inbox_delete(&mut self, message: MessageId) -> Applied {
        let there = self.tables.inbox.remove(message.to_u128())?.is_some();
        chunks::remove(&mut self.tables.inbox_raw, message.to_u128())?;
        Ok(Done::Changed(there.into()))
    }

    pub(crate) fn inbox_clear(&mut self) -> Applied {
        let rows = self.tables.inbox.len()?;
        self.tables.inbox.retain(|_, _| false)?;
        self.tables.inbox_raw.retain(|_, _| false)?;
        Ok(Done::Changed(rows))
    }

    pub(crate) fn prune_inbox(&mut self) -> Result<(), Error> {
        let tables = &mut self.tables;
        let over = tables
            .inbox
            .len()?
            .saturating_sub(self.limits.inbox_messages_max);
        for _ in 0..over {
            let Some(number) = tables.inbox.pop_first()?.map(|(key, _)| key.value()) else {
                break;
            };
            chunks::remove(&mut tables.inbox_raw, number)?;
        }
        Ok(())
    }
}
