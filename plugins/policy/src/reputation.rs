//! How far a sender is trusted: 100 at first, less with each refusal as spam, block, complaint, trap hit and dead address,
//! and again more as time passes.
//!
//! Penalties are counters in key-value, one for each period, and so is the number of messages: nothing is lost when many
//! sessions count at once. What is held against a sender is the sum of this period and as much of the one before as is not yet
//! passed again (a sliding window), against an allowance that grows with what it sends: who sends much may be refused more.

use std::fmt;

use baton_sdk::prelude::*;

use crate::action::{Action, in_words};
use crate::rate::{Limit, Span};
use crate::who::Who;

/// `[plugins.policy.reputation]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Reputation {
    /// How long a penalty counts: in full for up to this time, then fading for as long.
    recovery: Span,
    /// Points that use up the trust of who has sent nothing yet.
    allowance: f64,
    /// Further points for each message sent.
    allowance_per_message: f64,
    slow_below: f64,
    stop_below: f64,
    slow_limit: Limit,
    /// How long a rule with the action `slow` slows down.
    slow_for: Span,
    stop: Action,
    /// The part of a script's penalties that its host bears.
    host_share: f64,
    points: Points,
}

/// What each of them costs.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
struct Points {
    spam: f64,
    block: f64,
    complaint: f64,
    trap: f64,
    bounce: f64,
    refused: f64,
}

/// What tells against a sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charge {
    /// A remote refused the message as spam.
    Spam,
    /// A remote refused the sender or its address.
    Block,
    Complaint,
    Trap,
    /// The address is dead.
    Bounce,
    /// A rule of this plugin refused the message.
    Refused,
}

impl Default for Reputation {
    fn default() -> Self {
        Self {
            recovery: Span::HOURS_24,
            allowance: 100.0,
            allowance_per_message: 0.05,
            slow_below: 60.0,
            stop_below: 20.0,
            slow_limit: Limit::HOURLY_30,
            slow_for: Span::HOUR,
            stop: Action::Defer,
            host_share: 0.1,
            points: Points::default(),
        }
    }
}

impl Default for Points {
    fn default() -> Self {
        Self {
            spam: 5.0,
            block: 3.0,
            complaint: 10.0,
            trap: 30.0,
            bounce: 1.0,
            refused: 2.0,
        }
    }
}

impl Charge {
    pub fn word(self) -> &'static str {
        match self {
            Self::Spam => "spam",
            Self::Block => "block",
            Self::Complaint => "complaint",
            Self::Trap => "trap",
            Self::Bounce => "bounce",
            Self::Refused => "refused",
        }
    }
}

/// A sender's standing now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Standing {
    Good,
    /// With the reputation.
    Slowed(f64),
    /// With the reputation and the seconds until it is above the limit again.
    Stopped(f64, f64),
}

/// Numbers of the window.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Window {
    now: f64,
    before: f64,
    /// How much of this period has passed, from 0 to 1.
    passed: f64,
}

impl Window {
    fn sum(self) -> f64 {
        self.now + self.before * (1.0 - self.passed)
    }

    /// Periods until the sum is at most `most`, if nothing is added.
    fn until(self, most: f64) -> f64 {
        if self.sum() <= most {
            return 0.0;
        }
        if self.now <= most && self.before > 0.0 {
            return (1.0 - (most - self.now) / self.before - self.passed).max(0.0);
        }
        1.0 - self.passed + (1.0 - most / self.now).max(0.0)
    }
}

/// Penalties are whole numbers in key-value: tenths of a point.
const TENTHS: f64 = 10.0;
const POINTS_MAX: f64 = 1_000_000.0;

impl Reputation {
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        let points = [
            ("spam", self.points.spam),
            ("block", self.points.block),
            ("complaint", self.points.complaint),
            ("trap", self.points.trap),
            ("bounce", self.points.bounce),
            ("refused", self.points.refused),
        ];
        for (name, value) in points {
            if !(0.0..=POINTS_MAX).contains(&value) {
                return Err(format!(
                    "points.{name}: a number from 0 to 1000000 is wanted"
                ));
            }
        }
        if !(1.0..=POINTS_MAX).contains(&self.allowance) {
            return Err("allowance: a number from 1 to 1000000 is wanted".to_owned());
        }
        if !(0.0..=100.0).contains(&self.allowance_per_message) {
            return Err("allowance-per-message: a number from 0 to 100 is wanted".to_owned());
        }
        if !(0.0..=1.0).contains(&self.host_share) {
            return Err("host-share: a number from 0 to 1 is wanted".to_owned());
        }
        let in_order = 0.0 <= self.stop_below
            && self.stop_below <= self.slow_below
            && self.slow_below <= 100.0;
        if !in_order {
            return Err("0 <= stop-below <= slow-below <= 100 is wanted".to_owned());
        }
        if !matches!(self.stop, Action::Defer | Action::Reject | Action::Hold) {
            return Err("stop: defer, reject or hold is wanted".to_owned());
        }
        Ok(())
    }

    /// What is done about the mail of who is stopped.
    pub fn stop(&self) -> Action {
        self.stop
    }

    pub fn slow_limit(&self) -> Limit {
        self.slow_limit
    }

    /// Holds something against whoever sent it, and tells.
    pub fn charge(&self, who: &Who, charge: Charge, about: &str) -> Result<()> {
        let points = match charge {
            Charge::Spam => self.points.spam,
            Charge::Block => self.points.block,
            Charge::Complaint => self.points.complaint,
            Charge::Trap => self.points.trap,
            Charge::Bounce => self.points.bounce,
            Charge::Refused => self.points.refused,
        };
        if points == 0.0 {
            return Ok(());
        }
        self.add(who.key(), points)?;
        if who.script.is_some() {
            self.add(&who.base, points * self.host_share)?;
        }
        let reputation = self.of(who.key())?;
        events::emit(
            "charged",
            [
                ("rule", "reputation".to_owned()),
                ("key", who.key().to_owned()),
                ("for", charge.word().to_owned()),
                ("points", points.to_string()),
                ("reputation", format!("{reputation:.0}")),
                ("about", about.to_owned()),
            ],
        );
        // Who falls below a limit is reported now and not when it sends again.
        self.standing(who).map(drop)
    }

    fn add(&self, key: &str, points: f64) -> Result<()> {
        let tenths = (points * TENTHS).round() as i32;
        if tenths > 0 {
            let (period, _) = self.period();
            kv::increment(&format!("p/{key}/{period}"), tenths, self.ttl())?;
        }
        Ok(())
    }

    /// Counts a message that was taken.
    pub fn count(&self, who: &Who) -> Result<()> {
        let (period, _) = self.period();
        kv::increment(&format!("m/{}/{period}", who.key()), 1, self.ttl())?;
        if who.script.is_some() {
            kv::increment(&format!("m/{}/{period}", who.base), 1, self.ttl())?;
        }
        Ok(())
    }

    /// From 0 to 100.
    pub fn of(&self, key: &str) -> Result<f64> {
        let penalties = self.window("p", key, TENTHS)?;
        if penalties.sum() <= 0.0 {
            return Ok(100.0);
        }
        let allowance = self.allowance_of(key)?;
        Ok((100.0 * (1.0 - penalties.sum() / allowance)).clamp(0.0, 100.0))
    }

    fn allowance_of(&self, key: &str) -> Result<f64> {
        let messages = self.window("m", key, 1.0)?.sum();
        Ok(self.allowance + self.allowance_per_message * messages)
    }

    /// What the sender may do now. An operator's word in `standing/KEY` ("good", "slowed" or "stopped") comes first.
    pub fn standing(&self, who: &Who) -> Result<Standing> {
        let mut worst = self.standing_of(who.key())?;
        if who.script.is_some() {
            let base = self.standing_of(&who.base)?;
            if rank(base) > rank(worst) {
                worst = base;
            }
        }
        Ok(worst)
    }

    fn standing_of(&self, key: &str) -> Result<Standing> {
        match kv::get_string(&format!("standing/{key}"))?.as_deref() {
            Some("good") => return Ok(Standing::Good),
            Some("slowed") => return Ok(Standing::Slowed(self.slow_below)),
            Some("stopped") => return Ok(Standing::Stopped(0.0, self.recovery.seconds())),
            _ => {}
        }
        let penalties = self.window("p", key, TENTHS)?;
        if penalties.sum() > 0.0 {
            let allowance = self.allowance_of(key)?;
            let reputation = (100.0 * (1.0 - penalties.sum() / allowance)).clamp(0.0, 100.0);
            let report = |kind: &str, limit: f64| -> Result<()> {
                // Once an hour, however many sessions find out.
                const AGAIN_SECONDS: u32 = 3600;
                if kv::set_if_absent(&format!("{kind}/{key}"), "", Some(AGAIN_SECONDS))? {
                    events::emit(
                        kind,
                        [
                            ("rule", "reputation".to_owned()),
                            ("key", key.to_owned()),
                            ("reputation", format!("{reputation:.0}")),
                            ("limit", limit.to_string()),
                            ("points", format!("{:.1}", penalties.sum())),
                            ("allowance", format!("{allowance:.1}")),
                        ],
                    );
                }
                Ok(())
            };
            if reputation < self.stop_below {
                report("stopped", self.stop_below)?;
                let most = allowance * (1.0 - self.stop_below / 100.0);
                let seconds = penalties.until(most) * self.recovery.seconds();
                return Ok(Standing::Stopped(reputation, seconds));
            }
            if reputation < self.slow_below {
                report("slowed", self.slow_below)?;
                return Ok(Standing::Slowed(reputation));
            }
        }
        if kv::get(&format!("slow/{key}"))?.is_some() {
            return Ok(Standing::Slowed(self.slow_below));
        }
        Ok(Standing::Good)
    }

    /// Slows the sender down for a while, whatever its reputation.
    pub fn slow(&self, who: &Who) -> Result<()> {
        let seconds = self.slow_for.seconds() as u32;
        Ok(kv::set_string(
            &format!("slow/{}", who.key()),
            "",
            Some(seconds),
        )?)
    }

    fn window(&self, kind: &str, key: &str, unit: f64) -> Result<Window> {
        let (period, passed) = self.period();
        let read = |period: u64| -> Result<f64> {
            let text = kv::get_string(&format!("{kind}/{key}/{period}"))?;
            let number = text.and_then(|text| text.parse::<f64>().ok());
            Ok(number.unwrap_or(0.0).max(0.0) / unit)
        };
        Ok(Window {
            now: read(period)?,
            before: read(period.saturating_sub(1))?,
            passed,
        })
    }

    /// The number of the period, and how much of it has passed.
    fn period(&self) -> (u64, f64) {
        let periods = clock::now_ms() / 1000.0 / self.recovery.seconds();
        (periods as u64, periods.fract())
    }

    /// Two periods, after which it tells nothing more.
    fn ttl(&self) -> Option<u32> {
        Some((self.recovery.seconds() * 2.0) as u32)
    }
}

fn rank(standing: Standing) -> u8 {
    match standing {
        Standing::Good => 0,
        Standing::Slowed(_) => 1,
        Standing::Stopped(..) => 2,
    }
}

impl fmt::Display for Standing {
    /// For the sender.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Good => f.write_str("in good standing"),
            Self::Slowed(_) => f.write_str("slowed down"),
            Self::Stopped(_, seconds) => write!(
                f,
                "stopped, since too much of its mail was refused or complained about; it ends by itself in {}",
                in_words(*seconds)
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_ends_when_it_says() {
        for window in [
            Window {
                now: 50.0,
                before: 0.0,
                passed: 0.5,
            },
            Window {
                now: 10.0,
                before: 100.0,
                passed: 0.25,
            },
            Window {
                now: 90.0,
                before: 100.0,
                passed: 0.9,
            },
        ] {
            let most = 40.0;
            let mut wait = window.until(most);
            let mut then = window;
            if then.passed + wait >= 1.0 {
                wait -= 1.0 - then.passed;
                then = Window {
                    now: 0.0,
                    before: then.now,
                    passed: 0.0,
                };
            }
            then.passed += wait;
            assert!((then.sum() - most).abs() < 1e-6, "{window:?} {then:?}");
        }
    }
}
