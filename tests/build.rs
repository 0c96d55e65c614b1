//! Builds the guests under `guests/examples` to components, as the bundled plugins are built, and lists them for
//! `src/guests.rs`.

use std::fmt::Write as _;
use std::path::PathBuf;

#[path = "../host/relay/build/components.rs"]
mod components;

fn main() {
    let manifest = PathBuf::from(components::variable("CARGO_MANIFEST_DIR"));
    let out = PathBuf::from(components::variable("OUT_DIR"));
    let root = manifest.parent().expect("tests stands in the workspace");
    let guests = manifest.join("guests");
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed={}", guests.display());

    let selection = ["-p", "baton-guests", "--features", "guests", "--examples"];
    let built = components::build(root, &selection).join("examples");

    let mut names: Vec<String> = std::fs::read_dir(guests.join("examples"))
        .expect("the guests are there")
        .flatten()
        .filter_map(|entry| Some(entry.path().file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    let mut list = String::from("pub static GUESTS: &[(&str, &[u8])] = &[\n");
    for name in names {
        let copy = out.join(format!("{name}.wasm"));
        components::copy_if_changed(&built.join(format!("{name}.wasm")), &copy);
        writeln!(list, "    ({name:?}, include_bytes!({copy:?})),").expect("text grows");
    }
    list.push_str("];\n");
    components::write_if_changed(&out.join("guests.rs"), list.as_bytes());
}
