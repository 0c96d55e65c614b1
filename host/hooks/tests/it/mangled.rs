//! Random and mutated bytes offered as components: an error that is a sentence, never a crash. The fuzz target
//! `host/hooks/fuzz` goes on where this ends.

use std::time::{Duration, Instant};

use baton_hooks::{Error, inspect};

use crate::house::guest;

/// A generator that is the same on every machine.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % limit.max(1) as u64).unwrap()
    }
}

fn judge(bytes: &[u8], what: &str) {
    match inspect(bytes) {
        Ok(found) => assert!(!found.hooks.is_empty(), "{what}"),
        Err(Error::Refused(why)) => assert!(!why.trim().is_empty(), "{what}"),
        Err(other) => panic!("{what}: {other:?}"),
    }
}

#[test]
fn random_bytes_are_refused() {
    let mut chance = Chance(0x5eed);
    for round in 0..2000 {
        let length = chance.below(200);
        let mut bytes: Vec<u8> = (0..length).map(|_| chance.next() as u8).collect();
        // Half of them get past the header.
        if round % 2 == 0 {
            bytes.splice(0..0, *b"\0asm\x0d\0\x01\0");
        }
        judge(&bytes, &format!("{bytes:?}"));
    }
}

#[test]
fn mutated_components_are_refused_or_still_components() {
    let original = guest("brief");
    let began = Instant::now();
    let mut chance = Chance(0xb17e5);
    for round in 0..400 {
        // What still is valid is compiled, which takes its time: on a slow machine there are fewer rounds.
        if began.elapsed() > Duration::from_secs(40) {
            assert!(round > 20, "{round} rounds in {:?}", began.elapsed());
            return;
        }
        let mut bytes = original.to_vec();
        match round % 4 {
            0 => {
                let at = chance.below(bytes.len());
                bytes[at] ^= 1 << chance.below(8);
            }
            1 => bytes.truncate(chance.below(original.len())),
            2 => {
                let (from, to) = (chance.below(bytes.len()), chance.below(bytes.len()));
                let length = chance.below(64).min(bytes.len() - from.max(to));
                bytes.copy_within(from..from + length, to);
            }
            _ => {
                let at = chance.below(bytes.len());
                let length = chance.below(32).min(bytes.len() - at);
                bytes.drain(at..at + length);
            }
        }
        judge(&bytes, &format!("round {round}"));
    }
}

/// Sizes that promise more than there is, nesting without end, and names without sense.
#[test]
fn crafted_headers_are_refused() {
    let header = *b"\0asm\x0d\0\x01\0";
    let mut nested = header.to_vec();
    for _ in 0..200 {
        // A component section of a component section, each as long as it says.
        let mut outer = header.to_vec();
        outer.push(4);
        let mut size = nested.len();
        loop {
            let byte = (size & 0x7f) as u8;
            size >>= 7;
            outer.push(if size == 0 { byte } else { byte | 0x80 });
            if size == 0 {
                break;
            }
        }
        outer.extend_from_slice(&nested);
        nested = outer;
    }
    judge(&nested, "nesting");
    for section in 0..=20u8 {
        for size in [
            &[0u8][..],
            &[0x7f],
            &[0xff, 0xff, 0xff, 0xff, 0x0f],
            &[0xff; 10],
        ] {
            let mut bytes = header.to_vec();
            bytes.push(section);
            bytes.extend_from_slice(size);
            judge(&bytes, &format!("section {section} of {size:?}"));
        }
    }
}
