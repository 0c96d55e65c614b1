//! Who is written to no more, and who is again: what bounces, complaints and deliveries mean for an account's suppression
//! list, and how a client learns of it.
//!
//! The list is the relay's, since it holds for mail that waits already, and must be true after a power cut. This plugin
//! reads it by `context.property("suppressed:ADDRESS")` and changes it by events (`suppress`, `unsuppress`), which the relay
//! takes from plugins that its configuration names.

mod listed;
mod settings;
#[cfg(test)]
mod tests;

use baton_sdk::prelude::*;

use listed::Listed;
use settings::Settings;

baton_sdk::golden!("golden");

/// The plugin.
pub struct Suppression {
    settings: Settings,
}

#[baton_sdk::plugin]
impl Plugin for Suppression {
    fn new() -> Result<Self> {
        Ok(Suppression {
            settings: Settings::read()?,
        })
    }

    fn on_load(&mut self) -> Result<Option<Vec<Hook>>> {
        let settings = &self.settings;
        let mut wanted = vec![Hook::OnRcpt, Hook::OnBounce, Hook::OnFeedback];
        wanted.extend(settings.recover.then_some(Hook::OnDelivered));
        Ok(Some(wanted))
    }

    /// The client is told at once, and why, so that it stops by itself.
    fn on_rcpt(
        &mut self,
        _: &Session,
        _: &Envelope,
        recipient: &Recipient,
    ) -> Result<RecipientDecision> {
        let refusal = Listed::look_up(&recipient.address)
            .filter(|listed| self.settings.refuses(&listed.cause))
            .map(|listed| listed.refusal(&recipient.address));
        Ok(RecipientDecision::Decide(refusal.unwrap_or(Decision::Next)))
    }

    /// An address that is dead is not tried again; one that is only full or away has some chances.
    fn on_bounce(&mut self, attempt: &Attempt, report: &Report) -> Result<BounceDecision> {
        let Some(found) = &report.translation else {
            return Ok(BounceDecision::Notify);
        };
        let said = report.reply.as_ref().map_or("", |reply| &reply.text);
        let why = format!("{}: {said}", found.reason);
        let settings = &self.settings;
        if found.advice == Advice::Suppress || found.disposition == Disposition::Hard {
            if settings.bounce.is_on() {
                suppress(attempt, "bounce", &why, settings.bounce.days());
            }
        } else if is_about_the_mailbox(found) && settings.soft_bounces > 0 {
            let failures = count_soft(attempt, settings)?;
            if failures >= f64::from(settings.soft_bounces) {
                let why = format!("{failures} times {why}");
                suppress(
                    attempt,
                    "soft-bounce",
                    &why,
                    Some(settings.soft_bounce_days),
                );
                kv::delete(&soft_key(attempt)).map_err(unavailable)?;
            }
        }
        Ok(BounceDecision::Notify)
    }

    /// Only a complaint that came with a token of the relay's own is about a message that it sent: anybody can write the
    /// others.
    fn on_feedback(&mut self, report: &Report, attempt: Option<&Attempt>) -> Result<()> {
        let Some(attempt) = attempt else {
            return Ok(());
        };
        let kind = report.feedback_type.as_deref().unwrap_or("abuse");
        if kind == "not-spam" {
            unsuppress(attempt, "complaint");
        } else if self.settings.complaints.iter().any(|known| known == kind)
            && self.settings.complaint.is_on()
        {
            suppress(attempt, "complaint", kind, self.settings.complaint.days());
        } else if matches!(kind, "opt-out" | "opt-out-list") {
            suppress(attempt, "unsubscribe", kind, None);
        }
        Ok(())
    }

    /// What was taken is no dead address: mail that was under way when it was listed may show that.
    fn on_delivered(&mut self, attempt: &Attempt, _: &Reply) -> Result<()> {
        if !self.settings.recover {
            return Ok(());
        }
        kv::delete(&soft_key(attempt)).map_err(unavailable)?;
        if let Some(listed) = Listed::look_up(&attempt.recipient)
            && matches!(listed.cause.as_str(), "bounce" | "soft-bounce")
        {
            unsuppress(attempt, &listed.cause);
        }
        Ok(())
    }
}

/// Full, over quota, suspended: not what the sender or the content is refused for.
fn is_about_the_mailbox(found: &Translation) -> bool {
    found.disposition == Disposition::Soft && found.scope == Scope::Recipient
}

fn count_soft(attempt: &Attempt, settings: &Settings) -> Result<f64> {
    let window = settings.soft_bounce_window_days.saturating_mul(DAY_SECONDS);
    kv::increment(&soft_key(attempt), 1, Some(window)).map_err(unavailable)
}

fn soft_key(attempt: &Attempt) -> String {
    let account = attempt.account.as_deref().unwrap_or("");
    format!("soft {account} {}", attempt.recipient).to_lowercase()
}

const DAY_SECONDS: u32 = 24 * 60 * 60;

fn suppress(attempt: &Attempt, cause: &str, why: &str, days: Option<u32>) {
    let mut fields = fields(attempt, cause);
    fields.push(("reason", listed::line(why)));
    if let Some(days) = days {
        let seconds = u64::from(days) * u64::from(DAY_SECONDS);
        fields.push(("expires-seconds", seconds.to_string()));
    }
    events::emit("suppress", fields);
}

/// Takes the address off the list where it is there for that cause.
fn unsuppress(attempt: &Attempt, cause: &str) {
    events::emit("unsuppress", fields(attempt, cause));
}

fn fields(attempt: &Attempt, cause: &str) -> Vec<(&'static str, String)> {
    let mut fields = vec![
        ("recipient", attempt.recipient.to_string()),
        ("cause", cause.to_owned()),
        ("message", attempt.message.clone()),
    ];
    fields.extend(attempt.account.clone().map(|account| ("account", account)));
    fields
}

fn unavailable(error: kv::Error) -> baton_sdk::Error {
    baton_sdk::Error::new(format!("key-value: {error:?}"))
}
