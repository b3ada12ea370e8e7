//! Governance: what the validators' governance keys sign, to change the validator set while it works
//! and to begin again when it does not.
//!
//! Here stand the statements and what follows from them alone. Whether one may be booked is for
//! `rules` to say, what a reader of checkpoints makes of it for `handoff`, and when a set is dead
//! enough to be recovered for the people who hold the keys.
//!
//! Invariant: governance keys sign transactions only, and only changes and recoveries are judged by
//! them.

use alloc::vec::Vec;

use bincode::{Decode, Encode};
use ed25519_dalek::{Signer as _, SigningKey};

use crate::block::{BlockHash, Epoch, Height};
use crate::certificate::{Validator, ValidatorSet};
use crate::codec;
use crate::digest::Digest;
use crate::entity::OrgNumber;
use crate::signature::{Purpose, Signature, signed_bytes};
use crate::time::Timestamp;

/// How many blocks back a statement about the log is checked: some hours of a busy chain. It bounds
/// the register of recent roots.
pub const RECENT_ROOTS: u64 = 16_384;

/// A seat counts as inactive once its epoch has this many blocks per seat, and of as many last ones
/// it proposed none: of so many, each working seat leads about four.
pub const ACTIVE_BLOCKS_PER_SEAT: u64 = 4;

/// How far a recovery's time may lie after the last final block, in milliseconds: ten years, more
/// than any chain stands still, so that no slip of the pen puts the books in a far future for good.
pub const RECOVERY_AHEAD_MAX_MS: u64 = 10 * 366 * 86_400_000;

/// A change of the validator set. It ends its epoch.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Change {
    /// The current epoch, which it ends.
    pub epoch: Epoch,
    /// Whose seats fall away.
    pub leave: Vec<OrgNumber>,
    /// New keys for a seat, in its place, or further seats, after the others in this order.
    pub enter: Vec<Entrant>,
}

/// A validator that takes a seat, or takes new keys for its seat.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Entrant {
    /// The validator.
    pub validator: Validator,
    /// Its word that it can begin at once.
    pub ready: Ready,
}

/// "I hold the books up to here", signed with the entrant's vote key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Ready {
    /// A final block's height.
    pub height: Height,
    /// Root of the log after that block.
    pub root: Digest,
    /// Over [`Ready::signed_bytes`].
    pub signature: Signature,
}

impl Ready {
    /// `DOMAIN ‖ 17 ‖ chain(32) ‖ height(8, BE) ‖ root(32) ‖ Validator`.
    pub fn signed_bytes(chain: &Digest, height: Height, root: &Digest, validator: &Validator) -> Vec<u8> {
        let mut payload = Vec::from(height.0.to_be_bytes());
        payload.extend_from_slice(&root.0);
        payload.extend_from_slice(&codec::encode(validator));
        signed_bytes(Purpose::Ready, chain, &payload)
    }

    /// Signs with the validator's vote key.
    pub fn sign(
        chain: &Digest,
        height: Height,
        root: Digest,
        validator: &Validator,
        vote_key: &SigningKey,
    ) -> Self {
        let bytes = Self::signed_bytes(chain, height, &root, validator);
        Self { height, root, signature: Signature(vote_key.sign(&bytes).to_bytes()) }
    }

    /// Whether the signature holds for this validator.
    pub fn holds(&self, chain: &Digest, validator: &Validator) -> bool {
        let bytes = Self::signed_bytes(chain, self.height, &self.root, validator);
        validator.vote_key.verify(&bytes, &self.signature)
    }
}

/// A change that names a seat which is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSeat {
    /// Whose.
    pub entity: OrgNumber,
}

impl Change {
    /// The set after this change of `set`, not yet checked. Seats fall away first.
    ///
    /// # Errors
    /// [`NoSeat`], naming the first that leaves without having one.
    pub fn next_set(&self, set: &ValidatorSet) -> Result<ValidatorSet, NoSeat> {
        let mut validators = set.validators.clone();
        for entity in &self.leave {
            let seat = validators.iter().position(|seat| seat.entity == *entity);
            validators.remove(seat.ok_or(NoSeat { entity: *entity })?);
        }
        for Entrant { validator, .. } in &self.enter {
            match validators.iter_mut().find(|seat| seat.entity == validator.entity) {
                Some(seat) => *seat = validator.clone(),
                None => validators.push(validator.clone()),
            }
        }
        Ok(ValidatorSet { epoch: set.epoch.next(), validators })
    }
}

/// A new beginning after an epoch that cannot finalize any more, from the last block known final.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Recovery {
    /// The epoch that failed.
    pub epoch: Epoch,
    /// Height of the last final block to go on from.
    pub height: Height,
    /// That block.
    pub block: BlockHash,
    /// Leaves in the log after it.
    pub log_size: u64,
    /// Root of the log after it.
    pub log_root: Digest,
    /// Time of the recovery block, where it is later than that block's.
    pub time: Timestamp,
    /// The whole new set.
    pub validators: Vec<Validator>,
}

impl Recovery {
    /// The set that begins.
    pub fn next_set(&self) -> ValidatorSet {
        ValidatorSet { epoch: self.epoch.next(), validators: self.validators.clone() }
    }
}
