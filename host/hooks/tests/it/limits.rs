//! Limits of one call: time, memory, calls, texts.

use std::time::{Duration, Instant};

use baton_hooks::{Fault, FaultPolicy, PluginSettings, Sitting, Verdict};

use crate::house::{Site, envelope, tag};

fn quick(own: &mut PluginSettings) {
    own.fault = FaultPolicy::Defer;
    own.limits.cpu = Duration::from_millis(100);
    own.limits.wall = Duration::from_secs(5);
    own.limits.memory_bytes_max = 16 << 20;
}

/// The fault of one call, and how long it took.
async fn fault(site: &Site, act: &str) -> (Fault, Duration) {
    let mut sitting = site.transaction(act);
    let start = Instant::now();
    let verdict = sitting.on_data(&envelope()).await;
    let took = start.elapsed();
    let Verdict::Defer(reply) = verdict else {
        panic!("{act}: {verdict:?}")
    };
    assert_eq!(
        reply.to_string(),
        "451 4.3.0 Local trouble, try again later"
    );
    assert_eq!(sitting.instances(), 0, "the instance is gone");
    (sitting.take_records()[0].fault.clone().unwrap(), took)
}

async fn still_works(site: &Site) {
    let mut sitting = site.transaction("tag alive yes");
    assert_eq!(sitting.on_data(&envelope()).await, Verdict::Pass);
    assert_eq!(tag(&sitting, "alive").as_deref(), Some("yes"));
}

#[tokio::test]
async fn an_endless_loop_ends_at_the_cpu_limit_and_the_thread_serves_others_meanwhile() {
    let site = Site::actor(quick);
    let neighbour = tokio::spawn(async {
        let mut turns = 0;
        loop {
            tokio::time::sleep(Duration::from_millis(1)).await;
            turns += 1;
            if turns >= 2 {
                return turns;
            }
        }
    });
    let (found, took) = fault(&site, "loop").await;
    assert_eq!(found, Fault::Cpu);
    assert!(took >= Duration::from_millis(80), "{took:?}");
    assert!(neighbour.is_finished(), "a single-threaded runtime went on");
    still_works(&site).await;
}

#[tokio::test]
async fn a_wait_ends_at_the_wall_limit() {
    let site = Site::actor(|own| {
        quick(own);
        own.limits.wall = Duration::from_millis(100);
        own.grants.dns = true;
    });
    assert_eq!(fault(&site, "sleep 60000").await.0, Fault::Wall);
    assert_eq!(fault(&site, "dns slow.test").await.0, Fault::Wall);
    still_works(&site).await;
}

#[tokio::test]
async fn a_memory_bomb_is_stopped_and_the_memory_comes_back() {
    let site = Site::actor(quick);
    for _ in 0..40 {
        assert_eq!(fault(&site, "bomb").await.0, Fault::Memory);
    }
    still_works(&site).await;
    let mut sitting = site.transaction("grow 8");
    sitting.on_data(&envelope()).await;
    assert_eq!(tag(&sitting, "grown"), Some((8 << 20).to_string()));
}

#[tokio::test]
async fn traps_panics_and_deep_recursion_end_the_call_and_nothing_else() {
    let site = Site::actor(quick);
    let (found, _) = fault(&site, "trap").await;
    assert!(
        matches!(&found, Fault::Trap(text) if text.contains("unreachable") && text.contains(" in ")),
        "{found}"
    );
    assert!(matches!(
        fault(&site, "panic for a reason").await.0,
        Fault::Trap(_)
    ));
    assert!(matches!(fault(&site, "recurse").await.0, Fault::Trap(_)));
    still_works(&site).await;
}

#[tokio::test]
async fn a_flood_of_host_calls_is_stopped() {
    let site = Site::actor(|own| {
        quick(own);
        own.limits.host_calls_max = 1000;
    });
    assert_eq!(fault(&site, "flood").await.0, Fault::HostCalls);
    still_works(&site).await;
}

#[tokio::test]
async fn a_huge_answer_is_a_fault() {
    let site = Site::actor(|own| {
        quick(own);
        own.limits.host_bytes_max = 1 << 20;
    });
    assert!(matches!(fault(&site, "huge 401").await.0, Fault::Answer(_)));
    assert!(matches!(
        fault(&site, "huge 4000000").await.0,
        Fault::Budget(_)
    ));
    still_works(&site).await;
}

#[tokio::test]
async fn tags_events_and_random_bytes_have_limits() {
    let site = Site::actor(quick);
    for act in ["tags 33", "emits 65", "random 2000"] {
        assert!(
            matches!(fault(&site, act).await.0, Fault::Budget(_)),
            "{act}"
        );
    }
    let long = format!("tag {} v", "k".repeat(65));
    assert!(matches!(fault(&site, &long).await.0, Fault::Budget(_)));
    assert!(matches!(
        fault(&site, "score S NaN").await.0,
        Fault::Answer(_)
    ));
    still_works(&site).await;
}

#[tokio::test]
async fn logs_are_kept_in_the_record_and_cut_at_their_limit() {
    let site = Site::actor(|own| own.limits.log_bytes_max = 1000);
    let mut sitting = site.transaction("log one;stderr from the standard library");
    sitting.on_data(&envelope()).await;
    let logs = sitting.take_records().remove(0).logs;
    let texts: Vec<&str> = logs.iter().map(|line| line.text.as_str()).collect();
    assert_eq!(texts, ["one", "from the standard library"]);
    let mut sitting = site.transaction("chatter 1000");
    assert_eq!(sitting.on_data(&envelope()).await, Verdict::Pass);
    let logs = sitting.take_records().remove(0).logs;
    assert!(logs.len() < 12, "{}", logs.len());
    assert!(logs.last().unwrap().text.contains("cut off"));
}

#[tokio::test]
async fn a_pool_whose_places_are_all_at_work_defers_after_a_bounded_wait_and_blames_nobody() {
    let site = Site::new(&[("actor", "actor")], |settings| {
        settings.pool.instances_max = 2;
        let mut own = PluginSettings {
            fault: FaultPolicy::Reject,
            ..Default::default()
        };
        own.grants.dns = true;
        settings.plugins.insert("actor".into(), own);
    });
    let mut busy = Vec::new();
    for _ in 0..2 {
        let mut sitting = site.transaction("emit begun;dns slow.test");
        busy.push(tokio::spawn(
            async move { sitting.on_data(&envelope()).await },
        ));
    }
    while site.house.events("plugin-emitted").len() < 2 {
        tokio::task::yield_now().await;
    }
    let (found, took) = fault(&site, "next").await;
    assert_eq!(found, Fault::Exhausted);
    assert!(
        took >= Duration::from_millis(200) && took < Duration::from_secs(5),
        "{took:?}"
    );
    busy.remove(0).abort();
    still_works(&site).await;
    assert_eq!(site.plugins.list()[0].state.name(), "active");
}

#[tokio::test]
async fn open_transactions_pin_no_places_of_the_pool() {
    let site = Site::new(&[("actor", "actor")], |settings| {
        settings.pool.instances_max = 3
    });
    let mut open = Vec::new();
    for _ in 0..50 {
        let mut sitting = site.transaction("count");
        assert_eq!(sitting.on_data(&envelope()).await, Verdict::Pass);
        open.push(sitting);
    }
    assert_eq!(open.iter().map(Sitting::instances).sum::<usize>(), 3);
    for sitting in &mut open {
        assert_eq!(sitting.on_data(&envelope()).await, Verdict::Pass);
    }
}

#[tokio::test]
async fn an_instance_that_rests_for_too_long_is_dropped() {
    let site = Site::new(&[("actor", "actor")], |settings| {
        settings.pool.rest = Duration::from_millis(50);
    });
    let mut sitting = site.transaction("count");
    sitting.on_data(&envelope()).await;
    let start = Instant::now();
    while sitting.instances() > 0 {
        assert!(start.elapsed() < Duration::from_secs(30));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    sitting.on_data(&envelope()).await;
    assert_eq!(tag(&sitting, "count").as_deref(), Some("1"));
}

#[tokio::test]
async fn more_instances_than_the_pool_holds_serve_one_after_the_other() {
    let site = Site::new(&[("actor", "actor")], |settings| {
        settings.pool.instances_max = 3;
        settings.pool.wait = Duration::from_secs(30);
    });
    let mut running = Vec::new();
    for _ in 0..50 {
        let mut sitting = site.transaction("spin 2;tag done yes");
        running.push(tokio::spawn(async move {
            let verdict = sitting.on_data(&envelope()).await;
            sitting.park();
            (verdict, tag(&sitting, "done"))
        }));
    }
    for one in running {
        assert_eq!(one.await.unwrap(), (Verdict::Pass, Some("yes".into())));
    }
}
