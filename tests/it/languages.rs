//! The page of each language says how one comes from nothing to a running plugin: its commands are run as they stand there.
//! Those that fetch tools are left out; the tools are looked for on the `PATH`.

use std::path::Path;
use std::process::Command;

use baton_tests::relay::binary;

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The first block of commands on a page.
fn commands(page: &str) -> Vec<String> {
    let path = root().join("docs/languages").join(page);
    let text = std::fs::read_to_string(&path).unwrap();
    let block = text.split("```").nth(1).expect("a block of commands");
    let lines = block.lines().skip(1).map(str::to_owned);
    lines.filter(|line| !line.is_empty()).collect()
}

fn fetches(command: &str) -> bool {
    ["npm install", "pip install", "-m venv", "rustup target add"]
        .iter()
        .any(|part| command.contains(part))
}

/// Runs the commands of a page in a new folder, up to the message that the new plugin has changed.
fn from_nothing_to_a_running_plugin(page: &str) {
    let folder = tempfile::tempdir().unwrap();
    let mut script = String::from("set -e\n");
    let commands = commands(page);
    assert!(commands.len() >= 5, "{page}: {commands:?}");
    for command in commands.iter().filter(|command| !fetches(command)) {
        if command.starts_with("cargo ") {
            // The versions that are here already: no registry is asked.
            let lock = root().join("Cargo.lock");
            script += &format!("cp '{}' Cargo.lock\n", lock.display());
        }
        script += &format!("echo '$ {command}' >&2\n{command}\n");
    }
    let baton = binary();
    let mut path = vec![baton.parent().unwrap().to_owned()];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap()));
    let mut bash = Command::new("bash");
    bash.args(["-c", &script])
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", std::env::join_paths(path).unwrap())
        .env("CARGO_NET_OFFLINE", "true")
        .env(
            "CARGO_TARGET_DIR",
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("languages"),
        );
    for kept in [
        "HOME",
        "CARGO_HOME",
        "RUSTUP_HOME",
        "RUSTUP_TOOLCHAIN",
        "XDG_CACHE_HOME",
        "TMPDIR",
    ] {
        if let Some(value) = std::env::var_os(kept) {
            bash.env(kept, value);
        }
    }
    let output = bash.output().expect("bash runs");
    let (message, told) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    if !output.status.success() && told.contains(" is missing. ") {
        let required = std::env::var_os("BATON_LANGUAGES_REQUIRED").is_some();
        assert!(!required, "{page}: {told}");
        eprintln!("SKIPPED: the commands of {page} are not run: {told}");
        return;
    }
    assert!(output.status.success(), "{page}: {told}\n{message}");
    assert!(
        message.contains("X-Recipients: 2\n"),
        "{page}: {told}\n{message}"
    );
}

#[test]
fn the_page_of_rust_leads_to_a_running_plugin() {
    from_nothing_to_a_running_plugin("rust.md");
}

#[test]
fn the_page_of_javascript_leads_to_a_running_plugin() {
    from_nothing_to_a_running_plugin("javascript.md");
}

#[test]
fn the_page_of_typescript_leads_to_a_running_plugin() {
    from_nothing_to_a_running_plugin("typescript.md");
}

#[test]
fn the_page_of_python_leads_to_a_running_plugin() {
    from_nothing_to_a_running_plugin("python.md");
}

#[test]
fn the_page_of_c_leads_to_a_running_plugin() {
    from_nothing_to_a_running_plugin("c.md");
}

#[test]
fn the_page_of_go_leads_to_a_running_plugin() {
    from_nothing_to_a_running_plugin("go.md");
}
