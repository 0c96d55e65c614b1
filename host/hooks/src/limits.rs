//! Numbers of the plugin host, each with its reason. Those an operator may change are defaults in [`crate::settings`].

use std::time::Duration;

/// One tick of the epoch clock. Shorter ticks cost wake-ups, longer ones let a spinning plugin hold a thread for longer.
pub const TICK: Duration = Duration::from_millis(10);
/// A Rust plugin needs microseconds, an interpreter milliseconds for a large message.
pub const CPU: Duration = Duration::from_millis(500);
/// Long enough for one slow HTTP request, short enough that a client does not give up after the final dot.
pub const WALL: Duration = Duration::from_secs(10);
/// Interpreters start with 1 to 13 MiB; the largest message has to fit beside them.
pub const MEMORY_BYTES_MAX: usize = 64 << 20;
/// What an operator may raise the memory of a plugin to.
pub const MEMORY_BYTES_CEILING: usize = 1 << 30;
/// The largest table seen, of a Python component, has below 20 000.
pub const TABLE_ELEMENTS_MAX: usize = 100_000;
/// 100 000 calls take 15 to 30 ms; a plugin that needs more does by hand what the host could do for it.
pub const HOST_CALLS_MAX: u32 = 100_000;
/// The largest message and some slack.
pub const HOST_BYTES_MAX: usize = 64 << 20;
/// Each may take a second.
pub const WAITS_MAX: u32 = 16;
/// A screen or two.
pub const LOG_BYTES_MAX: usize = 16 << 10;
/// Longest single log line; a longer one is cut.
pub const LOG_LINE_BYTES_MAX: usize = 4 << 10;
/// Events of one call; more is a fault.
pub const EVENTS_MAX: usize = 64;
/// Fields of one event.
pub const EVENT_FIELDS_MAX: usize = 32;
/// Bytes of kind, keys and values of one event together.
pub const EVENT_BYTES_MAX: usize = 8 << 10;
/// Kept per plugin in key-value unless the operator grants more.
pub const KV_BYTES_MAX: u64 = 16 << 20;
/// Longest key.
pub const KV_KEY_BYTES_MAX: usize = 512;
/// Longest value.
pub const KV_VALUE_BYTES_MAX: usize = 64 << 10;
/// Most keys one `kv.keys` answers.
pub const KV_KEYS_MAX: u32 = 1000;
/// Tags of one message (the contract says so).
pub const TAGS_MAX: usize = 32;
/// Longest key of a tag.
pub const TAG_KEY_BYTES_MAX: usize = 64;
/// Longest value of a tag.
pub const TAG_VALUE_BYTES_MAX: usize = 1024;
/// Scores one message collects; more is a fault.
pub const SCORES_MAX: usize = 256;
/// Longest symbol or reason of a score.
pub const SCORE_TEXT_BYTES_MAX: usize = 256;
/// Longest reply text a plugin may give (the contract says so).
pub const REPLY_TEXT_BYTES_MAX: usize = 400;
/// Longest reason of a hold.
pub const HOLD_REASON_BYTES_MAX: usize = 400;
/// Recipients one `on-rcpt` may rewrite to, and those that one RCPT may become by all plugins together.
pub const REWRITE_MAX: usize = 100;
/// Addresses that all plugins together may name for one RCPT, those on the way included: a hundred in each of ten plugins.
pub const REWRITES_NAMED_MAX: usize = 1000;
/// Reports one `on-report` may return.
pub const REPORTS_MAX: usize = 100;
/// Random bytes of one call (the contract says so).
pub const RANDOM_BYTES_MAX: u32 = 1024;
/// Patterns of one `message.find`.
pub const PATTERNS_MAX: usize = 4096;
/// Longest text of a fault that is kept.
pub const FAULT_TEXT_BYTES_MAX: usize = 1024;
/// Longest body of an HTTP answer that is handed to a plugin.
pub const HTTP_BODY_BYTES_MAX: usize = 4 << 20;
/// Longest wait a plugin may ask for in one HTTP request.
pub const HTTP_TIMEOUT_MAX: Duration = Duration::from_secs(30);
/// Live instances of all plugins: 4 GiB of address space each, real memory only where written.
pub const INSTANCES_MAX: u32 = 1000;
/// Longer than any burst of calls, shorter than a client's patience.
pub const INSTANCE_WAIT: Duration = Duration::from_secs(2);
/// Longer than the pauses within a transaction of a client that has something to send.
pub const INSTANCE_REST: Duration = Duration::from_secs(2);
/// One bad message is no bad plugin.
pub const BREAKER_FAULTS_MAX: u32 = 10;
/// A broken plugin is asked twice a minute whether it is well again.
pub const BREAKER_COOL_DOWN: Duration = Duration::from_secs(30);
/// The largest component seen, of a Python plugin, has 18 MB.
pub const COMPONENT_BYTES_MAX: u64 = 128 << 20;
/// Native code kept on disk; a Python plugin takes 40 MB of it.
pub const CACHE_BYTES_MAX: u64 = 1 << 30;
/// A file counts as complete when it did not change for so long.
pub const QUIET: Duration = Duration::from_millis(200);
/// Longest plugin name.
pub const NAME_BYTES_MAX: usize = 64;
/// Instances of a language that leaks are replaced when they grew past this, between transactions.
pub const RECYCLE_BYTES: usize = 48 << 20;
/// Calls after which an instance of a session is replaced, for the same reason.
pub const RECYCLE_CALLS: u32 = 1000;
/// Tests a component may carry.
pub const GOLDEN_CASES_MAX: usize = 1000;
/// Bytes of the tests a component carries.
pub const GOLDEN_BYTES_MAX: usize = 2 << 20;
/// Longest name of a file of tests.
pub const GOLDEN_NAME_BYTES_MAX: usize = 128;
/// What all tests of a component may take when it is loaded; a thousand calls of the slowest language take half of it.
pub const GOLDEN_TIME: Duration = Duration::from_secs(20);
/// Failed tests of which a refusal says everything.
pub const GOLDEN_SHOWN_MAX: usize = 3;
/// Longest reason of a refusal by own tests.
pub const GOLDEN_DIFFERENCE_BYTES_MAX: usize = 8 << 10;
/// Host calls of one hook call that are kept for a comparison; a call with more is not compared.
pub const TAPE_CALLS_MAX: usize = 4096;
/// Bytes of host calls of one hook call that are kept: a few HTTP answers of the largest size.
pub const TAPE_BYTES_MAX: usize = 16 << 20;
/// Calls that wait to be made again by a shadow: a burst of a second or so.
pub const SHADOW_QUEUE_MAX: usize = 1024;
/// Bytes of messages in calls that wait for a shadow.
pub const SHADOW_BYTES_MAX: usize = 64 << 20;
/// Sittings a shadow goes on with, so that what it noted in one hook is there in the next.
pub const SHADOW_SITTINGS_MAX: usize = 256;
/// Keys in the scratch of a shadow.
pub const SHADOW_KEYS_MAX: usize = 100_000;
/// Places of the pool that a shadow leaves to mail: one in this many.
pub const SHADOW_POOL_SHARE: usize = 8;
/// Differing calls that are kept of one candidate to be shown.
pub const TRIAL_EXAMPLES_MAX: usize = 50;
/// Longest text of a difference that is kept.
pub const TRIAL_TEXT_BYTES_MAX: usize = 1024;
/// Questions beyond the tape that are remembered of one call.
pub const TRIAL_BEYOND_MAX: usize = 16;
/// Candidates that serve a share of the sessions at the same time: each doubles the sets of plugins that are kept ready.
pub const CANARIES_MAX: usize = 3;
/// Calls of a hook, on either side of a canary, before decisions are compared.
pub const CANARY_CALLS_MIN: u64 = 50;
/// Fewer faults of a canary than this are bad luck.
pub const CANARY_FAULTS_MIN: u64 = 3;
/// Differences between shares of decisions below this do not matter, however certain they are.
pub const CANARY_DIFFERENCE_MIN: f64 = 0.02;
/// Calls on their way into a record; more are counted and left out.
pub const RECORD_QUEUE_MAX: usize = 1024;
/// Bytes of messages and host calls on their way into a record.
pub const RECORD_BYTES_MAX: usize = 64 << 20;
/// Calls of one session that wait for it to be chosen by its sender or recipient.
pub const RECORD_PENDING_MAX: usize = 256;
/// Lines of a record that is replayed may be so long: a message of the largest size in base64, twice.
pub const RECORD_LINE_BYTES_MAX: usize = 256 << 20;
