//! The async door to the spool: one writer thread, and group commit.
//!
//! Everybody who wants something durable hands over a list of operations and waits. The writer takes all that waits at
//! that moment into one transaction, syncs once, and answers all of them: while one sync runs, the next batch gathers.
//! What an accepted message needs to be delivered is handed to the queue from here as well, after the sync, so that
//! receiving and delivering meet nowhere else.

#[cfg(test)]
mod tests;
mod writer;

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use baton_message::recipe;
use baton_spool::{
    Answer, Entry, EntryState, IdSource, KvWrite, Limits, Message, MessageId, NewMessage,
    OpenReport, Operation, Outcome, Refusal, Settle, Snapshot, Spool,
};
use bytes::Bytes;
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};

use crate::clock;
use crate::event::metrics::CommitMeter;
use crate::limits;

/// Why something is not durable.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// The spool is at its limit, or the disk has no room. Answer 452.
    #[error("the spool is full: {0}")]
    Full(String),
    /// The operation as such was refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The disk or the spool does not work. Answer 451.
    #[error("the spool does not work: {0}")]
    Broken(Arc<baton_spool::Error>),
    /// The relay is going down.
    #[error("the spool is closed")]
    Closed,
}

impl StoreError {
    /// What the spool's error means for who waits.
    pub fn of(error: baton_spool::Error) -> StoreError {
        match error {
            baton_spool::Error::Full(why) => StoreError::Full(why),
            other => StoreError::Broken(Arc::new(other)),
        }
    }
}

/// A message that has just become durable, with all that a first attempt needs.
#[derive(Clone, Debug)]
pub struct Fresh {
    pub message: Arc<Message>,
    pub entries: Vec<Entry>,
    /// The body, as long as those of all fresh messages fit into memory together.
    pub body: Option<Arc<Body>>,
}

/// A body in memory; counted as long as somebody holds it.
#[derive(Debug)]
pub struct Body {
    pub pieces: Vec<Bytes>,
    bytes: usize,
    counter: Arc<AtomicUsize>,
}

impl Drop for Body {
    fn drop(&mut self) {
        self.counter.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Cheap to clone.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    spool: Arc<Spool>,
    jobs: Mutex<Option<std::sync::mpsc::Sender<Job>>>,
    /// Bounds the jobs that wait, and with them the memory of what they carry.
    room: Arc<Semaphore>,
    ids: Mutex<IdSource>,
    fresh: mpsc::Sender<Fresh>,
    missed: Arc<Missed>,
    fresh_body_bytes: Arc<AtomicUsize>,
    writer: Mutex<Option<std::thread::JoinHandle<()>>>,
    meter: Arc<OnceLock<CommitMeter>>,
}

/// Tells the queue that it must look into the spool: something due was not handed to it, or will be due before it looks
/// again by itself.
#[derive(Debug)]
pub struct Missed {
    flag: AtomicBool,
    /// The earliest due time that was told of since it was asked for; in milliseconds since 1970.
    expected: AtomicU64,
    /// When the queue looks again by itself.
    next_look: AtomicU64,
    notify: Notify,
}

impl Default for Missed {
    fn default() -> Missed {
        Missed {
            flag: AtomicBool::new(false),
            expected: AtomicU64::new(u64::MAX),
            next_look: AtomicU64::new(u64::MAX),
            notify: Notify::new(),
        }
    }
}

impl Missed {
    /// Something is due that the queue does not know.
    pub fn tell(&self) {
        self.flag.store(true, Ordering::Release);
        self.notify.notify_one();
    }

    /// Something will be due at this time.
    pub fn expect(&self, due_ms: u64) {
        if due_ms < self.next_look.load(Ordering::Acquire) {
            self.expected.fetch_min(due_ms, Ordering::AcqRel);
            self.notify.notify_one();
        }
    }

    /// The queue looks again at this time: only what is due before needs to be told of.
    pub fn looks_again_at(&self, look_ms: u64) {
        self.next_look.store(look_ms, Ordering::Release);
    }

    /// Whether something due was told of since this was asked last.
    pub fn take(&self) -> bool {
        self.flag.swap(false, Ordering::AcqRel)
    }

    /// The earliest time that something was expected for since this was asked last.
    pub fn take_expected(&self) -> Option<u64> {
        let expected = self.expected.swap(u64::MAX, Ordering::AcqRel);
        (expected != u64::MAX).then_some(expected)
    }

    /// Waits to be told.
    pub async fn told(&self) {
        self.notify.notified().await;
    }
}

/// What somebody wants to be durable.
struct Job {
    operations: Vec<Operation>,
    answer: oneshot::Sender<Result<Vec<Answer>, StoreError>>,
    /// May wait a moment for others: see [`limits::COMMIT_GATHER`].
    patient: bool,
    _room: tokio::sync::OwnedSemaphorePermit,
    bytes: usize,
}

/// What the queue takes from a [`Store`] when it begins.
pub struct Handover {
    /// Messages as they become durable.
    pub fresh: mpsc::Receiver<Fresh>,
    /// Told when one could not be handed over.
    pub missed: Arc<Missed>,
}

impl Store {
    /// Opens the spool in this folder and starts its writer.
    pub fn open(
        folder: &Path,
        limits: Limits,
    ) -> Result<(Store, Handover, OpenReport), baton_spool::Error> {
        let (spool, report) = Spool::open(folder, limits)?;
        let spool = Arc::new(spool);
        let (jobs, waiting) = std::sync::mpsc::channel();
        let meter = Arc::new(OnceLock::new());
        let writer = {
            let (spool, meter) = (spool.clone(), meter.clone());
            std::thread::Builder::new()
                .name("spool-writer".into())
                .spawn(move || writer::run(&spool, &waiting, &meter))
                .map_err(|e| baton_spool::Error::Io(e.to_string()))?
        };
        let (fresh_in, fresh) = mpsc::channel(limits::FRESH_MESSAGES_MAX);
        let missed = Arc::new(Missed::default());
        let store = Store {
            shared: Arc::new(Shared {
                spool,
                jobs: Mutex::new(Some(jobs)),
                room: Arc::new(Semaphore::new(limits::COMMIT_WAITING_KIB_MAX)),
                ids: Mutex::default(),
                fresh: fresh_in,
                missed: missed.clone(),
                fresh_body_bytes: Arc::default(),
                writer: Mutex::new(Some(writer)),
                meter,
            }),
        };
        Ok((store, Handover { fresh, missed }, report))
    }

    /// Where commits are counted from now on; only the first call counts.
    pub fn measure(&self, meter: CommitMeter) {
        let _ = self.shared.meter.set(meter);
    }

    /// A name for a new message.
    pub fn new_id(&self) -> MessageId {
        let mut ids = self
            .shared
            .ids
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        ids.next(clock::now().as_millis(), rand::random())
    }

    /// As [`Store::accept_and_tell`], with nothing to tell.
    pub async fn accept(
        &self,
        messages: Vec<NewMessage>,
        further: Vec<Operation>,
    ) -> Result<(), StoreError> {
        self.accept_and_tell(messages, further, None, Vec::new())
            .await
    }

    /// Makes the messages of one transaction durable, all or none, and hands what is due to the queue. When this
    /// returns Ok the client may be told 250. `events` tell of it, and are kept only with it, as `writes` are.
    pub async fn accept_and_tell(
        &self,
        messages: Vec<NewMessage>,
        further: Vec<Operation>,
        events: Option<Operation>,
        writes: Vec<KvWrite>,
    ) -> Result<(), StoreError> {
        let bytes = messages.iter().map(|m| m.body_bytes() as usize).sum();
        let later = later(&messages);
        let fresh: Vec<Fresh> = messages.iter().filter_map(|m| self.fresh(m)).collect();
        let mut operations = further;
        let decides = operations.len();
        operations.push(Operation::Accept(messages));
        operations.extend(events);
        if !writes.is_empty() {
            operations.push(Operation::KvWith(writes));
        }
        let answers = self.commit_sized(operations, bytes, false).await?;
        // Only the message itself decides: what rides along is for people to read.
        if let Some(Err(refusal)) = answers.into_iter().nth(decides) {
            return Err(refused(refusal));
        }
        if let Some(due_ms) = later {
            self.shared.missed.expect(due_ms);
        }
        self.hand_over(fresh);
        Ok(())
    }

    /// As [`Store::settle_and_tell`], with nothing to tell.
    pub async fn settle(&self, settle: Settle) -> Result<(), StoreError> {
        self.settle_and_tell(settle, None).await
    }

    /// Makes all outcomes of an attempt durable, with what follows from them.
    pub async fn settle_and_tell(
        &self,
        settle: Settle,
        events: Option<Operation>,
    ) -> Result<(), StoreError> {
        let bytes = settle
            .accept
            .iter()
            .map(|m| m.body_bytes() as usize)
            .sum::<usize>()
            + settle
                .inbox
                .iter()
                .map(|m| m.raw.iter().map(Bytes::len).sum::<usize>())
                .sum::<usize>();
        let fresh: Vec<Fresh> = settle.accept.iter().filter_map(|m| self.fresh(m)).collect();
        let put_off = settle
            .outcomes
            .iter()
            .filter_map(|(_, outcome)| match outcome {
                Outcome::Deferred { due_ms, .. } => Some(*due_ms),
                _ => None,
            });
        let next_due_ms = put_off.min();
        let mut operations = vec![Operation::Settle(Box::new(settle))];
        operations.extend(events);
        let answers = self.commit_sized(operations, bytes, true).await?;
        if let Some(Err(refusal)) = answers.into_iter().next() {
            return Err(refused(refusal));
        }
        if let Some(due_ms) = next_due_ms {
            self.shared.missed.expect(due_ms);
        }
        self.hand_over(fresh);
        Ok(())
    }

    /// Makes operations durable; one answer for each.
    pub async fn commit(&self, operations: Vec<Operation>) -> Result<Vec<Answer>, StoreError> {
        let wakes = operations
            .iter()
            .any(|o| matches!(o, Operation::Release { .. } | Operation::Reschedule { .. }));
        let answers = self.commit_sized(operations, 0, false).await?;
        if wakes {
            self.shared.missed.tell();
        }
        Ok(answers)
    }

    /// As [`Store::commit`], for what only informs: it may wait a moment for others to share a sync with.
    pub async fn commit_later(
        &self,
        operations: Vec<Operation>,
    ) -> Result<Vec<Answer>, StoreError> {
        self.commit_sized(operations, 0, true).await
    }

    /// What is in the spool at this moment.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.shared.spool.snapshot().map_err(StoreError::of)
    }

    /// Runs a read that may be long on a thread where it holds up nobody.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Snapshot) -> Result<T, baton_spool::Error> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.clone();
        tokio::task::spawn_blocking(move || read(&store.snapshot()?).map_err(StoreError::of))
            .await
            .map_err(|_| StoreError::Closed)?
    }

    /// The bytes of a message that waits, in pieces that follow each other; none if it does not wait.
    pub async fn body(&self, id: MessageId) -> Result<Option<Vec<Bytes>>, StoreError> {
        self.read(move |snapshot| match snapshot.body(id)? {
            Some(baton_spool::Body::Whole(bytes)) => Ok(Some(vec![bytes])),
            Some(baton_spool::Body::Copy {
                original,
                recipe,
                body_bytes,
            }) => match recipe::follow(&original, &recipe, body_bytes) {
                Ok(pieces) => Ok(Some(pieces)),
                Err(error) => Err(baton_spool::Error::Unreadable {
                    message: id,
                    reason: error.to_string(),
                }),
            },
            None => Ok(None),
        })
        .await
    }

    /// The spool itself, for reads that [`Store::snapshot`] does not offer.
    pub fn spool(&self) -> &Spool {
        &self.shared.spool
    }

    /// Whoever needs the queue to look into the spool tells this.
    pub fn missed(&self) -> &Missed {
        &self.shared.missed
    }

    /// Ends the writer after everything handed over before is durable. Later commits answer [`StoreError::Closed`].
    pub async fn close(&self) {
        drop(
            self.shared
                .jobs
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
        let writer = self
            .shared
            .writer
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(writer) = writer {
            let _ = tokio::task::spawn_blocking(move || writer.join()).await;
        }
    }

    async fn commit_sized(
        &self,
        operations: Vec<Operation>,
        bytes: usize,
        patient: bool,
    ) -> Result<Vec<Answer>, StoreError> {
        let kib = (bytes / 1024 + 4).min(limits::COMMIT_WAITING_KIB_MAX) as u32;
        let room = self.shared.room.clone().acquire_many_owned(kib).await;
        let room = room.map_err(|_| StoreError::Closed)?;
        let (answer, answered) = oneshot::channel();
        let job = Job {
            operations,
            answer,
            patient,
            _room: room,
            bytes,
        };
        {
            let jobs = self
                .shared
                .jobs
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let jobs = jobs.as_ref().ok_or(StoreError::Closed)?;
            jobs.send(job).map_err(|_| StoreError::Closed)?;
        }
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// What the queue will want to know of a message, if an entry of it is due at once.
    fn fresh(&self, new: &NewMessage) -> Option<Fresh> {
        let now = clock::now().as_millis();
        let entries: Vec<Entry> = (0..)
            .zip(&new.recipients)
            .filter(|(_, entry)| matches!(entry.state, EntryState::Due(at) if at <= now))
            .map(|(number, entry)| Entry {
                id: baton_spool::EntryId::new(new.id, number),
                recipient: entry.recipient.clone(),
                state: entry.state.clone(),
                attempts: 0,
                last: None,
                notes: entry.notes.clone(),
            })
            .collect();
        if entries.is_empty() {
            return None;
        }
        let message = Arc::new(Message {
            id: new.id,
            received_ms: new.received_ms,
            body_bytes: new.body_bytes(),
            sender: new.sender.clone(),
            parameters: new.parameters.clone(),
            recipients_total: new.recipients.len() as u32,
            origin: new.origin.clone(),
            tags: new.tags.clone(),
            plugins: new.plugins.clone(),
            subject: new.subject.clone(),
            meta: new.meta.clone(),
        });
        Some(Fresh {
            message,
            entries,
            body: self.keep_body(new),
        })
    }

    fn keep_body(&self, new: &NewMessage) -> Option<Arc<Body>> {
        let bytes = new.body_bytes() as usize;
        let counter = &self.shared.fresh_body_bytes;
        if counter.fetch_add(bytes, Ordering::Relaxed) + bytes > limits::FRESH_BODY_BYTES_MAX {
            counter.fetch_sub(bytes, Ordering::Relaxed);
            return None;
        }
        Some(Arc::new(Body {
            pieces: new.body.clone(),
            bytes,
            counter: counter.clone(),
        }))
    }

    fn hand_over(&self, fresh: Vec<Fresh>) {
        for one in fresh {
            if self.shared.fresh.try_send(one).is_err() {
                self.shared.missed.tell();
            }
        }
    }
}

fn refused(refusal: Refusal) -> StoreError {
    match refusal {
        Refusal::Full => StoreError::Full(Refusal::Full.to_string()),
        other => StoreError::Refused(other),
    }
}

/// When the first of these is due that is not due yet.
fn later(messages: &[NewMessage]) -> Option<u64> {
    let now = clock::now().as_millis();
    let entries = messages.iter().flat_map(|message| &message.recipients);
    let due = entries.filter_map(|entry| match entry.state {
        EntryState::Due(at) if at > now => Some(at),
        _ => None,
    });
    due.min()
}
