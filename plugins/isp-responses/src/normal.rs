//! One shape for the words of a reply.
//!
//! Servers say the same thing with other punctuation, case, accents, addresses and queue ids. Here a text becomes
//! lower-case words without accents, parted by single spaces; addresses, IP addresses, host names, numbers and ids leave
//! no word behind, only a mark, so that "user <a@b.example> unknown" and "User unknown" are the same two words. Articles
//! and forms of "to be" are left out. Patterns of the rules pass through the same function at build time.

/// A thing that was taken out of the text; it has a place between words but no width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    Address = 0,
    Ip = 1,
    Url = 2,
    Host = 3,
    Number = 4,
}

/// Where a word begins: a byte offset in `Normal::bytes`, and its number in the text (sentence ends leave a gap).
#[derive(Clone, Copy, Debug)]
pub struct Token {
    pub at: u32,
    pub word: u16,
}

/// An enhanced status code as found in a text (RFC 3463).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    pub class: u16,
    pub subject: u16,
    pub detail: u16,
}

impl Status {
    /// Reads "5.1.1"; nothing else may follow.
    pub fn parse(text: &str) -> Option<Status> {
        let mut fields = text.trim().split('.');
        let mut number = || -> Option<u16> {
            let field = fields.next()?;
            if field.is_empty() || field.len() > 3 || !field.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            field.parse().ok()
        };
        let (class, subject, detail) = (number()?, number()?, number()?);
        if fields.next().is_some() || !matches!(class, 2 | 4 | 5) {
            return None;
        }
        Some(Status {
            class,
            subject,
            detail,
        })
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// A text in normal form.
#[derive(Default, Debug)]
pub struct Normal {
    pub bytes: Vec<u8>,
    pub tokens: Vec<Token>,
    pub marks: Vec<(Mark, u16)>,
    pub statuses: Vec<Status>,
    pub codes: Vec<u16>,
    /// Where host names stand in the text, as offset and length.
    pub hosts: Vec<(usize, usize)>,
    word: u16,
    /// Address of the text, from which offsets are told.
    base: usize,
}

/// More of a text is not looked at: the reason stands at its beginning.
pub const TEXT_BYTES_MAX: usize = 6 * 1024;
/// A sentence end is as wide as this many words for the "near" operators.
const SENTENCE_WORDS: u16 = 3;
const WORD_BYTES_MAX: usize = 40;
/// A chunk with so many underscores is a sentence.
const JOINTS_MIN: usize = 3;
/// More host names of a text are not remembered.
const HOSTS_MAX: usize = 4;

/// Brings `text` into normal form.
pub fn normalise(text: &str) -> Normal {
    let mut end = text.len().min(TEXT_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut normal = Normal {
        bytes: Vec::with_capacity(end + 16),
        tokens: Vec::with_capacity(end / 5 + 8),
        base: text.as_ptr() as usize,
        ..Normal::default()
    };
    let parts = |c: char| match u8::try_from(c) {
        Ok(byte @ 0..0x80) => parts_chunks(byte),
        _ => c.is_whitespace() || is_bracket(c),
    };
    for chunk in text[..end].split(parts) {
        if !chunk.is_empty() {
            normal.chunk(chunk, 0);
        }
    }
    normal
}

/// The ASCII bytes among those below, and white space.
fn parts_chunks(byte: u8) -> bool {
    const PARTS: [bool; 128] = {
        let mut parts = [false; 128];
        let bytes = b" \t\n\x0b\x0c\r<>()[]{}\",;|`";
        let mut at = 0;
        while at < bytes.len() {
            parts[bytes[at] as usize] = true;
            at += 1;
        }
        parts
    };
    PARTS[usize::from(byte)]
}

fn is_bracket(c: char) -> bool {
    matches!(
        c,
        '«' | '»'
            | '“'
            | '”'
            | '„'
            | '（'
            | '）'
            | '「'
            | '」'
            | '【'
            | '】'
            | '＜'
            | '＞'
            | '：'
            | '，'
            | '；'
            | '、'
    )
}

impl Normal {
    /// The normal text, for tests and error messages.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).trim_end().to_string()
    }

    fn chunk(&mut self, chunk: &str, depth: u8) {
        if chunk.bytes().all(|byte| byte.is_ascii_alphabetic()) {
            // Most are plain words, and need no closer look.
            let start = self.bytes.len();
            self.bytes.extend_from_slice(chunk.as_bytes());
            self.bytes[start..].make_ascii_lowercase();
            self.end_word(start, false);
            return;
        }
        let chunk =
            chunk.trim_start_matches(['#', '*', '=', '-', '\'', ':', '.', '~', '_', '+', '&']);
        let bare =
            chunk.trim_end_matches(['.', '!', '?', ':', '*', '=', '\'', '-', '。', '_', '+']);
        let ends = chunk[bare.len()..].contains(['.', '!', '?', '。']);
        if bare.is_empty() {
            if ends {
                self.sentence();
            }
            return;
        }
        let bytes = bare.as_bytes();
        if depth == 0 && bytes.iter().filter(|b| **b == b'_').count() >= JOINTS_MIN {
            // "192.0.2.1_does_not_like_recipient./Remote_host_said:_550": spaces did not survive.
            for piece in bare.split(['_', '/']).filter(|piece| !piece.is_empty()) {
                self.chunk(piece, 1);
            }
            return;
        }
        if is_code_word(bytes) {
            // "RP-001" is one word.
            let start = self.bytes.len();
            self.bytes.extend(
                bytes
                    .iter()
                    .filter(|b| **b != b'-')
                    .map(u8::to_ascii_lowercase),
            );
            self.end_word(start, false);
            return;
        }
        if bytes[0].is_ascii_digit() && self.digits(bare, depth) {
            if ends && !bare.contains('.') {
                self.sentence();
            }
            return;
        }
        if let Some(at) = bare.find('@')
            && at > 0
            && at + 1 < bare.len()
        {
            self.address(bare, at, depth);
            if ends {
                self.sentence();
            }
            return;
        }
        if bare.contains("://") || starts_with_ignore_case(bare, "www.") {
            self.mark(Mark::Url);
            let rest = bare.find("://").map_or(bare, |at| &bare[at + 3..]);
            self.host(rest.split(['/', ':', '?', '#']).next().unwrap_or(rest));
            self.words(bare, true);
        } else if is_ipv6(bare) {
            self.mark(Mark::Ip);
        } else if let Some(embedded) = embedded_status(bare).filter(|_| depth == 0) {
            // "said:550" and "SMTP;5.1.1": the number is worth more than the word it sticks to.
            let (before, after) = bare.split_at(embedded);
            self.chunk(before, 1);
            self.chunk(after, 1);
        } else if bytes.contains(&b'.') && is_host(bare) {
            self.mark(Mark::Host);
            self.host(bare);
            if is_list_zone(bare) {
                self.words(bare, true);
            }
        } else {
            self.words(bare, false);
        }
        if ends {
            self.sentence();
        }
    }

    /// Chunks that begin with a digit. False if it is a word after all.
    fn digits(&mut self, bare: &str, depth: u8) -> bool {
        let length = bare.bytes().take_while(|b| b.is_ascii_digit()).count();
        let rest = &bare[length..];
        if rest.is_empty() {
            if length == 3 && matches!(bare.as_bytes()[0], b'4' | b'5') {
                self.codes.push(bare.parse().unwrap_or(0));
            }
            self.mark(Mark::Number);
            return true;
        }
        let dotted = bare
            .bytes()
            .take_while(|b| b.is_ascii_digit() || *b == b'.')
            .count();
        let number = bare[..dotted].trim_end_matches('.');
        if let Some(status) = Status::parse(number) {
            self.statuses.push(status);
            let after = bare[dotted..].trim_start_matches(['-', ':', '/']);
            if !after.is_empty() && depth < 2 {
                self.chunk(after, depth + 1);
            }
            return true;
        }
        if number.split('.').count() == 4 {
            self.mark(Mark::Ip);
            return true;
        }
        if length == 3
            && matches!(bare.as_bytes()[0], b'4' | b'5')
            && rest.starts_with(['-', ':', '_', '/'])
        {
            self.codes.push(bare[..3].parse().unwrap_or(0));
            if depth < 2 {
                self.chunk(&rest[1..], depth + 1);
            }
            return true;
        }
        if is_ipv6(bare) {
            self.mark(Mark::Ip);
            return true;
        }
        if rest
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b':' | b'/' | b'-' | b'.' | b'%'))
        {
            self.mark(Mark::Number);
            return true;
        }
        false
    }

    fn address(&mut self, bare: &str, at: usize, depth: u8) {
        // "Address:someone@host.example:unknown": words before a colon or an equals sign, and after the host, count.
        // So do the letters of scripts without spaces.
        let before = |c: char| matches!(c, ':' | '=' | '/') || is_ideographic(c);
        let after = |c: char| matches!(c, ':' | '/' | '?' | '\\' | '=') || is_ideographic(c);
        let start = bare[..at]
            .char_indices()
            .rfind(|(_, c)| before(*c))
            .map_or(0, |(i, c)| i + c.len_utf8());
        let end = bare[at..].find(after).map_or(bare.len(), |i| at + i);
        if start > 0 && depth < 2 {
            self.chunk(&bare[..start], depth + 1);
        }
        self.mark(Mark::Address);
        if end < bare.len() && depth < 2 {
            self.chunk(&bare[end..], depth + 1);
        }
    }

    fn host(&mut self, name: &str) {
        if self.hosts.len() < HOSTS_MAX {
            self.hosts
                .push((name.as_ptr() as usize - self.base, name.len()));
        }
    }

    fn mark(&mut self, mark: Mark) {
        if self.marks.len() < 64 {
            self.marks.push((mark, self.word));
        }
    }

    fn sentence(&mut self) {
        if self.bytes.last().is_some_and(|b| *b == b' ') && !self.bytes.ends_with(b" . ") {
            self.bytes.extend_from_slice(b". ");
            self.word = self.word.saturating_add(SENTENCE_WORDS);
        }
    }

    /// Splits at whatever is no letter or digit, folds and appends. `url`: keep long labels out.
    fn words(&mut self, text: &str, url: bool) {
        let mut chars = text.chars().peekable();
        let mut start = self.bytes.len();
        let mut previous = ' ';
        while let Some(c) = chars.next() {
            if c.is_ascii_alphanumeric() {
                self.bytes.push(c.to_ascii_lowercase() as u8);
            } else if c.is_ascii() || c == '’' || c == '‘' {
                match c {
                    '\'' | '’' | '`' | '‘' => {
                        // "doesn't" and "doesnt" are one word; in "l'adresse" two words meet.
                        let negation = matches!(previous, 'n' | 'N')
                            && matches!(chars.peek(), Some('t' | 'T'))
                            && self.bytes.len() > start + 1;
                        if !negation {
                            self.end_word(start, url);
                            start = self.bytes.len();
                        }
                    }
                    '?' if self.bytes.len() > start
                        && chars.peek().is_some_and(|n| n.is_alphanumeric())
                        && !url =>
                    {
                        self.bytes.push(b'?');
                    }
                    '.' => {
                        self.end_word(start, url);
                        let breaks = previous.is_lowercase()
                            && chars.peek().is_some_and(|n| n.is_uppercase());
                        if breaks && !url {
                            self.sentence();
                        }
                        start = self.bytes.len();
                    }
                    _ => {
                        self.end_word(start, url);
                        start = self.bytes.len();
                    }
                }
            } else if is_ideographic(c) {
                self.end_word(start, url);
                if self.bytes.last() == Some(&b' ') && previous_is_ideographic(&self.bytes) {
                    self.bytes.pop();
                }
                self.tokens.push(Token {
                    at: self.bytes.len() as u32,
                    word: self.word,
                });
                self.word = self.word.saturating_add(1);
                let mut buffer = [0u8; 4];
                self.bytes
                    .extend_from_slice(c.encode_utf8(&mut buffer).as_bytes());
                self.bytes.push(b' ');
                start = self.bytes.len();
            } else if c == '。' {
                self.end_word(start, url);
                self.sentence();
                start = self.bytes.len();
            } else if c == '\u{fffd}' {
                self.bytes.push(b'?');
            } else if matches!(c, '\u{ad}' | '\u{200b}'..='\u{200d}' | '\u{feff}') {
                // Invisible.
            } else if c.is_alphanumeric() {
                fold(c, &mut self.bytes);
            } else {
                self.end_word(start, url);
                start = self.bytes.len();
            }
            previous = c;
        }
        self.end_word(start, url);
    }

    fn end_word(&mut self, start: usize, url: bool) {
        let length = self.bytes.len() - start;
        if length == 0 {
            return;
        }
        let word = &self.bytes[start..];
        if is_noise(word, url) || is_filler(word) || is_way_back(word, &self.bytes[..start]) {
            self.bytes.truncate(start);
            return;
        }
        if self.merge(start) {
            return;
        }
        self.tokens.push(Token {
            at: start as u32,
            word: self.word,
        });
        self.word = self.word.saturating_add(1);
        self.bytes.push(b' ');
    }

    /// "mail box" and "mailbox" are one word.
    fn merge(&mut self, start: usize) -> bool {
        if start < 2 || self.bytes[start - 1] != b' ' {
            return false;
        }
        let before = self.bytes[..start - 1]
            .iter()
            .rposition(|b| *b == b' ')
            .map_or(0, |i| i + 1);
        let (first, second) = (&self.bytes[before..start - 1], &self.bytes[start..]);
        let joins = match second {
            b"mail" | b"mails" | b"mailed" => first == b"e",
            b"box" | b"boxes" => first == b"mail",
            b"list" | b"lists" | b"listed" | b"listing" => {
                matches!(first, b"black" | b"block" | b"grey" | b"gray" | b"white")
            }
            b"address" => first == b"ip",
            b"quota" => first == b"over",
            b"loop" | b"loops" | b"looping" => false,
            _ => false,
        };
        if joins {
            self.bytes.remove(start - 1);
            self.bytes.push(b' ');
        }
        joins
    }
}

/// Articles, and forms of "to be" and "to have", in English: they come and go between one server's words and the next's.
fn is_filler(word: &[u8]) -> bool {
    matches!(
        word,
        b"the"
            | b"a"
            | b"an"
            | b"is"
            | b"are"
            | b"was"
            | b"were"
            | b"be"
            | b"been"
            | b"has"
            | b"have"
            | b"had"
            | b"this"
            | b"that"
            | b"currently"
            | b"being"
            | b"s"
    )
}

/// "Returned to sender" says where the message went, and nothing of the sender: such a sender leaves no word.
fn is_way_back(word: &[u8], before: &[u8]) -> bool {
    const WORDS_BETWEEN_MAX: usize = 4;
    // What stands right before the sender, and how the verb before that begins; nothing where either is not needed.
    let (to, verbs): (&[&str], &[&str]) = match word {
        b"sender" => (&["to"], &["return", "back", "bounced"]),
        // "An den Absender": the preposition is an English article, and gone.
        b"absender" => (&["den"], &[]),
        b"afzender" => (&["naar", "aan"], &[]),
        b"expediteur" => (&[], &["retour", "renvoy"]),
        b"remitente" => (&["al"], &["devuel", "devol", "retorn"]),
        b"remetente" => (&["ao"], &["devolv", "retorn"]),
        b"mittente" => (&["al"], &["restitu", "rimand", "rinvi", "ritorn"]),
        _ if word == "отправителю".as_bytes() => (&[], &["возвра"]),
        _ => return false,
    };
    let mut words = before
        .rsplit(|b| *b == b' ')
        .filter(|w| !w.is_empty())
        .skip_while(|w| matches!(*w, b"its" | b"original" | b"de" | b"l" | b"son"))
        .peekable();
    let is_directed = to.is_empty()
        || words
            .next_if(|w| to.iter().any(|t| t.as_bytes() == *w))
            .is_some();
    is_directed
        && (verbs.is_empty()
            || words
                .take(WORDS_BETWEEN_MAX)
                .any(|w| verbs.iter().any(|v| w.starts_with(v.as_bytes()))))
}

/// Queue ids and the like.
fn is_noise(word: &[u8], url: bool) -> bool {
    if word.len() > WORD_BYTES_MAX && word.is_ascii() {
        return true;
    }
    let digits = word.iter().filter(|b| b.is_ascii_digit()).count();
    if digits == word.len() {
        return true;
    }
    digits >= 3 && word.len() >= 11 || (url && digits > 0 && word.len() > 8)
}

/// Two to four capitals, a hyphen and three digits, as some providers name their errors.
fn is_code_word(bytes: &[u8]) -> bool {
    let Some(hyphen) = bytes.iter().position(|b| *b == b'-') else {
        return false;
    };
    (2..=4).contains(&hyphen)
        && bytes[..hyphen].iter().all(u8::is_ascii_uppercase)
        && bytes.len() == hyphen + 4
        && bytes[hyphen + 1..].iter().all(u8::is_ascii_digit)
}

fn starts_with_ignore_case(text: &str, prefix: &str) -> bool {
    text.len() >= prefix.len()
        && text.as_bytes()[..prefix.len()].eq_ignore_ascii_case(prefix.as_bytes())
}

fn is_ipv6(text: &str) -> bool {
    let text = text.strip_prefix("IPv6:").unwrap_or(text);
    text.len() >= 4
        && text.bytes().filter(|b| *b == b':').count() >= 2
        && text
            .bytes()
            .all(|b| b.is_ascii_hexdigit() || b == b':' || b == b'.')
}

/// The offset of a status or reply code that follows a colon, a hash, an equals sign or a slash inside a chunk.
fn embedded_status(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 1;
    while at + 2 < bytes.len() {
        if matches!(bytes[at], b'4' | b'5')
            && matches!(bytes[at - 1], b':' | b'#' | b'=' | b'/' | b'-')
        {
            let rest = &bytes[at..];
            let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            let dotted = rest
                .iter()
                .take_while(|b| b.is_ascii_digit() || **b == b'.')
                .count();
            let after = rest.get(dotted).copied().unwrap_or(b' ');
            let code = digits == 3 && dotted == 3 && !after.is_ascii_alphanumeric();
            let status = Status::parse(text[at..at + dotted].trim_end_matches('.')).is_some();
            if code || status {
                return Some(at);
            }
        }
        at += 1;
    }
    None
}

fn is_host(text: &str) -> bool {
    let Some(dot) = text.rfind('.') else {
        return false;
    };
    let text = text.split(':').next().unwrap_or(text);
    let mut labels = text.split('.');
    if !labels.clone().all(|l| {
        !l.is_empty()
            && l.len() <= 63
            && l.bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'*'))
    }) {
        return false;
    }
    let Some(last) = text.rsplit('.').next() else {
        return false;
    };
    let first = labels.next().unwrap_or("");
    if is_error_class(first) {
        return false;
    }
    // "exist.Please" is the end of a sentence and the beginning of the next.
    let upper = last.as_bytes()[0].is_ascii_uppercase()
        && last.bytes().skip(1).any(|b| b.is_ascii_lowercase());
    if upper && dot > 0 && text.as_bytes()[dot.min(text.len()) - 1].is_ascii_lowercase() {
        return false;
    }
    is_top_level(last)
}

/// Exchange's dotted error names are words, not hosts.
fn is_error_class(first: &str) -> bool {
    [
        "resolver",
        "smtpsend",
        "queue",
        "routing",
        "storedrv",
        "transport",
        "approval",
        "mapisubmission",
        "delivery",
        "agent",
    ]
    .iter()
    .any(|name| first.eq_ignore_ascii_case(name))
}

fn is_top_level(label: &str) -> bool {
    if !label.bytes().all(|b| b.is_ascii_alphabetic()) {
        return false;
    }
    if label.len() == 2 {
        return true;
    }
    const LONG: [&str; 36] = [
        "com",
        "net",
        "org",
        "edu",
        "gov",
        "mil",
        "int",
        "info",
        "biz",
        "name",
        "local",
        "lan",
        "test",
        "example",
        "invalid",
        "localhost",
        "localdomain",
        "arpa",
        "asia",
        "mobi",
        "online",
        "site",
        "xyz",
        "app",
        "dev",
        "cloud",
        "email",
        "shop",
        "tech",
        "club",
        "top",
        "pro",
        "internal",
        "coop",
        "museum",
        "travel",
    ];
    LONG.iter().any(|known| label.eq_ignore_ascii_case(known))
}

/// Names of block lists stay readable where they stand in a host name or a URL.
fn is_list_zone(host: &str) -> bool {
    const ZONES: [&str; 26] = [
        "spamhaus",
        "spamcop",
        "sorbs",
        "barracuda",
        "uceprotect",
        "surbl",
        "uribl",
        "mailspike",
        "abuseat",
        "njabl",
        "dsbl",
        "ordb",
        "psbl",
        "invaluement",
        "abusix",
        "hostkarma",
        "junkemailfilter",
        "manitu",
        "cbl",
        "dnsbl",
        "rbl",
        "trendmicro",
        "senderscore",
        "blacklist",
        "backscatterer",
        "spamrats",
    ];
    let mut lower = [0u8; 128];
    let length = host.len().min(128);
    lower[..length].copy_from_slice(&host.as_bytes()[..length]);
    lower[..length].make_ascii_lowercase();
    let lower = &lower[..length];
    ZONES
        .iter()
        .any(|zone| lower.windows(zone.len()).any(|w| w == zone.as_bytes()))
}

/// Scripts whose words are not parted by spaces; Hangul too, since particles stick to its words.
pub fn is_ideographic(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{f900}'..='\u{faff}' | '\u{0e00}'..='\u{0e7f}')
}

fn previous_is_ideographic(bytes: &[u8]) -> bool {
    let Some(body) = bytes.strip_suffix(b" ") else {
        return false;
    };
    let tail = &body[body.len().saturating_sub(4)..];
    (0..tail.len())
        .find_map(|i| std::str::from_utf8(&tail[i..]).ok())
        .and_then(|s| s.chars().last())
        .is_some_and(is_ideographic)
}

/// Lower case, and Latin letters without their accents; full-width forms as their ASCII counterparts.
fn fold(c: char, out: &mut Vec<u8>) {
    let ascii: &[u8] = match c {
        'À'..='Å' | 'à'..='å' | 'Ā'..='ą' => b"a",
        'Ç' | 'ç' | 'Ć'..='č' => b"c",
        'Ď'..='đ' | 'Ð' | 'ð' => b"d",
        'È'..='Ë' | 'è'..='ë' | 'Ē'..='ě' => b"e",
        'Ĝ'..='ģ' => b"g",
        'Ì'..='Ï' | 'ì'..='ï' | 'Ĩ'..='ı' => b"i",
        'Ĺ'..='ł' => b"l",
        'Ñ' | 'ñ' | 'Ń'..='ň' => b"n",
        'Ò'..='Ö' | 'Ø' | 'ò'..='ö' | 'ø' | 'Ō'..='ő' => b"o",
        'Ŕ'..='ř' => b"r",
        'Ś'..='š' | 'Ș' | 'ș' => b"s",
        'ß' => b"ss",
        'Ţ'..='ť' | 'Ț' | 'ț' => b"t",
        'Ù'..='Ü' | 'ù'..='ü' | 'Ũ'..='ų' => b"u",
        'Ý' | 'ý' | 'ÿ' | 'Ÿ' => b"y",
        'Ź'..='ž' => b"z",
        'Æ' | 'æ' => b"ae",
        'Œ' | 'œ' => b"oe",
        'ё' | 'Ё' => "е".as_bytes(),
        '\u{ff01}'..='\u{ff5e}' => {
            let byte = (c as u32 - 0xff01 + 0x21) as u8;
            out.push(byte.to_ascii_lowercase());
            return;
        }
        _ => b"",
    };
    if !ascii.is_empty() {
        out.extend_from_slice(ascii);
        return;
    }
    let mut buffer = [0u8; 4];
    for lower in c.to_lowercase() {
        out.extend_from_slice(lower.encode_utf8(&mut buffer).as_bytes());
    }
}
