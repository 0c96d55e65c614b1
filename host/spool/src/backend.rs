//! The file under the spool, and what makes it one file for one process.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io;
use std::ops::Bound;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};

use crate::error::{Error, from_io};

/// Name of the file in the spool's folder.
const FILE: &str = "spool.redb";
/// Its name while it is being made. A file with the other name is whole: redb itself cannot tell one that a crash left half
/// made from one that is not its own.
const FILE_BEING_MADE: &str = "spool.redb.new";

/// Creates the folder, so that it survives a power cut, and claims it: none if another process has.
/// The claim holds until the file returned is closed.
pub(crate) fn claim(dir: &Path) -> io::Result<Option<File>> {
    if !dir.is_dir() {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            File::open(parent)?.sync_all()?;
        }
    }
    let folder = File::open(dir)?;
    match folder.try_lock() {
        Ok(()) => Ok(Some(folder)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether the spool's file is there.
pub(crate) fn exists(dir: &Path) -> io::Result<bool> {
    dir.join(FILE).try_exists()
}

/// Makes the file: `fill` gets an empty one and leaves a whole spool in it, closed.
pub(crate) fn make(
    dir: &Path,
    fill: impl FnOnce(Backend) -> Result<(), Error>,
) -> Result<(), Error> {
    let made = || {
        let path = dir.join(FILE_BEING_MADE);
        open_file(&path)?.set_len(0)?;
        open_path(&path)
    };
    fill(made().map_err(|error| from_io(&error))?)?;
    let named = || {
        std::fs::rename(dir.join(FILE_BEING_MADE), dir.join(FILE))?;
        File::open(dir)?.sync_all()
    };
    named().map_err(|error| from_io(&error))
}

pub(crate) fn open(dir: &Path) -> io::Result<Backend> {
    open_path(&dir.join(FILE))
}

fn open_path(path: &Path) -> io::Result<Backend> {
    let file = FileBackend::new(open_file(path)?).map_err(io::Error::other)?;
    Ok(Backend(Box::new(file)))
}

fn open_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
}

/// Bytes an unprivileged process may still write to the disk that holds `dir`.
pub(crate) fn free_bytes(dir: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(dir)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Any backend. The type of the file must not show in the type of the spool.
#[derive(Debug)]
pub(crate) struct Backend(pub(crate) Box<dyn StorageBackend>);

type Lock<T = bool> = Result<T, BackendError>;
type Place = Bound<u64>;

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
    fn close(&self) -> io::Result<()> {
        self.0.close()
    }
    fn try_lock_range(&self, start: Place, end: Place) -> Lock {
        self.0.try_lock_range(start, end)
    }
    fn try_lock_shared_range(&self, start: Place, end: Place) -> Lock {
        self.0.try_lock_shared_range(start, end)
    }
    fn lock_range(&self, start: Place, end: Place) -> Lock<()> {
        self.0.lock_range(start, end)
    }
    fn lock_shared_range(&self, start: Place, end: Place) -> Lock<()> {
        self.0.lock_shared_range(start, end)
    }
    fn unlock_range(&self, start: Place, end: Place) -> Lock<()> {
        self.0.unlock_range(start, end)
    }
    fn query_lock_range(&self, start: Place, end: Place) -> Lock {
        self.0.query_lock_range(start, end)
    }
}
