//! What may be on the suppression list, in memory: nearly every address that is looked up is not on it, and this says so
//! without a look at the disk.
//!
//! It may name what is gone again or was never committed; what is committed it always names, unless it has given up.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::{PoisonError, RwLock};

use redb::{Database, ReadableDatabase, ReadableTable, ReadableTableMetadata};

use crate::error::Error;
use crate::tables::SUPPRESSION;

/// Rows up to which they are remembered: some 16 bytes each.
const ROWS_MAX: usize = 250_000;

/// See the module.
#[derive(Default)]
pub(crate) struct Listed {
    hasher: RandomState,
    /// Hashes of account and address; none once there were too many.
    rows: RwLock<Option<HashSet<u64>>>,
}

impl Listed {
    /// Reads the list anew.
    pub(crate) fn load(&self, database: &Database) -> Result<(), Error> {
        let table = database.begin_read()?.open_table(SUPPRESSION)?;
        let mut rows = None;
        if table.len()? <= ROWS_MAX as u64 {
            let read = table.iter()?.map(|row| {
                let (key, _) = row?;
                Ok(self.hasher.hash_one(key.value()))
            });
            rows = Some(read.collect::<Result<_, Error>>()?);
        }
        *self.rows.write().unwrap_or_else(PoisonError::into_inner) = rows;
        Ok(())
    }

    /// This row is about to be written.
    pub(crate) fn add(&self, account: &str, address: &str) {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = rows.as_mut() {
            known.insert(self.hasher.hash_one((account, address)));
            if known.len() > ROWS_MAX {
                *rows = None;
            }
        }
    }

    /// Whether that row may be there.
    pub(crate) fn may_hold(&self, account: &str, address: &str) -> bool {
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        rows.as_ref()
            .is_none_or(|rows| rows.contains(&self.hasher.hash_one((account, address))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_it_is_loaded_anything_may_be_listed() {
        assert!(Listed::default().may_hold("", "user@example.net"));
    }

    #[test]
    fn what_was_added_may_be_listed_and_others_are_not() {
        let listed = empty();
        listed.add("acme", "user@example.net");
        assert!(listed.may_hold("acme", "user@example.net"));
        assert!(!listed.may_hold("", "user@example.net"));
        assert!(!listed.may_hold("acme", "other@example.net"));
    }

    #[test]
    fn a_list_too_long_for_memory_is_asked_about_everything() {
        let listed = empty();
        for n in 0..=ROWS_MAX {
            listed.add("", &n.to_string());
        }
        assert!(listed.may_hold("", "user@example.net"));
    }

    fn empty() -> Listed {
        let listed = Listed::default();
        *listed.rows.write().unwrap() = Some(HashSet::new());
        listed
    }
}
