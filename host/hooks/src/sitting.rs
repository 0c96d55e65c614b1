//! A sitting: one session, one transaction, one attempt. It asks plugins and holds what they leave.
//!
//! Instances are made when a plugin is first asked and are gone with the sitting, or earlier by [`Sitting::park`].

mod hooks;
mod recipients;

use std::sync::{Arc, Mutex, PoisonError};

use baton_message::EditSet;

use crate::desk::Desk;
use crate::facts::Session;
use crate::fault::Fault;
use crate::generation::Generation;
use crate::health::Consequence;
use crate::hook::Hook;
use crate::instance::{Instance, Outcome, stopwatch};
use crate::question::{Answer, Question};
use crate::record::{CallRecord, Hold, Score};
use crate::services::{PluginEvent, PluginEventKind};
use crate::settings::InstanceScope;
use crate::shelf::Slot;
use crate::trial;
use crate::trial::record::Reel;
use crate::trial::said::Said;
use crate::trial::shadow::Job;
use crate::trial::snapshot::Snapshot;
use crate::trial::tape::Tape;

pub use hooks::{CopyVerdict, RequestOutcome};

/// See the module. Its hooks are asynchronous and need a tokio runtime with time enabled.
pub struct Sitting {
    generation: Arc<Generation>,
    /// Always there between calls.
    desk: Option<Box<Desk>>,
    slots: Vec<Arc<Slot>>,
    /// Instances of plugins that the operator lets live as long as the session.
    keep: Option<Keep>,
    /// Among all sittings that were compared or recorded; 0 until it matters.
    number: u64,
    reel: Taped,
}

/// Whether the calls of a sitting are recorded.
#[derive(Clone)]
enum Taped {
    /// Nobody has looked yet.
    Unknown,
    No,
    On(Arc<Reel>),
}

/// What is kept of a call before it is made.
struct Kept {
    before: Snapshot,
    tape: Tape,
}

/// Shared by a session's sitting and those of its transactions.
type Keep = Arc<Mutex<Vec<Arc<Slot>>>>;

impl Sitting {
    /// For what belongs to no session: attempts, reports, requests.
    pub fn new(generation: Arc<Generation>) -> Sitting {
        let desk = Desk::new(generation.house.clone());
        Sitting {
            generation,
            desk: Some(Box::new(desk)),
            slots: Vec::new(),
            keep: None,
            number: 0,
            reel: Taped::Unknown,
        }
    }

    /// For a session: `on-connect` and `on-auth`. Its transactions come from [`Sitting::transaction`]. Where candidates
    /// serve a share of the sessions, the id of the session decides whether they serve this one.
    pub fn session(generation: Arc<Generation>, session: Arc<Session>) -> Sitting {
        let mut sitting = Sitting::new(generation.chosen(&session.id));
        sitting.keep = Some(Keep::default());
        sitting.reel = match sitting.generation.house.recorders.begin(&session) {
            Some(reel) => Taped::On(reel),
            None => Taped::No,
        };
        sitting.set_session(session);
        sitting
    }

    /// For a transaction of this session: the same set of plugins, the tags, scores and holds of the session so far, and
    /// fresh instances (except where the operator says otherwise).
    pub fn transaction(&self) -> Sitting {
        let mut sitting = Sitting::new(self.generation.clone());
        sitting.keep.clone_from(&self.keep);
        sitting.reel = self.reel.clone();
        if let (Some(desk), Some(of)) = (&mut sitting.desk, &self.desk) {
            desk.session.clone_from(&of.session);
            desk.tags.clone_from(&of.tags);
            desk.scores.clone_from(&of.scores);
            desk.holds.clone_from(&of.holds);
        }
        sitting
    }

    /// The set of plugins this sitting asks.
    pub fn generation(&self) -> &Arc<Generation> {
        &self.generation
    }

    /// What the relay knows of the session now; to be told again when it learns more.
    pub fn set_session(&mut self, session: Arc<Session>) {
        self.desk_mut().session = Some(session);
    }

    /// Who submitted the message, where there is no session.
    pub fn set_account(&mut self, account: Option<Arc<str>>) {
        self.desk_mut().account = account;
    }

    /// The relay's id of the message.
    pub fn set_message_id(&mut self, id: Arc<str>) {
        self.desk_mut().message_id = Some(id);
    }

    /// The message that is ambient from now on, with the edits it has so far.
    pub fn set_draft(&mut self, draft: EditSet) {
        self.desk_mut().draft = Some(draft);
    }

    /// The message and the edits that were kept.
    pub fn draft(&self) -> Option<&EditSet> {
        self.desk.as_ref().and_then(|desk| desk.draft.as_ref())
    }

    /// Takes the message out.
    pub fn take_draft(&mut self) -> Option<EditSet> {
        self.desk_mut().draft.take()
    }

    /// Results of SPF, DKIM, DMARC and ARC in the words of RFC 8601: method and result.
    pub fn set_authentication_results(&mut self, results: Vec<(String, String)>) {
        self.desk_mut().authentication = results;
    }

    /// Key and value of each tag.
    pub fn tags(&self) -> &[(Arc<str>, Arc<str>)] {
        self.desk.as_ref().map_or(&[], |desk| &desk.tags)
    }

    /// The tags the message had before, as the spool kept them.
    pub fn set_tags(&mut self, tags: Vec<(Arc<str>, Arc<str>)>) {
        self.desk_mut().tags = tags;
    }

    /// The scores so far.
    pub fn scores(&self) -> &[Score] {
        self.desk.as_ref().map_or(&[], |desk| &desk.scores)
    }

    /// Adds a score of the host's own.
    pub fn add_score(&mut self, score: Score) {
        self.desk_mut().scores.push(score);
    }

    /// Reasons to hold the message; none means let it go.
    pub fn holds(&self) -> &[Hold] {
        self.desk.as_ref().map_or(&[], |desk| &desk.holds)
    }

    /// The calls since the last time, for the trace.
    pub fn take_records(&mut self) -> Vec<CallRecord> {
        std::mem::take(&mut self.desk_mut().records)
    }

    /// Drops all instances now, and not when they have rested for too long. The next hook makes new ones; their globals
    /// are gone, tags and key-value are not.
    pub fn park(&mut self) {
        self.slots.clear();
        if let Some(keep) = &self.keep {
            keep.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
    }

    /// Live instances of this sitting.
    pub fn instances(&self) -> usize {
        self.slots.iter().filter(|slot| slot.is_taken()).count()
    }

    pub(crate) fn desk_mut(&mut self) -> &mut Desk {
        let house = &self.generation.house;
        self.desk
            .get_or_insert_with(|| Box::new(Desk::new(house.clone())))
    }

    /// Asks one plugin, and hands the call over to those who try or record.
    async fn ask(&mut self, at: u16, question: &Question<'_>) -> Result<Answer, Fault> {
        let kept = self.keep_before(at, question);
        let tape = kept.as_ref().map(|kept| kept.tape.clone());
        let answer = self.ask_taped(at, question, tape).await;
        self.hand_over(at, question.hook(), kept, &answer);
        answer
    }

    /// What the call was asked, if anybody wants to know.
    fn keep_before(&mut self, at: u16, question: &Question<'_>) -> Option<Kept> {
        if matches!(self.reel, Taped::Unknown) {
            self.reel = match self.generation.house.recorders.begin_alone() {
                Some(reel) => Taped::On(reel),
                None => Taped::No,
            };
        }
        if self.generation.plugin(at).shadow.is_none() && !matches!(self.reel, Taped::On(_)) {
            return None;
        }
        if self.number == 0 {
            self.number = self.generation.house.recorders.number();
        }
        let before = Snapshot::of(self.desk.as_deref()?, question);
        let tape = Tape::recording();
        Some(Kept { before, tape })
    }

    /// Tells the shadow, the canary and the record of a call that was made.
    fn hand_over(
        &mut self,
        at: u16,
        hook: Hook,
        kept: Option<Kept>,
        answer: &Result<Answer, Fault>,
    ) {
        let generation = self.generation.clone();
        let plugin = generation.plugin(at);
        let was_called = answer.as_ref().err().is_none_or(Fault::counts);
        if was_called && let Some((canary, side)) = &plugin.canary {
            let worse = canary.note(*side, hook, answer.as_ref().ok());
            if let (Some(why), Some(core)) = (worse, generation.core.upgrade()) {
                core.withdraw_canary(&canary.name, &canary.digest, &why);
            }
        }
        let Some(Kept { before, tape }) = kept else {
            return;
        };
        let Some(desk) = self.desk.as_deref_mut() else {
            return;
        };
        desk.tape = None;
        let Some(record) = desk.records.last().filter(|_| was_called) else {
            return;
        };
        let said = Said::of(desk, before.edits_before(), answer.as_ref().ok(), record);
        let host = tape.take();
        if let Taped::On(reel) = &self.reel {
            reel.keep(trial::record::Kept {
                sitting: self.number,
                before: before.clone(),
                record: record.clone(),
                config: plugin.settings.config.clone(),
                host: host.clone(),
                said: said.clone(),
            });
        }
        if let Some(shadow) = &plugin.shadow {
            shadow.note_in_service(hook, answer.as_ref().ok());
            shadow.offer(Job {
                sitting: self.number,
                before,
                host,
                said,
            });
        }
    }

    /// Asks one plugin, with a tape that runs or plays, and writes down what came of it.
    pub(crate) async fn ask_taped(
        &mut self,
        at: u16,
        question: &Question<'_>,
        tape: Option<Tape>,
    ) -> Result<Answer, Fault> {
        self.desk_mut().tape = tape;
        let generation = self.generation.clone();
        let plugin = generation.plugin(at);
        let hook = question.hook();
        let (start, elapsed) = stopwatch();
        let mut fresh = false;
        let outcome = if plugin.health.may_call(start, &generation.breaker) {
            let slot = self.slot(at);
            match self.instance(at, slot.as_ref()).await {
                Ok(instance) => {
                    fresh = instance.is_fresh();
                    let mut outcome = instance.call(&mut self.desk, question).await;
                    if let Some(instance) = outcome.instance.take() {
                        self.rest(at, slot, instance);
                    }
                    outcome
                }
                Err(fault) => Outcome::without_call(fault),
            }
        } else {
            Outcome::without_call(Fault::Open)
        };
        let Outcome { answer, call, .. } = outcome;
        let elapsed = elapsed();
        let decision = match &answer {
            Ok(answer) => answer.describe(),
            Err(_) => "fault".into(),
        };
        let desk = self.desk_mut();
        let kept = answer.is_ok();
        desk.records.push(CallRecord {
            plugin: plugin.name.clone(),
            digest: plugin.loaded.digest.clone(),
            hook,
            decision,
            elapsed,
            fresh,
            edits: call.edits,
            scores: if kept {
                desk.scores[call.scores_mark.min(desk.scores.len())..].to_vec()
            } else {
                Vec::new()
            },
            tags: match &call.tags_before {
                Some(before) if kept => desk
                    .tags
                    .iter()
                    .filter(|tag| !before.contains(tag))
                    .cloned()
                    .collect(),
                _ => Vec::new(),
            },
            logs: call.logs,
            fault: answer.as_ref().err().cloned(),
        });
        match &answer {
            Ok(_) => {
                if plugin.health.succeeded(elapsed) {
                    self.event(at, PluginEventKind::BreakerClosed);
                }
            }
            // Whoever asked says what it means that the plugin cannot be loaded.
            Err(_) if hook == Hook::Load => {}
            Err(fault) => self.faulted(at, hook.name(), fault, start, elapsed),
        }
        answer
    }

    fn faulted(
        &mut self,
        at: u16,
        hook: &str,
        fault: &Fault,
        start: std::time::Instant,
        elapsed: std::time::Duration,
    ) {
        let generation = self.generation.clone();
        let plugin = generation.plugin(at);
        if !fault.counts() {
            plugin.health.not_called();
            if *fault == Fault::Exhausted {
                self.event(
                    at,
                    PluginEventKind::Fault {
                        hook,
                        text: &fault.to_string(),
                    },
                );
            }
            return;
        }
        self.event(
            at,
            PluginEventKind::Fault {
                hook,
                text: &fault.to_string(),
            },
        );
        match plugin
            .health
            .faulted(start + elapsed, elapsed, &generation.breaker)
        {
            Consequence::None => {}
            Consequence::Opened(faults) => {
                self.event(at, PluginEventKind::BreakerOpened { faults });
                if let Some(core) = generation.core.upgrade() {
                    core.roll_back(&plugin.name, &plugin.loaded.digest);
                }
            }
        }
    }

    fn event(&self, at: u16, kind: PluginEventKind<'_>) {
        self.generation.house.services.event(PluginEvent {
            plugin: &self.generation.plugin(at).name,
            message: self
                .desk
                .as_ref()
                .and_then(|desk| desk.message_id.as_deref()),
            kind,
        });
    }

    /// The slot of that plugin: this sitting's, or one that lives with the session.
    fn slot(&mut self, at: u16) -> Option<Arc<Slot>> {
        if let Some(slot) = self.slots.iter().find(|slot| slot.at == at) {
            return Some(slot.clone());
        }
        if self.generation.plugin(at).settings.instance != InstanceScope::Session {
            return None;
        }
        let mut kept = self
            .keep
            .as_ref()?
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let found = kept.iter().position(|slot| slot.at == at)?;
        let slot = kept.swap_remove(found);
        self.slots.push(slot.clone());
        Some(slot)
    }

    /// What rests in the slot, or a new instance.
    async fn instance(&self, at: u16, slot: Option<&Arc<Slot>>) -> Result<Instance, Fault> {
        match slot.and_then(|slot| slot.take()) {
            Some(instance) => Ok(instance),
            None => Instance::make(&self.generation.engines, self.generation.plugin(at)).await,
        }
    }

    fn rest(&mut self, at: u16, slot: Option<Arc<Slot>>, instance: Instance) {
        let slot = slot.unwrap_or_else(|| {
            let slot = Slot::new(at);
            self.slots.push(slot.clone());
            slot
        });
        self.generation.engines.shelf().put(&slot, instance);
    }
}

impl Drop for Sitting {
    fn drop(&mut self) {
        let Some(keep) = &self.keep else { return };
        for slot in self.slots.drain(..) {
            if self.generation.plugin(slot.at).settings.instance == InstanceScope::Session
                && !slot.is_worn()
            {
                keep.lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(slot);
            }
        }
    }
}

impl Outcome {
    fn without_call(fault: Fault) -> Outcome {
        Outcome {
            answer: Err(fault),
            call: crate::guest::Call::default(),
            instance: None,
        }
    }
}
