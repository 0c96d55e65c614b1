//! A candidate that serves a share of the sessions.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use baton_hooks::{CandidateState, Session, Sitting, Trial, Verdict};

use crate::house::{Site, draft, envelope};
use crate::{info, site};

/// One message in a session of that id; whether the candidate served it, and what was answered.
async fn send(site: &Site, id: &str, act: &str) -> (bool, Verdict) {
    let session = Session::new(id, "smtp", IpAddr::from([192, 0, 2, 7]));
    let mut sitting = Sitting::session(site.plugins.generation(), Arc::new(session)).transaction();
    sitting.set_draft(draft(act));
    let candidate = info(site).candidate.and_then(|c| c.digest);
    let verdict = sitting.on_data(&envelope()).await;
    let served = sitting.take_records()[0].digest.clone();
    (Some(served) == candidate, verdict)
}

#[tokio::test]
async fn a_share_of_the_sessions_is_served_and_each_session_always_by_the_same() {
    let site = site(Trial::Canary(0.2), "rival", |_| {});
    let mut served = BTreeMap::new();
    for n in 0..300 {
        let id = format!("s{n}");
        let (by_candidate, verdict) = send(&site, &id, "next").await;
        assert_eq!(verdict, Verdict::Pass);
        served.insert(id, by_candidate);
    }
    let count = served.values().filter(|served| **served).count();
    assert!((30..100).contains(&count), "{count} of 300");
    for (id, by_candidate) in served.iter().take(50) {
        assert_eq!(send(&site, id, "next").await.0, *by_candidate);
    }
    let candidate = info(&site).candidate.unwrap();
    assert_eq!(candidate.state, CandidateState::Canary(0.2));
    assert!(candidate.calls >= count as u64);
    // What a message is told of the plugins that took it names the version that did.
    let generation = site.plugins.generation();
    for (id, by_candidate) in served.iter().take(20) {
        let chosen = generation.chosen(id);
        let digest = &chosen.digests()[0].1;
        assert_eq!(Some(digest) == candidate.digest.as_ref(), *by_candidate);
    }
}

#[tokio::test]
async fn a_canary_that_faults_is_rolled_back_and_only_the_operator_promotes_one_that_does_not() {
    let site = site(Trial::Canary(0.5), "rival", |own| {
        own.fault = baton_hooks::FaultPolicy::Skip
    });
    let mut sent = 0;
    while site.house.events("plugin-trial p rolled-back").is_empty() {
        sent += 1;
        assert!(
            sent < 2000,
            "never rolled back: {:#?}",
            site.plugins.diff("p")
        );
        let act = if sent % 2 == 0 {
            "only-rival-faults"
        } else {
            "next"
        };
        let (_, verdict) = send(&site, &format!("f{sent}"), act).await;
        assert_eq!(verdict, Verdict::Pass);
    }
    let Some(CandidateState::Withdrawn(why)) = info(&site).candidate.map(|c| c.state) else {
        panic!("{:#?}", info(&site));
    };
    assert!(why.contains("fault"), "{why}");
    // Nobody gets it any more; what it did can still be read.
    for n in 0..50 {
        assert!(!send(&site, &format!("after{n}"), "next").await.0);
    }
    assert!(site.plugins.diff("p").unwrap().hooks[0].candidate.faults > 0);
    assert_eq!(info(&site).state.name(), "active");
    assert_eq!(info(&site).faults, 0);
}

#[tokio::test]
async fn a_canary_that_decides_otherwise_is_rolled_back() {
    let site = site(Trial::Canary(0.5), "rival", |_| {});
    let mut sent = 0;
    while site.house.events("plugin-trial p rolled-back").is_empty() {
        sent += 1;
        assert!(
            sent < 1000,
            "never rolled back: {:#?}",
            site.plugins.diff("p")
        );
        let act = if sent % 3 == 0 { "differ" } else { "next" };
        send(&site, &format!("d{sent}"), act).await;
    }
    assert!(sent >= 90, "50 calls on either side come first: {sent}");
    let told = site.house.events("plugin-trial p rolled-back").remove(0);
    assert!(told.contains("on-data answers"), "{told}");
}

#[tokio::test]
async fn a_canary_that_only_faults_is_rolled_back_by_its_breaker_and_the_version_in_service_stays()
{
    let site = Site::new(&[("p", "actor")], |settings| {
        let own = baton_hooks::PluginSettings {
            trial: Trial::Canary(1.0),
            ..Default::default()
        };
        settings.plugins.insert("p".into(), own);
        settings.breaker.faults_max = 2;
    });
    std::fs::write(
        site.dir.join("p.candidate.wasm"),
        crate::house::guest("rival"),
    )
    .unwrap();
    site.until("it serves", |s| {
        info(s).candidate.is_some_and(|c| c.digest.is_some())
    });
    assert!(send(&site, "a", "next").await.0);
    for n in 0..2 {
        let (by_candidate, verdict) = send(&site, &format!("x{n}"), "only-rival-faults").await;
        assert!(by_candidate && matches!(verdict, Verdict::Defer(_)));
    }
    assert_eq!(site.house.events("plugin-trial p rolled-back").len(), 1);
    assert_eq!(
        send(&site, "b", "only-rival-faults").await,
        (false, Verdict::Pass)
    );
}
