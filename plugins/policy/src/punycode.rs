//! Punycode, one way (RFC 3492 6.2): what a label with `xn--` shows to people. The library that does all of IDNA brings tables of
//! a megabyte, of which nothing else is needed here.

const BASE: u32 = 36;
const T_MIN: u32 = 1;
const T_MAX: u32 = 26;
const SKEW: u32 = 38;
const DAMP: u32 = 700;
const INITIAL_BIAS: u32 = 72;
const INITIAL_N: u32 = 128;
/// A label in DNS.
const CHARACTERS_MAX: usize = 63;

/// The label without `xn--`, decoded; nothing where it is no Punycode.
pub fn decode(label: &str) -> Option<String> {
    let (basic, coded) = label.rsplit_once('-').unwrap_or(("", label));
    let mut output: Vec<char> = basic.chars().collect();
    if coded.is_empty() || output.len() > CHARACTERS_MAX || !label.is_ascii() {
        return None;
    }
    let (mut n, mut i, mut bias) = (INITIAL_N, 0_u32, INITIAL_BIAS);
    let mut digits = coded.bytes().map(digit).peekable();
    while digits.peek().is_some() {
        let before = i;
        let (mut weight, mut k) = (1_u32, BASE);
        loop {
            let digit = digits.next()??;
            i = i.checked_add(digit.checked_mul(weight)?)?;
            let t = k.saturating_sub(bias).clamp(T_MIN, T_MAX);
            if digit < t {
                break;
            }
            weight = weight.checked_mul(BASE - t)?;
            k += BASE;
        }
        let length = u32::try_from(output.len()).ok()? + 1;
        bias = adapt(i - before, length, before == 0);
        n = n.checked_add(i / length)?;
        i %= length;
        output.insert(i as usize, char::from_u32(n)?);
        i += 1;
        if output.len() > CHARACTERS_MAX {
            return None;
        }
    }
    Some(output.into_iter().collect())
}

fn digit(byte: u8) -> Option<u32> {
    match byte {
        b'a'..=b'z' => Some(u32::from(byte - b'a')),
        b'A'..=b'Z' => Some(u32::from(byte - b'A')),
        b'0'..=b'9' => Some(u32::from(byte - b'0') + 26),
        _ => None,
    }
}

fn adapt(delta: u32, length: u32, is_first: bool) -> u32 {
    let mut delta = if is_first { delta / DAMP } else { delta / 2 };
    delta += delta / length;
    let mut k = 0;
    while delta > (BASE - T_MIN) * T_MAX / 2 {
        delta /= BASE - T_MIN;
        k += BASE;
    }
    k + (BASE - T_MIN + 1) * delta / (delta + SKEW)
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn labels_are_decoded_as_rfc_3492_shows() {
        for (label, expected) in [
            ("mnchen-3ya", Some("münchen")),
            ("bcher-kva", Some("bücher")),
            ("80ak6aa92e", Some("аррӏе")),
            ("fiqs8s", Some("中国")),
            ("", None),
            ("abc-", None),
            ("99999999999", None),
            ("a_b", None),
            ("é", None),
        ] {
            assert_eq!(decode(label).as_deref(), expected, "{label}");
        }
    }

    #[test]
    fn nothing_makes_it_fail_or_grow() {
        for piece in ["z", "9", "a", "-", "zz9"] {
            for length in [1, 10, 63, 1000] {
                let text = decode(&piece.repeat(length));
                assert!(text.is_none_or(|text| text.chars().count() <= 63));
            }
        }
    }
}
