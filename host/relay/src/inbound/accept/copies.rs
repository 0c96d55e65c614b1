//! One message for all recipients, or copies that differ, as `on-copy` decides.

use std::sync::Arc;

use baton_hooks::{CallRecord, Hook, Sitting, Verdict};
use baton_message::EditSet;
use baton_smtp::{Envelope, Recipient, Reply};

use super::super::refusal::Refusal;
use super::tell::Asides;

/// What some recipients get.
pub(super) struct Copy {
    pub draft: EditSet,
    pub tags: Vec<(Arc<str>, Arc<str>)>,
    /// Why it waits for an operator, if it does.
    pub held: Option<String>,
    pub recipients: Vec<CopyRecipient>,
}

pub(super) struct CopyRecipient {
    pub recipient: Recipient,
    /// A plugin refused this copy alone. The peer can no longer be told, so it is told by a bounce.
    pub refused: Option<Reply>,
}

/// Asks `on-copy` for each recipient. Recipients for whom nothing differs stay together; none at all means that every
/// copy is to be dropped. What one plugin defers is deferred for all: the peer has one answer.
pub(super) async fn make(
    sitting: &mut Sitting,
    records: &mut Vec<CallRecord>,
    asides: &mut Asides,
    envelope: &Envelope,
) -> Result<Vec<Copy>, Refusal> {
    let Some(draft) = sitting.draft().cloned() else {
        return Ok(Vec::new());
    };
    let mut common = Copy {
        draft,
        tags: sitting.tags().to_vec(),
        held: reasons(sitting.holds().iter().map(|hold| hold.reason.as_str())),
        recipients: Vec::new(),
    };
    if !sitting.generation().exports(Hook::Copy) {
        let plain = |recipient: &Recipient| CopyRecipient {
            recipient: recipient.clone(),
            refused: None,
        };
        common.recipients = envelope.recipients.iter().map(plain).collect();
        return Ok(vec![common]);
    }
    let mut others: Vec<Copy> = Vec::new();
    let mut refusals = Vec::new();
    for recipient in &envelope.recipients {
        let (first, known) = (records.len(), common.draft.applied().len());
        let copy = sitting.on_copy(envelope, recipient).await;
        records.append(&mut sitting.take_records());
        let whose = Some(&recipient.address);
        asides.note(records, first, whose, copy.draft.as_ref(), known);
        let plugin = records.last().map(|record| record.plugin.to_string());
        let refused = match &copy.verdict {
            Verdict::Pass | Verdict::Accept => None,
            Verdict::Discard => continue,
            Verdict::Reject(reply) => {
                refusals.extend(Refusal::of_verdict(&copy.verdict, plugin));
                Some(reply.clone())
            }
            Verdict::Disconnect(reply) if reply.is_permanent() => {
                refusals.extend(Refusal::of_verdict(&copy.verdict, plugin));
                Some(reply.clone())
            }
            verdict @ (Verdict::Defer(_) | Verdict::Disconnect(_)) => {
                return match Refusal::of_verdict(verdict, plugin) {
                    Some(refusal) => Err(refusal),
                    None => Ok(Vec::new()),
                };
            }
        };
        let one = CopyRecipient {
            recipient: recipient.clone(),
            refused,
        };
        let own_hold = reasons(copy.holds.iter().map(|hold| hold.reason.as_str()));
        if copy.draft.is_none() && copy.tags.is_none() && own_hold.is_none() {
            common.recipients.push(one);
            continue;
        }
        let draft = copy.draft.unwrap_or_else(|| common.draft.clone());
        let tags = copy.tags.unwrap_or_else(|| common.tags.clone());
        let held = own_hold.or_else(|| common.held.clone());
        let same = |other: &Copy| {
            other.tags == tags && other.held == held && other.draft.applied() == draft.applied()
        };
        match others.iter_mut().find(|other| same(other)) {
            Some(other) => other.recipients.push(one),
            None => others.push(Copy {
                draft,
                tags,
                held,
                recipients: vec![one],
            }),
        }
    }
    // Refused for everybody: the peer can still be told.
    if !refusals.is_empty() && refusals.len() == envelope.recipients.len() {
        return Err(refusals.remove(0));
    }
    let mut copies = Vec::with_capacity(others.len() + 1);
    if !common.recipients.is_empty() {
        copies.push(common);
    }
    copies.append(&mut others);
    Ok(copies)
}

/// Several reasons to hold, as one.
fn reasons<'a>(holds: impl Iterator<Item = &'a str>) -> Option<String> {
    let all: Vec<&str> = holds.collect();
    (!all.is_empty()).then(|| all.join("; "))
}
