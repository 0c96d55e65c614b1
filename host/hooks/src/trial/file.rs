//! A record on disk: one JSON object a line, mirrors of what is in memory.
//!
//! The first line says which version of the format it is; then come plugins and messages, each before the first call that
//! names it, and the calls in the order in which they were made. The last line says what is missing.

mod words;

use std::sync::Arc;
use std::time::Duration;

use baton_message::Message;
use baton_message::edit::{Edit, EditSet};
use baton_smtp::{Envelope, Mailbox, Parameter, Recipient, ReversePath};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::facts::{Attempt, RemoteReply, Session};
use crate::hook::Hook;
use crate::record::Score;
use crate::services::HttpRequest;
use crate::trial::said::Said;
use crate::trial::snapshot::{Asked, Snapshot};
use crate::trial::tape::HostCall;

use words::{ReportLine, stage, stage_of};

/// Version of the format that is written.
pub(crate) const FORMAT: u32 = 1;

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Line {
    Record(Head),
    Plugin(PluginLine),
    Message(MessageLine),
    Call(Box<CallLine>),
    End(End),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Head {
    pub format: u32,
    pub hostname: String,
    pub public_url: Option<String>,
    pub redacted_addresses: bool,
    pub redacted_bodies: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct PluginLine {
    pub name: String,
    pub digest: String,
    /// Its section of the configuration; secrets are never in a record.
    pub config: Value,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct MessageLine {
    pub digest: String,
    /// As text, or `{"base64": ...}`.
    pub bytes: Value,
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct End {
    pub sessions: u32,
    pub calls: u64,
    /// Calls that are missing since they did not fit.
    pub dropped: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct CallLine {
    /// Calls of the same sitting follow on each other.
    pub sitting: u64,
    pub plugin: String,
    pub digest: String,
    pub hook: String,
    /// Whether it had an instance of its own.
    pub fresh: bool,
    pub microseconds: u64,
    pub asked: AskedLine,
    pub session: Option<SessionLine>,
    pub account: Option<String>,
    pub message_id: Option<String>,
    /// Digest of the message, if there is one.
    pub message: Option<String>,
    #[serde(default)]
    pub utf8: bool,
    /// Edits of plugins that were asked before.
    #[serde(default)]
    pub edits_before: Vec<EditLine>,
    pub tags: Vec<(String, String)>,
    pub scores: Vec<ScoreLine>,
    pub authentication: Vec<(String, String)>,
    /// Host calls: name, arguments, answer.
    pub host: Vec<(String, Value, Value)>,
    /// Host calls are missing.
    #[serde(default)]
    pub cut: bool,
    pub said: SaidLine,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SessionLine {
    id: String,
    listener: String,
    peer_ip: String,
    peer_name: Option<String>,
    helo: Option<String>,
    tls: Option<String>,
    account: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ScoreLine {
    plugin: String,
    symbol: String,
    points: f64,
    why: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "edit", rename_all = "kebab-case")]
pub(crate) enum EditLine {
    SetText { part: u32, text: String },
    PrependHeader { name: String, value: String },
    AppendHeader { name: String, value: String },
    ReplaceHeader { name: String, value: String },
    RemoveHeader { name: String },
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SaidLine {
    decision: String,
    /// Word and text.
    fault: Option<(String, String)>,
    #[serde(default)]
    edits: Vec<EditLine>,
    #[serde(default)]
    tags: Vec<(String, String)>,
    #[serde(default)]
    scores: Vec<(String, f64)>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "hook", rename_all = "kebab-case")]
#[allow(clippy::enum_variant_names)] // These are the names of hooks.
pub(crate) enum AskedLine {
    OnLoad,
    OnConnect,
    OnAuth {
        mechanism: String,
        identity: String,
        secret: String,
    },
    OnMail {
        envelope: EnvelopeLine,
    },
    OnRcpt {
        envelope: EnvelopeLine,
        recipient: RecipientLine,
    },
    OnData {
        envelope: EnvelopeLine,
    },
    OnCopy {
        envelope: EnvelopeLine,
        recipient: RecipientLine,
    },
    OnRoute {
        attempt: AttemptLine,
    },
    OnReply {
        attempt: AttemptLine,
        stage: String,
        reply: ReplyLine,
    },
    OnDelivered {
        attempt: AttemptLine,
        reply: ReplyLine,
    },
    OnReport,
    OnBounce {
        attempt: AttemptLine,
        report: ReportLine,
    },
    OnFeedback {
        report: ReportLine,
        attempt: Option<AttemptLine>,
    },
    OnRequest {
        request: RequestLine,
    },
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct EnvelopeLine {
    /// As in a command: `<joe@example.net>`, `<>`.
    sender: String,
    parameters: Vec<(String, Option<String>)>,
    recipients: Vec<RecipientLine>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RecipientLine {
    address: String,
    parameters: Vec<(String, Option<String>)>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AttemptLine {
    message: String,
    sender: String,
    account: Option<String>,
    recipient: String,
    site: String,
    host: Option<String>,
    egress: Option<String>,
    number: u32,
    age_ms: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct ReplyLine {
    pub(super) code: u16,
    pub(super) status: Option<String>,
    pub(super) text: String,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RequestLine {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Value,
}

/// What a line says that it cannot mean.
pub(crate) type Bad = String;

fn text(shared: Option<&Arc<str>>) -> Option<String> {
    shared.map(ToString::to_string)
}

fn shared(text: Option<String>) -> Option<Arc<str>> {
    text.map(Arc::from)
}

impl CallLine {
    /// A call with its answer, without the message itself.
    #[allow(clippy::too_many_arguments)]
    pub fn of(
        sitting: u64,
        record: &crate::record::CallRecord,
        before: &Snapshot,
        message: Option<String>,
        host: Vec<HostCall>,
        cut: bool,
        said: &Said,
    ) -> CallLine {
        let edits = before
            .draft
            .as_ref()
            .map_or(&[][..], |draft| draft.applied());
        CallLine {
            sitting,
            plugin: record.plugin.to_string(),
            digest: record.digest.to_string(),
            hook: record.hook.name().to_owned(),
            fresh: record.fresh,
            microseconds: record.microseconds(),
            asked: AskedLine::of(&before.asked),
            session: before.session.as_deref().map(SessionLine::of),
            account: text(before.account.as_ref()),
            message_id: text(before.message_id.as_ref()),
            message,
            utf8: before.draft.as_ref().is_some_and(EditSet::utf8),
            edits_before: edits.iter().map(|one| EditLine::of(&one.edit)).collect(),
            tags: pairs(&before.tags),
            scores: before.scores.iter().map(ScoreLine::of).collect(),
            authentication: before.authentication.clone(),
            host: host
                .into_iter()
                .map(|call| (call.name, call.asked, call.answered))
                .collect(),
            cut,
            said: SaidLine::of(said),
        }
    }

    /// The snapshot the call was made of; `message` is the one whose digest it names.
    pub fn snapshot(&self, message: Option<&Message>) -> Result<Snapshot, Bad> {
        let session = self.session.as_ref().map(SessionLine::session);
        let draft = match message {
            None => None,
            Some(message) => {
                let edits: Vec<Edit> = self.edits_before.iter().map(EditLine::edit).collect();
                let draft = EditSet::replay(message.clone(), self.utf8, &edits);
                Some(draft.map_err(|e| format!("an edit that cannot be made: {e}"))?)
            }
        };
        let unknown = Session::unknown();
        let about = session.as_ref().unwrap_or(&unknown);
        Ok(Snapshot {
            asked: self.asked.asked(about)?,
            session: session.clone().map(Arc::new),
            account: shared(self.account.clone()),
            message_id: shared(self.message_id.clone()),
            draft,
            tags: shared_pairs(&self.tags),
            scores: self.scores.iter().map(ScoreLine::score).collect(),
            authentication: self.authentication.clone(),
            // Who asked for it was told, and that is on the tape.
            translation: None,
        })
    }

    pub fn host(&self) -> Vec<HostCall> {
        let call = |(name, asked, answered): &(String, Value, Value)| HostCall {
            name: name.clone(),
            asked: asked.clone(),
            answered: answered.clone(),
        };
        self.host.iter().map(call).collect()
    }

    pub fn said(&self) -> Said {
        let said = &self.said;
        Said {
            decision: said.decision.clone(),
            fault: said.fault.clone(),
            edits: said.edits.iter().map(EditLine::edit).collect(),
            tags: shared_pairs(&said.tags),
            scores: said
                .scores
                .iter()
                .map(|(symbol, points)| (symbol.as_str().into(), *points))
                .collect(),
        }
    }

    pub fn hook(&self) -> Option<Hook> {
        Hook::from_name(&self.hook)
    }
}

fn pairs(list: &[(Arc<str>, Arc<str>)]) -> Vec<(String, String)> {
    let pair = |(k, v): &(Arc<str>, Arc<str>)| (k.to_string(), v.to_string());
    list.iter().map(pair).collect()
}

fn shared_pairs(list: &[(String, String)]) -> Vec<(Arc<str>, Arc<str>)> {
    let pair = |(k, v): &(String, String)| (k.as_str().into(), v.as_str().into());
    list.iter().map(pair).collect()
}

impl SessionLine {
    fn of(session: &Session) -> SessionLine {
        SessionLine {
            id: session.id.to_string(),
            listener: session.listener.to_string(),
            peer_ip: session.peer_ip.to_string(),
            peer_name: text(session.peer_name.as_ref()),
            helo: text(session.helo.as_ref()),
            tls: text(session.tls.as_ref()),
            account: text(session.account.as_ref()),
        }
    }

    fn session(&self) -> Session {
        Session {
            id: self.id.as_str().into(),
            listener: self.listener.as_str().into(),
            peer_ip: self.peer_ip.as_str().into(),
            peer_name: shared(self.peer_name.clone()),
            helo: shared(self.helo.clone()),
            tls: shared(self.tls.clone()),
            account: shared(self.account.clone()),
        }
    }
}

impl ScoreLine {
    fn of(score: &Score) -> ScoreLine {
        ScoreLine {
            plugin: score.plugin.to_string(),
            symbol: score.symbol.to_string(),
            points: score.points,
            why: score.why.to_string(),
        }
    }

    fn score(&self) -> Score {
        Score {
            plugin: self.plugin.as_str().into(),
            symbol: self.symbol.as_str().into(),
            points: self.points,
            why: self.why.as_str().into(),
        }
    }
}

impl EditLine {
    fn of(edit: &Edit) -> EditLine {
        match edit.clone() {
            Edit::SetText { part, text } => EditLine::SetText {
                part,
                text: text.as_ref().to_owned(),
            },
            Edit::PrependHeader { name, value } => EditLine::PrependHeader { name, value },
            Edit::AppendHeader { name, value } => EditLine::AppendHeader { name, value },
            Edit::ReplaceHeader { name, value } => EditLine::ReplaceHeader { name, value },
            Edit::RemoveHeader { name } => EditLine::RemoveHeader { name },
        }
    }

    fn edit(&self) -> Edit {
        let (both, n) = (
            |n: &String, v: &String| (n.clone(), v.clone()),
            String::clone,
        );
        match self {
            EditLine::SetText { part, text } => Edit::SetText {
                part: *part,
                text: text.as_str().into(),
            },
            EditLine::PrependHeader { name, value } => {
                let (name, value) = both(name, value);
                Edit::PrependHeader { name, value }
            }
            EditLine::AppendHeader { name, value } => {
                let (name, value) = both(name, value);
                Edit::AppendHeader { name, value }
            }
            EditLine::ReplaceHeader { name, value } => {
                let (name, value) = both(name, value);
                Edit::ReplaceHeader { name, value }
            }
            EditLine::RemoveHeader { name } => Edit::RemoveHeader { name: n(name) },
        }
    }
}

impl SaidLine {
    fn of(said: &Said) -> SaidLine {
        SaidLine {
            decision: said.decision.clone(),
            fault: said.fault.clone(),
            edits: said.edits.iter().map(EditLine::of).collect(),
            tags: pairs(&said.tags),
            scores: said
                .scores
                .iter()
                .map(|(symbol, points)| (symbol.to_string(), *points))
                .collect(),
        }
    }
}

impl AskedLine {
    fn of(asked: &Asked) -> AskedLine {
        match asked {
            Asked::Load => AskedLine::OnLoad,
            Asked::Connect { .. } => AskedLine::OnConnect,
            // A password has no place in a file; what is compared with it is in the answer.
            Asked::Auth {
                mechanism,
                identity,
                ..
            } => AskedLine::OnAuth {
                mechanism: mechanism.clone(),
                identity: identity.clone(),
                secret: "redacted".into(),
            },
            Asked::Mail { envelope, .. } => AskedLine::OnMail {
                envelope: EnvelopeLine::of(envelope),
            },
            Asked::Rcpt {
                envelope,
                recipient,
                ..
            } => AskedLine::OnRcpt {
                envelope: EnvelopeLine::of(envelope),
                recipient: RecipientLine::of(recipient),
            },
            Asked::Data { envelope, .. } => AskedLine::OnData {
                envelope: EnvelopeLine::of(envelope),
            },
            Asked::Copy {
                envelope,
                recipient,
            } => AskedLine::OnCopy {
                envelope: EnvelopeLine::of(envelope),
                recipient: RecipientLine::of(recipient),
            },
            Asked::Route { attempt } => AskedLine::OnRoute {
                attempt: AttemptLine::of(attempt),
            },
            Asked::Reply {
                attempt,
                stage: at,
                reply,
            } => AskedLine::OnReply {
                attempt: AttemptLine::of(attempt),
                stage: stage(*at).to_owned(),
                reply: ReplyLine::of(reply),
            },
            Asked::Delivered { attempt, reply } => AskedLine::OnDelivered {
                attempt: AttemptLine::of(attempt),
                reply: ReplyLine::of(reply),
            },
            Asked::Report => AskedLine::OnReport,
            Asked::Bounce { attempt, report } => AskedLine::OnBounce {
                attempt: AttemptLine::of(attempt),
                report: ReportLine::of(report),
            },
            Asked::Feedback { report, attempt } => AskedLine::OnFeedback {
                report: ReportLine::of(report),
                attempt: attempt.as_ref().map(AttemptLine::of),
            },
            Asked::Request { request } => AskedLine::OnRequest {
                request: RequestLine::of(request),
            },
        }
    }

    fn asked(&self, session: &Session) -> Result<Asked, Bad> {
        let session = session.clone();
        Ok(match self {
            AskedLine::OnLoad => Asked::Load,
            AskedLine::OnConnect => Asked::Connect { session },
            AskedLine::OnAuth {
                mechanism,
                identity,
                secret,
            } => Asked::Auth {
                session,
                mechanism: mechanism.clone(),
                identity: identity.clone(),
                secret: secret.clone(),
            },
            AskedLine::OnMail { envelope } => Asked::Mail {
                session,
                envelope: envelope.envelope()?,
            },
            AskedLine::OnRcpt {
                envelope,
                recipient,
            } => Asked::Rcpt {
                session,
                envelope: envelope.envelope()?,
                recipient: recipient.recipient()?,
            },
            AskedLine::OnData { envelope } => Asked::Data {
                session,
                envelope: envelope.envelope()?,
            },
            AskedLine::OnCopy {
                envelope,
                recipient,
            } => Asked::Copy {
                envelope: envelope.envelope()?,
                recipient: recipient.recipient()?,
            },
            AskedLine::OnRoute { attempt } => Asked::Route {
                attempt: attempt.attempt()?,
            },
            AskedLine::OnReply {
                attempt,
                stage,
                reply,
            } => Asked::Reply {
                attempt: attempt.attempt()?,
                stage: stage_of(stage)?,
                reply: reply.reply()?,
            },
            AskedLine::OnDelivered { attempt, reply } => Asked::Delivered {
                attempt: attempt.attempt()?,
                reply: reply.reply()?,
            },
            AskedLine::OnReport => Asked::Report,
            AskedLine::OnBounce { attempt, report } => Asked::Bounce {
                attempt: attempt.attempt()?,
                report: report.report()?,
            },
            AskedLine::OnFeedback { report, attempt } => Asked::Feedback {
                report: report.report()?,
                attempt: attempt.as_ref().map(AttemptLine::attempt).transpose()?,
            },
            AskedLine::OnRequest { request } => Asked::Request {
                request: request.request()?,
            },
        })
    }
}

fn mailbox(text: &str) -> Result<Mailbox, Bad> {
    Mailbox::parse(text).map_err(|e| format!("{text:?} is no address: {e}"))
}

fn path(text: &str) -> Result<ReversePath, Bad> {
    let inner = text.trim_start_matches('<').trim_end_matches('>');
    if inner.is_empty() {
        return Ok(ReversePath::Null);
    }
    mailbox(inner).map(ReversePath::Mailbox)
}

fn sender(path: &ReversePath) -> String {
    path.mailbox()
        .map_or_else(|| "<>".to_owned(), |mailbox| format!("<{mailbox}>"))
}

fn parameters(list: &[Parameter]) -> Vec<(String, Option<String>)> {
    let pair = |p: &Parameter| (p.keyword().to_owned(), p.value().map(str::to_owned));
    list.iter().map(pair).collect()
}

fn read_parameters(list: &[(String, Option<String>)]) -> Result<Vec<Parameter>, Bad> {
    list.iter()
        .map(|(keyword, value)| {
            Parameter::new(keyword, value.as_deref())
                .ok_or_else(|| format!("{keyword:?} is no parameter"))
        })
        .collect()
}

impl EnvelopeLine {
    fn of(envelope: &Envelope) -> EnvelopeLine {
        EnvelopeLine {
            sender: sender(&envelope.sender),
            parameters: parameters(&envelope.parameters),
            recipients: envelope.recipients.iter().map(RecipientLine::of).collect(),
        }
    }

    fn envelope(&self) -> Result<Envelope, Bad> {
        let recipients = self.recipients.iter().map(RecipientLine::recipient);
        Ok(Envelope {
            sender: path(&self.sender)?,
            parameters: read_parameters(&self.parameters)?,
            recipients: recipients.collect::<Result<_, _>>()?,
        })
    }
}

impl RecipientLine {
    fn of(recipient: &Recipient) -> RecipientLine {
        RecipientLine {
            address: recipient.address.to_string(),
            parameters: parameters(&recipient.parameters),
        }
    }

    fn recipient(&self) -> Result<Recipient, Bad> {
        Ok(Recipient {
            address: mailbox(&self.address)?,
            parameters: read_parameters(&self.parameters)?,
        })
    }
}

impl AttemptLine {
    fn of(attempt: &Attempt) -> AttemptLine {
        AttemptLine {
            message: attempt.message.to_string(),
            sender: sender(&attempt.sender),
            account: text(attempt.account.as_ref()),
            recipient: attempt.recipient.to_string(),
            site: attempt.site.to_string(),
            host: text(attempt.host.as_ref()),
            egress: text(attempt.egress.as_ref()),
            number: attempt.number,
            age_ms: u64::try_from(attempt.age.as_millis()).unwrap_or(u64::MAX),
        }
    }

    fn attempt(&self) -> Result<Attempt, Bad> {
        Ok(Attempt {
            message: self.message.as_str().into(),
            sender: path(&self.sender)?,
            account: shared(self.account.clone()),
            recipient: mailbox(&self.recipient)?,
            site: self.site.as_str().into(),
            host: shared(self.host.clone()),
            egress: shared(self.egress.clone()),
            number: self.number,
            age: Duration::from_millis(self.age_ms),
        })
    }
}

impl ReplyLine {
    pub(super) fn of(reply: &RemoteReply) -> ReplyLine {
        ReplyLine {
            code: reply.code,
            status: reply.status.map(|status| status.to_string()),
            text: reply.text.to_string(),
        }
    }

    pub(super) fn reply(&self) -> Result<RemoteReply, Bad> {
        let status = |text: &String| {
            text.parse()
                .map_err(|_| format!("{text:?} is no enhanced status"))
        };
        Ok(RemoteReply {
            code: self.code,
            status: self.status.as_ref().map(status).transpose()?,
            text: self.text.as_str().into(),
        })
    }
}

impl RequestLine {
    fn of(request: &HttpRequest) -> RequestLine {
        RequestLine {
            method: request.method.clone(),
            url: request.url.clone(),
            headers: request.headers.clone(),
            body: crate::door::octets(&request.body),
        }
    }

    fn request(&self) -> Result<HttpRequest, Bad> {
        Ok(HttpRequest {
            method: self.method.clone(),
            url: self.url.clone(),
            headers: self.headers.clone(),
            body: crate::door::read_octets(&self.body).ok_or("a body that is none")?,
        })
    }
}
