//! How wasmtime is set up: one place for pooling, copy-on-write, epochs and limits.
//!
//! Two flavours of one engine exist. The plain one runs components that use nothing of the component model's own
//! concurrency, and a call there costs a third. The concurrent one is made when the first component needs it (one
//! JavaScript toolchain does), since each flavour reserves address space for its pool.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use wasmtime::component::Linker;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
};

use crate::abi;
use crate::error::Error;
use crate::guest::Guest;
use crate::limits;
use crate::settings::Pool;
use crate::shelf::Shelf;

/// Bytes of one instance's memory that are kept and reset instead of given back; needs a kernel that tells which pages
/// were written, otherwise resetting costs more than it saves.
const KEEP_RESIDENT_BYTES: usize = 1 << 20;
/// Slots that keep their memory warm. More would pin memory after a burst.
const WARM_SLOTS: u32 = 64;
/// Core instances, memories and tables a component is made of, on average at most: interpreters bring several.
const CORE_INSTANCES_PER_INSTANCE: u32 = 4;

/// An engine with everything linked that plugins may import.
pub(crate) struct Flavour {
    pub engine: Engine,
    pub linker: Linker<Guest>,
    /// Differs where native code of one cannot run in the other.
    pub compatibility: String,
}

/// Both flavours, the pool and the clock of their epochs.
pub(crate) struct Engines {
    plain: Flavour,
    concurrent: OnceLock<Flavour>,
    pool: Pool,
    /// One permit for each live instance.
    permits: Arc<Semaphore>,
    ticker: Arc<Ticker>,
}

impl Engines {
    /// Starts the plain flavour and the epoch clock.
    pub fn start(pool: Pool) -> Result<Engines, Error> {
        let plain = flavour(&pool, false)?;
        let ticker = Ticker::start(pool.rest)?;
        ticker.add(&plain.engine);
        Ok(Engines {
            plain,
            concurrent: OnceLock::new(),
            pool,
            permits: Arc::new(Semaphore::new(pool.instances_max as usize)),
            ticker,
        })
    }

    /// The flavour for components that need, or do not need, the component model's concurrency.
    pub fn flavour(&self, concurrent: bool) -> Result<&Flavour, Error> {
        if !concurrent {
            return Ok(&self.plain);
        }
        if let Some(made) = self.concurrent.get() {
            return Ok(made);
        }
        let made = flavour(&self.pool, true)?;
        // Where two threads make one, the second is dropped.
        let kept = self.concurrent.get_or_init(|| made);
        self.ticker.add(&kept.engine);
        Ok(kept)
    }

    /// A place for one more instance. Where all are taken, the instance that has rested longest gives way; where all
    /// are at work, the call waits, but not for ever.
    pub async fn permit(&self) -> Option<OwnedSemaphorePermit> {
        let mut left = self.pool.wait;
        loop {
            if let Ok(permit) = self.permits.clone().try_acquire_owned() {
                return Some(permit);
            }
            if self.shelf().evict() {
                continue;
            }
            // Looks again now and then: what begins to rest meanwhile gives no permit by itself.
            let step = left.min(limits::TICK);
            match timeout(step, self.permits.clone().acquire_owned()).await {
                Ok(permit) => return permit.ok(),
                Err(Elapsed { .. }) if step < limits::TICK => return None,
                Err(Elapsed { .. }) => left -= step,
            }
        }
    }

    /// Whether something that is no mail may take a place: mail keeps its share of the pool free.
    pub fn has_room_beside_mail(&self) -> bool {
        let all = self.pool.instances_max as usize;
        self.permits.available_permits() > all.div_ceil(limits::SHADOW_POOL_SHARE)
    }

    /// Where instances rest.
    pub fn shelf(&self) -> &Shelf {
        &self.ticker.shelf
    }
}

fn flavour(pool: &Pool, concurrent: bool) -> Result<Flavour, Error> {
    let engine = Engine::new(&config(pool, concurrent)).map_err(|e| Error::Engine(chain(&e)))?;
    let mut linker = Linker::new(&engine);
    abi::link(&mut linker).map_err(|e| Error::Engine(chain(&e)))?;
    let compatibility = compatibility(&engine);
    Ok(Flavour {
        engine,
        linker,
        compatibility,
    })
}

fn config(pool: &Pool, concurrent: bool) -> Config {
    let instances = pool.instances_max.max(1);
    let parts = instances.saturating_mul(CORE_INSTANCES_PER_INSTANCE);
    let keep = if PoolingAllocationConfig::is_pagemap_scan_available() {
        KEEP_RESIDENT_BYTES
    } else {
        0
    };
    let mut pooling = PoolingAllocationConfig::new();
    pooling
        .total_component_instances(instances)
        .total_core_instances(parts)
        .total_memories(instances.saturating_add(instances / 4).saturating_add(1))
        .total_tables(parts)
        .total_stacks(instances)
        .max_memory_size(limits::MEMORY_BYTES_CEILING)
        .table_elements(limits::TABLE_ELEMENTS_MAX)
        .max_tables_per_module(8)
        .max_component_instance_size(4 << 20)
        .max_core_instance_size(4 << 20)
        .max_unused_warm_slots(WARM_SLOTS)
        .linear_memory_keep_resident(keep)
        .table_keep_resident(keep.min(64 << 10))
        .pagemap_scan(Enabled::Auto);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pooling))
        .memory_init_cow(true)
        .epoch_interruption(true)
        .wasm_component_model(true)
        .concurrency_support(concurrent)
        .cranelift_opt_level(OptLevel::Speed)
        // Compiling takes one core and leaves the others to the mail.
        .parallel_compilation(false);
    config
}

/// A name for "native code of this wasmtime, these settings, this processor".
fn compatibility(engine: &Engine) -> String {
    use std::hash::{Hash, Hasher};
    // SipHash with fixed keys: the same in every process.
    #[allow(deprecated)]
    let mut hasher = std::hash::SipHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// An error with its causes on one line.
pub(crate) fn chain(error: &wasmtime::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(cause.trim());
    }
    text
}

/// This thread works behind the mail: by so many steps of `nice` everybody else goes first.
pub(crate) fn step_back(steps: i32) {
    #[cfg(target_os = "linux")]
    // SAFETY: on Linux the priority is that of the calling thread; no memory is involved, and failing changes nothing.
    unsafe {
        libc::setpriority(libc::PRIO_PROCESS, 0, steps);
    }
}

/// A thread that moves the epochs of all engines on, and clears the shelf.
struct Ticker {
    shelf: Shelf,
    /// Ticks after which a resting instance is dropped.
    rest_ticks_max: u64,
    engines: Mutex<Vec<wasmtime::EngineWeak>>,
    stopped: AtomicBool,
}

impl Ticker {
    fn start(rest: Duration) -> Result<Arc<Ticker>, Error> {
        let rest_ticks_max = rest.as_millis() / limits::TICK.as_millis();
        let ticker = Arc::new(Ticker {
            shelf: Shelf::default(),
            rest_ticks_max: u64::try_from(rest_ticks_max).unwrap_or(u64::MAX),
            engines: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        let weak = Arc::downgrade(&ticker);
        thread::Builder::new()
            .name("baton-epoch".into())
            .spawn(move || Ticker::run(&weak))
            .map_err(|e| Error::Engine(format!("no thread for the epoch clock: {e}")))?;
        Ok(ticker)
    }

    fn add(&self, engine: &Engine) {
        let mut engines = self.engines.lock().unwrap_or_else(PoisonError::into_inner);
        if !engines
            .iter()
            .any(|known| known.upgrade().is_some_and(|e| Engine::same(&e, engine)))
        {
            engines.push(engine.weak());
        }
    }

    /// Ends with the plugin host that started it.
    fn run(ticker: &Weak<Ticker>) {
        loop {
            thread::sleep(limits::TICK);
            let Some(ticker) = ticker.upgrade() else {
                return;
            };
            if ticker.stopped.load(Ordering::Relaxed) {
                return;
            }
            ticker.shelf.tick(ticker.rest_ticks_max);
            for engine in ticker
                .engines
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .iter()
            {
                if let Some(engine) = engine.upgrade() {
                    engine.increment_epoch();
                }
            }
        }
    }
}

impl Drop for Engines {
    fn drop(&mut self) {
        self.ticker.stopped.store(true, Ordering::Relaxed);
    }
}
