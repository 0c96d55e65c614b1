//! What the end-to-end tests are made of: the relay as a process on free ports, mail exchangers that follow a script, a DNS
//! server with a zone made for the test, and small clients that can also misbehave.
//!
//! Nothing here leaves the loopback interface, everything is bounded in time, and every process that a test starts is
//! stopped by its `Drop`.

pub mod client;
pub mod dns;
pub mod guests;
pub mod http;
pub mod mx;
pub mod relay;
pub mod tls;
pub mod wait;

pub use client::Client;
pub use mx::{Mx, Received, Script};
pub use relay::Relay;
pub use wait::{eventually, within};
