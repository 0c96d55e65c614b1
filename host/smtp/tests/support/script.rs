//! Transcript files: what stands in them, without regard to who is tested.
//!
//! Each line is one step: a mark, a space, and a text. `C` is a line of the client, `S` one of the
//! server, both with CRLF added; `C+` and `S+` are the same without CRLF. `?` is a question, `!` its
//! answer, `*` an event, `>` something the caller does, `set` a setting. In a text `\r`, `\n`, `\0`,
//! `\\` and `\xNN` are octets. Lines that begin with `#` are comments.

use std::path::{Path, PathBuf};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub line: usize,
    pub mark: String,
    pub text: String,
}

#[derive(Clone, Debug)]
pub struct Script {
    pub path: PathBuf,
    pub steps: Vec<Step>,
}

impl Script {
    /// All transcripts of a folder beside this test.
    pub fn folder(name: &str) -> Vec<Script> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/transcripts")
            .join(name);
        let mut paths: Vec<PathBuf> = std::fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.expect("a folder entry").path())
            .filter(|path| {
                path.extension()
                    .is_some_and(|extension| extension == "smtp")
            })
            .collect();
        paths.sort();
        assert!(
            !paths.is_empty(),
            "{} holds no transcripts",
            folder.display()
        );
        paths.into_iter().map(Script::read).collect()
    }

    fn read(path: PathBuf) -> Script {
        let text = std::fs::read_to_string(&path).expect("a transcript");
        let steps = text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
            .map(|(index, line)| {
                let (mark, text) = line.split_once(' ').unwrap_or((line, ""));
                let (mark, text) = (mark.to_owned(), text.to_owned());
                Step {
                    line: index + 1,
                    mark,
                    text,
                }
            })
            .collect();
        Script { path, steps }
    }

    pub fn at(&self, step: &Step) -> String {
        let name = self
            .path
            .file_name()
            .expect("a file name")
            .to_string_lossy();
        format!("{name}:{}: {} {}", step.line, step.mark, step.text)
    }
}

/// The octets of a text with escapes, with CRLF where the mark says so.
pub fn octets(step: &Step) -> Vec<u8> {
    let mut out = unescape(&step.text);
    if !step.mark.ends_with('+') {
        out.extend_from_slice(b"\r\n");
    }
    out
}

pub fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match rest.next() {
            Some(b'r') => out.push(b'\r'),
            Some(b'n') => out.push(b'\n'),
            Some(b'0') => out.push(0),
            Some(b'\\') => out.push(b'\\'),
            Some(b'x') => {
                let digits = [rest.next(), rest.next()].map(|digit| {
                    let digit = char::from(digit.expect("two digits after \\x"));
                    digit.to_digit(16).expect("a hexadecimal digit")
                });
                out.push(u8::try_from(digits[0] * 16 + digits[1]).expect("an octet"));
            }
            other => panic!("unknown escape {other:?} in {text}"),
        }
    }
    out
}

pub fn escape(octets: &[u8]) -> String {
    let mut out = String::new();
    for &byte in octets {
        match byte {
            b'\r' => out.push_str("\\r"),
            b'\n' => out.push_str("\\n"),
            0 => out.push_str("\\0"),
            b'\\' => out.push_str("\\\\"),
            b' '..=b'~' => out.push(char::from(byte)),
            _ => out.push_str(&format!("\\x{byte:02x}")),
        }
    }
    out
}

/// Takes whole lines off the front of a stream; checks that none holds a bare CR, LF or NUL.
pub fn take_lines(stream: &mut Vec<u8>) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(end) = stream.windows(2).position(|pair| pair == b"\r\n") {
        let line: Vec<u8> = stream.drain(..end + 2).take(end).collect();
        assert!(
            !line.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)),
            "a bare line end was sent: {}",
            escape(&line)
        );
        lines.push(escape(&line));
    }
    lines
}

/// How the input is cut before it is given to the machine.
#[derive(Clone, Debug)]
pub enum Cut {
    /// A line at a time, each reply read before the next line.
    Lines,
    /// As much as stands between two things the caller does.
    Whole,
    /// A byte at a time.
    Bytes,
    /// In pieces of these sizes, over and over.
    Pieces(Vec<usize>),
}

impl Cut {
    pub fn pieces<'a>(&self, input: &'a [u8]) -> Vec<&'a [u8]> {
        let sizes = match self {
            Cut::Lines | Cut::Whole => vec![usize::MAX],
            Cut::Bytes => vec![1],
            Cut::Pieces(sizes) => sizes.clone(),
        };
        let mut pieces = Vec::new();
        let mut rest = input;
        for size in sizes.into_iter().cycle() {
            if rest.is_empty() {
                break;
            }
            let (piece, after) = rest.split_at(size.clamp(1, rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces
    }
}

/// `250 2.0.0 text`, with `\n` between lines.
pub fn reply(text: &str) -> baton_smtp::Reply {
    let (code, rest) = text.split_once(' ').unwrap_or((text, ""));
    let code = code.parse().unwrap_or_else(|_| panic!("no code in {text}"));
    let (word, after) = rest.split_once(' ').unwrap_or((rest, ""));
    let (status, text) = match word.parse() {
        Ok(status) => (Some(status), after),
        Err(_) => (None, rest),
    };
    let text = String::from_utf8(unescape(text)).expect("UTF-8");
    baton_smtp::Reply::new(code, status, &text)
}
