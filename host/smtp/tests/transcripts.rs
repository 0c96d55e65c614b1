//! Whole conversations, from files in `tests/transcripts`, and the promise that they do not depend
//! on how the network cuts them.

mod support;

use proptest::prelude::*;
use support::script::{Cut, Script};
use support::{client, server};

#[test]
fn the_server_speaks_as_its_transcripts_say() {
    for script in Script::folder("server") {
        server::run(&script, &Cut::Lines);
    }
}

#[test]
fn the_client_speaks_as_its_transcripts_say() {
    for script in Script::folder("client") {
        client::run(&script, &Cut::Lines);
    }
}

#[test]
fn pipelined_commands_and_single_bytes_give_the_same_transcript() {
    for script in Script::folder("server") {
        server::run(&script, &Cut::Whole);
        server::run(&script, &Cut::Bytes);
    }
    for script in Script::folder("client") {
        client::run(&script, &Cut::Whole);
        client::run(&script, &Cut::Bytes);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_split_of_the_input_gives_the_same_transcript(
        sizes in prop::collection::vec(1_usize..40, 1..12)
    ) {
        let cut = Cut::Pieces(sizes);
        for script in Script::folder("server") {
            server::run(&script, &cut);
        }
        for script in Script::folder("client") {
            client::run(&script, &cut);
        }
    }
}
