//! The component's own tests: cases that a plugin carries in a custom section, run before it serves.
//!
//! A case is one call of one hook with everything it is told, and what is to come of it. A version that fails one of its own
//! cases is refused, and what served before goes on. The format is described for authors in `docs/golden-tests.md`.
//!
//! Cases run through the same chain, grants and limits as mail does, but nothing of the world is there: key-value is a map
//! of the case's own, resolver and HTTP answer what the case says, a submitted message goes nowhere, the clock stands.
//! The plugin's name is always `plugin`, so that a component passes or fails whatever its file is called.

mod ask;
mod case;
mod compare;
mod fakes;
mod files;
mod words;

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::time::timeout;

use crate::cache::Cache;
use crate::desk::clip;
use crate::engine::Engines;
use crate::error::Error;
use crate::hook::Hook;
use crate::limits;
use crate::load::{Loaded, Loader};
use crate::settings::Pool;

pub use ask::Seen;
pub use case::{Case, expected_name};
pub use files::{Files, SECTION};

/// Grows when the same cases could come to something else on this host: then what passed before is run again.
pub(crate) const REVISION: &str = concat!(env!("CARGO_PKG_VERSION"), "-1");
/// Instances of a bench; one case needs one.
const BENCH_INSTANCES_MAX: u32 = 4;

/// What came of one case.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The name of the case.
    pub name: String,
    /// The file it stands in.
    pub file: String,
    /// The hook that was asked.
    pub hook: Hook,
    /// How long the call took.
    pub elapsed: Duration,
    /// What differs from what was expected, a line each; empty if it passed.
    pub differences: Vec<String>,
    /// What really came, in the words of an expectation.
    pub seen: serde_json::Value,
    /// The message as it left, where there was one.
    pub message: Option<bytes::Bytes>,
}

impl Outcome {
    /// Whether everything came as expected.
    pub fn passed(&self) -> bool {
        self.differences.is_empty()
    }
}

/// A component and a place to run cases on it, with no relay around.
pub struct Bench {
    engines: Arc<Engines>,
    loaded: Arc<Loaded>,
}

impl Bench {
    /// Loads a component; its own cases are not run by that. Native code is kept in `cache_dir`.
    ///
    /// # Errors
    /// As for loading any plugin.
    pub fn start(component: &[u8], cache_dir: &Path) -> Result<Bench, Error> {
        let engines = Arc::new(Engines::start(Pool {
            instances_max: BENCH_INSTANCES_MAX,
            ..Pool::default()
        })?);
        let loader = Loader::new(engines.clone(), Cache::open(cache_dir)?, false);
        let loaded = loader.load(component)?;
        Ok(Bench { engines, loaded })
    }

    /// Runs every case, one after another. Blocks. A case gets [`limits::GOLDEN_TIME`].
    ///
    /// # Errors
    /// [`Error::Engine`] where no thread can be had.
    pub fn run(&self, cases: &[Case]) -> Result<Vec<Outcome>, Error> {
        apart(async || {
            let mut outcomes = Vec::new();
            for case in cases {
                let deadline = Instant::now() + limits::GOLDEN_TIME;
                outcomes.push(one(&self.engines, &self.loaded, case, deadline).await);
            }
            outcomes
        })
    }
}

/// Runs the cases a component carries; the error holds what differed. Blocks, at most for [`limits::GOLDEN_TIME`].
pub(crate) fn check(
    engines: &Arc<Engines>,
    loaded: &Arc<Loaded>,
    component: &[u8],
) -> Result<(), Error> {
    let cases = Files::of_component(component)
        .and_then(|files| files.cases())
        .map_err(|e| Error::Refused(format!("its own tests cannot be read: {e}")))?;
    if cases.is_empty() {
        return Ok(());
    }
    let deadline = Instant::now() + limits::GOLDEN_TIME;
    let failed = apart(async || {
        let mut failed = Vec::new();
        for case in &cases {
            if Instant::now() >= deadline {
                return Err(Error::Refused(format!(
                    "its own tests take longer than {} seconds",
                    limits::GOLDEN_TIME.as_secs()
                )));
            }
            let outcome = one(engines, loaded, case, deadline).await;
            if !outcome.passed() {
                failed.push(outcome);
            }
        }
        Ok(failed)
    })??;
    if failed.is_empty() {
        Ok(())
    } else {
        Err(Error::Refused(refusal(&failed, cases.len())))
    }
}

/// What an operator reads: how many, and the first of them in full.
fn refusal(failed: &[Outcome], of: usize) -> String {
    let mut text = format!("it fails {} of its own {of} tests", failed.len());
    for outcome in failed.iter().take(limits::GOLDEN_SHOWN_MAX) {
        text.push_str(&format!("\n{outcome}"));
    }
    if failed.len() > limits::GOLDEN_SHOWN_MAX {
        text.push_str("\n(baton plugin test shows the others)");
    }
    clip(&text, limits::GOLDEN_DIFFERENCE_BYTES_MAX).to_owned()
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} ({})", self.file, self.name, self.hook)?;
        for line in &self.differences {
            write!(f, "\n  {line}")?;
        }
        Ok(())
    }
}

async fn one(
    engines: &Arc<Engines>,
    loaded: &Arc<Loaded>,
    case: &Case,
    deadline: Instant,
) -> Outcome {
    let start = Instant::now();
    let (differences, seen) = loop {
        let stage = case.stage_on(engines, loaded);
        let left = deadline.saturating_duration_since(Instant::now());
        let Ok(seen) = timeout(left, case.ask_on(stage)).await else {
            break (vec!["took longer than its time".to_owned()], None);
        };
        // All places are taken by mail: that says nothing about the plugin.
        if seen.exhausted && Instant::now() < deadline {
            continue;
        }
        break (compare::differences(&case.expect, &seen.value), Some(seen));
    };
    Outcome {
        name: case.name.clone(),
        file: case.file.clone(),
        hook: case.hook,
        elapsed: start.elapsed(),
        differences,
        message: seen.as_ref().and_then(|seen| seen.message.clone()),
        seen: seen.map_or(serde_json::Value::Null, |seen| seen.value),
    }
}

/// Runs on a thread of its own: whoever loads a plugin may be inside a runtime already.
pub(crate) fn apart<T: Send>(work: impl AsyncFnOnce() -> T + Send) -> Result<T, Error> {
    let trouble = |e: &dyn std::fmt::Display| Error::Engine(format!("no thread of its own: {e}"));
    thread::scope(|scope| {
        let runner = thread::Builder::new()
            .name("baton-apart".into())
            .spawn_scoped(scope, || {
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .enable_time()
                    .build()
                    .map_err(|e| trouble(&e))?;
                Ok(runtime.block_on(work()))
            })
            .map_err(|e| trouble(&e))?;
        runner
            .join()
            .unwrap_or_else(|_| Err(trouble(&"it panicked")))
    })
}
