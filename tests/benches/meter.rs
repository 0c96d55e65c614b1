//! What a process tree costs: CPU seconds and resident memory of a process and all that it started, from /proc.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const START_TIME: Duration = Duration::from_secs(120);

/// Starts a command as the leader of its own session, its output in a file.
pub fn in_own_session(command: &mut Command, log: &Path) -> Child {
    let log = std::fs::File::create(log).expect("a log file");
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a second handle"))
        .stderr(log);
    // SAFETY: setsid is async-signal-safe and touches nothing of this process.
    unsafe {
        command.pre_exec(|| {
            (libc::setsid() >= 0)
                .then_some(())
                .ok_or_else(std::io::Error::last_os_error)
        })
    };
    command.spawn().expect("it starts")
}

/// A started process and all that it started; ended when dropped.
pub struct Session(pub Child);

impl Session {
    pub fn pids(&self) -> Vec<u32> {
        tree(self.0.id())
    }

    /// User and system time of all its processes, and of those that ended and were waited for.
    pub fn cpu_seconds(&self) -> f64 {
        let ticks: u64 = self
            .pids()
            .into_iter()
            .filter_map(stat)
            // Fields 14 to 17 of proc(5) stat: utime, stime, cutime, cstime.
            .map(|s| s[11..15].iter().sum::<u64>())
            .sum();
        // SAFETY: sysconf only reads.
        ticks as f64 / unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let pids = self.pids();
        for signal in [libc::SIGTERM, libc::SIGKILL] {
            for &pid in &pids {
                // SAFETY: these are processes of the session that was started here.
                unsafe { libc::kill(pid as libc::pid_t, signal) };
            }
            let end = Instant::now() + Duration::from_secs(10);
            while Instant::now() < end {
                let _ = self.0.try_wait();
                if !pids.iter().any(|&pid| stat(pid).is_some()) {
                    return;
                }
                std::thread::park_timeout(Duration::from_millis(20));
            }
        }
        let _ = self.0.wait();
    }
}

/// A process and all below it, also those that made a session of their own, as daemons do.
fn tree(leader: u32) -> Vec<u32> {
    let numbers = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let parents: Vec<(u32, u32)> = numbers
        .filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok())
        .filter_map(|pid| Some((pid, stat(pid)?[1] as u32)))
        .collect();
    let mut found = vec![leader];
    let mut at = 0;
    while let Some(&parent) = found.get(at) {
        let children = parents.iter().filter(|(_, of)| *of == parent);
        found.extend(children.map(|(pid, _)| pid));
        at += 1;
    }
    found
}

/// The fields of /proc/PID/stat after the command's name, numbers only; a state letter is 0.
fn stat(pid: u32) -> Option<Vec<u64>> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = text.rsplit_once(')')?;
    let mut words = rest.split_whitespace();
    if words.clone().next() == Some("Z") {
        return None;
    }
    Some(words.by_ref().map(|w| w.parse().unwrap_or(0)).collect())
}

/// Memory that is the processes' own, in MiB: pages mapped from files are left out, since they can be dropped at any time.
pub fn resident_mib(pids: &[u32]) -> f64 {
    let of = |pid: &u32| {
        let text = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let line = text.lines().find(|l| l.starts_with("RssAnon:"))?;
        line.split_whitespace().nth(1)?.parse::<f64>().ok()
    };
    pids.iter().filter_map(of).sum::<f64>() / 1024.0
}

/// Looks at the memory of a process and all that it started every 100 ms until asked.
pub struct PeakMemory {
    peak_kib: Arc<AtomicU64>,
    over: Arc<AtomicBool>,
}

impl PeakMemory {
    pub fn watch(leader: u32) -> PeakMemory {
        let (peak_kib, over) = (
            Arc::new(AtomicU64::new(0)),
            Arc::new(AtomicBool::new(false)),
        );
        let (peak, done) = (peak_kib.clone(), over.clone());
        std::thread::spawn(move || {
            while !done.load(Ordering::Relaxed) {
                peak.fetch_max(
                    (resident_mib(&tree(leader)) * 1024.0) as u64,
                    Ordering::Relaxed,
                );
                std::thread::park_timeout(Duration::from_millis(100));
            }
        });
        PeakMemory { peak_kib, over }
    }

    pub fn peak_mib(&self) -> f64 {
        self.over.store(true, Ordering::Relaxed);
        self.peak_kib.load(Ordering::Relaxed) as f64 / 1024.0
    }
}

/// Waits until something greets with 220 there; the seconds it took.
pub fn wait_for_greeting(addr: SocketAddr) -> f64 {
    let began = Instant::now();
    while began.elapsed() < START_TIME {
        if let Ok(mut socket) = TcpStream::connect_timeout(&addr, Duration::from_secs(1)) {
            let mut code = [0; 3];
            let _ = socket.set_read_timeout(Some(Duration::from_secs(2)));
            if socket.read_exact(&mut code).is_ok() && &code == b"220" {
                return began.elapsed().as_secs_f64();
            }
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
    panic!("nothing greets at {addr}");
}
