//! `/api/v1/inbox`: what the built-in inbox has caught.

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use baton_message::Message;
use baton_spool::{Done, InboxMessage, Operation};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::messages::{id, rows, time};
use super::problem::Problem;

/// Decoded text of one part that is given out as JSON; the raw message has it all.
const TEXT_BYTES_MAX: usize = 2 << 20;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    limit: Option<usize>,
    /// Only what is older than this id.
    before: Option<String>,
}

/// A message in the list.
#[derive(Debug, Serialize)]
pub struct Summary {
    id: String,
    /// Envelope sender; empty for the null sender.
    from: String,
    /// Envelope recipients.
    to: Vec<String>,
    subject: String,
    received: String,
    bytes: u64,
    /// The message in the history, with its trace.
    message: Option<String>,
}

impl From<&InboxMessage> for Summary {
    fn from(row: &InboxMessage) -> Summary {
        Summary {
            id: row.id.to_string(),
            from: row
                .sender
                .mailbox()
                .map(ToString::to_string)
                .unwrap_or_default(),
            to: row.recipients.iter().map(ToString::to_string).collect(),
            subject: row.subject.clone().unwrap_or_default(),
            received: time(row.received_ms),
            bytes: row.raw_bytes,
            message: serde_json::from_slice::<Meta>(&row.meta)
                .ok()
                .and_then(|meta| meta.message),
        }
    }
}

/// What the queue wrote beside it.
#[derive(Debug, Deserialize)]
struct Meta {
    message: Option<String>,
}

pub async fn list(
    State(parts): State<super::State>,
    Query(asked): Query<Asked>,
) -> Result<Json<Vec<Summary>>, Problem> {
    let before = asked.before.as_deref().map(id).transpose()?;
    let limit = rows(asked.limit);
    let found = parts
        .store
        .read(move |spool| spool.inbox_list(before, limit))
        .await?;
    Ok(Json(found.iter().map(Summary::from).collect()))
}

/// A message as a mail program would show it.
#[derive(Debug, Serialize)]
pub struct Detail {
    #[serde(flatten)]
    summary: Summary,
    headers: Vec<(String, String)>,
    /// The first text/plain part that is no attachment.
    text: Option<String>,
    /// The first text/html part that is no attachment.
    html: Option<String>,
    parts: Vec<Part>,
}

#[derive(Debug, Serialize)]
pub struct Part {
    index: u32,
    parent: Option<u32>,
    media_type: String,
    charset: Option<String>,
    disposition: Option<String>,
    filename: Option<String>,
    content_id: Option<String>,
    bytes: usize,
}

pub async fn one(
    State(parts): State<super::State>,
    Path(text): Path<String>,
) -> Result<Json<Detail>, Problem> {
    let id = id(&text)?;
    let found = parts.store.read(move |spool| {
        let Some(row) = spool.inbox(id)? else {
            return Ok(None);
        };
        let raw = spool.inbox_raw(id)?.unwrap_or_default();
        Ok(Some(detail(&row, raw)))
    });
    found
        .await?
        .map(Json)
        .ok_or(Problem::not_found("There is no such message."))
}

fn detail(row: &InboxMessage, raw: Bytes) -> Detail {
    let message = Message::parse(raw);
    let fields = message.header_section().fields();
    let headers = fields
        .map(|field| (field.name().to_owned(), field.value()))
        .collect();
    let infos = message.part_infos();
    let shown = |media_type: &str| {
        let part = infos.iter().find(|part| {
            part.media_type == media_type && part.disposition.as_deref() != Some("attachment")
        })?;
        message.text(part.index).ok().map(cut)
    };
    let (text, html) = (shown("text/plain"), shown("text/html"));
    let parts = infos
        .iter()
        .map(|part| Part {
            index: part.index,
            parent: part.parent,
            media_type: part.media_type.clone(),
            charset: part.charset.clone(),
            disposition: part.disposition.clone(),
            filename: part.filename.clone(),
            content_id: content_id(&message, part.index),
            bytes: part.size,
        })
        .collect();
    Detail {
        summary: Summary::from(row),
        headers,
        text,
        html,
        parts,
    }
}

fn content_id(message: &Message, part: u32) -> Option<String> {
    let value = message.part_header(part).ok()?.first("Content-ID")?.value();
    Some(
        value
            .trim()
            .trim_start_matches('<')
            .trim_end_matches('>')
            .to_owned(),
    )
}

fn cut(text: &str) -> String {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

pub async fn raw(
    State(parts): State<super::State>,
    Path(text): Path<String>,
) -> Result<impl IntoResponse, Problem> {
    let id = id(&text)?;
    let raw = parts.store.read(move |spool| spool.inbox_raw(id)).await?;
    let raw = raw.ok_or(Problem::not_found("There is no such message."))?;
    Ok(([(header::CONTENT_TYPE, "message/rfc822")], raw))
}

/// The decoded bytes of a part. Always a download: what a stranger sent is never a page of ours.
pub async fn part(
    State(parts): State<super::State>,
    Path((text, number)): Path<(String, u32)>,
) -> Result<Response, Problem> {
    let id = id(&text)?;
    let found = parts.store.read(move |spool| {
        let Some(raw) = spool.inbox_raw(id)? else {
            return Ok(None);
        };
        Ok(Message::parse(raw).content(number).ok())
    });
    let content = found
        .await?
        .ok_or(Problem::not_found("There is no such part."))?;
    let mut response = content.into_response();
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    headers.insert(
        header::CONTENT_DISPOSITION,
        HeaderValue::from_static("attachment"),
    );
    Ok(response)
}

pub async fn remove(
    State(parts): State<super::State>,
    Path(text): Path<String>,
) -> Result<StatusCode, Problem> {
    let operation = Operation::InboxDelete(id(&text)?);
    match parts
        .store
        .commit(vec![operation])
        .await?
        .into_iter()
        .next()
    {
        Some(Ok(Done::Changed(0))) => Err(Problem::not_found("There is no such message.")),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}

pub async fn clear(State(parts): State<super::State>) -> Result<StatusCode, Problem> {
    parts.store.commit(vec![Operation::InboxClear]).await?;
    Ok(StatusCode::NO_CONTENT)
}
