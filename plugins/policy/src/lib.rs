//! Who really sent this, and may they: who may send, as whom, to whom, how much and what. Without configuration it refuses
//! nobody.
//!
//! This file holds the hooks. [`settings`] is what the operator wrote, [`who`] the one key that stands for a sender, [`action`] what
//! is done about a finding and how it explains itself. The rules: [`rate`], [`envelope`] (blocked ones, traps), [`lists`],
//! [`author`] with [`from`], [`brand`] with [`punycode`], [`authentication`], [`attachment`] with [`zip`], [`content`],
//! [`scanner`]. [`reputation`] remembers what came of it, and [`outcome`] reads it out of what remotes say. [`wanted`] says which hooks the rules
//! that are on need at all.

use baton_sdk::prelude::*;

baton_sdk::golden!("golden");

mod action;
mod attachment;
mod authentication;
mod author;
mod brand;
mod content;
mod envelope;
mod from;
mod lists;
mod matcher;
mod outcome;
mod punycode;
mod rate;
mod reputation;
mod scanner;
mod settings;
mod wanted;
mod who;
mod zip;

#[cfg(test)]
mod tests;

use action::{Action, Finding, in_words, plain};
use rate::Count;
use reputation::{Charge, Standing};
use settings::Settings;
use who::Who;

struct Policy {
    settings: Settings,
}

#[baton_sdk::plugin]
impl Plugin for Policy {
    fn new() -> Result<Self> {
        Ok(Self {
            settings: Settings::read()?,
        })
    }

    fn on_load(&mut self) -> Result<Option<Vec<Hook>>> {
        wanted::hooks(&self.settings).map(Some)
    }

    fn on_connect(&mut self, session: &Session) -> Result<Decision> {
        let finding = envelope::blocked_client(&self.settings, session)?;
        // The greeting itself refuses: who may not send need not try.
        Ok(
            match finding.map(|finding| finding.decide(&Who::of(session))) {
                Some(Decision::Reject(reply)) => {
                    Decision::Disconnect(Reply::new(554, reply.status, reply.text))
                }
                _ => Decision::Next,
            },
        )
    }

    fn on_auth(
        &mut self,
        session: &Session,
        _mechanism: &str,
        identity: &str,
        _secret: &str,
    ) -> Result<AuthDecision> {
        // Who guesses passwords is told nothing more than who mistypes one.
        let login = Session {
            account: Some(identity.to_lowercase()),
            ..session.clone()
        };
        let who = Who::of(session);
        let exceeded = self.over_rate(Count::Logins, &who, &login, None, None, 1)?;
        Ok(match exceeded {
            Some(finding) => {
                finding.decide(&who);
                AuthDecision::Deny
            }
            None => AuthDecision::Next,
        })
    }

    fn on_mail(&mut self, session: &Session, envelope: &Envelope) -> Result<Decision> {
        let who = Who::of(session);
        let sender = envelope.sender.as_ref();
        let mut verdict = Verdict::default();
        verdict.add_all(envelope::sender(&self.settings, session, sender)?, &who);
        verdict.add_all(author::sender(&self.settings, session, sender), &who);
        if verdict.is_open() {
            verdict.add_all(
                lists::at_mail(&self.settings.block_lists, session, sender)?,
                &who,
            );
        }
        if verdict.is_open() {
            // A shared host is judged by its scripts, which are not known yet.
            let is_shared = self.settings.shared_hosts.include(session);
            verdict.add_all(self.standing(session, &who, is_shared)?, &who);
        }
        if verdict.is_open() {
            let over = self.over_rate(Count::Messages, &who, session, sender, None, 1)?;
            verdict.add_all(over, &who);
        }
        self.settle(&who, verdict)
    }

    fn on_rcpt(
        &mut self,
        session: &Session,
        envelope: &Envelope,
        recipient: &Recipient,
    ) -> Result<RecipientDecision> {
        let who = Who::of(session);
        let address = &recipient.address;
        let mut verdict = Verdict::default();
        verdict.add_all(envelope::blocked_recipient(&self.settings, address)?, &who);
        if verdict.is_open()
            && let Some(finding) = envelope::trap(&self.settings, address)?
        {
            verdict.add_all(Some(finding), &who);
            self.charge_trap(session, &who, address)?;
        }
        if verdict.is_open() {
            let sender = envelope.sender.as_ref();
            let over =
                self.over_rate(Count::Recipients, &who, session, sender, Some(address), 1)?;
            verdict.add_all(over, &who);
        }
        Ok(self.settle(&who, verdict)?.into())
    }

    fn on_data(&mut self, session: &Session, envelope: &Envelope) -> Result<Decision> {
        let mut who = Who::of(session);
        self.settings.shared_hosts.identify(session, &mut who);
        let mut verdict = Verdict::default();
        if who.script.is_some() {
            self.charge_noted_traps(&who)?;
            verdict.add_all(self.standing(session, &who, false)?, &who);
        }
        if verdict.is_open() {
            verdict.add_all(self.over_key_rates(&who, session, envelope)?, &who);
        }
        if verdict.is_open() {
            self.judge_message(session, envelope, &who, &mut verdict)?;
        }
        if verdict.is_open()
            && let Some(reputation) = &self.settings.reputation
        {
            reputation.count(&who)?;
            who.note();
        }
        self.settle(&who, verdict)
    }

    fn on_reply(
        &mut self,
        attempt: &Attempt,
        _stage: Stage,
        reply: &Reply,
    ) -> Result<Option<Translation>> {
        if let Some(reputation) = &self.settings.reputation {
            outcome::of_reply(reputation, attempt, reply)?;
        }
        Ok(None)
    }

    fn on_bounce(&mut self, attempt: &Attempt, report: &Report) -> Result<BounceDecision> {
        if let Some(reputation) = &self.settings.reputation {
            outcome::of_bounce(reputation, attempt, report)?;
        }
        Ok(BounceDecision::Notify)
    }

    fn on_feedback(&mut self, report: &Report, attempt: Option<&Attempt>) -> Result<()> {
        match &self.settings.reputation {
            Some(reputation) => outcome::of_complaint(reputation, report, attempt),
            None => Ok(()),
        }
    }
}

/// What the rules of one hook came to.
#[derive(Default)]
struct Verdict {
    decision: Option<Decision>,
    slows: bool,
    is_abuse: bool,
}

impl Verdict {
    /// Whether the mail may still go on.
    fn is_open(&self) -> bool {
        matches!(self.decision, None | Some(Decision::Hold(_)))
    }

    /// The first refusal ends it; all before it are told.
    fn add_all(&mut self, findings: impl IntoIterator<Item = Finding>, who: &Who) {
        for finding in findings {
            if !self.is_open() {
                return;
            }
            self.slows |= finding.action == Action::Slow;
            self.is_abuse |= finding.is_abuse && finding.action == Action::Reject;
            match finding.decide(who) {
                Decision::Next => {}
                decision => self.decision = Some(decision),
            }
        }
    }
}

impl Policy {
    /// What the verdict leaves behind, and the decision.
    fn settle(&self, who: &Who, verdict: Verdict) -> Result<Decision> {
        if let Some(reputation) = &self.settings.reputation {
            if verdict.is_abuse {
                reputation.charge(who, Charge::Refused, "")?;
            }
            if verdict.slows {
                reputation.slow(who)?;
            }
        }
        Ok(verdict.decision.unwrap_or(Decision::Next))
    }

    /// Author, impersonation, results of the sender's domain, attachments, links, content, and the scanner last.
    fn judge_message(
        &self,
        session: &Session,
        envelope: &Envelope,
        who: &Who,
        verdict: &mut Verdict,
    ) -> Result<()> {
        let settings = &self.settings;
        if author::is_asked(settings, session) {
            let fields = from::fields(&header_section()?);
            verdict.add_all(author::fields(settings, session, &fields), who);
            if verdict.is_open() {
                verdict.add_all(author::pretences(settings, session, envelope, &fields), who);
            }
        }
        if verdict.is_open() {
            verdict.add_all(authentication::findings(settings, session), who);
        }
        if verdict.is_open() {
            verdict.add_all(settings.attachments.finding(), who);
        }
        if verdict.is_open() {
            verdict.add_all(lists::at_data(&settings.block_lists)?, who);
        }
        if verdict.is_open() {
            verdict.add_all(settings.content.finding(), who);
        }
        if verdict.is_open()
            && let Some(scanner) = &settings.scanner
        {
            verdict.add_all(scanner.finding(session, envelope)?, who);
        }
        Ok(())
    }

    /// What the sender's reputation allows. `stops_only`: how fast it may send is asked elsewhere.
    fn standing(&self, session: &Session, who: &Who, is_shared: bool) -> Result<Option<Finding>> {
        let Some(reputation) = &self.settings.reputation else {
            return Ok(None);
        };
        if self.is_exempt(session) || is_shared {
            return Ok(None);
        }
        let standing = reputation.standing(who)?;
        let limit = reputation.slow_limit();
        match standing {
            Standing::Good => Ok(None),
            Standing::Stopped(value, _) => {
                let text = format!("Sending by {} is {standing}", who.words());
                let finding = Finding::new("reputation", reputation.stop(), text);
                Ok(Some(finding.with("reputation", format!("{value:.0}"))))
            }
            Standing::Slowed(value) => {
                let bucket = format!("slow.{limit}.{}", who.key());
                if kv::take(
                    &bucket,
                    1.0,
                    limit.per_second(),
                    limit.number().min(SLOW_BURST),
                )? {
                    return Ok(None);
                }
                let text = format!(
                    "Sending by {} is {standing} to {limit}, since some of its mail was refused or complained about; try again in {}",
                    who.words(),
                    in_words(1.0 / limit.per_second())
                );
                let finding = Finding::new("reputation", Action::Defer, text);
                Ok(Some(
                    finding
                        .with("reputation", format!("{value:.0}"))
                        .with("limit", limit.to_string()),
                ))
            }
        }
    }

    /// The first rate of that kind that has no token left.
    fn over_rate(
        &self,
        count: Count,
        who: &Who,
        session: &Session,
        sender: Option<&Mailbox>,
        recipient: Option<&Mailbox>,
        tokens: usize,
    ) -> Result<Option<Finding>> {
        if self.settings.rates.is_empty() || self.is_exempt(session) {
            return Ok(None);
        }
        // The one key is known when the message is; see `over_key_rates`.
        let wanted = |rate: &&rate::Rate| rate.count == count && rate.per != rate::Key::Key;
        for rate in self.settings.rates.iter().filter(wanted) {
            let key = rate.per.of(who, session, sender, recipient);
            if let Some(exceeded) = rate.take(key, tokens)? {
                let text = format!("{} {}", rate.per.word(), plain(&exceeded.key));
                return Ok(Some(over(count, rate, &exceeded, &text)));
            }
        }
        Ok(None)
    }

    fn over_key_rates(
        &self,
        who: &Who,
        session: &Session,
        envelope: &Envelope,
    ) -> Result<Option<Finding>> {
        if self.is_exempt(session) {
            return Ok(None);
        }
        let rates = self.settings.rates.iter();
        for rate in rates.filter(|rate| rate.per == rate::Key::Key) {
            let tokens = match rate.count {
                Count::Recipients => envelope.recipients.len(),
                _ => 1,
            };
            let key = rate.per.of(who, session, None, None);
            if let Some(exceeded) = rate.take(key, tokens)? {
                return Ok(Some(over(rate.count, rate, &exceeded, &who.words())));
            }
        }
        Ok(None)
    }

    fn charge_trap(&self, session: &Session, who: &Who, address: &Mailbox) -> Result<()> {
        let Some(reputation) = &self.settings.reputation else {
            return Ok(());
        };
        if self.settings.shared_hosts.include(session) {
            // The script is known when the message is.
            let count = context::tag(TRAPS_TAG).and_then(|count| count.parse::<u32>().ok());
            context::set_tag(TRAPS_TAG, &(count.unwrap_or(0) + 1).to_string());
            return Ok(());
        }
        reputation.charge(who, Charge::Trap, &address.to_string())
    }

    fn charge_noted_traps(&self, who: &Who) -> Result<()> {
        let count = context::tag(TRAPS_TAG).and_then(|count| count.parse::<u32>().ok());
        if let (Some(reputation), Some(count)) = (&self.settings.reputation, count) {
            for _ in 0..count.min(TRAPS_MAX) {
                reputation.charge(who, Charge::Trap, "a trap among the recipients")?;
            }
            context::set_tag(TRAPS_TAG, "0");
        }
        Ok(())
    }

    fn is_exempt(&self, session: &Session) -> bool {
        let is_account = |account: &String| session.account.as_ref() == Some(account);
        self.settings.exempt_accounts.iter().any(is_account)
            || matcher::within(&self.settings.exempt_ips, &session.peer_ip)
    }
}

/// Messages at once after a rest, for who is slowed down.
const SLOW_BURST: f64 = 5.0;
/// How many traps a transaction from a shared host has met.
const TRAPS_TAG: &str = "policy.traps";
/// Traps of one transaction that are charged.
const TRAPS_MAX: u32 = 10;

fn over(count: Count, rate: &rate::Rate, exceeded: &rate::Exceeded, whose: &str) -> Finding {
    let text = format!(
        "Too many {} for {whose}: {} are allowed; try again in {}",
        count.word(),
        exceeded.limit,
        in_words(exceeded.seconds)
    );
    Finding::new("rate", Action::Defer, text)
        .with("kind", rate.per.word())
        .with("of", exceeded.key.clone())
        .with("count", count.word())
        .with("limit", exceeded.limit.clone())
        .with("seconds", format!("{:.0}", exceeded.seconds))
}

/// The message's header section, or as much of it as any needs. The body stays outside.
fn header_section() -> Result<Vec<u8>> {
    const STEP_BYTES: u32 = 4 * 1024;
    const HEADER_BYTES_MAX: usize = 256 * 1024;
    let mut header = Vec::new();
    while header.len() < HEADER_BYTES_MAX {
        let piece = message::raw_range(header.len() as u32, STEP_BYTES)?;
        if piece.is_empty() {
            break;
        }
        let from = header.len().saturating_sub(3);
        header.extend(piece);
        let end = header[from..]
            .windows(4)
            .position(|window| window == b"\r\n\r\n");
        if let Some(end) = end {
            header.truncate(from + end + 2);
            break;
        }
    }
    Ok(header)
}
