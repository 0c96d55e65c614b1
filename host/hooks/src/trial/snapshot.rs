//! All that one hook call is asked and can see, as a value of its own, so that it can be asked again elsewhere.

use std::sync::Arc;

use baton_message::EditSet;
use baton_smtp::{Envelope, Recipient};

use crate::delivery::{Report, Stage, Translation};
use crate::desk::{Desk, Tag};
use crate::facts::{Attempt, RemoteReply, Session};
use crate::question::Question;
use crate::record::Score;
use crate::services::HttpRequest;

/// See the module. Texts and the message are shared with the call it was taken of.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub asked: Asked,
    pub session: Option<Arc<Session>>,
    pub account: Option<Arc<str>>,
    pub message_id: Option<Arc<str>>,
    pub draft: Option<EditSet>,
    pub tags: Vec<Tag>,
    pub scores: Vec<Score>,
    pub authentication: Vec<(String, String)>,
    /// What a plugin before said that the reply means.
    pub translation: Option<Translation>,
}

impl Snapshot {
    /// Of a call that is about to be made at this desk.
    pub fn of(desk: &Desk, question: &Question<'_>) -> Snapshot {
        Snapshot {
            asked: Asked::of(question),
            session: desk.session.clone(),
            account: desk.account.clone(),
            message_id: desk.message_id.clone(),
            draft: desk.draft.clone(),
            tags: desk.tags.clone(),
            scores: desk.scores.clone(),
            authentication: desk.authentication.clone(),
            translation: desk.translation.clone(),
        }
    }

    /// Lays everything out on a desk as it was.
    pub fn lay(&self, desk: &mut Desk) {
        desk.session.clone_from(&self.session);
        desk.account.clone_from(&self.account);
        desk.message_id.clone_from(&self.message_id);
        desk.draft.clone_from(&self.draft);
        desk.tags.clone_from(&self.tags);
        desk.scores.clone_from(&self.scores);
        desk.authentication.clone_from(&self.authentication);
        desk.translation.clone_from(&self.translation);
    }

    /// Edits that were made before the call.
    pub fn edits_before(&self) -> usize {
        self.draft.as_ref().map_or(0, |draft| draft.applied().len())
    }

    /// Bytes of the message, which is what a waiting snapshot keeps in memory.
    pub fn bytes(&self) -> usize {
        self.draft
            .as_ref()
            .map_or(0, |draft| draft.message().size())
    }
}

/// A [`Question`] that owns what it asks about.
#[derive(Clone)]
pub(crate) enum Asked {
    Load,
    Connect {
        session: Session,
    },
    Auth {
        session: Session,
        mechanism: String,
        identity: String,
        secret: String,
    },
    Mail {
        session: Session,
        envelope: Envelope,
    },
    Rcpt {
        session: Session,
        envelope: Envelope,
        recipient: Recipient,
    },
    Data {
        session: Session,
        envelope: Envelope,
    },
    Copy {
        envelope: Envelope,
        recipient: Recipient,
    },
    Route {
        attempt: Attempt,
    },
    Reply {
        attempt: Attempt,
        stage: Stage,
        reply: RemoteReply,
    },
    Delivered {
        attempt: Attempt,
        reply: RemoteReply,
    },
    Report,
    Bounce {
        attempt: Attempt,
        report: Report,
    },
    Feedback {
        report: Report,
        attempt: Option<Attempt>,
    },
    Request {
        request: HttpRequest,
    },
}

impl Asked {
    pub fn of(question: &Question<'_>) -> Asked {
        match *question {
            Question::Load => Asked::Load,
            Question::Connect { session } => Asked::Connect {
                session: session.clone(),
            },
            Question::Auth {
                session,
                mechanism,
                identity,
                secret,
            } => Asked::Auth {
                session: session.clone(),
                mechanism: mechanism.to_owned(),
                identity: identity.to_owned(),
                secret: secret.to_owned(),
            },
            Question::Mail { session, envelope } => Asked::Mail {
                session: session.clone(),
                envelope: envelope.clone(),
            },
            Question::Rcpt {
                session,
                envelope,
                recipient,
            } => Asked::Rcpt {
                session: session.clone(),
                envelope: envelope.clone(),
                recipient: recipient.clone(),
            },
            Question::Data { session, envelope } => Asked::Data {
                session: session.clone(),
                envelope: envelope.clone(),
            },
            Question::Copy {
                envelope,
                recipient,
            } => Asked::Copy {
                envelope: envelope.clone(),
                recipient: recipient.clone(),
            },
            Question::Route { attempt } => Asked::Route {
                attempt: attempt.clone(),
            },
            Question::Reply {
                attempt,
                stage,
                reply,
            } => Asked::Reply {
                attempt: attempt.clone(),
                stage,
                reply: reply.clone(),
            },
            Question::Delivered { attempt, reply } => Asked::Delivered {
                attempt: attempt.clone(),
                reply: reply.clone(),
            },
            Question::Report => Asked::Report,
            Question::Bounce { attempt, report } => Asked::Bounce {
                attempt: attempt.clone(),
                report: report.clone(),
            },
            Question::Feedback { report, attempt } => Asked::Feedback {
                report: report.clone(),
                attempt: attempt.cloned(),
            },
            Question::Request { request } => Asked::Request {
                request: request.clone(),
            },
        }
    }

    pub fn question(&self) -> Question<'_> {
        match self {
            Asked::Load => Question::Load,
            Asked::Connect { session } => Question::Connect { session },
            Asked::Auth {
                session,
                mechanism,
                identity,
                secret,
            } => Question::Auth {
                session,
                mechanism,
                identity,
                secret,
            },
            Asked::Mail { session, envelope } => Question::Mail { session, envelope },
            Asked::Rcpt {
                session,
                envelope,
                recipient,
            } => Question::Rcpt {
                session,
                envelope,
                recipient,
            },
            Asked::Data { session, envelope } => Question::Data { session, envelope },
            Asked::Copy {
                envelope,
                recipient,
            } => Question::Copy {
                envelope,
                recipient,
            },
            Asked::Route { attempt } => Question::Route { attempt },
            Asked::Reply {
                attempt,
                stage,
                reply,
            } => Question::Reply {
                attempt,
                stage: *stage,
                reply,
            },
            Asked::Delivered { attempt, reply } => Question::Delivered { attempt, reply },
            Asked::Report => Question::Report,
            Asked::Bounce { attempt, report } => Question::Bounce { attempt, report },
            Asked::Feedback { report, attempt } => Question::Feedback {
                report,
                attempt: attempt.as_ref(),
            },
            Asked::Request { request } => Question::Request { request },
        }
    }
}
