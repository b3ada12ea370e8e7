//! What staged blocks changed in one register: records, keys, and the tree nodes above them.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::{Record, Register};
use crate::codec;
use crate::digest::Digest;
use crate::tree::{leaf_hash, node_hash};

/// Changes to one register. Complete with nodes and root once sealed.
#[derive(Clone)]
pub struct Delta<R: Record> {
    start: u64,
    changed: BTreeMap<u64, R>,
    appended: Vec<R>,
    index: BTreeMap<R::Key, u64>,
    // Per level, in order of index.
    nodes: Vec<Vec<(u64, Digest)>>,
    root: Digest,
}

impl<R: Record> Delta<R> {
    pub(super) fn after(start: u64, root: Digest) -> Self {
        Self {
            start,
            changed: BTreeMap::new(),
            appended: Vec::new(),
            index: BTreeMap::new(),
            nodes: Vec::new(),
            root,
        }
    }

    /// Length of the register before.
    pub fn start(&self) -> u64 {
        self.start
    }

    /// Length of the register after.
    pub fn len(&self) -> u64 {
        self.start + self.appended.len() as u64
    }

    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.appended.is_empty()
    }

    /// Root of the register after, once sealed.
    pub fn root(&self) -> Digest {
        self.root
    }

    /// The record at an index, if it was written here.
    pub fn get(&self, index: u64) -> Option<&R> {
        match index.checked_sub(self.start) {
            Some(place) => self.appended.get(usize::try_from(place).ok()?),
            None => self.changed.get(&index),
        }
    }

    /// Where the record with this key stands, if it was appended here.
    pub fn index_of(&self, key: &R::Key) -> Option<u64> {
        self.index.get(key).copied()
    }

    /// Every record written, with its index, rising.
    pub fn records(&self) -> impl Iterator<Item = (u64, &R)> {
        let changed = self.changed.iter().map(|(index, record)| (*index, record));
        changed.chain((self.start..).zip(&self.appended))
    }

    pub(super) fn index(&self) -> impl Iterator<Item = (&R::Key, u64)> {
        self.index.iter().map(|(key, index)| (key, *index))
    }

    pub(super) fn nodes(&self) -> &[Vec<(u64, Digest)>] {
        &self.nodes
    }

    pub(super) fn last_up_to(&self, key: &R::Key) -> Option<(&R::Key, u64)> {
        self.index.range(..=key).next_back().map(|(key, index)| (key, *index))
    }

    pub(super) fn append(&mut self, record: R) -> u64 {
        let index = self.len();
        self.index.insert(record.key(), index);
        self.appended.push(record);
        index
    }

    pub(super) fn replace(&mut self, index: u64, record: R) {
        match index.checked_sub(self.start) {
            Some(place) => self.appended[place as usize] = record,
            None => {
                self.changed.insert(index, record);
            }
        }
    }

    fn node(&self, level: usize, index: u64) -> Option<Digest> {
        let nodes = self.nodes.get(level)?;
        nodes.binary_search_by_key(&index, |(index, _)| *index).ok().map(|place| nodes[place].1)
    }

    /// Hashes what changed, from the records up: only the paths above them are visited.
    pub(super) fn seal<'a, I: Iterator<Item = &'a Self>>(&mut self, base: &Register<R>, below: impl Fn() -> I)
    where
        R: 'a,
    {
        let leaf = |(index, record)| (index, leaf_hash(&codec::encode::<R>(record)));
        let mut dirty: Vec<(u64, Digest)> = self.records().map(leaf).collect();
        if dirty.is_empty() {
            return;
        }
        let mut size = self.len();
        while size > 1 {
            let level = self.nodes.len();
            let node = |index| match below().find_map(|delta| delta.node(level, index)) {
                Some(digest) => digest,
                None => match base.node(level, index) {
                    Some(digest) => digest,
                    None => panic!("register {}: no node {index} at level {level}", R::REGISTER),
                },
            };
            let mut above = Vec::with_capacity(dirty.len());
            let mut rest = dirty.iter().peekable();
            while let Some((index, digest)) = rest.next() {
                let digest = if index % 2 == 1 {
                    node_hash(&node(index - 1), digest)
                } else if let Some((_, right)) = rest.next_if(|(next, _)| *next == index + 1) {
                    node_hash(digest, right)
                } else if index + 1 < size {
                    node_hash(digest, &node(index + 1))
                } else {
                    *digest
                };
                above.push((index / 2, digest));
            }
            self.nodes.push(core::mem::replace(&mut dirty, above));
            size = size.div_ceil(2);
        }
        self.root = dirty[0].1;
        self.nodes.push(dirty);
    }

    /// Adds what the layer right above this one changed.
    pub(super) fn absorb(&mut self, later: &Self) {
        assert_eq!(later.start, self.len(), "register {}: layers join in their order", R::REGISTER);
        for (index, record) in &later.changed {
            self.replace(*index, record.clone());
        }
        self.appended.extend_from_slice(&later.appended);
        self.index.extend(later.index.iter().map(|(key, index)| (key.clone(), *index)));
        for (level, nodes) in later.nodes.iter().enumerate() {
            match self.nodes.get_mut(level) {
                Some(own) => *own = merge(own, nodes),
                None => self.nodes.push(nodes.clone()),
            }
        }
        self.root = later.root;
    }
}

/// Both lists in order of index; where both hold one, the later wins.
fn merge(earlier: &[(u64, Digest)], later: &[(u64, Digest)]) -> Vec<(u64, Digest)> {
    let mut merged = Vec::with_capacity(earlier.len() + later.len());
    let mut earlier = earlier.iter().peekable();
    for node in later {
        while let Some(old) = earlier.next_if(|old| old.0 < node.0) {
            merged.push(*old);
        }
        earlier.next_if(|old| old.0 == node.0);
        merged.push(*node);
    }
    merged.extend(earlier);
    merged
}
