//! Complaints, read (RFC 5965).

use super::groups::{address, typed, value};
use super::original_header;
use crate::header::HeaderSection;
use crate::limits::REPORT_RECIPIENTS_MAX;
use crate::message::Message;

/// What a feedback report says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedbackReport {
    /// In lower case: "abuse", "fraud", "not-spam", "opt-out" and the like.
    pub feedback_type: String,
    pub user_agent: Option<String>,
    /// Return path of the message that is reported on.
    pub original_mail_from: Option<String>,
    pub original_recipients: Vec<String>,
    /// The reported message's To, where the report names no recipient.
    pub original_to: Option<String>,
    pub arrival_date: Option<String>,
    pub source_ip: Option<String>,
    pub reporting_mta: Option<String>,
    pub reported_domain: Option<String>,
    /// How many complaints this report stands for.
    pub incidents: u32,
    /// Message-ID of the message that is reported on.
    pub original_message_id: Option<String>,
}

pub(super) fn feedback(message: &Message, part: u32) -> Option<FeedbackReport> {
    let fields = HeaderSection::parse(message.content(part).ok()?);
    let original = original_header(message, part);
    let of_original = |name: &str| original.as_ref().and_then(|header| value(header, name));
    Some(FeedbackReport {
        feedback_type: value(&fields, "Feedback-Type")?.to_ascii_lowercase(),
        user_agent: value(&fields, "User-Agent"),
        original_mail_from: value(&fields, "Original-Mail-From").and_then(|from| address(&from)),
        original_recipients: fields
            .fields()
            .filter(|field| field.is("Original-Rcpt-To"))
            .take(REPORT_RECIPIENTS_MAX)
            .filter_map(|field| address(&field.unfolded()))
            .collect(),
        original_to: of_original("To"),
        arrival_date: value(&fields, "Arrival-Date").or_else(|| value(&fields, "Received-Date")),
        source_ip: value(&fields, "Source-IP"),
        reporting_mta: value(&fields, "Reporting-MTA").map(|mta| typed(&mta).1.to_owned()),
        reported_domain: value(&fields, "Reported-Domain"),
        incidents: value(&fields, "Incidents")
            .and_then(|count| count.parse().ok())
            .unwrap_or(1),
        original_message_id: of_original("Message-ID"),
    })
}
