//! Many worlds, one seed after the other, on every core.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use super::{Figures, play};

/// Of so many seeds one is played twice, and must take the same course.
const TWICE_EVERY: u64 = 50;

/// What became of many seeds.
#[derive(Debug, Default)]
pub struct Report {
    /// Summed over the seeds that passed.
    pub figures: Figures,
    /// Seeds played to their end or failure.
    pub played: u64,
    /// Seeds that were played twice.
    pub twice: u64,
    /// Seeds that failed, in rising order.
    pub failed: Vec<u64>,
    /// The seed that took longest to heal.
    pub slowest: u64,
}

impl Report {
    fn add(&mut self, seed: u64, figures: Option<&Figures>) {
        self.played += 1;
        let Some(figures) = figures else {
            println!("seed {seed} failed; replay it with: make sim SEED={seed}");
            self.failed.push(seed);
            return self.failed.sort_unstable();
        };
        if figures.healed_in_ms > self.figures.healed_in_ms {
            self.slowest = seed;
        }
        self.figures.add(figures);
        self.twice += u64::from(seed.is_multiple_of(TWICE_EVERY));
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}", self.figures)?;
        writeln!(f, "{:<28} {:>10}", "slowest to heal is seed", self.slowest)?;
        writeln!(f, "{:<28} {:>10}", "seeds played twice, alike", self.twice)?;
        write!(f, "seeds {}, failed {:?}", self.played, self.failed)
    }
}

/// Plays so many seeds from the first on, or until one fails. Says now and then how far it is.
pub fn play_many(base: u64, seeds: u64, until_failure: bool) -> Report {
    let next = AtomicU64::new(0);
    let report = Mutex::new(Report::default());
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
                    let played = catch_unwind(AssertUnwindSafe(|| {
                        let (figures, trace) = play(seed, false);
                        if seed.is_multiple_of(TWICE_EVERY) {
                            assert_eq!(play(seed, false).1, trace, "seed {seed} took two courses");
                        }
                        figures
                    }));
                    let mut report = report.lock().expect("nothing panics while it is held");
                    report.add(seed, played.as_ref().ok());
                    if until_failure && played.is_err() {
                        next.store(seeds, Ordering::Relaxed);
                    }
                    if report.played.is_multiple_of(100) {
                        println!("{} seeds, {} failed", report.played, report.failed.len());
                    }
                }
            });
        }
    });
    report.into_inner().expect("nothing panics while it is held")
}
