//! From nothing to a component: what `baton plugin new` and `baton plugin build` know of languages and their tools.
//!
//! A project is a folder with a `plugin.toml`. [`create`] writes one that builds at once; [`Project::build`] runs the language's
//! usual tools in it and gives the component's bytes. Whether the relay takes the component is not asked here.
//!
//! Tools are looked for where the language's own habits put them (the project's `node_modules`, its `.venv`, the `PATH`), and one
//! that is missing is an error that says how to get it. What is missing from registries is inside: the bindings for C and Go
//! and the step from a core module to a component are libraries here, so that neither `wit-bindgen` nor `wasm-tools` is needed.

mod bindings;
mod component;
mod contract;
mod create;
mod declarations;
mod embedded;
mod error;
mod language;
mod project;
mod reference;
mod tools;

pub use create::{Sdk, create};
pub use error::Error;
pub use language::Language;
pub use project::Project;
pub use reference::reference;
