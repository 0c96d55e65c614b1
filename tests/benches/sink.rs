//! Takes every message at 127.0.1.1 to 127.0.1.20 port 2526, counts them by their number and throws them away.

use std::cell::RefCell;
use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use memchr::memmem;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::LocalSet;

use crate::{DOMAINS, Options, SINK_PORT, deadline, now, runtime};

#[derive(Default)]
struct Counts {
    seen: HashSet<Vec<u8>>,
    doubled: usize,
    connections: usize,
    last: f64,
}

pub fn main(options: &Options) {
    let expect = options.number("expect", 0);
    let defer = options.number("defer", 0) > 0;
    let end = deadline(options.number("seconds", 120));
    let counts = Rc::new(RefCell::new(Counts::default()));
    let local = LocalSet::new();
    runtime().block_on(local.run_until(async {
        for n in 1..=DOMAINS {
            let socket = TcpSocket::new_v4().expect("a socket");
            socket.set_reuseaddr(true).expect("SO_REUSEADDR");
            let ip = Ipv4Addr::new(127, 0, 1, n as u8);
            socket
                .bind((ip, SINK_PORT).into())
                .unwrap_or_else(|e| panic!("{ip}:{SINK_PORT}: {e}"));
            let listener = socket.listen(4096).expect("listening");
            let counts = counts.clone();
            tokio::task::spawn_local(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    counts.borrow_mut().connections += 1;
                    let counts = counts.clone();
                    tokio::task::spawn_local(async move {
                        let _ = serve(stream, &counts, defer).await;
                    });
                }
            });
        }
        let mut tick = tokio::time::interval(Duration::from_millis(10));
        while std::time::Instant::now() < end
            && (expect == 0 || counts.borrow().seen.len() < expect)
        {
            tick.tick().await;
        }
        // A moment more, so that a message sent twice is seen.
        tokio::time::timeout(Duration::from_millis(300), std::future::pending::<()>())
            .await
            .ok();
    }));
    let counts = counts.borrow();
    println!(
        "unique={} doubled={} connections={} last={:.6}",
        counts.seen.len(),
        counts.doubled,
        counts.connections,
        counts.last
    );
}

async fn serve(
    mut stream: TcpStream,
    counts: &RefCell<Counts>,
    defer: bool,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    stream.write_all(b"220 sink.test ESMTP\r\n").await?;
    let end_of_data = memmem::Finder::new(b"\r\n.\r\n");
    let (mut input, mut output) = (Vec::with_capacity(16_384), Vec::new());
    let mut in_data = false;
    loop {
        let mut at = 0;
        loop {
            if in_data {
                let Some(end) = end_of_data.find(&input[at..]) else {
                    break;
                };
                count(&input[at..at + end], counts);
                output.extend_from_slice(b"250 2.0.0 taken\r\n");
                at += end + 5;
                in_data = false;
            } else {
                let Some(end) = memchr::memchr(b'\n', &input[at..]) else {
                    break;
                };
                let verb = input[at..]
                    .get(..4)
                    .unwrap_or_default()
                    .to_ascii_uppercase();
                at += end + 1;
                match verb.as_slice() {
                    b"EHLO" => output.extend_from_slice(
                        b"250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 ENHANCEDSTATUSCODES\r\n",
                    ),
                    b"RCPT" if defer => output.extend_from_slice(b"451 4.3.0 try later\r\n"),
                    b"DATA" if defer => output.extend_from_slice(b"503 5.5.1 no recipients\r\n"),
                    b"DATA" => {
                        output.extend_from_slice(b"354 go ahead\r\n");
                        in_data = true;
                    }
                    b"QUIT" => {
                        output.extend_from_slice(b"221 2.0.0 bye\r\n");
                        return stream.write_all(&output).await;
                    }
                    _ => output.extend_from_slice(b"250 2.0.0 ok\r\n"),
                }
            }
        }
        input.drain(..at);
        if !output.is_empty() {
            stream.write_all(&output).await?;
            output.clear();
        }
        if stream.read_buf(&mut input).await? == 0 {
            return Ok(());
        }
    }
}

fn count(message: &[u8], counts: &RefCell<Counts>) {
    let head = &message[..message.len().min(8192)];
    let number = memmem::find(head, b"X-Bench: ").map(|at| {
        let rest = &head[at + 9..];
        rest[..memchr::memchr(b'\r', rest).unwrap_or(rest.len())].to_vec()
    });
    let mut counts = counts.borrow_mut();
    counts.last = now();
    if !number.is_some_and(|number| counts.seen.insert(number)) {
        counts.doubled += 1;
    }
}
