//! The figures and choices of specs/consensus.md that a core could get wrong without anybody getting
//! unsafe or stuck at once: how long, how many, whom first, which of two.

#![allow(dead_code)] // Each test program uses its part of what they share.
#![allow(clippy::unwrap_used)]

mod bench;

use std::collections::BTreeSet;

use bench::*;
use consensus::Config;
use consensus::event::{Effect, Input, Justification, Message, To};
use ledger::block::{Header, View};
use ledger::certificate::Certificate;
use ledger::time::Timestamp;

/// A bench in a view that we lead, on a parent of the view before; our block is built, not yet proposed.
fn building() -> (Bench, Header, Header) {
    let mut bench = Bench::new();
    let view = bench.view_led(2, true);
    let parent = bench.block(view - 1, &genesis(), 1);
    bench.propose(&parent);
    bench.valid(&parent);
    bench.feed(Input::Work { waiting: true });
    bench.certify(notarize(&parent));
    let block = bench.block(view, &parent, 1);
    assert_eq!(casts(&bench.feed(Input::Built { header: block.clone() })), [notarize(&block)]);
    (bench, parent, block)
}

#[test]
fn c2_a_leader_waits_for_the_block_interval_and_no_longer_for_a_parent_whose_clock_runs_ahead() {
    let (mut bench, _) = Bench::with(4, Config { block_interval_ms: 5000, ..CONFIG });
    let view = bench.view_led(1, true);
    (1..view).for_each(|skipped| drop(bench.certify(nullify(skipped))));
    assert_eq!(builds(&bench.feed(Input::Work { waiting: true })), []);
    // Genesis is half a second old.
    assert_eq!(builds(&bench.pass(4499)), []);
    assert_eq!(builds(&bench.pass(1)).len(), 1);

    let mut bench = Bench::new();
    let view = bench.view_led(2, true);
    let mut parent = bench.block(view - 1, &genesis(), 1);
    parent.time = Timestamp(bench.now + 400);
    bench.propose(&parent);
    bench.valid(&parent);
    bench.feed(Input::Work { waiting: true });
    bench.certify(notarize(&parent));
    assert_eq!(builds(&bench.pass(CONFIG.block_interval_ms - 1)), []);
    assert_eq!(builds(&bench.pass(1)).len(), 1);
}

#[test]
fn c2_a_block_not_executed_here_is_passed_over_once_its_own_view_is_skipped() {
    let mut bench = Bench::new();
    let view = bench.view_led(2, true);
    let missing = bench.block(view - 1, &genesis(), 1);
    let mut effects = bench.feed(Input::Work { waiting: true });
    effects.extend(bench.certify(notarize(&missing)));
    (1..view - 1).for_each(|skipped| effects.extend(bench.certify(nullify(skipped))));
    assert_eq!(builds(&effects), []);
    let effects = bench.certify(nullify(view - 1));
    assert_eq!(builds(&effects), [(View(view), View(0), genesis().hash())]);
}

#[test]
fn c2_a_proposal_carries_the_parents_notarization_and_the_newest_nullifications_of_a_long_gap() {
    let (mut bench, parent, block) = building();
    bench.certify(finalize(&parent));
    let effects = bench.vote(0, notarize(&block));
    let [(_, justification)] = &proposes(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(justification.parent, Some(certificate(notarize(&parent))), "voters need it for C8");

    let mut bench = Bench::new();
    let view = bench.view_led(7, true);
    bench.feed(Input::Work { waiting: true });
    (1..view).for_each(|skipped| drop(bench.certify(nullify(skipped))));
    let block = bench.block(view, &genesis(), 1);
    bench.feed(Input::Built { header: block.clone() });
    let effects = bench.vote(0, notarize(&block));
    let [(_, justification)] = &proposes(&effects)[..] else { panic!("{effects:?}") };
    let newest = view - CONFIG.skips_max as u64..view;
    assert_eq!(justification.skips, newest.map(|skipped| certificate(nullify(skipped))).collect::<Vec<_>>());
}

#[test]
fn c11_the_wait_grows_with_the_views_entered_since_the_newest_finalization_known() {
    for (k, delta_ms) in [(3, 1000), (4, 1500), (5, 2250), (6, 3375)] {
        let mut bench = Bench::new();
        let view = k + 1;
        if bench.core.leader(View(view)) == 0 {
            continue;
        }
        bench.go_to(view);
        bench.feed(Input::Work { waiting: true });
        assert_eq!(casts(&bench.pass(CONFIG.block_interval_ms + 2 * delta_ms - 1)), [], "k = {k}");
        assert_eq!(casts(&bench.pass(1)), [nullify(view)], "k = {k}");
    }
    // Known is enough: the block itself is not here.
    let mut bench = Bench::new();
    let view = bench.view_led(8, false);
    bench.certify(finalize(&bench.block(view - 1, &genesis(), 1)));
    bench.feed(Input::Work { waiting: true });
    assert_eq!(casts(&bench.pass(LEADER_MS - 1)), []);
    assert_eq!(casts(&bench.pass(1)), [nullify(view)]);
}

#[test]
fn c12_what_arms_a_leader_does_not_make_it_build_and_a_guests_question_does_neither() {
    let mut bench = Bench::new();
    let first = bench.notarized(1, &genesis());
    bench.certify(finalize(&first));
    let view = bench.view_led(2, true);
    (2..view).for_each(|skipped| drop(bench.certify(nullify(skipped))));
    bench.pass(5000);
    let resting = bench.core.wake_at();
    bench.feed(Input::StatusRequest { from: 9 });
    assert_eq!(bench.core.wake_at(), resting);
    assert_eq!(builds(&bench.vote(2, nullify(view + 1))), []);
    assert!(bench.core.wake_at() < resting, "but its clocks run");
    assert_eq!(builds(&bench.feed(Input::StatusRequest { from: 2 })).len(), 1);
}

#[test]
fn c13_the_first_retry_asks_the_leader() {
    let mut bench = Bench::new();
    let view = bench.view_led(3, false);
    bench.go_to(view);
    bench.feed(Input::Work { waiting: true });
    let asked = |effects: &[Effect]| -> Vec<To> {
        let of = |(to, message)| (message == Message::StatusRequest).then_some(to);
        sent(effects).into_iter().filter_map(of).collect()
    };
    let first_ms = CONFIG.block_interval_ms + CONFIG.delta_ms / 2;
    assert_eq!(asked(&bench.pass(first_ms)), []);
    let effects = bench.pass(CONFIG.delta_ms / 4 + 1);
    assert_eq!(asked(&effects), [To::One(bench.core.leader(View(view)))]);
}

#[test]
fn c13_a_leaders_retry_sends_its_proposal_again() {
    let (mut bench, _, block) = building();
    assert_eq!(proposes(&bench.vote(0, notarize(&block))).len(), 1);
    let again = bench.pass(CONFIG.block_interval_ms + CONFIG.delta_ms);
    assert_eq!(proposes(&again).iter().map(|(proposed, _)| *proposed).collect::<Vec<_>>(), [block.hash()]);
}

#[test]
fn c13_a_retry_says_the_four_newest_open_finalize_votes_again() {
    let mut bench = Bench::new();
    let mut chain = vec![genesis()];
    for view in 1..7 {
        let block = bench.notarized(view, &chain[chain.len() - 1]);
        bench.vote(0, finalize(&block));
        chain.push(block);
    }
    // Six views without finality: Δ is 3375 ms, and the first retry comes before it has passed.
    let effects = bench.pass(3000);
    let again: BTreeSet<View> = sent(&effects)
        .into_iter()
        .filter_map(|(_, message)| match message {
            Message::Vote(vote) if chain.iter().any(|block| vote.statement == finalize(block)) => {
                Some(vote.statement.view())
            }
            _ => None,
        })
        .collect();
    assert_eq!(again, (3..7).map(View).collect());
}

#[test]
fn c14_in_a_large_committee_four_are_asked_at_a_time_and_everybody_in_turn() {
    let (mut bench, _) = Bench::with(20, CONFIG);
    let block = bench.block(1, &genesis(), 1);
    bench.certify(finalize(&block));
    bench.feed(Input::Fetched { header: block.clone() });
    let peers = |effects: &[Effect]| -> Vec<u16> {
        let of = |(to, message)| match (to, message) {
            (To::One(peer), Message::CertificateRequest(View(1))) => Some(peer),
            (to, message) => {
                assert!(!matches!(message, Message::CertificateRequest(_)), "{to:?}");
                None
            }
        };
        sent(effects).into_iter().filter_map(of).collect()
    };
    let mut asked = BTreeSet::new();
    for _ in 0..5 {
        let effects = bench.pass(CONFIG.delta_max_ms + CONFIG.delta_max_ms / 4);
        asked.extend(peers(&effects));
        assert!(peers(&effects).len() % 4 == 0);
    }
    assert_eq!(asked, (1..20).collect());
}

#[test]
fn c14_who_is_far_behind_looks_only_at_what_is_near_its_tip() {
    for far in [false, true] {
        let mut bench = Bench::new();
        let view = bench.view_led(100, false);
        let block = bench.block(view, &genesis(), 1);
        if far {
            bench.certify(finalize(&bench.block(500, &genesis(), 1)));
        }
        bench.propose(&block);
        bench.certify(notarize(&block));
        let cast = casts(&bench.valid(&block));
        assert_eq!(cast == [finalize(&block)], !far, "{cast:?}");
    }
}

#[test]
fn c15_only_a_vote_of_about_now_shows_that_a_leader_is_alive() {
    for (age, skipped) in [(4, false), (5, true)] {
        let (mut bench, _) = Bench::with(4, Config { leader_skip_views: 50, ..CONFIG });
        let first = bench.view_led(1, false);
        let mute = bench.core.leader(View(first));
        bench.go_to(first);
        bench.feed(Input::Work { waiting: true });
        assert_eq!(casts(&bench.pass(LEADER_MS)), [nullify(first)]);
        let again = (12..).find(|view| bench.core.leader(View(*view)) == mute).unwrap();
        bench.go_to(again - 1);
        bench.vote(mute, nullify(again - 1 - age));
        assert_eq!(casts(&bench.go_to(again)) == [nullify(again)], skipped, "a vote {age} views old");
    }
}

#[test]
fn c15_with_zero_views_nobody_is_skipped_for_any_reason() {
    let mut bench = Bench::new();
    assert_eq!(CONFIG.leader_skip_views, 0);
    let view = bench.view_led(1, false);
    let leader = bench.core.leader(View(view));
    bench.go_to(view);
    bench.feed(Input::Link { peer: leader, up: false });
    assert_eq!(casts(&bench.feed(Input::Work { waiting: true })), []);
    assert_eq!(casts(&bench.pass(LEADER_MS)), [nullify(view)]);
    let again = (view + 1..).find(|view| bench.core.leader(View(*view)) == leader).unwrap();
    assert_eq!(casts(&bench.go_to(again)), [], "waited for in vain, and its link is down");
}

#[test]
fn c16_no_more_than_32_questions_of_a_kind_are_out_at_a_time() {
    let mut bench = Bench::new();
    let view = bench.view_led(100, false);
    let skips: Vec<Certificate> = vec![certificate(nullify(view - 1))];
    let block = bench.block(view, &genesis(), 1);
    let effects = bench.propose_with(&block, Justification { parent: None, skips });
    assert_eq!(asked(&effects), (view - 33..view - 1).rev().collect::<Vec<_>>());

    let mut bench = Bench::new();
    let blocks: Vec<Header> = (1..41).map(|view| bench.block(view, &genesis(), 1)).collect();
    let effects: Vec<Effect> = blocks.iter().flat_map(|block| bench.certify(notarize(block))).collect();
    assert_eq!(fetches(&effects).len(), 32);
    let effects = bench.feed(Input::Fetched { header: blocks[0].clone() });
    assert_eq!(fetches(&effects).len(), 1, "an answer makes room for the next");
}
