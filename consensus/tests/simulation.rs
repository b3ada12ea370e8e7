//! Many small worlds, each fixed by its seed: first everything goes wrong, then nothing more; the
//! first must not break safety, and after the second begins there must be progress.
//!
//! `SEED=n` replays one world and prints all that happens in it. `BASE=first SEEDS=count` runs a
//! range; the default is a range short enough for every build.

#![allow(dead_code)] // Each test program uses its part of what they share.
#![allow(clippy::unwrap_used)]

mod world;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use world::{Outcome, World};

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

fn run(seed: u64, verbose: bool) -> Outcome {
    let mut world = World::seeded(seed, verbose);
    world.run();
    world.outcome
}

#[test]
fn c1_to_c17_no_weather_breaks_safety_and_fair_weather_brings_progress() {
    if let Some(seed) = setting("SEED") {
        println!("{:?}", run(seed, true));
        return;
    }
    let base = setting("BASE").unwrap_or(0);
    let count = setting("SEEDS").unwrap_or(10_000);
    let next = AtomicU64::new(base);
    let started = Instant::now();
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    let totals = std::thread::scope(|scope| {
        let worker = || {
            let mut total = Outcome::default();
            loop {
                let seed = next.fetch_add(1, Ordering::Relaxed);
                if seed >= base + count {
                    return total;
                }
                let Ok(outcome) = std::panic::catch_unwind(|| run(seed, false)) else {
                    panic!("seed {seed} failed; replay it with SEED={seed}");
                };
                if outcome.recovery_ms > setting("SLOW_MS").unwrap_or(60_000) {
                    println!("seed {seed}: {outcome:?}");
                }
                total.trace ^= outcome.trace;
                total.events += outcome.events;
                total.views += outcome.views;
                total.blocks += outcome.blocks;
                total.convictions += outcome.convictions;
                total.crashes += outcome.crashes;
                total.recovery_ms = total.recovery_ms.max(outcome.recovery_ms);
                total.recovery_views = total.recovery_views.max(outcome.recovery_views);
            }
        };
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().map(|worker| worker.join().expect("a seed failed; see above")).collect::<Vec<_>>()
    });
    let sum = |of: fn(&Outcome) -> u64| -> u64 { totals.iter().map(of).sum() };
    let most = |of: fn(&Outcome) -> u64| -> u64 { totals.iter().map(of).max().unwrap_or(0) };
    println!(
        "{count} worlds from seed {base} in {:.1} s: {} events, {} views, {} blocks, {} crashes, {} convictions; \
         slowest recovery {} ms, most views to recover {}; trace {:016x}",
        started.elapsed().as_secs_f64(),
        sum(|o| o.events),
        sum(|o| o.views),
        sum(|o| o.blocks),
        sum(|o| o.crashes),
        sum(|o| o.convictions),
        most(|o| o.recovery_ms),
        most(|o| o.recovery_views),
        totals.iter().fold(0, |trace, o| trace ^ o.trace),
    );
}

#[test]
fn one_seed_is_one_run() {
    for seed in 0..20 {
        assert_eq!(run(seed, false), run(seed, false), "seed {seed} (invariant 15)");
    }
}
