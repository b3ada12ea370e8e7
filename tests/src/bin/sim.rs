//! Simulated worlds: one seed replayed with what happens printed, or many seeds and the figures.

use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use tests::world::{play, play_many};

/// Whole validators on one thread under one seed.
#[derive(Parser)]
struct Arguments {
    /// Replays this seed and prints what happens.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Plays so many seeds.
    #[arg(long, default_value_t = 500)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    base: u64,
    /// Stops at the first seed that fails.
    #[arg(long)]
    until_failure: bool,
}

fn main() -> ExitCode {
    let Arguments { seed, seeds, base, until_failure } = Arguments::parse();
    if let Some(seed) = seed {
        let (figures, trace) = play(seed, true);
        println!("seed {seed}, trace {trace:016x}\n{figures}");
        return ExitCode::SUCCESS;
    }
    let began = Instant::now();
    let report = play_many(base, seeds, until_failure);
    println!("{report}\nseeds {base} to {}, {} s", base + seeds.max(1) - 1, began.elapsed().as_secs());
    if report.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
