//! What the linker makes of a plugin: a component that validates, exports the hooks it implements and no others, and imports
//! what it uses.

use std::path::{Path, PathBuf};
use std::process::Command;

use wasmparser::{Parser, Payload, Validator, WasmFeatures};

fn build_example(name: &str) -> Vec<u8> {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("components");
    let mut command = Command::new(env!("CARGO"));
    command
        .args([
            "build",
            "--quiet",
            "--release",
            "--target",
            "wasm32-wasip2",
            "-p",
            "baton-sdk",
        ])
        .args(["--example", name, "--target-dir"])
        .arg(&target)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")));
    for (key, _) in std::env::vars_os() {
        let key = key.to_string_lossy().into_owned();
        if key.starts_with("CARGO_ENCODED") || key.starts_with("RUSTC") || key == "RUSTFLAGS" {
            command.env_remove(key);
        }
    }
    let status = command.status().expect("cargo runs");
    assert!(status.success(), "the example builds for wasm32-wasip2");
    let file = target
        .join("wasm32-wasip2/release/examples")
        .join(format!("{name}.wasm"));
    std::fs::read(file).expect("a component")
}

/// Names that the outermost component imports and exports.
fn interfaces(component: &[u8]) -> (Vec<String>, Vec<String>) {
    let (mut imports, mut exports) = (Vec::new(), Vec::new());
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(component) {
        match payload.expect("a component that parses") {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth -= 1,
            Payload::ComponentImportSection(section) if depth == 0 => {
                imports.extend(
                    section
                        .into_iter()
                        .map(|import| import.expect("import").name.name.to_owned()),
                );
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                exports.extend(
                    section
                        .into_iter()
                        .map(|export| export.expect("export").name.name.to_owned()),
                );
            }
            _ => {}
        }
    }
    (imports, exports)
}

#[test]
fn a_component_exports_exactly_the_hooks_its_plugin_implements() {
    let component = build_example("sign_off");
    Validator::new_with_features(WasmFeatures::all())
        .validate_all(&component)
        .expect("a valid component");
    let (imports, exports) = interfaces(&component);
    assert_eq!(exports, ["baton:relay/on-data@0.1.0"]);
    let own: Vec<&str> = imports
        .iter()
        .map(String::as_str)
        .filter(|name| name.starts_with("baton:"))
        .collect();
    assert_eq!(
        own,
        [
            "baton:relay/types@0.1.0",
            "baton:relay/message@0.1.0",
            "baton:relay/config@0.1.0"
        ]
    );
    println!("{} bytes, imports {imports:?}", component.len());
}
