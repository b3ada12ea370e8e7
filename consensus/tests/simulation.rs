//! Many small worlds, each fixed by its seed: first everything goes wrong, then nothing more but the
//! adversaries, who stay; the first must not break safety, and after the second begins there must be
//! progress, and rest.
//!
//! `SEED=n` replays one world and prints all that happens in it. `BASE=first SEEDS=count` runs a
//! range; the default is a range that takes about a minute on two cores.

#![allow(dead_code)] // Each test program uses its part of what they share.
#![allow(clippy::unwrap_used)]

mod world;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use world::adversary::Kind;
use world::{CONFIG, Character, Outcome, World};

/// As many as fit in a minute of the slowest machine that runs this at every change.
const SEEDS: u64 = 5_000;

fn setting(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|value| value.parse().ok())
}

fn run(seed: u64, verbose: bool) -> (Vec<Row>, Outcome) {
    let mut world = World::seeded(seed, verbose);
    world.run();
    let mut rows: Vec<Row> = world.plan.kinds().into_iter().map(Row::Kind).collect();
    if rows.is_empty() {
        rows.push(if world.plan.dead > 0 { Row::Silent } else { Row::Weather });
    } else if rows.len() > 1 {
        rows.push(Row::Mixed);
    }
    if world.plan.drought_ms > 0 {
        rows.push(Row::Drought);
    }
    rows.push(Row::All);
    (rows, world.outcome)
}

/// What a line of the table is about; a world counts in every line that fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Row {
    /// Weather, clocks and crashes alone.
    Weather,
    /// Nobody lies, but as many as may be never come back.
    Silent,
    Kind(Kind),
    /// Two kinds or more.
    Mixed,
    /// No block passes for minutes.
    Drought,
    All,
}

/// The sum of some worlds.
#[derive(Clone, Debug, Default)]
struct Total {
    worlds: u64,
    sum: Outcome,
}

impl Total {
    fn add(&mut self, outcome: &Outcome) {
        let sum = &mut self.sum;
        self.worlds += 1;
        sum.trace ^= outcome.trace;
        sum.events += outcome.events;
        sum.views += outcome.views;
        sum.blocks += outcome.blocks;
        sum.convictions += outcome.convictions;
        sum.crashes += outcome.crashes;
        sum.stopped += outcome.stopped;
        sum.recovery_ms = sum.recovery_ms.max(outcome.recovery_ms);
        sum.recovery_views = sum.recovery_views.max(outcome.recovery_views);
    }
}

thread_local! {
    /// What the last panic of this thread said, and where.
    static SAID: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs a range of worlds on all cores; the lowest seed that failed, and what broke, if any did.
fn run_all(base: u64, count: u64) -> Result<BTreeMap<Row, Total>, (u64, String)> {
    let next = AtomicU64::new(base);
    let failed = AtomicBool::new(false);
    let failure: Mutex<Option<(u64, String)>> = Mutex::new(None);
    let totals: Mutex<BTreeMap<Row, Total>> = Mutex::new(BTreeMap::new());
    let worker = || {
        while !failed.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= base + count {
                return;
            }
            match catch_unwind(AssertUnwindSafe(|| run(seed, false))) {
                Ok((rows, outcome)) => {
                    if outcome.recovery_ms > setting("SLOW_MS").unwrap_or(60_000) {
                        println!("seed {seed}: {outcome:?}");
                    }
                    let mut totals = totals.lock().unwrap();
                    rows.into_iter().for_each(|row| totals.entry(row).or_default().add(&outcome));
                }
                Err(_) => {
                    failed.store(true, Ordering::Relaxed);
                    let mut failure = failure.lock().unwrap();
                    if failure.as_ref().is_none_or(|(lowest, _)| seed < *lowest) {
                        *failure = Some((seed, SAID.take()));
                    }
                }
            }
        }
    };
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        (0..workers).for_each(|_| {
            scope.spawn(worker);
        });
    });
    match failure.into_inner().unwrap() {
        Some(failure) => Err(failure),
        None => Ok(totals.into_inner().unwrap()),
    }
}

#[test]
fn c1_to_c17_no_weather_and_no_adversary_breaks_safety_and_fair_weather_brings_progress() {
    if let Some(seed) = setting("SEED") {
        println!("{:?}", run(seed, true));
        return;
    }
    let (base, count) = (setting("BASE").unwrap_or(0), setting("SEEDS").unwrap_or(SEEDS));
    let started = Instant::now();
    // Each panic is told once, below, with its seed.
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|panic| {
        let text = panic.payload().downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.payload().downcast_ref::<&str>().map(ToString::to_string));
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        SAID.set(format!("{} ({place})", text.unwrap_or_default()));
    }));
    let totals = run_all(base, count);
    std::panic::set_hook(hook);
    let totals = match totals {
        Ok(totals) => totals,
        Err((seed, what)) => panic!("seed {seed} failed; replay it with SEED={seed}\nbroken: {what}"),
    };
    println!(
        "{:<12} {:>8} {:>10} {:>9} {:>9} {:>9} {:>9} {:>12} {:>14}",
        "fault",
        "worlds",
        "views",
        "blocks",
        "crashes",
        "evidence",
        "stopped",
        "slowest ms",
        "views to final"
    );
    for (row, Total { worlds, sum }) in &totals {
        let name = match row {
            Row::Kind(kind) => format!("{kind:?}"),
            other => format!("{other:?}"),
        };
        println!(
            "{:<12} {:>8} {:>10} {:>9} {:>9} {:>9} {:>9} {:>12} {:>14}",
            name,
            worlds,
            sum.views,
            sum.blocks,
            sum.crashes,
            sum.convictions,
            sum.stopped,
            sum.recovery_ms,
            sum.recovery_views
        );
    }
    let all = &totals[&Row::All];
    println!(
        "{count} worlds from seed {base} in {:.1} s, {} events; trace {:016x}",
        started.elapsed().as_secs_f64(),
        all.sum.events,
        all.sum.trace
    );
    if count >= 1_000 {
        let kinds = totals.keys().filter(|row| matches!(row, Row::Kind(_))).count();
        assert_eq!(kinds, Kind::ALL.len(), "every kind of fault takes part");
        let convicted = |kind| totals[&Row::Kind(kind)].sum.convictions;
        assert!(convicted(Kind::Equivocator) > 0 && convicted(Kind::Twins) > 0, "contradictions convict");
        assert!(totals[&Row::Kind(Kind::Forger)].sum.stopped > 0, "the gate has something to stop");
        assert!(all.sum.crashes > count, "the power fails");
    }
}

#[test]
fn one_seed_is_one_run() {
    for seed in 0..60 {
        assert_eq!(run(seed, false), run(seed, false), "seed {seed} (invariant 15)");
    }
}

/// Four validators post a dozen transactions; the power of one fails at each moment at which it can, one
/// moment to a run, and everybody recovers.
#[test]
fn c4_c17_power_that_fails_at_any_moment_of_a_run_breaks_nothing() {
    let run = |fails_at: Option<u64>| {
        let mut world = World::quiet(5, &[Character::Honest; 4], CONFIG);
        world.fails_at = fails_at;
        for round in 0..12 {
            world.submit(&[round % 4, (round + 1) % 4]);
            world.pass(230);
        }
        let crashes = world.outcome.crashes;
        world.submit(&[0, 1, 2, 3]);
        let recovered = world.recovers_within(20_000);
        assert!(recovered.is_some(), "power failed at moment {fails_at:?}: no recovery");
        (world.perils(), crashes)
    };
    let (moments, crashes) = run(None);
    assert_eq!(crashes, 0);
    let crashes: u64 = (1..=moments).map(|moment| run(Some(moment)).1).sum();
    println!("{moments} moments, {crashes} of them before the last transaction");
    assert!(moments > 500 && crashes > moments / 2);
}
