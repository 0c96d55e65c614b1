//! A message as bytes plus a list of edits. No I/O, no clock, no randomness.
//!
//! | module | what it holds |
//! |---|---|
//! | [`message`] | [`Message`]: received bytes, read on demand |
//! | [`header`] | a header section as fields with byte ranges |
//! | [`mime`] | the tree of parts with byte ranges, and what is protected |
//! | [`encoding`], [`charset`] | base64, quoted-printable and charsets both ways |
//! | [`field`] | one new field: checked, encoded, folded |
//! | [`edit`] | [`EditSet`]: typed edits, all or nothing per hook call |
//! | [`render`] | base and edits to bytes; untouched ranges are slices of the base |
//! | [`recipe`] | a rendered copy as a difference from the received bytes |
//! | [`received`] | the relay's own trace field |
//! | [`report`] | delivery notifications made, reports and complaints read |
//! | [`compose`] | new messages from their contents |
//! | [`lines`] | what a message needs of the next hop |
//! | [`limits`] | every limit by name |

mod addresses;
pub mod charset;
pub mod compose;
pub mod edit;
pub mod encoding;
mod error;
pub mod field;
pub mod header;
pub mod limits;
pub mod lines;
pub mod message;
pub mod mime;
mod params;
pub mod received;
pub mod recipe;
pub mod render;
pub mod report;
mod search;
mod words;

pub use edit::{Applied, Edit, EditSet};
pub use error::Error;
pub use field::NewField;
pub use header::{Field, HeaderSection};
pub use message::{Message, PartInfo};
pub use mime::Part;
pub use render::Rendered;
