//! A line into a command.

use super::{Command, CommandError, Verb};
use crate::address::{ForwardPath, ReversePath};
use crate::envelope::parse_list;

impl Command {
    /// Parses a line without its CRLF. Verbs are understood in any case, spaces at the end and after
    /// the colon of MAIL and RCPT are let through, since old clients write them.
    pub fn parse(line: &[u8]) -> Result<Command, CommandError> {
        let text = std::str::from_utf8(line).map_err(|_| CommandError::NotText)?;
        if text.chars().any(char::is_control) {
            return Err(CommandError::NotText);
        }
        let text = text.trim_end_matches(' ');
        let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => hello(rest).map(Command::Ehlo),
            "HELO" => hello(rest).map(Command::Helo),
            "MAIL" => mail(rest),
            "RCPT" => rcpt(rest),
            "DATA" => alone(rest, Command::Data),
            "BDAT" => bdat(rest),
            "RSET" => alone(rest, Command::Rset),
            "NOOP" => Ok(Command::Noop),
            "VRFY" => word(rest, Verb::Verify).map(Command::Vrfy),
            "EXPN" => word(rest, Verb::Verify).map(Command::Expn),
            "HELP" => Ok(Command::Help),
            "QUIT" => alone(rest, Command::Quit),
            "STARTTLS" => alone(rest, Command::StartTls),
            "AUTH" => auth(rest),
            _ => Err(CommandError::Unknown),
        }
    }
}

fn alone(rest: &str, command: Command) -> Result<Command, CommandError> {
    if rest.is_empty() {
        Ok(command)
    } else {
        Err(CommandError::Syntax(Verb::Plain))
    }
}

fn word(rest: &str, verb: Verb) -> Result<String, CommandError> {
    if rest.is_empty() {
        Err(CommandError::Syntax(verb))
    } else {
        Ok(rest.to_owned())
    }
}

/// The RFC wants a domain or an address literal; clients write their machine's name, whatever it is.
/// Any one word of printable ASCII is let in.
fn hello(rest: &str) -> Result<String, CommandError> {
    let name = rest.trim_start_matches(' ');
    if name.is_empty() || name.len() > 255 || !name.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(CommandError::Syntax(Verb::Hello));
    }
    Ok(name.to_owned())
}

fn mail(rest: &str) -> Result<Command, CommandError> {
    let path = after_keyword(rest, "FROM:").ok_or(CommandError::Syntax(Verb::Mail))?;
    let (sender, rest) = ReversePath::parse_prefix(path).map_err(CommandError::Address)?;
    let rest = after_path(rest, Verb::Mail)?;
    let parameters = parse_list(rest).map_err(CommandError::Parameter)?;
    Ok(Command::Mail { sender, parameters })
}

fn rcpt(rest: &str) -> Result<Command, CommandError> {
    let path = after_keyword(rest, "TO:").ok_or(CommandError::Syntax(Verb::Rcpt))?;
    let (recipient, rest) = ForwardPath::parse_prefix(path).map_err(CommandError::Address)?;
    let rest = after_path(rest, Verb::Rcpt)?;
    let parameters = parse_list(rest).map_err(CommandError::Parameter)?;
    Ok(Command::Rcpt {
        recipient,
        parameters,
    })
}

fn after_keyword<'a>(rest: &'a str, keyword: &str) -> Option<&'a str> {
    let rest = rest.trim_start_matches(' ');
    let head = rest.get(..keyword.len())?;
    head.eq_ignore_ascii_case(keyword)
        .then(|| rest[keyword.len()..].trim_start_matches(' '))
}

fn after_path(rest: &str, verb: Verb) -> Result<&str, CommandError> {
    if rest.is_empty() || rest.starts_with(' ') {
        Ok(rest)
    } else {
        Err(CommandError::Syntax(verb))
    }
}

fn bdat(rest: &str) -> Result<Command, CommandError> {
    let broken = CommandError::Syntax(Verb::Bdat);
    let (digits, last) = match rest.split_once(' ') {
        None => (rest, false),
        Some((digits, word)) if word.trim_start_matches(' ').eq_ignore_ascii_case("LAST") => {
            (digits, true)
        }
        Some(_) => return Err(broken),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(broken);
    }
    let size = digits.parse().map_err(|_| broken)?;
    Ok(Command::Bdat { size, last })
}

fn auth(rest: &str) -> Result<Command, CommandError> {
    let (mechanism, initial) = match rest.split_once(' ') {
        None => (rest, None),
        Some((mechanism, initial)) => (mechanism, Some(initial.trim_start_matches(' '))),
    };
    let name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    let clean = initial.is_none_or(|text| text.bytes().all(|b| b.is_ascii_graphic()));
    if mechanism.is_empty() || !mechanism.bytes().all(name) || !clean {
        return Err(CommandError::Syntax(Verb::Auth));
    }
    Ok(Command::Auth {
        mechanism: mechanism.to_ascii_uppercase(),
        initial: initial.map(str::to_owned),
    })
}
