//! What was expected against what came, and the difference as people read it.
//!
//! An object is compared by the keys it names; lists have the same length; numbers may differ by a rounding; `null` is also
//! the absence of a key. In a text, `{*}` stands for anything within a line.

use serde_json::Value;

/// Anything within a line.
const ANY: &str = "{*}";
/// Lines of one text that are compared at most, each against each.
const LINES_MAX: usize = 2000;
/// Lines around a difference that are shown.
const CONTEXT: usize = 2;
/// Lines shown of one difference.
const SHOWN_MAX: usize = 60;

/// A line for each difference; none if all is as expected.
pub(super) fn differences(expected: &Value, seen: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", expected, seen, &mut found);
    // What went wrong says more than what did not come of it.
    if let (false, Some(fault)) = (found.is_empty(), seen["fault"].as_str())
        && expected.get("fault").is_none()
    {
        found.insert(0, format!("fault: {fault}"));
    }
    found
}

fn compare(path: &str, expected: &Value, seen: &Value, found: &mut Vec<String>) {
    match (expected, seen) {
        (Value::Object(expected), Value::Object(seen)) => {
            for (key, expected) in expected {
                let path = if path.is_empty() {
                    key.clone()
                } else {
                    format!("{path}.{key}")
                };
                compare(
                    &path,
                    expected,
                    seen.get(key).unwrap_or(&Value::Null),
                    found,
                );
            }
        }
        (Value::Array(expected), Value::Array(seen)) if expected.len() == seen.len() => {
            for (at, (expected, seen)) in expected.iter().zip(seen).enumerate() {
                compare(&format!("{path}[{at}]"), expected, seen, found);
            }
        }
        (Value::String(expected), Value::String(seen)) => texts(path, expected, seen, found),
        (Value::Number(a), Value::Number(b)) if same_number(a.as_f64(), b.as_f64()) => {}
        _ if expected == seen => {}
        _ => found.push(format!("{path}: expected {expected}, got {seen}")),
    }
}

fn same_number(a: Option<f64>, b: Option<f64>) -> bool {
    matches!((a, b), (Some(a), Some(b)) if (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0))
}

fn texts(path: &str, expected: &str, seen: &str, found: &mut Vec<String>) {
    let (want, got): (Vec<&str>, Vec<&str>) = (lines(expected), lines(seen));
    if want.len() == got.len() && want.iter().zip(&got).all(|(want, got)| fits(want, got)) {
        return;
    }
    if want.len() <= 1 && got.len() <= 1 {
        found.push(format!("{path}: expected {expected:?}, got {seen:?}"));
        return;
    }
    found.push(format!("{path}: (- expected, + got)"));
    found.extend(diff(&want, &got));
}

/// With their ends, so that a text without a last line end is another one.
fn lines(text: &str) -> Vec<&str> {
    text.split_inclusive('\n').collect()
}

/// Whether a line is what was expected.
fn fits(expected: &str, seen: &str) -> bool {
    let Some((head, rest)) = expected.split_once(ANY) else {
        return expected == seen;
    };
    let Some(mut left) = seen.strip_prefix(head) else {
        return false;
    };
    let mut pieces: Vec<&str> = rest.split(ANY).collect();
    let last = pieces.pop().unwrap_or_default();
    for piece in pieces {
        match left.find(piece) {
            Some(at) => left = &left[at + piece.len()..],
            None => return false,
        }
    }
    left.ends_with(last)
}

/// The lines that differ, with some around them.
fn diff(want: &[&str], got: &[&str]) -> Vec<String> {
    let marked = aligned(want, got);
    let near = |at: usize| {
        let from = at.saturating_sub(CONTEXT);
        let to = (at + CONTEXT + 1).min(marked.len());
        marked[from..to].iter().any(|(mark, _)| *mark != ' ')
    };
    let mut shown = Vec::new();
    let mut gap = false;
    for (at, (mark, line)) in marked.iter().enumerate() {
        if !near(at) {
            gap = true;
            continue;
        }
        if gap && !shown.is_empty() {
            shown.push("  ...".to_owned());
        }
        gap = false;
        shown.push(format!("  {mark} {}", visible(line)));
        if shown.len() >= SHOWN_MAX {
            shown.push("  ... and more".to_owned());
            break;
        }
    }
    shown
}

/// The longest common lines in order, and what is not common between them.
fn aligned<'a>(want: &[&'a str], got: &[&'a str]) -> Vec<(char, &'a str)> {
    let head = want.iter().zip(got).take_while(|(w, g)| fits(w, g)).count();
    let (want_rest, got_rest) = (&want[head..], &got[head..]);
    let tail = want_rest
        .iter()
        .rev()
        .zip(got_rest.iter().rev())
        .take_while(|(w, g)| fits(w, g))
        .count();
    let want_middle = &want_rest[..want_rest.len() - tail];
    let got_middle = &got_rest[..got_rest.len() - tail];
    let mut out: Vec<(char, &str)> = got[..head].iter().map(|line| (' ', *line)).collect();
    if want_middle.len() > LINES_MAX || got_middle.len() > LINES_MAX {
        out.extend(want_middle.iter().map(|line| ('-', *line)));
        out.extend(got_middle.iter().map(|line| ('+', *line)));
    } else {
        middle(want_middle, got_middle, &mut out);
    }
    out.extend(got[got.len() - tail..].iter().map(|line| (' ', *line)));
    out
}

fn middle<'a>(want: &[&'a str], got: &[&'a str], out: &mut Vec<(char, &'a str)>) {
    let width = got.len() + 1;
    // How many lines are common from here on.
    let mut common = vec![0u16; (want.len() + 1) * width];
    for w in (0..want.len()).rev() {
        for g in (0..got.len()).rev() {
            common[w * width + g] = if fits(want[w], got[g]) {
                common[(w + 1) * width + g + 1] + 1
            } else {
                common[(w + 1) * width + g].max(common[w * width + g + 1])
            };
        }
    }
    let (mut w, mut g) = (0, 0);
    while w < want.len() || g < got.len() {
        if w < want.len() && g < got.len() && fits(want[w], got[g]) {
            out.push((' ', got[g]));
            (w, g) = (w + 1, g + 1);
        } else if g == got.len()
            || (w < want.len() && common[(w + 1) * width + g] >= common[w * width + g + 1])
        {
            out.push(('-', want[w]));
            w += 1;
        } else {
            out.push(('+', got[g]));
            g += 1;
        }
    }
}

/// Line ends other than CRLF, and what is no text, are shown; otherwise two lines could look alike and differ.
fn visible(line: &str) -> String {
    let (text, end) = match line.strip_suffix("\r\n") {
        Some(text) => (text, ""),
        None => match line.strip_suffix('\n') {
            Some(text) => (text, " (ends in LF alone)"),
            None => (line, " (no line end)"),
        },
    };
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\t' {
            shown.extend(c.escape_default());
        } else {
            shown.push(c);
        }
    }
    shown + end
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_is_named_is_compared() {
        let seen = json!({"decision": "next", "tags": {"a": "1", "b": "2"}, "n": 0.5});
        assert!(differences(&json!({"tags": {"b": "2"}, "n": 0.5, "c": null}), &seen).is_empty());
        assert_eq!(
            differences(&json!({"decision": "accept", "tags": {"c": "3"}}), &seen),
            [
                "decision: expected \"accept\", got \"next\"",
                "tags.c: expected \"3\", got null"
            ]
        );
    }

    #[test]
    fn lists_are_compared_one_by_one() {
        let seen = json!([{"a": 1, "b": 2}]);
        assert!(differences(&json!([{"a": 1}]), &seen).is_empty());
        assert_eq!(differences(&json!([]), &seen).len(), 1);
        assert_eq!(
            differences(&json!([{"b": 3}]), &seen),
            ["[0].b: expected 3, got 2"]
        );
    }

    #[test]
    fn anything_fits_where_the_expectation_says_so_but_within_its_line() {
        assert!(fits("a{*}c{*}e", "abcde"));
        assert!(fits("{*}", ""));
        assert!(!fits("a{*}c", "abd"));
        assert!(!fits("aa{*}aa", "aaa"));
        let seen = json!("Token: 17\r\nEnd\r\n");
        assert!(differences(&json!("Token: {*}\r\nEnd\r\n"), &seen).is_empty());
        assert!(!differences(&json!("Token: {*}"), &seen).is_empty());
    }

    #[test]
    fn a_text_of_lines_is_shown_as_a_diff() {
        let lines = |n: &[&str]| json!(n.iter().map(|l| format!("{l}\r\n")).collect::<String>());
        let want = lines(&["1", "2", "3", "4", "5", "6", "7", "8"]);
        let got = lines(&["1", "2", "3", "4", "five", "6", "7", "8", "9"]);
        assert_eq!(
            differences(&json!({"message": want}), &json!({"message": got})),
            [
                "message: (- expected, + got)",
                "    3",
                "    4",
                "  - 5",
                "  + five",
                "    6",
                "    7",
                "    8",
                "  + 9"
            ]
        );
        let bare = differences(&json!("a\r\nb\r\n"), &json!("a\nb\r\n"));
        assert_eq!(bare[2], "  + a (ends in LF alone)");
    }

    #[test]
    fn a_fault_comes_first() {
        let seen = json!({"decision": "fault", "fault": "trap: unreachable"});
        let found = differences(&json!({"decision": "next"}), &seen);
        assert_eq!(found[0], "fault: trap: unreachable");
        assert!(differences(&json!({"fault": "trap: {*}"}), &seen).is_empty());
    }
}
