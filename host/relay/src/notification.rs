//! Messages to a sender about its message: that it failed, that it is late, that it arrived, that it went on to a host that
//! tells nothing, or to several addresses (RFC 3461 5.2, RFC 3464). They have the null reverse-path, so that nobody answers
//! them with another one. Made by the queue for what it sees itself, and by the receiving side for what comes back later.

use baton_hooks::RemoteReply;
use baton_message::Message as Parsed;
use baton_message::report::{Action, Notification, RecipientStatus};
use baton_smtp::{EnhancedStatus, Envelope, Mailbox, Parameter, Recipient, Reply, ReversePath};
use baton_spool::{EntryState, MessageId, NewEntry, NewMessage, Origin, PluginVersion};
use bytes::Bytes;

use crate::clock::Timestamp;
use crate::event::short_digest;
use crate::limits;
use crate::meta::Meta;

/// What a notification is about, and who tells it.
pub struct About<'a> {
    /// Name of the notification.
    pub id: MessageId,
    /// Of this relay.
    pub hostname: &'a str,
    /// The sender of the message.
    pub sender: &'a Mailbox,
    /// As the message came: for ENVID, RET and SMTPUTF8.
    pub parameters: &'a [Parameter],
    pub received: Timestamp,
    /// The versions of the plugins that took the message, as far as they are known.
    pub plugins: &'a [PluginVersion],
    /// Until when it is tried.
    pub until: Option<Timestamp>,
    /// What is known of the message's bytes; of a message that is gone, what came back of it.
    pub original: Bytes,
}

/// What is told of one recipient.
pub struct Told<'a> {
    pub recipient: &'a Recipient,
    pub reply: &'a RemoteReply,
    /// What a plugin says it means.
    pub explanation: Option<&'a str>,
    pub host: Option<&'a str>,
    /// It was tried for as long as anything is.
    pub expired: bool,
}

/// The notification as a message for the spool. The error is a sentence.
pub fn make(
    about: About<'_>,
    action: Action,
    told: &[Told<'_>],
    now: Timestamp,
) -> Result<NewMessage, String> {
    let envelope = Envelope {
        sender: about.sender.clone().into(),
        parameters: about.parameters.to_vec(),
        recipients: Vec::new(),
    };
    let hostname = about.hostname;
    let date = now.rfc5322();
    let arrival_date = about.received.rfc5322();
    let until = about.until.map(Timestamp::rfc5322);
    let said: Vec<(EnhancedStatus, Option<Reply>, Option<String>)> =
        told.iter().map(|one| said(one, action)).collect();
    let recipients: Vec<RecipientStatus<'_>> = told
        .iter()
        .zip(&said)
        .map(|(one, (status, reply, explanation))| RecipientStatus {
            recipient: one.recipient,
            action,
            status: *status,
            reply: reply.as_ref(),
            remote_host: one.host.filter(|_| reply.is_some()),
            explanation: explanation.as_deref(),
            last_attempt: Some(&date),
            will_retry_until: until.as_deref().filter(|_| action == Action::Delayed),
        })
        .collect();
    let text_id = about.id.to_string();
    let plugins = versions(about.plugins);
    let plugins = plugins.as_deref().map(|list| ("X-Baton-Plugins", list));
    let built = Notification {
        reporting_mta: hostname,
        from: &format!("Mail Delivery System <mailer-daemon@{hostname}>"),
        to: about.sender,
        date: &date,
        message_id: &format!("{text_id}@{hostname}"),
        boundary: &format!("report-{text_id}"),
        envelope_id: envelope.envid().as_deref(),
        arrival_date: Some(&arrival_date),
        extensions: plugins.as_slice(),
        ret: envelope.ret().filter(|_| action == Action::Failed),
        return_bytes_max: limits::RETURNED_BYTES_MAX,
        utf8: envelope.smtputf8(),
        recipients: &recipients,
        original: &Parsed::parse(about.original),
    }
    .build()
    .map_err(|error| format!("no notification could be made: {error}"))?;
    let subject = Parsed::parse(built.message.clone()).header("Subject");
    let message = Outgoing {
        id: about.id,
        to: about.sender.clone(),
        utf8: built.utf8,
        subject,
        body: vec![built.message],
        trace: Bytes::new(),
    };
    Ok(message.into_message(now))
}

/// Each plugin and the beginning of its digest: enough to tell which version took a message that failed.
fn versions(plugins: &[PluginVersion]) -> Option<String> {
    let one = |plugin: &PluginVersion| format!("{}@{}", plugin.name, short_digest(&plugin.digest));
    let list: Vec<String> = plugins.iter().map(one).collect();
    (!list.is_empty()).then(|| list.join(", "))
}

/// A message of the relay's own to one person, from nobody.
pub struct Outgoing {
    pub id: MessageId,
    pub to: Mailbox,
    /// It needs SMTPUTF8.
    pub utf8: bool,
    pub subject: Option<String>,
    pub body: Vec<Bytes>,
    pub trace: Bytes,
}

impl Outgoing {
    /// For the spool, due at once.
    pub fn into_message(self, now: Timestamp) -> NewMessage {
        let parameters = self
            .utf8
            .then(|| Parameter::new("SMTPUTF8", None))
            .flatten();
        NewMessage {
            id: self.id,
            received_ms: now.as_millis(),
            sender: ReversePath::Null,
            parameters: parameters.into_iter().collect(),
            recipients: vec![NewEntry {
                recipient: Recipient::new(self.to),
                state: EntryState::Due(now.as_millis()),
                notes: Bytes::new(),
            }],
            origin: Origin {
                listener: "relay".to_owned(),
                ..Origin::default()
            },
            tags: Vec::new(),
            plugins: Vec::new(),
            subject: self.subject,
            meta: Meta {
                needs_utf8: self.utf8,
                own: true,
                ..Meta::default()
            }
            .encode(),
            body: self.body,
            copy_of: None,
            trace: self.trace,
        }
    }
}

/// Status, the remote host's own words if it had any, and what happened in ours.
fn said(one: &Told<'_>, action: Action) -> (EnhancedStatus, Option<Reply>, Option<String>) {
    let RemoteReply { code, status, text } = one.reply;
    let reply = (*code != 0).then(|| Reply::new(*code, *status, text));
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
