//! Who leads which view: everybody in turn, in an order fixed by the block that the epoch starts from.
//!
//! The order is a shuffle seeded by that block's hash, which nobody could choose when the validator
//! set was decided, so that no group of validators can arrange to follow one another.
//!
//! Invariant: in any n consecutive views each of the n validators leads exactly once.

use alloc::vec::Vec;

use ledger::block::{BlockHash, View};
use ledger::digest::Digest;

/// The order in which validators lead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotation {
    order: Vec<u16>,
}

impl Rotation {
    /// Shuffles the indexes below `validators` (Fisher and Yates, from the last place down): place
    /// i swaps with place `d mod (i+1)`, where d is the first eight bytes, big-endian, of
    /// SHA-256(`"hovedbok/v1/leaders"` ‖ seed ‖ i as two bytes, big-endian).
    pub fn new(seed: &BlockHash, validators: u16) -> Self {
        let mut order: Vec<u16> = (0..validators).collect();
        for place in (1..validators).rev() {
            let digest = Digest::of(&[b"hovedbok/v1/leaders", &seed.0.0, &place.to_be_bytes()]);
            let drawn = digest.0.iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
            // Below 65,536 places the bias of the remainder is under 2⁻⁴⁸.
            let other = (drawn % (u64::from(place) + 1)) as usize;
            order.swap(usize::from(place), other);
        }
        Self { order }
    }

    /// Index of the leader of a view; views count from 1.
    pub fn leader(&self, view: View) -> u16 {
        let turn = view.0.saturating_sub(1) % (self.order.len().max(1) as u64);
        self.order.get(turn as usize).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    #[test]
    fn c2_everybody_leads_once_in_n_views() {
        for validators in [1, 4, 7, 31, 400] {
            let rotation = Rotation::new(&BlockHash(Digest([7; 32])), validators);
            for first in [1, 2, 1_000_003] {
                let leaders: BTreeSet<u16> =
                    (first..first + u64::from(validators)).map(|view| rotation.leader(View(view))).collect();
                assert_eq!(leaders.len(), usize::from(validators));
            }
        }
    }

    #[test]
    fn c2_the_order_is_fixed_by_the_seed_alone() {
        let order = |seed: u8| -> Vec<u16> {
            let rotation = Rotation::new(&BlockHash(Digest([seed; 32])), 7);
            (1..8).map(|view| rotation.leader(View(view))).collect()
        };
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
        // The vector in specs/consensus.md.
        assert_eq!(order(0), [2, 3, 4, 5, 6, 1, 0]);
    }
}
