//! Simulated worlds: one seed replayed with what happens printed, or many seeds and the figures.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use tests::world::{Figures, play};

/// Whole validators on one thread under one seed.
#[derive(Parser)]
struct Arguments {
    /// Replays this seed and prints what happens.
    #[arg(long, conflicts_with = "seeds")]
    seed: Option<u64>,
    /// Plays so many seeds.
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first of them.
    #[arg(long, default_value_t = 1)]
    base: u64,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(seed) = arguments.seed {
        let (figures, trace) = play(seed, true);
        println!("seed {seed}, trace {trace:016x}\n{figures}");
        return ExitCode::SUCCESS;
    }
    let Arguments { seeds, base, .. } = arguments;
    let (next, began) = (AtomicU64::new(0), Instant::now());
    let total = Mutex::new((Figures::default(), Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= seeds {
                        return;
                    }
                    let seed = base + number;
                    let played = catch_unwind(AssertUnwindSafe(|| play(seed, false)));
                    let mut total = total.lock().expect("nothing panics while it is held");
                    match played {
                        Ok((figures, _)) => total.0.add(&figures),
                        Err(_) => {
                            println!("seed {seed} failed; replay it with: make sim SEED={seed}");
                            total.1.push(seed);
                        }
                    }
                    if (number + 1).is_multiple_of(50) {
                        println!(
                            "{} seeds, {} failed, {} s",
                            number + 1,
                            total.1.len(),
                            began.elapsed().as_secs()
                        );
                    }
                }
            });
        }
    });
    let (figures, failed) = total.into_inner().expect("nothing panics while it is held");
    println!("{figures}");
    println!("seeds {base} to {} in {} s", base + seeds.saturating_sub(1), began.elapsed().as_secs());
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("failed: {failed:?}");
    ExitCode::FAILURE
}
