//! Whatever a client sends, and however it is cut, a session says the same whole lines.
#![no_main]

use std::sync::Arc;

use baton_smtp::Domain;
use baton_smtp::server::{Answer, Auth, Event, Question, Session, Settings};
use libfuzzer_sys::fuzz_target;

fn settings() -> Arc<Settings> {
    let mut settings = Settings::new(Domain::parse("mx.test").expect("a domain"));
    settings.auth = Auth::Offered;
    settings.auth_in_clear = true;
    settings.limits.message_bytes_max = 200;
    settings.limits.swallowed_bytes_max = 200;
    settings.limits.command_line_bytes_max = 100;
    settings.limits.text_line_bytes_max = Some(60);
    Arc::new(settings)
}

fn run(settings: &Arc<Settings>, stream: &[u8], piece_bytes: usize) -> (Vec<u8>, Vec<String>) {
    let (mut said, mut asked) = (Vec::new(), Vec::new());
    let mut session = Session::new(Arc::clone(settings));
    let mut pump = |session: &mut Session| {
        while let Some(event) = session.next() {
            match event {
                Event::Send(bytes) => said.extend_from_slice(&bytes),
                Event::Ask(question) => {
                    asked.push(format!("{question:?}"));
                    session.answer(match question {
                        Question::Auth { credentials, .. } => Answer::Account(credentials.identity),
                        Question::Message { body, .. } => {
                            assert_eq!(baton_smtp::data::check(&body), Ok(()));
                            assert!(body.len() <= 200);
                            Answer::Proceed
                        }
                        _ => Answer::Proceed,
                    });
                }
                Event::StartTls => unreachable!("TLS is not offered"),
                Event::Close => said.extend_from_slice(b"(close)\r\n"),
            }
        }
    };
    pump(&mut session);
    for piece in stream.chunks(piece_bytes) {
        session.receive(piece);
        pump(&mut session);
    }
    (said, asked)
}

fuzz_target!(|input: &[u8]| {
    let Some((&piece_bytes, stream)) = input.split_first() else {
        return;
    };
    let settings = settings();
    let whole = run(&settings, stream, stream.len().max(1));
    assert_eq!(
        run(&settings, stream, usize::from(piece_bytes).max(1)),
        whole
    );
    let text = String::from_utf8(whole.0).expect("UTF-8");
    assert!(text.ends_with("\r\n"));
    assert!(!text.replace("\r\n", "").chars().any(char::is_control));
});
