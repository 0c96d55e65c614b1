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

/// A place where a term stands: words `start` to `end`, exclusive.
#[derive(Clone, Copy, Debug)]
struct Hit {
    term: u16,
    start: u16,
    end: u16,
}

/// All places, by term, and which terms have any.
struct Hits {
    sorted: Vec<Hit>,
    present: Vec<u64>,
}

impl Hits {
    fn has(&self, term: u16) -> bool {
        self.present[usize::from(term) / 64] & 1 << (term % 64) != 0
    }

    fn places(&self, term: u16) -> &[Hit] {
        let start = self.sorted.partition_point(|h| h.term < term);
        let length = self.sorted[start..]
            .iter()
            .take_while(|h| h.term == term)
            .count();
        &self.sorted[start..start + length]
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
        let length = usize::from(word(strings, at, 0));
        &strings[at + 2..at + 2 + length]
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
        let records = self.section(HOSTS);
        let (mut low, mut high) = (0, records.len() / 6);
        while low < high {
            let middle = low.midpoint(high);
            let known = self.string_bytes(u32_at(records, middle * 6));
            match known.cmp(end) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return Some(word(records, middle * 6 + 4, 0)),
            }
        }
        None
    }

    /// Matches a text. `provider`: known from the host; the text can tell it too.
    pub fn search(&self, normal: &Normal, facts: &Facts<'_>, provider: Option<u16>) -> Found {
        let hits = self.hits(normal);
        let mut rules: Vec<u16> = Vec::new();
        let mut found = Found {
            provider,
            ..Found::default()
        };
        let anchors = self.section(ANCHORS);
        let clauses = self.section(CLAUSES);
        let mut previous = u16::MAX;
        for hit in &hits.sorted {
            if hit.term == previous {
                continue;
            }
            previous = hit.term;
            let mut at = u32_at(anchors, usize::from(hit.term) * 4) as usize;
            let end = u32_at(anchors, usize::from(hit.term) * 4 + 4) as usize;
            while at < end {
                let target = word(clauses, 0, at);
                let count = usize::from(word(clauses, 0, at + 1));
                if holds(&hits, clauses, at + 2, count) {
                    if target & PROVIDER_BIT != 0 {
                        found.provider = found.provider.or(Some(target & !PROVIDER_BIT));
                    } else if target & LIST_BIT != 0 {
                        let list = target & !LIST_BIT;
                        // The lists that name themselves best stand first.
                        found.list = Some(found.list.map_or(list, |l| l.min(list)));
                    } else {
                        rules.push(target);
                    }
                }
                at += 2 + 2 * count;
            }
        }
        found.provider = found.provider.or(facts.guess);
        for record in self.section(BARE).chunks_exact(2) {
            rules.push(word(record, 0, 0));
        }
        rules.sort_unstable();
        rules.dedup();
        for rule in rules {
            if self.conditions(rule, &hits, facts, found.provider) {
                let record = usize::from(rule) * RULE_WORDS;
                let words = self.section(RULES);
                let reason = Reason::from_number(word(words, 0, record + 4) as u8);
                let score = word(words, 0, record + 5) as i16;
                found.candidates.push(Candidate {
                    rule,
                    reason,
                    score,
                });
            }
        }
        found
    }

    /// Calls `each` with the reasons that a status speaks for, and how much.
    pub fn priors(&self, status: [u16; 3], mut each: impl FnMut(Reason, i16)) {
        let words = self.section(PRIORS);
        for i in (0..words.len() / 2).step_by(5) {
            let pattern = [
                word(words, 0, i),
                word(words, 0, i + 1),
                word(words, 0, i + 2),
            ];
            if status_fits(pattern, status) {
                each(
                    Reason::from_number(word(words, 0, i + 3) as u8),
                    word(words, 0, i + 4) as i16,
                );
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
        let words = self.section(RULES);
        let record = usize::from(rule) * RULE_WORDS;
        (
            word(words, 0, record + 7),
            word(words, 0, record + 8),
            word(words, 0, record + 9),
            u32_at(words, (record + 10) * 2),
        )
    }

    fn hits(&self, normal: &Normal) -> Hits {
        let trie = self.section(TRIE);
        let outputs = self.section(OUTPUTS);
        let bytes = &normal.bytes;
        let mut hits = Vec::with_capacity(64);
        for (mark, at) in &normal.marks {
            hits.push(Hit {
                term: *mark as u16,
                start: *at,
                end: *at,
            });
        }
        let slots = trie.len() / 4;
        let root = (u32_at(trie, 0) >> 8) as usize;
        for (i, token) in normal.tokens.iter().enumerate() {
            let mut base = root;
            // The token in which the walk stands.
            let mut last = i;
            for (at, byte) in bytes.iter().enumerate().skip(token.at as usize) {
                while last + 1 < normal.tokens.len() && normal.tokens[last + 1].at as usize <= at {
                    last += 1;
                }
                let next = base + usize::from(*byte);
                if next >= slots {
                    break;
                }
                let unit = u32_at(trie, next * 4);
                if unit & 0xff != u32::from(*byte) {
                    break;
                }
                base = (unit >> 8) as usize;
                if base == 0 || base >= slots {
                    break;
                }
                let leaf = u32_at(trie, base * 4);
                if leaf & 0xff == 0 {
                    let list = (leaf >> 8) as usize;
                    let end = normal.tokens[last].word + 1;
                    for k in 0..usize::from(word(outputs, 0, list)) {
                        if hits.len() < HITS_MAX {
                            hits.push(Hit {
                                term: word(outputs, 0, list + 1 + k),
                                start: token.word,
                                end,
                            });
                        }
                    }
                }
            }
        }
        hits.sort_unstable_by_key(|h| u32::from(h.term) << 16 | u32::from(h.start));
        let terms = self.section(ANCHORS).len() / 4;
        let mut present = vec![0u64; terms / 64 + 1];
        for hit in &hits {
            present[usize::from(hit.term) / 64] |= 1 << (hit.term % 64);
        }
        Hits {
            sorted: hits,
            present,
        }
    }

    fn conditions(&self, rule: u16, hits: &Hits, facts: &Facts<'_>, provider: Option<u16>) -> bool {
        let extra = self.section(EXTRA);
        let mut at = usize::from(word(
            self.section(RULES),
            0,
            usize::from(rule) * RULE_WORDS + 6,
        ));
        let mut next = || {
            at += 1;
            word(extra, 0, at - 1)
        };
        let (all, none) = (next(), next());
        for i in 0..all + none {
            let count = usize::from(word(extra, 0, at));
            let fits = holds(hits, extra, at + 1, count);
            if fits != (i < all) {
                return false;
            }
            at += 1 + 2 * count;
        }
        let mut next = || {
            at += 1;
            word(extra, 0, at - 1)
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
fn holds(hits: &Hits, words: &[u8], at: usize, count: usize) -> bool {
    // Most clauses fail because a term is nowhere in the text.
    for i in 0..count {
        if !hits.has(word(words, 0, at + 2 * i)) {
            return false;
        }
    }
    follows(hits, words, at, count, None)
}

fn follows(hits: &Hits, words: &[u8], at: usize, count: usize, previous: Option<Hit>) -> bool {
    if count == 0 {
        return true;
    }
    let operator = word(words, 0, at + 1);
    let gap = operator & 0xff;
    for hit in hits.places(word(words, 0, at)) {
        let fits = match (previous, (operator >> 8) as u8) {
            (None, _) | (_, op::START | op::ANYWHERE) => true,
            (Some(p), op::ORDERED) => hit.start >= p.end && hit.start - p.end <= gap,
            (Some(p), _) => {
                (hit.start >= p.end && hit.start - p.end <= gap)
                    || (p.start >= hit.end && p.start - hit.end <= gap)
            }
        };
        if fits && follows(hits, words, at + 2, count - 1, Some(*hit)) {
            return true;
        }
    }
    false
}

/// The 16-bit word `index` of the words that begin at byte `at`; 0 beyond the end.
fn word(bytes: &[u8], at: usize, index: usize) -> u16 {
    let rest = bytes.get(at + index * 2..).unwrap_or_default();
    rest.first_chunk().map_or(0, |b| u16::from_le_bytes(*b))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let rest = bytes.get(at..).unwrap_or_default();
    rest.first_chunk().map_or(0, |b| u32::from_le_bytes(*b))
}
