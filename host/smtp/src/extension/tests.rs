use super::Capabilities;
use crate::reply::Reply;

fn read(lines: &str) -> Capabilities {
    Capabilities::from_ehlo(&Reply::new(250, None, &format!("DSN\n{lines}")))
}

#[test]
fn keywords_are_understood_in_any_case() {
    let all = read(
        "pipelining\n8bitMIME\nSMTPUTF8\nEnhancedStatusCodes\nCHUNKING\nDSN\nSTARTTLS\nSIZE 10\n\
         AUTH plain LOGIN CRAM-MD5\nLIMITS RCPTMAX=20 MAILMAX=5 X=1",
    );
    let expected = Capabilities {
        esmtp: true,
        pipelining: true,
        eight_bit_mime: true,
        smtputf8: true,
        enhanced_status_codes: true,
        chunking: true,
        dsn: true,
        starttls: true,
        size: true,
        message_bytes_max: Some(10),
        auth_plain: true,
        auth_login: true,
        recipients_max: Some(20),
        transactions_max: Some(5),
    };
    assert_eq!(all, expected);
}

#[test]
fn the_first_line_is_a_name_and_strange_lines_are_nothing() {
    let esmtp = Capabilities {
        esmtp: true,
        ..Capabilities::default()
    };
    assert_eq!(
        read("XYZZY\n\n  \nAUTH\nLIMITS RCPTMAX=0\nLIMITS RCPTMAX=x"),
        esmtp
    );
}

#[test]
fn size_may_have_no_number() {
    for line in ["SIZE", "SIZE 0", "SIZE x"] {
        let found = read(line);
        assert_eq!(
            (found.size, found.message_bytes_max),
            (true, None),
            "{line}"
        );
    }
}

#[test]
fn the_old_way_to_offer_auth_is_understood() {
    let found = read("AUTH=LOGIN PLAIN");
    assert!(found.auth_login && found.auth_plain);
}
