//! How one version of a plugin fares: counts, times, and the breaker that stops calling what only faults.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::settings::Breaker;

/// Buckets of call times: powers of two of a microsecond, the last one a minute and more.
const BUCKETS: usize = 28;
/// Different refused capabilities that are remembered, and so reported, at most.
const REFUSALS_MAX: usize = 64;

/// Shared by all generations that hold this version.
#[derive(Debug)]
pub(crate) struct Health {
    calls: AtomicU64,
    faults: AtomicU64,
    faults_in_a_row: AtomicU32,
    /// Milliseconds after `born` until which nothing is called; 0 while the breaker is closed.
    open_until: AtomicU64,
    times: [AtomicU64; BUCKETS],
    refusals: Mutex<HashSet<String>>,
    /// Live instances, and the most memory one of them ever had.
    instances: AtomicU64,
    memory: AtomicU64,
    born: Instant,
}

/// What a fault did to the breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consequence {
    None,
    /// It opened just now, after so many faults.
    Opened(u32),
}

impl Default for Health {
    fn default() -> Health {
        Health {
            calls: AtomicU64::new(0),
            faults: AtomicU64::new(0),
            faults_in_a_row: AtomicU32::new(0),
            open_until: AtomicU64::new(0),
            times: [const { AtomicU64::new(0) }; BUCKETS],
            refusals: Mutex::default(),
            instances: AtomicU64::new(0),
            memory: AtomicU64::new(0),
            born: Instant::now(),
        }
    }
}

impl Health {
    /// Whether the plugin may be called. When the cool-down is over one caller is let through and the others wait for
    /// what it finds.
    pub fn may_call(&self, now: Instant, breaker: &Breaker) -> bool {
        let until = self.open_until.load(Relaxed);
        if until == 0 {
            return true;
        }
        let now = self.since_birth(now);
        now >= until
            && self
                .open_until
                .compare_exchange(
                    until,
                    now + millis(breaker.cool_down).max(1),
                    Relaxed,
                    Relaxed,
                )
                .is_ok()
    }

    /// A call went well. True if that closed the breaker.
    pub fn succeeded(&self, elapsed: Duration) -> bool {
        self.count(elapsed);
        if self.faults_in_a_row.load(Relaxed) != 0 {
            self.faults_in_a_row.store(0, Relaxed);
        }
        self.open_until.load(Relaxed) != 0 && self.open_until.swap(0, Relaxed) != 0
    }

    /// A call faulted, and the plugin is to blame.
    pub fn faulted(&self, now: Instant, elapsed: Duration, breaker: &Breaker) -> Consequence {
        self.count(elapsed);
        self.faults.fetch_add(1, Relaxed);
        let row = self.faults_in_a_row.fetch_add(1, Relaxed).saturating_add(1);
        if row < breaker.faults_max.max(1) {
            return Consequence::None;
        }
        let until = self.since_birth(now) + millis(breaker.cool_down).max(1);
        if self.open_until.swap(until, Relaxed) == 0 {
            Consequence::Opened(row)
        } else {
            Consequence::None
        }
    }

    /// A call could not be made, and the plugin is not to blame.
    pub fn not_called(&self) {
        self.faults.fetch_add(1, Relaxed);
    }

    /// True the first time this capability is refused.
    pub fn first_refusal(&self, capability: &str) -> bool {
        let mut seen = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.contains(capability) || seen.len() >= REFUSALS_MAX {
            return false;
        }
        seen.insert(capability.to_owned())
    }

    /// Calls made.
    pub fn calls(&self) -> u64 {
        self.calls.load(Relaxed)
    }

    /// Calls that gave no usable answer, and those not made.
    pub fn faults(&self) -> u64 {
        self.faults.load(Relaxed)
    }

    /// An instance was made, or is gone.
    pub fn count_instance(&self, made: bool) {
        if made {
            self.instances.fetch_add(1, Relaxed);
        } else {
            self.instances.fetch_sub(1, Relaxed);
        }
    }

    /// Live instances now.
    pub fn instances(&self) -> u64 {
        self.instances.load(Relaxed)
    }

    /// Notes how much linear memory an instance has.
    pub fn note_memory(&self, bytes: u64) {
        if bytes > self.memory.load(Relaxed) {
            self.memory.fetch_max(bytes, Relaxed);
        }
    }

    /// Linear memory of the largest instance so far, in bytes.
    pub fn memory(&self) -> u64 {
        self.memory.load(Relaxed)
    }

    /// Whether the breaker is open.
    pub fn is_open(&self) -> bool {
        self.open_until.load(Relaxed) != 0
    }

    /// The upper bound, in microseconds, of the bucket that holds this share of the calls; none without calls.
    pub fn percentile(&self, share: f64) -> Option<u64> {
        let counts: Vec<u64> = self
            .times
            .iter()
            .map(|bucket| bucket.load(Relaxed))
            .collect();
        let total: u64 = counts.iter().sum();
        if total == 0 {
            return None;
        }
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss
        )]
        let rank = ((total as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        for (at, count) in counts.iter().enumerate() {
            seen += count;
            if seen >= rank {
                return Some(1 << at);
            }
        }
        None
    }

    fn count(&self, elapsed: Duration) {
        self.calls.fetch_add(1, Relaxed);
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        let bucket = (u64::BITS - micros.leading_zeros()) as usize;
        self.times[bucket.min(BUCKETS - 1)].fetch_add(1, Relaxed);
    }

    fn since_birth(&self, now: Instant) -> u64 {
        millis(now.saturating_duration_since(self.born))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULE: Breaker = Breaker {
        faults_max: 3,
        cool_down: Duration::from_secs(30),
    };
    const TOOK: Duration = Duration::from_micros(5);

    #[test]
    fn faults_in_a_row_open_the_breaker_and_a_success_between_does_not_let_them_add_up() {
        let health = Health::default();
        let now = Instant::now();
        assert_eq!(health.faulted(now, TOOK, &RULE), Consequence::None);
        assert_eq!(health.faulted(now, TOOK, &RULE), Consequence::None);
        assert!(!health.succeeded(TOOK));
        assert_eq!(health.faulted(now, TOOK, &RULE), Consequence::None);
        assert_eq!(health.faulted(now, TOOK, &RULE), Consequence::None);
        assert!(health.may_call(now, &RULE));
        assert_eq!(health.faulted(now, TOOK, &RULE), Consequence::Opened(3));
        assert!(!health.may_call(now, &RULE));
        assert_eq!((health.calls(), health.faults()), (6, 5));
    }

    #[test]
    fn after_the_cool_down_one_call_is_tried_and_closes_or_reopens_the_breaker() {
        let health = Health::default();
        let now = Instant::now();
        for _ in 0..3 {
            health.faulted(now, TOOK, &RULE);
        }
        let later = now + Duration::from_secs(31);
        assert!(health.may_call(later, &RULE), "one is tried");
        assert!(!health.may_call(later, &RULE), "the others wait");
        assert_eq!(
            health.faulted(later, TOOK, &RULE),
            Consequence::None,
            "it was open already"
        );
        assert!(!health.may_call(later + Duration::from_secs(29), &RULE));
        let again = later + Duration::from_secs(31);
        assert!(health.may_call(again, &RULE));
        assert!(health.succeeded(TOOK), "closed");
        assert!(health.may_call(again, &RULE) && health.may_call(again, &RULE));
    }

    #[test]
    fn percentiles_come_from_buckets() {
        let health = Health::default();
        assert_eq!(health.percentile(0.5), None);
        for micros in [3, 3, 3, 900] {
            health.succeeded(Duration::from_micros(micros));
        }
        assert_eq!(health.percentile(0.5), Some(4));
        assert_eq!(health.percentile(0.99), Some(1024));
    }

    #[test]
    fn a_refused_capability_is_reported_once() {
        let health = Health::default();
        assert!(health.first_refusal("dns"));
        assert!(!health.first_refusal("dns"));
        assert!(health.first_refusal("submit"));
    }
}
