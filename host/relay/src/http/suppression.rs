//! `/api/v1/suppression`: addresses that nothing is sent to.

mod table;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use baton_smtp::Mailbox;
use baton_spool::{Done, Operation, Suppression};
use serde::{Deserialize, Serialize};

use self::table::Row;
use super::messages::rows;
use super::problem::Problem;
use crate::clock;
use crate::event::Event;
use crate::suppression::{MANUAL, added, removed};

/// Who changes the list by hand.
const OPERATOR: &str = "operator";
/// Rows read at a time where all are read.
const PAGE_ROWS: usize = 10_000;
/// Rows of one import.
const IMPORT_ROWS_MAX: usize = 1_000_000;
/// Rows of one commit of an import, so that mail does not wait for all of it.
const IMPORT_COMMIT_ROWS: usize = 5_000;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    limit: Option<usize>,
    /// Only what comes after this address (of that account).
    after: Option<String>,
    account: Option<String>,
    cause: Option<String>,
}

pub async fn list(
    State(parts): State<super::State>,
    Query(asked): Query<Asked>,
) -> Result<Json<Vec<Row>>, Problem> {
    let limit = rows(asked.limit);
    let after = asked.after.as_deref().map(address).transpose()?;
    let found = find(&parts, after, asked.account, asked.cause, limit).await?;
    Ok(Json(found.iter().map(Row::from).collect()))
}

/// Rows of an account, or of all, in the order of the list.
async fn find(
    parts: &super::State,
    after: Option<Mailbox>,
    account: Option<String>,
    cause: Option<String>,
    limit: usize,
) -> Result<Vec<Suppression>, Problem> {
    let now = clock::now().as_millis();
    let mut behind = after.map(|address| behind(account.clone(), address));
    let fits = move |row: &Suppression| {
        account
            .as_ref()
            .is_none_or(|wanted| row.account.as_ref() == Some(wanted))
            && cause.as_ref().is_none_or(|wanted| row.cause == *wanted)
    };
    let found = parts
        .store
        .read(move |spool| {
            let mut found = Vec::new();
            loop {
                let page = spool.suppressions(behind.as_ref(), PAGE_ROWS, now)?;
                behind = page.last().cloned();
                let is_last = page.len() < PAGE_ROWS;
                let room = limit - found.len();
                found.extend(page.into_iter().filter(&fits).take(room));
                if is_last || found.len() == limit {
                    return Ok(found);
                }
            }
        })
        .await?;
    Ok(found)
}

/// The place in the list of an address.
fn behind(account: Option<String>, address: Mailbox) -> Suppression {
    Suppression {
        account,
        address,
        cause: String::new(),
        reason: String::new(),
        source: String::new(),
        created_ms: 0,
        expires_ms: None,
    }
}

fn address(text: &str) -> Result<Mailbox, Problem> {
    Mailbox::parse(text).map_err(|e| Problem::bad_request(e.to_string()))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct New {
    address: String,
    account: Option<String>,
    cause: Option<String>,
    reason: Option<String>,
    expires_seconds: Option<u64>,
}

pub async fn add(
    State(parts): State<super::State>,
    Json(new): Json<New>,
) -> Result<StatusCode, Problem> {
    let now = clock::now();
    let row = Suppression {
        account: new.account,
        address: address(&new.address)?,
        cause: new.cause.unwrap_or_else(|| MANUAL.into()),
        reason: new.reason.unwrap_or_else(|| OPERATOR.into()),
        source: OPERATOR.into(),
        created_ms: now.as_millis(),
        expires_ms: new
            .expires_seconds
            .map(|seconds| now.as_millis().saturating_add(seconds.saturating_mul(1000))),
    };
    put(&parts, vec![row]).await?;
    Ok(StatusCode::CREATED)
}

async fn put(parts: &super::State, rows: Vec<Suppression>) -> Result<(), Problem> {
    let events: Vec<Event> = rows.iter().map(added).collect();
    let mut operations: Vec<Operation> = rows.into_iter().map(Operation::SuppressionPut).collect();
    operations.extend(parts.bus.rows(&events, None));
    parts.store.commit(operations).await?;
    for event in events {
        parts.bus.emit_committed(event);
    }
    Ok(())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Whose {
    account: Option<String>,
}

pub async fn remove(
    State(parts): State<super::State>,
    Path(text): Path<String>,
    Query(whose): Query<Whose>,
) -> Result<StatusCode, Problem> {
    let address = address(&text)?;
    let event = removed(&address, whose.account.as_deref(), OPERATOR);
    let operation = Operation::SuppressionRemove {
        account: whose.account,
        address,
    };
    let answers = parts.store.commit(vec![operation]).await?;
    match answers.into_iter().next() {
        Some(Ok(Done::Changed(count))) if count > 0 => {
            parts.bus.emit(event);
            Ok(StatusCode::NO_CONTENT)
        }
        _ => Err(Problem::not_found("The address is not on the list.")),
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Export {
    #[serde(default)]
    format: Format,
    account: Option<String>,
    cause: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Format {
    #[default]
    Json,
    Csv,
}

pub async fn export(
    State(parts): State<super::State>,
    Query(asked): Query<Export>,
) -> Result<Response, Problem> {
    let found = find(&parts, None, asked.account, asked.cause, usize::MAX).await?;
    let rows: Vec<Row> = found.iter().map(Row::from).collect();
    Ok(match asked.format {
        Format::Json => Json(rows).into_response(),
        Format::Csv => {
            let text = table::write(&rows);
            ([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], text).into_response()
        }
    })
}

/// What an import did.
#[derive(Debug, Serialize)]
pub struct Imported {
    imported: usize,
}

/// All rows or none, as far as mistakes go: they are all looked for before anything is written.
pub async fn import(
    State(parts): State<super::State>,
    Query(whose): Query<Whose>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Imported>, Problem> {
    let is_csv = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|kind| kind.starts_with("text/csv"));
    let text = std::str::from_utf8(&body)
        .map_err(|_| Problem::bad_request("The list is not in UTF-8."))?;
    let rows = match is_csv {
        true => table::read(text),
        false => serde_json::from_str(text).map_err(|error| vec![error.to_string()]),
    };
    let rows: Vec<Row> = rows.map_err(mistakes)?;
    if rows.len() > IMPORT_ROWS_MAX {
        let problem = format!("{} rows are more than {IMPORT_ROWS_MAX}.", rows.len());
        return Err(Problem::bad_request(problem));
    }
    let now = clock::now();
    let mut good = Vec::with_capacity(rows.len());
    let mut bad = Vec::new();
    for (number, row) in rows.into_iter().enumerate() {
        match row.into_suppression(whose.account.as_deref(), now) {
            Ok(row) => good.push(row),
            Err(why) => bad.push(format!("row {}: {why}", number + 1)),
        }
    }
    if !bad.is_empty() {
        return Err(mistakes(bad));
    }
    let imported = good.len();
    while !good.is_empty() {
        let rest = good.split_off(good.len().min(IMPORT_COMMIT_ROWS));
        put(&parts, good).await?;
        good = rest;
    }
    Ok(Json(Imported { imported }))
}

/// The first of them; nobody reads a thousand.
fn mistakes(all: Vec<String>) -> Problem {
    const SHOWN: usize = 20;
    let count = all.len();
    let mut shown: Vec<String> = all.into_iter().take(SHOWN).collect();
    if count > SHOWN {
        shown.push(format!("and {} more", count - SHOWN));
    }
    Problem::bad_request(shown.join("; "))
}
