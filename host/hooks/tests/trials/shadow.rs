//! A candidate in the shadow of the version in service.

use std::fs;
use std::time::{Duration, Instant};

use baton_hooks::{
    CandidateState, Hook, HookReport, RecipientVerdict, Trial, TrialReport, Verdict,
};

use crate::house::{Site, envelope, guest, recipient, tag};
use crate::{info, site};

fn row(report: &TrialReport, hook: Hook) -> &HookReport {
    report
        .hooks
        .iter()
        .find(|row| row.hook == hook)
        .expect("the hook was called")
}

/// Waits until that many calls were compared.
fn compared(site: &Site, count: u64) -> TrialReport {
    site.until("compared", |s| {
        info(s)
            .candidate
            .is_some_and(|c| c.compared + c.dropped >= count)
    });
    site.plugins.diff("p").unwrap()
}

async fn data(site: &Site, act: &str) -> (Verdict, Option<String>) {
    let mut sitting = site.transaction(act);
    let verdict = sitting.on_data(&envelope()).await;
    (verdict, tag(&sitting, "kv"))
}

#[tokio::test]
async fn mail_is_answered_by_the_version_in_service_and_differences_are_counted_and_shown() {
    let site = site(Trial::Shadow, "rival", |_| {});
    for act in ["next", "tag a b", "differ", "score S 1"] {
        assert_eq!(data(&site, act).await.0, Verdict::Pass, "{act}");
    }
    let report = compared(&site, 4);
    assert_eq!(report.state, CandidateState::Shadow);
    let row = row(&report, Hook::Data);
    assert_eq!((row.compared, row.differ, row.decision), (4, 1, 1));
    assert_eq!(
        (row.in_service.decisions[0], row.candidate.decisions[0]),
        (4, 3)
    );
    assert_eq!(
        (row.in_service.decisions[2], row.candidate.decisions[2]),
        (0, 1)
    );
    let example = &report.examples[0];
    assert_eq!(
        (example.hook, example.message.as_deref()),
        ("on-data", Some("m1"))
    );
    assert_eq!(example.differences[0].what, "decision");
    assert_eq!(example.differences[0].before, "next");
    assert!(example.differences[0].after.starts_with("reject 550"));
    let told = site.house.events("plugin-compared");
    assert_eq!(
        told.iter().filter(|e| e.ends_with("differs")).count(),
        1,
        "{told:?}"
    );
    assert!(report.new_hooks.is_empty());
}

#[tokio::test]
async fn edits_tags_and_scores_that_differ_are_told_apart_and_nothing_of_the_shadow_reaches_the_mail()
 {
    let site = site(Trial::Shadow, "rival", |_| {});
    let mut sitting = site.transaction("kv-incr n;set-text 0 new text");
    sitting.on_data(&envelope()).await;
    assert_eq!(tag(&sitting, "kv").as_deref(), Some("Ok(1.0)"));
    assert_eq!(sitting.draft().unwrap().applied().len(), 1);
    let report = compared(&site, 1);
    let row = row(&report, Hook::Data);
    // The actor notes what an edit came to in a tag, the rival does not; both made the same edit.
    assert_eq!(
        (row.edits, row.tags, row.scores, row.decision),
        (0, 1, 0, 0)
    );
    assert_eq!(sitting.draft().unwrap().applied().len(), 1);
}

#[tokio::test]
async fn key_value_of_the_shadow_is_a_scratch_over_the_real_one() {
    let site = site(Trial::Shadow, "rival", |_| {});
    site.house
        .kv
        .lock()
        .unwrap()
        .insert(("p".into(), "k".into()), "real".into());
    data(&site, "kv-set k changed").await;
    compared(&site, 1);
    let real = |key: &str| {
        site.house
            .kv
            .lock()
            .unwrap()
            .get(&("p".to_owned(), key.to_owned()))
            .cloned()
    };
    assert_eq!(
        real("k").unwrap(),
        "changed",
        "by the version in service alone"
    );
    // The shadow wrote "scratch" where nobody else sees it.
    assert_eq!(
        data(&site, "kv-get k").await.1.as_deref(),
        Some("Ok(Some(\"changed\"))")
    );
    data(&site, "kv-incr n").await;
    let report = compared(&site, 3);
    assert_eq!(real("n").unwrap(), "1", "counted once for one message");
    let last = report.examples.last().unwrap();
    let tags = last.differences.iter().find(|d| d.what == "tags").unwrap();
    assert!(tags.before.contains("kv=Ok(1.0)"), "{tags:?}");
    assert!(
        tags.after.contains("kv=Ok(2.0)"),
        "its own second count: {tags:?}"
    );
}

#[tokio::test]
async fn a_shadow_calls_nobody_and_what_it_asked_is_shown() {
    let site = site(Trial::Shadow, "rival", |own| {
        own.grants.dns = true;
        own.grants.submit = true;
        own.grants.http = vec!["*".into()];
    });
    data(&site, "outside").await;
    let report = compared(&site, 1);
    assert!(site.house.requests.lock().unwrap().is_empty());
    assert!(site.house.submitted.lock().unwrap().is_empty());
    assert!(site.house.events("plugin-emitted").is_empty());
    assert!(site.house.events("log").is_empty());
    let example = &report.examples[0];
    let tags = example
        .differences
        .iter()
        .find(|d| d.what == "tags")
        .unwrap();
    assert_eq!(tags.after, "told=(false, false, false)");
    let asked: Vec<&str> = example
        .beyond
        .iter()
        .map(|b| b.split(' ').next().unwrap())
        .collect();
    assert_eq!(asked, ["http.send", "dns.texts", "submit"]);
}

#[tokio::test]
async fn what_the_version_in_service_asked_is_answered_alike_clocks_and_chance_included() {
    let site = site(Trial::Shadow, "rival", |_| {});
    data(&site, "time;wasi").await;
    let report = compared(&site, 1);
    let row = row(&report, Hook::Data);
    assert_eq!((row.compared, row.differ), (1, 0), "{:#?}", report.examples);
}

#[tokio::test]
async fn tags_of_a_shadow_go_on_through_its_transaction() {
    let site = site(Trial::Shadow, "rival", |_| {});
    let mut sitting = site.transaction("read-tag mine");
    let to = recipient("tag mine yes");
    let verdict = sitting.on_rcpt(&envelope(), &to).await;
    assert_eq!(verdict, RecipientVerdict::Decide(Verdict::Pass));
    sitting.on_data(&envelope()).await;
    let report = compared(&site, 2);
    let last = report.examples.last().unwrap();
    let tags = last.differences.iter().find(|d| d.what == "tags").unwrap();
    assert!(tags.after.contains("read=yes"), "{tags:?}");
}

#[tokio::test]
async fn a_shadow_that_loops_faults_or_is_slow_costs_mail_nothing_and_what_does_not_fit_is_counted()
{
    let site = site(Trial::Shadow, "rival", |own| {
        own.limits.cpu = Duration::from_millis(300)
    });
    let start = Instant::now();
    const MESSAGES: u64 = 1500;
    for n in 0..MESSAGES {
        let act = if n % 2 == 0 {
            "only-rival-loops"
        } else {
            "only-rival-faults"
        };
        assert_eq!(data(&site, act).await.0, Verdict::Pass);
    }
    // Each loop of the shadow takes 300 ms: if mail waited for it, this would take minutes.
    assert!(
        start.elapsed() < Duration::from_secs(60),
        "{:?}",
        start.elapsed()
    );
    site.until("some was dropped and some compared", |s| {
        info(s)
            .candidate
            .is_some_and(|c| c.dropped > 0 && c.compared >= 3)
    });
    assert_eq!(info(&site).faults, 0);
    assert!(info(&site).candidate.unwrap().faults > 0);
    let report = site.plugins.diff("p").unwrap();
    assert!(row(&report, Hook::Data).fault > 0);
    assert!(site.house.events("plugin-fault").is_empty());
}

#[tokio::test]
async fn a_candidate_that_does_not_load_is_refused_and_one_that_is_removed_is_gone() {
    let site = site(Trial::Shadow, "rival", |_| {});
    let file = site.dir.join("p.candidate.wasm");
    fs::write(&file, b"nonsense").unwrap();
    site.until("refused", |s| {
        matches!(
            info(s).candidate.map(|c| c.state),
            Some(CandidateState::Refused(_))
        )
    });
    assert_eq!(data(&site, "next").await.0, Verdict::Pass);
    fs::remove_file(&file).unwrap();
    site.until("gone", |s| info(s).candidate.is_none());
    assert!(site.plugins.diff("p").is_none());
    assert_eq!(info(&site).state.name(), "active");
}

#[tokio::test]
async fn a_promoted_candidate_takes_the_place_of_the_version_in_service() {
    let site = site(Trial::Shadow, "rival", |_| {});
    let digest = info(&site).candidate.unwrap().digest;
    site.plugins.promote("p").unwrap();
    let now = info(&site);
    assert_eq!((now.digest, now.candidate.is_none()), (digest, true));
    assert!(site.dir.join("p.wasm").exists() && !site.dir.join("p.candidate.wasm").exists());
    assert!(
        data(&site, "differ")
            .await
            .0
            .to_string()
            .starts_with("reject 550")
    );
    assert!(site.plugins.promote("p").is_err());
    assert_eq!(site.house.events("plugin-trial p promoted").len(), 1);
}

#[tokio::test]
async fn a_candidate_without_a_version_in_service_waits() {
    let site = Site::new(&[], |_| {});
    fs::write(site.dir.join("q.candidate.wasm"), guest("rival")).unwrap();
    site.until("it waits", |s| {
        s.plugins
            .list()
            .first()
            .and_then(|p| p.candidate.clone())
            .map(|c| c.state)
            == Some(CandidateState::Waiting)
    });
    assert_eq!(info(&site).state.name(), "refused");
    fs::write(site.dir.join("q.wasm"), guest("brief")).unwrap();
    site.until("it is tried", |s| {
        info(s)
            .candidate
            .is_some_and(|c| c.state == CandidateState::Shadow)
    });
    fs::remove_file(site.dir.join("q.wasm")).unwrap();
    site.until("it waits again", |s| {
        info(s)
            .candidate
            .is_some_and(|c| c.state == CandidateState::Waiting)
    });
}
