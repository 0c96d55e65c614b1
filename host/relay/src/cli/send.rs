//! `baton send`: one message over SMTP.

use std::path::PathBuf;
use std::time::Duration;

use baton_message::Message;
use baton_message::compose::Draft;
use baton_message::lines::to_crlf;
use baton_smtp::auth::Credentials;
use baton_smtp::client::{Connection, Delivery, Event, Settings, TlsDemand, Transaction};
use baton_smtp::{Domain, Mailbox, Recipient, ReversePath};
use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Failure, print};
use crate::clock;
use crate::tls::{ClientTls, Trust};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

#[derive(Debug, clap::Args)]
pub struct Send {
    /// Envelope sender; "" for the null sender. Where absent, the From field of the message.
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// Envelope recipients. Where absent, those of the To and Cc fields.
    #[arg(long, value_name = "ADDRESS")]
    to: Vec<String>,
    /// The message; "-" for standard input. Where absent one is made.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["subject", "text", "html"])]
    eml: Option<PathBuf>,
    #[arg(long, default_value = "Test message")]
    subject: String,
    #[arg(long, default_value = "This is a test message.")]
    text: String,
    #[arg(long)]
    html: Option<String>,
    /// Host and port.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:2525")]
    server: String,
    /// Argument of EHLO.
    #[arg(long, value_name = "NAME", default_value = "localhost")]
    ehlo: String,
    /// STARTTLS: "may", "never", "encrypt" (any certificate) or "verify".
    #[arg(long, value_name = "DEMAND", default_value = "may")]
    tls: String,
    /// Account; the password comes from BATON_PASSWORD.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    #[arg(long, env = "BATON_PASSWORD", hide = true, hide_env_values = true)]
    password: Option<String>,
    /// Print the replies as a JSON array.
    #[arg(long)]
    json: bool,
}

impl Send {
    pub fn run(self) -> Result<(), Failure> {
        let transaction = self.transaction()?;
        let settings = self.settings()?;
        let recipients: Vec<String> = transaction
            .recipients
            .iter()
            .map(|r| r.address.to_string())
            .collect();
        let delivery = super::runtime()?.block_on(deliver(&self.server, settings, transaction))?;
        self.tell(&recipients, &delivery)
    }

    fn settings(&self) -> Result<Settings, Failure> {
        let ehlo = Domain::parse(&self.ehlo).map_err(Failure::usage)?;
        let mut settings = Settings::new(ehlo);
        settings.tls = match self.tls.as_str() {
            "may" => TlsDemand::May,
            "never" => TlsDemand::Never,
            "encrypt" => TlsDemand::Encrypt,
            "verify" => TlsDemand::Verify,
            other => return Err(Failure::usage(format_args!("--tls {other:?} is not known"))),
        };
        if let Some(user) = &self.user {
            let password = self.password.clone().ok_or_else(|| {
                Failure::usage("--user needs the password in the environment as BATON_PASSWORD")
            })?;
            settings.credentials = Some(Credentials {
                identity: user.clone(),
                secret: password,
            });
            settings.credentials_in_clear = is_loopback(&self.server);
        }
        Ok(settings)
    }

    fn transaction(&self) -> Result<Transaction, Failure> {
        let given = self.eml.as_ref().map(read).transpose()?.map(to_crlf);
        let parsed = given.clone().map(Message::parse);
        let field = |name: &str| parsed.as_ref().and_then(|message| message.header(name));
        let from = match &self.from {
            Some(from) => from.clone(),
            None => addresses(&field("From").unwrap_or_default())
                .into_iter()
                .next()
                .ok_or_else(|| {
                    Failure::usage("--from is missing, and there is no From field to take it from")
                })?,
        };
        let sender: ReversePath = bare(&from).parse().map_err(Failure::usage)?;
        let mut to = self.to.clone();
        if to.is_empty() {
            let fields = [field("To"), field("Cc")];
            to = fields
                .iter()
                .flatten()
                .flat_map(|text| addresses(text))
                .collect();
        }
        if to.is_empty() {
            return Err(Failure::usage("--to is missing"));
        }
        let mut recipients = Vec::new();
        for text in &to {
            let mailbox = Mailbox::parse(bare(text))
                .map_err(|e| Failure::usage(format_args!("{text:?}: {e}")))?;
            recipients.push(Recipient::new(mailbox));
        }
        let message = match given {
            Some(message) => message,
            None => self.compose(&from, &to)?,
        };
        let header_bytes = memchr::memmem::find(&message, b"\r\n\r\n").unwrap_or(message.len());
        Ok(Transaction {
            sender,
            parameters: Vec::new(),
            recipients,
            needs_utf8: !message[..header_bytes].is_ascii(),
            message: vec![message],
        })
    }

    fn compose(&self, from: &str, to: &[String]) -> Result<Bytes, Failure> {
        let to: Vec<&str> = to.iter().map(String::as_str).collect();
        let draft = Draft {
            from,
            to: &to,
            subject: &self.subject,
            text: Some(&self.text),
            html: self.html.as_deref(),
            date: &clock::now().rfc5322(),
            message_id: &format!("{:032x}@{}", rand::random::<u128>(), self.ehlo),
            boundary: &format!("{:016x}", rand::random::<u64>()),
            utf8: !from.is_ascii() || to.iter().any(|text| !text.is_ascii()),
            ..Draft::default()
        };
        draft.compose().map_err(Failure::usage)
    }

    fn tell(&self, recipients: &[String], delivery: &Delivery) -> Result<(), Failure> {
        let mut refused = 0;
        let mut list = Vec::new();
        for (recipient, outcome) in recipients.iter().zip(&delivery.outcomes) {
            refused += usize::from(!outcome.is_delivered());
            if self.json {
                list.push(serde_json::json!({
                    "recipient": recipient,
                    "accepted": outcome.is_delivered(),
                    "stage": outcome.stage.as_str(),
                    "reply": outcome.response.to_string(),
                }));
            } else {
                print(format_args!("{recipient}: {}", outcome.response));
            }
        }
        if self.json {
            print(serde_json::Value::from(list));
        }
        if refused == 0 {
            Ok(())
        } else {
            Err(Failure::failed(format_args!(
                "{refused} of {} refused",
                recipients.len()
            )))
        }
    }
}

fn read(path: &PathBuf) -> Result<Bytes, Failure> {
    let failed = |e: std::io::Error| Failure::failed(format_args!("{}: {e}", path.display()));
    if path.as_os_str() == "-" {
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut std::io::stdin().lock(), &mut bytes).map_err(failed)?;
        return Ok(bytes.into());
    }
    std::fs::read(path).map(Bytes::from).map_err(failed)
}

/// The addresses in a field, without names and comments: enough for a command that sends a test.
fn addresses(field: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut current = String::new();
    let mut quoted = false;
    for c in field.chars().chain([',']) {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => {
                let text = std::mem::take(&mut current);
                let address = bare(&text);
                if address.contains('@') {
                    found.push(address.to_owned());
                }
                continue;
            }
            _ => {}
        }
        current.push(c);
    }
    found
}

/// The address in "Name <address>".
fn bare(text: &str) -> &str {
    match text
        .trim()
        .strip_suffix('>')
        .and_then(|rest| rest.rsplit_once('<'))
    {
        Some((_, address)) => address.trim(),
        None => text.trim(),
    }
}

fn host_of(server: &str) -> &str {
    let host = server.rsplit_once(':').map_or(server, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

fn is_loopback(server: &str) -> bool {
    let host = host_of(server);
    host == "localhost" || host.parse().is_ok_and(crate::config::is_loopback)
}

async fn deliver(
    server: &str,
    settings: Settings,
    transaction: Transaction,
) -> Result<Delivery, Failure> {
    let unreachable = |e: &dyn std::fmt::Display| Failure::Unreachable(format!("{server}: {e}"));
    let connect = tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(server));
    let stream = connect
        .await
        .map_err(|e| unreachable(&e))?
        .map_err(|e| unreachable(&e))?;
    let trust = match settings.tls {
        TlsDemand::Verify => Trust::Verified,
        _ => Trust::Anyone,
    };
    let mut conversation = Conversation {
        connection: Connection::new(settings),
        transaction: Some(transaction),
        delivery: None,
        failure: None,
    };
    let mut stream = stream;
    if !conversation
        .run(&mut stream)
        .await
        .map_err(|e| unreachable(&e))?
    {
        let tls = ClientTls::new(None).map_err(Failure::failed)?;
        match tls.connect(trust, host_of(server), stream).await {
            Ok(mut stream) => {
                conversation.connection.tls_established();
                conversation
                    .run(&mut stream)
                    .await
                    .map_err(|e| unreachable(&e))?;
            }
            Err(e) => return Err(Failure::failed(format_args!("{server}: TLS: {e}"))),
        }
    }
    match (conversation.delivery, conversation.failure) {
        (Some(delivery), _) => Ok(delivery),
        (None, Some(failure)) => Err(Failure::Failed(failure)),
        (None, None) => Err(Failure::failed("the connection ended early")),
    }
}

struct Conversation {
    connection: Connection,
    transaction: Option<Transaction>,
    delivery: Option<Delivery>,
    failure: Option<String>,
}

impl Conversation {
    /// True when it is over; false when a handshake is wanted on this stream.
    async fn run<S>(&mut self, stream: &mut S) -> std::io::Result<bool>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut buffer = vec![0; 16 * 1024];
        loop {
            while let Some(event) = self.connection.next() {
                match event {
                    Event::Send(bytes) => stream.write_all(&bytes).await?,
                    Event::StartTls => {
                        stream.flush().await?;
                        return Ok(false);
                    }
                    Event::Ready(_) => match self.transaction.take() {
                        Some(transaction) => {
                            let _ = self.connection.deliver(transaction);
                        }
                        None => self.connection.quit(),
                    },
                    Event::Report(delivery) => {
                        self.delivery = Some(delivery);
                        self.connection.quit();
                    }
                    Event::Failed(failure) => {
                        let stage = failure.stage.as_str();
                        self.failure = Some(format!("{stage}: {}", failure.response));
                    }
                    Event::Closed => {
                        stream.flush().await?;
                        return Ok(true);
                    }
                }
            }
            stream.flush().await?;
            let patience = self.connection.phase().timeout();
            match tokio::time::timeout(patience, stream.read(&mut buffer)).await {
                Err(_) => self.connection.timed_out(),
                Ok(Ok(0) | Err(_)) => self.connection.end_of_stream(),
                Ok(Ok(count)) => self.connection.receive(&buffer[..count]),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_fields_with_names_and_commas() {
        assert_eq!(
            addresses("\"Doe, Ann\" <ann@example.net>, bob@example.org, nobody"),
            ["ann@example.net", "bob@example.org"]
        );
    }

    #[test]
    fn passwords_go_in_clear_to_loopback_alone() {
        assert!(
            is_loopback("127.0.0.1:2525") && is_loopback("[::1]:25") && is_loopback("localhost:25")
        );
        assert!(!is_loopback("192.0.2.1:25") && !is_loopback("example.net:25"));
    }
}
