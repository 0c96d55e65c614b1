//! Which ranges of one text another one repeats. Work and memory grow in step with the texts, whatever they hold.

use std::ops::Range;

use bytes::Bytes;

/// Bytes that are looked up together.
const WINDOW: usize = 16;
/// Every so many bytes of the source can be found.
const STRIDE: usize = 8;

/// A text that is searched.
#[derive(Debug)]
pub(super) struct Matcher {
    source: Bytes,
    /// By hash of a window: its place in the source plus one; 0 is free. What was there first stays.
    places: Vec<u32>,
}

/// A piece of the other text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// As in that range of the source.
    Same(Range<usize>),
    /// Not found there.
    New(&'a [u8]),
}

impl Matcher {
    pub fn new(source: Bytes) -> Matcher {
        let windows = source.len() / STRIDE;
        let mut places = vec![0; (windows * 2).next_power_of_two().max(2)];
        let indexed = source.len().min(u32::MAX as usize - 1);
        for at in (0..indexed.saturating_sub(WINDOW - 1)).step_by(STRIDE) {
            let slot = slot(&source[at..], places.len());
            if places[slot] == 0 {
                places[slot] = at as u32 + 1;
            }
        }
        Matcher { source, places }
    }

    /// Takes the text apart; joined, the pieces are the text.
    pub fn pieces<'a>(&self, text: &'a [u8], each: &mut dyn FnMut(Piece<'a>)) {
        let mut new_from = 0;
        let mut at = 0;
        let mut expected = 0;
        while at + WINDOW <= text.len() {
            let Some(found) = self.find(&text[at..], expected) else {
                at += 1;
                continue;
            };
            let back = common_suffix(&text[new_from..at], &self.source[..found]);
            let forth = common_prefix(&text[at..], &self.source[found..]);
            if at - back > new_from {
                each(Piece::New(&text[new_from..at - back]));
            }
            each(Piece::Same(found - back..found + forth));
            at += forth;
            new_from = at;
            expected = found + forth;
        }
        if new_from < text.len() {
            each(Piece::New(&text[new_from..]));
        }
    }

    /// Where the source has the window that the text begins with; where the last match left off is looked at first.
    fn find(&self, text: &[u8], expected: usize) -> Option<usize> {
        let same = |at: usize| {
            let window = self.source.get(at..at + WINDOW);
            window.is_some_and(|window| window == &text[..WINDOW])
        };
        if same(expected) {
            return Some(expected);
        }
        let place = self.places[slot(text, self.places.len())];
        let at = (place as usize).checked_sub(1)?;
        same(at).then_some(at)
    }
}

/// The slot of the window at the beginning; `slots` is a power of two.
fn slot(window: &[u8], slots: usize) -> usize {
    let half = |at: usize| {
        window[at..]
            .first_chunk::<8>()
            .map_or(0, |bytes| u64::from_le_bytes(*bytes))
    };
    let mixed = half(0)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .rotate_left(29)
        .wrapping_add(half(8))
        .wrapping_mul(0xbf58_476d_1ce4_e5b9);
    (mixed >> 32) as usize & (slots - 1)
}

fn common_prefix(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

fn common_suffix(a: &[u8], b: &[u8]) -> usize {
    let (a, b) = (a.iter().rev(), b.iter().rev());
    a.zip(b).take_while(|(a, b)| a == b).count()
}
