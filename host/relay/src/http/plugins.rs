//! `/api/v1/plugins`: what is installed, how it does, and what is tried beside it.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use baton_hooks::{
    CandidateInfo, CandidateState, DECISIONS, Grants, HookReport, PluginInfo, PluginState, Rates,
    TrialReport,
};
use serde::Serialize;
use serde_json::{Value, json};

use super::problem::Problem;
use crate::clock::Timestamp;

/// One plugin.
#[derive(Debug, Serialize)]
pub struct Plugin {
    name: String,
    digest: Option<String>,
    hooks: Vec<&'static str>,
    /// Those of them that are called with its configuration.
    called: Vec<&'static str>,
    /// "active", "disabled", "broken" or "refused".
    state: &'static str,
    /// "bundled", or the file.
    source: String,
    /// Why it, or its newest file, does not serve; absent where all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    bytes: u64,
    /// Languages and tools it was made with, where it says so.
    made_with: Vec<String>,
    grants: Value,
    calls: u64,
    faults: u64,
    p50_microseconds: Option<u64>,
    p99_microseconds: Option<u64>,
    /// Live instances.
    instances: u64,
    /// Linear memory of its largest instance so far.
    memory_bytes: u64,
    /// What is tried beside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    candidate: Option<Candidate>,
}

/// A candidate of a plugin.
#[derive(Debug, Serialize)]
pub struct Candidate {
    digest: Option<String>,
    file: String,
    bytes: u64,
    hooks: Vec<&'static str>,
    /// "shadow", "canary", "withdrawn", "refused", "off" or "waiting".
    state: &'static str,
    /// From 0 to 1; canaries only.
    #[serde(skip_serializing_if = "Option::is_none")]
    share: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    calls: u64,
    faults: u64,
    p50_microseconds: Option<u64>,
    p99_microseconds: Option<u64>,
    compared: u64,
    differ: u64,
    dropped: u64,
}

impl From<&CandidateInfo> for Candidate {
    fn from(info: &CandidateInfo) -> Candidate {
        Candidate {
            digest: info.digest.as_ref().map(ToString::to_string),
            file: info.file.display().to_string(),
            bytes: info.bytes,
            hooks: info.hooks.iter().map(|hook| hook.name()).collect(),
            state: info.state.name(),
            share: share(&info.state),
            reason: reason(&info.state),
            calls: info.calls,
            faults: info.faults,
            p50_microseconds: info.p50_microseconds,
            p99_microseconds: info.p99_microseconds,
            compared: info.compared,
            differ: info.differ,
            dropped: info.dropped,
        }
    }
}

fn share(state: &CandidateState) -> Option<f64> {
    match state {
        CandidateState::Canary(share) => Some(*share),
        _ => None,
    }
}

fn reason(state: &CandidateState) -> Option<String> {
    match state {
        CandidateState::Withdrawn(why) | CandidateState::Refused(why) => Some(why.clone()),
        CandidateState::Waiting => Some("there is no version in service to compare with".into()),
        _ => None,
    }
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
            called: info.called.iter().map(|hook| hook.name()).collect(),
            state: info.state.name(),
            source: info.source.to_string(),
            reason: info.problem.clone().or(refused),
            bytes: info.bytes,
            made_with: info.producers.to_vec(),
            grants: grants(&info.grants),
            calls: info.calls,
            faults: info.faults,
            p50_microseconds: info.p50_microseconds,
            p99_microseconds: info.p99_microseconds,
            instances: info.instances,
            memory_bytes: info.memory_bytes,
            candidate: info.candidate.as_ref().map(Candidate::from),
        }
    }
}

/// What the operator grants. Names of secrets, never their values.
fn grants(grants: &Grants) -> Value {
    json!({
        "http": grants.http,
        "dns": grants.dns,
        "submit": grants.submit,
        "kv_bytes": grants.kv_bytes_max,
        "secrets": grants.secrets,
    })
}

/// `GET /api/v1/plugins`
pub async fn list(State(parts): State<super::State>) -> Json<Vec<Plugin>> {
    Json(parts.plugins.list().iter().map(Plugin::from).collect())
}

/// `GET /api/v1/plugins/{name}/diff`
pub async fn diff(
    State(parts): State<super::State>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    let report = parts.plugins.diff(&name);
    let report = report.ok_or(Problem::not_found(
        "This plugin has no candidate that loads.",
    ))?;
    Ok(Json(told(&report)))
}

/// `POST /api/v1/plugins/{name}/promote`
pub async fn promote(
    State(parts): State<super::State>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    let plugins = parts.plugins.clone();
    let of = name.clone();
    let done = tokio::task::spawn_blocking(move || plugins.promote(&of)).await;
    match done {
        Ok(Ok(())) => Ok(Json(json!({ "plugin": name, "promoted": true }))),
        Ok(Err(error)) => Err(Problem::new(StatusCode::CONFLICT, error.to_string())),
        Err(error) => Err(Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            error.to_string(),
        )),
    }
}

fn told(report: &TrialReport) -> Value {
    let examples: Vec<Value> = report
        .examples
        .iter()
        .map(|example| {
            let differences: Vec<Value> = example
                .differences
                .iter()
                .map(|one| json!({ "what": one.what, "before": one.before, "after": one.after }))
                .collect();
            json!({
                "at": Timestamp::from_millis(example.at_ms).rfc3339(),
                "hook": example.hook,
                "message": example.message.as_deref(),
                "session": example.session.as_deref(),
                "differences": differences,
                "beyond": example.beyond,
            })
        })
        .collect();
    json!({
        "plugin": &*report.plugin,
        "candidate": &*report.candidate,
        "in_service": report.in_service.as_deref(),
        "state": report.state.name(),
        "share": share(&report.state),
        "reason": reason(&report.state),
        "hooks": report.hooks.iter().map(hook).collect::<Vec<_>>(),
        "new_hooks": report.new_hooks.iter().map(|hook| hook.name()).collect::<Vec<_>>(),
        "dropped": report.dropped,
        "examples": examples,
    })
}

fn hook(report: &HookReport) -> Value {
    json!({
        "hook": report.hook.name(),
        "in_service": rates(&report.in_service),
        "candidate": rates(&report.candidate),
        "compared": report.compared,
        "differ": report.differ,
        "differ_in": {
            "decision": report.decision,
            "edits": report.edits,
            "tags": report.tags,
            "scores": report.scores,
            "fault": report.fault,
        },
    })
}

fn rates(rates: &Rates) -> Value {
    let decisions: serde_json::Map<String, Value> = DECISIONS
        .iter()
        .zip(rates.decisions)
        .filter(|(_, count)| *count > 0)
        .map(|(word, count)| ((*word).to_owned(), count.into()))
        .collect();
    json!({ "calls": rates.calls, "faults": rates.faults, "decisions": decisions })
}
