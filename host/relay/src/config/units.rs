//! Durations and sizes as people write them: "90s", "1h30m", "25MiB".

use std::time::Duration;

/// Reads "250ms", "90s", "5m", "1h30m", "4d". The error is a sentence.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let error = || {
        format!(
            "{text:?} is not a duration; write for example \"30s\", \"5m\", \"1h30m\" or \"4d\""
        )
    };
    let mut total = Duration::ZERO;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(error)?;
        let count: u32 = rest[..digits].parse().map_err(|_| error())?;
        let letters = rest[digits..]
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len() - digits);
        let unit = match &rest[digits..digits + letters] {
            "ms" => Duration::from_millis(1),
            "s" => Duration::from_secs(1),
            "m" => Duration::from_secs(60),
            "h" => Duration::from_secs(3600),
            "d" => Duration::from_secs(86_400),
            _ => return Err(error()),
        };
        total = unit
            .checked_mul(count)
            .and_then(|part| total.checked_add(part))
            .ok_or_else(error)?;
        rest = &rest[digits + letters..];
    }
    if text.is_empty() {
        Err(error())
    } else {
        Ok(total)
    }
}

/// Reads "512", "64KiB", "25MB", "10GiB": bytes. The error is a sentence.
pub(super) fn size(text: &str) -> Result<u64, String> {
    let error = || {
        format!(
            "{text:?} is not a size; write for example 65536, \"512KiB\", \"25MB\" or \"10GiB\""
        )
    };
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let count: u64 = text[..digits].parse().map_err(|_| error())?;
    let unit: u64 = match text[digits..].trim_start() {
        "" | "B" => 1,
        "kB" | "KB" => 1000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        "TB" => 1_000_000_000_000,
        "TiB" => 1 << 40,
        _ => return Err(error()),
    };
    count.checked_mul(unit).ok_or_else(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_units() {
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(duration("4d"), Ok(Duration::from_secs(345_600)));
        for wrong in ["", "5", "m", "5 m", "-5m", "5y", "99999999999d", "5µs"] {
            assert!(duration(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn sizes_are_read_with_their_units() {
        assert_eq!(size("512"), Ok(512));
        assert_eq!(size("25 MiB"), Ok(25 << 20));
        assert_eq!(size("1GB"), Ok(1_000_000_000));
        for wrong in ["", "MiB", "1XB", "-1", "99999999999TiB"] {
            assert!(size(wrong).is_err(), "{wrong:?}");
        }
    }
}
