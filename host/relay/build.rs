//! Builds the bundled plugins to WebAssembly and lets the relay embed them, so that one file is the whole installation.

use std::fmt::Write as _;
use std::path::PathBuf;

#[path = "build/components.rs"]
mod components;

/// Names of packages, and so of plugins.
const BUNDLED: [&str; 5] = [
    "link-tracking",
    "isp-responses",
    "routing",
    "policy",
    "suppression",
];

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=build");
    let manifest = PathBuf::from(components::variable("CARGO_MANIFEST_DIR"));
    let root = manifest
        .ancestors()
        .nth(2)
        .expect("host/relay stands two levels below the workspace");
    let out = PathBuf::from(components::variable("OUT_DIR"));

    let selection: Vec<&str> = BUNDLED.iter().flat_map(|name| ["-p", name]).collect();
    let built = components::build(root, &selection);

    let mut list = String::from("&[\n");
    for name in BUNDLED {
        let source = built.join(format!("{}.wasm", name.replace('-', "_")));
        let copy = out.join(format!("{name}.wasm"));
        components::copy_if_changed(&source, &copy);
        writeln!(list, "    ({name:?}, include_bytes!({copy:?})),").expect("text grows");
        let key = name.replace('-', "_").to_ascii_uppercase();
        println!("cargo:rustc-env=BATON_BUNDLED_{key}={}", copy.display());
    }
    list.push_str("]\n");
    components::write_if_changed(&out.join("bundled.rs"), list.as_bytes());
}
