//! The envelope of a message: who sent it, who gets it, and what was said about both.
//!
//! Parameters are kept as they came, so that plugins and the next hop see what the client said; the
//! typed readings ([`Envelope::body`], [`Recipient::notify`]) are made from them on demand. The
//! server checks each parameter before it enters an envelope, so a reading is `None` only where the
//! parameter is absent (or where the envelope was made by hand).

mod parameter;
mod xtext;

#[cfg(test)]
mod tests;

use std::fmt;

pub use parameter::{Parameter, ParameterError, find, value};
pub use xtext::{decode as decode_xtext, encode as encode_xtext};

pub(crate) use parameter::{check_mail, check_rcpt, parse_list};

use crate::address::{Mailbox, ReversePath};

/// What MAIL and RCPT said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The reverse-path.
    pub sender: ReversePath,
    /// The parameters of MAIL, in order.
    pub parameters: Vec<Parameter>,
    /// The recipients accepted so far, in order.
    pub recipients: Vec<Recipient>,
}

impl Envelope {
    /// An envelope without parameters and recipients.
    pub fn new(sender: ReversePath) -> Envelope {
        Envelope {
            sender,
            parameters: Vec::new(),
            recipients: Vec::new(),
        }
    }

    /// SIZE: what the client says the message measures, in octets (RFC 1870).
    pub fn size(&self) -> Option<u64> {
        value(&self.parameters, "SIZE")?.parse().ok()
    }

    /// BODY: what kind of octets the message holds (RFC 6152, RFC 3030). Absent is 7BIT.
    pub fn body(&self) -> Body {
        value(&self.parameters, "BODY")
            .and_then(Body::parse)
            .unwrap_or(Body::SevenBit)
    }

    /// True where the client asked for SMTPUTF8 (RFC 6531 3.4).
    pub fn smtputf8(&self) -> bool {
        find(&self.parameters, "SMTPUTF8").is_some()
    }

    /// RET: what a notification should give back (RFC 3461 4.3).
    pub fn ret(&self) -> Option<Ret> {
        value(&self.parameters, "RET").and_then(Ret::parse)
    }

    /// ENVID: the sender's own name for this envelope, decoded (RFC 3461 4.4).
    pub fn envid(&self) -> Option<String> {
        decode_xtext(value(&self.parameters, "ENVID")?)
    }

    /// AUTH: who submitted the message first, decoded; `<>` where the client does not say (RFC 4954
    /// section 5).
    pub fn auth(&self) -> Option<String> {
        decode_xtext(value(&self.parameters, "AUTH")?)
    }
}

/// One recipient, with the parameters of its RCPT.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The forward-path.
    pub address: Mailbox,
    /// The parameters of RCPT, in order.
    pub parameters: Vec<Parameter>,
}

impl Recipient {
    /// A recipient without parameters.
    pub fn new(address: Mailbox) -> Recipient {
        Recipient {
            address,
            parameters: Vec::new(),
        }
    }

    /// NOTIFY: when the sender wants to be told (RFC 3461 4.1).
    pub fn notify(&self) -> Option<Notify> {
        value(&self.parameters, "NOTIFY").and_then(Notify::parse)
    }

    /// ORCPT: the address as the sender first wrote it (RFC 3461 4.2).
    pub fn orcpt(&self) -> Option<OriginalRecipient> {
        value(&self.parameters, "ORCPT").and_then(OriginalRecipient::parse)
    }
}

impl From<Mailbox> for Recipient {
    fn from(address: Mailbox) -> Recipient {
        Recipient::new(address)
    }
}

/// BODY= (RFC 6152, RFC 3030).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// Lines of ASCII.
    SevenBit,
    /// Lines of any octets but NUL.
    EightBitMime,
    /// Any octets, without lines. Parsed, and refused by the server: it offers no BINARYMIME.
    BinaryMime,
}

impl Body {
    pub(crate) fn parse(text: &str) -> Option<Body> {
        [Body::SevenBit, Body::EightBitMime, Body::BinaryMime]
            .into_iter()
            .find(|body| text.eq_ignore_ascii_case(body.as_str()))
    }

    /// As it stands in the command.
    pub fn as_str(self) -> &'static str {
        match self {
            Body::SevenBit => "7BIT",
            Body::EightBitMime => "8BITMIME",
            Body::BinaryMime => "BINARYMIME",
        }
    }
}

/// RET= (RFC 3461 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ret {
    /// The whole message.
    Full,
    /// The header section alone.
    Headers,
}

impl Ret {
    pub(crate) fn parse(text: &str) -> Option<Ret> {
        if text.eq_ignore_ascii_case("FULL") {
            Some(Ret::Full)
        } else if text.eq_ignore_ascii_case("HDRS") {
            Some(Ret::Headers)
        } else {
            None
        }
    }

    /// As it stands in the command.
    pub fn as_str(self) -> &'static str {
        match self {
            Ret::Full => "FULL",
            Ret::Headers => "HDRS",
        }
    }
}

/// NOTIFY= (RFC 3461 4.1). All false is NEVER.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Notify {
    /// Tell of success.
    pub success: bool,
    /// Tell of failure.
    pub failure: bool,
    /// Tell of delay.
    pub delay: bool,
}

impl Notify {
    pub(crate) fn parse(text: &str) -> Option<Notify> {
        let mut notify = Notify::default();
        if text.eq_ignore_ascii_case("NEVER") {
            return Some(notify);
        }
        for word in text.split(',') {
            if word.eq_ignore_ascii_case("SUCCESS") {
                notify.success = true;
            } else if word.eq_ignore_ascii_case("FAILURE") {
                notify.failure = true;
            } else if word.eq_ignore_ascii_case("DELAY") {
                notify.delay = true;
            } else {
                return None;
            }
        }
        Some(notify)
    }

    /// True where nobody is to be told of anything.
    pub fn is_never(self) -> bool {
        self == Notify::default()
    }
}

impl fmt::Display for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_never() {
            return f.write_str("NEVER");
        }
        let words = [
            (self.success, "SUCCESS"),
            (self.failure, "FAILURE"),
            (self.delay, "DELAY"),
        ];
        let mut comma = "";
        for (_, word) in words.into_iter().filter(|(set, _)| *set) {
            write!(f, "{comma}{word}")?;
            comma = ",";
        }
        Ok(())
    }
}

/// ORCPT= (RFC 3461 4.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginalRecipient {
    /// Such as `rfc822`, as written.
    pub address_type: String,
    /// Decoded.
    pub address: String,
}

impl OriginalRecipient {
    pub(crate) fn parse(text: &str) -> Option<OriginalRecipient> {
        let (address_type, address) = text.split_once(';')?;
        let atom = |c: char| c.is_ascii_alphanumeric() || c == '-';
        if address_type.is_empty() || !address_type.chars().all(atom) {
            return None;
        }
        let address = if address_type.eq_ignore_ascii_case("utf-8") {
            xtext::decode_utf8_address(address)?
        } else {
            decode_xtext(address)?
        };
        Some(OriginalRecipient {
            address_type: address_type.to_owned(),
            address,
        })
    }
}

impl fmt::Display for OriginalRecipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoded = if self.address_type.eq_ignore_ascii_case("utf-8") {
            xtext::encode_utf8_address(&self.address)
        } else {
            encode_xtext(&self.address)
        };
        write!(f, "{};{encoded}", self.address_type)
    }
}
