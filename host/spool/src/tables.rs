//! The only list of what is on disk.
//!
//! | table | key | value | there while |
//! |---|---|---|---|
//! | `meta` | name | number | always; `format` is the version of this list |
//! | `messages` | message | [`crate::record`] message | an entry of it waits |
//! | `bodies` | message, chunk | bytes as received and stamped, or how they are made from an original | an entry of it waits |
//! | `originals` | message, chunk | bytes that several messages share | one of them waits |
//! | `original_uses` | message | messages that share it, bytes | as its `originals` rows |
//! | `entries` | message, recipient | entry record, with its state | the recipient is not settled |
//! | `due` | due ms, message, recipient | - | the entry is queued or deferred (not held) |
//! | `history` | message | what people are told about it | among the newest N |
//! | `history_log` | message, place | trace and attempts, opaque | as its `history` row |
//! | `inbox` | message | envelope of a captured message | among the newest N |
//! | `inbox_raw` | message, chunk | bytes of it | as its `inbox` row |
//! | `kv` | plugin, key | expiry and value | until deleted or swept |
//! | `kv_expiry` | expires ms, plugin, key | - | as its `kv` row |
//! | `kv_usage` | plugin | rows, bytes | the plugin has rows |
//! | `suppression` | account or "", address | suppression record | until removed or swept |
//! | `suppression_expiry` | expires ms, account, address | - | as its `suppression` row |
//! | `events` | number | the caller's own bytes | a reader has not dealt with it, among the newest N |
//! | `event_readers` | name | number of the event that it reads next | it reads |
//! | `quarantine` | table, key bytes | reason and the row's bytes | an operator looks at it |
//!
//! Numbers of a message are [`crate::MessageId::to_u128`], so that a table is sorted by time.

use redb::TableDefinition;

/// Version of this list and of the meaning of its keys. A record's own version is its first byte.
pub(crate) const FORMAT: u64 = 1;
/// Row of `meta` that holds [`FORMAT`].
pub(crate) const META_FORMAT: &str = "format";

pub(crate) type Number = u128;
pub(crate) type Part = (u128, u32);
pub(crate) type DueKey = (u64, u128, u32);
pub(crate) type Bytes = &'static [u8];

pub(crate) const META: TableDefinition<&str, u64> = TableDefinition::new("meta");
pub(crate) const MESSAGES: TableDefinition<Number, Bytes> = TableDefinition::new("messages");
pub(crate) const BODIES: TableDefinition<Part, Bytes> = TableDefinition::new("bodies");
pub(crate) const ORIGINALS: TableDefinition<Part, Bytes> = TableDefinition::new("originals");
pub(crate) const ORIGINAL_USES: TableDefinition<Number, (u32, u64)> =
    TableDefinition::new("original_uses");
pub(crate) const ENTRIES: TableDefinition<Part, Bytes> = TableDefinition::new("entries");
pub(crate) const DUE: TableDefinition<DueKey, ()> = TableDefinition::new("due");
pub(crate) const HISTORY: TableDefinition<Number, Bytes> = TableDefinition::new("history");
pub(crate) const HISTORY_LOG: TableDefinition<Part, Bytes> = TableDefinition::new("history_log");
pub(crate) const INBOX: TableDefinition<Number, Bytes> = TableDefinition::new("inbox");
pub(crate) const INBOX_RAW: TableDefinition<Part, Bytes> = TableDefinition::new("inbox_raw");
pub(crate) const KV: TableDefinition<(&str, Bytes), Bytes> = TableDefinition::new("kv");
pub(crate) const KV_EXPIRY: TableDefinition<(u64, &str, Bytes), ()> =
    TableDefinition::new("kv_expiry");
pub(crate) const KV_USAGE: TableDefinition<&str, (u64, u64)> = TableDefinition::new("kv_usage");
pub(crate) const SUPPRESSION: TableDefinition<(&str, &str), Bytes> =
    TableDefinition::new("suppression");
pub(crate) const SUPPRESSION_EXPIRY: TableDefinition<(u64, &str, &str), ()> =
    TableDefinition::new("suppression_expiry");
pub(crate) const EVENTS: TableDefinition<u64, Bytes> = TableDefinition::new("events");
pub(crate) const EVENT_READERS: TableDefinition<&str, u64> = TableDefinition::new("event_readers");
pub(crate) const QUARANTINE: TableDefinition<(&str, Bytes), Bytes> =
    TableDefinition::new("quarantine");
