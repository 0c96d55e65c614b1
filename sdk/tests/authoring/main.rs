//! What an author meets: a project from the template builds and passes, the example becomes a component that exports what it
//! should, and mistakes are explained. Cargo runs for each, with this workspace's profiles and target directories, so that what
//! is built already is not built again.

mod component;
mod mistakes;
mod template;

use std::path::{Path, PathBuf};
use std::process::Command;

fn sdk() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where projects are written.
fn scratch() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("authoring")
}

/// Where this workspace is built.
fn target() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR"))
        .parent()
        .expect("target/tmp")
        .to_owned()
}

/// Where the bundled plugins are built.
fn plugin_target() -> PathBuf {
    target().join("plugins")
}

/// Cargo as an author calls it: none of the flags and wrappers of the build that runs these tests.
fn cargo(directory: &Path) -> Command {
    let mut command = Command::new(env!("CARGO"));
    for (key, _) in std::env::vars_os() {
        let name = key.to_string_lossy();
        let foreign = name.starts_with("CARGO_ENCODED")
            || name.starts_with("CARGO_PKG")
            || name.starts_with("CARGO_PROFILE")
            || name.starts_with("RUSTC")
            || matches!(
                &*name,
                "RUSTFLAGS" | "CARGO_BUILD_TARGET" | "CARGO_MANIFEST_DIR"
            );
        if foreign {
            command.env_remove(key);
        }
    }
    command
        .current_dir(directory)
        .env("CARGO_TARGET_DIR", scratch().join("target"));
    command
}

/// Cargo for a component.
fn cargo_wasm(directory: &Path) -> Command {
    let mut command = cargo(directory);
    command
        .args([
            "build",
            "--offline",
            "--quiet",
            "--profile",
            "plugin",
            "--target",
            "wasm32-wasip2",
        ])
        .env("CARGO_TARGET_DIR", plugin_target());
    command
}

/// The component of that name, which was built.
fn component(path: &str) -> Vec<u8> {
    let file = plugin_target().join("wasm32-wasip2/plugin").join(path);
    std::fs::read(file).expect("a component")
}

/// The profiles of this workspace.
fn profiles() -> String {
    let manifest = std::fs::read_to_string(sdk().join("../Cargo.toml")).expect("a manifest");
    let start = manifest.find("[profile.").expect("profiles");
    manifest[start..].to_owned()
}

/// A new project that resolves to the versions of this workspace, without asking a registry.
fn lock(directory: &Path) {
    let workspace = sdk().join("../Cargo.lock");
    std::fs::copy(workspace, directory.join("Cargo.lock")).expect("a lock file");
}
