use super::*;

fn text(raw: &str) -> String {
    decode(raw.as_bytes())
}

#[test]
fn the_examples_of_rfc_2047_read_as_it_says() {
    for (raw, wanted) in [
        ("=?US-ASCII?Q?Keith_Moore?=", "Keith Moore"),
        (
            "=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?=",
            "Keld J\u{f8}rn Simonsen",
        ),
        ("=?ISO-8859-1?Q?Andr=E9?= Pirard", "Andr\u{e9} Pirard"),
        ("=?ISO-8859-1?Q?a?=", "a"),
        ("=?ISO-8859-1?Q?a?= b", "a b"),
        ("=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=", "ab"),
        ("=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=", "ab"),
        ("=?ISO-8859-1?Q?a?=\r\n =?ISO-8859-1?Q?b?=", "ab"),
        ("=?ISO-8859-1?Q?a_b?=", "a b"),
        ("=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=", "a b"),
        ("=?iso-8859-1*de?q?Gr=FC=DFe?=", "Gr\u{fc}\u{df}e"),
    ] {
        assert_eq!(text(raw), wanted, "{raw}");
    }
}

#[test]
fn a_character_cut_by_the_sender_is_joined() {
    assert_eq!(text("=?utf-8?b?4oI=?= =?utf-8?b?rA==?="), "\u{20ac}");
    assert_eq!(text("=?utf-8?q?=E2=82?=\r\n =?UTF-8?q?=AC?="), "\u{20ac}");
}

#[test]
fn charsets_of_many_countries_are_read() {
    assert_eq!(
        text("=?koi8-r?B?8NLJ18XU?="),
        "\u{41f}\u{440}\u{438}\u{432}\u{435}\u{442}"
    );
    assert_eq!(
        text("=?iso-2022-jp?B?GyRCJDMkcyRLJEEkTxsoQg==?="),
        "\u{3053}\u{3093}\u{306b}\u{3061}\u{306f}"
    );
    assert_eq!(text("=?gb2312?B?xOO6ww==?="), "\u{4f60}\u{597d}");
    assert_eq!(text("=?Shift_JIS?B?g26DjYFb?="), "\u{30cf}\u{30ed}\u{30fc}");
}

#[test]
fn what_is_no_word_stands_as_it_is() {
    for plain in [
        "=?",
        "=??=",
        "=?utf-8?=",
        "=?utf-8?x?abc?=",
        "=?nonsense?q?abc?=",
        "a =? b ?= c",
        "=?utf-8?b?*?=",
        "=?utf-8?q?open",
        "=?=?=?=?",
        "=?utf-8?q",
    ] {
        assert_eq!(text(plain), plain);
    }
}

#[test]
fn a_decoded_name_with_specials_is_quoted() {
    assert_eq!(
        decode_phrases(b"=?utf-8?q?M=C3=BCller=2C_J?= <a@b.example>, plain <c@d.example>"),
        "\"M\u{fc}ller, J\" <a@b.example>, plain <c@d.example>"
    );
    assert_eq!(
        decode_phrases(b"=?utf-8?q?J=C3=BCrgen?= <a@b>"),
        "J\u{fc}rgen <a@b>"
    );
}

#[test]
fn a_megabyte_of_beginnings_is_read_once() {
    for piece in [
        "=?",
        "=?a?q?",
        "=?utf-8?q?x",
        "=?utf-8?b?=",
        "=?x?q??=",
        "=?utf-8?q?a?= ",
    ] {
        let raw = piece.repeat((1 << 20) / piece.len());
        assert!(text(&raw).len() <= raw.len());
    }
}
