//! Proofs that other verifiers believed and ours must not: R02 and R22.

use ledger::block::{Block, LeafIndex};
use ledger::codec;
use ledger::digest::Digest;
use ledger::postings::{CHAIN_START, ChainedPosting, PostingsError, chained, verify_postings};
use ledger::receipt::{Evidence, Receipt, ReceiptError};
use ledger::records::{AccountRecord, CodeRecord, EntityRecord, KeyRecord};
use ledger::state_proof::{RecordPath, RegisterRoot, SealProof, StateProof, StateProofs, state_root};
use ledger::tree::{
    Frontier, ProofError, consistency_proof, inclusion_path, inclusion_proof, leaf_hash, node_hash, parents,
    root_at, verify_consistency, verify_inclusion,
};
use node::validator::Event;
use tests::checker::{leaf_hashes, path, root};

use crate::stage::Stage;

/// Leaves of a log, told apart by their number.
fn leaves(n: u64) -> Vec<Digest> {
    (0..n).map(|i| leaf_hash(&i.to_be_bytes())).collect()
}

/// Answers for the perfect subtrees over these leaves.
fn nodes(leaves: &[Digest]) -> impl Fn(u8, u64) -> Option<Digest> + '_ {
    |level, index| {
        let width = 1_usize.checked_shl(u32::from(level))?;
        let start = usize::try_from(index).ok()?.checked_mul(width)?;
        Some(root(leaves.get(start..start.checked_add(width)?)?))
    }
}

#[test]
fn r02_part_index_a_proof_of_one_leaf_is_no_proof_of_another() {
    for size in 1..=33_u64 {
        let leaves = leaves(size);
        let root = root(&leaves);
        for index in 0..size {
            let proof = path(index as usize, &leaves);
            let leaf = &leaves[index as usize];
            assert_eq!(verify_inclusion(leaf, index, size, &proof, &root), Ok(()));
            for claimed in (0..=2 * size).chain([1 << 32, 1 << 63, u64::MAX]) {
                let believed = verify_inclusion(leaf, claimed, size, &proof, &root).is_ok();
                assert_eq!(believed, claimed == index, "leaf {index} of {size} as {claimed}");
            }
        }
    }
}

#[test]
fn r02_part_index_a_receipt_and_a_record_under_another_number_are_refused() {
    let stage = Stage::grown(4, 3);
    let (leaves, certified) = (stage.leaves(), stage.certified(&stage.quorum()));
    let hashes = leaf_hashes(&leaves);
    assert_eq!(root(&hashes), stage.ledger.head().log.root());
    for (index, leaf) in leaves.iter().enumerate() {
        for claimed in 0..=leaves.len() as u64 {
            let proof = path(index, &hashes);
            let receipt =
                Receipt::new(leaf.clone(), LeafIndex(claimed), proof, certified.clone(), None, Vec::new());
            let verdict = receipt.verify(&stage.chain.trust, None);
            if claimed == index as u64 {
                assert_eq!(verdict.unwrap().index(), LeafIndex(claimed));
            } else {
                let refused = verdict.unwrap_err();
                assert_eq!(refused.step(), 8, "leaf {index} as {claimed}: {refused}");
                if let ReceiptError::Index { proven, .. } = refused {
                    assert_eq!(proven, index as u64, "the number that it does prove");
                }
            }
        }
    }
    let proofs = proofs(&stage);
    let proven = proofs.verify(&stage.chain.trust, None).unwrap();
    for (place, record) in proofs.records.iter().enumerate() {
        assert_eq!(proven.records()[place].index(), record.index);
        for claimed in (0..400).chain([u64::MAX]).filter(|claimed| *claimed != record.index) {
            let record = RecordPath { index: claimed, ..record.clone() };
            assert!(
                proven.seal().record(&record).is_err(),
                "record {} as {claimed}",
                proofs.records[place].index
            );
        }
        for register in (0..=255).filter(|register| *register != record.register) {
            let record = RecordPath { register, ..record.clone() };
            assert!(proven.seal().record(&record).is_err(), "in register {register}");
        }
    }
}

#[test]
fn r02_part_index_a_body_under_another_header_is_refused_before_it_is_kept() {
    let mut stage = Stage::grown(4, 2);
    let signed = stage.transactions(2);
    let transactions = stage.verified(signed);
    let staged = stage.propose(stage.ledger.head().view.0 + 1, transactions);
    let good = staged.block().to_block();
    let swapped = Block { transactions: good.transactions.iter().rev().cloned().collect(), ..good.clone() };
    let fewer = Block { transactions: good.transactions[..1].to_vec(), ..good.clone() };
    let foreign = Block { transactions: stage.blocks[0].block.transactions.clone(), ..good.clone() };
    let intake = node::intake::Intake::new(*stage.id());
    for body in [swapped, fewer, foreign] {
        assert!(intake.block(body.clone()).is_err());
        let finalized = stage.finalized(body, &stage.quorum());
        assert!(intake.finalized(vec![finalized]).is_empty());
    }
    // Nothing of it stuck: the true body is taken, and leads to the true books.
    let mut validator = stage.newcomer(1);
    let mut blocks = stage.blocks.clone();
    blocks.push(stage.finalized(good, &stage.quorum()));
    let blocks = intake.finalized(blocks);
    validator.handle(stage.clock(), Event::Blocks { from: 0, blocks });
    assert_eq!(validator.ledger().head().block, staged.hash());
}

#[test]
fn r22_range_forge_no_length_of_path_but_the_right_one_proves_inclusion() {
    // NMT 86, 110 and GHSA-r9fq: proofs that were empty, of an ancestor, or cut off.
    for size in 0..=33_u64 {
        let leaves = leaves(size);
        let root = root(&leaves);
        for index in 0..size.max(1) {
            let right = if size == 0 { Vec::new() } else { path(index as usize, &leaves) };
            let leaf = leaves.get(index as usize).copied().unwrap_or(root);
            for length in 0..=70 {
                let mut proof: Vec<Digest> = right.iter().copied().take(length).collect();
                proof.resize(length, leaf);
                let verdict = verify_inclusion(&leaf, index, size, &proof, &root);
                assert_eq!(verdict.is_ok(), size > 0 && length == right.len(), "{index} of {size}, {length}");
            }
            // An ancestor in the leaf's place, with the rest of the path, at every number.
            let mut ancestor = leaf;
            for (level, sibling) in right.iter().enumerate() {
                let left = index >> level & 1 == 0;
                let both = [node_hash(&ancestor, sibling), node_hash(sibling, &ancestor)];
                ancestor = both[usize::from(!left)];
                for ancestor in both {
                    for claimed in 0..size {
                        let rest = &right[level + 1..];
                        let verdict = verify_inclusion(&ancestor, claimed, size, rest, &root);
                        assert!(verdict.is_err() || size == 1, "an ancestor as leaf {claimed} of {size}");
                    }
                }
            }
        }
    }
    // A leaf whose bytes are two hashes is not the node above them.
    let (one, other) = (leaf_hash(b"1"), leaf_hash(b"2"));
    assert_ne!(leaf_hash(&[one.0, other.0].concat()), node_hash(&one, &other));
}

#[test]
fn r22_range_forge_whatever_is_bent_in_a_proof_is_noticed() {
    // IAVL, the bridge: a part of the proof that entered no hash.
    for size in 1..=20_u64 {
        let leaves = leaves(size);
        let new = root(&leaves);
        for index in 0..size {
            let proof = path(index as usize, &leaves);
            let leaf = leaves[index as usize];
            for place in 0..proof.len() {
                for byte in 0..32 {
                    let mut bent = proof.clone();
                    bent[place].0[byte] ^= 1;
                    assert!(verify_inclusion(&leaf, index, size, &bent, &new).is_err());
                }
                for other in 0..place {
                    let mut bent = proof.clone();
                    bent.swap(place, other);
                    assert!(verify_inclusion(&leaf, index, size, &bent, &new).is_err());
                }
            }
            for other in (0..size).filter(|other| *other != index) {
                assert!(verify_inclusion(&leaves[other as usize], index, size, &proof, &new).is_err());
            }
        }
        for old in 0..=size {
            let proof = consistency_proof(old, size, nodes(&leaves)).unwrap();
            let before = root(&leaves[..old as usize]);
            assert_eq!(verify_consistency(old, &before, size, &new, &proof), Ok(()));
            for place in 0..proof.len() {
                let mut bent = proof.clone();
                bent[place].0[place % 32] ^= 0x40;
                assert!(verify_consistency(old, &before, size, &new, &bent).is_err());
                bent.remove(place);
                assert!(verify_consistency(old, &before, size, &new, &bent).is_err());
            }
            for length in (0..=130).filter(|length| *length != proof.len()) {
                let mut bent: Vec<Digest> = proof.iter().copied().take(length).collect();
                bent.resize(length, new);
                assert!(verify_consistency(old, &before, size, &new, &bent).is_err(), "{length} hashes");
            }
        }
    }
}

#[test]
fn r22_range_forge_no_history_that_was_rewritten_is_consistent() {
    // The linear fake: both ends are shown, and what lies between differs.
    for size in 2..=17_u64 {
        let honest = leaves(size);
        for changed in 0..size {
            let mut fake = honest.clone();
            fake[changed as usize] = leaf_hash(b"another payment");
            for old in changed + 1..=size {
                let before = root(&honest[..old as usize]);
                let after = root(&fake);
                for side in [&honest, &fake] {
                    let proof = consistency_proof(old, size, nodes(side)).unwrap();
                    let verdict = verify_consistency(old, &before, size, &after, &proof);
                    assert!(verdict.is_err(), "leaf {changed} changed, {old} to {size}");
                }
            }
            // Nor is the leaf that was replaced proven in both.
            let proof = path(changed as usize, &honest);
            let leaf = honest[changed as usize];
            assert!(verify_inclusion(&leaf, changed, size, &proof, &root(&fake)).is_err());
        }
    }
}

#[test]
fn r22_range_forge_a_list_with_its_last_leaf_twice_is_another_list() {
    // CVE-2012-2459: an odd last leaf was hashed with itself.
    for size in 1..=70_u64 {
        let once = leaves(size);
        for copies in 1..=4 {
            for tail in 1..=once.len().min(4) {
                let mut twice = once.clone();
                for _ in 0..copies {
                    twice.extend_from_within(once.len() - tail..);
                }
                assert_ne!(root(&once), root(&twice), "{size} leaves, {tail} of them {copies} times more");
                let frontier = |leaves: &[Digest]| {
                    let mut frontier = Frontier::new();
                    leaves.iter().for_each(|leaf| frontier.push(*leaf));
                    frontier.root()
                };
                assert_ne!(frontier(&once), frontier(&twice));
            }
        }
        // Registers build their trees level by level; it is the same tree.
        let mut level = once.clone();
        while level.len() > 1 {
            level = parents(&level);
        }
        assert_eq!(level[0], root(&once));
    }
    // And beside the root stands the count.
    let leaf = leaves(1)[0];
    let roots = [1, 2, 3].map(|length| state_root(&[RegisterRoot::new("accounts", length, leaf)]));
    assert!(roots[0] != roots[1] && roots[1] != roots[2]);
}

#[test]
fn r22_range_forge_a_tree_of_any_announced_size_is_walked_without_building_it() {
    // NMT 325: room was made for a range before anybody looked at its bounds.
    let hash = leaf_hash(b"1");
    for size in [1_u64 << 20, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 63) + 1, u64::MAX - 1, u64::MAX] {
        for index in [0, 1, size / 2, size - 2, size - 1, size, u64::MAX] {
            for length in [0, 1, 63, 64, 65, 128] {
                let proof = vec![hash; length];
                assert!(verify_inclusion(&hash, index, size, &proof, &hash).is_err());
                assert!(verify_consistency(index, &hash, size, &hash, &proof).is_err() || index == size);
            }
            let missing = |_: u8, _: u64| None;
            assert!(inclusion_proof(index, size, missing).is_err());
            assert!(inclusion_path(index, size, missing).is_err());
            assert!(consistency_proof(index, size, missing).is_err() || index == 0 || index == size);
            assert!(root_at(size, missing).is_err());
        }
    }
    assert_eq!(verify_inclusion(&hash, 0, 0, &[], &hash), Err(ProofError::NoSuchLeaf { index: 0, size: 0 }));
}

/// Records of four registers with their proofs, under the head's checkpoint.
fn proofs(stage: &Stage) -> StateProofs {
    let ledger = &stage.ledger;
    let account = ledger.get::<AccountRecord>(ledger.count::<AccountRecord>() / 2).unwrap();
    let records = [
        ledger.prove::<AccountRecord>(&ledger::registers::Record::key(account)),
        ledger.prove::<EntityRecord>(&ledger::registers::Record::key(ledger.get::<EntityRecord>(1).unwrap())),
        ledger.prove::<KeyRecord>(&ledger::registers::Record::key(ledger.get::<KeyRecord>(3).unwrap())),
        ledger.prove::<CodeRecord>(&ledger::registers::Record::key(ledger.get::<CodeRecord>(20).unwrap())),
    ];
    let checkpoint = stage.certified(&stage.quorum()).to_text();
    let records = records.into_iter().map(Option::unwrap).collect();
    StateProofs { checkpoint, seal: seal(stage), records }
}

fn seal(stage: &Stage) -> SealProof {
    let leaves = stage.leaves();
    let path = path(leaves.len() - 1, &leaf_hashes(&leaves));
    SealProof { registers: stage.ledger.register_roots(), leaf: leaves[leaves.len() - 1].clone(), path }
}

#[test]
fn r22_range_forge_each_byte_of_a_record_proof_decides() {
    let stage = Stage::grown(4, 2);
    let proofs = proofs(&stage);
    let proof = StateProof {
        checkpoint: proofs.checkpoint,
        seal: proofs.seal,
        record: proofs.records.into_iter().next().unwrap(),
    };
    let trust = &stage.chain.trust;
    let truth = proof.verify(trust, None).unwrap();
    let bytes = codec::encode(&proof);
    let mut read = 0;
    for place in 0..bytes.len() {
        for flip in [1, 0x80] {
            let mut bent = bytes.clone();
            bent[place] ^= flip;
            let Ok(bent) = StateProof::decode(&bent) else { continue };
            read += 1;
            let verdict = bent.verify(trust, None);
            assert!(verdict.is_err(), "byte {place} is in no hash: {truth:?}");
        }
        let mut cut = bytes.clone();
        cut.remove(place);
        assert!(!StateProof::decode(&cut).is_ok_and(|cut| cut.verify(trust, None).is_ok()));
    }
    assert!(read > bytes.len(), "most of the bent proofs were read: {read} of {}", 2 * bytes.len());
}

#[test]
fn r22_range_forge_each_byte_of_a_receipt_decides() {
    let stage = Stage::grown(4, 2);
    let (leaves, trust) = (stage.leaves(), &stage.chain.trust);
    let hashes = leaf_hashes(&leaves);
    let proofs = proofs(&stage);
    let state = Evidence { seal: proofs.seal, records: proofs.records };
    let certified = stage.certified(&stage.quorum());
    let receipt =
        Receipt::new(leaves[3].clone(), LeafIndex(3), path(3, &hashes), certified, Some(state), Vec::new());
    let bytes = receipt.to_text().into_bytes();
    assert!(Receipt::parse_bytes(&bytes).unwrap().verify(trust, None).is_ok());
    for place in 0..bytes.len() {
        let mut bent = bytes.clone();
        bent[place] ^= 1;
        let verdict = Receipt::parse_bytes(&bent).and_then(|receipt| receipt.verify(trust, None));
        assert!(verdict.is_err(), "byte {place} may be {} as well", bent[place] as char);
    }
}

/// The postings of the account record in the middle of the books.
fn account(stage: &Stage) -> (AccountRecord, Vec<ChainedPosting>) {
    let records = (0..stage.ledger.count::<AccountRecord>())
        .filter_map(|index| stage.ledger.get::<AccountRecord>(index).cloned());
    let record = records.max_by_key(|record| record.count).unwrap();
    let mut postings = Vec::new();
    for (index, leaf) in (0..).zip(stage.leaves()) {
        let Ok(ledger::block::Leaf::Transaction(booked)) = codec::decode(&leaf, 1 << 16) else { continue };
        for entry in booked.entries.iter().filter(|entry| entry.entity == record.entity) {
            postings.extend(chained(entry, LeafIndex(index)).filter(|chained| {
                chained.posting.account == record.account && chained.date.period() == record.period
            }));
        }
    }
    (record, postings)
}

#[test]
fn r22_range_forge_no_other_list_of_postings_is_the_accounts() {
    let stage = Stage::grown(4, 12);
    let (record, all) = account(&stage);
    assert!(record.count >= 4, "an account of {} postings shows little", record.count);
    assert!(verify_postings(&record.chain, record.count, &all).is_ok());
    let refused =
        |postings: &[ChainedPosting]| verify_postings(&record.chain, record.count, postings).is_err();
    let mut tried = 0;
    for place in 0..all.len() {
        let mut omitted = all.clone();
        omitted.remove(place);
        assert!(refused(&omitted));
        // Omitted, and another put in so that the count is right again.
        for other in 0..all.len() {
            let mut padded = omitted.clone();
            padded.insert(place, all[other].clone());
            assert_eq!(refused(&padded), other != place);
            let mut swapped = all.clone();
            swapped.swap(place, other);
            assert_eq!(refused(&swapped), other != place);
            tried += 2;
        }
        let mut twice = all.clone();
        twice.insert(place, all[place].clone());
        assert!(refused(&twice));
        for bend in 0..6 {
            let mut bent = all.clone();
            let posting = &mut bent[place];
            match bend {
                0 => posting.posting.amount.0 += 1,
                1 => posting.posting.amount.0 = -posting.posting.amount.0,
                2 => posting.leaf.0 += 1,
                3 => posting.line += 1,
                4 => posting.voucher.number += 1,
                _ => posting.posting.counterparty = None,
            }
            assert_eq!(refused(&bent), bent != all, "bend {bend} at {place}");
        }
    }
    assert!(tried > 30);
    // Nothing is never "none": that is a record of zero, which this is not.
    let none = verify_postings(&record.chain, record.count, &[]);
    assert_eq!(none, Err(PostingsError::Count { expected: record.count, found: 0 }));
    assert_eq!(verify_postings(&record.chain, 0, &[]), Err(PostingsError::Chain { count: 0 }));
    assert!(verify_postings(&CHAIN_START, 0, &[]).is_ok());
}

#[test]
fn r22_range_forge_a_record_past_the_end_cannot_be_shown_and_no_answer_means_none() {
    // Dragonberry: absence was argued from neighbours. Here nothing argues it: a key has a record,
    // whose count may be zero, or the verifier knows nothing.
    let stage = Stage::grown(4, 2);
    let proofs = proofs(&stage);
    let proven = proofs.verify(&stage.chain.trust, None).unwrap();
    for (register, root) in (0..).zip(proven.seal().registers()) {
        for index in [root.length, root.length + 1, u64::MAX] {
            for path in [Vec::new(), vec![root.root], vec![root.root; 64]] {
                let record = RecordPath { register, index, record: Vec::new(), path };
                assert!(proven.seal().record(&record).is_err(), "{} {index}", root.name.as_str());
            }
        }
    }
    let nothing = StateProofs { records: Vec::new(), ..proofs.clone() };
    let nothing = nothing.verify(&stage.chain.trust, None).unwrap();
    assert!(nothing.records().is_empty(), "an empty answer proves the seal and no record");
    // A register's length and order are sealed: a shorter table is another one.
    for bend in 0..4 {
        let mut bent = proofs.clone();
        match bend {
            0 => bent.seal.registers[4].length -= 1,
            1 => bent.seal.registers.swap(1, 2),
            2 => drop(bent.seal.registers.pop()),
            _ => bent.seal.registers.push(bent.seal.registers[0].clone()),
        }
        assert!(bent.verify(&stage.chain.trust, None).is_err(), "bend {bend}");
    }
}
