//! Transcripts and who runs them.

pub mod client;
pub mod script;
pub mod server;
