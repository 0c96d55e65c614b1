//! `[[account]]`: who may send with a password, and the check of it.

use std::fmt;

use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};

/// Someone who may log in. Debug output hides the hash.
#[derive(Clone)]
pub struct Account {
    pub name: String,
    /// Argon2 in PHC form.
    pub(super) password_hash: String,
    /// Mailboxes ("a@example.net") and domains ("example.net", "*.example.net") it may use in MAIL FROM; empty means any.
    pub senders: Vec<String>,
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Account")
            .field("name", &self.name)
            .field("senders", &self.senders)
            .finish_non_exhaustive()
    }
}

impl Account {
    /// Whether this is the account's password. Takes tens of milliseconds of CPU: call it off the async threads.
    pub fn verify(&self, password: &[u8]) -> bool {
        verify(&self.password_hash, password)
    }
}

/// Spends the time that a check takes, for a name that is not known: who guesses names learns nothing from the clock.
pub fn verify_nobody(password: &[u8]) {
    /// The hash of a random text that was thrown away.
    const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXRoaW5nc2FsdHk$kHhFh7gRZ1ZkqJg0n2rYy2m1w5nW0mWwF1k9l3xqTz4";
    verify(NOBODY, password);
}

fn verify(hash: &str, password: &[u8]) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| {
        argon2::Argon2::default()
            .verify_password(password, &hash)
            .is_ok()
    })
}

/// Makes the PHC text of a password; `salt` is 16 random bytes.
pub fn hash_password(password: &[u8], salt: [u8; 16]) -> Result<String, String> {
    let salt = SaltString::encode_b64(&salt).map_err(|e| e.to_string())?;
    argon2::Argon2::default()
        .hash_password(password, &salt)
        .map(|hash| hash.to_string())
        .map_err(|e| e.to_string())
}

/// Whether an account may send as this mailbox: one of its mailboxes or domains, or anything if it lists none.
pub fn may_send_as(senders: &[String], mailbox: &str) -> bool {
    if senders.is_empty() {
        return true;
    }
    let mailbox = mailbox.to_lowercase();
    let domain = mailbox.rsplit_once('@').map_or("", |(_, domain)| domain);
    senders.iter().any(|allowed| {
        let allowed = allowed.to_lowercase();
        if allowed.contains('@') {
            allowed == mailbox
        } else if let Some(parent) = allowed.strip_prefix("*.") {
            domain
                .strip_suffix(parent)
                .is_some_and(|rest| rest.ends_with('.') && rest.len() > 1)
        } else {
            allowed == domain
        }
    })
}

/// The error is a sentence.
pub(super) fn check_hash(text: &str) -> Result<String, String> {
    let hash = PasswordHash::new(text).map_err(|e| format!("not a PHC password hash: {e}"))?;
    if hash.hash.is_none() || !matches!(hash.algorithm.as_str(), "argon2id" | "argon2i" | "argon2d")
    {
        return Err("the hash must be argon2 ($argon2id$...)".into());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_sends_as_what_it_lists() {
        let senders = ["Joe@example.net", "example.org", "*.example.com"].map(str::to_owned);
        for yes in ["joe@example.net", "a@EXAMPLE.org", "b@mail.example.com"] {
            assert!(may_send_as(&senders, yes), "{yes}");
        }
        for no in [
            "jim@example.net",
            "a@sub.example.org",
            "b@example.com",
            "b@badexample.com",
            "",
        ] {
            assert!(!may_send_as(&senders, no), "{no}");
        }
        assert!(may_send_as(&[], "anybody@example.net"));
    }

    #[test]
    fn a_password_is_verified_against_its_hash_alone() {
        let hash = hash_password(b"correct horse", [7; 16]).unwrap();
        let account = Account {
            name: "a".into(),
            password_hash: check_hash(&hash).unwrap(),
            senders: vec![],
        };
        assert!(account.verify(b"correct horse"));
        assert!(!account.verify(b"battery staple"));
        assert!(!format!("{account:?}").contains("argon2"));
    }

    #[test]
    fn the_hash_for_unknown_names_costs_a_real_check() {
        assert!(check_hash("$argon2id$v=19$m=19456,t=2,p=1$c29tZXRoaW5nc2FsdHk$kHhFh7gRZ1ZkqJg0n2rYy2m1w5nW0mWwF1k9l3xqTz4").is_ok());
        verify_nobody(b"anything");
    }
}
