//! The relay as a library: the parts of the program, and the place where they are wired together.

pub mod bundled;
pub mod clock;
pub mod config;
pub mod dns;
pub mod event;
pub mod limits;
pub mod net;
pub mod store;
pub mod tls;
