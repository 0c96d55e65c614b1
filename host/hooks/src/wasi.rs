//! WASI with nothing in it: no files, no sockets, no environment. Toolchains import it for their standard libraries.
//!
//! Standard output and error become log lines. Clocks and chance are the system's, unless a tape runs or plays.

mod taped;

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::clocks::{MonotonicClock, WallClock};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::guest::Guest;
use crate::limits;
use crate::record::LogLevel;
use crate::trial::tape::Tape;
use taped::{Chance, Head, TapedTime};

/// Adds every interface of WASI preview 2.
pub(crate) fn link(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)
}

/// The context of one instance.
pub(crate) struct Wasi {
    context: WasiCtx,
    table: ResourceTable,
    out: Lines,
    err: Lines,
    head: Head,
}

impl Wasi {
    fn new(tape: Option<Tape>) -> Wasi {
        let (out, err) = (Lines::default(), Lines::default());
        let head = Head::default();
        head.set(tape);
        let context = WasiCtx::builder()
            .stdout(out.clone())
            .stderr(err.clone())
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .max_random_size(u64::from(limits::RANDOM_BYTES_MAX) * 64)
            .wall_clock(TapedTime(head.clone(), WallClock::new()))
            .monotonic_clock(TapedTime(head.clone(), MonotonicClock::new()))
            .secure_random(Chance(head.clone()))
            .insecure_random(Chance(head.clone()))
            .insecure_random_seed(head.seed())
            .build();
        Wasi {
            context,
            table: ResourceTable::new(),
            out,
            err,
            head,
        }
    }

    /// The tape of the call that begins.
    pub fn begin(&self, tape: Option<Tape>) {
        self.head.set(tape);
    }

    /// Hands over what was written since the last time.
    pub fn drain(&mut self, mut line: impl FnMut(LogLevel, &str)) {
        for (lines, level) in [(&self.out, LogLevel::Info), (&self.err, LogLevel::Warn)] {
            let written = std::mem::take(&mut *lines.lock());
            for text in String::from_utf8_lossy(&written)
                .lines()
                .filter(|l| !l.trim().is_empty())
            {
                line(level, text);
            }
        }
    }
}

impl WasiView for Guest {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let tape = self.desk.as_ref().map(|desk| desk.tape.clone());
        let wasi = self
            .wasi
            .get_or_insert_with(|| Box::new(Wasi::new(tape.flatten())));
        WasiCtxView {
            ctx: &mut wasi.context,
            table: &mut wasi.table,
        }
    }
}

/// What a guest wrote to one of its streams; past the budget it is swallowed.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Lines {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, bytes: &[u8]) {
        let mut kept = self.lock();
        let room = limits::LOG_BYTES_MAX.saturating_sub(kept.len());
        kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Lines {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(limits::LOG_BYTES_MAX)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Lines {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
