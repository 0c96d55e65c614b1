use baton_smtp::envelope::Ret;
use baton_smtp::{EnhancedStatus, Mailbox, Parameter, Recipient, Reply};
use bytes::Bytes;

use super::*;
use crate::lines::Shape;

const ORIGINAL: &str = "From: a@example.net\nTo: b@example.org\nSubject: Hello there\nMessage-ID: <orig@example.net>\n\nThe body.\n";

fn message(text: &str) -> Message {
    Message::parse(Bytes::from(text.replace('\n', "\r\n")))
}

fn recipient(address: &str, orcpt: Option<&str>) -> Recipient {
    let mut recipient = Recipient::new(Mailbox::parse(address).unwrap());
    if let Some(orcpt) = orcpt {
        recipient
            .parameters
            .push(Parameter::new("ORCPT", Some(orcpt)).unwrap());
    }
    recipient
}

fn status<'a>(recipient: &'a Recipient, action: Action, reply: &'a Reply) -> RecipientStatus<'a> {
    RecipientStatus {
        recipient,
        action,
        status: EnhancedStatus::new(5, 1, 1),
        reply: Some(reply),
        remote_host: Some("mx.example.org"),
        explanation: Some("The address does not exist at the destination."),
        last_attempt: Some("Mon, 02 Jan 2006 15:04:05 +0000"),
        will_retry_until: (action == Action::Delayed).then_some("Wed, 04 Jan 2006 15:04:05 +0000"),
    }
}

fn notification<'a>(
    original: &'a Message,
    to: &'a Mailbox,
    recipients: &'a [RecipientStatus<'a>],
) -> Notification<'a> {
    Notification {
        reporting_mta: "relay.example",
        from: "Mail Delivery System <mailer-daemon@relay.example>",
        to,
        date: "Mon, 02 Jan 2006 15:04:06 +0000",
        message_id: "n1@relay.example",
        boundary: "n1",
        envelope_id: Some("QQ314159"),
        arrival_date: Some("Mon, 02 Jan 2006 15:00:00 +0000"),
        extensions: &[("X-Baton-Plugins", "link-tracking@cf7a066f14ab")],
        ret: None,
        return_bytes_max: 100_000,
        utf8: false,
        recipients,
        original,
    }
}

#[test]
fn a_bounce_says_what_happened_to_people_and_machines() {
    let original = message(ORIGINAL);
    let to = Mailbox::parse("a@example.net").unwrap();
    let reply = Reply::new(
        550,
        EnhancedStatus::new(5, 1, 1),
        "no such user\nask elsewhere",
    );
    let rcpt = recipient("b@example.org", Some("rfc822;B+2Bx@example.org"));
    let statuses = [status(&rcpt, Action::Failed, &reply)];
    let built = notification(&original, &to, &statuses).build().unwrap();
    assert!(!built.utf8 && !built.eight_bit);
    let text = String::from_utf8(built.message.to_vec())
        .unwrap()
        .replace("\r\n", "\n");
    let wanted = "\
From: Mail Delivery System <mailer-daemon@relay.example>
To: <a@example.net>
Subject: Your message could not be delivered: Hello there
Date: Mon, 02 Jan 2006 15:04:06 +0000
Message-ID: <n1@relay.example>
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status;
\tboundary=\"=_n1\"

--=_n1
Content-Type: text/plain; charset=us-ascii
Content-Transfer-Encoding: 7bit

This is the mail system at relay.example. You do not need to answer this
message.

It is about a message from you:

    Subject: Hello there
    Received here: Mon, 02 Jan 2006 15:00:00 +0000
    Message-ID: <orig@example.net>

It could not be delivered to:

    <b@example.org>
        The address does not exist at the destination.
        mx.example.org said: 550 5.1.1 no such user ask elsewhere

The message has been given up for the addresses that failed. What is
returned of it is attached.


--=_n1
Content-Type: message/delivery-status

Original-Envelope-Id: QQ314159
Reporting-MTA: dns; relay.example
Arrival-Date: Mon, 02 Jan 2006 15:00:00 +0000
X-Baton-Plugins: link-tracking@cf7a066f14ab

Original-Recipient: rfc822;B+x@example.org
Final-Recipient: rfc822;b@example.org
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.example.org
Diagnostic-Code: smtp; 550 5.1.1 no such user ask elsewhere
Last-Attempt-Date: Mon, 02 Jan 2006 15:04:05 +0000

--=_n1
Content-Type: text/rfc822-headers
Content-Transfer-Encoding: 7bit

From: a@example.net
To: b@example.org
Subject: Hello there
Message-ID: <orig@example.net>

--=_n1--
";
    assert_eq!(text, wanted);
}

#[test]
fn a_notification_comes_back_as_it_was_made() {
    let original = message(ORIGINAL);
    let to = Mailbox::parse("a@example.net").unwrap();
    let no = Reply::new(550, EnhancedStatus::new(5, 7, 1), "refused");
    let wait = Reply::new(451, EnhancedStatus::new(4, 3, 0), &"busy ".repeat(60));
    let rcpts = [
        recipient("b@example.org", None),
        recipient("c@example.org", Some("rfc822;c@old.example")),
    ];
    let statuses = [
        status(&rcpts[0], Action::Failed, &no),
        status(&rcpts[1], Action::Delayed, &wait),
    ];
    for ret in [None, Some(Ret::Headers), Some(Ret::Full)] {
        let made = Notification {
            ret,
            ..notification(&original, &to, &statuses)
        };
        let built = made.build().unwrap();
        assert_eq!(built, made.build().unwrap());
        let shape = Shape::of([&built.message[..]]);
        assert!(shape.is_clean() && shape.line_bytes <= 78);
        let read = Message::parse(built.message);
        assert!(is_automatic(&read) && read.header_section().is_well_formed());
        let Some(Report::Delivery(report)) = Report::read(&read) else {
            panic!("it is a delivery report");
        };
        assert_eq!(report.envelope_id.as_deref(), Some("QQ314159"));
        assert_eq!(report.reporting_mta.as_deref(), Some("relay.example"));
        assert_eq!(
            report.original_message_id.as_deref(),
            Some("<orig@example.net>")
        );
        let [first, second] = &report.recipients[..] else {
            panic!("two recipients");
        };
        assert_eq!(first.final_recipient.as_deref(), Some("b@example.org"));
        assert_eq!(first.action, Some(Action::Failed));
        assert_eq!(first.reply.as_ref(), Some(&no));
        assert_eq!(first.remote_mta.as_deref(), Some("mx.example.org"));
        assert_eq!(second.original_recipient.as_deref(), Some("c@old.example"));
        assert_eq!(second.action, Some(Action::Delayed));
        assert_eq!(second.reply.as_ref().map(Reply::code), Some(451));
        assert_eq!(
            second.will_retry_until.as_deref(),
            Some("Wed, 04 Jan 2006 15:04:05 +0000")
        );
    }
}

#[test]
fn the_message_is_returned_as_ret_and_its_size_allow() {
    let original = message(ORIGINAL);
    let to = Mailbox::parse("a@example.net").unwrap();
    let reply = Reply::new(550, None, "no");
    let rcpt = recipient("b@example.org", None);
    let statuses = [status(&rcpt, Action::Failed, &reply)];
    let types = |ret, return_bytes_max| {
        let made = Notification {
            ret,
            return_bytes_max,
            ..notification(&original, &to, &statuses)
        };
        let read = Message::parse(made.build().unwrap().message);
        read.part(3).unwrap().media_type().to_owned()
    };
    assert_eq!(types(Some(Ret::Full), 100_000), "message/rfc822");
    assert_eq!(types(Some(Ret::Full), 50), "text/rfc822-headers");
    assert_eq!(types(Some(Ret::Headers), 100_000), "text/rfc822-headers");
    assert_eq!(types(None, 100_000), "text/rfc822-headers");
    let cut = Notification {
        return_bytes_max: 20,
        ..notification(&original, &to, &statuses)
    };
    let built = cut.build().unwrap();
    assert!(Shape::of([&built.message[..]]).is_clean());
    assert!(
        !String::from_utf8_lossy(&built.message)
            .contains("b@example.org>\r\nSubject: Hello there\r\nMessage-ID")
    );
}

#[test]
fn addresses_in_utf_8_are_told_in_global_parts_or_escaped() {
    let original = message("Subject: \u{e9}t\u{e9}\n\nbody\n");
    let to = Mailbox::parse("\u{e9}@example.net").unwrap();
    let reply = Reply::new(550, None, "no \u{e9}");
    let rcpt = recipient("j\u{fc}rgen@example.org", None);
    let statuses = [status(&rcpt, Action::Failed, &reply)];
    let global = Notification {
        utf8: true,
        ..notification(&original, &to, &statuses)
    };
    let built = global.build().unwrap();
    assert!(built.utf8 && built.eight_bit);
    let read = Message::parse(built.message);
    assert_eq!(
        read.part(2).unwrap().media_type(),
        "message/global-delivery-status"
    );
    assert_eq!(read.part(3).unwrap().media_type(), "message/global-headers");
    let Some(Report::Delivery(report)) = Report::read(&read) else {
        panic!("it is a delivery report");
    };
    assert_eq!(
        report.recipients[0].final_recipient.as_deref(),
        Some("j\u{fc}rgen@example.org")
    );

    let ascii_to = Mailbox::parse("a@example.net").unwrap();
    let plain = notification(&original, &ascii_to, &statuses)
        .build()
        .unwrap();
    assert!(!plain.utf8 && plain.message.is_ascii());
    let read = Message::parse(plain.message);
    let Some(Report::Delivery(report)) = Report::read(&read) else {
        panic!("it is a delivery report");
    };
    assert_eq!(
        report.recipients[0].final_recipient.as_deref(),
        Some("j\u{fc}rgen@example.org")
    );
    assert_eq!(
        read.text(3).map(str::to_owned),
        Ok("Subject: \u{e9}t\u{e9}\r\n".into())
    );
}

fn report(status: &str) -> Option<DeliveryReport> {
    let text = format!(
        "Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\nsorry\n--b\n\
Content-Type: message/delivery-status\n\n{status}\n--b\nContent-Type: message/rfc822\n\n{ORIGINAL}\n--b--\n"
    );
    match Report::read(&message(&text)) {
        Some(Report::Delivery(report)) => Some(report),
        _ => None,
    }
}

#[test]
fn replies_are_read_from_what_reporters_write() {
    let reply = |diagnostic: &str, status: &str| {
        let text = format!(
            "Reporting-MTA: dns; x\n\nFinal-Recipient: RFC822; <u@example.org>\nAction: Failed (bad)\nStatus: {status}\nDiagnostic-Code: {diagnostic}\n"
        );
        let report = report(&text).unwrap();
        let recipient = &report.recipients[0];
        assert_eq!(recipient.final_recipient.as_deref(), Some("u@example.org"));
        assert_eq!(recipient.action, Some(Action::Failed));
        recipient.reply.as_ref().unwrap().to_string()
    };
    assert_eq!(
        reply("smtp; 550 5.1.1 no such user", "5.1.1"),
        "550 5.1.1 no such user"
    );
    assert_eq!(
        reply("smtp; 550 no such user", "5.1.1 (bad)"),
        "550 5.1.1 no such user"
    );
    assert_eq!(
        reply(
            "smtp; 550-5.7.1 first line\n 550-5.7.1 second that\n goes on\n 550 5.7.1 last",
            "5.0.0"
        ),
        "550 5.7.1 first line second that goes on last"
    );
    assert_eq!(
        reply("X-Unix; user unknown", "4.2.2"),
        "450 4.2.2 user unknown"
    );
    assert_eq!(
        reply("user unknown; sorry about that", "5.1.1"),
        "550 5.1.1 user unknown; sorry about that"
    );
    assert_eq!(reply("", "5.4.4"), "550 5.4.4");
    assert_eq!(reply("smtp; 5501 odd", "5.0.0"), "550 5.0.0 5501 odd");
}

#[test]
fn reports_with_broken_groups_are_read_as_far_as_they_go() {
    let all = report("Reporting-MTA: dns;x\nFinal-Recipient: rfc822;a@b.example\nAction: failed\n\n\nnot a field\nOriginal-Recipient: c@d.example\nStatus: 9.9.9\n").unwrap();
    assert_eq!(all.recipients.len(), 2);
    assert_eq!(
        all.recipients[1].original_recipient.as_deref(),
        Some("c@d.example")
    );
    assert_eq!(all.recipients[1].reply, None);
    assert_eq!(
        all.original_message_id.as_deref(),
        Some("<orig@example.net>")
    );
    assert_eq!(report("Reporting-MTA: dns;x\n"), None);
    assert_eq!(report(""), None);
    let many = report(&"Final-Recipient: rfc822;a@b.example\n\n".repeat(5_000)).unwrap();
    assert_eq!(
        many.recipients.len(),
        crate::limits::REPORT_RECIPIENTS_MAX + 1
    );
}

#[test]
fn an_ordinary_message_reports_nothing() {
    assert_eq!(Report::read(&message(ORIGINAL)), None);
    assert!(!is_automatic(&message(ORIGINAL)));
    assert!(!is_automatic(&message("Auto-Submitted: no\n\n")));
    assert!(is_automatic(&message(
        "Auto-Submitted: auto-replied (vacation)\n\n"
    )));
}

#[test]
fn a_report_that_is_only_forwarded_is_not_this_messages_report() {
    let inner = "Content-Type: message/delivery-status\n\nFinal-Recipient: rfc822;a@b.example\nAction: failed\n";
    assert!(Report::read(&message(inner)).is_some());
    let text = format!("Content-Type: message/rfc822\n\n{inner}");
    assert_eq!(Report::read(&message(&text)), None);
}

#[test]
fn a_complaint_is_read() {
    let text = format!(
        "From: fbl@isp.example\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\n\n--b\n\n\
This is an email abuse report.\n--b\nContent-Type: message/feedback-report\n\nFeedback-Type: Abuse\nUser-Agent: X/1\nVersion: 1\n\
Original-Mail-From: <bounce+1@example.net>\nOriginal-Rcpt-To: <user@isp.example>\nOriginal-Rcpt-To: two@isp.example\n\
Arrival-Date: Mon, 02 Jan 2006 15:00:00 +0000\nSource-IP: 192.0.2.7\nReported-Domain: example.net\nIncidents: 3\n\n--b\n\
Content-Type: message/rfc822\n\n{ORIGINAL}\n--b--\n"
    );
    let Some(Report::Feedback(report)) = Report::read(&message(&text)) else {
        panic!("it is a complaint");
    };
    assert_eq!(report.feedback_type, "abuse");
    assert_eq!(
        report.original_mail_from.as_deref(),
        Some("bounce+1@example.net")
    );
    assert_eq!(
        report.original_recipients,
        ["user@isp.example", "two@isp.example"]
    );
    assert_eq!(report.source_ip.as_deref(), Some("192.0.2.7"));
    assert_eq!(report.incidents, 3);
    assert_eq!(
        report.original_message_id.as_deref(),
        Some("<orig@example.net>")
    );
    assert_eq!(report.original_to.as_deref(), Some("b@example.org"));
}
