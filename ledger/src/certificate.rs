//! Validator sets, the statements validators sign, and what a quorum of signatures proves.
//!
//! Signatures are listed, never aggregated, so that blame stays possible. The signed byte strings
//! are fixed in width and big-endian, as `specs/formats.md` writes down.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::fmt;

use bincode::{Decode, Encode};

use crate::block::{BlockHash, Epoch, View};
use crate::codec;
use crate::digest::Digest;
use crate::entity::{Name, OrgNumber};
use crate::note::{NoteError, check_key_name};
use crate::signature::{PublicKey, Purpose, Signature, signed_bytes};

/// Larger committees are shown in simulation only.
pub const VALIDATORS_MAX: usize = 400;
/// Below four no fault can be borne: f = ⌊(n−1)/3⌋.
pub const VALIDATORS_MIN: usize = 4;

/// One validator: four keys, never shared between purposes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Validator {
    /// The entity that answers for it.
    pub entity: OrgNumber,
    /// Name on its cosignatures, such as `stavanger.example/v1`.
    pub name: Name,
    /// Signs votes (ZIP 215).
    pub vote_key: PublicKey,
    /// Cosigns checkpoints (strict).
    pub cosign_key: PublicKey,
    /// Identifies the node on the network.
    pub peer_key: PublicKey,
    /// Signs changes of the validator set and recovery (ZIP 215). Kept offline: no running node
    /// uses it.
    pub governance_key: PublicKey,
}

impl Validator {
    /// Its keys: votes, cosignatures, network, governance.
    pub fn keys(&self) -> [PublicKey; 4] {
        [self.vote_key, self.cosign_key, self.peer_key, self.governance_key]
    }
}

/// The validators of one epoch, in their order.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ValidatorSet {
    /// The epoch.
    pub epoch: Epoch,
    /// At least [`VALIDATORS_MIN`], at most [`VALIDATORS_MAX`].
    pub validators: Vec<Validator>,
}

/// A validator set that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValidatorSetError {
    /// Too few or too many.
    #[error("{count} validators; a set has {VALIDATORS_MIN} to {VALIDATORS_MAX}")]
    Size {
        /// How many.
        count: usize,
    },
    /// A key stands twice, or one entity or name holds two seats.
    #[error("validators {first} and {second} share an entity, a name or a key; each seat has its own")]
    Shared {
        /// Index of one.
        first: usize,
        /// Index of the other.
        second: usize,
    },
    /// A key that signatures could be read under in two ways.
    #[error("validator {index}: {source}")]
    Key {
        /// Index.
        index: usize,
        /// Why.
        source: crate::signature::KeyError,
    },
    /// A name that cannot stand on a cosignature.
    #[error("validator {index}: {source}")]
    Name {
        /// Index.
        index: usize,
        /// Why.
        source: NoteError,
    },
}

impl ValidatorSet {
    /// Checks size, keys and names, and that nobody sits twice.
    ///
    /// # Errors
    /// [`ValidatorSetError`].
    pub fn check(&self) -> Result<(), ValidatorSetError> {
        let count = self.validators.len();
        if !(VALIDATORS_MIN..=VALIDATORS_MAX).contains(&count) {
            return Err(ValidatorSetError::Size { count });
        }
        for (index, validator) in self.validators.iter().enumerate() {
            let keys = validator.keys();
            for key in keys {
                key.check_registrable().map_err(|source| ValidatorSetError::Key { index, source })?;
            }
            check_key_name(validator.name.as_str())
                .map_err(|source| ValidatorSetError::Name { index, source })?;
            if (1..keys.len()).any(|place| keys[..place].contains(&keys[place])) {
                return Err(ValidatorSetError::Shared { first: index, second: index });
            }
            for (second, other) in self.validators.iter().enumerate().skip(index + 1) {
                let others = other.keys();
                if validator.entity == other.entity
                    || validator.name == other.name
                    || keys.iter().any(|key| others.contains(key))
                {
                    return Err(ValidatorSetError::Shared { first: index, second });
                }
            }
        }
        Ok(())
    }

    /// Number of validators, n.
    pub fn len(&self) -> usize {
        self.validators.len()
    }

    /// Never true of a checked set.
    pub fn is_empty(&self) -> bool {
        self.validators.is_empty()
    }

    /// How many may be faulty: f = ⌊(n−1)/3⌋.
    pub fn faulty_max(&self) -> usize {
        self.len().saturating_sub(1) / 3
    }

    /// How many must sign: q = n − f.
    pub fn quorum(&self) -> usize {
        self.len() - self.faulty_max()
    }

    /// The seats whose governance keys are among these, each once, rising.
    pub fn governors<'k>(&self, keys: impl Iterator<Item = &'k PublicKey>) -> Vec<u16> {
        let keys: BTreeSet<&PublicKey> = keys.collect();
        let seats = (0..).zip(&self.validators);
        seats.filter(|(_, v)| keys.contains(&v.governance_key)).map(|(seat, _)| seat).collect()
    }

    /// Commits to everything in the set that anything depends on.
    pub fn digest(&self) -> Digest {
        Digest::of(&[b"hovedbok/v1/validators", &codec::encode(self)])
    }
}

/// What a validator states by signing, in one epoch.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
pub enum Statement {
    /// "This block is valid in this view."
    Notarize {
        /// The view.
        view: View,
        /// The block.
        block: BlockHash,
    },
    /// "This view may be skipped."
    Nullify {
        /// The view.
        view: View,
    },
    /// "I saw this block notarized and did not nullify the view."
    Finalize {
        /// The view.
        view: View,
        /// The block.
        block: BlockHash,
    },
}

impl Statement {
    /// The view it speaks of.
    pub fn view(&self) -> View {
        match self {
            Self::Notarize { view, .. } | Self::Nullify { view } | Self::Finalize { view, .. } => *view,
        }
    }

    /// The block it speaks of, unless it nullifies.
    pub fn block(&self) -> Option<BlockHash> {
        match self {
            Self::Notarize { block, .. } | Self::Finalize { block, .. } => Some(*block),
            Self::Nullify { .. } => None,
        }
    }

    /// `DOMAIN ‖ kind(1) ‖ chain(32) ‖ epoch(8) ‖ view(8) [‖ block(32)]`, numbers big-endian.
    pub fn signed_bytes(&self, chain: &Digest, epoch: Epoch) -> Vec<u8> {
        let mut payload = Vec::with_capacity(48);
        payload.extend_from_slice(&epoch.0.to_be_bytes());
        payload.extend_from_slice(&self.view().0.to_be_bytes());
        let purpose = match self {
            Self::Notarize { .. } => Purpose::Notarize,
            Self::Nullify { .. } => Purpose::Nullify,
            Self::Finalize { .. } => Purpose::Finalize,
        };
        if let Some(block) = self.block() {
            payload.extend_from_slice(&block.0.0);
        }
        signed_bytes(purpose, chain, &payload)
    }
}

impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Notarize { view, block } => write!(f, "notarize({view}, {block:?})"),
            Self::Nullify { view } => write!(f, "nullify({view})"),
            Self::Finalize { view, block } => write!(f, "finalize({view}, {block:?})"),
        }
    }
}

/// One validator's signed statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Vote {
    /// Epoch of the validator set.
    pub epoch: Epoch,
    /// What is stated.
    pub statement: Statement,
    /// Index of the validator.
    pub signer: u16,
    /// Over [`Statement::signed_bytes`].
    pub signature: Signature,
}

/// A vote or certificate that proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// It speaks of another epoch.
    #[error("epoch {found}, expected {expected}")]
    Epoch {
        /// The set's epoch.
        expected: Epoch,
        /// The vote's.
        found: Epoch,
    },
    /// No such validator.
    #[error("signer {signer} of {validators} validators does not exist")]
    Signer {
        /// Index claimed.
        signer: u16,
        /// Size of the set.
        validators: usize,
    },
    /// The signer list has another length than the set, or set bits beyond it.
    #[error("signer list of {bytes} bytes does not fit {validators} validators")]
    Bitmap {
        /// Its length.
        bytes: usize,
        /// Size of the set.
        validators: usize,
    },
    /// As many signatures as signers must be listed, and at least a quorum.
    #[error("{signers} signers and {signatures} signatures; a quorum is {quorum}")]
    Quorum {
        /// Bits set.
        signers: usize,
        /// Signatures listed.
        signatures: usize,
        /// Needed.
        quorum: usize,
    },
    /// A signature does not hold.
    #[error("signature of validator {signer} on {statement:?} does not hold")]
    Signature {
        /// Whose.
        signer: u16,
        /// On what.
        statement: Statement,
    },
}

impl Vote {
    /// Checks epoch, signer and signature.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn verify(&self, chain: &Digest, set: &ValidatorSet) -> Result<(), CertificateError> {
        if self.epoch != set.epoch {
            return Err(CertificateError::Epoch { expected: set.epoch, found: self.epoch });
        }
        let validator = set
            .validators
            .get(usize::from(self.signer))
            .ok_or(CertificateError::Signer { signer: self.signer, validators: set.len() })?;
        let message = self.statement.signed_bytes(chain, self.epoch);
        if !validator.vote_key.verify(&message, &self.signature) {
            return Err(CertificateError::Signature { signer: self.signer, statement: self.statement });
        }
        Ok(())
    }
}

/// A quorum of signatures on one statement: a notarization, nullification or finalization.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Certificate {
    /// Epoch of the validator set.
    pub epoch: Epoch,
    /// What is certified.
    pub statement: Statement,
    /// Bit i of byte i/8, lowest first, says that validator i signed; exactly ⌈n/8⌉ bytes.
    pub signers: Vec<u8>,
    /// In order of signer.
    pub signatures: Vec<Signature>,
}

impl Certificate {
    /// From votes on one statement, at most one per signer, in order of signer.
    pub fn from_votes(
        epoch: Epoch,
        statement: Statement,
        validators: usize,
        votes: &[(u16, Signature)],
    ) -> Self {
        let mut signers = alloc::vec![0; validators.div_ceil(8)];
        let mut signatures = Vec::with_capacity(votes.len());
        for (signer, signature) in votes {
            if let Some(byte) = signers.get_mut(usize::from(*signer) / 8) {
                *byte |= 1 << (signer % 8);
                signatures.push(*signature);
            }
        }
        Self { epoch, statement, signers, signatures }
    }

    /// The signers' indexes, rising.
    pub fn signers(&self) -> impl Iterator<Item = u16> {
        let bits = self.signers.iter().enumerate();
        bits.flat_map(|(i, byte)| {
            (0..8).filter(move |bit| byte >> bit & 1 == 1).map(move |bit| (i * 8 + bit) as u16)
        })
    }

    /// The vote that this certificate holds of one validator; `None` if it did not sign, or lists
    /// fewer signatures than signers.
    pub fn vote(&self, signer: u16) -> Option<Vote> {
        let place = self.signers().position(|listed| listed == signer)?;
        let signature = *self.signatures.get(place)?;
        Some(Vote { epoch: self.epoch, statement: self.statement, signer, signature })
    }

    /// Checks epoch, signer list, quorum and every signature.
    ///
    /// # Errors
    /// [`CertificateError`].
    pub fn verify(&self, chain: &Digest, set: &ValidatorSet) -> Result<(), CertificateError> {
        let validators = set.len();
        if self.epoch != set.epoch {
            return Err(CertificateError::Epoch { expected: set.epoch, found: self.epoch });
        }
        let fits = self.signers.len() == validators.div_ceil(8)
            && self.signers().all(|signer| usize::from(signer) < validators);
        if !fits {
            return Err(CertificateError::Bitmap { bytes: self.signers.len(), validators });
        }
        let signers = self.signers().count();
        if signers != self.signatures.len() || signers < set.quorum() {
            let signatures = self.signatures.len();
            return Err(CertificateError::Quorum { signers, signatures, quorum: set.quorum() });
        }
        let message = self.statement.signed_bytes(chain, self.epoch);
        for (signer, signature) in self.signers().zip(&self.signatures) {
            if !set.validators[usize::from(signer)].vote_key.verify(&message, signature) {
                return Err(CertificateError::Signature { signer, statement: self.statement });
            }
        }
        Ok(())
    }
}
