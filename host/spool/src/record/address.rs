//! Mirrors of addresses and of ESMTP parameters.

use baton_smtp::{Domain, Mailbox, Parameter, Recipient, ReversePath};
use serde::{Deserialize, Serialize};

use super::{Read, Unreadable};

#[derive(Serialize, Deserialize)]
pub(super) struct MailboxV1<'a> {
    local: &'a str,
    domain: &'a str,
}

impl<'a> MailboxV1<'a> {
    pub(super) fn of(mailbox: &'a Mailbox) -> Self {
        Self {
            local: mailbox.local(),
            domain: mailbox.domain().as_str(),
        }
    }

    pub(super) fn of_path(path: &'a ReversePath) -> Option<Self> {
        path.mailbox().map(Self::of)
    }

    pub(super) fn read(&self) -> Read<Mailbox> {
        let domain = Domain::parse(self.domain).map_err(Unreadable::new)?;
        Mailbox::new(self.local, domain).map_err(Unreadable::new)
    }

    pub(super) fn read_path(path: Option<Self>) -> Read<ReversePath> {
        Ok(ReversePath::from(
            path.map(|mailbox| mailbox.read()).transpose()?,
        ))
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct ParameterV1<'a> {
    keyword: &'a str,
    value: Option<&'a str>,
}

impl<'a> ParameterV1<'a> {
    pub(super) fn all(parameters: &'a [Parameter]) -> Vec<Self> {
        parameters
            .iter()
            .map(|p| Self {
                keyword: p.keyword(),
                value: p.value(),
            })
            .collect()
    }

    pub(super) fn read_all(parameters: Vec<Self>) -> Read<Vec<Parameter>> {
        parameters
            .into_iter()
            .map(|p| {
                Parameter::new(p.keyword, p.value)
                    .ok_or_else(|| Unreadable::new("a malformed ESMTP parameter"))
            })
            .collect()
    }
}

#[derive(Serialize, Deserialize)]
pub(super) struct RecipientV1<'a> {
    #[serde(borrow)]
    address: MailboxV1<'a>,
    #[serde(borrow)]
    parameters: Vec<ParameterV1<'a>>,
}

impl<'a> RecipientV1<'a> {
    pub(super) fn of(recipient: &'a Recipient) -> Self {
        Self {
            address: MailboxV1::of(&recipient.address),
            parameters: ParameterV1::all(&recipient.parameters),
        }
    }

    pub(super) fn read(self) -> Read<Recipient> {
        Ok(Recipient {
            address: self.address.read()?,
            parameters: ParameterV1::read_all(self.parameters)?,
        })
    }
}
