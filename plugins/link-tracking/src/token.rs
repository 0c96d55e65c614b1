//! Tokens: what a tracked link, pixel or unsubscribe address says about itself. Self-contained, so that nothing is stored for a
//! message, and signed, so that nobody can make one: no open redirect, no guessing of others.
//!
//! Bytes, before base64url: kind, then key id, message, recipient and account each with its length, seconds of sending, then index
//! and target, then 16 bytes of HMAC-SHA256 over all before. The kind is signed, so that a click's token opens no other page.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

const MAC_BYTES: usize = 16;
/// Of a token in its base64 form: longest target, addresses and the rest, with room.
const TOKEN_BYTES_MAX: usize = 8192;

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
    /// Seconds since 1970, as long as 32 bits last.
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

/// Makes tokens of one kind about one subject. What they have in common is signed once.
pub struct Signer {
    head: Vec<u8>,
    signed_head: Hmac<Sha256>,
    bytes: Vec<u8>,
}

impl Signer {
    pub fn new(kind: Kind, key_id: &str, key: &[u8], subject: &Subject) -> Self {
        let mut head = vec![kind as u8];
        for field in [
            key_id,
            &subject.message,
            &subject.recipient,
            &subject.account,
        ] {
            // Addresses, ids and accounts are shorter; what is not is cut and so matches nothing.
            let end = field.floor_char_boundary(usize::from(u16::MAX));
            head.extend((end as u16).to_be_bytes());
            head.extend(&field.as_bytes()[..end]);
        }
        head.extend(subject.sent.to_be_bytes());
        let mut signed_head = keyed(key);
        signed_head.update(&head);
        Self {
            head,
            signed_head,
            bytes: Vec::new(),
        }
    }

    /// Appends a token.
    pub fn write(&mut self, index: u16, target: &str, into: &mut String) {
        let index = index.to_be_bytes();
        let mut mac = self.signed_head.clone();
        mac.update(&index);
        mac.update(target.as_bytes());
        self.bytes.clear();
        self.bytes.extend_from_slice(&self.head);
        self.bytes.extend_from_slice(&index);
        self.bytes.extend_from_slice(target.as_bytes());
        self.bytes
            .extend_from_slice(&mac.finalize().into_bytes()[..MAC_BYTES]);
        URL_SAFE_NO_PAD.encode_string(&self.bytes, into);
    }
}

/// A token that was taken apart; nothing in it is to be believed before its key has confirmed it.
pub struct Claim {
    bytes: Vec<u8>,
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
        let (&kind, mut rest) = signed.split_first()?;
        let key_id = take_text(&mut rest)?;
        let message = take_text(&mut rest)?;
        let recipient = take_text(&mut rest)?;
        let account = take_text(&mut rest)?;
        let (sent, rest) = rest.split_first_chunk()?;
        let (index, target) = rest.split_first_chunk()?;
        let subject = Subject {
            message,
            recipient,
            account,
            sent: u32::from_be_bytes(*sent),
        };
        let target = String::from_utf8(target.to_vec()).ok()?;
        let token = Token {
            subject,
            index: u16::from_be_bytes(*index),
            target,
        };
        Some(Self {
            kind,
            key_id,
            token,
            bytes,
        })
    }

    /// The token, if that key signed it for that page. Takes the same time for every wrong signature.
    pub fn verify(self, kind: Kind, key: &[u8]) -> Option<Token> {
        let (signed, signature) = self.bytes.split_at(self.bytes.len() - MAC_BYTES);
        let mut mac = keyed(key);
        mac.update(signed);
        mac.verify_truncated_left(signature).ok()?;
        (self.kind == kind as u8).then_some(self.token)
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

fn take_text(bytes: &mut &[u8]) -> Option<String> {
    let (length, rest) = bytes.split_first_chunk()?;
    let (text, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    *bytes = rest;
    String::from_utf8(text.to_vec()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: &[u8] = b"a key for tests";

    fn subject() -> Subject {
        Subject {
            message: "01JH2Q0000000000000000TEST".to_owned(),
            recipient: "bob@b.test".to_owned(),
            account: "shop".to_owned(),
            sent: 1_767_225_600,
        }
    }

    fn sign(kind: Kind, target: &str) -> String {
        let mut text = String::new();
        Signer::new(kind, "1", KEY, &subject()).write(7, target, &mut text);
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
