//! Asks what a case says, and writes down everything that came of it.

use std::sync::{Arc, Weak};

use baton_message::{EditSet, Message};
use baton_smtp::Recipient;
use serde_json::{Map, Value, json};

use super::case::Case;
use super::fakes::Fakes;
use super::words;
use crate::desk::House;
use crate::engine::Engines;
use crate::fault::Fault;
use crate::generation::Generation;
use crate::health::Health;
use crate::hook::{Hook, HookSet};
use crate::load::Loaded;
use crate::plugin::Plugin;
use crate::record::{CallRecord, LogLevel};
use crate::services::Services;
use crate::settings::{Breaker, Grants, PluginSettings, Thresholds};
use crate::sitting::{RequestOutcome, Sitting};

/// What a component is called in its own tests.
const NAME: &str = "plugin";

/// What came of a call.
#[derive(Debug, Clone)]
pub struct Seen {
    /// In the words of an expectation.
    pub value: Value,
    /// The call itself; absent where the plugin was not asked.
    pub record: Option<CallRecord>,
    /// The message as it left, where there was one.
    pub message: Option<bytes::Bytes>,
    /// No instance could be had: the host's trouble.
    pub(super) exhausted: bool,
}

/// A generation of one plugin and no world, with the record of what was done to that.
pub(super) struct Stage {
    generation: Arc<Generation>,
    fakes: Arc<Fakes>,
}

impl Case {
    /// The plugin as this case has it configured. What the case gives is granted, and nothing else.
    pub(super) fn stage_on(&self, engines: &Arc<Engines>, loaded: &Arc<Loaded>) -> Stage {
        let told = &self.told;
        let config = told.config.clone().unwrap_or_default();
        let settings = PluginSettings {
            config: Value::Object(config).to_string().into(),
            grants: Grants {
                http: told.http.iter().map(|_| "*".to_owned()).collect(),
                dns: told.dns.is_some(),
                submit: told.submit,
                secrets: told.secrets.keys().cloned().collect(),
                ..Grants::default()
            },
            secrets: told
                .secrets
                .iter()
                .map(|(k, v)| (k.clone(), v.as_str().into()))
                .collect(),
            ..PluginSettings::default()
        };
        let plugin = Plugin::new(
            NAME.into(),
            loaded.clone(),
            settings,
            Arc::new(Health::default()),
        );
        let fakes = Arc::new(Fakes::new(self.world()));
        let house = House {
            services: fakes.clone() as Arc<dyn Services>,
            hostname: "relay.test".into(),
            public_url: Some("https://relay.test".into()),
            recorders: Arc::default(),
        };
        let generation = Generation::new(
            Arc::new(house),
            engines.clone(),
            Thresholds::default(),
            Breaker::default(),
            Weak::new(),
            vec![Arc::new(plugin)],
        );
        Stage {
            generation: Arc::new(generation),
            fakes,
        }
    }

    pub(super) async fn ask_on(&self, stage: Stage) -> Seen {
        let fakes = stage.fakes;
        let mut seen = self.ask(stage.generation).await;
        if let Value::Object(value) = &mut seen.value {
            value.insert("events".into(), fakes.events());
            value.insert("requests".into(), fakes.requests());
            value.insert("submitted".into(), fakes.submitted());
            value.insert("kv".into(), fakes.kv());
        }
        seen
    }

    /// Asks whatever plugins serve there. What they do to the world is theirs to tell.
    pub async fn ask(&self, generation: Arc<Generation>) -> Seen {
        let mut sitting = match self.seat(generation) {
            Ok(sitting) => sitting,
            // Was checked when the case was read.
            Err(mistake) => return Seen::nothing(&mistake),
        };
        let mut value = match self.call(&mut sitting).await {
            Ok(value) => value,
            Err(mistake) => return Seen::nothing(&mistake),
        };
        let record = sitting.take_records().pop();
        if let Some(record) = &record {
            describe(record, &mut value);
        } else {
            value.insert("decision".into(), "no such hook".into());
        }
        value.entry("holds").or_insert_with(|| {
            let holds = sitting.holds().iter().map(|hold| hold.reason.clone());
            holds.collect::<Vec<_>>().into()
        });
        let rendered = sitting.draft().map(|draft| draft.render(&[]).into_bytes());
        if let Some(rendered) = &rendered {
            self.show_message(rendered, &mut value);
        }
        Seen {
            value: Value::Object(value),
            exhausted: matches!(&record, Some(r) if r.fault == Some(Fault::Exhausted)),
            record,
            message: rendered,
        }
    }

    fn seat(&self, generation: Arc<Generation>) -> Result<Sitting, String> {
        let told = &self.told;
        let session = told.session.read()?;
        let receives = matches!(
            self.hook,
            Hook::Connect | Hook::Auth | Hook::Mail | Hook::Rcpt | Hook::Data | Hook::Copy
        );
        let mut sitting = if receives {
            Sitting::session(generation, Arc::new(session))
        } else {
            let mut sitting = Sitting::new(generation);
            sitting.set_account(session.account);
            sitting
        };
        let id = told.message_id.as_deref();
        if let Some(message) = &self.message {
            sitting.set_message_id(id.unwrap_or("message").into());
            let utf8 = told.envelope.read()?.smtputf8();
            sitting.set_draft(EditSet::new(Message::parse(message.clone()), utf8));
        } else if let Some(id) = id {
            sitting.set_message_id(id.into());
        }
        let tags = told.tags.iter();
        sitting.set_tags(
            tags.map(|(k, v)| (k.as_str().into(), v.as_str().into()))
                .collect(),
        );
        sitting.set_authentication_results(told.authentication_results.clone());
        Ok(sitting)
    }

    /// The call, and what only this hook answers.
    async fn call(&self, sitting: &mut Sitting) -> Result<Map<String, Value>, String> {
        let told = &self.told;
        let mut value = Map::new();
        let envelope = told.envelope.read()?;
        let recipient = || -> Result<Recipient, String> {
            told.recipient.as_ref().ok_or("no recipient")?.read()
        };
        let attempt = told
            .attempt
            .as_ref()
            .map(|attempt| attempt.read())
            .transpose()?;
        let report = told
            .report
            .as_ref()
            .map(|report| report.read())
            .transpose()?;
        let reply = told.reply.read()?;
        let needed = attempt.as_ref().ok_or("no attempt".to_owned());
        match self.hook {
            Hook::Load => {
                let wanted = sitting.on_load().await.and_then(Result::ok).flatten();
                let names = |hooks: HookSet| hooks.iter().map(Hook::name).collect::<Vec<_>>();
                value.insert(
                    "hooks".into(),
                    wanted.map_or(Value::Null, |w| names(w).into()),
                );
            }
            Hook::Connect => {
                sitting.on_connect().await;
            }
            Hook::Auth => {
                let given = told.credentials.as_ref().ok_or("no credentials")?;
                sitting
                    .on_auth(&given.mechanism, &given.identity, &given.secret)
                    .await;
            }
            Hook::Mail => {
                sitting.on_mail(&envelope).await;
            }
            Hook::Rcpt => {
                sitting.on_rcpt(&envelope, &recipient()?).await;
            }
            Hook::Data => {
                sitting.on_data(&envelope).await;
            }
            Hook::Copy => {
                let copy = sitting.on_copy(&envelope, &recipient()?).await;
                if let Some(draft) = copy.draft {
                    sitting.set_draft(draft);
                }
                let holds = copy.holds.into_iter().map(|hold| hold.reason);
                value.insert("holds".into(), holds.collect::<Vec<_>>().into());
            }
            Hook::Route => {
                if let crate::RouteVerdict::Route(route) = sitting.on_route(needed?).await {
                    value.insert("route".into(), words::route(&route));
                }
            }
            Hook::Reply => {
                let found = sitting.on_reply(needed?, self.stage()?, &reply).await;
                let found = found.as_ref().map_or(Value::Null, words::translation);
                value.insert("translation".into(), found);
            }
            Hook::Delivered => sitting.on_delivered(needed?, &reply).await,
            Hook::Report => {
                let found = sitting.on_report().await;
                let found: Vec<Value> = found.iter().map(words::report).collect();
                value.insert("reports".into(), found.into());
            }
            Hook::Bounce => {
                sitting
                    .on_bounce(needed?, report.as_ref().ok_or("no report")?)
                    .await;
            }
            Hook::Feedback => {
                let report = report.as_ref().ok_or("no report")?;
                sitting.on_feedback(report, attempt.as_ref()).await;
            }
            Hook::Request => {
                let request = told.request.as_ref().ok_or("no request")?.read();
                let name = sitting
                    .generation()
                    .digests()
                    .first()
                    .map(|(name, _)| name.clone());
                let name = name.unwrap_or_default();
                if let RequestOutcome::Response(response) =
                    sitting.on_request(&name, &request).await
                {
                    value.insert("response".into(), words::response(&response));
                }
            }
        }
        Ok(value)
    }

    /// The message as it left: whole, and the fields and texts somebody asks for.
    fn show_message(&self, rendered: &bytes::Bytes, value: &mut Map<String, Value>) {
        let message = Message::parse(rendered.clone());
        let asked = |key: &str| self.expect.get(key).and_then(Value::as_object);
        if let Some(names) = asked("headers") {
            let of = |name: &String| (name.clone(), message.header(name).into());
            let fields: Map<String, Value> = names.keys().map(of).collect();
            value.insert("headers".into(), fields.into());
        }
        if let Some(parts) = asked("text") {
            let of = |part: &String| {
                let text = part.parse().ok().and_then(|part| message.text(part).ok());
                (part.clone(), text.into())
            };
            let texts: Map<String, Value> = parts.keys().map(of).collect();
            value.insert("text".into(), texts.into());
        }
        let whole = String::from_utf8_lossy(rendered).into_owned();
        value.insert("message".into(), whole.into());
    }
}

impl Seen {
    fn nothing(mistake: &str) -> Seen {
        Seen {
            value: json!({ "mistake": mistake }),
            record: None,
            message: None,
            exhausted: false,
        }
    }
}

/// What every call leaves.
fn describe(record: &CallRecord, value: &mut Map<String, Value>) {
    value.insert("decision".into(), record.decision.clone().into());
    let fault = record.fault.as_ref().map(ToString::to_string);
    value.insert("fault".into(), fault.into());
    value.insert("edits".into(), record.edits.clone().into());
    let scores: Map<String, Value> = record
        .scores
        .iter()
        .map(|score| (score.symbol.to_string(), score.points.into()))
        .collect();
    value.insert("scores".into(), scores.into());
    let tags: Map<String, Value> = record
        .tags
        .iter()
        .map(|(key, tag)| (key.to_string(), (&**tag).into()))
        .collect();
    value.insert("tags".into(), tags.into());
    let log: Vec<String> = record
        .logs
        .iter()
        .map(|line| format!("{}: {}", level(line.level), line.text))
        .collect();
    value.insert("log".into(), log.into());
}

fn level(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    }
}
