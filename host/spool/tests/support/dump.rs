//! Everything a spool holds, comparable, with the rules that must hold in every state.

use std::collections::{BTreeMap, BTreeSet};

use baton_spool::*;
use bytes::Bytes;

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Dump {
    pub messages: BTreeMap<MessageId, (Message, Body)>,
    pub originals: Vec<(MessageId, u32, u64)>,
    pub entries: BTreeMap<EntryId, Entry>,
    pub due: BTreeSet<Due>,
    pub history: Vec<(HistoryRow, Vec<LogPiece>)>,
    pub inbox: Vec<(InboxMessage, Bytes)>,
    pub kv: Vec<(String, KvRow)>,
    pub suppressions: Vec<Suppression>,
    pub quarantine: Vec<Quarantined>,
}

pub const NAMESPACES: [&str; 2] = ["policy", "routing"];
const ALL: usize = usize::MAX;

pub fn dump(spool: &Spool) -> Dump {
    let now = spool.snapshot().unwrap();
    let mut dump = Dump::default();
    for message in now.messages(None, ALL).unwrap() {
        let body = now
            .body(message.id)
            .unwrap()
            .expect("a message has its body");
        dump.messages.insert(message.id, (message, body));
    }
    dump.originals = now.originals(ALL).unwrap();
    for entry in now.entries(None, ALL).unwrap() {
        dump.entries.insert(entry.id, entry);
    }
    dump.due = now
        .due_before(u64::MAX, None, ALL)
        .unwrap()
        .into_iter()
        .collect();
    for row in now
        .history_list(None, ALL, &HistoryFilter::default())
        .unwrap()
    {
        let log = now.history_log(row.id).unwrap();
        dump.history.push((row, log));
    }
    for message in now.inbox_list(None, ALL).unwrap() {
        let raw = now
            .inbox_raw(message.id)
            .unwrap()
            .expect("a captured message has its bytes");
        dump.inbox.push((message, raw));
    }
    for namespace in NAMESPACES {
        let rows = now.kv_scan(namespace, b"", None, ALL, 0).unwrap();
        let usage = now.kv_usage(namespace).unwrap();
        let bytes = rows
            .iter()
            .map(|row| (row.key.len() + row.value.len()) as u64)
            .sum::<u64>();
        assert_eq!(
            usage,
            KvUsage {
                rows: rows.len() as u64,
                bytes
            }
        );
        dump.kv
            .extend(rows.into_iter().map(|row| (namespace.to_owned(), row)));
    }
    dump.suppressions = now.suppressions(None, ALL, 0).unwrap();
    dump.quarantine = now.quarantine(ALL).unwrap();
    dump.check(spool.counts());
    dump
}

impl Dump {
    /// I2 and the table in the crate's documentation.
    fn check(&self, counts: Counts) {
        let of_entries: BTreeSet<_> = self.entries.keys().map(|entry| entry.message).collect();
        let of_messages: BTreeSet<_> = self.messages.keys().copied().collect();
        assert_eq!(
            of_entries, of_messages,
            "a message waits if and only if an entry does"
        );
        let due = self.entries.values().filter_map(|entry| match entry.state {
            EntryState::Due(due_ms) => Some(Due {
                due_ms,
                entry: entry.id,
            }),
            EntryState::Held(_) => None,
        });
        assert_eq!(
            due.collect::<BTreeSet<_>>(),
            self.due,
            "the index says what the entries say"
        );
        assert_eq!(counts.messages, self.messages.len() as u64);
        assert_eq!(counts.entries(), self.entries.len() as u64);
        assert_eq!(counts.held, (self.entries.len() - self.due.len()) as u64);
        for (id, (message, body)) in &self.messages {
            if let Body::Whole(body) = body {
                assert_eq!(message.body_bytes, body.len() as u64, "{id}");
            }
        }
        let copies = self
            .messages
            .values()
            .filter(|(_, body)| matches!(body, Body::Copy { .. }));
        let uses = self.originals.iter().map(|(_, uses, _)| *uses as usize);
        assert_eq!(copies.count(), uses.sum::<usize>(), "as many as say so");
        for (row, log) in &self.history {
            assert_eq!(row.log_pieces as usize, log.len());
            if let Some((message, _)) = self.messages.get(&row.id) {
                let waiting = self
                    .entries
                    .keys()
                    .filter(|entry| entry.message == row.id)
                    .count();
                assert_eq!(row.pending as usize, waiting, "{}", row.id);
                assert_eq!(row.recipients_total, message.recipients_total);
            }
        }
    }
}
