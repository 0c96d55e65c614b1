//! To the guest: plain types lent as those of the contract. Texts are borrowed, only lists are made.

use std::time::Duration;

use baton_smtp::{Envelope, Mailbox, Parameter, Recipient};

use super::bindings::baton::relay::{deliveries as d, http_types as h, types as t};
use crate::delivery::{Advice, Disposition, Report, ReportKind, Scope, Stage, Translation};
use crate::facts::{Attempt, RemoteReply, Session};
use crate::services::HttpRequest;

pub(super) fn session(session: &Session) -> t::Session<'_> {
    t::Session {
        id: &session.id,
        listener: &session.listener,
        peer_ip: &session.peer_ip,
        peer_name: session.peer_name.as_deref(),
        helo: session.helo.as_deref(),
        tls: session.tls.as_deref(),
        account: session.account.as_deref(),
    }
}

fn mailbox(mailbox: &Mailbox) -> t::MailboxParam<'_> {
    t::MailboxParam {
        local: mailbox.local(),
        domain: mailbox.domain().as_str(),
    }
}

pub(super) fn parameters(list: &[Parameter]) -> Vec<t::Parameter<'_>> {
    list.iter()
        .map(|p| t::Parameter {
            keyword: p.keyword(),
            value: p.value(),
        })
        .collect()
}

pub(super) fn recipient<'a>(
    recipient: &'a Recipient,
    parameters: &'a [t::Parameter<'a>],
) -> t::Recipient<'a> {
    t::Recipient {
        address: mailbox(&recipient.address),
        parameters,
    }
}

/// An envelope lent to a guest: flat lists over the texts of the original.
pub(super) struct LentEnvelope<'a> {
    envelope: &'a Envelope,
    parameters: Vec<t::Parameter<'a>>,
    /// Those of all recipients, one after the other.
    of_recipients: Vec<t::Parameter<'a>>,
}

impl<'a> LentEnvelope<'a> {
    pub fn new(envelope: &'a Envelope) -> LentEnvelope<'a> {
        let of_recipients = envelope
            .recipients
            .iter()
            .flat_map(|r| &r.parameters)
            .map(|p| t::Parameter {
                keyword: p.keyword(),
                value: p.value(),
            })
            .collect();
        LentEnvelope {
            envelope,
            parameters: parameters(&envelope.parameters),
            of_recipients,
        }
    }

    pub fn recipients(&self) -> Vec<t::Recipient<'_>> {
        let mut rest = self.of_recipients.as_slice();
        self.envelope
            .recipients
            .iter()
            .map(|r| {
                let (own, others) = rest.split_at(r.parameters.len());
                rest = others;
                recipient(r, own)
            })
            .collect()
    }

    pub fn envelope<'b>(&'b self, recipients: &'b [t::Recipient<'b>]) -> t::Envelope<'b> {
        t::Envelope {
            sender: self.envelope.sender.mailbox().map(mailbox),
            parameters: &self.parameters,
            recipients,
        }
    }
}

pub(super) fn attempt(attempt: &Attempt) -> d::Attempt<'_> {
    d::Attempt {
        message: &attempt.message,
        sender: attempt.sender.mailbox().map(mailbox),
        account: attempt.account.as_deref(),
        recipient: mailbox(&attempt.recipient),
        site: &attempt.site,
        host: attempt.host.as_deref(),
        egress: attempt.egress.as_deref(),
        number: attempt.number,
        age: attempt.age.as_secs_f64(),
    }
}

/// The text a status is lent as.
pub(super) fn status(reply: &RemoteReply) -> String {
    reply
        .status
        .map(|status| status.to_string())
        .unwrap_or_default()
}

pub(super) fn reply<'a>(reply: &'a RemoteReply, status: &'a str) -> t::ReplyParam<'a> {
    t::ReplyParam {
        code: reply.code,
        status,
        text: &reply.text,
    }
}

pub(super) fn stage(stage: Stage) -> d::Stage {
    match stage {
        Stage::Dns => d::Stage::Dns,
        Stage::Connect => d::Stage::Connect,
        Stage::Greeting => d::Stage::Greeting,
        Stage::Ehlo => d::Stage::Ehlo,
        Stage::Tls => d::Stage::Tls,
        Stage::Auth => d::Stage::Auth,
        Stage::MailFrom => d::Stage::MailFrom,
        Stage::RcptTo => d::Stage::RcptTo,
        Stage::Data => d::Stage::Data,
        Stage::EndOfData => d::Stage::EndOfData,
    }
}

pub(super) fn report<'a>(report: &'a Report, status: &'a str) -> d::ReportParam<'a> {
    d::ReportParam {
        kind: match report.kind {
            ReportKind::Bounce => d::ReportKind::Bounce,
            ReportKind::Delay => d::ReportKind::Delay,
            ReportKind::Delivered => d::ReportKind::Delivered,
            ReportKind::Complaint => d::ReportKind::Complaint,
            ReportKind::AutoReply => d::ReportKind::AutoReply,
        },
        recipient: report.recipient.as_deref(),
        original_recipient: report.original_recipient.as_deref(),
        reply: report.reply.as_ref().map(|r| reply(r, status)),
        remote_host: report.remote_host.as_deref(),
        translation: report.translation.as_ref().map(lend_translation),
        feedback_type: report.feedback_type.as_deref(),
        original_message_id: report.original_message_id.as_deref(),
    }
}

fn lend_translation(translation: &Translation) -> d::TranslationParam<'_> {
    d::TranslationParam {
        disposition: match translation.disposition {
            Disposition::Hard => d::Disposition::Hard,
            Disposition::Soft => d::Disposition::Soft,
            Disposition::Block => d::Disposition::Block,
            Disposition::Admin => d::Disposition::Admin,
            Disposition::Undetermined => d::Disposition::Undetermined,
        },
        reason: &translation.reason,
        scope: match translation.scope {
            Scope::Recipient => d::Scope::Recipient,
            Scope::Domain => d::Scope::Domain,
            Scope::Sender => d::Scope::Sender,
            Scope::Egress => d::Scope::Egress,
            Scope::Content => d::Scope::Content,
            Scope::Connection => d::Scope::Connection,
        },
        advice: match translation.advice {
            Advice::None => d::Advice::None,
            Advice::Suppress => d::Advice::Suppress,
            Advice::Retry(after) => d::Advice::Retry(after.map(seconds)),
            Advice::BackOff(time) => d::Advice::BackOff(seconds(time)),
            Advice::Suspend(time) => d::Advice::Suspend(seconds(time)),
            Advice::RotateEgress => d::Advice::RotateEgress,
        },
        explanation: &translation.explanation,
        confidence: translation.confidence,
        rule: &translation.rule,
    }
}

fn seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs()).unwrap_or(u32::MAX)
}

pub(super) fn request<'a>(
    request: &'a HttpRequest,
    headers: &'a [(&'a str, &'a str)],
) -> h::RequestParam<'a> {
    h::RequestParam {
        method: &request.method,
        url: &request.url,
        headers,
        body: &request.body,
    }
}
