//! The chain of `on-rcpt`, in which one recipient may become others.
//!
//! What a plugin names instead of a recipient goes on through the plugins after it, each address by itself, as if the client
//! had named it. Nobody is asked about what it named, nor anybody before it: so the chain ends whatever plugins name, and
//! what one recipient has become is never more than so many addresses.

use std::collections::{HashSet, VecDeque};

use baton_smtp::{EnhancedStatus, Envelope, Mailbox, Recipient, Reply};

use super::Sitting;
use crate::decision::{RecipientVerdict, Rewritten, Verdict};
use crate::facts::Session;
use crate::hook::Hook;
use crate::limits;
use crate::question::{Answer, Question};

/// What the plugins from some place on made of one address.
enum Walked {
    Decided(Verdict),
    /// It became these, and the plugins from that place on have not been asked about them.
    Became(Vec<Mailbox>, usize),
}

/// Addresses that plugins from some place on are to be asked about.
#[derive(Default)]
struct Waiting {
    queue: VecDeque<(Mailbox, usize)>,
    /// All that ever waited: nobody is asked about the same address twice.
    seen: HashSet<(Mailbox, usize)>,
}

impl Sitting {
    /// RCPT TO; `envelope` holds the recipients accepted before.
    pub async fn on_rcpt(
        &mut self,
        envelope: &Envelope,
        recipient: &Recipient,
    ) -> RecipientVerdict {
        let Some(session) = self.asked_session(Hook::Rcpt) else {
            return RecipientVerdict::Decide(Verdict::Pass);
        };
        let (named, next) = match self.walk(&session, envelope, recipient, 0).await {
            Walked::Decided(verdict) => return RecipientVerdict::Decide(verdict),
            Walked::Became(named, next) => (named, next),
        };
        let mut waiting = Waiting::default();
        waiting.put_first(named, next);
        let mut end = Rewritten::default();
        while let Some((address, next)) = waiting.queue.pop_front() {
            let other = Recipient {
                address,
                parameters: recipient.parameters.clone(),
            };
            let verdict = match self.walk(&session, envelope, &other, next).await {
                Walked::Decided(verdict) => verdict,
                Walked::Became(named, next) => {
                    waiting.put_first(named, next);
                    if waiting.is_too_much(&end) {
                        return RecipientVerdict::Decide(too_many());
                    }
                    continue;
                }
            };
            match verdict {
                Verdict::Pass | Verdict::Accept if end.to.contains(&other.address) => {}
                Verdict::Pass | Verdict::Accept => end.to.push(other.address),
                Verdict::Reject(reply) => end.refused.push((other.address, reply)),
                Verdict::Discard => end.discarded.push((other.address, self.asked_last())),
                // The client asks again for all of them.
                Verdict::Defer(_) | Verdict::Disconnect(_) => {
                    return RecipientVerdict::Decide(verdict);
                }
            }
        }
        of_end(end)
    }

    /// Asks the plugins from that place on about one address.
    async fn walk(
        &mut self,
        session: &Session,
        envelope: &Envelope,
        recipient: &Recipient,
        from: usize,
    ) -> Walked {
        let question = Question::Rcpt {
            session,
            envelope,
            recipient,
        };
        let generation = self.generation.clone();
        let asked = generation.asked(Hook::Rcpt);
        for (place, &at) in asked.iter().enumerate().skip(from) {
            match self.ask(at, &question).await {
                Ok(Answer::Rewrite(to)) => return Walked::Became(to, place + 1),
                answer => {
                    if let Some(verdict) = self.settle(at, Hook::Rcpt, answer) {
                        return Walked::Decided(verdict);
                    }
                }
            }
        }
        Walked::Decided(Verdict::Pass)
    }

    /// The plugin that was asked last, which is the one that decided.
    fn asked_last(&self) -> String {
        let record = self.desk.as_ref().and_then(|desk| desk.records.last());
        record.map_or_else(String::new, |record| record.plugin.to_string())
    }
}

impl Waiting {
    /// In the order in which they were named, before all others.
    fn put_first(&mut self, named: Vec<Mailbox>, next: usize) {
        let named = named.into_iter().map(|address| (address, next));
        let new: Vec<_> = named.filter(|one| self.seen.insert(one.clone())).collect();
        for one in new.into_iter().rev() {
            self.queue.push_front(one);
        }
    }

    /// More than one recipient may become.
    fn is_too_much(&self, end: &Rewritten) -> bool {
        let ended = end.to.len() + end.refused.len() + end.discarded.len();
        self.queue.len() + ended > limits::REWRITE_MAX
            || self.seen.len() > limits::REWRITES_NAMED_MAX
    }
}

/// As if the client had named those that are left; where none is, it hears why.
fn of_end(mut end: Rewritten) -> RecipientVerdict {
    if !end.to.is_empty() {
        end.refused.retain(|(address, _)| !end.to.contains(address));
        return RecipientVerdict::Rewrite(end);
    }
    RecipientVerdict::Decide(match end.refused.pop() {
        Some((_, reply)) => Verdict::Reject(reply),
        None => Verdict::Discard,
    })
}

/// The operator's tables are wrong, and can be mended before the client gives up.
fn too_many() -> Verdict {
    let status = EnhancedStatus::new(4, 3, 5);
    Verdict::Defer(Reply::new(
        451,
        status,
        "Recipient stands for too many addresses, try again later",
    ))
}
