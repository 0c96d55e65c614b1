//! Write plugins for the Baton relay in Rust.
//!
//! A plugin is a WebAssembly component that implements some *hooks*: points in the life of a message at which the relay asks
//! it. Drop the `.wasm` file into the relay's plugins folder and it runs from the next session on.
//!
//! # From nothing to a running plugin
//!
//! ```text
//! rustup target add wasm32-wasip2
//! cargo new --lib sign-off && cd sign-off
//! ```
//!
//! `Cargo.toml`:
//!
//! ```toml
//! [lib]
//! crate-type = ["cdylib", "rlib"]   # the component, and a library for your tests
//!
//! [dependencies]
//! baton-sdk = { git = "..." }       # or a path to the relay's `sdk` folder
//! serde = { version = "1", features = ["derive"] }
//! ```
//!
//! `src/lib.rs`:
//!
//! ```
//! use baton_sdk::prelude::*;
//!
//! /// `[plugins.sign-off]` of the relay's configuration.
//! #[derive(Deserialize)]
//! #[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
//! struct SignOff {
//!     text: String,
//! }
//!
//! impl Default for SignOff {
//!     fn default() -> Self {
//!         Self { text: "Sent through Baton".into() }
//!     }
//! }
//!
//! #[baton_sdk::plugin]
//! impl Plugin for SignOff {
//!     fn new() -> Result<Self> {
//!         config::read()
//!     }
//!
//!     fn on_data(&mut self, _: &Session, _: &Envelope) -> Result<Decision> {
//!         for part in message::parts().filter(|part| part.is_plain() && part.editable) {
//!             let text = part.text()?;
//!             part.set_text(&format!("{text}-- \r\n{}\r\n", self.text))?;
//!         }
//!         Ok(Decision::Next)
//!     }
//! }
//!
//! # fn main() {
//! let relay = testing::Relay::new().message("Subject: Hi\r\n\r\nHello\r\n");
//! let mut plugin = SignOff::new().unwrap();
//! plugin.on_data(&testing::session(), &testing::envelope("ann@a.test", &["bob@b.test"])).unwrap();
//! assert_eq!(relay.text(0), "Hello\r\n-- \r\nSent through Baton\r\n");
//! # }
//! ```
//!
//! Build and try it:
//!
//! ```text
//! cargo build --release --target wasm32-wasip2
//! baton plugin run target/wasm32-wasip2/release/sign_off.wasm --hook on-data --eml mail.eml
//! ```
//!
//! # How it fits together
//!
//! - [`Plugin`] is one trait; each hook is a method with a default. The attribute [`plugin`] reads which methods your block
//!   has, and the component exports those hooks, and `on-load` always: a configuration that `new` refuses is known before there is
//!   mail. A hook you do not write costs nothing, nor does one that your [`on_load`](Plugin::on_load) leaves out.
//! - What a hook decides is its return value: a [`Decision`] with helpers such as [`Decision::reject`], a [`Route`], a
//!   [`Translation`]. An `Err` is a fault of the plugin, logged and answered by the operator's fault policy.
//! - The message is ambient: [`message`] reads and edits the one the hook runs for.
//! - Everything else the relay does for you is a module of functions: [`config`], [`context`] (facts and tags), [`kv`], [`dns`],
//!   [`http`], [`events`], [`submit`], [`clock`], [`random`], [`log`]. What needs a grant answers `not-granted` without it.
//! - Nothing stays in memory: the instance may be dropped between two hooks. Use tags for what travels with the message, and
//!   key-value for what lasts.
//! - `println!` and `eprintln!` become log lines; files, sockets and the environment are not there.
//!
//! # Tests without a relay
//!
//! Outside WebAssembly the same functions talk to a stand-in, one for each thread, that the module `testing` sets up: a message
//! from bytes, configuration, key-value in memory, a clock that stands still, and records of events, log lines and edits. Plain
//! `cargo test` runs such tests.

// The attribute names this crate, also inside its own tests and examples.
extern crate self as baton_sdk;

mod bindings;
mod error;
mod hook;
pub mod http;
pub mod message;
mod plugin;
mod services;
#[cfg(not(target_family = "wasm"))]
pub mod testing;
mod types;

#[cfg(target_family = "wasm")]
use bindings::baton::relay as host;
#[cfg(not(target_family = "wasm"))]
use testing::fake as host;

pub use baton_sdk_macros::{golden, plugin};
pub use error::{Error, Result};
pub use hook::Hook;
pub use plugin::Plugin;
pub use services::{clock, config, context, dns, events, kv, log, random, submit};
pub use types::NotAMailbox;

pub use bindings::baton::relay::deliveries::{
    Advice, Attempt, BounceDecision, Disposition, Report, ReportKind, Route, Scope, Stage,
    TlsDemand, Translation,
};
pub use bindings::baton::relay::http_types::{Request, Response};
pub use bindings::baton::relay::types::{
    Decision, Envelope, Mailbox, Parameter, Recipient, Reply, Session,
};
pub use bindings::on_auth::exports::baton::relay::on_auth::AuthDecision;
pub use bindings::on_rcpt::exports::baton::relay::on_rcpt::RecipientDecision;

/// The crates whose derives and values a plugin's code names.
pub use serde;
pub use serde_json;

/// What nearly every plugin names: `use baton_sdk::prelude::*;`.
pub mod prelude {
    #[cfg(not(target_family = "wasm"))]
    pub use crate::testing;
    pub use crate::{
        Advice, Attempt, AuthDecision, BounceDecision, Decision, Disposition, Envelope, Hook,
        Mailbox, Parameter, Plugin, Recipient, RecipientDecision, Reply, Report, ReportKind,
        Request, Response, Result, Route, Scope, Session, Stage, TlsDemand, Translation, bail,
        clock, config, context, dns, events, http, kv, log, message, random, submit,
    };
    pub use serde::Deserialize;
}

/// For the attribute's own use.
#[doc(hidden)]
pub mod __private {
    pub use crate::bindings::{
        on_auth, on_bounce, on_connect, on_copy, on_data, on_delivered, on_feedback, on_load,
        on_mail, on_rcpt, on_reply, on_report, on_request, on_route,
    };
    pub use crate::plugin::Shim;
}
