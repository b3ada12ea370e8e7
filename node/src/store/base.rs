//! A store that begins with a snapshot: what it holds instead of the blocks below, and what of the log
//! can be proven without them.
//!
//! Of the log before the snapshot only the roots of the perfect subtrees are known, its last leaf and
//! that leaf's path. They are all left siblings that a proof of any later leaf needs, and all nodes that a
//! consistency proof from the snapshot's size on needs. A tile that was begun before has zeros in place
//! of what is not known; it is never handed out.
//!
//! Invariant: a node is the true one or none.

use std::collections::BTreeMap;

use ledger::block::{Height, LeafIndex};
use ledger::codec;
use ledger::digest::Digest;
use ledger::tiles::{TILE_LEVELS, TILE_WIDTH};
use ledger::tree::{leaf_hash, node_hash};

use super::columns::{self, Column};
use super::{Batch, Store, StoreError, TileRow};
use crate::snapshot::Offer;

/// Beyond every key.
const KEYS_END: [u8; 64] = [0xff; 64];

impl Store {
    /// The snapshot that this store begins with; `None` if it begins with genesis.
    ///
    /// # Errors
    /// A failed or inconsistent read, as of every question below.
    pub fn base(&self) -> Result<Option<Offer>, StoreError> {
        self.meta(columns::META_BASE)
    }

    /// The lowest height whose block this store holds, or will hold next.
    ///
    /// # Errors
    /// As [`Store::base`].
    pub fn earliest(&self) -> Result<Height, StoreError> {
        Ok(self.base()?.map_or(Height(1), |base| base.height().next()))
    }

    /// What is known of the log below the first leaf held.
    ///
    /// # Errors
    /// As [`Store::base`].
    pub fn edge(&self) -> Result<Edge, StoreError> {
        Ok(self.base()?.map_or_else(Edge::default, |base| Edge::new(&base)))
    }
}

/// What is known of the log before a snapshot.
#[derive(Clone, Debug, Default)]
pub struct Edge {
    size: u64,
    nodes: BTreeMap<(u8, u64), Digest>,
}

impl Edge {
    /// From an offer that is verified.
    pub fn new(offer: &Offer) -> Self {
        let log = &offer.manifest.log;
        let size = log.size();
        let mut nodes = BTreeMap::new();
        let perfect = (0..64u8).rev().filter(|level| size >> level & 1 == 1);
        nodes.extend(perfect.zip(log.hashes()).map(|(level, hash)| ((level, (size >> level) - 1), *hash)));
        let last = size.saturating_sub(1);
        let left = (0..64u8).filter(|level| last >> level & 1 == 1);
        nodes.extend(left.zip(&offer.path).map(|(level, hash)| ((level, (last >> level) - 1), *hash)));
        nodes.insert((0, last), leaf_hash(&offer.seal));
        Self { size, nodes }
    }

    /// Leaves of which only this is known; 0 where everything is held.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Whether a leaf's bytes are held.
    pub fn holds(&self, leaf: LeafIndex) -> bool {
        leaf.0.saturating_add(1) >= self.size
    }

    /// The root of the perfect subtree over `2^level` leaves from `index · 2^level` on; `tiles` answers
    /// for those that lie beyond the edge.
    pub fn node(
        &self,
        level: u8,
        index: u64,
        tiles: &mut impl FnMut(u8, u64) -> Option<Digest>,
    ) -> Option<Digest> {
        let width = 1u64.checked_shl(u32::from(level))?;
        let first = index.checked_mul(width)?;
        if let Some(known) = self.nodes.get(&(level, index)) {
            return Some(*known);
        }
        if first >= self.size {
            return tiles(level, index);
        }
        if first.checked_add(width)? <= self.size {
            return None;
        }
        let left = self.node(level.checked_sub(1)?, index * 2, tiles)?;
        let right = self.node(level - 1, index * 2 + 1, tiles)?;
        Some(node_hash(&left, &right))
    }
}

impl Batch {
    /// Lets the store begin with this snapshot: blocks, leaves and indexes below it are forgotten, in the
    /// same step. Votes, certificates, watermark and evidence stay.
    ///
    /// # Panics
    /// As [`Batch::posted`].
    pub fn base(&mut self, offer: &Offer) {
        let held = [
            Column::Finalized,
            Column::Leaves,
            Column::Tiles,
            Column::Transactions,
            Column::Journal,
            Column::Postings,
        ];
        for column in held {
            let family = self.store.column(column);
            self.writes.delete_range_cf(family, [].as_slice(), KEYS_END.as_slice());
        }
        let size = offer.manifest.log.size();
        self.leaves(LeafIndex(size.saturating_sub(1)), std::slice::from_ref(&offer.seal));
        for level in 0..TILE_LEVELS {
            let nodes = size >> (8 * u32::from(level));
            let (index, begun) = (nodes / u64::from(TILE_WIDTH), (nodes % u64::from(TILE_WIDTH)) as usize);
            if begun > 0 {
                self.tile(&TileRow { level, index, hashes: vec![0; begun * 32] });
            }
        }
        self.put(Column::Meta, columns::META_BASE, codec::encode(offer));
    }
}

#[cfg(test)]
mod tests {
    use ledger::tiles::{TileReader, append};
    use ledger::tree::{Frontier, consistency_proof, inclusion_proof, verify_consistency, verify_inclusion};

    use super::*;

    fn leaf(index: u64) -> Digest {
        leaf_hash(&index.to_be_bytes())
    }

    /// The root of the first leaves.
    fn root(size: u64) -> Digest {
        let mut log = Frontier::new();
        (0..size).for_each(|index| log.push(leaf(index)));
        log.root()
    }

    #[test]
    fn after_a_snapshot_of_any_size_new_leaves_are_proven_and_old_ones_are_not() {
        for size in (2..40).chain([255, 256, 257, 300, 511, 512, 513]) {
            let mut log = Frontier::new();
            let mut all = BTreeMap::new();
            for index in 0..size {
                log.push_with(leaf(index), |level, index, hash| {
                    all.insert((level, index), hash);
                });
            }
            let last = size - 1;
            let path = inclusion_proof(last, size, |level, index| all.get(&(level, index)).copied()).unwrap();
            let mut nodes = BTreeMap::from([((0, last), leaf(last))]);
            let perfect = (0..64u8).rev().filter(|level| size >> level & 1 == 1);
            nodes.extend(perfect.zip(log.hashes()).map(|(l, hash)| ((l, (size >> l) - 1), *hash)));
            let left = (0..64u8).filter(|level| last >> level & 1 == 1);
            nodes.extend(left.zip(&path).map(|(l, hash)| ((l, (last >> l) - 1), *hash)));
            let edge = Edge { size, nodes };

            let mut rows: BTreeMap<(u8, u64), Vec<u8>> = BTreeMap::new();
            for level in 0..TILE_LEVELS {
                let nodes = size >> (8 * u32::from(level));
                rows.insert((level, nodes / 256), vec![0; (nodes % 256) as usize * 32]);
            }
            let grown = size + 300;
            let hashes: Vec<Digest> = (size..grown).map(leaf).collect();
            for part in append(&mut log, &hashes) {
                let row = rows.entry((part.level, part.index)).or_default();
                assert_eq!(row.len(), usize::from(part.column) * 32);
                part.hashes.iter().for_each(|hash| row.extend_from_slice(&hash.0));
            }
            let mut tiles = TileReader::new(|level, index| rows.get(&(level, index)).cloned());
            let mut node =
                |level, index| edge.node(level, index, &mut |level, index| tiles.node(level, index));
            for to in [size, size + 1, size + 7, grown] {
                for index in [size - 1, size, size + 6, to - 1].into_iter().filter(|index| *index < to) {
                    let path = inclusion_proof(index, to, &mut node).unwrap();
                    verify_inclusion(&leaf(index), index, to, &path, &root(to)).unwrap();
                }
                for from in [size, size + 1, to].into_iter().filter(|from| *from <= to) {
                    let path = consistency_proof(from, to, &mut node).unwrap();
                    verify_consistency(from, &root(from), to, &root(to), &path).unwrap();
                }
            }
            for index in 0..size.saturating_sub(2) {
                // Never a wrong one: what can be had at all is true.
                if let Ok(path) = inclusion_proof(index, grown, &mut node) {
                    verify_inclusion(&leaf(index), index, grown, &path, &root(grown)).unwrap();
                }
            }
            assert!(size < 5 || inclusion_proof(0, grown, &mut node).is_err(), "{size}");
            assert!(edge.holds(LeafIndex(last)) && !edge.holds(LeafIndex(last - 1)));
        }
    }
}
