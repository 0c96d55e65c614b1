//! What a call leaves behind for the trace of a message.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::fault::Fault;
use crate::hook::Hook;

/// One call of one hook of one plugin.
#[derive(Debug, Clone)]
pub struct CallRecord {
    /// Name of the plugin.
    pub plugin: Arc<str>,
    /// SHA-256 of the component in hex.
    pub digest: Arc<str>,
    /// Which hook.
    pub hook: Hook,
    /// What it decided, for people: `next`, `reject 550 5.7.1 No thanks`, `route mx:example.net`.
    pub decision: Cow<'static, str>,
    /// The whole call: a fresh instance where one was needed, host functions, waits.
    pub elapsed: Duration,
    /// Whether an instance was made for it.
    pub fresh: bool,
    /// One line for each edit that was kept.
    pub edits: Vec<String>,
    /// Scores it added.
    pub scores: Vec<Score>,
    /// Tags it set.
    pub tags: Vec<(Arc<str>, Arc<str>)>,
    /// What it wrote, by `log` or to standard output and error; bounded.
    pub logs: Vec<LogLine>,
    /// What went wrong; then no edit, score or tag of this call was kept.
    pub fault: Option<Fault>,
}

impl CallRecord {
    /// Whole microseconds of [`CallRecord::elapsed`].
    pub fn microseconds(&self) -> u64 {
        u64::try_from(self.elapsed.as_micros()).unwrap_or(u64::MAX)
    }
}

/// Points a plugin gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// Who gave them.
    pub plugin: Arc<str>,
    /// A word for the rule, such as `BAD_HELO`.
    pub symbol: Arc<str>,
    /// Positive is bad.
    pub points: f64,
    /// For people.
    pub why: Arc<str>,
}

/// A line a plugin wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How loud.
    pub level: LogLevel,
    /// Without line ends.
    pub text: String,
}

/// How loud a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LogLevel {
    /// For the author.
    Debug,
    /// For the curious.
    Info,
    /// For the operator.
    Warn,
    /// For the operator, now.
    Error,
}

/// A reason to keep an accepted message until an operator releases it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Who asked; `score` for the host's own threshold.
    pub plugin: Arc<str>,
    /// For the operator.
    pub reason: String,
}
