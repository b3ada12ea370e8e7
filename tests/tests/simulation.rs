//! Whole validators in bad weather, seed after seed; and a few incidents by name.
#![allow(clippy::unwrap_used)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use tests::world::{Figures, Until, World, play};

/// About three minutes on two cores. `make sim` runs as many more as one likes.
const SEEDS: u64 = 500;

#[test]
fn whole_validators_survive_the_storms_of_500_seeds() {
    let next = AtomicU64::new(1);
    let total = Mutex::new((Figures::default(), Vec::new()));
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed > SEEDS {
                        return;
                    }
                    let played = catch_unwind(AssertUnwindSafe(|| play(seed, false)));
                    let mut total = total.lock().unwrap();
                    match played {
                        Ok((figures, _)) => total.0.add(&figures),
                        Err(_) => {
                            println!("seed {seed} failed; replay it with: make sim SEED={seed}");
                            total.1.push(seed);
                        }
                    }
                }
            });
        }
    });
    let (figures, failed) = total.into_inner().unwrap();
    println!("{figures}");
    assert!(failed.is_empty(), "seeds that failed: {failed:?}; replay one with: make sim SEED=n");
    // The storms were worth their name.
    assert!(figures.crashes.iter().all(|crashes| *crashes > SEEDS / 2), "too few crashes");
    assert!(figures.transactions > 20 * SEEDS && figures.lost > 100 * SEEDS, "too little happened");
}

#[test]
fn r16_the_same_seed_gives_the_same_trace() {
    for seed in [3, 11, 12] {
        assert_eq!(play(seed, false).1, play(seed, false).1, "seed {seed}");
    }
    assert_ne!(play(3, false).1, play(11, false).1);
}

#[test]
fn a_disk_that_forgets_votes_is_noticed_so_the_checker_is_awake() {
    let noticed = (1..=20).filter(|seed| {
        let played = catch_unwind(|| {
            let mut world = World::seeded(*seed);
            (0..4).for_each(|at| world.forget_votes(at));
            world.storm(15_000);
            world.heal();
            world.check();
        });
        played.is_err()
    });
    let noticed = noticed.count();
    assert!(noticed >= 5, "of 20 worlds with forgetful disks only {noticed} were noticed");
}

#[test]
fn seven_validators_go_on_while_two_are_cut_off_and_catch_them_up_after() {
    let mut world = World::seeded(5).validators(7);
    world.run(Until::Height(3));
    world.isolate(2);
    world.isolate(6);
    let before = world.height();
    world.run(Until::Ms(20_000));
    assert!(world.height() > before + 10, "five of seven are a quorum");
    world.heal();
    world.check();
}

#[test]
fn no_height_is_final_while_half_of_the_validators_are_cut_off() {
    let mut world = World::seeded(6);
    world.run(Until::Height(3));
    world.isolate(0);
    world.isolate(1);
    world.run(Until::Ms(500));
    let before = world.height();
    world.run(Until::Ms(20_000));
    assert_eq!(world.height(), before);
    world.heal();
    world.check();
}

#[test]
fn clocks_an_hour_apart_stop_nobody_for_good() {
    let mut world = World::seeded(8);
    world.skew(1, 3_600_000);
    world.skew(2, -3_600_000);
    world.run(Until::Ms(10_000));
    world.heal();
    world.check();
}
