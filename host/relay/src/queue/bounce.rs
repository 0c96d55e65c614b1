//! Messages to a sender about its message: that it failed, that it is late, that it went on to a host that tells nothing
//! (RFC 3461 5.2, RFC 3464). They have the null reverse-path, so that nobody answers them with another one.

use baton_message::Message as Parsed;
use baton_message::report::{Action, Notification, RecipientStatus};
use baton_smtp::{EnhancedStatus, Envelope, Mailbox, Parameter, Recipient, Reply, ReversePath};
use baton_spool::{Entry, EntryState, Message, NewEntry, NewMessage, Origin};
use bytes::Bytes;

use super::Queue;
use crate::clock::Timestamp;
use crate::limits;
use crate::meta::Meta;
use crate::outbound::Reported;

/// What is told of one recipient.
pub(super) struct Told<'a> {
    pub entry: &'a Entry,
    pub reported: &'a Reported,
    /// What a plugin says it means.
    pub explanation: Option<&'a str>,
    pub host: Option<&'a str>,
    /// It was tried for as long as anything is.
    pub expired: bool,
}

/// The notification as a message for the spool. The error is a sentence.
pub(super) fn make(
    queue: &Queue,
    message: &Message,
    sender: &Mailbox,
    body: &[Bytes],
    action: Action,
    told: &[Told<'_>],
    now: Timestamp,
) -> Result<NewMessage, String> {
    let parts = &queue.shared.parts;
    let id = parts.store.new_id();
    let hostname = parts.config.hostname.as_str();
    let envelope = Envelope {
        sender: message.sender.clone(),
        parameters: message.parameters.clone(),
        recipients: Vec::new(),
    };
    let date = now.rfc5322();
    let arrival = Timestamp::from_millis(message.received_ms);
    let (arrival_date, until) = (
        arrival.rfc5322(),
        arrival.plus(queue.shared.policy.lifetime).rfc5322(),
    );
    let said: Vec<(EnhancedStatus, Option<Reply>, Option<String>)> =
        told.iter().map(|one| said(one, action)).collect();
    let recipients: Vec<RecipientStatus<'_>> = told
        .iter()
        .zip(&said)
        .map(|(one, (status, reply, explanation))| RecipientStatus {
            recipient: &one.entry.recipient,
            action,
            status: *status,
            reply: reply.as_ref(),
            remote_host: one.host.filter(|_| reply.is_some()),
            explanation: explanation.as_deref(),
            last_attempt: Some(&date),
            will_retry_until: (action == Action::Delayed).then_some(until.as_str()),
        })
        .collect();
    let text_id = id.to_string();
    let built = Notification {
        reporting_mta: hostname,
        from: &format!("Mail Delivery System <mailer-daemon@{hostname}>"),
        to: sender,
        date: &date,
        message_id: &format!("{text_id}@{hostname}"),
        boundary: &format!("report-{text_id}"),
        envelope_id: envelope.envid().as_deref(),
        arrival_date: Some(&arrival_date),
        ret: envelope.ret().filter(|_| action == Action::Failed),
        return_bytes_max: limits::RETURNED_BYTES_MAX,
        utf8: envelope.smtputf8(),
        recipients: &recipients,
        original: &Parsed::parse(joined(body)),
    }
    .build()
    .map_err(|error| format!("no notification could be made: {error}"))?;
    let subject = Parsed::parse(built.message.clone()).header("Subject");
    let parameters = built
        .utf8
        .then(|| Parameter::new("SMTPUTF8", None))
        .flatten();
    Ok(NewMessage {
        id,
        received_ms: now.as_millis(),
        sender: ReversePath::Null,
        parameters: parameters.into_iter().collect(),
        recipients: vec![NewEntry {
            recipient: Recipient::new(sender.clone()),
            state: EntryState::Due(now.as_millis()),
            notes: Bytes::new(),
        }],
        origin: Origin {
            listener: "relay".to_owned(),
            ..Origin::default()
        },
        tags: Vec::new(),
        plugins: Vec::new(),
        subject,
        meta: Meta {
            needs_utf8: built.utf8,
            hops: 0,
        }
        .encode(),
        body: vec![built.message],
        trace: Bytes::new(),
    })
}

/// Status, the remote host's own words if it had any, and what happened in ours.
fn said(one: &Told<'_>, action: Action) -> (EnhancedStatus, Option<Reply>, Option<String>) {
    let RemoteReplyParts { code, status, text } = RemoteReplyParts::of(one.reported);
    let reply = (code != 0).then(|| Reply::new(code, status, text));
    let class = match action {
        Action::Failed => 5,
        Action::Delayed => 4,
        Action::Delivered | Action::Relayed | Action::Expanded => 2,
    };
    let status = if one.expired {
        EnhancedStatus::new(4, 4, 7)
    } else {
        status.map_or(EnhancedStatus::new(class, 0, 0), |s| {
            EnhancedStatus::new(class, s.subject(), s.detail())
        })
    };
    let mut words: Vec<&str> = Vec::new();
    if one.expired {
        words.push("It could not be delivered for as long as mail is kept here.");
    }
    match (one.explanation, &reply) {
        (Some(explanation), _) if !explanation.is_empty() => words.push(explanation),
        (_, None) => words.push(text),
        _ => {}
    }
    let explanation = (!words.is_empty()).then(|| words.join(" "));
    (status, reply, explanation)
}

struct RemoteReplyParts<'a> {
    code: u16,
    status: Option<EnhancedStatus>,
    text: &'a str,
}

impl RemoteReplyParts<'_> {
    fn of(reported: &Reported) -> RemoteReplyParts<'_> {
        let reply = &reported.reply;
        RemoteReplyParts {
            code: reply.code,
            status: reply.status,
            text: &reply.text,
        }
    }
}

fn joined(body: &[Bytes]) -> Bytes {
    match body {
        [only] => only.clone(),
        pieces => pieces.concat().into(),
    }
}
