//! Opening, committing, and coming back after the disk has failed.

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use redb::{Database, ReadableDatabase, StorageBackend, TableError};

use crate::backend::{self, Backend};
use crate::batch::{Batch, Failure, Tables};
use crate::check::{self, SetAside};
use crate::counts::Counts;
use crate::error::{Error, from_io};
use crate::id::MessageId;
use crate::limits::Limits;
use crate::listed::Listed;
use crate::operation::{Answer, Done, Durability, Operation};
use crate::snapshot::Snapshot;
use crate::tables::{FORMAT, META, META_FORMAT, ORIGINAL_USES};

/// What was found when the spool was opened.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OpenReport {
    /// It did not exist before.
    pub created: bool,
    /// It was not closed: a crash, or a power cut. Everything acknowledged is there all the same.
    pub recovered: bool,
    /// What could not be read and was set aside.
    pub set_aside: Vec<SetAside>,
    /// The index of due times disagreed with the entries and was built anew.
    pub index_rebuilt: bool,
    /// What waits.
    pub counts: Counts,
}

/// The spool of one relay. Shared by reference between threads; one commit runs at a time, reads run beside it.
pub struct Spool {
    limits: Limits,
    open_backend: Box<dyn Fn() -> io::Result<Backend> + Send + Sync>,
    free_bytes: Box<dyn Fn() -> io::Result<u64> + Send + Sync>,
    /// None between a failure of the disk and the next use.
    database: RwLock<Option<Database>>,
    writer: Mutex<Writer>,
    counts: Mutex<Counts>,
    listed: Arc<Listed>,
    /// Keeps other processes out, also while the database is closed and opened again. Last, to be let go last.
    _claim: Option<File>,
}

/// What belongs to whoever commits.
#[derive(Default)]
struct Writer {
    scratch: Vec<u8>,
    /// Accepted in a commit that failed, so the client was told no. The disk may have them nevertheless.
    in_doubt: Vec<MessageId>,
    /// Why the database was closed.
    trouble: Option<String>,
    /// The trouble was want of room, so that trying again before there is any is in vain.
    was_full: bool,
}

impl Spool {
    /// Opens the spool in `dir`, which is made if it is not there.
    ///
    /// # Errors
    /// [`Error::InUse`] if another process has it, [`Error::Version`] if a newer release wrote it, [`Error::Corrupt`] if it
    /// cannot be read as a whole; single records that cannot be read are set aside and reported.
    pub fn open(dir: &Path, limits: Limits) -> Result<(Self, OpenReport), Error> {
        let io = |error: io::Error| from_io(&error);
        let claim = backend::claim(dir).map_err(io)?.ok_or(Error::InUse)?;
        let created = !backend::exists(dir).map_err(io)?;
        if created {
            backend::make(dir, |backend| {
                let database = Database::builder().create_with_backend(backend)?;
                check_format(&database)?;
                Ok(database.close()?)
            })?;
        }
        let (file_dir, disk_dir) = (dir.to_owned(), dir.to_owned());
        let (mut spool, report) = Self::start(
            Box::new(move || backend::open(&file_dir)),
            Box::new(move || backend::free_bytes(&disk_dir)),
            limits,
        )?;
        spool._claim = Some(claim);
        Ok((spool, OpenReport { created, ..report }))
    }

    /// Opens a spool on anything that stores bytes; for tests. Making a new one is not safe from crashes here. `open_backend` is called again after the disk has failed;
    /// `free_bytes` says how much room it has.
    pub fn open_with_backend<B: StorageBackend>(
        open_backend: impl Fn() -> io::Result<B> + Send + Sync + 'static,
        free_bytes: impl Fn() -> io::Result<u64> + Send + Sync + 'static,
        limits: Limits,
    ) -> Result<(Self, OpenReport), Error> {
        let open = move || Ok(Backend(Box::new(open_backend()?)));
        Self::start(Box::new(open), Box::new(free_bytes), limits)
    }

    fn start(
        open_backend: Box<dyn Fn() -> io::Result<Backend> + Send + Sync>,
        free_bytes: Box<dyn Fn() -> io::Result<u64> + Send + Sync>,
        limits: Limits,
    ) -> Result<(Self, OpenReport), Error> {
        let spool = Self {
            limits,
            open_backend,
            free_bytes,
            database: RwLock::new(None),
            writer: Mutex::default(),
            counts: Mutex::default(),
            listed: Arc::default(),
            _claim: None,
        };
        let report = spool.open_database(&mut lock(&spool.writer))?;
        Ok((spool, report))
    }

    /// Does all of it in one transaction. With [`Durability::Durable`] (the default) everything answered `Ok` is on the disk
    /// when this returns. Operations are done in order, each whole or not at all; one that is refused does not hinder the
    /// others.
    ///
    /// # Errors
    /// Nothing of the batch counts as done, and what eventual commits since the last durable one did may be undone: look at
    /// the spool again. What a failed `Accept` may have left is taken back when the next call opens the disk again; only if
    /// the process ends before that can a message that was refused be delivered, and never can one be lost. A `Settle` that
    /// reached the disk stays: trying it again is refused with [`crate::Refusal::NoMessage`] or `NoEntry`.
    pub fn commit(
        &self,
        operations: &[Operation],
        durability: Durability,
    ) -> Result<Vec<Answer>, Error> {
        let mut writer = lock(&self.writer);
        self.revive(&mut writer)?;
        let mut accepted = Vec::new();
        let done = self.with_database(|database| {
            self.run(
                database,
                &mut writer.scratch,
                operations,
                durability,
                &mut accepted,
            )
        });
        match done {
            Ok((answers, counts)) => {
                *lock(&self.counts) = counts;
                Ok(answers)
            }
            Err(error) => {
                writer.in_doubt.append(&mut accepted);
                self.collapse(&mut writer, &error);
                Err(error)
            }
        }
    }

    fn run(
        &self,
        database: &Database,
        scratch: &mut Vec<u8>,
        operations: &[Operation],
        durability: Durability,
        accepted: &mut Vec<MessageId>,
    ) -> Result<(Vec<Answer>, Counts), Error> {
        let mut txn = database.begin_write()?;
        // One sync per commit: redb tells a torn commit by its checksums. Its two-phase commit, and the quick repair that
        // builds on it, take a second sync and halve the rate; what they would save is a second or two per gigabyte when
        // the spool is opened after a crash.
        txn.set_durability(match durability {
            Durability::Durable => redb::Durability::Immediate,
            Durability::Eventual => redb::Durability::None,
        })?;
        let mut batch = Batch {
            tables: Tables::open(&txn)?,
            limits: &self.limits,
            listed: &self.listed,
            counts: *lock(&self.counts),
            room_bytes: self.room_bytes(operations),
            scratch: std::mem::take(scratch),
        };
        let mut answers: Vec<Answer> = Vec::with_capacity(operations.len());
        // Of the last operation that goes with no other.
        let mut is_refused = false;
        for operation in operations {
            let follows = matches!(
                operation,
                Operation::Events { if_done: true, .. } | Operation::KvWith(_)
            );
            if follows && is_refused {
                answers.push(Ok(Done::Changed(0)));
                continue;
            }
            let answer = match batch.apply(operation) {
                Ok(done) => Ok(done),
                Err(Failure::Refused(refusal)) => Err(refusal),
                Err(Failure::Broken(error)) => return Err(error),
            };
            if let (Operation::Accept(messages), Ok(_)) = (operation, &answer) {
                accepted.extend(messages.iter().map(|message| message.id));
            }
            if !follows {
                is_refused = answer.is_err();
            }
            answers.push(answer);
        }
        batch.finish()?;
        let counts = batch.counts;
        *scratch = std::mem::take(&mut batch.scratch);
        drop(batch);
        txn.commit()?;
        Ok((answers, counts))
    }

    /// What accepts of this batch may take from the disk.
    fn room_bytes(&self, operations: &[Operation]) -> u64 {
        if !operations
            .iter()
            .any(|operation| matches!(operation, Operation::Accept(_)))
        {
            return 0;
        }
        // A disk that does not say how full it is will say so when it is written to.
        let free = (self.free_bytes)().unwrap_or(u64::MAX);
        free.saturating_sub(self.limits.disk_free_bytes_min)
    }

    /// The spool as it is now: later commits do not show. To be dropped soon, since it keeps what is removed on the disk.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        if self
            .database
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .is_none()
        {
            self.revive(&mut lock(&self.writer))?;
        }
        self.with_database(|database| {
            Ok(Snapshot::new(database.begin_read()?, self.listed.clone()))
        })
    }

    /// How much waits, as of the last commit.
    pub fn counts(&self) -> Counts {
        *lock(&self.counts)
    }

    /// The limits it was opened with.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Why the spool is closed for now, if it is: the last failure of the disk, until a call succeeds again.
    pub fn trouble(&self) -> Option<String> {
        lock(&self.writer).trouble.clone()
    }

    /// Closes it, eventual commits included, so that the next open need not look at every page.
    pub fn close(self) -> Result<(), Error> {
        let database = self
            .database
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        database.map_or(Ok(()), |database| Ok(database.close()?))
    }

    /// Runs `work` on the open database. A panic inside redb (a page that is not what it was) becomes an error.
    fn with_database<T>(
        &self,
        work: impl FnOnce(&Database) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let Some(database) = database.as_ref() else {
            return Err(Error::Io("the spool was closed after a failure".to_owned()));
        };
        catch_unwind(AssertUnwindSafe(|| work(database)))
            .unwrap_or_else(|panic| Err(panicked(&*panic)))
    }

    /// After a failure redb refuses everything until it is opened again, which the next call does.
    fn collapse(&self, writer: &mut Writer, error: &Error) {
        let database = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        // Closing what has failed may fail again, in any manner.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(database)));
        writer.trouble = Some(error.to_string());
        writer.was_full = matches!(error, Error::Full(_));
    }

    fn revive(&self, writer: &mut Writer) -> Result<(), Error> {
        if self
            .database
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .is_some()
        {
            return Ok(());
        }
        let free = (self.free_bytes)().unwrap_or(u64::MAX);
        if writer.was_full && free <= self.limits.disk_free_bytes_min {
            return Err(Error::Full(writer.trouble.clone().unwrap_or_default()));
        }
        let opened = self.open_database(writer);
        if let Err(error) = &opened {
            self.collapse(writer, error);
        }
        opened.map(|_| ())
    }

    fn open_database(&self, writer: &mut Writer) -> Result<OpenReport, Error> {
        let opened = catch_unwind(AssertUnwindSafe(|| self.build(writer)));
        let (database, report) = opened.unwrap_or_else(|panic| Err(panicked(&*panic)))?;
        *lock(&self.counts) = report.counts;
        *self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner) = Some(database);
        writer.in_doubt.clear();
        writer.trouble = None;
        writer.was_full = false;
        Ok(report)
    }

    fn build(&self, writer: &mut Writer) -> Result<(Database, OpenReport), Error> {
        let backend = (self.open_backend)().map_err(|error| from_io(&error))?;
        let recovered = Arc::new(AtomicBool::new(false));
        let flag = recovered.clone();
        let database = Database::builder()
            .set_cache_size(self.limits.cache_bytes)
            .set_repair_callback(move |_| flag.store(true, Ordering::Relaxed))
            .create_with_backend(backend)?;
        let created = check_format(&database)?;
        self.undo(&database, writer)?;
        let mut found = check::scan(&database)?;
        let mut report = OpenReport {
            created,
            recovered: recovered.load(Ordering::Relaxed),
            set_aside: found.list(),
            index_rebuilt: found.index_is_wrong(),
            counts: found.counts,
        };
        if !found.is_clean() {
            self.edit(&database, &mut writer.scratch, |batch| {
                check::repair(batch, &found)
            })?;
            found = check::scan(&database)?;
            if !found.is_clean() {
                return Err(Error::Corrupt(
                    "the spool does not stay repaired".to_owned(),
                ));
            }
            report.counts = found.counts;
        }
        self.listed.load(&database)?;
        Ok((database, report))
    }

    /// Removes what a failed commit may have left, so that a client that was told no is not served in secret.
    fn undo(&self, database: &Database, writer: &mut Writer) -> Result<(), Error> {
        if writer.in_doubt.is_empty() {
            return Ok(());
        }
        let in_doubt = writer.in_doubt.clone();
        self.edit(database, &mut writer.scratch, |batch| {
            for message in &in_doubt {
                match batch.unaccept(*message) {
                    Ok(()) | Err(Failure::Refused(_)) => {}
                    Err(Failure::Broken(error)) => return Err(error),
                }
            }
            Ok(())
        })
    }

    fn edit(
        &self,
        database: &Database,
        scratch: &mut Vec<u8>,
        work: impl FnOnce(&mut Batch<'_, '_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let txn = database.begin_write()?;
        let mut batch = Batch {
            tables: Tables::open(&txn)?,
            limits: &self.limits,
            listed: &self.listed,
            counts: Counts::default(),
            room_bytes: 0,
            scratch: std::mem::take(scratch),
        };
        work(&mut batch)?;
        drop(batch);
        Ok(txn.commit()?)
    }
}

/// Whether the spool is new. Makes the tables of a new one.
fn check_format(database: &Database) -> Result<bool, Error> {
    let found = match database.begin_read()?.open_table(META) {
        Ok(meta) => meta.get(META_FORMAT)?.map(|row| row.value()),
        Err(TableError::TableDoesNotExist(_)) => None,
        Err(error) => return Err(error.into()),
    };
    match found {
        Some(found) if found > FORMAT => Err(Error::Version {
            found,
            supported: FORMAT,
        }),
        Some(_) => {
            // A spool of the first days lacks the tables that came later.
            if let Err(TableError::TableDoesNotExist(_)) =
                database.begin_read()?.open_table(ORIGINAL_USES)
            {
                make_tables(database)?;
            }
            Ok(false)
        }
        None => {
            make_tables(database)?;
            Ok(true)
        }
    }
}

fn make_tables(database: &Database) -> Result<(), Error> {
    let txn = database.begin_write()?;
    txn.open_table(META)?.insert(META_FORMAT, FORMAT)?;
    Tables::open(&txn)?;
    Ok(txn.commit()?)
}

impl std::fmt::Debug for Spool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spool")
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

/// Nothing here is left half done by a panic: what a lock guards is replaced whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn panicked(panic: &(dyn std::any::Any + Send)) -> Error {
    let what = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("unknown");
    Error::Corrupt(format!("the store panicked: {what}"))
}
