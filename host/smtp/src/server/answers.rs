//! What an answer means for the question that was open.

use super::state::{Asked, Mode};
use super::{Answer, Session};
use crate::envelope::Recipient;
use crate::reply::{Reply, texts};

/// An answer with the session's own words filled in, and contradictions taken out.
enum Verdict {
    Yes(Reply),
    No(Reply),
    Close(Reply),
}

impl Session {
    /// Answers the open question. Without one nothing happens.
    pub fn answer(&mut self, answer: Answer) {
        let Mode::Asked(asked) = self.mode else {
            return;
        };
        self.mode = Mode::Commands;
        self.queued = None;
        match asked {
            Asked::Connect => self.answer_connect(answer),
            Asked::Auth => self.answer_auth(answer),
            Asked::Mail => self.answer_mail(answer),
            Asked::Recipient => self.answer_recipient(answer),
            Asked::Message => self.answer_message(answer),
        }
        if let Some(words) = self.last_words.take()
            && !matches!(self.mode, Mode::Closing)
        {
            self.close_with(words);
        }
    }

    fn answer_connect(&mut self, answer: Answer) {
        if let Some(words) = self.last_words.take() {
            // Greeting and goodbye at once would be two replies to nothing.
            return self.close_with(words);
        }
        let greeting = texts::greeting(&self.settings.hostname, &self.settings.greeting);
        match verdict(answer, greeting) {
            Verdict::Yes(_) if self.peer.early && self.settings.refuse_early_talkers => {
                self.close_with(Reply::early_talker());
            }
            // A client takes 220 alone for a welcome (RFC 5321 4.2.2).
            Verdict::Yes(reply) if reply.code() == 220 => self.say(&reply),
            Verdict::Yes(reply) => self.say(&Reply::new(220, None, reply.text())),
            // 421 and 521 say themselves that the connection closes.
            Verdict::No(reply) if reply.is_transient() || reply.code() == 521 => {
                self.close_with(reply);
            }
            Verdict::No(reply) => {
                self.say(&reply);
                self.unwelcome = true;
            }
            Verdict::Close(reply) => self.close_with(reply),
        }
    }

    fn answer_auth(&mut self, answer: Answer) {
        let answer = match answer {
            Answer::Account(account) => {
                self.peer.account = Some(account);
                return self.say(&Reply::authenticated());
            }
            Answer::Proceed | Answer::ProceedWith(_) | Answer::Instead(_) => {
                Answer::Refuse(Reply::auth_failed())
            }
            refusal => refusal,
        };
        match verdict(answer, Reply::auth_failed()) {
            Verdict::Yes(reply) | Verdict::No(reply) => {
                // A 4xx is our own trouble and says nothing about the credentials.
                self.counters.auth_failures += usize::from(reply.is_permanent());
                if self.counters.auth_failures > self.settings.limits.auth_failures_max {
                    self.close_with(Reply::too_many_errors());
                } else {
                    self.say(&reply);
                }
            }
            Verdict::Close(reply) => self.close_with(reply),
        }
    }

    fn answer_mail(&mut self, answer: Answer) {
        match verdict(answer, Reply::sender_ok()) {
            Verdict::Yes(reply) => {
                self.counters.transactions += 1;
                self.say(&reply);
            }
            Verdict::No(reply) => {
                self.transaction = None;
                self.refuse(reply);
            }
            Verdict::Close(reply) => self.close_with(reply),
        }
    }

    fn answer_recipient(&mut self, answer: Answer) {
        let Some(transaction) = &mut self.transaction else {
            return;
        };
        let asked = transaction.asked.take();
        let (answer, taken): (Answer, Vec<Recipient>) = match answer {
            Answer::Instead(recipients) => (Answer::Proceed, recipients),
            other => (other, asked.into_iter().collect()),
        };
        match verdict(answer, Reply::recipient_ok()) {
            Verdict::Yes(reply) => {
                transaction.accepted += 1;
                transaction.envelope.recipients.extend(taken);
                self.say(&reply);
            }
            Verdict::No(reply) => self.refuse(reply),
            Verdict::Close(reply) => self.close_with(reply),
        }
    }

    /// Too many refusals for good end the session; one for now tells nothing about the peer.
    fn refuse(&mut self, reply: Reply) {
        self.counters.refusals += usize::from(reply.is_permanent());
        if self.counters.refusals > self.settings.limits.refusals_max {
            self.close_with(Reply::too_many_errors());
        } else {
            self.say(&reply);
        }
    }

    fn answer_message(&mut self, answer: Answer) {
        match verdict(answer, Reply::message_accepted()) {
            Verdict::Yes(reply) => {
                self.counters.forgive();
                self.say(&reply);
            }
            Verdict::No(reply) => self.say(&reply),
            Verdict::Close(reply) => self.close_with(reply),
        }
    }
}

/// `Account` and `Instead` where they do not belong are a mistake of the caller: nothing is accepted
/// on its account.
fn verdict(answer: Answer, yes: Reply) -> Verdict {
    match answer {
        Answer::Proceed => Verdict::Yes(yes),
        Answer::ProceedWith(reply) if reply.is_positive() => Verdict::Yes(reply),
        Answer::Refuse(reply) => Verdict::No(refusal(reply)),
        Answer::Close(reply) => Verdict::Close(refusal(reply)),
        Answer::ProceedWith(_) | Answer::Account(_) | Answer::Instead(_) => {
            Verdict::No(Reply::internal_error())
        }
    }
}

fn refusal(reply: Reply) -> Reply {
    if reply.is_transient() || reply.is_permanent() {
        reply
    } else {
        Reply::internal_error()
    }
}
