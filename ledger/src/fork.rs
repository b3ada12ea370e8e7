//! Forks: from two proofs that contradict each other to the validators who signed both.
//!
//! Two valid finality proofs of one epoch whose tips exclude each other name at least f+1 signers,
//! each with two votes that no correct validator signs both of. The argument: of two tips take the
//! one of the lower view t. In the other chain, view t either has a block, which is another one, and
//! two quorums notarized in view t; or it was skipped, and one quorum nullified the view that the
//! other finalized. Two quorums share at least 2q−n ≥ f+1 signers. A proof that lacks a notarization
//! or a nullification proves nothing: a correct validator may have signed what is left of it.
//!
//! Forks across epochs are judged in the epoch where the chains part; what governance keys sign is no
//! vote and is not judged here.
//!
//! Invariant: a [`Culprit`] exists only because both its votes held and contradict each other.

use alloc::vec::Vec;

use bincode::{Decode, Encode};

use crate::block::{BlockHash, Epoch, Header, View};
use crate::certificate::{Certificate, ValidatorSet, Vote};
use crate::checkpoint::{CertifiedCheckpoint, CheckpointError, Cosignature, Trust};
use crate::digest::Digest;
use crate::finality::{FinalityError, ProvenHeader, verify_child, verify_finalized};
use crate::offence::OffenceKind;

/// A stretch of one epoch's chain and the finalization of its last block.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FinalityProof {
    /// Each the child of the one before; closing blocks may stand at the end.
    pub blocks: Vec<ProvenHeader>,
    /// Certifies `Finalize` of the last.
    pub finalization: Certificate,
}

/// One validator that broke the protocol, and the proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Culprit {
    /// Index of the validator in the set of the votes' epoch.
    pub signer: u16,
    /// The view it voted in.
    pub view: View,
    /// One vote.
    pub first: Vote,
    /// Another that excludes it.
    pub second: Vote,
}

/// One validator that cosigned two logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DoubleCosigner {
    /// Epoch whose validators cosign that size.
    pub epoch: Epoch,
    /// Index of the validator in the set of that epoch.
    pub signer: u16,
    /// Its cosignature on the one checkpoint.
    pub first: Cosignature,
    /// Its cosignature on the other.
    pub second: Cosignature,
}

/// Why two proofs name nobody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForkError {
    /// There are no blocks in a proof.
    #[error("a proof without blocks proves nothing; give the blocks from below view {view} on")]
    Empty {
        /// The view that the other proof's tip is of, or zero.
        view: View,
    },
    /// A proof does not hold.
    #[error("a proof does not hold and proves nothing: {0}")]
    Proof(#[from] FinalityError),
    /// One chain continues the other.
    #[error("no fork: final block {earlier} of view {view} is an ancestor of the other tip, or the same")]
    NoFork {
        /// The lower tip.
        earlier: BlockHash,
        /// Its view.
        view: View,
    },
    /// The higher proof begins too late to say what happened in the lower tip's view.
    #[error(
        "the proof of the higher tip begins on view {begins}, the lower tip is of view {tip}; give its blocks from below that view on"
    )]
    TooShort {
        /// View of the block that the higher stretch stands on.
        begins: View,
        /// View of the lower tip.
        tip: View,
    },
    /// A checkpoint does not hold.
    #[error("a checkpoint does not hold and proves nothing: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The two checkpoints do not exclude each other by themselves.
    #[error(
        "no fork: one checkpoint has {first} leaves, the other {second}, and only two roots of one size exclude each other; ask for a consistency proof"
    )]
    NoConflict {
        /// Size of one.
        first: u64,
        /// Size of the other.
        second: u64,
    },
}

impl FinalityProof {
    /// Checks that every header is proven, each the child of the one before, and the last final;
    /// returns the last.
    ///
    /// # Errors
    /// [`ForkError::Empty`], [`ForkError::Proof`].
    pub fn verify(&self, chain: &Digest, set: &ValidatorSet) -> Result<&Header, ForkError> {
        let tip = &self.blocks.last().ok_or(ForkError::Empty { view: View(0) })?.header;
        for proven in &self.blocks {
            proven.verify(chain, set)?;
        }
        for pair in self.blocks.windows(2) {
            verify_child(&pair[0].header, &pair[1].header)?;
        }
        verify_finalized(tip, &self.finalization, chain, set)?;
        Ok(tip)
    }
}

/// The validators that two contradicting proofs convict, in order of signer; at least 2q−n of them.
///
/// # Errors
/// [`ForkError`]: a proof that does not hold, no contradiction, or a stretch that begins too late.
pub fn culprits(
    chain: &Digest,
    set: &ValidatorSet,
    a: &FinalityProof,
    b: &FinalityProof,
) -> Result<Vec<Culprit>, ForkError> {
    let (tip_a, tip_b) = (a.verify(chain, set)?, b.verify(chain, set)?);
    let (low, tip, high) = if tip_a.view <= tip_b.view { (a, tip_a, b) } else { (b, tip_b, a) };
    let (earlier, view) = (tip.hash(), tip.view);
    let Some(first) = high.blocks.first() else { return Err(ForkError::Empty { view }) };
    let known = |proven: &ProvenHeader| proven.header.hash() == earlier;
    if first.header.parent == earlier || high.blocks.iter().any(known) {
        return Err(ForkError::NoFork { earlier, view });
    }
    // Views rise along the chain, so the first block from this view on says what became of it.
    let after = high.blocks.iter().find(|proven| proven.header.view >= view);
    let Some(after) = after.filter(|proven| proven.header.parent_view < view) else {
        return Err(ForkError::TooShort { begins: first.header.parent_view, tip: view });
    };
    let (one, other) = if after.header.view == view {
        let own = low.blocks.last().map(|proven| &proven.notarization);
        (own, Some(&after.notarization))
    } else {
        let skipped = |certificate: &&Certificate| certificate.statement.view() == view;
        (Some(&low.finalization), after.skips.iter().find(skipped))
    };
    let (Some(one), Some(other)) = (one, other) else { return Err(ForkError::Empty { view }) };
    Ok(both_signed(one, other))
}

/// The signers of both certificates, if those contradict each other.
pub(crate) fn both_signed(one: &Certificate, other: &Certificate) -> Vec<Culprit> {
    let pair = |signer: u16| {
        let (first, second) = (one.vote(signer)?, other.vote(signer)?);
        OffenceKind::of(&first.statement, &second.statement)?;
        Some(Culprit { signer, view: first.statement.view(), first, second })
    };
    one.signers().filter_map(pair).collect()
}

/// The validators that cosigned two roots for one size, in order of signer; at least 2q−n of them.
///
/// # Errors
/// [`ForkError::Checkpoint`], [`ForkError::NoConflict`].
pub fn double_cosigners(
    trust: &Trust,
    a: &CertifiedCheckpoint,
    b: &CertifiedCheckpoint,
) -> Result<Vec<DoubleCosigner>, ForkError> {
    let (one, other) = (a.verify(trust, None)?, b.verify(trust, None)?);
    if one.size() != other.size() || one.root() == other.root() {
        return Err(ForkError::NoConflict { first: one.size(), second: other.size() });
    }
    let second = b.cosignatures(trust);
    let both = a.cosignatures(trust).into_iter().filter_map(|first| {
        let second = *second.iter().find(|second| second.signer == first.signer)?;
        Some(DoubleCosigner { epoch: one.epoch(), signer: first.signer, first, second })
    });
    Ok(both.collect())
}
