//! What the history knows of the message that a token names.

use std::time::Duration;

use baton_hooks::{Attempt, Report};
use baton_smtp::Mailbox;
use baton_spool::{HistoryRow, PluginVersion};

use super::super::Shared;
use super::super::refusal::Refusal;
use crate::clock::Timestamp;
use crate::event::trace::Step;
use crate::history;
use crate::return_path::Token;
use crate::store::StoreError;

/// See the module.
pub(super) struct Known {
    pub row: HistoryRow,
    pub tags: Vec<(String, String)>,
    steps: Vec<Step>,
}

/// None if the history has dropped it, or this relay never had it.
pub(super) async fn look_up(shared: &Shared, token: &Token) -> Result<Option<Known>, Refusal> {
    let id = token.message;
    let found = shared
        .store
        .read(move |spool| {
            let Some(row) = spool.history(id)? else {
                return Ok(None);
            };
            let log = spool.history_log(id)?;
            Ok(Some((row, log)))
        })
        .await;
    // Whoever told us is told to come back: it may be readable then.
    let found = found.map_err(|error: StoreError| Refusal::of_store(&error))?;
    Ok(found.map(|(row, log)| {
        let steps: Vec<Step> = log
            .iter()
            .flat_map(|piece| history::steps(&piece.bytes))
            .collect();
        let tags = steps.iter().find_map(|step| match step {
            Step::Tags { tags, .. } => Some(tags.clone()),
            _ => None,
        });
        Known {
            row,
            tags: tags.unwrap_or_default().into_iter().collect(),
            steps,
        }
    }))
}

impl Known {
    /// Who sent the message; none for a notification.
    pub fn sender(&self) -> Option<&Mailbox> {
        self.row.sender.mailbox()
    }

    /// The recipient that a report is about: the one that the token names, or that the report names and the message had. No
    /// report speaks for somebody whom the message did not go to.
    pub fn recipient(&self, token: &Token, report: &Report) -> Option<&Mailbox> {
        if let Some(number) = token.recipient {
            return self.row.recipients.get(number as usize);
        }
        let stated = [&report.original_recipient, &report.recipient];
        let named = stated.into_iter().flatten().find_map(|text| {
            let mut recipients = self.row.recipients.iter();
            recipients.find(|one| one.to_string().eq_ignore_ascii_case(text))
        });
        named.or(match self.row.recipients.as_slice() {
            [only] if self.row.recipients_total == 1 => Some(only),
            _ => None,
        })
    }

    /// The attempt that the recipient's host took the message in, as far as it is written down.
    pub fn attempt(&self, recipient: &Mailbox, report: &Report, now: Timestamp) -> Attempt {
        let text = recipient.to_string();
        let taken = self.steps.iter().rev().find_map(|step| match step {
            Step::Attempt {
                number,
                site,
                host,
                egress,
                outcomes,
                ..
            } if outcomes.iter().any(|outcome| outcome.recipient == text) => {
                Some((*number, site, host, egress))
            }
            _ => None,
        });
        let (number, site, host, egress) = match taken {
            Some((number, site, host, egress)) => {
                (number, site.clone(), host.clone(), egress.clone())
            }
            None => (1, recipient.domain().to_string(), None, None),
        };
        Attempt {
            message: self.row.id.to_string().into(),
            sender: self.row.sender.clone(),
            account: self.row.account.as_deref().map(Into::into),
            recipient: recipient.clone(),
            site: site.into(),
            host: host.or(report.remote_host.clone()).map(Into::into),
            egress: egress.map(Into::into),
            number,
            age: self.age(now),
        }
    }

    /// The versions of the plugins that were called for it.
    pub fn plugins(&self) -> Vec<PluginVersion> {
        history::versions_called(&self.steps)
    }

    fn age(&self, now: Timestamp) -> Duration {
        now.since(Timestamp::from_millis(self.row.received_ms))
    }
}
