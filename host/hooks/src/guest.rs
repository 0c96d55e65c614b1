//! What stands behind one instance: the data of its store.
//!
//! Between calls it is idle and holds no mail. During a call it holds the desk of the sitting and counts what the call
//! uses. The host functions themselves are in [`crate::door`], their translation into a contract version in
//! [`crate::abi`].

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use wasmtime::{ResourceLimiter, UpdateDeadline};

use crate::desk::{Desk, Tag, clip};
use crate::fault::Fault;
use crate::hook::Hook;
use crate::limits;
use crate::plugin::Plugin;
use crate::record::{LogLevel, LogLine};
use crate::wasi::Wasi;

/// See the module.
pub(crate) struct Guest {
    pub plugin: Arc<Plugin>,
    pub desk: Option<Box<Desk>>,
    pub call: Call,
    pub memory: Memory,
    /// Made when the component first asks for anything of WASI: most calls of most plugins never do.
    pub wasi: Option<Box<Wasi>>,
    /// Given back when the instance is dropped.
    _permit: OwnedSemaphorePermit,
}

impl Guest {
    pub fn new(plugin: Arc<Plugin>, permit: OwnedSemaphorePermit) -> Guest {
        let limits = &plugin.settings.limits;
        let memory = Memory {
            bytes: 0,
            bytes_max: limits.memory_bytes_max.min(limits::MEMORY_BYTES_CEILING),
            elements_max: limits.table_elements_max.min(limits::TABLE_ELEMENTS_MAX),
            refused: false,
        };
        plugin.health.count_instance(true);
        Guest {
            plugin,
            desk: None,
            call: Call::default(),
            memory,
            wasi: None,
            _permit: permit,
        }
    }

    /// Opens the books for a call.
    pub fn begin(&mut self, hook: Hook, mut desk: Box<Desk>) {
        let limits = &self.plugin.settings.limits;
        self.memory.refused = false;
        self.call = Call {
            hook: Some(hook),
            ticks: u32::try_from(limits.cpu.as_millis() / limits::TICK.as_millis())
                .unwrap_or(u32::MAX)
                .saturating_add(1),
            calls: limits.host_calls_max,
            // Nobody waits for the world before there is mail: see `plugins::core::consult`.
            waits: if hook == Hook::Load {
                0
            } else {
                limits.waits_max
            },
            events: limits::EVENTS_MAX,
            log_bytes: limits.log_bytes_max,
            logs: Vec::new(),
            edits: Vec::new(),
            scores_mark: desk.scores.len(),
            tags_before: None,
        };
        if let Some(draft) = &mut desk.draft {
            draft.begin();
        }
        if let Some(wasi) = &self.wasi {
            wasi.begin(desk.tape.clone());
        }
        self.desk = Some(desk);
    }

    /// Closes them. With a fault everything this call left on the desk is taken off again.
    pub fn end(&mut self, keep: bool) -> Option<(Box<Desk>, Call)> {
        let mut desk = self.desk.take()?;
        self.plugin.health.note_memory(self.memory.bytes as u64);
        let mut call = std::mem::take(&mut self.call);
        if let Some(wasi) = &mut self.wasi {
            wasi.drain(|level, text| call.log(level, text));
        }
        if keep {
            if let Some(draft) = &mut desk.draft {
                call.edits = draft
                    .commit()
                    .iter()
                    .map(|edit| edit.description.clone())
                    .collect();
            }
        } else {
            if let Some(draft) = &mut desk.draft {
                draft.rollback();
            }
            desk.scores.truncate(call.scores_mark);
            if let Some(tags) = call.tags_before.take() {
                desk.tags = tags;
            }
        }
        Some((desk, call))
    }

    /// Called when the epoch moves while the guest runs: the thread goes to others, and the guest's time gets shorter.
    pub(crate) fn tick(&mut self) -> wasmtime::Result<UpdateDeadline> {
        self.call.ticks = self.call.ticks.saturating_sub(1);
        if self.call.ticks == 0 {
            return Err(Fault::Cpu.into());
        }
        Ok(UpdateDeadline::Yield(1))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.plugin.health.count_instance(false);
    }
}

/// What a running call may still use, and what it has left so far.
#[derive(Default)]
pub(crate) struct Call {
    /// None between calls.
    pub hook: Option<Hook>,
    /// Ticks of processor time.
    pub ticks: u32,
    /// Host calls.
    pub calls: u32,
    /// Host calls that wait for the world.
    pub waits: u32,
    /// Events.
    pub events: usize,
    /// Bytes of log text.
    pub log_bytes: usize,
    /// Lines so far.
    pub logs: Vec<LogLine>,
    /// One line for each edit that was kept; filled at the end.
    pub edits: Vec<String>,
    /// Where this call's scores begin.
    pub scores_mark: usize,
    /// The tags as they were, once this call has changed one.
    pub tags_before: Option<Vec<Tag>>,
}

impl Call {
    /// Keeps a line, or says once that lines are missing.
    pub fn log(&mut self, level: LogLevel, text: &str) {
        if self.log_bytes == 0 {
            return;
        }
        let text = clip(text, limits::LOG_LINE_BYTES_MAX.min(self.log_bytes));
        self.log_bytes -= text.len().max(1).min(self.log_bytes);
        let text = text
            .chars()
            .map(|c| if c.is_control() && c != '\t' { ' ' } else { c })
            .collect();
        self.logs.push(LogLine { level, text });
        if self.log_bytes == 0 {
            let text = "further lines of this call were cut off".to_owned();
            self.logs.push(LogLine {
                level: LogLevel::Warn,
                text,
            });
        }
    }
}

/// Memory and tables of one instance. A component may have several memories: they count together.
pub(crate) struct Memory {
    pub bytes: usize,
    bytes_max: usize,
    elements_max: usize,
    /// Whether the running call was refused something: the trap that often follows is then called by its name.
    pub refused: bool,
}

impl ResourceLimiter for Memory {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.bytes.saturating_add(desired.saturating_sub(current));
        if total > self.bytes_max {
            self.refused = true;
            return Ok(false);
        }
        self.bytes = total;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > self.elements_max {
            self.refused = true;
            return Ok(false);
        }
        Ok(true)
    }

    fn instances(&self) -> usize {
        64
    }

    fn tables(&self) -> usize {
        64
    }

    fn memories(&self) -> usize {
        16
    }
}
