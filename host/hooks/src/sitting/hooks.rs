//! The chain, hook by hook: who is asked in which order, and what ends the asking.

use std::sync::Arc;

use baton_message::EditSet;
use baton_smtp::{EnhancedStatus, Envelope, Recipient, Reply};

use super::Sitting;
use crate::decision::{AuthVerdict, BounceVerdict, RouteVerdict, Verdict, of_fault};
use crate::delivery::{Report, Stage, Translation};
use crate::facts::{Attempt, RemoteReply, Session};
use crate::fault::Fault;
use crate::hook::{Hook, HookSet};
use crate::question::{Answer, Question};
use crate::record::Hold;
use crate::services::{HttpRequest, HttpResponse};
use crate::settings::FaultPolicy;

/// What a chain of `on-copy` came to, for one recipient's copy alone.
#[derive(Clone)]
pub struct CopyVerdict {
    /// As for any hook.
    pub verdict: Verdict,
    /// The message as this recipient gets it; none if it is the same as for everybody.
    pub draft: Option<EditSet>,
    /// The tags of this copy; none if they are those of the message.
    pub tags: Option<Vec<(Arc<str>, Arc<str>)>>,
    /// Further reasons to hold this copy.
    pub holds: Vec<Hold>,
}

/// What came of `on-request`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestOutcome {
    /// No such plugin, or it answers no requests.
    NotFound,
    /// The plugin's answer.
    Response(HttpResponse),
    /// It faulted: 503 and nothing about it.
    Failed,
}

impl Sitting {
    /// A version was loaded: what the first plugin of this set says about its configuration. None where none has the hook;
    /// otherwise the hooks it wants, none of them being all.
    pub async fn on_load(&mut self) -> Option<Result<Option<HookSet>, Fault>> {
        let generation = self.generation.clone();
        let at = *generation.asked(Hook::Load).first()?;
        Some(match self.ask(at, &Question::Load).await {
            Ok(Answer::Wanted(hooks)) => Ok(hooks),
            Ok(_) => Ok(None),
            Err(fault) => Err(fault),
        })
    }

    /// A socket was accepted, before the greeting.
    pub async fn on_connect(&mut self) -> Verdict {
        let Some(session) = self.asked_session(Hook::Connect) else {
            return Verdict::Pass;
        };
        self.decide(&Question::Connect { session: &session }).await
    }

    /// Credentials were presented. The first plugin that knows decides; a fault is `Defer` or `Deny` by policy.
    pub async fn on_auth(&mut self, mechanism: &str, identity: &str, secret: &str) -> AuthVerdict {
        let Some(session) = self.asked_session(Hook::Auth) else {
            return AuthVerdict::Pass;
        };
        let question = Question::Auth {
            session: &session,
            mechanism,
            identity,
            secret,
        };
        let generation = self.generation.clone();
        for &at in generation.asked(Hook::Auth) {
            match self.ask(at, &question).await {
                Ok(Answer::Auth(AuthVerdict::Pass)) => {}
                Ok(Answer::Auth(verdict)) => return verdict,
                Ok(_) => {}
                Err(fault) => match self.policy(at, &fault) {
                    FaultPolicy::Skip => {}
                    FaultPolicy::Defer => return AuthVerdict::Defer,
                    FaultPolicy::Reject => return AuthVerdict::Deny,
                },
            }
        }
        AuthVerdict::Pass
    }

    /// MAIL FROM.
    pub async fn on_mail(&mut self, envelope: &Envelope) -> Verdict {
        let Some(session) = self.asked_session(Hook::Mail) else {
            return Verdict::Pass;
        };
        self.decide(&Question::Mail {
            session: &session,
            envelope,
        })
        .await
    }

    /// The whole message was received; it is the draft ([`Sitting::set_draft`]), which afterwards has the edits that were
    /// kept. Scores are compared with the thresholds when no plugin ended the chain.
    pub async fn on_data(&mut self, envelope: &Envelope) -> Verdict {
        let Some(session) = self.asked_session(Hook::Data) else {
            return self.judge_scores();
        };
        match self
            .decide(&Question::Data {
                session: &session,
                envelope,
            })
            .await
        {
            Verdict::Pass => self.judge_scores(),
            verdict => verdict,
        }
    }

    /// Once for each recipient after `on-data`. What plugins change is this copy's alone: the sitting is afterwards as it
    /// was before.
    pub async fn on_copy(&mut self, envelope: &Envelope, recipient: &Recipient) -> CopyVerdict {
        if !self.generation.exports(Hook::Copy) {
            let verdict = Verdict::Pass;
            return CopyVerdict {
                verdict,
                draft: None,
                tags: None,
                holds: Vec::new(),
            };
        }
        let desk = self.desk_mut();
        let before = (
            desk.draft.clone(),
            desk.tags.clone(),
            desk.scores.len(),
            desk.holds.len(),
        );
        let mut verdict = self
            .decide(&Question::Copy {
                envelope,
                recipient,
            })
            .await;
        let scored = self.scores().len() > before.2;
        if verdict == Verdict::Pass && scored {
            verdict = self.judge_scores();
        }
        let desk = self.desk_mut();
        let holds = desk.holds.split_off(before.3.min(desk.holds.len()));
        desk.scores.truncate(before.2);
        let draft = std::mem::replace(&mut desk.draft, before.0);
        let edits = |draft: &Option<EditSet>| draft.as_ref().map_or(0, |d| d.applied().len());
        let changed = edits(&draft) != edits(&desk.draft);
        let tags = std::mem::replace(&mut desk.tags, before.1);
        let tags = (tags != desk.tags).then_some(tags);
        CopyVerdict {
            verdict,
            draft: draft.filter(|_| changed),
            tags,
            holds,
        }
    }

    /// Before an attempt. The first route wins.
    pub async fn on_route(&mut self, attempt: &Attempt) -> RouteVerdict {
        let generation = self.generation.clone();
        for &at in generation.asked(Hook::Route) {
            match self.ask(at, &Question::Route { attempt }).await {
                Ok(Answer::Route(Some(route))) => return RouteVerdict::Route(route),
                Ok(_) => {}
                Err(fault) if self.policy(at, &fault) == FaultPolicy::Skip => {}
                Err(_) => return RouteVerdict::Defer,
            }
        }
        RouteVerdict::Default
    }

    /// A remote reply that is not success, or a failure without one. The first translation wins, and the plugins after it
    /// are told of the reply with it; a fault is as no answer, since the reply stands for itself.
    pub async fn on_reply(
        &mut self,
        attempt: &Attempt,
        stage: Stage,
        reply: &RemoteReply,
    ) -> Option<Translation> {
        let generation = self.generation.clone();
        for &at in generation.asked(Hook::Reply) {
            let question = Question::Reply {
                attempt,
                stage,
                reply,
            };
            if let Ok(Answer::Translation(Some(found))) = self.ask(at, &question).await {
                self.desk_mut().translation.get_or_insert(found);
            }
        }
        self.desk_mut().translation.take()
    }

    /// Final success. All are told.
    pub async fn on_delivered(&mut self, attempt: &Attempt, reply: &RemoteReply) {
        self.tell(&Question::Delivered { attempt, reply }).await;
    }

    /// A message arrived at a return-path address; it is the draft. The first that finds reports wins.
    pub async fn on_report(&mut self) -> Vec<Report> {
        let generation = self.generation.clone();
        for &at in generation.asked(Hook::Report) {
            if let Ok(Answer::Reports(reports)) = self.ask(at, &Question::Report).await
                && !reports.is_empty()
            {
                return reports;
            }
        }
        Vec::new()
    }

    /// Permanent failure. The first that says `silent` wins.
    pub async fn on_bounce(&mut self, attempt: &Attempt, report: &Report) -> BounceVerdict {
        let generation = self.generation.clone();
        for &at in generation.asked(Hook::Bounce) {
            let answer = self.ask(at, &Question::Bounce { attempt, report }).await;
            if let Ok(Answer::Bounce(BounceVerdict::Silent)) = answer {
                return BounceVerdict::Silent;
            }
        }
        BounceVerdict::Notify
    }

    /// A complaint was reported. All are told.
    pub async fn on_feedback(&mut self, report: &Report, attempt: Option<&Attempt>) {
        self.tell(&Question::Feedback { report, attempt }).await;
    }

    /// HTTP below `/p/<plugin>/`; the URL is the path and query below that prefix, beginning with a slash.
    pub async fn on_request(&mut self, plugin: &str, request: &HttpRequest) -> RequestOutcome {
        let Some(at) = self.generation.find(plugin, Hook::Request) else {
            return RequestOutcome::NotFound;
        };
        match self.ask(at, &Question::Request { request }).await {
            Ok(Answer::Response(response)) => RequestOutcome::Response(response),
            Ok(_) | Err(_) => RequestOutcome::Failed,
        }
    }

    /// The session, if anybody is to be asked about it.
    pub(super) fn asked_session(&self, hook: Hook) -> Option<Arc<Session>> {
        if !self.generation.exports(hook) {
            return None;
        }
        let known = self.desk.as_ref().and_then(|desk| desk.session.clone());
        Some(known.unwrap_or_else(|| Arc::new(Session::unknown())))
    }

    /// Asks for decisions in order; the first final one wins.
    async fn decide(&mut self, question: &Question<'_>) -> Verdict {
        let generation = self.generation.clone();
        let hook = question.hook();
        for &at in generation.asked(hook) {
            let answer = self.ask(at, question).await;
            if let Some(verdict) = self.settle(at, hook, answer) {
                return verdict;
            }
        }
        Verdict::Pass
    }

    /// What one answer means for the chain; none lets it go on.
    pub(super) fn settle(
        &mut self,
        at: u16,
        hook: Hook,
        answer: Result<Answer, Fault>,
    ) -> Option<Verdict> {
        match answer {
            Ok(Answer::Verdict(Verdict::Pass)) => None,
            Ok(Answer::Verdict(verdict)) => Some(verdict),
            Ok(Answer::Hold(reason)) => {
                let plugin = self.generation.plugin(at).name.clone();
                self.desk_mut().holds.push(Hold { plugin, reason });
                None
            }
            Ok(_) => None,
            Err(fault) => of_fault(self.policy(at, &fault), &fault, hook),
        }
    }

    async fn tell(&mut self, question: &Question<'_>) {
        let generation = self.generation.clone();
        for &at in generation.asked(question.hook()) {
            // A fault is recorded; there is nothing else to be done about it here.
            let _ = self.ask(at, question).await;
        }
    }

    fn policy(&self, at: u16, fault: &Fault) -> FaultPolicy {
        match self.generation.plugin(at).settings.fault {
            // The relay's own trouble: nobody is refused for good.
            FaultPolicy::Reject if *fault == Fault::Exhausted => FaultPolicy::Defer,
            policy => policy,
        }
    }

    /// Compares the sum of the scores with the thresholds.
    fn judge_scores(&mut self) -> Verdict {
        let thresholds = self.generation.thresholds;
        let desk = self.desk_mut();
        if desk.scores.is_empty() {
            return Verdict::Pass;
        }
        let sum = desk.score();
        let over = |threshold: Option<f64>| threshold.is_some_and(|limit| sum >= limit);
        if over(thresholds.reject) {
            let status = EnhancedStatus::new(5, 7, 1);
            return Verdict::Reject(Reply::new(550, status, "Message refused by policy"));
        }
        if over(thresholds.defer) {
            let status = EnhancedStatus::new(4, 7, 1);
            return Verdict::Defer(Reply::new(451, status, "Message deferred by policy"));
        }
        if over(thresholds.hold) {
            let reason = format!("score {sum:.2}");
            desk.holds.push(Hold {
                plugin: "score".into(),
                reason,
            });
        }
        Verdict::Pass
    }
}
