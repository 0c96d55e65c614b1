//! Domains and address literals.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use super::AddressError;
use crate::limits::{DOMAIN_BYTES_MAX, LABEL_BYTES_MAX};

/// A domain name in its ASCII form (A-labels) and lower case, or an address literal such as
/// `[192.0.2.1]` or `[IPv6:2001:db8::1]`. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Domain(Arc<str>);

impl Domain {
    /// Parses a name, with U-labels converted (RFC 5891, UTS 46), or an address literal (RFC 5321
    /// 4.1.3). Underscores are let through, since the DNS has such names; a final dot is not.
    pub fn parse(text: &str) -> Result<Domain, AddressError> {
        if let Some(literal) = text.strip_prefix('[') {
            let inside = literal.strip_suffix(']').ok_or(AddressError::Literal)?;
            return parse_literal(inside).map(Domain::from);
        }
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if text.is_ascii() {
            check_name(text)?;
            return Ok(Domain(text.to_ascii_lowercase().into()));
        }
        let ascii = idna::domain_to_ascii(text).map_err(|_| AddressError::Domain)?;
        check_name(&ascii)?;
        Ok(Domain(ascii.into()))
    }

    /// The ASCII form in lower case; a literal with its brackets.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The address of an address literal; `None` for a name.
    pub fn literal(&self) -> Option<IpAddr> {
        let inside = self.0.strip_prefix('[')?.strip_suffix(']')?;
        parse_literal(inside).ok()
    }

    /// For people: A-labels shown as Unicode where that is possible.
    pub fn to_unicode(&self) -> String {
        match idna::domain_to_unicode(&self.0) {
            (unicode, Ok(())) if !self.0.starts_with('[') => unicode,
            _ => self.0.to_string(),
        }
    }
}

impl From<IpAddr> for Domain {
    /// The address literal of an address.
    fn from(ip: IpAddr) -> Domain {
        Domain(match ip {
            IpAddr::V4(ip) => format!("[{ip}]").into(),
            IpAddr::V6(ip) => format!("[IPv6:{ip}]").into(),
        })
    }
}

impl AsRef<str> for Domain {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl FromStr for Domain {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Domain, AddressError> {
        Domain::parse(text)
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn parse_literal(inside: &str) -> Result<IpAddr, AddressError> {
    const TAG: &str = "IPv6:";
    let tagged = inside
        .get(..TAG.len())
        .is_some_and(|tag| tag.eq_ignore_ascii_case(TAG));
    let address = if tagged {
        inside[TAG.len()..].parse::<Ipv6Addr>().map(IpAddr::V6)
    } else {
        inside.parse::<Ipv4Addr>().map(IpAddr::V4)
    };
    address.map_err(|_| AddressError::Literal)
}

fn check_name(name: &str) -> Result<(), AddressError> {
    // 253 characters are 255 octets on the DNS wire.
    if name.len() > DOMAIN_BYTES_MAX - 2 {
        return Err(AddressError::TooLong);
    }
    for label in name.split('.') {
        if label.len() > LABEL_BYTES_MAX {
            return Err(AddressError::TooLong);
        }
        let letters = label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
        if label.is_empty() || !letters || label.starts_with('-') || label.ends_with('-') {
            return Err(AddressError::Domain);
        }
    }
    Ok(())
}
