use super::*;
use crate::clock::Timestamp;

fn bus() -> Bus {
    Bus::new(|| Timestamp::from_millis(1000))
}

fn accepted() -> Event {
    Event::Accepted {
        message: "01".into(),
        session: Some("s".into()),
        source: Source::Smtp,
        sender: None,
        recipients: vec!["a@example.net".into(), "b@example.net".into()],
        account: None,
        bytes: 500,
        subject: None,
        held: None,
        plugins: Vec::new(),
        took: Duration::from_micros(300),
    }
}

#[test]
fn what_happens_is_counted_under_names_of_prometheus_conventions() {
    let bus = bus();
    let peer = "127.0.0.1:9".parse().unwrap();
    bus.emit(Event::SessionOpened {
        session: "s".into(),
        listener: "mx".into(),
        peer,
    });
    bus.emit(accepted());
    bus.emit(Event::Delivered {
        message: "01".into(),
        recipient: "a@example.net".into(),
        site: "example.net".into(),
        host: None,
        reply: "250 ok".into(),
        attempt: 1,
        age: Duration::from_secs(1),
    });
    let text = bus.metrics().render(&metrics::Load::default());
    for line in [
        "baton_smtp_sessions_total{listener=\"mx\"} 1",
        "baton_smtp_sessions_open{listener=\"mx\"} 1",
        "baton_messages_accepted_total{source=\"smtp\"} 1",
        "baton_messages_accepted_size_bytes_total 500",
        "baton_recipients_total{outcome=\"accepted\"} 2",
        "baton_recipients_total{outcome=\"delivered\"} 1",
        "baton_delivery_age_seconds_count 1",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }
    assert!(text.ends_with("# EOF\n"));
}

/// A plugin chooses reasons and names of events; each new one would be a new series for ever.
#[test]
fn words_from_outside_are_bounded_as_labels() {
    let bus = bus();
    for name in ["clicked", "with space", &"x".repeat(200), ""] {
        bus.emit(Event::PluginEvent {
            plugin: "p".into(),
            name: name.to_owned(),
            fields: vec![],
            message: None,
        });
    }
    let text = bus.metrics().render(&metrics::Load::default());
    assert!(
        text.contains("baton_plugin_events_total{plugin=\"p\",event=\"clicked\"} 1"),
        "{text}"
    );
    assert!(
        text.contains("baton_plugin_events_total{plugin=\"p\",event=\"other\"} 3"),
        "{text}"
    );
}

#[tokio::test]
async fn who_watches_gets_events_in_order_and_hears_of_what_it_lost() {
    let bus = bus();
    bus.emit(accepted());
    let mut reader = bus.subscribe();
    assert_eq!(bus.watchers(), 1);
    bus.emit(accepted());
    let Some(stream::Next::Event(event)) = reader.next().await else {
        panic!("an event")
    };
    let json = serde_json::to_value(&*event).unwrap();
    assert_eq!(json["at"], 1000);
    assert_eq!(json["kind"], "accepted");
    assert_eq!(json["microseconds"], 300);
    assert_eq!(json["source"], "smtp");
    for _ in 0..5000 {
        bus.emit(accepted());
    }
    assert!(matches!(reader.next().await, Some(stream::Next::Lost(count)) if count > 0));
    drop(reader);
    assert_eq!(bus.watchers(), 0);
}

#[test]
fn every_line_has_a_sentence_of_its_own() {
    let events = [
        accepted(),
        Event::Started {
            version: "1",
            hostname: "h".into(),
        },
        Event::PluginRemoved { plugin: "p".into() },
        Event::SiteResumed { site: "s".into() },
        Event::Held {
            message: "01".into(),
            recipient: "a".into(),
            why: "w".into(),
        },
    ];
    let lines: Vec<_> = events.iter().map(|event| line::line(event).what).collect();
    assert_eq!(
        lines,
        [
            "accepted",
            "started",
            "plugin removed",
            "site resumed",
            "held"
        ]
    );
}

#[test]
fn several_recipients_are_one_line() {
    let event = accepted();
    assert_eq!(
        line::line(&event).recipient.as_deref(),
        Some("a@example.net and 1 more")
    );
    assert_eq!(line::line(&event).sender, Some("<>"));
}

#[test]
fn a_step_of_a_trace_reads_back_as_it_was_written() {
    let call = trace::HookCall {
        plugin: "p".into(),
        digest: "d".into(),
        hook: "on-data".into(),
        decision: "next".into(),
        microseconds: 5,
        recipient: None,
        edits: vec![trace::Edit {
            what: "set-text".into(),
            part: Some(1),
            name: None,
            before: Some("a".into()),
            after: Some("b".into()),
        }],
        scores: vec![],
        fault: None,
    };
    let step = trace::Step::Hook { at: 7, call };
    let json = serde_json::to_string(&step).unwrap();
    assert_eq!(serde_json::from_str::<trace::Step>(&json).unwrap(), step);
    assert!(json.contains("\"step\":\"hook\""), "{json}");
    // Written by an older release.
    let old = r#"{"step":"hook","at":1,"plugin":"p","digest":"d","hook":"on-data","decision":"next","microseconds":1}"#;
    assert!(serde_json::from_str::<trace::Step>(old).is_ok());
}

#[test]
fn a_shown_text_is_cut_between_characters() {
    let long = "é".repeat(trace::SHOWN_BYTES_MAX);
    let shown = trace::shown(&long);
    assert!(shown.len() <= trace::SHOWN_BYTES_MAX + "…".len());
    assert!(shown.ends_with('…'));
    assert_eq!(trace::shown("short"), "short");
}

#[test]
fn the_load_of_the_moment_is_shown_and_commits_are_counted() {
    let bus = bus();
    let meter = bus.metrics().commit_meter();
    meter.committed(20, Duration::from_millis(2));
    let load = metrics::Load {
        queued: 3,
        held: 1,
        spool_bytes: 4096,
        ..metrics::Load::default()
    };
    let text = bus.metrics().render(&load);
    for line in [
        "baton_queue_entries{state=\"queued\"} 3",
        "baton_queue_entries{state=\"held\"} 1",
        "baton_spool_size_bytes 4096",
        "baton_spool_commits_total 1",
        "baton_spool_commit_operations_sum 20.0",
    ] {
        assert!(
            text.lines().any(|found| found == line),
            "{line} is not in\n{text}"
        );
    }
}
