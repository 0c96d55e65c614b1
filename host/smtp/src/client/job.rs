//! One transaction under way: what was sent, what is awaited, what was decided.
//!
//! The commands are always the same: RSET where the last transaction came to nothing, MAIL, RCPT for
//! each recipient, then DATA or BDAT. Without PIPELINING each waits for the reply to the one before;
//! with it they go out together, up to a window (RFC 2920 3.1). Replies come in the order of the
//! commands, so a queue says which reply belongs to what.

mod write;

use std::collections::VecDeque;
use std::fmt::Write;

use bytes::{Bytes, BytesMut};

use super::{Fault, Outcome, Phase, Response, Settings, Stage, Transaction};
use crate::data;
use crate::extension::Capabilities;
use crate::limits::{PIPELINED_COMMANDS_MAX, PIPELINED_MESSAGE_BYTES_MAX};
use crate::reply::Reply;

/// A command whose reply is awaited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Rset,
    Mail,
    /// RCPT, and whose.
    Rcpt(usize),
    Data,
    /// BDAT LAST with the whole message.
    Bdat,
    /// The end of data.
    End,
    /// A dot alone, for a server that wants a message for nobody.
    LoneDot,
}

impl Sent {
    fn stage(self) -> Stage {
        match self {
            Sent::Rset | Sent::Mail => Stage::MailFrom,
            Sent::Rcpt(_) => Stage::RcptTo,
            Sent::Data => Stage::Data,
            Sent::Bdat | Sent::End | Sent::LoneDot => Stage::EndOfData,
        }
    }
}

/// What is to be sent next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Rset,
    Mail,
    /// RCPT of this recipient, or of the next one after it that is undecided.
    Rcpt(usize),
    Text,
    Nothing,
}

#[derive(Debug)]
pub(super) struct Job {
    transaction: Transaction,
    /// What ended each recipient's try.
    outcomes: Vec<Option<Outcome>>,
    /// Whose RCPT was accepted.
    accepted: Vec<bool>,
    /// MAIL was refused: nothing more is sent, and what was sent already is refused as well.
    refused: bool,
    next: Next,
    awaited: VecDeque<Sent>,
    /// Octets of the message.
    size: usize,
    eight_bit: bool,
    utf8: bool,
    pipelining: bool,
    offers_size: bool,
    offers_dsn: bool,
    chunking: bool,
    /// The message as it goes on the wire, until it does.
    text: Vec<Bytes>,
    /// Taken out of `text`, to be handed on.
    outgoing: Option<Vec<Bytes>>,
    stale: bool,
}

impl Job {
    /// Decides at once what cannot be sent to this server as it is; the rest is left to [`Job::send`].
    pub(super) fn new(
        mut transaction: Transaction,
        offered: &Capabilities,
        settings: &Settings,
        stale: bool,
    ) -> Job {
        let message = std::mem::take(&mut transaction.message);
        let count = transaction.recipients.len();
        let mut job = Job {
            outcomes: vec![None; count],
            accepted: vec![false; count],
            refused: false,
            next: if stale { Next::Rset } else { Next::Mail },
            awaited: VecDeque::new(),
            size: message.iter().map(Bytes::len).sum(),
            eight_bit: message.iter().any(|slice| !slice.is_ascii()),
            utf8: transaction.needs_utf8 || !transaction.sender.is_ascii(),
            pipelining: offered.pipelining && settings.allow_pipelining,
            offers_size: offered.size,
            offers_dsn: offered.dsn,
            chunking: offered.chunking && settings.allow_chunking,
            text: Vec::new(),
            outgoing: None,
            stale,
            transaction,
        };
        if job.utf8 && !offered.smtputf8 {
            job.decide_all(Stage::MailFrom, Fault::Utf8NotOffered);
        }
        // Before the octets: an address in UTF-8 stands in the trace fields too, and is the reason for them.
        job.decide_recipients(offered.smtputf8);
        if offered
            .message_bytes_max
            .is_some_and(|most| job.size as u64 > most)
        {
            job.decide_all(Stage::MailFrom, Fault::TooLarge);
        }
        if job.eight_bit && !offered.eight_bit_mime {
            job.decide_all(Stage::MailFrom, Fault::EightBitNotOffered);
        }
        job.prepare_text(message);
        if job.outcomes.iter().all(Option::is_some) {
            job.next = Next::Nothing;
        }
        job
    }

    /// A recipient that needs SMTPUTF8 does not stop the others from getting the message.
    fn decide_recipients(&mut self, offered: bool) {
        for (recipient, outcome) in self.transaction.recipients.iter().zip(&mut self.outcomes) {
            if recipient.address.is_ascii() {
                continue;
            }
            if offered {
                self.utf8 = true;
            } else {
                let response = Fault::Utf8NotOffered.into();
                outcome.get_or_insert(Outcome {
                    stage: Stage::RcptTo,
                    response,
                });
            }
        }
    }

    fn prepare_text(&mut self, message: Vec<Bytes>) {
        let text = if self.chunking {
            data::check_slices(&message).map(|()| message)
        } else {
            data::stuff(&message)
        };
        match text {
            Ok(text) => self.text = text,
            Err(_) => self.decide_all(Stage::Data, Fault::BareLineEnd),
        }
    }

    /// Writes the commands that can be sent now.
    pub(super) fn send(&mut self, out: &mut BytesMut) {
        while self.may_send() {
            let sent = match self.next {
                Next::Rset => {
                    out.extend_from_slice(b"RSET\r\n");
                    self.next = Next::Mail;
                    Sent::Rset
                }
                Next::Mail => {
                    self.write_mail(out);
                    self.next = self.next_recipient(0);
                    Sent::Mail
                }
                Next::Rcpt(index) => {
                    self.write_rcpt(index, out);
                    self.next = self.next_recipient(index + 1);
                    Sent::Rcpt(index)
                }
                Next::Text if self.chunking => {
                    let _ = write!(out, "BDAT {} LAST\r\n", self.size);
                    self.outgoing = Some(std::mem::take(&mut self.text));
                    self.next = Next::Nothing;
                    Sent::Bdat
                }
                Next::Text => {
                    out.extend_from_slice(b"DATA\r\n");
                    self.next = Next::Nothing;
                    Sent::Data
                }
                Next::Nothing => return,
            };
            self.awaited.push_back(sent);
        }
    }

    /// The text of the message, where it is to be sent now, after the commands.
    pub(super) fn take_text(&mut self) -> Option<Vec<Bytes>> {
        self.outgoing.take()
    }

    /// Takes the reply to the oldest command without one. An error ends the connection.
    pub(super) fn reply(&mut self, reply: Reply) -> Result<(), Response> {
        // What the server says of itself holds for everything that is undecided; the command stays
        // at the front of the queue and tells the stage.
        if reply.code() == 421 {
            return Err(reply.into());
        }
        let Some(&sent) = self.awaited.front() else {
            return Err(Fault::Protocol.into());
        };
        let go_ahead = sent == Sent::Data && reply.code() == 354;
        if reply.code() < 400 && !reply.is_positive() && !go_ahead {
            return Err(Fault::Protocol.into());
        }
        match sent {
            Sent::Rset if !reply.is_positive() => return Err(Fault::Protocol.into()),
            Sent::Rset => self.stale = false,
            Sent::Mail => self.mail_reply(reply),
            Sent::Rcpt(index) => self.rcpt_reply(index, reply),
            Sent::Data => return self.data_reply(reply),
            Sent::Bdat => {
                self.stale = !reply.is_positive();
                self.decide_accepted(Stage::EndOfData, &reply);
            }
            Sent::End => {
                self.stale = false;
                self.decide_accepted(Stage::EndOfData, &reply);
            }
            Sent::LoneDot => self.stale = false,
        }
        self.awaited.pop_front();
        if self.awaited.is_empty() && !self.has_hope() {
            self.next = Next::Nothing;
        }
        Ok(())
    }

    /// True where every recipient is decided and no reply is awaited.
    pub(super) fn is_over(&self) -> bool {
        self.awaited.is_empty() && self.next == Next::Nothing
    }

    /// True where the server may still hold this transaction.
    pub(super) fn leaves_stale(&self) -> bool {
        self.stale
    }

    /// One outcome for each recipient; those undecided share `rest`.
    pub(super) fn outcomes(&mut self, rest: &Response) -> Vec<Outcome> {
        let stage = self.stage();
        let undecided = || Outcome {
            stage,
            response: rest.clone(),
        };
        self.outcomes
            .drain(..)
            .map(|outcome| outcome.unwrap_or_else(undecided))
            .collect()
    }

    pub(super) fn phase(&self) -> Phase {
        match self.stage() {
            Stage::MailFrom => Phase::Mail,
            Stage::RcptTo => Phase::Rcpt,
            Stage::Data => Phase::Data,
            _ => Phase::EndOfData,
        }
    }

    fn stage(&self) -> Stage {
        self.awaited
            .front()
            .map_or(Stage::MailFrom, |sent| sent.stage())
    }

    fn may_send(&self) -> bool {
        if self.refused || self.next == Next::Nothing {
            return false;
        }
        if self.awaited.is_empty() {
            return true;
        }
        if !self.pipelining || self.awaited.len() >= PIPELINED_COMMANDS_MAX {
            return false;
        }
        // A large message is not sent before somebody is known to get it.
        let large = self.chunking && self.size > PIPELINED_MESSAGE_BYTES_MAX;
        !(self.next == Next::Text && large)
    }

    /// Some recipient may still get the message.
    fn has_hope(&self) -> bool {
        !self.refused && self.outcomes.iter().any(Option::is_none)
    }

    fn next_recipient(&self, from: usize) -> Next {
        let undecided = |&index: &usize| self.outcomes[index].is_none();
        (from..self.outcomes.len())
            .find(undecided)
            .map_or(Next::Text, Next::Rcpt)
    }

    fn mail_reply(&mut self, reply: Reply) {
        if reply.is_positive() {
            self.stale = true;
        } else {
            self.refused = true;
            self.stale = false;
            self.next = Next::Nothing;
            self.decide_all(Stage::MailFrom, reply);
        }
    }

    fn rcpt_reply(&mut self, index: usize, reply: Reply) {
        if reply.is_positive() {
            self.accepted[index] = true;
        } else if let Some(outcome) = self.outcomes.get_mut(index) {
            let response = Response::Reply(reply);
            outcome.get_or_insert(Outcome {
                stage: Stage::RcptTo,
                response,
            });
        }
    }

    fn data_reply(&mut self, reply: Reply) -> Result<(), Response> {
        if reply.is_positive() {
            return Err(Fault::Protocol.into());
        }
        self.awaited.pop_front();
        let taken = self.accepted.contains(&true);
        match (reply.code() == 354, self.refused, taken) {
            (false, ..) => self.decide_accepted(Stage::Data, &reply),
            (true, false, true) => {
                self.outgoing = Some(std::mem::take(&mut self.text));
                self.awaited.push_back(Sent::End);
            }
            // The server refused everybody and wants a message all the same (RFC 2920 3.1).
            (true, _, false) => {
                self.outgoing = Some(vec![Bytes::from_static(b".\r\n")]);
                self.awaited.push_back(Sent::LoneDot);
            }
            // It refused the sender and took a recipient: a dot might deliver an empty message.
            (true, true, true) => return Err(Fault::Protocol.into()),
        }
        Ok(())
    }

    fn decide_all(&mut self, stage: Stage, response: impl Into<Response>) {
        let response = response.into();
        for outcome in &mut self.outcomes {
            outcome.get_or_insert_with(|| Outcome {
                stage,
                response: response.clone(),
            });
        }
    }

    fn decide_accepted(&mut self, stage: Stage, reply: &Reply) {
        for (outcome, _) in self
            .outcomes
            .iter_mut()
            .zip(&self.accepted)
            .filter(|(_, yes)| **yes)
        {
            outcome.get_or_insert_with(|| Outcome {
                stage,
                response: reply.clone().into(),
            });
        }
    }
}
