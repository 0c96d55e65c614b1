//! Microseconds a reply, natively: `cargo run --release -p isp-responses --example measure`.

use isp_responses::translate::{Reply, Translator};
use std::time::Instant;

fn main() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../tests/corpus/isp/replies.txt"
    );
    let corpus = std::fs::read_to_string(path).expect("the corpus");
    let texts: Vec<String> = corpus
        .lines()
        .filter(|l| !l.starts_with('#'))
        .filter_map(|l| l.splitn(3, '|').nth(2))
        .map(|t| t.replace("\\n", "\n"))
        .collect();
    let rounds = 50;
    let mut sure = 0u32;
    let mut micros = Vec::new();
    for _ in 0..rounds {
        let start = Instant::now();
        // A translator for each reply, as in a fresh instance.
        for text in &texts {
            let translator = Translator::default();
            let found = translator.translate(&Reply {
                text,
                ..Reply::default()
            });
            sure += u32::from(found.confidence > 0.5);
        }
        micros.push(start.elapsed().as_secs_f64() * 1e6 / texts.len() as f64);
    }
    // A busy machine slows rounds down; the quickest is what the code needs.
    micros.sort_by(f64::total_cmp);
    let (best, median) = (micros[0], micros[micros.len() / 2]);
    println!(
        "{best:.1} microseconds a reply at best, {median:.1} in the median ({} replies, {} % sure)",
        texts.len(),
        100 * sure / (rounds * texts.len() as u32)
    );
}
