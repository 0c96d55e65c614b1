//! The keys of return paths: kept in the state folder and renewed by themselves, or in a file of the operator's, which
//! several relays can share. A line holds a key in hexadecimal and when it was made, in seconds since 1970; the first
//! line signs, all of them verify.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::clock::Timestamp;

const FILE: &str = "return-path.keys";
const KEY_BYTES: usize = 32;
/// Lines of a file; more would be a mistake.
const KEYS_MAX: usize = 64;

/// A secret. Debug output hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct Key {
    bytes: [u8; KEY_BYTES],
    made_ms: u64,
}

/// At least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// The newest first.
    keys: Vec<Key>,
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("cannot use the keys of return paths in {path}: {error}")]
    File {
        path: PathBuf,
        error: std::io::Error,
    },
    #[error("line {line} of {path} is no key: write 64 hexadecimal digits")]
    Line { path: PathBuf, line: usize },
    #[error("{path} holds no key")]
    Empty { path: PathBuf },
    #[error("{path} holds more than {KEYS_MAX} keys")]
    TooMany { path: PathBuf },
    #[error("the domain of return paths is none")]
    Domain,
}

impl Key {
    fn new(made: Timestamp) -> Key {
        Key {
            bytes: rand::random(),
            made_ms: made.as_millis(),
        }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn parse(line: &str) -> Option<Key> {
        let mut words = line.split_ascii_whitespace();
        let hex = words.next()?;
        let made: u64 = words.next().map_or(Some(0), |text| text.parse().ok())?;
        if words.next().is_some() || hex.len() != 2 * KEY_BYTES || !hex.is_ascii() {
            return None;
        }
        let mut bytes = [0; KEY_BYTES];
        for (place, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * place..2 * place + 2], 16).ok()?;
        }
        Some(Key {
            bytes,
            made_ms: made.saturating_mul(1000),
        })
    }

    fn line(&self) -> String {
        let hex: String = self.bytes.iter().map(|b| format!("{b:02x}")).collect();
        format!("{hex} {}\n", self.made_ms / 1000)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").finish_non_exhaustive()
    }
}

impl Keys {
    /// The one that signs.
    pub fn signing(&self) -> &Key {
        &self.keys[0]
    }

    /// Those that verify.
    pub fn all(&self) -> &[Key] {
        &self.keys
    }

    /// The operator's own file.
    pub fn read(path: &Path) -> Result<Keys, KeyError> {
        let of_file = |error| KeyError::File {
            path: path.to_owned(),
            error,
        };
        let text = std::fs::read_to_string(path).map_err(of_file)?;
        let mut keys = Vec::new();
        for (line, text) in text.lines().enumerate() {
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let path = || path.to_owned();
            keys.push(Key::parse(text).ok_or_else(|| KeyError::Line {
                path: path(),
                line: line + 1,
            })?);
            if keys.len() > KEYS_MAX {
                return Err(KeyError::TooMany { path: path() });
            }
        }
        if keys.is_empty() {
            return Err(KeyError::Empty {
                path: path.to_owned(),
            });
        }
        Ok(Keys { keys })
    }

    /// The relay's own file in `folder`: made where there is none, renewed where the newest key is older than
    /// `rotate_after`, and freed of keys that can have signed nothing that is still valid.
    pub fn keep(
        folder: &Path,
        rotate_after: Duration,
        valid_for: Duration,
        now: Timestamp,
    ) -> Result<Keys, KeyError> {
        let path = folder.join(FILE);
        let old = match Keys::read(&path) {
            Ok(keys) => keys.keys,
            Err(KeyError::File { error, .. }) if error.kind() == std::io::ErrorKind::NotFound => {
                Vec::new()
            }
            // Written whole or not at all, so this is somebody's mistake: addresses in use would die with the file.
            Err(error) => return Err(error),
        };
        let keys = renewed(&old, rotate_after, valid_for, now);
        if keys != old {
            let written = write(folder, &path, &keys);
            written.map_err(|error| KeyError::File { path, error })?;
        }
        Ok(Keys { keys })
    }
}

/// The keys from now on.
fn renewed(old: &[Key], rotate_after: Duration, valid_for: Duration, now: Timestamp) -> Vec<Key> {
    let age = |key: &Key| now.since(Timestamp::from_millis(key.made_ms));
    let mut keys = old.to_vec();
    if keys
        .first()
        .is_none_or(|newest| age(newest) >= rotate_after)
    {
        keys.insert(0, Key::new(now));
    }
    // A key signs until the next one is made, and what it signed last is valid for a while after that.
    let mut next_age = None;
    keys.retain(|key| {
        let is_needed = next_age.is_none_or(|retired: Duration| retired <= valid_for);
        next_age = Some(age(key));
        is_needed
    });
    keys.truncate(KEYS_MAX);
    keys
}

/// Under another name first, so that a power cut leaves the old file or the new one.
fn write(folder: &Path, path: &Path, keys: &[Key]) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let draft = path.with_extension("keys.new");
    let _ = std::fs::remove_file(&draft);
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&draft)?;
    for key in keys {
        file.write_all(key.line().as_bytes())?;
    }
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    fn day(number: u64) -> Timestamp {
        Timestamp::from_millis(number * 86_400_000)
    }

    #[test]
    fn a_key_is_made_once_kept_and_readable_by_nobody_else() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let made = Keys::keep(folder.path(), 30 * DAY, 60 * DAY, day(100)).unwrap();
        let again = Keys::keep(folder.path(), 30 * DAY, 60 * DAY, day(101)).unwrap();
        assert_eq!(made, again);
        let mode = std::fs::metadata(folder.path().join(FILE)).unwrap();
        assert_eq!(mode.permissions().mode() & 0o777, 0o600);
        assert!(!format!("{made:?}").contains(&made.keys[0].line()[..64]));
    }

    #[test]
    fn a_key_verifies_as_long_as_something_it_signed_is_valid() {
        let folder = tempfile::tempdir().unwrap();
        let keep = |at: u64| Keys::keep(folder.path(), 30 * DAY, 60 * DAY, day(at)).unwrap();
        let first = keep(100).signing().clone();
        let second = keep(130);
        assert_ne!(*second.signing(), first);
        assert_eq!(second.all()[1], first);
        // It signed until day 130, and what it signed then is valid until day 190.
        for at in [131, 160, 190] {
            assert!(keep(at).all().contains(&first), "day {at}");
        }
        assert!(!keep(191).all().contains(&first));
    }

    #[test]
    fn a_file_that_is_wrong_is_told_of_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        for text in [
            "",
            "short\n",
            &"g".repeat(64),
            &format!("{} x", "0".repeat(64)),
        ] {
            std::fs::write(&path, text).unwrap();
            assert!(
                Keys::keep(folder.path(), DAY, DAY, day(1)).is_err(),
                "{text:?}"
            );
            assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        }
        std::fs::write(&path, format!("# ours\n\n{}\n", "ab".repeat(32))).unwrap();
        assert_eq!(Keys::read(&path).unwrap().all().len(), 1);
    }
}
