//! `GET /api/v1/record`: the hook calls of chosen sessions, as lines of JSON, while they happen.
//!
//! The connection is the recording: whoever asked ends it by going away, and a relay that stops ends it as well.

use axum::body::Body;
use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use baton_hooks::RecordOrder;
use bytes::Bytes;
use serde::Deserialize;
use tokio::sync::mpsc;

use super::events::Chunks;
use super::problem::Problem;

/// Lines that wait for the reader.
const LINES_MAX: usize = 64;

/// What is to be recorded; see [`RecordOrder`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Per cent of the sessions.
    share: Option<f64>,
    listener: Option<String>,
    sender: Option<String>,
    recipient: Option<String>,
    sessions: Option<u32>,
    #[serde(default)]
    redact_addresses: bool,
    #[serde(default)]
    redact_bodies: bool,
}

pub async fn record(
    State(parts): State<super::State>,
    Query(order): Query<Order>,
) -> Result<Response, Problem> {
    let share = order.share.unwrap_or(100.0);
    if !(0.0..=100.0).contains(&share) {
        let text = "share is per cent, from 0 to 100";
        return Err(Problem::new(StatusCode::BAD_REQUEST, text));
    }
    let order = RecordOrder {
        share: share / 100.0,
        listener: order.listener,
        sender: order.sender,
        recipient: order.recipient,
        sessions_max: order.sessions.unwrap_or(u32::MAX),
        redact_addresses: order.redact_addresses,
        redact_bodies: order.redact_bodies,
    };
    let recording = parts.plugins.record(order);
    let mut recording =
        recording.map_err(|error| Problem::new(StatusCode::CONFLICT, error.to_string()))?;
    let (sender, receiver) = mpsc::channel(LINES_MAX);
    let stop = parts.stop.clone();
    tokio::spawn(async move {
        let mut stopping = false;
        loop {
            let line = tokio::select! {
                () = sender.closed() => return,
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    recording.stop();
                    continue;
                }
                line = recording.next() => line,
            };
            let Some(mut line) = line else { return };
            line.push('\n');
            if sender.send(Bytes::from(line)).await.is_err() {
                return;
            }
        }
    });
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, Body::new(Chunks { receiver })).into_response())
}
