//! Strangers' bytes into every reader and handler, for so many seconds on every core.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Parser;
use tests::hostile::{Siege, address_space_peak};

/// One siege's length; then a fresh world is besieged.
const BITES: u64 = 4000;

/// Strangers' bytes into every reader and handler.
#[derive(Parser)]
struct Arguments {
    /// How long.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Replays one siege.
    #[arg(long)]
    seed: Option<u64>,
    /// The first siege's seed; by default the time of day, which is printed.
    #[arg(long)]
    base: Option<u64>,
}

fn besiege(seed: u64) -> (u64, u64) {
    let mut siege = Siege::new(seed);
    for _ in 0..BITES {
        siege.bite();
    }
    siege.end();
    siege.counts()
}

fn main() -> ExitCode {
    let Arguments { seconds, seed, base } = Arguments::parse();
    if let Some(seed) = seed {
        let (bites, read) = besiege(seed);
        println!("siege {seed}: {bites} bites, {read} read as what they pretend to be");
        return ExitCode::SUCCESS;
    }
    let clock = || {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.map_or(1, |since| since.as_secs() * 1000)
    };
    let base = base.unwrap_or_else(clock);
    println!("sieges from {base} on, for {seconds} s");
    let (began, length) = (Instant::now(), Duration::from_secs(seconds));
    let [next, bites, read, failed] = [const { AtomicU64::new(0) }; 4];
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while began.elapsed() < length {
                    let seed = base + next.fetch_add(1, Ordering::Relaxed);
                    if let Ok((some, good)) = catch_unwind(AssertUnwindSafe(|| besiege(seed))) {
                        bites.fetch_add(some, Ordering::Relaxed);
                        read.fetch_add(good, Ordering::Relaxed);
                    } else {
                        println!("siege {seed} failed; replay it with: fuzz --seed {seed}");
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let [sieges, bites, read, failed] =
        [next, bites, read, failed].map(|count| count.load(Ordering::Relaxed));
    println!("{sieges} sieges, {bites} bites, {read} read as what they pretend to be, {failed} failed");
    if let Some(peak) = address_space_peak() {
        println!("address space at most {} MiB", peak >> 20);
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
