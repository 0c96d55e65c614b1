//! Builds WebAssembly components as part of another build. Shared by the build scripts of the relay (its bundled plugins) and
//! of the end-to-end tests (their guests).
//!
//! A second cargo builds them with a target directory of its own (`plugins` under the outer one, shared by every profile) and
//! without the outer build's flags and wrappers: the components are the same whether one checks, lints, tests or releases. A
//! build where nothing changed costs what cargo needs to see that.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const TARGET: &str = "wasm32-wasip2";
const PROFILE: &str = "plugin";
/// Memory that is there from the start does not grow: growing takes a lock of the whole process, twice for each instance. All
/// of it is looked through when an instance ends, so it is little more than what the largest component begins with.
const MEMORY: &str = "-C link-arg=--initial-memory=2621440";
/// What every component is made of, seen from the workspace. The plugins themselves are beside it, see [`watch`].
const SOURCES: [&str; 8] = [
    "sdk/src",
    "sdk/macros",
    "sdk/worlds",
    "sdk/Cargo.toml",
    "wit",
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain.toml",
];
/// What stands in a plugin's folder and is in no component: a word changed there compiles nothing again.
const NO_SOURCES: [&str; 3] = ["README.md", "tests", "benches"];
/// Variables that shape a build and are the outer build's own affair.
const FOREIGN: [&str; 15] = [
    "RUSTFLAGS",
    "RUSTDOCFLAGS",
    "RUSTDOC",
    "TARGET",
    "HOST",
    "OUT_DIR",
    "OPT_LEVEL",
    "PROFILE",
    "DEBUG",
    "NUM_JOBS",
    "RUSTC_LINKER",
    "RUSTC_WRAPPER",
    "RUSTC_WORKSPACE_WRAPPER",
    "CLIPPY_ARGS",
    "__CARGO_FIX_YOLO",
];
/// What a nested cargo must still know: where its home is, how it reaches a registry, and who shares the processors.
const CARGO_KEPT: [&str; 6] = [
    "CARGO_HOME",
    "CARGO_NET_",
    "CARGO_HTTP_",
    "CARGO_REGISTR",
    "CARGO_SOURCE",
    "CARGO_MAKEFLAGS",
];

/// Builds what `selection` names in cargo's words, such as `-p routing`, and gives the folder where the components lie.
pub fn build(root: &Path, selection: &[&str]) -> PathBuf {
    watch(root);
    require_target();
    let target_directory = target_directory(&PathBuf::from(variable("OUT_DIR")));
    run_cargo(root, &target_directory, selection);
    target_directory.join(TARGET).join(PROFILE)
}

fn watch(root: &Path) {
    for source in SOURCES {
        println!("cargo:rerun-if-changed={}", root.join(source).display());
    }
    let folders = fs::read_dir(root.join("plugins"))
        .into_iter()
        .flatten()
        .flatten();
    for folder in folders {
        for file in fs::read_dir(folder.path()).into_iter().flatten().flatten() {
            let is_source = !NO_SOURCES.iter().any(|name| file.file_name() == *name);
            if is_source {
                println!("cargo:rerun-if-changed={}", file.path().display());
            }
        }
    }
}

/// Whether the compiler can make components; rustup is asked to teach it, once.
fn require_target() {
    if has_target() {
        return;
    }
    let mut rustup = Command::new("rustup");
    rustup.args(["target", "add", TARGET]);
    let mut by_hand = format!("rustup target add {TARGET}");
    if let Ok(toolchain) = env::var("RUSTUP_TOOLCHAIN") {
        rustup.args(["--toolchain", &toolchain]);
        by_hand = format!("{by_hand} --toolchain {toolchain}");
    }
    println!("cargo:warning=the target {TARGET} is missing; running `{by_hand}`");
    let added = rustup.status().is_ok_and(|status| status.success());
    if !(added && has_target()) {
        fail(&format!(
            "Plugins are WebAssembly components and this Rust cannot build them yet. Run\n\n    {by_hand}\n\n\
             and build again. (A Rust that is not from rustup needs its distribution's package of the standard library for \
             {TARGET}.)"
        ));
    }
}

fn has_target() -> bool {
    let output = Command::new(variable("RUSTC"))
        .args(["--print", "target-libdir", "--target", TARGET])
        .output();
    output.is_ok_and(|output| {
        output.status.success()
            && Path::new(String::from_utf8_lossy(&output.stdout).trim()).is_dir()
    })
}

/// Cargo marks its target directory as one that need not be kept; the plugins' stands below it.
fn target_directory(out: &Path) -> PathBuf {
    let outer = out
        .ancestors()
        .find(|directory| directory.join("CACHEDIR.TAG").is_file());
    outer.unwrap_or(out).join("plugins")
}

fn run_cargo(root: &Path, target_directory: &Path, selection: &[&str]) {
    let mut cargo = Command::new(variable("CARGO"));
    cargo
        .args([
            "build",
            "--quiet",
            "--locked",
            "--profile",
            PROFILE,
            "--target",
            TARGET,
        ])
        .arg("--manifest-path")
        .arg(root.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target_directory)
        .current_dir(root);
    cargo.args(selection);
    cargo.env("CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS", MEMORY);
    for (key, _) in env::vars_os() {
        let Some(name) = key.to_str() else { continue };
        let foreign = FOREIGN.contains(&name)
            || name.starts_with("DEP_")
            || name.starts_with("CARGO") && !CARGO_KEPT.iter().any(|kept| name.starts_with(kept));
        if foreign {
            cargo.env_remove(&key);
        }
    }
    match cargo.status() {
        Ok(status) if status.success() => {}
        Ok(status) => fail(&format!(
            "The components do not build ({status}); cargo's words are above:\n{cargo:?}"
        )),
        Err(error) => fail(&format!(
            "cargo cannot be started for the components: {error}"
        )),
    }
}

/// An untouched copy keeps its time, and what embeds it is not compiled again.
pub fn copy_if_changed(source: &Path, copy: &Path) {
    match fs::read(source) {
        Ok(bytes) => write_if_changed(copy, &bytes),
        Err(error) => fail(&format!(
            "{} was built but cannot be read: {error}",
            source.display()
        )),
    }
}

pub fn write_if_changed(file: &Path, bytes: &[u8]) {
    if fs::read(file).is_ok_and(|old| old == bytes) {
        return;
    }
    if let Err(error) = fs::write(file, bytes) {
        fail(&format!("{} cannot be written: {error}", file.display()));
    }
}

pub fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| {
        fail(&format!(
            "cargo sets {name} for build scripts, but it is not there"
        ))
    })
}

fn fail(text: &str) -> ! {
    eprintln!("\n{text}\n");
    std::process::exit(1);
}
