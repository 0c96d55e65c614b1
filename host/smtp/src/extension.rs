//! EHLO keywords, both ways: what a server offers ([`Extensions`]) and what a client reads
//! ([`Capabilities`]).

#[cfg(test)]
mod tests;

use crate::reply::Reply;

/// What a listener offers besides STARTTLS, AUTH and SIZE, which follow from its other settings. A
/// parameter or command of an extension that is off is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extensions {
    /// PIPELINING (RFC 2920).
    pub pipelining: bool,
    /// 8BITMIME (RFC 6152).
    pub eight_bit_mime: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// ENHANCEDSTATUSCODES (RFC 2034). Statuses are written either way.
    pub enhanced_status_codes: bool,
    /// CHUNKING: BDAT (RFC 3030), without BINARYMIME.
    pub chunking: bool,
    /// DSN (RFC 3461).
    pub dsn: bool,
    /// LIMITS (RFC 9422) with RCPTMAX, and MAILMAX where there is one.
    pub limits: bool,
}

impl Default for Extensions {
    /// All of them.
    fn default() -> Extensions {
        Extensions {
            pipelining: true,
            eight_bit_mime: true,
            smtputf8: true,
            enhanced_status_codes: true,
            chunking: true,
            dsn: true,
            limits: true,
        }
    }
}

/// What a server said it can do. All false after HELO.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// True after EHLO, false after HELO.
    pub esmtp: bool,
    /// PIPELINING.
    pub pipelining: bool,
    /// 8BITMIME.
    pub eight_bit_mime: bool,
    /// SMTPUTF8.
    pub smtputf8: bool,
    /// ENHANCEDSTATUSCODES.
    pub enhanced_status_codes: bool,
    /// CHUNKING.
    pub chunking: bool,
    /// DSN.
    pub dsn: bool,
    /// STARTTLS.
    pub starttls: bool,
    /// SIZE.
    pub size: bool,
    /// The largest message the server takes, in octets, where it says so.
    pub message_bytes_max: Option<u64>,
    /// AUTH PLAIN.
    pub auth_plain: bool,
    /// AUTH LOGIN.
    pub auth_login: bool,
    /// LIMITS RCPTMAX: recipients in one transaction.
    pub recipients_max: Option<u32>,
    /// LIMITS MAILMAX: transactions on one connection.
    pub transactions_max: Option<u32>,
}

impl Capabilities {
    /// Reads the reply to EHLO: its first line greets, each further one is a keyword with arguments.
    pub fn from_ehlo(reply: &Reply) -> Capabilities {
        let mut found = Capabilities {
            esmtp: true,
            ..Capabilities::default()
        };
        for line in reply.lines().skip(1) {
            let line = line.trim_end().to_ascii_uppercase();
            let mut words = line.split(' ').filter(|word| !word.is_empty());
            let Some(keyword) = words.next() else {
                continue;
            };
            match keyword {
                "PIPELINING" => found.pipelining = true,
                "8BITMIME" => found.eight_bit_mime = true,
                "SMTPUTF8" => found.smtputf8 = true,
                "ENHANCEDSTATUSCODES" => found.enhanced_status_codes = true,
                "CHUNKING" => found.chunking = true,
                "DSN" => found.dsn = true,
                "STARTTLS" => found.starttls = true,
                "SIZE" => {
                    found.size = true;
                    // 0 says that there is no fixed limit (RFC 1870 section 4).
                    let number = words.next().and_then(|word| word.parse().ok());
                    found.message_bytes_max = number.filter(|&bytes| bytes > 0);
                }
                "AUTH" => words.for_each(|mechanism| found.take_mechanism(mechanism)),
                "LIMITS" => words.for_each(|limit| found.take_limit(limit)),
                // An old habit of servers for old clients: AUTH=LOGIN PLAIN.
                _ => {
                    if let Some(first) = keyword.strip_prefix("AUTH=") {
                        found.take_mechanism(first);
                        words.for_each(|mechanism| found.take_mechanism(mechanism));
                    }
                }
            }
        }
        found
    }

    fn take_mechanism(&mut self, mechanism: &str) {
        match mechanism {
            "PLAIN" => self.auth_plain = true,
            "LOGIN" => self.auth_login = true,
            _ => {}
        }
    }

    fn take_limit(&mut self, limit: &str) {
        let number = |value: &str| value.parse::<u32>().ok().filter(|&number| number > 0);
        match limit.split_once('=') {
            Some(("RCPTMAX", value)) => self.recipients_max = number(value),
            Some(("MAILMAX", value)) => self.transactions_max = number(value),
            _ => {}
        }
    }
}
