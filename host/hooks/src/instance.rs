//! One instance of one plugin, and one call in it.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{error::Elapsed, timeout};
use wasmtime::{PoolConcurrencyLimitError, Store, Trap, UpdateDeadline, WasmBacktrace};

use crate::abi::Bound;
use crate::desk::{Desk, clip};
use crate::engine::{Engines, chain};
use crate::fault::Fault;
use crate::guest::{Call, Guest};
use crate::limits;
use crate::plugin::Plugin;
use crate::question::{Answer, Question};

/// An instance between two calls: it holds no mail. The hooks are absent until the component is instantiated, which is
/// part of the first call: its start may loop or trap like any other code of a plugin.
pub(crate) struct Instance {
    store: Store<Guest>,
    /// Boxed, since an instance moves from its slot into the call and back.
    bound: Option<Box<Bound>>,
    calls: u32,
}

/// What came of a call.
pub(crate) struct Outcome {
    pub answer: Result<Answer, Fault>,
    /// What the call left beside its answer.
    pub call: Call,
    /// The instance, if it can be called again.
    pub instance: Option<Instance>,
}

impl Instance {
    /// Waits for a free place, and makes a store.
    pub async fn make(engines: &Engines, plugin: &Arc<Plugin>) -> Result<Instance, Fault> {
        let permit = engines.permit().await.ok_or(Fault::Exhausted)?;
        let engine = plugin.loaded.pre.engine();
        let mut store = Store::new(engine, Guest::new(plugin.clone(), permit));
        store.limiter(|guest| &mut guest.memory);
        store.set_hostcall_fuel(plugin.settings.limits.host_bytes_max);
        store.epoch_deadline_callback(|mut store| -> wasmtime::Result<UpdateDeadline> {
            store.data_mut().tick()
        });
        Ok(Instance {
            store,
            bound: None,
            calls: 0,
        })
    }

    /// Whether the instance was called before.
    pub fn is_fresh(&self) -> bool {
        self.calls == 0
    }

    /// Languages that leak get a new instance now and then.
    pub fn is_worn(&self) -> bool {
        self.calls >= limits::RECYCLE_CALLS
            || self.store.data().memory.bytes >= limits::RECYCLE_BYTES
    }

    /// The version it is an instance of.
    pub fn plugin(&self) -> &Arc<Plugin> {
        &self.store.data().plugin
    }

    /// Calls a hook with the desk of the sitting, which is back at its place afterwards, also when this future is dropped
    /// halfway: then nothing of the call is kept, and the instance is gone.
    pub async fn call(self, home: &mut Option<Box<Desk>>, question: &Question<'_>) -> Outcome {
        let Some(desk) = home.take() else {
            let answer = Err(Fault::Instantiate("the sitting is in another call".into()));
            return Outcome {
                answer,
                call: Call::default(),
                instance: None,
            };
        };
        let wall = self.plugin().settings.limits.wall;
        let mut running = Running {
            instance: Some(self),
            home,
        };
        let Some(instance) = &mut running.instance else {
            unreachable!("put there one line above")
        };
        instance.store.data_mut().begin(question.hook(), desk);
        instance.store.set_epoch_deadline(1);
        let said = {
            // Pinned here: what is awaited is large, and would be moved twice.
            let run = pin!(instance.run(question));
            timeout(wall, run).await
        };
        let answer = instance.read(said);
        running.finish(answer)
    }

    /// Instantiates where needed, then calls.
    async fn run(&mut self, question: &Question<'_>) -> wasmtime::Result<Result<Answer, Fault>> {
        self.calls += 1;
        let plugin = self.store.data().plugin.clone();
        let bound = match &mut self.bound {
            Some(bound) => bound,
            none => {
                let instance = plugin.loaded.pre.instantiate_async(&mut self.store).await?;
                none.insert(Box::new(plugin.loaded.contract.bind(instance)))
            }
        };
        plugin
            .loaded
            .contract
            .ask(bound, &mut self.store, question)
            .await
    }

    /// What a call came to, in the words of this crate.
    fn read(
        &self,
        said: Result<wasmtime::Result<Result<Answer, Fault>>, Elapsed>,
    ) -> Result<Answer, Fault> {
        let error = match said {
            Ok(Ok(answer)) => return answer,
            Ok(Err(error)) => error,
            Err(Elapsed { .. }) => return Err(Fault::Wall),
        };
        if let Some(fault) = error.downcast_ref::<Fault>() {
            return Err(fault.clone());
        }
        if error.downcast_ref::<PoolConcurrencyLimitError>().is_some() {
            return Err(Fault::Exhausted);
        }
        if self.store.data().memory.refused {
            return Err(Fault::Memory);
        }
        let text = chain(&error);
        let text = clip(&text, limits::FAULT_TEXT_BYTES_MAX);
        Err(match error.downcast_ref::<Trap>() {
            Some(Trap::Interrupt) => Fault::Cpu,
            Some(trap) => Fault::Trap(format!("{trap}{}", where_it_was(&error))),
            // wasmtime has no public type for it.
            None if text.contains("fuel allocated for hostcalls") => {
                Fault::Budget("bytes handed to the host")
            }
            None if self.bound.is_none() => Fault::Instantiate(one_line(text)),
            None => Fault::Trap(one_line(text)),
        })
    }
}

/// The innermost functions of a trap, for the author. Names are there if the component was not stripped of them.
fn where_it_was(error: &wasmtime::Error) -> String {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else {
        return String::new();
    };
    let mut text = String::new();
    for frame in backtrace.frames().iter().take(FRAMES_MAX) {
        text.push_str(if text.is_empty() { " in " } else { " < " });
        match frame.func_name() {
            Some(name) => text.push_str(&one_line(clip(name, 100))),
            None => text.push_str(&format!("function {}", frame.func_index())),
        }
    }
    text
}

/// Functions named in the text of a trap.
const FRAMES_MAX: usize = 4;

/// Texts of guests go into events and logs.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// Brings the desk back whatever happens.
struct Running<'a> {
    instance: Option<Instance>,
    home: &'a mut Option<Box<Desk>>,
}

impl Running<'_> {
    fn finish(mut self, answer: Result<Answer, Fault>) -> Outcome {
        let Some(mut instance) = self.instance.take() else {
            unreachable!("taken only here")
        };
        let mut call = Call::default();
        if let Some((desk, books)) = instance.store.data_mut().end(answer.is_ok()) {
            *self.home = Some(desk);
            call = books;
        }
        // An answer of the plugin's own leaves it in order; after anything else its insides are not to be trusted.
        let usable = matches!(answer, Ok(_) | Err(Fault::Answered(_)));
        Outcome {
            answer,
            call,
            instance: usable.then_some(instance),
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        if let Some(instance) = &mut self.instance
            && let Some((desk, call)) = instance.store.data_mut().end(false)
        {
            // There will be no record of this call to hold them.
            for line in &call.logs {
                let plugin = &instance.plugin().name;
                desk.house.services.log(plugin, line.level, &line.text);
            }
            *self.home = Some(desk);
        }
    }
}

/// A moment, and what has passed since.
pub(crate) fn stopwatch() -> (Instant, impl Fn() -> Duration) {
    let start = Instant::now();
    (start, move || start.elapsed())
}
