//! One site's queue: what waits for it, how many connections it may have, and when it is left alone. Pure; times are
//! milliseconds of one clock, given by the caller.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::throttle::Bucket;

/// What a site may take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SiteLimits {
    /// Connections at the same time.
    pub connections_max: usize,
    /// After the first failure to connect a site is left alone for this long; doubled by each further one.
    pub rest_first: Duration,
    /// It is never left alone for longer than this for failures to connect.
    pub rest_longest: Duration,
}

/// Jobs for one site, with the state of the connections to it.
#[derive(Debug)]
pub struct SiteQueue<J> {
    limits: SiteLimits,
    /// By priority, the highest first (keys are 255 - priority).
    jobs: BTreeMap<u8, VecDeque<J>>,
    waiting: usize,
    workers: usize,
    idle: usize,
    /// Grows by success and shrinks by failure, between 1 and `connections_max`.
    connections_now_max: usize,
    failures: u32,
    rest: Option<Rest>,
    pace: Option<Pace>,
}

/// Why a site is left alone, and until when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rest {
    pub until_ms: u64,
    pub why: String,
}

#[derive(Clone, Copy, Debug)]
struct Pace {
    until_ms: u64,
    per_second: f64,
    bucket: Bucket,
}

/// What a connection's worker should do next.
#[derive(Debug, PartialEq)]
pub enum Take<J> {
    /// Deliver this.
    Job(J),
    /// Ask again in so many milliseconds: the site is slowed down.
    Wait(u64),
    /// Nothing to do: the worker counts as idle until it calls [`SiteQueue::awake`].
    Idle,
    /// Close the connection; the worker is no longer counted.
    Leave,
}

impl<J> SiteQueue<J> {
    /// An empty queue.
    pub fn new(limits: SiteLimits) -> SiteQueue<J> {
        SiteQueue {
            limits,
            jobs: BTreeMap::new(),
            waiting: 0,
            workers: 0,
            idle: 0,
            connections_now_max: limits.connections_max.max(1),
            failures: 0,
            rest: None,
            pace: None,
        }
    }

    /// Adds a job at the end of those of its priority.
    pub fn push(&mut self, priority: u8, job: J) {
        self.jobs.entry(255 - priority).or_default().push_back(job);
        self.waiting += 1;
    }

    /// Puts a job back that could not be begun.
    pub fn push_front(&mut self, priority: u8, job: J) {
        self.jobs.entry(255 - priority).or_default().push_front(job);
        self.waiting += 1;
    }

    /// Counts one more worker, if there is work for one and the site may have it.
    pub fn start_worker(&mut self) -> bool {
        // A connection costs more than a message: a further one only for a backlog that those there cannot take next.
        let wanted = self.waiting > self.idle && (self.workers == 0 || self.waiting > self.workers);
        let start = wanted && self.workers < self.connections_now_max;
        if start {
            self.workers += 1;
        }
        start
    }

    /// The next job for a worker.
    pub fn take(&mut self, now_ms: u64) -> Take<J> {
        if self.rested(now_ms).is_some() || self.workers > self.connections_now_max {
            self.workers -= 1;
            return Take::Leave;
        }
        if self.waiting == 0 {
            self.idle += 1;
            return Take::Idle;
        }
        if let Some(wait_ms) = self.paced(now_ms) {
            return Take::Wait(wait_ms);
        }
        match self.pop() {
            Some(job) => Take::Job(job),
            None => {
                self.idle += 1;
                Take::Idle
            }
        }
    }

    /// A worker that was idle is so no more.
    pub fn awake(&mut self) {
        self.idle -= 1;
    }

    /// A worker ended.
    pub fn worker_left(&mut self) {
        self.workers -= 1;
    }

    /// A message was taken by the site.
    pub fn succeeded(&mut self) {
        self.failures = 0;
        self.connections_now_max =
            (self.connections_now_max + 1).min(self.limits.connections_max.max(1));
    }

    /// No connection could be made. If others are open, the site only gets fewer; otherwise it is left alone, and what
    /// waits is given back to be deferred.
    pub fn failed_to_connect(&mut self, why: &str, now_ms: u64) -> Vec<J> {
        if self.workers > 1 {
            self.connections_now_max = (self.workers - 1).max(1);
            return Vec::new();
        }
        self.connections_now_max = 1;
        let times = 2u32.saturating_pow(self.failures.min(16));
        self.failures += 1;
        let rest = self
            .limits
            .rest_first
            .saturating_mul(times)
            .min(self.limits.rest_longest);
        self.suspend(rest, why, now_ms)
    }

    /// Leaves the site alone for so long; what waits is given back to be deferred.
    pub fn suspend(&mut self, rest: Duration, why: &str, now_ms: u64) -> Vec<J> {
        let until_ms = now_ms.saturating_add(rest.as_millis() as u64);
        if self.rest.as_ref().is_none_or(|r| r.until_ms < until_ms) {
            self.rest = Some(Rest {
                until_ms,
                why: why.to_owned(),
            });
        }
        self.waiting = 0;
        std::mem::take(&mut self.jobs)
            .into_values()
            .flatten()
            .collect()
    }

    /// Ends a rest and a pace before their time.
    pub fn resume(&mut self) {
        self.rest = None;
        self.pace = None;
        self.failures = 0;
    }

    /// Slows the site down for so long: one connection, and half the pace each time this is asked again.
    pub fn back_off(&mut self, duration: Duration, now_ms: u64) {
        let per_second = match &self.pace {
            Some(pace) if pace.until_ms > now_ms => (pace.per_second / 2.0).max(PACE_LOWEST),
            _ => PACE_FIRST,
        };
        self.connections_now_max = 1;
        self.pace = Some(Pace {
            until_ms: now_ms.saturating_add(duration.as_millis() as u64),
            per_second,
            bucket: Bucket::restored(0.0, now_ms),
        });
    }

    /// Why the site is left alone now, if it is.
    pub fn rested(&mut self, now_ms: u64) -> Option<&Rest> {
        if self
            .rest
            .as_ref()
            .is_some_and(|rest| rest.until_ms <= now_ms)
        {
            self.rest = None;
        }
        self.rest.as_ref()
    }

    /// Jobs that wait.
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// Workers, idle ones included.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// Workers that wait for a job.
    pub fn idle(&self) -> usize {
        self.idle
    }

    /// Whether nothing is left that is worth remembering.
    pub fn is_forgettable(&mut self, now_ms: u64) -> bool {
        self.waiting == 0
            && self.workers == 0
            && self.rested(now_ms).is_none()
            && self.pace.is_none_or(|pace| pace.until_ms <= now_ms)
            && self.failures == 0
    }

    /// Gives up whatever a job matches, for a message that was removed meanwhile.
    pub fn retain(&mut self, mut keep: impl FnMut(&J) -> bool) {
        for jobs in self.jobs.values_mut() {
            jobs.retain(&mut keep);
        }
        self.waiting = self.jobs.values().map(VecDeque::len).sum();
    }

    fn paced(&mut self, now_ms: u64) -> Option<u64> {
        let pace = self.pace.as_mut()?;
        if pace.until_ms <= now_ms {
            self.pace = None;
            return None;
        }
        match pace.bucket.wait_ms(1.0, pace.per_second, 1.0, now_ms) {
            Some(0) => {
                pace.bucket.take(1.0, pace.per_second, 1.0, now_ms);
                None
            }
            Some(wait_ms) => Some(wait_ms),
            None => Some(1000),
        }
    }

    fn pop(&mut self) -> Option<J> {
        let (&key, jobs) = self.jobs.iter_mut().find(|(_, jobs)| !jobs.is_empty())?;
        let job = jobs.pop_front();
        if jobs.is_empty() && key != DEFAULT_KEY {
            self.jobs.remove(&key);
        }
        self.waiting -= 1;
        job
    }
}

/// The list of the usual priority is kept when it is empty.
const DEFAULT_KEY: u8 = 255 - 128;

/// Messages a second when a site first asks to slow down.
const PACE_FIRST: f64 = 1.0;

/// A site that goes on asking still gets a message every half minute.
const PACE_LOWEST: f64 = 1.0 / 30.0;

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> SiteQueue<u32> {
        SiteQueue::new(SiteLimits {
            connections_max: 3,
            rest_first: Duration::from_secs(30),
            rest_longest: Duration::from_secs(600),
        })
    }

    #[test]
    fn higher_priority_goes_first_and_equals_keep_their_order() {
        let mut queue = queue();
        for (priority, job) in [(128, 1), (0, 2), (255, 3), (128, 4)] {
            queue.push(priority, job);
        }
        assert!(queue.start_worker());
        let order: Vec<_> = std::iter::from_fn(|| match queue.take(0) {
            Take::Job(job) => Some(job),
            _ => None,
        })
        .collect();
        assert_eq!(order, [3, 1, 4, 2]);
    }

    #[test]
    fn connections_grow_with_the_backlog_up_to_the_limit() {
        let mut queue = queue();
        assert!(!queue.start_worker(), "there is no work");
        queue.push(128, 0);
        assert!(queue.start_worker());
        assert!(!queue.start_worker(), "one connection takes one message");
        for job in 1..100 {
            queue.push(128, job);
        }
        assert!(queue.start_worker());
        assert!(queue.start_worker());
        assert!(!queue.start_worker(), "three is the limit");
        assert_eq!(queue.workers(), 3);
    }

    #[test]
    fn an_idle_connection_is_used_before_a_new_one_is_made() {
        let mut queue = queue();
        queue.push(128, 0);
        assert!(queue.start_worker());
        assert_eq!(queue.take(0), Take::Job(0));
        assert_eq!(queue.take(0), Take::Idle);
        queue.push(128, 1);
        assert!(!queue.start_worker());
        queue.awake();
        assert_eq!(queue.take(0), Take::Job(1));
    }

    #[test]
    fn a_site_that_cannot_be_reached_rests_longer_each_time_and_gives_its_jobs_back() {
        let mut queue = queue();
        let mut now = 0;
        let mut rests = Vec::new();
        for _ in 0..7 {
            queue.push(128, 1);
            queue.push(128, 2);
            assert!(queue.start_worker());
            assert_eq!(queue.take(now), Take::Job(1));
            assert_eq!(queue.failed_to_connect("refused", now), vec![2]);
            let until = queue.rested(now).expect("it rests").until_ms;
            rests.push((until - now) / 1000);
            assert_eq!(queue.take(now), Take::Leave);
            now = until;
            assert!(queue.rested(now).is_none());
        }
        assert_eq!(rests, [30, 60, 120, 240, 480, 600, 600]);
        queue.push(128, 1);
        assert!(queue.start_worker());
        queue.succeeded();
        queue.worker_left();
        assert_eq!(queue.failures, 0);
    }

    #[test]
    fn one_refused_connection_among_several_only_lowers_their_number() {
        let mut queue = queue();
        for job in 0..10 {
            queue.push(128, job);
        }
        while queue.start_worker() {}
        assert!(
            queue
                .failed_to_connect("421 too many connections", 0)
                .is_empty()
        );
        assert_eq!(queue.take(0), Take::Leave);
        assert!(!queue.start_worker());
        assert!(matches!(queue.take(0), Take::Job(_)));
        queue.succeeded();
        assert!(queue.start_worker());
    }

    #[test]
    fn backing_off_slows_down_and_ends() {
        let mut queue = queue();
        for job in 0..4 {
            queue.push(128, job);
        }
        assert!(queue.start_worker());
        queue.back_off(Duration::from_secs(60), 0);
        assert_eq!(queue.take(0), Take::Wait(1000));
        assert_eq!(queue.take(1000), Take::Job(0));
        queue.back_off(Duration::from_secs(60), 1000);
        assert_eq!(queue.take(1000), Take::Wait(2000));
        assert_eq!(queue.take(61_000), Take::Job(1));
        assert_eq!(queue.take(61_000), Take::Job(2));
    }
}
