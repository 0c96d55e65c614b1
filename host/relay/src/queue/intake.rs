//! Where entries come from: handed over as they are accepted, or found due in the spool.

use std::sync::Arc;
use std::time::Duration;

use baton_spool::{Due, Entry, MessageId, Operation, Snapshot};
use tokio::time::{Instant, sleep_until};

use super::Queue;
use crate::clock;
use crate::event::Event;
use crate::limits;
use crate::store::{Fresh, Handover};

/// Runs until the queue stops.
pub(super) async fn run(queue: Queue, mut handover: Handover) {
    let mut scan = Scan::default();
    let mut next_look = Instant::now();
    loop {
        tokio::select! {
            biased;
            () = queue.shared.stop.cancelled() => return,
            fresh = handover.fresh.recv() => {
                let Some(fresh) = fresh else { return };
                let mut admitted = admit_fresh(&queue, fresh);
                while let Ok(fresh) = handover.fresh.try_recv() {
                    admitted &= admit_fresh(&queue, fresh);
                }
                if !admitted {
                    scan.start_over();
                    next_look = next_look.min(Instant::now() + limits::SCAN_OVERFLOW_REST);
                }
            }
            () = handover.missed.told() => {
                if handover.missed.take() {
                    scan.start_over();
                    next_look = next_look.min(Instant::now() + limits::SCAN_REST);
                }
                if let Some(due_ms) = handover.missed.take_expected() {
                    next_look = next_look.min(Instant::now() + until(due_ms));
                }
            }
            () = sleep_until(next_look) => {
                // What is put off while the spool is looked at may be due before the next look.
                handover.missed.looks_again_at(u64::MAX);
                let rest = scan.run(&queue).await;
                next_look = Instant::now() + rest;
                let look_ms = clock::now().plus(rest).as_millis();
                handover.missed.looks_again_at(look_ms);
            }
        }
    }
}

fn until(due_ms: u64) -> Duration {
    let wait = Duration::from_millis(due_ms.saturating_sub(clock::now().as_millis()));
    wait.max(limits::SCAN_REST)
}

/// False if there was no room for it.
fn admit_fresh(queue: &Queue, fresh: Fresh) -> bool {
    let message = fresh.message.id;
    let recipient = |entry: &Entry| (entry.id.recipient, domain_of(entry));
    let recipients = fresh.entries.iter().map(recipient).collect();
    let admitted = queue
        .lock()
        .window
        .admit(message, Some(Arc::new(fresh)), recipients);
    queue.shared.work.notify_one();
    admitted
}

pub(super) fn domain_of(entry: &Entry) -> Arc<str> {
    Arc::from(entry.recipient.address.domain().as_str())
}

/// A walk through what is due.
#[derive(Default)]
struct Scan {
    /// Behind what was seen last.
    cursor: Option<Due>,
    /// The last walk from the beginning. What slips behind the cursor is found by the next one.
    began: Option<Instant>,
    /// Something due found no room in the window.
    overflowed: bool,
}

impl Scan {
    fn start_over(&mut self) {
        self.cursor = None;
    }

    /// Takes in what is due now; how long to wait before the next look.
    async fn run(&mut self, queue: &Queue) -> Duration {
        if self
            .began
            .is_none_or(|began| began.elapsed() >= limits::SCAN_WHOLE_EVERY)
        {
            self.cursor = None;
        }
        if self.cursor.is_none() {
            self.began = Some(Instant::now());
        }
        loop {
            if !queue.lock().window.has_room() {
                self.cursor = None;
                return limits::SCAN_OVERFLOW_REST;
            }
            let now = clock::now().as_millis();
            let after = self.cursor;
            let page = queue.shared.parts.store.read(move |snapshot| {
                let due = snapshot.due_before(now, after, limits::SCAN_PAGE_ENTRIES)?;
                let next = if due.len() < limits::SCAN_PAGE_ENTRIES {
                    snapshot.next_due(due.last().copied().or(after))?
                } else {
                    None
                };
                Ok((due, next))
            });
            let (due, next) = match page.await {
                Ok(page) => page,
                Err(error) => {
                    trouble(queue, &error.to_string());
                    return limits::SCAN_TROUBLE_REST;
                }
            };
            let whole = due.len() < limits::SCAN_PAGE_ENTRIES;
            let last = due.last().copied();
            self.take_in(queue, due).await;
            self.cursor = last.or(self.cursor);
            if whole {
                // One domain may be full while others are not: the walk goes on to its end, and begins anew later.
                if std::mem::take(&mut self.overflowed) {
                    self.cursor = None;
                    return limits::SCAN_OVERFLOW_REST;
                }
                let wait = next.map_or(limits::SCAN_WHOLE_EVERY, |next| until(next.due_ms));
                return wait.min(limits::SCAN_WHOLE_EVERY);
            }
        }
    }

    async fn take_in(&mut self, queue: &Queue, mut due: Vec<Due>) {
        {
            let state = queue.lock();
            due.retain(|due| !state.window.holds(due.entry.message, due.entry.recipient));
        }
        if due.is_empty() {
            return;
        }
        let found = queue
            .shared
            .parts
            .store
            .read(move |snapshot| Ok(look_up(snapshot, &due)))
            .await;
        let found = match found {
            Ok(found) => found,
            Err(error) => return trouble(queue, &error.to_string()),
        };
        for (message, recipients) in found.groups {
            if !queue.lock().window.admit(message, None, recipients) {
                self.overflowed = true;
            }
        }
        queue.shared.work.notify_one();
        for (message, reason) in found.unreadable {
            set_aside(queue, message, reason).await;
        }
    }
}

/// Number of each recipient within its message, and its domain.
type Recipients = Vec<(u32, Arc<str>)>;

struct Found {
    groups: Vec<(MessageId, Recipients)>,
    unreadable: Vec<(MessageId, String)>,
}

/// The recipients' domains, grouped by message.
fn look_up(snapshot: &Snapshot, due: &[Due]) -> Found {
    let mut found = Found {
        groups: Vec::new(),
        unreadable: Vec::new(),
    };
    for due in due {
        let message = due.entry.message;
        match snapshot.entry(due.entry) {
            Ok(Some(entry)) => {
                let recipient = (due.entry.recipient, domain_of(&entry));
                match found.groups.last_mut() {
                    Some((last, recipients)) if *last == message => recipients.push(recipient),
                    _ => found.groups.push((message, vec![recipient])),
                }
            }
            Ok(None) => {}
            Err(error) => {
                if found
                    .unreadable
                    .last()
                    .is_none_or(|(last, _)| *last != message)
                {
                    found.unreadable.push((message, error.to_string()));
                }
            }
        }
    }
    found
}

/// A message that cannot be read is put where an operator finds it, so that the others go on.
pub(super) async fn set_aside(queue: &Queue, message: MessageId, reason: String) {
    let parts = &queue.shared.parts;
    let operation = Operation::SetAside {
        message,
        reason: reason.clone(),
    };
    match parts.store.commit(vec![operation]).await {
        Ok(_) => parts.bus.emit(Event::RecordSetAside {
            table: "messages".to_owned(),
            key: message.to_string(),
            error: reason,
        }),
        Err(error) => trouble(queue, &error.to_string()),
    }
}

fn trouble(queue: &Queue, error: &str) {
    queue.shared.parts.bus.emit(Event::Trouble {
        place: "queue",
        error: error.to_owned(),
    });
}
