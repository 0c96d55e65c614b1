//! What the relay does by itself while nobody asks: what plugins keep is written behind, and what has expired is removed.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Instant;

use baton_spool::{Done, Operation};
use tokio::time::MissedTickBehavior;

use crate::clock;
use crate::event::{Bus, Event};
use crate::limits;
use crate::services::kv::Kv;
use crate::store::{Store, StoreError};

/// Makes durable what plugins keep, twice a second.
pub async fn write_behind(kv: Arc<Kv>, bus: Bus) {
    let mut tick = tokio::time::interval(limits::KV_FLUSH_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        if let Err(error) = kv.flush().await {
            let (place, error) = ("key-value", error.to_string());
            bus.emit(Event::Trouble { place, error });
        }
    }
}

/// Removes rows whose time is over, once a minute.
pub async fn sweep(store: Store, bus: Bus) {
    let mut tick = tokio::time::interval(limits::SWEEP_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let now_ms = clock::now().as_millis();
        if let Err(error) = sweep_all(&store, now_ms).await {
            let (place, error) = ("sweep", error.to_string());
            bus.emit(Event::Trouble { place, error });
        }
    }
}

/// Removes all that has expired by now, however much it is; how many rows. It is done in steps of some milliseconds, since
/// whoever wants to commit meanwhile waits for one of them, and rests after each for as long as it took: the writer belongs
/// to the mail.
async fn sweep_all(store: &Store, now_ms: u64) -> Result<u64, StoreError> {
    let rows_max = limits::SWEEP_ROWS_MAX;
    let mut removed = 0;
    loop {
        let began = Instant::now();
        let step = Operation::Sweep { now_ms, rows_max };
        let answers = store.commit_later(vec![step]).await?;
        let Some(Ok(Done::Changed(rows))) = answers.into_iter().next() else {
            return Ok(removed);
        };
        removed += rows;
        if rows < u64::from(rows_max) {
            return Ok(removed);
        }
        tokio::time::sleep(began.elapsed()).await;
    }
}
