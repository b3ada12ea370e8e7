//! Whole validators in bad weather, seed after seed; members that misbehave, clocks that are wrong and
//! links that are poor, each by name.
#![allow(clippy::unwrap_used)]

use std::panic::catch_unwind;

use tests::world::{Character, Until, World, play, play_many};

/// About two minutes on two cores. `make sim` runs as many more as one likes.
const SEEDS: u64 = 500;
/// Worlds for each kind of misbehaviour.
const WORLDS: u64 = 4;
/// Ten minutes.
const TEN_MINUTES_MS: i64 = 600_000;

#[test]
fn whole_validators_survive_the_storms_of_500_seeds() {
    let report = play_many(1, SEEDS, false);
    println!("{report}");
    assert!(
        report.failed.is_empty(),
        "seeds that failed: {:?}; replay one with: make sim SEED=n",
        report.failed
    );
    // The storms were worth their name.
    let figures = report.figures;
    let [crashes @ .., full] = figures.crashes;
    assert!(
        crashes.iter().all(|crashes| *crashes > SEEDS / 2) && full > SEEDS / 10,
        "too few crashes of a kind"
    );
    assert!(figures.transactions > 10 * SEEDS && figures.lost > 100 * SEEDS, "too little happened");
    assert!(figures.rotten > SEEDS / 50 && figures.salvaged > SEEDS / 50, "too few disks rotted");
    let lost = figures.set_back.min(figures.logs_lost).min(figures.regained);
    assert!(lost > SEEDS / 10, "too few votes were lost and made up for");
    assert!(figures.clocks_left_wrong > SEEDS / 50, "too few clocks stayed wrong");
    assert!(figures.lines_left_slow > SEEDS / 100 && figures.unspread > SEEDS, "too few were left alone");
    assert!(figures.epochs > SEEDS / 4 && figures.recoveries > SEEDS / 100, "too few epochs");
    assert!(
        Character::FAULTY.iter().all(|c| figures.characters[*c as usize] > SEEDS / 50),
        "too few of a kind"
    );
    assert!(
        figures.equivocations > SEEDS && figures.convictions >= figures.equivocations,
        "too little evidence"
    );
}

/// A storm with these members, healing, everything checked; gives what happened.
fn survive(n: usize, faulty: &[Character]) -> tests::world::Figures {
    let mut figures = tests::world::Figures::default();
    for seed in 1..=WORLDS {
        let mut world = World::with(seed, n, faulty).payments(6);
        world.storm(4000);
        world.heal();
        world.check();
        figures.add(&world.figures());
    }
    assert!(figures.misdeeds > WORLDS, "{faulty:?} did nothing wrong");
    figures
}

#[test]
fn r13_an_equivocator_is_convicted_by_whoever_sees_both_halves_and_splits_nobody() {
    let figures = survive(4, &[Character::Equivocator]);
    assert!(figures.equivocations > 0 && figures.convictions >= figures.equivocations);
}

#[test]
fn a_withholder_stops_nobody() {
    survive(4, &[Character::Withholder]);
}

#[test]
fn r06_a_forger_is_believed_by_nobody() {
    survive(4, &[Character::Forger]);
}

#[test]
fn r05_a_forger_asked_for_what_was_missed_is_believed_by_nobody() {
    for seed in 1..=3 * WORLDS {
        let mut world = World::with(seed, 4, &[Character::Forger]).payments(20);
        world.run(Until::Height(2));
        // Its neighbour, whom it asks first when it comes back, is the forger.
        world.isolate(3);
        world.run(Until::Ms(25_000));
        world.heal();
        world.check();
    }
}

#[test]
fn a_nuller_stops_nobody_and_is_convicted() {
    assert!(survive(4, &[Character::Nuller]).convictions > 0);
}

#[test]
fn an_amnesiac_splits_nobody() {
    survive(4, &[Character::Amnesiac]);
}

#[test]
fn a_laggard_stops_nobody() {
    survive(4, &[Character::Laggard]);
}

#[test]
fn a_flooder_fills_nobodys_memory() {
    survive(4, &[Character::Flooder]);
}

#[test]
fn r12_c25_a_disk_set_back_to_an_old_image_is_noticed_and_its_validator_never_contradicts_itself() {
    // That nobody's evidence is against it, the checker sees to.
    let figures = survive(4, &[Character::Restored]);
    assert!(
        figures.refused_to_vote >= WORLDS && figures.regained >= WORLDS && figures.convictions == 0,
        "{figures:?}"
    );
}

#[test]
fn r12_c25_a_vote_log_lost_with_the_signers_memory_is_made_up_for_and_nothing_is_contradicted() {
    let figures = survive(4, &[Character::Bereft]);
    assert!(
        figures.refused_to_vote >= WORLDS && figures.regained >= WORLDS && figures.convictions == 0,
        "{figures:?}"
    );
}

#[test]
fn r12_a_machine_set_back_as_a_whole_is_two_copies_and_splits_nobody() {
    survive(4, &[Character::Copied]);
}

#[test]
fn r12_c25_each_of_four_loses_its_votes_in_turn_and_none_contradicts_itself() {
    for seed in 1..=WORLDS {
        let mut world = World::seeded(seed).payments(12);
        world.run(Until::Height(3));
        for turn in 0..12 {
            let at = turn % 4;
            match turn % 3 {
                0 => world.lose_log(at),
                1 => world.rot_disk_and_restart(at),
                _ => {
                    world.take_image(at);
                    world.run(Until::Ms(1500));
                    world.put_image_back(at, false);
                }
            }
            let lost = |world: &World| (0..4).any(|at| world.has_lost_votes(at));
            for _ in 0..100 {
                world.run(Until::Ms(300));
                if !lost(&world) {
                    break;
                }
            }
            assert!(!lost(&world), "seed {seed}, turn {turn}: it does not come back");
        }
        world.heal();
        world.check();
        assert!(world.figures().convictions == 0 && world.figures().regained >= 8);
    }
}

#[test]
fn l22_c18_members_come_and_go_in_the_storm_and_everybody_follows_from_genesis() {
    let mut figures = tests::world::Figures::default();
    for seed in 1..=3 * WORLDS {
        let faulty = [&[][..], &[Character::Equivocator], &[Character::Forger]][seed as usize % 3];
        let mut world = World::governed(seed, 4, 3, faulty).payments(10).changes(8);
        world.storm(20_000);
        world.heal();
        world.check();
        figures.add(&world.figures());
    }
    assert!(figures.epochs > 3 * WORLDS, "{} epochs", figures.epochs);
}

#[test]
fn l27_c24_when_more_than_f_are_gone_for_good_people_begin_again_with_all_that_was_acknowledged() {
    for seed in 1..=2 * WORLDS {
        let mut world = World::governed(seed, 4, 2, &[]).payments(8).with_sound_disks();
        world.storm(4000);
        world.lose_too_many();
        world.begin_again();
        world.heal();
        world.check();
        assert!(world.figures().epochs == 1 && world.figures().acknowledged > 0);
    }
}

#[test]
fn what_a_machine_with_a_slow_line_failed_to_spread_is_spread_again_and_booked() {
    for seed in 1..=WORLDS {
        let mut world = World::seeded(seed).payments(6);
        // Its proposals always come too late, so that only the others can book what it takes.
        world.ask_only(&[2], 500);
        world.slow(2, 5000);
        world.spread_nothing(2, true);
        world.run(Until::Ms(8000));
        world.spread_nothing(2, false);
        world.run(Until::Ms(20_000));
        assert!(!world.take_latencies_ms().is_empty(), "seed {seed}: nothing it took is booked");
        world.heal();
        world.check();
    }
}

#[test]
fn two_of_seven_misbehave_in_two_ways_and_split_nobody() {
    survive(7, &[Character::Equivocator, Character::Forger]);
    survive(7, &[Character::Nuller, Character::Withholder]);
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

#[test]
fn one_clock_of_four_ten_minutes_off_stops_nobody() {
    for (seed, ms) in [(1, TEN_MINUTES_MS), (2, -TEN_MINUTES_MS)] {
        let mut world = World::seeded(seed).payments(8);
        world.run(Until::Height(2));
        world.skew(3, ms);
        let before = world.height();
        world.run(Until::Ms(20_000));
        assert!(world.height() > before + 10, "{ms} ms: {} blocks in 20 s", world.height() - before);
        // And whoever is off learns what is final as the others do.
        let behind = world.height() - world.validator(3).map_or(0, |v| v.ledger().head().height.0);
        assert!(behind <= 2, "{ms} ms: {behind} blocks behind");
        world.check();
    }
}

#[test]
fn clocks_that_jump_everywhere_by_ten_minutes_lose_nothing() {
    for seed in 1..=WORLDS {
        let mut world = World::seeded(seed).payments(8);
        for jump in 0..12 {
            let far = TEN_MINUTES_MS / (1 + jump % 5);
            world.skew((jump % 4) as usize, if jump % 3 == 0 { -far } else { far });
            world.run(Until::Ms(400));
        }
        world.heal();
        world.check();
    }
}

#[test]
fn a_clock_set_back_while_catching_up_does_not_put_it_off() {
    let mut world = World::seeded(9).payments(4);
    world.run(Until::Height(3));
    world.isolate(2);
    world.run(Until::Ms(30_000));
    // It hears how far the others are, and asks them in vain.
    world.skew(2, TEN_MINUTES_MS);
    world.weather().calm_down();
    world.weather().mute(2);
    world.run(Until::Ms(6000));
    world.skew(2, 0);
    world.heal();
    world.check();
    let healed_in_ms = world.figures().healed_in_ms;
    assert!(healed_in_ms < 30_000, "{healed_in_ms} ms");
}

#[test]
fn ten_minutes_with_a_third_of_everything_lost_end_well() {
    let mut world = World::seeded(10).payments(12);
    world.weather().lose(333);
    world.run(Until::Ms(600_000));
    world.heal();
    world.check();
}

#[test]
fn links_that_carry_next_to_nothing_end_well() {
    let mut world = World::seeded(11).payments(12);
    world.weather().throttle(6);
    world.run(Until::Ms(30_000));
    world.heal();
    world.check();
}
