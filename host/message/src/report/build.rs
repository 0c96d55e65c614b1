//! Delivery notifications, made (RFC 3461 6, RFC 3464, RFC 6533).
//!
//! The same arguments give the same bytes: date, Message-ID and boundary are passed in.

use baton_smtp::envelope::{OriginalRecipient, Ret};
use baton_smtp::{EnhancedStatus, Mailbox, Recipient, Reply};
use bytes::Bytes;
use std::borrow::Cow;

use super::{Action, text};
use crate::compose::{safe_boundary, text_part};
use crate::encoding;
use crate::error::Error;
use crate::field::NewField;
use crate::message::Message;

/// What became of one recipient.
#[derive(Debug, Clone)]
pub struct RecipientStatus<'a> {
    pub recipient: &'a Recipient,
    pub action: Action,
    /// RFC 3463.
    pub status: EnhancedStatus,
    /// What the remote host said last.
    pub reply: Option<&'a Reply>,
    /// Name of the remote host that said it.
    pub remote_host: Option<&'a str>,
    /// One sentence for people.
    pub explanation: Option<&'a str>,
    /// RFC 5322 date of the last attempt.
    pub last_attempt: Option<&'a str>,
    /// RFC 5322 date; delays only.
    pub will_retry_until: Option<&'a str>,
}

/// A notification to be made.
#[derive(Debug, Clone)]
pub struct Notification<'a> {
    /// Name of this relay.
    pub reporting_mta: &'a str,
    /// From field, such as "Mail Delivery System <mailer-daemon@example.net>".
    pub from: &'a str,
    /// The sender of the message that is reported on.
    pub to: &'a Mailbox,
    /// RFC 5322 date of the notification.
    pub date: &'a str,
    /// Without angle brackets.
    pub message_id: &'a str,
    /// Becomes the boundary, lengthened if the message happens to hold it.
    pub boundary: &'a str,
    /// ENVID, decoded.
    pub envelope_id: Option<&'a str>,
    /// RFC 5322 date at which the relay took the message.
    pub arrival_date: Option<&'a str>,
    /// Fields of the relay's own about the message, name and value (RFC 3464 2.4: the name begins with "X-").
    pub extensions: &'a [(&'a str, &'a str)],
    /// RET; where absent, the header section is returned.
    pub ret: Option<Ret>,
    /// A larger message is not returned in full, whatever RET says.
    pub return_bytes_max: usize,
    /// True if the message travelled with SMTPUTF8, so that its sender can take a notification that does.
    pub utf8: bool,
    pub recipients: &'a [RecipientStatus<'a>],
    /// The message that is reported on.
    pub original: &'a Message,
}

/// A notification, and how it must be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    pub message: Bytes,
    /// It needs SMTPUTF8 (RFC 6533).
    pub utf8: bool,
    /// It needs 8BITMIME.
    pub eight_bit: bool,
}

impl Notification<'_> {
    /// Makes the notification: a text for people, the fields for machines, and what is returned of the message.
    ///
    /// # Errors
    /// [`Error::Invalid`] if `from` or `message_id` cannot stand in a field.
    pub fn build(&self) -> Result<Built, Error> {
        let global = self.utf8 && !self.is_ascii();
        let returned = self.returned(global);
        let boundary = safe_boundary(self.boundary, &[&returned.content]);
        let mut out = Vec::with_capacity(returned.content.len() + 4096);
        let mut field = |name: &str, value: &str| -> Result<(), Error> {
            out.extend_from_slice(NewField::new(name, value, global)?.bytes());
            Ok(())
        };
        field("From", self.from)?;
        field("To", &format!("<{}>", self.to))?;
        field("Subject", &text::subject(self))?;
        field("Date", self.date)?;
        field("Message-ID", &format!("<{}>", self.message_id))?;
        field("Auto-Submitted", "auto-replied")?;
        field("MIME-Version", "1.0")?;
        let report_type = format!(
            "Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary=\"{boundary}\"\r\n"
        );
        out.extend_from_slice(report_type.as_bytes());
        let eight_bit = global || returned.encoding == "8bit";
        if eight_bit {
            out.extend_from_slice(b"Content-Transfer-Encoding: 8bit\r\n");
        }
        let mut part = |content: &[u8]| {
            out.extend_from_slice(format!("\r\n--{boundary}\r\n").as_bytes());
            out.extend_from_slice(content);
        };
        part(&text_part("text/plain", &text::text(self)));
        part(&self.machine_part(global));
        part(&returned.head());
        out.extend_from_slice(&returned.content);
        out.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        Ok(Built {
            message: out.into(),
            utf8: global,
            eight_bit,
        })
    }

    /// False if anything that must be said exactly is not ASCII.
    fn is_ascii(&self) -> bool {
        self.to.is_ascii()
            && self.original.header_section().is_ascii()
            && self.recipients.iter().all(|status| {
                let orcpt = status.recipient.orcpt();
                status.recipient.address.is_ascii()
                    && orcpt.is_none_or(|orcpt| orcpt.address.is_ascii())
            })
    }

    /// message/delivery-status, with its fields and content.
    fn machine_part(&self, global: bool) -> Vec<u8> {
        let mut out = String::from(if global {
            "Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        } else {
            "Content-Type: message/delivery-status\r\n\r\n"
        });
        if let Some(id) = self.envelope_id {
            put(&mut out, "Original-Envelope-Id", id);
        }
        put(
            &mut out,
            "Reporting-MTA",
            &format!("dns; {}", self.reporting_mta),
        );
        if let Some(date) = self.arrival_date {
            put(&mut out, "Arrival-Date", date);
        }
        for (name, value) in self.extensions {
            put(&mut out, name, value);
        }
        for status in self.recipients {
            out.push_str("\r\n");
            status.put(&mut out, global);
        }
        out.into_bytes()
    }

    fn returned(&self, global: bool) -> Returned {
        let original = self.original;
        let in_full = self.ret == Some(Ret::Full) && original.size() <= self.return_bytes_max;
        if in_full {
            let content = original.bytes().clone();
            return Returned {
                media_type: if global {
                    "message/global"
                } else {
                    "message/rfc822"
                },
                // RFC 2046 5.2.1 allows no other encoding of a whole message.
                encoding: if content.is_ascii() { "7bit" } else { "8bit" },
                content,
            };
        }
        let section = original.header_section();
        let range = section.range();
        let header = whole_lines(original.bytes().slice(range), self.return_bytes_max);
        if global {
            return Returned {
                media_type: "message/global-headers",
                encoding: "8bit",
                content: header,
            };
        }
        if header.is_ascii() && !section.has_long_line() {
            return Returned {
                media_type: "text/rfc822-headers",
                encoding: "7bit",
                content: header,
            };
        }
        Returned {
            media_type: "text/rfc822-headers",
            encoding: "quoted-printable",
            content: encoding::quoted_printable_encode(&header).into(),
        }
    }
}

/// As many whole lines as fit.
fn whole_lines(header: Bytes, max: usize) -> Bytes {
    if header.len() <= max {
        return header;
    }
    let end = memchr::memrchr(b'\n', &header[..max]).map_or(0, |lf| lf + 1);
    header.slice(..end)
}

/// What is given back of the message.
struct Returned {
    media_type: &'static str,
    encoding: &'static str,
    content: Bytes,
}

impl Returned {
    fn head(&self) -> Vec<u8> {
        let charset = match (self.media_type, self.encoding) {
            ("text/rfc822-headers", "quoted-printable") => "; charset=utf-8",
            _ => "",
        };
        format!(
            "Content-Type: {}{charset}\r\nContent-Transfer-Encoding: {}\r\n\r\n",
            self.media_type, self.encoding
        )
        .into_bytes()
    }
}

impl RecipientStatus<'_> {
    fn put(&self, out: &mut String, global: bool) {
        if let Some(orcpt) = self.recipient.orcpt() {
            put(
                out,
                "Original-Recipient",
                &original_recipient(&orcpt, global),
            );
        }
        let address = self.recipient.address.to_string();
        put(out, "Final-Recipient", &typed_address(&address, global));
        put(out, "Action", self.action.as_str());
        put(out, "Status", &self.status.to_string());
        if let Some(host) = self.remote_host {
            put(out, "Remote-MTA", &format!("dns; {host}"));
        }
        if let Some(reply) = self.reply {
            put(out, "Diagnostic-Code", &format!("smtp; {reply}"));
        }
        if let Some(date) = self.last_attempt {
            put(out, "Last-Attempt-Date", date);
        }
        if let Some(date) = self
            .will_retry_until
            .filter(|_| self.action == Action::Delayed)
        {
            put(out, "Will-Retry-Until", date);
        }
    }
}

/// The address as the sender wrote it. Decoded from xtext (RFC 3461 6.3 (d)); the escapes of RFC 6533 stay where the
/// report is ASCII.
fn original_recipient(orcpt: &OriginalRecipient, global: bool) -> String {
    if orcpt.address_type.eq_ignore_ascii_case("utf-8") {
        return typed_address(&orcpt.address, global);
    }
    format!("{};{}", orcpt.address_type, orcpt.address)
}

fn typed_address(address: &str, global: bool) -> String {
    if address.is_ascii() {
        format!("rfc822;{address}")
    } else if global {
        format!("utf-8;{address}")
    } else {
        format!("utf-8;{}", escape(address))
    }
}

/// RFC 6533 3, utf-8-addr-unitext written in ASCII.
fn escape(text: &str) -> String {
    text.chars().fold(String::new(), |mut out, c| {
        match c {
            '\\' | '+' | '=' => out.push_str(&format!("\\x{{{:X}}}", c as u32)),
            _ if c.is_ascii_graphic() => out.push(c),
            _ => out.push_str(&format!("\\x{{{:X}}}", c as u32)),
        }
        out
    })
}

/// A field of the part for machines. A value of any length is folded at its blanks, and one that cannot be is cut.
fn put(out: &mut String, name: &str, value: &str) {
    let clean: Cow<'_, str> = if value.contains(char::is_control) {
        value
            .chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect()
    } else {
        value.into()
    };
    let ascii = clean.is_ascii() || name.ends_with("-Recipient");
    let clean: String = if ascii {
        clean.into_owned()
    } else {
        // A remote host's words in UTF-8 are told in ASCII; the text for people holds them as they are.
        clean
            .chars()
            .map(|c| if c.is_ascii() { c } else { '?' })
            .collect()
    };
    match NewField::folded(name, &clean) {
        Ok(field) => out.push_str(&String::from_utf8_lossy(field.bytes())),
        Err(_) => {
            let cut: String = clean.chars().take(200).collect();
            out.push_str(&format!("{name}: {cut}\r\n"));
        }
    }
}
