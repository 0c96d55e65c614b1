//! `/api/v1/suppression`: addresses that nothing is sent to.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use baton_smtp::Mailbox;
use baton_spool::{Done, Operation, Suppression};
use serde::{Deserialize, Serialize};

use super::messages::{rows, time};
use super::problem::Problem;
use crate::clock;
use crate::suppression;

#[derive(Debug, Serialize)]
pub struct Row {
    address: String,
    /// For whose mail; absent for everybody's.
    account: Option<String>,
    reason: String,
    source: String,
    created: String,
    expires: Option<String>,
}

impl From<&Suppression> for Row {
    fn from(row: &Suppression) -> Row {
        Row {
            address: row.address.to_string(),
            account: row.account.clone(),
            reason: row.reason.clone(),
            source: row.source.clone(),
            created: time(row.created_ms),
            expires: row.expires_ms.map(time),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    limit: Option<usize>,
    /// Only what comes after this address (of that account).
    after: Option<String>,
    account: Option<String>,
}

pub async fn list(
    State(parts): State<super::State>,
    Query(asked): Query<Asked>,
) -> Result<Json<Vec<Row>>, Problem> {
    let now = clock::now().as_millis();
    let after = match &asked.after {
        Some(text) => Some(Suppression {
            account: asked.account.clone(),
            address: address(text)?,
            reason: String::new(),
            source: String::new(),
            created_ms: 0,
            expires_ms: None,
        }),
        None => None,
    };
    let limit = rows(asked.limit);
    let found = parts
        .store
        .read(move |spool| spool.suppressions(after.as_ref(), limit, now))
        .await?;
    Ok(Json(found.iter().map(Row::from).collect()))
}

fn address(text: &str) -> Result<Mailbox, Problem> {
    Mailbox::parse(text).map_err(|e| Problem::bad_request(e.to_string()))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct New {
    address: String,
    account: Option<String>,
    reason: Option<String>,
    expires_seconds: Option<u64>,
}

pub async fn add(
    State(parts): State<super::State>,
    Json(new): Json<New>,
) -> Result<StatusCode, Problem> {
    let now = clock::now();
    let reason = new.reason.unwrap_or_else(|| "operator".into());
    let address = address(&new.address)?;
    let row = Suppression {
        account: new.account,
        address,
        reason,
        source: "operator".into(),
        created_ms: now.as_millis(),
        expires_ms: new
            .expires_seconds
            .map(|seconds| now.as_millis().saturating_add(seconds.saturating_mul(1000))),
    };
    let event = suppression::added(&row);
    parts
        .store
        .commit(vec![Operation::SuppressionPut(row)])
        .await?;
    parts.bus.emit(event);
    Ok(StatusCode::CREATED)
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
    let operation = Operation::SuppressionRemove {
        account: whose.account,
        address: address(&text)?,
    };
    let answers = parts.store.commit(vec![operation]).await?;
    match answers.into_iter().next() {
        Some(Ok(Done::Changed(count))) if count > 0 => Ok(StatusCode::NO_CONTENT),
        _ => Err(Problem::not_found("The address is not on the list.")),
    }
}
