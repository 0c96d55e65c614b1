//! Addresses nothing is sent to, per account or for everybody.

use baton_smtp::Mailbox;
use redb::ReadableTable;

use crate::batch::{Applied, Batch};
use crate::error::Error;
use crate::message::Suppression;
use crate::operation::Done;
use crate::record;

/// How an address stands in a key: in lower case, since no receiver worth naming tells local parts apart by it.
pub(crate) fn key_of(address: &Mailbox) -> String {
    address.to_string().to_lowercase()
}

impl Batch<'_, '_> {
    pub(crate) fn suppression_put(&mut self, row: &Suppression) -> Applied {
        let account = row.account.as_deref().unwrap_or("");
        let address = key_of(&row.address);
        self.listed.add(account, &address);
        record::encode_suppression(row, &mut self.scratch);
        let old = self
            .tables
            .suppression
            .insert((account, address.as_str()), &*self.scratch)?;
        let old = old.and_then(|old| record::decode_suppression(old.value()).ok());
        self.suppression_unexpire(account, &address, old)?;
        if let Some(expires_ms) = row.expires_ms {
            let key = (expires_ms, account, address.as_str());
            self.tables.suppression_expiry.insert(key, ())?;
        }
        Ok(Done::Done)
    }

    pub(crate) fn suppression_remove(
        &mut self,
        account: Option<&str>,
        address: &Mailbox,
    ) -> Applied {
        let account = account.unwrap_or("");
        let address = key_of(address);
        let old = self
            .tables
            .suppression
            .remove((account, address.as_str()))?;
        let there = old.is_some();
        let old = old.and_then(|old| record::decode_suppression(old.value()).ok());
        self.suppression_unexpire(account, &address, old)?;
        Ok(Done::Changed(there.into()))
    }

    fn suppression_unexpire(
        &mut self,
        account: &str,
        address: &str,
        old: Option<Suppression>,
    ) -> Result<(), Error> {
        if let Some(expires_ms) = old.and_then(|old| old.expires_ms) {
            self.tables
                .suppression_expiry
                .remove((expires_ms, account, address))?;
        }
        Ok(())
    }

    pub(crate) fn suppression_sweep(&mut self, now_ms: u64, rows_max: u32) -> Result<u64, Error> {
        let mut expired = Vec::new();
        let past = ..(now_ms.saturating_add(1), "", "");
        for row in self
            .tables
            .suppression_expiry
            .range(past)?
            .take(rows_max as usize)
        {
            let (key, _) = row?;
            let (at_ms, account, address) = key.value();
            expired.push((at_ms, account.to_owned(), address.to_owned()));
        }
        for (at_ms, account, address) in &expired {
            let (account, address) = (account.as_str(), address.as_str());
            self.tables
                .suppression_expiry
                .remove((*at_ms, account, address))?;
            self.tables.suppression.remove((account, address))?;
        }
        Ok(expired.len() as u64)
    }
}
