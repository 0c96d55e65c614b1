//! Receiving, byte by byte, as a stranger, a broken client and an attacker do it.

use baton_tests::{Client, Relay};

async fn begin(relay: &Relay) -> Client {
    let mut client = Client::ehlo(relay.smtp).await.unwrap();
    assert_eq!(
        client
            .command("MAIL FROM:<a@sender.test>")
            .await
            .unwrap()
            .code,
        250
    );
    assert_eq!(
        client
            .command("RCPT TO:<b@example.net>")
            .await
            .unwrap()
            .code,
        250
    );
    client
}

#[tokio::test]
async fn ehlo_lists_what_the_relay_can_do() {
    let relay = Relay::dev().await;
    let mut client = Client::connect(relay.smtp).await.unwrap();
    let reply = client.command("EHLO client.test").await.unwrap();
    for keyword in [
        "SIZE",
        "PIPELINING",
        "8BITMIME",
        "SMTPUTF8",
        "ENHANCEDSTATUSCODES",
        "CHUNKING",
        "DSN",
        "LIMITS",
    ] {
        assert!(
            reply
                .lines
                .iter()
                .skip(1)
                .any(|l| l.split(' ').next() == Some(keyword)),
            "{keyword} is missing: {reply:?}"
        );
    }
    assert_eq!(client.command("VRFY someone").await.unwrap().code, 252);
    assert_eq!(client.command("NOOP").await.unwrap().code, 250);
    assert_eq!(client.command("HELP").await.unwrap().code, 214);
    assert_eq!(client.command("RSET").await.unwrap().code, 250);
    assert_eq!(client.command("NONSENSE").await.unwrap().code, 500);
    assert_eq!(client.command("DATA").await.unwrap().code, 503);
    assert_eq!(client.command("QUIT").await.unwrap().code, 221);
    assert!(client.is_closed().await);
}

#[tokio::test]
async fn a_pipelined_transaction_is_answered_in_order() {
    let relay = Relay::dev().await;
    let mut client = Client::ehlo(relay.smtp).await.unwrap();
    client
        .send("MAIL FROM:<a@sender.test>\r\nRCPT TO:<b@example.net>\r\nRCPT TO:<bad address>\r\nDATA\r\n")
        .await
        .unwrap();
    let codes = [
        client.reply().await.unwrap().code,
        client.reply().await.unwrap().code,
        client.reply().await.unwrap().code,
        client.reply().await.unwrap().code,
    ];
    assert_eq!([codes[0], codes[1], codes[3]], [250, 250, 354]);
    assert!((500..600).contains(&codes[2]), "{codes:?}");
    client
        .send("Subject: p\r\n\r\nx\r\n.\r\nQUIT\r\n")
        .await
        .unwrap();
    assert_eq!(client.reply().await.unwrap().code, 250);
    assert_eq!(client.reply().await.unwrap().code, 221);
    relay.wait_for_inbox(1).await;
}

#[tokio::test]
async fn no_other_line_ending_than_crlf_ends_the_data() {
    for smuggled in [
        "\n.\n",
        "\n.\r\n",
        "\r.\r",
        "\r\n.\n",
        "\r\n.\r",
        "\r.\r\n",
        "\n\n.\r\n",
    ] {
        let relay_free_of_state = Relay::dev().await;
        let mut client = begin(&relay_free_of_state).await;
        assert_eq!(client.command("DATA").await.unwrap().code, 354);
        let hidden = "MAIL FROM:<evil@sender.test>\r\nRCPT TO:<victim@example.net>\r\nDATA\r\n\
                      Subject: smuggled\r\n\r\nhidden\r\n.\r\n";
        // The server may close before it has read all.
        let _ = client
            .send(format!("Subject: outer\r\n\r\nbody{smuggled}{hidden}"))
            .await;
        let reply = client.reply().await;
        assert!(
            reply.as_ref().map_or(true, |r| r.code >= 400),
            "{smuggled:?} was taken: {reply:?}"
        );
        let inbox = relay_free_of_state.inbox().await;
        assert!(
            inbox.is_empty(),
            "{smuggled:?} let a message through: {inbox:?}"
        );
    }
}

#[tokio::test]
async fn a_bare_lf_or_nul_in_a_command_is_refused() {
    let relay = Relay::dev().await;
    for bytes in ["NOOP\nNOOP\r\n", "NO\0OP\r\n", "NOOP\rNOOP\r\n"] {
        let mut client = Client::ehlo(relay.smtp).await.unwrap();
        client.send(bytes).await.unwrap();
        let reply = client.reply().await.unwrap();
        assert!(reply.code >= 500, "{bytes:?}: {reply:?}");
    }
}

#[tokio::test]
async fn a_message_over_the_size_limit_is_refused_before_and_after_it_was_sent() {
    let relay = Relay::dev().await;
    let mut client = Client::ehlo(relay.smtp).await.unwrap();
    let reply = client
        .command("MAIL FROM:<a@sender.test> SIZE=99999999999")
        .await
        .unwrap();
    assert_eq!(reply.code, 552, "{reply:?}");
}

#[tokio::test]
async fn chunks_make_a_message_and_a_failed_chunk_ends_the_transaction() {
    let relay = Relay::dev().await;
    let mut client = begin(&relay).await;
    client
        .send("BDAT 18\r\nSubject: chunk\r\n\r\nBDAT 6 LAST\r\nbody\r\n")
        .await
        .unwrap();
    assert_eq!(client.reply().await.unwrap().code, 250);
    assert_eq!(client.reply().await.unwrap().code, 250);
    let inbox = relay.wait_for_inbox(1).await;
    assert_eq!(inbox[0]["subject"], "chunk");

    // A chunk without a transaction is swallowed and refused; nothing after it works without a new MAIL.
    let mut client = Client::ehlo(relay.smtp).await.unwrap();
    client.send("BDAT 4\r\nNOOP").await.unwrap();
    assert_eq!(client.reply().await.unwrap().code, 503);
    assert_eq!(
        client
            .command("RCPT TO:<b@example.net>")
            .await
            .unwrap()
            .code,
        503
    );
    assert_eq!(client.command("DATA").await.unwrap().code, 503);
}

#[tokio::test]
async fn dots_at_line_starts_survive() {
    let relay = Relay::dev().await;
    let mut client = Client::ehlo(relay.smtp).await.unwrap();
    let body = ".\r\n..\r\n.a\r\nend\r\n";
    let message = format!("Subject: dots\r\n\r\n{body}");
    assert_eq!(
        client
            .deliver("a@s.test", &["b@example.net"], message)
            .await
            .unwrap()
            .code,
        250
    );
    let inbox = relay.wait_for_inbox(1).await;
    let raw = String::from_utf8(relay.inbox_raw(inbox[0]["id"].as_str().unwrap()).await).unwrap();
    assert!(raw.ends_with(&format!("\r\n\r\n{body}")), "{raw}");
}

#[tokio::test]
async fn mail_that_has_gone_round_too_often_is_refused() {
    let relay = Relay::dev().await;
    let mut client = Client::ehlo(relay.smtp).await.unwrap();
    let loops = "Received: from a by b; Mon, 6 Jul 2026 10:00:00 +0000\r\n".repeat(101);
    let reply = client
        .deliver("a@s.test", &["b@example.net"], format!("{loops}\r\nx\r\n"))
        .await
        .unwrap();
    assert_eq!(reply.code / 100, 5, "{reply:?}");
    assert!(reply.text().contains("5.4.6"), "{reply:?}");
}

#[tokio::test]
async fn an_unknown_parameter_is_refused_and_dsn_parameters_are_taken() {
    let relay = Relay::dev().await;
    let mut client = Client::ehlo(relay.smtp).await.unwrap();
    assert_eq!(
        client
            .command("MAIL FROM:<a@s.test> FOO=BAR")
            .await
            .unwrap()
            .code,
        555
    );
    let mail = "MAIL FROM:<a@s.test> RET=HDRS ENVID=abc BODY=8BITMIME SMTPUTF8 SIZE=100";
    assert_eq!(client.command(mail).await.unwrap().code, 250);
    let rcpt = "RCPT TO:<b@example.net> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;b@example.net";
    assert_eq!(client.command(rcpt).await.unwrap().code, 250);
}
