//! Directions of dependency and doors: a new corridor between rooms is a decision, not an accident.
//!
//! When this fails, either the line is in the wrong room, or ARCHITECTURE.md has an argument to gain and a table here changes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Which rooms a room may know. What is not listed is free of Baton's own crates.
const MAY_DEPEND: &[(&str, &[&str])] = &[
    ("host/smtp", &[]),
    ("host/message", &["baton-smtp"]),
    ("host/spool", &["baton-smtp"]),
    ("host/hooks", &["baton-smtp", "baton-message"]),
    ("host/author", &[]),
    ("host/sign", &["baton-smtp", "baton-message"]),
    (
        "host/relay",
        &[
            "baton-smtp",
            "baton-message",
            "baton-spool",
            "baton-hooks",
            "baton-author",
            "baton-sign",
        ],
    ),
    ("sdk", &["baton-sdk-macros"]),
    ("sdk/macros", &[]),
    ("plugins/link-tracking", &["baton-sdk"]),
    ("plugins/isp-responses", &["baton-sdk"]),
    ("plugins/routing", &["baton-sdk"]),
    ("plugins/policy", &["baton-sdk"]),
    ("plugins/suppression", &["baton-sdk"]),
];

/// A heavy package, what names it in code, and the files that may do so.
const DOORS: &[(&str, &[&str], &[&str])] = &[
    (
        "wasmtime",
        &["wasmtime::", "wasmtime_wasi::"],
        &["host/hooks/"],
    ),
    ("redb", &["redb::"], &["host/spool/"]),
    (
        "rustls",
        &["rustls::"],
        &["host/relay/src/tls.rs", "host/relay/src/tls/"],
    ),
    (
        "hickory",
        &["hickory_"],
        &["host/relay/src/dns.rs", "host/relay/src/dns/"],
    ),
    ("mail-parser", &["mail_parser::"], &["host/message/"]),
    ("mail-builder", &["mail_builder::"], &["host/message/"]),
    ("mail-auth", &["mail_auth::"], &["host/sign/"]),
    ("rsa", &["rsa::"], &["host/sign/"]),
    ("notify", &["notify::"], &["host/hooks/src/watch"]),
    (
        "wall clock",
        &["SystemTime::now", "Timestamp::now", "Zoned::now"],
        &["host/relay/src/clock.rs"],
    ),
];

/// Rooms inside the relay that must not know each other: receiving and delivering meet only in the spool.
const STRANGERS: &[(&str, &[&str])] = &[
    ("inbound", &["crate::outbound", "crate::queue"]),
    ("outbound", &["crate::inbound", "crate::queue"]),
    ("queue", &["crate::inbound"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests lies in the workspace")
        .to_owned()
}

/// Every Rust file under `folder`, without build output, fuzz targets and tests.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder").flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            if path.is_dir() {
                if !["target", "fuzz", "tests", "examples", "benches"]
                    .iter()
                    .any(|n| name == *n)
                {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|e| e == "rs") && name != "tests.rs" {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

/// Code without comments and without the tests at the end of a file.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).expect("a readable file");
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    text.lines()
        .filter(|l| !l.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n")
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root())
        .expect("below the root")
        .display()
        .to_string()
}

#[test]
fn rooms_depend_only_in_the_agreed_directions() {
    for (room, allowed) in MAY_DEPEND {
        let text = std::fs::read_to_string(root().join(room).join("Cargo.toml")).expect(room);
        let dependencies = text.split("[dependencies]").nth(1).unwrap_or_default();
        let dependencies = dependencies.split("\n[").next().unwrap_or_default();
        let own: BTreeSet<&str> = dependencies
            .lines()
            .filter_map(|l| l.split(['.', ' ', '=']).next())
            .filter(|name| *name == "baton" || name.starts_with("baton-"))
            .collect();
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        let corridors: Vec<_> = own.difference(&allowed).collect();
        assert!(
            corridors.is_empty(),
            "{room} may not depend on {corridors:?}"
        );
    }
}

#[test]
fn every_crate_under_host_and_plugins_has_its_line_in_the_table() {
    for folder in ["host", "plugins"] {
        for entry in std::fs::read_dir(root().join(folder))
            .expect(folder)
            .flatten()
        {
            if entry.path().join("Cargo.toml").exists() {
                let room = format!("{folder}/{}", entry.file_name().display());
                assert!(
                    MAY_DEPEND.iter().any(|(name, _)| *name == room),
                    "{room} is not listed"
                );
            }
        }
    }
}

#[test]
fn each_heavy_package_has_one_door() {
    let mut files = sources(&root().join("host"));
    files.extend(sources(&root().join("plugins")));
    for (package, names, doors) in DOORS {
        for file in &files {
            let path = relative(file);
            if doors.iter().any(|door| path.starts_with(door)) {
                continue;
            }
            let code = code(file);
            for name in *names {
                let used = code.match_indices(name).any(|(at, _)| {
                    // "tokio_rustls::" is another package, as is "baton_x_redb::".
                    !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
                });
                assert!(
                    !used,
                    "{path} uses {package} ({name}); its door is {doors:?}"
                );
            }
        }
    }
}

#[test]
fn receiving_and_delivering_meet_only_in_the_spool() {
    let relay = root().join("host/relay/src");
    for (room, strangers) in STRANGERS {
        for file in sources(&relay) {
            let path = file
                .strip_prefix(&relay)
                .expect("below")
                .display()
                .to_string();
            if path != format!("{room}.rs") && !path.starts_with(&format!("{room}/")) {
                continue;
            }
            let code = code(&file);
            for stranger in *strangers {
                assert!(!code.contains(stranger), "{path} uses {stranger}");
            }
        }
    }
}

#[test]
fn no_wasmtime_type_is_public_outside_the_wasm_host() {
    for file in sources(&root().join("host/hooks/src")) {
        for line in code(&file).lines() {
            let public = line.trim_start().starts_with("pub ");
            let private = line.contains("pub(crate)") || line.contains("pub(super)");
            assert!(
                !(public && !private && line.contains("wasmtime::")),
                "{}: {line}",
                relative(&file)
            );
        }
    }
}

#[test]
fn nothing_unfinished_is_left_behind() {
    let mut files = sources(&root().join("host"));
    files.extend(sources(&root().join("plugins")));
    files.extend(sources(&root().join("sdk")));
    for file in files {
        let code = code(&file);
        for mark in [
            concat!("todo", "!("),
            concat!("unimplemented", "!("),
            concat!("dbg", "!("),
        ] {
            assert!(!code.contains(mark), "{} has {mark}", relative(&file));
        }
    }
}

/// `cargo run --release -- dev` is the first thing that somebody types; it needs one program that is meant by default.
#[test]
fn cargo_run_means_the_relay() {
    let told = std::process::Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).expect("JSON");
    let packages = told["packages"].as_array().expect("packages");
    let programs = packages
        .iter()
        .filter_map(|package| package["default_run"].as_str());
    assert_eq!(programs.collect::<Vec<_>>(), ["baton"]);
}
