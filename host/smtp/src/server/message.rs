//! The text of a message, by DATA or by BDAT, up to the question whether it is taken.

use super::state::{Asked, Chunk, Mode};
use super::{Question, Session};
use crate::data::{Decoded, Decoder, Unacceptable};
use crate::reply::{Reply, texts};

impl Session {
    pub(super) fn begin_data(&mut self) {
        let limits = &self.settings.limits;
        let size = self.envelope().and_then(|envelope| envelope.size());
        let decoder = Decoder::new(
            size,
            limits.message_bytes_max,
            limits.swallowed_bytes_max,
            limits.text_line_bytes_max,
        );
        self.say(&texts::start_data());
        self.mode = Mode::Data(Box::new(decoder));
    }

    pub(super) fn begin_chunk(&mut self, chunk: Chunk) {
        let empty = chunk.remaining == 0;
        self.mode = Mode::Chunk(chunk);
        if empty {
            self.end_chunk();
        }
    }

    /// Takes what belongs to the message off the front of `bytes`.
    pub(super) fn take_text(&mut self, bytes: &mut &[u8]) {
        match &mut self.mode {
            Mode::Data(decoder) => match decoder.decode(bytes) {
                Decoded::More => {}
                Decoded::End => self.end_data(),
                Decoded::Ambiguous => self.close_with(Reply::ambiguous_end()),
                Decoded::Overrun => self.close_with(Reply::too_large()),
            },
            Mode::Chunk(chunk) => {
                let most = usize::try_from(chunk.remaining).unwrap_or(usize::MAX);
                let (taken, rest) = bytes.split_at(bytes.len().min(most));
                *bytes = rest;
                chunk.remaining -= taken.len() as u64;
                let over = chunk.remaining == 0;
                if chunk.refusal.is_none() {
                    let transaction = self.transaction.as_mut();
                    if let Some(chunks) = transaction.and_then(|begun| begun.chunks.as_mut()) {
                        chunks.keep(taken);
                    }
                }
                if over {
                    self.end_chunk();
                }
            }
            _ => {}
        }
    }

    fn end_data(&mut self) {
        let mode = std::mem::replace(&mut self.mode, Mode::Commands);
        if let Mode::Data(decoder) = mode {
            self.offer_message(decoder.finish());
        }
    }

    fn end_chunk(&mut self) {
        let mode = std::mem::replace(&mut self.mode, Mode::Commands);
        let Mode::Chunk(chunk) = mode else { return };
        if let Some(refusal) = chunk.refusal {
            // The rest of a message that failed was under way already; it is one error, not many.
            let known = std::mem::replace(&mut self.after_failed_chunk, !chunk.last);
            return if known {
                self.say(&refusal)
            } else {
                self.fail(refusal)
            };
        }
        if !chunk.last {
            return self.say(&Reply::chunk_ok());
        }
        let line_bytes_max = self.settings.limits.text_line_bytes_max;
        let chunks = self
            .transaction
            .as_mut()
            .and_then(|begun| begun.chunks.take());
        if let Some(chunks) = chunks {
            self.offer_message(chunks.finish(line_bytes_max));
        }
    }

    /// The transaction ends here either way: what follows needs a new MAIL.
    fn offer_message(&mut self, body: Result<bytes::Bytes, Unacceptable>) {
        let Some(transaction) = self.transaction.take() else {
            return;
        };
        match body {
            Ok(body) => {
                let envelope = transaction.envelope;
                self.ask(Asked::Message, Question::Message { envelope, body });
            }
            Err(why) => self.fail(texts::unacceptable(why)),
        }
    }
}
