//! The end of an attempt: plugins are asked what the replies mean, and every outcome with all that follows from it (next
//! time, bounce, suppression, inbox, history) becomes durable in one transaction.

mod advice;
mod tell;

use std::sync::Arc;
use std::time::Duration;

use baton_hooks::{
    Attempt, BounceVerdict, CallRecord, Hook, RemoteReply, Report, ReportKind, Sitting, Stage,
    Translation,
};
use baton_message::report::Action;
use baton_smtp::EnhancedStatus;
use baton_spool::{
    Entry, InboxMessage, LastReply, Message, NewMessage, Outcome, Settle, Suppression,
};
use bytes::Bytes;

use super::attempt::Tried;
use super::bounce;
use super::fate::{self, Egresses, Fate};
use super::plan::{Hop, SiteKey};
use super::router::attempt_of;
use super::schedule::{self, Next};
use super::{JobEntry, Parcel, Queue};
use crate::clock::{self, Timestamp};
use crate::event::Event;
use crate::limits;
use crate::meta::{self, Notes};
use crate::notification::Told;
use crate::outbound::{Reported, simulate};
use crate::store::Body;
use crate::suppression;

/// What one recipient's attempt came to.
struct Concluded {
    outcome: Outcome,
    /// "delivered", "deferred", "bounced" or "expired".
    word: &'static str,
    reported: Reported,
    translation: Option<(String, Translation)>,
    next: Option<Timestamp>,
    /// What the sender is told, if anything.
    tell: Option<Action>,
    number: u32,
}

/// Who answers a sender that wants to know of success (RFC 3461 5.2).
#[derive(Clone, Copy)]
enum Way {
    /// It is where it should be: we do.
    Arrived,
    /// The next host was told what the sender wants to know.
    Told,
    /// The next host knows nothing of it: we say that it went there.
    Silent,
}

/// Asks plugins, if there are any to ask, and keeps what is recorded of it.
struct Asker {
    sitting: Option<Sitting>,
    records: Vec<CallRecord>,
}

/// Concludes an attempt.
pub(super) async fn run(
    queue: &Queue,
    key: &Arc<SiteKey>,
    parcel: Parcel,
    sitting: Option<Sitting>,
    body: &[Bytes],
    tried: Tried,
) {
    let now = clock::now();
    let mut asker = Asker {
        sitting,
        records: Vec::new(),
    };
    let mut concluded = Vec::with_capacity(parcel.entries.len());
    for (one, reported) in parcel.entries.iter().zip(&tried.reports) {
        let attempt = Attempt {
            site: key.site().into(),
            host: tried.host.clone(),
            egress: key.egress.clone(),
            ..attempt_of(&parcel.message, &one.entry)
        };
        let way = match (&key.hop, tried.passes_on_notify) {
            (Hop::Inbox, _) => Way::Arrived,
            (Hop::Next(_), true) => Way::Told,
            (Hop::Next(_), false) => Way::Silent,
        };
        let end = one_recipient(queue, &mut asker, &one.entry, &attempt, reported, now, way);
        concluded.push(end.await);
    }
    let advised = advice::gather(&concluded);
    let mut settle = Settle::new(parcel.message.id, now.as_millis());
    for (one, end) in parcel.entries.iter().zip(&concluded) {
        settle
            .outcomes
            .push((one.entry.id.recipient, end.outcome.clone()));
        let row = to_suppress(queue, &parcel.message, &one.entry, end, now);
        settle.suppress.extend(row);
    }
    settle
        .inbox
        .extend(captured(queue, &parcel, body, &tried, now));
    let notifications = notifications(queue, &parcel, body, &concluded, &tried, now);
    settle.accept = notifications
        .iter()
        .map(|(_, message)| message.clone())
        .collect();
    asker.collect();
    let records = asker.records;
    settle.log = vec![tell::log(key, &parcel, &concluded, &tried, &records, now)];
    let ids: Vec<(Action, String)> = notifications
        .iter()
        .map(|(action, message)| (*action, message.id.to_string()))
        .collect();
    let suppressed = settle.suppress.iter().map(suppression::added);
    let mut told: Vec<Event> = suppressed.collect();
    told.extend(tell::outcomes(key, &parcel, &concluded, &tried, &ids, now));
    queue.shared.parts.suppressions.flush().await;
    if !make_durable(queue, &parcel, settle, &told).await {
        return;
    }
    advice::follow(queue, key, &concluded, &tried, advised);
    tell::attempt(queue, key, &parcel, &concluded, &tried, &records);
    for event in told {
        queue.shared.parts.bus.emit_committed(event);
    }
    queue.release(parcel.message.id, &parcel.entries);
}

/// Everything or nothing. What could not be made durable has not happened: it is tried again.
async fn make_durable(queue: &Queue, parcel: &Parcel, settle: Settle, told: &[Event]) -> bool {
    let account = parcel.message.origin.account.as_deref();
    let rows = queue.shared.parts.bus.rows(told, account);
    match queue.shared.parts.store.settle_and_tell(settle, rows).await {
        Ok(()) => true,
        // An operator removed it meanwhile.
        Err(crate::store::StoreError::Refused(
            baton_spool::Refusal::NoMessage(_) | baton_spool::Refusal::NoEntry(_),
        )) => {
            queue.release(parcel.message.id, &parcel.entries);
            false
        }
        Err(error) => {
            let error = error.to_string();
            queue.shared.parts.bus.emit(Event::Trouble {
                place: "settle",
                error,
            });
            // A disk that failed a moment ago fails again: nobody is served by a thousand copies meanwhile.
            tokio::time::sleep(limits::SETTLE_TROUBLE_REST).await;
            queue.give_back(parcel.message.id, &parcel.entries);
            false
        }
    }
}

/// Asks the plugins about one recipient's reply and decides what becomes of it.
async fn one_recipient(
    queue: &Queue,
    asker: &mut Asker,
    entry: &Entry,
    attempt: &Attempt,
    reported: &Reported,
    now: Timestamp,
    way: Way,
) -> Concluded {
    let translation = asker.translate(attempt, reported).await;
    let notes = Notes::decode(&entry.notes);
    let egresses = Egresses {
        used: attempt.egress.as_deref(),
        unwanted: notes.avoid.as_deref(),
    };
    let fate = fate::of(
        reported,
        translation.as_ref().map(|(_, translation)| translation),
        egresses,
    );
    let mut end = Concluded {
        outcome: Outcome::Delivered,
        word: "delivered",
        reported: reported.clone(),
        translation,
        next: None,
        tell: None,
        number: attempt.number,
    };
    match fate {
        Fate::Delivered => {
            if let Some(sitting) = &mut asker.sitting
                && sitting.generation().exports(Hook::Delivered)
            {
                sitting.on_delivered(attempt, &reported.reply).await;
            }
            let wanted = entry
                .recipient
                .notify()
                .is_some_and(|notify| notify.success);
            end.tell = match (wanted, way) {
                (true, Way::Arrived) => Some(Action::Delivered),
                (true, Way::Silent) => Some(Action::Relayed),
                _ => None,
            };
        }
        Fate::Fail => {
            end.word = "bounced";
            fail(asker, entry, attempt, &mut end).await;
        }
        Fate::Retry(advised) => {
            let policy = &queue.shared.policy;
            let chance = rand::random();
            match schedule::after_failure(policy, attempt.number, attempt.age, advised, chance) {
                Next::Retry(wait) => defer(queue, entry, attempt, notes, wait, now, &mut end),
                Next::Expire => {
                    end.word = "expired";
                    fail(asker, entry, attempt, &mut end).await;
                }
            }
        }
    }
    end
}

impl Asker {
    /// The words of the plugin that knows what the reply means, and its name.
    async fn translate(
        &mut self,
        attempt: &Attempt,
        reported: &Reported,
    ) -> Option<(String, Translation)> {
        let sitting = self.sitting.as_mut().filter(|_| !reported.is_success())?;
        if !sitting.generation().exports(Hook::Reply) {
            return None;
        }
        let translation = sitting
            .on_reply(attempt, reported.stage, &reported.reply)
            .await;
        self.collect();
        let plugin = self.records.last().map(|record| record.plugin.to_string());
        Some((plugin.unwrap_or_default(), translation?))
    }

    fn collect(&mut self) {
        if let Some(sitting) = &mut self.sitting {
            self.records.append(&mut sitting.take_records());
        }
    }
}

async fn fail(asker: &mut Asker, entry: &Entry, attempt: &Attempt, end: &mut Concluded) {
    end.outcome = Outcome::Failed;
    let report = Report {
        recipient: Some(entry.recipient.address.to_string()),
        original_recipient: entry.recipient.orcpt().map(|orcpt| orcpt.address),
        reply: Some(end.reported.reply.clone()),
        remote_host: attempt.host.as_deref().map(str::to_owned),
        translation: end
            .translation
            .as_ref()
            .map(|(_, translation)| translation.clone()),
        ..Report::new(ReportKind::Bounce)
    };
    let verdict = match &mut asker.sitting {
        Some(sitting) => sitting.on_bounce(attempt, &report).await,
        None => BounceVerdict::Notify,
    };
    let wanted = entry.recipient.notify().is_none_or(|notify| notify.failure);
    end.tell = (verdict == BounceVerdict::Notify && wanted).then_some(Action::Failed);
}

fn defer(
    queue: &Queue,
    entry: &Entry,
    attempt: &Attempt,
    mut notes: Notes,
    wait: Duration,
    now: Timestamp,
    end: &mut Concluded,
) {
    end.word = "deferred";
    let next = now.plus(wait);
    end.next = Some(next);
    let wanted = entry.recipient.notify().is_none_or(|notify| notify.delay);
    if wanted && schedule::warning_is_due(&queue.shared.policy, attempt.age, notes.warned) {
        notes.warned = true;
        end.tell = Some(Action::Delayed);
    }
    if let Some((_, translation)) = &end.translation
        && translation.advice == baton_hooks::Advice::RotateEgress
    {
        notes.avoid = attempt.egress.as_deref().map(str::to_owned);
    }
    let notes = notes.encode();
    end.outcome = Outcome::Deferred {
        due_ms: next.as_millis(),
        attempts: attempt.number,
        last: last_reply(&end.reported, attempt.host.as_deref(), now),
        notes: (notes != entry.notes).then_some(notes),
    };
}

fn last_reply(reported: &Reported, host: Option<&str>, now: Timestamp) -> LastReply {
    LastReply {
        at_ms: now.as_millis(),
        code: reported.reply.code,
        status: reported
            .reply
            .status
            .map(|status| status.to_string())
            .unwrap_or_default(),
        text: reported.reply.text.to_string(),
        host: host.map(str::to_owned),
    }
}

/// What the reply tells about later mail to the same address, unless a plugin has seen to it in its hook.
fn to_suppress(
    queue: &Queue,
    message: &Message,
    entry: &Entry,
    end: &Concluded,
    now: Timestamp,
) -> Option<Suppression> {
    let (plugin, translation) = end.translation.as_ref()?;
    // A simulated reply is asked for again and again.
    if entry.recipient.address.domain().as_str() == simulate::DOMAIN {
        return None;
    }
    let row = suppression::advised(
        message.origin.account.as_deref(),
        &entry.recipient.address,
        plugin,
        translation,
        &end.reported.to_string(),
        now,
    )?;
    let list = &queue.shared.parts.suppressions;
    let listed = list.look_up(row.account.as_deref(), &row.address);
    listed.is_none().then_some(row)
}

/// The message as the inbox keeps it. It has the message's own name where it arrives there whole and for the first time.
fn captured(
    queue: &Queue,
    parcel: &Parcel,
    body: &[Bytes],
    tried: &Tried,
    now: Timestamp,
) -> Option<InboxMessage> {
    if tried.captured.is_empty() {
        return None;
    }
    let whole = tried.captured.len() == parcel.message.recipients_total as usize;
    let id = if whole {
        parcel.message.id
    } else {
        queue.shared.parts.store.new_id()
    };
    let recipients = tried
        .captured
        .iter()
        .map(|&nth| &parcel.entries[nth].entry.recipient.address);
    let meta = serde_json::json!({ "message": parcel.message.id.to_string() });
    Some(InboxMessage {
        id,
        received_ms: now.as_millis(),
        sender: parcel.message.sender.clone(),
        recipients: recipients.cloned().collect(),
        subject: parcel.message.subject.clone(),
        meta: meta.to_string().into(),
        raw: body.to_vec(),
        raw_bytes: parcel.message.body_bytes,
    })
}

/// One notification for each kind of news, to all recipients it holds for.
fn notifications(
    queue: &Queue,
    parcel: &Parcel,
    body: &[Bytes],
    concluded: &[Concluded],
    tried: &Tried,
    now: Timestamp,
) -> Vec<(Action, NewMessage)> {
    let Some(sender) = parcel.message.sender.mailbox() else {
        return Vec::new();
    };
    let mut made = Vec::new();
    for action in [
        Action::Failed,
        Action::Delayed,
        Action::Relayed,
        Action::Delivered,
    ] {
        let told: Vec<Told<'_>> = parcel
            .entries
            .iter()
            .zip(concluded)
            .filter(|(_, end)| end.tell == Some(action))
            .map(|(one, end)| Told {
                recipient: &one.entry.recipient,
                reply: &end.reported.reply,
                explanation: end
                    .translation
                    .as_ref()
                    .map(|(_, t)| t.explanation.as_str()),
                host: tried.host.as_deref(),
                expired: end.word == "expired",
            })
            .collect();
        if told.is_empty() {
            continue;
        }
        match bounce::make(queue, &parcel.message, sender, body, action, &told, now) {
            Ok(message) => made.push((action, message)),
            Err(error) => {
                queue.shared.parts.bus.emit(Event::Trouble {
                    place: "bounce",
                    error,
                });
            }
        }
    }
    made
}

/// A recipient that fails without an attempt: suppressed, or refused by a plugin for its copy alone.
pub(super) async fn refused(
    queue: &Queue,
    message: &Arc<Message>,
    body: Option<Arc<Body>>,
    one: JobEntry,
    reported: Reported,
) {
    let key = Arc::new(SiteKey::nowhere(one.entry.recipient.address.domain()));
    let parcel = Parcel {
        message: message.clone(),
        body,
        entries: vec![one],
    };
    let id = message.id;
    let bytes = match &parcel.body {
        Some(body) => body.pieces.clone(),
        None => match queue.shared.parts.store.body(id).await {
            Ok(Some(body)) => body,
            // The bounce then has nothing to give back but what is known without it.
            Ok(None) | Err(_) => Vec::new(),
        },
    };
    let tried = Tried::without_connection(vec![reported]);
    run(queue, &key, parcel, None, &bytes, tried).await;
}

/// Puts recipients off without an attempt, for so long.
pub(super) async fn wait(
    queue: &Queue,
    message: &Arc<Message>,
    entries: Vec<JobEntry>,
    reported: Reported,
    wait: Duration,
) {
    let now = clock::now();
    let due = now.plus(wait.mul_f64(1.0 + limits::WAIT_SPREAD * rand::random::<f64>()));
    let mut settle = Settle::new(message.id, now.as_millis());
    for one in &entries {
        let outcome = Outcome::Deferred {
            due_ms: due.as_millis(),
            attempts: one.entry.attempts,
            last: last_reply(&reported, None, now),
            notes: None,
        };
        settle.outcomes.push((one.entry.id.recipient, outcome));
    }
    let parcel = Parcel {
        message: message.clone(),
        body: None,
        entries,
    };
    let told: Vec<Event> = parcel
        .entries
        .iter()
        .map(|one| Event::Deferred {
            message: message.id.to_string(),
            recipient: one.entry.recipient.address.to_string(),
            site: one.domain.to_string(),
            host: None,
            egress: None,
            stage: crate::outbound::stage_name(reported.stage).to_owned(),
            reply: reported.to_string(),
            translation: None,
            attempt: one.entry.attempts,
            next: due.since(now),
        })
        .collect();
    if make_durable(queue, &parcel, settle, &told).await {
        for event in told {
            queue.shared.parts.bus.emit_committed(event);
        }
        queue.release(parcel.message.id, &parcel.entries);
    }
}

/// Puts a job off because its site is left alone. Those whose time is over have their attempt all the same: it decides.
pub(super) async fn put_off(queue: &Queue, key: &Arc<SiteKey>, parcel: Parcel, why: &str) {
    let text = format!("the site is left alone for a while: {why}");
    let reported = Reported {
        stage: Stage::Connect,
        reply: RemoteReply::failure(EnhancedStatus::new(4, 4, 1), text),
    };
    let now = clock::now();
    let age = now.since(meta::begins(&parcel.message));
    if age >= queue.shared.policy.lifetime {
        let count = parcel.entries.len();
        let id = parcel.message.id;
        let body = match &parcel.body {
            Some(body) => body.pieces.clone(),
            None => {
                let body = queue.shared.parts.store.body(id).await;
                body.ok().flatten().unwrap_or_default()
            }
        };
        let tried = Tried::without_connection(vec![reported; count]);
        return Box::pin(run(queue, key, parcel, None, &body, tried)).await;
    }
    let remaining = {
        let now = queue.now_ms();
        let mut state = queue.lock();
        let rest = state
            .sites
            .get_mut(key)
            .and_then(|site| site.queue.rested(now).cloned());
        rest.map_or(Duration::ZERO, |rest| {
            Duration::from_millis(rest.until_ms.saturating_sub(now))
        })
    };
    let remaining = remaining
        .max(limits::SCAN_REST)
        .min(queue.shared.policy.lifetime - age);
    let Parcel {
        message, entries, ..
    } = parcel;
    wait(queue, &message, entries, reported, remaining).await;
}
