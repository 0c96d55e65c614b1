use super::{Token, Tokens};

/// Start tags as `name key=value|...`, end tags as `/name`, comments as `!text`.
fn read(html: &str) -> Vec<String> {
    let mut tokens = Tokens::new(html, 0..html.len());
    let mut found = Vec::new();
    while let Some(token) = tokens.next() {
        found.push(match token {
            Token::Start { name } => {
                let attributes = tokens.attributes().iter();
                let attributes: Vec<String> = attributes
                    .map(|a| format!("{}={}", &html[a.name.clone()], &html[a.value.clone()]))
                    .collect();
                format!("{} {}", &html[name], attributes.join("|"))
                    .trim_end()
                    .to_owned()
            }
            Token::End { name, .. } => format!("/{}", &html[name]),
            Token::Comment { text } => format!("!{}", &html[text]),
            Token::Declaration { .. } => continue,
        });
    }
    found
}

#[test]
fn attributes_are_cut_as_browsers_cut_them() {
    assert_eq!(
        read("<a href=\"x>y\" b='c\"d' e=f g>"),
        ["a href=x>y|b=c\"d|e=f|g="]
    );
    assert_eq!(
        read("<A\nHREF = http://x/y/>t</A >"),
        ["A HREF=http://x/y/", "/A"]
    );
    assert_eq!(read("<a =b c= d/e=f>"), ["a =b=|c=d/e=f"]);
    assert_eq!(read("<a b=c\"d'e <f>"), ["a b=c\"d'e|<f="]);
    assert_eq!(read("<a href=>x"), ["a href="]);
    assert_eq!(
        read("<br/><img/src='a'alt=b / >"),
        ["br", "img src=a|alt=b"]
    );
    assert_eq!(read("<a href=\"1\" href=\"2\">"), ["a href=1|href=2"]);
}

#[test]
fn what_only_looks_like_a_tag_is_text() {
    assert!(read("1 < 2 <3 <_ <> < a>").is_empty());
    assert_eq!(read("<<a>"), ["a"]);
    assert_eq!(read("</><b>"), ["b"]);
    assert_eq!(read("<?xml <a> ?><b>"), ["b"]);
    assert_eq!(read("<!doctype html><b>"), ["b"]);
}

#[test]
fn raw_text_is_passed_over_until_its_own_end_tag() {
    assert_eq!(
        read("<title><a></titles></TITLE\n><b>"),
        ["title", "/TITLE", "b"]
    );
    assert_eq!(
        read("<style>a > b <a></style><b>"),
        ["style", "/style", "b"]
    );
    assert_eq!(
        read("<textarea><!-- </textarea> --><b>"),
        ["textarea", "/textarea", "b"]
    );
    assert_eq!(
        read("<noscript><a></noscript>"),
        ["noscript", "a", "/noscript"]
    );
    assert_eq!(read("<plaintext></plaintext><a>"), ["plaintext"]);
}

#[test]
fn a_script_hides_scripts_within_comments() {
    assert_eq!(read("<script><a></script><b>"), ["script", "/script", "b"]);
    assert_eq!(
        read("<script><!-- <script> </script> <a> --></script><b>"),
        ["script", "/script", "b"]
    );
    assert_eq!(
        read("<script><!-- </script><b>"),
        ["script", "/script", "b"]
    );
    assert_eq!(
        read("<script><!--><script></script><b>"),
        ["script", "/script", "b"]
    );
}

#[test]
fn comments_end_where_browsers_end_them() {
    assert_eq!(read("<!-- <a> --><b>"), ["! <a> ", "b"]);
    assert_eq!(read("<!--><b>"), ["!", "b"]);
    assert_eq!(read("<!---><b>"), ["!", "b"]);
    assert_eq!(read("<!-- a --!><b>"), ["! a ", "b"]);
    assert_eq!(read("<!-- a -- > ---><b>"), ["! a -- > -", "b"]);
    assert_eq!(
        read("<!--[if mso]><a><![endif]--><b>"),
        ["![if mso]><a><![endif]", "b"]
    );
    assert_eq!(read("<![if !mso]><a><![endif]>"), ["a"]);
}

#[test]
fn within_svg_elements_are_ordinary_and_cdata_exists() {
    assert_eq!(
        read("<svg><title><a></title><![CDATA[<b>]]><c/></svg><title><d></title>"),
        [
            "svg", "title", "a", "/title", "c", "/svg", "title", "/title"
        ]
    );
    assert_eq!(read("<svg/><title><d></title>"), ["svg", "title", "/title"]);
}

#[test]
fn what_is_broken_off_is_not_reported_and_known() {
    for html in [
        "<a href=\"x",
        "<a",
        "<",
        "</",
        "<!-- a",
        "<style>a",
        "<script>",
        "<!x",
        "<a b='>",
        "<?",
    ] {
        let mut tokens = Tokens::new(html, 0..html.len());
        let found = tokens
            .by_ref()
            .filter(|token| !matches!(token, Token::Start { name } if html.len() > name.end));
        assert_eq!(found.count(), 0, "{html}");
        assert!(tokens.ended_open(), "{html}");
    }
    let html = "<p>a < b</p>";
    let mut tokens = Tokens::new(html, 0..html.len());
    assert_eq!(tokens.by_ref().count(), 2);
    assert!(!tokens.ended_open());
}

/// What lol_html makes of the same document: another's reading of the same standard.
fn start_tags_by_lol_html(html: &str) -> Vec<String> {
    use lol_html::{RewriteStrSettings, element, rewrite_str};

    let mut found = Vec::new();
    let handler = element!("*", |element| {
        let attributes: Vec<String> = element
            .attributes()
            .iter()
            .map(|a| format!("{}={}", a.name(), a.value()))
            .collect();
        let tag = format!("{} {}", element.tag_name(), attributes.join("|"));
        found.push(tag.trim_end().to_ascii_lowercase());
        Ok(())
    });
    let settings = RewriteStrSettings::new().append_element_content_handler(handler);
    rewrite_str(html, settings).expect("lol_html reads it");
    found
}

fn start_tags(html: &str) -> Vec<String> {
    let starts = read(html)
        .into_iter()
        .filter(|item| !item.starts_with(['/', '!']));
    starts.map(|item| item.to_ascii_lowercase()).collect()
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2000))]

    #[test]
    fn start_tags_are_those_that_lol_html_sees(pieces in proptest::collection::vec(piece(), 0..24)) {
        let html = pieces.concat();
        proptest::prop_assert_eq!(start_tags(&html), start_tags_by_lol_html(&html), "{}", html);
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(html in ".{0,200}") {
        read(&html);
    }
}

fn piece() -> impl proptest::strategy::Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "<a href=\"http://x/?a=1&amp;b=2\">",
        "<a href='y'",
        "<a href=z",
        ">",
        "<",
        "</",
        "/>",
        "</a>",
        "<p>",
        "<!--",
        "-->",
        "--!>",
        "-",
        "!",
        "<!",
        "<?",
        "\"",
        "'",
        "=",
        " ",
        "\n",
        "/",
        "<script>",
        "</script>",
        "<style>",
        "</style >",
        "<title",
        "</title>",
        "<textarea>",
        "</textarea\n>",
        "text",
        "<b class=c d e='f'g=h>",
        "&amp;",
        "<td x=\"",
        "é",
        "<img/src=a/>",
    ])
}
