//! Host functions about the ambient message. Reads show the edits of earlier plugins; edits are checked as they are made.

use baton_message::{EditSet, Error, PartInfo};
use bytes::Bytes;
use sha2::{Digest, Sha256};

use super::Met;
use crate::fault::Fault;
use crate::guest::Guest;
use crate::hook::Hook;
use crate::limits;

/// What a plugin hears when a read or an edit is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum DraftError {
    /// This hook has no message.
    NoMessage,
    /// The message has no such part.
    NoSuchPart,
    /// The part is no text.
    NotText,
    /// Signed, encrypted, or the relay's own.
    Protected,
    /// What is wrong with a name or value.
    Invalid(String),
    /// A limit of the message.
    TooLarge,
    /// This hook may only read.
    ReadOnly,
}

impl From<Error> for DraftError {
    fn from(error: Error) -> DraftError {
        match error {
            Error::NoSuchPart => DraftError::NoSuchPart,
            Error::NotText => DraftError::NotText,
            Error::Protected(_) => DraftError::Protected,
            Error::Invalid(why) => DraftError::Invalid(why),
            Error::TooLarge(_) => DraftError::TooLarge,
        }
    }
}

type Answer<T> = Met<Result<T, DraftError>>;

impl Guest {
    fn draft(&self) -> Option<&EditSet> {
        self.desk.as_ref().and_then(|desk| desk.draft.as_ref())
    }

    fn read<T>(&mut self, read: impl FnOnce(&EditSet) -> Result<T, Error>) -> Answer<T> {
        self.enter()?;
        let Some(draft) = self.draft() else {
            return Ok(Err(DraftError::NoMessage));
        };
        Ok(read(draft).map_err(DraftError::from))
    }

    fn edit<T>(&mut self, edit: impl FnOnce(&mut EditSet) -> Result<T, Error>) -> Answer<T> {
        self.enter()?;
        let writable = matches!(self.call.hook, Some(Hook::Data | Hook::Copy));
        let draft = self.desk.as_mut().and_then(|desk| desk.draft.as_mut());
        let Some(draft) = draft else {
            return Ok(Err(DraftError::NoMessage));
        };
        if !writable {
            return Ok(Err(DraftError::ReadOnly));
        }
        Ok(edit(draft).map_err(DraftError::from))
    }

    pub fn message_id(&mut self) -> Met<String> {
        self.enter()?;
        let id = self
            .desk
            .as_ref()
            .and_then(|desk| desk.message_id.as_deref());
        Ok(id.unwrap_or_default().to_owned())
    }

    pub fn message_size(&mut self) -> Met<u32> {
        self.enter()?;
        let size = self.draft().map_or(0, |draft| draft.message().size());
        Ok(u32::try_from(size).unwrap_or(u32::MAX))
    }

    pub fn header(&mut self, name: &str) -> Met<Option<String>> {
        self.enter()?;
        Ok(self.draft().and_then(|draft| draft.header(name)))
    }

    pub fn headers(&mut self) -> Met<Vec<(String, String)>> {
        self.enter()?;
        Ok(self.draft().map(EditSet::headers).unwrap_or_default())
    }

    pub fn parts(&mut self) -> Met<Vec<PartInfo>> {
        self.enter()?;
        Ok(self.draft().map(EditSet::parts).unwrap_or_default())
    }

    pub fn text(&mut self, part: u32) -> Answer<String> {
        self.read(|draft| draft.text(part).map(str::to_owned))
    }

    pub fn content(&mut self, part: u32, offset: u32, length: u32) -> Answer<Bytes> {
        self.read(|draft| draft.content_range(part, offset as usize, length as usize))
    }

    pub fn digest(&mut self, part: u32) -> Answer<String> {
        self.read(|draft| Ok(crate::load::hex(&Sha256::digest(draft.content(part)?))))
    }

    pub fn raw(&mut self, offset: u32, length: u32) -> Answer<Bytes> {
        self.read(|draft| Ok(draft.message().raw(offset as usize, length as usize)))
    }

    pub fn find(&mut self, patterns: &[String]) -> Met<Vec<u32>> {
        self.enter()?;
        if patterns.len() > limits::PATTERNS_MAX {
            return Err(Fault::Budget("patterns"));
        }
        match self.draft().map(|draft| draft.find(patterns)) {
            None => Ok(Vec::new()),
            Some(Ok(found)) => Ok(found),
            Some(Err(_)) => Err(Fault::Budget("patterns")),
        }
    }

    pub fn urls(&mut self) -> Met<Vec<String>> {
        self.enter()?;
        Ok(self.draft().map(EditSet::urls).unwrap_or_default())
    }

    pub fn set_text(&mut self, part: u32, text: &str) -> Answer<()> {
        self.edit(|draft| draft.set_text(part, text))
    }

    pub fn prepend_header(&mut self, name: &str, value: &str) -> Answer<()> {
        self.edit(|draft| draft.prepend_header(name, value))
    }

    pub fn append_header(&mut self, name: &str, value: &str) -> Answer<()> {
        self.edit(|draft| draft.append_header(name, value))
    }

    pub fn replace_header(&mut self, name: &str, value: &str) -> Answer<()> {
        self.edit(|draft| draft.replace_header(name, value))
    }

    pub fn remove_header(&mut self, name: &str) -> Answer<u32> {
        self.edit(|draft| draft.remove_header(name))
    }
}
