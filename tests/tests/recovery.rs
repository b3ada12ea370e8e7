//! Crashes and restarts: whatever was promised before stands after.

use ledger::block::{VerifiedBlock, View};
use ledger::finality::Finality;
use node::validator::{Event, SyncedBlock};
use tests::world::{Moment, Until, World};

/// Steps that keep something, in the first heights of a world, several times over.
const STEPS: u32 = 36;

#[test]
fn r10_c4_a_vote_survives_a_crash_at_every_moment_of_every_step() {
    for moment in [Moment::BeforePersist, Moment::BeforeSend, Moment::MidSend] {
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
    for moment in [Moment::BeforePersist, Moment::BeforeSend, Moment::MidSend] {
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
    let Some(last) = world.disk(1).finalized.last().cloned() else { panic!("nothing is final at height 4") };
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
