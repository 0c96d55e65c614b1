//! From rules as written to the table that is matched: run by build.rs for the rules of the plugin, and once per
//! instance for the few that a configuration adds.
//!
//! A pattern is a line of phrases and concepts, with what stands between them:
//! `user unknown` (those words, side by side), `{user|recipient} unknown` (either), `exist*` (any word that so begins),
//! `@who ..4 @missing` (in this order, at most four words between), `@who ~4 @missing` (in either order),
//! `@who & @missing` (both anywhere). Between a phrase and a concept without a sign no word may stand.

use crate::normal;
use crate::reason::{Disposition, Reason, Scope};
use crate::source::{RuleSource, STAGES, Source};
use crate::table::{ABSENT, HEADER_WORDS, MARK_TERMS, MARKS, key, op};
use std::collections::{BTreeMap, HashMap};

/// More choices than this are not multiplied out into phrases.
const PHRASES_PER_PATTERN_MAX: usize = 24;

/// A rule that cannot be compiled, by its id, and why.
pub type Mistake = String;

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Element {
    term: u16,
    op: u8,
    gap: u8,
}

#[derive(Default)]
struct Compiler {
    /// Phrase to the terms it stands for.
    phrases: BTreeMap<Vec<u8>, Vec<u16>>,
    literals: HashMap<String, u16>,
    concepts: HashMap<String, u16>,
    terms: u16,
    strings: Vec<u8>,
    string_at: HashMap<String, u32>,
}

/// Compiles sources into one table. `providers`: names known from an earlier table, for conditions.
pub fn compile(sources: &[Source], known_providers: &[String]) -> Result<Vec<u8>, Mistake> {
    let mut compiler = Compiler {
        terms: MARK_TERMS,
        ..Compiler::default()
    };
    for (i, name) in MARKS.iter().enumerate() {
        compiler.concepts.insert((*name).to_string(), i as u16);
    }
    let mut concepts: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for source in sources {
        for (name, phrases) in &source.concept {
            concepts
                .entry(name)
                .or_default()
                .extend(phrases.iter().map(String::as_str));
        }
    }
    for name in concepts.keys() {
        let term = compiler.new_term();
        compiler.concepts.insert((*name).to_string(), term);
    }
    for (name, phrases) in &concepts {
        let term = compiler.concepts[*name];
        for phrase in phrases {
            if let Some(other) = phrase.strip_prefix('@') {
                let Some(members) = concepts.get(other) else {
                    return Err(format!("concept {name}: no concept {other}"));
                };
                for member in members {
                    if member.starts_with('@') {
                        return Err(format!("concept {name}: {other} itself uses concepts"));
                    }
                    compiler
                        .phrase(member, term)
                        .map_err(|e| format!("concept {name}: {e}"))?;
                }
            } else {
                compiler
                    .phrase(phrase, term)
                    .map_err(|e| format!("concept {name}: {e}"))?;
            }
        }
    }

    let mut providers: Vec<String> = known_providers.to_vec();
    for source in sources {
        for provider in &source.provider {
            if !providers.contains(&provider.id) {
                providers.push(provider.id.clone());
            }
        }
    }

    let mut clauses = Clauses::default();
    let mut rules = Words::default();
    let mut bare_rules: Vec<(u16, u16)> = Vec::new();
    let mut number: u16 = 0;
    for source in sources {
        for rule in &source.rule {
            let at = rules.len();
            compiler
                .rule(rule, number, &providers, &mut clauses, &mut rules)
                .map_err(|e| format!("{}: {e}", rule.id))?;
            if rule.any.is_empty() && rule.all.is_empty() {
                bare_rules.extend(bare_keys(rule)?.into_iter().map(|key| (key, number)));
            }
            debug_assert_eq!(rules.len() - at, crate::table::RULE_WORDS);
            number += 1;
        }
    }

    // Providers: hosts as strings, text patterns as clauses whose rule number is the provider with the top bit set.
    let mut host_names: Vec<(String, u16)> = Vec::new();
    for source in sources {
        for provider in &source.provider {
            let index = providers
                .iter()
                .position(|p| *p == provider.id)
                .unwrap_or(0) as u16;
            let hosts = provider.hosts.iter().map(|host| host.to_ascii_lowercase());
            host_names.extend(hosts.map(|host| (host, index)));
            for pattern in &provider.text {
                for elements in compiler
                    .pattern(pattern)
                    .map_err(|e| format!("provider {}: {e}", provider.id))?
                {
                    clauses
                        .anchored
                        .push((elements, crate::table::PROVIDER_BIT | index));
                }
            }
        }
    }
    // Sorted, to be searched, by length first, which is quicker to compare; of two that name one host the first counts.
    host_names.sort_by(|(one, _), (other, _)| (one.len(), one).cmp(&(other.len(), other)));
    host_names.dedup_by(|one, other| one.0 == other.0);
    let mut hosts = Words::default();
    for (host, index) in host_names {
        let at = compiler.string(&host);
        hosts.push32(at);
        hosts.push(index);
    }
    let mut provider_names = Words::default();
    for name in &providers {
        let at = compiler.string(name);
        provider_names.push32(at);
    }
    let mut lists = Words::default();
    let mut list_number = 0u16;
    for source in sources {
        for list in &source.list {
            let name = &list.name;
            let at = compiler.string(name);
            lists.push32(at);
            for pattern in &list.text {
                for elements in compiler
                    .pattern(pattern)
                    .map_err(|e| format!("list {name}: {e}"))?
                {
                    clauses
                        .anchored
                        .push((elements, crate::table::LIST_BIT | list_number));
                }
            }
            list_number += 1;
        }
    }

    let mut priors = Words::default();
    for source in sources {
        for prior in &source.prior {
            let reason = Reason::parse(&prior.reason)
                .ok_or_else(|| format!("prior: no reason {}", prior.reason))?;
            for field in status_pattern(&prior.status)? {
                priors.push(field);
            }
            priors.push(reason as u16);
            priors.push(prior.points as i16 as u16);
        }
    }

    let (anchor_index, clause_words) = clauses.serialise(compiler.terms);
    let (trie, outputs) = compiler.trie();
    let strings = std::mem::take(&mut compiler.strings);
    let mut bare = Words::default();
    bare_rules.sort_unstable();
    bare_rules.dedup();
    for (key, rule) in bare_rules {
        bare.push(key);
        bare.push(rule);
    }
    let sections: [Vec<u8>; 11] = [
        trie,
        outputs.bytes,
        anchor_index.bytes,
        clause_words.bytes,
        rules.bytes,
        clauses.extra.bytes,
        bare.bytes,
        priors.bytes,
        hosts.bytes,
        [provider_names.bytes, lists.bytes].concat(),
        strings,
    ];
    Ok(assemble(&sections, providers.len() as u32))
}

fn assemble(sections: &[Vec<u8>; 11], providers: u32) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = (HEADER_WORDS * 4) as u32;
    for section in sections {
        out.extend_from_slice(&at.to_le_bytes());
        at += section.len() as u32;
    }
    out.extend_from_slice(&at.to_le_bytes());
    out.extend_from_slice(&providers.to_le_bytes());
    debug_assert_eq!(out.len(), HEADER_WORDS * 4);
    for section in sections {
        out.extend_from_slice(section);
    }
    out
}

#[derive(Default)]
struct Words {
    bytes: Vec<u8>,
}

impl Words {
    fn push(&mut self, word: u16) {
        self.bytes.extend_from_slice(&word.to_le_bytes());
    }
    fn push32(&mut self, word: u32) {
        self.bytes.extend_from_slice(&word.to_le_bytes());
    }
    fn len(&self) -> usize {
        self.bytes.len() / 2
    }
}

/// The clauses that lead to a rule, hung on their rarest term; and those that only confirm or refute.
#[derive(Default)]
struct Clauses {
    anchored: Vec<(Vec<Element>, u16)>,
    extra: Words,
}

impl Clauses {
    fn serialise(&self, terms: u16) -> (Words, Words) {
        let mut uses = vec![0u32; terms as usize];
        for (elements, _) in &self.anchored {
            for element in elements {
                uses[element.term as usize] += 1;
            }
        }
        let mut by_term: Vec<Vec<usize>> = vec![Vec::new(); terms as usize];
        for (i, (elements, _)) in self.anchored.iter().enumerate() {
            if let Some(anchor) = elements.iter().min_by_key(|e| uses[e.term as usize]) {
                by_term[anchor.term as usize].push(i);
            }
        }
        let (mut index, mut words) = (Words::default(), Words::default());
        for clauses in &by_term {
            index.push32(words.len() as u32);
            for i in clauses {
                let (elements, target) = &self.anchored[*i];
                words.push(*target);
                push_elements(elements, &mut words);
            }
        }
        index.push32(words.len() as u32);
        (index, words)
    }
}

fn push_elements(elements: &[Element], words: &mut Words) {
    words.push(elements.len() as u16);
    for element in elements {
        words.push(element.term);
        words.push(u16::from(element.op) << 8 | u16::from(element.gap));
    }
}

impl Compiler {
    fn new_term(&mut self) -> u16 {
        self.terms += 1;
        self.terms - 1
    }

    fn string(&mut self, text: &str) -> u32 {
        if let Some(at) = self.string_at.get(text) {
            return *at;
        }
        let at = self.strings.len() as u32;
        self.strings
            .extend_from_slice(&(text.len() as u16).to_le_bytes());
        self.strings.extend_from_slice(text.as_bytes());
        self.string_at.insert(text.to_string(), at);
        at
    }

    /// Enters a phrase with its spellings.
    fn phrase(&mut self, phrase: &str, term: u16) -> Result<(), Mistake> {
        // Numbers leave no word in the normal form: a phrase with one would match without it.
        let number = |w: &str| !w.is_empty() && w.bytes().all(|b| b.is_ascii_digit());
        if phrase.split([' ', '{', '}', '|']).any(number) {
            return Err(format!("a number alone is no word: {phrase:?}"));
        }
        let mut entered = false;
        for literal in expand(phrase)? {
            for spelling in spellings(&literal) {
                let open = spelling.ends_with('*');
                let mut bytes = normal::normalise(spelling.trim_end_matches('*')).bytes;
                if bytes.ends_with(b". ") {
                    bytes.truncate(bytes.len() - 2);
                }
                // A choice of filler words only is no phrase.
                let Some(b' ') = bytes.pop() else { continue };
                entered = true;
                let last = std::str::from_utf8(&bytes)
                    .ok()
                    .and_then(|s| s.chars().last())
                    .unwrap_or(' ');
                if !open && !normal::is_ideographic(last) {
                    bytes.push(b' ');
                }
                let terms = self.phrases.entry(bytes).or_default();
                if !terms.contains(&term) {
                    terms.push(term);
                }
            }
        }
        if !entered {
            return Err(format!("nothing is left of {phrase:?}"));
        }
        Ok(())
    }

    fn literal(&mut self, phrase: &str) -> Result<u16, Mistake> {
        if let Some(term) = self.literals.get(phrase) {
            return Ok(*term);
        }
        let term = self.new_term();
        self.phrase(phrase, term)?;
        self.literals.insert(phrase.to_string(), term);
        Ok(term)
    }

    /// A pattern gives one clause, or one for each concept among the choices of a brace.
    fn pattern(&mut self, pattern: &str) -> Result<Vec<Vec<Element>>, Mistake> {
        if let Some((open, close)) = brace_with_concept(pattern) {
            let (before, after) = (&pattern[..open], &pattern[close + 1..]);
            let (concepts, words): (Vec<&str>, Vec<&str>) = pattern[open + 1..close]
                .split('|')
                .partition(|choice| choice.starts_with('@'));
            let mut all = Vec::new();
            for concept in concepts {
                all.extend(self.pattern(&format!("{before}{concept}{after}"))?);
            }
            if !words.is_empty() {
                all.extend(self.pattern(&format!("{before}{{{}}}{after}", words.join("|")))?);
            }
            return Ok(all);
        }
        let mut elements: Vec<Element> = Vec::new();
        let mut words: Vec<&str> = Vec::new();
        let mut next = (op::START, 0u8);
        let mut pieces = split_outside_braces(pattern);
        pieces.push("");
        for piece in pieces {
            let operator = operator(piece);
            let concept = piece.strip_prefix('@');
            if piece.is_empty() || operator.is_some() || concept.is_some() {
                if !words.is_empty() {
                    next = self.literals_of(&words, next, &mut elements)?;
                    words.clear();
                }
            } else {
                words.push(piece);
            }
            if let Some(operator) = operator {
                next = operator;
            }
            if let Some(name) = concept {
                let Some(term) = self.concepts.get(name) else {
                    return Err(format!("no concept {name}"));
                };
                elements.push(Element {
                    term: *term,
                    op: next.0,
                    gap: next.1,
                });
                next = (op::ORDERED, 0);
            }
        }
        if elements.is_empty() {
            return Err(format!("empty pattern {pattern:?}"));
        }
        Ok(vec![elements])
    }

    /// Words side by side: one phrase, or where the choices would multiply, one element for each choice. Gives the
    /// operator for what follows.
    fn literals_of(
        &mut self,
        words: &[&str],
        mut next: (u8, u8),
        elements: &mut Vec<Element>,
    ) -> Result<(u8, u8), Mistake> {
        if let Some(word) = words.iter().find(|w| w.contains('@')) {
            return Err(format!("a concept stands alone between spaces: {word:?}"));
        }
        let product: usize = words.iter().map(|w| w.split('|').count()).product();
        let braces = words.iter().filter(|w| w.contains('{')).count();
        let nested = words.iter().any(|w| w.matches('{').count() > 1);
        if product <= PHRASES_PER_PATTERN_MAX || braces < 2 || nested {
            let term = self.literal(&words.join(" "))?;
            elements.push(Element {
                term,
                op: next.0,
                gap: next.1,
            });
            return Ok((op::ORDERED, 0));
        }
        for word in words {
            let choices: Vec<&str> = word.trim_matches(['{', '}']).split('|').collect();
            if choices.iter().any(|c| c.trim().is_empty()) {
                let width = choices
                    .iter()
                    .map(|c| c.split_whitespace().count())
                    .max()
                    .unwrap_or(0);
                if next.0 != op::START {
                    next.1 = next.1.saturating_add(width as u8);
                }
                continue;
            }
            let term = self.literal(word)?;
            elements.push(Element {
                term,
                op: next.0,
                gap: next.1,
            });
            next = (op::ORDERED, 0);
        }
        Ok(next)
    }

    fn rule(
        &mut self,
        rule: &RuleSource,
        number: u16,
        providers: &[String],
        clauses: &mut Clauses,
        rules: &mut Words,
    ) -> Result<(), Mistake> {
        if rule.id.is_empty() {
            return Err("a rule needs an id".to_string());
        }
        let reason =
            Reason::parse(&rule.reason).ok_or_else(|| format!("no reason {:?}", rule.reason))?;
        let mut any = Vec::new();
        for pattern in &rule.any {
            any.extend(self.pattern(pattern)?);
        }
        let mut all = Vec::new();
        for pattern in &rule.all {
            all.extend(self.pattern(pattern)?);
        }
        let mut none = Vec::new();
        for pattern in &rule.none {
            none.extend(self.pattern(pattern)?);
        }
        // Where there is no `any`, the first of `all` leads to the rule.
        let lead = if any.is_empty() && !all.is_empty() {
            vec![all[0].clone()]
        } else {
            any
        };
        for elements in lead {
            clauses.anchored.push((elements, number));
        }
        let extra = clauses.extra.len() as u16;
        if clauses.extra.len() > usize::from(u16::MAX) {
            return Err("too many conditions".to_string());
        }
        clauses.extra.push(all.len() as u16);
        clauses.extra.push(none.len() as u16);
        for elements in all.iter().chain(&none) {
            push_elements(elements, &mut clauses.extra);
        }
        clauses.extra.push(rule.code.len() as u16);
        for code in &rule.code {
            let (low, high) = code_pattern(code)?;
            clauses.extra.push(low);
            clauses.extra.push(high);
        }
        clauses.extra.push(rule.status.len() as u16);
        for status in &rule.status {
            for field in status_pattern(status)? {
                clauses.extra.push(field);
            }
        }
        let mut stages = 0u16;
        for stage in &rule.stage {
            let index = STAGES
                .iter()
                .position(|s| s == stage)
                .ok_or_else(|| format!("no stage {stage}"))?;
            stages |= 1 << index;
        }
        clauses.extra.push(stages);
        clauses.extra.push(rule.provider.len() as u16);
        for provider in &rule.provider {
            let index = providers
                .iter()
                .position(|p| p == provider)
                .ok_or_else(|| format!("no provider {provider}"))?;
            clauses.extra.push(index as u16);
        }
        let id = self.string(&rule.id);
        rules.push32(id);
        let explanation = rule
            .explanation
            .as_deref()
            .map_or(ABSENT, |text| self.string(text));
        rules.push32(explanation);
        rules.push(reason as u16);
        rules.push(u16::from(rule.score.min(127)));
        rules.push(extra);
        let disposition = match &rule.disposition {
            Some(name) => {
                Disposition::parse(name).ok_or_else(|| format!("no disposition {name}"))? as u16
            }
            None => u16::MAX,
        };
        rules.push(disposition);
        let scope = match &rule.scope {
            Some(name) => Scope::parse(name).ok_or_else(|| format!("no scope {name}"))? as u16,
            None => u16::MAX,
        };
        rules.push(scope);
        let (kind, seconds) = advice(rule.advice.as_deref())?;
        rules.push(kind);
        rules.push32(seconds);
        Ok(())
    }

    /// A double array over the bytes of the phrases; label 0 leads to the outputs.
    fn trie(&mut self) -> (Vec<u8>, Words) {
        let mut nodes: Vec<BTreeMap<u8, usize>> = vec![BTreeMap::new()];
        let mut output: Vec<Option<u32>> = vec![None];
        let mut outputs = Words::default();
        for (phrase, terms) in &self.phrases {
            let mut node = 0;
            for byte in phrase {
                node = match nodes[node].get(byte) {
                    Some(next) => *next,
                    None => {
                        nodes.push(BTreeMap::new());
                        output.push(None);
                        let next = nodes.len() - 1;
                        nodes[node].insert(*byte, next);
                        next
                    }
                };
            }
            output[node] = Some(outputs.len() as u32);
            outputs.push(terms.len() as u16);
            for term in terms {
                outputs.push(*term);
            }
        }
        // Each unit: the label that leads here in the low byte, and in the upper 24 bits the base of its children, or,
        // under label 0, where its outputs are.
        let mut units: Vec<u32> = vec![0; 1024];
        let mut taken = vec![false; 1024];
        let mut base_used = vec![false; 1024];
        taken[0] = true;
        // Where the search for a base begins. It moves on when the region behind it is nearly full: a few wasted slots
        // for a search that stays short.
        let mut cursor = 1usize;
        let mut queue = std::collections::VecDeque::from([(0usize, 0usize)]);
        while let Some((node, slot)) = queue.pop_front() {
            let mut labels: Vec<u8> = nodes[node].keys().copied().collect();
            if output[node].is_some() {
                labels.insert(0, 0);
            }
            if labels.is_empty() {
                continue;
            }
            let mut base = cursor;
            loop {
                if taken.len() < base + 512 {
                    let length = taken.len() * 2;
                    taken.resize(length, false);
                    base_used.resize(length, false);
                    units.resize(length, 0);
                }
                if !base_used[base] && labels.iter().all(|l| !taken[base + *l as usize]) {
                    break;
                }
                base += 1;
            }
            if labels.len() < 4 && base > cursor + 200 {
                cursor = base - 100;
            }
            base_used[base] = true;
            units[slot] |= (base as u32) << 8;
            for label in labels {
                let child = base + label as usize;
                taken[child] = true;
                units[child] = u32::from(label);
                if label == 0 {
                    units[child] |= output[node].unwrap_or(0) << 8;
                    // A leaf without a label of its own would look like a free slot.
                } else {
                    queue.push_back((nodes[node][&label], child));
                }
            }
        }
        // Free slots must answer no label: give them one that their position cannot be asked for.
        let end = taken.iter().rposition(|t| *t).map_or(1, |i| i + 1) + 256;
        units.resize(end, 0);
        taken.resize(end, false);
        for (slot, unit) in units.iter_mut().enumerate() {
            if !taken[slot] {
                *unit = 0xff;
            }
        }
        let bytes = units.iter().flat_map(|u| u.to_le_bytes()).collect();
        (bytes, outputs)
    }
}

fn operator(piece: &str) -> Option<(u8, u8)> {
    if piece == "&" {
        return Some((op::ANYWHERE, 0));
    }
    if let Some(gap) = piece.strip_prefix("..") {
        return gap.parse().ok().map(|gap| (op::ORDERED, gap));
    }
    if let Some(gap) = piece.strip_prefix('~') {
        return gap.parse().ok().map(|gap| (op::NEAR, gap));
    }
    None
}

/// The first brace that has a concept among its choices.
fn brace_with_concept(pattern: &str) -> Option<(usize, usize)> {
    let mut from = 0;
    while let Some(open) = pattern[from..].find('{').map(|i| i + from) {
        let close = open + pattern[open..].find('}')?;
        if pattern[open..close].contains('@') {
            return Some((open, close));
        }
        from = close + 1;
    }
    None
}

fn split_outside_braces(pattern: &str) -> Vec<&str> {
    let (mut pieces, mut depth, mut start) = (Vec::new(), 0, 0);
    for (i, c) in pattern.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ' ' if depth == 0 => {
                if start < i {
                    pieces.push(&pattern[start..i]);
                }
                start = i + 1;
            }
            _ => {}
        }
    }
    if start < pattern.len() {
        pieces.push(&pattern[start..]);
    }
    pieces
}

/// `{a|b} c` to `a c` and `b c`.
fn expand(phrase: &str) -> Result<Vec<String>, Mistake> {
    // The last opening brace is an innermost one.
    let Some(open) = phrase.rfind('{') else {
        if phrase.split(' ').any(|w| operator(w).is_some()) {
            return Err(format!("an operator inside a brace: {phrase:?}"));
        }
        return Ok(vec![phrase.to_string()]);
    };
    let Some(length) = phrase[open..].find('}') else {
        return Err(format!("unclosed brace in {phrase:?}"));
    };
    let mut all = Vec::new();
    for choice in phrase[open + 1..open + length].split('|') {
        let joined = format!(
            "{}{}{}",
            &phrase[..open],
            choice,
            &phrase[open + length + 1..]
        );
        all.extend(expand(&joined)?);
    }
    Ok(all)
}

/// As written; umlauts in two letters; and with the accented letters lost on the way.
fn spellings(literal: &str) -> Vec<String> {
    let mut all = vec![literal.to_string()];
    if literal.contains(['ä', 'ö', 'ü', 'ß']) {
        all.push(
            literal
                .replace('ä', "ae")
                .replace('ö', "oe")
                .replace('ü', "ue")
                .replace('ß', "ss"),
        );
    }
    if literal.chars().any(|c| matches!(c, '\u{c0}'..='\u{24f}')) {
        all.push(
            literal
                .chars()
                .map(|c| {
                    if matches!(c, '\u{c0}'..='\u{24f}') {
                        '\u{fffd}'
                    } else {
                        c
                    }
                })
                .collect(),
        );
    }
    all
}

/// Where a rule without words is looked for: wherever its conditions can hold.
fn bare_keys(rule: &RuleSource) -> Result<Vec<u16>, Mistake> {
    let mut keys = Vec::new();
    for status in &rule.status {
        let [_, subject, _] = status_pattern(status)?;
        if subject == u16::MAX {
            return Ok(vec![key::ALWAYS]);
        }
        keys.push(key::subject(subject));
    }
    if keys.is_empty() {
        for code in &rule.code {
            let (low, high) = code_pattern(code)?;
            if low == high {
                keys.push(key::code(low));
            } else {
                keys.extend((low / 100..=high / 100).map(|class| key::class(class * 100)));
            }
        }
    }
    if keys.is_empty() {
        keys.push(key::ALWAYS);
    }
    Ok(keys)
}

fn code_pattern(code: &str) -> Result<(u16, u16), Mistake> {
    let low = code
        .replace('x', "0")
        .parse()
        .map_err(|_| format!("no code {code}"))?;
    let high = code
        .replace('x', "9")
        .parse()
        .map_err(|_| format!("no code {code}"))?;
    Ok((low, high))
}

fn status_pattern(status: &str) -> Result<[u16; 3], Mistake> {
    let fields: Vec<&str> = status.split('.').collect();
    let [class, subject, detail] = fields[..] else {
        return Err(format!("no status {status}"));
    };
    let mut out = [0; 3];
    for (field, slot) in [class, subject, detail].into_iter().zip(&mut out) {
        *slot = if field == "*" {
            u16::MAX
        } else {
            field.parse().map_err(|_| format!("no status {status}"))?
        };
    }
    Ok(out)
}

fn advice(text: Option<&str>) -> Result<(u16, u32), Mistake> {
    let Some(text) = text else {
        return Ok((u16::MAX, 0));
    };
    let (kind, seconds) = match text.split_once(':') {
        Some((kind, seconds)) => (
            kind,
            Some(
                seconds
                    .parse::<u32>()
                    .map_err(|_| format!("no advice {text}"))?,
            ),
        ),
        None => (text, None),
    };
    Ok(match (kind, seconds) {
        ("none", None) => (0, 0),
        ("suppress", None) => (1, 0),
        ("retry", seconds) => (2, seconds.unwrap_or(0)),
        ("back-off", Some(seconds)) => (3, seconds),
        ("suspend", Some(seconds)) => (4, seconds),
        ("rotate-egress", None) => (5, 0),
        _ => return Err(format!("no advice {text}")),
    })
}
