//! Log lines: from events through tracing, as text or JSON, to standard error.
//!
//! Lines are handed to a thread of their own through a bounded queue, so that a pipe nobody reads stops no mail; what does
//! not fit is counted and told of when there is room again.

use std::io::{self, Write};
use std::sync::OnceLock;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use prometheus_client::metrics::counter::Counter;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

use super::{Event, line};
use crate::config::{Log, LogFormat};

/// Lines that wait for their writer.
const LINES_MAX: usize = 16 * 1024;

/// Lines that were lost. The subscriber of tracing is one per process, and so is this.
pub(super) fn dropped() -> Counter {
    static DROPPED: OnceLock<Counter> = OnceLock::new();
    DROPPED.get_or_init(Counter::default).clone()
}

/// Writes what is left when dropped.
pub struct Guard {
    sender: Option<SyncSender<Message>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

enum Message {
    Line(Vec<u8>),
    Stop,
}

/// Sets up logging for the process, once. `RUST_LOG` has no say: the configuration has.
pub fn init(config: &Log) -> Result<Guard, String> {
    let filter = EnvFilter::try_new(&config.level).map_err(|e| e.to_string())?;
    let (sender, receiver) = sync_channel(LINES_MAX);
    let thread = std::thread::Builder::new()
        .name("log".into())
        .spawn(move || write_lines(&receiver, &mut io::stderr()))
        .map_err(|e| e.to_string())?;
    let queue = Queue {
        sender: sender.clone(),
    };
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(queue);
    let done = match config.format {
        LogFormat::Text => builder.with_target(false).with_ansi(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    done.map_err(|e| e.to_string())?;
    Ok(Guard {
        sender: Some(sender),
        thread: Some(thread),
    })
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.take() {
            let _ = sender.send(Message::Stop);
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn write_lines(receiver: &Receiver<Message>, to: &mut dyn Write) {
    let mut reported = dropped().get();
    let mut batch = Vec::with_capacity(64 * 1024);
    while let Ok(Message::Line(first)) = receiver.recv() {
        batch.extend_from_slice(&first);
        let mut stop = false;
        // One write for what has gathered meanwhile.
        while batch.len() < 60 * 1024 {
            match receiver.try_recv() {
                Ok(Message::Line(line)) => batch.extend_from_slice(&line),
                Ok(Message::Stop) => {
                    stop = true;
                    break;
                }
                Err(_) => break,
            }
        }
        let lost = dropped().get();
        if lost > reported {
            let _ = writeln!(batch, "{} log lines were lost", lost - reported);
            reported = lost;
        }
        // A closed standard error is no reason to stop.
        let _ = to.write_all(&batch).and_then(|()| to.flush());
        batch.clear();
        if stop {
            return;
        }
    }
}

/// Where tracing writes: the queue.
#[derive(Clone)]
struct Queue {
    sender: SyncSender<Message>,
}

impl<'a> MakeWriter<'a> for Queue {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line {
            sender: self.sender.clone(),
            bytes: Vec::with_capacity(256),
        }
    }
}

/// One line while it is written; sent when dropped.
struct Line {
    sender: SyncSender<Message>,
    bytes: Vec<u8>,
}

impl Write for Line {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        if let Err(TrySendError::Full(_)) = self.sender.try_send(Message::Line(bytes)) {
            dropped().inc();
        }
    }
}

/// Writes an event as a line, if its level is wanted.
pub(super) fn write(event: &Event) {
    /// Tracing wants the level in the source text.
    macro_rules! at {
        ($level:expr) => {
            if tracing::enabled!($level) {
                let line = line::line(event);
                tracing::event!(
                    $level,
                    message_id = line.message_id,
                    session = line.session,
                    listener = line.listener,
                    peer = line.peer.map(tracing::field::display),
                    account = line.account,
                    sender = line.sender,
                    recipient = line.recipient.as_deref(),
                    site = line.site,
                    host = line.host,
                    reply = line.reply,
                    plugin = line.plugin,
                    detail = line.detail.as_deref(),
                    bytes = line.bytes,
                    microseconds = line.microseconds,
                    "{}",
                    line.what
                );
            }
        };
    }
    match line::level(event) {
        tracing::Level::ERROR => at!(tracing::Level::ERROR),
        tracing::Level::WARN => at!(tracing::Level::WARN),
        tracing::Level::INFO => at!(tracing::Level::INFO),
        tracing::Level::DEBUG => at!(tracing::Level::DEBUG),
        tracing::Level::TRACE => at!(tracing::Level::TRACE),
    }
}
