//! A candidate that answers the calls of live mail a second time, and is never heard.
//!
//! The live call hands over what it was asked, what its host calls answered and what it came to, and goes on. A thread of
//! its own, of low priority, asks the candidate the same and compares. What the version in service asked of the host is
//! answered alike; beyond that the candidate has a scratch of key-value over the real one, and nothing leaves the machine:
//! resolver, HTTP and submission answer `not-granted`. The queue has a limit, and what does not fit is counted.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use arc_swap::ArcSwap;

use super::again::Again;
use super::canary::{Rates, Tally};
use super::said::{Difference, Said};
use super::snapshot::Snapshot;
use super::tape::{self, After, Tape};
use crate::generation::Generation;
use crate::hook::Hook;
use crate::limits;
use crate::question::Answer;
use crate::services::{PluginEvent, PluginEventKind, Services};

mod aside;

pub(crate) use aside::Aside;

/// One call of the version in service, to be made again.
pub(crate) struct Job {
    /// Calls of one sitting have the same number.
    pub sitting: u64,
    pub before: Snapshot,
    pub host: tape::Kept,
    pub said: Said,
}

impl Job {
    /// About how much memory it holds while it waits.
    fn bytes(&self) -> usize {
        self.before.bytes() + self.host.bytes
    }
}

/// One candidate in the shadow of a version.
pub(crate) struct Shadow {
    /// SHA-256 of the candidate in hex.
    pub digest: Arc<str>,
    /// SHA-256 of what it is compared with.
    pub against: Arc<str>,
    queue: SyncSender<Job>,
    notes: Arc<Notes>,
}

/// What the thread and those who ask share.
struct Notes {
    /// The candidate alone.
    serves: ArcSwap<Generation>,
    waiting_bytes: AtomicUsize,
    dropped: AtomicU64,
    in_service: Tally,
    candidate: Tally,
    compared: Mutex<Compared>,
    services: Arc<dyn Services>,
    name: Arc<str>,
}

#[derive(Default)]
struct Compared {
    hooks: [HookNotes; Hook::COUNT],
    examples: VecDeque<Example>,
}

/// Comparisons of one hook.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct HookNotes {
    pub compared: u64,
    /// Comparisons with a difference of any kind.
    pub differ: u64,
    pub decision: u64,
    pub edits: u64,
    pub tags: u64,
    pub scores: u64,
    pub fault: u64,
}

/// One call that two versions answered differently.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// Milliseconds since 1970-01-01 UTC.
    pub at_ms: u64,
    /// Interface name of the hook.
    pub hook: &'static str,
    /// The message, if there was one.
    pub message: Option<Arc<str>>,
    /// The session, if there was one.
    pub session: Option<Arc<str>>,
    /// In what they differ.
    pub differences: Vec<Difference>,
    /// What only the candidate asked of the host, and was not given.
    pub beyond: Vec<String>,
}

impl Shadow {
    /// Starts the thread. It ends when the shadow is dropped, after what waits.
    pub fn start(
        name: Arc<str>,
        digest: Arc<str>,
        against: Arc<str>,
        serves: Arc<Generation>,
        services: Arc<dyn Services>,
    ) -> std::io::Result<Shadow> {
        let (queue, jobs) = sync_channel(limits::SHADOW_QUEUE_MAX);
        let notes = Arc::new(Notes {
            serves: ArcSwap::new(serves),
            waiting_bytes: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            in_service: Tally::default(),
            candidate: Tally::default(),
            compared: Mutex::default(),
            services,
            name,
        });
        let own = notes.clone();
        thread::Builder::new()
            .name("baton-shadow".into())
            .spawn(move || own.run(&jobs))?;
        Ok(Shadow {
            digest,
            against,
            queue,
            notes,
        })
    }

    /// Other settings for the same candidate.
    pub fn serve(&self, generation: Arc<Generation>) {
        self.notes.serves.store(generation);
    }

    /// Counts what the version in service came to.
    pub fn note_in_service(&self, hook: Hook, answer: Option<&Answer>) {
        self.notes.in_service.note(hook, answer);
    }

    /// Hands a call over. Never waits: one that does not fit is counted and dropped.
    pub fn offer(&self, job: Job) {
        let bytes = job.bytes();
        let waiting = self.notes.waiting_bytes.load(Relaxed);
        if job.host.cut || waiting.saturating_add(bytes) > limits::SHADOW_BYTES_MAX {
            self.notes.dropped.fetch_add(1, Relaxed);
            return;
        }
        self.notes.waiting_bytes.fetch_add(bytes, Relaxed);
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = self.queue.try_send(job)
        {
            self.notes.waiting_bytes.fetch_sub(bytes, Relaxed);
            self.notes.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Calls that were not made again for want of room or time.
    pub fn dropped(&self) -> u64 {
        self.notes.dropped.load(Relaxed)
    }

    /// Comparisons, and how many of them differed.
    pub fn totals(&self) -> (u64, u64) {
        let compared = self.notes.lock();
        let sum = |of: fn(&HookNotes) -> u64| compared.hooks.iter().map(of).sum();
        (sum(|notes| notes.compared), sum(|notes| notes.differ))
    }

    pub fn hook(&self, hook: Hook) -> (HookNotes, Rates, Rates) {
        (
            self.notes.lock().hooks[hook as usize],
            self.notes.in_service.rates(hook),
            self.notes.candidate.rates(hook),
        )
    }

    /// Calls that were answered differently, the latest last.
    pub fn examples(&self) -> Vec<Example> {
        self.notes.lock().examples.iter().cloned().collect()
    }
}

impl Notes {
    fn lock(&self) -> MutexGuard<'_, Compared> {
        self.compared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, jobs: &Receiver<Job>) {
        crate::engine::step_back(10);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build();
        let Ok(runtime) = runtime else {
            tracing::error!("a shadow has no runtime, and compares nothing");
            return;
        };
        let mut sittings = Sittings::default();
        while let Ok(job) = jobs.recv() {
            self.waiting_bytes.fetch_sub(job.bytes(), Relaxed);
            let generation = self.serves.load_full();
            // What little room the pool has left is for mail.
            if !generation.engines.has_room_beside_mail() {
                self.dropped.fetch_add(1, Relaxed);
                continue;
            }
            runtime.block_on(self.compare(&mut sittings, &generation, job));
        }
    }

    async fn compare(&self, sittings: &mut Sittings, generation: &Arc<Generation>, job: Job) {
        let hook = job.before.asked.question().hook();
        let tape = Tape::playing(job.host.calls.clone(), After::Services, false);
        let sitting = sittings.of(job.sitting, generation);
        let repeated = sitting.ask(&job.before, tape.clone()).await;
        if repeated.record.is_some() {
            self.candidate.note(hook, repeated.answer.as_ref());
        }
        self.note(hook, &job, &repeated.said, tape.beyond());
    }

    fn note(&self, hook: Hook, job: &Job, said: &Said, beyond: Vec<String>) {
        let differences = job.said.differences(said, false);
        let result = if said.fault.is_some() {
            "fault"
        } else if differences.is_empty() {
            "same"
        } else {
            "differs"
        };
        let mut compared = self.lock();
        let notes = &mut compared.hooks[hook as usize];
        notes.compared += 1;
        notes.differ += u64::from(!differences.is_empty());
        for one in &differences {
            *match one.what {
                "decision" => &mut notes.decision,
                "edits" => &mut notes.edits,
                "tags" => &mut notes.tags,
                "scores" => &mut notes.scores,
                _ => &mut notes.fault,
            } += 1;
        }
        if !differences.is_empty() {
            // The first ones stay, since they tell how it began; of the others the latest.
            if compared.examples.len() >= limits::TRIAL_EXAMPLES_MAX {
                compared.examples.remove(limits::TRIAL_EXAMPLES_MAX / 2);
            }
            compared.examples.push_back(Example {
                at_ms: millis(self.services.now_ms()),
                hook: hook.name(),
                message: job.before.message_id.clone(),
                session: job
                    .before
                    .session
                    .as_ref()
                    .map(|session| session.id.clone()),
                differences,
                beyond,
            });
        }
        drop(compared);
        self.services.event(PluginEvent {
            plugin: &self.name,
            message: job.before.message_id.as_deref(),
            kind: PluginEventKind::Compared {
                hook: hook.name(),
                result,
            },
        });
    }
}

/// Sittings that go on, by their number: tags a candidate sets in one hook are there in the next.
#[derive(Default)]
struct Sittings {
    by_number: HashMap<u64, Again>,
    order: VecDeque<u64>,
}

impl Sittings {
    fn of(&mut self, number: u64, generation: &Arc<Generation>) -> &mut Again {
        let same = self
            .by_number
            .get(&number)
            .is_some_and(|sitting| Arc::ptr_eq(sitting.generation(), generation));
        if !same {
            if self
                .by_number
                .insert(number, Again::new(generation.clone()))
                .is_none()
            {
                self.order.push_back(number);
            }
            if self.order.len() > limits::SHADOW_SITTINGS_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.by_number.remove(&oldest);
            }
        }
        self.by_number
            .entry(number)
            .or_insert_with(|| Again::new(generation.clone()))
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn millis(ms: f64) -> u64 {
    Duration::from_secs_f64(ms.max(0.0) / 1000.0).as_millis() as u64
}
