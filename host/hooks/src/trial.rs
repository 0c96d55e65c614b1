//! Try before you trust: a candidate beside the version in service, and calls that are kept and run again.
//!
//! Three ways lead to one mechanism. A *shadow* answers the calls of live mail a second time, on a thread of its own after
//! the mail went on, and what it says is compared and thrown away. A *canary* serves a share of the sessions and is
//! withdrawn by itself when it does worse than the version in service. A *record* keeps calls in a file, and a *replay*
//! runs them again.
//!
//! What they share: a [`snapshot::Snapshot`] is all that a call was asked and could see, a [`tape::Tape`] holds its host
//! calls with their answers, and [`said::Said`] is all that it came to. Two of those are compared by one function.

pub(crate) mod again;
pub(crate) mod canary;
pub(crate) mod candidate;
pub(crate) mod file;
pub(crate) mod record;
pub(crate) mod redact;
pub(crate) mod replay;
pub(crate) mod said;
pub(crate) mod shadow;
pub(crate) mod snapshot;
pub(crate) mod tape;

pub use canary::{DECISIONS, Rates};
pub use candidate::{CandidateInfo, CandidateState, HookReport, TrialReport};
pub use record::{RecordOrder, Recording};
pub use replay::{Replay, Replayed};
pub use said::Difference;
pub use shadow::Example;
