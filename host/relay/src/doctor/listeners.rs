//! The relay's own listeners: whether they answer, until when their certificates hold, and what they let a stranger do.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Finding, Verdict};
use crate::clock;
use crate::config::{Listener, ListenerTls};
use crate::net;
use crate::tls;

/// For one connection, or one reply.
const PATIENCE: Duration = Duration::from_secs(10);
/// A certificate that ends sooner should have been renewed.
const RENEWED_BEFORE: Duration = Duration::from_secs(14 * 86_400);
const CLOSE_IT: &str = "list only your own networks in [relay] from and relay-from";
/// Lines of a reply.
const LINES_MAX: usize = 100;

pub(super) async fn all(listener: &Listener) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Some(files) = &listener.certificate {
        findings.push(certificate(listener, files));
    }
    let reached = reach(listener).await;
    let is_up = reached.verdict == Verdict::Ok;
    findings.push(reached);
    if trusts_everybody(listener) {
        let message = "everybody on the internet may send through it";
        findings.push(
            Finding::new("open-relay", &listener.name, Verdict::Wrong, message).fix(CLOSE_IT),
        );
    } else if is_up {
        findings.push(stranger(listener).await);
    }
    findings
}

/// Networks for documentation stand for the world.
fn trusts_everybody(listener: &Listener) -> bool {
    let world: [IpAddr; 3] = [
        Ipv4Addr::new(192, 0, 2, 1).into(),
        Ipv4Addr::new(198, 51, 100, 1).into(),
        Ipv4Addr::new(203, 0, 113, 1).into(),
    ];
    let trusted = |ip: IpAddr| {
        listener
            .relay_from
            .iter()
            .any(|network| network.contains(ip))
    };
    world.into_iter().all(trusted)
}

fn certificate(listener: &Listener, files: &crate::config::Certificate) -> Finding {
    let told =
        |verdict, message: String| Finding::new("certificate", &listener.name, verdict, message);
    let ends = match tls::expiry(files) {
        Ok(ends) => ends,
        Err(error) => return told(Verdict::Wrong, error.to_string()),
    };
    let left = ends.since(clock::now());
    let day = ends.rfc3339()[..10].to_owned();
    if left.is_zero() {
        told(Verdict::Wrong, format!("it ended on {day}")).fix("renew it")
    } else if left < RENEWED_BEFORE {
        told(Verdict::Warning, format!("it ends on {day}")).fix("renew it")
    } else {
        told(Verdict::Ok, format!("it holds until {day}"))
    }
}

async fn reach(listener: &Listener) -> Finding {
    let told =
        |verdict, message: String| Finding::new("listener", &listener.name, verdict, message);
    if listener.proxy_protocol || listener.tls == ListenerTls::Implicit {
        let connected = timeout(PATIENCE, net::connect(here(listener), None)).await;
        return match connected {
            Ok(Ok(_)) => told(
                Verdict::Skipped,
                format!(
                    "{} takes connections; what it says was not looked at",
                    listener.address
                ),
            ),
            _ => down(listener, "nobody answers"),
        };
    }
    match timeout(PATIENCE, Talk::begin(here(listener), None)).await {
        Ok(Ok(talk)) if talk.greeting == 220 => {
            told(Verdict::Ok, format!("{} answers", listener.address))
        }
        Ok(Ok(talk)) => down(listener, &format!("it answers {}", talk.greeting)),
        Ok(Err(error)) => down(listener, &error.to_string()),
        Err(_) => down(listener, "nobody answers"),
    }
}

fn down(listener: &Listener, error: &str) -> Finding {
    let message = format!("{}: {error}", listener.address);
    Finding::new("listener", &listener.name, Verdict::Wrong, message)
        .fix("start the relay with `baton serve`, and look into its log")
}

/// Where the listener is reached from this machine.
fn here(listener: &Listener) -> SocketAddr {
    let ip = match listener.address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listener.address.port())
}

/// Tries to send to the world without an account, from an address that is not trusted.
async fn stranger(listener: &Listener) -> Finding {
    let told =
        |verdict, message: String| Finding::new("open-relay", &listener.name, verdict, message);
    let trusted = |ip: IpAddr| {
        listener
            .relay_from
            .iter()
            .any(|network| network.contains(ip))
    };
    let target = here(listener);
    let Some(source) = addresses(listener).into_iter().find(|ip| !trusted(*ip)) else {
        let message = "every address of this machine is trusted: try it from elsewhere".to_owned();
        return told(Verdict::Skipped, message);
    };
    let target = match listener.address.ip().is_unspecified() {
        true => SocketAddr::new(source, target.port()),
        false => target,
    };
    match timeout(PATIENCE * 3, attempt(target, source)).await {
        Ok(Ok(None)) => told(Verdict::Ok, format!("a stranger ({source}) is refused")),
        Ok(Ok(Some(recipient))) => {
            let message = format!("a stranger ({source}) may send to {recipient}");
            told(Verdict::Wrong, message).fix(CLOSE_IT)
        }
        Ok(Err(error)) => told(Verdict::Skipped, error.to_string()),
        Err(_) => told(Verdict::Skipped, "no answer in time".into()),
    }
}

/// Addresses of this machine from which the listener can be reached.
fn addresses(listener: &Listener) -> Vec<IpAddr> {
    let ip = listener.address.ip();
    if !ip.is_unspecified() {
        return vec![ip];
    }
    // Asks the system which address it would use; nothing is sent.
    let (any, far): (IpAddr, IpAddr) = match ip {
        IpAddr::V4(_) => (
            Ipv4Addr::UNSPECIFIED.into(),
            Ipv4Addr::new(192, 0, 2, 1).into(),
        ),
        IpAddr::V6(_) => {
            let far = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
            (Ipv6Addr::UNSPECIFIED.into(), far.into())
        }
    };
    let outward = UdpSocket::bind((any, 0))
        .and_then(|socket| socket.connect((far, 25)).and_then(|()| socket.local_addr()))
        .map(|address| address.ip());
    outward.into_iter().chain([here(listener).ip()]).collect()
}

/// The recipient that was taken, if one was. Nothing is sent.
async fn attempt(target: SocketAddr, source: IpAddr) -> io::Result<Option<String>> {
    let mut talk = Talk::begin(target, Some(source)).await?;
    talk.say("EHLO doctor.invalid").await?;
    for recipient in [
        "nobody@example.com",
        "nobody%example.com@example.org",
        "\"nobody@example.com\"@example.org",
    ] {
        if talk.say("MAIL FROM:<nobody@example.net>").await? / 100 != 2 {
            break;
        }
        let code = talk.say(&format!("RCPT TO:<{recipient}>")).await?;
        if code / 100 == 2 {
            talk.say("QUIT").await?;
            return Ok(Some(recipient.to_owned()));
        }
        talk.say("RSET").await?;
    }
    talk.say("QUIT").await?;
    Ok(None)
}

/// A plain conversation.
struct Talk {
    stream: BufReader<TcpStream>,
    greeting: u16,
}

impl Talk {
    async fn begin(target: SocketAddr, source: Option<IpAddr>) -> io::Result<Talk> {
        let stream = net::connect(target, source).await?;
        let mut talk = Talk {
            stream: BufReader::new(stream),
            greeting: 0,
        };
        talk.greeting = talk.reply().await?;
        Ok(talk)
    }

    async fn say(&mut self, line: &str) -> io::Result<u16> {
        self.stream
            .get_mut()
            .write_all(format!("{line}\r\n").as_bytes())
            .await?;
        self.reply().await
    }

    /// The code of a reply.
    async fn reply(&mut self) -> io::Result<u16> {
        for _ in 0..LINES_MAX {
            let mut line = String::new();
            if self.stream.read_line(&mut line).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                let code = line.get(..3).and_then(|code| code.parse().ok());
                return code.ok_or_else(|| io::Error::other("no reply of SMTP"));
            }
        }
        Err(io::Error::other("a reply without end"))
    }
}
