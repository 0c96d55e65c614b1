//! How fast a relay takes mail and passes it on, and what that costs: durable, 10 KiB messages, many sessions, on loopback.
//!
//! `cargo run --release -p baton-tests --bin bench -- relay` starts the release binary with `tests/bench.toml`, a load
//! generator and a sink, each a process of its own, and prints medians over rounds. With `--postfix` it takes turns with a
//! Postfix from Debian's package in the same run, and prints the ratios: machines differ, ratios much less.
//! See the README of this folder.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

mod load;
mod meter;
mod postfix;
mod sink;
mod swap;

const DOMAINS: usize = 20;
const SINK_PORT: u16 = 2526;

/// What to do, from the command line: `bench MODE --name value ...`.
pub struct Options {
    mode: String,
    values: HashMap<String, String>,
}

impl Options {
    fn from_args() -> Options {
        let mut words = std::env::args().skip(1);
        let mode = words.next().unwrap_or_default();
        let mut values = HashMap::new();
        while let Some(word) = words.next() {
            let name = word.trim_start_matches("--").to_owned();
            let flag = name == "postfix";
            values.insert(
                name,
                if flag {
                    String::new()
                } else {
                    words.next().unwrap_or_default()
                },
            );
        }
        Options { mode, values }
    }

    fn number(&self, name: &str, default: usize) -> usize {
        match self.values.get(name) {
            None => default,
            Some(text) => text
                .parse()
                .unwrap_or_else(|_| usage(&format!("--{name} {text}"))),
        }
    }

    fn path(&self, name: &str, default: PathBuf) -> PathBuf {
        self.values.get(name).map_or(default, PathBuf::from)
    }
}

fn usage(wrong: &str) -> ! {
    eprintln!("bench: cannot use {wrong}");
    eprintln!(
        "bench relay|latency|idle|deferred|swap [--messages N] [--sessions N] [--size BYTES] [--rounds N]\n\
         \x20     [--baton PATH] [--config FILE] [--state DIR] [--postfix]"
    );
    std::process::exit(2)
}

fn main() {
    let options = Options::from_args();
    match options.mode.as_str() {
        "load" => load::main(&options),
        "sink" => sink::main(&options),
        "swap" => swap::main(&options),
        "relay" | "latency" | "idle" | "deferred" => compare(&options),
        other => usage(if other.is_empty() { "no mode" } else { other }),
    }
}

/// A relay under measurement: how to start it and where it listens.
trait Subject {
    fn name(&self) -> &'static str;
    fn port(&self) -> u16;
    /// Wipes its state and starts it in a session of its own.
    fn start(&self) -> Child;
}

struct Baton {
    binary: PathBuf,
    config: PathBuf,
    state: PathBuf,
}

impl Subject for Baton {
    fn name(&self) -> &'static str {
        "baton"
    }

    fn port(&self) -> u16 {
        2525
    }

    fn start(&self) -> Child {
        // The compiled plugins stay: what is measured is the relay, not the compiler.
        for entry in std::fs::read_dir(&self.state)
            .into_iter()
            .flatten()
            .flatten()
        {
            if entry.file_name() != "plugin-cache" {
                let _ = std::fs::remove_dir_all(entry.path());
                let _ = std::fs::remove_file(entry.path());
            }
        }
        let mut command = Command::new(&self.binary);
        command
            .args(["serve", "--config"])
            .arg(&self.config)
            .arg("--state")
            .arg(&self.state);
        meter::in_own_session(&mut command, &std::env::temp_dir().join("bench-baton.log"))
    }
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests lies in the workspace")
}

fn compare(options: &Options) {
    let home = std::env::temp_dir().join("baton-bench");
    std::fs::create_dir_all(&home).expect("a temporary folder");
    let beside = std::env::current_exe()
        .expect("a running program has a path")
        .with_file_name("baton");
    let mut subjects: Vec<Box<dyn Subject>> = vec![Box::new(Baton {
        binary: options.path("baton", beside),
        config: options.path("config", workspace().join("tests/bench.toml")),
        state: options.path("state", home.join("state")),
    })];
    if options.values.contains_key("postfix") {
        subjects.insert(0, Box::new(postfix::Postfix::new(home.join("postfix"))));
    }
    let mut results: Vec<Vec<HashMap<&'static str, f64>>> = vec![Vec::new(); subjects.len()];
    for round in 0..options.number("rounds", 3) {
        for (subject, results) in subjects.iter().zip(&mut results) {
            let numbers = measure(subject.as_ref(), options);
            println!(
                "round {} {:8} {}",
                round + 1,
                subject.name(),
                one_line(&numbers)
            );
            results.push(numbers);
        }
    }
    println!();
    report(&subjects, &results);
}

fn one_line(numbers: &HashMap<&'static str, f64>) -> String {
    let mut parts: Vec<_> = numbers.iter().map(|(k, v)| format!("{k}={v:.2}")).collect();
    parts.sort();
    parts.join(" ")
}

fn report(subjects: &[Box<dyn Subject>], results: &[Vec<HashMap<&'static str, f64>>]) {
    let mut names: Vec<_> = results[0][0].keys().copied().collect();
    names.sort_unstable();
    for name in names {
        let medians: Vec<f64> = results
            .iter()
            .map(|rounds| median(rounds.iter().map(|r| r[name]).collect()))
            .collect();
        let mut line = format!("{name:>26}");
        for (subject, median) in subjects.iter().zip(&medians) {
            line += &format!("   {} {median:10.2}", subject.name());
        }
        if let [first, second] = medians[..] {
            line += &format!("   ratio {:.2}", second / first);
        }
        println!("{line}");
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// One round: start, load, count, stop.
fn measure(subject: &dyn Subject, options: &Options) -> HashMap<&'static str, f64> {
    let child = meter::Session(subject.start());
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, subject.port()));
    let start_seconds = meter::wait_for_greeting(addr);
    let mut numbers = match options.mode.as_str() {
        "relay" => relay(&child, addr, options),
        "latency" => latency(addr),
        "idle" => idle(&child, addr, options.number("connections", 2000)),
        _ => deferred(&child, addr, options),
    };
    numbers.insert("start_seconds", start_seconds);
    numbers
}

fn relay(
    child: &meter::Session,
    addr: SocketAddr,
    options: &Options,
) -> HashMap<&'static str, f64> {
    let messages = options.number("messages", 10_000);
    let sink = start_self("sink", &[("expect", messages), ("seconds", 120)]);
    let (cpu, memory) = (child.cpu_seconds(), meter::PeakMemory::watch(child.0.id()));
    let sent = finish(start_self(
        "load",
        &[
            ("port", usize::from(addr.port())),
            ("messages", messages),
            ("sessions", options.number("sessions", 50)),
            ("size", options.number("size", 10_240)),
            ("domains", DOMAINS),
        ],
    ));
    let got = finish(sink);
    let cpu = child.cpu_seconds() - cpu;
    HashMap::from([
        (
            "messages_per_second",
            got["unique"] / (got["last"] - sent["first"]).max(1e-6),
        ),
        (
            "accepted_per_second",
            sent["accepted"] / (sent["last"] - sent["first"]).max(1e-6),
        ),
        (
            "cpu_seconds_per_1000",
            cpu / got["unique"].max(1.0) * 1000.0,
        ),
        ("lost", sent["accepted"] - got["unique"]),
        ("doubled", got["doubled"]),
        ("refused", sent["refused"]),
        ("dot_p50_ms", sent["p50"]),
        ("dot_p99_ms", sent["p99"]),
        ("peak_resident_mib", memory.peak_mib()),
        ("sink_connections", got["connections"]),
    ])
}

fn latency(addr: SocketAddr) -> HashMap<&'static str, f64> {
    let sink = start_self("sink", &[("expect", 200), ("seconds", 60)]);
    let sent = finish(start_self(
        "load",
        &[
            ("port", usize::from(addr.port())),
            ("messages", 200),
            ("sessions", 1),
            ("size", 10_240),
            ("domains", DOMAINS),
            ("gap-ms", 20),
        ],
    ));
    finish(sink);
    HashMap::from([("dot_p50_ms", sent["p50"]), ("dot_p99_ms", sent["p99"])])
}

fn idle(child: &meter::Session, addr: SocketAddr, count: usize) -> HashMap<&'static str, f64> {
    let before = meter::resident_mib(&child.pids());
    let held = load::hold(addr, count);
    let after = meter::resident_mib(&child.pids());
    HashMap::from([
        ("connections", held.len() as f64),
        ("idle_mib", before),
        (
            "kib_per_connection",
            (after - before) * 1024.0 / held.len().max(1) as f64,
        ),
    ])
}

fn deferred(
    child: &meter::Session,
    addr: SocketAddr,
    options: &Options,
) -> HashMap<&'static str, f64> {
    let messages = options.number("messages", 20_000);
    let sink = start_self("sink", &[("expect", 0), ("seconds", 600), ("defer", 1)]);
    let before = meter::resident_mib(&child.pids());
    let sent = finish(start_self(
        "load",
        &[
            ("port", usize::from(addr.port())),
            ("messages", messages),
            ("sessions", options.number("sessions", 50)),
            ("size", options.number("size", 2048)),
            ("domains", DOMAINS),
        ],
    ));
    let after = meter::resident_mib(&child.pids());
    drop(meter::Session(sink));
    HashMap::from([
        ("accepted", sent["accepted"]),
        (
            "accepted_per_second",
            sent["accepted"] / (sent["last"] - sent["first"]).max(1e-6),
        ),
        ("resident_before_mib", before),
        ("resident_after_mib", after),
    ])
}

/// Runs this program again as generator or sink, so that their CPU time is not counted as the relay's.
fn start_self(mode: &str, values: &[(&str, usize)]) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("a running program has a path"));
    command.arg(mode);
    for (name, value) in values {
        command.arg(format!("--{name}")).arg(value.to_string());
    }
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("it starts");
    if mode == "sink" {
        meter::wait_for_greeting(SocketAddrV4::new(Ipv4Addr::new(127, 0, 1, 1), SINK_PORT).into());
    }
    assert!(
        child.try_wait().expect("a child can be asked").is_none(),
        "{mode} ended at once"
    );
    child
}

/// The numbers a generator or sink prints as `name=value` words.
fn finish(child: Child) -> HashMap<String, f64> {
    let output = child.wait_with_output().expect("it ends");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace()
        .filter_map(|word| word.split_once('='))
        .filter_map(|(name, value)| Some((name.to_owned(), value.parse().ok()?)))
        .collect()
}

/// Seconds since the epoch, comparable between the processes of one run.
#[allow(clippy::disallowed_methods)] // A benchmark measures real time.
fn now() -> f64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .expect("after 1970")
        .as_secs_f64()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
}

fn deadline(seconds: usize) -> Instant {
    Instant::now() + Duration::from_secs(seconds as u64)
}
