//! One connection to a remote host: moves bytes between the socket and [`client::Connection`], within its times.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::Duration;

use baton_smtp::client::{Connection, Delivery, Event, Phase, Transaction};
use baton_smtp::extension::Capabilities;
use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Failure, Outbound, Times};
use crate::limits;
use crate::tls::{self, ClientStream, ClientTls, Trust};

/// A connection that is ready for transactions.
pub struct Link {
    stream: Stream,
    connection: Connection,
    out: VecDeque<Bytes>,
    host: Arc<str>,
    address: SocketAddr,
    tls: Option<Arc<str>>,
    times: Times,
    client_tls: ClientTls,
    trust: Trust,
    transactions: u32,
    /// Why the last handshake failed, for people.
    handshake_error: Option<String>,
}

pub(super) enum Stream {
    Plain(TcpStream),
    Tls(Box<ClientStream<TcpStream>>),
    /// A handshake failed, or is under way.
    Gone,
}

impl Stream {
    pub(super) async fn encrypt(
        self,
        tls: &ClientTls,
        trust: Trust,
        host: &str,
    ) -> io::Result<Stream> {
        match self {
            Stream::Plain(tcp) => Ok(Stream::Tls(Box::new(tls.connect(trust, host, tcp).await?))),
            other => Ok(other),
        }
    }

    fn description(&self) -> Option<Arc<str>> {
        match self {
            Stream::Tls(stream) => Some(tls::describe(stream.get_ref().1).into()),
            _ => None,
        }
    }

    fn io(&mut self) -> io::Result<&mut (dyn Io + Send)> {
        match self {
            Stream::Plain(stream) => Ok(stream),
            Stream::Tls(stream) => Ok(&mut **stream),
            Stream::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

trait Io: AsyncRead + AsyncWrite + Unpin {}
impl<T: AsyncRead + AsyncWrite + Unpin> Io for T {}

impl Link {
    pub(super) fn new(
        stream: Stream,
        connection: Connection,
        host: &str,
        address: SocketAddr,
        outbound: &Outbound,
        trust: Trust,
    ) -> Link {
        Link {
            tls: stream.description(),
            stream,
            connection,
            out: VecDeque::new(),
            host: host.into(),
            address,
            times: outbound.times,
            client_tls: outbound.tls.clone(),
            trust,
            transactions: 0,
            handshake_error: None,
        }
    }

    /// Greeting, EHLO, STARTTLS and AUTH.
    pub(super) async fn introduce(&mut self) -> Result<(), Failure> {
        loop {
            match self.step().await {
                Event::Ready(_) => return Ok(()),
                Event::Failed(failure) => {
                    let mut failure = Failure::from(&failure);
                    if let Some(error) = self.handshake_error.take() {
                        failure.reply.text = format!("{}: {error}", failure.reply.text).into();
                    }
                    self.close().await;
                    return Err(failure);
                }
                Event::Closed => {
                    return Err(Failure::without_reply(
                        baton_hooks::Stage::Greeting,
                        baton_smtp::EnhancedStatus::new(4, 4, 2),
                        "the connection was closed",
                    ));
                }
                _ => {}
            }
        }
    }

    /// Sends one message. The link can be used again if [`Delivery::reusable`].
    pub async fn deliver(&mut self, transaction: Transaction) -> Option<Delivery> {
        self.transactions += 1;
        if self.connection.deliver(transaction).is_err() {
            return None;
        }
        loop {
            match self.step().await {
                Event::Report(delivery) => return Some(delivery),
                Event::Closed => return None,
                _ => {}
            }
        }
    }

    /// Waits until the remote host ends the connection. Can be dropped at any time.
    pub async fn ended(&mut self) {
        loop {
            while let Some(event) = self.connection.next() {
                match event {
                    Event::Closed => return,
                    Event::Send(bytes) if bytes.is_empty() => {}
                    Event::Send(bytes) => self.out.push_back(bytes),
                    _ => {}
                }
            }
            self.read().await;
        }
    }

    /// Says goodbye, and waits for it a moment.
    pub async fn quit(mut self) {
        self.connection.quit();
        let goodbye = async { while !matches!(self.step().await, Event::Closed) {} };
        let _ = timeout(limits::QUIT_TIMEOUT, goodbye).await;
    }

    /// What the remote host offers.
    pub fn capabilities(&self) -> Option<&Capabilities> {
        self.connection.capabilities()
    }

    /// Whether another transaction may follow.
    pub fn is_usable(&self) -> bool {
        self.connection.is_idle()
    }

    /// Name of the remote host.
    pub fn host(&self) -> &Arc<str> {
        &self.host
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// "TLSv1.3 ..." if encrypted.
    pub fn tls(&self) -> Option<&Arc<str>> {
        self.tls.as_ref()
    }

    /// Transactions so far.
    pub fn transactions(&self) -> u32 {
        self.transactions
    }

    /// Goes on until the connection has something to say that is not bytes.
    async fn step(&mut self) -> Event {
        loop {
            while let Some(event) = self.connection.next() {
                match event {
                    Event::Send(bytes) if bytes.is_empty() => {}
                    Event::Send(bytes) => self.out.push_back(bytes),
                    Event::StartTls => {
                        self.flush().await;
                        self.handshake().await;
                    }
                    Event::Closed => {
                        self.flush().await;
                        self.close().await;
                        return Event::Closed;
                    }
                    other => return other,
                }
            }
            self.flush().await;
            let wait = self.patience();
            if timeout(wait, self.read()).await.is_err() {
                self.connection.timed_out();
            }
        }
    }

    fn patience(&self) -> Duration {
        match self.connection.phase() {
            Phase::EndOfData => self.times.data,
            Phase::Quit | Phase::Closed => limits::QUIT_TIMEOUT,
            _ => self.times.command,
        }
    }

    async fn handshake(&mut self) {
        let stream = std::mem::replace(&mut self.stream, Stream::Gone);
        let handshake = stream.encrypt(&self.client_tls, self.trust, &self.host);
        match timeout(self.times.command, handshake).await {
            Ok(Ok(stream)) => {
                self.stream = stream;
                self.tls = self.stream.description();
                self.connection.tls_established();
            }
            Ok(Err(error)) => {
                self.handshake_error = Some(error.to_string());
                self.connection.tls_failed();
            }
            Err(_) => self.connection.tls_failed(),
        }
    }

    /// Writes all that is to be sent. A connection that breaks shows when it is read, with what the host said last.
    async fn flush(&mut self) {
        while !self.out.is_empty() {
            let written = timeout(self.times.data, write_some(&mut self.stream, &self.out)).await;
            match written {
                Ok(Ok(count)) => advance(&mut self.out, count),
                Ok(Err(_)) => self.out.clear(),
                Err(_) => {
                    self.out.clear();
                    self.connection.timed_out();
                }
            }
        }
        if let Stream::Tls(stream) = &mut self.stream {
            let _ = timeout(self.times.data, stream.flush()).await;
        }
    }

    /// Takes what the remote host sent. Nothing is allocated while it sends nothing; can be dropped at any time.
    async fn read(&mut self) {
        let Link {
            stream, connection, ..
        } = self;
        let ended = poll_fn(|context| {
            let Ok(io) = stream.io() else {
                return Poll::Ready(true);
            };
            let mut space = [std::mem::MaybeUninit::uninit(); limits::REPLY_READ_BYTES];
            let mut buffer = ReadBuf::uninit(&mut space);
            match ready!(Pin::new(io).poll_read(context, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {
                    connection.receive(buffer.filled());
                    Poll::Ready(false)
                }
                _ => Poll::Ready(true),
            }
        })
        .await;
        if ended {
            self.connection.end_of_stream();
        }
    }

    async fn close(&mut self) {
        if let Ok(io) = self.stream.io() {
            let _ = timeout(limits::QUIT_TIMEOUT, io.shutdown()).await;
        }
    }
}

async fn write_some(stream: &mut Stream, out: &VecDeque<Bytes>) -> io::Result<usize> {
    let io = stream.io()?;
    let mut slices = [IoSlice::new(&[]); limits::WRITE_SLICES];
    let count = out.len().min(slices.len());
    for (slice, bytes) in slices.iter_mut().zip(out) {
        *slice = IoSlice::new(bytes);
    }
    match io.write_vectored(&slices[..count]).await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        written => Ok(written),
    }
}

fn advance(out: &mut VecDeque<Bytes>, mut count: usize) {
    while let Some(first) = out.front_mut() {
        if count < first.len() {
            first.advance(count);
            return;
        }
        count -= first.len();
        out.pop_front();
    }
}
