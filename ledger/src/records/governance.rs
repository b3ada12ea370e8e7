//! Who validates, since when, and what a statement about the recent past is checked against.

use bincode::{Decode, Encode};

use crate::block::{Epoch, Height, LeafIndex, View};
use crate::certificate::Validator;
use crate::digest::Digest;
use crate::offence::OffenceKind;

/// One epoch. Its index in the register is its number.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct EpochRecord {
    /// The epoch.
    pub epoch: Epoch,
    /// Height of the last block before it; 0 of the first epoch.
    pub after: Height,
    /// Leaves of the log after that block; 0 of the first epoch.
    pub size: u64,
    /// Digest of its validator set (`ValidatorSet::digest`).
    pub validators: Digest,
    /// Whether it began by recovery.
    pub recovery: bool,
}

/// One seat of one epoch. Those of past epochs stay for ever, because offences are judged by them.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct SeatRecord {
    /// The epoch.
    pub epoch: Epoch,
    /// Index in the validator set.
    pub index: u16,
    /// Who sits there.
    pub validator: Validator,
    /// Height of the last block that the seat proposed in the epoch; 0 for none.
    pub proposed: Height,
}

/// The log after one of the last blocks.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RootRecord {
    /// Height modulo `RECENT_ROOTS`.
    pub slot: u32,
    /// Height of the block.
    pub height: Height,
    /// Leaves in the log after it.
    pub size: u64,
    /// Root of the log after it.
    pub root: Digest,
}

/// A proven offence.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct OffenceRecord {
    /// Epoch of both votes.
    pub epoch: Epoch,
    /// Index of the signer in that epoch's set.
    pub signer: u16,
    /// View of both votes.
    pub view: View,
    /// What they prove.
    pub kind: OffenceKind,
    /// Leaf that holds both.
    pub leaf: LeafIndex,
}
