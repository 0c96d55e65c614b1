//! `GET /api/v1/messages` and below: what became of messages, from the history and the queue.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::IntoResponse;
use baton_spool::{
    Entry, EntryState, HistoryFilter, HistoryRow, MessageId, MessageState, PluginVersion, Snapshot,
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::problem::Problem;
use crate::clock::Timestamp;
use crate::event::trace::Step;
use crate::history;

/// Rows of one answer.
const ROWS_MAX: usize = 10_000;
const ROWS: usize = 100;

/// What `?limit=` says, within bounds.
pub(super) fn rows(limit: Option<usize>) -> usize {
    limit.unwrap_or(ROWS).clamp(1, ROWS_MAX)
}

/// An id from a path or query.
pub(super) fn id(text: &str) -> Result<MessageId, Problem> {
    text.parse()
        .map_err(|_| Problem::not_found("There is no such message."))
}

pub(super) fn time(millis: u64) -> String {
    Timestamp::from_millis(millis).rfc3339()
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    limit: Option<usize>,
    /// Only what is older than this id.
    before: Option<String>,
    state: Option<String>,
    sender: Option<String>,
    recipient: Option<String>,
}

/// A message in a list.
#[derive(Debug, Serialize)]
pub struct Summary {
    id: String,
    state: &'static str,
    received: String,
    changed: String,
    /// Absent for the null sender.
    from: Option<String>,
    /// The first of them.
    to: Vec<String>,
    recipients: u32,
    pending: u32,
    delivered: u32,
    failed: u32,
    subject: Option<String>,
    bytes: u64,
    listener: String,
    account: Option<String>,
}

impl From<&HistoryRow> for Summary {
    fn from(row: &HistoryRow) -> Summary {
        Summary {
            id: row.id.to_string(),
            state: row.state.as_str(),
            received: time(row.received_ms),
            changed: time(row.changed_ms),
            from: row.sender.mailbox().map(ToString::to_string),
            to: row.recipients.iter().map(ToString::to_string).collect(),
            recipients: row.recipients_total,
            pending: row.pending,
            delivered: row.delivered,
            failed: row.failed,
            subject: row.subject.clone(),
            bytes: row.body_bytes,
            listener: row.listener.clone(),
            account: row.account.clone(),
        }
    }
}

pub async fn list(
    State(parts): State<super::State>,
    Query(asked): Query<Asked>,
) -> Result<Json<Vec<Summary>>, Problem> {
    let before = asked.before.as_deref().map(id).transpose()?;
    let state = asked
        .state
        .as_deref()
        .map(|text| {
            text.parse::<MessageState>()
                .map_err(|e| Problem::bad_request(e.to_string()))
        })
        .transpose()?;
    let filter = HistoryFilter {
        state,
        sender: asked.sender,
        recipient: asked.recipient,
    };
    let limit = rows(asked.limit);
    let found = parts
        .store
        .read(move |spool| spool.history_list(before, limit, &filter))
        .await?;
    Ok(Json(found.iter().map(Summary::from).collect()))
}

/// One message with all that is known of it.
#[derive(Debug, Serialize)]
pub struct Detail {
    #[serde(flatten)]
    summary: Summary,
    recipients_detail: Vec<Recipient>,
    tags: BTreeMap<String, String>,
    /// The versions that took it; once it is gone, those of them that were called for it.
    plugins: Vec<Plugin>,
    /// What hooks did, in order.
    trace: Vec<Step>,
    /// What was tried, in order.
    attempts: Vec<Step>,
    /// What came back by mail, in order.
    reports: Vec<Step>,
}

#[derive(Debug, Serialize)]
pub struct Recipient {
    address: String,
    /// "queued", "deferred", "held"; or how its last attempt ended.
    state: String,
    attempts: u32,
    /// When it is tried next.
    due: Option<String>,
    /// Why it is held.
    why: Option<String>,
    /// What was said last.
    reply: Option<String>,
}

#[derive(Debug, Serialize)]
pub struct Plugin {
    name: String,
    digest: String,
}

impl From<PluginVersion> for Plugin {
    fn from(version: PluginVersion) -> Plugin {
        Plugin {
            name: version.name,
            digest: version.digest,
        }
    }
}

pub async fn one(
    State(parts): State<super::State>,
    Path(text): Path<String>,
) -> Result<Json<Detail>, Problem> {
    let id = id(&text)?;
    let found = parts.store.read(move |spool| detail(spool, id)).await?;
    found
        .map(Json)
        .ok_or(Problem::not_found("There is no such message."))
}

fn detail(spool: &Snapshot, id: MessageId) -> Result<Option<Detail>, baton_spool::Error> {
    let Some(row) = spool.history(id)? else {
        return Ok(None);
    };
    let mut trace = Vec::new();
    let mut attempts = Vec::new();
    let mut reports = Vec::new();
    let mut kept_tags = BTreeMap::new();
    for piece in spool.history_log(id)? {
        for step in history::steps(&piece.bytes) {
            match step {
                Step::Attempt { .. } => attempts.push(step),
                Step::Hook { .. } => trace.push(step),
                Step::Report { .. } => reports.push(step),
                Step::Tags { tags, .. } => kept_tags = tags,
            }
        }
    }
    let entries = spool.entries_of(id)?;
    let message = spool.message(id)?;
    let plugins = match &message {
        Some(message) => message.plugins.clone(),
        None => history::versions_called(&trace),
    };
    Ok(Some(Detail {
        summary: Summary::from(&row),
        recipients_detail: recipients(&row, &entries, &attempts),
        tags: match &message {
            Some(message) => message.tags.iter().cloned().collect(),
            None => kept_tags,
        },
        plugins: plugins.into_iter().map(Plugin::from).collect(),
        trace,
        attempts,
        reports,
    }))
}

/// Those that wait as the queue has them, the others as their last attempt says.
fn recipients(row: &HistoryRow, entries: &[Entry], attempts: &[Step]) -> Vec<Recipient> {
    row.recipients
        .iter()
        .map(|mailbox| {
            let address = mailbox.to_string();
            match entries
                .iter()
                .find(|entry| entry.recipient.address == *mailbox)
            {
                Some(entry) => waiting(address, entry),
                None => settled(address, row, attempts),
            }
        })
        .collect()
}

fn waiting(address: String, entry: &Entry) -> Recipient {
    let (state, due, why) = match &entry.state {
        EntryState::Held(why) => ("held", None, Some(why.clone())),
        EntryState::Due(at) if entry.attempts == 0 => ("queued", Some(time(*at)), None),
        EntryState::Due(at) => ("deferred", Some(time(*at)), None),
    };
    Recipient {
        address,
        state: state.to_owned(),
        attempts: entry.attempts,
        due,
        why,
        reply: entry.last.as_ref().map(super::queue::reply),
    }
}

fn settled(address: String, row: &HistoryRow, attempts: &[Step]) -> Recipient {
    let mut count = 0;
    let mut last = None;
    for step in attempts {
        if let Step::Attempt { outcomes, .. } = step
            && let Some(outcome) = outcomes.iter().find(|outcome| outcome.recipient == address)
        {
            count += 1;
            last = Some(outcome);
        }
    }
    Recipient {
        address,
        state: last.map_or_else(|| row.state.as_str().to_owned(), |o| o.outcome.clone()),
        attempts: count,
        due: None,
        why: None,
        reply: last.map(|outcome| outcome.reply.clone()),
    }
}

/// The bytes of a message that still waits.
pub async fn raw(
    State(parts): State<super::State>,
    Path(text): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let id = id(&text)?;
    let body = parts.store.body(id).await?;
    let body = body.ok_or(Problem::not_found("There is no such message in the queue."))?;
    Ok((
        [(header::CONTENT_TYPE, "message/rfc822")],
        Bytes::from(body.concat()),
    ))
}
