//! New private keys, as PEM (PKCS 8).

use rsa::RsaPrivateKey;
use rsa::pkcs8::{EncodePrivateKey, LineEnding, SecretDocument};
use rsa::rand_core::{OsRng, RngCore};

/// What every relay and verifier can use, and what still fits into few strings of the DNS.
pub const RSA_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;

/// PKCS 8 around an Ed25519 seed (RFC 8410 7), in the version that OpenSSL reads as well.
const ED25519_PREFIX: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// Takes a second or several.
///
/// # Errors
/// A sentence: another size, or no random numbers.
pub fn rsa(bits: usize) -> Result<String, String> {
    if !RSA_BITS.contains(&bits) {
        return Err(format!(
            "an RSA key of {bits} bits is not used for mail: write {} to {}",
            RSA_BITS.start(),
            RSA_BITS.end()
        ));
    }
    let key = RsaPrivateKey::new(&mut OsRng, bits).map_err(|error| error.to_string())?;
    let pem = key
        .to_pkcs8_pem(LineEnding::LF)
        .map_err(|e| e.to_string())?;
    Ok(pem.to_string())
}

/// # Errors
/// A sentence: no random numbers.
pub fn ed25519() -> Result<String, String> {
    let mut der = ED25519_PREFIX.to_vec();
    let mut seed = [0; 32];
    OsRng
        .try_fill_bytes(&mut seed)
        .map_err(|error| error.to_string())?;
    der.extend_from_slice(&seed);
    let document = SecretDocument::try_from(der).map_err(|error| error.to_string())?;
    let pem = document
        .to_pem("PRIVATE KEY", LineEnding::LF)
        .map_err(|error| error.to_string())?;
    Ok(pem.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Algorithm, Key};

    #[test]
    fn what_is_made_can_sign_and_is_never_the_same() {
        let (one, two) = (ed25519().expect("a key"), ed25519().expect("a key"));
        assert_ne!(one, two);
        let key = Key::from_pem(one.as_bytes()).expect("valid");
        assert_eq!(key.algorithm(), Algorithm::Ed25519);
        assert_eq!(key.public().len(), 32);
        let pem = rsa(2048).expect("a key");
        let key = Key::from_pem(pem.as_bytes()).expect("valid");
        assert_eq!(key.algorithm(), Algorithm::Rsa);
    }

    #[test]
    fn weak_and_unwieldy_keys_are_not_made() {
        assert!(rsa(1024).is_err());
        assert!(rsa(8192).is_err());
    }
}
