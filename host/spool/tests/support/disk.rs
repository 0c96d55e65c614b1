//! A disk that remembers what it was told, forgets what was not synced, and fails on demand.

use std::io;
use std::sync::{Arc, Mutex};

use baton_spool::StorageBackend;

/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// One thing the disk was told.
#[derive(Debug, Clone)]
pub enum Event {
    Write { offset: u64, data: Vec<u8> },
    SetLen(u64),
    Sync,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    /// Everything since the beginning, if it is recorded.
    events: Option<Vec<Event>>,
    /// Changing calls so far.
    calls: u64,
    fault: Option<Fault>,
    failures: u64,
    panic_at: Option<u64>,
}

/// Which calls fail, and how.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    pub from_call: u64,
    pub to_call: u64,
    pub kind: io::ErrorKind,
    /// Whether syncs fail too, or only what takes room.
    pub syncs: bool,
}

/// Clones are the same disk.
#[derive(Debug, Clone, Default)]
pub struct Disk(Arc<Mutex<State>>);

impl Disk {
    /// An empty disk that records.
    pub fn recording() -> Self {
        let disk = Self::default();
        disk.0.lock().unwrap().events = Some(Vec::new());
        disk
    }

    /// A disk with these bytes that records from now on.
    pub fn with(bytes: Vec<u8>) -> Self {
        let disk = Self::recording();
        disk.0.lock().unwrap().bytes = bytes;
        disk
    }

    pub fn events(&self) -> Vec<Event> {
        self.0.lock().unwrap().events.clone().unwrap_or_default()
    }

    pub fn event_count(&self) -> usize {
        self.0.lock().unwrap().events.as_ref().map_or(0, Vec::len)
    }

    pub fn calls(&self) -> u64 {
        self.0.lock().unwrap().calls
    }

    pub fn failures(&self) -> u64 {
        self.0.lock().unwrap().failures
    }

    pub fn set_fault(&self, fault: Option<Fault>) {
        self.0.lock().unwrap().fault = fault;
    }

    /// The call of this number panics, as redb does on pages that are not what they were.
    pub fn panic_at(&self, call: Option<u64>) {
        self.0.lock().unwrap().panic_at = call;
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().bytes.clone()
    }

    /// Spoils what is on the disk: every place that holds `from` holds `to` now. Gives how many there were.
    pub fn replace_all(&self, from: &[u8], to: &[u8]) -> usize {
        assert_eq!(from.len(), to.len());
        let bytes = &mut self.0.lock().unwrap().bytes;
        let places: Vec<_> = bytes
            .windows(from.len())
            .enumerate()
            .filter(|(_, w)| *w == from)
            .map(|p| p.0)
            .collect();
        for place in &places {
            bytes[*place..place + to.len()].copy_from_slice(to);
        }
        places.len()
    }

    fn change(&self, event: Event) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        let call = state.calls;
        state.calls += 1;
        if state.panic_at == Some(call) {
            drop(state);
            panic!("a page that is not what it was");
        }
        if let Some(fault) = state.fault {
            let takes_room = match &event {
                Event::Sync => fault.syncs,
                Event::SetLen(length) => *length > state.bytes.len() as u64,
                Event::Write { .. } => true,
            };
            if takes_room && (fault.from_call..fault.to_call).contains(&call) {
                state.failures += 1;
                return Err(fault.kind.into());
            }
        }
        apply(&mut state.bytes, &event);
        if let Some(events) = &mut state.events {
            events.push(event);
        }
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().bytes.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.0.lock().unwrap();
        let start = offset as usize;
        let bytes = state.bytes.get(start..start + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Event::SetLen(len))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.change(Event::Sync)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.change(Event::Write {
            offset,
            data: data.to_vec(),
        })
    }
}

fn apply(bytes: &mut Vec<u8>, event: &Event) {
    match event {
        Event::Write { offset, data } => {
            let start = *offset as usize;
            bytes[start..start + data.len()].copy_from_slice(data);
        }
        Event::SetLen(length) => bytes.resize(*length as usize, 0),
        Event::Sync => {}
    }
}

/// What of the unsynced changes a crash leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crash {
    /// Nothing: the power went before the disk moved.
    Nothing,
    /// Everything: only the process was killed.
    Everything,
    /// The first so many, the last of them torn.
    Prefix,
    /// Each sector as it was after any one of the changes that touched it.
    Scattered,
}

pub const CRASHES: [Crash; 4] = [
    Crash::Nothing,
    Crash::Everything,
    Crash::Prefix,
    Crash::Scattered,
];

/// A small generator, so that a failure can be repeated from its seed.
pub struct Chance(u64);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % bound.max(1)
    }
}

/// What is on the disk when the power goes: `durable`, and of `unsynced` what the crash leaves.
pub fn after_crash(durable: &[u8], unsynced: &[Event], crash: Crash, seed: u64) -> Vec<u8> {
    let mut chance = Chance::new(seed);
    let mut bytes = durable.to_vec();
    match crash {
        Crash::Nothing => {}
        Crash::Everything => unsynced.iter().for_each(|event| apply(&mut bytes, event)),
        Crash::Prefix => {
            let kept = chance.below(unsynced.len() + 1);
            unsynced[..kept]
                .iter()
                .for_each(|event| apply(&mut bytes, event));
            if let Some(Event::Write { offset, data }) = unsynced.get(kept) {
                let torn = chance.below(data.len() / SECTOR_BYTES + 1) * SECTOR_BYTES;
                apply(
                    &mut bytes,
                    &Event::Write {
                        offset: *offset,
                        data: data[..torn].to_vec(),
                    },
                );
            }
        }
        Crash::Scattered => scatter(&mut bytes, unsynced, &mut chance),
    }
    bytes
}

/// A sector holds what it held before, or after any one of the writes to it, whatever the others do: the disk may write in
/// any order, but never an older version over a newer one.
fn scatter(bytes: &mut Vec<u8>, unsynced: &[Event], chance: &mut Chance) {
    let lengths: Vec<usize> = unsynced
        .iter()
        .filter_map(|event| match event {
            Event::SetLen(length) => Some(*length as usize),
            _ => None,
        })
        .collect();
    let longest = lengths.iter().copied().max().unwrap_or(0).max(bytes.len());
    let last = match chance.below(lengths.len() + 1) {
        0 => bytes.len(),
        n => lengths[n - 1],
    };
    bytes.resize(longest, 0);
    let mut versions = std::collections::HashMap::<usize, Vec<&[u8]>>::new();
    for event in unsynced {
        if let Event::Write { offset, data } = event {
            let offset = *offset as usize;
            let mut at = 0;
            while at < data.len() {
                let step = (SECTOR_BYTES - (offset + at) % SECTOR_BYTES).min(data.len() - at);
                versions
                    .entry(offset + at)
                    .or_default()
                    .push(&data[at..at + step]);
                at += step;
            }
        }
    }
    let mut places: Vec<_> = versions.into_iter().collect();
    places.sort_by_key(|(place, _)| *place);
    for (place, versions) in places {
        let kept = chance.below(versions.len() + 1);
        for version in &versions[..kept] {
            bytes[place..place + version.len()].copy_from_slice(version);
        }
    }
    bytes.resize(last, 0);
}

/// Walks a recording: the durable bytes and the unsynced events before each event, and at the end.
pub struct Cuts {
    durable: Vec<u8>,
    events: Vec<Event>,
    synced: usize,
    next: usize,
}

impl Cuts {
    pub fn new(start: Vec<u8>, events: Vec<Event>) -> Self {
        Self {
            durable: start,
            events,
            synced: 0,
            next: 0,
        }
    }

    /// The number of events that happened before this cut, and what they left; none when all cuts are seen.
    pub fn cut(&mut self) -> Option<(usize, &[u8], &[Event])> {
        if self.next > self.events.len() {
            return None;
        }
        if self.next > 0 && matches!(self.events[self.next - 1], Event::Sync) {
            for event in &self.events[self.synced..self.next] {
                apply(&mut self.durable, event);
            }
            self.synced = self.next;
        }
        self.next += 1;
        let at = self.next - 1;
        Some((at, &self.durable, &self.events[self.synced..at]))
    }
}
