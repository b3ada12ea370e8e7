//! Validators across epochs: who joins, who leaves, who was away meanwhile.

use consensus::event::Status;
use ledger::block::View;
use ledger::finality::Finality;

use super::*;
use world::{World, seed};

mod coming_back;
pub(crate) mod world;

fn seeds(nodes: impl IntoIterator<Item = usize>) -> Vec<u8> {
    nodes.into_iter().map(seed).collect()
}

#[test]
fn four_become_five_and_four_again_and_books_pool_and_callers_go_on() {
    let mut world = World::new(4, 2);
    let work = world.work();
    world.post(0, work);
    let join = world.change(0, &[], &[(4, seed(4))], &seeds(0..4));
    world.post(1, join);
    world.until("the fifth seat", |w| (0..6).all(|node| w.epoch(node) == 1));
    assert_eq!(world.validator(4).seat(), Some(4));
    assert_eq!(world.validator(5).seat(), None);
    let work = world.work();
    world.post(4, work);
    world.agree();

    let leave = world.change(4, &[0], &[], &seeds(0..5));
    world.post(2, leave);
    world.until("four seats", |w| (0..6).all(|node| w.epoch(node) == 2));
    // The first left, so all others moved up; it follows from now on.
    let expected = [None, Some(0), Some(1), Some(2), Some(3), None];
    assert_eq!([0, 1, 2, 3, 4, 5].map(|node| world.validator(node).seat()), expected);
    for _ in 0..3 {
        let work = world.work();
        world.post(0, work);
    }
    world.agree();
    for node in 0..6 {
        assert_eq!(world.nodes[node].begun, [Epoch(1), Epoch(2)]);
    }
    let epochs: Vec<u64> = (1..=world.height(0)).map(|h| world.kept(0, h).block.header.epoch.0).collect();
    assert!(epochs.is_sorted() && epochs.last() == Some(&2), "{epochs:?}");
}

#[test]
fn a_follower_posts_what_the_validators_finalize_and_spreads_what_it_is_given() {
    let mut world = World::new(4, 1);
    assert_eq!(world.validator(4).seat(), None);
    for _ in 0..5 {
        let work = world.work();
        // The answer comes from its own books, under a checkpoint that it holds itself.
        world.post(4, work);
    }
    world.agree();
    assert!(world.votes.iter().all(|(node, _)| *node != 4), "a follower says nothing");
}

#[test]
fn c22_a_follower_that_was_away_is_answered_as_a_guest_and_catches_up() {
    let mut world = World::new(4, 1);
    world.sleep(4);
    for _ in 0..20 {
        let work = world.work();
        world.post(0, work);
    }
    world.wake(4);
    world.until("the follower caught up", |w| w.height(4) >= 20);
    let work = world.work();
    world.post(4, work);
    world.agree();
}

#[test]
fn c21_a_validator_asleep_during_two_changes_comes_back_by_height_and_votes_in_the_third_epoch() {
    let mut world = World::new(4, 2);
    let work = world.work();
    world.post(0, work);
    world.sleep(3);
    let join = world.change(0, &[], &[(4, seed(4))], &seeds(0..4));
    world.post(0, join);
    world.until("epoch 1", |w| [0, 1, 2, 4].iter().all(|node| w.epoch(*node) == 1));
    for _ in 0..10 {
        let work = world.work();
        world.post(0, work);
    }
    let join = world.change(0, &[], &[(5, seed(5))], &seeds(0..5));
    world.post(0, join);
    for _ in 0..10 {
        let work = world.work();
        world.post(5, work);
    }
    world.wake(3);
    assert_eq!((world.epoch(3), world.nodes[3].begun.len()), (0, 0), "it wakes where it fell asleep");
    world.until("it caught up", |w| w.epoch(3) == 2);
    world.agree();
    let before = world.votes.len();
    let work = world.work();
    world.post(3, work);
    world.until("its vote", |w| {
        w.votes[before..].iter().any(|(node, vote)| *node == 3 && vote.epoch == Epoch(2))
    });
    world.agree();
}

#[test]
fn c20_every_seat_changes_every_key_at_once_and_nobody_misses_a_block() {
    let mut world = World::new(4, 0);
    let work = world.work();
    world.post(0, work);
    // The new files lie there before the change is booked.
    (0..4).for_each(|node| world.add_keys(node, seed(node) + 5));
    world.agree();
    let enter: Vec<(usize, u8)> = (0..4).map(|node| (node, seed(node) + 5)).collect();
    let rotate = world.change(0, &[], &enter, &seeds(0..4));
    world.post(2, rotate);
    world.until("epoch 1", |w| (0..4).all(|node| w.epoch(node) == 1));
    for node in 0..4 {
        assert_eq!(world.validator(node).seat(), Some(node as u16));
        let work = world.work();
        world.post(node, work);
    }
    world.agree();
    // The old keys' word is over: what follows is signed by the new governance keys.
    let fresh: Vec<u8> = (0..4).map(|node| seed(node) + 5).collect();
    let back = world.change(0, &[], &[(1, seed(1))], &fresh);
    world.post(3, back);
    world.until("epoch 2", |w| (0..4).all(|node| w.epoch(node) == 2));
    let work = world.work();
    world.post(1, work);
    world.agree();
}

#[test]
fn c18_c19_a_block_that_ends_its_epoch_gets_its_finality_from_closing_blocks_that_are_never_posted() {
    let mut world = World::new(4, 1);
    let work = world.work();
    world.post(0, work);
    world.sleep(4);
    let height = world.height(0);
    let join = world.change(0, &[], &[(4, seed(4))], &seeds(0..4));
    world.finalize_is_lost = true;
    let event = Event::Submit { request: RequestId(0), transaction: join, until_posted: false };
    world.handle(0, event);
    let notarized =
        |w: &World| w.votes.iter().filter(|(_, v)| matches!(v.statement, Statement::Finalize { .. })).count();
    world.until("closing blocks", |w| notarized(w) >= 14);
    assert_eq!(world.height(0), height, "nothing is final");
    world.finalize_is_lost = false;
    world.until("epoch 1", |w| (0..4).all(|node| w.epoch(node) == 1));
    let Finality::Voted { closing, finalization, .. } = world.kept(0, height + 1).finality else {
        panic!("the block was voted on");
    };
    assert!(!closing.is_empty() && finalization.is_some());
    let set = &world.genesis.validators;
    assert_eq!(world.kept(0, height + 1).verify(&world.chain(), set), Ok(()));
    // Who was away reads it all from the store of those who were not, and a restart from its own.
    world.wake(4);
    world.sleep(1);
    world.wake(1);
    let work = world.work();
    world.post(1, work);
    world.agree();
    let first = world.kept(4, height + 2).block.header;
    assert_eq!((first.epoch, first.parent_view), (Epoch(1), View(0)));
}

#[test]
fn c20_a_restart_of_all_in_the_middle_of_an_epoch_goes_on_in_it() {
    let mut world = World::new(4, 1);
    let join = world.change(0, &[], &[(4, seed(4))], &seeds(0..4));
    world.post(0, join);
    for _ in 0..3 {
        let work = world.work();
        world.post(0, work);
    }
    for node in 0..5 {
        world.sleep(node);
    }
    for node in 0..5 {
        world.wake(node);
    }
    assert_eq!([0, 1, 2, 3, 4].map(|node| world.epoch(node)), [1; 5]);
    let work = world.work();
    world.post(4, work);
    world.agree();
}

#[test]
fn who_votes_twice_is_reported_by_those_who_saw_it_and_stands_in_the_books() {
    let mut world = World::new(4, 0);
    let work = world.work();
    world.post(0, work);
    let block = BlockHash(Digest([7; 32]));
    let other = BlockHash(Digest([8; 32]));
    // The accused itself is silent, so that its true votes add no further offence.
    world.sleep(3);
    let view = world.validator(0).consensus().view();
    for block in [block, other] {
        let statement = Statement::Notarize { view, block };
        let signature = world::keys(seed(3)).sign_vote(&statement, &world.chain(), Epoch(0));
        let vote = Vote { epoch: Epoch(0), statement, signer: 3, signature };
        world.handle(1, Event::Message { from: 3, message: Message::Vote(vote) });
        // What the others saw makes no second record.
        world.handle(2, Event::Message { from: 3, message: Message::Vote(vote) });
    }
    let booked = |w: &World| w.validator(0).ledger().count::<ledger::records::OffenceRecord>();
    world.until("the offence on record", |w| booked(w) == 1);
    world.pass(5000);
    world.agree();
    assert_eq!(booked(&world), 1);
    let record = world.validator(0).ledger().get::<ledger::records::OffenceRecord>(0).unwrap();
    assert_eq!((record.epoch, record.signer, record.view), (Epoch(0), 3, view));
    // After a restart it is known to be booked and not reported again.
    world.sleep(1);
    world.wake(1);
    assert_eq!(world.validator(1).pooled(), 0);
}

/// A key of an entity that nobody registers.
fn refusable(world: &mut World) -> Event {
    let (_, transaction) = world.entity_and_key();
    Event::Submit { request: RequestId(77), transaction, until_posted: true }
}

#[test]
fn a_refusal_is_told_once_a_quorum_has_said_where_it_is() {
    let mut world = World::new(4, 1);
    let work = world.work();
    world.post(0, work);
    world.agree();
    for node in [1, 4] {
        let event = refusable(&mut world);
        world.handle(node, event);
        assert_eq!(world.outcomes.get(&77), None, "told before anybody was asked");
        world.pass(100);
        assert!(matches!(world.outcomes.remove(&77), Some(Outcome::Refused(_))), "node {node}");
    }
    // With too few to ask, nobody knows better than to come again.
    world.sleep(2);
    world.sleep(3);
    let event = refusable(&mut world);
    world.handle(1, event);
    world.pass(5000);
    assert!(matches!(world.outcomes.remove(&77), Some(Outcome::Behind { .. })));
    world.wake(2);
    world.pass(1000);
    let event = refusable(&mut world);
    world.handle(1, event);
    world.pass(100);
    assert!(matches!(world.outcomes.remove(&77), Some(Outcome::Refused(_))));
}

#[test]
fn whoever_says_that_it_is_in_a_later_epoch_does_not_vouch_that_we_are_level() {
    let mut world = World::new(4, 0);
    let work = world.work();
    world.post(0, work);
    [1, 2, 3].into_iter().for_each(|node| world.sleep(node));
    let later =
        Status { epoch: Epoch(7), view: View(1), height: Height(99), entry: None, finalization: None };
    let event = refusable(&mut world);
    // Asking for that epoch's blocks comes to nothing, and for a while nobody is heard of it.
    for _ in 0..300 {
        world.handle(0, event.clone());
        for nonce in u64::MAX - 400..=u64::MAX {
            for from in [1, 2] {
                let message = Message::ViewAnswer { nonce, status: later.clone() };
                world.handle(0, Event::Message { from, message });
            }
        }
        world.pass(50);
        let told = world.outcomes.remove(&77);
        assert!(matches!(told, None | Some(Outcome::Behind { .. })), "{told:?}");
    }
}

#[test]
fn one_who_missed_what_others_posted_does_not_refuse_what_rests_on_it() {
    let mut world = World::new(4, 0);
    world.sleep(3);
    let (registration, key) = world.entity_and_key();
    world.post(0, registration);
    world.wake(3);
    // Before anything has reached it since it slept: by its books, nobody is registered.
    world.handle(3, Event::Submit { request: RequestId(78), transaction: key, until_posted: true });
    world.until("an answer", |w| w.outcomes.contains_key(&78));
    let outcome = world.outcomes.remove(&78).unwrap();
    assert!(matches!(outcome, Outcome::Behind { .. } | Outcome::Posted { .. }), "{outcome:?}");
}

#[test]
fn whoever_says_where_it_is_hears_what_made_our_checkpoint_certified_but_not_without_pause() {
    let mut world = World::new(4, 0);
    let work = world.work();
    world.post(0, work);
    world.agree();
    let validator = world.nodes[0].validator.as_mut().unwrap();
    let size = validator.certified().unwrap().size;
    let now = later(validator.ledger().head().time, 60_000);
    let status = validator.consensus().status();
    let mut told = |from: u16, at: Timestamp| {
        let message = Message::Status(status.clone());
        let actions = validator.handle(at, Event::Message { from, message });
        let sent = actions.into_iter().filter_map(|action| match action {
            Action::SendCosignatures { to, cosignatures } => Some((to, cosignatures)),
            _ => None,
        });
        sent.collect::<Vec<_>>()
    };
    let [(3, cosignatures)] = &told(3, now)[..] else { panic!("nothing, or to somebody else") };
    assert!(cosignatures.len() >= 3 && cosignatures.iter().all(|c| c.size == size));
    assert!(told(3, now).is_empty());
    assert_eq!(told(2, now).len(), 1);
    assert_eq!(told(3, later(now, 60_000)).len(), 1);
}

#[test]
fn c21_one_who_says_that_a_later_epoch_is_there_when_it_is_not_costs_a_round_of_questions() {
    let mut world = World::new(4, 1);
    let work = world.work();
    world.post(0, work);
    world.agree();
    let lie =
        Status { epoch: Epoch(9), view: View(1), height: Height(u64::MAX), entry: None, finalization: None };
    for _ in 0..50 {
        world.handle(0, Event::Message { from: 4, message: Message::Status(lie.clone()) });
    }
    world.pass(2000);
    let work = world.work();
    world.post(0, work);
    world.agree();
    assert_eq!(world.epoch(0), 0);
}

#[test]
fn c24_a_recovery_block_is_believed_because_our_own_books_make_the_same() {
    let mut world = World::new(4, 2);
    let work = world.work();
    world.post(0, work);
    world.agree();
    // Two of four are gone for good, so nothing becomes final any more.
    world.sleep(2);
    world.sleep(3);
    let stuck = world.work();
    let event = Event::Submit { request: RequestId(0), transaction: stuck, until_posted: false };
    world.handle(0, event);
    world.pass(3000);
    let height = world.height(0);
    let nodes = [(0, seed(0)), (1, seed(1)), (4, seed(4)), (5, seed(5))];
    let recovery = world.recovery(0, &nodes, &seeds([0, 1, 2]));
    // The operator of the first node applies it; the others fetch the block and make it again.
    world.sleep(0);
    crate::recovery::apply(&world.genesis, &world.nodes[0].store, recovery.signed().clone()).unwrap();
    world.wake(0);
    assert_eq!((world.epoch(0), world.height(0)), (1, height + 1));
    world.until("epoch 1", |w| [0, 1, 4, 5].iter().all(|node| w.epoch(*node) == 1));
    let work = world.work();
    world.post(5, work);
    world.agree();
    assert_eq!(world.kept(1, height + 1).finality, Finality::Recovered);
    assert!(world.validator(4).trust().newest().is_recovery());
}

#[test]
fn one_who_stopped_for_good_says_nothing_more() {
    let mut world = World::new(4, 0);
    let work = world.work();
    world.post(0, work);
    world.agree();
    let view = world.validator(0).consensus().view();
    let certificate = |statement: Statement| {
        let votes: Vec<_> = (0..4u16)
            .map(|s| (s, world::keys(seed(usize::from(s))).sign_vote(&statement, &world.chain(), Epoch(0))))
            .collect();
        Certificate::from_votes(Epoch(0), statement, 4, &votes)
    };
    let block = BlockHash(Digest([7; 32]));
    let (first, second) =
        (certificate(Statement::Finalize { view, block }), certificate(Statement::Nullify { view }));
    for certificate in [first, second] {
        world.handle(0, Event::Message { from: 1, message: Message::Certificate(certificate) });
    }
    assert_eq!(world.nodes[0].halts, 1);
    assert!(world.validator(0).halted() && world.validator(0).ledger().head().height.0 > 0);
    let silent = world.votes.iter().filter(|(node, _)| *node == 0).count();
    world.pass(2000);
    assert_eq!(world.votes.iter().filter(|(node, _)| *node == 0).count(), silent);
}
