//! Host functions about the sitting: properties, tags, scores, logs, configuration, clocks.

use std::sync::Arc;

use rand::RngCore;

use super::Met;
use crate::delivery::Translation;
use crate::desk::{clip, has_controls};
use crate::fault::Fault;
use crate::guest::Guest;
use crate::limits;
use crate::record::{LogLevel, Score};
use crate::services::{PluginEvent, PluginEventKind};

/// One word of what an earlier plugin said that a reply means.
fn translated(found: &Translation, what: &str) -> Option<Arc<str>> {
    Some(match what {
        "disposition" => found.disposition.name().into(),
        "reason" => found.reason.as_str().into(),
        "scope" => found.scope.name().into(),
        "advice" => found.advice.name().into(),
        "rule" => found.rule.as_str().into(),
        _ => return None,
    })
}

impl Guest {
    /// See `context.property` in the contract.
    pub(super) fn property_now(&mut self, name: &str) -> Met<Option<Arc<str>>> {
        self.enter()?;
        if name == "hook" {
            return Ok(self.call.hook.map(|hook| hook.name().into()));
        }
        let Some(desk) = &self.desk else {
            return Ok(None);
        };
        let session = desk.session.as_deref();
        if let Some(address) = name.strip_prefix("suppressed:") {
            // The list of the account under way and no other's.
            let account = session.and_then(|s| s.account.as_deref());
            let account = account.or(desk.account.as_deref());
            let row = desk.house.services.suppressed(account, address);
            return Ok(row.map(Arc::from));
        }
        Ok(match name {
            "hostname" => Some(desk.house.hostname.clone()),
            "public-url" => desk
                .house
                .public_url
                .as_ref()
                .map(|url| format!("{url}/p/{}", self.plugin.name).into()),
            "message" => desk.message_id.clone(),
            "account" => session
                .and_then(|s| s.account.clone())
                .or_else(|| desk.account.clone()),
            "session" => session.map(|s| s.id.clone()),
            "listener" => session.map(|s| s.listener.clone()),
            "peer-ip" => session.map(|s| s.peer_ip.clone()),
            "peer-name" => session.and_then(|s| s.peer_name.clone()),
            "helo" => session.and_then(|s| s.helo.clone()),
            "tls" => session.and_then(|s| s.tls.clone()),
            _ => match name.strip_prefix("translation-") {
                Some(what) => desk
                    .translation
                    .as_ref()
                    .and_then(|found| translated(found, what)),
                None => desk.house.services.property(name).map(Arc::from),
            },
        })
    }

    pub fn tag(&mut self, key: &str) -> Met<Option<Arc<str>>> {
        self.enter()?;
        Ok(self.desk.as_ref().and_then(|desk| desk.tag(key).cloned()))
    }

    pub fn set_tag(&mut self, key: &str, value: &str) -> Met<()> {
        self.enter()?;
        let Some(desk) = &mut self.desk else {
            return Ok(());
        };
        if self.call.tags_before.is_none() {
            self.call.tags_before = Some(desk.tags.clone());
        }
        desk.set_tag(key, value)
    }

    pub fn add_score(&mut self, symbol: &str, points: f64, why: &str) -> Met<()> {
        self.enter()?;
        let Some(desk) = &mut self.desk else {
            return Ok(());
        };
        if desk.scores.len() >= limits::SCORES_MAX {
            return Err(Fault::Budget("scores"));
        }
        if !points.is_finite() || has_controls(symbol) || has_controls(why) {
            return Err(Fault::Answer(
                "a score that is no number, or control characters in it".into(),
            ));
        }
        desk.scores.push(Score {
            plugin: self.plugin.name.clone(),
            symbol: clip(symbol, limits::SCORE_TEXT_BYTES_MAX).into(),
            points,
            why: clip(why, limits::SCORE_TEXT_BYTES_MAX).into(),
        });
        Ok(())
    }

    pub fn authentication_results(&mut self) -> Met<Vec<(String, String)>> {
        self.enter()?;
        Ok(self
            .desk
            .as_ref()
            .map(|desk| desk.authentication.clone())
            .unwrap_or_default())
    }

    pub fn log(&mut self, level: LogLevel, text: &str) -> Met<()> {
        self.enter()?;
        self.call.log(level, text);
        Ok(())
    }

    /// A value of the plugin's section: text as it is, everything else as JSON.
    pub fn config_value(&mut self, key: &str) -> Met<Option<Arc<str>>> {
        self.enter()?;
        Ok(self.plugin.config.get(key).cloned())
    }

    pub fn config_json(&mut self) -> Met<Arc<str>> {
        self.enter()?;
        Ok(self.plugin.settings.config.clone())
    }

    pub fn secret(&mut self, name: &str) -> Met<Result<Arc<str>, String>> {
        self.enter()?;
        if !self.plugin.granted.secret(name) {
            self.not_granted(&format!("secret {}", clip(name, 64)));
            return Ok(Err("not granted".into()));
        }
        Ok(self
            .plugin
            .settings
            .secrets
            .get(name)
            .cloned()
            .ok_or_else(|| "no such secret".into()))
    }

    pub(super) fn now_ms_now(&mut self) -> Met<f64> {
        self.enter()?;
        Ok(self
            .desk
            .as_ref()
            .map_or(0.0, |desk| desk.house.services.now_ms()))
    }

    pub(super) fn monotonic_ms_now(&mut self) -> Met<f64> {
        self.enter()?;
        Ok(self
            .desk
            .as_ref()
            .map_or(0.0, |desk| desk.house.services.monotonic_ms()))
    }

    pub(super) fn random_now(&mut self, count: u32) -> Met<Vec<u8>> {
        self.enter()?;
        if count > limits::RANDOM_BYTES_MAX {
            return Err(Fault::Budget("random bytes"));
        }
        if let Some(bytes) = self.tape().and_then(|tape| tape.chance(count as usize)) {
            return Ok(bytes);
        }
        let mut bytes = vec![0; count as usize];
        // Seeded and reseeded from the system, and safe for keys.
        rand::rng().fill_bytes(&mut bytes);
        Ok(bytes)
    }

    pub fn emit(&mut self, kind: &str, fields: &[(String, String)]) -> Met<()> {
        self.enter()?;
        let bytes = fields.iter().map(|(k, v)| k.len() + v.len()).sum::<usize>() + kind.len();
        if self.call.events == 0 {
            return Err(Fault::Budget("events"));
        }
        if fields.len() > limits::EVENT_FIELDS_MAX || bytes > limits::EVENT_BYTES_MAX {
            return Err(Fault::Budget("an event"));
        }
        let word = |text: &str| !text.is_empty() && !has_controls(text);
        if !word(kind) || !fields.iter().all(|(key, _)| word(key)) {
            return Err(Fault::Answer(
                "an event whose kind or key is empty or has control characters".into(),
            ));
        }
        self.call.events -= 1;
        if let Some(desk) = &self.desk {
            desk.house.services.event(PluginEvent {
                plugin: &self.plugin.name,
                message: desk.message_id.as_deref(),
                kind: PluginEventKind::Emitted { kind, fields },
            });
        }
        Ok(())
    }
}
