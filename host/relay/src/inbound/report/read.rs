//! What a message reports: in a plugin's words, or where none reads it, as the standards have it (RFC 3464, RFC 5965).

use baton_hooks::{Hook, RemoteReply, Report, ReportKind, Sitting};
use baton_message::report::{self, Action, DeliveryReport, FeedbackReport, RecipientReport};
use baton_message::{EditSet, Message};
use baton_smtp::ReversePath;

use super::{Arrived, Known, told};
use crate::limits;
use crate::return_path::Token;

/// One thing that is reported, and who says what it means.
#[derive(Clone)]
pub(super) struct Finding {
    pub report: Report,
    /// ENVID of the sender, where the report gives it back.
    pub envelope_id: Option<String>,
    /// The plugin that read it, if one did.
    pub plugin: Option<String>,
}

/// Asks the plugins, then the relay's own reader.
pub(super) async fn findings(arrived: &Arrived<'_>) -> Vec<Finding> {
    let own = report::Report::read(&arrived.message);
    let envelope_id = match &own {
        Some(report::Report::Delivery(delivery)) => delivery.envelope_id.clone(),
        _ => None,
    };
    let generation = arrived.shared.plugins.generation();
    if generation.exports(Hook::Report) {
        let id = arrived.arrival.id.to_string();
        let mut sitting = Sitting::new(generation);
        sitting.set_message_id(id.as_str().into());
        let message = with_return_path(&arrived.message, &arrived.arrival.envelope.sender);
        sitting.set_draft(EditSet::new(message, false));
        let reports = sitting.on_report().await;
        let steps = told(arrived.shared, &mut sitting, Some(&id), arrived.now);
        // The one that found something is the one that was asked last.
        let plugin = steps.last().and_then(|step| match step {
            crate::event::trace::Step::Hook { call, .. } => Some(call.plugin.clone()),
            _ => None,
        });
        if !reports.is_empty() {
            let reports = reports.into_iter().take(limits::REPORTS_MAX);
            return reports
                .map(|report| Finding {
                    report,
                    envelope_id: envelope_id.clone(),
                    plugin: plugin.clone(),
                })
                .collect();
        }
    }
    let reports = match own {
        Some(report::Report::Delivery(delivery)) => of_delivery(&delivery),
        Some(report::Report::Feedback(feedback)) => of_feedback(&feedback),
        None => Vec::new(),
    };
    let reports = reports.into_iter().take(limits::REPORTS_MAX);
    reports
        .map(|report| Finding {
            report,
            envelope_id: envelope_id.clone(),
            plugin: None,
        })
        .collect()
}

/// The message as its last stop keeps it: the reverse-path in the first field, and none that somebody else wrote (RFC 5321
/// section 4.4). Whether it is null tells a machine's news from a person's letter.
fn with_return_path(message: &Message, sender: &ReversePath) -> Message {
    let section = message.header_section();
    let mut bytes = format!("Return-Path: {sender}\r\n").into_bytes();
    for (field, raw) in section.fields().zip(section.field_bytes()) {
        if !field.is("Return-Path") {
            bytes.extend_from_slice(raw);
        }
    }
    bytes.extend_from_slice(&message.bytes()[section.range().end..]);
    Message::parse(bytes.into())
}

fn of_delivery(delivery: &DeliveryReport) -> Vec<Report> {
    let of = |one: &RecipientReport| {
        let class = one.status.map(|status| status.class());
        let kind = match (one.action, class) {
            (Some(Action::Failed), _) | (None, Some(5)) => ReportKind::Bounce,
            (Some(Action::Delayed), _) | (None, Some(4)) => ReportKind::Delay,
            (Some(_), _) | (None, _) => ReportKind::Delivered,
        };
        let reply = one.reply.as_ref().map(RemoteReply::from);
        Report {
            recipient: one.final_recipient.clone(),
            original_recipient: one.original_recipient.clone(),
            reply: reply.or_else(|| one.status.map(|status| RemoteReply::failure(status, ""))),
            remote_host: one.remote_mta.clone().or(delivery.reporting_mta.clone()),
            original_message_id: delivery.original_message_id.clone(),
            ..Report::new(kind)
        }
    };
    delivery.recipients.iter().map(of).collect()
}

fn of_feedback(feedback: &FeedbackReport) -> Vec<Report> {
    let stated = feedback.original_recipients.first().cloned();
    vec![Report {
        recipient: stated.clone(),
        original_recipient: stated,
        remote_host: feedback.reporting_mta.clone(),
        feedback_type: Some(feedback.feedback_type.clone()),
        original_message_id: feedback.original_message_id.clone(),
        ..Report::new(ReportKind::Complaint)
    }]
}

/// The findings that are about a token. One that names a recipient has one piece of news of each kind, whatever addresses
/// the report names: behind the address that we sent to there may be many.
pub(super) fn of_token<'f>(
    findings: &'f [Finding],
    token: Option<&Token>,
    known: Option<&Known>,
) -> Vec<&'f Finding> {
    let named = token.and_then(|token| token.recipient);
    let Some(number) = named else {
        return findings.iter().collect();
    };
    let address = known.and_then(|known| known.row.recipients.get(number as usize));
    let is_ours = |finding: &Finding| {
        let stated = [
            &finding.report.recipient,
            &finding.report.original_recipient,
        ];
        address.is_some_and(|address| {
            let address = address.to_string();
            let mut stated = stated.into_iter().flatten();
            stated.any(|text| text.eq_ignore_ascii_case(&address))
        })
    };
    let mut chosen: Vec<&Finding> = Vec::new();
    for finding in findings {
        let kind = finding.report.kind;
        match chosen.iter_mut().find(|one| one.report.kind == kind) {
            Some(one) if !is_ours(one) && is_ours(finding) => *one = finding,
            Some(_) => {}
            None => chosen.push(finding),
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reverse_path_of_the_envelope_is_on_top_and_no_other_is_there() {
        let forged = "Subject: gone\r\nReturn-Path: <>\r\nreturn-path: <a@b.test>\r\n\r\nhello\r\n";
        let message = Message::parse(forged.into());
        let of = |sender: &str| {
            let seen = with_return_path(&message, &sender.parse().unwrap());
            String::from_utf8(seen.bytes().to_vec()).unwrap()
        };
        let rest = "Subject: gone\r\n\r\nhello\r\n";
        assert_eq!(
            of("ann@c.test"),
            format!("Return-Path: <ann@c.test>\r\n{rest}")
        );
        assert_eq!(of("<>"), format!("Return-Path: <>\r\n{rest}"));
    }
}
