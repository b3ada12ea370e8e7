//! Planted bugs: would the simulation notice? Each file in `mutants/` spoils the core, or the shell
//! around it in the simulated world, in one way; the simulation must find every one of them.
//!
//! Every build checks that each bug can still be planted; `make mutants` plants them, one after the
//! other, in a copy of the sources beside the build cache, and prints what caught each. `MUTANT=part of
//! a name` takes some (several parts with commas), `SEEDS=count` tries so many worlds at most.

#![allow(clippy::unwrap_used)] // A test that cannot read or write must fail.

mod planting;

use std::path::Path;

use planting::Trial;

fn trial() -> Trial {
    Trial {
        folder: Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mutants"),
        mutants_min: 16,
        build: &["test", "--package", "consensus", "--test", "simulation", "--no-run"],
        program: |log, _| {
            let (_, rest) = log.rsplit_once("simulation.rs (")?;
            rest.split(')').next().map(Into::into)
        },
        arguments: |_| vec!["no_weather_and_no_adversary".into()],
        broken: |log| {
            let after = |mark: &str| log.split_once(mark).and_then(|(_, rest)| rest.lines().next());
            let seed: u64 = after("replay it with SEED=")?.trim().parse().ok()?;
            Some((seed + 1, after("broken: ")?.to_owned()))
        },
        sound: 300,
        worlds: 20_000,
    }
}

#[test]
fn each_bug_can_still_be_planted() {
    planting::check_that_each_can_be_planted(&trial());
}

#[test]
#[ignore = "takes four minutes: make mutants"]
fn each_planted_bug_is_caught_by_the_simulation() {
    planting::check_that_each_is_caught(&trial());
}
