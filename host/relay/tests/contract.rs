//! The contract in every language: the same guest, written in each, goes through every hook with the same cases.
//!
//! The tools of a language are looked for on the `PATH`; where one is absent the test says so loudly and passes, unless
//! `BATON_LANGUAGES_REQUIRED` is set.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use baton_author::{Error, Language, Project, Sdk, create};
use baton_hooks::Hook;
use baton_hooks::golden::{Bench, Files};
use tempfile::TempDir;

/// Builds the guest of a language and runs the cases; `source` is what stands here, `place` where the template has its own.
fn goes_through_every_hook(language: Language, source: &str, place: &str) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/contract");
    let temp = TempDir::new().unwrap();
    let folder = temp.path().join("guest");
    let project = create("guest", language, &folder, &Sdk::Copy).unwrap();
    fs::copy(here.join(source), folder.join(place)).unwrap();
    fs::copy(here.join("plugin.wit"), folder.join("wit/plugin.wit")).unwrap();
    let Some(component) = built(&project) else {
        return;
    };
    let mut files = Files::default();
    let cases = fs::read(here.join("cases.json")).unwrap();
    files.add("cases.json", cases).unwrap();
    let cases = files.cases().unwrap();
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
