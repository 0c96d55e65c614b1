//! A new project: the template with the plugin's name in it, the contract beside it, and for Rust the SDK.

use std::fs;
use std::path::{Path, PathBuf};

use crate::embedded::{CONTRACT, RUST_SDK, TEMPLATES, below};
use crate::error::Error;
use crate::language::Language;
use crate::project::Project;

/// Longest name of a plugin.
const NAME_BYTES_MAX: usize = 64;
/// Where the contract stands in a project, so that every tool finds it.
const WIT_FOLDER: &str = "wit/deps/baton-relay";

/// Where a Rust project finds the SDK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sdk {
    /// A copy in the project, of the version this program was built with.
    Copy,
    /// A folder that is there already.
    Path(PathBuf),
}

/// Writes a project into a folder that is not there yet, or is empty.
///
/// # Errors
/// [`Error::Usage`] for a name that is none or a folder with something in it, [`Error::Io`].
pub fn create(name: &str, language: Language, folder: &Path, sdk: &Sdk) -> Result<Project, Error> {
    check_name(name)?;
    let taken = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if taken {
        let text = format!("{} is there already and not empty", folder.display());
        return Err(Error::Usage(text));
    }
    let sdk_path = match sdk {
        Sdk::Copy => "sdk".to_owned(),
        Sdk::Path(path) => fs::canonicalize(path)
            .map_err(Error::io(path))?
            .display()
            .to_string(),
    };
    let named = |text: &str| {
        text.replace("my-plugin", name)
            .replace("my_plugin", &name.replace('-', "_"))
            .replace("MyPlugin", &camel(name))
            .replace("path = \"../..\"", &format!("path = {sdk_path:?}"))
    };
    let template = format!("sdk/templates/{language}");
    for (path, text) in below(TEMPLATES, &template) {
        write(&folder.join(named(path)), &named(text))?;
    }
    let manifest =
        format!("# What `baton plugin build` reads.\nname = {name:?}\nlanguage = \"{language}\"\n");
    write(&folder.join(Project::FILE), &manifest)?;
    match (language, sdk) {
        (Language::Rust, Sdk::Copy) => copy_sdk(&folder.join("sdk"))?,
        (Language::Rust, Sdk::Path(_)) => {}
        _ => {
            for (path, text) in below(CONTRACT, "wit").filter(|(path, _)| !path.contains('/')) {
                write(&folder.join(WIT_FOLDER).join(path), text)?;
            }
        }
    }
    Project::open(folder)
}

/// As the relay takes it from the file's name, and as every language can spell it.
fn check_name(name: &str) -> Result<(), Error> {
    let sound = name.len() <= NAME_BYTES_MAX
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !name.ends_with('-')
        && !name.contains("--");
    if sound {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "{name:?} is no name for a plugin: lower-case letters, digits and single hyphens, beginning with a letter, at most \
         {NAME_BYTES_MAX} of them"
    )))
}

fn camel(name: &str) -> String {
    let mut out = String::new();
    for word in name.split('-') {
        let mut letters = word.chars();
        out.extend(letters.next().map(|first| first.to_ascii_uppercase()));
        out.push_str(letters.as_str());
    }
    out
}

/// The SDK as a project of its own: its manifests name versions instead of this workspace's.
fn copy_sdk(folder: &Path) -> Result<(), Error> {
    for (path, text) in below(RUST_SDK, "sdk") {
        match path {
            "Cargo.toml" => write(&folder.join(path), SDK_MANIFEST)?,
            "macros/Cargo.toml" => write(&folder.join(path), MACROS_MANIFEST)?,
            _ => write(&folder.join(path), text)?,
        }
    }
    for (path, text) in below(CONTRACT, "wit") {
        write(&folder.join("wit").join(path), text)?;
    }
    Ok(())
}

const SDK_MANIFEST: &str = "\
# The SDK as it came with the relay. Replace the folder to follow another version.
[package]
name = \"baton-sdk\"
version = \"0.1.0\"
edition = \"2024\"
license = \"MIT OR Apache-2.0\"
publish = false

[dependencies]
baton-sdk-macros = { path = \"macros\" }
serde = { version = \"1\", features = [\"derive\"] }
serde_json = \"1\"
wit-bindgen = \"0.61\"

[target.'cfg(not(target_family = \"wasm\"))'.dependencies]
sha2 = \"0.10\"
";

const MACROS_MANIFEST: &str = "\
[package]
name = \"baton-sdk-macros\"
version = \"0.1.0\"
edition = \"2024\"
license = \"MIT OR Apache-2.0\"
publish = false

[lib]
proc-macro = true
";

fn write(path: &Path, text: &str) -> Result<(), Error> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(Error::io(parent))?;
    }
    fs::write(path, text).map_err(Error::io(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_becomes_a_project_of_that_name() {
        let temp = tempfile::TempDir::new().unwrap();
        for language in Language::ALL {
            let folder = temp.path().join(language.name());
            let project = create("count-them", language, &folder, &Sdk::Copy).unwrap();
            assert_eq!(
                (project.name(), project.language()),
                ("count-them", language)
            );
            let mut folders = vec![folder.clone()];
            let mut files = 0;
            while let Some(folder) = folders.pop() {
                for entry in fs::read_dir(folder).unwrap().flatten() {
                    let path = entry.path();
                    if path.is_dir() {
                        folders.push(path);
                        continue;
                    }
                    files += 1;
                    let text = fs::read_to_string(&path).unwrap();
                    for left in ["my-plugin", "my_plugin", "MyPlugin", "\"../..\""] {
                        assert!(!text.contains(left), "{}: {left}", path.display());
                    }
                }
            }
            assert!(files > 5, "{language}: {files} files");
            let again = create("other", language, &folder, &Sdk::Copy).unwrap_err();
            assert!(again.to_string().contains("not empty"), "{again}");
        }
    }

    #[test]
    fn a_name_that_some_language_cannot_spell_is_refused() {
        let temp = tempfile::TempDir::new().unwrap();
        for name in [
            "",
            "A",
            "1a",
            "a_b",
            "a--b",
            "a-",
            "../a",
            "a b",
            &"a".repeat(65),
        ] {
            let refused = create(name, Language::C, &temp.path().join("x"), &Sdk::Copy);
            assert!(matches!(refused, Err(Error::Usage(_))), "{name:?}");
        }
        assert_eq!(camel("count-them-2"), "CountThem2");
    }
}
