//! A project: a folder with a `plugin.toml`, and how its language makes a component of it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::bindings::World;
use crate::component;
use crate::declarations::declarations;
use crate::error::Error;
use crate::language::Language;
use crate::tools::{Tool, run, tool};

/// Where everything that is made goes.
const BUILD: &str = "build";
/// The core module, before it is a component.
const CORE: &str = "build/core.wasm";
/// What the tools leave, where they make the component themselves.
const COMPONENT: &str = "build/plugin.wasm";
/// The world every project builds for, see its `wit/plugin.wit`.
const WORLD: &str = "plugin";

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Project {
    folder: PathBuf,
    name: String,
    language: Language,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    name: String,
    language: Language,
}

impl Project {
    /// What makes a folder a project.
    pub const FILE: &str = "plugin.toml";

    /// Reads the `plugin.toml` of a folder.
    ///
    /// # Errors
    /// [`Error::Usage`] where there is none, or what it says cannot be.
    pub fn open(folder: &Path) -> Result<Project, Error> {
        let path = folder.join(Project::FILE);
        let text = fs::read_to_string(&path).map_err(|e| {
            Error::Usage(format!(
                "{}: {e}. A project has a file {} with `name` and `language`; baton plugin new writes one",
                path.display(),
                Project::FILE
            ))
        })?;
        let manifest: Manifest = toml::from_str(&text)
            .map_err(|e| Error::Usage(format!("{}: {}", path.display(), e.message())))?;
        Ok(Project {
            folder: folder.to_owned(),
            name: manifest.name,
            language: manifest.language,
        })
    }

    /// The plugin's name: that of its file without `.wasm`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is written in.
    pub fn language(&self) -> Language {
        self.language
    }

    /// Where it stands.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes the component with the language's own tools, whose words go to standard error. Blocks, from a second to a minute.
    ///
    /// # Errors
    /// [`Error::Missing`] with what to do, [`Error::Tool`] where a tool says no, [`Error::Component`].
    pub fn build(&self) -> Result<Vec<u8>, Error> {
        match self.language {
            Language::Rust => self.rust(),
            Language::Js => self.javascript("src/plugin.js"),
            Language::Ts => self.typescript(),
            Language::Python => self.python(),
            Language::C => self.c(),
            Language::Go => self.go(),
        }
    }

    fn rust(&self) -> Result<Vec<u8>, Error> {
        let mut cargo = tool(&self.folder, Tool::Cargo)?;
        cargo.args(["build", "--release", "--target", "wasm32-wasip2"]);
        run(&mut cargo)?;
        let target = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => self.folder.join(folder),
            None => self.folder.join("target"),
        };
        let file = format!("wasm32-wasip2/release/{}.wasm", self.name.replace('-', "_"));
        read(&target.join(file))
    }

    fn javascript(&self, source: &str) -> Result<Vec<u8>, Error> {
        let mut componentize = tool(&self.folder, Tool::ComponentizeQjs)?;
        self.make_build_folder()?;
        componentize
            .args(["--wit", "wit", "--world", WORLD, "--js", source])
            .args(["--sync", "--opt-size", "--minify", "--output", COMPONENT]);
        run(&mut componentize)?;
        read(&self.folder.join(COMPONENT))
    }

    fn typescript(&self) -> Result<Vec<u8>, Error> {
        self.make_build_folder()?;
        let declared = self.folder.join("build/baton-relay.d.ts");
        fs::write(&declared, declarations()?).map_err(Error::io(&declared))?;
        let mut tsc = tool(&self.folder, Tool::Tsc)?;
        run(&mut tsc)?;
        self.javascript("build/plugin.js")
    }

    fn python(&self) -> Result<Vec<u8>, Error> {
        let mut componentize = tool(&self.folder, Tool::ComponentizePy)?;
        self.make_build_folder()?;
        componentize
            .args(["--wit-path", "wit", "--world", WORLD, "componentize"])
            .args(["app", "--output", COMPONENT]);
        run(&mut componentize)?;
        read(&self.folder.join(COMPONENT))
    }

    fn c(&self) -> Result<Vec<u8>, Error> {
        let mut compiler = tool(&self.folder, Tool::C)?;
        self.make_build_folder()?;
        World::read(&self.folder.join("wit"), WORLD)?.write_c(&self.folder.join(BUILD))?;
        let mut sources = Vec::new();
        let folder = self.folder.join("src");
        for entry in fs::read_dir(&folder).map_err(Error::io(&folder))?.flatten() {
            if entry.path().extension().is_some_and(|e| e == "c") {
                sources.push(Path::new("src").join(entry.file_name()));
            }
        }
        sources.sort();
        compiler
            .args([
                "-mexec-model=reactor",
                "-Os",
                "-s",
                "-Wall",
                "-I",
                BUILD,
                "-o",
                CORE,
            ])
            .args(&sources)
            .args(["build/plugin.c", "build/plugin_component_type.o"]);
        run(&mut compiler)?;
        component::of_core(&read(&self.folder.join(CORE))?)
    }

    fn go(&self) -> Result<Vec<u8>, Error> {
        let mut go = tool(&self.folder, Tool::Go)?;
        self.make_build_folder()?;
        let world = World::read(&self.folder.join("wit"), WORLD)?;
        world.write_go(&self.folder)?;
        go.env("GOOS", "wasip1")
            .env("GOARCH", "wasm")
            .env("GOFLAGS", "-mod=mod");
        go.args([
            "build",
            "-buildmode=c-shared",
            "-ldflags=-checklinkname=0 -s -w",
            "-o",
            CORE,
        ]);
        run(&mut go)?;
        let core = world.embed(read(&self.folder.join(CORE))?)?;
        component::of_core(&core)
    }

    fn make_build_folder(&self) -> Result<(), Error> {
        let folder = self.folder.join(BUILD);
        fs::create_dir_all(&folder).map_err(Error::io(&folder))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Error> {
    fs::read(path).map_err(Error::io(path))
}
