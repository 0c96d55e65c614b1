//! Every template becomes a component with the tools of its language.
//!
//! Tools that come from a registry are looked for on the `PATH`. Where one is absent the test says so loudly and passes, unless
//! `BATON_LANGUAGES_REQUIRED` is set.

use baton_author::{Error, Language, Sdk, create};
use tempfile::TempDir;

/// The component of the template, or none where its tools are not here.
fn build(language: Language) -> Option<Vec<u8>> {
    let temp = TempDir::new().unwrap();
    let project = create("count-them", language, &temp.path().join("p"), &Sdk::Copy).unwrap();
    match project.build() {
        Ok(component) => Some(component),
        Err(Error::Missing { tool, hint }) => {
            assert!(
                std::env::var_os("BATON_LANGUAGES_REQUIRED").is_none(),
                "{language}: {tool} is missing. {hint}"
            );
            eprintln!(
                "SKIPPED: the template for {language} is not built: {tool} is missing. {hint}"
            );
            None
        }
        Err(other) => {
            let kept = temp.keep();
            panic!("{language}: {other} (in {})", kept.display())
        }
    }
}

fn is_component(component: Option<Vec<u8>>) {
    if let Some(component) = component {
        assert!(component.starts_with(b"\0asm\x0d\0\x01\0"));
    }
}

#[test]
fn javascript_becomes_a_component() {
    is_component(build(Language::Js));
}

#[test]
fn typescript_becomes_a_component() {
    is_component(build(Language::Ts));
}

#[test]
fn python_becomes_a_component() {
    is_component(build(Language::Python));
}

#[test]
fn c_becomes_a_component() {
    is_component(build(Language::C));
}

#[test]
fn go_becomes_a_component() {
    is_component(build(Language::Go));
}

#[test]
fn the_reference_has_every_hook_and_function_with_its_words() {
    let page = baton_author::reference().unwrap();
    for words in [
        "### on-connect\n\nA socket was accepted",
        "#### `on-report() -> result<list<report>, string>`",
        "#### variant `decision`",
        "- `hold(string)` Accept, but keep",
    ] {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn the_reference_in_the_documentation_is_that_of_the_contract() {
    let kept = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference.md");
    let kept = std::fs::read_to_string(kept).unwrap();
    assert!(
        kept.trim_end() == baton_author::reference().unwrap().trim_end(),
        "write it anew: baton plugin reference >docs/reference.md"
    );
}
