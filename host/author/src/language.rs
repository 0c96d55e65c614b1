//! The languages there are templates for.

use std::fmt;
use std::str::FromStr;

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// With the SDK: typed configuration, plain `cargo test`.
    Rust,
    /// QuickJS inside.
    Js,
    /// JavaScript with types.
    Ts,
    /// CPython inside.
    Python,
    /// Small as it gets.
    C,
    /// The Go toolchain as it is.
    Go,
}

impl Language {
    /// All of them, in the order in which they are offered.
    pub const ALL: [Language; 6] = [
        Language::Rust,
        Language::Js,
        Language::Ts,
        Language::Python,
        Language::C,
        Language::Go,
    ];

    /// As it is written on the command line and in `plugin.toml`.
    pub fn name(self) -> &'static str {
        match self {
            Language::Rust => "rust",
            Language::Js => "js",
            Language::Ts => "ts",
            Language::Python => "python",
            Language::C => "c",
            Language::Go => "go",
        }
    }

    /// What has to be there, in words for a person, and the commands that fetch the rest once the project is made.
    pub fn needs(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Language::Rust => ("rustup", &["rustup target add wasm32-wasip2"]),
            Language::Js | Language::Ts => ("Node.js with npm", &["npm install"]),
            Language::Python => (
                "Python 3.10 or later",
                &[
                    "python3 -m venv .venv",
                    ".venv/bin/pip install -r requirements.txt",
                ],
            ),
            Language::C => (
                "zig, or clang with lld and a C library for wasm32-wasi (such as the WASI SDK)",
                &[
                    "python3 -m venv .venv",
                    ".venv/bin/pip install ziglang==0.17.1",
                ],
            ),
            Language::Go => ("Go 1.24 or later", &[]),
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Language {
    type Err = String;

    fn from_str(text: &str) -> Result<Language, String> {
        Language::ALL
            .into_iter()
            .find(|language| language.name() == text)
            .ok_or_else(|| format!("there are {}", Language::ALL.map(Language::name).join(", ")))
    }
}
