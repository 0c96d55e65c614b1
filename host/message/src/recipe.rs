//! A message as a difference: how its bytes are made from those of another that is kept anyway.
//!
//! Copies of one message for several recipients differ in a few fields and links. [`Recipes`] writes down how a rendered
//! copy is made from the received bytes, and [`follow`] makes it: the same bytes, for ever, whatever becomes of the code
//! that rendered them. A recipe is a version and then steps: a range of the original, bytes of its own, or base64 text
//! whose decoded bytes are made of steps again, since one link more in such text moves every character behind it.

mod matcher;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use bytes::Bytes;

use self::matcher::{Matcher, Piece};
use crate::encoding::{base64_decode, base64_encode};

const VERSION: u8 = 1;
const COPY: u8 = 0;
const PUT: u8 = 1;
const BASE64: u8 = 2;
/// Shorter pieces are put as they are: looking for them in the original costs more than it saves.
const SEARCHED_BYTES_MIN: usize = 128;

/// The recipe cannot be followed: it is cut, of another version, or of another original.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecipeError;

impl fmt::Display for RecipeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the copy cannot be made from its original")
    }
}

impl std::error::Error for RecipeError {}

/// Writes recipes for copies of one original.
#[derive(Debug)]
pub struct Recipes {
    original: Bytes,
    /// By the range of the original that is searched, decoded or not: most copies change the same parts.
    matchers: HashMap<(Range<usize>, bool), Matcher>,
}

impl Recipes {
    /// For copies of that message, as it was received.
    pub fn new(original: Bytes) -> Recipes {
        Recipes {
            original,
            matchers: HashMap::new(),
        }
    }

    /// How to make a rendered copy. Pieces that are slices of the original are found by where they lie in memory.
    pub fn write(&mut self, rendered: &[Bytes]) -> Bytes {
        let places: Vec<Option<Range<usize>>> =
            rendered.iter().map(|piece| self.place(piece)).collect();
        let mut out = Steps(vec![VERSION]);
        let mut behind = 0;
        for (nth, piece) in rendered.iter().enumerate() {
            if let Some(place) = &places[nth] {
                out.copy(place.clone());
                behind = place.end;
                continue;
            }
            let next = places[nth + 1..].iter().flatten().next();
            let end = next.map_or(self.original.len(), |place| place.start);
            self.put(behind..end.max(behind), piece, &mut out);
        }
        out.0.into()
    }

    /// Where in the original that piece lies, if it is a slice of it.
    fn place(&self, piece: &Bytes) -> Option<Range<usize>> {
        let offset = (piece.as_ptr() as usize).checked_sub(self.original.as_ptr() as usize)?;
        let end = offset.checked_add(piece.len())?;
        (end <= self.original.len()).then_some(offset..end)
    }

    /// Bytes that stand where the original has that range.
    fn put(&mut self, instead_of: Range<usize>, piece: &[u8], out: &mut Steps) {
        if instead_of.len() < SEARCHED_BYTES_MIN || piece.len() < SEARCHED_BYTES_MIN {
            return out.put(piece);
        }
        let text = piece.trim_ascii_end();
        let decoded = base64_decode(text);
        if !decoded.is_empty() && base64_encode(&decoded).trim_ascii_end() == text {
            let mut inner = Steps(Vec::new());
            let matcher = self.matcher(&instead_of, true);
            matcher.pieces(&decoded, &mut |piece| inner.piece(piece, 0));
            out.base64(&instead_of, &inner);
            if text.len() < piece.len() {
                out.put(&piece[text.len()..]);
            }
            return;
        }
        let start = instead_of.start;
        let matcher = self.matcher(&instead_of, false);
        matcher.pieces(piece, &mut |piece| out.piece(piece, start));
    }

    fn matcher(&mut self, range: &Range<usize>, decoded: bool) -> &Matcher {
        let source = self.original.slice(range.clone());
        self.matchers
            .entry((range.clone(), decoded))
            .or_insert_with(|| {
                Matcher::new(if decoded {
                    base64_decode(&source).into()
                } else {
                    source
                })
            })
    }
}

/// Makes the copy that a recipe describes, in pieces that follow each other; what comes from the original is not copied.
///
/// # Errors
/// The recipe is damaged, or does not make `length` bytes.
pub fn follow(original: &Bytes, recipe: &[u8], length: u64) -> Result<Vec<Bytes>, RecipeError> {
    let Some((&VERSION, steps)) = recipe.split_first() else {
        return Err(RecipeError);
    };
    let length = usize::try_from(length).map_err(|_| RecipeError)?;
    let pieces = make(original, steps, length, true)?;
    let made: usize = pieces.iter().map(Bytes::len).sum();
    if made == length {
        Ok(pieces)
    } else {
        Err(RecipeError)
    }
}

fn make(
    original: &Bytes,
    mut steps: &[u8],
    bytes_max: usize,
    nests: bool,
) -> Result<Vec<Bytes>, RecipeError> {
    let mut pieces = Vec::new();
    let mut made = 0;
    let input = &mut steps;
    while let Some((&step, rest)) = input.split_first() {
        *input = rest;
        let piece = match step {
            COPY => original.slice(range(input, original.len())?),
            PUT => Bytes::copy_from_slice(string(input)?),
            BASE64 if nests => {
                let source = original.slice(range(input, original.len())?);
                let inner = string(input)?;
                let decoded = make(&base64_decode(&source).into(), inner, bytes_max, false)?;
                let mut text = base64_encode(&decoded.concat());
                text.truncate(text.trim_ascii_end().len());
                text.into()
            }
            _ => return Err(RecipeError),
        };
        made += piece.len();
        if made > bytes_max {
            return Err(RecipeError);
        }
        if !piece.is_empty() {
            pieces.push(piece);
        }
    }
    Ok(pieces)
}

/// Steps as bytes.
struct Steps(Vec<u8>);

impl Steps {
    fn piece(&mut self, piece: Piece<'_>, offset: usize) {
        match piece {
            Piece::Same(range) => self.copy(range.start + offset..range.end + offset),
            Piece::New(bytes) => self.put(bytes),
        }
    }

    fn copy(&mut self, range: Range<usize>) {
        self.0.push(COPY);
        self.range(&range);
    }

    fn put(&mut self, bytes: &[u8]) {
        self.0.push(PUT);
        self.number(bytes.len());
        self.0.extend_from_slice(bytes);
    }

    fn base64(&mut self, source: &Range<usize>, inner: &Steps) {
        self.0.push(BASE64);
        self.range(source);
        self.number(inner.0.len());
        self.0.extend_from_slice(&inner.0);
    }

    fn range(&mut self, range: &Range<usize>) {
        self.number(range.start);
        self.number(range.len());
    }

    /// Seven bits a byte, the lowest first; the eighth says that more follow.
    fn number(&mut self, mut number: usize) {
        while number >= 0x80 {
            self.0.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.0.push(number as u8);
    }
}

fn number(input: &mut &[u8]) -> Result<usize, RecipeError> {
    let mut number = 0;
    for shift in (0..usize::BITS - 7).step_by(7) {
        let (&byte, rest) = input.split_first().ok_or(RecipeError)?;
        *input = rest;
        number |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(RecipeError)
}

fn range(input: &mut &[u8], end: usize) -> Result<Range<usize>, RecipeError> {
    let (start, length) = (number(input)?, number(input)?);
    let range = start..start.checked_add(length).ok_or(RecipeError)?;
    if range.end <= end {
        Ok(range)
    } else {
        Err(RecipeError)
    }
}

fn string<'a>(input: &mut &'a [u8]) -> Result<&'a [u8], RecipeError> {
    let length = number(input)?;
    let (bytes, rest) = input.split_at_checked(length).ok_or(RecipeError)?;
    *input = rest;
    Ok(bytes)
}
