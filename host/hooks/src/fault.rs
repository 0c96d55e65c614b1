//! What can go wrong in a call. The text is for the operator, never for the peer.

use std::fmt;

/// Why a call gave no usable answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The plugin answered `err(text)`: an exception or a deliberate "I cannot". The instance lives on.
    Answered(String),
    /// The wasm trapped; the text names the trap.
    Trap(String),
    /// More processor time than allowed.
    Cpu,
    /// More time than allowed.
    Wall,
    /// A trap after memory or a table was refused at its limit.
    Memory,
    /// More host calls than allowed.
    HostCalls,
    /// A tag, score, event or the like past its limit; the text names it.
    Budget(&'static str),
    /// An answer the contract does not allow: a code that contradicts the decision, control characters and the like.
    Answer(String),
    /// No instance could be made.
    Instantiate(String),
    /// No free instance in time. The relay's trouble and not the plugin's: it does not count against the plugin.
    Exhausted,
    /// The breaker is open: the plugin was not called.
    Open,
}

impl Fault {
    /// Whether the plugin is to blame, so that it counts for its breaker.
    pub fn counts(&self) -> bool {
        !matches!(self, Fault::Exhausted | Fault::Open)
    }

    /// A word for metrics.
    pub fn kind(&self) -> &'static str {
        match self {
            Fault::Answered(_) => "error",
            Fault::Trap(_) => "trap",
            Fault::Cpu => "cpu",
            Fault::Wall => "wall",
            Fault::Memory => "memory",
            Fault::HostCalls => "host-calls",
            Fault::Budget(_) => "budget",
            Fault::Answer(_) => "answer",
            Fault::Instantiate(_) => "instantiate",
            Fault::Exhausted => "exhausted",
            Fault::Open => "breaker",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Answered(text) => write!(f, "the plugin answered an error: {text}"),
            Fault::Trap(text) => write!(f, "trap: {text}"),
            Fault::Cpu => f.write_str("processor time is over its limit"),
            Fault::Wall => f.write_str("the call took longer than its limit"),
            Fault::Memory => f.write_str("memory is over its limit"),
            Fault::HostCalls => f.write_str("more host calls than its limit"),
            Fault::Budget(what) => write!(f, "{what} over its limit"),
            Fault::Answer(text) => write!(f, "an answer the contract does not allow: {text}"),
            Fault::Instantiate(text) => write!(f, "no instance: {text}"),
            Fault::Exhausted => f.write_str("no free instance in time"),
            Fault::Open => f.write_str("not called after repeated faults"),
        }
    }
}
impl std::error::Error for Fault {}
