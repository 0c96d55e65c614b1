//! The id of a message as a number: 26 characters stand for 128 bits, of which the first 48 are milliseconds since 1970.

use std::fmt;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const CHARACTERS: usize = 26;
const RANDOM_BITS: u32 = 80;

/// The name of a message that this relay received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name(u128);

impl Name {
    /// Nothing for a text that is written in any other way, so that every name comes back as it was.
    pub fn parse(text: &str) -> Option<Self> {
        // The first character has room for three bits only.
        if text.len() != CHARACTERS || !matches!(text.as_bytes()[0], b'0'..=b'7') {
            return None;
        }
        let mut number = 0;
        for byte in text.bytes() {
            let digit = ALPHABET.iter().position(|&known| known == byte)?;
            number = number << 5 | digit as u128;
        }
        Some(Self(number))
    }

    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }

    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// When the message came, in seconds since 1970.
    pub fn unix_seconds(self) -> u32 {
        u32::try_from((self.0 >> RANDOM_BITS) / 1000).unwrap_or(u32::MAX)
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        let mut text = [0; CHARACTERS];
        for place in text.iter_mut().rev() {
            *place = ALPHABET[(rest & 31) as usize];
            rest >>= 5;
        }
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_name_tells_when_the_message_came() {
        let name = Name::parse("01kdvdna0028t5cy4gnf6yy4hm").map(Name::unix_seconds);
        assert_eq!(name, Some(1_767_225_600));
    }

    proptest! {
        #[test]
        fn a_name_comes_back_as_it_was(number: u128) {
            let text = Name(number).to_string();
            prop_assert_eq!(Name::parse(&text), Some(Name(number)));
            prop_assert_eq!(Name::from_bytes(Name(number).to_bytes()), Name(number));
        }

        #[test]
        fn what_is_written_otherwise_is_no_name(text in "[0-9a-zA-Z]{20,30}") {
            if let Some(name) = Name::parse(&text) {
                prop_assert_eq!(name.to_string(), text);
            }
        }
    }
}
