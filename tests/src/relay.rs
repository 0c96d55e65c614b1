//! The relay as a user runs it: the real binary, a configuration file, a state folder, free ports.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::http;
use crate::wait::eventually;

/// How long a start may take; the first one compiles the bundled plugins to native code.
const START_TIME: Duration = Duration::from_secs(120);
const STOP_TIME: Duration = Duration::from_secs(30);

/// A running relay with its own state folder; killed and removed when dropped.
pub struct Relay {
    pub smtp: SocketAddr,
    pub http: SocketAddr,
    pub dir: PathBuf,
    arguments: Vec<String>,
    child: Child,
    _home: Option<TempDir>,
}

/// The binary under test.
///
/// # Panics
/// If it is not built: `cargo test --workspace` builds it beside the tests.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("BATON_BINARY") {
        return path.into();
    }
    let test = std::env::current_exe().expect("a running test has a path");
    let path = test
        .parent()
        .and_then(Path::parent)
        .expect("target/<profile>/deps")
        .join("baton");
    assert!(
        path.exists(),
        "{} is missing: run `cargo build -p baton` first",
        path.display()
    );
    path
}

/// A loopback port that nobody listens on, and that nobody takes by chance: it is below the range from which the system
/// chooses ports for outgoing connections, and no two calls of one process give the same.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Test processes that run side by side begin at different places.
    let start = std::process::id().wrapping_mul(977) % u32::from(PORTS.end - PORTS.start);
    for _ in PORTS {
        let step = u32::from(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = PORTS.start + ((start + step) % u32::from(PORTS.end - PORTS.start)) as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
    panic!("no port of {PORTS:?} is free");
}

/// Linux hands out 32768 and above by itself (`ip_local_port_range`).
const PORTS: Range<u16> = 12_000..32_000;

fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

/// Runs `baton` with the given arguments to its end.
pub fn run(arguments: &[&str]) -> Output {
    Command::new(binary())
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .expect("baton runs")
}

impl Relay {
    /// `baton dev` on free ports.
    pub async fn dev() -> Relay {
        Relay::dev_with(&[]).await
    }

    /// `baton dev` with more arguments.
    pub async fn dev_with(more: &[&str]) -> Relay {
        let home = TempDir::new().expect("a temporary folder");
        let dir = home.path().to_owned();
        std::fs::create_dir_all(dir.join("plugins")).expect("a plugins folder");
        let (smtp, http) = (loopback(free_port()), loopback(free_port()));
        let mut arguments: Vec<String> = [
            "dev",
            "--state",
            &dir.join("state").display().to_string(),
            "--plugins",
            &dir.join("plugins").display().to_string(),
            "--smtp",
            &smtp.to_string(),
            "--http",
            &http.to_string(),
        ]
        .map(str::to_owned)
        .to_vec();
        arguments.extend(more.iter().map(|a| a.to_string()));
        Relay::launch(dir, arguments, smtp, http, Some(home)).await
    }

    /// `baton serve` with a configuration in which `{smtp}`, `{http}` (addresses), `{dir}`, `{plugins}` (folders) are filled in.
    pub async fn serve(config: &str) -> Relay {
        Relay::serve_with(config, |_| {}).await
    }

    /// The same, with a chance to put files into the folder first.
    pub async fn serve_with(config: &str, prepare: impl FnOnce(&Path)) -> Relay {
        let home = TempDir::new().expect("a temporary folder");
        let dir = home.path().to_owned();
        std::fs::create_dir_all(dir.join("plugins")).expect("a plugins folder");
        prepare(&dir);
        let (smtp, http) = (loopback(free_port()), loopback(free_port()));
        let text = config
            .replace("{smtp}", &smtp.to_string())
            .replace("{http}", &http.to_string())
            .replace("{plugins}", &dir.join("plugins").display().to_string())
            .replace("{dir}", &dir.display().to_string());
        let file = dir.join("baton.toml");
        std::fs::write(&file, text).expect("a configuration file");
        let arguments = vec![
            "serve".to_owned(),
            "--config".to_owned(),
            file.display().to_string(),
            "--state".to_owned(),
            dir.join("state").display().to_string(),
        ];
        Relay::launch(dir, arguments, smtp, http, Some(home)).await
    }

    async fn launch(
        dir: PathBuf,
        arguments: Vec<String>,
        smtp: SocketAddr,
        http: SocketAddr,
        home: Option<TempDir>,
    ) -> Relay {
        let child = spawn(&dir, &arguments);
        let mut relay = Relay {
            smtp,
            http,
            dir,
            arguments,
            child,
            _home: home,
        };
        relay.wait_until_ready().await;
        relay
    }

    async fn wait_until_ready(&mut self) {
        let (smtp, http) = (self.smtp, self.http);
        eventually("the relay is ready", START_TIME, async || {
            if let Ok(Some(status)) = self.child.try_wait() {
                panic!("the relay ended with {status}:\n{}", self.log());
            }
            let ready = http::get(http, "/readyz")
                .await
                .is_ok_and(|r| r.status == 200);
            // A listener behind a proxy stays silent until it is told who the client is: a connection is enough.
            (ready && tokio::net::TcpStream::connect(smtp).await.is_ok()).then_some(())
        })
        .await;
    }

    /// Everything the relay has written to standard output and error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("baton.log")).unwrap_or_default()
    }

    pub fn plugins(&self) -> PathBuf {
        self.dir.join("plugins")
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, as a crash would.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub fn signal(&self, signal: libc::c_int) {
        // SAFETY: the child has not been waited for, so the number is still its own.
        unsafe { libc::kill(self.child.id() as libc::pid_t, signal) };
    }

    /// SIGTERM; true if it ended well in time.
    pub async fn stop(&mut self) -> bool {
        self.signal(libc::SIGTERM);
        eventually("the relay ends", STOP_TIME, async || {
            self.child.try_wait().ok().flatten()
        })
        .await
        .success()
    }

    /// Starts again on the same state, configuration and ports.
    pub async fn restart(&mut self) {
        self.kill();
        self.child = spawn(&self.dir, &self.arguments);
        self.wait_until_ready().await;
    }

    /// GET of an API path, as JSON.
    pub async fn api(&self, path: &str) -> Value {
        let response = http::get(self.http, path).await.expect("the API answers");
        assert_eq!(response.status, 200, "{path}: {}", response.text());
        response.json()
    }

    /// Newest first.
    pub async fn inbox(&self) -> Vec<Value> {
        match self.api("/api/v1/inbox?limit=1000").await {
            Value::Array(items) => items,
            other => panic!("the inbox is not a list: {other}"),
        }
    }

    pub async fn inbox_raw(&self, id: &str) -> Vec<u8> {
        let path = format!("/api/v1/inbox/{id}/raw");
        let response = http::get(self.http, &path).await.expect("the API answers");
        assert_eq!(response.status, 200, "{path}: {}", response.text());
        response.body
    }

    /// Waits until the inbox holds that many messages.
    pub async fn wait_for_inbox(&self, count: usize) -> Vec<Value> {
        let what = format!("{count} messages in the inbox");
        eventually(&what, Duration::from_secs(30), async || {
            let items = self.inbox().await;
            (items.len() >= count).then_some(items)
        })
        .await
    }

    /// Resident memory, in KiB.
    pub fn resident_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()))
            .expect("a running process has a status");
        let line = status
            .lines()
            .find(|l| l.starts_with("VmRSS:"))
            .expect("VmRSS");
        line.split_whitespace()
            .nth(1)
            .and_then(|n| n.parse().ok())
            .expect("a number of KiB")
    }

    /// One Prometheus sample, summed over its label sets; 0 where it is absent.
    pub async fn metric(&self, name: &str) -> f64 {
        let response = http::get(self.http, "/metrics")
            .await
            .expect("metrics answer");
        response
            .text()
            .lines()
            .filter(|l| {
                l.strip_prefix(name)
                    .is_some_and(|rest| rest.starts_with(['{', ' ']))
            })
            .filter_map(|l| l.rsplit(' ').next()?.parse::<f64>().ok())
            .sum()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("--- log of the relay ---\n{}", self.log());
        }
    }
}

fn spawn(dir: &Path, arguments: &[String]) -> Child {
    let log = std::fs::File::options()
        .create(true)
        .append(true)
        .open(dir.join("baton.log"))
        .expect("a log file");
    Command::new(binary())
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a second handle"))
        .stderr(log)
        .spawn()
        .expect("baton starts")
}
