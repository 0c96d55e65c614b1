//! The file under the spool, and what makes it one file for one process.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::ops::Bound;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};

/// Name of the file in the spool's folder.
const FILE: &str = "spool.redb";

/// Creates the folder, and the file's name in it, so that both survive a power cut.
pub(crate) fn prepare(dir: &Path) -> io::Result<()> {
    if !dir.is_dir() {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        if let Some(parent) = dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            File::open(parent)?.sync_all()?;
        }
    }
    open_file(dir)?;
    File::open(dir)?.sync_all()
}

fn open_file(dir: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(dir.join(FILE))
}

pub(crate) fn open(dir: &Path) -> io::Result<Backend> {
    let file = FileBackend::new(open_file(dir)?).map_err(io::Error::other)?;
    Ok(Backend(Box::new(file)))
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
