//! A block that was executed and waits to become final.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Head;
use super::ground::Step;
use crate::account::Account;
use crate::block::{BlockHash, Header, Height, LeafIndex, VerifiedBlock};
use crate::certificate::ValidatorSet;
use crate::entity::OrgNumber;
use crate::entry::{JournalEntry, Posting};
use crate::records::AccountRecord;
use crate::registers::{Layer, Record, Stored};
use crate::state_proof::RegisterRoot;
use crate::time::Period;

/// One executed block on top of a parent, not final. It keeps what its ancestors above the then
/// finalized head changed, in a flat list: nothing in it is dropped recursively, and the ancestors'
/// own [`Staged`] need not live on.
pub struct Staged {
    pub(super) block: VerifiedBlock,
    pub(super) head: Head,
    pub(super) first: LeafIndex,
    pub(super) leaves: Vec<Vec<u8>>,
    pub(super) entries: Vec<Vec<JournalEntry>>,
    pub(super) layer: Arc<Layer>,
    pub(super) next: Option<Arc<ValidatorSet>>,
    pub(super) closing: bool,
    // What lay between this block and the head that was final when it was executed, newest first.
    pub(super) below: Vec<Step>,
    // The blocks below, newest first, that head last.
    pub(super) lineage: Vec<(Height, BlockHash)>,
}

/// Where a posting stands: in the books of an entity, and in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PostingPlace {
    /// Whose books.
    pub entity: OrgNumber,
    /// The account.
    pub account: Account,
    /// The period.
    pub period: Period,
    /// How many postings of this account and period stand before it.
    pub sequence: u64,
    /// The leaf that holds its entry.
    pub leaf: LeafIndex,
    /// Which of the leaf's entries, from 0.
    pub entry: u16,
    /// Which of the entry's postings, from 0.
    pub line: u16,
}

impl Staged {
    /// The block's identity.
    pub fn hash(&self) -> BlockHash {
        self.block.hash()
    }

    /// The block's header.
    pub fn header(&self) -> &Header {
        self.block.header()
    }

    /// The block.
    pub fn block(&self) -> &VerifiedBlock {
        &self.block
    }

    /// The head of the books once this block is posted.
    pub fn head(&self) -> &Head {
        &self.head
    }

    /// Whether it is a closing block: it stands on the end of its epoch, changes nothing, adds no leaf
    /// and is never posted.
    pub fn is_closing(&self) -> bool {
        self.closing
    }

    /// Whether another validator set is in force once it is posted. Until then only closing blocks
    /// can stand on it.
    pub fn ends_epoch(&self) -> bool {
        self.next.is_some()
    }

    /// The set that is in force once it is posted, if it ends the epoch.
    pub fn next_validators(&self) -> Option<&ValidatorSet> {
        self.next.as_deref()
    }

    /// Encoded [`Leaf`](crate::block::Leaf)s: one per transaction in their order, the next epoch's if
    /// it ends one, the seal last. A closing block has none.
    pub fn leaves(&self) -> &[Vec<u8>] {
        &self.leaves
    }

    /// Where the first of the leaves stands in the log.
    pub fn first_leaf(&self) -> LeafIndex {
        self.first
    }

    /// What was booked, with the leaf that holds it and its number in that leaf.
    pub fn entries(&self) -> impl Iterator<Item = (LeafIndex, u16, &JournalEntry)> {
        (self.first.0..).zip(&self.entries).flat_map(|(leaf, entries)| {
            (0..).zip(entries).map(move |(number, entry)| (LeafIndex(leaf), number, entry))
        })
    }

    /// Every posting and where it stands, in the order of booking: what "all postings of X in Y" is
    /// looked up by.
    pub fn postings(&self) -> Vec<(PostingPlace, &Posting)> {
        // An account's record tells the count after the block; less the block's own, the count before.
        let mut next: BTreeMap<_, u64> =
            self.records::<AccountRecord>().map(|(_, record)| (record.key(), record.count)).collect();
        for entry in self.entries.iter().flatten() {
            for posting in &entry.postings {
                let count = next.entry((entry.entity, posting.account, entry.date.period())).or_default();
                *count = count.saturating_sub(1);
            }
        }
        let mut places = Vec::new();
        for (leaf, number, entry) in self.entries() {
            let (entity, period) = (entry.entity, entry.date.period());
            for (line, posting) in (0..).zip(&entry.postings) {
                let account = posting.account;
                let sequence = next.entry((entity, account, period)).or_default();
                let place =
                    PostingPlace { entity, account, period, sequence: *sequence, leaf, entry: number, line };
                *sequence += 1;
                places.push((place, posting));
            }
        }
        places
    }

    pub(super) fn layer(&self) -> &Arc<Layer> {
        &self.layer
    }

    /// Every record of this kind that the block wrote, with its index, in order of index.
    pub fn records<R: Stored>(&self) -> impl Iterator<Item = (u64, &R)> {
        R::delta(&self.layer).records()
    }

    /// Name, length and root of each register after the block, in the order of `state_root`.
    pub fn register_roots(&self) -> Vec<RegisterRoot> {
        self.layer.roots()
    }
}
