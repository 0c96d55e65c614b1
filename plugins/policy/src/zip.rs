//! The names in a ZIP archive, from its central directory (APPNOTE 4.3.12): nothing is unpacked, whatever the archive claims.

use baton_sdk::prelude::*;

/// An end record and the longest comment.
const TAIL_BYTES_MAX: u32 = 22 + 65_535;
/// A directory that is longer belongs to no mail.
const DIRECTORY_BYTES_MAX: u32 = 1 << 20;
const NAMES_MAX: usize = 10_000;

/// What is in an archive.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Contents {
    pub names: Vec<String>,
    pub is_encrypted: bool,
}

/// Nothing where the part is no archive that can be read.
pub fn contents(part: &message::Part) -> Option<Contents> {
    let tail_bytes = TAIL_BYTES_MAX.min(part.size);
    let tail = part.read(part.size - tail_bytes, tail_bytes).ok()?;
    let (at, bytes) = directory(&tail)?;
    if bytes > DIRECTORY_BYTES_MAX || at.checked_add(bytes)? > part.size {
        return None;
    }
    Some(entries(&part.read(at, bytes).ok()?))
}

/// Where the directory is, by the last end record.
fn directory(tail: &[u8]) -> Option<(u32, u32)> {
    let at = tail
        .windows(4)
        .rposition(|window| window == b"PK\x05\x06")?;
    let record = tail.get(at..at + 22)?;
    Some((word(&record[16..])?, word(&record[12..])?))
}

fn entries(mut directory: &[u8]) -> Contents {
    let mut contents = Contents::default();
    while directory.starts_with(b"PK\x01\x02") && contents.names.len() < NAMES_MAX {
        let Some(head) = directory.get(..46) else {
            break;
        };
        let lengths =
            [28, 30, 32].map(|at| usize::from(u16::from_le_bytes([head[at], head[at + 1]])));
        contents.is_encrypted |= head[8] & 1 == 1;
        let Some(name) = directory.get(46..46 + lengths[0]) else {
            break;
        };
        contents
            .names
            .push(String::from_utf8_lossy(name).into_owned());
        directory = directory
            .get(46 + lengths.iter().sum::<usize>()..)
            .unwrap_or_default();
    }
    contents
}

fn word(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(..4)?.try_into().ok()?))
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// An archive of empty files, as any tool would write it.
    pub fn archive(names: &[&str], is_encrypted: bool) -> Vec<u8> {
        let (mut files, mut directory) = (Vec::new(), Vec::new());
        for name in names {
            let length = (name.len() as u16).to_le_bytes();
            let flags = [u8::from(is_encrypted), 0];
            let at = (files.len() as u32).to_le_bytes();
            files.extend(
                [
                    b"PK\x03\x04\x14\0".as_slice(),
                    &flags,
                    &[0; 18],
                    &length,
                    &[0; 2],
                    name.as_bytes(),
                ]
                .concat(),
            );
            directory.extend(
                [
                    b"PK\x01\x02\x14\0\x14\0".as_slice(),
                    &flags,
                    &[0; 18],
                    &length,
                    &[0; 12],
                    &at,
                    name.as_bytes(),
                ]
                .concat(),
            );
        }
        let count = (names.len() as u16).to_le_bytes();
        let end = [
            b"PK\x05\x06\0\0\0\0".as_slice(),
            &count,
            &count,
            &(directory.len() as u32).to_le_bytes(),
            &(files.len() as u32).to_le_bytes(),
            &[0; 2],
        ]
        .concat();
        [files, directory, end].concat()
    }

    #[test]
    fn names_come_from_the_directory_and_damage_is_no_archive() {
        let bytes = archive(&["a.txt", "dir/b.exe"], true);
        let (at, length) = directory(&bytes).expect("a directory");
        let read = entries(&bytes[at as usize..(at + length) as usize]);
        assert_eq!(read.names, ["a.txt", "dir/b.exe"]);
        assert!(read.is_encrypted);
        for cut in 0..bytes.len() {
            if let Some((at, length)) = directory(&bytes[..cut]) {
                entries(
                    bytes
                        .get(at as usize..(at as usize + length as usize))
                        .unwrap_or_default(),
                );
            }
            entries(&bytes[cut..]);
        }
    }
}
