//! Mail that comes by no session: over HTTP, or from a plugin. It is asked about and taken like any other.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Instant;

use baton_hooks::{self as hooks, RecipientVerdict, Sitting, Verdict};
use baton_message::lines::Shape;
use baton_smtp::{Envelope, Parameter, Recipient, ReversePath};
use baton_spool::Origin;
use bytes::Bytes;

use super::Shared;
use super::accept::{self, Arrival, Taken};
use super::refusal::Refusal;
use crate::event::Source;

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
    let mut envelope = Envelope {
        sender: submission.sender,
        parameters: submission.parameters,
        recipients: Vec::new(),
    };
    let mut records = Vec::new();
    let mut discarded_by = None;
    let verdict = sitting.on_mail(&envelope).await;
    records.append(&mut sitting.take_records());
    let plugin = |records: &[hooks::CallRecord]| records.last().map(|r| r.plugin.to_string());
    if let Some(refusal) = Refusal::of_verdict(&verdict, plugin(&records)) {
        return Err(refusal);
    }
    if verdict == Verdict::Discard {
        discarded_by = plugin(&records).or(Some(String::new()));
    }
    for recipient in submission.recipients {
        let verdict = sitting.on_rcpt(&envelope, &recipient).await;
        records.append(&mut sitting.take_records());
        match verdict {
            RecipientVerdict::Rewrite(to) => {
                envelope
                    .recipients
                    .extend(to.into_iter().map(|address| Recipient {
                        address,
                        parameters: recipient.parameters.clone(),
                    }))
            }
            RecipientVerdict::Decide(Verdict::Discard) => {}
            RecipientVerdict::Decide(verdict) => {
                match Refusal::of_verdict(&verdict, plugin(&records)) {
                    Some(refusal) => return Err(refusal),
                    None => envelope.recipients.push(recipient),
                }
            }
        }
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
        records,
        discarded_by,
        began,
    };
    accept::take(shared, &mut sitting, arrival).await
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
