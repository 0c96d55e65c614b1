//! A case as it is written, and the mistakes one can make in it.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::fakes::{Answer, World, Zone};
use super::files::Files;
use super::words::{
    AttemptWords, CredentialWords, EnvelopeWords, Mistake, RecipientWords, ReplyWords, ReportWords,
    RequestWords, STAGES, SessionWords, Text, word,
};
use crate::error::Error;
use crate::hook::Hook;
use crate::limits;

/// The plugin's section for every case that gives none of its own.
const CONFIG: &str = "config.json";
/// How the message that is to come out is named beside the one that goes in.
const EXPECTED: &str = ".expected.eml";

/// One call of one hook: everything it is told, and what is to come of it.
#[derive(Debug, Clone)]
pub struct Case {
    /// For people.
    pub name: String,
    /// The file it stands in.
    pub file: String,
    /// Which hook is called.
    pub hook: Hook,
    pub(super) told: Box<Told>,
    pub(super) message: Option<Bytes>,
    /// What is compared; what is not named is not.
    pub(super) expect: Value,
}

/// What a case may say.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Told {
    name: Option<String>,
    hook: String,
    pub config: Option<Map<String, Value>>,
    pub secrets: BTreeMap<String, String>,
    pub session: SessionWords,
    pub envelope: EnvelopeWords,
    pub recipient: Option<RecipientWords>,
    pub credentials: Option<CredentialWords>,
    pub attempt: Option<AttemptWords>,
    pub stage: Option<String>,
    pub reply: ReplyWords,
    pub report: Option<ReportWords>,
    pub request: Option<RequestWords>,
    message: Option<Text>,
    eml: Option<String>,
    pub message_id: Option<String>,
    pub tags: BTreeMap<String, String>,
    pub authentication_results: Vec<(String, String)>,
    kv: BTreeMap<String, String>,
    pub dns: Option<Zone>,
    pub http: Option<Vec<Answer>>,
    pub submit: bool,
    now_ms: Option<f64>,
    expect: Option<Map<String, Value>>,
}

impl Case {
    /// A case from one JSON object of its own; an expectation may be absent.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(json: &str) -> Result<Case, String> {
        let value: Value = serde_json::from_str(json).map_err(|e| e.to_string())?;
        Case::read(value, "case", "case", &Files::default(), false)
    }

    /// A case for a message and nothing else.
    pub(super) fn of_message(name: &str, message: Bytes, expected: Option<&[u8]>) -> Case {
        let mut expect = Map::new();
        if let Some(expected) = expected {
            let text = String::from_utf8_lossy(expected).into_owned();
            expect.insert("message".into(), crlf(&Text::Whole(text)));
        }
        let told = Told {
            envelope: EnvelopeWords::of_message(&message),
            ..Told::default()
        };
        Case {
            name: name.to_owned(),
            file: name.to_owned(),
            hook: Hook::Data,
            told: Box::new(told),
            message: Some(message),
            expect: Value::Object(expect),
        }
    }

    fn expects_nothing(&self) -> bool {
        self.expect.as_object().is_none_or(Map::is_empty)
    }

    /// The plugin's section, unless the case says its own.
    pub fn set_config(&mut self, section: &Map<String, Value>) {
        self.told.config.get_or_insert_with(|| section.clone());
    }

    fn read(
        value: Value,
        file: &str,
        name: &str,
        files: &Files,
        must_expect: bool,
    ) -> Result<Case, Mistake> {
        let mut told: Told = serde_json::from_value(value).map_err(|e| e.to_string())?;
        let hook = Hook::from_name(&told.hook).ok_or_else(|| {
            let known: Vec<&str> = Hook::ALL.iter().map(|hook| hook.name()).collect();
            format!("{:?} is no hook; there are {}", told.hook, known.join(", "))
        })?;
        let message = match (&told.message, &told.eml) {
            (Some(_), Some(_)) => return Err("both message and eml".into()),
            (Some(text), None) => Some(text.crlf()),
            (None, Some(eml)) => {
                let bytes = files
                    .get(eml)
                    .ok_or_else(|| format!("there is no file {eml:?}"))?;
                Some(baton_message::lines::to_crlf(bytes.to_vec().into()))
            }
            (None, None) => None,
        };
        let mut expect = told.expect.take().unwrap_or_default();
        if expect.is_empty() && must_expect {
            return Err("it expects nothing".into());
        }
        // Messages and texts have CRLF in earnest; nobody has to write it.
        for key in ["message", "text"] {
            if let Some(expected) = expect.get_mut(key) {
                normalise(expected).map_err(|e| format!("expect.{key}: {e}"))?;
            }
        }
        let case = Case {
            name: told.name.take().unwrap_or_else(|| name.to_owned()),
            file: file.to_owned(),
            hook,
            told: Box::new(told),
            message,
            expect: Value::Object(expect),
        };
        case.check()?;
        Ok(case)
    }

    /// Whether everything the hook is told is there and can be read.
    fn check(&self) -> Result<(), Mistake> {
        let told = &self.told;
        let need = |there: bool, what: &str| {
            if there {
                Ok(())
            } else {
                Err(format!("{} needs {what}", self.hook))
            }
        };
        told.session.read()?;
        told.envelope.read()?;
        told.recipient
            .as_ref()
            .map(RecipientWords::read)
            .transpose()?;
        told.attempt.as_ref().map(AttemptWords::read).transpose()?;
        told.reply.read()?;
        told.report.as_ref().map(ReportWords::read).transpose()?;
        self.stage()?;
        match self.hook {
            Hook::Load | Hook::Connect | Hook::Mail => Ok(()),
            Hook::Auth => need(told.credentials.is_some(), "credentials"),
            Hook::Rcpt => need(told.recipient.is_some(), "a recipient"),
            Hook::Data | Hook::Report => need(self.message.is_some(), "a message or eml"),
            Hook::Copy => {
                need(self.message.is_some(), "a message or eml")?;
                need(told.recipient.is_some(), "a recipient")
            }
            Hook::Route | Hook::Reply | Hook::Delivered => {
                need(told.attempt.is_some(), "an attempt")
            }
            Hook::Bounce => {
                need(told.attempt.is_some(), "an attempt")?;
                need(told.report.is_some(), "a report")
            }
            Hook::Feedback => need(told.report.is_some(), "a report"),
            Hook::Request => need(told.request.is_some(), "a request"),
        }
    }

    pub(super) fn stage(&self) -> Result<crate::delivery::Stage, Mistake> {
        word(
            &STAGES,
            self.told.stage.as_deref().unwrap_or("rcpt-to"),
            "stage",
        )
    }

    pub(super) fn world(&self) -> World {
        World {
            kv: self.told.kv.clone(),
            zone: self.told.dns.clone().unwrap_or_default(),
            answers: self.told.http.clone().unwrap_or_default(),
            now_ms: self.told.now_ms,
        }
    }
}

impl Files {
    /// The cases in these files, in the order of their names.
    ///
    /// # Errors
    /// [`Error::Refused`] with the file and the first mistake in it.
    pub fn cases(&self) -> Result<Vec<Case>, Error> {
        let written = self.written()?;
        if written.len() > limits::GOLDEN_CASES_MAX {
            let text = format!("more than {} tests", limits::GOLDEN_CASES_MAX);
            return Err(Error::Refused(text));
        }
        let mut cases = Vec::new();
        let used = used(&written);
        for (file, number, value) in written {
            let called = format!("{} {number}", file.trim_end_matches(".json"));
            let named = value.get("name").and_then(Value::as_str).unwrap_or(&called);
            let prefix = format!("{file}: {named}");
            let case = Case::read(value, file, &called, self, true);
            cases.push(case.map_err(|mistake| Error::Refused(format!("{prefix}: {mistake}")))?);
        }
        for case in self.of_messages(&used) {
            if case.expects_nothing() {
                let (name, expected) = (&case.name, expected_name(&case.name));
                let text = format!("{name}: no case uses it, and there is no {expected}");
                return Err(Error::Refused(text));
            }
            cases.push(case);
        }
        self.configure(&mut cases)?;
        Ok(cases)
    }

    /// The messages that no other case uses, as cases of `on-data`, whether it is known what they are to become or not.
    ///
    /// # Errors
    /// As for [`Files::cases`].
    pub fn messages(&self) -> Result<Vec<Case>, Error> {
        let mut cases = self.of_messages(&used(&self.written()?));
        self.configure(&mut cases)?;
        Ok(cases)
    }

    /// The cases of the JSON files as they stand there: file, number in it, and case.
    fn written(&self) -> Result<Vec<(&str, usize, Value)>, Error> {
        let mut written = Vec::new();
        for (file, bytes) in self.iter() {
            if !file.ends_with(".json") || file == CONFIG {
                continue;
            }
            let refuse = |mistake: Mistake| Error::Refused(format!("{file}: {mistake}"));
            let value = serde_json::from_slice(bytes).map_err(|e| refuse(e.to_string()))?;
            let cases = spread(value).map_err(refuse)?;
            written.extend((1..).zip(cases).map(|(number, case)| (file, number, case)));
        }
        Ok(written)
    }

    fn of_messages(&self, used: &[String]) -> Vec<Case> {
        self.iter()
            .filter(|(name, _)| name.ends_with(".eml") && !name.ends_with(EXPECTED))
            .filter(|(name, _)| !used.iter().any(|used| used == name))
            .map(|(name, bytes)| {
                let message = baton_message::lines::to_crlf(bytes.to_vec().into());
                Case::of_message(name, message, self.get(&expected_name(name)))
            })
            .collect()
    }

    /// Gives every case without a section of its own the one of the folder.
    fn configure(&self, cases: &mut [Case]) -> Result<(), Error> {
        let Some(bytes) = self.get(CONFIG) else {
            return Ok(());
        };
        let config: Map<String, Value> =
            serde_json::from_slice(bytes).map_err(|e| Error::Refused(format!("{CONFIG}: {e}")))?;
        cases.iter_mut().for_each(|case| case.set_config(&config));
        Ok(())
    }
}

/// Messages that cases name.
fn used(written: &[(&str, usize, Value)]) -> Vec<String> {
    let eml = |case: &Value| case.get("eml").and_then(Value::as_str).map(str::to_owned);
    written
        .iter()
        .filter_map(|(_, _, case)| eml(case))
        .collect()
}

/// `a.eml` is to become `a.expected.eml`.
pub fn expected_name(name: &str) -> String {
    format!("{}{EXPECTED}", name.trim_end_matches(".eml"))
}

/// The cases of one file: one, a list of them, or `cases` with what they share beside it.
fn spread(value: Value) -> Result<Vec<Value>, Mistake> {
    match value {
        Value::Array(cases) => Ok(cases),
        Value::Object(mut shared) => match shared.remove("cases") {
            None => Ok(vec![Value::Object(shared)]),
            Some(Value::Array(cases)) => Ok(cases
                .into_iter()
                .map(|case| match case {
                    Value::Object(own) => {
                        let mut whole = shared.clone();
                        whole.extend(own);
                        Value::Object(whole)
                    }
                    other => other,
                })
                .collect()),
            Some(_) => Err("cases is no list".into()),
        },
        _ => Err("neither a case nor a list of cases".into()),
    }
}

fn crlf(text: &Text) -> Value {
    String::from_utf8_lossy(&text.crlf()).into_owned().into()
}

/// Texts, lists of lines, and objects of them, become texts with CRLF.
fn normalise(value: &mut Value) -> Result<(), String> {
    if let Value::Object(map) = value {
        return map.values_mut().try_for_each(normalise);
    }
    if !value.is_null() {
        let text: Text = serde_json::from_value(value.take())
            .map_err(|_| "neither a text nor a list of lines".to_owned())?;
        *value = crlf(&text);
    }
    Ok(())
}
