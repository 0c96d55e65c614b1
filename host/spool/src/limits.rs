//! The numbers that bound what is on disk.

/// Limits of one spool. Every pile has one; what does not fit is refused or, for piles that only inform, pushes out the oldest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes all waiting messages may take together, each counted as the disk pages it fills. Beyond it an accept is
    /// refused as [`crate::Refusal::Full`] (the relay answers 452).
    pub spool_bytes_max: u64,
    /// Free bytes the disk must keep. Below it an accept is refused as full, so that settling still has room to work.
    pub disk_free_bytes_min: u64,
    /// Recipients of one message, so that no single transaction grows without bound.
    pub message_recipients_max: u32,
    /// Messages the history remembers; 0 switches it off. The oldest make room.
    pub history_messages_max: u64,
    /// Bytes of log the history keeps of one message; what comes later is left out.
    pub history_log_bytes_max: u32,
    /// Messages in the development inbox. The oldest make room.
    pub inbox_messages_max: u64,
    /// Events that readers have not dealt with. The oldest make room.
    pub events_max: u64,
    /// Bytes of one key-value value, and of one key.
    pub kv_value_bytes_max: u32,
    /// Bytes of pages redb keeps in memory.
    pub cache_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            spool_bytes_max: 20 << 30,
            disk_free_bytes_min: 64 << 20,
            message_recipients_max: 10_000,
            history_messages_max: 10_000,
            history_log_bytes_max: 256 << 10,
            inbox_messages_max: 1_000,
            events_max: 1_000_000,
            kv_value_bytes_max: 1 << 20,
            cache_bytes: 32 << 20,
        }
    }
}
