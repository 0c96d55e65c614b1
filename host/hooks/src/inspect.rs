//! What a component is, without running it: for people who are about to trust one.

use std::collections::BTreeMap;

use wasmparser::{Parser, Payload, ProducersSectionReader};
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, OptLevel};

use crate::abi;
use crate::engine::chain;
use crate::error::Error;
use crate::golden::Files;
use crate::hook::{Hook, HookSet};
use crate::load::{digest, is_component, needs_concurrency};

/// What was found in a component.
#[derive(Debug, Clone)]
pub struct Inspection {
    /// SHA-256 in hex.
    pub digest: String,
    /// Bytes of the component.
    pub bytes: u64,
    /// The hooks it has.
    pub hooks: HookSet,
    /// The interfaces it imports, in order.
    pub imports: Vec<String>,
    /// Grants that some import can use. A toolchain that imports everything makes this list longer than the code needs.
    pub grants: Vec<&'static str>,
    /// Languages and tools, as the component says itself: `language`, `processed-by`, `sdk` with names and versions.
    pub producers: BTreeMap<String, Vec<String>>,
    /// Whether it uses the component model's own concurrency.
    pub concurrent: bool,
    /// Its own tests: hook and name of each.
    pub tests: Vec<(Hook, String)>,
}

/// Reads, checks and links a component as loading it would, and runs nothing. Blocks: compiles the component.
///
/// # Errors
/// [`Error::Refused`] with what loading it would say.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, Error> {
    is_component(bytes)?;
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .cranelift_opt_level(OptLevel::None);
    let engine = Engine::new(&config).map_err(|e| Error::Engine(chain(&e)))?;
    let component =
        Component::from_binary(&engine, bytes).map_err(|e| Error::Refused(chain(&e)))?;
    let mut linker = Linker::new(&engine);
    abi::link(&mut linker).map_err(|e| Error::Engine(chain(&e)))?;
    let pre = linker
        .instantiate_pre(&component)
        .map_err(|e| Error::Refused(format!("cannot be linked: {}", chain(&e))))?;
    let (_, hooks) = abi::check(&pre)?;
    let imports: Vec<String> = component
        .component_type()
        .imports(&engine)
        .map(|(name, _)| name.to_owned())
        .collect();
    let tests = Files::of_component(bytes)?.cases()?;
    Ok(Inspection {
        digest: digest(bytes),
        bytes: bytes.len() as u64,
        hooks,
        grants: grants(&imports),
        imports,
        producers: producers(bytes),
        concurrent: needs_concurrency(bytes),
        tests: tests
            .into_iter()
            .map(|case| (case.hook, case.name))
            .collect(),
    })
}

fn grants(imports: &[String]) -> Vec<&'static str> {
    let imports_interface = |interface: &str| {
        imports.iter().any(|name| {
            name.strip_prefix("baton:relay/")
                .and_then(|rest| rest.split('@').next())
                .is_some_and(|name| name == interface)
        })
    };
    let mut grants: Vec<&'static str> = ["kv", "dns", "http", "submit"]
        .into_iter()
        .filter(|g| imports_interface(g))
        .collect();
    if imports_interface("config") {
        grants.push("secrets");
    }
    grants
}

/// Languages and SDKs a component was made with, in a few words for lists.
pub(crate) fn makers(bytes: &[u8]) -> Vec<String> {
    let mut found = producers(bytes);
    let mut makers = found.remove("language").unwrap_or_default();
    makers.extend(found.remove("sdk").unwrap_or_default());
    makers
}

fn producers(bytes: &[u8]) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for payload in Parser::new(0).parse_all(bytes) {
        // It was compiled: what cannot be read here is a section nobody needs.
        let Ok(Payload::CustomSection(section)) = payload else {
            continue;
        };
        if section.name() != "producers" {
            continue;
        }
        let reader = wasmparser::BinaryReader::new(section.data(), section.data_offset());
        let Ok(fields) = ProducersSectionReader::new(reader) else {
            continue;
        };
        for field in fields.into_iter().flatten() {
            let list = found.entry(field.name.to_owned()).or_default();
            for value in field.values.into_iter().flatten() {
                let shown = format!("{} {}", value.name, value.version)
                    .trim()
                    .to_owned();
                if !list.contains(&shown) && list.len() < 32 {
                    list.push(shown);
                }
            }
        }
    }
    found
}
