//! Delivering: which entries are in memory, whose turn it is, and what comes of each attempt.
//!
//! An entry walks `intake` (handed over fresh, or found due in the spool) -> window -> `router` (`on-route`, destination)
//! -> site queue -> `worker` (one connection) -> `attempt` -> `conclude` (one transaction in the spool) and is then
//! forgotten here. All state is in memory and may be lost: the spool knows every entry and when it is due.

mod attempt;
mod back;
mod bounce;
mod conclude;
pub mod fate;
mod intake;
pub mod plan;
pub mod rests;
mod router;
pub mod schedule;
pub mod site;
pub mod throttle;
pub mod window;
mod worker;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use baton_hooks::{Plugins, Sitting};
use baton_spool::{Entry, Message, MessageId};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::plan::{Plan, SiteKey};
use self::rests::Rests;
use self::schedule::RetryPolicy;
use self::site::{SiteLimits, SiteQueue};
use self::window::{Group, Window, WindowLimits};
use crate::config::Config;
use crate::event::{Bus, Event, Throttle};
use crate::limits;
use crate::outbound::Outbound;
use crate::return_path::ReturnPath;
use crate::signing::Signing;
use crate::store::{Body, Fresh, Handover, Store};
use crate::suppression::Suppressions;

/// Delivers what is in the store. Cheap to clone.
#[derive(Clone)]
pub struct Queue {
    shared: Arc<Shared>,
}

/// What a queue is made of.
pub struct Parts {
    pub config: Arc<Config>,
    pub store: Store,
    pub plugins: Arc<Plugins>,
    pub outbound: Outbound,
    pub signing: Signing,
    /// Where bounces are to come back to, if not to the sender.
    pub return_path: Option<ReturnPath>,
    pub suppressions: Suppressions,
    pub bus: Bus,
    pub rests: Arc<Rests>,
}

struct Shared {
    parts: Parts,
    policy: RetryPolicy,
    state: Mutex<State>,
    /// Told when the window may have something to hand out.
    work: Notify,
    /// Times of sites are counted from here.
    began: Instant,
    /// Nothing new is begun.
    stop: CancellationToken,
    tasks: TaskTracker,
}

/// A message as the queue carries it; loaded by the router where it was found in the spool.
type Payload = Option<Arc<Fresh>>;

struct State {
    window: Window<MessageId, Payload>,
    sites: HashMap<Arc<SiteKey>, Site>,
    /// Sites that want a worker when one is free.
    hungry: VecDeque<Arc<SiteKey>>,
    starved: HashSet<Arc<SiteKey>>,
    workers: usize,
}

struct Site {
    queue: SiteQueue<Job>,
    /// Told when an idle worker should look again.
    wake: Arc<Notify>,
}

/// Recipients of one message that go the same way, together.
struct Parcel {
    message: Arc<Message>,
    body: Option<Arc<Body>>,
    entries: Vec<JobEntry>,
}

/// A parcel that waits for a connection.
struct Job {
    parcel: Parcel,
    /// What `on-route` was asked in; further hooks of this attempt use it.
    sitting: Option<Sitting>,
}

struct JobEntry {
    entry: Entry,
    /// As the window knows it.
    domain: Arc<str>,
}

/// Numbers for gauges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Entries in memory.
    pub leased: usize,
    /// Entries being worked on.
    pub active: usize,
    /// Connections to remote hosts.
    pub connections: usize,
}

/// A site as people see it.
#[derive(Clone, Debug)]
pub struct SiteView {
    pub site: String,
    pub waiting: usize,
    pub connections: usize,
    /// Why it is left alone, and for how long.
    pub resting: Option<(String, Duration)>,
}

impl Queue {
    /// Begins to deliver.
    pub fn start(parts: Parts, handover: Handover) -> Queue {
        let window = Window::new(WindowLimits {
            leased_max: limits::LEASED_ENTRIES_MAX,
            leased_per_domain_max: limits::LEASED_ENTRIES_PER_DOMAIN_MAX,
            active_max: limits::ACTIVE_ENTRIES_MAX,
            active_per_domain_max: limits::ACTIVE_ENTRIES_PER_DOMAIN_MAX,
        });
        let policy = RetryPolicy::of(&parts.config.delivery);
        let queue = Queue {
            shared: Arc::new(Shared {
                parts,
                policy,
                state: Mutex::new(State {
                    window,
                    sites: HashMap::new(),
                    hungry: VecDeque::new(),
                    starved: HashSet::new(),
                    workers: 0,
                }),
                work: Notify::new(),
                began: Instant::now(),
                stop: CancellationToken::new(),
                tasks: TaskTracker::new(),
            }),
        };
        queue
            .shared
            .tasks
            .spawn(intake::run(queue.clone(), handover));
        for _ in 0..limits::ROUTERS {
            queue.shared.tasks.spawn(router::run(queue.clone()));
        }
        queue
    }

    /// Begins nothing new and waits until `deadline` for the attempts under way; how many are left.
    pub async fn drain(&self, deadline: Instant) -> usize {
        self.shared.stop.cancel();
        self.shared.work.notify_waiters();
        for site in self.lock().sites.values() {
            site.wake.notify_waiters();
        }
        self.shared.tasks.close();
        let _ = tokio::time::timeout_at(deadline.into(), self.shared.tasks.wait()).await;
        self.shared.tasks.len()
    }

    /// How much is under way.
    pub fn load(&self) -> Load {
        let state = self.lock();
        Load {
            leased: state.window.leased(),
            active: state.window.active(),
            connections: state.workers,
        }
    }

    /// The sites that are known now.
    pub fn sites(&self) -> Vec<SiteView> {
        let now = self.now_ms();
        let mut state = self.lock();
        let views = state.sites.iter_mut().map(|(key, site)| SiteView {
            site: key.to_string(),
            waiting: site.queue.waiting(),
            connections: site.queue.workers(),
            resting: site.queue.rested(now).map(|rest| {
                (
                    rest.why.clone(),
                    Duration::from_millis(rest.until_ms.saturating_sub(now)),
                )
            }),
        });
        views.collect()
    }

    /// Leaves a site alone for so long. What waits for it is deferred. How many sites have that name.
    pub fn suspend(&self, site: &str, lasts: Duration, why: &str) -> usize {
        let keys = self.keys_of(site);
        for key in &keys {
            self.rest(key, lasts, why);
        }
        keys.len()
    }

    /// Ends the rest of a site before its time. How many sites have that name.
    pub fn resume(&self, site: &str) -> usize {
        let keys = self.keys_of(site);
        let mut state = self.lock();
        for key in &keys {
            if let Some(site) = state.sites.get_mut(key) {
                site.queue.resume();
            }
            self.shared.parts.rests.end(key);
        }
        drop(state);
        if !keys.is_empty() {
            self.shared.parts.bus.emit(Event::SiteResumed {
                site: site.to_owned(),
            });
        }
        keys.len()
    }

    fn keys_of(&self, site: &str) -> Vec<Arc<SiteKey>> {
        let state = self.lock();
        state
            .sites
            .keys()
            .filter(|key| key.site() == site || key.to_string() == site)
            .cloned()
            .collect()
    }

    /// Suspends one site and defers what waits for it.
    fn rest(&self, key: &Arc<SiteKey>, lasts: Duration, why: &str) {
        let now = self.now_ms();
        let given_back = match self.lock().sites.get_mut(key) {
            Some(site) => site.queue.suspend(lasts, why, now),
            None => return,
        };
        self.shared.parts.rests.begin(key, lasts, Instant::now());
        self.shared.parts.bus.emit(Event::SiteThrottled {
            site: key.to_string(),
            how: Throttle::Suspend,
            lasts,
            why: why.to_owned(),
        });
        self.defer_all(key, given_back, why);
    }

    /// Defers jobs whose site is left alone, without holding up the caller.
    fn defer_all(&self, key: &Arc<SiteKey>, jobs: Vec<Job>, why: &str) {
        if jobs.is_empty() {
            return;
        }
        let (queue, key, why) = (self.clone(), key.clone(), why.to_owned());
        self.shared.tasks.spawn(async move {
            for job in jobs {
                conclude::put_off(&queue, &key, job.parcel, &why).await;
            }
        });
    }

    /// Puts a job into its site's queue and sees that somebody takes it.
    fn enqueue(&self, plan: Plan, job: Job) {
        let now = self.now_ms();
        let mut state = self.lock();
        let key = match state.sites.get_key_value(&plan.key) {
            Some((key, _)) => key.clone(),
            None => {
                let key = Arc::new(plan.key);
                let limits = self.site_limits();
                let site = Site {
                    queue: SiteQueue::new(limits),
                    wake: Arc::new(Notify::new()),
                };
                state.sites.insert(key.clone(), site);
                key
            }
        };
        let Some(site) = state.sites.get_mut(&key) else {
            return;
        };
        if let Some(rest) = site.queue.rested(now) {
            let why = rest.why.clone();
            drop(state);
            return self.defer_all(&key, vec![job], &why);
        }
        site.queue.push(plan.priority, job);
        if site.queue.idle() > 0 {
            site.wake.notify_one();
        }
        self.start_workers(&mut state, &key);
    }

    /// Starts a worker for a site if it wants one and there is room for one more connection.
    /// None once the queue stops: what waits stays in the spool, and workers that leave must not call each other back.
    fn start_workers(&self, state: &mut State, key: &Arc<SiteKey>) {
        if self.shared.stop.is_cancelled() {
            return;
        }
        let Some(site) = state.sites.get_mut(key) else {
            return;
        };
        if state.workers >= self.shared.parts.config.delivery.connections_max {
            if site.queue.waiting() > 0 && state.starved.insert(key.clone()) {
                state.hungry.push_back(key.clone());
            }
            return;
        }
        if site.queue.start_worker() {
            state.workers += 1;
            let wake = site.wake.clone();
            self.shared
                .tasks
                .spawn(worker::run(self.clone(), key.clone(), wake));
        }
    }

    /// A worker has ended: the next site that waits for a connection gets one.
    fn worker_ended(&self, key: &Arc<SiteKey>) {
        let now = self.now_ms();
        let mut state = self.lock();
        state.workers -= 1;
        while let Some(next) = state.hungry.pop_front() {
            state.starved.remove(&next);
            let before = state.workers;
            self.start_workers(&mut state, &next);
            if state.workers > before {
                break;
            }
        }
        // Work may have come while the worker was leaving.
        self.start_workers(&mut state, key);
        if state
            .sites
            .get_mut(key)
            .is_some_and(|site| site.queue.is_forgettable(now))
        {
            state.sites.remove(key);
        }
    }

    /// The outcome of these recipients is durable, or they were given back.
    fn release(&self, message: MessageId, entries: &[JobEntry]) {
        let mut state = self.lock();
        for JobEntry { entry, domain } in entries {
            state.window.release(message, entry.id.recipient, domain);
        }
        drop(state);
        self.shared.work.notify_one();
    }

    /// Gives recipients back undone; they are found due in the spool again.
    fn give_back(&self, message: MessageId, entries: &[JobEntry]) {
        self.release(message, entries);
        self.shared.parts.store.missed().tell();
    }

    /// What is to be routed next, and whether there is more.
    fn next_group(&self) -> Option<(Group<MessageId, Payload>, bool)> {
        let mut state = self.lock();
        let group = state.window.take()?;
        Some((group, state.window.has_more()))
    }

    fn site_limits(&self) -> SiteLimits {
        SiteLimits {
            connections_max: self.shared.parts.config.delivery.connections_per_site_max,
            rest_first: self.shared.policy.first_wait().min(limits::SITE_REST_FIRST),
            rest_longest: self
                .shared
                .policy
                .last_wait()
                .min(limits::SITE_REST_LONGEST),
        }
    }

    /// Milliseconds since the queue began: the clock of sites, which never goes back.
    fn now_ms(&self) -> u64 {
        self.shared.began.elapsed().as_millis() as u64
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
