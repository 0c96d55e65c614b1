//! The writer thread: gathers what waits, commits it as one transaction, answers everybody.

use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant;

use baton_spool::{Durability, Operation, Spool};

use super::{Job, StoreError};
use crate::event::metrics::CommitMeter;
use crate::limits;

/// Runs until every sender is gone and everything they sent is done.
pub(super) fn run(spool: &Spool, jobs: &Receiver<Job>, meter: &OnceLock<CommitMeter>) {
    let mut before = 0;
    while let Ok(first) = jobs.recv() {
        let batch = gather(first, jobs, before);
        before = batch.len();
        let operations = batch.iter().map(|job| job.operations.len()).sum();
        let began = Instant::now();
        commit(spool, batch);
        if let Some(meter) = meter.get() {
            meter.committed(operations, began.elapsed());
        }
    }
}

/// All that waits, up to the limits of a batch. Jobs that are patient let others join for a moment. So does everybody
/// while many are about: those who were answered a moment ago are about to ask for more, and a sync for one of them alone
/// would keep all others waiting longer than the moment does.
fn gather(first: Job, jobs: &Receiver<Job>, before: usize) -> Vec<Job> {
    let deadline = Instant::now() + limits::COMMIT_GATHER;
    let mut batch = Batch {
        bytes: first.bytes,
        patient: first.patient,
        jobs: vec![first],
    };
    batch.take_what_waits(jobs);
    if before >= limits::COMMIT_LINGER_JOBS_MIN && batch.jobs.len() < before {
        std::thread::sleep(limits::COMMIT_LINGER);
        batch.take_what_waits(jobs);
    }
    while batch.patient && batch.has_room() {
        match jobs.recv_timeout(deadline - Instant::now().min(deadline)) {
            Ok(job) => batch.push(job),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
        }
        batch.take_what_waits(jobs);
    }
    batch.jobs
}

struct Batch {
    jobs: Vec<Job>,
    bytes: usize,
    /// Nobody in it is in a hurry.
    patient: bool,
}

impl Batch {
    fn has_room(&self) -> bool {
        self.jobs.len() < limits::BATCH_JOBS_MAX && self.bytes < limits::BATCH_BYTES_MAX
    }

    fn push(&mut self, job: Job) {
        self.bytes += job.bytes;
        self.patient &= job.patient;
        self.jobs.push(job);
    }

    fn take_what_waits(&mut self, jobs: &Receiver<Job>) {
        while self.has_room()
            && let Ok(job) = jobs.try_recv()
        {
            self.push(job);
        }
    }
}

fn commit(spool: &Spool, batch: Vec<Job>) {
    let mut operations = Vec::with_capacity(batch.len());
    let mut waiting = Vec::with_capacity(batch.len());
    for Job {
        operations: mut theirs,
        answer,
        _room: room,
        ..
    } in batch
    {
        waiting.push((answer, theirs.len(), room));
        operations.append(&mut theirs);
    }
    match spool.commit(&operations, Durability::Durable) {
        Ok(answers) => {
            let mut answers = answers.into_iter();
            for (answer, count, _room) in waiting {
                let theirs = answers.by_ref().take(count).collect();
                let _ = answer.send(Ok(theirs));
            }
        }
        Err(error) => one_by_one(spool, operations, waiting, StoreError::of(error)),
    }
}

type Waiting = (
    tokio::sync::oneshot::Sender<Result<Vec<baton_spool::Answer>, StoreError>>,
    usize,
    tokio::sync::OwnedSemaphorePermit,
);

/// A batch that failed as a whole may hold one job that is to blame, such as a message the disk has no room for: each is
/// tried by itself, so that the others do not suffer for it.
fn one_by_one(spool: &Spool, operations: Vec<Operation>, waiting: Vec<Waiting>, error: StoreError) {
    let alone = waiting.len() == 1;
    let mut operations = operations.as_slice();
    for (answer, count, _room) in waiting {
        let (theirs, others) = operations.split_at(count);
        operations = others;
        let result = if alone {
            Err(error.clone())
        } else {
            spool
                .commit(theirs, Durability::Durable)
                .map_err(StoreError::of)
        };
        let _ = answer.send(result);
    }
}
