//! What a transcript cannot say: when things are asked and given, and what is kept.

use std::sync::Arc;

use baton_smtp::server::{Answer, Event, Phase, Question, Session, Settings};
use baton_smtp::{Domain, Reply, limits};

fn settings() -> Settings {
    Settings::new(Domain::parse("mx.test").expect("a domain"))
}

fn session() -> Session {
    Session::new(Arc::new(settings()))
}

/// All that is sent until the session rests; questions are left open.
fn sent(session: &mut Session) -> String {
    let mut text = String::new();
    while let Some(event) = session.next() {
        match event {
            Event::Send(bytes) => text.push_str(std::str::from_utf8(&bytes).expect("ASCII")),
            Event::Close => text.push_str("(close)"),
            Event::Ask(question) => panic!("asked {question:?}"),
            Event::StartTls => panic!("wants TLS"),
        }
    }
    text
}

/// A session with a transaction that waits for DATA.
fn with_recipient() -> Session {
    let mut session = session();
    session.receive(b"HELO x\r\nMAIL FROM:<>\r\nRCPT TO:<a@b.test>\r\n");
    let mut asked = 0;
    while let Some(event) = session.next() {
        if let Event::Ask(_) = event {
            session.answer(Answer::Proceed);
            asked += 1;
        }
    }
    assert_eq!(asked, 3);
    session
}

#[test]
fn a_client_that_talks_before_the_greeting_can_be_refused() {
    let mut settings = settings();
    settings.refuse_early_talkers = true;
    let mut session = Session::new(Arc::new(settings));
    assert_eq!(session.next(), Some(Event::Ask(Question::Connect)));
    assert!(!session.talked_early());
    session.receive(b"EHLO eager.test\r\n");
    assert!(session.talked_early());
    session.answer(Answer::Proceed);
    assert_eq!(
        sent(&mut session),
        "554 5.5.1 You talked before you were greeted\r\n(close)"
    );
}

#[test]
fn a_client_that_talks_before_the_greeting_is_served_where_that_is_allowed() {
    let mut session = session();
    session.receive(b"NOOP\r\n");
    assert_eq!(session.next(), Some(Event::Ask(Question::Connect)));
    assert!(session.talked_early());
    session.answer(Answer::Proceed);
    assert_eq!(sent(&mut session), "220 mx.test ESMTP\r\n250 2.0.0 OK\r\n");
}

#[test]
fn pipelined_input_waits_while_a_question_is_open() {
    let mut session = session();
    session.receive(b"HELO x\r\nMAIL FROM:<>\r\nNOOP\r\n");
    assert_eq!(session.next(), Some(Event::Ask(Question::Connect)));
    assert_eq!(session.next(), None);
    session.answer(Answer::Proceed);
    let Some(Event::Ask(Question::Mail { .. })) = session.next() else {
        panic!("no question")
    };
    assert_eq!(
        (session.phase(), session.wants_input()),
        (Phase::Answer, false)
    );
    assert!(
        session
            .envelope()
            .is_some_and(|envelope| envelope.sender.is_null())
    );
    // What was said so far can be had while the question is open.
    assert_eq!(sent(&mut session), "220 mx.test ESMTP\r\n250 mx.test\r\n");
    assert_eq!(sent(&mut session), "");
    session.answer(Answer::Proceed);
    assert_eq!(
        sent(&mut session),
        "250 2.1.0 Sender OK\r\n250 2.0.0 OK\r\n"
    );
    assert_eq!(
        (session.phase(), session.wants_input()),
        (Phase::Command, true)
    );
}

#[test]
fn an_answer_without_a_question_changes_nothing() {
    let mut session = session();
    session.answer(Answer::Proceed);
    assert_eq!(session.next(), Some(Event::Ask(Question::Connect)));
    session.answer(Answer::Proceed);
    session.answer(Answer::Close(Reply::policy()));
    assert_eq!(sent(&mut session), "220 mx.test ESMTP\r\n");
}

#[test]
fn a_message_that_is_being_asked_about_is_answered_before_a_shutdown() {
    let mut session = with_recipient();
    session.receive(b"DATA\r\n");
    assert_eq!(
        sent(&mut session),
        "354 End data with <CR><LF>.<CR><LF>\r\n"
    );
    session.receive(b"x\r\n.\r\nNOOP\r\n");
    let Some(Event::Ask(Question::Message { body, .. })) = session.next() else {
        panic!("no question")
    };
    assert_eq!(&body[..], b"x\r\n");
    assert!(session.envelope().is_none());
    session.shutting_down();
    assert_eq!(sent(&mut session), "");
    session.answer(Answer::Proceed);
    assert_eq!(
        sent(&mut session),
        "250 2.6.0 Message accepted\r\n421 4.3.2 Service shutting down, try again later\r\n(close)"
    );
    assert_eq!(session.next(), None);
}

#[test]
fn a_shutdown_before_the_greeting_is_said_in_its_place() {
    let mut session = session();
    assert_eq!(session.next(), Some(Event::Ask(Question::Connect)));
    session.shutting_down();
    session.answer(Answer::Proceed);
    let expected = "421 4.3.2 Service shutting down, try again later\r\n(close)";
    assert_eq!(sent(&mut session), expected);
}

#[test]
fn a_closed_session_takes_nothing_more() {
    let mut session = with_recipient();
    session.receive(b"QUIT\r\nMAIL FROM:<>\r\n");
    assert_eq!(sent(&mut session), "221 2.0.0 Goodbye\r\n(close)");
    session.receive(b"NOOP\r\n");
    session.timed_out();
    session.shutting_down();
    session.tls_established("TLSv1.3");
    assert_eq!(session.next(), None);
    assert_eq!(
        (session.phase(), session.wants_input()),
        (Phase::Closed, false)
    );
}

#[test]
fn a_session_that_is_full_asks_to_be_left_alone() {
    let mut session = with_recipient();
    session.receive(b"MAIL FROM:<>\r\n");
    session.receive(&b"NOOP\r\n".repeat(limits::INPUT_BYTES_MAX / 6 + 1));
    assert!(!session.wants_input());
}

#[test]
fn many_replies_are_given_in_pieces() {
    let mut settings = settings();
    settings.limits.idle_commands_max = 10_000;
    let mut session = Session::new(Arc::new(settings));
    assert_eq!(session.next(), Some(Event::Ask(Question::Connect)));
    session.answer(Answer::Proceed);
    session.receive(&b"NOOP\r\n".repeat(1000));
    let mut total = 0;
    while let Some(Event::Send(bytes)) = session.next() {
        assert!(bytes.len() < limits::HELD_REPLY_BYTES_MAX + limits::REPLY_LINE_BYTES_MAX);
        total += bytes.len();
    }
    assert_eq!(
        total,
        "220 mx.test ESMTP\r\n".len() + 1000 * "250 2.0.0 OK\r\n".len()
    );
}

#[test]
fn credentials_are_asked_about_and_hidden() {
    let mut settings = settings();
    settings.auth = baton_smtp::server::Auth::Offered;
    settings.auth_in_clear = true;
    let mut session = Session::new(Arc::new(settings));
    session.receive(b"EHLO x\r\nAUTH PLAIN AGpvZQBodXNo\r\n");
    assert_eq!(session.next(), Some(Event::Ask(Question::Connect)));
    session.answer(Answer::Proceed);
    let question = session.next().expect("a question");
    assert!(!format!("{question:?}").contains("hush"));
    session.answer(Answer::Account("joe".to_owned()));
    assert_eq!(
        (session.account(), session.protocol()),
        (Some("joe"), "ESMTPA")
    );
}
