//! Days as operators write them: `2026-11-27`, in UTC.

/// Days since 1970-01-01; nothing where the text is no date (Hinnant, "chrono-compatible low-level date algorithms").
pub fn parse(text: &str) -> Option<i64> {
    let mut pieces = text.splitn(3, '-');
    let mut number = |digits: usize| {
        let piece = pieces.next()?;
        let is_number = piece.len() == digits && piece.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| piece.parse::<i64>().ok())?
    };
    let (year, month, day) = (number(4)?, number(2)?, number(2)?);
    if !(1..=12).contains(&month) || !(1..=days_in(year, month)).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

fn days_in(year: i64, month: i64) -> i64 {
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if is_leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The day of a moment in seconds since 1970-01-01 UTC.
pub fn of(seconds: u64) -> i64 {
    i64::try_from(seconds / 86_400).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_days_and_what_is_none_is_told() {
        for (text, days) in [
            ("1970-01-01", 0),
            ("1970-03-01", 59),
            ("2000-02-29", 11_016),
            ("2026-01-01", 20_454),
            ("2026-12-31", 20_818),
        ] {
            assert_eq!(parse(text), Some(days), "{text}");
        }
        for text in [
            "",
            "2026",
            "2026-1-1",
            "2026-02-29",
            "2026-13-01",
            "2026-00-10",
            "x",
            "2026-01-01T00",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
        assert_eq!(of(1_767_225_600), 20_454);
    }
}
