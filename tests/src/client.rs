//! An SMTP client for tests: sends exactly the bytes it is told to, reads whole replies.

use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

trait Wire: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Wire for T {}

const REPLY_TIME: Duration = Duration::from_secs(30);

pub struct Client {
    wire: Pin<Box<dyn Wire>>,
    buffer: Vec<u8>,
}

/// A whole reply: its code and all lines with the code and separator cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub code: u16,
    pub lines: Vec<String>,
}

impl Reply {
    pub fn text(&self) -> String {
        self.lines.join("\n")
    }
}

impl Client {
    /// Connects and reads the greeting, which must be 220.
    pub async fn connect(addr: SocketAddr) -> std::io::Result<Client> {
        let mut client = Client::connect_silently(addr).await?;
        let greeting = client.reply().await?;
        assert_eq!(greeting.code, 220, "greeting: {greeting:?}");
        Ok(client)
    }

    /// Connects without reading the greeting.
    pub async fn connect_silently(addr: SocketAddr) -> std::io::Result<Client> {
        Ok(Client::over(TcpStream::connect(addr).await?))
    }

    /// Connects from the given loopback address.
    pub async fn connect_from(source: IpAddr, addr: SocketAddr) -> std::io::Result<Client> {
        let socket = TcpSocket::new_v4()?;
        socket.bind(SocketAddr::new(source, 0))?;
        Ok(Client::over(socket.connect(addr).await?))
    }

    fn over(stream: TcpStream) -> Client {
        let _ = stream.set_nodelay(true);
        Client {
            wire: Box::pin(stream),
            buffer: Vec::new(),
        }
    }

    /// Connects, greets with EHLO.
    pub async fn ehlo(addr: SocketAddr) -> std::io::Result<Client> {
        let mut client = Client::connect(addr).await?;
        let reply = client.command("EHLO client.test").await?;
        assert_eq!(reply.code, 250, "EHLO: {reply:?}");
        Ok(client)
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        self.wire.write_all(bytes.as_ref()).await?;
        self.wire.flush().await
    }

    /// Sends a line and reads its reply.
    pub async fn command(&mut self, line: &str) -> std::io::Result<Reply> {
        self.send(format!("{line}\r\n")).await?;
        self.reply().await
    }

    pub async fn reply(&mut self) -> std::io::Result<Reply> {
        tokio::time::timeout(REPLY_TIME, self.read_reply())
            .await
            .map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut))?
    }

    async fn read_reply(&mut self) -> std::io::Result<Reply> {
        let mut lines = Vec::new();
        loop {
            let line = self.read_line().await?;
            let bad = || std::io::Error::new(std::io::ErrorKind::InvalidData, line.clone());
            let code = line.get(..3).and_then(|c| c.parse().ok()).ok_or_else(bad)?;
            lines.push(line.get(4..).unwrap_or_default().to_owned());
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(Reply { code, lines });
            }
        }
    }

    async fn read_line(&mut self) -> std::io::Result<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&b| b == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                assert!(
                    line.ends_with(b"\r\n"),
                    "a reply line must end with CRLF: {line:?}"
                );
                return Ok(String::from_utf8_lossy(&line[..line.len() - 2]).into_owned());
            }
            if self.wire.read_buf(&mut self.buffer).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// True once the server has closed and nothing more is to be read.
    pub async fn is_closed(&mut self) -> bool {
        let read = tokio::time::timeout(REPLY_TIME, self.wire.read_buf(&mut self.buffer)).await;
        matches!(read, Ok(Ok(0) | Err(_)))
    }

    /// STARTTLS and the handshake, the server's certificate checked for `name` by `config`.
    pub async fn starttls(
        mut self,
        name: &str,
        config: Arc<rustls::ClientConfig>,
    ) -> std::io::Result<Client> {
        let reply = self.command("STARTTLS").await?;
        assert_eq!(reply.code, 220, "STARTTLS: {reply:?}");
        self.secure(name, config).await
    }

    /// The TLS handshake at once, without a word before.
    pub async fn secure(
        self,
        name: &str,
        config: Arc<rustls::ClientConfig>,
    ) -> std::io::Result<Client> {
        let name = ServerName::try_from(name.to_owned()).expect("a valid name");
        let tls = tokio_rustls::TlsConnector::from(config)
            .connect(name, self.wire)
            .await?;
        Ok(Client {
            wire: Box::pin(tls),
            buffer: Vec::new(),
        })
    }

    /// One transaction; the reply that ended it: the first refusal, or the answer to the end of data.
    pub async fn deliver(
        &mut self,
        from: &str,
        to: &[&str],
        message: impl AsRef<[u8]>,
    ) -> std::io::Result<Reply> {
        let reply = self.command(&format!("MAIL FROM:<{from}>")).await?;
        if reply.code != 250 {
            return Ok(reply);
        }
        for to in to {
            let reply = self.command(&format!("RCPT TO:<{to}>")).await?;
            if reply.code != 250 {
                return Ok(reply);
            }
        }
        let reply = self.command("DATA").await?;
        if reply.code != 354 {
            return Ok(reply);
        }
        self.send(stuff(message.as_ref())).await?;
        self.reply().await
    }
}

/// Dot-stuffs a message of CRLF lines and adds the end of data.
pub fn stuff(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 8);
    for line in message.split_inclusive(|&b| b == b'\n') {
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(b".\r\n");
    out
}
