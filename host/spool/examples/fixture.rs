//! Writes a spool with one record of each kind, for the day a format is released: later versions have to read it.
//!
//!     cargo run -p baton-spool --example fixture -- host/spool/tests/compat/format-N.redb

#[path = "../tests/support/mod.rs"]
mod support;

use baton_spool::*;
use support::fixture::fixture;
use support::{body_of, open};

fn main() {
    let path = std::env::args_os().nth(1).expect("the file to write");
    let dir = tempfile::tempdir().expect("a folder");
    let (spool, _) = open(dir.path());
    let mut operations = fixture();
    let Operation::Settle(attempt) = &mut operations[1] else {
        unreachable!()
    };
    attempt.inbox[0].raw = vec![body_of(3, 700)];
    let answers = spool.commit(&operations, Durability::Durable);
    for answer in answers.expect("the commit") {
        answer.expect("the operation");
    }
    spool.close().expect("closes");
    let kept = dir.path().join("spool.redb");
    let mut database = redb::Database::open(&kept).expect("opens");
    while database.compact().expect("compacts") {}
    database.close().expect("closes");
    std::fs::copy(kept, path).expect("the file is written");
}
