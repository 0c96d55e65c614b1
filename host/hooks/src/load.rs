//! From bytes to something that can be instantiated: digest, compile or take from the cache, link, check the exports.

use std::collections::BTreeSet;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmtime::component::{Component, InstancePre};

use crate::abi::{self, Contract};
use crate::cache::Cache;
use crate::engine::{Engines, Flavour, chain};
use crate::error::Error;
use crate::golden;
use crate::guest::Guest;
use crate::hook::HookSet;
use crate::limits;

/// A component, linked and checked. Cheap to instantiate.
pub(crate) struct Loaded {
    /// SHA-256 of the component in hex.
    pub digest: Arc<str>,
    pub hooks: HookSet,
    pub contract: Contract,
    pub pre: InstancePre<Guest>,
    /// Bytes of the component.
    pub size: u64,
    /// Languages and tools it was made with.
    pub producers: Arc<[String]>,
}

/// Loads components. Compiling one takes one core; the folder's watcher asks for one at a time.
pub(crate) struct Loader {
    engines: Arc<Engines>,
    cache: Cache,
    /// Whether a component's own tests decide about it.
    own_tests: bool,
}

impl Loader {
    pub fn new(engines: Arc<Engines>, cache: Cache, own_tests: bool) -> Loader {
        Loader {
            engines,
            cache,
            own_tests,
        }
    }

    /// Keeps the folder of native code within its limit.
    pub fn prune(&self, in_use: &BTreeSet<Arc<str>>) {
        self.cache.prune(in_use);
    }

    /// Blocks: milliseconds from the cache, up to many seconds without.
    pub fn load(&self, bytes: &[u8]) -> Result<Arc<Loaded>, Error> {
        let loaded = Arc::new(self.prepare(bytes)?);
        // What passed once passes again: the tests see nothing of the world.
        if self.own_tests && !self.cache.has_passed(&loaded.digest, golden::REVISION) {
            golden::check(&self.engines, &loaded, bytes)?;
            self.cache.put_passed(&loaded.digest, golden::REVISION);
        }
        Ok(loaded)
    }

    fn prepare(&self, bytes: &[u8]) -> Result<Loaded, Error> {
        if bytes.len() as u64 > limits::COMPONENT_BYTES_MAX {
            return Err(Error::Refused(format!(
                "larger than {} MiB",
                limits::COMPONENT_BYTES_MAX >> 20
            )));
        }
        let digest = digest(bytes);
        for concurrent in [false, true] {
            // The concurrent flavour is not made only to look into the cache.
            if concurrent && !self.cache.has_concurrent(&digest) {
                break;
            }
            let flavour = self.engines.flavour(concurrent)?;
            if let Some(component) = self.cache.get(flavour, concurrent, &digest) {
                return link(flavour, &component, digest, bytes);
            }
        }
        is_component(bytes)?;
        let concurrent = needs_concurrency(bytes);
        let flavour = self.engines.flavour(concurrent)?;
        let component = Component::from_binary(&flavour.engine, bytes)
            .map_err(|e| Error::Refused(chain(&e)))?;
        let loaded = link(flavour, &component, digest.clone(), bytes)?;
        match component.serialize() {
            Ok(native) => self.cache.put(flavour, concurrent, &digest, &native),
            Err(e) => tracing::warn!(digest, "native code cannot be kept: {e}"),
        }
        Ok(loaded)
    }
}

/// SHA-256 in hex.
pub(crate) fn digest(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Two digits a byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        for nibble in [byte >> 4, byte & 0xf] {
            text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
        }
    }
    text
}

/// Says in plain words what a file is that is no component.
pub(crate) fn is_component(bytes: &[u8]) -> Result<(), Error> {
    let refuse = |why: &str| Err(Error::Refused(why.to_owned()));
    match bytes.get(..8) {
        None => refuse("not WebAssembly: shorter than a header"),
        Some([0, b'a', b's', b'm', 0x0d, 0, 1, 0]) => Ok(()),
        Some([0, b'a', b's', b'm', 1, 0, 0, 0]) => refuse(
            "a core module and no component; build for wasm32-wasip2, or wrap it with wasm-tools component new",
        ),
        Some([0, b'a', b's', b'm', ..]) => refuse("WebAssembly of an unknown version"),
        Some([0x7f, b'E', b'L', b'F', ..]) => {
            refuse("native code; only components are loaded, never precompiled files")
        }
        Some(_) => refuse("not WebAssembly"),
    }
}

/// Whether the component is valid only with the component model's own concurrency. One that is not valid at all says no:
/// the compiler then says why.
pub(crate) fn needs_concurrency(bytes: &[u8]) -> bool {
    use wasmparser::{Validator, WasmFeatures};
    let with = WasmFeatures::default()
        | WasmFeatures::CM_ASYNC
        | WasmFeatures::CM_MORE_ASYNC_BUILTINS
        | WasmFeatures::CM_ASYNC_STACKFUL;
    let without = with
        - WasmFeatures::CM_ASYNC
        - WasmFeatures::CM_MORE_ASYNC_BUILTINS
        - WasmFeatures::CM_ASYNC_STACKFUL;
    Validator::new_with_features(without)
        .validate_all(bytes)
        .is_err()
        && Validator::new_with_features(with)
            .validate_all(bytes)
            .is_ok()
}

fn link(
    flavour: &Flavour,
    component: &Component,
    digest: String,
    bytes: &[u8],
) -> Result<Loaded, Error> {
    let pre = flavour
        .linker
        .instantiate_pre(component)
        .map_err(|e| Error::Refused(format!("cannot be linked: {}", chain(&e))))?;
    let (contract, hooks) = abi::check(&pre)?;
    // Otherwise the first instance pays for it.
    component
        .initialize_copy_on_write_image()
        .map_err(|e| Error::Engine(chain(&e)))?;
    Ok(Loaded {
        digest: digest.into(),
        hooks,
        contract,
        pre,
        size: bytes.len() as u64,
        producers: crate::inspect::makers(bytes).into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_no_component_is_called_by_its_name() {
        let why = |bytes: &[u8]| is_component(bytes).unwrap_err().to_string();
        assert!(why(b"").contains("not WebAssembly"));
        assert!(why(b"\x7fELF\x02\x01\x01\x00").contains("native code"));
        assert!(why(b"\0asm\x01\0\0\0").contains("core module"));
        assert!(why(b"#!/bin/sh\n").contains("not WebAssembly"));
        assert!(is_component(b"\0asm\x0d\0\x01\0").is_ok());
    }

    #[test]
    fn a_digest_is_sha_256_in_hex() {
        assert_eq!(
            digest(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
