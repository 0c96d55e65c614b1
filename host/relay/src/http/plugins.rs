//! `GET /api/v1/plugins`.

use axum::Json;
use axum::extract::State;
use baton_hooks::{PluginInfo, PluginState};
use serde::Serialize;

/// One plugin.
#[derive(Debug, Serialize)]
pub struct Plugin {
    name: String,
    digest: Option<String>,
    hooks: Vec<&'static str>,
    /// "active", "disabled", "broken" or "refused".
    state: &'static str,
    /// "bundled", or the file.
    source: String,
    /// Why it, or its newest file, does not serve; absent where all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    bytes: u64,
    calls: u64,
    faults: u64,
    p50_microseconds: Option<u64>,
    p99_microseconds: Option<u64>,
}

impl From<&PluginInfo> for Plugin {
    fn from(info: &PluginInfo) -> Plugin {
        let refused = match &info.state {
            PluginState::Refused { reason } => Some(reason.clone()),
            _ => None,
        };
        Plugin {
            name: info.name.to_string(),
            digest: info.digest.as_ref().map(ToString::to_string),
            hooks: info.hooks.iter().map(|hook| hook.name()).collect(),
            state: info.state.name(),
            source: info.source.to_string(),
            reason: info.problem.clone().or(refused),
            bytes: info.bytes,
            calls: info.calls,
            faults: info.faults,
            p50_microseconds: info.p50_microseconds,
            p99_microseconds: info.p99_microseconds,
        }
    }
}

pub async fn list(State(parts): State<super::State>) -> Json<Vec<Plugin>> {
    Json(parts.plugins.list().iter().map(Plugin::from).collect())
}
