//! Events as they happen, for `GET /api/v1/events` and whoever else wants to watch.

use std::sync::Arc;

use serde::Serialize;
use tokio::sync::broadcast;

use super::Event;
use crate::clock::Timestamp;

/// Events a slow reader may lag behind before it loses the oldest.
const LAG_EVENTS_MAX: usize = 4096;

/// An event with its time.
#[derive(Debug, Serialize)]
pub struct Stamped {
    /// Milliseconds since 1970-01-01 UTC.
    pub at: u64,
    #[serde(flatten)]
    pub event: Event,
}

pub(super) struct Stream {
    sender: broadcast::Sender<Arc<Stamped>>,
}

impl Stream {
    pub fn new() -> Stream {
        Stream {
            sender: broadcast::Sender::new(LAG_EVENTS_MAX),
        }
    }

    pub fn readers(&self) -> usize {
        self.sender.receiver_count()
    }

    pub fn send(&self, at: Timestamp, event: Event) {
        // An error means that the last reader has just gone.
        let _ = self.sender.send(Arc::new(Stamped {
            at: at.as_millis(),
            event,
        }));
    }

    pub fn subscribe(&self) -> Reader {
        Reader {
            receiver: self.sender.subscribe(),
        }
    }
}

/// One watcher.
pub struct Reader {
    receiver: broadcast::Receiver<Arc<Stamped>>,
}

/// What a watcher gets next.
#[derive(Debug)]
pub enum Next {
    Event(Arc<Stamped>),
    /// The reader was too slow and lost so many.
    Lost(u64),
}

impl Reader {
    /// Waits for the next event; nothing after the relay is gone.
    pub async fn next(&mut self) -> Option<Next> {
        match self.receiver.recv().await {
            Ok(event) => Some(Next::Event(event)),
            Err(broadcast::error::RecvError::Lagged(count)) => Some(Next::Lost(count)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}
