//! What is worth an alert: from events and numbers alone.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use crate::clock::Timestamp;
use crate::config::Alerts;
use crate::event::{Event, Throttle};

/// Accounts whose rates are watched.
const ACCOUNTS_MAX: usize = 10_000;
/// Different alerts of one mail.
const ALERTS_MAX: usize = 200;
/// Rates are counted from the first message of a day.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Something an operator should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// "account-stopped", "complaint-rate", "bounce-rate", "blocklisted", "site-suspended", "plugin-fault".
    pub kind: &'static str,
    /// The account, egress, site or plugin.
    pub about: String,
    /// How often it happened since the last time.
    pub count: u64,
    /// What was said last.
    pub why: String,
}

impl Alert {
    /// On one line.
    pub fn title(&self) -> String {
        let what = match self.kind {
            "account-stopped" => "sends what a plugin stopped it for",
            "complaint-rate" => "has too many complaints",
            "bounce-rate" => "has too many bounces",
            "blocklisted" => "is on a block list",
            "site-suspended" => "is left alone for a while",
            _ => "is a plugin in trouble",
        };
        format!("{} {what}", self.about)
    }
}

#[derive(Default)]
struct Tally {
    accepted: u64,
    bounced: u64,
    complained: u64,
    told_bounces: bool,
    told_complaints: bool,
}

/// See the module.
pub struct Watch {
    config: Alerts,
    /// By account; empty for mail without one.
    tallies: HashMap<String, Tally>,
    found: BTreeMap<(&'static str, String), (u64, String)>,
    day_began: Timestamp,
}

impl Watch {
    /// Has seen nothing yet.
    pub fn new(config: Alerts, now: Timestamp) -> Watch {
        Watch {
            config,
            tallies: HashMap::new(),
            found: BTreeMap::new(),
            day_began: now,
        }
    }

    /// Takes an event in. `account_of` knows whose a message is.
    pub fn observe(&mut self, event: &Event, account_of: impl Fn(&str) -> Option<String>) {
        match event {
            Event::Accepted {
                account: Some(account),
                recipients,
                ..
            } => self.count(account, |tally| tally.accepted += recipients.len() as u64),
            Event::Bounced {
                message,
                site,
                egress,
                reply,
                translation,
                ..
            } => {
                if let Some(account) = account_of(message) {
                    self.count(&account, |tally| tally.bounced += 1);
                }
                self.look_at_reply(egress.as_deref(), site, reply, translation.as_ref());
            }
            Event::Deferred {
                site,
                egress,
                reply,
                translation,
                ..
            } => self.look_at_reply(egress.as_deref(), site, reply, translation.as_ref()),
            Event::Report {
                account: Some(account),
                report,
                feedback_type,
                repeated: false,
                ..
            } => match (report.as_str(), feedback_type.as_deref()) {
                ("bounce", _) => self.count(account, |tally| tally.bounced += 1),
                ("complaint", Some("not-spam")) => {}
                ("complaint", _) => self.count(account, |tally| tally.complained += 1),
                _ => {}
            },
            Event::PluginEvent {
                plugin,
                name,
                fields,
                ..
            } if self.config.events.iter().any(|wanted| wanted == name) => {
                let shown: Vec<String> = fields.iter().map(|(k, v)| format!("{k} {v}")).collect();
                let key = fields
                    .iter()
                    .find(|(key, _)| key == "key" || key == "account");
                let about = key.map_or(plugin.as_str(), |(_, value)| value);
                self.find(
                    "account-stopped",
                    about,
                    format!("{plugin}: {name}: {}", shown.join(", ")),
                );
            }
            Event::SiteThrottled {
                site,
                how: Throttle::Suspend,
                lasts,
                why,
            } => self.find(
                "site-suspended",
                site,
                format!("for {} s: {why}", lasts.as_secs()),
            ),
            Event::PluginFault {
                plugin,
                hook,
                fault,
                ..
            } => self.find("plugin-fault", plugin, format!("{hook}: {fault}")),
            Event::PluginRefused { plugin, error } => {
                self.find(
                    "plugin-fault",
                    plugin,
                    format!("a version was refused: {error}"),
                );
            }
            Event::PluginBreaker {
                plugin,
                open: true,
                why,
            } => self.find(
                "plugin-fault",
                plugin,
                format!("it is called no more: {why}"),
            ),
            _ => {}
        }
    }

    /// Everything since the last time; each account's rate once a day.
    pub fn take(&mut self, now: Timestamp) -> Vec<Alert> {
        let (min, bounces, complaints) = (
            self.config.recipients_min,
            self.config.bounces_per_1000,
            self.config.complaints_per_1000,
        );
        let mut rates = Vec::new();
        for (account, tally) in &mut self.tallies {
            if tally.accepted < min {
                continue;
            }
            let over = |count: u64, per_1000: u64| count * 1000 >= per_1000 * tally.accepted;
            let why = |count: u64| format!("{count} of {} recipients today", tally.accepted);
            if !tally.told_bounces && over(tally.bounced, bounces) {
                rates.push(("bounce-rate", account.clone(), why(tally.bounced)));
            }
            if !tally.told_complaints && over(tally.complained, complaints) {
                rates.push(("complaint-rate", account.clone(), why(tally.complained)));
            }
        }
        for (kind, account, why) in rates {
            self.find(kind, &account, why);
            self.count(&account, |tally| match kind {
                "bounce-rate" => tally.told_bounces = true,
                _ => tally.told_complaints = true,
            });
        }
        if now.since(self.day_began) >= DAY {
            self.tallies.clear();
            self.day_began = now;
        }
        let found = std::mem::take(&mut self.found);
        found
            .into_iter()
            .map(|((kind, about), (count, why))| Alert {
                kind,
                about,
                count,
                why,
            })
            .collect()
    }

    fn look_at_reply(
        &mut self,
        egress: Option<&str>,
        site: &str,
        reply: &str,
        translation: Option<&crate::event::trace::Translation>,
    ) {
        if translation.is_some_and(|translation| translation.reason == "blocklisted") {
            let about = match egress {
                Some(egress) => format!("egress {egress}"),
                None => "the relay's own address".to_owned(),
            };
            self.find("blocklisted", &about, format!("{site}: {reply}"));
        }
    }

    fn count(&mut self, account: &str, add: impl FnOnce(&mut Tally)) {
        if let Some(tally) = self.tallies.get_mut(account) {
            return add(tally);
        }
        if self.tallies.len() < ACCOUNTS_MAX {
            add(self.tallies.entry(account.to_owned()).or_default());
        }
    }

    fn find(&mut self, kind: &'static str, about: &str, why: String) {
        let key = (kind, about.to_owned());
        if self.found.len() >= ALERTS_MAX && !self.found.contains_key(&key) {
            return;
        }
        let seen = self.found.entry(key).or_default();
        seen.0 += 1;
        seen.1 = why;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> Watch {
        let config = Alerts {
            to: Vec::new(),
            every: Duration::from_secs(900),
            bounces_per_1000: 100,
            complaints_per_1000: 3,
            recipients_min: 100,
            events: vec!["stopped".into()],
        };
        Watch::new(config, Timestamp::from_millis(0))
    }

    fn accepted(recipients: usize) -> Event {
        Event::Accepted {
            message: "m".into(),
            session: None,
            source: crate::event::Source::Http,
            sender: None,
            recipients: vec!["b@dest.test".into(); recipients],
            account: Some("letters".into()),
            bytes: 1,
            subject: None,
            held: None,
            plugins: Vec::new(),
            took: Duration::ZERO,
        }
    }

    fn report(kind: &str, repeated: bool) -> Event {
        Event::Report {
            message: Some("m".into()),
            account: Some("letters".into()),
            recipient: None,
            report: kind.into(),
            reply: None,
            host: None,
            feedback_type: None,
            translation: None,
            notification: None,
            repeated,
        }
    }

    fn kinds(alerts: &[Alert]) -> Vec<&'static str> {
        alerts.iter().map(|alert| alert.kind).collect()
    }

    #[test]
    fn a_rate_is_told_once_a_day_and_only_of_accounts_that_send_enough() {
        let mut watch = watch();
        let nobody = |_: &str| None;
        watch.observe(&accepted(99), nobody);
        watch.observe(&report("complaint", false), nobody);
        watch.observe(&report("complaint", true), nobody);
        assert_eq!(watch.take(Timestamp::from_millis(1)), []);
        watch.observe(&accepted(1), nobody);
        let alerts = watch.take(Timestamp::from_millis(2));
        assert_eq!(kinds(&alerts), ["complaint-rate"]);
        assert_eq!(alerts[0].why, "1 of 100 recipients today");
        for _ in 0..10 {
            watch.observe(&report("bounce", false), nobody);
        }
        assert_eq!(
            kinds(&watch.take(Timestamp::from_millis(3))),
            ["bounce-rate"]
        );
        assert_eq!(watch.take(Timestamp::from_millis(86_400_000)), []);
        // The next day begins anew.
        watch.observe(&accepted(100), nobody);
        watch.observe(&report("complaint", false), nobody);
        let next = watch.take(Timestamp::from_millis(86_400_001));
        assert_eq!(kinds(&next), ["complaint-rate"]);
    }

    #[test]
    fn the_same_again_is_counted_and_what_nobody_asked_for_is_not_told() {
        let mut watch = watch();
        let throttled = |how| Event::SiteThrottled {
            site: "dest.test".into(),
            how,
            lasts: Duration::from_secs(60),
            why: "busy".into(),
        };
        let stopped = |name: &str| Event::PluginEvent {
            plugin: "policy".into(),
            name: name.into(),
            fields: vec![("key".into(), "account/letters".into())],
            message: None,
        };
        let fault = Event::PluginFault {
            plugin: "p".into(),
            hook: "on-data".into(),
            fault: "trap".into(),
            message: None,
        };
        let events = [
            throttled(Throttle::Suspend),
            throttled(Throttle::Suspend),
            throttled(Throttle::BackOff),
            stopped("stopped"),
            stopped("clicked"),
            fault,
        ];
        for event in &events {
            watch.observe(event, |_| None);
        }
        let alerts = watch.take(Timestamp::from_millis(1));
        assert_eq!(
            kinds(&alerts),
            ["account-stopped", "plugin-fault", "site-suspended"]
        );
        assert_eq!(
            (alerts[0].about.as_str(), alerts[2].count),
            ("account/letters", 2)
        );
        assert_eq!(watch.take(Timestamp::from_millis(2)), []);
    }
}
