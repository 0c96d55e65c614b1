//! Why a project could not be made or built. A text says what to do next.

use std::path::PathBuf;

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The author asked for what cannot be.
    #[error("{0}")]
    Usage(String),
    /// A file or folder.
    #[error("{path}: {cause}")]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        cause: std::io::Error,
    },
    /// A tool that the language needs is not there.
    #[error("{tool} is missing. {hint}")]
    Missing {
        /// What it is called.
        tool: &'static str,
        /// How to get it.
        hint: String,
    },
    /// A tool said no; its own words are above.
    #[error("{0} failed ({1})")]
    Tool(String, String),
    /// The contract's files in the project, or the module that was built, are not what they should be.
    #[error("{0}")]
    Component(String),
}

impl Error {
    pub(crate) fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.into();
        move |cause| Error::Io { path, cause }
    }
}
