//! The real core explored: every course of three validators beside a faulty one, within bounds.
//!
//! First all short courses: depth d checks those of at most d - 2 actions. Few of them finalize a block, so then
//! come long courses drawn at random from fixed seeds. `DEPTH=d` goes deeper, `MODEL_SECONDS=` lets each run take
//! longer, `COURSES=count` draws more (`make model`, specs/model/README.md).

#![allow(clippy::unwrap_used)]
#![allow(dead_code)] // Another program uses the rest of what they share.

#[path = "model/blocks.rs"]
mod blocks;
#[path = "model/explore.rs"]
mod explore;
#[path = "model/validator.rs"]
mod validator;

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use explore::{AGREEMENT, Bounds, Courses, DURABLE_FIRST, EXCLUSIONS, FINAL, ONE_HISTORY, OWN_VOTES};
use stateright::{Checker, HasDiscoveries, Model};

/// A course drawn at random has at most so many steps.
const COURSE_STEPS: usize = 60;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// Explores all courses up to a depth; nothing may be found but that blocks become final.
fn holds(what: &str, bounds: Bounds, depth: u64) {
    let depth = setting("DEPTH", depth);
    let started = Instant::now();
    let checker = Courses(bounds)
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AnyFailures)
        .target_max_depth(depth as usize)
        .timeout(Duration::from_secs(setting("MODEL_SECONDS", 120)))
        .spawn_bfs()
        .join();
    let elapsed = started.elapsed();
    println!(
        "{what}: {} states, {} different, depth {}, {:.1} s; {bounds:?}",
        checker.state_count(),
        checker.unique_state_count(),
        checker.max_depth(),
        elapsed.as_secs_f64(),
    );
    for (name, path) in checker.discoveries() {
        assert_eq!(name, FINAL, "broken by {:?}", path.into_actions());
    }
    assert!(checker.max_depth() as u64 >= depth.min(6), "{what}: only depth {} in time", checker.max_depth());
}

/// Something is planted; one of these properties must be seen broken.
fn breaks(what: &str, bounds: Bounds, names: &[&'static str]) {
    let started = Instant::now();
    let checker = Courses(bounds)
        .checker()
        .threads(2)
        .finish_when(HasDiscoveries::AnyOf(names.iter().copied().collect()))
        .timeout(Duration::from_secs(120))
        .spawn_bfs()
        .join();
    let found = names.iter().find_map(|name| Some((name, checker.discovery(name)?)));
    let (name, path) = found.unwrap_or_else(|| panic!("{what}: nobody noticed in {:?}", started.elapsed()));
    println!(
        "planted, {what}: {} states, {:.1} s; broken: {name}, by {:?}",
        checker.state_count(),
        started.elapsed().as_secs_f64(),
        path.into_actions(),
    );
}

#[test]
fn c1_to_c8_no_course_without_a_crash_breaks_safety() {
    holds("no crash, faulty leader first", Bounds { crashes: 0, ..Bounds::default() }, 9);
    holds("no crash, faulty leader second", Bounds { crashes: 0, faulty: 1, ..Bounds::default() }, 8);
}

#[test]
fn c4_c17_no_crash_at_any_effect_breaks_safety() {
    holds("one crash", Bounds::default(), 8);
    holds("two crashes, three views", Bounds { crashes: 2, views: 3, ..Bounds::default() }, 7);
}

#[test]
fn c17_who_lost_its_log_votes_again_two_views_on_and_contradicts_nothing() {
    holds("one lost log", Bounds { losses: 1, crashes: 0, ..Bounds::default() }, 8);
    holds("a crash and a lost log", Bounds { losses: 1, crashes: 1, ..Bounds::default() }, 7);
}

#[test]
fn c1_to_c17_no_long_course_drawn_at_random_breaks_safety() {
    let courses = setting("COURSES", 10_000);
    let started = Instant::now();
    let (mut steps, mut heights) = (0, BTreeSet::new());
    for seed in 0..courses {
        let bounds = Bounds {
            faulty: (seed % 4) as u16,
            views: 3,
            crashes: (seed / 4 % 4) as u32,
            losses: (seed / 16 % 2) as u32,
            ..Bounds::default()
        };
        let walked = explore::walk(&Courses(bounds), seed, COURSE_STEPS);
        let (walked_steps, height) =
            walked.unwrap_or_else(|broken| panic!("seed {seed}, {bounds:?}: {broken}"));
        steps += walked_steps;
        heights.insert(height);
    }
    println!(
        "{courses} courses of {steps} steps, heights {heights:?}, {:.1} s",
        started.elapsed().as_secs_f64()
    );
    assert!(heights.contains(&2), "no course finalized two blocks: {heights:?}");
}

#[test]
fn c6_a_quorum_one_too_small_is_noticed() {
    let bounds = Bounds { quorum: 2, crashes: 0, ..Bounds::default() };
    breaks("quorum one too small", bounds, &[EXCLUSIONS, AGREEMENT, ONE_HISTORY]);
}

#[test]
fn c4_a_vote_sent_before_it_is_durable_is_noticed() {
    let bounds = Bounds { durable_first: false, ..Bounds::default() };
    breaks("vote sent before it is durable", bounds, &[DURABLE_FIRST]);
    breaks("vote sent before it is durable", bounds, &[OWN_VOTES]);
}

#[test]
fn c7_a_finalize_after_a_forgotten_nullify_is_noticed() {
    let bounds = Bounds { nullifies_restored: false, ..Bounds::default() };
    breaks("finalize after nullify", bounds, &[OWN_VOTES]);
}

#[test]
fn c17_voting_again_one_view_too_early_after_a_loss_is_noticed() {
    for vote_from in [0, 1] {
        let bounds = Bounds { losses: 1, crashes: 0, vote_from, ..Bounds::default() };
        breaks(&format!("voting again from M + {vote_from}"), bounds, &[OWN_VOTES, EXCLUSIONS]);
    }
}
