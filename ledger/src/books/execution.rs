//! The execution of one block: what its header alone changes, transaction by transaction, then its
//! seal.

use alloc::sync::Arc;
use alloc::vec::Vec;

use super::{Ground, Head, LATE_MOVES_MAX};
use crate::block::{Epoch, LEAF_BYTES_MAX, Leaf, LeafIndex, PROTOCOL_VERSION, Seal};
use crate::certificate::ValidatorSet;
use crate::codec;
use crate::digest::Digest;
use crate::entry::JournalEntry;
use crate::governance::{RECENT_ROOTS, Recovery};
use crate::records::{RootRecord, SeatRecord};
use crate::refusal::Refusal;
use crate::registers::{Draft, Layer, Place, Registers};
use crate::rules::{self, Plan};
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
    next: Option<Arc<ValidatorSet>>,
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
    pub(super) next: Option<Arc<ValidatorSet>>,
    pub(super) closing: bool,
}

impl<'a> Execution<'a> {
    /// Begins a block. `seat` is its proposer's, where somebody proposes it.
    pub(super) fn new(
        registers: &'a Registers,
        ground: &'a Ground,
        chain: Digest,
        time: Timestamp,
        seat: Option<(Epoch, u16)>,
    ) -> Self {
        let log = ground.head.log.clone();
        let leaf = LeafIndex(log.size());
        let height = ground.head.height.next();
        let mut draft = Draft::new(registers, &ground.layers, Place { chain, time, height, leaf });
        put_root(&mut draft, &ground.head);
        let seat = seat.and_then(|seat| draft.find::<SeatRecord>(&seat).cloned());
        if let Some(seat) = seat {
            draft.put(SeatRecord { proposed: height, ..seat });
        }
        Self {
            draft,
            previous_seal: ground.head.seal,
            first: leaf,
            log,
            leaves: Vec::new(),
            entries: Vec::new(),
            next: None,
        }
    }

    /// Whether a transaction ended the epoch, so that the block takes no further one.
    pub(super) fn is_over(&self) -> bool {
        self.next.is_some()
    }

    /// Whether late postings have cost so much that the block takes no further transaction.
    pub(super) fn is_full(&self) -> bool {
        self.draft.moved() >= LATE_MOVES_MAX
    }

    /// Books one transaction, or leaves everything as it was. `signed` is its canonical encoding.
    pub(super) fn book(&mut self, transaction: &VerifiedTransaction, signed: &[u8]) -> Result<(), Refusal> {
        let plan = rules::check(&self.draft, transaction)?;
        self.carry_out(plan, signed);
        Ok(())
    }

    /// Books the one transaction of a recovery block.
    pub(super) fn recover(
        &mut self,
        transaction: &VerifiedTransaction,
        recovery: &Recovery,
        signed: &[u8],
    ) -> Result<(), Refusal> {
        let plan = rules::check_recovery(&self.draft, transaction, recovery)?;
        self.carry_out(plan, signed);
        Ok(())
    }

    /// Books what was decided; cannot fail.
    fn carry_out(&mut self, plan: Plan, signed: &[u8]) {
        self.next = plan.next_set().map(|set| Arc::new(set.clone()));
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
    }

    /// A block that changes nothing: neither books nor log.
    pub(super) fn closing(registers: &Registers, ground: &Ground, chain: Digest, time: Timestamp) -> Done {
        let head = &ground.head;
        let first = LeafIndex(head.log.size());
        let place = Place { chain, time, height: head.height.next(), leaf: first };
        let layer = Draft::new(registers, &ground.layers, place).seal();
        Done {
            first,
            seal: head.seal,
            log: head.log.clone(),
            leaves: Vec::new(),
            entries: Vec::new(),
            layer: Arc::new(layer),
            state_root: head.state_root,
            next: None,
            closing: true,
        }
    }

    /// Ends the block: with the leaf of the next epoch, if this one is over, and the seal.
    pub(super) fn seal(mut self, epoch: Epoch) -> Done {
        let (chain, time, height) = (*self.draft.chain(), self.draft.time(), self.draft.height());
        let layer = self.draft.seal();
        let state_root = state_root(&layer.roots());
        if let Some(next) = &self.next {
            let leaf = Leaf::Epoch { epoch: next.epoch, chain, validators: next.digest() };
            let leaf = codec::encode(&leaf);
            self.log.push(leaf_hash(&leaf));
            self.leaves.push(leaf);
            self.entries.push(Vec::new());
        }
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
            next: self.next,
            closing: false,
        }
    }
}

/// Puts the log after the parent among the recent ones.
pub(super) fn put_root(draft: &mut Draft<'_>, parent: &Head) {
    let Head { height, log, .. } = parent;
    let slot = (height.0 % RECENT_ROOTS) as u32;
    draft.put(RootRecord { slot, height: *height, size: log.size(), root: log.root() });
}
