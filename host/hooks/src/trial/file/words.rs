//! The vocabulary of deliveries in a record: stages, reports, translations.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Bad, ReplyLine};
use crate::delivery::{Advice, Disposition, Report, ReportKind, Scope, Stage, Translation};

const STAGES: [(Stage, &str); 10] = [
    (Stage::Dns, "dns"),
    (Stage::Connect, "connect"),
    (Stage::Greeting, "greeting"),
    (Stage::Ehlo, "ehlo"),
    (Stage::Tls, "tls"),
    (Stage::Auth, "auth"),
    (Stage::MailFrom, "mail-from"),
    (Stage::RcptTo, "rcpt-to"),
    (Stage::Data, "data"),
    (Stage::EndOfData, "end-of-data"),
];

const KINDS: [(ReportKind, &str); 5] = [
    (ReportKind::Bounce, "bounce"),
    (ReportKind::Delay, "delay"),
    (ReportKind::Delivered, "delivered"),
    (ReportKind::Complaint, "complaint"),
    (ReportKind::AutoReply, "auto-reply"),
];

const DISPOSITIONS: [Disposition; 5] = [
    Disposition::Hard,
    Disposition::Soft,
    Disposition::Block,
    Disposition::Admin,
    Disposition::Undetermined,
];

const SCOPES: [Scope; 6] = [
    Scope::Recipient,
    Scope::Domain,
    Scope::Sender,
    Scope::Egress,
    Scope::Content,
    Scope::Connection,
];

fn word<T: PartialEq>(table: &[(T, &'static str)], of: &T) -> &'static str {
    table
        .iter()
        .find(|(known, _)| known == of)
        .map_or("", |(_, word)| word)
}

fn read<T: Copy>(all: impl IntoIterator<Item = (T, &'static str)>, word: &str) -> Result<T, Bad> {
    all.into_iter()
        .find(|(_, known)| *known == word)
        .map(|(value, _)| value)
        .ok_or_else(|| format!("{word:?} is no word of the contract"))
}

pub(super) fn stage(stage: Stage) -> &'static str {
    word(&STAGES, &stage)
}

pub(super) fn stage_of(word: &str) -> Result<Stage, Bad> {
    read(STAGES, word)
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReportLine {
    kind: String,
    recipient: Option<String>,
    original_recipient: Option<String>,
    reply: Option<ReplyLine>,
    remote_host: Option<String>,
    translation: Option<TranslationLine>,
    feedback_type: Option<String>,
    original_message_id: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct TranslationLine {
    disposition: String,
    reason: String,
    scope: String,
    advice: String,
    advice_seconds: Option<u64>,
    explanation: String,
    confidence: f64,
    rule: String,
}

impl ReportLine {
    pub(super) fn of(report: &Report) -> ReportLine {
        ReportLine {
            kind: word(&KINDS, &report.kind).to_owned(),
            recipient: report.recipient.clone(),
            original_recipient: report.original_recipient.clone(),
            reply: report.reply.as_ref().map(ReplyLine::of),
            remote_host: report.remote_host.clone(),
            translation: report.translation.as_ref().map(TranslationLine::of),
            feedback_type: report.feedback_type.clone(),
            original_message_id: report.original_message_id.clone(),
        }
    }

    pub(super) fn report(&self) -> Result<Report, Bad> {
        let translation = self.translation.as_ref().map(TranslationLine::translation);
        Ok(Report {
            kind: read(KINDS, &self.kind)?,
            recipient: self.recipient.clone(),
            original_recipient: self.original_recipient.clone(),
            reply: self.reply.as_ref().map(ReplyLine::reply).transpose()?,
            remote_host: self.remote_host.clone(),
            translation: translation.transpose()?,
            feedback_type: self.feedback_type.clone(),
            original_message_id: self.original_message_id.clone(),
        })
    }
}

impl TranslationLine {
    fn of(found: &Translation) -> TranslationLine {
        let seconds = match found.advice {
            Advice::Retry(after) => after,
            Advice::BackOff(time) | Advice::Suspend(time) => Some(time),
            Advice::None | Advice::Suppress | Advice::RotateEgress => None,
        };
        TranslationLine {
            disposition: found.disposition.name().to_owned(),
            reason: found.reason.clone(),
            scope: found.scope.name().to_owned(),
            advice: found.advice.name().to_owned(),
            advice_seconds: seconds.map(|time| time.as_secs()),
            explanation: found.explanation.clone(),
            confidence: found.confidence,
            rule: found.rule.clone(),
        }
    }

    fn translation(&self) -> Result<Translation, Bad> {
        let seconds = self.advice_seconds.map(Duration::from_secs);
        let needed = || seconds.ok_or_else(|| format!("advice {:?} without a time", self.advice));
        Ok(Translation {
            disposition: read(DISPOSITIONS.map(|d| (d, d.name())), &self.disposition)?,
            reason: self.reason.clone(),
            scope: read(SCOPES.map(|s| (s, s.name())), &self.scope)?,
            advice: match self.advice.as_str() {
                "none" => Advice::None,
                "suppress" => Advice::Suppress,
                "retry" => Advice::Retry(seconds),
                "back-off" => Advice::BackOff(needed()?),
                "suspend" => Advice::Suspend(needed()?),
                "rotate-egress" => Advice::RotateEgress,
                other => return Err(format!("{other:?} is no advice")),
            },
            explanation: self.explanation.clone(),
            confidence: self.confidence,
            rule: self.rule.clone(),
        })
    }
}
