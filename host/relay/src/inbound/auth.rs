//! Passwords: checked off the async threads, a few at a time, and never fast for who guesses.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::config::{Account, verify_nobody};
use crate::limits;

/// The accounts of the configuration.
pub struct Accounts {
    by_name: Arc<HashMap<String, Account>>,
    /// Checks under way: each takes a core and some 20 MiB for tens of milliseconds.
    checks: Arc<Semaphore>,
    /// The dev mode without accounts takes any credentials, so that applications need no change.
    anybody: bool,
}

/// What came of a check.
#[derive(Debug, PartialEq, Eq)]
pub enum Checked {
    Account(String),
    Wrong,
    /// Too many wait for a check.
    Busy,
}

impl Accounts {
    /// `anybody` takes any credentials as long as there are no accounts.
    pub fn new(accounts: &[Account], anybody: bool) -> Accounts {
        let by_name: HashMap<_, _> = accounts
            .iter()
            .map(|account| (account.name.to_lowercase(), account.clone()))
            .collect();
        Accounts {
            anybody: anybody && by_name.is_empty(),
            by_name: Arc::new(by_name),
            checks: Arc::new(Semaphore::new(limits::PASSWORD_CHECKS_MAX)),
        }
    }

    /// The account of that name.
    pub fn get(&self, name: &str) -> Option<&Account> {
        self.by_name.get(&name.to_lowercase())
    }

    /// Checks a name and its password; a wrong one takes a second at least.
    pub async fn check(&self, identity: &str, secret: &str) -> Checked {
        if self.anybody {
            return Checked::Account(identity.to_owned());
        }
        let permit = self.checks.clone().acquire_owned();
        let Ok(Ok(permit)) = tokio::time::timeout(limits::PASSWORD_CHECK_WAIT, permit).await else {
            return Checked::Busy;
        };
        let accounts = self.by_name.clone();
        let name = identity.to_lowercase();
        let secret = secret.to_owned();
        let verified = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            match accounts.get(&name) {
                Some(account) => account
                    .verify(secret.as_bytes())
                    .then(|| account.name.clone()),
                None => {
                    verify_nobody(secret.as_bytes());
                    None
                }
            }
        })
        .await;
        match verified {
            Ok(Some(name)) => Checked::Account(name),
            Ok(None) => {
                tokio::time::sleep(limits::PASSWORD_WRONG_REST).await;
                Checked::Wrong
            }
            Err(_) => Checked::Busy,
        }
    }
}
