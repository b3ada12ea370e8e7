//! Planted bugs: would the simulated world of whole validators notice? Each file in `mutants/` spoils the
//! node or the ledger in one way; the worlds must find every one of them.
//!
//! Left out is what only a member could show that no world has: one that hands out as final what is merely
//! certified (`r05_bad_sync_range_what_is_held_already_and_what_no_finalization_covers_is_passed_over`).
//!
//! Every build checks that each bug can still be planted; `make mutants` plants them as it plants those of
//! the consensus core, and knows the same settings.

#![allow(clippy::unwrap_used)] // A test that cannot read or write must fail.

#[path = "../../consensus/tests/planting/mod.rs"]
mod planting;

use std::path::Path;

use planting::Trial;

fn trial() -> Trial {
    Trial {
        folder: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mutants"),
        mutants_min: 16,
        build: &["build", "--package", "tests", "--bin", "sim"],
        program: |_, target| Some(target.join("debug/sim")),
        arguments: |worlds| ["--seeds", &worlds.to_string(), "--until-failure"].map(String::from).to_vec(),
        broken: |log| {
            // Several worlds are played at once: the first that was seen to fail.
            let (_, rest) = log.split_once("make sim SEED=")?;
            let seed = rest.lines().next()?.trim().parse().ok()?;
            let (_, panicked) = log.split_once(" panicked at ")?;
            Some((seed, panicked.lines().nth(1)?.to_owned()))
        },
        sound: 40,
        worlds: 600,
    }
}

#[test]
fn each_bug_can_still_be_planted() {
    planting::check_that_each_can_be_planted(&trial());
}

#[test]
#[ignore = "takes a quarter of an hour: make mutants"]
fn each_planted_bug_is_caught_by_whole_validators() {
    planting::check_that_each_is_caught(&trial());
}
