//! The contract in every language: the same guest, written in each, goes through every hook with the same cases.
//!
//! The tools of a language are looked for on the `PATH`; where one is absent the test says so loudly and passes, unless
//! `BATON_LANGUAGES_REQUIRED` is set.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use baton_author::{Error, Language, Project, Sdk, create};
use baton_hooks::Hook;
use baton_hooks::golden::{Bench, Files};
use tempfile::TempDir;

/// Builds the guest of a language and runs the cases; `source` is the file or folder that stands here, `place` where it belongs
/// in the template.
fn goes_through_every_hook(language: Language, source: &str, place: &str) {
    let relay = Path::new(env!("CARGO_MANIFEST_DIR"));
    let here = relay.join("tests/contract");
    let temp = TempDir::new().unwrap();
    let folder = temp.path().join("guest");
    let sdk = Sdk::Path(relay.join("../../sdk"));
    let project = create("guest", language, &folder, &sdk).unwrap();
    copy(&here.join(source), &folder.join(place));
    if language == Language::Rust {
        reuse_what_is_built(&folder);
    } else {
        copy(&here.join("plugin.wit"), &folder.join("wit/plugin.wit"));
    }
    let Some(component) = built(&project) else {
        return;
    };
    let mut files = Files::default();
    let cases = fs::read(here.join("cases.json")).unwrap();
    files.add("cases.json", cases).unwrap();
    let mut cases = files.cases().unwrap();
    // With the SDK a hook is a value of a type: one that is none cannot be answered.
    cases.retain(|case| language != Language::Rust || case.name != "on-load: a hook that is none");
    let hooks: BTreeSet<Hook> = cases.iter().map(|case| case.hook).collect();
    assert_eq!(hooks.len(), Hook::COUNT, "every hook has a case");
    let bench = Bench::start(&component, &temp.path().join("native")).unwrap();
    for outcome in bench.run(&cases).unwrap() {
        assert!(
            outcome.passed(),
            "{language}: {outcome}\n{:#}",
            outcome.seen
        );
    }
}

/// A file, or a folder with all that is in it.
fn copy(from: &Path, to: &Path) {
    if from.is_file() {
        fs::copy(from, to).unwrap();
        return;
    }
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let name = entry.unwrap().file_name();
        copy(&from.join(&name), &to.join(&name));
    }
}

/// A Rust project takes the versions of this workspace, so that no registry is asked, and what the last run built.
fn reuse_what_is_built(folder: &Path) {
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../Cargo.lock");
    copy(&lock, &folder.join("Cargo.lock"));
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("languages");
    fs::create_dir_all(&target).unwrap();
    symlink(target, folder.join("target")).unwrap();
}

fn built(project: &Project) -> Option<Vec<u8>> {
    match project.build() {
        Ok(component) => Some(component),
        Err(Error::Missing { tool, hint }) => {
            let required = std::env::var_os("BATON_LANGUAGES_REQUIRED").is_some();
            assert!(!required, "{tool} is missing. {hint}");
            eprintln!(
                "SKIPPED: no guest in {}: {tool} is missing. {hint}",
                project.language()
            );
            None
        }
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn javascript_goes_through_every_hook() {
    goes_through_every_hook(Language::Js, "plugin.js", "src/plugin.js");
}

#[test]
fn python_goes_through_every_hook() {
    goes_through_every_hook(Language::Python, "app.py", "app.py");
}

#[test]
fn c_goes_through_every_hook() {
    goes_through_every_hook(Language::C, "plugin.c", "src/guest.c");
}

#[test]
fn go_goes_through_every_hook() {
    goes_through_every_hook(Language::Go, "go", "");
}

#[test]
fn rust_goes_through_every_hook() {
    goes_through_every_hook(Language::Rust, "plugin.rs", "src/lib.rs");
}
