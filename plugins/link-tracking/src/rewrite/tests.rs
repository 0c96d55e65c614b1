use super::{html, plain};
use proptest::prelude::*;

const BASE: &str = "https://t.test/c/";

/// Stands for a token: the target in hex, so that tests read it back.
fn track(target: &str, into: &mut String) -> bool {
    into.push_str(BASE);
    into.extend(target.bytes().map(|byte| format!("{byte:02x}")));
    true
}

fn target_of(token: &str) -> String {
    let digits: Vec<u8> = token
        .bytes()
        .map(|byte| char::from(byte).to_digit(16).expect("hex") as u8)
        .collect();
    let bytes = digits
        .chunks(2)
        .map(|pair| pair[0] * 16 + pair[1])
        .collect();
    String::from_utf8(bytes).expect("a target")
}

/// The document with `[target]` where a tracked link stands.
fn shown(document: &str) -> String {
    show(&html(document, &mut track, None).unwrap_or_else(|| document.to_owned()))
}

fn show(document: &str) -> String {
    let mut pieces = document.split(BASE);
    let mut output = pieces.next().expect("one").to_owned();
    for piece in pieces {
        let end = piece
            .find(|c: char| !c.is_ascii_hexdigit())
            .unwrap_or(piece.len());
        output.push_str(&format!("[{}]{}", target_of(&piece[..end]), &piece[end..]));
    }
    output
}

#[test]
fn links_change_within_their_quotes_and_nothing_else_does() {
    for (document, expected) in [
        (
            "<A  HREF = \"http://x.test/?a=1&amp;b=2\"\n CLASS='k' >T</A >",
            "<A  HREF = \"[http://x.test/?a=1&b=2]\"\n CLASS='k' >T</A >",
        ),
        ("<a href='https://x.test'>", "<a href='[https://x.test]'>"),
        (
            "<a href=https://x.test/ id=i>",
            "<a href=[https://x.test/] id=i>",
        ),
        (
            "<a href=https://x.test/>t</a>",
            "<a href=[https://x.test/]>t</a>",
        ),
        (
            "<map><area href=\"http://x.test\"/></map>",
            "<map><area href=\"[http://x.test]\"/></map>",
        ),
        (
            "<a href=\"https://1.test\" href=\"https://2.test\">",
            "<a href=\"[https://1.test]\" href=\"https://2.test\">",
        ),
        (
            "<a title=\"<a href='https://no.test'>\" href=\"https://x.test\">",
            "<a title=\"<a href='https://no.test'>\" href=\"[https://x.test]\">",
        ),
        (
            "<a data-href=\"https://x.test\">",
            "<a data-href=\"https://x.test\">",
        ),
    ] {
        assert_eq!(shown(document), expected);
    }
}

#[test]
fn what_is_no_link_of_the_reader_stays() {
    for document in [
        "<a href=\"mailto:a@b.test\">",
        "<a href=\"#top\">",
        "<a href=\"/x\">",
        "<a href=\"{{url}}\">",
        "<a href>",
        "<a href=\"\">",
        "<img src=\"https://x.test/a.png\">",
        "<link href=\"https://x.test/a.css\">",
        "<base href=\"https://x.test/\">",
        "<form action=\"https://x.test/\">",
        "<!-- <a href=\"https://x.test/\"> -->",
        "<style><a href=\"https://x.test/\"></style>",
        "<script>'<a href=\"https://x.test/\">'</script>",
        "<textarea><a href=\"https://x.test/\"></textarea>",
        "<title><a href=\"https://x.test/\"></title>",
        "https://x.test/",
        "<a href=\"https://x.test/",
        "<abbr href=\"https://x.test/\">",
        "<v:rect href=\"https://x.test/\">",
    ] {
        assert_eq!(html(document, &mut track, None), None, "{document}");
    }
}

#[test]
fn outlook_reads_links_in_conditional_comments() {
    let document = "<!--[if mso]><v:roundrect xmlns:v=\"urn:schemas-microsoft-com:vml\" href=\"https://x.test/?a&amp;b\" \
                    style=\"v-text-anchor:middle\"><w:anchorlock/></v:roundrect><a href='http://y.test'>y</a><![endif]-->\
                    <!--[if !mso]><!--><a href=\"https://z.test\">z</a><!--<![endif]-->";
    let expected = document
        .replace("https://x.test/?a&amp;b", "[https://x.test/?a&b]")
        .replace("http://y.test", "[http://y.test]")
        .replace("https://z.test", "[https://z.test]");
    assert_eq!(shown(document), expected);
}

#[test]
fn outlook_reads_its_shapes_where_a_condition_reveals_them() {
    let shape = "<v:rect href=\"https://x.test\"></v:rect>";
    let tracked = shape.replace("https://x.test", "[https://x.test]");
    for (open, close) in [
        ("<![if mso]>", "<![endif]>"),
        ("<!--[if mso]><!-->", "<!--<![endif]-->"),
        ("<!--[if mso]><!-- -->", "<!-- <![endif]-->"),
        ("<!--[if gte mso 9]>-->", "<!--<![endif]-->"),
        ("<!--[if mso]>", "<![endif]-->"),
        ("<!-- [IF (mso)|(IE)]>", "<![EndIf]-->"),
    ] {
        let document = format!("{shape}{open}{shape}{close}{shape}");
        let expected = format!("{shape}{open}{tracked}{close}{shape}");
        assert_eq!(shown(&document), expected);
    }
}

#[test]
fn marked_links_stay_and_lose_their_mark() {
    for (document, expected) in [
        (
            "<a data-baton-track=\"off\" href=\"https://x.test\">",
            "<a href=\"https://x.test\">",
        ),
        (
            "<a href=\"https://x.test\" data-baton-track=off>",
            "<a href=\"https://x.test\">",
        ),
        (
            "<a href=\"https://x.test\" data-baton-track=on>",
            "<a href=\"[https://x.test]\">",
        ),
        (
            "<a href=\"https://x.test\" disable-tracking>",
            "<a href=\"https://x.test\">",
        ),
        (
            "<a href=\"https://x.test\"\n  disable-tracking=true class=c>",
            "<a href=\"https://x.test\" class=c>",
        ),
        (
            "<a disable-tracking=\"false\" href=\"https://x.test\">",
            "<a href=\"[https://x.test]\">",
        ),
        (
            "<a notrack href='https://x.test'>",
            "<a href='https://x.test'>",
        ),
        (
            "<a clicktracking=off href='https://x.test'>",
            "<a href='https://x.test'>",
        ),
        (
            "<a notrack=\"1\"href='https://x.test'>",
            "<a href='https://x.test'>",
        ),
        (
            "<a href=\"https+notrack://x.test/?a&amp;b\">",
            "<a href=\"https://x.test/?a&amp;b\">",
        ),
    ] {
        assert_eq!(shown(document), expected);
    }
}

#[test]
fn a_link_that_the_caller_leaves_stays() {
    let document = "<a href=\"https://x.test\"><a href=\"https://y.test\">";
    let changed = html(
        document,
        &mut |target, into| target.contains("y.test") && track(target, into),
        None,
    );
    assert_eq!(
        show(&changed.expect("changed")),
        "<a href=\"https://x.test\"><a href=\"[https://y.test]\">"
    );
}

#[test]
fn the_pixel_stands_before_the_end_of_the_body() {
    let pixel = |document| html(document, &mut |_, _| false, Some("<PIXEL>"));
    for (document, expected) in [
        (
            "<body>a</body></html>",
            Some("<body>a<PIXEL></body></html>"),
        ),
        (
            "<body>a</BODY\n></html>\r\n",
            Some("<body>a<PIXEL></BODY\n></html>\r\n"),
        ),
        ("a</html>", Some("a<PIXEL></html>")),
        ("a", Some("a<PIXEL>")),
        ("a\r\n\r\n", Some("a<PIXEL>\r\n\r\n")),
        ("", Some("<PIXEL>")),
        ("a<!-- </body> -->", Some("a<!-- </body> --><PIXEL>")),
        ("</body>a</body><p>b", Some("</body>a<PIXEL></body><p>b")),
        ("a<!-- </body>", None),
        ("a<style>", None),
        ("a<a href=\"", None),
    ] {
        assert_eq!(pixel(document).as_deref(), expected, "{document}");
    }
    let behind = "<a href=\"https://x.test\"></body><a href=\"https://y.test\">";
    assert_eq!(
        show(&html(behind, &mut track, Some("<PIXEL>")).expect("changed")),
        "<a href=\"[https://x.test]\"><PIXEL></body><a href=\"[https://y.test]\">"
    );
}

#[test]
fn urls_in_plain_text_end_where_the_sentence_does() {
    for (text, expected) in [
        ("See https://x.test/a.", "See [https://x.test/a]."),
        (
            "(http://x.test/a_(b)), <https://y.test>",
            "([http://x.test/a_(b)]), <[https://y.test]>",
        ),
        (
            "HTTPS://x.test/?a=1&b=2!\r\nnext",
            "[HTTPS://x.test/?a=1&b=2]!\r\nnext",
        ),
        (
            "xhttps://x.test http:// https://.",
            "xhttps://x.test http:// https://.",
        ),
        (
            "\"https://x.test\"; *https://y.test*",
            "\"[https://x.test]\"; *[https://y.test]*",
        ),
        (
            "https+notrack://x.test/ https://y.test NoTrack:http://z.test",
            "https://x.test/ [https://y.test] http://z.test",
        ),
    ] {
        assert_eq!(
            show(&plain(text, &mut track).unwrap_or_else(|| text.to_owned())),
            expected
        );
    }
}

/// Everything outside the tracked links is the original, byte for byte, and each link leads where the original value led.
fn assert_reversible(original: &str, changed: &str, pixel: &str) {
    let without_pixel = changed.replacen(pixel, "", 1);
    let mut pieces = without_pixel.split(BASE);
    let mut rest = original
        .strip_prefix(pieces.next().expect("one"))
        .expect("the same start");
    for piece in pieces {
        let end = piece
            .find(|c: char| !c.is_ascii_hexdigit())
            .unwrap_or(piece.len());
        let (target, tail) = (target_of(&piece[..end]), &piece[end..]);
        // The original value is what stands in between: it must lead to the target, by another's decoder and the words of the
        // URL standard, for which line breaks and tabs within a URL do not exist.
        let found = rest
            .char_indices()
            .map(|(at, c)| at + c.len_utf8())
            .find(|&at| rest[at..].starts_with(tail) && leads_to(&rest[..at]) == target);
        let at = found.unwrap_or_else(|| panic!("`{target}` is not in `{rest}`"));
        rest = &rest[at + tail.len()..];
    }
    assert_eq!(rest, "");
}

fn leads_to(value: &str) -> String {
    let decoded = htmlize::unescape_attribute(value);
    let trimmed = decoded.trim_matches(|c: char| c <= ' ');
    trimmed.split(['\t', '\n', '\r']).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn taking_the_tracking_out_gives_the_original_bytes(pieces in proptest::collection::vec(piece(), 0..30)) {
        let document: String = pieces.concat();
        if let Some(changed) = html(&document, &mut track, Some("<PIXEL>")) {
            assert_reversible(&document, &changed, "<PIXEL>");
        }
    }

    #[test]
    fn any_text_is_rewritten_without_a_panic(text in ".{0,200}") {
        html(&text, &mut track, Some("<PIXEL>"));
        plain(&text, &mut track);
    }

    #[test]
    fn a_rewritten_document_has_the_same_elements(pieces in proptest::collection::vec(piece(), 0..30)) {
        let document: String = pieces.concat();
        if let Some(changed) = html(&document, &mut track, None) {
            prop_assert_eq!(elements(&document), elements(&changed), "{}", document);
        }
    }
}

/// Names of elements and attributes, as lol_html reads them.
fn elements(document: &str) -> Vec<String> {
    use lol_html::{RewriteStrSettings, element, rewrite_str};
    let mut found = Vec::new();
    let handler = element!("*", |element| {
        let names: Vec<String> = element
            .attributes()
            .iter()
            .map(|attribute| attribute.name())
            .collect();
        found.push(format!("{} {}", element.tag_name(), names.join(" ")));
        Ok(())
    });
    let settings = RewriteStrSettings::new().append_element_content_handler(handler);
    rewrite_str(document, settings).expect("lol_html reads it");
    found
}

fn piece() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "<a href=\"http://x.test/?a=1&amp;b=2\">",
        "<a href='https://y.test/'>",
        "<a  HREF = https://z.test/é id=i>",
        "<a href=/r>",
        "<area href=\"https://&eacute;.test/&copy=1&lt;\"/>",
        "text &amp; more",
        "</a>",
        "\r\n",
        "<p class=\"c\">",
        "<!-- ",
        " -->",
        "<!--[if mso]>",
        "<v:rect href=\"https://v.test\">",
        "<![endif]-->",
        "<style>",
        "</style>",
        "<",
        ">",
        "\"",
        "'",
        "</body>",
        "é",
        "<td background='http://n.test'>",
        "<a href=\"",
        "https://",
        "=",
        "<title>",
        "</title>",
    ])
}

mod attacks {
    use std::sync::LazyLock;
    use std::time::{Duration, Instant};

    use super::*;

    fn assert_quick(work: impl FnOnce()) {
        let start = processor_time();
        work();
        let took = processor_time() - start;
        // Far above what linear work takes here without optimisation, and far below what quadratic work would.
        assert!(took.as_secs() < 20, "took {took:?}");
    }

    /// Of this thread, for the machine may be busy with others; where the system does not tell, of the clock on the wall.
    fn processor_time() -> Duration {
        let spent = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
        let spent = spent.and_then(|text| text.split(' ').next()?.parse().ok());
        spent.map_or_else(|| START.elapsed(), Duration::from_nanos)
    }

    static START: LazyLock<Instant> = LazyLock::new(Instant::now);

    const BYTES: usize = 2 * 1024 * 1024;

    #[test]
    fn millions_of_tags_quotes_and_brackets_take_linear_time() {
        assert_quick(|| {
            for piece in [
                "<a>",
                "<a href=\"https://x.test/\">",
                "<",
                "</",
                "<!",
                "<!--",
                "-->",
                "<!--[if mso]>",
                "<script><!--",
                "<title>",
                "<a b='\"'",
                "<a b=\"",
                "<svg>",
                "\0",
                "<x y ",
                "&amp;",
                "notrack ",
                "<a notrack>",
                "-",
                "<?",
                "</a b=>",
            ] {
                let document = piece.repeat(BYTES / piece.len());
                html(
                    &document,
                    &mut |_, into| {
                        into.push('x');
                        true
                    },
                    Some("<PIXEL>"),
                );
            }
        });
    }

    #[test]
    fn a_huge_attribute_and_a_huge_plain_url_stay() {
        assert_quick(|| {
            let document = format!(
                "<a href=\"https://x.test/{}\">t</a>",
                "&amp;".repeat(BYTES / 5)
            );
            assert_eq!(html(&document, &mut track, None), None);
            let text = format!("https://x.test/{}", ")".repeat(BYTES));
            plain(&text, &mut track);
            plain(&"https://".repeat(BYTES / 8), &mut track);
            plain(&"h".repeat(BYTES), &mut track);
        });
    }

    #[test]
    fn nul_bytes_change_nothing_in_the_structure() {
        assert_eq!(
            shown("<a\0 href=\"https://x.test\">\0<a href=\"https://x.test\">"),
            "<a\0 href=\"https://x.test\">\0<a href=\"[https://x.test]\">"
        );
        assert_eq!(
            shown("<a href=\"https://x\0.test\">"),
            "<a href=\"https://x\0.test\">"
        );
    }
}
