//! The execution of one block: transaction by transaction, then its seal.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Ground, LATE_MOVES_MAX};
use crate::block::{Epoch, LEAF_BYTES_MAX, Leaf, LeafIndex, PROTOCOL_VERSION, Seal};
use crate::codec;
use crate::digest::Digest;
use crate::entry::JournalEntry;
use crate::refusal::Refusal;
use crate::registers::{Draft, Layer, Registers};
use crate::rules;
use crate::state_proof::state_root;
use crate::time::Timestamp;
use crate::transaction::VerifiedTransaction;
use crate::tree::{Frontier, leaf_hash};

/// Tag of [`Leaf::Transaction`] in the canonical encoding.
const LEAF_TRANSACTION: u32 = 0;

/// A block in execution.
pub(super) struct Execution<'a> {
    draft: Draft<'a>,
    previous_seal: LeafIndex,
    first: LeafIndex,
    log: Frontier,
    leaves: Vec<Vec<u8>>,
    entries: Vec<Vec<JournalEntry>>,
}

/// A block executed.
pub(super) struct Done {
    pub(super) first: LeafIndex,
    pub(super) seal: LeafIndex,
    pub(super) log: Frontier,
    pub(super) leaves: Vec<Vec<u8>>,
    pub(super) entries: Vec<Vec<JournalEntry>>,
    pub(super) layer: Arc<Layer>,
    pub(super) state_root: Digest,
}

impl<'a> Execution<'a> {
    pub(super) fn new(registers: &'a Registers, ground: &'a Ground, time: Timestamp) -> Self {
        let log = ground.head.log.clone();
        let first = LeafIndex(log.size());
        Self {
            draft: Draft::new(registers, &ground.layers, time, ground.head.height.next(), first),
            previous_seal: ground.head.seal,
            first,
            log,
            leaves: Vec::new(),
            entries: Vec::new(),
        }
    }

    /// Whether late postings have cost so much that the block takes no further transaction.
    pub(super) fn is_full(&self) -> bool {
        self.draft.moved() >= LATE_MOVES_MAX
    }

    /// Books one transaction, or leaves everything as it was. `signed` is its canonical encoding.
    pub(super) fn book(&mut self, transaction: &VerifiedTransaction, signed: &[u8]) -> Result<(), Refusal> {
        let plan = rules::check(&self.draft, transaction)?;
        // After this point the transaction is booked.
        let entries = rules::apply(&mut self.draft, plan);
        // `Leaf::Transaction` in its parts, so that nothing is encoded twice or cloned.
        let mut leaf = codec::encode(&LEAF_TRANSACTION);
        leaf.extend_from_slice(signed);
        leaf.extend_from_slice(&codec::encode(&entries));
        assert!(leaf.len() <= LEAF_BYTES_MAX, "leaf of {} bytes; the rules bound what one books", leaf.len());
        self.log.push(leaf_hash(&leaf));
        self.leaves.push(leaf);
        self.entries.push(entries);
        self.draft.next_leaf();
        Ok(())
    }

    /// Ends the block with its seal.
    pub(super) fn seal(mut self, epoch: Epoch) -> Done {
        let (time, height) = (self.draft.time(), self.draft.height());
        let layer = self.draft.seal();
        let state_root = state_root(&layer.roots());
        let count = self.leaves.len() as u64;
        let seal = LeafIndex(self.log.size());
        let leaf = codec::encode(&Leaf::Seal(Seal {
            version: PROTOCOL_VERSION,
            height,
            time,
            epoch,
            previous_seal: self.previous_seal,
            first: self.first,
            count,
            state_root,
        }));
        self.log.push(leaf_hash(&leaf));
        self.leaves.push(leaf);
        Done {
            first: self.first,
            seal,
            log: self.log,
            leaves: self.leaves,
            entries: self.entries,
            layer: Arc::new(layer),
            state_root,
        }
    }
}
