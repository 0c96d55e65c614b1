//! Native code on disk, by digest and compatibility.
//!
//! Whoever can write these files runs code in this process. So the folder has mode 0700 and belongs to us, a file is
//! taken only if it belongs to us and nobody else can write it, and a user's own precompiled file is never read.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wasmtime::component::Component;

use crate::engine::Flavour;
use crate::error::Error;
use crate::limits;

/// A folder of native code.
pub(crate) struct Cache {
    dir: PathBuf,
}

impl Cache {
    /// Makes the folder, or checks the one there is.
    pub fn open(dir: &Path) -> Result<Cache, Error> {
        make_private(dir)?;
        let found = fs::symlink_metadata(dir).map_err(Error::io(dir))?;
        if !found.is_dir() {
            return Err(Error::Cache(dir.to_owned(), "is no folder"));
        }
        if let Some(why) = not_ours(&found) {
            return Err(Error::Cache(dir.to_owned(), why));
        }
        Ok(Cache {
            dir: dir.to_owned(),
        })
    }

    /// Whether native code of the concurrent flavour may be there.
    pub fn has_concurrent(&self, digest: &str) -> bool {
        self.marker(digest).exists()
    }

    /// Maps native code into memory. A file that is not ours, not whole or not of this wasmtime is as good as none.
    pub fn get(&self, flavour: &Flavour, concurrent: bool, digest: &str) -> Option<Component> {
        let path = self.path(flavour, concurrent, digest);
        let found = fs::symlink_metadata(&path).ok()?;
        if !found.is_file() || not_ours(&found).is_some() {
            return None;
        }
        // SAFETY: the file holds what this program wrote: it lies in a folder of mode 0700 that belongs to us, belongs
        // to us itself and can be written by nobody else, and was put in place by a rename once it was complete.
        // wasmtime refuses code of another version, target or configuration.
        match unsafe { Component::deserialize_file(&flavour.engine, &path) } {
            Ok(component) => Some(component),
            Err(e) => {
                tracing::warn!(path = %path.display(), "cached native code is not usable: {e}");
                let _ = fs::remove_file(&path);
                None
            }
        }
    }

    /// Keeps native code. Failing to is no failure: it is compiled again next time.
    pub fn put(&self, flavour: &Flavour, concurrent: bool, digest: &str, native: &[u8]) {
        let path = self.path(flavour, concurrent, digest);
        let marker = concurrent.then(|| self.marker(digest));
        let kept = write_whole(&path, native)
            .and_then(|()| marker.map_or(Ok(()), |marker| write_whole(&marker, b"")));
        if let Err(e) = kept {
            tracing::warn!(path = %path.display(), "native code cannot be kept: {e}");
        }
    }

    /// Whether the component's own tests passed on a host of this revision.
    pub fn has_passed(&self, digest: &str, revision: &str) -> bool {
        let path = self.passed(digest);
        let ours = fs::symlink_metadata(&path)
            .is_ok_and(|found| found.is_file() && not_ours(&found).is_none());
        ours && fs::read(&path).is_ok_and(|kept| kept == revision.as_bytes())
    }

    /// Remembers that they did. Failing to is no failure: they are run again next time.
    pub fn put_passed(&self, digest: &str, revision: &str) {
        let path = self.passed(digest);
        if let Err(e) = write_whole(&path, revision.as_bytes()) {
            tracing::warn!(path = %path.display(), "passed tests cannot be remembered: {e}");
        }
    }

    /// Removes what is not in use, oldest first, until the folder fits; and what an interrupted write left behind.
    pub fn prune(&self, in_use: &BTreeSet<Arc<str>>) {
        let Ok(entries) = fs::read_dir(&self.dir) else {
            return;
        };
        let mut unused = Vec::new();
        let mut kept = 0;
        for entry in entries.flatten() {
            let path = entry.path();
            let Ok(found) = entry.metadata() else {
                continue;
            };
            let extension = path
                .extension()
                .and_then(|e| e.to_str())
                .unwrap_or_default();
            let name = path
                .file_name()
                .and_then(|n| n.to_str())
                .unwrap_or_default();
            match (extension, name.split_once('-')) {
                ("part", _) => {
                    let _ = fs::remove_file(&path);
                }
                ("native", Some((digest, _))) if in_use.contains(digest) => kept += found.len(),
                ("native", _) => unused.push((found.modified().ok(), found.len(), path)),
                _ => {}
            }
        }
        unused.sort();
        for (_, bytes, path) in unused.into_iter().rev() {
            kept += bytes;
            if kept > limits::CACHE_BYTES_MAX {
                let name = path.file_name().and_then(|name| name.to_str());
                if let Some((digest, _)) = name.and_then(|name| name.split_once('-')) {
                    let _ = fs::remove_file(self.passed(digest));
                }
                let _ = fs::remove_file(path);
            }
        }
    }

    fn path(&self, flavour: &Flavour, concurrent: bool, digest: &str) -> PathBuf {
        let kind = if concurrent { "c" } else { "p" };
        self.dir
            .join(format!("{digest}-{kind}{}.native", flavour.compatibility))
    }

    fn passed(&self, digest: &str) -> PathBuf {
        self.dir.join(format!("{digest}.passed"))
    }

    fn marker(&self, digest: &str) -> PathBuf {
        self.dir.join(format!("{digest}.concurrent"))
    }
}

/// Written beside and renamed, so that a reader sees all or nothing.
fn write_whole(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let beside = path.with_extension(format!("{:016x}.part", rand::random::<u64>()));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options
        .open(&beside)
        .and_then(|mut file: File| file.write_all(bytes))
        .and_then(|()| fs::rename(&beside, path));
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written
}

fn make_private(dir: &Path) -> Result<(), Error> {
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent).map_err(Error::io(parent))?;
    }
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(dir) {
        Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => Err(Error::io(dir)(e)),
        _ => Ok(()),
    }
}

/// Why others could have written there; none if they could not.
#[cfg(unix)]
fn not_ours(found: &fs::Metadata) -> Option<&'static str> {
    use std::os::unix::fs::MetadataExt;
    if found.uid() != own_uid() {
        return Some("belongs to somebody else");
    }
    let others = if found.is_dir() { 0o077 } else { 0o022 };
    (found.mode() & others != 0).then_some("can be written, or a folder be read, by others")
}

#[cfg(not(unix))]
fn not_ours(_: &fs::Metadata) -> Option<&'static str> {
    None
}

/// Who owns what this process makes.
#[cfg(unix)]
fn own_uid() -> u32 {
    // SAFETY: reads a number of this process and cannot fail.
    unsafe { libc::geteuid() }
}
