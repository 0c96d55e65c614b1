//! Mail that comes by no session: over HTTP, or from a plugin. It is asked about and taken like any other.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use baton_hooks::{self as hooks, CallRecord, RecipientVerdict, Sitting, Verdict};
use baton_message::lines::Shape;
use baton_smtp::{Envelope, Mailbox, Parameter, Recipient, Reply, ReversePath};
use baton_spool::Origin;
use bytes::Bytes;

use super::Shared;
use super::accept::{self, Arrival, Taken, Wishes};
use super::alias;
use super::refusal::Refusal;
use crate::event::{Event, Source, Stage};
use crate::history;

/// A message with its envelope.
#[derive(Clone, Debug)]
pub struct Submission {
    pub sender: ReversePath,
    pub parameters: Vec<Parameter>,
    pub recipients: Vec<Recipient>,
    /// CRLF line ends, without bare CR, bare LF and NUL.
    pub message: Bytes,
    pub source: Source,
    /// What stands where a listener's name would: "http", "plugin:NAME".
    pub door: String,
    pub account: Option<String>,
    pub peer: Option<IpAddr>,
    /// See [`Arrival::hops`].
    pub hops: u8,
    /// What the message is tagged with before any plugin sees it.
    pub tags: Vec<(String, String)>,
    pub wishes: Wishes,
}

/// Takes a message. What one recipient is refused for, all are.
pub async fn submit(shared: &Shared, submission: Submission) -> Result<Taken, Refusal> {
    let began = Instant::now();
    check(shared, &submission)?;
    let session = shared.new_session_id();
    let peer = submission.peer.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let account = submission.account.as_deref().map(Arc::from);
    let facts = hooks::Session {
        account,
        ..hooks::Session::new(session.clone(), submission.door.as_str(), peer)
    };
    let whole = Sitting::session(shared.plugins.generation(), Arc::new(facts));
    let mut sitting = whole.transaction();
    let tags = submission.tags.into_iter();
    sitting.set_tags(tags.map(|(k, v)| (k.into(), v.into())).collect());
    let mut records = Vec::new();
    let envelope = Envelope {
        sender: submission.sender,
        parameters: submission.parameters,
        recipients: Vec::new(),
    };
    let asked = ask(&mut sitting, &mut records, envelope, submission.recipients).await;
    let Asked {
        envelope,
        discarded_by,
        expanded,
        refused,
        dropped,
    } = match asked {
        Ok(asked) => asked,
        Err(refusal) => {
            tell_refused(shared, submission.source, &records, &refusal);
            return Err(refusal);
        }
    };
    for (address, plugin) in dropped {
        shared.bus.emit(Event::Discarded {
            session: None,
            sender: envelope.sender.mailbox().map(Mailbox::to_string),
            recipients: vec![address.to_string()],
            plugin,
        });
    }
    let arrival = Arrival {
        id: shared.store.new_id(),
        envelope,
        body: submission.message,
        origin: Origin {
            listener: submission.door,
            session: session.to_string(),
            peer: submission.peer,
            account: submission.account,
            ..Origin::default()
        },
        protocol: if submission.source == Source::Http {
            "HTTP"
        } else {
            "LOCAL"
        },
        source: submission.source,
        session: None,
        is_submission: true,
        hops: submission.hops,
        judged: None,
        records,
        discarded_by,
        expanded,
        refused,
        wishes: submission.wishes,
        began,
    };
    accept::take(shared, &mut sitting, arrival).await
}

/// What the plugins make of an envelope.
struct Asked {
    envelope: Envelope,
    discarded_by: Option<String>,
    expanded: Vec<Recipient>,
    refused: Vec<(Recipient, Reply)>,
    /// Dropped, each with the plugin that said so.
    dropped: Vec<(Mailbox, String)>,
}

/// `on-mail`, and `on-rcpt` for each recipient.
async fn ask(
    sitting: &mut Sitting,
    records: &mut Vec<CallRecord>,
    mut envelope: Envelope,
    recipients: Vec<Recipient>,
) -> Result<Asked, Refusal> {
    let last = |records: &[CallRecord]| records.last().map(|record| record.plugin.to_string());
    let verdict = sitting.on_mail(&envelope).await;
    records.append(&mut sitting.take_records());
    if let Some(refusal) = Refusal::of_verdict(&verdict, last(records)) {
        return Err(refusal);
    }
    let discarded = verdict == Verdict::Discard;
    let discarded_by = discarded.then(|| last(records).unwrap_or_default());
    let (mut expanded, mut refused, mut dropped) = (Vec::new(), Vec::new(), Vec::new());
    for recipient in recipients {
        let verdict = sitting.on_rcpt(&envelope, &recipient).await;
        records.append(&mut sitting.take_records());
        match verdict {
            RecipientVerdict::Rewrite(mut rewritten) => {
                dropped.append(&mut rewritten.discarded);
                let others = alias::others(&recipient, rewritten);
                if others.is_expansion {
                    expanded.push(recipient);
                }
                envelope.recipients.extend(others.to);
                refused.extend(others.refused);
            }
            RecipientVerdict::Decide(Verdict::Discard) => {
                dropped.push((recipient.address, last(records).unwrap_or_default()));
            }
            RecipientVerdict::Decide(verdict) => {
                match Refusal::of_verdict(&verdict, last(records)) {
                    Some(refusal) => return Err(refusal),
                    None => envelope.recipients.push(recipient),
                }
            }
        }
    }
    Ok(Asked {
        envelope,
        discarded_by,
        expanded,
        refused,
        dropped,
    })
}

fn tell_refused(shared: &Shared, source: Source, records: &[CallRecord], refusal: &Refusal) {
    for record in records {
        history::tell(&shared.bus, record, None, None);
    }
    shared.bus.emit(Event::Refused {
        session: None,
        source,
        stage: Stage::Mail,
        sender: None,
        recipient: None,
        reply: refusal.reply.to_string(),
        cause: refusal.cause.clone(),
        plugin: refusal.plugin.clone(),
    });
}

fn check(shared: &Shared, submission: &Submission) -> Result<(), Refusal> {
    let limits = shared
        .config
        .listeners
        .iter()
        .map(|listener| &listener.limits);
    let bytes_max = limits
        .clone()
        .map(|limits| limits.message_bytes_max)
        .max()
        .unwrap_or(0);
    let recipients_max = limits
        .map(|limits| limits.recipients_max)
        .max()
        .unwrap_or(0);
    if submission.message.len() > bytes_max {
        return Err(Refusal::new(
            552,
            (5, 3, 4),
            "Message too large",
            "too large",
        ));
    }
    if submission.recipients.is_empty() {
        return Err(Refusal::new(
            554,
            (5, 5, 1),
            "No recipients",
            "no recipients",
        ));
    }
    if submission.recipients.len() > recipients_max {
        return Err(Refusal::new(
            452,
            (4, 5, 3),
            "Too many recipients",
            "too many recipients",
        ));
    }
    if !Shape::of([&submission.message[..]]).is_clean() {
        let text = "Bare CR, bare LF or NUL in the message";
        return Err(Refusal::new(554, (5, 6, 0), text, "bare line ends"));
    }
    Ok(())
}
