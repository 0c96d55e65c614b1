use super::*;

fn found(text: &str, patterns: &[&str]) -> Vec<u32> {
    find([text].into_iter(), patterns).unwrap()
}

fn text_urls(text: &str) -> Vec<String> {
    urls([(false, text)].into_iter())
}

fn html_urls(text: &str) -> Vec<String> {
    urls([(true, text)].into_iter())
}

#[test]
fn patterns_are_found_whatever_their_case_and_place() {
    assert_eq!(
        found("The Viagra offer", &["offer", "none", "VIAGRA", ""]),
        [0, 2]
    );
    assert_eq!(
        found("abcd", &["abcd", "bc", "c", "cd", "de"]),
        [0, 1, 2, 3]
    );
    assert_eq!(found("\u{c9}t\u{e9}", &["\u{c9}T\u{e9}", "\u{e9}t"]), [0]);
    assert_eq!(find(["x"].into_iter(), &[] as &[&str]).unwrap(), [0u32; 0]);
}

#[test]
fn patterns_within_patterns_cost_no_more() {
    let patterns: Vec<String> = (1..=360).map(|n| "a".repeat(n)).collect();
    let text = "a".repeat(4 << 20);
    assert_eq!(
        find([text.as_str()].into_iter(), &patterns).unwrap().len(),
        360
    );
}

#[test]
fn too_many_patterns_are_refused() {
    let many = vec!["x"; FIND_PATTERNS_MAX + 1];
    assert!(matches!(
        find(["x"].into_iter(), &many),
        Err(Error::TooLarge(_))
    ));
    let long = "x".repeat(FIND_PATTERNS_BYTES_MAX + 1);
    assert!(matches!(
        find(["x"].into_iter(), &[long]),
        Err(Error::TooLarge(_))
    ));
}

#[test]
fn urls_of_text_end_where_their_sentence_does() {
    assert_eq!(
        text_urls(
            "See http://a.example/x, (https://b.example/y_(z)). Or HTTPS://C.example? <http://d.example/>!"
        ),
        [
            "http://a.example/x",
            "https://b.example/y_(z)",
            "HTTPS://C.example",
            "http://d.example/"
        ]
    );
    assert_eq!(
        text_urls("ftp://x.example http:// xhttp://y.example http//z"),
        [""; 0]
    );
    assert_eq!(text_urls("http://a?u=http://b"), ["http://a?u=http://b"]);
}

#[test]
fn urls_of_html_are_read_as_a_browser_does() {
    assert_eq!(
        html_urls(
            "<a href=\"http://a.example/?x=1&amp;y=2\">http://b.example.</a><img src='https://c.example/i.png'>"
        ),
        [
            "http://a.example/?x=1&y=2",
            "http://b.example.",
            "https://c.example/i.png"
        ]
    );
}

#[test]
fn megabytes_of_beginnings_are_read_once() {
    for piece in ["http://", "://", "http://)", "http://a.b/)))) "] {
        let text = piece.repeat((4 << 20) / piece.len());
        assert!(text_urls(&text).len() <= URLS_MAX);
    }
    assert_eq!(
        text_urls(&format!("http://{}", ")".repeat(4 << 20))),
        [""; 0]
    );
}
