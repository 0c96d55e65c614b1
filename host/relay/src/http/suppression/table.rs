//! The list as people exchange it: rows of JSON, or CSV (RFC 4180) with a line that names the columns.

use baton_smtp::Mailbox;
use baton_spool::Suppression;
use serde::{Deserialize, Serialize};

use super::super::messages::time;
use crate::clock::Timestamp;
use crate::suppression::MANUAL;

const COLUMNS: [&str; 7] = [
    "address", "account", "cause", "reason", "source", "created", "expires",
];

/// A row as it is shown and taken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Row {
    pub address: String,
    /// For whose mail; absent for everybody's.
    #[serde(default)]
    pub account: Option<String>,
    #[serde(default)]
    pub cause: String,
    #[serde(default)]
    pub reason: String,
    #[serde(default)]
    pub source: String,
    /// RFC 3339.
    #[serde(default)]
    pub created: String,
    #[serde(default)]
    pub expires: Option<String>,
}

impl From<&Suppression> for Row {
    fn from(row: &Suppression) -> Row {
        Row {
            address: row.address.to_string(),
            account: row.account.clone(),
            cause: row.cause.clone(),
            reason: row.reason.clone(),
            source: row.source.clone(),
            created: time(row.created_ms),
            expires: row.expires_ms.map(time),
        }
    }
}

impl Row {
    /// For the spool; what is left out is what a person would mean. The error says what is wrong with it.
    pub fn into_suppression(
        self,
        account: Option<&str>,
        now: Timestamp,
    ) -> Result<Suppression, String> {
        let full = |text: String| Some(text).filter(|text| !text.is_empty());
        let moment = |text: String| {
            Timestamp::parse_rfc3339(&text)
                .map(Timestamp::as_millis)
                .ok_or_else(|| format!("{text:?} is no time such as 2026-07-01T10:00:00Z"))
        };
        let address = Mailbox::parse(self.address.trim())
            .map_err(|error| format!("{:?} is no address: {error}", self.address))?;
        Ok(Suppression {
            account: self.account.and_then(full).or(account.map(str::to_owned)),
            address,
            cause: full(self.cause).unwrap_or_else(|| MANUAL.to_owned()),
            reason: full(self.reason).unwrap_or_else(|| "imported".to_owned()),
            source: full(self.source).unwrap_or_else(|| "operator".to_owned()),
            created_ms: match full(self.created) {
                Some(text) => moment(text)?,
                None => now.as_millis(),
            },
            expires_ms: self.expires.and_then(full).map(moment).transpose()?,
        })
    }

    fn cells(&self) -> [&str; 7] {
        [
            &self.address,
            self.account.as_deref().unwrap_or(""),
            &self.cause,
            &self.reason,
            &self.source,
            &self.created,
            self.expires.as_deref().unwrap_or(""),
        ]
    }

    fn set(&mut self, column: &str, value: String) {
        let optional = |value: String| Some(value).filter(|value| !value.is_empty());
        match column {
            "address" => self.address = value,
            "account" => self.account = optional(value),
            "cause" => self.cause = value,
            "reason" => self.reason = value,
            "source" => self.source = value,
            "created" => self.created = value,
            _ => self.expires = optional(value),
        }
    }
}

/// As CSV.
pub fn write(rows: &[Row]) -> String {
    let mut out = COLUMNS.join(",") + "\r\n";
    for row in rows {
        let cells = row.cells().map(quoted);
        out.push_str(&cells.join(","));
        out.push_str("\r\n");
    }
    out
}

/// Quoted where it must be. A program that opens the file as a sheet must not take a remote host's words for a formula.
fn quoted(text: &str) -> String {
    let text = match text.starts_with(['=', '+', '-', '@', '\t', '\'']) {
        true => format!("'{text}"),
        false => text.to_owned(),
    };
    if text.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

/// From CSV. A first line that names no address column is a row: a list of addresses alone is fine. The error is every
/// mistake.
pub fn read(text: &str) -> Result<Vec<Row>, Vec<String>> {
    let lines = cells(text).map_err(|error| vec![error])?;
    let mut lines = lines.into_iter().peekable();
    let mut columns = vec!["address".to_owned()];
    let is_head = |cells: &Vec<String>| cells.iter().any(|cell| cell.trim() == "address");
    if let Some(head) = lines.next_if(|(_, cells)| is_head(cells)) {
        columns = head.1.iter().map(|cell| cell.trim().to_owned()).collect();
        let unknown = columns
            .iter()
            .filter(|name| !COLUMNS.contains(&name.as_str()));
        let unknown: Vec<String> = unknown
            .map(|name| format!("line {}: there is no column {name:?}", head.0))
            .collect();
        if !unknown.is_empty() {
            return Err(unknown);
        }
    }
    let mut rows = Vec::new();
    let mut mistakes = Vec::new();
    for (line, cells) in lines {
        if cells.len() > columns.len() {
            mistakes.push(format!("line {line}: more cells than columns"));
            continue;
        }
        let mut row = Row::default();
        for (column, cell) in columns.iter().zip(cells) {
            // What `write` put before a would-be formula.
            let plain = cell.strip_prefix('\'').map(str::to_owned).unwrap_or(cell);
            row.set(column, plain);
        }
        rows.push(row);
    }
    if mistakes.is_empty() {
        Ok(rows)
    } else {
        Err(mistakes)
    }
}

/// Cells of each line that is not empty, with the number of the line.
fn cells(text: &str) -> Result<Vec<(usize, Vec<String>)>, String> {
    let mut lines = Vec::new();
    let mut row = vec![String::new()];
    let (mut line, mut began, mut quoted) = (1, 1, false);
    let mut chars = text.trim_start_matches('\u{feff}').chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\n' {
            line += 1;
        }
        let Some(cell) = row.last_mut() else { continue };
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                cell.push('"');
            }
            '"' if quoted || cell.is_empty() => quoted = !quoted,
            _ if quoted => cell.push(c),
            ',' => row.push(String::new()),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\n' => {
                let whole = std::mem::replace(&mut row, vec![String::new()]);
                if whole.iter().any(|cell| !cell.is_empty()) {
                    lines.push((began, whole));
                }
                began = line;
            }
            _ => cell.push(c),
        }
    }
    if quoted {
        return Err(format!("line {began}: a quotation mark is not closed"));
    }
    if row.iter().any(|cell| !cell.is_empty()) {
        lines.push((began, row));
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(address: &str, reason: &str) -> Row {
        Row {
            address: address.into(),
            account: Some("a,b".into()),
            cause: "bounce".into(),
            reason: reason.into(),
            source: "x".into(),
            created: "2026-07-01T10:00:00Z".into(),
            expires: None,
        }
    }

    #[test]
    fn what_is_written_reads_back_whatever_remote_hosts_say() {
        let rows = [
            row("a@x.test", "plain"),
            row("b@x.test", "550 \"no\", never,\r\nnor later"),
            row("c@x.test", "=1+1"),
            row("'d@x.test", "'quoted'"),
        ];
        let text = write(&rows);
        assert!(text.contains("'=1+1"), "{text}");
        assert_eq!(read(&text).unwrap(), rows);
    }

    #[test]
    fn a_list_of_addresses_alone_is_enough() {
        let rows = read("\u{feff}a@x.test\n\n b@x.test\r\n").unwrap();
        let now = Timestamp::from_millis(5_000);
        let made: Vec<Suppression> = rows
            .into_iter()
            .map(|row| row.into_suppression(Some("acme"), now).unwrap())
            .collect();
        assert_eq!(made.len(), 2);
        assert_eq!(made[1].address.to_string(), "b@x.test");
        assert_eq!(
            (made[0].cause.as_str(), made[0].account.as_deref()),
            ("manual", Some("acme"))
        );
        assert_eq!(made[0].created_ms, 5_000);
    }

    #[test]
    fn mistakes_are_told_by_line() {
        let error = |text: &str| read(text).unwrap_err().join("; ");
        assert!(
            error("address,reson\na@x.test,b\n").contains("line 1: there is no column \"reson\"")
        );
        assert!(error("a@x.test\nb@x.test,c\n").contains("line 2: more cells"));
        assert!(error("a@x.test\n\"b").contains("line 2: a quotation mark"));
        let now = Timestamp::from_millis(0);
        let wrong = |row: Row| row.into_suppression(None, now).unwrap_err();
        assert!(wrong(row("nobody", "")).contains("nobody"));
        let odd = Row {
            expires: Some("tomorrow".into()),
            ..row("a@x.test", "")
        };
        assert!(wrong(odd).contains("tomorrow"));
    }
}
