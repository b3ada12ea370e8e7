//! Rules C11 to C17 on the bench: waiting, resting, saying again, repairing, forgetting, restarting.

#![allow(dead_code)] // Each test program uses its part of what they share.
#![allow(clippy::unwrap_used)]

mod bench;

use bench::*;
use consensus::event::{Effect, HaltReason, Input, Message, Status, To};
use consensus::{Config, Restored};
use ledger::block::{Header, Height, View};
use ledger::certificate::{Certificate, Statement};
use ledger::time::Timestamp;

/// A core that finalized one block and has nothing to do.
fn resting() -> (Bench, Header) {
    let mut bench = Bench::new();
    let first = bench.notarized(1, &genesis());
    bench.certify(finalize(&first));
    (bench, first)
}

#[test]
fn c11_an_hour_without_a_quorum_leaves_no_long_timer_behind() {
    let mut bench = Bench::new();
    let view = bench.view_led(1, false);
    bench.go_to(view);
    bench.feed(Input::Work { waiting: true });
    let effects = bench.pass(3_600_000);
    assert_eq!(casts(&effects), [nullify(view)]);
    let wait_ms = bench.core.wake_at().unwrap().0 - bench.now;
    assert!(wait_ms <= CONFIG.delta_max_ms + CONFIG.delta_ms / 4 + 1, "{wait_ms}");
    // The quorum is back: the next view's leader gets the usual time, no more.
    let next = bench.view_led(view + 1, false);
    bench.go_to(next);
    let effects = bench.pass(LEADER_MS);
    assert_eq!(casts(&effects), [nullify(next)]);
}

#[test]
fn c11_clocks_set_back_delay_nothing() {
    let mut bench = Bench::new();
    let view = bench.view_led(1, false);
    bench.go_to(view);
    bench.feed(Input::Work { waiting: true });
    bench.pass(LEADER_MS - 100);
    bench.feed(Input::Tick);
    bench.now -= 500_000;
    bench.feed(Input::Tick);
    assert_eq!(casts(&bench.pass(100)), [nullify(view)]);
}

#[test]
fn c12_with_nothing_to_do_nobody_does_anything_until_the_heartbeat() {
    let (mut bench, first) = resting();
    let heartbeat_at = first.time.0 + CONFIG.heartbeat_ms;
    assert_eq!(bench.core.wake_at(), Some(Timestamp(heartbeat_at)));
    assert_eq!(bench.pass(heartbeat_at - bench.now - 1), []);
    let effects = bench.pass(10_000);
    let ours = bench.core.leader(View(2)) == 0;
    assert_eq!(builds(&effects).len(), usize::from(ours));
    assert!(ours || casts(&effects) == [nullify(2)], "{effects:?}");
}

#[test]
fn c12_work_that_goes_away_stops_the_clocks() {
    let (mut bench, _) = resting();
    bench.feed(Input::Work { waiting: true });
    assert!(bench.core.wake_at().unwrap().0 < bench.now + LEADER_MS);
    bench.feed(Input::Work { waiting: false });
    assert_eq!(bench.pass(30_000), []);
}

#[test]
fn c12_clocks_start_when_somebody_else_stirs() {
    let (bench, first) = resting();
    let view = bench.view_led(2, false);
    for stir in [0, 1, 2] {
        let (mut bench, _) = resting();
        (2..view).for_each(|skipped| drop(bench.certify(nullify(skipped))));
        let leader = bench.core.leader(View(view));
        let other = (1..4).find(|signer| *signer != leader).unwrap();
        match stir {
            0 => drop(bench.propose(&bench.block(view, &first, 1))),
            1 => drop(bench.vote(other, nullify(view))),
            _ => drop(bench.vote(other, nullify(view + 1))),
        }
        let effects = bench.pass(VIEW_MS);
        assert_eq!(casts(&effects), [nullify(view)], "stirred in way {stir}");
    }
}

#[test]
fn c12_an_idle_leader_builds_when_work_comes_and_when_somebody_asks_or_gives_up() {
    let (bench, _) = resting();
    let view = bench.view_led(2, true);
    for stir in [0, 1, 2] {
        let (mut bench, first) = resting();
        (2..view).for_each(|skipped| drop(bench.certify(nullify(skipped))));
        bench.pass(5000);
        let effects = match stir {
            0 => bench.feed(Input::Work { waiting: true }),
            1 => bench.feed(Input::StatusRequest { from: 2 }),
            _ => bench.vote(2, nullify(view)),
        };
        assert_eq!(builds(&effects), [(View(view), View(1), first.hash())], "stirred in way {stir}");
    }
}

#[test]
fn c12_an_empty_block_for_finality_alone_waits_for_finality_to_come_by_itself() {
    let mut bench = Bench::new();
    let view = bench.view_led(2, true);
    let parent = bench.block(view - 1, &genesis(), 1);
    (1..view - 1).for_each(|skipped| drop(bench.certify(nullify(skipped))));
    bench.propose(&parent);
    bench.valid(&parent);
    bench.certify(notarize(&parent));
    let effects = bench.pass(CONFIG.delta_ms / 2 - 1);
    assert_eq!(builds(&effects), []);
    let effects = bench.pass(1);
    assert_eq!(builds(&effects).len(), 1);
}

#[test]
fn c13_a_retry_says_again_all_that_may_have_been_lost() {
    let mut bench = Bench::new();
    let first = bench.notarized(1, &genesis());
    bench.certify(finalize(&first));
    let second = bench.notarized(2, &first);
    bench.vote(0, finalize(&second));
    let view = bench.view_led(3, false);
    (3..view).for_each(|skipped| drop(bench.certify(nullify(skipped))));
    let block = bench.block(view, &second, 1);
    bench.propose(&block);
    let cast = bench.valid(&block);
    bench.return_votes(&cast);
    let given_up = bench.pass(VIEW_MS);
    bench.return_votes(&given_up);
    let effects = bench.pass(2 * CONFIG.delta_ms);
    let all: Vec<Message> =
        sent(&effects).into_iter().filter(|(to, _)| *to == To::All).map(|(_, message)| message).collect();
    for statement in [notarize(&block), nullify(view), finalize(&second)] {
        assert!(all.contains(&Message::Vote(vote(0, statement))), "{statement:?} in {all:?}");
    }
    let entry = if view == 3 { notarize(&second) } else { nullify(view - 1) };
    assert!(all.contains(&Message::Status(Status {
        height: first.height,
        entry: Some(certificate(entry)),
        finalization: Some(certificate(finalize(&first))),
        ..bench.status(view)
    })));
    assert!(sent(&effects).iter().any(|(_, message)| *message == Message::StatusRequest));
}

#[test]
fn c13_retries_come_less_often_and_ask_everybody_in_turn() {
    let mut bench = Bench::new();
    bench.feed(Input::Work { waiting: true });
    let mut asked = std::collections::BTreeSet::new();
    let mut last = 0;
    for _ in 0..12 {
        let effects = loop {
            let wake_at = bench.core.wake_at().unwrap();
            let effects = bench.pass(wake_at.0 - bench.now);
            if sent(&effects).iter().any(|(_, message)| *message == Message::StatusRequest) {
                break effects;
            }
        };
        asked.extend(sent(&effects).into_iter().filter_map(|(to, message)| match (to, message) {
            (To::One(one), Message::StatusRequest) => Some(one),
            _ => None,
        }));
        assert!(bench.now - last <= CONFIG.delta_max_ms + CONFIG.delta_ms || last == 0);
        last = bench.now;
    }
    assert_eq!(asked.into_iter().collect::<Vec<_>>(), [1, 2, 3]);
}

#[test]
fn c13_whoever_is_behind_gets_our_status_but_not_without_end() {
    let (mut bench, first) = resting();
    let behind = Input::Status { from: 3, status: bench.status(1) };
    let ours = Status {
        height: first.height,
        entry: Some(certificate(notarize(&first))),
        finalization: Some(certificate(finalize(&first))),
        ..bench.status(2)
    };
    let effects = bench.feed(behind.clone());
    assert_eq!(sent(&effects), [(To::One(3), Message::Status(ours.clone()))]);
    for _ in 0..100 {
        assert_eq!(sent(&bench.feed(behind.clone())), []);
        assert_eq!(sent(&bench.feed(Input::StatusRequest { from: 3 })), []);
    }
    bench.now += CONFIG.delta_ms;
    assert_eq!(sent(&bench.feed(Input::StatusRequest { from: 3 })).len(), 1);
    let level = Input::Status { from: 2, status: ours };
    assert_eq!(sent(&bench.feed(level)), [], "who knows as much as we do needs nothing");
}

#[test]
fn c13_a_lone_holder_of_a_notarization_is_freed_and_frees_the_others() {
    // We moved on and sent finalize; the others nullify the view and are one vote short.
    let mut bench = Bench::new();
    let block = bench.notarized(1, &genesis());
    bench.vote(1, nullify(1));
    bench.vote(2, nullify(1));
    let effects = bench.pass(5000);
    let entry = sent(&effects).into_iter().any(|(to, message)| {
        let entry = Some(certificate(notarize(&block)));
        to == To::All && matches!(message, Message::Status(status) if status.entry == entry)
    });
    assert!(entry, "the retry carries what lets them enter our view");
}

#[test]
fn c13_a_status_brings_us_up() {
    let mut bench = Bench::new();
    let block = bench.block(7, &genesis(), 1);
    let status = Status {
        entry: Some(certificate(nullify(11))),
        finalization: Some(certificate(finalize(&block))),
        ..bench.status(12)
    };
    let effects = bench.feed(Input::Status { from: 1, status });
    assert_eq!((bench.core.view(), fetches(&effects)), (View(12), vec![block.hash()]));
}

#[test]
fn c14_a_certificate_request_is_answered_with_all_kinds_we_hold() {
    let mut bench = Bench::new();
    let block = bench.notarized(1, &genesis());
    bench.certify(nullify(1));
    let effects = bench.feed(Input::CertificateRequest { from: 2, view: View(1) });
    let certificates = [notarize(&block), nullify(1)].map(|s| Message::Certificate(certificate(s)));
    assert_eq!(sent(&effects), certificates.map(|message| (To::One(2), message)));
    assert_eq!(sent(&bench.feed(Input::CertificateRequest { from: 2, view: View(9) })), []);
    // A guest, who has no seat, is answered like anybody.
    let guest = bench.feed(Input::CertificateRequest { from: 9, view: View(1) });
    let certificates = [notarize(&block), nullify(1)].map(|s| Message::Certificate(certificate(s)));
    assert_eq!(sent(&guest), certificates.map(|message| (To::One(9), message)));
}

#[test]
fn c14_a_request_for_a_forgotten_view_is_answered_with_what_came_of_it() {
    let mut bench = Bench::new();
    let mut tip = genesis();
    for view in 1..=CONFIG.view_window + 3 {
        tip = bench.notarized(view, &tip);
        bench.certify(finalize(&tip));
    }
    let effects = bench.feed(Input::CertificateRequest { from: 2, view: View(1) });
    assert_eq!(sent(&effects), [(To::One(2), Message::Certificate(certificate(finalize(&tip))))]);
}

#[test]
fn c14_what_is_missing_is_asked_for_again_but_not_at_every_turn() {
    let mut bench = Bench::new();
    let block = bench.block(1, &genesis(), 1);
    assert_eq!(fetches(&bench.certify(notarize(&block))), [block.hash()]);
    assert_eq!(fetches(&bench.certify(finalize(&block))), []);
    let again = bench.pass(60_000);
    let rounds = fetches(&again).len();
    assert!((4..20).contains(&rounds), "{rounds} rounds in a minute");
}

#[test]
fn c14_missing_ancestors_are_fetched_one_after_the_other() {
    let mut bench = Bench::new();
    let mut chain = vec![genesis()];
    for view in 1..6 {
        let block = bench.block(view, chain.last().unwrap(), 1);
        chain.push(block);
    }
    let mut wanted = fetches(&bench.certify(finalize(&chain[5])));
    for header in chain[1..].iter().rev() {
        assert_eq!(wanted, [header.hash()]);
        wanted = fetches(&bench.feed(Input::Fetched { header: header.clone() }));
    }
    assert_eq!(wanted, []);
    for header in &chain[1..] {
        bench.certify(notarize(header));
    }
    let effects: Vec<Effect> = chain[1..].iter().flat_map(|header| bench.valid(header)).collect();
    assert_eq!(finals(&effects), chain[1..].iter().map(Header::hash).collect::<Vec<_>>());
}

#[test]
fn c14_a_header_nobody_asked_for_is_ignored() {
    let mut bench = Bench::new();
    let block = bench.block(1, &genesis(), 1);
    assert_eq!(bench.feed(Input::Fetched { header: block }), []);
    assert_eq!(bench.core.stats().blocks, 0);
}

#[test]
fn c14_a_finalization_far_above_is_reached_by_height() {
    let mut bench = Bench::new();
    let mut far = bench.block(500, &genesis(), 1);
    far.height = Height(400);
    let effects = bench.certify(finalize(&far));
    assert!(effects.contains(&Effect::Sync { finalization: certificate(finalize(&far)) }));
    let again = bench.pass(30_000);
    assert!(again.contains(&Effect::Sync { finalization: certificate(finalize(&far)) }), "asked again");
    bench.feed(Input::Synced { header: far.clone(), finalization: certificate(finalize(&far)) });
    assert_eq!(bench.core.finalized(), (Height(400), View(500), far.hash()));
    let view = bench.view_led(501, false);
    bench.go_to(view);
    let next = bench.block(view, &far, 1);
    bench.propose(&next);
    assert_eq!(casts(&bench.valid(&next)), [notarize(&next)]);
}

#[test]
fn c14_a_thousand_final_blocks_seen_while_one_is_missing_are_all_final_once_they_can_be_executed() {
    let mut bench = Bench::new();
    let mut chain = vec![genesis()];
    for view in 1..=1000 {
        let header = bench.block(view, &chain[chain.len() - 1], 1);
        if view > 1 {
            bench.propose(&header);
        }
        bench.certify(notarize(&header));
        bench.certify(finalize(&header));
        chain.push(header);
    }
    assert_eq!(bench.core.finalized().0, genesis().height, "the first block is not here");
    // Nobody answers by height either, as when they hold the blocks and have not finalized them.
    bench.pass(600_000);
    let mut checked = checks(&bench.feed(Input::Fetched { header: chain[1].clone() }));
    let mut rounds = 0;
    while let Some(block) = checked.pop() {
        checked.extend(checks(&bench.feed(Input::Checked { block, valid: true })));
        if checked.is_empty() {
            checked.extend(checks(&bench.pass(CONFIG.delta_max_ms)));
            rounds += 1;
        }
    }
    let last = &chain[1000];
    assert_eq!(bench.core.finalized(), (last.height, last.view, last.hash()), "after {rounds} rounds");
    assert_eq!(bench.core.stats().blocks, 0);
}

#[test]
fn c8_a_finalization_whose_way_down_is_cut_off_does_not_hold_up_an_older_one() {
    let mut bench = Bench::new();
    let first = bench.notarized(1, &genesis());
    let second = bench.block(2, &first, 1);
    let third = bench.block(3, &second, 1);
    bench.propose(&third);
    bench.certify(finalize(&third));
    assert_eq!(finals(&bench.certify(finalize(&first))), [first.hash()]);
}

#[test]
fn c14_a_near_finalization_whose_proof_nobody_completes_is_reached_by_height_too() {
    let mut bench = Bench::new();
    let block = bench.block(2, &genesis(), 1);
    bench.certify(finalize(&block));
    bench.feed(Input::Fetched { header: block.clone() });
    bench.valid(&block);
    let effects = bench.pass(30_000);
    assert!(effects.contains(&Effect::Sync { finalization: certificate(finalize(&block)) }));
}

#[test]
fn c14_what_was_synced_is_not_finalized_again() {
    let mut bench = Bench::new();
    let first = bench.notarized(1, &genesis());
    bench.certify(finalize(&first));
    let synced = Input::Synced { header: first.clone(), finalization: certificate(finalize(&first)) };
    assert_eq!(bench.feed(synced), []);
    let second = bench.block(2, &first, 1);
    bench.feed(Input::Synced { header: second.clone(), finalization: certificate(finalize(&second)) });
    let effects = bench.certify(notarize(&second));
    assert_eq!((finals(&effects), bench.core.finalized().0), (vec![], Height(12)));
}

#[test]
fn c15_a_leader_not_heard_for_long_is_skipped_at_once() {
    let config = Config { leader_skip_views: 4, ..CONFIG };
    let (mut bench, _) = Bench::with(4, config);
    let silent = bench.core.leader(View(bench.view_led(6, false)));
    bench.feed(Input::Work { waiting: true });
    let mut skipped_at = None;
    let mut effects = bench.pass(0);
    for view in 1..20 {
        if casts(&effects).contains(&nullify(view)) {
            assert_eq!(bench.core.leader(View(view)), silent);
            skipped_at.get_or_insert(view);
        }
        // Everybody else is heard, and the view ends.
        let others = (0..4).filter(|signer| *signer != silent);
        effects = others.flat_map(|signer| bench.vote(signer, nullify(view))).collect();
        assert_eq!(bench.core.view(), View(view + 1));
    }
    assert!((6..=9).contains(&skipped_at.unwrap()), "{skipped_at:?}");
    // Heard again, it is waited for again.
    let view = (20..).find(|view| bench.core.leader(View(*view)) == silent).unwrap();
    bench.go_to(view - 1);
    bench.vote(silent, nullify(view - 1));
    bench.go_to(view);
    assert_eq!(casts(&bench.pass(100)), []);
}

#[test]
fn c15_a_leader_waited_for_in_vain_is_not_waited_for_again_until_it_is_heard() {
    let config = Config { leader_skip_views: 50, ..CONFIG };
    let (mut bench, _) = Bench::with(4, config);
    let first = bench.view_led(1, false);
    let mute = bench.core.leader(View(first));
    let led =
        |bench: &Bench, from: u64| (from..).find(|view| bench.core.leader(View(*view)) == mute).unwrap();
    bench.go_to(first);
    bench.feed(Input::Work { waiting: true });
    assert_eq!(casts(&bench.pass(LEADER_MS)), [nullify(first)]);
    let again = led(&bench, first + 1);
    for signer in (1..4).filter(|signer| *signer != mute) {
        bench.vote(signer, nullify(first));
    }
    bench.go_to(again - 1);
    let effects = bench.go_to(again);
    assert_eq!(casts(&effects), [nullify(again)], "at once");
    bench.vote(mute, nullify(again));
    let third = led(&bench, again + 1);
    let effects = bench.go_to(third);
    assert_eq!(casts(&effects), []);
}

#[test]
fn c15_a_leader_whose_link_is_down_is_skipped_at_once_and_waited_for_again_when_it_is_up() {
    let config = Config { leader_skip_views: 8, ..CONFIG };
    for (down, up, skipped) in [(1, false, true), (1, true, false), (2, false, false)] {
        let (mut bench, _) = Bench::with(4, config.clone());
        let view = bench.view_led(1, false);
        let leader = bench.core.leader(View(view));
        bench.go_to(view);
        let others = (1..4).filter(|seat| *seat != leader);
        for peer in [leader].into_iter().chain(others).take(down) {
            bench.feed(Input::Link { peer, up: false });
        }
        bench.feed(Input::Link { peer: 4, up: false });
        if up {
            bench.feed(Input::Link { peer: leader, up });
        }
        let effects = bench.feed(Input::Work { waiting: true });
        assert_eq!(casts(&effects) == [nullify(view)], skipped, "{down} down, up again: {up}");
    }
}

#[test]
fn c15_nobody_is_skipped_while_the_quorum_is_silent_too() {
    let config = Config { leader_skip_views: 4, ..CONFIG };
    let (mut bench, _) = Bench::with(4, config);
    bench.feed(Input::Work { waiting: true });
    for view in 1..20 {
        bench.go_to(view);
        assert_eq!(casts(&bench.pass(1)), []);
    }
}

#[test]
fn c16_old_views_are_forgotten() {
    let mut bench = Bench::new();
    let mut tip = genesis();
    for view in 1..200 {
        tip = bench.notarized(view, &tip);
        bench.certify(finalize(&tip));
        let stats = bench.core.stats();
        assert!(stats.views as u64 <= CONFIG.view_window + 2 && stats.blocks == 0, "{stats:?}");
    }
    assert!(bench.core.knows(&nullify(1)), "nobody need verify it");
    assert!(!bench.core.wants_vote(&vote(1, nullify(1))));
}

#[test]
fn c16_votes_from_afar_cost_no_memory() {
    let mut bench = Bench::new();
    for view in 3..10_000 {
        for signer in 0..4 {
            bench.vote(signer, nullify(view));
        }
    }
    assert_eq!(bench.core.stats().views, 0);
}

#[test]
fn c16_what_wants_vote_declines_changes_nothing() {
    let mut bench = Bench::new();
    assert!(bench.core.wants_vote(&vote(1, nullify(1))));
    bench.vote(1, nullify(1));
    assert!(!bench.core.wants_vote(&vote(1, nullify(1))));
    assert!(!bench.core.wants_vote(&vote(9, nullify(1))));
    let mut foreign = vote(2, nullify(1));
    foreign.epoch = foreign.epoch.next();
    assert!(!bench.core.wants_vote(&foreign));
    bench.feed(Input::Vote(foreign));
    assert_eq!(bench.core.stats().refused, 1);
}

/// What a core left behind: everything it cast and kept.
#[derive(Default)]
struct Disk(Restored);

impl Disk {
    fn write(&mut self, effects: &[Effect]) {
        self.0.statements.extend(casts(effects));
        self.0.certificates.extend(effects.iter().filter_map(|effect| match effect {
            Effect::Keep(certificate) => Some(certificate.clone()),
            _ => None,
        }));
    }
}

#[test]
fn c17_after_a_restart_own_votes_are_cast_again_and_counted_once() {
    let mut bench = Bench::new();
    let view = bench.view_led(1, false);
    let mut disk = Disk::default();
    let block = bench.block(view, &genesis(), 1);
    (1..view).for_each(|skipped| disk.write(&bench.certify(nullify(skipped))));
    disk.write(&bench.propose(&block));
    disk.write(&bench.valid(&block));
    disk.0.headers.push(block.clone());
    assert_eq!(disk.0.statements, [notarize(&block)]);

    let (mut bench, effects) = Bench::restored(4, CONFIG, disk.0);
    assert_eq!(bench.core.view(), View(view));
    assert_eq!(casts(&effects), [notarize(&block)]);
    let other = (1..4).find(|signer| *signer != block.proposer).unwrap();
    bench.vote(other, notarize(&block));
    bench.vote(0, notarize(&block));
    bench.vote(0, notarize(&block));
    assert_eq!(bench.core.view(), View(view), "twice ours is one");
    bench.vote(block.proposer, notarize(&block));
    assert_eq!(bench.core.view(), View(view + 1));
}

#[test]
fn c17_what_was_said_before_a_crash_is_not_contradicted_after_it() {
    let view = Bench::new().view_led(1, false);
    let (ours, theirs) = (Bench::new().block(view, &genesis(), 1), Bench::new().block(view, &genesis(), 2));
    let skips: Vec<Certificate> = (1..view).map(|skipped| certificate(nullify(skipped))).collect();
    for (said, certified) in [
        (vec![notarize(&ours)], None),
        (vec![nullify(view)], None),
        (vec![notarize(&ours), nullify(view)], None),
        (vec![notarize(&ours), finalize(&ours)], Some(notarize(&ours))),
        (vec![finalize(&ours)], Some(notarize(&ours))),
    ] {
        let restored = Restored {
            statements: said.clone(),
            certificates: skips.iter().cloned().chain(certified.map(certificate)).collect(),
            ..Restored::default()
        };
        let (mut bench, effects) = Bench::restored(4, CONFIG, restored);
        let again: Vec<Statement> =
            said.iter().copied().filter(|statement| Some(*statement) != certified).collect();
        assert_eq!(casts(&effects), again, "said {said:?}");
        let mut more = bench.propose(&theirs);
        more.extend(bench.valid(&theirs));
        more.extend(bench.pass(60_000));
        more.extend(bench.certify(notarize(if certified.is_some() { &ours } else { &theirs })));
        let new = casts(&more);
        let nullified = said.contains(&nullify(view));
        let finalized = said.iter().any(|statement| matches!(statement, Statement::Finalize { .. }));
        for statement in new.iter().filter(|statement| statement.view() == View(view)) {
            assert!(
                *statement == nullify(view) && !nullified && !finalized,
                "said {said:?}, then {statement:?}"
            );
        }
    }
}

#[test]
fn c17_a_proposal_is_never_built_twice() {
    let bench = Bench::new();
    let view = bench.view_led(1, true);
    let block = bench.block(view, &genesis(), 1);
    let restored = Restored {
        statements: vec![notarize(&block)],
        certificates: (1..view).map(|skipped| certificate(nullify(skipped))).collect(),
        headers: vec![block.clone()],
        ..Restored::default()
    };
    let (mut bench, effects) = Bench::restored(4, CONFIG, restored);
    assert_eq!((casts(&effects), builds(&effects)), (vec![notarize(&block)], vec![]));
    bench.feed(Input::Work { waiting: true });
    let effects = bench.vote(0, notarize(&block));
    let [(proposed, justification)] = &proposes(&effects)[..] else { panic!("{effects:?}") };
    assert_eq!((*proposed, justification.skips.len() as u64), (block.hash(), (view - 1).min(4)));
    assert_eq!(builds(&bench.pass(60_000)), []);
}

#[test]
fn c17_a_vote_whose_entry_certificate_was_lost_still_tells_the_view() {
    let restored = Restored { statements: vec![nullify(40)], ..Restored::default() };
    let (mut bench, effects) = Bench::restored(4, CONFIG, restored);
    assert_eq!((bench.core.view(), casts(&effects)), (View(40), vec![nullify(40)]));
    bench.vote(0, nullify(40));
    bench.vote(1, nullify(40));
    bench.vote(2, nullify(40));
    assert_eq!(bench.core.view(), View(41));
}

#[test]
fn c17_votes_that_finality_or_a_certificate_has_overtaken_are_not_cast_again() {
    let bench = Bench::new();
    let first = bench.block(1, &genesis(), 1);
    let restored = Restored {
        finalized: Some((first.clone(), certificate(finalize(&first)))),
        statements: vec![notarize(&first), finalize(&first), nullify(2), nullify(3)],
        certificates: vec![certificate(notarize(&first)), certificate(nullify(2))],
        headers: vec![first.clone()],
    };
    let (bench, effects) = Bench::restored(4, CONFIG, restored);
    assert_eq!((bench.core.view(), casts(&effects)), (View(3), vec![nullify(3)]));
    assert_eq!(bench.core.finalized(), (Height(11), View(1), first.hash()));
}

#[test]
fn c17_a_given_up_view_is_retried_at_once_after_a_restart() {
    let restored = Restored { statements: vec![nullify(1)], ..Restored::default() };
    let (mut bench, _) = Bench::restored(4, CONFIG, restored);
    bench.vote(0, nullify(1));
    let effects = bench.pass(CONFIG.delta_ms / 2);
    assert!(sent(&effects).contains(&(To::All, Message::Vote(vote(0, nullify(1))))));
}

#[test]
fn c17_restored_blocks_are_executed_in_order_and_finalized() {
    let bench = Bench::new();
    let first = bench.block(1, &genesis(), 1);
    let second = bench.block(2, &first, 1);
    let restored = Restored {
        certificates: [notarize(&second), notarize(&first), finalize(&second)].map(certificate).to_vec(),
        headers: vec![second.clone(), first.clone()],
        ..Restored::default()
    };
    let (mut bench, effects) = Bench::restored(4, CONFIG, restored);
    assert_eq!(checks(&effects), [first.hash()]);
    assert_eq!(checks(&bench.valid(&first)), [second.hash()]);
    assert_eq!(finals(&bench.valid(&second)), [first.hash(), second.hash()]);
}

#[test]
fn c17_contradictory_certificates_on_the_disk_stop_us_again() {
    let bench = Bench::new();
    let (one, other) = (bench.block(1, &genesis(), 1), bench.block(1, &genesis(), 2));
    let restored = Restored {
        statements: vec![notarize(&one)],
        certificates: vec![certificate(notarize(&one)), certificate(notarize(&other))],
        ..Restored::default()
    };
    let (bench, effects) = Bench::restored(4, CONFIG, restored);
    assert!(bench.core.halted());
    assert!(matches!(&halts(&effects)[..], [HaltReason::Contradiction { .. }]));
    assert_eq!(casts(&effects), []);
}

#[test]
fn c17_who_lost_the_vote_log_keeps_silent_up_to_the_given_view() {
    let mut start = start(4, Some(0));
    start.vote_from = View(5);
    let (mut bench, _) = Bench::started(start, CONFIG, Restored::default());
    bench.feed(Input::Work { waiting: true });
    for view in 1..5 {
        bench.go_to(view);
        let effects = bench.pass(20_000);
        assert_eq!((casts(&effects), builds(&effects)), (vec![], vec![]), "view {view}");
    }
    bench.go_to(5);
    let effects = bench.pass(20_000);
    assert_eq!(casts(&effects).len() + builds(&effects).len(), 1);
}

#[test]
fn c17_a_follower_follows_and_says_nothing() {
    let (mut bench, effects) = Bench::started(start(4, None), CONFIG, Restored::default());
    assert_eq!(effects, []);
    bench.feed(Input::Work { waiting: true });
    let first = bench.block(1, &genesis(), 1);
    let mut effects = bench.propose(&first);
    effects.extend(bench.valid(&first));
    (0..3).for_each(|signer| effects.extend(bench.vote(signer, notarize(&first))));
    (0..3).for_each(|signer| effects.extend(bench.vote(signer, finalize(&first))));
    effects.extend(bench.pass(100_000));
    assert_eq!((casts(&effects), builds(&effects)), (vec![], vec![]));
    assert_eq!(finals(&effects), [first.hash()]);
    assert!(!sent(&effects).iter().any(|(to, _)| *to == To::All), "a follower has nothing to tell");
}

#[test]
fn c6_in_a_large_committee_certificates_go_to_the_next_leader_only() {
    let (mut bench, _) = Bench::with(40, CONFIG);
    let view = (1..).find(|view| bench.core.leader(View(view + 1)) != 0).unwrap();
    if view > 1 {
        bench.feed(Input::Certificate(certificate_of(nullify(view - 1), 40, 27)));
    }
    let effects: Vec<Effect> = (0..27).flat_map(|signer| bench.vote(signer, nullify(view))).collect();
    let next = bench.core.leader(View(view + 1));
    let formed = Message::Certificate(certificate_of(nullify(view), 40, 27));
    assert_eq!(sent(&effects), [(To::One(next), formed)]);
}
