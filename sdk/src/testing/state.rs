//! What the stand-in knows and what it recorded.

use std::cell::RefCell;
use std::collections::BTreeMap;

use super::mime::Message;
use crate::bindings::baton::relay::{dns, log};
use crate::{Mailbox, Request, Response};

/// A message that the plugin submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    /// The envelope's sender.
    pub sender: Option<String>,
    /// The envelope's recipients.
    pub recipients: Vec<String>,
    /// The message.
    pub message: Vec<u8>,
}

impl Submission {
    pub(super) fn new(sender: Option<&Mailbox>, recipients: &[Mailbox], message: &[u8]) -> Self {
        Self {
            sender: sender.map(ToString::to_string),
            recipients: recipients.iter().map(ToString::to_string).collect(),
            message: message.to_vec(),
        }
    }
}

pub(super) struct Value {
    pub bytes: Vec<u8>,
    pub expires_ms: Option<f64>,
}

pub(super) struct Bucket {
    pub tokens: f64,
    pub at_ms: f64,
}

type Answerer = Box<dyn FnMut(&Request) -> Response>;

pub(super) struct State {
    pub message: Option<Message>,
    pub config: serde_json::Value,
    pub secrets: BTreeMap<String, String>,
    pub properties: BTreeMap<String, String>,
    pub tags: BTreeMap<String, String>,
    pub scores: Vec<(String, f64, String)>,
    pub authentication: Vec<(String, String)>,
    pub kv: BTreeMap<String, Value>,
    pub buckets: BTreeMap<String, Bucket>,
    pub dns: BTreeMap<(String, String), Result<Vec<String>, dns::Error>>,
    pub http: Option<Answerer>,
    pub events: Vec<(String, Vec<(String, String)>)>,
    pub log: Vec<(log::Level, String)>,
    pub submitted: Vec<Submission>,
    pub now_ms: f64,
    pub chance: u64,
}

const NEW_YEAR_2026_MS: f64 = 1_767_225_600_000.0;

impl Default for State {
    fn default() -> Self {
        Self {
            message: None,
            config: serde_json::json!({}),
            secrets: BTreeMap::new(),
            properties: BTreeMap::from([
                ("hostname".to_owned(), "relay.test".to_owned()),
                ("message".to_owned(), "test-message".to_owned()),
            ]),
            tags: BTreeMap::new(),
            scores: Vec::new(),
            authentication: Vec::new(),
            kv: BTreeMap::new(),
            buckets: BTreeMap::new(),
            dns: BTreeMap::new(),
            http: None,
            events: Vec::new(),
            log: Vec::new(),
            submitted: Vec::new(),
            now_ms: NEW_YEAR_2026_MS,
            chance: 0x9E37_79B9_7F4A_7C15,
        }
    }
}

thread_local! {
    static STATE: RefCell<State> = RefCell::new(State::default());
}

pub(super) fn with<T>(work: impl FnOnce(&mut State) -> T) -> T {
    STATE.with_borrow_mut(work)
}
