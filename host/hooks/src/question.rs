//! What one plugin is asked, and what it may answer, in no particular version of the contract.

use std::borrow::Cow;

use baton_smtp::{Envelope, Mailbox, Recipient};

use crate::decision::{AuthVerdict, BounceVerdict, Verdict};
use crate::delivery::{Disposition, Report, Route, Stage, Translation};
use crate::facts::{Attempt, RemoteReply, Session};
use crate::hook::{Hook, HookSet};
use crate::services::{HttpRequest, HttpResponse};
use crate::trial::canary::Class;

/// One call of one hook.
#[derive(Clone, Copy)]
pub(crate) enum Question<'a> {
    Load,
    Connect {
        session: &'a Session,
    },
    Auth {
        session: &'a Session,
        mechanism: &'a str,
        identity: &'a str,
        secret: &'a str,
    },
    Mail {
        session: &'a Session,
        envelope: &'a Envelope,
    },
    Rcpt {
        session: &'a Session,
        envelope: &'a Envelope,
        recipient: &'a Recipient,
    },
    Data {
        session: &'a Session,
        envelope: &'a Envelope,
    },
    Copy {
        envelope: &'a Envelope,
        recipient: &'a Recipient,
    },
    Route {
        attempt: &'a Attempt,
    },
    Reply {
        attempt: &'a Attempt,
        stage: Stage,
        reply: &'a RemoteReply,
    },
    Delivered {
        attempt: &'a Attempt,
        reply: &'a RemoteReply,
    },
    Report,
    Bounce {
        attempt: &'a Attempt,
        report: &'a Report,
    },
    Feedback {
        report: &'a Report,
        attempt: Option<&'a Attempt>,
    },
    Request {
        request: &'a HttpRequest,
    },
}

impl Question<'_> {
    pub fn hook(&self) -> Hook {
        match self {
            Question::Load => Hook::Load,
            Question::Connect { .. } => Hook::Connect,
            Question::Auth { .. } => Hook::Auth,
            Question::Mail { .. } => Hook::Mail,
            Question::Rcpt { .. } => Hook::Rcpt,
            Question::Data { .. } => Hook::Data,
            Question::Copy { .. } => Hook::Copy,
            Question::Route { .. } => Hook::Route,
            Question::Reply { .. } => Hook::Reply,
            Question::Delivered { .. } => Hook::Delivered,
            Question::Report => Hook::Report,
            Question::Bounce { .. } => Hook::Bounce,
            Question::Feedback { .. } => Hook::Feedback,
            Question::Request { .. } => Hook::Request,
        }
    }
}

/// What a plugin said, checked: every reply can be written, every address and next hop is one.
#[derive(Debug)]
pub(crate) enum Answer {
    /// Hooks the configuration has a use for; none if all.
    Wanted(Option<HookSet>),
    Verdict(Verdict),
    Hold(String),
    Rewrite(Vec<Mailbox>),
    Auth(AuthVerdict),
    Route(Option<Route>),
    Translation(Option<Translation>),
    Reports(Vec<Report>),
    Bounce(BounceVerdict),
    Response(HttpResponse),
    Done,
}

impl Answer {
    /// What it is counted as.
    pub fn class(&self) -> Class {
        match self {
            Answer::Wanted(_)
            | Answer::Verdict(Verdict::Pass)
            | Answer::Auth(AuthVerdict::Pass)
            | Answer::Route(None)
            | Answer::Translation(None)
            | Answer::Bounce(BounceVerdict::Notify)
            | Answer::Done => Class::Next,
            Answer::Reports(reports) if reports.is_empty() => Class::Next,
            Answer::Verdict(Verdict::Accept) | Answer::Auth(AuthVerdict::Allow(_)) => Class::Accept,
            Answer::Verdict(Verdict::Reject(_) | Verdict::Disconnect(_))
            | Answer::Auth(AuthVerdict::Deny) => Class::Reject,
            Answer::Verdict(Verdict::Defer(_)) | Answer::Auth(AuthVerdict::Defer) => Class::Defer,
            Answer::Verdict(Verdict::Discard) => Class::Discard,
            Answer::Hold(_) => Class::Hold,
            Answer::Translation(Some(found)) => match found.disposition {
                Disposition::Hard => Class::Hard,
                Disposition::Block => Class::Block,
                Disposition::Soft | Disposition::Admin | Disposition::Undetermined => Class::Act,
            },
            Answer::Bounce(BounceVerdict::Silent) => Class::Silent,
            Answer::Response(response) if response.status >= 400 => Class::Silent,
            Answer::Rewrite(_)
            | Answer::Route(Some(_))
            | Answer::Reports(_)
            | Answer::Response(_) => Class::Act,
        }
    }

    /// Everything that was said, on as few lines as possible: what two versions are compared by.
    pub fn detail(&self) -> String {
        match self {
            Answer::Reports(reports) => {
                let mut text = self.describe().into_owned();
                for report in reports {
                    text.push_str(&format!("\n{report:?}"));
                }
                text
            }
            Answer::Translation(Some(found)) => {
                format!(
                    "{} scope {} confidence {} {:?}: {}",
                    self.describe(),
                    found.scope.name(),
                    found.confidence,
                    found.advice,
                    found.explanation
                )
            }
            Answer::Response(response) => {
                let mut text = self.describe().into_owned();
                for (name, value) in &response.headers {
                    text.push_str(&format!("\n{name}: {value}"));
                }
                text.push_str(&format!(
                    "\n{} bytes {}",
                    response.body.len(),
                    crate::load::digest(&response.body)
                ));
                text
            }
            _ => self.describe().into_owned(),
        }
    }

    /// For the trace.
    pub fn describe(&self) -> Cow<'static, str> {
        match self {
            Answer::Wanted(None) => "wants all".into(),
            Answer::Wanted(Some(hooks)) => {
                let names: Vec<&str> = hooks.iter().map(Hook::name).collect();
                format!("wants {}", names.join(" ")).into()
            }
            Answer::Verdict(Verdict::Pass) => "next".into(),
            Answer::Verdict(Verdict::Accept) => "accept".into(),
            Answer::Verdict(verdict) => verdict.to_string().into(),
            Answer::Hold(why) => format!("hold {why}").into(),
            Answer::Rewrite(to) => {
                let to: Vec<String> = to.iter().map(Mailbox::to_string).collect();
                format!("rewrite {}", to.join(" ")).into()
            }
            Answer::Auth(AuthVerdict::Pass) | Answer::Route(None) => "next".into(),
            Answer::Auth(AuthVerdict::Allow(account)) => format!("allow {account}").into(),
            Answer::Auth(AuthVerdict::Deny) => "deny".into(),
            Answer::Auth(AuthVerdict::Defer) => "defer".into(),
            Answer::Route(Some(route)) => describe_route(route).into(),
            Answer::Translation(None) => "next".into(),
            Answer::Translation(Some(t)) => format!(
                "{} {} {} ({})",
                t.disposition.name(),
                t.reason,
                t.advice.name(),
                t.rule
            )
            .into(),
            Answer::Reports(reports) => format!("{} reports", reports.len()).into(),
            Answer::Bounce(BounceVerdict::Notify) => "notify".into(),
            Answer::Bounce(BounceVerdict::Silent) => "silent".into(),
            Answer::Response(response) => format!("status {}", response.status).into(),
            Answer::Done => "done".into(),
        }
    }
}

fn describe_route(route: &Route) -> String {
    let mut text = String::from("route");
    let mut say = |what: &str, value: Option<String>| {
        if let Some(value) = value {
            text.push_str(what);
            text.push_str(&value);
        }
    };
    say(" ", route.next_hop.as_ref().map(ToString::to_string));
    say(" port ", route.port.map(|port| port.to_string()));
    say(" egress ", route.egress_pool.clone());
    say(" queue ", route.queue.clone());
    say(
        " priority ",
        route.priority.map(|priority| priority.to_string()),
    );
    say(
        " tls ",
        route.tls.map(|tls| format!("{tls:?}").to_lowercase()),
    );
    text
}
