use proptest::prelude::*;

use super::{Header, ProxyError, parse};
use crate::limits::PROXY_BYTES_MAX;

const V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

fn v2(kind: [u8; 2], body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len())
        .expect("a short body")
        .to_be_bytes();
    [V2, &kind, &length, body].concat()
}

fn proxied(source: &str, destination: &str) -> Header {
    let (source, destination) = (source.parse(), destination.parse());
    Header::Proxied {
        source: source.expect("an address"),
        destination: destination.expect("one"),
    }
}

/// The header is found with the last of its bytes and not before, and what follows is left.
fn assert_reads(header: &[u8], expected: Header) {
    for end in 0..header.len() {
        assert_eq!(parse(&header[..end]), Ok(None), "{end} bytes of {header:?}");
    }
    let stream = [header, b"EHLO x\r\n"].concat();
    assert_eq!(parse(&stream), Ok(Some((expected, header.len()))));
}

#[test]
fn version_1_is_a_line() {
    assert_reads(
        b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 25\r\n",
        proxied("192.0.2.1:56324", "198.51.100.2:25"),
    );
    assert_reads(
        b"PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n",
        proxied("[2001:db8::1]:1", "[2001:db8::2]:65535"),
    );
    assert_reads(b"PROXY UNKNOWN\r\n", Header::Local);
    assert_reads(b"PROXY UNKNOWN a b c d\r\n", Header::Local);
}

#[test]
fn version_2_is_binary() {
    let four = [192, 0, 2, 1, 198, 51, 100, 2, 0xdc, 4, 0, 25];
    assert_reads(
        &v2([0x21, 0x11], &four),
        proxied("192.0.2.1:56324", "198.51.100.2:25"),
    );
    let with_fields = [&four[..], &[0x20, 0, 1, 7]].concat();
    assert_reads(
        &v2([0x21, 0x11], &with_fields),
        proxied("192.0.2.1:56324", "198.51.100.2:25"),
    );
    let mut six = [0; 36];
    (six[0], six[15], six[31], six[33], six[35]) = (0xfe, 1, 2, 1, 25);
    assert_reads(&v2([0x21, 0x21], &six), proxied("[fe00::1]:1", "[::2]:25"));
    assert_reads(&v2([0x20, 0x00], &[]), Header::Local);
    assert_reads(&v2([0x20, 0x11], &four), Header::Local);
    assert_reads(&v2([0x21, 0x31], &[0; 216]), Header::Local);
}

#[test]
fn what_is_no_header_is_refused_as_soon_as_it_shows() {
    assert_eq!(parse(b"E"), Err(ProxyError::NotProxy));
    assert_eq!(parse(b"PROXX"), Err(ProxyError::NotProxy));
    assert_eq!(parse(b"\r\n\r\n\0\r\nQUIT\r"), Err(ProxyError::NotProxy));
    for bad in [
        "PROXY \r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 56324\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 56324 65536\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 +1 25\r\n",
        "PROXY TCP4 ::1 ::2 1 25\r\n",
        "PROXY TCP4  192.0.2.1 198.51.100.2 1 25\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 1 25 \r\n",
        "PROXY tcp4 192.0.2.1 198.51.100.2 1 25\r\n",
    ] {
        assert_eq!(parse(bad.as_bytes()), Err(ProxyError::Malformed), "{bad}");
    }
    assert_eq!(
        parse(&[b"PROXY ".as_slice(), &[b'x'; 101]].concat()),
        Err(ProxyError::TooLong)
    );
    for kind in [[0x11, 0x11], [0x22, 0x11], [0x21, 0x41]] {
        assert_eq!(
            parse(&v2(kind, &[0; 12])),
            Err(ProxyError::Malformed),
            "{kind:?}"
        );
    }
    assert_eq!(
        parse(&v2([0x21, 0x11], &[0; 11])),
        Err(ProxyError::Malformed)
    );
    assert_eq!(
        parse(&v2([0x21, 0x21], &[0; 35])),
        Err(ProxyError::Malformed)
    );
    let long = v2([0x20, 0], &vec![0; PROXY_BYTES_MAX]);
    assert_eq!(parse(&long[..16]), Err(ProxyError::TooLong));
}

proptest! {
    #[test]
    fn any_bytes_are_a_header_or_refused(
        version in 0..3,
        rest in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let front: &[u8] = [b"".as_slice(), b"PROXY ", V2][usize::try_from(version).expect("small")];
        let stream = [front, &rest].concat();
        if let Ok(Some((_, taken))) = parse(&stream) {
            prop_assert!(taken <= stream.len());
        }
    }
}
