use proptest::prelude::*;

use super::{Command, CommandError, Verb};
use crate::address::{AddressError, Domain, ForwardPath, Mailbox, ReversePath};
use crate::envelope::Parameter;

#[test]
fn verbs_are_understood_in_any_case() {
    for (text, command) in [
        ("ehlo a.test", Command::Ehlo("a.test".to_owned())),
        ("HeLo [127.0.0.1]", Command::Helo("[127.0.0.1]".to_owned())),
        ("data", Command::Data),
        ("quit  ", Command::Quit),
        ("noop x y", Command::Noop),
        ("help mail", Command::Help),
        ("rset", Command::Rset),
        ("starttls", Command::StartTls),
        (
            "bdat 10",
            Command::Bdat {
                size: 10,
                last: false,
            },
        ),
        (
            "BDAT 0 last",
            Command::Bdat {
                size: 0,
                last: true,
            },
        ),
        ("vrfy <a@b>", Command::Vrfy("<a@b>".to_owned())),
        ("expn list", Command::Expn("list".to_owned())),
        (
            "auth plain",
            Command::Auth {
                mechanism: "PLAIN".to_owned(),
                initial: None,
            },
        ),
    ] {
        assert_eq!(Command::parse(text.as_bytes()), Ok(command), "{text}");
    }
}

#[test]
fn mistakes_are_told_apart() {
    for (text, error) in [
        ("", CommandError::Unknown),
        (" NOOP", CommandError::Unknown),
        ("NOOPE", CommandError::Unknown),
        ("EHLO", CommandError::Syntax(Verb::Hello)),
        ("EHLO é.test", CommandError::Syntax(Verb::Hello)),
        ("MAIL", CommandError::Syntax(Verb::Mail)),
        ("MAIL é", CommandError::Syntax(Verb::Mail)),
        ("MAIL FROM <a@b>", CommandError::Syntax(Verb::Mail)),
        ("MAIL FROM:", CommandError::Address(AddressError::Path)),
        ("RCPT TO:<>", CommandError::Address(AddressError::Empty)),
        ("RCPT TO:<a@b>x", CommandError::Syntax(Verb::Rcpt)),
        ("BDAT", CommandError::Syntax(Verb::Bdat)),
        ("BDAT -1", CommandError::Syntax(Verb::Bdat)),
        ("BDAT +1", CommandError::Syntax(Verb::Bdat)),
        ("BDAT 1 FIRST", CommandError::Syntax(Verb::Bdat)),
        (
            "BDAT 18446744073709551616",
            CommandError::Syntax(Verb::Bdat),
        ),
        ("AUTH", CommandError::Syntax(Verb::Auth)),
        ("AUTH PLAIN a b", CommandError::Syntax(Verb::Auth)),
        ("DATA x", CommandError::Syntax(Verb::Plain)),
        ("NOOP\t", CommandError::NotText),
    ] {
        assert_eq!(Command::parse(text.as_bytes()), Err(error), "{text}");
    }
    assert_eq!(Command::parse(b"NOOP \xff"), Err(CommandError::NotText));
}

#[test]
fn secrets_are_not_shown() {
    let command = Command::parse(b"AUTH PLAIN AGpvZQBzZWNyZXQ=").expect("a command");
    assert_eq!(format!("{command:?}"), "Command(AUTH PLAIN)");
}

fn mailbox() -> impl Strategy<Value = Mailbox> {
    ("[ -~é]{0,12}", "[a-z]{1,8}\\.test").prop_map(|(local, domain)| {
        Mailbox::new(&local, Domain::parse(&domain).expect("a domain")).expect("a mailbox")
    })
}

fn parameters() -> impl Strategy<Value = Vec<Parameter>> {
    let parameter = ("[A-Z][A-Z0-9-]{0,8}", prop::option::of("[!-<>-~é]{1,12}"));
    prop::collection::vec(parameter, 0..4).prop_map(|parameters| {
        let mut unique: Vec<Parameter> = Vec::new();
        for (keyword, value) in parameters {
            let parameter = Parameter::new(&keyword, value.as_deref()).expect("a parameter");
            if unique
                .iter()
                .all(|known| known.keyword() != parameter.keyword())
            {
                unique.push(parameter);
            }
        }
        unique
    })
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        "[!-~]{1,20}".prop_map(Command::Ehlo),
        "[!-~]{1,20}".prop_map(Command::Helo),
        (prop::option::of(mailbox()), parameters()).prop_map(|(sender, parameters)| {
            Command::Mail {
                sender: ReversePath::from(sender),
                parameters,
            }
        }),
        (prop::option::of(mailbox()), parameters()).prop_map(|(mailbox, parameters)| {
            let recipient = mailbox.map_or(ForwardPath::Postmaster, ForwardPath::Mailbox);
            Command::Rcpt {
                recipient,
                parameters,
            }
        }),
        (any::<u64>(), any::<bool>()).prop_map(|(size, last)| Command::Bdat { size, last }),
        "[!-~]([ -~]{0,10}[!-~])?".prop_map(Command::Vrfy),
        "[!-~]([ -~]{0,10}[!-~])?".prop_map(Command::Expn),
        ("[A-Z0-9_-]{1,10}", prop::option::of("[!-~]{1,20}"))
            .prop_map(|(mechanism, initial)| Command::Auth { mechanism, initial }),
        prop::sample::select(vec![
            Command::Data,
            Command::Rset,
            Command::Noop,
            Command::Help,
            Command::Quit,
            Command::StartTls,
        ]),
    ]
}

proptest! {
    #[test]
    fn a_command_prints_as_what_parses_to_it(command in command()) {
        let line = command.to_string();
        prop_assert!(!line.contains(['\r', '\n', '\0']));
        prop_assert_eq!(Command::parse(line.as_bytes()), Ok(command));
    }

    #[test]
    fn any_line_is_parsed_or_refused(line in prop::collection::vec(any::<u8>(), 0..80)) {
        let _ = Command::parse(&line);
    }

    #[test]
    fn any_argument_is_parsed_or_refused(
        verb in prop::sample::select(vec!["MAIL FROM:", "RCPT TO:", "MAIL FROM:<@", "AUTH ", "BDAT "]),
        rest in "\\PC{0,40}",
    ) {
        if let Ok(command) = Command::parse(format!("{verb}{rest}").as_bytes()) {
            prop_assert_eq!(Command::parse(command.to_string().as_bytes()), Ok(command));
        }
    }
}
