//! SMTP without a network: what the words mean, and two state machines that speak them.
//!
//! Nothing here waits, reads a clock or opens a socket. [`server::Session`] and
//! [`client::Connection`] take bytes and give back events; the caller owns the socket, the time and
//! the decisions. The same bytes give the same transcript however they are cut.
//!
//! | RFC | what | where |
//! |---|---|---|
//! | 5321 4.1.1 | commands | [`command`] |
//! | 5321 4.1.2, 4.1.3, 6531 3.3 | addresses, paths, literals | [`address`] |
//! | 5321 4.2, 2034, 3463 | replies and statuses | [`reply`] |
//! | 5321 2.3.8 | lines end in CRLF, and in nothing else | [`mod@line`] |
//! | 5321 4.5.2 | DATA, dot-stuffing | [`data`] |
//! | 3030 | BDAT | [`bdat`] |
//! | 5321 4.5.3 | sizes and timeouts | [`limits`] |
//! | 1869, 1870, 2920, 6152, 9422 | what EHLO offers | [`extension`] |
//! | 3461, 6533 | DSN parameters, xtext | [`envelope`] |
//! | 4954, 4616 | AUTH PLAIN and LOGIN | [`auth`] |
//! | 3207 | STARTTLS | [`server`], [`client`] |
//! | 3848, 6531 4.3 | protocol names for Received | [`server::Session::protocol`] |
//! | (HAProxy) | PROXY protocol | [`proxy`] |
//!
//! # SMTP smuggling
//!
//! Two servers that disagree about where a message ends can be made to see two messages where there
//! is one (CVE-2023-51764, -51765, -51766). Here only CRLF ends a line, only CRLF `.` CRLF ends DATA,
//! and a bare CR, a bare LF or a NUL is never passed on: [`data`] says what happens to a message that
//! has one, [`mod@line`] what happens to a command.

pub mod address;
pub mod auth;
pub mod bdat;
pub mod client;
pub mod command;
pub mod data;
pub mod envelope;
pub mod extension;
pub mod limits;
pub mod line;
pub mod proxy;
pub mod reply;
pub mod server;

pub use address::{AddressError, Domain, ForwardPath, Mailbox, ReversePath};
pub use envelope::{Envelope, Parameter, Recipient};
pub use reply::{EnhancedStatus, Reply};
