//! What strangers' bytes may cost in memory, counted by the allocator itself: R19 and R20.
//!
//! A binary of its own, because the counting allocator serves everything in its process. Counts are
//! per thread, so that tests do not disturb one another.
//!
//! The bounds that are shown here, n being the length on the wire:
//! - at rest, a decoded value takes at most [`AT_REST`] times its bytes, and [`SMALL`] more;
//! - while decoding, whatever the outcome, at most [`budget`] and [`AT_REST`] times n are allocated;
//! - a validator's memory does not grow with the number of votes, certificates or cosignatures that
//!   one member or a stranger sends.
#![allow(clippy::unwrap_used)]

use allocation_counter::{AllocationInfo, measure};
use consensus::event::{Justification, Message, Status};
use ledger::block::{Block, BlockHash, Header, Height, Leaf, View};
use ledger::certificate::{Certificate, Statement, ValidatorSet, Vote};
use ledger::checkpoint::{CertifiedCheckpoint, Checkpoint};
use ledger::codec::{self, Decode, Encode};
use ledger::digest::Digest;
use ledger::finality::{Finality, FinalizedBlock};
use ledger::genesis::Genesis;
use ledger::note::Note;
use ledger::receipt::Receipt;
use ledger::signature::Signature;
use ledger::state_proof::{StateProof, StateProofs};
use ledger::time::Timestamp;
use ledger::transaction::SignedTransaction;
use node::cosigning::{Certified, Cosignature};
use node::validator::{Event, Validator};
use tests::random::Random;

#[path = "scenarios/stage.rs"]
#[allow(dead_code, reason = "the table is for the scenarios beside")]
mod stage;

use stage::Stage;

/// Times its length on the wire that a value may take in memory.
const AT_REST: u64 = 4;
/// What a value takes beside, however short.
const SMALL: u64 = 2048;
/// More than any frame may have.
const MAX: usize = 8 << 20;

/// What the decoder may claim at once for an input of this length (`ledger::codec::decode`).
fn budget(bytes: usize) -> u64 {
    match bytes {
        0..=0x400 => 0x1_0000,
        0x401..=0x1_0000 => 0x10_0000,
        0x1_0001..=0x10_0000 => 0x100_0000,
        _ => 0x800_0000,
    }
}

/// Decodes, and compares what it took with the bounds. Says how many times its length it took at
/// rest, in hundredths, if it was read.
fn decoded<T: Encode + Decode<()>>(name: &str, bytes: &[u8]) -> Option<u64> {
    let mut value = None;
    let taken = measure(|| value = codec::decode::<T>(bytes, MAX).ok());
    let n = bytes.len() as u64;
    let most = budget(bytes.len()) + AT_REST * n;
    assert!(taken.bytes_max <= most, "{name}: {} bytes for {n}, at most {most}", taken.bytes_max);
    value.as_ref()?;
    let rest = u64::try_from(taken.bytes_current).unwrap_or(0) + size_of::<T>() as u64;
    assert!(rest <= AT_REST * n + SMALL, "{name}: {rest} bytes at rest for {n} on the wire");
    Some(rest * 100 / n)
}

type Reader = fn(&str, &[u8]) -> Option<u64>;

/// Everything that a stranger, a peer or a file hands to the one decoder, each with true bytes.
fn kinds(stage: &mut Stage) -> Vec<(&'static str, Reader, Vec<u8>)> {
    let quorum = stage.quorum();
    let last = stage.blocks.last().unwrap().clone();
    let signed = stage.transactions(1).remove(0);
    let Finality::Voted { notarization: certificate, .. } = last.finality.clone() else {
        panic!("no chain here is recovered")
    };
    let header = last.block.header.clone();
    let vote = stage.vote(0, certificate.statement);
    let certified = stage.certified(&quorum);
    let checkpoint = certified.claimed().clone();
    let (size, root) = (checkpoint.size, checkpoint.root);
    let by = stage.chain.keys(0).cosign(0, &checkpoint, 1_772_582_400);
    let cosignature = Cosignature { size, root, by };
    let justification =
        Justification { parent: Some(certificate.clone()), skips: vec![certificate.clone(); 64] };
    let proposal = Message::Proposal { block: last.block.clone(), justification, vote };
    let status = Message::Status(Status {
        epoch: stage.epoch(),
        view: header.view,
        height: header.height,
        entry: Some(certificate.clone()),
        finalization: Some(certificate.clone()),
    });
    let leaf = stage.leaves().into_iter().max_by_key(Vec::len).unwrap();
    let batch: Vec<Vec<u8>> = stage.transactions(40).iter().map(codec::encode).collect();
    let kept = Certified { size, root, cosignatures: vec![by; 3] };
    let key = ledger::registers::Record::key(stage.ledger.get::<ledger::records::EntityRecord>(1).unwrap());
    let record = stage.ledger.prove::<ledger::records::EntityRecord>(&key).unwrap();
    let seal = ledger::state_proof::SealProof {
        registers: stage.ledger.register_roots(),
        leaf: leaf.clone(),
        path: vec![Digest::default(); 20],
    };
    let checkpoint = certified.to_text();
    let one = StateProof { checkpoint: checkpoint.clone(), seal: seal.clone(), record: record.clone() };
    let many = StateProofs { checkpoint, seal, records: vec![record; 50] };
    vec![
        ("transaction", decoded::<SignedTransaction>, codec::encode(&signed)),
        ("vote", decoded::<Vote>, codec::encode(&vote)),
        ("certificate", decoded::<Certificate>, codec::encode(&certificate)),
        ("header", decoded::<Header>, codec::encode(&header)),
        ("block", decoded::<Block>, codec::encode(&last.block)),
        ("final block", decoded::<FinalizedBlock>, codec::encode(&last)),
        ("proposal", decoded::<Message>, codec::encode(&proposal)),
        ("status", decoded::<Message>, codec::encode(&status)),
        ("vote message", decoded::<Message>, codec::encode(&Message::Vote(vote))),
        ("request", decoded::<Message>, codec::encode(&Message::CertificateRequest(View(1)))),
        ("cosignatures", decoded::<Vec<Cosignature>>, codec::encode(&vec![cosignature; 4])),
        ("gossip", decoded::<Vec<Vec<u8>>>, codec::encode(&batch)),
        ("leaf", decoded::<Leaf>, leaf),
        ("genesis", decoded::<Genesis>, stage.chain.genesis.encode()),
        ("validators", decoded::<ValidatorSet>, codec::encode(stage.set())),
        ("certified checkpoint", decoded::<Certified>, codec::encode(&kept)),
        ("record proof", decoded::<StateProof>, codec::encode(&one)),
        ("record proofs", decoded::<StateProofs>, codec::encode(&many)),
    ]
}

#[test]
fn r20_heap_amplify_every_true_value_takes_a_stated_multiple_of_its_bytes() {
    let mut stage = Stage::grown(4, 3);
    for (name, read, bytes) in kinds(&mut stage) {
        let hundredths = read(name, &bytes).unwrap_or_else(|| panic!("{name} does not read its own bytes"));
        println!(
            "{name}: {} bytes, {}.{:02} times as much at rest",
            bytes.len(),
            hundredths / 100,
            hundredths % 100
        );
    }
}

#[test]
fn r20_heap_amplify_a_length_that_lies_claims_no_more_than_the_budget() {
    let mut stage = Stage::grown(4, 2);
    let lies: [u64; 12] = [
        255,
        1 << 10,
        1 << 12,
        1 << 14,
        1 << 16,
        (1 << 16) - 1,
        1 << 20,
        1 << 24,
        1 << 32,
        1 << 48,
        1 << 63,
        u64::MAX,
    ];
    for (name, read, bytes) in kinds(&mut stage) {
        // A large genesis has the same forms over and over.
        let step = 1 + bytes.len() / 1500;
        for place in (0..bytes.len().saturating_sub(8)).step_by(step) {
            for lie in lies {
                let mut bent = bytes.clone();
                bent[place..place + 8].copy_from_slice(&lie.to_le_bytes());
                read(name, &bent);
                // And with nothing after it.
                bent.truncate(place + 8);
                read(name, &bent);
            }
        }
    }
}

#[test]
fn r20_heap_amplify_the_smallest_items_in_the_largest_number() {
    // Each list filled with what is shortest on the wire.
    let nullify = Statement::Nullify { view: View(0) };
    let bare =
        Certificate { epoch: Default::default(), statement: nullify, signers: vec![], signatures: vec![] };
    let stage = Stage::of(4);
    let header = stage.ledger.genesis_header().clone();
    let vote = stage.vote(0, nullify);
    for count in [1, 30, 1000, 30_000] {
        let empty: Vec<Vec<u8>> = vec![Vec::new(); count];
        decoded::<Vec<Vec<u8>>>("empty transactions", &codec::encode(&empty)).unwrap();
        let justification = Justification { parent: None, skips: vec![bare.clone(); count] };
        let block = Block { header: header.clone(), transactions: Vec::new() };
        let proposal = Message::Proposal { block: block.clone(), justification, vote };
        decoded::<Message>("bare skips", &codec::encode(&proposal)).unwrap();
        let proof = FinalizedBlock {
            block,
            finality: Finality::Voted {
                notarization: bare.clone(),
                skips: vec![bare.clone(); count],
                finalization: Some(bare.clone()),
                closing: Vec::new(),
            },
        };
        decoded::<FinalizedBlock>("bare skips", &codec::encode(&proof)).unwrap();
        let long = Certificate { signers: vec![0; count], ..bare.clone() };
        decoded::<Certificate>("a long signer list", &codec::encode(&long)).unwrap();
        let many = Certificate { signatures: vec![Signature([0; 64]); count], ..bare.clone() };
        decoded::<Certificate>("many signatures", &codec::encode(&many)).unwrap();
    }
}

#[test]
fn r20_heap_amplify_noise_of_every_length() {
    let mut stage = Stage::grown(4, 1);
    let mut random = Random::new(20);
    let kinds = kinds(&mut stage);
    for round in 0..6000 {
        let length = [0, 1, 7, 8, 9, 0x3ff, 0x400, 0x401, 5000, 0x1_0000, 0x1_0001][round % 11];
        // Mostly zeros: small counts, so that the decoder gets far.
        let mut bytes = vec![0; length];
        for _ in 0..random.below(20) {
            if let Some(byte) = bytes.get_mut(random.index(length.max(1))) {
                *byte = random.next() as u8;
            }
        }
        let (name, read, _) = &kinds[round / 11 % kinds.len()];
        read(name, &bytes);
    }
}

#[test]
fn r20_heap_amplify_texts_take_a_stated_multiple_too() {
    let stage = Stage::grown(4, 2);
    let certified = stage.certified(&stage.quorum());
    let leaves = stage.leaves();
    let path = vec![Digest([7; 32]); 64];
    let index = ledger::block::LeafIndex(3);
    let receipt = Receipt::new(leaves[3].clone(), index, path, certified.clone(), None, Vec::new()).to_text();
    let note = certified.to_text();
    let long = "— a +".repeat(100_000);
    let lines = format!("{note}{}", "— v.example AAAA\n".repeat(20_000));
    let blank = "\n".repeat(500_000);
    let head = receipt.split_once("\n\n").unwrap().0.to_string();
    let texts = [receipt.clone(), note, long, lines, blank, head.repeat(500), receipt.repeat(50)];
    let mut read = 0;
    for text in &texts {
        let n = text.len() as u64;
        let bounded = |what: &str, taken: AllocationInfo| {
            let most = 8 * n + 4096;
            assert!(taken.bytes_max <= most, "{what}: {} bytes for a text of {n}", taken.bytes_max);
        };
        bounded("receipt", measure(|| read += u32::from(Receipt::parse_bytes(text.as_bytes()).is_ok())));
        bounded("note", measure(|| read += u32::from(Note::parse(text).is_ok())));
        bounded("checkpoint", measure(|| read += u32::from(Checkpoint::parse(text).is_ok())));
        bounded("certified", measure(|| read += u32::from(CertifiedCheckpoint::parse(text).is_ok())));
    }
    assert!(read >= 3, "the receipt and the note are true ones");
}

/// What a validator holds after hearing all of this, beyond what it held before.
fn held(validator: &mut Validator, now: Timestamp, count: u64, event: impl Fn(u64) -> Event) -> i64 {
    let taken = measure(|| {
        for n in 0..count {
            drop(validator.handle(now, event(n)));
        }
    });
    taken.bytes_current
}

#[test]
fn r19_forged_vote_flood_memory_stays_flat_however_many_votes_are_forged() {
    let stage = Stage::of(4);
    let mut validator = stage.newcomer(1);
    let now = stage.clock();
    let forged = |view: u64, signer: u16, n: u64| {
        let mut block = BlockHash::default();
        block.0.0[..8].copy_from_slice(&n.to_le_bytes());
        let statement = match n % 3 {
            0 => Statement::Notarize { view: View(view), block },
            1 => Statement::Nullify { view: View(view) },
            _ => Statement::Finalize { view: View(view), block },
        };
        let signature = Signature([n as u8; 64]);
        let message = Message::Vote(Vote { epoch: Default::default(), statement, signer, signature });
        Event::Message { from: 3, message }
    };
    // Far ahead, which nobody can check yet, and of no use; then near, where each is checked.
    let far = held(&mut validator, now, 100_000, |n| forged(3 + n, (n % 5) as u16, n));
    let near = held(&mut validator, now, 3000, |n| forged(1 + n % 2, (n % 5) as u16, n));
    println!("{far} bytes after 100,000 votes far ahead, {near} after 3,000 near");
    assert!(far < 4096 && near < 16_384, "{far} and {near} bytes are kept of forged votes");
    assert_eq!(validator.consensus().stats().views, 0, "a view that nobody truly voted in is tracked");
    assert!(validator.faults() >= 2000, "forgeries are not counted: {}", validator.faults());
}

#[test]
fn r19_forged_vote_flood_one_members_true_votes_take_its_own_seat_and_no_more() {
    let stage = Stage::of(4);
    let mut validator = stage.newcomer(1);
    let now = stage.clock();
    let true_vote = |n: u64| {
        let mut block = BlockHash::default();
        block.0.0[..8].copy_from_slice(&n.to_le_bytes());
        let view = View(1 + n % 2);
        let statement = [Statement::Notarize { view, block }, Statement::Finalize { view, block }];
        let message = Message::Vote(stage.vote(3, statement[(n / 2 % 2) as usize]));
        Event::Message { from: 3, message }
    };
    let first = held(&mut validator, now, 100, true_vote);
    let more = held(&mut validator, now, 3000, |n| true_vote(100 + n));
    println!("{first} bytes after 100 votes, {more} more after 3,000");
    assert!(first < 32_768, "{first} bytes for one seat in two views");
    assert!(more <= 1024, "{more} bytes more: memory grows with the votes of one member");
}

#[test]
fn r19_forged_vote_flood_certificates_status_and_cosignatures_leave_nothing_behind() {
    let stage = Stage::of(4);
    let mut validator = stage.newcomer(1);
    let now = stage.clock();
    let forged = |n: u64| {
        let statement = Statement::Nullify { view: View(1 + n) };
        let votes = [0, 1, 2].map(|seat| (seat, Signature([n as u8; 64])));
        let certificate = Certificate::from_votes(Default::default(), statement, 4, &votes);
        let message = match n % 3 {
            0 => Message::Certificate(certificate),
            1 => Message::CertificateRequest(View(n << 20)),
            _ => Message::Status(Status {
                epoch: Default::default(),
                view: View(n),
                height: Height(n << 30),
                entry: Some(certificate.clone()),
                finalization: Some(certificate),
            }),
        };
        Event::Message { from: 3, message }
    };
    let held_after = held(&mut validator, now, 6000, forged);
    assert!(held_after < 8192, "{held_after} bytes are kept of forged certificates");
    // One member cosigns what it invents: the room for that is fixed.
    let cosign = |n: u64| {
        let (size, root) = (1000 + n, Digest([n as u8; 32]));
        let checkpoint = Checkpoint { origin: stage.chain.trust.origin().into(), size, root };
        let by = stage.chain.keys(3).cosign(3, &checkpoint, 1_772_582_400);
        Event::Cosignatures(vec![Cosignature { size, root, by }])
    };
    let full = held(&mut validator, now, 300, cosign);
    let more = held(&mut validator, now, 1500, |n| cosign(300 + n));
    println!("{full} bytes after 300 cosignatures, {more} more after 1,500");
    assert!(full < 512 << 10, "{full} bytes for one member's cosignatures");
    assert!(more < 16_384, "{more} bytes more: memory grows with the cosignatures of one member");
}

#[test]
fn r19_forged_vote_flood_bodies_that_consensus_will_not_execute_take_no_room() {
    let stage = Stage::of(4);
    let mut validator = stage.newcomer(1);
    let now = stage.clock();
    let leader = stage.leader(1);
    let true_header = stage.propose(1, Vec::new()).header().clone();
    let invented = |n: u64| {
        let mut header = true_header.clone();
        header.time.0 += n;
        let vote = stage.vote(leader, Statement::Notarize { view: header.view, block: header.hash() });
        let block = Block { header, transactions: Vec::new() };
        let justification = Justification { parent: None, skips: Vec::new() };
        stage.intake.proposal(leader, block, justification, vote).unwrap()
    };
    let first = held(&mut validator, now, 10, invented);
    let more = held(&mut validator, now, 1000, |n| invented(10 + n));
    println!("{first} bytes after 10 proposals, {more} more after 1,000");
    assert!(more < 8192, "{more} bytes more: bodies pile up that nobody will execute");
}
