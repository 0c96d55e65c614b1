//! The Received field that this relay puts on top of every message (RFC 5321 4.4).

use std::net::IpAddr;

use baton_smtp::{Domain, Mailbox};

use crate::field::NewField;

#[cfg(test)]
mod tests;

/// What the relay knows of the hop a message came by.
#[derive(Debug, Clone)]
pub struct Received<'a> {
    /// Argument of EHLO or HELO as the client gave it.
    pub helo: Option<&'a str>,
    /// Absent where the message did not come over a connection of its own.
    pub peer_ip: Option<IpAddr>,
    /// Reverse DNS name, if it resolves back to the address.
    pub peer_name: Option<&'a str>,
    /// This relay's own name.
    pub by: &'a str,
    /// The protocol in the words of RFC 3848 and RFC 6531 4.3, such as "ESMTPS".
    pub protocol: &'a str,
    /// Version and cipher suite, such as "TLSv1.3 TLS_AES_256_GCM_SHA384".
    pub tls: Option<&'a str>,
    /// The relay's id of the message.
    pub id: &'a str,
    /// Only where the message has one recipient: the others are nobody else's business.
    pub recipient: Option<&'a Mailbox>,
    /// RFC 5322 3.3, such as "Mon, 02 Jan 2006 15:04:05 +0000".
    pub date: &'a str,
}

impl Received<'_> {
    /// The field. What the client or the configuration gave is cut down to what the syntax has room for, so that this
    /// cannot fail.
    pub fn to_field(&self) -> NewField {
        let mut text = String::from("Received:");
        if let Some(ip) = self.peer_ip {
            let ip = match ip.to_canonical() {
                IpAddr::V4(ip) => format!("[{ip}]"),
                IpAddr::V6(ip) => format!("[IPv6:{ip}]"),
            };
            let from = self.helo.and_then(|helo| Domain::parse(helo).ok());
            let from = from.as_ref().map_or(ip.as_str(), Domain::as_str);
            let name = self.peer_name.map(atom).filter(|name| !name.is_empty());
            let name = name.map_or(String::new(), |name| format!("{name} "));
            text.push_str(&format!(" from {from} ({name}{ip})\r\n\t"));
        } else {
            text.push(' ');
        }
        text.push_str(&format!(
            "by {} with {}",
            atom(self.by),
            atom(self.protocol)
        ));
        if let Some(tls) = self.tls {
            text.push_str(&format!(" ({})", comment(tls)));
        }
        text.push_str(&format!(" id {}", atom(self.id)));
        if let Some(recipient) = self.recipient {
            text.push_str(&format!("\r\n\tfor <{recipient}>"));
        }
        text.push_str(&format!(";\r\n\t{}\r\n", date(self.date)));
        NewField::from_folded(text)
    }
}

/// Dot-atoms, address literals and the like: what needs no quotes.
fn atom(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.:[]@".contains(*c))
        .take(255)
        .collect()
}

fn comment(text: &str) -> String {
    text.chars()
        .filter(|c| (c.is_ascii_graphic() || *c == ' ') && !"()\\".contains(*c))
        .take(200)
        .collect()
}

fn date(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_ascii_graphic() || *c == ' ')
        .take(60)
        .collect()
}
