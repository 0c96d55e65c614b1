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
    while let Ok(first) = jobs.recv() {
        let batch = gather(first, jobs);
        let operations = batch.iter().map(|job| job.operations.len()).sum();
        let began = Instant::now();
        commit(spool, batch);
        if let Some(meter) = meter.get() {
            meter.committed(operations, began.elapsed());
        }
    }
}

/// All that waits, up to the limits of a batch. Jobs that are patient let others join for a moment.
fn gather(first: Job, jobs: &Receiver<Job>) -> Vec<Job> {
    let deadline = Instant::now() + limits::COMMIT_GATHER;
    let mut bytes = first.bytes;
    let mut patient = first.patient;
    let mut batch = vec![first];
    while batch.len() < limits::BATCH_JOBS_MAX && bytes < limits::BATCH_BYTES_MAX {
        let next = match jobs.try_recv() {
            Ok(job) => job,
            Err(_) if patient => match jobs.recv_timeout(deadline - Instant::now().min(deadline)) {
                Ok(job) => job,
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            },
            Err(_) => break,
        };
        bytes += next.bytes;
        patient &= next.patient;
        batch.push(next);
    }
    batch
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
