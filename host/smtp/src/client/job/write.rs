//! MAIL and RCPT with what this server understands.

use std::fmt::Write;

use bytes::BytesMut;

use super::Job;
use crate::envelope::{OriginalRecipient, Parameter, find};

// Writing to memory that grows does not fail, so its result is not looked at.
impl Job {
    pub(super) fn write_mail(&self, out: &mut BytesMut) {
        let _ = write!(out, "MAIL FROM:{}", self.transaction.sender);
        if self.offers_size {
            let _ = write!(out, " SIZE={}", self.size);
        }
        if self.eight_bit {
            out.extend_from_slice(b" BODY=8BITMIME");
        }
        if self.utf8 {
            out.extend_from_slice(b" SMTPUTF8");
        }
        if self.offers_dsn {
            self.write_parameters(&self.transaction.parameters, ["RET", "ENVID"], out);
        }
        out.extend_from_slice(b"\r\n");
    }

    pub(super) fn write_rcpt(&self, index: usize, out: &mut BytesMut) {
        let recipient = &self.transaction.recipients[index];
        let _ = write!(out, "RCPT TO:<{}>", recipient.address);
        if self.offers_dsn {
            self.write_parameters(&recipient.parameters, ["NOTIFY", "ORCPT"], out);
        }
        out.extend_from_slice(b"\r\n");
    }

    fn write_parameters(&self, all: &[Parameter], keywords: [&str; 2], out: &mut BytesMut) {
        for parameter in keywords
            .into_iter()
            .filter_map(|keyword| find(all, keyword))
        {
            let value = parameter.value().unwrap_or_default();
            if self.utf8 || value.is_ascii() {
                let _ = write!(out, " {parameter}");
            } else if let Some(original) = OriginalRecipient::parse(value) {
                // RFC 6533 section 3: without SMTPUTF8 the address is written in ASCII.
                let _ = write!(out, " {}={original}", parameter.keyword());
            }
        }
    }
}
