//! `POST /api/v1/messages`: a message as bytes with an envelope, or as sender, recipients, subject and texts. It goes through
//! the same plugins as mail over SMTP, and the answer comes after it is durable.

mod asked;

use std::net::SocketAddr;

use axum::Json;
use axum::extract::{ConnectInfo, Extension, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use baton_smtp::Reply;
use serde_json::json;

use self::asked::{Asked, Made};
use super::guard::Account;
use super::problem::Problem;
use super::{Submission, Submitted};
use crate::clock;

pub async fn submit(
    State(parts): State<super::State>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Extension(account): Extension<Account>,
    asked: Result<Json<Asked>, axum::extract::rejection::JsonRejection>,
) -> Result<Response, Problem> {
    let Json(asked) = asked.map_err(|e| Problem::new(e.status(), e.body_text()))?;
    let made = Made {
        date: clock::now().rfc5322(),
        message_id: format!("{:032x}@{}", rand::random::<u128>(), parts.hostname),
        boundary: format!("{:016x}", rand::random::<u64>()),
    };
    let (envelope, message) = asked::read(&asked, &made)?;
    let submission = Submission {
        peer,
        account: account.0,
        envelope,
        message,
    };
    let submitted = (parts.submit)(submission).await.map_err(refused)?;
    Ok(answer(&submitted))
}

fn answer(submitted: &Submitted) -> Response {
    let state = match submitted {
        Submitted { ids, .. } if ids.is_empty() => "discarded",
        Submitted { held: Some(_), .. } => "held",
        Submitted { .. } => "queued",
    };
    let id = submitted.id.to_string();
    let ids: Vec<_> = submitted.ids.iter().map(ToString::to_string).collect();
    let body = json!({ "id": id, "ids": ids, "state": state, "why": submitted.held });
    let mut response = (StatusCode::CREATED, Json(body)).into_response();
    if let Ok(place) = HeaderValue::try_from(format!("/api/v1/messages/{id}")) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
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
