//! One SMTP reply, or the words of one failed recipient in a bounce, into the vocabulary.
//!
//! The words, the status and the code are all witnesses: every rule that holds names a reason with a score, the status
//! adds what it speaks for, and the best sum wins. Whether the failure is hard follows from the reason and from whether
//! the reply was permanent, never from the code alone.

use crate::duration;
use crate::normal::{self, Status};
use crate::reason::{Advice, Disposition, Reason, Scope};
use crate::source::STAGES;
use crate::table::{Candidate, Facts, Found, Table};

static RULES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/rules.table"));

/// A reply and what is known around it. Everything but the text may be missing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reply<'a> {
    pub code: Option<u16>,
    pub status: Option<&'a str>,
    pub text: &'a str,
    pub stage: Option<&'a str>,
    pub host: Option<&'a str>,
    pub domain: Option<&'a str>,
}

/// What an ISP's words mean.
#[derive(Clone, Debug, PartialEq)]
pub struct Translation {
    pub disposition: Disposition,
    pub reason: Reason,
    pub scope: Scope,
    pub advice: Advice,
    pub explanation: String,
    /// 0 to 1.
    pub confidence: f64,
    pub rule: String,
    /// Id of the provider whose reply it is, where recognised.
    pub provider: Option<String>,
}

/// The rules: those of the plugin, and those that the configuration adds.
pub struct Translator<'a> {
    builtin: Table<'static>,
    extra: Option<Table<'a>>,
    disabled: &'a [String],
}

impl Default for Translator<'_> {
    fn default() -> Self {
        Translator::new(None)
    }
}

/// Score below which only code or status spoke.
const WORDS_SCORE_MIN: i16 = 30;
/// So far a relay may name the host before it quotes it.
const HOST_SAID_BYTES_MAX: usize = 200;
/// A second opinion within this distance lowers the confidence.
const CLOSE_SCORE: i16 = 8;

impl<'a> Translator<'a> {
    /// With the rules of the plugin, and a compiled table of more that are asked first.
    pub fn new(extra: Option<Table<'a>>) -> Translator<'a> {
        let builtin =
            Table::new(RULES).unwrap_or_else(|| unreachable!("the table is made by the build"));
        Translator {
            builtin,
            extra,
            disabled: &[],
        }
    }

    /// Leaves rules out, by id.
    pub fn without(self, disabled: &'a [String]) -> Translator<'a> {
        Translator { disabled, ..self }
    }

    /// The names of the providers that conditions of added rules may use.
    pub fn provider_names(&self) -> Vec<String> {
        self.builtin.provider_names().map(str::to_string).collect()
    }

    /// What a reply means. Some for every reply: in the worst case the reason is `unknown`.
    pub fn translate(&self, reply: &Reply<'_>) -> Translation {
        let said = what_was_said(reply.text);
        let normal = normal::normalise(said);
        let code = reply
            .code
            .filter(|c| *c != 0)
            .or(normal.codes.first().copied())
            .unwrap_or(0);
        let mut statuses: Vec<[u16; 3]> = Vec::with_capacity(4);
        let given = reply.status.and_then(Status::parse);
        for status in given.into_iter().chain(normal.statuses.iter().copied()) {
            let fields = [status.class, status.subject, status.detail];
            if !statuses.contains(&fields) && statuses.len() < 4 {
                statuses.push(fields);
            }
        }
        let stage = reply
            .stage
            .and_then(|s| STAGES.iter().position(|known| *known == s));
        let transient = match (code, statuses.first()) {
            (400..=499, _) => true,
            (500..=599, _) => false,
            (_, Some(status)) => status[0] == 4,
            (_, None) => reply.code == Some(0),
        };
        let unstated = code == 0 && statuses.is_empty();
        // A status without a code decides as a code of its class would.
        let code = if code == 0 {
            statuses.first().map_or(0, |s| s[0] * 100 + 50)
        } else {
            code
        };
        let host = reply.host.and_then(|h| self.builtin.provider_of_host(h));
        let guess = || {
            let of = |name: &str| self.builtin.provider_of_host(name);
            let mut named = normal.hosts.iter();
            let named = || named.find_map(|(at, length)| of(said.get(*at..at + length)?));
            reply.domain.and_then(of).or_else(named)
        };
        let facts = Facts {
            code,
            statuses: &statuses,
            stage,
            guess: host.or_else(guess),
        };
        let mut found = self.builtin.search(&normal, &facts, host);
        if !self.disabled.is_empty() {
            found.candidates.retain(|c| {
                !self
                    .disabled
                    .iter()
                    .any(|id| id == self.builtin.rule_id(c.rule))
            });
        }
        let provider = found
            .provider
            .map(|p| self.builtin.provider_name(p).to_string());
        let mut list = found.list.map(|list| self.builtin.list_name(list));
        if let Some(extra) = &self.extra {
            // The providers that the configuration adds, else one of the plugin's by its name.
            let named = [reply.host, reply.domain];
            let own = named.into_iter().flatten();
            let own = own.filter_map(|name| extra.provider_of_host(name)).next();
            let same = || {
                let mut names = extra.provider_names();
                let place = names.position(|name| Some(name) == provider.as_deref());
                place.map(|place| place as u16)
            };
            let facts = Facts {
                guess: None,
                ..facts
            };
            let more = extra.search(&normal, &facts, own.or_else(same));
            list = more.list.map(|list| extra.list_name(list)).or(list);
            if let Some(best) = self.best(&more, &statuses) {
                let provider = more.provider.map(|p| extra.provider_name(p).to_string());
                return word(extra, list, best, provider, (transient, unstated), reply);
            }
        }
        match self.best(&found, &statuses) {
            Some(best) => word(
                &self.builtin,
                list,
                best,
                provider,
                (transient, unstated),
                reply,
            ),
            None => unknown(transient, provider),
        }
    }

    /// The candidate with the greatest sum, its sum, and the sum of the best with another reason.
    fn best(&self, found: &Found, statuses: &[[u16; 3]]) -> Option<(Candidate, i16, i16)> {
        let mut priors: Vec<(Reason, i16)> = Vec::new();
        for status in statuses {
            self.builtin
                .priors(*status, |reason, points| priors.push((reason, points)));
        }
        let sum = |candidate: &Candidate| {
            let points = priors
                .iter()
                .filter(|(r, _)| *r == candidate.reason)
                .map(|(_, p)| *p)
                .max()
                .unwrap_or(0);
            candidate.score + points
        };
        let mut best: Option<(Candidate, i16)> = None;
        for candidate in &found.candidates {
            let sum = sum(candidate);
            if best.is_none_or(|(_, other)| sum > other) {
                best = Some((*candidate, sum));
            }
        }
        let (best, score) = best?;
        let second = found
            .candidates
            .iter()
            .filter(|c| c.reason != best.reason)
            .map(sum)
            .max()
            .unwrap_or(0);
        Some((best, score, second))
    }
}

/// A rule that won, as a translation. `list` is the block list that the text names.
fn word(
    table: &Table<'_>,
    list: Option<&str>,
    (best, score, second): (Candidate, i16, i16),
    provider: Option<String>,
    (transient, unstated): (bool, bool),
    reply: &Reply<'_>,
) -> Translation {
    let meaning = best.reason.meaning();
    let (disposition, scope, kind, seconds) = table.rule_effects(best.rule);
    let mut disposition = match disposition {
        0 => Disposition::Hard,
        1 => Disposition::Soft,
        2 => Disposition::Block,
        3 => Disposition::Admin,
        4 => Disposition::Undetermined,
        _ => meaning.permanent,
    };
    // Without a reply only the words tell: "no such domain" is final, "connection refused" is not.
    let transient = transient && !(unstated && disposition == Disposition::Hard);
    if transient && disposition == Disposition::Hard {
        disposition = Disposition::Soft;
    }
    let scope = match scope {
        0 => Scope::Recipient,
        1 => Scope::Domain,
        2 => Scope::Sender,
        3 => Scope::Egress,
        4 => Scope::Content,
        5 => Scope::Connection,
        _ => meaning.scope,
    };
    let mut advice = match kind {
        0 => Advice::None,
        1 => Advice::Suppress,
        2 => Advice::Retry((seconds != 0).then_some(seconds)),
        3 => Advice::BackOff(seconds),
        4 => Advice::Suspend(seconds),
        5 => Advice::RotateEgress,
        _ if transient => meaning.transient,
        _ => meaning.advice,
    };
    let waits = matches!(
        advice,
        Advice::Retry(_) | Advice::BackOff(_) | Advice::Suspend(_)
    );
    if waits && let Some(stated) = duration::stated(reply.text) {
        advice = match advice {
            Advice::Retry(_) => Advice::Retry(Some(stated)),
            Advice::BackOff(_) => Advice::BackOff(stated),
            Advice::Suspend(_) => Advice::Suspend(stated),
            other => other,
        };
    }
    let mut explanation = table
        .rule_explanation(best.rule)
        .unwrap_or(meaning.explanation)
        .to_string();
    if best.reason == Reason::Blocklisted
        && let Some(list) = list
    {
        explanation = format!(
            "The sending address or domain is on the block list {list}; find the cause, then ask the list to remove it.",
        );
    }
    let certainty = f64::from(score.clamp(0, 110)) / 115.0;
    let doubt = if score - second < CLOSE_SCORE {
        0.8
    } else {
        1.0
    };
    let weak = if score < WORDS_SCORE_MIN { 0.6 } else { 1.0 };
    let confidence = (certainty * doubt * weak * 100.0).round() / 100.0;
    Translation {
        disposition,
        reason: best.reason,
        scope,
        advice,
        explanation,
        confidence,
        rule: table.rule_id(best.rule).to_string(),
        provider,
    }
}

/// The remote host's own words, where a relay reports them as "host mx.example[192.0.2.1] said: ...".
fn what_was_said(text: &str) -> &str {
    let start = text.get(..HOST_SAID_BYTES_MAX).unwrap_or(text);
    let is_report = start.trim_start().starts_with("host ");
    match start.find(" said:").filter(|_| is_report) {
        Some(at) if !text[at + 6..].trim().is_empty() => &text[at + 6..],
        _ => text,
    }
}

fn unknown(transient: bool, provider: Option<String>) -> Translation {
    let meaning = Reason::Unknown.meaning();
    Translation {
        disposition: if transient {
            Disposition::Soft
        } else {
            meaning.permanent
        },
        reason: Reason::Unknown,
        scope: meaning.scope,
        advice: if transient {
            meaning.transient
        } else {
            meaning.advice
        },
        explanation: meaning.explanation.to_string(),
        confidence: 0.1,
        rule: "fallback".to_string(),
        provider,
    }
}
