//! Versions of the contract side by side. One file for each; a new version is a new file and a new variant here.
//!
//! An adapter turns questions and answers into the types of its version and back. It grants nothing and limits nothing:
//! that happens in [`crate::door`], below all of them.

mod v0_1;
#[cfg(test)]
mod v0_2;

use wasmtime::Store;
use wasmtime::component::{self, InstancePre, Linker};

use crate::error::Error;
use crate::fault::Fault;
use crate::guest::Guest;
use crate::hook::HookSet;
use crate::question::{Answer, Question};

/// The version a component speaks, and where its hooks are.
#[cfg_attr(test, allow(clippy::large_enum_variant))] // The small version is the tests' own.
pub(crate) enum Contract {
    V0_1(v0_1::Hooks),
    #[cfg(test)]
    V0_2(v0_2::Hooks),
}

/// The hooks of one instance.
#[cfg_attr(test, allow(clippy::large_enum_variant))] // The small version is the tests' own.
pub(crate) enum Bound {
    V0_1(v0_1::Bound),
    #[cfg(test)]
    V0_2(v0_2::Bound),
}

/// Adds everything any version may import.
pub(crate) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    crate::wasi::link(linker)?;
    #[cfg(test)]
    v0_2::link(linker)?;
    v0_1::link(linker)
}

/// Finds the hooks of a component and checks their types. Nothing is instantiated.
pub(crate) fn check(pre: &InstancePre<Guest>) -> Result<(Contract, HookSet), Error> {
    #[cfg(test)]
    if v0_2::speaks(pre) {
        let (hooks, set) = v0_2::Hooks::find(pre)?;
        return Ok((Contract::V0_2(hooks), set));
    }
    let (hooks, set) = v0_1::Hooks::find(pre)?;
    Ok((Contract::V0_1(hooks), set))
}

impl Contract {
    /// The hooks of a fresh instance; each is looked up when it is first called.
    pub fn bind(&self, instance: component::Instance) -> Bound {
        match self {
            Contract::V0_1(_) => Bound::V0_1(v0_1::Bound::new(instance)),
            #[cfg(test)]
            Contract::V0_2(_) => Bound::V0_2(v0_2::Bound::new(instance)),
        }
    }

    /// Calls a hook. Errors are traps and faults of host functions; what the plugin says itself, be it wrong or an error,
    /// is inside.
    pub async fn ask(
        &self,
        bound: &mut Bound,
        store: &mut Store<Guest>,
        question: &Question<'_>,
    ) -> wasmtime::Result<Result<Answer, Fault>> {
        match (self, bound) {
            (Contract::V0_1(hooks), Bound::V0_1(bound)) => bound.ask(hooks, store, question).await,
            #[cfg(test)]
            (Contract::V0_2(hooks), Bound::V0_2(bound)) => bound.ask(hooks, store, question).await,
            #[cfg(test)]
            _ => Err(wasmtime::Error::msg("an instance of another version")),
        }
    }
}
