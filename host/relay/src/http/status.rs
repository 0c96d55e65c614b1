//! How the relay is.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::problem::Problem;
use crate::clock;

/// The process lives.
pub async fn health() -> &'static str {
    "ok\n"
}

/// Mail can be taken.
pub async fn ready(State(parts): State<super::State>) -> Result<&'static str, Problem> {
    match (parts.trouble)() {
        None => Ok("ready\n"),
        // Why is for the log and the admin; this path asks for no token.
        Some(_) => Err(Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "No mail can be taken now.",
        )),
    }
}

/// OpenMetrics.
pub async fn metrics(State(parts): State<super::State>) -> impl IntoResponse {
    const KIND: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    (
        [(header::CONTENT_TYPE, KIND)],
        parts.bus.metrics().render(&(parts.load)()),
    )
}

pub async fn status(State(parts): State<super::State>) -> Json<Value> {
    let load = (parts.load)();
    let listeners: Vec<_> = parts
        .listeners
        .iter()
        .map(|(name, address)| json!({ "name": name, "address": address }))
        .collect();
    Json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "hostname": parts.hostname,
        "mode": if parts.dev { "dev" } else { "serve" },
        "started": parts.started.rfc3339(),
        "uptime_seconds": clock::now().since(parts.started).as_secs(),
        "trouble": (parts.trouble)(),
        "listeners": listeners,
        "queued": load.queued,
        "deferred": load.deferred,
        "held": load.held,
        "active": load.active,
        "connections": load.connections,
        "spool_bytes": load.spool_bytes,
    }))
}
