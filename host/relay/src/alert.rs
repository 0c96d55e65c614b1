//! Alerts: what an operator should know of without looking, gathered from all events into a mail now and then.
//!
//! This is the host's and not a plugin's: an account's rates, a site that rests and a plugin that faults are seen by no
//! single plugin, and none has a clock that wakes it. What is worth an alert is decided by [`watch::Watch`] from events and
//! numbers alone; here is the waiting and the sending.

pub mod watch;

use baton_message::compose::Draft;
use baton_spool::NewMessage;
use bytes::Bytes;

use self::watch::{Alert, Watch};
use crate::clock::{self, Timestamp};
use crate::config::Alerts;
use crate::event::stream::Next;
use crate::event::{Bus, Event};
use crate::notification::Outgoing;
use crate::store::Store;

/// Watches all events until the relay ends.
pub async fn run(config: Alerts, hostname: String, bus: Bus, store: Store) {
    let mut events = bus.subscribe();
    let mut tick = tokio::time::interval(config.every);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    tick.tick().await;
    let mut watch = Watch::new(config.clone(), clock::now());
    loop {
        tokio::select! {
            next = events.next() => match next {
                Some(Next::Event(stamped)) => {
                    watch.observe(&stamped.event, |message| account_of(&store, message));
                }
                // Too much at once for who only counts: rates are rates of what was seen.
                Some(Next::Lost(_)) => {}
                None => return,
            },
            _ = tick.tick() => {
                let now = clock::now();
                let alerts = watch.take(now);
                if !alerts.is_empty() {
                    send(&config, &hostname, &bus, &store, &alerts, now).await;
                }
            }
        }
    }
}

fn account_of(store: &Store, message: &str) -> Option<String> {
    let snapshot = store.snapshot().ok()?;
    snapshot.history(message.parse().ok()?).ok()??.account
}

async fn send(
    config: &Alerts,
    hostname: &str,
    bus: &Bus,
    store: &Store,
    alerts: &[Alert],
    now: Timestamp,
) {
    for alert in alerts {
        bus.emit(Event::Alert {
            alert: alert.kind,
            about: alert.about.clone(),
            count: alert.count,
            why: alert.why.clone(),
        });
    }
    let messages: Result<Vec<NewMessage>, String> = config
        .to
        .iter()
        .map(|to| {
            let id = store.new_id();
            let text_id = id.to_string();
            let subject = subject(alerts, hostname);
            let (address, date, text) = (to.to_string(), now.rfc5322(), text(alerts, hostname));
            let from = format!("Baton <postmaster@{hostname}>");
            let message_id = format!("{text_id}@{hostname}");
            let draft = Draft {
                from: &from,
                to: &[&address],
                subject: &subject,
                text: Some(&text),
                headers: &[("Auto-Submitted", "auto-generated")],
                date: &date,
                message_id: &message_id,
                boundary: &text_id,
                utf8: !to.is_ascii(),
                ..Draft::default()
            };
            let body = draft.compose().map_err(|error| error.to_string())?;
            let outgoing = Outgoing {
                id,
                to: to.clone(),
                utf8: !to.is_ascii(),
                subject: Some(subject),
                body: vec![body],
                trace: Bytes::new(),
            };
            Ok(outgoing.into_message(now))
        })
        .collect();
    let done = match messages {
        Ok(messages) => store
            .accept(messages, Vec::new())
            .await
            .map_err(|error| error.to_string()),
        Err(error) => Err(error),
    };
    if let Err(error) = done {
        let place = "alerts";
        bus.emit(Event::Trouble { place, error });
    }
}

fn subject(alerts: &[Alert], hostname: &str) -> String {
    match alerts {
        [only] => format!("{hostname}: {}", only.title()),
        several => format!("{hostname}: {} alerts", several.len()),
    }
}

fn text(alerts: &[Alert], hostname: &str) -> String {
    let mut text = format!("The mail relay at {hostname} has seen this:\r\n");
    for alert in alerts {
        text.push_str(&format!("\r\n* {}\r\n  {}\r\n", alert.title(), alert.why));
        if alert.count > 1 {
            text.push_str(&format!(
                "  {} times since the last mail like this\r\n",
                alert.count
            ));
        }
    }
    text
}
