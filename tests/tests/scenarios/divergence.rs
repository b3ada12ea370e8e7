//! Books that come out otherwise on one machine: R07, R16 and R24.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use consensus::event::{HaltReason, Message};
use ledger::block::{Block, BlockHash, Height, VerifiedBlock, View};
use ledger::books::{BlockError, Ledger, Parent, Slot};
use ledger::codec;
use ledger::digest::Digest;
use ledger::finality::FinalizedBlock;
use ledger::transaction::VerifiedTransaction;
use ledger::tree::leaf_hash;
use node::intake::Intake;
use node::recover::{RecoverError, ReplayError};
use node::validator::Event;
use tests::chain::Chain;
use tests::random::Random;
use tests::traffic::Traffic;

use crate::stage::{Stage, Table};

/// Set in a process that replays for the test below; its value is a file of blocks.
const REPLAYED: &str = "HOVEDBOK_REPLAYED";
/// How many threads such a process uses.
const THREADS: &str = "HOVEDBOK_REPLAY_THREADS";
const REPLAYS: usize = 100;
const BLOCKS: usize = 24;

/// Verifies the bodies on so many threads, and executes them in order on each.
fn replay(blocks: &[Block], threads: usize) -> Vec<String> {
    let chain = Chain::of(4);
    // Its memory is a map whose order differs from process to process.
    let intake = Intake::new(*chain.trust.chain());
    let one = |_: usize| {
        let mut ledger = Ledger::new(&chain.genesis).unwrap();
        for block in blocks {
            let block = intake.block(block.clone()).unwrap();
            match ledger.verify(&Parent::Finalized, &block) {
                Ok(staged) => ledger.post(&staged),
                Err(refused) => return format!("height {}: {refused}", block.header().height),
            }
        }
        let head = ledger.head();
        format!("{} {} {} {}", head.height, head.log.root(), head.state_root, head.block)
    };
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|thread| scope.spawn(move || one(thread))).collect();
        handles.into_iter().map(|handle| handle.join().unwrap()).collect()
    })
}

/// Runs this test in a process of its own, where it only replays; returns what it printed.
fn replayed(file: &Path, threads: usize) -> String {
    let this = std::env::current_exe().unwrap();
    let name = "divergence::r16_hashmap_order_a_hundred_processes_replay_to_the_same_roots";
    let output = Command::new(this)
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(REPLAYED, file)
        .env(THREADS, threads.to_string())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find_map(|line| line.split_once("replayed: "));
    line.unwrap_or_else(|| panic!("no result in {text}")).1.to_string()
}

fn write(blocks: &[Block]) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let encoded: Vec<Vec<u8>> = blocks.iter().map(codec::encode).collect();
    file.write_all(&codec::encode(&encoded)).unwrap();
    file
}

#[test]
fn r16_hashmap_order_a_hundred_processes_replay_to_the_same_roots() {
    if let (Ok(file), Ok(threads)) = (std::env::var(REPLAYED), std::env::var(THREADS)) {
        let encoded: Vec<Vec<u8>> = codec::decode(&std::fs::read(file).unwrap(), 8 << 20).unwrap();
        let blocks = encoded.iter().map(|bytes| codec::decode(bytes, 4 << 20).unwrap());
        let mut ends = replay(&blocks.collect::<Vec<Block>>(), threads.parse().unwrap());
        ends.dedup();
        return println!("replayed: {}", ends.join(" and "));
    }
    let stage = Stage::grown(4, BLOCKS);
    let blocks: Vec<Block> = stage.blocks.iter().map(|finalized| finalized.block.clone()).collect();
    let file = write(&blocks);
    let head = stage.ledger.head();
    let due = format!("{} {} {} {}", head.height, head.log.root(), head.state_root, head.block);
    let next = std::sync::atomic::AtomicUsize::new(0);
    let pairs = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..pairs {
            scope.spawn(|| {
                loop {
                    let turn = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                    if turn >= REPLAYS {
                        return;
                    }
                    assert_eq!(replayed(file.path(), 1 + turn % 8), due, "replay {turn}");
                }
            });
        }
    });
    // And it would show: the same blocks with one payment less come to another end, in words.
    let mut planted = blocks;
    let block = planted.iter_mut().rev().find(|block| block.transactions.len() > 1).unwrap();
    block.transactions.pop();
    block.header.payload = Block::payload(&block.transactions);
    let said = replayed(write(&planted).path(), 2);
    assert!(said.contains("log size"), "{said}");
}

/// A transaction altered after its signatures were checked.
fn altered_one(transaction: &VerifiedTransaction, chain: &Digest) -> VerifiedTransaction {
    let mut signed = transaction.signed().clone();
    signed.transaction.id.number[15] ^= 1;
    VerifiedTransaction::from_own_store(signed, chain)
}

/// What a machine executes whose memory or rules are not like the others'.
fn altered(block: &VerifiedBlock, chain: &Digest) -> VerifiedBlock {
    let transactions = block.transactions().iter().map(|t| altered_one(t, chain)).collect();
    VerifiedBlock::from_own_proposal(block.header().clone(), transactions)
}

/// A table at which these seats execute something else than what everybody signed for, whatever way
/// it reaches them.
fn diverging(seats: &'static [u16]) -> Table {
    let stage = Stage::of(4);
    let chain = *stage.id();
    let mut table = Table::new(stage, move |seat, event| {
        Some(match event {
            event if !seats.contains(&seat) => event,
            Event::Spread(all) => Event::Spread(all.iter().map(|t| altered_one(t, &chain)).collect()),
            Event::Proposal { from, block, justification, vote } => {
                Event::Proposal { from, block: altered(&block, &chain), justification, vote }
            }
            Event::Block(block) => Event::Block(altered(&block, &chain)),
            Event::Blocks { from, mut blocks } => {
                blocks.iter_mut().for_each(|synced| synced.block = altered(&synced.block, &chain));
                Event::Blocks { from, blocks }
            }
            event => event,
        })
    });
    let signed = table.stage.transactions(6);
    table.submit(signed);
    table
}

/// What was certified among what was said: every notarized or finalized block.
fn certified(table: &Table) -> Vec<BlockHash> {
    let of = |message: &Message| match message {
        Message::Certificate(certificate) => certificate.statement.block(),
        _ => None,
    };
    table.said.iter().filter_map(of).collect()
}

#[test]
fn r24_bit_flip_leaf_one_machine_that_books_otherwise_disagrees_alone_and_stops_itself() {
    for seat in [&[0_u16][..], &[1], &[2], &[3]] {
        let mut table = diverging(seat);
        table.run(8000);
        let odd = usize::from(seat[0]);
        let honest: Vec<usize> = (0..4).filter(|other| *other != odd).collect();
        let heads: Vec<_> = honest.iter().map(|at| table.members[*at].validator.ledger().head()).collect();
        assert!(heads[0].height > Height(0), "three of four are a quorum");
        for at in &honest {
            assert!(table.members[*at].halted.is_none(), "an honest machine stopped");
            let store = table.members[*at].home.store();
            // Whatever is certified leads to the roots that its header names, for who executes it truly.
            let mut ledger = Ledger::new(&table.stage.chain.genesis).unwrap();
            for finalized in store.finalized_from(Height(1), 1000, 8 << 20).unwrap() {
                let block = table.stage.intake.block(finalized.block).unwrap();
                ledger.post(&ledger.verify(&Parent::Finalized, &block).unwrap());
            }
            assert!(ledger.count::<ledger::records::PaymentRecord>() > 0, "the payments are booked");
        }
        let member = &table.members[odd];
        let posted = member.validator.ledger().head();
        assert!(posted.height < heads[0].height, "it posted what it had booked otherwise");
        let Some(HaltReason::CertifiedInvalid { certificate }) = &member.halted else {
            panic!("seat {odd} went on with books of its own: {:?}", member.halted);
        };
        assert!(certificate.statement.block().is_some_and(|block| certified(&table).contains(&block)));
    }
}

#[test]
fn r16_hashmap_order_half_of_the_machines_booking_otherwise_stall_and_certify_nothing() {
    let mut table = diverging(&[0, 1]);
    table.run(8000);
    for seat in 0..4_u16 {
        let member = &table.members[usize::from(seat)];
        let count = member.validator.ledger().count::<ledger::records::PaymentRecord>();
        assert_eq!(count, 0, "seat {seat} posted a payment on which the machines disagree");
        // Nobody is certain who is wrong, so nobody stops; and nothing is lost.
        assert!(member.halted.is_none(), "{:?}", member.halted);
        assert!(member.validator.pooled() > 0, "the payments wait");
    }
    assert!(certified(&table).iter().all(|block| {
        let known = table.members[2].home.store().block(block).unwrap();
        known.is_none_or(|block| block.transactions.is_empty())
    }));
}

#[test]
fn r24_bit_flip_leaf_a_leader_that_hashes_damaged_leaves_gets_no_vote() {
    let mut stage = Stage::grown(4, 2);
    let signed = stage.transactions(3);
    let transactions = stage.verified(signed);
    let staged = stage.propose(stage.ledger.head().view.0 + 1, transactions);
    // The leader's log as it would be with one bit turned in one leaf before hashing.
    for (place, leaf) in staged.leaves().iter().enumerate() {
        for bit in [0, leaf.len() * 4, leaf.len() * 8 - 1] {
            let mut log = stage.ledger.head().log.clone();
            for (other, leaf) in staged.leaves().iter().enumerate() {
                let mut leaf = leaf.clone();
                if other == place {
                    leaf[bit / 8] ^= 1 << (bit % 8);
                }
                log.push(leaf_hash(&leaf));
            }
            let mut header = staged.header().clone();
            header.log_root = log.root();
            let damaged = VerifiedBlock::from_own_proposal(header, staged.block().transactions().to_vec());
            let refused = stage.ledger.verify(&Parent::Finalized, &damaged).map(drop).unwrap_err();
            let (expected, found) = (staged.header().log_root, log.root());
            assert_eq!(refused, BlockError::LogRoot { expected, found });
        }
    }
    // And with one bit turned in a register.
    for bit in 0..256 {
        let mut header = staged.header().clone();
        header.state_root.0[bit / 8] ^= 1 << (bit % 8);
        let damaged = VerifiedBlock::from_own_proposal(header, staged.block().transactions().to_vec());
        let refused = stage.ledger.verify(&Parent::Finalized, &damaged).map(drop).unwrap_err();
        assert!(matches!(refused, BlockError::StateRoot { .. }), "bit {bit}: {refused}");
    }
}

#[test]
fn r24_bit_flip_leaf_a_block_damaged_on_the_disk_is_not_replayed() {
    let stage = Stage::grown(4, 4);
    let mut random = Random::new(24);
    for round in 0..60 {
        let mut bytes = codec::encode(&stage.blocks[2]);
        // Of the block itself; what proves it is not read again.
        let end = codec::encode(&stage.blocks[2].block).len();
        let bit = random.index(end * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let Ok(damaged) = codec::decode::<FinalizedBlock>(&bytes, 1 << 20) else { continue };
        let mut ledger = Ledger::new(&stage.chain.genesis).unwrap();
        let mut replay = |block: &Block| {
            let block = VerifiedBlock::from_own_store(block.clone());
            let staged = ledger.verify(&Parent::Finalized, &block)?;
            ledger.post(&staged);
            Ok(())
        };
        let blocks = [&stage.blocks[0], &stage.blocks[1], &damaged, &stage.blocks[3]];
        let end: Result<(), BlockError> = blocks.into_iter().try_for_each(|proof| replay(&proof.block));
        let refused = end.expect_err("a turned bit leads to the same books");
        let said =
            RecoverError::Replay { height: Height(3), source: ReplayError::Block(refused) }.to_string();
        assert!(said.contains("the disk is damaged"), "round {round}: {said}");
    }
}

#[test]
fn r24_bit_flip_leaf_a_leaf_served_from_a_damaged_disk_convinces_nobody() {
    let stage = Stage::grown(4, 2);
    let (leaves, trust) = (stage.leaves(), &stage.chain.trust);
    let certified = stage.certified(&stage.quorum());
    let mut random = Random::new(25);
    for _ in 0..100 {
        let place = random.index(leaves.len());
        let mut damaged = leaves.clone();
        let bit = random.index(damaged[place].len() * 8);
        damaged[place][bit / 8] ^= 1 << (bit % 8);
        let hashes = tests::checker::leaf_hashes(&damaged);
        for asked in [place, (place + 1) % leaves.len()] {
            let path = tests::checker::path(asked, &hashes);
            let index = ledger::block::LeafIndex(asked as u64);
            let leaf = damaged[asked].clone();
            let receipt =
                ledger::receipt::Receipt::new(leaf, index, path, certified.clone(), None, Vec::new());
            assert!(receipt.verify(trust, None).is_err(), "leaf {asked}, damage in {place}");
        }
    }
}

#[test]
fn r07_late_activation_what_a_proposer_refuses_every_voter_refuses_and_nothing_else() {
    let stage = Stage::grown(4, 8);
    let mut traffic = Traffic::new(7);
    let (mut refused, mut accepted) = (0, 0);
    let mut voter = Ledger::new(&stage.chain.genesis).unwrap();
    for finalized in &stage.blocks {
        let block = VerifiedBlock::from_own_store(finalized.block.clone());
        voter.post(&voter.verify(&Parent::Finalized, &block).unwrap());
    }
    for _ in 0..120 {
        // Of each life the first step, and one that comes too early.
        let steps = traffic.life(&stage.chain).steps;
        for signed in steps.into_iter().take(2) {
            let transaction = stage.verified(vec![signed]).remove(0);
            let view = stage.ledger.head().view.0 + 1;
            let slot = Slot {
                epoch: stage.epoch(),
                view: View(view),
                proposer: stage.leader(view),
                time: stage.clock(),
            };
            let mut candidates = std::iter::once(transaction.clone());
            let proposed = stage.ledger.propose(&Parent::Finalized, slot, &mut candidates);
            let alone = voter.check(&transaction, stage.clock());
            // A proposer that puts it into its block all the same, under a header as true as it can be.
            let header = proposed.staged.header().clone();
            let forced = VerifiedBlock::from_own_proposal(header, vec![transaction.clone()]);
            let verdict = voter.verify(&Parent::Finalized, &forced);
            match proposed.refused.first() {
                None => {
                    assert_eq!(alone, Ok(()));
                    assert!(verdict.is_ok(), "a proposer's block is refused: {:?}", verdict.map(drop));
                    accepted += 1;
                }
                Some((_, refusal)) => {
                    assert_eq!(alone.as_ref(), Err(refusal));
                    let (transaction, refusal) = (transaction.id(), refusal.clone());
                    let due = BlockError::Refused { transaction, refusal };
                    assert_eq!(verdict.map(drop), Err(due), "a voter books what the proposer refused");
                    refused += 1;
                }
            }
        }
    }
    println!("{accepted} accepted and {refused} refused, each by both");
    assert!(accepted > 50 && refused > 50);
}

#[test]
fn r16_hashmap_order_two_machines_that_part_name_the_register_and_the_key() {
    let mut stage = Stage::grown(4, 3);
    let signed = stage.transactions(5);
    let transactions = stage.verified(signed);
    let view = stage.ledger.head().view.0 + 1;
    let staged = stage.propose(view, transactions.clone());
    let ours = stage.ledger.changes(&Parent::Finalized, staged.block()).unwrap();
    assert_eq!(ours.state_root, staged.header().state_root);
    assert_eq!(ours.registers, staged.register_roots());
    assert_eq!(ours.difference(&ours.clone()), None);
    // The other machine's map hands it the third payment under another number.
    let mut other = transactions;
    other[2] = altered_one(&other[2], stage.id());
    let theirs = VerifiedBlock::from_own_proposal(staged.header().clone(), other);
    let theirs = stage.ledger.changes(&Parent::Finalized, &theirs).unwrap();
    assert_ne!(ours.state_root, theirs.state_root, "the divergence is planted");
    let difference = ours.difference(&theirs).unwrap();
    let named = difference.to_string();
    println!("{named}");
    let changed = difference.ours.clone().or(difference.theirs.clone()).unwrap();
    assert!(named.starts_with(&format!("register {}, record ", difference.register)), "{named}");
    assert!(named.contains(&changed.key) && !changed.key.is_empty(), "{named}");
    assert_ne!(difference.ours, difference.theirs);
    // The lists as text differ in lines that name them too: `diff` of two dumps is enough.
    let (one, two) = (ours.to_string(), theirs.to_string());
    let parted: Vec<&str> = one.lines().filter(|line| !two.contains(line)).collect();
    assert!(parted.iter().any(|line| line.contains(&changed.key)), "{parted:?}");
    assert!(parted.len() < one.lines().count() / 2, "what is equal stays equal");
}
