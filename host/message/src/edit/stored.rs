//! Edits as bytes, so that they can be kept: a version, then each edit as a tag and strings with their length.

use std::fmt;

use super::Edit;
use crate::limits::{EDITS_BYTES_MAX, EDITS_MAX};

const VERSION: u8 = 1;
const SET_TEXT: u8 = 1;
const PREPEND: u8 = 2;
const APPEND: u8 = 3;
const REPLACE: u8 = 4;
const REMOVE: u8 = 5;

/// The bytes are not edits this version can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredEditsError;

impl fmt::Display for StoredEditsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stored edits cannot be read")
    }
}

impl std::error::Error for StoredEditsError {}

/// The edits as bytes.
pub fn encode_edits<'a>(edits: impl IntoIterator<Item = &'a Edit>) -> Vec<u8> {
    let mut out = vec![VERSION];
    for edit in edits {
        match edit {
            Edit::SetText { part, text } => {
                out.push(SET_TEXT);
                out.extend_from_slice(&part.to_le_bytes());
                put(&mut out, text);
            }
            Edit::PrependHeader { name, value } => put_field(&mut out, PREPEND, name, value),
            Edit::AppendHeader { name, value } => put_field(&mut out, APPEND, name, value),
            Edit::ReplaceHeader { name, value } => put_field(&mut out, REPLACE, name, value),
            Edit::RemoveHeader { name } => {
                out.push(REMOVE);
                put(&mut out, name);
            }
        }
    }
    out
}

/// The edits that [`encode_edits`] wrote.
///
/// # Errors
/// The bytes are cut, of another version, or beyond the limits.
pub fn decode_edits(bytes: &[u8]) -> Result<Vec<Edit>, StoredEditsError> {
    let Some((&VERSION, mut rest)) = bytes.split_first() else {
        return Err(StoredEditsError);
    };
    if bytes.len() > EDITS_BYTES_MAX * 2 {
        return Err(StoredEditsError);
    }
    let mut edits = Vec::new();
    while let Some((&tag, after)) = rest.split_first() {
        rest = after;
        let input = &mut rest;
        edits.push(match tag {
            SET_TEXT => Edit::SetText {
                part: number(input)?,
                text: string(input)?.into(),
            },
            PREPEND => Edit::PrependHeader {
                name: string(input)?,
                value: string(input)?,
            },
            APPEND => Edit::AppendHeader {
                name: string(input)?,
                value: string(input)?,
            },
            REPLACE => Edit::ReplaceHeader {
                name: string(input)?,
                value: string(input)?,
            },
            REMOVE => Edit::RemoveHeader {
                name: string(input)?,
            },
            _ => return Err(StoredEditsError),
        });
        if edits.len() > EDITS_MAX {
            return Err(StoredEditsError);
        }
    }
    Ok(edits)
}

fn put(out: &mut Vec<u8>, text: &str) {
    // An edit's text is at most 16 MiB.
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn put_field(out: &mut Vec<u8>, tag: u8, name: &str, value: &str) {
    out.push(tag);
    put(out, name);
    put(out, value);
}

fn number(input: &mut &[u8]) -> Result<u32, StoredEditsError> {
    let (bytes, rest) = input.split_first_chunk::<4>().ok_or(StoredEditsError)?;
    *input = rest;
    Ok(u32::from_le_bytes(*bytes))
}

fn string(input: &mut &[u8]) -> Result<String, StoredEditsError> {
    let length = number(input)? as usize;
    let (bytes, rest) = input.split_at_checked(length).ok_or(StoredEditsError)?;
    *input = rest;
    String::from_utf8(bytes.to_vec()).map_err(|_| StoredEditsError)
}
