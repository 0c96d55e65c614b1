//! `/api/v1/queue`: what waits, and what an operator may do about it.

use axum::Json;
use axum::extract::{Path, Query, State};
use baton_spool::{Done, Entry, EntryId, EntryState, LastReply, Operation, Target};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::messages::{id, rows, time};
use super::problem::Problem;
use crate::clock;
use crate::event::Event;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    limit: Option<usize>,
    /// Only what comes after this entry: "ID.RECIPIENT".
    after: Option<String>,
}

/// One recipient that is not settled.
#[derive(Debug, Serialize)]
pub struct Waiting {
    /// "ID.RECIPIENT", as `after` takes it.
    entry: String,
    message: String,
    recipient: u32,
    address: String,
    /// "queued", "deferred" or "held".
    state: &'static str,
    due: Option<String>,
    why: Option<String>,
    attempts: u32,
    reply: Option<String>,
    host: Option<String>,
}

impl From<&Entry> for Waiting {
    fn from(entry: &Entry) -> Waiting {
        let (state, due, why) = match &entry.state {
            EntryState::Held(why) => ("held", None, Some(why.clone())),
            EntryState::Due(at) if entry.attempts == 0 => ("queued", Some(time(*at)), None),
            EntryState::Due(at) => ("deferred", Some(time(*at)), None),
        };
        Waiting {
            entry: entry.id.to_string(),
            message: entry.id.message.to_string(),
            recipient: entry.id.recipient,
            address: entry.recipient.address.to_string(),
            state,
            due,
            why,
            attempts: entry.attempts,
            reply: entry.last.as_ref().map(reply),
            host: entry.last.as_ref().and_then(|last| last.host.clone()),
        }
    }
}

/// "550 5.1.1 no such user"; without a code where there was no reply.
pub(super) fn reply(last: &LastReply) -> String {
    let text = last.text.replace('\n', " ");
    let mut words = Vec::new();
    if last.code != 0 {
        words.push(last.code.to_string());
    }
    words.extend(
        [last.status.clone(), text]
            .into_iter()
            .filter(|word| !word.is_empty()),
    );
    words.join(" ")
}

pub async fn list(
    State(parts): State<super::State>,
    Query(asked): Query<Asked>,
) -> Result<Json<Vec<Waiting>>, Problem> {
    let after = asked.after.as_deref().map(entry_id).transpose()?;
    let limit = rows(asked.limit);
    let found = parts
        .store
        .read(move |spool| spool.entries(after, limit))
        .await?;
    Ok(Json(found.iter().map(Waiting::from).collect()))
}

fn entry_id(text: &str) -> Result<EntryId, Problem> {
    let wrong = || Problem::bad_request("An entry is written ID.RECIPIENT.");
    let (message, recipient) = text.split_once('.').ok_or_else(wrong)?;
    Ok(EntryId::new(
        id(message)?,
        recipient.parse().map_err(|_| wrong())?,
    ))
}

/// Optional body of an action.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Why it is held.
    reason: Option<String>,
}

/// `POST /queue/{id}/{action}`: all recipients of a message.
pub async fn act(
    State(parts): State<super::State>,
    Path((message, action)): Path<(String, String)>,
    order: Option<Json<Order>>,
) -> Result<Json<Value>, Problem> {
    carry_out(&parts, Target::Message(id(&message)?), &action, order).await
}

/// `POST /queue/{id}/{recipient}/{action}`: one of them.
pub async fn act_on_one(
    State(parts): State<super::State>,
    Path((message, recipient, action)): Path<(String, u32, String)>,
    order: Option<Json<Order>>,
) -> Result<Json<Value>, Problem> {
    let entry = EntryId::new(id(&message)?, recipient);
    carry_out(&parts, Target::Entry(entry), &action, order).await
}

async fn carry_out(
    parts: &super::State,
    target: Target,
    action: &str,
    order: Option<Json<Order>>,
) -> Result<Json<Value>, Problem> {
    let now = clock::now().as_millis();
    let reason = order
        .and_then(|Json(order)| order.reason)
        .unwrap_or_else(|| "operator".into());
    let operation = match action {
        "retry" => Operation::Reschedule {
            target,
            due_ms: now,
        },
        "hold" => Operation::Hold {
            target,
            reason: reason.clone(),
        },
        "release" => Operation::Release {
            target,
            due_ms: now,
        },
        "remove" => Operation::Remove { target, at_ms: now },
        _ => {
            return Err(Problem::not_found(
                "The actions are retry, hold, release and remove.",
            ));
        }
    };
    let affected = parts
        .store
        .read(move |spool| spool.entries_of(target.message()))
        .await?;
    let answers = parts.store.commit(vec![operation]).await?;
    let changed = match answers.into_iter().next() {
        Some(Ok(Done::Changed(count))) => count,
        Some(Ok(_)) | None => 0,
        Some(Err(refusal)) => {
            return Err(Problem::new(
                axum::http::StatusCode::CONFLICT,
                refusal.to_string(),
            ));
        }
    };
    if changed == 0 {
        return Err(Problem::not_found("Nothing that waits fits."));
    }
    for entry in affected {
        if matches!(target, Target::Entry(id) if id != entry.id) {
            continue;
        }
        tell(parts, action, &entry, &reason);
    }
    Ok(Json(json!({ "changed": changed })))
}

fn tell(parts: &super::State, action: &str, entry: &Entry, reason: &str) {
    let message = entry.id.message.to_string();
    let recipient = entry.recipient.address.to_string();
    match action {
        "hold" => parts.bus.emit(Event::Held {
            message,
            recipient,
            why: reason.to_owned(),
        }),
        "release" => parts.bus.emit(Event::Released { message, recipient }),
        "remove" => parts.bus.emit(Event::Removed { message, recipient }),
        _ => {}
    }
}
