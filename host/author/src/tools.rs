//! Where the tools of a language are, and what to say where one is not.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::error::Error;

/// A program that some language needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tool {
    Cargo,
    ComponentizeQjs,
    Tsc,
    ComponentizePy,
    /// A C compiler for wasm32-wasi.
    C,
    Go,
}

impl Tool {
    /// Names it goes by, the best first.
    fn names(self) -> &'static [&'static str] {
        match self {
            Tool::Cargo => &["cargo"],
            Tool::ComponentizeQjs => &["componentize-qjs"],
            Tool::Tsc => &["tsc"],
            Tool::ComponentizePy => &["componentize-py"],
            Tool::C => &["zig", "python-zig", "clang"],
            Tool::Go => &["go"],
        }
    }

    fn missing(self, project: &Path) -> Error {
        let here = project.display();
        let (tool, hint) = match self {
            Tool::Cargo => (
                "cargo",
                "Install Rust with rustup, then: rustup target add wasm32-wasip2".to_owned(),
            ),
            Tool::ComponentizeQjs => (
                "componentize-qjs",
                format!("Run `npm install` in {here} (npm comes with Node.js)."),
            ),
            Tool::Tsc => (
                "tsc",
                format!("Run `npm install` in {here} (npm comes with Node.js)."),
            ),
            Tool::ComponentizePy => (
                "componentize-py",
                format!(
                    "Run `python3 -m venv .venv && .venv/bin/pip install -r requirements.txt` in {here}."
                ),
            ),
            Tool::C => (
                "a C compiler for wasm32-wasi",
                format!(
                    "Install zig (`python3 -m venv .venv && .venv/bin/pip install ziglang==0.17.1` in {here} will do), or the WASI \
                     SDK and set WASI_SDK_PATH."
                ),
            ),
            Tool::Go => ("go", "Install Go 1.24 or later.".to_owned()),
        };
        Error::Missing { tool, hint }
    }
}

/// The command that runs a tool in a project: its own copy, else one of the `PATH`.
pub fn tool(project: &Path, tool: Tool) -> Result<Command, Error> {
    if tool == Tool::C
        && let Some(sdk) = env::var_os("WASI_SDK_PATH")
    {
        let mut clang = command(project, &Path::new(&sdk).join("bin/clang"));
        clang.arg("--target=wasm32-wasi");
        return Ok(clang);
    }
    let (name, path) = tool
        .names()
        .iter()
        .find_map(|name| Some((*name, find(project, name)?)))
        .ok_or_else(|| tool.missing(project))?;
    let mut found = command(project, &path);
    match name {
        "zig" | "python-zig" => found.args(["cc", "-target", "wasm32-wasi-musl"]),
        "clang" => found.arg("--target=wasm32-wasi"),
        _ => &mut found,
    };
    Ok(found)
}

fn command(project: &Path, program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(project);
    command
}

fn find(project: &Path, name: &str) -> Option<PathBuf> {
    let own = ["node_modules/.bin", ".venv/bin"].map(|folder| project.join(folder));
    let search = env::var_os("PATH").unwrap_or_default();
    own.into_iter()
        .chain(env::split_paths(&search))
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        // The command runs in the project, from where a relative path would lead elsewhere.
        .map(|path| std::path::absolute(&path).unwrap_or(path))
}

/// Says what is run, and runs it.
pub fn run(command: &mut Command) -> Result<(), Error> {
    let name = Path::new(command.get_program())
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let arguments: Vec<_> = command
        .get_args()
        .map(|word| word.to_string_lossy())
        .collect();
    eprintln!("$ {name} {}", arguments.join(" "));
    // The component goes to standard output in no language, but some tools chat there.
    let status = command
        .stdout(std::io::stderr())
        .status()
        .map_err(|e| Error::Tool(name.clone(), e.to_string()))?;
    if status.success() {
        Ok(())
    } else {
        Err(Error::Tool(name, status.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_of_the_project_comes_before_that_of_the_machine() {
        let temp = tempfile::TempDir::new().unwrap();
        let bin = temp.path().join(".venv/bin");
        std::fs::create_dir_all(&bin).unwrap();
        std::fs::write(bin.join("cargo"), "").unwrap();
        let found = tool(temp.path(), Tool::Cargo).unwrap();
        assert_eq!(found.get_program(), bin.join("cargo"));
        assert_eq!(found.get_current_dir(), Some(temp.path()));
    }

    #[test]
    fn what_is_missing_says_what_to_do() {
        let here = Path::new("/p");
        for tool in [
            Tool::Cargo,
            Tool::ComponentizeQjs,
            Tool::Tsc,
            Tool::ComponentizePy,
            Tool::C,
            Tool::Go,
        ] {
            let text = tool.missing(here).to_string();
            assert!(
                text.contains("nstall") && text.contains(" is missing. "),
                "{text}"
            );
        }
    }
}
