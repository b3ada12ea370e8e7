//! Crashes and restarts: whatever was promised before stands after.

use ledger::block::{VerifiedBlock, View};
use ledger::finality::Finality;
use node::validator::{Event, SyncedBlock};
use tests::world::{Moment, Until, World};

/// Steps that keep something, in the first heights of a world, several times over.
const STEPS: u32 = 36;
const MOMENTS: [Moment; 4] = [Moment::BeforePersist, Moment::TornWrite, Moment::BeforeSend, Moment::MidSend];

#[test]
fn r10_c4_a_crash_before_each_single_effect_of_the_first_heights_loses_nothing() {
    let play = |effect| {
        let mut world = World::seeded(4).payments(2);
        world.crash_before_effect(1, effect);
        world.run(Until::Height(4));
        world
    };
    let effects = play(u64::MAX).effects(1);
    assert!(effects > 40, "only {effects} effects in four heights");
    // The first few are of its first start, before it can be told to crash.
    let started = World::seeded(4).effects(1);
    for effect in started + 1..=effects {
        let mut world = play(effect);
        world.heal();
        world.check();
        assert_eq!(world.figures().crashes.iter().sum::<u64>(), 1, "effect {effect}");
    }
}

#[test]
fn r11_a_full_disk_ends_the_process_and_leaves_nothing_half_done() {
    let mut world = World::seeded(11).payments(6);
    world.run(Until::Height(3));
    world.fill_disk(1, true);
    let before = world.height();
    world.run(Until::Ms(10_000));
    assert!(world.validator(1).is_none(), "it runs without being able to keep anything");
    assert!(world.height() > before, "three of four are a quorum");
    world.heal();
    world.check();
    let [.., full] = world.figures().crashes;
    assert!(full > 0);
}

#[test]
fn c25_a_rotten_bit_in_the_log_keeps_a_validator_from_voting_until_the_others_were_heard() {
    for seed in 1..=8 {
        let mut world = World::seeded(seed).payments(6);
        world.run(Until::Height(5));
        world.rot_disk(1);
        world.crash(1, Moment::BeforeSend);
        world.run(Until::Ms(15_000));
        let figures = world.figures();
        assert_eq!(
            (figures.salvaged, figures.refused_to_vote),
            (1, 1),
            "seed {seed}: it votes from a damaged log"
        );
        assert!(figures.regained == 1 && !world.has_lost_votes(1), "seed {seed}: it does not come back");
        world.heal();
        world.check();
    }
}

#[test]
fn r10_c4_a_vote_survives_a_crash_at_every_moment_of_every_step() {
    for moment in MOMENTS {
        for step in 0..STEPS {
            let mut world = World::seeded(u64::from(step)).payments(4);
            world.crash_after(1, step, moment);
            world.run(Until::Height(6));
            world.heal();
            world.check();
        }
    }
}

#[test]
fn r09_c17_a_machine_that_crashes_again_and_again_never_contradicts_itself() {
    for moment in MOMENTS {
        for seed in 1..=4 {
            let mut world = World::seeded(seed);
            for round in 0..40 {
                world.crash(round % 4, moment);
                world.run(Until::Ms(150));
            }
            world.heal();
            world.check();
        }
    }
}

#[test]
fn what_was_acknowledged_stands_after_the_power_went_for_everybody() {
    for seed in 1..=6 {
        let mut world = World::seeded(seed).payments(10);
        for _ in 0..8 {
            world.run(Until::Ms(700));
            world.black_out();
        }
        world.heal();
        world.check();
        assert!(world.figures().acknowledged > 10);
    }
}

#[test]
fn r13_two_machines_with_one_key_are_convicted_and_split_nobody() {
    let mut convictions = 0;
    for seed in 1..=6 {
        let mut world = World::twinned(seed).payments(6);
        world.storm(6000);
        world.heal();
        world.check();
        convictions += world.figures().convictions;
    }
    assert!(convictions > 0, "a validator that ran twice left no evidence");
}

#[test]
fn r29_after_an_hour_without_a_quorum_payments_go_on_within_half_a_minute() {
    let mut world = World::seeded(29).payments(6);
    world.run(Until::Height(3));
    world.isolate(0);
    world.isolate(1);
    world.run(Until::Ms(3_600_000));
    world.heal();
    world.check();
    assert!(world.figures().healed_in_ms < 30_000, "{} ms", world.figures().healed_in_ms);
    assert_eq!(world.figures().crashes.iter().sum::<u64>(), 0, "somebody had to be restarted");
}

/// The value that one in a hundred is above.
fn p99(latencies_ms: &[u64]) -> u64 {
    latencies_ms[latencies_ms.len() * 99 / 100]
}

/// p99 from submission to receipt over a minute: before a machine comes to harm, in the first 20 s
/// after, and later.
fn latencies_ms(harm: impl FnOnce(&mut World)) -> [u64; 3] {
    let mut world = World::seeded(30).payments(100_000);
    world.ask_only(&[0, 1, 2], 400);
    world.run(Until::Ms(60_000));
    let normal = world.take_latencies_ms();
    harm(&mut world);
    world.run(Until::Ms(20_000));
    let at_first = world.take_latencies_ms();
    world.run(Until::Ms(60_000));
    let later = world.take_latencies_ms();
    assert!(normal.len() > 500 && later.len() > 500, "{} and {}", normal.len(), later.len());
    let found = [p99(&normal), p99(&at_first), p99(&later)];
    println!("p99 from submission to receipt, ms: normal, at first, later: {found:?}");
    found
}

/// t_l of these worlds: the block interval and twice Δ.
const PATIENCE_MS: u64 = 50 + 2 * 250;

#[test]
fn r30_with_one_of_four_dead_a_receipt_takes_at_most_three_times_as_long() {
    let [normal, at_first, later] = latencies_ms(|world| world.stop(3));
    assert!(later <= 3 * normal, "{normal} ms, then {later} ms");
    // Until it is judged inactive (rule C15), each of its views is waited out.
    assert!(at_first <= 5 * normal, "{normal} ms, at first {at_first} ms");
}

#[test]
fn with_one_of_four_slow_a_receipt_waits_for_one_leaders_patience_at_most() {
    let [normal, at_first, later] = latencies_ms(|world| world.slow(3, 400));
    assert!(at_first.max(later) <= normal + PATIENCE_MS, "{normal} ms, then {at_first} and {later} ms");
}

#[test]
fn r21_c12_a_network_with_nothing_to_do_rests() {
    let mut world = World::seeded(21).payments(3);
    world.heal();
    let (before, height) = (world.happenings(), world.height());
    world.run(Until::Ms(60_000));
    // A heartbeat every five seconds, some hundred packets and turns each.
    assert!(world.height() >= height + 8, "the heartbeat stopped at {}", world.height());
    assert!(world.happenings() - before < 4000, "{} happenings in a minute", world.happenings() - before);
}

#[test]
fn r05_final_blocks_that_go_back_in_views_are_refused_and_nobody_stops() {
    let mut world = World::besieged(5).payments(4);
    world.run(Until::Height(4));
    let Some(last) = world.disk(1).finalized().last().cloned() else {
        panic!("nothing is final at height 4")
    };
    let mut finality = last.finality.clone();
    if let Finality::Voted { notarization, finalization, .. } = &mut finality {
        finalization.get_or_insert_with(|| notarization.clone());
    }
    for view in [0, 1, last.block.header.view.0, u64::MAX] {
        let mut header = last.block.header.clone();
        header.height = header.height.next();
        (header.parent, header.parent_view, header.view) = (header.hash(), header.view, View(view));
        let blocks = vec![SyncedBlock {
            block: VerifiedBlock::from_own_proposal(header, Vec::new()),
            finality: finality.clone(),
        }];
        world.inject(1, Event::Blocks { from: 0, blocks });
        world.run(Until::Ms(10));
    }
    world.heal();
    world.check();
}
