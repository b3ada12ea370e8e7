//! What a reader of checkpoints goes by: the genesis it pinned, and the validator sets since.

use alloc::string::String;
use alloc::vec::Vec;

use super::{CheckpointError, is_origin};
use crate::certificate::{ValidatorSet, ValidatorSetError};
use crate::digest::Digest;
use crate::handoff::{Handoff, HandoffError};
use crate::note::{Kind, NoteError, VerifierKey};

/// The origin and hash of a genesis, its validators, and those of every later epoch that a handoff
/// proved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trust {
    origin: String,
    chain: Digest,
    terms: Vec<Term>,
    // Handoff i began term i + 1.
    handoffs: Vec<Handoff>,
}

/// The validators of one epoch and where in the log it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    validators: ValidatorSet,
    keys: Vec<VerifierKey>,
    starts: u64,
    recovery: bool,
}

/// Values that nobody can trust.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// The origin does not name the genesis.
    #[error(
        "origin {origin:?} does not end in /{hash:.16}, the start of the genesis hash; take both from one genesis"
    )]
    Origin {
        /// The origin.
        origin: String,
        /// The genesis hash, in hex.
        hash: String,
    },
    /// The validator set cannot be.
    #[error(transparent)]
    Validators(#[from] ValidatorSetError),
}

impl Term {
    /// Checks the set and takes its keys. Checkpoints of more than `starts` leaves are its own.
    pub(crate) fn new(
        validators: ValidatorSet,
        starts: u64,
        recovery: bool,
    ) -> Result<Self, ValidatorSetError> {
        validators.check()?;
        let key = |(index, validator): (usize, &crate::certificate::Validator)| {
            VerifierKey::new(validator.name.as_str(), Kind::Cosignature, validator.cosign_key)
                .map_err(|source: NoteError| ValidatorSetError::Name { index, source })
        };
        let keys = validators.validators.iter().enumerate().map(key).collect::<Result<_, _>>()?;
        Ok(Self { validators, keys, starts, recovery })
    }

    /// The validators.
    pub fn validators(&self) -> &ValidatorSet {
        &self.validators
    }

    /// Their cosigning keys as notes name them, in their order.
    pub fn keys(&self) -> &[VerifierKey] {
        &self.keys
    }

    /// Leaves of the log before the epoch: it vouches for checkpoints of more.
    pub fn starts(&self) -> u64 {
        self.starts
    }

    /// Whether it began by recovery, not by its predecessors' votes.
    pub fn is_recovery(&self) -> bool {
        self.recovery
    }
}

impl Trust {
    /// From the origin, hash and validators of one genesis.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn new(origin: String, chain: Digest, validators: ValidatorSet) -> Result<Self, TrustError> {
        let hash = chain.to_hex();
        let names_chain = origin.strip_suffix(&hash[..16]).is_some_and(|name| name.ends_with('/'));
        if !names_chain || !is_origin(&origin) {
            return Err(TrustError::Origin { origin, hash });
        }
        let terms = alloc::vec![Term::new(validators, 0, false)?];
        Ok(Self { origin, chain, terms, handoffs: Vec::new() })
    }

    /// Takes the set of the next epoch, proven by the newest one known here. A handoff to an epoch
    /// that is known already changes nothing, if it agrees.
    ///
    /// # Errors
    /// [`HandoffError`]; nothing is taken then.
    pub fn extend(&mut self, handoff: &Handoff) -> Result<(), HandoffError> {
        let epoch = handoff.validators.epoch;
        let first = self.terms[0].validators.epoch;
        let place = epoch.0.checked_sub(first.0).and_then(|place| usize::try_from(place).ok());
        let expected = self.validators().epoch.next();
        let before = place.and_then(|place| place.checked_sub(1));
        let Some((place, before)) = place.zip(before).filter(|(_, before)| *before < self.terms.len()) else {
            return Err(HandoffError::Epoch { expected, found: epoch });
        };
        if self.handoffs.get(before) == Some(handoff) {
            return Ok(());
        }
        let term = handoff.verify(&self.chain, &self.terms[before])?;
        match self.terms.get(place) {
            Some(known) if *known == term => Ok(()),
            Some(known) => Err(HandoffError::Conflict { epoch, known: known.starts, found: term.starts }),
            None => {
                self.terms.push(term);
                self.handoffs.push(handoff.clone());
                Ok(())
            }
        }
    }

    /// The log's origin.
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The genesis hash.
    pub fn chain(&self) -> &Digest {
        &self.chain
    }

    /// The term of the newest epoch known.
    pub fn newest(&self) -> &Term {
        &self.terms[self.terms.len() - 1]
    }

    /// Every term known, oldest first.
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// The term of the epoch that a checkpoint of this size lies in.
    pub fn term(&self, size: u64) -> &Term {
        let after = self.terms.partition_point(|term| term.starts < size);
        &self.terms[after.saturating_sub(1)]
    }

    /// Every handoff taken, in order: what to keep in order to know as much again.
    pub fn handoffs(&self) -> &[Handoff] {
        &self.handoffs
    }

    /// The handoffs that lead from genesis to the epoch of a checkpoint of this size: those that a
    /// receipt of it carries.
    pub fn handoffs_at(&self, size: u64) -> &[Handoff] {
        let after = self.terms.partition_point(|term| term.starts < size);
        &self.handoffs[..after.saturating_sub(1)]
    }

    /// The validators of the newest epoch known.
    pub fn validators(&self) -> &ValidatorSet {
        &self.newest().validators
    }

    /// The cosigning keys of the newest epoch known, as notes name them, in order of validator.
    pub fn keys(&self) -> &[VerifierKey] {
        &self.newest().keys
    }

    /// The newest epoch's part of this trust for other programs, as a C2SP `tlog-policy`: a quorum of
    /// the validators as witnesses. It lists no log key, for no single key speaks for the log.
    pub fn policy(&self) -> String {
        let mut text = String::new();
        let mut group = alloc::format!("group validators {}", self.validators().quorum());
        for (i, key) in self.keys().iter().enumerate() {
            text.push_str(&alloc::format!("witness v{} {}\n", i + 1, key.to_text()));
            group.push_str(&alloc::format!(" v{}", i + 1));
        }
        alloc::format!("{text}{group}\nquorum validators\n")
    }

    pub(super) fn too_few(&self, term: &Term, found: usize) -> CheckpointError {
        let Term { validators: set, .. } = term;
        let (epoch, quorum, validators) = (set.epoch, set.quorum(), set.len());
        if epoch == self.validators().epoch {
            CheckpointError::QuorumOfNewest { epoch, found, quorum, validators }
        } else {
            CheckpointError::Quorum { epoch, found, quorum, validators }
        }
    }
}
