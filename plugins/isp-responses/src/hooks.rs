//! The hooks: between the relay's records and this crate's own.

use crate::compile;
use crate::reason;
use crate::report::{self, Finding, Kind};
use crate::source::{ListSource, ProviderSource, RuleSource, Source};
use crate::table::Table;
use crate::translate::{self, Reply as Words, Translator};
use baton_sdk::prelude::*;
use serde::Deserialize;
use std::collections::BTreeMap;

/// `[plugins.isp-responses]`.
#[derive(Deserialize, Default)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct Settings {
    /// Ids of rules that are not to be used.
    disabled_rules: Vec<String>,
    concept: BTreeMap<String, Vec<String>>,
    rule: Vec<RuleSource>,
    provider: Vec<ProviderSource>,
    list: Vec<ListSource>,
}

/// The plugin: the rules that the configuration adds, compiled.
pub struct IspResponses {
    extra: Option<Vec<u8>>,
    disabled: Vec<String>,
}

impl IspResponses {
    fn translator(&self) -> Translator<'_> {
        Translator::new(self.extra.as_deref().and_then(Table::new)).without(&self.disabled)
    }
}

#[baton_sdk::plugin]
impl Plugin for IspResponses {
    fn new() -> Result<Self> {
        let settings: Settings = config::read()?;
        let own = Source {
            concept: settings.concept,
            rule: settings.rule,
            provider: settings.provider,
            list: settings.list,
            prior: Vec::new(),
        };
        let empty = own.rule.is_empty() && own.provider.is_empty() && own.list.is_empty();
        let extra = if empty {
            None
        } else {
            let known = Translator::default().provider_names();
            match compile::compile(&[own], &known) {
                Ok(table) => Some(table),
                Err(mistake) => bail!("rules of the configuration: {mistake}"),
            }
        };
        Ok(IspResponses {
            extra,
            disabled: settings.disabled_rules,
        })
    }

    fn on_reply(
        &mut self,
        attempt: &Attempt,
        stage: Stage,
        reply: &Reply,
    ) -> Result<Option<Translation>> {
        let words = Words {
            code: Some(reply.code),
            status: Some(reply.status.as_str()).filter(|s| !s.is_empty()),
            text: &reply.text,
            stage: Some(stage_name(stage)),
            host: attempt.host.as_deref(),
            domain: Some(attempt.recipient.domain.as_str()).filter(|d| !d.is_empty()),
        };
        Ok(Some(outward(self.translator().translate(&words))))
    }

    fn on_report(&mut self) -> Result<Vec<Report>> {
        let mut raw = Vec::new();
        for piece in message::raw() {
            raw.extend_from_slice(&piece?);
            if raw.len() >= crate::mime::MESSAGE_BYTES_MAX {
                break;
            }
        }
        Ok(report::read(&self.translator(), &raw)
            .into_iter()
            .map(report_outward)
            .collect())
    }
}

fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Dns => "dns",
        Stage::Connect => "connect",
        Stage::Greeting => "greeting",
        Stage::Ehlo => "ehlo",
        Stage::Tls => "tls",
        Stage::Auth => "auth",
        Stage::MailFrom => "mail-from",
        Stage::RcptTo => "rcpt-to",
        Stage::Data => "data",
        Stage::EndOfData => "end-of-data",
    }
}

/// The provider, which the contract has no field for, follows the rule after an at sign.
fn outward(found: translate::Translation) -> Translation {
    let rule = match &found.provider {
        Some(provider) if !found.rule.starts_with(provider.as_str()) => {
            format!("{}@{provider}", found.rule)
        }
        _ => found.rule,
    };
    Translation {
        disposition: match found.disposition {
            reason::Disposition::Hard => Disposition::Hard,
            reason::Disposition::Soft => Disposition::Soft,
            reason::Disposition::Block => Disposition::Block,
            reason::Disposition::Admin => Disposition::Admin,
            reason::Disposition::Undetermined => Disposition::Undetermined,
        },
        reason: found.reason.name().to_string(),
        scope: match found.scope {
            reason::Scope::Recipient => Scope::Recipient,
            reason::Scope::Domain => Scope::Domain,
            reason::Scope::Sender => Scope::Sender,
            reason::Scope::Egress => Scope::Egress,
            reason::Scope::Content => Scope::Content,
            reason::Scope::Connection => Scope::Connection,
        },
        advice: match found.advice {
            reason::Advice::None => baton_sdk::Advice::None,
            reason::Advice::Suppress => baton_sdk::Advice::Suppress,
            reason::Advice::Retry(seconds) => baton_sdk::Advice::Retry(seconds),
            reason::Advice::BackOff(seconds) => baton_sdk::Advice::BackOff(seconds),
            reason::Advice::Suspend(seconds) => baton_sdk::Advice::Suspend(seconds),
            reason::Advice::RotateEgress => baton_sdk::Advice::RotateEgress,
        },
        explanation: found.explanation,
        confidence: found.confidence,
        rule,
    }
}

fn report_outward(found: Finding) -> Report {
    Report {
        kind: match found.kind {
            Kind::Bounce => ReportKind::Bounce,
            Kind::Delay => ReportKind::Delay,
            Kind::Delivered => ReportKind::Delivered,
            Kind::Complaint => ReportKind::Complaint,
            Kind::AutoReply => ReportKind::AutoReply,
        },
        recipient: found.recipient,
        original_recipient: found.original_recipient,
        reply: found.reply.map(|said| Reply {
            code: said.code,
            status: said.status,
            text: said.text,
        }),
        remote_host: found.remote_host,
        translation: found.translation.map(outward),
        feedback_type: found.feedback_type,
        original_message_id: found.original_message_id,
    }
}
