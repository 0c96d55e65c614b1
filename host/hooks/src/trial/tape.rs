//! The host calls of one hook call with their answers: kept while it runs, or given out again when it is run anew.
//!
//! Only what a repetition could not find out by itself is on the tape: key-value, resolver, HTTP, submission, clocks and
//! chance. The message, tags and configuration are in the snapshot.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::limits;

/// One host call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct HostCall {
    /// Such as `kv.get`.
    pub name: String,
    /// Its arguments.
    pub asked: Value,
    /// What it was told.
    pub answered: Value,
}

/// The host calls of one hook call.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept {
    pub calls: Vec<HostCall>,
    /// About how much memory they hold.
    pub bytes: usize,
    /// Whether some are missing.
    pub cut: bool,
}

/// Shared by the store of the instance that is called and by whoever looks at it afterwards.
#[derive(Debug, Clone)]
pub(crate) struct Tape(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    calls: Vec<HostCall>,
    /// None while the tape is being recorded.
    playing: Option<Playing>,
    bytes: usize,
    cut: bool,
}

#[derive(Debug)]
struct Playing {
    used: Vec<bool>,
    /// Everything before this position was used.
    first_unused: usize,
    after: After,
    /// A question that was asked in other words still gets the next answer of its kind: a redacted record.
    loose: bool,
    /// What was asked beyond the tape.
    beyond: Vec<String>,
    chance: u64,
}

/// What happens to a question that the tape does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum After {
    /// It is answered by the services behind the call, which know what may be done.
    Services,
    /// The same, except that chance is always the same chance and time stands still.
    Repeatable,
}

impl Tape {
    /// An empty tape that keeps what it hears.
    pub fn recording() -> Tape {
        Tape::new(Vec::new(), None)
    }

    /// A tape that gives out what was kept.
    pub fn playing(calls: Vec<HostCall>, after: After, loose: bool) -> Tape {
        let playing = Playing {
            used: vec![false; calls.len()],
            first_unused: 0,
            after,
            loose,
            beyond: Vec::new(),
            chance: 0,
        };
        Tape::new(calls, Some(playing))
    }

    fn new(calls: Vec<HostCall>, playing: Option<Playing>) -> Tape {
        Tape(Arc::new(Mutex::new(Inner {
            calls,
            playing,
            bytes: 0,
            cut: false,
        })))
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The answer to a question, if the tape plays and knows one.
    pub fn answer(&self, name: &str, asked: &Value) -> Option<Value> {
        let mut inner = self.lock();
        let Inner { calls, playing, .. } = &mut *inner;
        let playing = playing.as_mut()?;
        let unused = |at: &usize| !playing.used[*at] && calls[*at].name == name;
        let from = playing.first_unused;
        let found = (from..calls.len())
            .filter(unused)
            .find(|at| calls[*at].asked == *asked)
            .or_else(|| {
                let loose = playing.loose;
                (from..calls.len()).find(|at| loose && unused(at))
            });
        if let Some(at) = found {
            playing.used[at] = true;
            while playing.used.get(playing.first_unused) == Some(&true) {
                playing.first_unused += 1;
            }
            return Some(calls[at].answered.clone());
        }
        let is_time = name.starts_with("clock.");
        let is_chance = name.starts_with("random");
        if !is_time && !is_chance && playing.beyond.len() < limits::TRIAL_BEYOND_MAX {
            playing.beyond.push(shown(name, asked));
        }
        if playing.after == After::Services {
            return None;
        }
        if is_time {
            let last = calls.iter().rev().find(|call| call.name == name);
            return Some(last.map_or_else(|| Value::from(0.0), |call| call.answered.clone()));
        }
        None
    }

    /// Bytes that are the same in every repetition; none unless the tape is one that asks for that.
    pub fn chance(&self, count: usize) -> Option<Vec<u8>> {
        let mut inner = self.lock();
        let playing = inner.playing.as_mut()?;
        if playing.after != After::Repeatable {
            return None;
        }
        let mut bytes = Vec::with_capacity(count + 32);
        while bytes.len() < count {
            bytes.extend_from_slice(&Sha256::digest(playing.chance.to_le_bytes()));
            playing.chance += 1;
        }
        bytes.truncate(count);
        Some(bytes)
    }

    /// Keeps a call, unless the tape plays. A call that does not fit is left out, and the tape is cut.
    pub fn keep(&self, name: &str, asked: Value, answered: Value) {
        let mut inner = self.lock();
        if inner.playing.is_some() || inner.cut {
            return;
        }
        let size = 32 + weight(&asked) + weight(&answered);
        if inner.calls.len() >= limits::TAPE_CALLS_MAX
            || inner.bytes + size > limits::TAPE_BYTES_MAX
        {
            inner.cut = true;
            return;
        }
        inner.bytes += size;
        inner.calls.push(HostCall {
            name: name.to_owned(),
            asked,
            answered,
        });
    }

    /// What was kept.
    pub fn take(&self) -> Kept {
        let mut inner = self.lock();
        Kept {
            calls: std::mem::take(&mut inner.calls),
            bytes: inner.bytes,
            cut: inner.cut,
        }
    }

    /// What was asked beyond the tape.
    pub fn beyond(&self) -> Vec<String> {
        let inner = self.lock();
        inner
            .playing
            .as_ref()
            .map_or_else(Vec::new, |playing| playing.beyond.clone())
    }
}

/// A question on one line, for people.
fn shown(name: &str, asked: &Value) -> String {
    let text = match asked {
        Value::Array(list) => list
            .iter()
            .map(|value| match value {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            })
            .collect::<Vec<_>>()
            .join(" "),
        other => other.to_string(),
    };
    let text = format!("{name} {text}").replace(char::is_control, " ");
    crate::desk::clip(&text, limits::TRIAL_TEXT_BYTES_MAX).to_owned()
}

/// About how much memory a value holds.
fn weight(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len() + 16,
        Value::Array(list) => list.iter().map(weight).sum::<usize>() + 16,
        Value::Object(map) => map.iter().map(|(k, v)| k.len() + weight(v) + 16).sum(),
        _ => 16,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn kept(calls: &[(&str, Value, Value)]) -> Vec<HostCall> {
        let tape = Tape::recording();
        for (name, asked, answered) in calls {
            assert_eq!(
                tape.answer(name, asked),
                None,
                "a tape that records knows nothing"
            );
            tape.keep(name, asked.clone(), answered.clone());
        }
        let kept = tape.take();
        assert!(!kept.cut && kept.bytes > 0);
        kept.calls
    }

    #[test]
    fn the_same_question_gets_the_same_answers_in_their_order() {
        let calls = kept(&[
            ("clock.now", json!([]), json!(1.0)),
            ("kv.get", json!(["a"]), json!({"ok": "1"})),
            ("kv.get", json!(["b"]), json!({"ok": "2"})),
            ("clock.now", json!([]), json!(2.0)),
        ]);
        let tape = Tape::playing(calls, After::Services, false);
        assert_eq!(
            tape.answer("kv.get", &json!(["b"])),
            Some(json!({"ok": "2"}))
        );
        assert_eq!(tape.answer("clock.now", &json!([])), Some(json!(1.0)));
        assert_eq!(tape.answer("clock.now", &json!([])), Some(json!(2.0)));
        assert_eq!(
            tape.answer("kv.get", &json!(["b"])),
            None,
            "it was asked once"
        );
        assert_eq!(tape.answer("kv.get", &json!(["c"])), None);
        assert_eq!(tape.beyond(), ["kv.get b", "kv.get c"]);
    }

    #[test]
    fn beyond_a_record_time_stands_still_and_chance_is_always_the_same() {
        let calls = kept(&[("clock.now", json!([]), json!(7.0))]);
        let play = || Tape::playing(calls.clone(), After::Repeatable, false);
        let (one, other) = (play(), play());
        for _ in 0..3 {
            assert_eq!(one.answer("clock.now", &json!([])), Some(json!(7.0)));
        }
        assert_eq!(one.chance(40), other.chance(40));
        assert_ne!(
            one.chance(40),
            other.chance(8).map(|mut b| {
                b.resize(40, 0);
                b
            })
        );
        assert!(one.beyond().is_empty());
        assert_eq!(
            Tape::playing(Vec::new(), After::Services, false).chance(4),
            None
        );
    }

    #[test]
    fn a_redacted_record_answers_what_was_asked_in_other_words() {
        let calls = kept(&[("http.send", json!(["POST", "x"]), json!({"err": "timeout"}))]);
        let tape = Tape::playing(calls, After::Repeatable, true);
        let asked = json!(["POST", "y"]);
        assert_eq!(
            tape.answer("http.send", &asked),
            Some(json!({"err": "timeout"}))
        );
        assert_eq!(tape.answer("http.send", &asked), None);
    }

    #[test]
    fn a_tape_has_a_limit_and_says_that_it_was_cut() {
        let tape = Tape::recording();
        for _ in 0..=limits::TAPE_CALLS_MAX {
            tape.keep("clock.now", json!([]), json!(1.0));
        }
        let kept = tape.take();
        assert_eq!((kept.calls.len(), kept.cut), (limits::TAPE_CALLS_MAX, true));
        let tape = Tape::recording();
        tape.keep(
            "kv.get",
            json!([]),
            json!("x".repeat(limits::TAPE_BYTES_MAX)),
        );
        assert!(tape.take().cut);
    }
}
