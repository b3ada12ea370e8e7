//! Rules C1 to C10 on the bench: what a core says, and what it refuses to say.

#![allow(dead_code)] // Each test program uses its part of what they share.
#![allow(clippy::unwrap_used)]

mod bench;

use bench::*;
use consensus::Config;
use consensus::event::{Effect, Evidence, HaltReason, Input, Justification, Message, To};
use ledger::block::{BlockHash, Header, Height, View};
use ledger::certificate::Statement;
use ledger::digest::Digest;
use ledger::time::Timestamp;

#[test]
fn c1_a_view_is_entered_by_each_kind_of_certificate_and_from_any_distance() {
    let mut bench = Bench::new();
    let block = bench.block(1, &genesis(), 1);
    bench.certify(notarize(&block));
    assert_eq!(bench.core.view(), View(2));
    bench.certify(nullify(2));
    assert_eq!(bench.core.view(), View(3));
    bench.certify(nullify(1_000_000));
    assert_eq!(bench.core.view(), View(1_000_001));
    let far = bench.block(2_000_000, &genesis(), 1);
    bench.certify(finalize(&far));
    assert_eq!(bench.core.view(), View(2_000_001));
}

#[test]
fn c1_a_view_never_goes_back() {
    let mut bench = Bench::new();
    bench.certify(nullify(9));
    for view in 1..9 {
        bench.certify(nullify(view));
        assert_eq!(bench.core.view(), View(10));
    }
}

#[test]
fn c1_no_timer_advances_a_view() {
    let mut bench = Bench::new();
    bench.feed(Input::Work { waiting: true });
    bench.pass(3_600_000);
    assert_eq!(bench.core.view(), View(1));
}

#[test]
fn c1_a_view_that_cannot_be_counted_on_from_is_refused() {
    let mut bench = Bench::new();
    for view in [u64::MAX, u64::MAX - 1, 1 << 63, 0] {
        bench.certify(nullify(view));
        bench.vote(1, nullify(view));
        assert_eq!(bench.core.view(), View(1));
    }
}

/// A bench in a view that we lead, with work waiting and the interval over.
fn leading() -> (Bench, u64, Header, Vec<Effect>) {
    let mut bench = Bench::new();
    let view = bench.view_led(2, true);
    bench.go_to(view - 1);
    // The view before has a block, so that the parent is clear.
    let parent = bench.block(view - 1, &genesis(), 1);
    for skipped in 1..view - 1 {
        bench.certify(nullify(skipped));
    }
    bench.propose(&parent);
    bench.valid(&parent);
    bench.feed(Input::Work { waiting: true });
    let mut effects = bench.certify(notarize(&parent));
    effects.extend(bench.pass(CONFIG.block_interval_ms));
    (bench, view, parent, effects)
}

#[test]
fn c2_a_leader_builds_once_on_the_highest_notarized_block() {
    let (mut bench, view, parent, effects) = leading();
    assert_eq!(builds(&effects), [(View(view), View(view - 1), parent.hash())]);
    let later = bench.pass(1000);
    assert_eq!(builds(&later), []);
}

#[test]
fn c2_a_leader_whose_parent_is_older_than_the_interval_builds_at_once() {
    let mut bench = Bench::new();
    let view = bench.view_led(1, true);
    bench.feed(Input::Work { waiting: true });
    let mut effects = bench.go_to(view);
    for skipped in 1..view {
        effects.extend(bench.certify(nullify(skipped)));
    }
    assert_eq!(builds(&effects).len(), 1);
}

#[test]
fn c2_c4_a_block_is_proposed_only_when_our_vote_for_it_has_come_back() {
    let (mut bench, view, parent, _) = leading();
    let block = bench.block(view, &parent, 1);
    let effects = bench.feed(Input::Built { header: block.clone() });
    assert_eq!(casts(&effects), [notarize(&block)]);
    assert_eq!(proposes(&effects), []);
    let effects = bench.vote(0, notarize(&block));
    let [(proposed, justification)] = &proposes(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!(*proposed, block.hash());
    assert_eq!(justification.parent, Some(certificate(notarize(&parent))));
    assert_eq!(justification.skips, []);
}

#[test]
fn c2_a_block_built_too_late_is_dropped() {
    let (mut bench, view, parent, _) = leading();
    let block = bench.block(view, &parent, 1);
    bench.certify(nullify(view));
    assert_eq!(casts(&bench.feed(Input::Built { header: block })), []);
    let (mut bench, view, parent, _) = leading();
    let block = bench.block(view, &parent, 1);
    let given_up = bench.pass(LEADER_MS);
    assert_eq!(casts(&given_up), [nullify(view)]);
    assert_eq!(casts(&bench.feed(Input::Built { header: block })), []);
}

#[test]
fn c2_a_leader_who_lacks_certificates_asks_and_gives_up_after_half_the_time() {
    let (mut bench, _) = Bench::with(4, Config { delta_max_ms: CONFIG.delta_ms, ..CONFIG });
    let view = bench.view_led(5, true);
    bench.feed(Input::Work { waiting: true });
    let effects = bench.go_to(view);
    assert_eq!(asked(&effects), (1..view - 1).rev().collect::<Vec<_>>());
    assert_eq!(casts(&bench.pass(LEADER_MS / 2 - 1)), []);
    assert_eq!(casts(&bench.pass(1)), [nullify(view)]);
}

#[test]
fn c2_a_leader_builds_as_soon_as_the_missing_certificates_arrive_of_either_kind() {
    let mut bench = Bench::new();
    let view = bench.view_led(4, true);
    bench.feed(Input::Work { waiting: true });
    bench.go_to(view);
    let parent = bench.block(1, &genesis(), 1);
    let mut effects = Vec::new();
    for skipped in 2..view {
        effects.extend(bench.certify(nullify(skipped)));
    }
    assert_eq!(builds(&effects), []);
    let effects = bench.certify(notarize(&parent));
    assert_eq!((fetches(&effects), builds(&effects)), (vec![parent.hash()], vec![]));
    let effects = bench.feed(Input::Fetched { header: parent.clone() });
    assert_eq!((checks(&effects), builds(&effects)), (vec![parent.hash()], vec![]));
    assert_eq!(builds(&bench.valid(&parent)), [(View(view), View(1), parent.hash())]);
}

#[test]
fn c3_a_valid_proposal_gets_our_vote_once() {
    let mut bench = Bench::new();
    let view = bench.view_led(1, false);
    let block = bench.block(view, &genesis(), 1);
    let effects = bench.propose(&block);
    assert_eq!((checks(&effects), casts(&effects)), (vec![block.hash()], vec![]));
    assert_eq!(casts(&bench.valid(&block)), [notarize(&block)]);
    assert_eq!(casts(&bench.propose(&block)), []);
    assert_eq!(casts(&bench.valid(&block)), []);
}

#[test]
fn c3_a_leader_who_proposes_two_blocks_gets_one_vote_and_is_convicted() {
    let mut bench = Bench::new();
    let view = bench.view_led(1, false);
    let (one, other) = (bench.block(view, &genesis(), 1), bench.block(view, &genesis(), 2));
    bench.propose(&one);
    let effects = bench.propose(&other);
    let leader = one.proposer;
    let evidence = Evidence { first: vote(leader, notarize(&one)), second: vote(leader, notarize(&other)) };
    assert!(effects.contains(&Effect::Evidence(evidence)));
    assert_eq!(checks(&effects), []);
    assert_eq!(casts(&bench.valid(&one)), [notarize(&one)]);
    assert_eq!(casts(&bench.valid(&other)), []);
}

#[test]
fn c3_nothing_is_notarized_after_the_view_was_given_up() {
    let mut bench = Bench::new();
    let view = bench.view_led(1, false);
    let block = bench.block(view, &genesis(), 1);
    bench.propose(&block);
    assert_eq!(casts(&bench.pass(VIEW_MS)), [nullify(view)]);
    assert_eq!(casts(&bench.valid(&block)), []);
}

#[test]
fn c3_a_block_of_a_past_view_is_kept_and_not_voted_for() {
    let mut bench = Bench::new();
    let view = bench.view_led(1, false);
    let block = bench.block(view, &genesis(), 1);
    bench.certify(nullify(view));
    let effects = bench.propose(&block);
    assert_eq!((checks(&effects), casts(&effects)), (vec![], vec![]));
    let effects = bench.certify(notarize(&block));
    assert_eq!((fetches(&effects), checks(&effects)), (vec![], vec![block.hash()]), "kept, so not fetched");
    assert_eq!(casts(&bench.valid(&block)), [], "no finalize vote beside a nullification");
}

#[test]
fn c3_a_proposal_brings_along_what_it_rests_on() {
    let mut bench = Bench::new();
    let parent = bench.block(1, &genesis(), 1);
    let view = bench.view_led(4, false);
    let block = bench.block(view, &parent, 1);
    let effects = bench.propose(&block);
    assert_eq!(bench.core.view(), View(view), "its certificates led us there");
    assert_eq!(fetches(&effects), [parent.hash()]);
    assert_eq!(checks(&bench.feed(Input::Fetched { header: parent.clone() })), [parent.hash()]);
    assert_eq!(checks(&bench.valid(&parent)), [block.hash()], "a block after its parent");
    assert_eq!(casts(&bench.valid(&block)), [notarize(&block)]);
}

#[test]
fn c3_an_older_parent_than_the_highest_notarized_is_accepted_if_the_views_since_are_nullified() {
    let mut bench = Bench::new();
    let old = bench.notarized(1, &genesis());
    bench.notarized(2, &old);
    let view = bench.view_led(3, false);
    bench.go_to(view);
    let block = bench.block(view, &old, 1);
    bench.propose(&block);
    assert_eq!(casts(&bench.valid(&block)), [notarize(&block)], "a voter has no lock");
}

#[test]
fn c3_a_split_in_which_both_sides_hold_a_certificate_is_healed_by_the_proposal() {
    // We hold a nullification of view 1; the leader of view 2 a notarization.
    let mut bench = Bench::new();
    bench.certify(nullify(1));
    let theirs = bench.block(1, &genesis(), 1);
    let view = bench.view_led(2, false);
    let block = bench.block(view, &theirs, 1);
    let effects = bench.propose(&block);
    assert_eq!(halts(&effects), []);
    bench.feed(Input::Fetched { header: theirs.clone() });
    bench.valid(&theirs);
    assert_eq!(casts(&bench.valid(&block)), [notarize(&block)]);
}

#[test]
fn c3_a_long_gap_is_shown_in_part_and_the_rest_asked_for() {
    let mut bench = Bench::new();
    let view = bench.view_led(9, false);
    let block = bench.block(view, &genesis(), 1);
    let skips = (view - 2..view).map(|skipped| certificate(nullify(skipped))).collect();
    let effects = bench.propose_with(&block, Justification { parent: None, skips });
    assert_eq!(asked(&effects), (1..view - 2).rev().collect::<Vec<_>>());
    bench.valid(&block);
    let mut effects = Vec::new();
    for skipped in 1..view - 2 {
        assert_eq!(casts(&effects), []);
        effects = bench.certify(nullify(skipped));
    }
    assert_eq!(casts(&effects), [notarize(&block)]);
}

#[test]
fn c3_a_proposal_that_does_not_hold_together_is_refused() {
    let good = Bench::new();
    let view = good.view_led(4, false);
    let parent = good.block(1, &genesis(), 1);
    let block = good.block(view, &parent, 1);
    let right = Justification {
        parent: Some(certificate(notarize(&parent))),
        skips: (2..view).map(|view| certificate(nullify(view))).collect(),
    };
    let wrong_header = |change: &dyn Fn(&mut Header)| {
        let mut header = block.clone();
        change(&mut header);
        proposal(&header, right.clone())
    };
    let wrong_reason = |change: &dyn Fn(&mut Justification)| {
        let mut justification = right.clone();
        change(&mut justification);
        proposal(&block, justification)
    };
    let other_leader = (block.proposer + 1) % 4;
    for (what, input) in [
        ("version", wrong_header(&|header| header.version += 1)),
        ("chain", wrong_header(&|header| header.chain = Digest([9; 32]))),
        ("epoch", wrong_header(&|header| header.epoch = header.epoch.next())),
        ("proposer", wrong_header(&|header| header.proposer = other_leader)),
        ("no such proposer", wrong_header(&|header| header.proposer = 400)),
        ("parent view", wrong_header(&|header| header.parent_view = header.view)),
        ("parent", wrong_header(&|header| header.parent = BlockHash::default())),
        ("no parent", wrong_reason(&|why| why.parent = None)),
        ("another parent", wrong_reason(&|why| why.parent = Some(certificate(nullify(1))))),
        ("a hole", wrong_reason(&|why| drop(why.skips.remove(1)))),
        ("not up to the view", wrong_reason(&|why| drop(why.skips.pop()))),
        ("no skips", wrong_reason(&|why| why.skips.clear())),
        ("one too many", wrong_reason(&|why| why.skips.insert(0, certificate(nullify(1))))),
        ("not nullified", wrong_reason(&|why| why.skips[0] = certificate(notarize(&parent)))),
    ] {
        let mut bench = Bench::new();
        let effects = bench.feed(input);
        assert_eq!(bench.core.stats().refused, 1, "{what}");
        assert!(!effects.iter().any(|effect| matches!(effect, Effect::Check { .. })), "{what}");
        assert_eq!(bench.core.view(), View(1), "{what}");
    }
    let mut bench = Bench::new();
    bench.feed(proposal(&block, right));
    assert_eq!((bench.core.stats().refused, bench.core.view()), (0, View(view)));
}

#[test]
fn c3_somebody_elses_vote_does_not_make_a_proposal() {
    let mut bench = Bench::new();
    let view = bench.view_led(1, false);
    let block = bench.block(view, &genesis(), 1);
    let Input::Proposal(mut proposal) = proposal(&block, Justification { parent: None, skips: vec![] })
    else {
        unreachable!()
    };
    proposal.vote.signer = (proposal.vote.signer + 1) % 4;
    assert_eq!(checks(&bench.feed(Input::Proposal(proposal))), []);
}

#[test]
fn c3_a_header_that_does_not_follow_its_parent_is_invalid_without_asking_the_books() {
    for change in [
        (|header: &mut Header| header.height = header.height.next()) as fn(&mut Header),
        |header| header.height = Height(0),
        |header| header.time = genesis().time,
    ] {
        let mut bench = Bench::new();
        let view = bench.view_led(1, false);
        let mut block = bench.block(view, &genesis(), 1);
        change(&mut block);
        let effects = bench.propose(&block);
        assert_eq!(checks(&effects), []);
        assert_eq!(casts(&effects), [nullify(view)], "as if it had not come");
    }
}

#[test]
fn c3_a_time_ahead_of_our_clock_is_waited_for_and_not_refused() {
    let mut bench = Bench::new();
    let view = bench.view_led(1, false);
    let mut block = bench.block(view, &genesis(), 1);
    block.time = Timestamp(bench.now + CONFIG.drift_ms + 300);
    bench.propose(&block);
    assert_eq!(casts(&bench.valid(&block)), []);
    assert_eq!(casts(&bench.pass(299)), []);
    assert_eq!(casts(&bench.pass(1)), [notarize(&block)]);
    assert_eq!(bench.core.stats().ahead_of_clock, 1);
}

#[test]
fn c5_the_reasons_to_give_a_view_up() {
    let work = |bench: &mut Bench| drop(bench.feed(Input::Work { waiting: true }));
    // No proposal in time.
    let mut bench = Bench::new();
    let view = bench.view_led(1, false);
    bench.go_to(view);
    work(&mut bench);
    assert_eq!(casts(&bench.pass(LEADER_MS - 1)), []);
    assert_eq!(casts(&bench.pass(1)), [nullify(view)]);
    // A proposal, but no certificate in time.
    let mut bench = Bench::new();
    bench.go_to(view);
    let block = bench.block(view, &genesis(), 1);
    bench.propose(&block);
    assert_eq!(casts(&bench.valid(&block)), [notarize(&block)]);
    assert_eq!(casts(&bench.pass(VIEW_MS - 1)), []);
    assert_eq!(casts(&bench.pass(1)), [nullify(view)]);
    // The leader gave up.
    let mut bench = Bench::new();
    bench.go_to(view);
    let leader = bench.core.leader(View(view));
    assert_eq!(casts(&bench.vote((1..4).find(|v| *v != leader).unwrap(), nullify(view))), []);
    assert_eq!(casts(&bench.vote(leader, nullify(view))), [nullify(view)]);
    // The proposal is invalid.
    let mut bench = Bench::new();
    bench.go_to(view);
    bench.propose(&block);
    let effects = bench.feed(Input::Checked { block: block.hash(), valid: false });
    assert_eq!(casts(&effects), [nullify(view)]);
}

#[test]
fn c5_a_view_is_given_up_once() {
    let mut bench = Bench::new();
    bench.feed(Input::Work { waiting: true });
    let effects = bench.pass(600_000);
    assert_eq!(casts(&effects), [nullify(1)]);
}

#[test]
fn c6_a_quorum_of_votes_makes_each_certificate() {
    let mut bench = Bench::new();
    let block = bench.block(1, &genesis(), 1);
    for statement in [notarize(&block), nullify(2), finalize(&block)] {
        for signer in [1, 2] {
            bench.vote(signer, statement);
            assert!(!bench.core.knows(&statement));
        }
        let effects = bench.vote(3, statement);
        assert!(bench.core.knows(&statement));
        assert!(
            effects.iter().any(|effect| matches!(effect, Effect::Keep(kept) if kept.statement == statement))
        );
        let told = sent(&effects).into_iter().any(|(to, message)| {
            to == To::All && matches!(message, Message::Certificate(of) if of.statement == statement)
        });
        assert!(told, "who forms a certificate tells everybody");
    }
}

#[test]
fn c6_votes_for_the_next_view_count_and_for_later_ones_do_not() {
    let mut bench = Bench::new();
    (1..4).for_each(|signer| drop(bench.vote(signer, nullify(3))));
    assert_eq!(bench.core.view(), View(1));
    (1..4).for_each(|signer| drop(bench.vote(signer, nullify(2))));
    assert_eq!(bench.core.view(), View(3));
}

#[test]
fn c6_finalize_votes_count_though_the_view_is_long_past() {
    let mut bench = Bench::new();
    let block = bench.notarized(1, &genesis());
    (2..6).for_each(|view| drop(bench.certify(nullify(view))));
    let effects: Vec<Effect> = (1..4).flat_map(|signer| bench.vote(signer, finalize(&block))).collect();
    assert_eq!(finals(&effects), [block.hash()]);
}

#[test]
fn c7_a_notarized_block_whose_execution_agrees_gets_our_finalize_vote_after_the_view_too() {
    let mut bench = Bench::new();
    let view = bench.view_led(1, false);
    let block = bench.block(view, &genesis(), 1);
    bench.propose(&block);
    let effects = bench.certify(notarize(&block));
    assert_eq!((bench.core.view(), casts(&effects)), (View(view + 1), vec![]), "not executed yet");
    assert_eq!(casts(&bench.valid(&block)), [finalize(&block)], "without ever having notarized it");
    assert_eq!(casts(&bench.valid(&block)), []);
}

#[test]
fn c7_no_finalize_vote_after_our_nullify() {
    let mut bench = Bench::new();
    let view = bench.view_led(1, false);
    let block = bench.block(view, &genesis(), 1);
    bench.propose(&block);
    bench.valid(&block);
    assert_eq!(casts(&bench.pass(VIEW_MS)), [nullify(view)]);
    assert_eq!(casts(&bench.certify(notarize(&block))), []);
}

#[test]
fn c7_no_finalize_vote_for_another_block_than_the_one_we_notarized() {
    let mut bench = Bench::new();
    let view = bench.view_led(1, false);
    let (ours, theirs) = (bench.block(view, &genesis(), 1), bench.block(view, &genesis(), 2));
    bench.propose(&ours);
    assert_eq!(casts(&bench.valid(&ours)), [notarize(&ours)]);
    assert_eq!(fetches(&bench.certify(notarize(&theirs))), [theirs.hash()]);
    bench.feed(Input::Fetched { header: theirs.clone() });
    assert_eq!(casts(&bench.valid(&theirs)), []);
}

#[test]
fn c7_no_finalize_vote_beside_a_nullification() {
    let mut bench = Bench::new();
    let view = bench.view_led(1, false);
    let block = bench.block(view, &genesis(), 1);
    bench.propose(&block);
    bench.certify(notarize(&block));
    bench.certify(nullify(view));
    assert_eq!(casts(&bench.valid(&block)), []);
}

#[test]
fn c8_ancestors_become_final_first_and_each_with_its_proof() {
    let mut bench = Bench::new();
    let first = bench.notarized(1, &genesis());
    let second = bench.notarized(4, &first);
    let third = bench.notarized(5, &second);
    let effects = bench.certify(finalize(&third));
    let [Effect::Finalize(blocks)] =
        &effects.iter().filter(|e| matches!(e, Effect::Finalize(_))).collect::<Vec<_>>()[..]
    else {
        panic!("{effects:?}")
    };
    assert_eq!(
        blocks.iter().map(|b| b.block).collect::<Vec<_>>(),
        [&first, &second, &third].map(Header::hash)
    );
    assert_eq!(blocks[0].skips, []);
    assert_eq!(blocks[1].skips, [certificate(nullify(2)), certificate(nullify(3))]);
    assert_eq!(blocks[1].notarization, certificate(notarize(&second)));
    assert_eq!(blocks.iter().map(|b| b.finalization.is_some()).collect::<Vec<_>>(), [false, false, true]);
    assert_eq!(bench.core.finalized(), (Height(13), View(5), third.hash()));
    assert_eq!(finals(&bench.certify(finalize(&second))), [], "no block twice");
}

#[test]
fn c8_nothing_is_final_before_it_is_executed() {
    let mut bench = Bench::new();
    let block = bench.block(1, &genesis(), 1);
    bench.propose(&block);
    bench.certify(notarize(&block));
    assert_eq!(finals(&bench.certify(finalize(&block))), []);
    assert_eq!(finals(&bench.valid(&block)), [block.hash()]);
}

#[test]
fn c8_nothing_is_final_before_its_proof_is_whole() {
    let mut bench = Bench::new();
    let view = bench.view_led(3, false);
    let block = bench.block(view, &genesis(), 1);
    bench.certify(finalize(&block));
    bench.feed(Input::Fetched { header: block.clone() });
    let effects = bench.valid(&block);
    assert_eq!(finals(&effects), []);
    let effects = bench.certify(notarize(&block));
    assert_eq!(finals(&effects), []);
    let mut effects = Vec::new();
    for skipped in 1..view {
        assert_eq!(finals(&effects), []);
        effects = bench.certify(nullify(skipped));
    }
    assert_eq!(finals(&effects), [block.hash()]);
}

#[test]
fn c9_contradictory_certificates_stop_us_for_good() {
    let blocks = |bench: &Bench| (bench.block(1, &genesis(), 1), bench.block(1, &genesis(), 2));
    let (one, other) = blocks(&Bench::new());
    for (first, second) in [
        (notarize(&one), notarize(&other)),
        (finalize(&one), notarize(&other)),
        (finalize(&one), finalize(&other)),
        (finalize(&one), nullify(1)),
        (nullify(1), finalize(&one)),
    ] {
        let mut bench = Bench::new();
        bench.certify(first);
        let effects = bench.certify(second);
        let reason = HaltReason::Contradiction { first: certificate(first), second: certificate(second) };
        assert_eq!(halts(&effects), [reason]);
        assert!(effects.contains(&Effect::Keep(certificate(second))), "a restart must find both");
        for half in [first, second] {
            let message = Message::Certificate(certificate(half));
            assert!(sent(&effects).contains(&(To::All, message)), "and so must everybody else");
        }
        assert!(bench.core.halted());
        bench.feed(Input::Work { waiting: true });
        assert_eq!(casts(&bench.pass(100_000)), []);
        assert_eq!(bench.core.wake_at(), None);
        let effects = bench.feed(Input::CertificateRequest { from: 1, view: View(1) });
        assert_eq!(sent(&effects).len(), 1, "what we know is still to be had");
    }
}

#[test]
fn c9_a_certified_block_that_our_books_refuse_stops_us_for_good() {
    for certify_first in [true, false] {
        let mut bench = Bench::new();
        let block = bench.block(1, &genesis(), 1);
        bench.propose(&block);
        let refuse = Input::Checked { block: block.hash(), valid: false };
        let effects = if certify_first {
            bench.certify(notarize(&block));
            bench.feed(refuse)
        } else {
            bench.feed(refuse);
            bench.certify(notarize(&block))
        };
        let reason = HaltReason::CertifiedInvalid { certificate: certificate(notarize(&block)) };
        assert_eq!(halts(&effects), [reason]);
    }
}

#[test]
fn c9_a_certified_block_beside_the_finalized_chain_stops_us_for_good() {
    let mut bench = Bench::new();
    let first = bench.notarized(1, &genesis());
    bench.certify(finalize(&first));
    let beside = bench.block(2, &genesis(), 2);
    bench.certify(notarize(&beside));
    let effects = bench.feed(Input::Fetched { header: beside.clone() });
    let reason = HaltReason::Contradiction {
        first: certificate(finalize(&first)),
        second: certificate(notarize(&beside)),
    };
    assert_eq!(halts(&effects), [reason]);
}

#[test]
fn c10_evidence_is_handed_out_once_for_each_kind() {
    let mut bench = Bench::new();
    let (one, other) = (bench.block(1, &genesis(), 1), bench.block(1, &genesis(), 2));
    let mut evidence = Vec::new();
    for _ in 0..3 {
        for statement in [notarize(&one), notarize(&other), finalize(&one), finalize(&other), nullify(1)] {
            let effects = bench.vote(2, statement);
            evidence.extend(effects.into_iter().filter(|effect| matches!(effect, Effect::Evidence(_))));
        }
    }
    assert_eq!(evidence.len(), 4, "{evidence:?}");
    assert_eq!(bench.core.stats().evidence, 4);
}

#[test]
fn c10_a_second_proposal_of_a_view_that_is_over_convicts_its_leader() {
    let mut bench = Bench::new();
    let block = bench.notarized(1, &genesis());
    bench.certify(finalize(&block));
    let second = bench.block(1, &genesis(), 2);
    let effects = bench.propose(&second);
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Evidence(_))), "{effects:?}");
}

#[test]
fn c4_a_vote_of_ours_that_we_do_not_remember_binds_us_all_the_same() {
    let mut bench = Bench::new();
    let view = bench.view_led(1, false);
    let block = bench.block(view, &genesis(), 1);
    bench.vote(0, nullify(view));
    bench.propose(&block);
    assert_eq!(casts(&bench.valid(&block)), []);
    assert_eq!(casts(&bench.certify(notarize(&block))), []);
}

#[test]
fn c4_our_vote_is_remembered_when_cast_and_counted_when_it_comes_back() {
    let mut bench = Bench::new();
    let view = bench.view_led(1, false);
    let block = bench.block(view, &genesis(), 1);
    bench.propose(&block);
    bench.valid(&block);
    let other = (1..4).find(|signer| *signer != block.proposer).unwrap();
    bench.vote(other, notarize(&block));
    assert_eq!(bench.core.view(), View(view), "two of four, ours is not out yet");
    bench.vote(0, Statement::Notarize { view: View(view), block: block.hash() });
    assert_eq!(bench.core.view(), View(view + 1));
}
