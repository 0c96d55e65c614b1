use baton_message::EditSet;

use super::*;

#[test]
fn what_was_not_changed_has_the_bytes_of_the_file() {
    for text in [
        "A: b\nC: d\n\none\ntwo\n",
        "A: b\r\nC: d\r\n\r\none\r\ntwo",
        "A: b\r\nC: d\n\none\rtwo\r\r\n\n\0three\0",
        "",
    ] {
        let file = File::new(Bytes::from(text));
        let mut set = EditSet::new(file.message().clone(), false);
        assert_eq!(file.restore(&set.render(&[])), text.as_bytes(), "{text:?}");
        if set.remove_header("A") == Ok(1) {
            let (_, rest) = text.split_once('\n').expect("a line");
            assert_eq!(file.restore(&set.render(&[])), rest.as_bytes(), "{text:?}");
        }
    }
}

#[test]
fn new_lines_end_as_those_of_the_file_do() {
    for end in ["\n", "\r\n"] {
        let file = File::new(Bytes::from(format!("A: b{end}{end}one{end}")));
        let mut set = EditSet::new(file.message().clone(), false);
        set.append_header("C", "d").expect("a field");
        set.set_text(0, "two\n").expect("text");
        let wanted = format!("A: b{end}C: d{end}{end}two{end}");
        assert_eq!(file.restore(&set.render(&[])), wanted.as_bytes());
    }
}

#[test]
fn a_last_line_without_an_end_stays_so() {
    for (text, wanted) in [
        ("A: b\n\none", "A: b\n\ntwo"),
        ("A: b\r\n\r\none", "A: b\r\n\r\ntwo"),
    ] {
        let file = File::new(Bytes::from(text));
        let mut set = EditSet::new(file.message().clone(), false);
        set.set_text(0, "two").expect("text");
        assert_eq!(file.restore(&set.render(&[])), wanted.as_bytes());
    }
}
