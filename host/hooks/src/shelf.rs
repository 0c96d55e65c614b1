//! Where instances rest between two calls, and from where they are taken when others need their place.
//!
//! A client that opens transactions and then says nothing must pin neither memory nor places of the pool. So a sitting
//! does not own its resting instances alone: one that rests for too long is dropped, and when the pool is used up the one
//! that has rested longest goes. The sitting makes a new one when it needs it, as authors are told.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::instance::Instance;

/// The place of one plugin's instance in one sitting.
pub(crate) struct Slot {
    /// Position of the plugin in the generation of the sitting.
    pub at: u16,
    instance: Mutex<Option<Instance>>,
    /// The tick of the last time it was put back.
    since: AtomicU64,
}

impl Slot {
    pub fn new(at: u16) -> Arc<Slot> {
        Arc::new(Slot {
            at,
            instance: Mutex::new(None),
            since: AtomicU64::new(0),
        })
    }

    /// The instance, if it rests here still.
    pub fn take(&self) -> Option<Instance> {
        self.lock().take()
    }

    /// Whether an instance rests here.
    pub fn is_taken(&self) -> bool {
        self.lock().is_some()
    }

    /// Whether what rests here should not be called any more.
    pub fn is_worn(&self) -> bool {
        self.lock().as_ref().is_some_and(Instance::is_worn)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instance>> {
        self.instance.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All slots of the process.
#[derive(Default)]
pub(crate) struct Shelf {
    slots: Mutex<VecDeque<Weak<Slot>>>,
    tick: AtomicU64,
}

impl Shelf {
    /// Lays an instance to rest. `known` says that the slot was on the shelf before.
    pub fn put(&self, slot: &Arc<Slot>, instance: Instance, known: bool) {
        slot.since.store(self.tick.load(Relaxed), Relaxed);
        *slot.lock() = Some(instance);
        if !known {
            self.lock().push_back(Arc::downgrade(slot));
        }
    }

    /// Drops the instance that has rested longest; false if none rests.
    pub fn evict(&self) -> bool {
        let resting = |slots: &VecDeque<Weak<Slot>>| {
            let alive = slots
                .iter()
                .filter_map(Weak::upgrade)
                .filter(|slot| slot.is_taken());
            alive.min_by_key(|slot| slot.since.load(Relaxed))
        };
        loop {
            // Not in one expression: the shelf must be free again before an instance is dropped.
            let oldest = resting(&self.lock());
            match oldest {
                None => return false,
                // It may have been called in the meantime; then another is the oldest.
                Some(slot) => {
                    if slot.take().is_some() {
                        return true;
                    }
                }
            }
        }
    }

    /// Time goes on; now and then the shelf is cleared of what rested for so many ticks.
    pub fn tick(&self, rest_ticks_max: u64) {
        let now = self.tick.fetch_add(1, Relaxed) + 1;
        if !now.is_multiple_of(SWEEP_TICKS) {
            return;
        }
        let mut tired = Vec::new();
        self.lock().retain(|slot| {
            let Some(slot) = slot.upgrade() else {
                return false;
            };
            if now.saturating_sub(slot.since.load(Relaxed)) >= rest_ticks_max {
                tired.push(slot);
            }
            true
        });
        for slot in tired {
            drop(slot.take());
        }
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Weak<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How often the shelf is swept.
const SWEEP_TICKS: u64 = 16;
