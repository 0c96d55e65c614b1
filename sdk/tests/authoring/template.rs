use std::fs;
use std::path::Path;

use super::component::interfaces;
use super::{cargo, cargo_wasm, component, lock, profiles, scratch, sdk};

/// What `baton plugin new` does: the names are replaced, and the path of the SDK.
fn write_project(name: &str, directory: &Path) {
    let camel: String = name
        .split('-')
        .map(|word| word[..1].to_uppercase() + &word[1..])
        .collect();
    let template = sdk().join("templates/rust");
    for file in [
        "Cargo.toml",
        ".gitignore",
        "README.md",
        "src/lib.rs",
        "golden/recipients.json",
    ] {
        let text = fs::read_to_string(template.join(file)).expect("a file of the template");
        let text = text
            .replace("my-plugin", name)
            .replace("my_plugin", &name.replace('-', "_"))
            .replace("MyPlugin", &camel)
            .replace("path = \"../..\"", &format!("path = {:?}", sdk()));
        // The author's own release profile gives way to the one that the bundled plugins are built with.
        let text = match text.split_once("# Small and quick to load.") {
            Some((manifest, _)) => format!("{manifest}{}", profiles()),
            None => text,
        };
        let to = directory.join(file);
        fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        fs::write(to, text).expect("a file");
    }
    lock(directory);
}

#[test]
fn a_project_from_the_template_passes_its_tests_and_becomes_a_component() {
    let directory = scratch().join("count-them");
    write_project("count-them", &directory);
    let tests = cargo(&directory)
        .args(["test", "--offline", "--quiet"])
        .status()
        .expect("cargo runs");
    assert!(tests.success(), "the template's own tests pass");
    let build = cargo_wasm(&directory).status().expect("cargo runs");
    assert!(build.success(), "the template builds");
    let component = component("count_them.wasm");
    assert!(component.len() < 300_000, "{} bytes", component.len());
    let exports = interfaces(&component).1;
    assert_eq!(
        exports,
        ["baton:relay/on-data@0.1.0", "baton:relay/on-load@0.1.0"]
    );
}
