//! Random operations against a model that keeps everything in maps, with closings and power cuts in between.

mod support;

use std::collections::BTreeMap;

use baton_spool::*;
use bytes::Bytes;
use proptest::prelude::*;
use support::disk::{CRASHES, Cuts, Disk, after_crash};
use support::dump::{NAMESPACES, dump};
use support::*;

/// Few names, so that operations meet.
const MESSAGES: u64 = 6;
const KEYS: u8 = 3;
const HISTORY_MAX: usize = 4;
const INBOX_MAX: usize = 2;

/// State and attempts of each waiting recipient.
type Entries = BTreeMap<u32, (EntryState, u32)>;

#[derive(Debug, Clone, PartialEq, Default)]
struct Model {
    messages: BTreeMap<MessageId, (Bytes, Entries)>,
    history: BTreeMap<MessageId, (u32, u32, u32)>,
    inbox: BTreeMap<MessageId, Bytes>,
    kv: BTreeMap<(String, Bytes), (Bytes, Option<u64>)>,
    suppressions: BTreeMap<String, Option<u64>>,
}

#[derive(Debug, Clone)]
enum Act {
    Accept {
        n: u64,
        recipients: usize,
        bytes: usize,
        held: bool,
    },
    Settle {
        n: u64,
        outcomes: Vec<(u32, u8)>,
        bounce: Option<u64>,
    },
    Hold {
        n: u64,
        entry: Option<u32>,
    },
    Release {
        n: u64,
        due_ms: u64,
    },
    Reschedule {
        n: u64,
        entry: Option<u32>,
        due_ms: u64,
    },
    Remove {
        n: u64,
        entry: Option<u32>,
    },
    Inbox {
        n: u64,
        bytes: usize,
    },
    InboxDelete {
        n: u64,
    },
    Kv {
        writes: Vec<(usize, u8, Option<u8>, Option<u64>)>,
    },
    Suppress {
        n: u8,
        expires_ms: Option<u64>,
    },
    Unsuppress {
        n: u8,
    },
    Sweep {
        now_ms: u64,
    },
}

#[derive(Debug, Clone)]
enum Move {
    Commit(Vec<Act>, bool),
    Reopen,
    /// The power goes during a commit of these, at this share of its events.
    Crash(Vec<Act>, bool, usize, u8, u64),
}

fn acts() -> impl Strategy<Value = Act> {
    let n = 0..MESSAGES;
    let entry = || proptest::option::of(0u32..3);
    prop_oneof![
        4 => (n.clone(), 0usize..4, prop_oneof![0usize..2_000, 60_000usize..140_000], any::<bool>())
            .prop_map(|(n, recipients, bytes, held)| Act::Accept { n, recipients, bytes, held }),
        5 => (n.clone(), proptest::collection::vec((0u32..3, 0u8..4), 1..4),
              proptest::option::weighted(0.2, n.clone()))
            .prop_map(|(n, outcomes, bounce)| Act::Settle { n, outcomes, bounce }),
        1 => (n.clone(), entry()).prop_map(|(n, entry)| Act::Hold { n, entry }),
        1 => (n.clone(), 0u64..50).prop_map(|(n, due_ms)| Act::Release { n, due_ms }),
        1 => (n.clone(), entry(), 0u64..50)
            .prop_map(|(n, entry, due_ms)| Act::Reschedule { n, entry, due_ms }),
        1 => (n.clone(), entry()).prop_map(|(n, entry)| Act::Remove { n, entry }),
        1 => (n.clone(), 0usize..9_000).prop_map(|(n, bytes)| Act::Inbox { n, bytes }),
        1 => n.prop_map(|n| Act::InboxDelete { n }),
        2 => proptest::collection::vec(
                (0..NAMESPACES.len(), 0..KEYS, proptest::option::of(any::<u8>()),
                 proptest::option::of(1u64..50)), 1..4)
            .prop_map(|writes| Act::Kv { writes }),
        1 => (0u8..4, proptest::option::of(1u64..50))
            .prop_map(|(n, expires_ms)| Act::Suppress { n, expires_ms }),
        1 => (0u8..4).prop_map(|n| Act::Unsuppress { n }),
        1 => (0u64..50).prop_map(|now_ms| Act::Sweep { now_ms }),
    ]
}

fn moves() -> impl Strategy<Value = Move> {
    let batch = || proptest::collection::vec(acts(), 1..6);
    prop_oneof![
        8 => (batch(), any::<bool>()).prop_map(|(batch, durable)| Move::Commit(batch, durable)),
        1 => Just(Move::Reopen),
        2 => (batch(), any::<bool>(), 0usize..100, 0u8..4, any::<u64>())
            .prop_map(|(batch, durable, at, crash, seed)| Move::Crash(batch, durable, at, crash, seed)),
    ]
}

fn new_message(n: u64, recipients: usize, bytes: usize, held: bool) -> NewMessage {
    let mut new = message(n, recipients, bytes);
    if held {
        new.recipients
            .iter_mut()
            .for_each(|r| r.state = EntryState::Held("held".into()));
    }
    new
}

fn target(n: u64, entry: Option<u32>) -> Target {
    entry.map_or(Target::Message(id(n)), |r| {
        Target::Entry(EntryId::new(id(n), r))
    })
}

fn address(n: u8) -> String {
    format!("user{n}@example.net")
}

impl Act {
    fn operation(&self) -> Operation {
        match self.clone() {
            Act::Accept {
                n,
                recipients,
                bytes,
                held,
            } => Operation::Accept(vec![new_message(n, recipients, bytes, held)]),
            Act::Settle {
                n,
                outcomes,
                bounce,
            } => {
                let outcomes = outcomes
                    .into_iter()
                    .map(|(r, kind)| (r, outcome(kind)))
                    .collect();
                let accept = bounce
                    .map(|b| new_message(b, 1, 100, false))
                    .into_iter()
                    .collect();
                Operation::Settle(Box::new(Settle {
                    accept,
                    ..settle(n, outcomes)
                }))
            }
            Act::Hold { n, entry } => Operation::Hold {
                target: target(n, entry),
                reason: "odd".into(),
            },
            Act::Release { n, due_ms } => Operation::Release {
                target: Target::Message(id(n)),
                due_ms,
            },
            Act::Reschedule { n, entry, due_ms } => Operation::Reschedule {
                target: target(n, entry),
                due_ms,
            },
            Act::Remove { n, entry } => Operation::Remove {
                target: target(n, entry),
                at_ms: NOW,
            },
            Act::Inbox { n, bytes } => Operation::InboxPut(Box::new(InboxMessage {
                id: id(n),
                received_ms: NOW,
                sender: None.into(),
                recipients: vec![],
                subject: None,
                meta: Bytes::new(),
                raw: vec![body_of(n, bytes)],
                raw_bytes: 0,
            })),
            Act::InboxDelete { n } => Operation::InboxDelete(id(n)),
            Act::Kv { writes } => Operation::Kv(
                writes
                    .into_iter()
                    .map(|(space, key, value, expires_ms)| KvWrite {
                        namespace: NAMESPACES[space].into(),
                        key: vec![b'k', key].into(),
                        value: value.map(|v| vec![v; usize::from(v)].into()),
                        expires_ms,
                    })
                    .collect(),
            ),
            Act::Suppress { n, expires_ms } => Operation::SuppressionPut(Suppression {
                account: None,
                address: mailbox(&address(n)),
                cause: "bounce".into(),
                reason: String::new(),
                source: String::new(),
                created_ms: 0,
                expires_ms,
            }),
            Act::Unsuppress { n } => Operation::SuppressionRemove {
                account: None,
                address: mailbox(&address(n)),
            },
            Act::Sweep { now_ms } => Operation::Sweep {
                now_ms,
                rows_max: 100,
            },
        }
    }
}

fn outcome(kind: u8) -> Outcome {
    match kind {
        0 => Outcome::Delivered,
        1 => Outcome::Failed,
        2 => deferred(NOW + 60_000, 3),
        _ => Outcome::Held {
            reason: "odd".into(),
            attempts: 2,
            last: None,
            notes: None,
        },
    }
}

impl Model {
    /// Does it; gives whether it is refused.
    fn apply(&mut self, act: &Act) -> bool {
        match act.clone() {
            Act::Accept {
                n,
                recipients,
                bytes,
                held,
            } => {
                let refused = recipients == 0 || self.messages.contains_key(&id(n));
                if !refused {
                    self.insert(&new_message(n, recipients, bytes, held));
                }
                refused
            }
            Act::Settle {
                n,
                outcomes,
                bounce,
            } => self.settle(n, &outcomes, bounce),
            Act::Hold { n, entry } => self.entries(n, entry, |state| {
                *state = EntryState::Held("odd".into());
            }),
            Act::Release { n, due_ms } => self.entries(n, None, |state| {
                if matches!(state, EntryState::Held(_)) {
                    *state = EntryState::Due(due_ms);
                }
            }),
            Act::Reschedule { n, entry, due_ms } => self.entries(n, entry, |state| {
                if matches!(state, EntryState::Due(_)) {
                    *state = EntryState::Due(due_ms);
                }
            }),
            Act::Remove { n, entry } => {
                if self.entries(n, entry, |_| {}) {
                    return true;
                }
                let (_, entries) = self.messages.get_mut(&id(n)).unwrap();
                let before = entries.len();
                entries.retain(|r, _| entry.is_some_and(|entry| entry != *r));
                let removed = (before - entries.len()) as u32;
                self.forget_if_empty(n);
                if let Some((pending, _, _)) = self.history.get_mut(&id(n)) {
                    *pending -= removed;
                }
                false
            }
            Act::Inbox { n, bytes } => {
                let refused = self.inbox.contains_key(&id(n));
                if !refused {
                    self.inbox.insert(id(n), body_of(n, bytes));
                }
                refused
            }
            Act::InboxDelete { n } => {
                self.inbox.remove(&id(n));
                false
            }
            Act::Kv { writes } => {
                for (space, key, value, expires_ms) in writes {
                    let key = (NAMESPACES[space].to_owned(), Bytes::from(vec![b'k', key]));
                    match value {
                        Some(v) => {
                            let value = Bytes::from(vec![v; usize::from(v)]);
                            self.kv.insert(key, (value, expires_ms));
                        }
                        None => {
                            self.kv.remove(&key);
                        }
                    }
                }
                false
            }
            Act::Suppress { n, expires_ms } => {
                self.suppressions.insert(address(n), expires_ms);
                false
            }
            Act::Unsuppress { n } => {
                self.suppressions.remove(&address(n));
                false
            }
            Act::Sweep { now_ms } => {
                self.kv
                    .retain(|_, (_, expires)| expires.is_none_or(|at| at > now_ms));
                self.suppressions
                    .retain(|_, expires| expires.is_none_or(|at| at > now_ms));
                false
            }
        }
    }

    fn insert(&mut self, new: &NewMessage) {
        let entries = new.recipients.iter().enumerate();
        let entries = entries
            .map(|(r, entry)| (r as u32, (entry.state.clone(), 0)))
            .collect();
        self.messages
            .insert(new.id, (new.body.concat().into(), entries));
        self.history
            .insert(new.id, (new.recipients.len() as u32, 0, 0));
    }

    fn settle(&mut self, n: u64, outcomes: &[(u32, u8)], bounce: Option<u64>) -> bool {
        let Some((_, entries)) = self.messages.get(&id(n)) else {
            return true;
        };
        if outcomes.iter().all(|(r, _)| !entries.contains_key(r)) {
            return true;
        }
        if bounce.is_some_and(|b| self.messages.contains_key(&id(b))) {
            return true;
        }
        let (_, entries) = self.messages.get_mut(&id(n)).unwrap();
        let (mut delivered, mut failed) = (0, 0);
        let mut seen = Vec::new();
        for (r, kind) in outcomes {
            let Some(entry) = entries.get_mut(r).filter(|_| !seen.contains(r)) else {
                continue;
            };
            seen.push(*r);
            match kind {
                0 => delivered += u32::from(entries.remove(r).is_some()),
                1 => failed += u32::from(entries.remove(r).is_some()),
                2 => *entry = (EntryState::Due(NOW + 60_000), 3),
                _ => *entry = (EntryState::Held("odd".into()), 2),
            }
        }
        self.forget_if_empty(n);
        if let Some(row) = self.history.get_mut(&id(n)) {
            *row = (
                row.0 - delivered - failed,
                row.1 + delivered,
                row.2 + failed,
            );
        }
        if let Some(b) = bounce {
            self.insert(&new_message(b, 1, 100, false));
        }
        false
    }

    /// Changes the entries a target names; true if there are none.
    fn entries(&mut self, n: u64, entry: Option<u32>, change: impl Fn(&mut EntryState)) -> bool {
        let Some((_, entries)) = self.messages.get_mut(&id(n)) else {
            return true;
        };
        let mut named: Vec<_> = entries
            .iter_mut()
            .filter(|(r, _)| entry.is_none_or(|entry| entry == **r))
            .collect();
        named.iter_mut().for_each(|(_, (state, _))| change(state));
        named.is_empty()
    }

    fn forget_if_empty(&mut self, n: u64) {
        if self
            .messages
            .get(&id(n))
            .is_some_and(|(_, entries)| entries.is_empty())
        {
            self.messages.remove(&id(n));
        }
    }

    fn finish(&mut self) {
        while self.history.len() > HISTORY_MAX {
            self.history.pop_first();
        }
        while self.inbox.len() > INBOX_MAX {
            self.inbox.pop_first();
        }
    }

    /// What the spool holds, in the model's words.
    fn of(spool: &Spool) -> Self {
        let held = dump(spool);
        let mut model = Self::default();
        for (id, (_, body)) in held.messages {
            model.messages.insert(
                id,
                (
                    body.into_whole().expect("no copy is made here"),
                    BTreeMap::new(),
                ),
            );
        }
        for (id, entry) in held.entries {
            let message = model.messages.get_mut(&id.message).unwrap();
            message
                .1
                .insert(id.recipient, (entry.state, entry.attempts));
        }
        for (row, _) in held.history {
            model
                .history
                .insert(row.id, (row.pending, row.delivered, row.failed));
        }
        for (message, raw) in held.inbox {
            model.inbox.insert(message.id, raw);
        }
        for (space, row) in held.kv {
            model
                .kv
                .insert((space, row.key), (row.value, row.expires_ms));
        }
        for row in held.suppressions {
            model
                .suppressions
                .insert(row.address.to_string(), row.expires_ms);
        }
        model
    }
}

fn open(disk: &Disk) -> Spool {
    let same = disk.clone();
    let limits = Limits {
        history_messages_max: HISTORY_MAX as u64,
        inbox_messages_max: INBOX_MAX as u64,
        cache_bytes: 1 << 20,
        ..Limits::default()
    };
    Spool::open_with_backend(move || Ok(same.clone()), || Ok(u64::MAX), limits)
        .unwrap()
        .0
}

fn commit(spool: &Spool, acts: &[Act], durable: bool, model: &Model) -> Model {
    let operations: Vec<_> = acts.iter().map(Act::operation).collect();
    let durability = if durable {
        Durability::Durable
    } else {
        Durability::Eventual
    };
    let answers = spool.commit(&operations, durability).unwrap();
    let mut next = model.clone();
    for (act, answer) in acts.iter().zip(&answers) {
        assert_eq!(next.apply(act), answer.is_err(), "{act:?}: {answer:?}");
    }
    next.finish();
    assert_eq!(Model::of(spool), next);
    next
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_spool_does_what_the_model_does_and_a_crash_takes_it_back_to_a_commit(
        moves in proptest::collection::vec(moves(), 1..16),
    ) {
        let disk = Disk::default();
        open(&disk).close().unwrap();
        let mut start = disk.bytes();
        let mut disk = Disk::with(start.clone());
        let mut spool = open(&disk);
        // What may be found after a crash now: the last durable state and the eventual ones after it.
        let mut states = vec![Model::default()];
        for step in moves {
            match step {
                Move::Commit(acts, durable) => {
                    let next = commit(&spool, &acts, durable, states.last().unwrap());
                    if durable {
                        states.clear();
                    }
                    states.push(next);
                }
                Move::Reopen => {
                    spool.close().unwrap();
                    spool = open(&disk);
                    states = vec![states.pop().unwrap()];
                    prop_assert_eq!(&Model::of(&spool), &states[0]);
                }
                Move::Crash(acts, durable, at, crash, seed) => {
                    let before = disk.event_count();
                    let next = commit(&spool, &acts, durable, states.last().unwrap());
                    states.push(next);
                    let events = disk.events();
                    let cut = before + at * (events.len() - before) / 100;
                    let mut cuts = Cuts::new(start, events);
                    let left = loop {
                        let (seen, durable, unsynced) = cuts.cut().expect("the cut is in the run");
                        if seen == cut {
                            break after_crash(durable, unsynced, CRASHES[usize::from(crash)], seed);
                        }
                    };
                    drop(spool);
                    start = left.clone();
                    disk = Disk::with(left);
                    spool = open(&disk);
                    let held = Model::of(&spool);
                    prop_assert!(states.contains(&held), "{:?}\nis none of\n{:?}", held, states);
                    states = vec![held];
                }
            }
        }
    }
}
