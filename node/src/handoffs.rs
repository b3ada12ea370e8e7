//! The handoff that the last block of an epoch makes to the set of the next, from what a node holds
//! when it posts the block.
//!
//! Left out: believing one (`ledger::handoff`).

use std::collections::BTreeMap;

use ledger::certificate::ValidatorSet;
use ledger::digest::Digest;
use ledger::finality::FinalizedBlock;
use ledger::handoff::Handoff;
use ledger::tree::{Frontier, inclusion_proof, leaf_hash};

/// The handoff to `validators` that this block makes. `before` is the log before the block, `leaves`
/// are the block's. `None` for a block that ends no epoch, or comes without its own proof.
pub fn handoff(
    before: &Frontier,
    leaves: &[Vec<u8>],
    block: &FinalizedBlock,
    validators: &ValidatorSet,
) -> Option<Handoff> {
    Handoff::new(block, validators.clone(), path(before, leaves)?)
}

/// Inclusion path of the last leaf but one.
fn path(before: &Frontier, leaves: &[Vec<u8>]) -> Option<Vec<Digest>> {
    let mut nodes: BTreeMap<(u8, u64), Digest> = BTreeMap::new();
    // The perfect subtrees of the log before, largest first, stand where the bits of its size say.
    let levels = (0..64u8).rev().filter(|level| before.size() >> level & 1 == 1);
    for (level, hash) in levels.zip(before.hashes()) {
        nodes.insert((level, (before.size() >> level) - 1), *hash);
    }
    let mut log = before.clone();
    for leaf in leaves {
        log.push_with(leaf_hash(leaf), |level, index, hash| {
            nodes.insert((level, index), hash);
        });
    }
    let size = log.size();
    let node = |level, index| nodes.get(&(level, index)).copied();
    inclusion_proof(size.checked_sub(2)?, size, node).ok()
}

#[cfg(test)]
mod tests {
    use ledger::tree::verify_inclusion;

    use super::*;

    #[test]
    fn the_path_of_the_leaf_before_the_seal_needs_only_the_logs_edge() {
        for size in 0..70u64 {
            let mut before = Frontier::new();
            (0..size).for_each(|n| before.push(leaf_hash(&n.to_be_bytes())));
            for count in 2..6u64 {
                let leaves: Vec<Vec<u8>> = (size..size + count).map(|n| n.to_be_bytes().to_vec()).collect();
                let path = path(&before, &leaves).unwrap();
                let mut log = before.clone();
                leaves.iter().for_each(|leaf| log.push(leaf_hash(leaf)));
                let (index, hash) = (size + count - 2, leaf_hash(&leaves[leaves.len() - 2]));
                let checked = verify_inclusion(&hash, index, log.size(), &path, &log.root());
                assert_eq!(checked, Ok(()), "{size} leaves and {count}");
            }
        }
    }
}
