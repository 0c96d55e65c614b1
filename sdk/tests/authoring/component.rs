use wasmparser::{Parser, Payload, Validator, WasmFeatures};

use super::{cargo_wasm, component, sdk};

/// Names that the outermost component imports and exports.
pub fn interfaces(component: &[u8]) -> (Vec<String>, Vec<String>) {
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
    // Their order is the linker's, and was seen to differ between two folders of the same project.
    exports.sort_unstable();
    (imports, exports)
}

#[test]
fn a_component_exports_the_hooks_its_plugin_implements_and_that_it_was_loaded() {
    let build = cargo_wasm(sdk())
        .args(["-p", "baton-sdk", "--example", "sign_off"])
        .status();
    assert!(build.expect("cargo runs").success(), "the example builds");
    let component = component("examples/sign_off.wasm");
    Validator::new_with_features(WasmFeatures::all())
        .validate_all(&component)
        .expect("a valid component");
    let (imports, exports) = interfaces(&component);
    assert_eq!(
        exports,
        ["baton:relay/on-data@0.1.0", "baton:relay/on-load@0.1.0"]
    );
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
}
