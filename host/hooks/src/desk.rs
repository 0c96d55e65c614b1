//! The desk of a sitting: everything plugins of one transaction, session or attempt see and leave.
//!
//! It lies in the sitting, and in the store of the one instance that is called while it is called. So nothing is locked
//! and nothing is copied, and a plugin can only ever see the desk of the call it is in.

use std::sync::Arc;

use baton_message::EditSet;

use crate::delivery::Translation;
use crate::facts::Session;
use crate::fault::Fault;
use crate::limits;
use crate::record::{CallRecord, Hold, Score};
use crate::services::Services;
use crate::trial::record::Recorders;
use crate::trial::tape::Tape;

/// A tag: key and value.
pub(crate) type Tag = (Arc<str>, Arc<str>);

/// What does not change from sitting to sitting of one generation.
pub(crate) struct House {
    pub services: Arc<dyn Services>,
    pub hostname: Arc<str>,
    pub public_url: Option<Arc<str>>,
    /// Who keeps calls.
    pub recorders: Arc<Recorders>,
}

/// See the module.
pub(crate) struct Desk {
    pub house: Arc<House>,
    pub session: Option<Arc<Session>>,
    pub account: Option<Arc<str>>,
    pub message_id: Option<Arc<str>>,
    /// The message and the edits so far.
    pub draft: Option<EditSet>,
    pub tags: Vec<Tag>,
    pub scores: Vec<Score>,
    pub holds: Vec<Hold>,
    pub authentication: Vec<(String, String)>,
    pub records: Vec<CallRecord>,
    /// What an earlier plugin said that the reply under way means.
    pub translation: Option<Translation>,
    /// Runs while a call is to be compared or kept, and plays while one is repeated.
    pub tape: Option<Tape>,
}

impl Desk {
    pub fn new(house: Arc<House>) -> Desk {
        Desk {
            house,
            session: None,
            account: None,
            message_id: None,
            draft: None,
            tags: Vec::new(),
            scores: Vec::new(),
            holds: Vec::new(),
            authentication: Vec::new(),
            records: Vec::new(),
            translation: None,
            tape: None,
        }
    }

    pub fn tag(&self, key: &str) -> Option<&Arc<str>> {
        self.tags
            .iter()
            .find(|(known, _)| &**known == key)
            .map(|(_, value)| value)
    }

    /// Replaces or adds a tag within the limits of the contract.
    pub fn set_tag(&mut self, key: &str, value: &str) -> Result<(), Fault> {
        if key.is_empty() || key.len() > limits::TAG_KEY_BYTES_MAX || has_controls(key) {
            return Err(Fault::Budget("the key of a tag"));
        }
        if value.len() > limits::TAG_VALUE_BYTES_MAX {
            return Err(Fault::Budget("the value of a tag"));
        }
        match self.tags.iter().position(|(known, _)| &**known == key) {
            Some(at) => self.tags[at].1 = value.into(),
            None if self.tags.len() >= limits::TAGS_MAX => return Err(Fault::Budget("tags")),
            None => self.tags.push((key.into(), value.into())),
        }
        Ok(())
    }

    /// The sum of all scores.
    pub fn score(&self) -> f64 {
        self.scores.iter().map(|score| score.points).sum()
    }
}

/// Characters that have no place in a word, a reply or a header.
pub(crate) fn has_controls(text: &str) -> bool {
    text.chars().any(char::is_control)
}

/// At most so many bytes of a text, cut between characters.
pub(crate) fn clip(text: &str, bytes_max: usize) -> &str {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
