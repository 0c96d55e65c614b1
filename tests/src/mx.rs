//! A mail exchanger that follows a script: what it answers at each stage, and what it is rude about. It keeps all it
//! received, so that a test can compare byte for byte.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::tls::Identity;
use crate::wait::eventually;

/// One message as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The address inside MAIL FROM:<>, empty for the null reverse-path.
    pub sender: String,
    pub sender_parameters: String,
    pub recipients: Vec<String>,
    pub recipient_parameters: Vec<String>,
    /// Dot-stuffing removed; ends with CRLF.
    pub message: Vec<u8>,
    /// Which connection brought it, counted from 0.
    pub connection: usize,
    pub tls: bool,
    /// True if it came by BDAT.
    pub chunked: bool,
}

impl Received {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.message).into_owned()
    }
}

/// Something to do instead of the usual answer.
#[derive(Debug, Clone)]
pub enum Act {
    /// These lines, without the final CRLF; several are separated by CRLF.
    Say(String),
    /// Raw bytes, as they are.
    Raw(Vec<u8>),
    /// These lines, once somebody notifies.
    Later(Arc<Notify>, String),
    /// Say nothing, keep the connection open.
    Hang,
    /// Close without a word.
    Close,
}

impl Act {
    pub fn say(line: &str) -> Act {
        Act::Say(line.to_owned())
    }
}

type Decide = dyn Fn(&str, usize) -> Option<Act> + Send + Sync;

/// How the exchanger behaves. The default accepts everything and offers PIPELINING, 8BITMIME, SMTPUTF8, SIZE and
/// ENHANCEDSTATUSCODES.
#[derive(Clone)]
pub struct Script {
    pub extensions: Vec<String>,
    /// Offers STARTTLS with this identity.
    pub tls: Option<Arc<Identity>>,
    decide: Arc<Decide>,
}

impl Default for Script {
    fn default() -> Script {
        let extensions = [
            "PIPELINING",
            "SIZE 52428800",
            "8BITMIME",
            "SMTPUTF8",
            "ENHANCEDSTATUSCODES",
        ];
        Script {
            extensions: extensions.map(str::to_owned).to_vec(),
            tls: None,
            decide: Arc::new(|_, _| None),
        }
    }
}

impl Script {
    pub fn extensions(mut self, keywords: &[&str]) -> Script {
        self.extensions = keywords.iter().map(|k| k.to_string()).collect();
        self
    }

    pub fn tls(mut self, identity: Arc<Identity>) -> Script {
        self.tls = Some(identity);
        self
    }

    /// Asked with each event and how many times that very event came before on this exchanger. Events are `CONNECT`, each
    /// command line as it came, and `.` for the end of data. `None` means the usual answer.
    pub fn on(
        mut self,
        decide: impl Fn(&str, usize) -> Option<Act> + Send + Sync + 'static,
    ) -> Script {
        self.decide = Arc::new(decide);
        self
    }
}

/// A running exchanger; stops when dropped.
pub struct Mx {
    pub addr: SocketAddr,
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
}

struct Shared {
    script: Mutex<Script>,
    seen: Mutex<HashMap<String, usize>>,
    received: Mutex<Vec<Received>>,
    commands: Mutex<Vec<String>>,
    connections: AtomicUsize,
    open: AtomicUsize,
    open_most: AtomicUsize,
}

impl Mx {
    pub async fn start(script: Script) -> Mx {
        Mx::start_at(IpAddr::V4(Ipv4Addr::LOCALHOST), 0, script).await
    }

    /// Binds the given loopback address, so that several exchangers can share one port.
    pub async fn start_at(ip: IpAddr, port: u16, script: Script) -> Mx {
        let socket = if ip.is_ipv4() {
            TcpSocket::new_v4()
        } else {
            TcpSocket::new_v6()
        };
        let socket = socket.expect("a socket");
        socket.set_reuseaddr(true).expect("SO_REUSEADDR");
        socket.bind(SocketAddr::new(ip, port)).expect("a free port");
        let listener = socket.listen(1024).expect("listening");
        let addr = listener
            .local_addr()
            .expect("a bound socket has an address");
        let shared = Arc::new(Shared {
            script: Mutex::new(script),
            seen: Mutex::default(),
            received: Mutex::default(),
            commands: Mutex::default(),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            open_most: AtomicUsize::new(0),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, shared.clone()));
        Mx {
            addr,
            shared,
            tasks,
        }
    }

    /// From now on, also for connections that are open.
    pub fn follow(&self, script: Script) {
        *self.shared.script.lock().unwrap() = script;
    }

    /// Counts events from 0 again.
    pub fn forget(&self) {
        self.shared.seen.lock().unwrap().clear();
    }

    pub fn received(&self) -> Vec<Received> {
        self.shared.received.lock().unwrap().clone()
    }

    pub fn count(&self) -> usize {
        self.shared.received.lock().unwrap().len()
    }

    /// Every command line, in order, over all connections.
    pub fn commands(&self) -> Vec<String> {
        self.shared.commands.lock().unwrap().clone()
    }

    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }

    /// The most connections that were open at once.
    pub fn open_most(&self) -> usize {
        self.shared.open_most.load(Ordering::SeqCst)
    }

    /// Waits until that many messages arrived.
    pub async fn wait_for(&self, count: usize) -> Vec<Received> {
        let what = format!("{count} messages at the exchanger");
        eventually(&what, Duration::from_secs(60), async || {
            (self.count() >= count).then(|| self.received())
        })
        .await
    }
}

impl Drop for Mx {
    fn drop(&mut self) {
        self.tasks.abort_all();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((socket, _)) = accepted else { return };
                let _ = socket.set_nodelay(true);
                let shared = shared.clone();
                let number = shared.connections.fetch_add(1, Ordering::SeqCst);
                sessions.spawn(async move {
                    let open = shared.open.fetch_add(1, Ordering::SeqCst) + 1;
                    shared.open_most.fetch_max(open, Ordering::SeqCst);
                    let _ = Session::new(&shared, number).run(socket).await;
                    shared.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
            Some(_) = sessions.join_next(), if !sessions.is_empty() => {}
        }
    }
}

struct Session<'a> {
    shared: &'a Shared,
    number: usize,
    buffer: Vec<u8>,
    tls: bool,
    envelope: Option<Received>,
}

enum Next {
    Go,
    Close,
    Upgrade,
}

impl<'a> Session<'a> {
    fn new(shared: &'a Shared, number: usize) -> Session<'a> {
        Session {
            shared,
            number,
            buffer: Vec::new(),
            tls: false,
            envelope: None,
        }
    }

    async fn run(mut self, mut socket: tokio::net::TcpStream) -> std::io::Result<()> {
        if let Some(act) = self.scripted("CONNECT") {
            if let Next::Close = self.perform(&mut socket, act).await? {
                return Ok(());
            }
        } else {
            socket.write_all(b"220 mx.test ESMTP\r\n").await?;
        }
        match self.converse(&mut socket).await? {
            Next::Upgrade => {}
            _ => return Ok(()),
        }
        let identity = self
            .shared
            .script
            .lock()
            .unwrap()
            .tls
            .clone()
            .expect("STARTTLS was offered");
        let acceptor = tokio_rustls::TlsAcceptor::from(identity.server());
        let mut secured = acceptor.accept(socket).await?;
        self.tls = true;
        self.buffer.clear();
        self.converse(&mut secured).await?;
        let _ = secured.shutdown().await;
        Ok(())
    }

    fn scripted(&self, event: &str) -> Option<Act> {
        let before = {
            let mut seen = self.shared.seen.lock().unwrap();
            let count = seen.entry(event.to_owned()).or_default();
            *count += 1;
            *count - 1
        };
        let decide = self.shared.script.lock().unwrap().decide.clone();
        decide(event, before)
    }

    async fn perform<W: AsyncWrite + Unpin>(
        &mut self,
        wire: &mut W,
        act: Act,
    ) -> std::io::Result<Next> {
        match act {
            Act::Say(lines) => wire.write_all(format!("{lines}\r\n").as_bytes()).await?,
            Act::Raw(bytes) => wire.write_all(&bytes).await?,
            Act::Later(told, lines) => {
                told.notified().await;
                wire.write_all(format!("{lines}\r\n").as_bytes()).await?;
            }
            Act::Hang => std::future::pending().await,
            Act::Close => return Ok(Next::Close),
        }
        wire.flush().await?;
        Ok(Next::Go)
    }

    async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
        &mut self,
        wire: &mut S,
    ) -> std::io::Result<Next> {
        loop {
            let Some(line) = self.line(wire).await? else {
                return Ok(Next::Close);
            };
            self.shared.commands.lock().unwrap().push(line.clone());
            let verb = line
                .split(' ')
                .next()
                .unwrap_or_default()
                .to_ascii_uppercase();
            let scripted = self.scripted(&line);
            let accepted = match &scripted {
                None => true,
                Some(Act::Say(text)) => text.starts_with(['2', '3']),
                Some(_) => false,
            };
            if verb == "BDAT" {
                // The chunk follows whatever the answer will be.
                let mut words = line.split(' ').skip(1);
                let size: usize = words.next().and_then(|n| n.parse().ok()).unwrap_or(0);
                let last = words.next().is_some_and(|w| w.eq_ignore_ascii_case("LAST"));
                let chunk = self.exactly(wire, size).await?;
                if accepted && let Some(envelope) = &mut self.envelope {
                    envelope.message.extend_from_slice(&chunk);
                    envelope.chunked = true;
                    if last {
                        self.keep();
                    }
                }
                let act = scripted.unwrap_or_else(|| Act::say("250 2.0.0 chunk"));
                if let Next::Close = self.perform(wire, act).await? {
                    return Ok(Next::Close);
                }
                continue;
            }
            if accepted {
                self.note(&verb, &line);
            }
            let act = match scripted {
                Some(act) => act,
                None => self.usual(&verb),
            };
            let going_into_data =
                verb == "DATA" && matches!(&act, Act::Say(t) if t.starts_with("354"));
            if let Next::Close = self.perform(wire, act).await? {
                return Ok(Next::Close);
            }
            match verb.as_str() {
                "QUIT" => return Ok(Next::Close),
                "STARTTLS" if accepted && !self.tls => return Ok(Next::Upgrade),
                _ if going_into_data => {
                    let Some(message) = self.data(wire).await? else {
                        return Ok(Next::Close);
                    };
                    let end = self.scripted(".");
                    let keep = match &end {
                        None => true,
                        Some(Act::Say(text) | Act::Later(_, text)) => text.starts_with('2'),
                        // Taken, although the sender never learns it.
                        Some(Act::Close) => true,
                        Some(_) => false,
                    };
                    if let Some(envelope) = &mut self.envelope {
                        envelope.message = message;
                    }
                    if keep {
                        self.keep();
                    }
                    self.envelope = None;
                    let act = end.unwrap_or_else(|| Act::say("250 2.0.0 taken"));
                    if let Next::Close = self.perform(wire, act).await? {
                        return Ok(Next::Close);
                    }
                }
                _ => {}
            }
        }
    }

    fn usual(&self, verb: &str) -> Act {
        let script = self.shared.script.lock().unwrap();
        match verb {
            "EHLO" => {
                let mut lines = vec!["mx.test".to_owned()];
                lines.extend(script.extensions.iter().cloned());
                if script.tls.is_some() && !self.tls {
                    lines.push("STARTTLS".to_owned());
                }
                let last = lines.len() - 1;
                let lines: Vec<String> = lines
                    .iter()
                    .enumerate()
                    .map(|(i, l)| format!("250{}{l}", if i == last { ' ' } else { '-' }))
                    .collect();
                Act::Say(lines.join("\r\n"))
            }
            "HELO" => Act::say("250 mx.test"),
            "MAIL" | "RSET" | "NOOP" => Act::say("250 2.1.0 Ok"),
            "RCPT" if self.envelope.is_none() => Act::say("503 5.5.1 MAIL first"),
            "RCPT" => Act::say("250 2.1.5 Ok"),
            "DATA"
                if self
                    .envelope
                    .as_ref()
                    .is_none_or(|e| e.recipients.is_empty()) =>
            {
                Act::say("554 5.5.1 no valid recipients")
            }
            "DATA" => Act::say("354 go ahead"),
            "AUTH" => Act::say("235 2.7.0 welcome"),
            "STARTTLS" if script.tls.is_some() => Act::say("220 2.0.0 go ahead"),
            "QUIT" => Act::say("221 2.0.0 bye"),
            _ => Act::say("500 5.5.2 what?"),
        }
    }

    fn note(&mut self, verb: &str, line: &str) {
        let inside = || {
            let (start, end) = (
                line.find('<').unwrap_or(0) + 1,
                line.rfind('>').unwrap_or(line.len()),
            );
            (
                line[start..end].to_owned(),
                line[end + 1..].trim().to_owned(),
            )
        };
        match verb {
            "MAIL" => {
                let (sender, sender_parameters) = inside();
                self.envelope = Some(Received {
                    sender,
                    sender_parameters,
                    recipients: Vec::new(),
                    recipient_parameters: Vec::new(),
                    message: Vec::new(),
                    connection: self.number,
                    tls: self.tls,
                    chunked: false,
                });
            }
            "RCPT" => {
                let (to, parameters) = inside();
                if let Some(envelope) = &mut self.envelope {
                    envelope.recipients.push(to);
                    envelope.recipient_parameters.push(parameters);
                }
            }
            "RSET" | "EHLO" | "HELO" => self.envelope = None,
            _ => {}
        }
    }

    fn keep(&mut self) {
        if let Some(envelope) = self.envelope.take() {
            self.shared.received.lock().unwrap().push(envelope);
        }
    }

    async fn more<S: AsyncRead + Unpin>(&mut self, wire: &mut S) -> std::io::Result<bool> {
        Ok(wire.read_buf(&mut self.buffer).await? > 0)
    }

    async fn line<S: AsyncRead + Unpin>(
        &mut self,
        wire: &mut S,
    ) -> std::io::Result<Option<String>> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&b| b == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                assert!(
                    line.ends_with(b"\r\n"),
                    "a command line must end with CRLF: {line:?}"
                );
                return Ok(Some(
                    String::from_utf8_lossy(&line[..line.len() - 2]).into_owned(),
                ));
            }
            if !self.more(wire).await? {
                return Ok(None);
            }
        }
    }

    async fn exactly<S: AsyncRead + Unpin>(
        &mut self,
        wire: &mut S,
        size: usize,
    ) -> std::io::Result<Vec<u8>> {
        while self.buffer.len() < size {
            if !self.more(wire).await? {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(self.buffer.drain(..size).collect())
    }

    /// The message up to CRLF.CRLF with dot-stuffing removed; bare CR or LF is a fault of the sender.
    async fn data<S: AsyncRead + Unpin>(
        &mut self,
        wire: &mut S,
    ) -> std::io::Result<Option<Vec<u8>>> {
        let mut message = Vec::new();
        let mut from = 0;
        loop {
            while let Some(end) = self.buffer[from..].iter().position(|&b| b == b'\n') {
                let line = &self.buffer[from..=from + end];
                assert!(line.ends_with(b"\r\n"), "a bare LF was sent: {line:?}");
                assert!(
                    !line[..line.len() - 2].contains(&b'\r'),
                    "a bare CR was sent: {line:?}"
                );
                let over = line == b".\r\n";
                if !over {
                    message.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
                }
                from += end + 1;
                if over {
                    self.buffer.drain(..from);
                    return Ok(Some(message));
                }
            }
            self.buffer.drain(..from);
            from = 0;
            if !self.more(wire).await? {
                return Ok(None);
            }
        }
    }
}
