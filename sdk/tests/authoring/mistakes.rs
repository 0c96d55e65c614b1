use super::{cargo, lock, profiles, scratch, sdk};

/// The compiler's words about a library with that text.
fn errors_of(name: &str, text: &str) -> String {
    let directory = scratch().join(name);
    std::fs::create_dir_all(directory.join("src")).expect("a folder");
    let manifest = format!(
        "[package]\nname = \"{name}\"\nedition = \"2024\"\n[workspace]\n[dependencies]\nbaton-sdk = {{ path = {:?} }}\n{}",
        sdk(),
        profiles()
    );
    std::fs::write(directory.join("Cargo.toml"), manifest).expect("a manifest");
    std::fs::write(directory.join("src/lib.rs"), text).expect("a source");
    lock(&directory);
    let output = cargo(&directory)
        .args(["check", "--offline", "--quiet", "--color", "never"])
        .output()
        .expect("cargo runs");
    assert!(!output.status.success(), "{name} should not compile");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn mistakes_are_answered_with_what_to_do() {
    let plugin = |attribute: &str, block: &str| {
        format!("#![allow(unused)]\nuse baton_sdk::prelude::*;\nstruct P;\n{attribute}\n{block}\n")
    };
    let new = "fn new() -> Result<Self> { Ok(Self) }";
    for (name, text, words) in [
        (
            "misspelt-hook",
            plugin(
                "#[baton_sdk::plugin]",
                &format!("impl Plugin for P {{ {new} fn on_dta(&mut self) {{}} }}"),
            ),
            "`on_dta` is no hook; did you mean `on_data`?",
        ),
        (
            "helper-in-the-block",
            plugin(
                "#[baton_sdk::plugin]",
                &format!("impl Plugin for P {{ {new} fn greeting() {{}} }}"),
            ),
            "`greeting` is no hook; put helpers into a block `impl` of their own",
        ),
        (
            "no-hook",
            plugin(
                "#[baton_sdk::plugin]",
                &format!("impl Plugin for P {{ {new} }}"),
            ),
            "this plugin implements no hook, so it would never be called; the hooks are on_connect",
        ),
        (
            "wrong-place",
            plugin("#[baton_sdk::plugin]", "fn on_data() {}"),
            "put `#[baton_sdk::plugin]` on a block `impl Plugin for YourType { .. }`",
        ),
        (
            "arguments",
            plugin(
                "#[baton_sdk::plugin(on_data)]",
                &format!("impl Plugin for P {{ {new} }}"),
            ),
            "takes no arguments: the hooks are those the block implements",
        ),
    ] {
        let errors = errors_of(name, &text);
        assert!(errors.contains(words), "{errors}");
    }
}
