//! Keeping the hook calls of chosen sessions, while they happen.
//!
//! A session is chosen when it begins (by its share and its listener), or by the first sender or recipient that fits; until
//! then its calls wait. What is chosen goes through a bounded queue to whoever writes it, who also turns it into lines:
//! on the path of mail nothing is encoded and nothing waits.

use std::collections::HashSet;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use arc_swap::ArcSwapOption;
use serde_json::Value;
use tokio::sync::mpsc;

use super::file::{CallLine, End, FORMAT, Head, Line, MessageLine, PluginLine};
use super::redact::Redactor;
use super::said::Said;
use super::snapshot::{Asked, Snapshot};
use super::tape;
use crate::facts::Session;
use crate::limits;
use crate::load::digest;
use crate::record::CallRecord;

/// What is to be recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordOrder {
    /// Of the sessions, from 0 to 1.
    pub share: f64,
    /// Only sessions of the listener of that name.
    pub listener: Option<String>,
    /// Only sessions with this sender: an address, or a domain with or without an `@` before it.
    pub sender: Option<String>,
    /// Only sessions with this recipient, written alike.
    pub recipient: Option<String>,
    /// Ends after so many sessions.
    pub sessions_max: u32,
    /// Local parts and names are replaced, always alike.
    pub redact_addresses: bool,
    /// Letters and digits of bodies and subjects are replaced.
    pub redact_bodies: bool,
}

impl Default for RecordOrder {
    fn default() -> RecordOrder {
        RecordOrder {
            share: 1.0,
            listener: None,
            sender: None,
            recipient: None,
            sessions_max: u32::MAX,
            redact_addresses: false,
            redact_bodies: false,
        }
    }
}

/// Who records now, shared by all generations.
#[derive(Default)]
pub(crate) struct Recorders {
    active: ArcSwapOption<Recorder>,
    sittings: AtomicU64,
}

/// One recording under way.
pub(crate) struct Recorder {
    order: RecordOrder,
    calls: mpsc::Sender<Kept>,
    counts: Arc<Counts>,
    recorders: Weak<Recorders>,
}

#[derive(Default)]
struct Counts {
    sessions: AtomicU32,
    waiting_bytes: AtomicUsize,
    dropped: AtomicU64,
}

/// One call, with all that is known of it.
pub(crate) struct Kept {
    pub sitting: u64,
    pub before: Snapshot,
    pub record: CallRecord,
    pub config: Arc<str>,
    pub host: tape::Kept,
    pub said: Said,
}

impl Kept {
    fn bytes(&self) -> usize {
        self.before.bytes() + self.host.bytes + 4096
    }
}

impl Recorders {
    /// A number for a sitting.
    pub fn number(&self) -> u64 {
        self.sittings.fetch_add(1, Relaxed) + 1
    }

    /// Begins; none if somebody records already.
    pub fn start(
        self: &Arc<Self>,
        order: RecordOrder,
        hostname: &str,
        public_url: Option<&str>,
    ) -> Option<Recording> {
        let running = self.active.load_full();
        if running.as_ref().is_some_and(|one| !one.calls.is_closed()) {
            return None;
        }
        let (calls, queue) = mpsc::channel(limits::RECORD_QUEUE_MAX);
        let counts = Arc::<Counts>::default();
        let head = Head {
            format: FORMAT,
            hostname: hostname.to_owned(),
            public_url: public_url.map(str::to_owned),
            redacted_addresses: order.redact_addresses,
            redacted_bodies: order.redact_bodies,
        };
        let redactor = Redactor::new(order.redact_addresses, order.redact_bodies);
        let recorder = Arc::new(Recorder {
            order,
            calls,
            counts: counts.clone(),
            recorders: Arc::downgrade(self),
        });
        let own = Arc::downgrade(&recorder);
        let before = self.active.compare_and_swap(&running, Some(recorder));
        let unchanged = match (&*before, &running) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        };
        unchanged.then(|| Recording {
            recorders: self.clone(),
            recorder: own,
            queue,
            counts,
            redactor,
            said: HashSet::new(),
            ready: vec![Line::Record(head)].into(),
            calls: 0,
            ended: false,
        })
    }

    /// The reel of a session that begins, if it may be recorded.
    pub fn begin(&self, session: &Session) -> Option<Arc<Reel>> {
        let recorder = self.recorder()?;
        let order = &recorder.order;
        if order
            .listener
            .as_ref()
            .is_some_and(|wanted| **wanted != *session.listener)
        {
            return None;
        }
        let chosen = order.share >= 1.0 || rand::random::<f64>() < order.share;
        chosen.then(|| Reel::new(recorder))
    }

    /// The reel of a sitting without a session, such as one of an attempt.
    pub fn begin_alone(&self) -> Option<Arc<Reel>> {
        let recorder = self.recorder()?;
        let order = &recorder.order;
        let chosen =
            order.listener.is_none() && (order.share >= 1.0 || rand::random::<f64>() < order.share);
        chosen.then(|| Reel::new(recorder))
    }

    /// Who records, if sessions may still begin.
    fn recorder(&self) -> Option<Arc<Recorder>> {
        let recorder = self.active.load();
        let recorder = recorder.as_ref()?;
        if recorder.calls.is_closed() {
            self.active.store(None);
            return None;
        }
        Some(recorder.clone())
    }

    /// No session begins to be recorded any more. Those under way hold the recorder; the record ends with the last of them.
    fn stop(&self, recorder: &Weak<Recorder>) {
        let active = self.active.load_full();
        if active.is_some_and(|active| Weak::ptr_eq(&Arc::downgrade(&active), recorder)) {
            self.active.store(None);
        }
    }
}

/// The calls of one session.
pub(crate) struct Reel {
    recorder: Arc<Recorder>,
    state: Mutex<State>,
}

enum State {
    /// Nothing fitted so far; with the bytes that wait.
    Waiting(Vec<Kept>, usize),
    Chosen,
    /// There are enough sessions already.
    Over,
}

impl Reel {
    fn new(recorder: Arc<Recorder>) -> Arc<Reel> {
        Arc::new(Reel {
            recorder,
            state: Mutex::new(State::Waiting(Vec::new(), 0)),
        })
    }

    /// Keeps a call, or has it wait until the session is chosen.
    pub fn keep(&self, kept: Kept) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = &self.recorder.counts;
        if let State::Waiting(waiting, bytes) = &mut *state {
            if !self.recorder.fits(&kept.before.asked) {
                if waiting.len() < limits::RECORD_PENDING_MAX && counts.hold(kept.bytes()) {
                    *bytes += kept.bytes();
                    waiting.push(kept);
                }
                return;
            }
            counts.waiting_bytes.fetch_sub(*bytes, Relaxed);
            *bytes = 0;
            if counts.sessions.fetch_add(1, Relaxed) >= self.recorder.order.sessions_max {
                counts.sessions.fetch_sub(1, Relaxed);
                *state = State::Over;
                return;
            }
            if counts.sessions.load(Relaxed) >= self.recorder.order.sessions_max
                && let Some(recorders) = self.recorder.recorders.upgrade()
            {
                recorders.stop(&Arc::downgrade(&self.recorder));
            }
            for one in std::mem::take(waiting) {
                self.recorder.send(one);
            }
            *state = State::Chosen;
        }
        if matches!(*state, State::Chosen) {
            self.recorder.send(kept);
        }
    }
}

impl Drop for Reel {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let State::Waiting(_, bytes) = state {
            self.recorder
                .counts
                .waiting_bytes
                .fetch_sub(*bytes, Relaxed);
        }
    }
}

impl Counts {
    /// Room for so many bytes, if there is any.
    fn hold(&self, bytes: usize) -> bool {
        let before = self.waiting_bytes.fetch_add(bytes, Relaxed);
        let fits = before + bytes <= limits::RECORD_BYTES_MAX;
        if !fits {
            self.waiting_bytes.fetch_sub(bytes, Relaxed);
        }
        fits
    }
}

impl Recorder {
    fn send(&self, kept: Kept) {
        let bytes = kept.bytes();
        if !self.counts.hold(bytes) {
            self.counts.dropped.fetch_add(1, Relaxed);
        } else if self.calls.try_send(kept).is_err() {
            self.counts.waiting_bytes.fetch_sub(bytes, Relaxed);
            self.counts.dropped.fetch_add(1, Relaxed);
        }
    }

    /// Whether a call shows that its session is wanted.
    fn fits(&self, asked: &Asked) -> bool {
        let order = &self.order;
        if order.sender.is_none() && order.recipient.is_none() {
            return true;
        }
        let (sender, recipients): (Option<String>, Vec<String>) = match asked {
            Asked::Mail { envelope, .. } | Asked::Data { envelope, .. } => (
                envelope.sender.mailbox().map(ToString::to_string),
                envelope
                    .recipients
                    .iter()
                    .map(|r| r.address.to_string())
                    .collect(),
            ),
            Asked::Rcpt {
                envelope,
                recipient,
                ..
            }
            | Asked::Copy {
                envelope,
                recipient,
            } => (
                envelope.sender.mailbox().map(ToString::to_string),
                vec![recipient.address.to_string()],
            ),
            Asked::Route { attempt }
            | Asked::Reply { attempt, .. }
            | Asked::Delivered { attempt, .. }
            | Asked::Bounce { attempt, .. }
            | Asked::Feedback {
                attempt: Some(attempt),
                ..
            } => (
                attempt.sender.mailbox().map(ToString::to_string),
                vec![attempt.recipient.to_string()],
            ),
            _ => return false,
        };
        let wanted = |filter: &Option<String>, found: &[String]| {
            filter
                .as_ref()
                .is_none_or(|filter| found.iter().any(|address| is_of(address, filter)))
        };
        wanted(&order.sender, sender.as_slice()) && wanted(&order.recipient, &recipients)
    }
}

/// Whether an address is the one that is meant, or of the domain that is meant.
fn is_of(address: &str, filter: &str) -> bool {
    let domain = filter.strip_prefix('@').unwrap_or(filter);
    if domain.contains('@') {
        return address.eq_ignore_ascii_case(filter);
    }
    address
        .rsplit_once('@')
        .is_some_and(|(_, of)| of.eq_ignore_ascii_case(domain))
}

/// A recording, as lines of text. Dropping it ends it.
pub struct Recording {
    recorders: Arc<Recorders>,
    recorder: Weak<Recorder>,
    queue: mpsc::Receiver<Kept>,
    counts: Arc<Counts>,
    redactor: Redactor,
    /// Digests of messages and plugins that were written.
    said: HashSet<String>,
    ready: std::collections::VecDeque<Line>,
    calls: u64,
    ended: bool,
}

impl Recording {
    /// The next line, without its end; none when all sessions that were asked for are there and done. Waits for it.
    pub async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(line) = self.ready.pop_front() {
                if let Some(text) = self.write(line) {
                    return Some(text);
                }
                continue;
            }
            if self.ended {
                return None;
            }
            match self.queue.recv().await {
                Some(kept) => {
                    self.counts.waiting_bytes.fetch_sub(kept.bytes(), Relaxed);
                    self.take(kept);
                }
                None => self.end(),
            }
        }
    }

    /// Begins nothing new. What is under way is still to come, until `next` says that it is over.
    pub fn stop(&mut self) {
        self.recorders.stop(&self.recorder);
        self.queue.close();
    }

    /// How many sessions were chosen so far.
    pub fn sessions(&self) -> u32 {
        self.counts.sessions.load(Relaxed)
    }

    fn end(&mut self) {
        self.ended = true;
        self.ready.push_back(Line::End(End {
            sessions: self.counts.sessions.load(Relaxed),
            calls: self.calls,
            dropped: self.counts.dropped.load(Relaxed),
        }));
    }

    fn take(&mut self, kept: Kept) {
        self.calls += 1;
        if self.said.insert(kept.record.digest.to_string()) {
            self.ready.push_back(Line::Plugin(PluginLine {
                name: kept.record.plugin.to_string(),
                digest: kept.record.digest.to_string(),
                config: serde_json::from_str(&kept.config).unwrap_or(Value::Null),
            }));
        }
        let message = kept.before.draft.as_ref().map(|draft| {
            let bytes = draft.message().bytes();
            let name = digest(bytes);
            if self.said.insert(name.clone()) {
                let bytes = if self.redactor.is_on() {
                    self.redactor.message(bytes)
                } else {
                    bytes.clone()
                };
                self.ready.push_back(Line::Message(MessageLine {
                    digest: name.clone(),
                    bytes: crate::door::octets(&bytes),
                }));
            }
            name
        });
        // What was asked with a password is told, and cannot be asked again.
        let cut = kept.host.cut || matches!(kept.before.asked, Asked::Auth { .. });
        self.ready.push_back(Line::Call(Box::new(CallLine::of(
            kept.sitting,
            &kept.record,
            &kept.before,
            message,
            kept.host.calls,
            cut,
            &kept.said,
        ))));
    }

    fn write(&self, line: Line) -> Option<String> {
        let mut value = serde_json::to_value(&line).ok()?;
        if matches!(line, Line::Call(_)) && self.redactor.is_on() {
            self.redactor.value(&mut value);
            if self.redactor.bodies {
                self.blank(&mut value);
            }
        }
        Some(value.to_string())
    }

    /// Texts of bodies in a call: those of edits, and of what was sent to somebody.
    fn blank(&self, value: &mut Value) {
        let blank = |text: &mut Value| {
            if let Value::String(inner) = text {
                *inner = self.redactor.body(inner);
            }
        };
        for list in ["/edits_before", "/said/edits"] {
            let edits = value.pointer_mut(list).and_then(Value::as_array_mut);
            for edit in edits.into_iter().flatten() {
                edit.get_mut("text").map(blank);
                if edit["name"]
                    .as_str()
                    .is_some_and(|n| n.eq_ignore_ascii_case("subject"))
                {
                    edit.get_mut("value").map(blank);
                }
            }
        }
        let host = value.get_mut("host").and_then(Value::as_array_mut);
        for call in host.into_iter().flatten() {
            match call[0].as_str() {
                Some("http.send") => {
                    call.pointer_mut("/1/0/body").map(blank);
                    call.pointer_mut("/2/ok/body").map(blank);
                }
                Some("submit") => {
                    call.pointer_mut("/1/2").map(blank);
                }
                _ => {}
            }
        }
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.recorders.stop(&self.recorder);
    }
}
