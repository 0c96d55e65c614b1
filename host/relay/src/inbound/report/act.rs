//! What follows from one piece of news about one recipient.

use baton_hooks::{Attempt, BounceVerdict, Hook, RemoteReply, Report, ReportKind};
use baton_message::report::Action;
use baton_smtp::envelope::encode_xtext;
use baton_smtp::{EnhancedStatus, Mailbox, Parameter, Recipient};
use baton_spool::{KvWrite, Operation};
use bytes::Bytes;

use super::super::refusal::Refusal;
use super::known::Known;
use super::read::Finding;
use super::{Arrived, Effects, forward, kind_name, sitting_about, told};
use crate::clock::Timestamp;
use crate::event::Event;
use crate::event::trace::Step;
use crate::history;
use crate::notification::{self, About, Told};
use crate::return_path::{ReturnPath, Token, Wishes};
use crate::store::StoreError;
use crate::suppression;

/// Where it is kept which news had its effects; no plugin can have that name.
const NAMESPACE: &str = "@return-path";

/// One finding, with all that is known of what it is about.
pub(super) struct News<'a> {
    pub finding: &'a Finding,
    pub token: Option<Token>,
    pub known: Option<&'a Known>,
    pub return_path: &'a ReturnPath,
}

impl News<'_> {
    fn report(&self) -> &Report {
        &self.finding.report
    }

    /// The recipient that it is certainly about.
    fn recipient(&self) -> Option<&Mailbox> {
        self.known?.recipient(self.token.as_ref()?, self.report())
    }

    /// The same for all reports that say the same; none where it is about nobody in particular.
    pub fn key(&self) -> Option<String> {
        let token = self.token?;
        let recipient = match (token.recipient, self.recipient()) {
            (Some(number), _) => number.to_string(),
            (None, Some(recipient)) => recipient.to_string().to_lowercase(),
            (None, None) => return None,
        };
        let kind = kind_name(self.report().kind);
        // Who takes a complaint back tells something new.
        let kind = match self.report().feedback_type.as_deref() {
            None | Some("abuse") => kind.to_owned(),
            Some(other) => format!("{kind}:{other}"),
        };
        Some(format!("{} {kind} {recipient}", token.message))
    }

    fn wishes(&self) -> Wishes {
        self.token.map(|token| token.wishes).unwrap_or_default()
    }
}

/// Gathers what follows. News that had its effects before is told of, and that is all.
pub(super) async fn on(
    arrived: &Arrived<'_>,
    news: &News<'_>,
    effects: &mut Effects,
) -> Result<(), Refusal> {
    let key = news.key();
    let repeated = match &key {
        Some(key) => is_known(arrived, key).await?,
        None => false,
    };
    let mut event = NewsEvent {
        notification: None,
        repeated,
    };
    if repeated {
        effects.events.push(event.of(news));
        return Ok(());
    }
    let message = news.token.map(|token| token.message);
    let text_id = message.map(|id| id.to_string());
    let mut sitting = sitting_about(arrived.shared, news.token, news.known);
    let report = news.report();
    match (report.kind, attempt(news, arrived.now)) {
        (ReportKind::Bounce, Some(attempt)) => {
            let verdict = match sitting.generation().exports(Hook::Bounce) {
                true => sitting.on_bounce(&attempt, report).await,
                false => BounceVerdict::Notify,
            };
            let wanted = verdict == BounceVerdict::Notify && news.wishes().failure();
            if wanted && let Some(known) = news.known {
                event.notification = notify(arrived, news, known, &attempt, effects);
            }
            suppress(arrived, news, &attempt, effects);
        }
        (ReportKind::Complaint, attempt) => {
            if sitting.generation().exports(Hook::Feedback) {
                sitting.on_feedback(report, attempt.as_ref()).await;
            }
        }
        (kind, attempt) => {
            let wishes = news.wishes();
            let wanted = match kind {
                ReportKind::Delay => wishes.delay(),
                ReportKind::Delivered => wishes.success(),
                // A person's machine answers a person's message.
                _ => kind == ReportKind::AutoReply && attempt.is_some(),
            };
            if let (true, Some(to)) = (wanted, news.known.and_then(Known::sender)) {
                let message = forward(arrived, to);
                event.notification = Some(message.id.to_string());
                effects.messages.push(message);
            }
        }
    }
    let mut steps = told(
        arrived.shared,
        &mut sitting,
        text_id.as_deref(),
        arrived.now,
    );
    if let Some(id) = message.filter(|_| news.known.is_some()) {
        steps.push(event.step(news, arrived.now));
        effects.operations.push(Operation::HistoryAppend {
            message: id,
            at_ms: arrived.now.as_millis(),
            log: history::piece(&steps),
        });
    }
    if let Some(key) = key {
        let expires = arrived.now.plus(news.return_path.valid_for());
        effects.operations.push(Operation::Kv(vec![KvWrite {
            namespace: NAMESPACE.to_owned(),
            key: key.into(),
            value: Some(Bytes::from_static(b"1")),
            expires_ms: Some(expires.as_millis()),
        }]));
    }
    effects.events.push(event.of(news));
    Ok(())
}

async fn is_known(arrived: &Arrived<'_>, key: &str) -> Result<bool, Refusal> {
    let now_ms = arrived.now.as_millis();
    let key = key.to_owned();
    let store = &arrived.shared.store;
    let found = store
        .read(move |spool| spool.kv_get(NAMESPACE, key.as_bytes(), now_ms))
        .await;
    let found = found.map_err(|error: StoreError| Refusal::of_store(&error))?;
    Ok(found.is_some())
}

fn attempt(news: &News<'_>, now: Timestamp) -> Option<Attempt> {
    let recipient = news.recipient()?;
    Some(news.known?.attempt(recipient, news.report(), now))
}

/// The relay's own notification to the sender; its name. What came is often in words that no program of the sender's reads,
/// and names hosts and addresses that the sender never heard of.
fn notify(
    arrived: &Arrived<'_>,
    news: &News<'_>,
    known: &Known,
    attempt: &Attempt,
    effects: &mut Effects,
) -> Option<String> {
    let sender = known.sender()?;
    let report = news.report();
    let envid = news.finding.envelope_id.as_deref();
    let parameters: Vec<Parameter> = envid
        .and_then(|id| Parameter::new("ENVID", Some(&encode_xtext(id))))
        .into_iter()
        .collect();
    let recipient = Recipient {
        address: attempt.recipient.clone(),
        parameters: orcpt(report, &attempt.recipient).into_iter().collect(),
    };
    let silence = RemoteReply::failure(EnhancedStatus::new(5, 0, 0), "it came back later");
    let told = Told {
        recipient: &recipient,
        reply: report.reply.as_ref().unwrap_or(&silence),
        explanation: report.translation.as_ref().map(|t| t.explanation.as_str()),
        host: attempt.host.as_deref(),
        expired: false,
    };
    let about = About {
        id: arrived.shared.store.new_id(),
        hostname: arrived.shared.hostname.as_str(),
        sender,
        parameters: &parameters,
        received: Timestamp::from_millis(known.row.received_ms),
        plugins: &known.plugins(),
        until: None,
        original: returned(arrived),
    };
    match notification::make(about, Action::Failed, &[told], arrived.now) {
        Ok(message) => {
            let id = message.id.to_string();
            effects.messages.push(message);
            Some(id)
        }
        Err(error) => {
            let place = "bounce";
            arrived.shared.bus.emit(Event::Trouble { place, error });
            None
        }
    }
}

/// The address that the sender wrote, where it is not the one that failed.
fn orcpt(report: &Report, recipient: &Mailbox) -> Option<Parameter> {
    let original = report.original_recipient.as_deref()?;
    if original.eq_ignore_ascii_case(&recipient.to_string()) {
        return None;
    }
    let address = Mailbox::parse(original).ok()?.to_string();
    Parameter::new("ORCPT", Some(&format!("rfc822;{}", encode_xtext(&address))))
}

/// What the report gives back of the message.
fn returned(arrived: &Arrived<'_>) -> Bytes {
    let message = &arrived.message;
    let parts = message.parts().iter().skip(1);
    let mut given_back = parts.filter(|part| {
        matches!(
            part.media_type(),
            "message/rfc822" | "message/global" | "text/rfc822-headers" | "message/global-headers"
        )
    });
    given_back
        .next()
        .and_then(|part| message.content(part.index()).ok())
        .unwrap_or_default()
}

/// What the translation advises, unless a plugin has seen to it.
fn suppress(arrived: &Arrived<'_>, news: &News<'_>, attempt: &Attempt, effects: &mut Effects) {
    let Some(translation) = &news.report().translation else {
        return;
    };
    let plugin = news.finding.plugin.as_deref().unwrap_or("relay");
    let reply = news.report().reply.as_ref().map(history::reply_text);
    let row = suppression::advised(
        attempt.account.as_deref(),
        &attempt.recipient,
        plugin,
        translation,
        &reply.unwrap_or_default(),
        arrived.now,
    );
    let Some(row) = row else { return };
    let list = &arrived.shared.suppressions;
    if list.look_up(row.account.as_deref(), &row.address).is_some() {
        return;
    }
    effects.events.push(suppression::added(&row));
    effects.operations.push(Operation::SuppressionPut(row));
}

/// The news as it is told of.
struct NewsEvent {
    notification: Option<String>,
    repeated: bool,
}

impl NewsEvent {
    fn of(&self, news: &News<'_>) -> Event {
        let report = news.report();
        Event::Report {
            message: news.token.map(|token| token.message.to_string()),
            account: news.known.and_then(|known| known.row.account.clone()),
            recipient: named(news),
            report: kind_name(report.kind).to_owned(),
            reply: report.reply.as_ref().map(history::reply_text),
            host: report.remote_host.clone(),
            feedback_type: report.feedback_type.clone(),
            translation: translation(news),
            notification: self.notification.clone(),
            repeated: self.repeated,
        }
    }

    fn step(&self, news: &News<'_>, now: Timestamp) -> Step {
        let report = news.report();
        Step::Report {
            at: now.as_millis(),
            report: kind_name(report.kind).to_owned(),
            recipient: named(news),
            reply: report.reply.as_ref().map(history::reply_text),
            host: report.remote_host.clone(),
            feedback_type: report.feedback_type.clone(),
            translation: translation(news),
            notification: self.notification.clone(),
        }
    }
}

/// Whom it is about; where that is not certain, whom it names.
fn named(news: &News<'_>) -> Option<String> {
    let report = news.report();
    let certain = news.recipient().map(Mailbox::to_string);
    certain
        .or_else(|| report.original_recipient.clone())
        .or_else(|| report.recipient.clone())
}

fn translation(news: &News<'_>) -> Option<crate::event::trace::Translation> {
    let translation = news.report().translation.as_ref()?;
    let plugin = news.finding.plugin.as_deref().unwrap_or_default();
    Some(history::translation(plugin, translation))
}
