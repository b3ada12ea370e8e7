//! Hash trees of RFC 6962 (SHA-256): roots, and proofs that a leaf stands in a tree or that a tree
//! only grew.
//!
//! The log is one such tree for the life of the chain; a register's commitment is another, of the
//! same shape but with leaves that may change. Nothing is stored here: a tree's owner keeps its
//! nodes and answers for them through a closure, and [`Frontier`] is the little a log must remember
//! to go on growing. Where the log's nodes are kept is for [`crate::tiles`] to say.
//!
//! Invariant: a proof is accepted only with exactly the hashes that its index and sizes call for;
//! each of them enters the computed root.

use alloc::vec::Vec;

use bincode::de::Decoder;
use bincode::error::DecodeError;
use bincode::{Decode, Encode};

use crate::digest::Digest;

/// The longest path there can be: a tree of 2⁶⁴ − 1 leaves is 64 levels high.
pub const PATH_HASHES_MAX: usize = 64;

/// A consistency proof lists up to two hashes a level.
pub const CONSISTENCY_HASHES_MAX: usize = 2 * PATH_HASHES_MAX;

/// The hash of a leaf: `SHA-256(0x00 ‖ bytes)`.
pub fn leaf_hash(bytes: &[u8]) -> Digest {
    Digest::of(&[&[0x00], bytes])
}

/// The hash of a node: `SHA-256(0x01 ‖ left ‖ right)`.
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    Digest::of(&[&[0x01], &left.0, &right.0])
}

/// The root of a tree without leaves: `SHA-256("")`.
pub fn empty_root() -> Digest {
    Digest::of(&[])
}

/// Why a proof proves nothing, or cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// There is no such leaf in a tree of this size.
    #[error("leaf {index} is not among the {size} leaves of the tree; ask for a proof at a later size")]
    NoSuchLeaf {
        /// The leaf asked for.
        index: u64,
        /// Leaves in the tree.
        size: u64,
    },
    /// The path has too few or too many hashes for this index and these sizes.
    #[error("the proof has {found} hashes, its sizes call for {expected}; fetch the whole proof again")]
    Length {
        /// What index and sizes call for.
        expected: usize,
        /// What the proof has.
        found: usize,
    },
    /// The proof leads to another root.
    #[error("the proof leads to root {found}, not to {expected}; what it was made for is not in this tree")]
    Root {
        /// The root that should have been reached.
        expected: Digest,
        /// The root reached.
        found: Digest,
    },
    /// A tree does not shrink.
    #[error("a tree of {new} leaves cannot continue one of {old}; compare the older with the newer")]
    Shrunk {
        /// Leaves of the older tree.
        old: u64,
        /// Leaves of the newer tree.
        new: u64,
    },
    /// Whoever keeps the nodes could not give one.
    #[error("node {index} of level {level} is not in the store; read its tile again or rebuild it")]
    Missing {
        /// Levels above the leaves.
        level: u8,
        /// Position within the level.
        index: u64,
    },
}

/// The right edge of a growing tree: the roots of its perfect subtrees, largest first, one for each
/// bit set in its size (the compact range of RFC 6962 implementations).
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode)]
pub struct Frontier {
    size: u64,
    hashes: Vec<Digest>,
}

impl Frontier {
    /// The frontier of the empty tree.
    pub const fn new() -> Self {
        Self { size: 0, hashes: Vec::new() }
    }

    /// From its parts, `None` unless there is exactly one hash for each bit set in `size`.
    pub fn from_parts(size: u64, hashes: Vec<Digest>) -> Option<Self> {
        (hashes.len() == size.count_ones() as usize).then_some(Self { size, hashes })
    }

    /// How many leaves the tree has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Roots of the perfect subtrees, largest first.
    pub fn hashes(&self) -> &[Digest] {
        &self.hashes
    }

    /// Appends a leaf by its hash.
    pub fn push(&mut self, leaf_hash: Digest) {
        self.push_with(leaf_hash, |_, _, _| {});
    }

    /// Appends a leaf by its hash and tells each perfect subtree that this completes, the leaf
    /// itself first, as (level, index within the level, hash).
    pub fn push_with(&mut self, leaf_hash: Digest, mut completed: impl FnMut(u8, u64, Digest)) {
        let mut hash = leaf_hash;
        let mut index = self.size;
        let mut level = 0;
        completed(level, index, hash);
        while index & 1 == 1
            && let Some(left) = self.hashes.pop()
        {
            hash = node_hash(&left, &hash);
            index >>= 1;
            level += 1;
            completed(level, index, hash);
        }
        self.hashes.push(hash);
        self.size += 1;
    }

    /// The root of the tree.
    pub fn root(&self) -> Digest {
        let mut edge = self.hashes.iter().rev();
        match edge.next() {
            None => empty_root(),
            Some(smallest) => edge.fold(*smallest, |right, left| node_hash(left, &right)),
        }
    }
}

impl<Context> Decode<Context> for Frontier {
    fn decode<D: Decoder<Context = Context>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let size = u64::decode(decoder)?;
        let hashes = Vec::<Digest>::decode(decoder)?;
        Self::from_parts(size, hashes)
            .ok_or(DecodeError::Other("a frontier has one hash for each bit set in its size"))
    }
}

bincode::impl_borrow_decode!(Frontier);

/// The root of the first `size` leaves. `node(level, index)` answers with the root of the perfect
/// subtree over leaves `index · 2^level` to `(index + 1) · 2^level − 1`; level 0 is leaf hashes.
///
/// # Errors
/// [`ProofError::Missing`] when `node` has no answer.
pub fn root_at(size: u64, mut node: impl FnMut(u8, u64) -> Option<Digest>) -> Result<Digest, ProofError> {
    if size == 0 { Ok(empty_root()) } else { range_hash(0, size, &mut node) }
}

/// How many hashes the inclusion path of this leaf has in a tree of this size.
///
/// # Errors
/// [`ProofError::NoSuchLeaf`].
pub fn inclusion_length(index: u64, size: u64) -> Result<usize, ProofError> {
    if index >= size {
        return Err(ProofError::NoSuchLeaf { index, size });
    }
    let inner = levels_below_meeting(index, size);
    let above = index.checked_shr(inner).unwrap_or(0).count_ones();
    Ok((inner + above) as usize)
}

/// The inclusion path of a leaf in the tree of the first `size` leaves, from the leaf's sibling up
/// (RFC 6962 section 2.1.1). `node` as in [`root_at`].
///
/// # Errors
/// [`ProofError::NoSuchLeaf`], [`ProofError::Missing`].
pub fn inclusion_proof(
    index: u64,
    size: u64,
    mut node: impl FnMut(u8, u64) -> Option<Digest>,
) -> Result<Vec<Digest>, ProofError> {
    if index >= size {
        return Err(ProofError::NoSuchLeaf { index, size });
    }
    let mut path = Vec::new();
    let (mut start, mut end) = (0, size);
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            path.push(range_hash(middle, end, &mut node)?);
            end = middle;
        } else {
            path.push(range_hash(start, middle, &mut node)?);
            start = middle;
        }
    }
    path.reverse();
    Ok(path)
}

/// Checks that a leaf stands at `index` in the tree of this size and root.
///
/// # Errors
/// [`ProofError::NoSuchLeaf`], [`ProofError::Length`], [`ProofError::Root`].
pub fn verify_inclusion(
    leaf_hash: &Digest,
    index: u64,
    size: u64,
    path: &[Digest],
    root: &Digest,
) -> Result<(), ProofError> {
    let expected = inclusion_length(index, size)?;
    if path.len() != expected {
        return Err(ProofError::Length { expected, found: path.len() });
    }
    // Below the level where the leaf's branch meets the tree's right edge a sibling stands on the
    // side that the index says; from there on up every sibling stands to the left.
    let inner = levels_below_meeting(index, size) as usize;
    let mut hash = *leaf_hash;
    for (level, sibling) in path.iter().enumerate() {
        let sibling_is_right = level < inner && index >> level & 1 == 0;
        hash = if sibling_is_right { node_hash(&hash, sibling) } else { node_hash(sibling, &hash) };
    }
    if hash == *root { Ok(()) } else { Err(ProofError::Root { expected: *root, found: hash }) }
}

/// The proof that the tree of the first `new` leaves continues the tree of the first `old`
/// (RFC 6962 section 2.1.2); empty when `old` is zero or equals `new`. `node` as in [`root_at`].
///
/// # Errors
/// [`ProofError::Shrunk`], [`ProofError::Missing`].
pub fn consistency_proof(
    old: u64,
    new: u64,
    mut node: impl FnMut(u8, u64) -> Option<Digest>,
) -> Result<Vec<Digest>, ProofError> {
    consistency_ranges(old, new)?.into_iter().map(|(start, end)| range_hash(start, end, &mut node)).collect()
}

/// Checks that the tree (`new`, `new_root`) continues the tree (`old`, `old_root`). The empty tree
/// is continued by every tree.
///
/// # Errors
/// [`ProofError::Shrunk`], [`ProofError::Length`], [`ProofError::Root`].
pub fn verify_consistency(
    old: u64,
    old_root: &Digest,
    new: u64,
    new_root: &Digest,
    path: &[Digest],
) -> Result<(), ProofError> {
    let expected = consistency_ranges(old, new)?.len();
    if path.len() != expected {
        return Err(ProofError::Length { expected, found: path.len() });
    }
    let reached = |expected: &Digest, found: Digest| {
        if found == *expected { Ok(()) } else { Err(ProofError::Root { expected: *expected, found }) }
    };
    if old == 0 {
        return reached(old_root, empty_root());
    }
    if old == new {
        return reached(old_root, *new_root);
    }
    // The walk of RFC 9162 section 2.1.4.2: both roots grow from the largest subtree that ends
    // where the old tree ended. That subtree is the whole old tree when `old` is a power of two,
    // and then the proof does not repeat its root.
    let skipped = old.trailing_zeros();
    let (mut last_old, mut last_new) = ((old - 1) >> skipped, (new - 1) >> skipped);
    let (seed, rest) = match path.split_first() {
        Some((seed, rest)) if !old.is_power_of_two() => (*seed, rest),
        _ => (*old_root, path),
    };
    let (mut from_old, mut from_new) = (seed, seed);
    for hash in rest {
        if last_old & 1 == 1 || last_old == last_new {
            from_old = node_hash(hash, &from_old);
            from_new = node_hash(hash, &from_new);
            while last_old & 1 == 0 && last_old != 0 {
                last_old >>= 1;
                last_new >>= 1;
            }
        } else {
            from_new = node_hash(&from_new, hash);
        }
        last_old >>= 1;
        last_new >>= 1;
    }
    reached(old_root, from_old)?;
    reached(new_root, from_new)
}

/// How many nodes a tree of `leaves` leaves has `level` levels above them when an odd last node is
/// promoted unchanged: ⌈leaves / 2^level⌉.
pub fn level_length(leaves: u64, level: u8) -> u64 {
    let whole = leaves.checked_shr(u32::from(level)).unwrap_or(0);
    let rest = if level >= 64 { leaves != 0 } else { whole << level != leaves };
    whole + u64::from(rest)
}

/// Node `parent` of the level above `level`: the hash of its pair, or the odd last node promoted
/// unchanged; `None` past the end. Levels built so have the roots of RFC 6962.
pub fn parent(level: &[Digest], parent: usize) -> Option<Digest> {
    let left = level.get(parent.checked_mul(2)?)?;
    Some(level.get(parent * 2 + 1).map_or(*left, |right| node_hash(left, right)))
}

/// The whole level above `level`.
pub fn parents(level: &[Digest]) -> Vec<Digest> {
    level
        .chunks(2)
        .map(|pair| match pair {
            [left, right] => node_hash(left, right),
            _ => pair[0],
        })
        .collect()
}

/// The inclusion path of leaf `index` of `leaves` over levels built with [`parent`]: `node(level,
/// index)` answers for each node of each level, promoted ones included. It is checked with
/// [`verify_inclusion`].
///
/// # Errors
/// [`ProofError::NoSuchLeaf`], [`ProofError::Missing`].
pub fn inclusion_path(
    index: u64,
    leaves: u64,
    mut node: impl FnMut(u8, u64) -> Option<Digest>,
) -> Result<Vec<Digest>, ProofError> {
    if index >= leaves {
        return Err(ProofError::NoSuchLeaf { index, size: leaves });
    }
    let mut path = Vec::new();
    let mut level = 0;
    let mut index = index;
    loop {
        let length = level_length(leaves, level);
        if length == 1 {
            return Ok(path);
        }
        let sibling = index ^ 1;
        if sibling < length {
            path.push(node(level, sibling).ok_or(ProofError::Missing { level, index: sibling })?);
        }
        index >>= 1;
        level += 1;
    }
}

/// The largest power of two below `n`, for n ≥ 2: where RFC 6962 splits a list.
fn split(n: u64) -> u64 {
    1 << (63 - (n - 1).leading_zeros())
}

/// On how many levels the leaf's branch has left the tree's right edge, the level just below their
/// meeting included: there, each sibling exists and stands where the index's bit says.
fn levels_below_meeting(index: u64, size: u64) -> u32 {
    64 - (index ^ (size - 1)).leading_zeros()
}

/// The hash of leaves `start..end`, a range that RFC 6962's splitting arrives at: it starts at a
/// multiple of the largest power of two in its length.
fn range_hash(
    start: u64,
    end: u64,
    node: &mut impl FnMut(u8, u64) -> Option<Digest>,
) -> Result<Digest, ProofError> {
    // Perfect subtrees from the right: the smallest first, each new one to the left of the rest.
    let mut hash: Option<Digest> = None;
    let mut end = end;
    while end > start {
        let level = (end - start).trailing_zeros() as u8;
        end -= 1 << level;
        let index = end >> level;
        let left = node(level, index).ok_or(ProofError::Missing { level, index })?;
        hash = Some(hash.map_or(left, |right| node_hash(&left, &right)));
    }
    Ok(hash.unwrap_or_else(empty_root))
}

/// The ranges of leaves whose hashes are the consistency proof, in its order.
fn consistency_ranges(old: u64, new: u64) -> Result<Vec<(u64, u64)>, ProofError> {
    if old > new {
        return Err(ProofError::Shrunk { old, new });
    }
    let mut ranges = Vec::new();
    if old == 0 || old == new {
        return Ok(ranges);
    }
    let (mut start, mut end) = (0, new);
    while end != old {
        let middle = start + split(end - start);
        if old <= middle {
            ranges.push((middle, end));
            end = middle;
        } else {
            ranges.push((start, middle));
            start = middle;
        }
    }
    // The old root itself is known to whoever checks.
    if start != 0 {
        ranges.push((start, end));
    }
    ranges.reverse();
    Ok(ranges)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;
    use proptest::prelude::*;

    /// RFC 6962 section 2.1, word for word: the judge of everything above.
    fn definition(leaves: &[Digest]) -> Digest {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            many => {
                let (left, right) = many.split_at(split(many.len() as u64) as usize);
                node_hash(&definition(left), &definition(right))
            }
        }
    }

    fn leaves(count: u64) -> Vec<Digest> {
        (0..count).map(|i| leaf_hash(&i.to_le_bytes())).collect()
    }

    fn frontier(leaves: &[Digest]) -> Frontier {
        let mut frontier = Frontier::new();
        leaves.iter().for_each(|leaf| frontier.push(*leaf));
        frontier
    }

    fn nodes(leaves: &[Digest]) -> impl FnMut(u8, u64) -> Option<Digest> {
        |level, index| {
            let width = 1usize << level;
            let start = index as usize * width;
            leaves.get(start..start + width).map(definition)
        }
    }

    /// The eight leaves and roots that certificate transparency implementations test by.
    const PUBLISHED: [(&str, &str); 8] = [
        ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
        ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
        ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
        ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
        ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
        ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
        (
            "606162636465666768696a6b6c6d6e6f",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ),
    ];

    fn published_leaves() -> Vec<Digest> {
        let bytes = |hex: &str| {
            let digits: Vec<u8> = hex.chars().map(|c| c.to_digit(16).unwrap() as u8).collect();
            digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect::<Vec<u8>>()
        };
        PUBLISHED.iter().map(|(hex, _)| leaf_hash(&bytes(hex))).collect()
    }

    #[test]
    fn the_published_eight_leaves_have_the_published_roots() {
        let leaves = published_leaves();
        let mut frontier = Frontier::new();
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(frontier.root().to_hex(), empty);
        for (size, (leaf, (_, root))) in leaves.iter().zip(PUBLISHED).enumerate() {
            frontier.push(*leaf);
            assert_eq!(frontier.root().to_hex(), root);
            assert_eq!(root_at(size as u64 + 1, nodes(&leaves)).unwrap().to_hex(), root);
        }
    }

    #[test]
    fn the_published_proofs_come_out() {
        // Inclusion of the first of eight and consistency from six to eight, as published.
        let leaves = published_leaves();
        let hex = |path: Vec<Digest>| path.iter().map(Digest::to_hex).collect::<Vec<_>>();
        assert_eq!(
            hex(inclusion_proof(0, 8, nodes(&leaves)).unwrap()),
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ]
        );
        assert_eq!(
            hex(consistency_proof(6, 8, nodes(&leaves)).unwrap()),
            [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ]
        );
    }

    #[test]
    fn every_leaf_of_every_small_tree_is_proven_and_every_prefix_continued() {
        let all = leaves(70);
        for size in 1..=all.len() as u64 {
            let now = &all[..size as usize];
            let root = frontier(now).root();
            assert_eq!(root, definition(now));
            for index in 0..size {
                let path = inclusion_proof(index, size, nodes(now)).unwrap();
                assert_eq!(verify_inclusion(&all[index as usize], index, size, &path, &root), Ok(()));
            }
            for old in 0..=size {
                let old_root = definition(&all[..old as usize]);
                let path = consistency_proof(old, size, nodes(now)).unwrap();
                assert_eq!(verify_consistency(old, &old_root, size, &root, &path), Ok(()));
            }
        }
    }

    #[test]
    fn a_register_built_level_by_level_has_the_roots_and_paths_of_the_definition() {
        for count in 1..=70 {
            let mut levels = vec![leaves(count)];
            while levels[levels.len() - 1].len() > 1 {
                let level = &levels[levels.len() - 1];
                let above = parents(level);
                assert!((0..above.len()).all(|i| parent(level, i) == Some(above[i])));
                assert_eq!(parent(level, above.len()), None);
                levels.push(above);
            }
            let root = levels[levels.len() - 1][0];
            assert_eq!(root, definition(&levels[0]));
            for (level, nodes) in levels.iter().enumerate() {
                assert_eq!(level_length(count, level as u8), nodes.len() as u64);
            }
            for index in 0..count {
                let path = inclusion_path(index, count, |level, index| {
                    levels[level as usize].get(index as usize).copied()
                });
                assert_eq!(path, inclusion_proof(index, count, nodes(&levels[0])));
                let leaf = &levels[0][index as usize];
                assert_eq!(verify_inclusion(leaf, index, count, &path.unwrap(), &root), Ok(()));
            }
        }
    }

    #[test]
    fn what_a_push_completes_is_told_once_and_suffices_for_every_proof() {
        let all = leaves(70);
        let mut kept = alloc::collections::BTreeMap::new();
        let mut frontier = Frontier::new();
        for leaf in &all {
            frontier.push_with(*leaf, |level, index, hash| {
                assert_eq!(kept.insert((level, index), hash), None);
            });
        }
        for index in 0..70 {
            let path = inclusion_proof(index, 70, |level, index| kept.get(&(level, index)).copied());
            assert_eq!(path, inclusion_proof(index, 70, nodes(&all)));
        }
    }

    #[test]
    fn a_frontier_with_a_hash_too_few_does_not_decode() {
        let frontier = frontier(&leaves(11));
        let bytes = crate::codec::encode(&frontier);
        assert_eq!(crate::codec::decode(&bytes, 4096), Ok(frontier.clone()));
        let short = crate::codec::encode(&(11u64, frontier.hashes()[1..].to_vec()));
        let refusal = crate::codec::decode::<Frontier>(&short, 4096).unwrap_err();
        assert!(refusal.to_string().contains("one hash for each bit"), "{refusal}");
    }

    #[test]
    fn a_path_for_another_size_or_a_leaf_beyond_the_tree_is_refused() {
        let all = leaves(7);
        let root = definition(&all);
        let path = inclusion_proof(6, 7, nodes(&all)).unwrap();
        let refusal = verify_inclusion(&all[6], 7, 7, &path, &root).unwrap_err();
        assert_eq!(refusal, ProofError::NoSuchLeaf { index: 7, size: 7 });
        // The last leaf of seven stands one level higher than the others; its path is shorter.
        let refusal = verify_inclusion(&all[6], 0, 7, &path, &root).unwrap_err();
        assert_eq!(refusal, ProofError::Length { expected: 3, found: 2 });
        let refusal = verify_consistency(7, &root, 3, &root, &[]).unwrap_err();
        assert_eq!(refusal, ProofError::Shrunk { old: 7, new: 3 });
        assert!(verify_consistency(0, &root, 7, &root, &[]).is_err());
        assert!(inclusion_length(u64::MAX - 1, u64::MAX).unwrap() <= PATH_HASHES_MAX);
        assert_eq!(inclusion_length(0, u64::MAX).unwrap(), 64);
        assert_eq!(inclusion_length(0, 1).unwrap(), 0);
    }

    #[test]
    fn two_nodes_cannot_pass_for_a_leaf() {
        let all = leaves(4);
        let inner = node_hash(&all[0], &all[1]);
        let bytes = [all[0].0, all[1].0].concat();
        assert_ne!(leaf_hash(&bytes), inner);
        // Cutting the tree one level above the leaves calls for another path length.
        let path = [node_hash(&all[2], &all[3])];
        let refusal = verify_inclusion(&inner, 0, 4, &path, &definition(&all)).unwrap_err();
        assert_eq!(refusal, ProofError::Length { expected: 2, found: 1 });
    }

    /// Every way to spoil a path: flip, drop, repeat, swap, add.
    fn spoilt(path: &[Digest], seed: usize) -> Vec<Vec<Digest>> {
        let mut all = vec![[path, &[Digest([seed as u8; 32])]].concat()];
        for i in 0..path.len() {
            let mut flipped = path.to_vec();
            flipped[i].0[seed % 32] ^= 1 << (seed % 8);
            let mut dropped = path.to_vec();
            dropped.remove(i);
            let mut repeated = path.to_vec();
            repeated.insert(i, path[i]);
            all.extend([flipped, dropped, repeated]);
            if i > 0 {
                let mut swapped = path.to_vec();
                swapped.swap(i, i - 1);
                all.push(swapped);
            }
        }
        all
    }

    proptest! {
        #[test]
        fn no_spoilt_inclusion_proof_is_accepted(size in 1u64..600, at in 0u64..600, seed in 0usize..256) {
            let index = at % size;
            let all = leaves(size);
            let root = definition(&all);
            let leaf = all[index as usize];
            let path = inclusion_proof(index, size, nodes(&all)).unwrap();
            prop_assert_eq!(verify_inclusion(&leaf, index, size, &path, &root), Ok(()));
            for path in spoilt(&path, seed) {
                prop_assert!(verify_inclusion(&leaf, index, size, &path, &root).is_err());
            }
            for other in (0..size).filter(|other| *other != index) {
                prop_assert!(verify_inclusion(&leaf, other, size, &path, &root).is_err());
            }
            let mut other = leaf;
            other.0[seed % 32] ^= 1;
            prop_assert!(verify_inclusion(&other, index, size, &path, &root).is_err());
        }

        #[test]
        fn no_spoilt_consistency_proof_is_accepted(new in 1u64..600, at in 0u64..600, seed in 0usize..256) {
            let old = at % new + 1;
            let all = leaves(new);
            let (old_root, root) = (definition(&all[..old as usize]), definition(&all));
            let path = consistency_proof(old, new, nodes(&all)).unwrap();
            prop_assert_eq!(verify_consistency(old, &old_root, new, &root, &path), Ok(()));
            for path in spoilt(&path, seed) {
                prop_assert!(verify_consistency(old, &old_root, new, &root, &path).is_err());
            }
            let mut other = root;
            other.0[seed % 32] ^= 1;
            prop_assert!(verify_consistency(old, &old_root, new, &other, &path).is_err());
            prop_assert!(verify_consistency(old, &other, new, &root, &path).is_err());
        }
    }
}
