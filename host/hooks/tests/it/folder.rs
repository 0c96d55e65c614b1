//! Dropping a file in, replacing it, taking it out: while it happens, at the start, and when it is no plugin at all.

use std::fs;
use std::io::Write;

use baton_hooks::{Hook, PluginState, Source, Verdict};

use crate::house::{Site, envelope, guest};

fn digest_of(site: &Site, name: &str) -> Option<String> {
    let generation = site.plugins.generation();
    generation
        .digests()
        .iter()
        .find(|(n, _)| &**n == name)
        .map(|(_, d)| d.to_string())
}

#[test]
fn a_file_dropped_in_serves_and_one_taken_out_does_not() {
    let site = Site::new(&[], |_| {});
    assert!(!site.plugins.generation().exports(Hook::Data));
    fs::write(site.dir.join("mine.wasm"), guest("brief")).unwrap();
    site.until("it serves", |s| s.plugins.generation().exports(Hook::Data));
    let info = site.plugins.list().remove(0);
    assert_eq!((&*info.name, info.state), ("mine", PluginState::Active));
    assert_eq!(info.source, Source::File(site.dir.join("mine.wasm")));
    let before = digest_of(&site, "mine").unwrap();
    // Replaced by a rename, as an editor or a deployment does it.
    fs::write(site.dir.join(".mine.new"), guest("actor")).unwrap();
    fs::rename(site.dir.join(".mine.new"), site.dir.join("mine.wasm")).unwrap();
    site.until("the other serves", |s| {
        digest_of(s, "mine").is_some_and(|d| d != before)
    });
    fs::remove_file(site.dir.join("mine.wasm")).unwrap();
    site.until("it is gone", |s| s.plugins.list().is_empty());
    assert!(!site.plugins.generation().exports(Hook::Data));
    assert_eq!(site.house.events("plugin-removed").len(), 1);
}

#[test]
fn a_folder_may_be_named_from_where_the_relay_stands() {
    let mut relative = std::path::PathBuf::new();
    let site = Site::new(&[], |settings| {
        let dir = settings.dir.as_mut().unwrap();
        let depth = std::env::current_dir().unwrap().components().count() - 1;
        relative.extend(std::iter::repeat_n("..", depth));
        relative.push(dir.strip_prefix("/").unwrap());
        dir.clone_from(&relative);
    });
    fs::write(site.dir.join("mine.wasm"), guest("brief")).unwrap();
    site.until("it serves", |s| digest_of(s, "mine").is_some());
    // By one name, however it was heard of: under two it would be loaded twice.
    let info = site.plugins.list().remove(0);
    assert_eq!(info.source, Source::File(relative.join("mine.wasm")));
}

#[test]
fn a_file_of_a_bundled_plugins_name_takes_its_place_until_it_is_removed() {
    let site = Site::new(&[("p", "brief")], |_| {});
    let bundled = digest_of(&site, "p").unwrap();
    fs::write(site.dir.join("p.wasm"), guest("actor")).unwrap();
    site.until("the file serves", |s| {
        digest_of(s, "p").is_some_and(|d| d != bundled)
    });
    assert_eq!(site.plugins.list().len(), 1);
    fs::remove_file(site.dir.join("p.wasm")).unwrap();
    site.until("the bundled one is back", |s| {
        digest_of(s, "p").as_ref() == Some(&bundled)
    });
    assert_eq!(site.plugins.list()[0].source, Source::Bundled);
}

#[test]
fn a_file_that_does_not_load_is_refused_with_the_reason_and_the_last_good_one_stays() {
    let site = Site::new(&[], |_| {});
    fs::write(site.dir.join("p.wasm"), guest("brief")).unwrap();
    site.until("it serves", |s| digest_of(s, "p").is_some());
    let good = digest_of(&site, "p");
    fs::write(site.dir.join("p.wasm"), b"#!/bin/sh\n").unwrap();
    site.until("it is refused", |s| s.plugins.list()[0].problem.is_some());
    let info = site.plugins.list().remove(0);
    assert_eq!(info.state, PluginState::Active);
    assert!(info.problem.unwrap().contains("not WebAssembly"));
    assert_eq!(digest_of(&site, "p"), good);
    fs::write(site.dir.join("q.wasm"), b"\0asm\x01\0\0\0").unwrap();
    site.until("the other is refused", |s| s.plugins.list().len() == 2);
    site.until("with its reason", |s| {
        matches!(&s.plugins.list()[1].state, PluginState::Refused { reason } if reason.contains("core module"))
    });
    fs::write(site.dir.join("q.wasm"), guest("actor")).unwrap();
    site.until("mended", |s| digest_of(s, "q").is_some());
}

#[test]
fn what_lies_in_the_folder_at_the_start_serves_from_the_first_sitting_on() {
    let site = Site::new(&[("p", "brief")], |settings| {
        let dir = settings.dir.as_ref().unwrap();
        fs::create_dir_all(dir).unwrap();
        fs::write(dir.join("p.wasm"), guest("actor")).unwrap();
        fs::write(dir.join("q.wasm"), guest("brief")).unwrap();
        fs::write(dir.join("bad.wasm"), b"nonsense").unwrap();
    });
    let generation = site.plugins.generation();
    assert_eq!(generation.digests().len(), 2);
    assert!(
        generation.exports(Hook::Connect),
        "the file and not the bundled one"
    );
    assert_eq!(site.house.events("plugin-refused").len(), 1);
}

#[test]
fn a_refused_file_at_the_start_leaves_the_bundled_plugin_in_place() {
    let site = Site::new(&[("p", "brief")], |settings| {
        let dir = settings.dir.as_ref().unwrap();
        fs::create_dir_all(dir).unwrap();
        fs::write(dir.join("p.wasm"), b"nonsense").unwrap();
    });
    let info = site.plugins.list().remove(0);
    assert_eq!(
        (info.state, info.source),
        (PluginState::Active, Source::Bundled)
    );
    assert!(info.problem.is_some());
    fs::remove_file(site.dir.join("p.wasm")).unwrap();
    site.until("the problem is gone", |s| {
        s.plugins.list()[0].problem.is_none()
    });
}

#[test]
fn a_file_that_is_still_being_written_does_not_count() {
    let site = Site::new(&[], |_| {});
    let bytes = guest("actor");
    let mut file = fs::File::create(site.dir.join("slow.wasm")).unwrap();
    for piece in bytes.chunks(bytes.len() / 8 + 1) {
        file.write_all(piece).unwrap();
        file.sync_all().unwrap();
        std::thread::sleep(std::time::Duration::from_millis(60));
    }
    drop(file);
    site.until("it serves", |s| digest_of(s, "slow").is_some());
    assert!(site.house.events("plugin-refused").is_empty());
}

#[cfg(unix)]
#[test]
fn folders_pipes_dangling_links_huge_files_and_strange_names_are_refused_and_harm_nobody() {
    let site = Site::new(&[], |_| {});
    fs::create_dir(site.dir.join("dir.wasm")).unwrap();
    std::os::unix::fs::symlink("/nowhere/at/all", site.dir.join("link.wasm")).unwrap();
    let huge = fs::File::create(site.dir.join("huge.wasm")).unwrap();
    huge.set_len(1 << 30).unwrap();
    let pipe = std::process::Command::new("mkfifo")
        .arg(site.dir.join("pipe.wasm"))
        .status()
        .unwrap();
    assert!(pipe.success());
    fs::write(site.dir.join("no name.wasm"), guest("brief")).unwrap();
    fs::write(site.dir.join("readme.txt"), "not a plugin").unwrap();
    fs::write(site.dir.join("good.wasm"), guest("brief")).unwrap();
    site.until("the good one serves", |s| digest_of(s, "good").is_some());
    site.until("all are refused", |s| {
        s.house.events("plugin-refused").len() >= 5
    });
    let events = site.house.events("plugin-refused");
    for name in ["dir", "link", "huge", "pipe", "no name.wasm"] {
        assert!(
            events
                .iter()
                .any(|e| e.starts_with(&format!("plugin-refused {name} "))),
            "{name}: {events:?}"
        );
    }
    let states: Vec<_> = site
        .plugins
        .list()
        .into_iter()
        .map(|i| (i.name.to_string(), i.state.name()))
        .collect();
    assert!(states.contains(&("good".into(), "active")), "{states:?}");
}

#[cfg(unix)]
#[test]
fn a_link_to_a_plugin_is_as_good_as_the_plugin() {
    let site = Site::new(&[], |_| {});
    let elsewhere = tempfile::TempDir::new().unwrap();
    fs::write(elsewhere.path().join("x"), guest("brief")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path().join("x"), site.dir.join("linked.wasm")).unwrap();
    site.until("it serves", |s| digest_of(s, "linked").is_some());
}

#[tokio::test]
async fn a_sitting_ends_with_the_plugins_it_began_with() {
    let site = Site::new(&[], |_| {});
    fs::write(site.dir.join("p.wasm"), guest("actor")).unwrap();
    site.until("it serves", |s| digest_of(s, "p").is_some());
    let mut session = site.session("reject 550 5.0.0 still here");
    fs::remove_file(site.dir.join("p.wasm")).unwrap();
    site.until("it is gone", |s| s.plugins.list().is_empty());
    assert!(matches!(session.on_connect().await, Verdict::Reject(_)));
    assert!(matches!(
        session.transaction().on_mail(&envelope()).await,
        Verdict::Reject(_)
    ));
    assert_eq!(
        site.session("reject 550 5.0.0 gone").on_connect().await,
        Verdict::Pass
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn plugins_are_replaced_many_times_while_sittings_go_on() {
    let site = Site::new(&[("p", "actor")], |_| {});
    let stop = std::sync::atomic::AtomicBool::new(false);
    let handle = tokio::runtime::Handle::current();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..20 {
                let of = if round % 2 == 0 { "brief" } else { "actor" };
                fs::write(site.dir.join(".new"), guest(of)).unwrap();
                fs::rename(site.dir.join(".new"), site.dir.join("p.wasm")).unwrap();
                let hooks = if of == "brief" { 2 } else { Hook::COUNT };
                site.until("the swap", |s| {
                    s.plugins.list()[0].hooks.iter().count() == hooks
                });
            }
            stop.store(true, std::sync::atomic::Ordering::SeqCst);
        });
        scope.spawn(|| {
            let mut served = 0;
            while !stop.load(std::sync::atomic::Ordering::SeqCst) || served == 0 {
                let mut sitting = site.transaction("tag alive yes");
                let verdict = handle.block_on(sitting.on_data(&envelope()));
                assert_eq!(verdict, Verdict::Pass);
                served += 1;
            }
        });
    });
    assert!(site.house.events("plugin-fault").is_empty());
}

#[test]
fn another_folder_by_other_settings_takes_the_place_of_the_old_one() {
    let site = Site::new(&[], |_| {});
    fs::write(site.dir.join("old.wasm"), guest("brief")).unwrap();
    site.until("the old one serves", |s| digest_of(s, "old").is_some());
    let elsewhere = tempfile::TempDir::new().unwrap();
    fs::write(elsewhere.path().join("new.wasm"), guest("actor")).unwrap();
    let mut settings = site.settings.clone();
    settings.dir = Some(elsewhere.path().to_owned());
    site.plugins.reconfigure(settings).unwrap();
    assert!(digest_of(&site, "old").is_none() && digest_of(&site, "new").is_some());
    fs::write(elsewhere.path().join("later.wasm"), guest("brief")).unwrap();
    site.until("the new folder is watched", |s| {
        digest_of(s, "later").is_some()
    });
}
