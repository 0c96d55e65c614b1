//! The plugin host against real components: what plugins may do, may not do, and what becomes of those that try.

mod chain;
mod consulted;
mod deliveries;
mod edits;
mod faults;
mod folder;
mod golden;
mod grants;
mod house;
mod limits;
mod loading;
mod mangled;
