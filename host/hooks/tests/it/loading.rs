//! What loads, what is refused and why, and what the cache is worth.

use std::time::Instant;

use baton_hooks::{Bundled, Error, Fault, Hook, Plugins, Settings, inspect};
use std::sync::Arc;
use std::time::Duration;

use crate::house::{House, Site, envelope, guest, tag};

fn refused(text: &str) -> String {
    let bytes = wat::parse_str(text).unwrap();
    match inspect(&bytes) {
        Err(Error::Refused(reason)) => reason,
        other => panic!("{other:?}"),
    }
}

/// A component that exports one function as the interface of a hook.
fn exporting(interface: &str, function: &str, signature: &str) -> String {
    format!(
        r#"(component
            (core module $m (func (export "f") unreachable))
            (core instance $i (instantiate $m))
            (func $f {signature} (canon lift (core func $i "f")))
            (instance $e (export "{function}" (func $f)))
            (export "{interface}" (instance $e)))"#
    )
}

#[test]
fn a_wrong_signature_an_unknown_hook_and_a_foreign_version_are_named() {
    let why = refused(&exporting("baton:relay/on-report@0.1.0", "on-report", ""));
    assert!(
        why.contains("on-report") && why.contains("signature"),
        "{why}"
    );
    let why = refused(&exporting("baton:relay/on-report@0.1.0", "on-repotr", ""));
    assert!(why.contains("on-report"), "{why}");
    let why = refused(&exporting("baton:relay/on-dta@0.1.0", "on-dta", ""));
    assert!(
        why.contains("baton:relay/on-dta@0.1.0") && why.contains("no hook"),
        "{why}"
    );
    let why = refused(&exporting("baton:relay/on-report@0.9.0", "on-report", ""));
    assert!(why.contains("0.9.0") && why.contains("0.1.0"), "{why}");
    let why = refused("(component)");
    assert!(why.contains("exports no hook"), "{why}");
}

#[test]
fn an_unknown_import_is_named() {
    let why = refused(
        r#"(component (import "wasi:nonsense/things@1.0.0" (instance (export "f" (func)))))"#,
    );
    assert!(why.contains("wasi:nonsense/things@1.0.0"), "{why}");
    let why = refused(
        r#"(component (import "baton:relay/log@0.1.0" (instance (export "shout" (func)))))"#,
    );
    assert!(why.contains("baton:relay/log@0.1.0"), "{why}");
}

#[test]
fn a_component_is_inspected_without_running_it() {
    let found = inspect(guest("brief")).unwrap();
    assert_eq!(
        found.hooks.iter().collect::<Vec<_>>(),
        [Hook::Rcpt, Hook::Data]
    );
    assert!(
        found
            .imports
            .iter()
            .any(|i| i == "baton:relay/message@0.1.0"),
        "{:?}",
        found.imports
    );
    assert!(found.grants.is_empty(), "{:?}", found.grants);
    assert_eq!(found.digest.len(), 64);
    assert!(!found.concurrent);
    let all = inspect(guest("actor")).unwrap();
    assert_eq!(all.hooks.iter().count(), Hook::COUNT);
    assert_eq!(all.grants, ["kv", "dns", "http", "submit", "secrets"]);
    assert!(
        all.producers.contains_key("processed-by"),
        "{:?}",
        all.producers
    );
}

#[test]
fn a_second_start_takes_native_code_from_the_cache() {
    let temp = tempfile::TempDir::new().unwrap();
    let mut settings = Settings::new(temp.path().join("cache"));
    settings.pool.instances_max = 4;
    settings.bundled = vec![Bundled {
        name: "a".into(),
        bytes: guest("actor"),
    }];
    let start = || {
        let begin = Instant::now();
        let plugins = Plugins::start(settings.clone(), Arc::new(House::default())).unwrap();
        assert!(plugins.generation().exports(Hook::Data));
        begin.elapsed()
    };
    let cold = start();
    let files = |dir: &std::path::Path| {
        std::fs::read_dir(dir)
            .unwrap()
            .flatten()
            .map(|f| f.path())
            .filter(|path| path.extension().is_some_and(|e| e == "native"))
            .collect::<Vec<_>>()
    };
    let kept = files(&temp.path().join("cache"));
    assert_eq!(kept.len(), 1, "{kept:?}");
    let warm = start();
    assert!(warm < cold, "cold {cold:?}, warm {warm:?}");
    // Half a file is as good as none.
    let native = std::fs::read(&kept[0]).unwrap();
    std::fs::write(&kept[0], &native[..native.len() / 2]).unwrap();
    start();
    assert_eq!(
        std::fs::read(&kept[0]).unwrap().len(),
        native.len(),
        "written anew"
    );
}

#[cfg(unix)]
#[test]
fn a_cache_that_others_can_write_is_refused_and_a_file_that_others_can_write_is_not_read() {
    use std::os::unix::fs::PermissionsExt;
    let temp = tempfile::TempDir::new().unwrap();
    let dir = temp.path().join("cache");
    let mut settings = Settings::new(&dir);
    settings.pool.instances_max = 4;
    settings.bundled = vec![Bundled {
        name: "a".into(),
        bytes: guest("brief"),
    }];
    let start = || Plugins::start(settings.clone(), Arc::new(House::default()));
    start().unwrap();
    let mode = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    assert_eq!(
        std::fs::metadata(&dir).unwrap().permissions().mode() & 0o777,
        0o700
    );
    let file = std::fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|e| e == "native"))
        .unwrap();
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    mode(&file, 0o666);
    start().unwrap();
    assert_eq!(
        std::fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600,
        "written anew"
    );
    mode(&dir, 0o755);
    assert!(matches!(start(), Err(Error::Cache(..))));
}

#[test]
fn a_refused_bundled_plugin_does_not_keep_the_others_from_starting() {
    let temp = tempfile::TempDir::new().unwrap();
    let mut settings = Settings::new(temp.path().join("cache"));
    settings.pool.instances_max = 4;
    settings.bundled = vec![
        Bundled {
            name: "bad".into(),
            bytes: b"\0asm\x0d\0\x01\0nonsense",
        },
        Bundled {
            name: "good".into(),
            bytes: guest("brief"),
        },
    ];
    let plugins = Plugins::start(settings, Arc::new(House::default())).unwrap();
    let list = plugins.list();
    assert_eq!(
        (list[0].state.name(), list[1].state.name()),
        ("refused", "active")
    );
    assert!(plugins.generation().exports(Hook::Data));
}

#[tokio::test]
async fn settings_change_from_the_next_sitting_on() {
    let site = Site::actor(|_| {});
    let before = site.plugins.generation();
    let mut settings = site.settings.clone();
    settings.plugins.get_mut("actor").unwrap().enabled = false;
    let mut changes = site.plugins.changes();
    changes.borrow_and_update();
    site.plugins.reconfigure(settings).unwrap();
    assert!(changes.has_changed().unwrap());
    assert!(
        before.exports(Hook::Data),
        "a sitting under way keeps its generation"
    );
    assert!(!site.plugins.generation().exports(Hook::Data));
}

#[tokio::test]
async fn a_component_with_its_own_concurrency_serves_beside_those_without() {
    assert!(inspect(guest("patient")).unwrap().concurrent);
    let site = Site::new(&[("a", "patient"), ("b", "actor")], |settings| {
        let mut own = baton_hooks::PluginSettings::default();
        own.limits.cpu = Duration::from_millis(100);
        settings.plugins.insert("a".into(), own);
    });
    let ask = async |helo: &str| {
        let mut sitting = site.session(helo).transaction();
        let verdict = sitting.on_mail(&envelope()).await.to_string();
        (verdict, tag(&sitting, "patient"), sitting.take_records())
    };
    let (verdict, patient, records) = ask("next").await;
    assert_eq!(
        (verdict.as_str(), patient.as_deref(), records.len()),
        ("next", Some("on-mail"), 2)
    );
    assert_eq!(ask("reject").await.0, "reject 550 5.7.1 No");
    let (verdict, patient, records) = ask("loop").await;
    assert!(verdict.starts_with("defer 451"), "{verdict}");
    assert_eq!(
        (records[0].fault.clone(), patient),
        (Some(Fault::Cpu), None)
    );
    assert_eq!(ask("next").await.0, "next");
}

#[test]
fn native_code_with_its_own_concurrency_is_cached_too() {
    let temp = tempfile::TempDir::new().unwrap();
    let mut settings = Settings::new(temp.path().join("cache"));
    settings.pool.instances_max = 4;
    settings.bundled = vec![Bundled {
        name: "a".into(),
        bytes: guest("patient"),
    }];
    for _ in 0..2 {
        let plugins = Plugins::start(settings.clone(), Arc::new(House::default())).unwrap();
        assert!(plugins.generation().exports(Hook::Mail));
        let files = std::fs::read_dir(temp.path().join("cache"))
            .unwrap()
            .count();
        assert_eq!(files, 3, "the code, its mark, and that its tests passed");
    }
}
