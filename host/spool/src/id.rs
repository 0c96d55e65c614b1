//! Names of messages and of their entries.
//!
//! A [`MessageId`] is 48 bits of milliseconds and 80 bits of chance, written as 26 characters of Crockford's base 32 in
//! lower case. Text and number sort alike, and by time: new messages land at the end of every table, which is what makes
//! inserting them cheap, and "the oldest" is the first row. Time and chance come from the caller.

use std::fmt;
use std::str::FromStr;

/// Crockford's alphabet: no i, l, o or u, so that an id survives being read aloud.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const RANDOM_BITS: u32 = 80;
const RANDOM_MASK: u128 = (1 << RANDOM_BITS) - 1;

/// Name of a message, unique in this spool and sortable by the time of its making.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId(u128);

impl MessageId {
    /// Characters of the written form.
    pub const TEXT_CHARACTERS: usize = 26;
    /// Sorts before every other id.
    pub const MIN: Self = Self(0);
    /// Sorts after every other id.
    pub const MAX: Self = Self(u128::MAX);

    /// `unix_ms` is cut to its low 48 bits (enough until the year 10889), `random` to its low 80.
    pub fn new(unix_ms: u64, random: u128) -> Self {
        Self((u128::from(unix_ms) << RANDOM_BITS) | (random & RANDOM_MASK))
    }

    /// When the id was made, in milliseconds since 1970.
    pub fn unix_ms(self) -> u64 {
        (self.0 >> RANDOM_BITS) as u64
    }

    /// The id as a number that sorts like the id.
    pub fn to_u128(self) -> u128 {
        self.0
    }

    /// The inverse of [`MessageId::to_u128`].
    pub fn from_u128(number: u128) -> Self {
        Self(number)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0u8; Self::TEXT_CHARACTERS];
        let mut rest = self.0;
        for place in text.iter_mut().rev() {
            *place = ALPHABET[(rest & 31) as usize];
            rest >>= 5;
        }
        // The alphabet is ASCII, so this cannot fail.
        f.pad(std::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not the name of a message or an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a message id: 26 characters of 0-9 a-z without i, l, o and u are expected")]
pub struct NotAnId;

impl FromStr for MessageId {
    type Err = NotAnId;

    /// Accepts exactly what [`fmt::Display`] writes; no upper case, so that an id has one spelling.
    fn from_str(text: &str) -> Result<Self, NotAnId> {
        if text.len() != Self::TEXT_CHARACTERS {
            return Err(NotAnId);
        }
        let mut number: u128 = 0;
        for (place, byte) in text.bytes().enumerate() {
            let digit = ALPHABET.iter().position(|&c| c == byte).ok_or(NotAnId)? as u128;
            // 26 characters hold 130 bits; the first may use only three of its five.
            if place == 0 && digit > 7 {
                return Err(NotAnId);
            }
            number = (number << 5) | digit;
        }
        Ok(Self(number))
    }
}

/// Makes ids that never go back, even when the clock does or stands still.
#[derive(Debug, Default)]
pub struct IdSource {
    last: u128,
}

impl IdSource {
    /// The next id: of this time and chance, or the successor of the last one where that would not sort after it.
    pub fn next(&mut self, unix_ms: u64, random: u128) -> MessageId {
        let fresh = MessageId::new(unix_ms, random).0;
        self.last = if fresh > self.last {
            fresh
        } else {
            self.last.saturating_add(1)
        };
        MessageId(self.last)
    }
}

/// One recipient of one message: its place in the message's list of recipients, counted from 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    /// The message.
    pub message: MessageId,
    /// Place of the recipient in the list the message was accepted with. Stays when others are settled.
    pub recipient: u32,
}

impl EntryId {
    /// The entry of `message` for its recipient number `recipient`.
    pub fn new(message: MessageId, recipient: u32) -> Self {
        Self { message, recipient }
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.message, self.recipient)
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for EntryId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        let (message, recipient) = text.split_once('.').ok_or(NotAnId)?;
        if recipient.is_empty() || !recipient.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NotAnId);
        }
        Ok(Self {
            message: message.parse()?,
            recipient: recipient.parse().map_err(|_| NotAnId)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_of_one_millisecond_keep_their_order() {
        let mut source = IdSource::default();
        let first = source.next(1_700_000_000_000, 9);
        let second = source.next(1_700_000_000_000, 3);
        assert!(second > first);
        assert!(second.to_string() > first.to_string());
    }

    #[test]
    fn a_clock_that_goes_back_does_not_take_the_ids_back() {
        let mut source = IdSource::default();
        let first = source.next(2_000, 1);
        assert!(source.next(1_000, 1) > first);
    }

    #[test]
    fn what_is_not_an_id_is_refused() {
        for text in [
            "",
            "0",
            "0000000000000000000000000l",
            "80000000000000000000000000",
            "A0000000000000000000000000",
        ] {
            assert_eq!(text.parse::<MessageId>(), Err(NotAnId), "{text}");
        }
        assert!("00000000000000000000000000.+1".parse::<EntryId>().is_err());
    }

    proptest! {
        #[test]
        fn an_id_reads_back_as_it_was_written(ms in 0u64..(1 << 48), random: u128, recipient: u32) {
            let entry = EntryId::new(MessageId::new(ms, random), recipient);
            prop_assert_eq!(entry.to_string().parse(), Ok(entry));
            prop_assert_eq!(entry.message.to_string().len(), MessageId::TEXT_CHARACTERS);
            prop_assert_eq!(entry.message.unix_ms(), ms);
        }

        #[test]
        fn ids_and_their_texts_sort_alike(a: u128, b: u128) {
            let (a, b) = (MessageId::from_u128(a), MessageId::from_u128(b));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }
    }
}
