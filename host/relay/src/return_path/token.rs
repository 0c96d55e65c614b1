//! What a return path carries: which message, which recipient, what its sender wants to know of it; signed.

use std::ops::RangeInclusive;

use baton_smtp::envelope::Notify;
use baton_spool::MessageId;
use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::base32;
use super::keys::Key;

/// Keeps these signatures apart from others that might ever be made with the same key.
const CONTEXT: &[u8] = b"baton return path\0";
/// The form of the bytes, in the upper half of the first one.
const VERSION: u8 = 1;
/// 80 bits: a guess costs an SMTP command, and the key is another one after a month.
const SIGNATURE_BYTES: usize = 10;

/// See the module. When it was made is in the message's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    pub message: MessageId,
    /// The number of the recipient; none where several shared a transaction.
    pub recipient: Option<u32>,
    pub wishes: Wishes,
}

/// What the sender wants to be told of (RFC 3461 4.1); none where it did not say. The remote host is told too, but not every
/// one listens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wishes(pub Option<Notify>);

/// Why an address is not one of ours. For logs: a client learns that nobody is there, and not what a forger would like to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    #[error("no address of this domain has that form")]
    Form,
    #[error("the signature of the return path is wrong")]
    Signature,
    #[error("the return path has expired")]
    Expired,
}

impl Wishes {
    /// Tell of a failure?
    pub fn failure(self) -> bool {
        self.0.is_none_or(|notify| notify.failure)
    }

    /// Tell of a delay?
    pub fn delay(self) -> bool {
        self.0.is_none_or(|notify| notify.delay)
    }

    /// Tell of success?
    pub fn success(self) -> bool {
        self.0.is_some_and(|notify| notify.success)
    }

    fn bits(self) -> u8 {
        let Some(notify) = self.0 else { return 0 };
        1 | u8::from(notify.success) << 1
            | u8::from(notify.failure) << 2
            | u8::from(notify.delay) << 3
    }

    fn of_bits(bits: u8) -> Wishes {
        Wishes((bits & 1 != 0).then_some(Notify {
            success: bits & 2 != 0,
            failure: bits & 4 != 0,
            delay: bits & 8 != 0,
        }))
    }
}

impl Token {
    /// Lengths that a signed token can have; with the prefix far below the 64 octets of a local part (RFC 5321 4.5.3.1.1).
    pub const SIGNED_CHARACTERS: RangeInclusive<usize> = 45..=52;

    /// The token with its signature, as text that survives a change of case.
    pub fn sign(&self, key: &Key) -> String {
        let mut bytes = self.bytes();
        let signature = signature(key, &bytes).finalize().into_bytes();
        bytes.extend_from_slice(&signature[..SIGNATURE_BYTES]);
        base32::encode(&bytes)
    }

    /// Reads what [`Token::sign`] wrote, in lower case, with any of these keys.
    pub fn verify(signed: &str, keys: &[Key]) -> Result<Token, Rejected> {
        if !Token::SIGNED_CHARACTERS.contains(&signed.len()) {
            return Err(Rejected::Form);
        }
        let bytes = base32::decode(signed).ok_or(Rejected::Form)?;
        let (plain, told) = bytes
            .split_at_checked(bytes.len().saturating_sub(SIGNATURE_BYTES))
            .ok_or(Rejected::Form)?;
        let is_ours = keys
            .iter()
            .any(|key| signature(key, plain).verify_truncated_left(told).is_ok());
        if !is_ours {
            return Err(Rejected::Signature);
        }
        Token::of_bytes(plain).ok_or(Rejected::Form)
    }

    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(32);
        bytes.push(VERSION << 4 | self.wishes.bits());
        bytes.extend_from_slice(&self.message.to_u128().to_be_bytes());
        let mut rest = self.recipient.map_or(0, |number| u64::from(number) + 1);
        while rest >= 0x80 {
            bytes.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        bytes.push(rest as u8);
        bytes
    }

    fn of_bytes(bytes: &[u8]) -> Option<Token> {
        let (&first, rest) = bytes.split_first()?;
        if first >> 4 != VERSION {
            return None;
        }
        let (message, rest) = rest.split_first_chunk::<16>()?;
        let mut number = 0u64;
        for (place, byte) in rest.iter().enumerate() {
            number |= u64::from(byte & 0x7f) << (7 * u32::try_from(place.min(8)).ok()?);
            let is_last = place + 1 == rest.len();
            if (byte & 0x80 == 0) != is_last {
                return None;
            }
        }
        let recipient = match number.checked_sub(1) {
            Some(number) => Some(u32::try_from(number).ok()?),
            None => None,
        };
        Some(Token {
            message: MessageId::from_u128(u128::from_be_bytes(*message)),
            recipient,
            wishes: Wishes::of_bits(first & 15),
        })
    }
}

fn signature(key: &Key, bytes: &[u8]) -> Hmac<Sha256> {
    // A key of any length is one for HMAC.
    #[allow(clippy::expect_used)]
    let mut mac = Hmac::<Sha256>::new_from_slice(key.bytes()).expect("any length is a key");
    mac.update(CONTEXT);
    mac.update(bytes);
    mac
}
