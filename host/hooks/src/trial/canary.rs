//! A candidate that serves a share of the sessions, and the judgement of whether it does worse than the version in service.
//!
//! The judgement is pure: counts in, a reason out. It compares the same period on both sides.
//!
//! - **Faults**, looked at after each: at least [`limits::CANARY_FAULTS_MIN`], and so many more than the version in service
//!   has that chance would bring it about less than once in a thousand times (Fisher's exact test, one-sided).
//! - **Decisions**, looked at after 50, 100, 200, ... calls of a hook (so that many looks do not add up to a false alarm): the
//!   share of one decision differs by [`limits::CANARY_DIFFERENCE_MIN`] at least, and chance would bring that about less than
//!   once in ten thousand times (two-sided).
//!
//! Faults in a row open the breaker as for any version; that ends a canary too.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use sha2::{Digest, Sha256};

use crate::hook::Hook;
use crate::limits;
use crate::question::Answer;

/// What decisions are counted as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Class {
    Next,
    Accept,
    Reject,
    Defer,
    Discard,
    Hold,
    /// Rewrites, routes, soft and undetermined translations, pages that are none of an error.
    Act,
    /// Hard translations.
    Hard,
    /// Block translations.
    Block,
    /// Silent bounces, and pages that are an error.
    Silent,
}

/// The words of [`Class`], in its order.
pub const DECISIONS: [&str; 10] = [
    "next", "accept", "reject", "defer", "discard", "hold", "act", "hard", "block", "silent",
];

/// Counts of one hook of one version.
#[derive(Debug, Default)]
struct Counts {
    calls: AtomicU64,
    faults: AtomicU64,
    classes: [AtomicU64; DECISIONS.len()],
}

/// Counts of one version, by hook.
#[derive(Debug, Default)]
pub(crate) struct Tally([Counts; Hook::COUNT]);

/// Counts of one hook, read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// Calls, faults included.
    pub calls: u64,
    /// Calls that gave no usable answer.
    pub faults: u64,
    /// How many of each of [`DECISIONS`].
    pub decisions: [u64; DECISIONS.len()],
}

impl Tally {
    /// Counts one call; none is a fault. How many calls of this hook there were before.
    pub fn note(&self, hook: Hook, answer: Option<&Answer>) -> u64 {
        let counts = &self.0[hook as usize];
        match answer {
            Some(answer) => counts.classes[answer.class() as usize].fetch_add(1, Relaxed),
            None => counts.faults.fetch_add(1, Relaxed),
        };
        counts.calls.fetch_add(1, Relaxed)
    }

    /// The counts of one hook.
    pub fn rates(&self, hook: Hook) -> Rates {
        let counts = &self.0[hook as usize];
        let mut decisions = [0; DECISIONS.len()];
        for (to, from) in decisions.iter_mut().zip(&counts.classes) {
            *to = from.load(Relaxed);
        }
        Rates {
            calls: counts.calls.load(Relaxed),
            faults: counts.faults.load(Relaxed),
            decisions,
        }
    }

    fn total(&self) -> (u64, u64) {
        let sum = |of: fn(&Counts) -> &AtomicU64| {
            self.0.iter().map(|counts| of(counts).load(Relaxed)).sum()
        };
        (sum(|c| &c.calls), sum(|c| &c.faults))
    }
}

/// Which side of a canary a call was on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    InService,
    Candidate,
}

/// One canary: shared by the plugin in service and the candidate of the same name.
#[derive(Debug)]
pub(crate) struct Canary {
    pub name: Arc<str>,
    /// SHA-256 of the candidate in hex.
    pub digest: Arc<str>,
    /// SHA-256 of what it is compared with; none where there is nothing.
    pub against: Option<Arc<str>>,
    /// From 0 to 1.
    pub share: f64,
    pub in_service: Tally,
    pub candidate: Tally,
    ended: AtomicBool,
}

impl Canary {
    pub fn new(name: Arc<str>, digest: Arc<str>, against: Option<Arc<str>>, share: f64) -> Canary {
        Canary {
            name,
            digest,
            against,
            share,
            in_service: Tally::default(),
            candidate: Tally::default(),
            ended: AtomicBool::new(false),
        }
    }

    /// Whether the candidate serves whoever has this key: always the same answer for the same key.
    pub fn serves(&self, key: &str) -> bool {
        let mut hasher = Sha256::new();
        hasher.update(self.digest.as_bytes());
        hasher.update(key.as_bytes());
        let hash = hasher.finalize();
        let number = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
        f64::from(number) < self.share * 4_294_967_296.0
    }

    /// Counts a call; a reason, once, if the candidate must not go on.
    pub fn note(&self, side: Side, hook: Hook, answer: Option<&Answer>) -> Option<String> {
        let tally = match side {
            Side::InService => {
                self.in_service.note(hook, answer);
                return None;
            }
            Side::Candidate => &self.candidate,
        };
        let before = tally.note(hook, answer);
        let mut reason = None;
        if answer.is_none() {
            reason = too_many_faults(self.in_service.total(), self.candidate.total());
        }
        if reason.is_none() && is_look(before + 1) {
            let (service, candidate) = (self.in_service.rates(hook), self.candidate.rates(hook));
            reason = other_decisions(hook, &service, &candidate);
        }
        reason.filter(|_| !self.ended.swap(true, Relaxed))
    }
}

/// After how many calls decisions are compared: 50, 100, 200, ...
fn is_look(calls: u64) -> bool {
    let first = limits::CANARY_CALLS_MIN;
    calls.is_multiple_of(first) && (calls / first).is_power_of_two()
}

/// Why the faults of a candidate are too many: calls and faults of both sides.
fn too_many_faults(service: (u64, u64), candidate: (u64, u64)) -> Option<String> {
    let (calls, faults) = candidate;
    if faults < limits::CANARY_FAULTS_MIN {
        return None;
    }
    let too_many = if service.0 < limits::CANARY_CALLS_MIN {
        // Little to compare with, such as at a share of all: one call in ten is too many by itself, unless the version in
        // service does not do much better.
        faults * 10 >= calls && share(candidate) > 2.0 * share(service)
    } else {
        at_least(service, candidate) < 0.001
    };
    too_many.then(|| {
        format!(
            "{faults} faults in {calls} calls, and {} in {} of the version in service",
            service.1, service.0
        )
    })
}

/// Why the decisions of a candidate are others.
fn other_decisions(hook: Hook, service: &Rates, candidate: &Rates) -> Option<String> {
    if service.calls < limits::CANARY_CALLS_MIN || candidate.calls < limits::CANARY_CALLS_MIN {
        return None;
    }
    for (at, word) in DECISIONS.iter().enumerate() {
        let (a, b) = (
            (service.calls, service.decisions[at]),
            (candidate.calls, candidate.decisions[at]),
        );
        let difference = share(b) - share(a);
        if difference.abs() < limits::CANARY_DIFFERENCE_MIN {
            continue;
        }
        let chance = if difference > 0.0 {
            at_least(a, b)
        } else {
            at_least(b, a)
        };
        if chance * 2.0 < 0.0001 {
            let mut text = format!("{hook} answers {word} ");
            let _ = write!(
                text,
                "{:.1} % of the time ({} of {}), and the version in service {:.1} % ({} of {})",
                share(b) * 100.0,
                b.1,
                b.0,
                share(a) * 100.0,
                a.1,
                a.0
            );
            return Some(text);
        }
    }
    None
}

#[allow(clippy::cast_precision_loss)] // counts of calls are far below 2^52
fn share((of, hits): (u64, u64)) -> f64 {
    hits as f64 / (of.max(1)) as f64
}

/// Fisher's exact test: how likely chance alone gives the second side as many hits as it has or more, if both sides had
/// the same rate.
#[allow(clippy::cast_precision_loss)]
fn at_least((m, a): (u64, u64), (n, b): (u64, u64)) -> f64 {
    let hits = a + b;
    let all = ln_choose(m + n, hits);
    let mut sum = 0.0;
    for k in b..=hits.min(n) {
        if hits - k > m {
            continue;
        }
        let term = (ln_choose(n, k) + ln_choose(m, hits - k) - all).exp();
        sum += term;
        if term < 1e-15 && k > b {
            break;
        }
    }
    sum.min(1.0)
}

fn ln_choose(n: u64, k: u64) -> f64 {
    ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k)
}

/// Exact below 20, Stirling's series above.
#[allow(clippy::cast_precision_loss)]
fn ln_factorial(n: u64) -> f64 {
    if n < 20 {
        return (2..=n).map(|k| (k as f64).ln()).sum();
    }
    let x = n as f64;
    x * x.ln() - x + 0.5 * (2.0 * std::f64::consts::PI * x).ln() + 1.0 / (12.0 * x)
        - 1.0 / (360.0 * x.powi(3))
}

#[cfg(test)]
mod tests {
    use crate::decision::Verdict;

    use super::*;

    fn canary(share: f64) -> Canary {
        Canary::new("p".into(), "d".into(), Some("e".into()), share)
    }

    #[test]
    fn a_share_of_the_keys_is_served_and_each_key_always_alike() {
        let five = canary(0.05);
        let keys: Vec<String> = (0..10_000).map(|n| format!("session-{n}")).collect();
        let served = keys.iter().filter(|key| five.serves(key)).count();
        assert!((400..600).contains(&served), "{served}");
        for key in &keys[..100] {
            assert_eq!(five.serves(key), five.serves(key));
        }
        assert!(keys.iter().all(|key| canary(1.0).serves(key)));
        assert!(!keys.iter().any(|key| canary(0.0).serves(key)));
    }

    #[test]
    fn the_exact_test_agrees_with_numbers_worked_out_by_hand() {
        // 3 of 60 against 0 of 1000: (60 choose 3) / (1060 choose 3).
        let by_hand = 60.0 * 59.0 * 58.0 / (1060.0 * 1059.0 * 1058.0);
        assert!((at_least((1000, 0), (60, 3)) - by_hand).abs() < 1e-9);
        // The lady tasting tea: 4 of 4 against 0 of 4 is 1 in 70.
        assert!((at_least((4, 0), (4, 4)) - 1.0 / 70.0).abs() < 1e-12);
        assert!((at_least((100, 5), (100, 0)) - 1.0).abs() < 1e-9);
        assert!((ln_factorial(20) - ln_factorial(19) - 20.0f64.ln()).abs() < 1e-9);
    }

    #[test]
    fn a_candidate_that_faults_where_the_other_does_not_is_stopped_once() {
        let one = canary(0.5);
        for _ in 0..200 {
            assert_eq!(
                one.note(Side::InService, Hook::Data, Some(&Answer::Done)),
                None
            );
            assert_eq!(
                one.note(Side::Candidate, Hook::Data, Some(&Answer::Done)),
                None
            );
        }
        let mut said = Vec::new();
        for _ in 0..20 {
            said.extend(one.note(Side::Candidate, Hook::Data, None));
        }
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("faults in"), "{said:?}");
    }

    #[test]
    fn faults_that_the_version_in_service_has_as_well_stop_nobody() {
        let one = canary(0.5);
        for n in 0..400 {
            let answer = (n % 10 != 0).then_some(&Answer::Done);
            one.note(Side::InService, Hook::Data, answer);
            assert_eq!(one.note(Side::Candidate, Hook::Data, answer), None);
        }
    }

    #[test]
    fn other_decisions_are_noticed_at_a_look_and_named() {
        let one = canary(0.5);
        let reject = Answer::Verdict(Verdict::Discard);
        let next = Answer::Verdict(Verdict::Pass);
        let mut reasons = Vec::new();
        for n in 0..100 {
            one.note(Side::InService, Hook::Rcpt, Some(&next));
            let answer = if n % 4 == 0 { &reject } else { &next };
            reasons.extend(one.note(Side::Candidate, Hook::Rcpt, Some(answer)));
        }
        assert_eq!(reasons.len(), 1, "{reasons:?}");
        assert!(reasons[0].starts_with("on-rcpt answers"), "{reasons:?}");
    }

    /// A thousand canaries of the same behaviour, each looked at seven times: hardly one may be stopped.
    #[test]
    fn chance_stops_hardly_any_candidate_that_is_no_worse() {
        let mut state = 1u64;
        let mut random = || {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            f64::from(u32::try_from(state >> 32).unwrap()) / 4_294_967_296.0
        };
        let mut stopped = 0;
        for _ in 0..1000 {
            let mut sides = [Rates::default(), Rates::default()];
            for calls in 1..=3200u64 {
                for side in &mut sides {
                    side.calls += 1;
                    side.decisions[if random() < 0.1 { 2 } else { 0 }] += 1;
                }
                if is_look(calls) && other_decisions(Hook::Rcpt, &sides[0], &sides[1]).is_some() {
                    stopped += 1;
                    break;
                }
            }
        }
        assert!(stopped <= 3, "{stopped}");
    }
}
