//! `POST /api/v1/messages`: a message as bytes with an envelope, or as sender, recipients, subject and texts; or a template and a
//! list of messages to make of it. Each goes through the same plugins as mail over SMTP, and the answer comes after it is durable.
//!
//! A request with an `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header) can be sent again for a day: what was taken
//! is answered as it was and not taken again.

mod asked;
mod template;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::Json;
use axum::body::Body;
use axum::extract::{ConnectInfo, Extension, FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use baton_smtp::Reply;
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::{Value, json};

use self::asked::{Asked, Letter, Letters, Made};
use super::guard::Account;
use super::problem::Problem;
use super::{Parts, Submission};
use crate::clock::{self, Timestamp};
use crate::inbound::accept::Taken;
use crate::receipt::{Found, Receipt};

/// Messages of one request that go through the plugins at a time.
const AT_ONCE: usize = 16;
const NAME_BYTES_MAX: usize = 255;

pub async fn submit(
    State(parts): State<super::State>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Extension(Account(account)): Extension<Account>,
    request: Request,
) -> Result<Response, Problem> {
    let name = name(request.headers())?;
    let (asked, body) = read(request, parts.config.body_bytes_max).await?;
    // Filling in a thousand texts may take a while.
    let letters = tokio::task::spawn_blocking(move || Letters::new(asked, clock::now())).await;
    let letters = letters.map_err(|error| Problem::internal("submit", &error))??;
    let receipt = name.map(|name| Receipt::new(account.as_deref(), &name, &body));
    drop(body);
    let _turn = match &receipt {
        Some(receipt) => Some(Turn::take(&parts, receipt)?),
        None => None,
    };
    let desk = Desk {
        parts: &parts,
        peer,
        account,
        letters: &letters,
        receipt,
    };
    if !letters.is_list() {
        return Ok(answer(&desk.take(0).await?));
    }
    let numbers = futures_util::stream::iter(0..letters.count());
    let taken: Vec<Result<Done, Problem>> = numbers
        .map(|number| desk.take(number))
        .buffered(AT_ONCE)
        .collect()
        .await;
    Ok(answer_all(&taken))
}

/// The name that the request gives itself: a string in quotes (RFC 8941 section 3.3.3), or without them.
fn name(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get("idempotency-key") else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    let name = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text);
    if name.is_empty() || name.len() > NAME_BYTES_MAX {
        let problem = format!("Idempotency-Key is a text of 1 to {NAME_BYTES_MAX} characters.");
        return Err(Problem::bad_request(problem));
    }
    Ok(Some(name.to_owned()))
}

/// What is asked, and the bytes that ask it.
async fn read(request: Request, bytes_max: usize) -> Result<(Asked, Bytes), Problem> {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, bytes_max).await.map_err(|_| {
        let detail = format!("At most {bytes_max} bytes.");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
    })?;
    let request = Request::from_parts(head, Body::from(body.clone()));
    let asked = Json::<Asked>::from_request(request, &()).await;
    let Json(asked) = asked.map_err(|e| Problem::new(e.status(), e.body_text()))?;
    Ok((asked, body))
}

/// Keeps a request of that name from being taken twice at the same time.
struct Turn<'a> {
    parts: &'a Parts,
    name: [u8; 32],
}

impl Turn<'_> {
    fn take<'a>(parts: &'a Parts, receipt: &Receipt) -> Result<Turn<'a>, Problem> {
        let name = receipt.name();
        let mut under_way = lock(&parts.under_way);
        if !under_way.insert(name) {
            let problem = "A request with this Idempotency-Key is under way.";
            return Err(Problem::new(StatusCode::CONFLICT, problem));
        }
        Ok(Turn { parts, name })
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        lock(&self.parts.under_way).remove(&self.name);
    }
}

fn lock(names: &Mutex<HashSet<[u8; 32]>>) -> MutexGuard<'_, HashSet<[u8; 32]>> {
    names.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What became of one message.
struct Done {
    taken: Taken,
    send_at: Option<Timestamp>,
    /// It was taken before, by a request of the same name.
    again: bool,
}

/// Where the messages of a request are taken.
struct Desk<'a> {
    parts: &'a Parts,
    peer: SocketAddr,
    account: Option<String>,
    letters: &'a Letters,
    receipt: Option<Receipt>,
}

impl Desk<'_> {
    async fn take(&self, number: usize) -> Result<Done, Problem> {
        let now = clock::now();
        let letter = self.letters.letter(number, now)?;
        let send_at = letter.send_at_ms.map(Timestamp::from_millis);
        let send_at = send_at.filter(|at| *at > now);
        let receipt = self.receipt.as_ref().map(|receipt| {
            let number = u32::try_from(number).unwrap_or(u32::MAX);
            receipt.numbered(number)
        });
        if let Some(receipt) = &receipt
            && let Some(taken) = self.taken_before(receipt.clone(), now).await?
        {
            return Ok(Done {
                taken,
                send_at,
                again: true,
            });
        }
        let taken = self.submit(letter, send_at, receipt, now).await?;
        Ok(Done {
            taken,
            send_at,
            again: false,
        })
    }

    async fn taken_before(
        &self,
        receipt: Receipt,
        now: Timestamp,
    ) -> Result<Option<Taken>, Problem> {
        let found = self.parts.store.read(move |spool| receipt.find(spool, now));
        match found.await? {
            None => Ok(None),
            Some(Found::Taken(taken)) => Ok(Some(taken)),
            Some(Found::Other) => {
                let problem = "This Idempotency-Key was given to another request.";
                Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, problem))
            }
        }
    }

    async fn submit(
        &self,
        letter: Letter,
        not_before: Option<Timestamp>,
        receipt: Option<Receipt>,
        now: Timestamp,
    ) -> Result<Taken, Problem> {
        let made = Made {
            date: not_before.unwrap_or(now).rfc5322(),
            message_id: format!("{:032x}@{}", rand::random::<u128>(), self.parts.hostname),
            boundary: format!("{:016x}", rand::random::<u64>()),
        };
        let (envelope, message) = self.letters.compose(&letter, &made)?;
        let submission = Submission {
            peer: self.peer,
            account: self.account.clone(),
            envelope,
            message,
            tags: letter.tags,
            not_before,
            receipt,
        };
        (self.parts.submit)(submission).await.map_err(refused)
    }
}

fn answer(done: &Done) -> Response {
    let mut response = (StatusCode::CREATED, Json(told(done))).into_response();
    let id = &done.taken.id;
    if let Ok(place) = HeaderValue::try_from(format!("/api/v1/messages/{id}")) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}

/// What became of each, in order. The status is that of the first refusal where none was taken.
fn answer_all(all: &[Result<Done, Problem>]) -> Response {
    let taken = all.iter().filter(|one| one.is_ok()).count();
    let status = match all.first() {
        Some(Err(problem)) if taken == 0 => problem.status(),
        _ => StatusCode::CREATED,
    };
    let messages: Vec<Value> = all
        .iter()
        .map(|one| match one {
            Ok(done) => told(done),
            Err(problem) => json!(problem),
        })
        .collect();
    let refused = all.len() - taken;
    let body = json!({ "messages": messages, "taken": taken, "refused": refused });
    (status, Json(body)).into_response()
}

fn told(done: &Done) -> Value {
    let Done {
        taken,
        send_at,
        again,
    } = done;
    let state = match taken {
        Taken { ids, .. } if ids.is_empty() => "discarded",
        Taken { held: Some(_), .. } => "held",
        Taken { .. } if send_at.is_some() => "scheduled",
        Taken { .. } => "queued",
    };
    let ids: Vec<_> = taken.ids.iter().map(ToString::to_string).collect();
    let mut told =
        json!({ "id": taken.id.to_string(), "ids": ids, "state": state, "why": taken.held });
    if let Some(send_at) = send_at {
        told["send_at"] = send_at.rfc3339().into();
    }
    if *again {
        told["again"] = true.into();
    }
    told
}

fn refused(reply: Reply) -> Problem {
    let (status, detail) = match reply.code() {
        452 => (
            StatusCode::INSUFFICIENT_STORAGE,
            "There is no room for it now.",
        ),
        552 => (StatusCode::PAYLOAD_TOO_LARGE, "The message is too large."),
        _ if reply.is_transient() => (
            StatusCode::SERVICE_UNAVAILABLE,
            "The message is refused for now.",
        ),
        _ => (StatusCode::UNPROCESSABLE_ENTITY, "The message is refused."),
    };
    Problem::new(status, detail).with_reply(reply.to_string())
}
