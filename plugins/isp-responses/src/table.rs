//! The compiled rules, read in place from their bytes, and the matching of a text against them.
//!
//! Nothing is built at run time: an instance of the plugin lives for one delivery attempt, so a table that had to be
//! unpacked would cost more than all the matching it is for.

use crate::normal::Normal;
use crate::reason::Reason;

/// Operators between the elements of a clause.
pub mod op {
    pub const START: u8 = 0;
    pub const ORDERED: u8 = 1;
    pub const NEAR: u8 = 2;
    pub const ANYWHERE: u8 = 3;
}

/// Concepts that the normal form itself provides, by their numbers; see `normal::Mark`.
pub const MARKS: [&str; 5] = ["ADDRESS", "IP", "URL", "HOST", "NUMBER"];
pub const MARK_TERMS: u16 = MARKS.len() as u16;
/// Eleven section starts, the end, and the count of providers.
pub const HEADER_WORDS: usize = 13;
/// Size of a rule record in 16-bit words.
pub const RULE_WORDS: usize = 12;
/// No string.
pub const ABSENT: u32 = u32::MAX;
/// A clause whose target is a provider.
pub const PROVIDER_BIT: u16 = 0x8000;
/// A clause whose target is the name of a block list.
pub const LIST_BIT: u16 = 0x4000;

const TRIE: usize = 0;
const OUTPUTS: usize = 1;
const ANCHORS: usize = 2;
const CLAUSES: usize = 3;
const RULES: usize = 4;
const EXTRA: usize = 5;
const BARE: usize = 6;
const PRIORS: usize = 7;
const HOSTS: usize = 8;
const NAMES: usize = 9;
const STRINGS: usize = 10;

/// No host name is longer (RFC 1035, 2.3.4).
const HOST_BYTES_MAX: usize = 255;
/// More places of phrases in one text are not kept.
const HITS_MAX: usize = 1024;
/// Most texts have fewer.
const HITS_COMMON: usize = 128;

/// A place where a term stands: words `start` to `end`, exclusive.
#[derive(Clone, Copy, Debug)]
struct Hit {
    term: u16,
    start: u16,
    end: u16,
    /// Number of the next place of the same term, counted from 1; 0 is none.
    next: u16,
}

/// All places, in a chain for each term.
struct Hits {
    places: Vec<Hit>,
    present: Numbers,
    /// How many terms stand before those of each word of `present`.
    before: Vec<u16>,
    /// Number of the last place of each term that has one, in the order of the terms.
    last: Vec<u16>,
}

impl Hits {
    fn new(mut places: Vec<Hit>, terms: usize) -> Hits {
        let mut present = Numbers::new(terms);
        places.retain(|hit| usize::from(hit.term) < terms);
        places.truncate(HITS_MAX);
        for hit in &places {
            present.insert(hit.term);
        }
        let mut count = 0;
        let counted = present.bits.iter().map(|word| {
            let before = count;
            count += word.count_ones() as u16;
            before
        });
        let mut hits = Hits {
            before: counted.collect(),
            last: vec![0; usize::from(count)],
            present,
            places: Vec::new(),
        };
        for (number, hit) in (1..).zip(&mut places) {
            let place = hits.place(hit.term);
            hit.next = std::mem::replace(&mut hits.last[place], number);
        }
        hits.places = places;
        hits
    }

    fn has(&self, term: u16) -> bool {
        self.present.bits[usize::from(term) / 64] & 1 << (term % 64) != 0
    }

    /// Where in `last` a term stands that is present.
    fn place(&self, term: u16) -> usize {
        let word = usize::from(term) / 64;
        let lower = self.present.bits[word] & ((1 << (term % 64)) - 1);
        usize::from(self.before[word]) + lower.count_ones() as usize
    }

    fn places(&self, term: u16) -> impl Iterator<Item = Hit> + '_ {
        let at = |number: u16| {
            self.places
                .get(usize::from(number).wrapping_sub(1))
                .copied()
        };
        let last = if self.has(term) {
            self.last[self.place(term)]
        } else {
            0
        };
        std::iter::successors(at(last), move |hit| at(hit.next))
    }
}

/// A set of small numbers, which comes out in order.
struct Numbers {
    bits: Vec<u64>,
}

impl Numbers {
    fn new(count: usize) -> Numbers {
        Numbers {
            bits: vec![0; count / 64 + 1],
        }
    }

    fn insert(&mut self, number: u16) {
        self.bits[usize::from(number) / 64] |= 1 << (number % 64);
    }

    fn iter(&self) -> impl Iterator<Item = u16> + '_ {
        self.bits.iter().enumerate().flat_map(|(at, word)| {
            let not_zero = |word: u64| (word != 0).then_some(word);
            let words = std::iter::successors(not_zero(*word), move |w| not_zero(w & (w - 1)));
            words.map(move |word| (at * 64) as u16 + word.trailing_zeros() as u16)
        })
    }
}

/// Under which keys rules without words are found: by a status, by the subject of a status, by a code, by its class, or always.
pub mod key {
    pub const ALWAYS: u16 = 0;
    const SUBJECT: u16 = 0x8000;
    const CLASS: u16 = 0x4000;

    pub fn subject(subject: u16) -> u16 {
        SUBJECT | subject
    }

    pub fn class(code: u16) -> u16 {
        CLASS | (code / 100)
    }

    pub fn code(code: u16) -> u16 {
        code
    }
}

/// What is known beside the text, for conditions.
#[derive(Clone, Copy, Default, Debug)]
pub struct Facts<'a> {
    pub code: u16,
    pub statuses: &'a [[u16; 3]],
    pub stage: Option<usize>,
    /// The provider that the recipient's domain or a host in the text is of, where nothing says better.
    pub guess: Option<u16>,
}

/// A rule that holds.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    pub rule: u16,
    pub reason: Reason,
    pub score: i16,
}

/// What the matching of a text gives.
#[derive(Default, Debug)]
pub struct Found {
    pub candidates: Vec<Candidate>,
    pub provider: Option<u16>,
    pub list: Option<u16>,
}

/// A section as 16-bit words; 0 beyond the end.
#[derive(Clone, Copy)]
struct Words<'a>(&'a [[u8; 2]]);

impl<'a> Words<'a> {
    fn of(section: &'a [u8]) -> Words<'a> {
        Words(section.as_chunks().0)
    }

    fn at(self, index: usize) -> u16 {
        self.0
            .get(index)
            .map_or(0, |word| u16::from_le_bytes(*word))
    }

    /// The 32-bit number that begins at that word.
    fn long(self, index: usize) -> u32 {
        u32::from(self.at(index)) | u32::from(self.at(index + 1)) << 16
    }
}

/// A section as 32-bit words; 0 beyond the end.
#[derive(Clone, Copy)]
struct Longs<'a>(&'a [[u8; 4]]);

impl<'a> Longs<'a> {
    fn of(section: &'a [u8]) -> Longs<'a> {
        Longs(section.as_chunks().0)
    }

    fn at(self, index: usize) -> u32 {
        self.0
            .get(index)
            .map_or(0, |long| u32::from_le_bytes(*long))
    }
}

/// One compiled set of rules.
#[derive(Clone, Copy)]
pub struct Table<'a> {
    bytes: &'a [u8],
    sections: [u32; 12],
    providers: u32,
}

impl<'a> Table<'a> {
    /// Reads the header. None if these are not the bytes of a table.
    pub fn new(bytes: &'a [u8]) -> Option<Table<'a>> {
        if bytes.len() < HEADER_WORDS * 4 {
            return None;
        }
        let mut sections = [0; 12];
        for (i, slot) in sections.iter_mut().enumerate() {
            *slot = u32_at(bytes, i * 4);
        }
        let ordered =
            sections.windows(2).all(|w| w[0] <= w[1]) && sections[11] as usize <= bytes.len();
        ordered.then(|| Table {
            bytes,
            sections,
            providers: u32_at(bytes, 48),
        })
    }

    fn section(&self, section: usize) -> &'a [u8] {
        &self.bytes[self.sections[section] as usize..self.sections[section + 1] as usize]
    }

    /// The string of an offset.
    fn string(&self, at: u32) -> &'a str {
        std::str::from_utf8(self.string_bytes(at)).unwrap_or("")
    }

    fn string_bytes(&self, at: u32) -> &'a [u8] {
        let strings = self.section(STRINGS);
        let at = at as usize;
        let length = strings.get(at..).and_then(<[u8]>::first_chunk);
        let length = length.map_or(0, |bytes| usize::from(u16::from_le_bytes(*bytes)));
        strings.get(at + 2..at + 2 + length).unwrap_or_default()
    }

    /// The names of all providers, in the order of their numbers.
    pub fn provider_names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let table = *self;
        (0..table.providers as usize)
            .map(move |i| table.string(u32_at(table.section(NAMES), i * 4)))
    }

    /// The name of a provider.
    pub fn provider_name(&self, index: u16) -> &'a str {
        self.string(u32_at(self.section(NAMES), usize::from(index) * 4))
    }

    /// The name of a block list.
    pub fn list_name(&self, index: u16) -> &'a str {
        self.string(u32_at(
            self.section(NAMES),
            (self.providers as usize + usize::from(index)) * 4,
        ))
    }

    /// The provider that runs a host: the one that names the longest end of it.
    pub fn provider_of_host(&self, host: &str) -> Option<u16> {
        let mut lower = [0u8; HOST_BYTES_MAX];
        let host = host.trim_end_matches('.').as_bytes();
        let lower = lower.get_mut(..host.len())?;
        lower.copy_from_slice(host);
        lower.make_ascii_lowercase();
        let mut end: &[u8] = lower;
        loop {
            if let Some(provider) = self.provider_of_end(end) {
                return Some(provider);
            }
            let dot = end.iter().position(|b| *b == b'.')?;
            end = &end[dot + 1..];
        }
    }

    /// The provider that names exactly this end of a host name.
    fn provider_of_end(&self, end: &[u8]) -> Option<u16> {
        let records = Words::of(self.section(HOSTS));
        let (mut low, mut high) = (0, records.0.len() / 3);
        while low < high {
            let middle = low.midpoint(high);
            let known = self.string_bytes(records.long(middle * 3));
            match (known.len(), known).cmp(&(end.len(), end)) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(records.at(middle * 3 + 2)),
            }
        }
        None
    }

    /// Matches a text. `provider`: known from the host; the text can tell it too.
    pub fn search(&self, normal: &Normal, facts: &Facts<'_>, provider: Option<u16>) -> Found {
        let hits = self.hits(normal);
        let mut rules = Numbers::new(self.section(RULES).len() / (RULE_WORDS * 2));
        let mut found = Found {
            provider,
            ..Found::default()
        };
        let anchors = Longs::of(self.section(ANCHORS));
        let clauses = Words::of(self.section(CLAUSES));
        for term in hits.present.iter() {
            let mut at = anchors.at(usize::from(term)) as usize;
            let end = anchors.at(usize::from(term) + 1) as usize;
            while at < end {
                let target = clauses.at(at);
                let count = usize::from(clauses.at(at + 1));
                if holds(&hits, clauses, at + 2, count) {
                    if target & PROVIDER_BIT != 0 {
                        found.provider = found.provider.or(Some(target & !PROVIDER_BIT));
                    } else if target & LIST_BIT != 0 {
                        let list = target & !LIST_BIT;
                        // The lists that name themselves best stand first.
                        found.list = Some(found.list.map_or(list, |l| l.min(list)));
                    } else {
                        rules.insert(target);
                    }
                }
                at += 2 + 2 * count;
            }
        }
        found.provider = found.provider.or(facts.guess);
        self.bare(key::ALWAYS, &mut rules);
        self.bare(key::code(facts.code), &mut rules);
        self.bare(key::class(facts.code), &mut rules);
        for status in facts.statuses {
            self.bare(key::subject(status[1]), &mut rules);
        }
        let records = Words::of(self.section(RULES));
        for rule in rules.iter() {
            if self.conditions(rule, &hits, facts, found.provider) {
                let record = usize::from(rule) * RULE_WORDS;
                let reason = Reason::from_number(records.at(record + 4) as u8);
                let score = records.at(record + 5) as i16;
                found.candidates.push(Candidate {
                    rule,
                    reason,
                    score,
                });
            }
        }
        found
    }

    /// Adds the rules without words that stand under a key.
    fn bare(&self, key: u16, rules: &mut Numbers) {
        let records = Words::of(self.section(BARE));
        let count = records.0.len() / 2;
        let key_at = |at: usize| records.at(at * 2);
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low.midpoint(high);
            if key_at(middle) < key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        while low < count && key_at(low) == key {
            rules.insert(records.at(low * 2 + 1));
            low += 1;
        }
    }

    /// Calls `each` with the reasons that a status speaks for, and how much.
    pub fn priors(&self, status: [u16; 3], mut each: impl FnMut(Reason, i16)) {
        let words = Words::of(self.section(PRIORS));
        for i in (0..words.0.len()).step_by(5) {
            let pattern = [words.at(i), words.at(i + 1), words.at(i + 2)];
            if status_fits(pattern, status) {
                let reason = Reason::from_number(words.at(i + 3) as u8);
                each(reason, words.at(i + 4) as i16);
            }
        }
    }

    /// The id of a rule.
    pub fn rule_id(&self, rule: u16) -> &'a str {
        self.string(u32_at(
            self.section(RULES),
            usize::from(rule) * RULE_WORDS * 2,
        ))
    }

    /// The sentence of a rule, if it has its own.
    pub fn rule_explanation(&self, rule: u16) -> Option<&'a str> {
        let at = u32_at(self.section(RULES), usize::from(rule) * RULE_WORDS * 2 + 4);
        (at != ABSENT).then(|| self.string(at))
    }

    /// Disposition, scope, and kind and seconds of advice, where the rule states them (65535 where not).
    pub fn rule_effects(&self, rule: u16) -> (u16, u16, u16, u32) {
        let words = Words::of(self.section(RULES));
        let record = usize::from(rule) * RULE_WORDS;
        (
            words.at(record + 7),
            words.at(record + 8),
            words.at(record + 9),
            words.long(record + 10),
        )
    }

    fn hits(&self, normal: &Normal) -> Hits {
        let trie = Longs::of(self.section(TRIE));
        let outputs = Words::of(self.section(OUTPUTS));
        let bytes = &normal.bytes;
        let mut hits = Vec::with_capacity(HITS_COMMON);
        let hit = |term, start, end| Hit {
            term,
            start,
            end,
            next: 0,
        };
        for (mark, at) in &normal.marks {
            hits.push(hit(*mark as u16, *at, *at));
        }
        let root = (trie.at(0) >> 8) as usize;
        for (i, token) in normal.tokens.iter().enumerate() {
            let mut base = root;
            // The token in which the walk stands.
            let mut last = i;
            if hits.len() >= HITS_MAX {
                break;
            }
            let from = token.at as usize;
            for (at, byte) in bytes.get(from..).unwrap_or_default().iter().enumerate() {
                let unit = trie.at(base + usize::from(*byte));
                // Beyond the end there is no label, and no byte of a text is 0.
                if unit & 0xff != u32::from(*byte) {
                    break;
                }
                base = (unit >> 8) as usize;
                let leaf = trie.at(base);
                if base == 0 || leaf & 0xff != 0 {
                    continue;
                }
                let tokens = normal.tokens[last + 1..].iter();
                last += tokens.take_while(|t| t.at as usize <= from + at).count();
                let list = (leaf >> 8) as usize;
                let end = normal.tokens[last].word + 1;
                for k in 0..usize::from(outputs.at(list)) {
                    hits.push(hit(outputs.at(list + 1 + k), token.word, end));
                }
            }
        }
        let terms = (self.section(ANCHORS).len() / 4).saturating_sub(1);
        Hits::new(hits, terms)
    }

    fn conditions(&self, rule: u16, hits: &Hits, facts: &Facts<'_>, provider: Option<u16>) -> bool {
        let extra = Words::of(self.section(EXTRA));
        let records = Words::of(self.section(RULES));
        let mut at = usize::from(records.at(usize::from(rule) * RULE_WORDS + 6));
        let mut next = || {
            at += 1;
            extra.at(at - 1)
        };
        let (all, none) = (next(), next());
        for i in 0..all + none {
            let count = usize::from(extra.at(at));
            let fits = holds(hits, extra, at + 1, count);
            if fits != (i < all) {
                return false;
            }
            at += 1 + 2 * count;
        }
        let mut next = || {
            at += 1;
            extra.at(at - 1)
        };
        let codes = next();
        let mut fits = codes == 0;
        for _ in 0..codes {
            let (low, high) = (next(), next());
            fits |= facts.code >= low && facts.code <= high;
        }
        if !fits {
            return false;
        }
        let statuses = next();
        let mut fits = statuses == 0;
        for _ in 0..statuses {
            let pattern = [next(), next(), next()];
            fits |= facts.statuses.iter().any(|s| status_fits(pattern, *s));
        }
        if !fits {
            return false;
        }
        let stages = next();
        if stages != 0 && facts.stage.is_none_or(|s| stages & (1 << s) == 0) {
            return false;
        }
        let providers = next();
        let mut fits = providers == 0;
        for _ in 0..providers {
            let wanted = next();
            fits |= provider == Some(wanted);
        }
        fits
    }
}

fn status_fits(pattern: [u16; 3], status: [u16; 3]) -> bool {
    pattern
        .iter()
        .zip(status)
        .all(|(p, s)| *p == u16::MAX || *p == s)
}

/// Whether the clause of `count` elements at word `at` holds for the hits.
fn holds(hits: &Hits, words: Words<'_>, at: usize, count: usize) -> bool {
    // Most clauses fail because a term is nowhere in the text.
    for i in 0..count {
        if !hits.has(words.at(at + 2 * i)) {
            return false;
        }
    }
    follows(hits, words, at, count, None)
}

fn follows(hits: &Hits, words: Words<'_>, at: usize, count: usize, previous: Option<Hit>) -> bool {
    if count == 0 {
        return true;
    }
    let operator = words.at(at + 1);
    let gap = operator & 0xff;
    for hit in hits.places(words.at(at)) {
        let fits = match (previous, (operator >> 8) as u8) {
            (None, _) | (_, op::START | op::ANYWHERE) => true,
            (Some(p), op::ORDERED) => hit.start >= p.end && hit.start - p.end <= gap,
            (Some(p), _) => {
                (hit.start >= p.end && hit.start - p.end <= gap)
                    || (p.start >= hit.end && p.start - hit.end <= gap)
            }
        };
        if fits && follows(hits, words, at + 2, count - 1, Some(hit)) {
            return true;
        }
    }
    false
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.first_chunk().map_or(0, |b| u32::from_le_bytes(*b))
}
