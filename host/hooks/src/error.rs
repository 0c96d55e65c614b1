//! What can go wrong before a plugin is called. A variant says who is to blame.

use std::path::PathBuf;

/// Why plugins could not be started, or one could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The machine or its settings: wasmtime refuses to work here.
    #[error("the wasm engine does not start: {0}")]
    Engine(String),
    /// The file system.
    #[error("{path}: {cause}")]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// The cache folder belongs to somebody else, or others may write there: native code from it would be theirs.
    #[error("{0}: {1}")]
    Cache(PathBuf, &'static str),
    /// The plugin folder cannot be watched.
    #[error("{0} cannot be watched: {1}")]
    Watch(PathBuf, String),
    /// A record of hook calls that cannot be read, or one that is under way already.
    #[error("record: {0}")]
    Record(String),
    /// The component: not wasm, no component, a wrong signature, an unknown import.
    #[error("{0}")]
    Refused(String),
}

impl Error {
    /// Wraps what the system said about a path.
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.into();
        move |cause| Error::Io { path, cause }
    }
}
