//! Sends messages over a number of sessions, as an application server does: a newsletter of a given size, one recipient each,
//! spread over the domains of the sink. A refused message is counted and sent again.

use std::cell::{Cell, RefCell};
use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::LocalSet;

use crate::{Options, deadline, now, runtime};

const PER_CONNECTION: usize = 20;
const SECONDS: usize = 120;

struct Shared {
    next: Cell<usize>,
    accepted: Cell<usize>,
    refused: Cell<usize>,
    last: Cell<f64>,
    waits_ms: RefCell<Vec<f64>>,
}

pub fn main(options: &Options) {
    let port = options.number("port", 2525) as u16;
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let total = options.number("messages", 10_000);
    let domains = options.number("domains", 20);
    let gap = Duration::from_millis(options.number("gap-ms", 0) as u64);
    let body = Rc::new(body(options.number("size", 10_240)));
    let end = deadline(SECONDS);
    let shared = Rc::new(Shared {
        next: Cell::new(0),
        accepted: Cell::new(0),
        refused: Cell::new(0),
        last: Cell::new(0.0),
        waits_ms: RefCell::default(),
    });
    let first = now();
    let local = LocalSet::new();
    for _ in 0..options.number("sessions", 50) {
        let (shared, body) = (shared.clone(), body.clone());
        local.spawn_local(async move {
            let mut session = None;
            while Instant::now() < end {
                let number = shared.next.get();
                if number >= total {
                    break;
                }
                shared.next.set(number + 1);
                let message = Message {
                    number,
                    domain: number % domains + 1,
                    body: &body,
                };
                while Instant::now() < end {
                    match message.send(&mut session, addr).await {
                        Ok(Some(wait)) => {
                            shared.accepted.set(shared.accepted.get() + 1);
                            shared.last.set(now());
                            shared
                                .waits_ms
                                .borrow_mut()
                                .push(wait.as_secs_f64() * 1000.0);
                            break;
                        }
                        Ok(None) | Err(_) => {
                            shared.refused.set(shared.refused.get() + 1);
                            session = None;
                            tokio::time::timeout(
                                Duration::from_millis(50),
                                std::future::pending::<()>(),
                            )
                            .await
                            .ok();
                        }
                    }
                }
                if !gap.is_zero() {
                    tokio::time::timeout(gap, std::future::pending::<()>())
                        .await
                        .ok();
                }
            }
        });
    }
    runtime().block_on(local);
    let mut waits = shared.waits_ms.borrow_mut();
    waits.sort_by(f64::total_cmp);
    let at = |share: f64| {
        waits
            .get((waits.len() as f64 * share) as usize)
            .copied()
            .unwrap_or(-1.0)
    };
    println!(
        "accepted={} refused={} first={first:.6} last={:.6} p50={:.3} p99={:.3}",
        shared.accepted.get(),
        shared.refused.get(),
        shared.last.get(),
        at(0.5),
        at(0.99)
    );
}

struct Session {
    stream: TcpStream,
    input: Vec<u8>,
    sent: usize,
}

impl Session {
    async fn open(addr: SocketAddr) -> std::io::Result<Session> {
        let stream = TcpStream::connect(addr).await?;
        stream.set_nodelay(true)?;
        let mut session = Session {
            stream,
            input: Vec::with_capacity(1024),
            sent: 0,
        };
        session.code().await?;
        session.command(b"EHLO load.test\r\n").await?;
        Ok(session)
    }

    async fn command(&mut self, line: &[u8]) -> std::io::Result<u16> {
        self.stream.write_all(line).await?;
        self.code().await
    }

    /// The code of one whole reply.
    async fn code(&mut self) -> std::io::Result<u16> {
        loop {
            while let Some(end) = memchr::memchr(b'\n', &self.input) {
                let line: Vec<u8> = self.input.drain(..=end).collect();
                if line.get(3) != Some(&b'-') {
                    let code = line
                        .get(..3)
                        .and_then(|c| std::str::from_utf8(c).ok()?.parse().ok());
                    return code.ok_or_else(|| std::io::ErrorKind::InvalidData.into());
                }
            }
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

struct Message<'a> {
    number: usize,
    domain: usize,
    body: &'a [u8],
}

impl Message<'_> {
    /// Time from the final dot to 250, or `None` if any reply was not the wanted one.
    async fn send(
        &self,
        session: &mut Option<Session>,
        addr: SocketAddr,
    ) -> std::io::Result<Option<Duration>> {
        let mut open = match session.take() {
            Some(open) => open,
            None => Session::open(addr).await?,
        };
        let Message {
            number,
            domain,
            body,
        } = self;
        let to = format!("RCPT TO:<u{number}@d{domain}.test>\r\n");
        let commands: [(&[u8], u16); 3] = [
            (b"MAIL FROM:<news@sender.test>\r\n", 250),
            (to.as_bytes(), 250),
            (b"DATA\r\n", 354),
        ];
        for (line, wanted) in commands {
            if open.command(line).await? != wanted {
                return Ok(None);
            }
        }
        let head = format!(
            "Date: Mon, 06 Jul 2026 10:00:00 +0000\r\nFrom: \"A Shop\" <news@sender.test>\r\n\
             To: <u{number}@d{domain}.test>\r\nSubject: Your order {number}\r\n\
             Message-ID: <bench.{number}@sender.test>\r\nX-Bench: {number}\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/alternative; boundary=\"bench\"\r\n\r\n"
        );
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body);
        open.stream.write_all(&bytes).await?;
        let began = Instant::now();
        if open.command(b".\r\n").await? != 250 {
            return Ok(None);
        }
        let wait = began.elapsed();
        open.sent += 1;
        if open.sent < PER_CONNECTION {
            *session = Some(open);
        } else {
            open.command(b"QUIT\r\n").await?;
        }
        Ok(Some(wait))
    }
}

/// A multipart/alternative body with quoted-printable HTML full of links.
fn body(size: usize) -> Vec<u8> {
    let mut body = b"--bench\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nYour order is on its way.\r\n\r\n\
        --bench\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
        <!DOCTYPE html><html><head><title>Your order</title></head><body><table>\r\n"
        .to_vec();
    let end = b"</table></body></html>\r\n\r\n--bench--\r\n";
    let mut item = 0;
    while body.len() + end.len() + 400 < size {
        let row = format!(
            "<tr><td style=3D\"padding:8px 12px;font-family:Arial,sans-serif\"><a href=3D=\r\n\
             \"https://shop.example.test/item/{item}?from=3Dmail&amp;user=3D1234\">Article n=\r\n\
             umber {item} =E2=80=93 a fine thing to have at home or in the office, in blue</a>=\r\n\
             </td><td align=3D\"right\">12.99</td></tr>\r\n"
        );
        body.extend_from_slice(row.as_bytes());
        item += 1;
    }
    body.extend_from_slice(end);
    body
}

/// Connections that have said EHLO and nothing more.
pub fn hold(addr: SocketAddr, count: usize) -> Vec<std::net::TcpStream> {
    use std::io::{Read, Write};
    let mut held = Vec::new();
    for _ in 0..count {
        let Ok(mut stream) = std::net::TcpStream::connect(addr) else {
            continue;
        };
        let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
        let mut answer = [0; 1024];
        let greeted = stream
            .read(&mut answer)
            .is_ok_and(|n| answer[..n].starts_with(b"220"));
        if greeted
            && stream.write_all(b"EHLO idle.test\r\n").is_ok()
            && stream
                .read(&mut answer)
                .is_ok_and(|n| answer[..n].starts_with(b"250"))
        {
            held.push(stream);
        }
    }
    held
}
