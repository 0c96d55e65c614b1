//! Why something is not taken, with two faces: what the peer reads, and what the operator reads.

use baton_hooks::Verdict;
use baton_smtp::server::Answer;
use baton_smtp::{EnhancedStatus, Reply};

use crate::store::StoreError;

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Bland: no configuration, no path, nothing of plugins but the words they chose.
    pub reply: Reply,
    /// For logs.
    pub cause: String,
    /// The plugin that decided, if one did.
    pub plugin: Option<String>,
    /// The connection ends with it.
    pub closes: bool,
}

impl Refusal {
    /// A refusal of the relay's own.
    pub fn new(code: u16, status: (u8, u16, u16), text: &str, cause: impl Into<String>) -> Refusal {
        let status = EnhancedStatus::new(status.0, status.1, status.2);
        Refusal {
            reply: Reply::new(code, status, text),
            cause: cause.into(),
            plugin: None,
            closes: false,
        }
    }

    /// What a plugin's verdict refuses; none if the mail goes on, or is to be dropped in silence.
    pub fn of_verdict(verdict: &Verdict, plugin: Option<String>) -> Option<Refusal> {
        let (reply, closes) = match verdict {
            Verdict::Pass | Verdict::Accept | Verdict::Discard => return None,
            Verdict::Reject(reply) | Verdict::Defer(reply) => (reply.clone(), false),
            Verdict::Disconnect(reply) => (reply.clone(), true),
        };
        Some(Refusal {
            reply,
            cause: verdict.to_string(),
            plugin,
            closes,
        })
    }

    /// Why a message could not be made durable.
    pub fn of_store(error: &StoreError) -> Refusal {
        let cause = error.to_string();
        match error {
            StoreError::Full(_) => {
                Refusal::new(452, (4, 3, 1), "Insufficient system storage", cause)
            }
            StoreError::Refused(baton_spool::Refusal::TooManyRecipients) => {
                Refusal::new(452, (4, 5, 3), "Too many recipients", cause)
            }
            StoreError::Refused(_) | StoreError::Broken(_) | StoreError::Closed => {
                Refusal::new(451, (4, 3, 0), "Local trouble, try again later", cause)
            }
        }
    }

    /// For the session.
    pub fn into_answer(self) -> Answer {
        if self.closes {
            Answer::Close(self.reply)
        } else {
            Answer::Refuse(self.reply)
        }
    }
}
