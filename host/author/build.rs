//! Embeds what a new project is made of: the templates, the contract, and the SDK for Rust.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// Name of the constant, and the folder or file in the workspace that it holds.
const EMBEDDED: [(&str, &[&str]); 3] = [
    ("TEMPLATES", &["sdk/templates"]),
    ("CONTRACT", &["wit"]),
    (
        "RUST_SDK",
        &[
            "sdk/src",
            "sdk/worlds",
            "sdk/macros/src",
            "sdk/macros/Cargo.toml",
            "sdk/Cargo.toml",
        ],
    ),
];

fn main() {
    let manifest = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo says where"));
    let root = manifest
        .ancestors()
        .nth(2)
        .expect("two levels below the workspace");
    let mut code = String::new();
    for (name, sources) in EMBEDDED {
        let mut files = Vec::new();
        for source in sources {
            println!("cargo:rerun-if-changed={}", root.join(source).display());
            collect(&root.join(source), &mut files);
        }
        files.sort();
        writeln!(code, "pub const {name}: &[(&str, &str)] = &[").expect("text grows");
        for file in files {
            let path = file
                .strip_prefix(root)
                .expect("below the workspace")
                .display()
                .to_string();
            writeln!(
                code,
                "    ({path:?}, include_str!({:?})),",
                file.display().to_string()
            )
            .expect("text grows");
        }
        code.push_str("];\n");
    }
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo says where"));
    fs::write(out.join("embedded.rs"), code).expect("the build folder can be written");
}

/// Every file below, build output left out. Links are not followed: `sdk/wit` is one.
fn collect(path: &Path, files: &mut Vec<PathBuf>) {
    let found = fs::symlink_metadata(path).expect("a source");
    if found.is_file() {
        return files.push(path.to_owned());
    }
    if !found.is_dir() || path.ends_with("target") {
        return;
    }
    for entry in fs::read_dir(path).expect("a folder").flatten() {
        collect(&entry.path(), files);
    }
}
