//! Stories told one by one: outages that made other systems stay down, and what happens when more
//! validators are faulty than can be borne.

#![allow(dead_code)] // Each test program uses its part of what they share.
#![allow(clippy::unwrap_used)]

mod world;

use consensus::Config;
use ledger::block::View;
use world::checker::culprits;
use world::{CONFIG, Character, World};

const HONEST: [Character; 4] = [Character::Honest; 4];

/// Four validators with some history behind them.
fn running(seed: u64) -> World {
    let mut world = World::quiet(seed, &HONEST, CONFIG);
    for _ in 0..5 {
        world.submit(&[0, 1, 2, 3]);
        world.pass(500);
    }
    assert!(world.recovers_within(5000).is_some());
    world
}

#[test]
fn c11_after_an_hour_without_a_quorum_the_chain_is_back_within_twice_the_cap() {
    for seed in 0..20 {
        let mut world = running(seed);
        world.stop(2);
        world.stop(3);
        world.submit(&[0]);
        world.pass(3_600_000);
        let view = world.core(0).unwrap().view();
        assert!(view <= View(world.checker.height().0), "no view passes without a quorum");
        world.start(2);
        world.start(3);
        let took = world.recovers_within(2 * CONFIG.delta_max_ms);
        assert!(took.is_some(), "seed {seed}");
    }
}

#[test]
fn c13_a_third_of_everything_lost_for_ten_minutes_stops_nothing_for_good() {
    for seed in 0..3 {
        let mut world = running(seed);
        world.weather(|network| network.lose(300));
        let before = world.checker.height().0;
        for _ in 0..600 {
            world.submit(&[0, 2]);
            world.pass(1000);
        }
        let during = world.checker.height().0 - before;
        assert!(during > 300, "seed {seed}: {during} blocks in ten minutes of loss");
        world.weather(|network| network.lose(0));
        assert!(world.recovers_within(2 * CONFIG.delta_max_ms).is_some(), "seed {seed}");
    }
}

#[test]
fn c12_a_transaction_known_to_one_validator_alone_is_posted_in_the_first_view() {
    for seed in 0..20 {
        for one in 0..4 {
            let mut world = running(seed);
            let view = world.core(one).unwrap().view();
            world.submit(&[one]);
            let took = world.recovers_within(10_000);
            assert!(took.is_some_and(|ms| ms < 4000), "seed {seed}, known to {one}: {took:?}");
            let views = world.core(one).unwrap().view().0 - view.0;
            assert!(views <= 5, "one round of leaders at most: {views}");
        }
    }
}

#[test]
fn c17_a_power_cut_everywhere_at_once_loses_nothing() {
    for seed in 0..50 {
        let mut world = running(seed);
        world.submit(&[0, 1, 2, 3]);
        world.pass(seed * 7);
        let height = world.checker.height();
        (0..4).for_each(|at| world.stop(at));
        world.pass(60_000);
        (0..4).for_each(|at| world.start(at));
        world.submit(&[1]);
        assert!(world.recovers_within(2 * CONFIG.delta_max_ms).is_some(), "seed {seed}");
        assert!(world.checker.height() > height);
    }
}

#[test]
fn c15_a_dead_leader_costs_time_in_a_few_views_only() {
    let blocks = |leader_skip_views: u64| {
        let config = Config { leader_skip_views, ..CONFIG };
        let mut world = World::quiet(1, &HONEST, config);
        world.stop(3);
        for _ in 0..600 {
            world.submit(&[0, 1, 2]);
            world.pass(100);
        }
        world.checker.height().0
    };
    let (with, without) = (blocks(8), blocks(0));
    assert!(with > 2 * without, "{with} blocks with leader skip, {without} without");
}

#[test]
fn c3_latency_is_three_message_delays_to_finality_and_two_between_blocks() {
    let config = Config { block_interval_ms: 0, ..CONFIG };
    let mut world = World::quiet(3, &HONEST, config);
    world.weather(|network| network.delay(100));
    world.submit(&[0, 1, 2, 3]);
    world.pass(1000);
    let (height, at) = (world.checker.height().0, 20_000);
    for _ in 0..at / 50 {
        world.submit(&[0, 1, 2, 3]);
        world.pass(50);
    }
    let blocks = world.checker.height().0 - height;
    // Two delays of 100 ms, and the world's own time for building, executing and signing.
    assert!((at / 320..=at / 200).contains(&blocks), "{blocks} blocks in {at} ms");
}

/// The claim of section 7, on the core itself: two of four validators have a twin each, the network
/// parts, and both sides finalize.
#[test]
fn c9_c10_when_too_many_are_faulty_the_two_proofs_name_them_and_everybody_stops() {
    let characters = [Character::Honest, Character::Honest, Character::Twin(false), Character::Twin(false)];
    for seed in 0..30 {
        let mut world = World::quiet(seed, &characters, CONFIG);
        world.checker.overrun = true;
        // Instances 0, 2 and 4 here; 1, 3 and 5 there.
        world.camps(0b10_1010);
        world.weather(|network| network.cut_where(|from, to| from % 2 != to % 2));
        for _ in 0..20 {
            world.submit(&[0, 1, 2, 3, 4, 5]);
            world.pass(100 + seed * 13);
        }
        let (here, there) = (world.history(0), world.history(1));
        assert!(!here.is_empty() && !there.is_empty(), "seed {seed}: a side stands still");
        let named = culprits(here, there).expect("the histories part");
        assert_eq!(named, [2, 3], "seed {seed}");
        world.weather(|network| network.cut_where(|_, _| false));
        world.submit(&[0, 1]);
        world.pass(10_000);
        let halted = |at| world.core(at).unwrap().halted();
        assert!(halted(0) && halted(1), "seed {seed}");
    }
}
