//! The time a reply asks for: "try again in 5 minutes", "greylisted for 300 seconds", "retry after 00:04:59".

/// Longer than a week is no advice.
const SECONDS_MAX: u32 = 7 * 24 * 3600;
/// How many words may stand between the request and the time.
const WORDS_MAX: usize = 7;

/// Seconds that the reply states, if it states any as a request.
pub fn stated(text: &str) -> Option<u32> {
    // Most replies hold no such word; looking for a letter pair first keeps them cheap.
    if !text.as_bytes().iter().any(u8::is_ascii_digit) {
        return None;
    }
    let mut asked: Option<usize> = None;
    let mut words = text
        .split(|c: char| {
            c.is_whitespace() || matches!(c, '(' | ')' | ',' | ';' | '=' | '<' | '>' | '[' | ']')
        })
        .filter(|w| !w.is_empty())
        .enumerate()
        .peekable();
    while let Some((i, word)) = words.next() {
        let bare = word.trim_end_matches(['.', '!', ':']);
        if is_request(bare) {
            asked = Some(i);
            continue;
        }
        let near = asked.is_some_and(|a| i - a <= WORDS_MAX);
        if !near || !bare.as_bytes().first().is_some_and(u8::is_ascii_digit) {
            continue;
        }
        if let Some(seconds) = clock(bare) {
            return within(seconds);
        }
        let digits = bare.bytes().take_while(u8::is_ascii_digit).count();
        let Ok(number) = bare[..digits].parse::<u32>() else {
            continue;
        };
        let unit = match &bare[digits..] {
            "" => words
                .peek()
                .map_or("", |(_, next)| next.trim_end_matches(['.', '!', ':'])),
            rest => rest.trim_start_matches('-'),
        };
        if let Some(seconds) = unit_seconds(unit) {
            return within(number.saturating_mul(seconds));
        }
    }
    None
}

fn is_request(word: &str) -> bool {
    const WORDS: [&str; 17] = [
        "retry",
        "again",
        "wait",
        "after",
        "later",
        "in",
        "retried",
        "greylisted",
        "graylisted",
        "greylisting",
        "for",
        "within",
        "try",
        "resend",
        "least",
        "defer",
        "next",
    ];
    WORDS.iter().any(|w| word.eq_ignore_ascii_case(w))
}

fn clock(text: &str) -> Option<u32> {
    let mut fields = text.split(':');
    let (a, b, c) = (fields.next()?, fields.next()?, fields.next());
    let number = |t: &str| (t.len() <= 3).then(|| t.parse::<u32>().ok()).flatten();
    match (c, fields.next()) {
        (Some(c), None) => Some(number(a)? * 3600 + number(b)? * 60 + number(c)?),
        (None, None) => Some(number(a)? * 60 + number(b)?),
        _ => None,
    }
}

fn unit_seconds(unit: &str) -> Option<u32> {
    let unit = unit.to_ascii_lowercase();
    match unit.as_str() {
        "s" | "sec" | "secs" | "second" | "seconds" | "sekunden" | "secondes" | "segundos" => {
            Some(1)
        }
        "m" | "min" | "mins" | "minute" | "minutes" | "minuten" | "minutos" => Some(60),
        "h" | "hr" | "hrs" | "hour" | "hours" | "stunden" | "heures" | "horas" => Some(3600),
        "d" | "day" | "days" | "tage" | "jours" => Some(86_400),
        _ => None,
    }
}

fn within(seconds: u32) -> Option<u32> {
    (seconds > 0 && seconds <= SECONDS_MAX).then_some(seconds)
}
