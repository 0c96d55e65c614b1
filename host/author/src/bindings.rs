//! The contract as C and Go see it: what `wit-bindgen c` and `wit-bindgen go` would write, without having to install them.

use std::fs;
use std::path::Path;

use wit_bindgen_core::Files;
use wit_component::StringEncoding;
use wit_parser::{Resolve, WorldId};

use crate::embedded::{TEMPLATES, below};
use crate::error::Error;

/// A world of the project's `wit` folder.
pub struct World {
    resolve: Resolve,
    id: WorldId,
}

impl World {
    /// Reads the folder and finds the world.
    pub fn read(wit: &Path, world: &str) -> Result<World, Error> {
        let mut resolve = Resolve::default();
        let fail = |e: &dyn std::fmt::Display| Error::Component(format!("{}: {e}", wit.display()));
        let (package, _) = resolve.push_dir(wit).map_err(|e| fail(&format!("{e:#}")))?;
        let id = resolve
            .select_world(&[package], Some(world))
            .map_err(|e| fail(&format!("{e:#}")))?;
        Ok(World { resolve, id })
    }

    /// `plugin.h`, `plugin.c` and the object with the component's type.
    pub fn write_c(&self, folder: &Path) -> Result<(), Error> {
        let mut files = Files::default();
        self.generate(wit_bindgen_c::Opts::default().build(), &mut files)?;
        for (path, bytes) in files.iter() {
            write(&folder.join(path), bytes)?;
        }
        Ok(())
    }

    /// The packages of the interfaces, and the small package of Option, Result and memory they use.
    pub fn write_go(&self, folder: &Path) -> Result<(), Error> {
        let mut files = Files::default();
        let options = wit_bindgen_go::Opts {
            format: wit_bindgen_go::Format::False,
            ..wit_bindgen_go::Opts::default()
        };
        self.generate(options.build(), &mut files)?;
        for (path, bytes) in files.iter() {
            // The project has its own.
            if path != "go.mod" {
                write(&folder.join(path), bytes)?;
            }
        }
        for (path, text) in below(TEMPLATES, "sdk/templates/go-support") {
            write(&folder.join("build/pkg").join(path), text.as_bytes())?;
        }
        Ok(())
    }

    /// Tells a core module which world it is for.
    pub fn embed(&self, mut core: Vec<u8>) -> Result<Vec<u8>, Error> {
        wit_component::embed_component_metadata(
            &mut core,
            &self.resolve,
            self.id,
            StringEncoding::UTF8,
        )
        .map_err(|e| Error::Component(format!("{e:#}")))?;
        Ok(core)
    }

    fn generate(
        &self,
        mut generator: Box<dyn wit_bindgen_core::WorldGenerator>,
        files: &mut Files,
    ) -> Result<(), Error> {
        let mut resolve = self.resolve.clone();
        generator
            .generate(&mut resolve, self.id, files)
            .map_err(|e| Error::Component(format!("no bindings: {e:#}")))
    }
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(Error::io(parent))?;
    }
    // What did not change keeps its time, and the tools their caches.
    if fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    fs::write(path, bytes).map_err(Error::io(path))
}
