//! Tokens: what a tracked link, pixel or unsubscribe address says about itself. Self-contained, so that nothing is stored for a
//! message, and signed, so that nobody can make one: no open redirect, no guessing of others.
//!
//! Bytes, before base64url:
//!
//! | what | how |
//! |---|---|
//! | lead | version, kind, how the message is written, and what the target begins with, in one byte |
//! | subject | key id; message; recipient; account; each with its length before it |
//! | index | seven bits a byte |
//! | target | what is left of it |
//! | signature | 16 bytes of HMAC-SHA256 |
//!
//! The signature's key is made for the subject (HMAC of the subject under the relay's key), so that a message's links share that
//! work; it covers lead, index and target. The kind is signed, so that a click's token opens no other page. Every byte of every link is
//! sent to every recipient: the id of a message of the relay's own is written as the number that it is, and its time is the
//! token's.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::name::Name;

const MAC_BYTES: usize = 16;
/// Of a token in its base64 form: longest target, addresses and the rest, with room.
const TOKEN_BYTES_MAX: usize = 8192;

/// Version of what stands here, in the three highest bits of the lead.
const VERSION: u8 = 1 << 5;
const VERSION_MASK: u8 = 0b1110_0000;
const KIND_MASK: u8 = 0b0000_0011;
const START_SHIFT: u32 = 2;
const START_MASK: u8 = 0b11;
/// The message is named by a number.
const NUMBERED: u8 = 1 << 4;

/// What most targets begin with; the first stands for anything else.
const STARTS: [&str; 4] = ["", "https://", "http://", "https://www."];

/// Which page a token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Click = 1,
    Open = 2,
    Unsubscribe = 3,
}

impl Kind {
    /// The page's name in the path.
    pub fn path(self) -> &'static str {
        match self {
            Self::Click => "/c/",
            Self::Open => "/o/",
            Self::Unsubscribe => "/u/",
        }
    }
}

/// Whom a token is about. The recipient is empty where several share a message's token.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    pub message: String,
    pub recipient: String,
    pub account: String,
    /// Seconds since 1970, as long as 32 bits last. Where the message's id tells its time, that is read.
    pub sent: u32,
}

/// A token that was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    pub subject: Subject,
    /// Position of the link among the tracked ones of its message.
    pub index: u16,
    /// The exact target; empty for other pages.
    pub target: String,
}

/// Makes the tokens of one subject. What they have in common is signed once.
pub struct Signer {
    mac: Hmac<Sha256>,
    /// Lead and subject, and room for what follows.
    bytes: Vec<u8>,
    common: usize,
}

impl Signer {
    pub fn new(key_id: &str, key: &[u8], subject: &Subject) -> Self {
        let mut bytes = vec![VERSION];
        put_text(&mut bytes, key_id);
        match Name::parse(&subject.message) {
            Some(name) => {
                bytes[0] |= NUMBERED;
                bytes.extend(name.to_bytes());
            }
            None => {
                put_text(&mut bytes, &subject.message);
                bytes.extend(subject.sent.to_be_bytes());
            }
        }
        put_text(&mut bytes, &subject.recipient);
        put_text(&mut bytes, &subject.account);
        Self {
            mac: keyed(key, &bytes[1..]),
            common: bytes.len(),
            bytes,
        }
    }

    /// Appends a token.
    pub fn write(&mut self, kind: Kind, index: u16, target: &str, into: &mut String) {
        let start = (1..STARTS.len())
            .rev()
            .find(|&start| target.starts_with(STARTS[start]))
            .unwrap_or(0);
        let lead = (self.bytes[0] & !(KIND_MASK | START_MASK << START_SHIFT))
            | kind as u8
            | (start as u8) << START_SHIFT;
        self.bytes.truncate(self.common);
        self.bytes[0] = lead;
        put_number(&mut self.bytes, index);
        self.bytes
            .extend_from_slice(&target.as_bytes()[STARTS[start].len()..]);
        let mut mac = self.mac.clone();
        mac.update(&[lead]);
        mac.update(&self.bytes[self.common..]);
        self.bytes
            .extend_from_slice(&mac.finalize().into_bytes()[..MAC_BYTES]);
        URL_SAFE_NO_PAD.encode_string(&self.bytes, into);
    }
}

/// A token that was taken apart; nothing in it is to be believed before its key has confirmed it.
pub struct Claim {
    bytes: Vec<u8>,
    /// Length of lead and subject.
    common: usize,
    kind: u8,
    pub key_id: String,
    token: Token,
}

impl Claim {
    /// Nothing for what can be no token.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (signed, _) = bytes.split_at_checked(bytes.len().checked_sub(MAC_BYTES)?)?;
        let (&lead, mut rest) = signed.split_first()?;
        if lead & VERSION_MASK != VERSION {
            return None;
        }
        let key_id = take_text(&mut rest)?;
        let (message, sent) = if lead & NUMBERED != 0 {
            let name = Name::from_bytes(*take(&mut rest)?);
            (name.to_string(), name.unix_seconds())
        } else {
            (take_text(&mut rest)?, u32::from_be_bytes(*take(&mut rest)?))
        };
        let recipient = take_text(&mut rest)?;
        let account = take_text(&mut rest)?;
        let common = signed.len() - rest.len();
        let index = take_number(&mut rest)?;
        let start = STARTS[usize::from(lead >> START_SHIFT & START_MASK)];
        let subject = Subject {
            message,
            recipient,
            account,
            sent,
        };
        let token = Token {
            subject,
            index,
            target: format!("{start}{}", std::str::from_utf8(rest).ok()?),
        };
        Some(Self {
            kind: lead & KIND_MASK,
            common,
            key_id,
            token,
            bytes,
        })
    }

    /// The token, if that key signed it for that page. Takes the same time for every wrong signature.
    pub fn verify(self, kind: Kind, key: &[u8]) -> Option<Token> {
        let (signed, signature) = self.bytes.split_at(self.bytes.len() - MAC_BYTES);
        let mut mac = keyed(key, &signed[1..self.common]);
        mac.update(&signed[..1]);
        mac.update(&signed[self.common..]);
        mac.verify_truncated_left(signature).ok()?;
        (self.kind == kind as u8).then_some(self.token)
    }
}

/// What signs for a subject. To copy it and go on costs two rounds of SHA-256 for a link of common length, and not four.
fn keyed(key: &[u8], subject: &[u8]) -> Hmac<Sha256> {
    let hmac = |key: &[u8]| Hmac::new_from_slice(key).expect("HMAC takes keys of any length");
    let mut derivation: Hmac<Sha256> = hmac(key);
    derivation.update(subject);
    hmac(&derivation.finalize().into_bytes())
}

/// Addresses, ids and accounts are shorter; what is not is cut and so matches nothing.
fn put_text(bytes: &mut Vec<u8>, text: &str) {
    let end = text.floor_char_boundary(usize::from(u16::MAX));
    put_number(bytes, end as u16);
    bytes.extend_from_slice(&text.as_bytes()[..end]);
}

fn put_number(bytes: &mut Vec<u8>, mut number: u16) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take<'a, const LENGTH: usize>(bytes: &mut &'a [u8]) -> Option<&'a [u8; LENGTH]> {
    let (taken, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(taken)
}

fn take_text(bytes: &mut &[u8]) -> Option<String> {
    let length = take_number(bytes)?;
    let (text, rest) = bytes.split_at_checked(usize::from(length))?;
    *bytes = rest;
    String::from_utf8(text.to_vec()).ok()
}

fn take_number(bytes: &mut &[u8]) -> Option<u16> {
    let mut number = 0;
    for shift in [0, 7, 14] {
        let &[byte] = take(bytes)?;
        number |= u32::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return u16::try_from(number).ok();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &[u8] = b"a key for tests";

    fn subject() -> Subject {
        Subject {
            message: "01kdvdna0028t5cy4gnf6yy4hm".to_owned(),
            recipient: "bob@b.test".to_owned(),
            account: "shop".to_owned(),
            sent: 1_767_225_600,
        }
    }

    fn sign(kind: Kind, target: &str) -> String {
        let mut text = String::new();
        Signer::new("1", KEY, &subject()).write(kind, 7, target, &mut text);
        text
    }

    #[test]
    fn a_token_says_what_was_signed() {
        let claim = Claim::parse(&sign(Kind::Click, "https://x.test/é")).expect("a token");
        assert_eq!(claim.key_id, "1");
        let token = claim.verify(Kind::Click, KEY).expect("signed");
        assert_eq!(
            token,
            Token {
                subject: subject(),
                index: 7,
                target: "https://x.test/é".to_owned()
            }
        );
    }

    #[test]
    fn a_token_is_good_for_its_own_page_and_key_alone() {
        let text = sign(Kind::Click, "https://x.test/");
        assert_eq!(
            Claim::parse(&text)
                .expect("a token")
                .verify(Kind::Unsubscribe, KEY),
            None
        );
        assert_eq!(
            Claim::parse(&text)
                .expect("a token")
                .verify(Kind::Click, b"another"),
            None
        );
    }

    proptest! {
        #[test]
        fn an_altered_token_is_none(at in 0_usize..200, to in "[A-Za-z0-9_-]", target in "https://[a-z]{1,40}/") {
            let text = sign(Kind::Click, &target);
            let at = at % text.len();
            let mut altered = text.clone();
            altered.replace_range(at..=at, &to);
            prop_assume!(altered != text);
            let token = Claim::parse(&altered).and_then(|claim| claim.verify(Kind::Click, KEY));
            prop_assert_eq!(token, None);
        }

        #[test]
        fn any_text_is_read_without_a_panic(text in ".{0,300}", bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = Claim::parse(&text);
            let _ = Claim::parse(&URL_SAFE_NO_PAD.encode(bytes));
        }

        #[test]
        fn a_cut_or_longer_token_is_none(cut in 1_usize..100, more in "[A-Za-z0-9_-]{1,9}") {
            let text = sign(Kind::Open, "");
            for altered in [&text[..text.len() - cut.min(text.len())], &format!("{text}{more}")] {
                let token = Claim::parse(altered).and_then(|claim| claim.verify(Kind::Open, KEY));
                prop_assert_eq!(token, None);
            }
        }
    }
}
