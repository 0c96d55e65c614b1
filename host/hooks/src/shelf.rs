//! Where instances rest between two calls, and from where they are taken when others need their place.
//!
//! A client that opens transactions and then says nothing must pin neither memory nor places of the pool. So a sitting
//! does not own its resting instances alone: one that rests for too long is dropped, and when the pool is used up one
//! that has rested for long goes. The sitting makes a new one when it needs it, as authors are told.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use crate::instance::Instance;

/// How often the shelf is swept.
const SWEEP_TICKS: u64 = 16;

/// The place of one plugin's instance in one sitting.
pub(crate) struct Slot {
    /// Position of the plugin in the generation of the sitting.
    pub at: u16,
    resting: Mutex<Resting>,
}

#[derive(Default)]
struct Resting {
    /// None while it is called, and after it gave way.
    instance: Option<Instance>,
    /// Whether the shelf knows of this slot.
    shelved: bool,
    /// Whether it was put back since somebody last looked for one to give way.
    touched: bool,
    /// The tick of the last time it was put back.
    since: u64,
}

impl Slot {
    pub fn new(at: u16) -> Arc<Slot> {
        Arc::new(Slot {
            at,
            resting: Mutex::default(),
        })
    }

    /// The instance, if it rests here still.
    pub fn take(&self) -> Option<Instance> {
        self.lock().instance.take()
    }

    /// Whether an instance rests here.
    pub fn is_taken(&self) -> bool {
        self.lock().instance.is_some()
    }

    /// Whether what rests here should not be called any more.
    pub fn is_worn(&self) -> bool {
        self.lock().instance.as_ref().is_some_and(Instance::is_worn)
    }

    fn lock(&self) -> MutexGuard<'_, Resting> {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All slots in which something rests, roughly in the order in which it was put there.
#[derive(Default)]
pub(crate) struct Shelf {
    slots: Mutex<VecDeque<Weak<Slot>>>,
    tick: AtomicU64,
}

impl Shelf {
    /// Lays an instance to rest.
    pub fn put(&self, slot: &Arc<Slot>, instance: Instance) {
        let mut resting = slot.lock();
        let shelved = std::mem::replace(&mut resting.shelved, true);
        resting.instance = Some(instance);
        resting.touched = true;
        resting.since = self.tick.load(Relaxed);
        drop(resting);
        if !shelved {
            self.lock().push_back(Arc::downgrade(slot));
        }
    }

    /// Drops an instance that has rested since the last time somebody looked; false if none rests at all.
    pub fn evict(&self) -> bool {
        let mut found = None;
        let mut slots = self.lock();
        // The first round takes the marks off, the second finds one without.
        for _ in 0..2 * slots.len() {
            let Some(weak) = slots.pop_front() else { break };
            let Some(slot) = weak.upgrade() else { continue };
            let mut resting = slot.lock();
            if resting.instance.is_none() {
                resting.shelved = false;
            } else if std::mem::take(&mut resting.touched) {
                slots.push_back(weak);
            } else {
                found = resting.instance.take();
                resting.shelved = false;
                break;
            }
        }
        drop(slots);
        found.is_some()
    }

    /// Time goes on; now and then what has rested for so many ticks is dropped.
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
            let mut resting = slot.lock();
            if resting.instance.is_none() {
                resting.shelved = false;
            } else if now.saturating_sub(resting.since) >= rest_ticks_max {
                tired.extend(resting.instance.take());
                resting.shelved = false;
            }
            resting.shelved
        });
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Weak<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
