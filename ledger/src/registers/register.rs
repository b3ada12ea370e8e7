//! One finalized register: its records, the index of their keys, and the tree over them.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::RangeBounds;

use super::dense::Dense;
use super::{Delta, Record, Stored};
use crate::codec;
use crate::digest::Digest;
use crate::state_proof::RecordPath;
use crate::tree;

/// The lowest level of the tree that is kept. What lies below is hashed again from the records when
/// a path needs it: at most three of them, against three quarters of the tree's memory.
const KEPT_FROM: usize = 2;

/// The finalized records of one kind.
pub struct Register<R: Record> {
    records: Dense<R>,
    index: BTreeMap<R::Key, u64>,
    root: Digest,
    // From level KEPT_FROM up; level 0 would be the leaf hashes. An odd last node is promoted
    // unchanged.
    levels: Vec<Dense<Digest>>,
}

impl<R: Record> Default for Register<R> {
    fn default() -> Self {
        Self {
            records: Dense::default(),
            index: BTreeMap::new(),
            root: tree::empty_root(),
            levels: Vec::new(),
        }
    }
}

impl<R: Record> Register<R> {
    /// Number of records.
    pub fn len(&self) -> u64 {
        self.records.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Root of the tree; SHA-256 of nothing while the register is empty.
    pub fn root(&self) -> Digest {
        self.root
    }

    /// The record at an index.
    pub fn get(&self, index: u64) -> Option<&R> {
        self.records.get(index)
    }

    /// Where the record with this key stands.
    pub fn index_of(&self, key: &R::Key) -> Option<u64> {
        self.index.get(key).copied()
    }

    /// The record with this key.
    pub fn find(&self, key: &R::Key) -> Option<&R> {
        self.get(self.index_of(key)?)
    }

    /// Records in order of index.
    pub fn iter(&self) -> impl Iterator<Item = &R> {
        self.records.iter()
    }

    /// Records whose keys lie in the range, in order of key, each with its index.
    pub fn range(&self, keys: impl RangeBounds<R::Key>) -> impl DoubleEndedIterator<Item = (u64, &R)> {
        self.index.range(keys).filter_map(|(_, index)| Some((*index, self.records.get(*index)?)))
    }

    /// The record with this key and its path to [`Register::root`].
    pub fn prove(&self, key: &R::Key) -> Option<RecordPath>
    where
        R: Stored,
    {
        let index = self.index_of(key)?;
        let record = codec::encode(self.get(index)?);
        let node = |level, index| self.node(usize::from(level), index);
        let path = tree::inclusion_path(index, self.len(), node).ok()?;
        Some(RecordPath { register: R::PLACE, index, record, path })
    }

    pub(super) fn last_up_to(&self, key: &R::Key) -> Option<(&R::Key, u64)> {
        self.index.range(..=key).next_back().map(|(key, index)| (key, *index))
    }

    pub(super) fn node(&self, level: usize, index: u64) -> Option<Digest> {
        if let Some(kept) = level.checked_sub(KEPT_FROM) {
            return self.levels.get(kept)?.get(index).copied();
        }
        if level == 0 {
            return self.get(index).map(|record| tree::leaf_hash(&codec::encode(record)));
        }
        let left = self.node(level - 1, index * 2)?;
        let right = self.node(level - 1, index * 2 + 1);
        Some(right.map_or(left, |right| tree::node_hash(&left, &right)))
    }

    /// Records and tree as they are now, without the index of keys: enough for pages.
    pub(super) fn still(&self) -> Self {
        let levels = self.levels.iter().map(Dense::still).collect();
        Self { records: self.records.still(), index: BTreeMap::new(), root: self.root, levels }
    }

    /// Appends a record of a snapshot; the tree over it is computed by [`Register::rebuild`].
    pub(super) fn restore(&mut self, record: R) {
        let index = self.len();
        self.index.insert(record.key(), index);
        self.records.set(index, record);
    }

    /// Computes the tree anew from the records, from the lowest kept level up.
    pub(super) fn rebuild(&mut self) {
        self.levels.clear();
        let (mut size, mut level) = (self.len(), 0);
        while size > 1 {
            size = size.div_ceil(2);
            level += 1;
            if level < KEPT_FROM {
                continue;
            }
            let mut nodes = Dense::default();
            for index in 0..size {
                if let Some(left) = self.node(level - 1, index * 2) {
                    let right = self.node(level - 1, index * 2 + 1);
                    nodes.set(index, right.map_or(left, |right| tree::node_hash(&left, &right)));
                }
            }
            self.levels.push(nodes);
        }
        self.root = self.node(level, 0).unwrap_or_else(tree::empty_root);
    }

    pub(super) fn fold(&mut self, delta: &Delta<R>) {
        assert_eq!(delta.start(), self.len(), "register {}: a layer is folded in its order", R::REGISTER);
        for (index, record) in delta.records() {
            self.records.set(index, record.clone());
        }
        for (key, index) in delta.index() {
            self.index.insert(key.clone(), index);
        }
        for (level, nodes) in delta.nodes().iter().skip(KEPT_FROM).enumerate() {
            if level == self.levels.len() {
                self.levels.push(Dense::default());
            }
            for (index, digest) in nodes {
                self.levels[level].set(*index, *digest);
            }
        }
        self.root = delta.root();
    }
}
