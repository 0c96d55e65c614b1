//! ESMTP parameters (RFC 5321 4.1.2): split into keyword and value, and checked where we know them.

use std::fmt;

use super::{Body, Notify, OriginalRecipient, Ret, decode_xtext};
use crate::extension::Extensions;
use crate::limits::{ENVID_BYTES_MAX, ORCPT_BYTES_MAX, PARAMETERS_MAX};

/// One parameter, such as `RET=HDRS`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Parameter {
    keyword: String,
    value: Option<String>,
}

impl Parameter {
    /// From its two halves. `None` where they could not stand in a command: the keyword is letters,
    /// digits and hyphens, the value anything but `=`, space and controls.
    pub fn new(keyword: &str, value: Option<&str>) -> Option<Parameter> {
        let head = keyword.chars().next()?.is_ascii_alphanumeric();
        let atom = keyword
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || c == '-');
        let clean =
            |v: &str| !v.is_empty() && v.chars().all(|c| c > ' ' && c != '=' && !c.is_control());
        (head && atom && value.is_none_or(clean)).then(|| Parameter {
            keyword: keyword.to_ascii_uppercase(),
            value: value.map(str::to_owned),
        })
    }

    /// In upper case.
    pub fn keyword(&self) -> &str {
        &self.keyword
    }

    /// As written; `None` for a keyword alone.
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }
}

impl fmt::Display for Parameter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}={value}", self.keyword),
            None => f.write_str(&self.keyword),
        }
    }
}

/// The parameter of that keyword, which is written in upper case.
pub fn find<'a>(parameters: &'a [Parameter], keyword: &str) -> Option<&'a Parameter> {
    parameters
        .iter()
        .find(|parameter| parameter.keyword == keyword)
}

/// The value of the parameter of that keyword, which is written in upper case.
pub fn value<'a>(parameters: &'a [Parameter], keyword: &str) -> Option<&'a str> {
    find(parameters, keyword)?.value()
}

/// Why parameters were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParameterError {
    /// No parameter at all by its form.
    Malformed,
    /// The same keyword twice.
    Repeated,
    /// More than [`PARAMETERS_MAX`].
    TooMany,
    /// A keyword this server did not offer.
    Unknown,
    /// A keyword we know with a value that it cannot have.
    Value,
}

/// The parameters that follow a path.
pub(crate) fn parse_list(text: &str) -> Result<Vec<Parameter>, ParameterError> {
    let mut parameters: Vec<Parameter> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        let (keyword, value) = match word.split_once('=') {
            Some((keyword, value)) => (keyword, Some(value)),
            None => (word, None),
        };
        let parameter = Parameter::new(keyword, value).ok_or(ParameterError::Malformed)?;
        if find(&parameters, &parameter.keyword).is_some() {
            return Err(ParameterError::Repeated);
        }
        if parameters.len() == PARAMETERS_MAX {
            return Err(ParameterError::TooMany);
        }
        parameters.push(parameter);
    }
    Ok(parameters)
}

/// Checks the parameters of MAIL against what was offered. `auth` says whether AUTH was.
pub(crate) fn check_mail(
    parameters: &[Parameter],
    offered: &Extensions,
    auth: bool,
) -> Result<(), ParameterError> {
    for parameter in parameters {
        let value = parameter.value();
        let text = value.unwrap_or_default();
        let (known, good) = match parameter.keyword() {
            // Twenty digits, RFC 1870 section 6; more octets than u64 holds are too many anyway.
            "SIZE" => (true, (1..=20).contains(&text.len()) && is_number(text)),
            // BINARYMIME is not offered, so a client must not ask for it (RFC 3030 section 3).
            "BODY" => (
                offered.eight_bit_mime,
                Body::parse(text).is_some_and(|body| body != Body::BinaryMime),
            ),
            "SMTPUTF8" => (offered.smtputf8, value.is_none()),
            "RET" => (offered.dsn, Ret::parse(text).is_some()),
            "ENVID" => (
                offered.dsn,
                decode_xtext(text).is_some_and(|id| !id.is_empty() && id.len() <= ENVID_BYTES_MAX),
            ),
            "AUTH" => (auth, decode_xtext(text).is_some_and(|id| !id.is_empty())),
            _ => (false, false),
        };
        verdict(known, good)?;
    }
    Ok(())
}

/// Checks the parameters of RCPT against what was offered.
pub(crate) fn check_rcpt(
    parameters: &[Parameter],
    offered: &Extensions,
) -> Result<(), ParameterError> {
    for parameter in parameters {
        let text = parameter.value().unwrap_or_default();
        let (known, good) = match parameter.keyword() {
            "NOTIFY" => (offered.dsn, Notify::parse(text).is_some()),
            "ORCPT" => (
                offered.dsn,
                text.len() <= ORCPT_BYTES_MAX && OriginalRecipient::parse(text).is_some(),
            ),
            _ => (false, false),
        };
        verdict(known, good)?;
    }
    Ok(())
}

fn verdict(known: bool, good: bool) -> Result<(), ParameterError> {
    match (known, good) {
        (false, _) => Err(ParameterError::Unknown),
        (true, false) => Err(ParameterError::Value),
        (true, true) => Ok(()),
    }
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}
