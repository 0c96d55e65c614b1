//! What stands in the DNS for a key (RFC 6376 3.6.1): made, read and compared.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rsa::pkcs1::DecodeRsaPublicKey;
use rsa::pkcs8::{DecodePublicKey, EncodePublicKey};
use rsa::traits::PublicKeyParts;

use crate::key::{Algorithm, Key};

/// Octets of one string of a TXT record.
const STRING_BYTES_MAX: usize = 255;

/// Where the record of a key is: "s1._domainkey.example.net".
pub fn name(selector: &str, domain: &str) -> String {
    format!("{selector}._domainkey.{domain}")
}

/// The strings of a TXT record, each in quotes, as zone files have them.
pub fn quoted(text: &str) -> String {
    let pieces: Vec<String> = text
        .as_bytes()
        .chunks(STRING_BYTES_MAX)
        .map(|piece| format!("\"{}\"", String::from_utf8_lossy(piece)))
        .collect();
    pieces.join(" ")
}

/// Why a published record does not let others verify what a key signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// It is not a record of a key; with what is wrong.
    Syntax(&'static str),
    /// `p=` is empty: the key was withdrawn.
    Revoked,
    /// It holds another kind of key.
    Algorithm(String),
    /// It holds another key.
    OtherKey,
    /// The key does not accept SHA-256, or is not for mail.
    Limited(&'static str),
}

impl std::fmt::Display for Wrong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Wrong::Syntax(what) => write!(f, "the record is broken: {what}"),
            Wrong::Revoked => f.write_str("the record says that the key was revoked"),
            Wrong::Algorithm(found) => write!(f, "the record holds a key for {found}"),
            Wrong::OtherKey => f.write_str("the record holds another key"),
            Wrong::Limited(what) => f.write_str(what),
        }
    }
}

/// What a record says that matters to a signer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The key is being tried out: verifiers treat failures as if nothing was signed.
    pub testing: bool,
}

/// Whether that record lets others verify what the key signs.
///
/// # Errors
/// What keeps them from it.
pub fn check(key: &Key, text: &str) -> Result<Published, Wrong> {
    let tags = tags(text)?;
    let tag = |name: &str| tags.iter().find(|(known, _)| known == name).map(|t| &*t.1);
    if tag("v").is_some_and(|version| version != "DKIM1") {
        return Err(Wrong::Syntax("v= is not DKIM1"));
    }
    let public: String = tag("p")
        .ok_or(Wrong::Syntax("it has no p="))?
        .split_ascii_whitespace()
        .collect();
    if public.is_empty() {
        return Err(Wrong::Revoked);
    }
    let kind = tag("k").unwrap_or("rsa");
    if kind != key.algorithm().name() {
        return Err(Wrong::Algorithm(kind.to_owned()));
    }
    if let Some(hashes) = tag("h")
        && !hashes.split(':').any(|hash| hash.trim() == "sha256")
    {
        return Err(Wrong::Limited("the record does not allow SHA-256 (h=)"));
    }
    if let Some(services) = tag("s")
        && !services
            .split(':')
            .any(|service| matches!(service.trim(), "*" | "email"))
    {
        return Err(Wrong::Limited("the record is not for mail (s=)"));
    }
    let public = STANDARD
        .decode(public)
        .map_err(|_| Wrong::Syntax("p= is not base64"))?;
    if !same(key, &public) {
        return Err(Wrong::OtherKey);
    }
    let flags = tag("t").unwrap_or_default();
    Ok(Published {
        testing: flags.split(':').any(|flag| flag.trim() == "y"),
    })
}

/// RSA keys stand in records with and without their wrapping (RFC 6376 errata 3017).
fn same(key: &Key, public: &[u8]) -> bool {
    public == key.public()
        || (key.algorithm() == Algorithm::Rsa
            && rsa_public(public).is_ok_and(|wrapped| wrapped == key.public()))
}

/// Tag lists of RFC 6376 3.2.
fn tags(text: &str) -> Result<Vec<(String, String)>, Wrong> {
    let mut tags: Vec<(String, String)> = Vec::new();
    for tag in text.split(';') {
        if tag.trim().is_empty() {
            continue;
        }
        let (name, value) = tag
            .split_once('=')
            .ok_or(Wrong::Syntax("a tag has no value"))?;
        let name = name.trim().to_owned();
        if tags.iter().any(|(known, _)| *known == name) {
            return Err(Wrong::Syntax("a tag stands twice"));
        }
        tags.push((name, value.trim().to_owned()));
    }
    Ok(tags)
}

pub(crate) fn text(algorithm: Algorithm, public: &[u8]) -> String {
    let public = STANDARD.encode(public);
    format!("v=DKIM1; k={}; p={public}", algorithm.name())
}

/// An RSA public key (PKCS 1) in the wrapping that records have (SubjectPublicKeyInfo).
pub(crate) fn rsa_public(pkcs1: &[u8]) -> Result<Vec<u8>, String> {
    let key = rsa::RsaPublicKey::from_pkcs1_der(pkcs1).map_err(|e| e.to_string())?;
    let document = key.to_public_key_der().map_err(|e| e.to_string())?;
    Ok(document.into_vec())
}

/// Bits of an RSA key, from the public half in a record.
pub fn rsa_bits(key: &Key) -> Option<usize> {
    let public = rsa::RsaPublicKey::from_public_key_der(key.public()).ok()?;
    Some(public.n().bits())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate;

    /// The key of RFC 8463 appendix A, and its record.
    const ED25519: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n\
        -----END PRIVATE KEY-----\n";
    const ED25519_RECORD: &str =
        "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";

    fn key() -> Key {
        Key::from_pem(ED25519.as_bytes()).expect("a key")
    }

    #[test]
    fn the_record_of_a_known_key_is_the_one_of_the_rfc() {
        assert_eq!(key().record(), ED25519_RECORD);
        let fine = Published { testing: false };
        assert_eq!(check(&key(), ED25519_RECORD), Ok(fine));
        let trying = Published { testing: true };
        let text = format!("{ED25519_RECORD}; t=y:s;");
        assert_eq!(check(&key(), &text), Ok(trying));
    }

    #[test]
    fn a_record_that_does_not_fit_says_why() {
        let other = Key::from_pem(generate::ed25519().expect("a key").as_bytes()).expect("valid");
        for (text, wrong) in [
            ("v=DKIM1; p=", Wrong::Revoked),
            ("v=DKIM2; p=AA==", Wrong::Syntax("v= is not DKIM1")),
            ("v=DKIM1; k=ed25519", Wrong::Syntax("it has no p=")),
            ("v=DKIM1; k=ed25519; p=!", Wrong::Syntax("p= is not base64")),
            ("v=DKIM1; v=DKIM1; p=", Wrong::Syntax("a tag stands twice")),
            ("v=DKIM1; p=AA==", Wrong::Algorithm("rsa".into())),
            (other.record().as_str(), Wrong::OtherKey),
            (
                &format!("{ED25519_RECORD}; h=sha1"),
                Wrong::Limited("the record does not allow SHA-256 (h=)"),
            ),
        ] {
            assert_eq!(check(&key(), text), Err(wrong), "{text}");
        }
    }

    #[test]
    fn an_rsa_record_is_right_with_and_without_its_wrapping() {
        let pem = generate::rsa(2048).expect("a key");
        let key = Key::from_pem(pem.as_bytes()).expect("valid");
        let record = key.record();
        assert!(check(&key, &record).is_ok());
        assert_eq!(rsa_bits(&key), Some(2048));
        assert!(quoted(&record).contains("\" \""), "{record}");
        let public = rsa::RsaPublicKey::from_public_key_der(key.public()).expect("public");
        let bare = rsa::pkcs1::EncodeRsaPublicKey::to_pkcs1_der(&public).expect("der");
        let bare = text(Algorithm::Rsa, bare.as_bytes());
        assert_ne!(bare, record);
        assert!(check(&key, &bare).is_ok());
    }

    #[test]
    fn no_string_of_a_record_is_longer_than_the_dns_takes() {
        let text = "x".repeat(600);
        let quoted = quoted(&text);
        let strings: Vec<&str> = quoted.split(' ').collect();
        assert_eq!(strings.len(), 3);
        assert!(strings.iter().all(|string| string.len() <= 257));
        assert_eq!(quoted.replace(['"', ' '], ""), text);
    }
}
