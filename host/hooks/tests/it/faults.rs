//! What becomes of the mail when a plugin faults, and of the plugin when it does nothing else.

use std::time::Duration;

use baton_hooks::{Fault, FaultPolicy, PluginSettings, Verdict};

use crate::house::{Site, draft, envelope, guest, tag};

#[tokio::test]
async fn a_fault_leaves_no_half_edit_tag_or_score_behind() {
    let site = Site::new(&[("a", "actor"), ("b", "actor")], |settings| {
        for name in ["a", "b"] {
            let own = PluginSettings {
                fault: FaultPolicy::Skip,
                ..Default::default()
            };
            settings.plugins.insert(name.into(), own);
        }
    });
    for end in ["trap", "err no", "reject 550 5.0.0 a\\r\\nb", "panic"] {
        let mut sitting = site.transaction(&format!(
            "prepend X-Half yes;set-text 0 half;tag half yes;score HALF 3;{end}"
        ));
        sitting.set_tags(vec![("before".into(), "kept".into())]);
        assert_eq!(sitting.on_data(&envelope()).await, Verdict::Pass, "{end}");
        let draft = sitting.draft().unwrap();
        assert!(
            draft.is_empty() && draft.header_count("X-Half") == 0,
            "{end}"
        );
        assert_eq!(sitting.tags().len(), 1, "{end}");
        assert!(sitting.scores().is_empty(), "{end}");
        for record in sitting.take_records() {
            assert!(record.fault.is_some() && record.edits.is_empty(), "{end}");
            assert!(record.tags.is_empty() && record.scores.is_empty(), "{end}");
        }
    }
}

#[tokio::test]
async fn the_fault_policy_decides_what_the_peer_is_told() {
    for (fault, expected) in [
        (
            FaultPolicy::Defer,
            "defer 451 4.3.0 Local trouble, try again later",
        ),
        (FaultPolicy::Skip, "next"),
        (
            FaultPolicy::Reject,
            "reject 554 5.3.0 Cannot be processed here",
        ),
    ] {
        let site = Site::actor(|own| own.fault = fault);
        let mut sitting = site.transaction("trap");
        assert_eq!(sitting.on_data(&envelope()).await.to_string(), expected);
    }
}

#[tokio::test]
async fn an_answer_that_contradicts_itself_or_holds_a_line_end_is_a_fault() {
    let site = Site::actor(|own| own.fault = FaultPolicy::Skip);
    for helo in [
        "reject 450 4.0.0 contradicts",
        "reject 250 2.0.0 contradicts",
        "reject 550 4.0.0 classes differ",
        "reject 550 5.x no status",
        "defer 550 5.0.0 contradicts",
        "disconnect 250 2.0.0 contradicts",
        "reject 550 5.0.0 two\\r\\nlines",
        "reject 550 5.0.0 a\\rb",
        "reject 550 5.0.0 a\0b",
        "hold two\\nlines",
        "reject 0 5.0.0 no code",
        "reject 5550 5.0.0 no code",
    ] {
        let mut sitting = site.session(helo);
        assert_eq!(sitting.on_connect().await, Verdict::Pass, "{helo:?}");
        let record = sitting.take_records().remove(0);
        assert!(
            matches!(record.fault, Some(Fault::Answer(_))),
            "{helo:?}: {:?}",
            record.fault
        );
        assert!(sitting.holds().is_empty());
    }
}

#[tokio::test]
async fn a_header_with_a_line_end_and_an_edit_in_a_signed_part_are_refused_where_they_are_made() {
    let site = Site::actor(|_| {});
    let mut sitting = site.transaction("append X-A a\\r\\nBcc: evil@example.net");
    assert_eq!(sitting.on_data(&envelope()).await, Verdict::Pass);
    assert!(
        tag(&sitting, "edit")
            .unwrap()
            .starts_with("Err(Error::Invalid")
    );
    let signed = "X-Act: set-text 1 other\r\nContent-Type: multipart/signed; boundary=b; \
        protocol=\"application/pgp-signature\"; micalg=pgp-sha256\r\n\r\n--b\r\n\
        Content-Type: text/plain\r\n\r\nsigned\r\n--b\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--b--\r\n";
    let mut sitting = site.transaction("");
    sitting.set_draft(baton_message::EditSet::new(
        baton_message::Message::parse(signed.into()),
        false,
    ));
    assert_eq!(sitting.on_data(&envelope()).await, Verdict::Pass);
    assert_eq!(
        tag(&sitting, "edit").as_deref(),
        Some("Err(Error::Protected)")
    );
    assert!(sitting.draft().unwrap().is_empty());
}

#[tokio::test]
async fn an_error_the_plugin_answers_is_a_fault_that_leaves_the_instance_in_order() {
    let site = Site::actor(|own| own.fault = FaultPolicy::Skip);
    let mut sitting = site.session("count;err because").transaction();
    sitting.on_mail(&envelope()).await;
    assert_eq!(sitting.instances(), 1);
    let record = sitting.take_records().remove(0);
    assert_eq!(record.fault, Some(Fault::Answered("because".into())));
    sitting.set_session(crate::house::session("count"));
    sitting.on_mail(&envelope()).await;
    assert_eq!(
        tag(&sitting, "count").as_deref(),
        Some("2"),
        "the same instance"
    );
}

#[tokio::test]
async fn a_call_that_is_dropped_halfway_takes_its_instance_along_and_leaves_the_sitting_usable() {
    let site = Site::actor(|own| own.grants.dns = true);
    let mut sitting =
        site.transaction("prepend X-Half yes;tag half yes;log going to wait;dns slow.test");
    sitting.set_tags(vec![("before".into(), "kept".into())]);
    let given_up =
        tokio::time::timeout(Duration::from_millis(100), sitting.on_data(&envelope())).await;
    assert!(given_up.is_err());
    assert_eq!(
        site.house.events("log "),
        ["log actor Warn going to wait"],
        "no record will hold it"
    );
    assert_eq!(sitting.instances(), 0);
    assert!(sitting.draft().unwrap().is_empty());
    assert_eq!(sitting.tags().len(), 1);
    sitting.set_draft(draft("tag alive yes"));
    assert_eq!(sitting.on_data(&envelope()).await, Verdict::Pass);
    assert_eq!(tag(&sitting, "alive").as_deref(), Some("yes"));
}

#[tokio::test]
async fn repeated_faults_open_the_breaker_and_a_success_closes_it() {
    let site = Site::new(&[("actor", "actor")], |settings| {
        settings.breaker.faults_max = 3;
        settings.breaker.cool_down = Duration::from_millis(300);
    });
    let run = async |act: &str| {
        let mut sitting = site.transaction(act);
        let verdict = sitting.on_data(&envelope()).await;
        (verdict.passes(), sitting.take_records().remove(0).fault)
    };
    for _ in 0..3 {
        assert!(matches!(run("trap").await, (false, Some(Fault::Trap(_)))));
    }
    assert_eq!(
        run("next").await,
        (false, Some(Fault::Open)),
        "policy without a call"
    );
    assert_eq!(site.plugins.list()[0].state.name(), "broken");
    assert_eq!(
        site.house.events("plugin-breaker-opened"),
        ["plugin-breaker-opened actor 3"]
    );
    let start = std::time::Instant::now();
    while run("next").await.1 == Some(Fault::Open) {
        assert!(start.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(run("next").await, (true, None));
    assert_eq!(site.plugins.list()[0].state.name(), "active");
    assert_eq!(site.house.events("plugin-breaker-closed").len(), 1);
}

#[tokio::test]
async fn a_version_that_only_faults_gives_way_to_the_one_before() {
    let site = Site::new(&[("p", "brief")], |settings| {
        settings.breaker.faults_max = 4
    });
    let good = site.plugins.generation();
    std::fs::write(site.dir.join("p.wasm"), guest("broken")).unwrap();
    site.until("the file serves", |s| {
        s.plugins.generation().id() != good.id()
    });
    for _ in 0..4 {
        let mut sitting = site.session("").transaction();
        assert!(matches!(
            sitting.on_mail(&envelope()).await,
            Verdict::Defer(_)
        ));
    }
    assert_eq!(
        site.plugins.generation().id(),
        good.id(),
        "the bundled version serves again"
    );
    let info = site.plugins.list().remove(0);
    assert_eq!(info.state.name(), "active");
    assert!(info.problem.unwrap().contains("only faulted"));
    assert_eq!(site.house.events("plugin-rolled-back").len(), 1);
    // Settings are read again: the broken version does not come back by itself.
    site.plugins.reconfigure(site.settings.clone()).unwrap();
    assert_eq!(site.plugins.generation().id(), good.id());
    // A mended file does.
    std::fs::write(site.dir.join("p.wasm"), guest("actor")).unwrap();
    site.until("the mended file serves", |s| {
        s.plugins.generation().id() != good.id()
    });
}

#[tokio::test]
async fn others_go_on_while_one_faults() {
    let site = Site::actor(|own| own.limits.cpu = Duration::from_millis(100));
    let mut good = Vec::new();
    let mut bad = Vec::new();
    for n in 0..8 {
        let act = if n % 2 == 0 {
            "loop"
        } else {
            "spin 20;tag alive yes"
        };
        let mut sitting = site.transaction(act);
        let task = tokio::spawn(async move {
            let verdict = sitting.on_data(&envelope()).await;
            (verdict, tag(&sitting, "alive"))
        });
        if n % 2 == 0 {
            bad.push(task)
        } else {
            good.push(task)
        }
    }
    for task in good {
        assert_eq!(task.await.unwrap(), (Verdict::Pass, Some("yes".into())));
    }
    for task in bad {
        assert!(matches!(task.await.unwrap().0, Verdict::Defer(_)));
    }
}
