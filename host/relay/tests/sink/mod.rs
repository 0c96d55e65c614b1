//! A remote host that follows a script.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// A message as it came.
#[derive(Clone, Debug)]
pub struct Got {
    pub recipients: Vec<String>,
    pub text: String,
}

/// What to say to a command, seen so many times before; none for the usual answer.
type Script = dyn Fn(&str, usize) -> Option<&'static str> + Send + Sync;

struct Shared {
    script: Box<Script>,
    seen: Mutex<HashMap<String, usize>>,
    got: Mutex<Vec<Got>>,
    more: Notify,
}

/// Ends with all its connections when dropped.
pub struct Sink {
    address: SocketAddr,
    shared: Arc<Shared>,
    _task: JoinSet<()>,
}

impl Sink {
    pub async fn start(
        script: impl Fn(&str, usize) -> Option<&'static str> + Send + Sync + 'static,
    ) -> Sink {
        Sink::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), script).await
    }

    pub async fn start_at(
        address: SocketAddr,
        script: impl Fn(&str, usize) -> Option<&'static str> + Send + Sync + 'static,
    ) -> Sink {
        let listener = TcpListener::bind(address).await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let shared = Arc::new(Shared {
            script: Box::new(script),
            seen: Mutex::default(),
            got: Mutex::default(),
            more: Notify::new(),
        });
        let mut task = JoinSet::new();
        let for_all = shared.clone();
        task.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let serve = serve(stream, for_all.clone());
                connections.spawn(async move {
                    serve.await;
                });
            }
        });
        Sink {
            address,
            shared,
            _task: task,
        }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Everything that came, once it is so many.
    pub async fn wait_for(&self, count: usize) -> Vec<Got> {
        let enough = async {
            loop {
                let more = self.shared.more.notified();
                let got = self.shared.got.lock().expect("no panic").clone();
                if got.len() >= count {
                    return got;
                }
                more.await;
            }
        };
        let patience = Duration::from_secs(60);
        tokio::time::timeout(patience, enough)
            .await
            .expect("messages in time")
    }
}

async fn serve(stream: TcpStream, shared: Arc<Shared>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    stream.write_all(b"220 sink\r\n").await.ok()?;
    let mut recipients = Vec::new();
    loop {
        let line = line(&mut stream).await?;
        let times = {
            let mut seen = shared.seen.lock().expect("no panic");
            let times = seen.entry(line.clone()).or_insert(0);
            *times += 1;
            *times - 1
        };
        let scripted = (shared.script)(&line, times);
        let reply = match scripted {
            Some(reply) => reply.to_owned(),
            None if line.starts_with("EHLO") => "250-sink\r\n250 PIPELINING".to_owned(),
            None if line == "DATA" => {
                stream.write_all(b"354 go\r\n").await.ok()?;
                let text = data(&mut stream).await?;
                let recipients = std::mem::take(&mut recipients);
                shared
                    .got
                    .lock()
                    .expect("no panic")
                    .push(Got { recipients, text });
                shared.more.notify_waiters();
                "250 2.0.0 taken".to_owned()
            }
            None => "250 2.0.0 ok".to_owned(),
        };
        if scripted.is_none()
            && let Some(to) = line.strip_prefix("RCPT TO:<")
        {
            recipients.push(to.split('>').next().unwrap_or_default().to_owned());
        }
        if line.starts_with("MAIL") {
            recipients.clear();
        }
        stream
            .write_all(format!("{reply}\r\n").as_bytes())
            .await
            .ok()?;
        if line == "QUIT" {
            return None;
        }
    }
}

async fn data(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut text = String::new();
    loop {
        let line = line(stream).await?;
        if line == "." {
            return Some(text);
        }
        text.push_str(line.strip_prefix('.').unwrap_or(&line));
        text.push_str("\r\n");
    }
}

async fn line(stream: &mut BufReader<TcpStream>) -> Option<String> {
    let mut line = String::new();
    match stream.read_line(&mut line).await {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(line.trim_end_matches("\r\n").to_owned()),
    }
}
