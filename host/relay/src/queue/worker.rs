//! One connection to a site: takes jobs as long as there are some, and waits a moment for more.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::sleep;

use super::attempt::{self, Line};
use super::plan::SiteKey;
use super::site::Take;
use super::{Job, Queue};

/// Works for one site until it is told to leave, or nothing comes for a while.
pub(super) async fn run(queue: Queue, key: Arc<SiteKey>, wake: Arc<Notify>) {
    let mut line = Line::new(&queue, &key);
    loop {
        match next(&queue, &key) {
            Take::Job(job) => Box::pin(attempt::run(&queue, &key, &mut line, job)).await,
            Take::Wait(wait_ms) => tokio::select! {
                () = sleep(Duration::from_millis(wait_ms.min(1000))) => {}
                () = queue.shared.stop.cancelled() => {}
            },
            Take::Idle => {
                if !idle(&queue, &key, &wake, &mut line).await {
                    break;
                }
            }
            Take::Leave => break,
        }
    }
    queue.worker_ended(&key);
    line.close().await;
}

fn next(queue: &Queue, key: &Arc<SiteKey>) -> Take<Job> {
    let now = queue.now_ms();
    let mut state = queue.lock();
    let Some(site) = state.sites.get_mut(key) else {
        return Take::Leave;
    };
    if queue.shared.stop.is_cancelled() {
        site.queue.worker_left();
        return Take::Leave;
    }
    site.queue.take(now)
}

/// Waits for more work with the connection open; false if it is time to leave.
async fn idle(queue: &Queue, key: &Arc<SiteKey>, wake: &Notify, line: &mut Line) -> bool {
    // Whoever waits for a connection elsewhere needs it more than somebody who may have something to send.
    let wanted_elsewhere = !queue.lock().hungry.is_empty();
    if !wanted_elsewhere {
        tokio::select! {
            () = wake.notified() => {}
            () = sleep(queue.shared.parts.config.delivery.idle_timeout) => {}
            () = line.ended() => line.forget(),
            () = queue.shared.stop.cancelled() => {}
        }
    }
    let mut state = queue.lock();
    let Some(site) = state.sites.get_mut(key) else {
        return false;
    };
    site.queue.awake();
    let goes_on = site.queue.waiting() > 0 && !queue.shared.stop.is_cancelled();
    if !goes_on {
        site.queue.worker_left();
    }
    goes_on
}
