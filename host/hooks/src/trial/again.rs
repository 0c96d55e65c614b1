//! One sitting in which calls that were made elsewhere are made again, one after the other.

use std::sync::Arc;

use super::said::Said;
use super::snapshot::Snapshot;
use super::tape::Tape;
use crate::desk::Tag;
use crate::generation::Generation;
use crate::question::Answer;
use crate::record::CallRecord;
use crate::sitting::Sitting;

/// See the module. Its generation has one plugin.
pub(crate) struct Again {
    sitting: Sitting,
    /// Tags that were set here: those of the version that was asked first are in the snapshots.
    tags: Vec<Tag>,
}

/// What came of a repetition.
pub(crate) struct Repeated {
    pub said: Said,
    pub answer: Option<Answer>,
    pub record: Option<CallRecord>,
}

impl Again {
    pub fn new(generation: Arc<Generation>) -> Again {
        Again {
            sitting: Sitting::new(generation),
            tags: Vec::new(),
        }
    }

    pub fn generation(&self) -> &Arc<Generation> {
        self.sitting.generation()
    }

    /// The next call gets a new instance.
    pub fn park(&mut self) {
        self.sitting.park();
    }

    /// Asks the one plugin what was asked before, with a tape that answers its host calls.
    pub async fn ask(&mut self, before: &Snapshot, tape: Tape) -> Repeated {
        let question = before.asked.question();
        let Some(at) = self.generation().asked(question.hook()).first().copied() else {
            // It would not be asked, which is as if it had nothing to say.
            return Repeated {
                said: Said {
                    decision: "next".into(),
                    ..Said::default()
                },
                answer: None,
                record: None,
            };
        };
        let desk = self.sitting.desk_mut();
        before.lay(desk);
        for (key, value) in &self.tags {
            // One that does not fit was refused to the plugin before as well.
            let _ = desk.set_tag(key, value);
        }
        desk.records.clear();
        let answer = self.sitting.ask_taped(at, &question, Some(tape)).await.ok();
        let desk = self.sitting.desk_mut();
        desk.tape = None;
        let record = desk.records.pop();
        let said = match &record {
            Some(record) => Said::of(desk, before.edits_before(), answer.as_ref(), record),
            None => Said::default(),
        };
        desk.draft = None;
        for (key, value) in &said.tags {
            self.tags.retain(|(known, _)| known != key);
            self.tags.push((key.clone(), value.clone()));
        }
        Repeated {
            said,
            answer,
            record,
        }
    }
}
