//! Who comes back: without its vote log, twice at once, or to peers that lie about what was final.

use std::collections::{BTreeMap, BTreeSet};

use consensus::event::Status;
use ledger::block::{Block, BlockHash, Height};
use ledger::certificate::{Statement, Vote};
use ledger::digest::Digest;
use ledger::finality::FinalizedBlock;

use super::*;
use crate::amnesia::{Memory, Progress};
use crate::store::Store;
use crate::watermark::Term;

const NOTHING: Term = (Epoch(0), View(0));
const NONCE: u64 = 77;
/// Blocks beyond what is fetched one by one.
const FAR: usize = 80;

fn grow(world: &mut World, node: usize, blocks: usize) {
    for _ in 0..blocks {
        let work = world.work();
        world.post(node, work);
    }
}

/// Votes of which no correct validator casts two: more than one kind's worth in one view.
fn contradictions(votes: impl Iterator<Item = Vote>) -> usize {
    let mut said: BTreeMap<(Epoch, u16, View, u8), BlockHash> = BTreeMap::new();
    let mut nullified = BTreeSet::new();
    let mut count = 0;
    for vote in votes {
        let view = vote.statement.view();
        let (kind, block) = match vote.statement {
            Statement::Notarize { block, .. } => (1, block),
            Statement::Finalize { block, .. } => (3, block),
            Statement::Nullify { .. } => {
                nullified.insert((vote.epoch, vote.signer, view));
                continue;
            }
        };
        let before = said.insert((vote.epoch, vote.signer, view, kind), block);
        count += usize::from(before.is_some_and(|before| before != block));
    }
    let finalized = said.keys().filter(|(_, _, _, kind)| *kind == 3);
    count + finalized.filter(|(epoch, signer, view, _)| nullified.contains(&(*epoch, *signer, *view))).count()
}

fn votes_of(world: &World, node: usize) -> Vec<Vote> {
    world.votes.iter().filter(|(of, _)| *of == node).map(|(_, vote)| *vote).collect()
}

#[test]
fn c25_r12_a_validator_on_a_new_disk_follows_asks_and_votes_again_two_views_beyond_what_others_prove() {
    let mut world = World::new(4, 0);
    grow(&mut world, 0, 6);
    let before = votes_of(&world, 3);
    let last = before.iter().map(|vote| vote.statement.view()).max().unwrap();
    world.new_disk(3);
    world.memories.insert(3, Memory::lost((Epoch(0), last), NONCE));
    world.wake(3);
    assert_eq!(world.validator(3).lost_votes(), Some(Progress { heard: 0, needed: 3, for_good: false }));
    grow(&mut world, 0, 3);
    world.until("the others were heard", |w| w.regained.iter().any(|(node, _)| *node == 3));
    let (_, floor) = world.regained[0];
    assert!(floor > (Epoch(0), last), "{floor:?} against {last}");
    grow(&mut world, 1, 8);
    world.until("it votes again", |w| votes_of(w, 3).len() > before.len());
    let after: Vec<View> =
        votes_of(&world, 3)[before.len()..].iter().map(|vote| vote.statement.view()).collect();
    assert!(after.iter().all(|view| *view >= floor.1), "{after:?} from {floor:?} on");
    world.agree();
    assert_eq!(contradictions(votes_of(&world, 3).into_iter()), 0);
    assert!(world.forgot.is_empty());
}

#[test]
fn r12_while_one_more_is_down_the_one_that_forgot_waits_and_three_of_four_go_on_when_it_is_back() {
    let mut world = World::new(4, 0);
    grow(&mut world, 0, 3);
    let before = votes_of(&world, 3).len();
    world.new_disk(3);
    world.sleep(2);
    world.memories.insert(3, Memory::lost(NOTHING, NONCE));
    world.wake(3);
    world.pass(30_000);
    assert_eq!(world.validator(3).lost_votes(), Some(Progress { heard: 2, needed: 3, for_good: false }));
    assert_eq!(votes_of(&world, 3).len(), before, "two of four are away, which is more than f");
    world.wake(2);
    world.until("the third was heard", |w| w.validator(3).lost_votes().is_none());
    grow(&mut world, 3, 6);
    world.agree();
}

#[test]
fn r12_two_that_forgot_do_not_take_each_other_for_witnesses() {
    let mut world = World::new(4, 0);
    grow(&mut world, 0, 3);
    for node in [2, 3] {
        world.new_disk(node);
        world.memories.insert(node, Memory::lost(NOTHING, NONCE));
    }
    world.wake(2);
    world.wake(3);
    world.pass(30_000);
    for node in [2, 3] {
        let heard = world.validator(node).lost_votes().unwrap().heard;
        assert_eq!(heard, 2, "#{node} heard the two that remember, and waits");
    }
    assert!(world.regained.is_empty());
}

#[test]
fn r12_what_was_lost_in_one_epoch_is_asked_for_again_in_the_next() {
    let mut world = World::new(4, 1);
    grow(&mut world, 0, 2);
    world.new_disk(3);
    let join = world.change(0, &[], &[(4, seed(4))], &seeds(0..4));
    world.post(0, join);
    grow(&mut world, 0, 3);
    world.memories.insert(3, Memory::lost(NOTHING, NONCE));
    world.wake(3);
    world.until("it was heard in the epoch there is", |w| w.validator(3).lost_votes().is_none());
    let (_, floor) = *world.regained.last().unwrap();
    assert_eq!(floor.0, Epoch(1));
    grow(&mut world, 3, 6);
    world.agree();
    assert_eq!(contradictions(votes_of(&world, 3).into_iter()), 0);
}

#[test]
fn r12_an_old_disk_that_nobody_noticed_is_given_away_by_its_own_signatures_and_falls_silent() {
    let mut world = World::new(4, 0);
    grow(&mut world, 0, 6);
    let before = votes_of(&world, 3).len();
    // The signer's memory was lost with it: nothing tells that the disk is not a first one.
    world.new_disk(3);
    world.wake(3);
    world.until("it is shown its own vote", |w| w.forgot.iter().any(|(node, _)| *node == 3));
    world.until("the others were heard", |w| w.validator(3).lost_votes().is_none());
    grow(&mut world, 0, 6);
    world.agree();
    assert!(votes_of(&world, 3).len() > before, "it votes again");
}

#[test]
fn r13_two_machines_with_one_key_are_convicted_or_fall_silent_and_nothing_forks() {
    let mut world = World::new(4, 1);
    grow(&mut world, 0, 3);
    world.memories.insert(4, Memory::whole(NOTHING, NONCE));
    world.twin(3, 4);
    for _ in 0..12 {
        // What only one of the two knows of makes their blocks differ when their seat leads.
        for machine in [3, 4] {
            let work = world.work();
            world.handle(machine, Event::Spread(vec![work]));
        }
        grow(&mut world, 0, 1);
    }
    let noticed = world.forgot.iter().any(|(node, _)| [3, 4].contains(node));
    assert!(noticed, "neither was shown a vote of its own that it does not remember");
    let of_seat: Vec<Vote> =
        world.votes.iter().map(|(_, vote)| *vote).filter(|vote| vote.signer == 3).collect();
    let booked = world.validator(0).ledger().count::<ledger::records::OffenceRecord>();
    let kept = world.nodes[0].store.evidence().unwrap().len();
    assert!(
        contradictions(of_seat.into_iter()) == 0 || booked as usize + kept > 0,
        "an offence that nobody saw"
    );
    for height in 1..=world.height(0) {
        let hashes: BTreeSet<_> = [0, 1, 2].map(|node| world.kept(node, height).block.header.hash()).into();
        assert_eq!(hashes.len(), 1, "height {height}");
    }
    assert_eq!(world.nodes.iter().map(|node| node.halts).sum::<usize>(), 0);
}

fn from(store: &Store, height: u64, count: usize) -> Vec<FinalizedBlock> {
    store.finalized_from(Height(height), count, 1 << 20).unwrap()
}

fn nothing(_: &Store, _: Height) -> Vec<FinalizedBlock> {
    Vec::new()
}

fn one_at_a_time(store: &Store, height: Height) -> Vec<FinalizedBlock> {
    from(store, height.0, 1)
}

fn lower(store: &Store, _: Height) -> Vec<FinalizedBlock> {
    from(store, 1, 3)
}

fn with_a_gap(store: &Store, height: Height) -> Vec<FinalizedBlock> {
    let mut blocks = from(store, height.0, 8);
    if blocks.len() > 2 {
        blocks.remove(1);
    }
    blocks
}

fn backwards(store: &Store, height: Height) -> Vec<FinalizedBlock> {
    from(store, height.0, 8).into_iter().rev().collect()
}

fn overlong(store: &Store, height: Height) -> Vec<FinalizedBlock> {
    let blocks = from(store, height.0, 8);
    (0..40).flat_map(|_| blocks.clone()).collect()
}

fn unproven(store: &Store, height: Height) -> Vec<FinalizedBlock> {
    let mut blocks = from(store, height.0, 8);
    for block in &mut blocks {
        if let Finality::Voted { notarization, .. } = &mut block.finality {
            notarization.signatures.pop();
        }
    }
    blocks
}

fn of_another_chain(store: &Store, height: Height) -> Vec<FinalizedBlock> {
    let mut blocks = from(store, height.0, 8);
    blocks.iter_mut().for_each(|block| block.block.header.chain = Digest([9; 32]));
    blocks
}

fn without_bodies(store: &Store, height: Height) -> Vec<FinalizedBlock> {
    let strip = |block: FinalizedBlock| {
        let body = Block { transactions: Vec::new(), ..block.block };
        FinalizedBlock { block: body, ..block }
    };
    from(store, height.0, 8).into_iter().map(strip).collect()
}

fn good_with_a_bad_end(store: &Store, height: Height) -> Vec<FinalizedBlock> {
    let mut blocks = from(store, height.0, 4);
    if let Some(last) = blocks.last_mut() {
        last.block.header.time.0 += 1;
    }
    blocks
}

fn called_recovered(store: &Store, height: Height) -> Vec<FinalizedBlock> {
    let recovered = |block: FinalizedBlock| FinalizedBlock { finality: Finality::Recovered, ..block };
    from(store, height.0, 2).into_iter().map(recovered).collect()
}

const LIES: [(&str, world::Lie); 11] = [
    ("nothing", nothing),
    ("one block at a time", one_at_a_time),
    ("blocks that we have", lower),
    ("a gap", with_a_gap),
    ("backwards", backwards),
    ("forty times the same", overlong),
    ("no quorum", unproven),
    ("another chain", of_another_chain),
    ("headers only", without_bodies),
    ("a bad end", good_with_a_bad_end),
    ("recovery blocks", called_recovered),
];

/// What a correct peer might send too.
const USELESS: [&str; 4] = ["nothing", "one block at a time", "blocks that we have", "recovery blocks"];

#[test]
fn r04_r05_bad_sync_range_whatever_two_of_three_peers_send_they_are_blamed_the_third_is_asked_and_we_arrive()
{
    let mut world = World::new(4, 0);
    world.sleep(3);
    grow(&mut world, 0, FAR);
    for (name, lie) in LIES {
        world.lies.insert(0, lie);
        world.lies.insert(1, lie);
        world.asked.clear();
        world.new_disk(3);
        world.wake(3);
        let height = world.height(0);
        world.until(name, |w| w.height(3) >= height);
        let asked: BTreeSet<_> = world.asked.iter().map(|(_, of, ..)| *of).collect();
        assert!(asked.contains(&0), "{name}: the liars were not asked, but {asked:?}");
        assert_eq!(world.nodes[3].halts, 0, "{name}: a lie is no reason to stop");
        let blamed: BTreeSet<_> = world.blamed.drain(..).map(|(by, peer, _)| (by, peer)).collect();
        assert!(blamed.iter().all(|pair| [(3, 0), (3, 1)].contains(pair)), "{name}: {blamed:?} is blamed");
        assert_eq!(blamed.is_empty(), USELESS.contains(&name), "{name}: {blamed:?} is blamed");
        world.lies.clear();
        world.agree();
        world.sleep(3);
    }
}

#[test]
fn r04_sinking_height_one_who_claims_a_height_and_then_a_lower_one_holds_nobody_up() {
    let mut world = World::new(4, 1);
    grow(&mut world, 0, 4);
    world.sleep(3);
    grow(&mut world, 0, 12);
    world.lies.insert(4, lower);
    world.wake(3);
    for height in [1_000_000, 900, 5, 0] {
        let status = Status {
            epoch: Epoch(3),
            view: View(height),
            height: Height(height),
            entry: None,
            finalization: None,
        };
        world.handle(3, Event::Message { from: 4, message: Message::Status(status) });
    }
    let height = world.height(0);
    world.until("the true height", |w| w.height(3) >= height);
    grow(&mut world, 0, 2);
    world.agree();
}

#[test]
fn r21_hot_loop_peers_that_answer_at_once_and_have_nothing_are_not_asked_without_pause() {
    let mut world = World::new(4, 0);
    world.sleep(3);
    grow(&mut world, 0, FAR);
    for node in 0..3 {
        world.lies.insert(node, nothing);
    }
    world.wake(3);
    world.pass(1000);
    world.asked.clear();
    world.pass(10_000);
    let asked = world.asked.iter().filter(|(by, ..)| *by == 3).count();
    let peers: BTreeSet<_> = world.asked.iter().filter(|(by, ..)| *by == 3).map(|(_, of, ..)| *of).collect();
    // Three peers a round, and a round each request time-out of 200 ms.
    assert!((30..=180).contains(&asked), "asked {asked} times in ten seconds");
    assert_eq!(peers, BTreeSet::from([0, 1, 2]));
    world.lies.clear();
    let height = world.height(0);
    world.until("somebody has it after all", |w| w.height(3) >= height);
}

#[test]
fn a_restart_from_a_snapshot_has_the_same_books_votes_on_and_falls_back_when_it_is_damaged() {
    let mut world = World::new(4, 1);
    grow(&mut world, 0, 6);
    let join = world.change(0, &[], &[(4, seed(4))], &seeds(0..4));
    world.post(0, join);
    grow(&mut world, 0, 4);
    world.agree();
    let keep = |world: &World| {
        let (validator, store) = (world.validator(2), &world.nodes[2].store);
        let head = store.finalized(Height(world.height(2))).unwrap().unwrap().block.header;
        let still = validator.ledger().still(&head).unwrap();
        crate::snapshot::keep(store, &still, validator.trust()).unwrap()
    };
    assert!(keep(&world));
    assert!(!keep(&world), "one is there already");
    let first = world.height(2);
    grow(&mut world, 0, 3);
    world.agree();
    assert!(keep(&world));
    let (state, height) = (world.validator(2).ledger().head().clone(), world.height(2));
    let genesis = world.genesis.clone();
    let read = |world: &World| {
        let books = crate::snapshot::newest(&genesis, &world.nodes[2].store);
        books.map(|(ledger, trust)| (ledger.head().clone(), trust.terms().len()))
    };
    assert_eq!(read(&world), Some((state.clone(), 2)));
    world.sleep(2);
    world.wake(2);
    assert_eq!(*world.validator(2).ledger().head(), state);
    grow(&mut world, 2, 3);
    world.agree();
    assert_eq!(contradictions(votes_of(&world, 2).into_iter()), 0);

    // One byte anywhere, and the older is taken; both, and everything is replayed.
    let folder = world.nodes[2].store.path().join("snapshots");
    let damage = |height: u64, part: usize| {
        let path = folder.join(format!("{height:020}"));
        let mut bytes = std::fs::read(&path).unwrap();
        let place = (bytes.len() - 1) * part / 16;
        bytes[place] ^= 4;
        std::fs::write(&path, bytes).unwrap();
    };
    for part in 0..=16 {
        damage(height, part);
        assert_eq!(read(&world).map(|(head, _)| head.height), Some(Height(first)), "byte {part}/16 of it");
        damage(height, part);
    }
    damage(height, 7);
    damage(first, 7);
    assert_eq!(read(&world), None);
    let now = world.validator(2).ledger().head().clone();
    world.sleep(2);
    world.wake(2);
    assert_eq!(*world.validator(2).ledger().head(), now);
}
