//! Who a message is from, provably: signatures of ours (DKIM, RFC 6376 and RFC 8463), and what those of others are worth. No I/O
//! but the reading of key files and, in [`verify`], questions to a DNS that is given.
//!
//! | module | what it holds |
//! |---|---|
//! | [`key`] | one private key, from its file |
//! | [`keyring`] | all of them, and which sign a message |
//! | [`dkim`] | the signatures of a message |
//! | [`canon`] | a message as it is hashed |
//! | [`record`] | what stands in the DNS for a key |
//! | [`generate`] | new keys |
//! | [`verify`] | SPF, DKIM, ARC and DMARC of a received message, and the seal of one that is passed on |
//!
//! mail-auth is used here and for the DNS alone.

pub mod canon;
pub mod dkim;
pub mod generate;
pub mod key;
pub mod keyring;
pub mod record;
pub mod verify;

pub use dkim::{Coverage, Unsigned, sign};
pub use key::{Algorithm, Key, KeyError};
pub use keyring::{DomainKey, Keyring};
pub use verify::{Authenticator, Findings};
