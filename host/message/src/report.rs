//! Messages about messages: delivery notifications made (RFC 3464) and reports read (RFC 3464, RFC 5965).

mod build;
mod feedback;
mod groups;
mod read;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;

use crate::header::HeaderSection;
use crate::message::Message;
use crate::mime::Part;

pub use build::{Built, Notification, RecipientStatus};
pub use feedback::FeedbackReport;
pub use read::{DeliveryReport, RecipientReport};

/// What became of a recipient (RFC 3464 2.3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    Failed,
    Delayed,
    Delivered,
    /// Handed to a host that does not send notifications.
    Relayed,
    /// Sent on to several addresses.
    Expanded,
}

impl Action {
    /// The word of RFC 3464.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
            Self::Expanded => "expanded",
        }
    }

    fn parse(word: &str) -> Option<Self> {
        [
            Self::Failed,
            Self::Delayed,
            Self::Delivered,
            Self::Relayed,
            Self::Expanded,
        ]
        .into_iter()
        .find(|action| word.eq_ignore_ascii_case(action.as_str()))
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a message reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// RFC 3464.
    Delivery(DeliveryReport),
    /// RFC 5965.
    Feedback(FeedbackReport),
}

impl Report {
    /// Reads the report that a message carries; `None` if it carries none in a form for machines.
    pub fn read(message: &Message) -> Option<Self> {
        let own = message
            .parts()
            .iter()
            .filter(|part| !is_enclosed(message, part));
        own.into_iter().find_map(|part| {
            let index = part.index();
            match part.media_type() {
                "message/delivery-status" | "message/global-delivery-status" => {
                    read::delivery(message, index).map(Self::Delivery)
                }
                "message/feedback-report" => feedback::feedback(message, index).map(Self::Feedback),
                _ => None,
            }
        })
    }
}

/// True if the part belongs to a message that this one only forwards.
fn is_enclosed(message: &Message, part: &Part) -> bool {
    let mut above = part.parent();
    while let Some(parent) = above.and_then(|index| message.part(index).ok()) {
        if parent.is_enclosed_message() {
            return true;
        }
        above = parent.parent();
    }
    false
}

/// True if the message says of itself that no person sent it (RFC 3834 5): an answer to it would answer a machine.
pub fn is_automatic(message: &Message) -> bool {
    message
        .header("Auto-Submitted")
        .is_some_and(|value| !value.trim().eq_ignore_ascii_case("no"))
}

/// Header section of the message that is reported on, as far as the report gives it back.
fn original_header(message: &Message, report: u32) -> Option<HeaderSection> {
    let part = message
        .parts()
        .iter()
        .skip(report as usize + 1)
        .find(|part| {
            matches!(
                part.media_type(),
                "message/rfc822"
                    | "message/global"
                    | "text/rfc822-headers"
                    | "message/global-headers"
            )
        })?;
    Some(HeaderSection::parse(message.content(part.index()).ok()?))
}
