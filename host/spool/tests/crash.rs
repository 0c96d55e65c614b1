//! The power goes at every moment of a run in which every operation occurs.
//!
//! The disk records what it is told. For each point of the recording it is asked what may be left of it, the spool is opened
//! on that, and what it holds must be exactly what it held after a commit that was answered, or the one under way: so an
//! acknowledged message is there entire (I1), and outcomes are never torn (I2).

mod support;

use baton_spool::*;
use support::disk::{CRASHES, Chance, Crash, Cuts, Disk, Event, after_crash};
use support::dump::{Dump, dump};
use support::script::{limits, script};

/// A run: what the disk was told after it held an empty spool, and what the spool held after each commit.
struct Run {
    start: Vec<u8>,
    events: Vec<Event>,
    steps: Vec<Step>,
}

struct Step {
    /// Events before the commit returned.
    events: usize,
    held: Dump,
    durable: bool,
}

fn open(disk: &Disk) -> Result<(Spool, OpenReport), Error> {
    let same = disk.clone();
    Spool::open_with_backend(move || Ok(same.clone()), || Ok(u64::MAX), limits())
}

fn empty() -> Vec<u8> {
    let disk = Disk::default();
    open(&disk).unwrap().0.close().unwrap();
    disk.bytes()
}

fn run(commits: &[(Vec<Operation>, Durability)]) -> Run {
    let start = empty();
    let disk = Disk::with(start.clone());
    let (spool, _) = open(&disk).unwrap();
    let mut steps = vec![Step {
        events: disk.event_count(),
        held: dump(&spool),
        durable: true,
    }];
    for (operations, durability) in commits {
        for answer in spool.commit(operations, *durability).unwrap() {
            answer.expect("nothing in the script is refused");
        }
        steps.push(Step {
            events: disk.event_count(),
            held: dump(&spool),
            durable: *durability == Durability::Durable,
        });
    }
    let events = disk.events();
    spool.close().unwrap();
    Run {
        start,
        events,
        steps,
    }
}

impl Run {
    /// What may be found after a crash at `cut`: from the last durable commit that had returned to the one under way.
    fn allowed(&self, cut: usize) -> &[Step] {
        let done = self
            .steps
            .iter()
            .rposition(|s| s.durable && s.events <= cut)
            .unwrap_or(0);
        let next = self
            .steps
            .iter()
            .position(|s| s.events > cut)
            .unwrap_or(self.steps.len() - 1);
        &self.steps[done..=next.max(done)]
    }

    fn check(&self, cut: usize, left: Vec<u8>, what: &str) -> Disk {
        let disk = Disk::with(left);
        let (spool, report) = match open(&disk) {
            Ok(opened) => opened,
            Err(error) => panic!("{what}: does not open: {error}"),
        };
        let held = dump(&spool);
        assert_eq!(
            (report.set_aside, report.index_rebuilt),
            (vec![], false),
            "{what}"
        );
        let allowed = self.allowed(cut);
        if !allowed.iter().any(|step| step.held == held) {
            let before = &allowed[0].held;
            let missing: Vec<_> = before
                .messages
                .keys()
                .filter(|id| !held.messages.contains_key(id))
                .collect();
            panic!("{what}: a state no commit made; missing messages {missing:?}");
        }
        drop(spool);
        disk
    }
}

#[test]
fn whenever_the_power_goes_the_spool_holds_what_was_acknowledged() {
    let run = run(&script());
    let mut cuts = Cuts::new(run.start.clone(), run.events.clone());
    let (mut seen, mut synced) = (0, 0);
    while let Some((cut, durable, unsynced)) = cuts.cut() {
        for crash in CRASHES {
            let left = after_crash(durable, unsynced, crash, cut as u64);
            run.check(cut, left, &format!("{crash:?} at event {cut}"));
            seen += 1;
        }
        synced += usize::from(unsynced.is_empty());
    }
    assert!(
        synced > run.steps.iter().filter(|step| step.durable).count(),
        "every sync is a cut"
    );
    assert!(seen > 4 * run.steps.len());
}

#[test]
fn a_second_power_cut_while_the_spool_recovers_changes_nothing() {
    let run = run(&script());
    let mut chance = Chance::new(7);
    let mut cuts = Cuts::new(run.start.clone(), run.events.clone());
    while let Some((cut, durable, unsynced)) = cuts.cut() {
        if chance.below(12) > 0 {
            continue;
        }
        let left = after_crash(durable, unsynced, Crash::Scattered, cut as u64);
        let recovery = run
            .check(cut, left.clone(), &format!("scattered at event {cut}"))
            .events();
        let mut again = Cuts::new(left, recovery);
        while let Some((second, durable, unsynced)) = again.cut() {
            for crash in [Crash::Nothing, Crash::Scattered] {
                let left = after_crash(durable, unsynced, crash, (cut * 1000 + second) as u64);
                run.check(
                    cut,
                    left,
                    &format!("event {cut}, then {crash:?} at {second}"),
                );
            }
        }
    }
}

#[test]
fn a_spool_half_made_when_the_power_goes_is_made_again() {
    let disk = Disk::recording();
    open(&disk).unwrap().0.close().unwrap();
    let mut cuts = Cuts::new(Vec::new(), disk.events());
    while let Some((cut, durable, unsynced)) = cuts.cut() {
        for crash in CRASHES {
            let dir = tempfile::tempdir().unwrap();
            let left = after_crash(durable, unsynced, crash, cut as u64);
            std::fs::write(dir.path().join("spool.redb.new"), left).unwrap();
            let (spool, report) = Spool::open(dir.path(), limits()).unwrap();
            assert!(report.created);
            assert_eq!(dump(&spool), Dump::default());
        }
    }
}
