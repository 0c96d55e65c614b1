//! One private key: from its file, or from PEM.

use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use mail_auth::common::crypto::{DkimKey, Ed25519Key, RsaKey, Sha256, SigningKey};
use mail_auth::common::headers::Writable;
use mail_auth::dkim::Signature;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;

use crate::record;

/// How a key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Algorithm {
    /// rsa-sha256.
    Rsa,
    /// ed25519-sha256 (RFC 8463).
    Ed25519,
}

impl Algorithm {
    /// The word of the `k=` tag.
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Rsa => "rsa",
            Algorithm::Ed25519 => "ed25519",
        }
    }
}

/// Why a key cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum KeyError {
    #[error("cannot read {path}: {error}")]
    Unreadable { path: PathBuf, error: String },
    #[error("{path} can be read by others than its owner (mode {mode:04o}): run chmod 600")]
    Open { path: PathBuf, mode: u32 },
    #[error("{path} holds no key that signs: {why}")]
    Invalid { path: PathBuf, why: String },
}

/// A private key. Debug output hides it.
pub struct Key {
    inner: DkimKey,
    public: Vec<u8>,
}

impl Key {
    /// Reads a PEM file that nobody but its owner can read.
    ///
    /// # Errors
    /// The file cannot be read, is open to others, or holds something else.
    pub fn read(path: &Path) -> Result<Key, KeyError> {
        let unreadable = |error: std::io::Error| KeyError::Unreadable {
            path: path.to_owned(),
            error: error.to_string(),
        };
        let meta = std::fs::metadata(path).map_err(unreadable)?;
        let mode = meta.mode() & 0o7777;
        if meta.is_file() && mode & 0o077 != 0 {
            return Err(KeyError::Open {
                path: path.to_owned(),
                mode,
            });
        }
        let pem = std::fs::read(path).map_err(unreadable)?;
        Key::from_pem(&pem).map_err(|why| KeyError::Invalid {
            path: path.to_owned(),
            why,
        })
    }

    /// PKCS 8 of either kind ("PRIVATE KEY"), or PKCS 1 ("RSA PRIVATE KEY").
    ///
    /// # Errors
    /// A sentence: what is wrong with it.
    pub fn from_pem(pem: &[u8]) -> Result<Key, String> {
        let der = PrivateKeyDer::from_pem_slice(pem)
            .map_err(|_| "it is not a private key in PEM".to_owned())?;
        if let PrivateKeyDer::Pkcs8(der) = &der
            && let Ok(key) = Ed25519Key::from_pkcs8_maybe_unchecked_der(der.secret_pkcs8_der())
        {
            let public = key.public_key();
            let inner = DkimKey::Ed25519(key);
            return Ok(Key { inner, public });
        }
        match RsaKey::from_key_der(der) {
            Ok(key) => {
                let public = record::rsa_public(&key.public_key())?;
                let inner = DkimKey::Rsa(key);
                Ok(Key { inner, public })
            }
            Err(_) => Err("only RSA from 2048 bits on and Ed25519 keys can sign".to_owned()),
        }
    }

    pub fn algorithm(&self) -> Algorithm {
        match self.inner {
            DkimKey::Rsa(_) => Algorithm::Rsa,
            DkimKey::Ed25519(_) => Algorithm::Ed25519,
        }
    }

    /// The TXT record that lets others verify.
    pub fn record(&self) -> String {
        record::text(self.algorithm(), &self.public)
    }

    /// The public half as it stands in the record.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// An empty signature of this key's kind.
    pub(crate) fn template(&self) -> Signature {
        Signature {
            v: 1,
            a: self.inner.algorithm(),
            ..Signature::default()
        }
    }

    /// For those who want to have a key.
    pub(crate) fn lend(&self) -> Lent<'_> {
        Lent(self)
    }

    /// The octets of the signature of `hashed`.
    pub(crate) fn sign(&self, hashed: &[u8]) -> Result<Vec<u8>, mail_auth::Error> {
        self.inner.sign(hashed)
    }
}

/// A key that somebody else has.
pub(crate) struct Lent<'a>(&'a Key);

impl SigningKey for Lent<'_> {
    type Hasher = Sha256;

    fn sign(&self, input: impl Writable) -> Result<Vec<u8>, mail_auth::Error> {
        self.0.inner.sign(input)
    }

    fn algorithm(&self) -> mail_auth::common::crypto::Algorithm {
        self.0.inner.algorithm()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("algorithm", &self.algorithm())
            .finish_non_exhaustive()
    }
}
