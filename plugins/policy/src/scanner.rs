//! An external scanner that speaks rspamd's protocol: the message is posted as it came to `/checkv2`, and the answer is JSON with
//! an action, a score and symbols.

use std::collections::BTreeMap;
use std::time::Duration;

use baton_sdk::prelude::*;
use baton_sdk::serde_json;

use crate::action::{Action, Finding};

/// `[plugins.policy.scanner]`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Scanner {
    /// Such as "http://127.0.0.1:11333/checkv2". Its host and port need a grant.
    url: String,
    #[serde(default = "timeout_ms")]
    timeout_ms: u32,
    /// Name of the granted secret that goes into the Password field.
    #[serde(default)]
    password_secret: Option<String>,
    /// Larger messages are not scanned.
    #[serde(default = "bytes_max")]
    bytes_max: u32,
    /// What is done where there is no answer: `tag` or `defer`.
    #[serde(default = "defer")]
    on_error: Action,
    /// The scanner's "reject".
    #[serde(default = "reject")]
    reject: Action,
    /// Its "soft reject" and "greylist".
    #[serde(default = "defer")]
    soft_reject: Action,
    /// Its "add header" and "rewrite subject".
    #[serde(default = "tag")]
    add_header: Action,
    /// How much of its score is added to the relay's: times this.
    #[serde(default)]
    weight: f64,
}

fn timeout_ms() -> u32 {
    8_000
}

fn bytes_max() -> u32 {
    10 << 20
}

fn defer() -> Action {
    Action::Defer
}

fn reject() -> Action {
    Action::Reject
}

fn tag() -> Action {
    Action::Tag
}

/// What is read of an answer.
#[derive(Debug, Deserialize)]
struct Verdict {
    action: String,
    score: f64,
    #[serde(default)]
    required_score: f64,
    #[serde(default)]
    symbols: BTreeMap<String, Symbol>,
}

#[derive(Debug, Deserialize)]
struct Symbol {
    #[serde(default)]
    score: f64,
}

/// Symbols that an event names.
const SYMBOLS_MAX: usize = 20;
/// The tag with the score and its limit.
const SCORE_TAG: &str = "policy.scanner";

impl Scanner {
    /// What is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        if !self.url.starts_with("http://") && !self.url.starts_with("https://") {
            return Err(format!(
                "url: `{}` is no http:// or https:// address",
                self.url
            ));
        }
        if !(1..=30_000).contains(&self.timeout_ms) {
            return Err("timeout-ms: 1 to 30000 is wanted".to_owned());
        }
        if !matches!(self.on_error, Action::Tag | Action::Defer | Action::Hold) {
            return Err("on-error: tag, hold or defer is wanted".to_owned());
        }
        if !self.weight.is_finite() {
            return Err("weight: a number is wanted".to_owned());
        }
        Ok(())
    }

    /// Asks the scanner about the message.
    pub fn finding(&self, session: &Session, envelope: &Envelope) -> Result<Option<Finding>> {
        if message::size() > self.bytes_max {
            return Ok(None);
        }
        let answer = self.ask(session, envelope)?;
        let verdict = match answer {
            Ok(verdict) => verdict,
            Err(why) => {
                let text = "The message could not be checked now; try again later";
                let finding = Finding::new("scanner-error", self.on_error, text);
                return Ok(Some(finding.status("3.0").with("why", why)));
            }
        };
        let score = format!("{:.2}/{:.2}", verdict.score, verdict.required_score);
        context::set_tag(SCORE_TAG, &score);
        if self.weight != 0.0 && verdict.score.is_finite() {
            context::add_score("scanner", verdict.score * self.weight, &score);
        }
        let action = match verdict.action.as_str() {
            "reject" => self.reject,
            "soft reject" | "greylist" => self.soft_reject,
            "add header" | "rewrite subject" => self.add_header,
            _ => return Ok(None),
        };
        let text = match action {
            Action::Defer => "The message was not accepted yet; try again in some minutes",
            _ => "The message was recognised as spam; ask your postmaster if it is none",
        };
        let mut finding = Finding::new("scanner", action, text)
            .with("action", verdict.action)
            .with("score", format!("{:.2}", verdict.score))
            .with("required", format!("{:.2}", verdict.required_score))
            .with("symbols", weightiest(&verdict.symbols));
        finding.is_abuse = action == Action::Reject;
        Ok(Some(finding))
    }

    /// The inner error is the scanner's or the network's, in words for the operator.
    fn ask(&self, session: &Session, envelope: &Envelope) -> Result<Result<Verdict, String>> {
        let request = self.request(session, envelope)?;
        let timeout = Duration::from_millis(u64::from(self.timeout_ms));
        let response = match request.send_message(timeout) {
            Ok(response) => response,
            Err(http::Error::NotGranted) => {
                bail!(
                    "the scanner at {} is not granted: name its host and port in http of [plugins.policy.grants]",
                    self.url
                )
            }
            Err(error) => return Ok(Err(format!("{error:?}"))),
        };
        if response.status != 200 {
            return Ok(Err(format!("status {}", response.status)));
        }
        Ok(serde_json::from_slice(&response.body).map_err(|error| error.to_string()))
    }

    fn request(&self, session: &Session, envelope: &Envelope) -> Result<Request> {
        let sender = envelope.sender.as_ref().map(ToString::to_string);
        let mut request = Request::post(&self.url, Vec::new())
            .with_header("Content-Type", "message/rfc822")
            .with_header("From", clean(&sender.unwrap_or_default()))
            .with_header("IP", clean(&session.peer_ip))
            .with_header("Queue-Id", clean(&message::id()));
        for recipient in &envelope.recipients {
            request = request.with_header("Rcpt", clean(&recipient.address.to_string()));
        }
        for (name, value) in [
            ("Helo", &session.helo),
            ("Hostname", &session.peer_name),
            ("User", &session.account),
        ] {
            if let Some(value) = value {
                request = request.with_header(name, clean(value));
            }
        }
        if let Some(name) = &self.password_secret {
            request = request.with_header("Password", config::secret(name)?);
        }
        Ok(request)
    }
}

/// What a field of a request may carry.
fn clean(text: &str) -> String {
    let shown = |c: char| if (' '..='~').contains(&c) { c } else { '?' };
    text.chars().map(shown).collect()
}

fn weightiest(symbols: &BTreeMap<String, Symbol>) -> String {
    let mut symbols: Vec<(&String, f64)> = symbols
        .iter()
        .map(|(name, symbol)| (name, symbol.score))
        .collect();
    symbols.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    symbols.truncate(SYMBOLS_MAX);
    let words = symbols
        .iter()
        .map(|(name, score)| format!("{name}={score:.1}"));
    words.collect::<Vec<_>>().join(" ")
}
