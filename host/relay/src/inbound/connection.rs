//! One connection: bytes between the socket and the [`Session`], within the times of its listener.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Poll, ready};
use std::time::{Duration, Instant};

use baton_smtp::proxy;
use baton_smtp::server::{Event as Wanted, Phase, Question, Session};
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::judge::Judge;
use super::{Door, Shared};
use crate::event::{Closed, Event, Refused};
use crate::limits;
use crate::net::Permit;
use crate::tls::{self, ServerStream};

/// Serves one client until it leaves.
pub(super) async fn run(
    stream: TcpStream,
    peer: SocketAddr,
    permit: Permit,
    door: Arc<Door>,
    shared: Arc<Shared>,
) {
    let _ = stream.set_nodelay(true);
    let Some((stream, peer, _permit)) = behind_proxy(stream, peer, permit, &door, &shared).await
    else {
        return;
    };
    let id = shared.new_session_id();
    let listener = door.name.clone();
    shared.bus.emit(Event::SessionOpened {
        session: id.clone().into(),
        listener: listener.clone().into(),
        peer,
    });
    let began = Instant::now();
    let mut connection = Connection {
        session: Session::new(door.settings.clone()),
        judge: Judge::new(id.clone(), peer, door.clone(), shared.clone()),
        stream: Stream::Plain(stream),
        deadline: began + door.config.limits.session_timeout,
        door,
        shared,
        ending: Closed::Peer,
    };
    connection.serve().await;
    connection.judge.abandon();
    let Connection {
        mut stream,
        judge,
        ending,
        shared,
        ..
    } = connection;
    let _ = timeout(limits::QUIT_TIMEOUT, stream.shutdown()).await;
    shared.bus.emit(Event::SessionClosed {
        session: id.into(),
        listener: listener.into(),
        peer,
        reason: ending,
        accepted: judge.accepted(),
        took: began.elapsed(),
    });
}

struct Connection {
    session: Session,
    judge: Judge,
    stream: Stream,
    door: Arc<Door>,
    shared: Arc<Shared>,
    deadline: Instant,
    /// How it will have ended, as far as is known.
    ending: Closed,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<ServerStream<TcpStream>>),
    Gone,
}

enum Read {
    Some,
    End,
    Silence,
    Stop,
}

impl Connection {
    async fn serve(&mut self) {
        loop {
            while let Some(wanted) = self.session.next() {
                match wanted {
                    Wanted::Send(bytes) => {
                        if !self.write(bytes).await {
                            return;
                        }
                    }
                    Wanted::Ask(question) => self.answer(question).await,
                    Wanted::StartTls => {
                        if !self.handshake().await {
                            return;
                        }
                    }
                    Wanted::Close => {
                        if matches!(self.ending, Closed::Peer) {
                            self.ending = Closed::Quit;
                        }
                        return;
                    }
                }
            }
            match self.read().await {
                Read::Some => {}
                Read::End => return,
                Read::Silence => {
                    self.ending = Closed::Timeout;
                    self.session.timed_out();
                }
                Read::Stop => {
                    self.ending = Closed::Stopping;
                    self.session.shutting_down();
                }
            }
        }
    }

    /// The future of an answer is large and seldom there: boxed, so that a connection that only waits stays small.
    async fn answer(&mut self, question: Question) {
        let answer = Box::pin(self.judge.answer(&self.session, question)).await;
        if let Some(reason) = self.judge.closes() {
            self.ending = reason;
        }
        self.session.answer(answer);
    }

    async fn write(&mut self, bytes: Bytes) -> bool {
        let written = timeout(limits::REPLY_WRITE_TIMEOUT, self.stream.write_all(&bytes)).await;
        match written {
            Ok(Ok(())) => true,
            Ok(Err(_)) => {
                self.ending = Closed::Network;
                false
            }
            Err(_) => {
                self.ending = Closed::Timeout;
                false
            }
        }
    }

    /// Waits for the client. One that goes on at once finds all as it was; of one that is silent only the session stays.
    async fn read(&mut self) -> Read {
        let limits = &self.door.config.limits;
        let patience = match self.session.phase() {
            Phase::Data => limits.data_timeout,
            _ => limits.command_timeout,
        };
        let patience = patience.min(self.deadline.saturating_duration_since(Instant::now()));
        let first = patience.min(limits::PARK_AFTER);
        match self.read_within(first).await {
            Read::Silence if first < patience => {}
            other => return other,
        }
        self.judge.park();
        self.read_within(patience - first).await
    }

    async fn read_within(&mut self, patience: Duration) -> Read {
        let Connection {
            stream,
            session,
            shared,
            ..
        } = self;
        tokio::select! {
            biased;
            got = timeout(patience, stream.read_into(session)) => match got {
                Ok(Ok(true)) => Read::Some,
                Ok(Ok(false) | Err(_)) => Read::End,
                Err(_) => Read::Silence,
            },
            () = shared.stop.cancelled() => Read::Stop,
        }
    }

    async fn handshake(&mut self) -> bool {
        let (Some(tls), Stream::Plain(plain)) = (
            &self.door.tls,
            std::mem::replace(&mut self.stream, Stream::Gone),
        ) else {
            return false;
        };
        let error = match timeout(limits::HANDSHAKE_TIMEOUT, Box::pin(tls.accept(plain))).await {
            Ok(Ok(stream)) => {
                let description = tls::describe(stream.get_ref().1);
                self.stream = Stream::Tls(Box::new(stream));
                self.session.tls_established(&description);
                self.judge.encrypted(&description);
                return true;
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => "no handshake in time".to_owned(),
        };
        self.ending = Closed::Tls;
        let (listener, peer) = (self.door.name.clone().into(), self.judge.peer());
        self.shared.bus.emit(Event::TlsFailed {
            listener,
            peer,
            error,
        });
        false
    }
}

impl Stream {
    async fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Stream::Plain(stream) => stream.write_all(bytes).await,
            Stream::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await
            }
            Stream::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Hands what the client sent to the session; false at the end. The space is on the stack of the thread that polls,
    /// so that a connection without input holds none. Can be dropped at any time.
    async fn read_into(&mut self, session: &mut Session) -> io::Result<bool> {
        match self {
            Stream::Plain(stream) => read_into(stream, session).await,
            Stream::Tls(stream) => read_into(&mut **stream, session).await,
            Stream::Gone => Ok(false),
        }
    }

    async fn shutdown(&mut self) -> io::Result<()> {
        match self {
            Stream::Plain(stream) => stream.shutdown().await,
            Stream::Tls(stream) => stream.shutdown().await,
            Stream::Gone => Ok(()),
        }
    }
}

async fn read_into<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    session: &mut Session,
) -> io::Result<bool> {
    poll_fn(|context| {
        let mut space = [MaybeUninit::uninit(); limits::CLIENT_READ_BYTES];
        let mut buffer = ReadBuf::uninit(&mut space);
        ready!(Pin::new(&mut *stream).poll_read(context, &mut buffer))?;
        if buffer.filled().is_empty() {
            return Poll::Ready(Ok(false));
        }
        session.receive(buffer.filled());
        Poll::Ready(Ok(true))
    })
    .await
}

/// The client's own address, where a proxy stands between.
async fn behind_proxy(
    mut stream: TcpStream,
    peer: SocketAddr,
    mut permit: Permit,
    door: &Door,
    shared: &Shared,
) -> Option<(TcpStream, SocketAddr, Permit)> {
    if !door.config.proxy_protocol {
        return Some((stream, peer, permit));
    }
    let refuse = |peer, reason| {
        shared.bus.emit(Event::SessionRefused {
            listener: door.name.clone().into(),
            peer,
            reason,
        });
        None
    };
    let header = timeout(limits::HANDSHAKE_TIMEOUT, read_proxy_header(&mut stream)).await;
    let Ok(Some(source)) = header else {
        return refuse(peer, Refused::Proxy);
    };
    // A health check of the proxy itself (LOCAL, UNKNOWN) keeps the proxy's address.
    let peer = source.unwrap_or(peer);
    if permit.belongs_to(peer.ip()).is_err() {
        return refuse(peer, Refused::TooManyFromAddress);
    }
    Some((stream, peer, permit))
}

/// Reads the header and not a byte more: what follows belongs to the session.
async fn read_proxy_header(stream: &mut TcpStream) -> Option<Option<SocketAddr>> {
    let mut seen = vec![0; baton_smtp::limits::PROXY_BYTES_MAX];
    loop {
        let count = stream.peek(&mut seen).await.ok()?;
        if count == 0 {
            return None;
        }
        match proxy::parse(&seen[..count]) {
            Ok(Some((header, bytes))) => {
                let mut taken = vec![0; bytes];
                stream.read_exact(&mut taken).await.ok()?;
                return Some(match header {
                    proxy::Header::Proxied { source, .. } => Some(source),
                    proxy::Header::Local => None,
                });
            }
            Ok(None) if count < seen.len() => {
                // Peeking does not wait for more than there is.
                tokio::time::sleep(limits::PEEK_REST).await;
            }
            _ => return None,
        }
    }
}
