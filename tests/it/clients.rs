//! Real clients, as they come from packages. A client that is absent is skipped loudly, and on CI that is a failure.

use std::process::{Command, Output, Stdio};

use baton_tests::Relay;

/// Runs a program to its end, or says loudly that it is absent.
async fn run(program: &str, arguments: &[&str], input: &str) -> Option<Output> {
    let (name, arguments) = (
        program.to_owned(),
        arguments.iter().map(|a| a.to_string()).collect::<Vec<_>>(),
    );
    let input = input.to_owned();
    let output = tokio::task::spawn_blocking(move || {
        use std::io::Write;
        let mut child = Command::new(&name)
            .args(&arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().expect("piped");
        stdin.write_all(input.as_bytes())?;
        drop(stdin);
        child.wait_with_output()
    })
    .await
    .expect("no panic");
    match output {
        Ok(output) => {
            assert!(
                output.status.success(),
                "{program}: {}\n{}{}",
                output.status,
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            Some(output)
        }
        Err(_) if std::env::var_os("BATON_PEERS_REQUIRED").is_none() => {
            eprintln!("SKIPPED: {program} is not installed");
            None
        }
        Err(e) => panic!("{program}: {e}"),
    }
}

async fn arrived(relay: &Relay, subject: &str) {
    let inbox = relay.wait_for_inbox(1).await;
    assert_eq!(inbox[0]["subject"], subject);
}

#[tokio::test]
async fn python_smtplib_is_served() {
    let relay = Relay::dev().await;
    let script = format!(
        "import smtplib\nfrom email.message import EmailMessage\n\
         m = EmailMessage()\nm['From'] = 'ann@sender.test'\nm['To'] = 'bob@example.net'\n\
         m['Subject'] = 'from smtplib'\nm.set_content('Grüße\\n.\\n..\\nend\\n')\n\
         m.add_alternative('<p>Grüße <a href=\"https://example.org/\">x</a></p>', subtype='html')\n\
         m.add_attachment(bytes(range(256)), maintype='application', subtype='octet-stream', filename='a.bin')\n\
         with smtplib.SMTP('127.0.0.1', {}) as s:\n    s.ehlo()\n    print(s.send_message(m))\n",
        relay.smtp.port()
    );
    if run("python3", &["-"], &script).await.is_some() {
        arrived(&relay, "from smtplib").await;
    }
}

#[tokio::test]
async fn swaks_is_served_with_pipelining() {
    let relay = Relay::dev().await;
    let port = relay.smtp.port().to_string();
    let arguments = [
        "--server",
        "127.0.0.1",
        "--port",
        &port,
        "--from",
        "ann@sender.test",
        "--to",
        "bob@example.net",
        "--header",
        "Subject: from swaks",
        "--body",
        "hello",
        "--pipeline",
    ];
    if run("swaks", &arguments, "").await.is_some() {
        arrived(&relay, "from swaks").await;
    }
}

#[tokio::test]
async fn curl_is_served() {
    let relay = Relay::dev().await;
    let url = format!("smtp://{}", relay.smtp);
    let arguments = [
        "--silent",
        "--show-error",
        "--url",
        &url,
        "--mail-from",
        "ann@sender.test",
        "--mail-rcpt",
        "bob@example.net",
        "--upload-file",
        "-",
        "--crlf",
    ];
    if run("curl", &arguments, "Subject: from curl\n\nhello\n")
        .await
        .is_some()
    {
        arrived(&relay, "from curl").await;
    }
}

#[tokio::test]
async fn msmtp_is_served() {
    let relay = Relay::dev().await;
    let port = relay.smtp.port().to_string();
    let arguments = [
        "--host=127.0.0.1",
        &format!("--port={port}"),
        "--from=ann@sender.test",
        "bob@example.net",
    ];
    if run("msmtp", &arguments, "Subject: from msmtp\n\nhello\n")
        .await
        .is_some()
    {
        arrived(&relay, "from msmtp").await;
    }
}
