//! Where cases are kept: a folder of files, and the same files in a custom section of a component.
//!
//! The section is a sequence of records, each a line `baton-golden/1 NAME BYTES`, so many bytes, and a line feed. Sections of
//! that name are read one after another, so a linker may join them or not. They may stand in the component itself, where
//! `baton plugin embed` puts them, or in a module inside, where a compiler puts them; the outer ones win.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use wasmparser::{Parser, Payload};

use crate::error::Error;
use crate::limits;
use crate::load::is_component;

/// Name of the custom section.
pub const SECTION: &str = "baton:golden";
const RECORD: &str = "baton-golden/1";
/// What of a folder is taken.
const EXTENSIONS: [&str; 2] = ["json", "eml"];

/// The files of a folder of cases, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    /// The `.json` and `.eml` files of a folder; folders in it are not looked into.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Refused`] for more than may be carried.
    pub fn of_folder(dir: &Path) -> Result<Files, Error> {
        let mut files = Files::default();
        for entry in fs::read_dir(dir).map_err(Error::io(dir))? {
            let path = entry.map_err(Error::io(dir))?.path();
            let extension = path.extension().and_then(|e| e.to_str());
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
                continue;
            };
            if extension.is_some_and(|e| EXTENSIONS.contains(&e)) && path.is_file() {
                let bytes = fs::read(&path).map_err(Error::io(&path))?;
                files.add(name, bytes)?;
            }
        }
        Ok(files)
    }

    /// What a component carries; nothing if it carries none.
    ///
    /// # Errors
    /// [`Error::Refused`] for a section that is not what it should be, or too large.
    pub fn of_component(component: &[u8]) -> Result<Files, Error> {
        let (mut outer, mut inner) = (Vec::new(), Vec::new());
        let mut depth = 0u32;
        for payload in Parser::new(0).parse_all(component) {
            // Whether it is valid is for the compiler to say.
            let Ok(payload) = payload else { break };
            match payload {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::CustomSection(section) if section.name() == SECTION => {
                    let found = if depth == 0 { &mut outer } else { &mut inner };
                    found.extend_from_slice(section.data());
                    if found.len() > limits::GOLDEN_BYTES_MAX {
                        return Err(too_large());
                    }
                }
                _ => {}
            }
        }
        let mut files = Files::default();
        let mut rest = if outer.is_empty() {
            &inner[..]
        } else {
            &outer[..]
        };
        while !rest.is_empty() {
            let (name, bytes, after) = record(rest)
                .ok_or_else(|| Error::Refused(format!("a broken section {SECTION}")))?;
            files.add(name, bytes.to_vec())?;
            rest = after;
        }
        Ok(files)
    }

    /// The component with these files as its only ones; without any, the component without them.
    ///
    /// # Errors
    /// [`Error::Refused`] for what is no component.
    pub fn embed(&self, component: &[u8]) -> Result<Vec<u8>, Error> {
        is_component(component)?;
        let broken = || Error::Refused("a component whose sections cannot be read".into());
        let (head, mut rest) = component.split_at_checked(8).ok_or_else(broken)?;
        let mut made = head.to_vec();
        while let Some(id) = rest.first() {
            let (bytes, at) = leb(&rest[1..]).ok_or_else(broken)?;
            let whole = (1 + at).checked_add(bytes).ok_or_else(broken)?;
            let (section, after) = rest.split_at_checked(whole).ok_or_else(broken)?;
            if *id != 0 || custom_name(&section[1 + at..]) != Some(SECTION.as_bytes()) {
                made.extend_from_slice(section);
            }
            rest = after;
        }
        if !self.0.is_empty() {
            let mut content = Vec::new();
            put_leb(&mut content, SECTION.len());
            content.extend_from_slice(SECTION.as_bytes());
            for (name, bytes) in &self.0 {
                content.extend_from_slice(format!("{RECORD} {name} {}\n", bytes.len()).as_bytes());
                content.extend_from_slice(bytes);
                content.push(b'\n');
            }
            made.push(0);
            put_leb(&mut made, content.len());
            made.extend_from_slice(&content);
        }
        Ok(made)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Name and content, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, bytes)| (&**name, &**bytes))
    }

    /// The content of one.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(Vec::as_slice)
    }

    /// Adds one.
    ///
    /// # Errors
    /// [`Error::Refused`] for a name that cannot be one, one that is there already, or too many bytes together.
    pub fn add(&mut self, name: &str, bytes: Vec<u8>) -> Result<(), Error> {
        let plain = !name.is_empty()
            && name.len() <= limits::GOLDEN_NAME_BYTES_MAX
            && !name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/');
        if !plain {
            return Err(Error::Refused(format!(
                "{name:?} cannot be the name of a file of tests"
            )));
        }
        let held: usize = self.0.values().map(Vec::len).sum();
        if held + bytes.len() > limits::GOLDEN_BYTES_MAX {
            return Err(too_large());
        }
        match self.0.insert(name.to_owned(), bytes) {
            None => Ok(()),
            Some(_) => Err(Error::Refused(format!("two files of tests named {name:?}"))),
        }
    }
}

fn too_large() -> Error {
    Error::Refused(format!(
        "more than {} KiB of tests",
        limits::GOLDEN_BYTES_MAX >> 10
    ))
}

/// Name, content, and what follows.
fn record(bytes: &[u8]) -> Option<(&str, &[u8], &[u8])> {
    let end = bytes.iter().position(|b| *b == b'\n')?;
    let mut words = std::str::from_utf8(&bytes[..end]).ok()?.split(' ');
    let (RECORD, name, length, None) = (words.next()?, words.next()?, words.next()?, words.next())
    else {
        return None;
    };
    let (content, rest) = bytes[end + 1..].split_at_checked(length.parse().ok()?)?;
    Some((name, content, rest.strip_prefix(b"\n")?))
}

/// The name of a custom section, from its content.
fn custom_name(content: &[u8]) -> Option<&[u8]> {
    let (length, at) = leb(content)?;
    content.get(at..at.checked_add(length)?)
}

/// An unsigned LEB128 of at most 32 bits, and how many bytes it took.
fn leb(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0u64;
    for (at, byte) in bytes.iter().take(5).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            let value = u32::try_from(value).ok()?;
            return Some((usize::try_from(value).ok()?, at + 1));
        }
    }
    None
}

fn put_leb(out: &mut Vec<u8>, mut value: usize) {
    loop {
        let byte = u8::try_from(value & 0x7f).unwrap_or_default();
        value >>= 7;
        if value == 0 {
            return out.push(byte);
        }
        out.push(byte | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some() -> Files {
        let mut files = Files::default();
        files.add("a.json", b"{}\n\n".to_vec()).unwrap();
        files.add("b.eml", vec![0xff; 300]).unwrap();
        files
    }

    #[test]
    fn what_is_embedded_is_found_again_and_replaced_and_removed() {
        let plain = b"\0asm\x0d\0\x01\0\0\x05\x04name".to_vec();
        let with = some().embed(&plain).unwrap();
        assert_eq!(Files::of_component(&with).unwrap(), some());
        assert_eq!(some().embed(&with).unwrap(), with);
        assert_eq!(Files::default().embed(&with).unwrap(), plain);
        assert!(Files::of_component(&plain).unwrap().is_empty());
    }

    #[test]
    fn a_broken_section_is_refused_and_never_read_past_its_end() {
        let with = some().embed(b"\0asm\x0d\0\x01\0").unwrap();
        let at = with.windows(4).position(|w| w == b" 300").unwrap();
        for digits in ["999", "299", "30x", "-00"] {
            let mut bytes = with.clone();
            bytes[at + 1..at + 4].copy_from_slice(digits.as_bytes());
            assert!(Files::of_component(&bytes).is_err(), "{digits}");
        }
        for end in 8..with.len() {
            let _ = Files::of_component(&with[..end]);
            let _ = some().embed(&with[..end]);
        }
    }

    #[test]
    fn names_and_sizes_have_limits() {
        let mut files = some();
        for name in ["", "a b", "a\n", "../a", "a.json"] {
            assert!(files.add(name, Vec::new()).is_err(), "{name:?}");
        }
        assert!(files.add("c", vec![0; limits::GOLDEN_BYTES_MAX]).is_err());
    }
}
