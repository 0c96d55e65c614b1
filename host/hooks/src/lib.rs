//! The plugin host: WebAssembly components asked at every step of a message's journey, inside limits, at their operator's
//! word. No type of wasmtime leaves this crate.
//!
//! # Lifetimes
//!
//! [`Plugins`] lives as long as the process: engine, folder, cache. It has at any time one [`Generation`], the set of
//! plugins that serves; a change makes a new one. A [`Sitting`] takes the generation of its beginning through one session,
//! one transaction or one delivery attempt, and makes instances as they are needed. Each call of a hook leaves a
//! [`CallRecord`].
//!
//! ```text
//! let plugins = Plugins::start(settings, services)?;
//! let mut session = Sitting::session(plugins.generation(), Arc::new(Session::new(id, listener, peer)));
//! match session.on_connect().await { Verdict::Pass | Verdict::Accept => {} ... }
//! let mut transaction = session.transaction();
//! transaction.on_mail(&envelope).await;
//! transaction.on_rcpt(&envelope, &recipient).await;
//! transaction.set_message_id(id);
//! transaction.set_draft(EditSet::new(message, envelope.smtputf8()));
//! let verdict = transaction.on_data(&envelope).await;
//! let (holds, tags, records) = (transaction.holds().to_vec(), transaction.tags().to_vec(), transaction.take_records());
//! let draft = transaction.take_draft();
//! ```
//!
//! # The chain
//!
//! Plugins are asked in their order and see the edits of those before them. The first reject, defer, discard or
//! disconnect wins, and accept ends the stage. A reason to hold neither ends nor changes anything; it is collected. After
//! `on-data` the sum of the scores is compared with the thresholds, unless a plugin ended the chain (accept included).
//!
//! # Faults
//!
//! A trap, a limit, an answer the contract does not allow, and an answer `err(text)` are faults. The edits, scores and
//! tags of that call are dropped, the plugin's fault policy decides about the mail, and the instance is thrown away,
//! except after `err(text)`: that is an answer, and the instance is in order. Faults in a row open the plugin's breaker:
//! the version before serves again, or, where there is none, the policy is applied without a call until one trial call
//! succeeds.
//!
//! # Trying
//!
//! A file `NAME.candidate.wasm` is a candidate for the plugin `NAME`: it runs in its shadow, or serves a share of the
//! sessions ([`Trial`]), and is compared ([`Plugins::diff`]). [`Plugins::record`] keeps calls, [`Replay`] makes them again.
//!
//! # What a plugin may cost
//!
//! Every limit is in [`settings::Limits`] or [`limits`]. Hooks are futures that give the thread back every 10 ms of guest
//! code; dropping such a future drops the instance and nothing else. They need a tokio runtime with time enabled. An
//! instance that rests for [`settings::Pool::rest`], or whose place is needed, is dropped: an idle client pins nothing.

mod abi;
mod cache;
pub mod decision;
pub mod delivery;
mod desk;
mod door;
mod engine;
mod error;
pub mod facts;
mod fault;
mod generation;
pub mod golden;
mod grant;
mod guest;
mod health;
mod hook;
mod info;
mod inspect;
mod instance;
pub mod limits;
mod load;
mod plugin;
mod plugins;
mod question;
mod record;
pub mod services;
pub mod settings;
mod shelf;
mod sitting;
mod trial;
mod wasi;
mod watch;

pub use decision::{
    AuthVerdict, BounceVerdict, RecipientVerdict, Rewritten, RouteVerdict, Verdict,
};
pub use delivery::{
    Advice, Disposition, NextHop, Report, ReportKind, Route, Scope, Stage, TlsDemand, Translation,
};
pub use error::Error;
pub use facts::{Attempt, RemoteReply, Session};
pub use fault::Fault;
pub use generation::Generation;
pub use hook::{Hook, HookSet};
pub use info::{PluginInfo, PluginState, Source};
pub use inspect::{Inspection, inspect};
pub use plugins::Plugins;
pub use record::{CallRecord, Hold, LogLevel, LogLine, Score};
pub use services::{
    BoxFuture, DnsError, HttpError, HttpRequest, HttpResponse, KvError, PluginEvent,
    PluginEventKind, Services, SubmitError,
};
pub use settings::{
    Breaker, Bundled, FaultPolicy, Grants, InstanceScope, Limits, PluginSettings, Pool, Settings,
    Thresholds, Trial,
};
pub use sitting::{CopyVerdict, RequestOutcome, Sitting};
pub use trial::{
    CandidateInfo, CandidateState, DECISIONS, Difference, Example, HookReport, Rates, RecordOrder,
    Recording, Replay, Replayed, TrialReport,
};
