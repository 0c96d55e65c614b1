//! From the guest: what it says is checked here and is a fault if it is nonsense. A reply that contradicts its decision, a
//! line end where none may be, an address that is none.

use std::time::Duration;

use baton_smtp::{Domain, EnhancedStatus, Mailbox, Reply, ReversePath};
use bytes::Bytes;

use super::bindings::baton::relay::{deliveries as d, http_types as h, types as t};
use super::bindings::exports::baton::relay as e;
use crate::decision::{AuthVerdict, BounceVerdict, Verdict};
use crate::delivery::{
    Advice, Disposition, NextHop, Report, ReportKind, Route, Scope, TlsDemand, Translation,
};
use crate::desk::{clip, has_controls};
use crate::facts::RemoteReply;
use crate::fault::Fault;
use crate::hook::{Hook, HookSet};
use crate::limits;
use crate::question::Answer;
use crate::services::HttpResponse;

type Checked<T> = Result<T, Fault>;

fn wrong<T>(what: impl Into<String>) -> Checked<T> {
    Err(Fault::Answer(what.into()))
}

/// An answer that may be an error of the plugin's own.
pub(super) fn answer<T>(
    said: Result<T, String>,
    read: impl FnOnce(T) -> Checked<Answer>,
) -> Checked<Answer> {
    match said {
        Ok(value) => read(value),
        Err(text) => Err(Fault::Answered(
            clip(&text, limits::FAULT_TEXT_BYTES_MAX).replace(char::is_control, " "),
        )),
    }
}

fn checked_status(text: &str) -> Checked<Option<EnhancedStatus>> {
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse() {
        Ok(status) => Ok(Some(status)),
        Err(_) => wrong("a status that is none"),
    }
}

/// A reply for the peer: 4xx or 5xx as the decision demands, on one line.
fn peer_reply(said: &t::ReplyResult, classes: &[u16]) -> Checked<Reply> {
    if !classes.contains(&(said.code / 100)) {
        return wrong(format!("code {} contradicts the decision", said.code));
    }
    let status = checked_status(&said.status)?;
    match Reply::checked(said.code, status, &said.text, limits::REPLY_TEXT_BYTES_MAX) {
        Some(reply) => Ok(reply),
        None => {
            wrong("a reply with control characters, too long, or with a status of another class")
        }
    }
}

/// Names of hooks; a misspelt one would be a hook that is silently not called.
pub(super) fn wanted(said: Option<Vec<String>>) -> Checked<Answer> {
    let Some(names) = said else {
        return Ok(Answer::Wanted(None));
    };
    let mut hooks = HookSet::default();
    for name in &names {
        match Hook::from_name(name) {
            Some(hook) => hooks.insert(hook),
            None => return wrong(format!("{:?} is no hook", clip(name, 40))),
        }
    }
    Ok(Answer::Wanted(Some(hooks)))
}

pub(super) fn decision(said: t::Decision) -> Checked<Answer> {
    Ok(Answer::Verdict(match said {
        t::Decision::Next => Verdict::Pass,
        t::Decision::Accept => Verdict::Accept,
        t::Decision::Reject(reply) => Verdict::Reject(peer_reply(&reply, &[5])?),
        t::Decision::Defer(reply) => Verdict::Defer(peer_reply(&reply, &[4])?),
        t::Decision::Discard => Verdict::Discard,
        t::Decision::Disconnect(reply) => Verdict::Disconnect(peer_reply(&reply, &[4, 5])?),
        t::Decision::Hold(why) if has_controls(&why) => {
            return wrong("control characters in the reason of a hold");
        }
        t::Decision::Hold(why) => {
            return Ok(Answer::Hold(
                clip(&why, limits::HOLD_REASON_BYTES_MAX).to_owned(),
            ));
        }
    }))
}

pub(super) fn auth(said: e::on_auth::AuthDecision) -> Checked<Answer> {
    Ok(Answer::Auth(match said {
        e::on_auth::AuthDecision::Next => AuthVerdict::Pass,
        e::on_auth::AuthDecision::Deny => AuthVerdict::Deny,
        e::on_auth::AuthDecision::Allow(account) => {
            if account.is_empty() || account.len() > 256 || has_controls(&account) {
                return wrong("an account that is empty, too long or has control characters");
            }
            AuthVerdict::Allow(account)
        }
    }))
}

/// An address a guest gave.
pub(super) fn checked_mailbox(said: &t::MailboxResult) -> Option<Mailbox> {
    Mailbox::new(&said.local, Domain::parse(&said.domain).ok()?).ok()
}

/// A sender a guest gave; absent is the null reverse-path.
pub(super) fn checked_sender(said: Option<&t::MailboxResult>) -> Option<ReversePath> {
    match said {
        None => Some(ReversePath::Null),
        Some(mailbox) => checked_mailbox(mailbox).map(ReversePath::Mailbox),
    }
}

pub(super) fn recipient_decision(said: e::on_rcpt::RecipientDecision) -> Checked<Answer> {
    let list = match said {
        e::on_rcpt::RecipientDecision::Decide(said) => return decision(said),
        e::on_rcpt::RecipientDecision::Rewrite(list) => list,
    };
    if list.is_empty() || list.len() > limits::REWRITE_MAX {
        return wrong(format!("a rewrite to {} recipients", list.len()));
    }
    match list.iter().map(checked_mailbox).collect() {
        Some(list) => Ok(Answer::Rewrite(list)),
        None => wrong("a rewrite to something that is no address"),
    }
}

pub(super) fn route(said: Option<d::Route>) -> Checked<Answer> {
    let Some(said) = said else {
        return Ok(Answer::Route(None));
    };
    let next_hop = match said.next_hop {
        None => None,
        Some(text) => match NextHop::parse(&text) {
            Some(hop) => Some(hop),
            None => return wrong("a next hop that is none"),
        },
    };
    let name = |name: &Option<String>| {
        name.as_ref()
            .is_none_or(|n| !n.is_empty() && n.len() <= 128 && !has_controls(n))
    };
    if !name(&said.egress_pool) || !name(&said.queue) {
        return wrong(
            "an egress pool or queue whose name is empty, too long or has control characters",
        );
    }
    if said.port == Some(0) {
        return wrong("port 0");
    }
    Ok(Answer::Route(Some(Route {
        next_hop,
        port: said.port,
        egress_pool: said.egress_pool,
        queue: said.queue,
        priority: said.priority,
        tls: said.tls.map(|tls| match tls {
            d::TlsDemand::Never => TlsDemand::Never,
            d::TlsDemand::May => TlsDemand::May,
            d::TlsDemand::Encrypt => TlsDemand::Encrypt,
            d::TlsDemand::Verify => TlsDemand::Verify,
        }),
    })))
}

pub(super) fn translation(said: Option<d::TranslationResult>) -> Checked<Answer> {
    Ok(Answer::Translation(
        said.map(checked_translation).transpose()?,
    ))
}

fn checked_translation(said: d::TranslationResult) -> Checked<Translation> {
    if has_controls(&said.reason) || has_controls(&said.rule) {
        return wrong("control characters in a translation");
    }
    if !(0.0..=1.0).contains(&said.confidence) {
        return wrong("a confidence outside of 0 to 1");
    }
    let text = |text: &str| clip(text, limits::FAULT_TEXT_BYTES_MAX).to_owned();
    let time = |seconds: u32| Duration::from_secs(u64::from(seconds));
    Ok(Translation {
        disposition: match said.disposition {
            d::Disposition::Hard => Disposition::Hard,
            d::Disposition::Soft => Disposition::Soft,
            d::Disposition::Block => Disposition::Block,
            d::Disposition::Admin => Disposition::Admin,
            d::Disposition::Undetermined => Disposition::Undetermined,
        },
        reason: text(&said.reason),
        scope: match said.scope {
            d::Scope::Recipient => Scope::Recipient,
            d::Scope::Domain => Scope::Domain,
            d::Scope::Sender => Scope::Sender,
            d::Scope::Egress => Scope::Egress,
            d::Scope::Content => Scope::Content,
            d::Scope::Connection => Scope::Connection,
        },
        advice: match said.advice {
            d::Advice::None => Advice::None,
            d::Advice::Suppress => Advice::Suppress,
            d::Advice::Retry(after) => Advice::Retry(after.map(time)),
            d::Advice::BackOff(seconds) => Advice::BackOff(time(seconds)),
            d::Advice::Suspend(seconds) => Advice::Suspend(time(seconds)),
            d::Advice::RotateEgress => Advice::RotateEgress,
        },
        // It often quotes what the remote said, in however many lines.
        explanation: text(&said.explanation).replace(char::is_control, " "),
        confidence: said.confidence,
        rule: text(&said.rule),
    })
}

pub(super) fn reports(said: Vec<d::ReportResult>) -> Checked<Answer> {
    if said.len() > limits::REPORTS_MAX {
        return wrong(format!("{} reports", said.len()));
    }
    Ok(Answer::Reports(
        said.into_iter()
            .map(checked_report)
            .collect::<Checked<_>>()?,
    ))
}

fn checked_report(said: d::ReportResult) -> Checked<Report> {
    let texts = [
        &said.recipient,
        &said.original_recipient,
        &said.remote_host,
        &said.feedback_type,
        &said.original_message_id,
    ];
    if texts
        .into_iter()
        .flatten()
        .any(|text| text.len() > 1024 || has_controls(text))
    {
        return wrong("a text in a report that is too long or has control characters");
    }
    let reply = match said.reply {
        None => None,
        Some(reply) => Some(RemoteReply {
            code: reply.code,
            status: checked_status(&reply.status)?,
            text: clip(&reply.text, 4 * limits::FAULT_TEXT_BYTES_MAX)
                .chars()
                .map(|c| if c.is_control() && c != '\n' { ' ' } else { c })
                .collect::<String>()
                .into(),
        }),
    };
    Ok(Report {
        kind: match said.kind {
            d::ReportKind::Bounce => ReportKind::Bounce,
            d::ReportKind::Delay => ReportKind::Delay,
            d::ReportKind::Delivered => ReportKind::Delivered,
            d::ReportKind::Complaint => ReportKind::Complaint,
            d::ReportKind::AutoReply => ReportKind::AutoReply,
        },
        recipient: said.recipient,
        original_recipient: said.original_recipient,
        reply,
        remote_host: said.remote_host,
        translation: said.translation.map(checked_translation).transpose()?,
        feedback_type: said.feedback_type,
        original_message_id: said.original_message_id,
    })
}

pub(super) fn bounce(said: d::BounceDecision) -> Checked<Answer> {
    Ok(Answer::Bounce(match said {
        d::BounceDecision::Notify => BounceVerdict::Notify,
        d::BounceDecision::Silent => BounceVerdict::Silent,
    }))
}

pub(super) fn response(said: h::Response) -> Checked<Answer> {
    let response = HttpResponse {
        status: said.status,
        headers: said.headers,
        body: Bytes::from(said.body),
    };
    if !(200..600).contains(&response.status) {
        return wrong(format!("HTTP status {}", response.status));
    }
    let token = |name: &str| {
        !name.is_empty()
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
    };
    if !response
        .headers
        .iter()
        .all(|(name, value)| token(name) && !has_controls(value))
    {
        return wrong("an HTTP header that is none");
    }
    Ok(Answer::Response(response))
}
