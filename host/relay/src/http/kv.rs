//! `/api/v1/plugins/NAME/kv`: what a plugin remembers, for operators and their tools. Tables that a plugin reads from there
//! change without a restart.

use std::time::Duration;

use axum::Extension;
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use baton_hooks::{KvError, PluginSettings, limits};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::guard::Account;
use super::messages::{rows, time};
use super::problem::Problem;
use crate::clock;
use crate::event::Event;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Only keys that begin so.
    prefix: Option<String>,
    /// Only keys that come after this one.
    after: Option<String>,
    limit: Option<usize>,
}

pub async fn list(
    State(parts): State<super::State>,
    Path(plugin): Path<String>,
    Query(asked): Query<Asked>,
) -> Result<Json<Vec<String>>, Problem> {
    known(&parts, &plugin)?;
    let prefix = asked.prefix.unwrap_or_default();
    let limit = rows(asked.limit);
    let now = clock::now().as_millis();
    let keys = parts
        .kv
        .keys(&plugin, &prefix, asked.after.as_deref(), limit, now);
    Ok(Json(keys.map_err(problem)?))
}

#[derive(Debug, Serialize)]
pub struct Row {
    key: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
    /// Where it is no text.
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<String>,
}

pub async fn one(
    State(parts): State<super::State>,
    Path((plugin, key)): Path<(String, String)>,
) -> Result<Json<Row>, Problem> {
    known(&parts, &plugin)?;
    let key = checked(key)?;
    let found = parts.kv.look(&plugin, &key, clock::now().as_millis());
    let (value, expires_ms) = found
        .map_err(problem)?
        .ok_or_else(|| Problem::not_found(NO_KEY))?;
    let text = String::from_utf8(value.to_vec()).ok();
    Ok(Json(Row {
        key,
        value_base64: text.is_none().then(|| STANDARD.encode(&value)),
        value: text,
        expires: expires_ms.map(time),
    }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct New {
    /// A text is stored as it is, anything else as its JSON.
    value: Option<Value>,
    value_base64: Option<String>,
    ttl_seconds: Option<u32>,
}

pub async fn put(
    State(parts): State<super::State>,
    Extension(Account(by)): Extension<Account>,
    Path((plugin, key)): Path<(String, String)>,
    Json(new): Json<New>,
) -> Result<StatusCode, Problem> {
    known(&parts, &plugin)?;
    let key = checked(key)?;
    let value = match (new.value, new.value_base64) {
        (Some(Value::String(text)), None) => Bytes::from(text),
        (Some(other), None) => Bytes::from(other.to_string()),
        (None, Some(text)) => {
            let bytes = STANDARD.decode(text.as_bytes());
            Bytes::from(bytes.map_err(|_| Problem::bad_request("value_base64 is no base64."))?)
        }
        _ => {
            return Err(Problem::bad_request(
                "One of value and value_base64 is needed.",
            ));
        }
    };
    if value.len() > limits::KV_VALUE_BYTES_MAX {
        return Err(problem(KvError::TooLarge));
    }
    let ttl = new.ttl_seconds.map(|s| Duration::from_secs(u64::from(s)));
    let quota = parts
        .kv_quotas
        .get(&plugin)
        .copied()
        .unwrap_or_else(|| PluginSettings::default().grants.kv_bytes_max);
    parts
        .kv
        .set(&plugin, quota, &key, value, ttl, clock::now().as_millis())
        .map_err(problem)?;
    parts.kv.flush().await?;
    tell(&parts, plugin, key, "set", by).await;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn remove(
    State(parts): State<super::State>,
    Extension(Account(by)): Extension<Account>,
    Path((plugin, key)): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    known(&parts, &plugin)?;
    let key = checked(key)?;
    let removed = parts.kv.delete(&plugin, &key, clock::now().as_millis());
    if !removed.map_err(problem)? {
        return Err(Problem::not_found(NO_KEY));
    }
    parts.kv.flush().await?;
    tell(&parts, plugin, key, "deleted", by).await;
    Ok(StatusCode::NO_CONTENT)
}

const NO_KEY: &str = "The plugin remembers nothing under this key.";

/// A plugin that does not exist remembers nothing, and nothing is remembered for it.
fn known(parts: &super::Parts, plugin: &str) -> Result<(), Problem> {
    if parts
        .plugins
        .list()
        .iter()
        .any(|info| &*info.name == plugin)
    {
        return Ok(());
    }
    Err(Problem::not_found("There is no plugin of that name."))
}

/// A key as a plugin could have written it. The relay's own begin with a NUL.
fn checked(key: String) -> Result<String, Problem> {
    if key.len() > limits::KV_KEY_BYTES_MAX || key.chars().any(char::is_control) {
        return Err(Problem::bad_request(
            "A key has at most 512 bytes and no control characters.",
        ));
    }
    Ok(key)
}

/// The event; and the plugin is asked again which of its hooks it has a use for, since that may hang on what it remembers.
async fn tell(
    parts: &super::State,
    plugin: String,
    key: String,
    what: &'static str,
    by: Option<String>,
) {
    let (plugins, name) = (parts.plugins.clone(), plugin.clone());
    // A panic there would be the host's own, and is reported as one; the key is written all the same.
    let _ = tokio::task::spawn_blocking(move || plugins.consult_again(&name)).await;
    parts.bus.emit(Event::PluginKeyChanged {
        plugin,
        key,
        what,
        by,
    });
}

fn problem(error: KvError) -> Problem {
    match error {
        KvError::TooLarge => {
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "A value has at most 64 KiB.")
        }
        KvError::Quota => Problem::new(
            StatusCode::INSUFFICIENT_STORAGE,
            "The plugin's quota of key-value is used up; see kv-bytes.",
        ),
        KvError::NotGranted | KvError::Unavailable => Problem::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "The key-value is not to be had now.",
        ),
    }
}
