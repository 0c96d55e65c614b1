use bytes::Bytes;
use proptest::prelude::*;

use super::{RecipeError, Recipes, follow};
use crate::encoding::{TransferEncoding, base64_encode};
use crate::{EditSet, Message, NewField};

fn round_trip(original: &Bytes, rendered: &[Bytes]) -> usize {
    let recipe = Recipes::new(original.clone()).write(rendered);
    let whole = rendered.concat();
    let made = follow(original, &recipe, whole.len() as u64).expect("a recipe of our own");
    assert_eq!(made.concat(), whole);
    recipe.len()
}

fn newsletter(link: &str, lines: usize) -> String {
    let mut html = String::from("<html><body>\r\n");
    for n in 0..lines {
        html.push_str(&format!(
            "<p>Paragraph {n} says something that no other one does: {}</p>\r\n",
            n * 7919
        ));
        if n % 20 == 0 {
            html.push_str(&format!("<a href=\"{link}{n}\">More</a>\r\n"));
        }
    }
    html + "</body></html>\r\n"
}

fn message(encoding: TransferEncoding, text: &str) -> Message {
    let mut bytes = format!(
        "From: a@example.org\r\nSubject: News\r\nContent-Type: text/html; charset=utf-8\r\n\
         Content-Transfer-Encoding: {}\r\n\r\n",
        encoding.name()
    )
    .into_bytes();
    bytes.extend_from_slice(&encoding.encode(text.as_bytes()));
    Message::parse(bytes.into())
}

/// Bytes of the recipe of a copy with other links, and of the copy.
fn cost(encoding: TransferEncoding) -> (usize, usize) {
    let message = message(encoding, &newsletter("https://shop.test/article/", 400));
    let original = message.bytes().clone();
    let mut edits = EditSet::new(message, false);
    let text = newsletter(
        "https://links.relay.test/c/AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-",
        400,
    );
    edits.set_text(0, &text).expect("a text part");
    let trace = [NewField::new("X-Trace", "first", false).expect("a field")];
    let rendered = edits.render(&trace);
    (
        round_trip(&original, rendered.segments()),
        rendered.segments().concat().len(),
    )
}

#[test]
fn a_copy_with_other_links_costs_little_more_than_the_links() {
    for encoding in [
        TransferEncoding::SevenBit,
        TransferEncoding::QuotedPrintable,
        TransferEncoding::Base64,
    ] {
        let (recipe, copy) = cost(encoding);
        assert!(recipe * 8 < copy, "{encoding:?}: {recipe} of {copy} bytes");
    }
}

#[test]
fn an_unchanged_copy_costs_a_few_bytes() {
    let original = Bytes::from("Subject: x\r\n\r\n".to_owned() + &"body\r\n".repeat(10_000));
    let field = Bytes::from_static(b"Received: here\r\n");
    let size = round_trip(
        &original,
        &[field, original.slice(..14), original.slice(14..)],
    );
    assert!(size < 40, "{size}");
}

#[test]
fn text_that_is_almost_base64_comes_back_as_it_was() {
    let source = base64_encode(&[7; 900]);
    let original = Bytes::from([b"h\r\n\r\n".as_slice(), &source].concat());
    for change in [
        base64_encode(&[8; 901]),
        [base64_encode(&[8; 900]), b"\r\n\r\n".to_vec()].concat(),
        source.iter().copied().filter(|b| *b != b'\r').collect(),
        [b" ".as_slice(), &source].concat(),
        source[..source.len() - 9].to_vec(),
    ] {
        round_trip(&original, &[original.slice(..5), change.into()]);
    }
}

#[test]
fn a_recipe_for_another_length_or_version_is_refused() {
    let original = Bytes::from_static(b"0123456789");
    let recipe = Recipes::new(original.clone()).write(&[original.slice(2..5)]);
    assert_eq!(follow(&original, &recipe, 3).unwrap().concat(), b"234");
    assert_eq!(follow(&original, &recipe, 4), Err(RecipeError));
    assert_eq!(follow(&original.slice(..4), &recipe, 3), Err(RecipeError));
    assert_eq!(follow(&original, b"\x09", 0), Err(RecipeError));
    assert_eq!(follow(&original, b"", 0), Err(RecipeError));
}

proptest! {
    #[test]
    fn every_copy_comes_back_byte_by_byte(
        original in proptest::collection::vec(any::<u8>(), 0..2000),
        cuts in proptest::collection::vec((0usize..2000, 0usize..2000, "[a-c]{0,200}"), 0..8),
        repeats in 1usize..4,
    ) {
        let original = Bytes::from(original.repeat(repeats));
        let mut rendered = Vec::new();
        for (from, to, new) in cuts {
            let (from, to) = (from.min(original.len()), to.min(original.len()));
            if from < to {
                rendered.push(original.slice(from..to));
                // Much of it is in the original, but lies elsewhere in memory.
                rendered.push([&original[from / 2..to], new.as_bytes()].concat().into());
            }
            rendered.push(Bytes::from(new));
        }
        round_trip(&original, &rendered);
    }

    #[test]
    fn a_damaged_recipe_is_an_error_or_other_bytes_and_never_a_panic(
        at in 0usize..200,
        byte in any::<u8>(),
        length in 0u64..5000,
    ) {
        let original = Bytes::from(base64_encode(&newsletter("https://x.test/", 9).into_bytes()));
        let changed = base64_encode(&newsletter("https://y.test/", 9).into_bytes());
        let mut recipe = Recipes::new(original.clone()).write(&[changed.into()]).to_vec();
        let at = at % recipe.len();
        recipe[at] = byte;
        let _ = follow(&original, &recipe, length);
        let _ = follow(&original, &recipe[..at], length);
    }
}
