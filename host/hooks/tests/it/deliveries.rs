//! The delivery side: routes, translations, reports, bounces.

use baton_hooks::{
    Advice, BounceVerdict, Disposition, FaultPolicy, NextHop, RemoteReply, Report, ReportKind,
    RouteVerdict, Scope, Sitting, Stage, TlsDemand,
};
use baton_smtp::{EnhancedStatus, Reply};
use std::time::Duration;

use crate::house::{Site, attempt, draft, tag};

fn refused() -> RemoteReply {
    RemoteReply::from(&Reply::new(
        452,
        EnhancedStatus::new(4, 2, 2),
        "full\nreally",
    ))
}

#[tokio::test]
async fn a_route_is_the_default_or_what_the_first_plugin_says() {
    let site = Site::actor(|_| {});
    let mut sitting = Sitting::new(site.plugins.generation());
    let mut attempt = attempt("next", 1);
    assert_eq!(sitting.on_route(&attempt).await, RouteVerdict::Default);
    attempt.egress = Some("pool".into());
    attempt.host = Some("mx:example.net".into());
    let RouteVerdict::Route(route) = sitting.on_route(&attempt).await else {
        panic!("no route")
    };
    assert!(matches!(route.next_hop, Some(NextHop::Mx(_))));
    assert_eq!(
        (route.port, route.priority, route.tls),
        (Some(2525), Some(200), Some(TlsDemand::Verify))
    );
    assert_eq!(
        sitting.take_records()[1].decision,
        "route mx:example.net port 2525 egress pool priority 200 tls verify"
    );
    attempt.host = Some("not a host".into());
    assert_eq!(
        sitting.on_route(&attempt).await,
        RouteVerdict::Defer,
        "nonsense is a fault"
    );
}

#[tokio::test]
async fn a_fault_in_on_route_defers_the_attempt_unless_the_policy_is_skip() {
    for (fault, verdict) in [
        (FaultPolicy::Defer, RouteVerdict::Defer),
        (FaultPolicy::Reject, RouteVerdict::Defer),
        (FaultPolicy::Skip, RouteVerdict::Default),
    ] {
        let site = Site::actor(|own| own.fault = fault);
        let mut sitting = Sitting::new(site.plugins.generation());
        assert_eq!(
            sitting.on_route(&attempt("trap", 1)).await,
            verdict,
            "{fault:?}"
        );
    }
}

#[tokio::test]
async fn a_reply_is_translated_and_a_fault_leaves_it_as_it_is() {
    let site = Site::actor(|_| {});
    let mut sitting = Sitting::new(site.plugins.generation());
    let found = sitting
        .on_reply(&attempt("next", 1), Stage::RcptTo, &refused())
        .await
        .unwrap();
    assert_eq!(
        (found.disposition, found.scope),
        (Disposition::Soft, Scope::Recipient)
    );
    assert_eq!(found.advice, Advice::Retry(Some(Duration::from_secs(90))));
    assert_eq!(
        (found.reason.as_str(), found.rule.as_str()),
        ("mailbox-full", "4.2.2")
    );
    assert!(found.explanation.is_empty() || !found.explanation.contains('\r'));
    let none = sitting
        .on_reply(&attempt("trap", 1), Stage::RcptTo, &refused())
        .await;
    assert_eq!(none, None);
}

#[tokio::test]
async fn plugins_after_the_one_that_translated_are_told_what_it_said() {
    let site = Site::new(&[("a", "actor"), ("b", "actor")], |_| {});
    let mut sitting = Sitting::new(site.plugins.generation());
    let found = sitting
        .on_reply(&attempt("next", 1), Stage::RcptTo, &refused())
        .await;
    assert!(found.is_some());
    assert_eq!(sitting.take_records().len(), 2, "both were asked");
    assert_eq!(tag(&sitting, "told").as_deref(), Some("mailbox-full"));
    // The next reply is a matter of its own.
    let plain = RemoteReply::from(&Reply::new(250, None, "fine"));
    sitting.set_tags(vec![("told".into(), "nothing".into())]);
    let found = sitting
        .on_reply(&attempt("next", 1), Stage::RcptTo, &plain)
        .await;
    assert_eq!(found, None);
    assert_eq!(tag(&sitting, "told").as_deref(), Some("nothing"));
}

#[tokio::test]
async fn a_failure_without_a_reply_is_shown_with_code_0() {
    let site = Site::actor(|_| {});
    let mut sitting = Sitting::new(site.plugins.generation());
    let failure = RemoteReply::failure(EnhancedStatus::new(4, 4, 1), "connection refused");
    let found = sitting
        .on_reply(&attempt("next", 1), Stage::Connect, &failure)
        .await
        .unwrap();
    assert!(
        found.explanation.starts_with("0 connection refused"),
        "{}",
        found.explanation
    );
}

#[tokio::test]
async fn success_complaints_and_bounces_are_told() {
    let site = Site::actor(|_| {});
    let mut sitting = Sitting::new(site.plugins.generation());
    let ok = RemoteReply::from(&Reply::new(250, None, "ok"));
    sitting.on_delivered(&attempt("next", 2), &ok).await;
    assert_eq!(tag(&sitting, "delivered").as_deref(), Some("(2, 250)"));
    let mut report = Report::new(ReportKind::Complaint);
    report.feedback_type = Some("abuse".into());
    sitting.on_feedback(&report, None).await;
    assert_eq!(
        tag(&sitting, "feedback").as_deref(),
        Some("(Some(\"abuse\"), false)")
    );
    let mut report = Report::new(ReportKind::Bounce);
    report.reply = Some(refused());
    assert_eq!(
        sitting.on_bounce(&attempt("next", 1), &report).await,
        BounceVerdict::Notify
    );
    assert_eq!(
        tag(&sitting, "bounce").as_deref(),
        Some("(None, Some(\"4.2.2\"))")
    );
    assert_eq!(
        sitting.on_bounce(&attempt("next", 2), &report).await,
        BounceVerdict::Silent
    );
}

#[tokio::test]
async fn reports_are_read_from_the_ambient_message() {
    let site = Site::actor(|_| {});
    let mut sitting = Sitting::new(site.plugins.generation());
    sitting.set_draft(draft("next\r\nX-Final-Recipient: joe@example.org"));
    let reports = sitting.on_report().await;
    assert_eq!(reports.len(), 1);
    assert_eq!(reports[0].recipient.as_deref(), Some("joe@example.org"));
    let reply = reports[0].reply.clone().unwrap();
    assert_eq!(
        (reply.code, reply.status, &*reply.text),
        (550, Some(EnhancedStatus::new(5, 1, 1)), "a\nb")
    );
    let mut sitting = Sitting::new(site.plugins.generation());
    sitting.set_draft(draft("next"));
    assert!(sitting.on_report().await.is_empty());
}
