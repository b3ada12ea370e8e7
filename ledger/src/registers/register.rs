//! One finalized register: its records, the index of their keys, and the tree over them.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::RangeBounds;

use super::dense::Dense;
use super::{Delta, Record};
use crate::codec;
use crate::digest::Digest;
use crate::tree;

/// Proof that a record stands in a register of known length and root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordProof {
    /// Where it stands.
    pub index: u64,
    /// Its canonical encoding.
    pub record: Vec<u8>,
    /// The siblings from the leaf up, as RFC 6962 section 2.1.1 lists an audit path.
    pub path: Vec<Digest>,
}

/// The finalized records of one kind.
pub struct Register<R: Record> {
    records: Dense<R>,
    index: BTreeMap<R::Key, u64>,
    // Level 0 holds the leaf hashes; an odd last node is promoted unchanged.
    levels: Vec<Dense<Digest>>,
}

impl<R: Record> Default for Register<R> {
    fn default() -> Self {
        Self { records: Dense::default(), index: BTreeMap::new(), levels: Vec::new() }
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
        self.levels.last().and_then(|top| top.get(0)).copied().unwrap_or_else(tree::empty_root)
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

    /// Proves the record with this key.
    pub fn prove(&self, key: &R::Key) -> Option<RecordProof> {
        let index = self.index_of(key)?;
        let record = codec::encode(self.get(index)?);
        let node = |level, index| self.node(usize::from(level), index);
        let path = tree::inclusion_path(index, self.len(), node).ok()?;
        Some(RecordProof { index, record, path })
    }

    pub(super) fn last_up_to(&self, key: &R::Key) -> Option<(&R::Key, u64)> {
        self.index.range(..=key).next_back().map(|(key, index)| (key, *index))
    }

    pub(super) fn node(&self, level: usize, index: u64) -> Option<Digest> {
        self.levels.get(level)?.get(index).copied()
    }

    pub(super) fn fold(&mut self, delta: &Delta<R>) {
        assert_eq!(delta.start(), self.len(), "register {}: a layer is folded in its order", R::REGISTER);
        for (index, record) in delta.records() {
            self.records.set(index, record.clone());
        }
        for (key, index) in delta.index() {
            self.index.insert(key.clone(), index);
        }
        for (level, nodes) in delta.nodes().iter().enumerate() {
            if level == self.levels.len() {
                self.levels.push(Dense::default());
            }
            for (index, digest) in nodes {
                self.levels[level].set(*index, *digest);
            }
        }
    }
}
