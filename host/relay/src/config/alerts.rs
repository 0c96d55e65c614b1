//! `[alerts]`.

use std::time::Duration;

use baton_smtp::Mailbox;

use super::Alerts;
use super::raw::Section;
use super::read::values;

/// None where there is no such section.
pub(super) fn alerts(section: &Section<'_, '_>) -> Option<Alerts> {
    let to = section.list("to", |text| {
        Mailbox::parse(text).map_err(|e| format!("{text:?} is not an address: {e}"))
    });
    let every = section.duration("every", Duration::from_secs(1), Duration::from_secs(86_400));
    let bounces_per_1000 = section.number("bounces-per-1000", 1..=1000);
    let complaints_per_1000 = section.number("complaints-per-1000", 1..=1000);
    let recipients_min = section.number("recipients-min", 1..=1_000_000_000);
    let events = section.list("events", |text| Ok(text.to_owned()));
    section.finish();
    if section.is_empty() {
        return None;
    }
    let to = values(to);
    if to.is_empty() {
        let hint = Some("add to = [\"ann@example.net\"]");
        section.wrong(section.span(), "to", "nobody is told of the alerts", hint);
    }
    Some(Alerts {
        to,
        every: every.map_or(Duration::from_secs(900), |found| found.value),
        bounces_per_1000: bounces_per_1000.unwrap_or(100),
        complaints_per_1000: complaints_per_1000.unwrap_or(3),
        recipients_min: recipients_min.unwrap_or(200),
        events: match events {
            Some(found) => values(Some(found)),
            None => vec!["stopped".to_owned()],
        },
    })
}
