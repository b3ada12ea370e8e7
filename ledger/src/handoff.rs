//! Handoffs: how one validator set proves to a reader who knows it which set comes next, and from
//! which size of the log on.
//!
//! A change is proven by the votes of the set before it: the header of the block that ends the epoch,
//! final, and the leaf in its log that names the next set. A recovery is proven by a quorum of the
//! governance keys of the set before it, whose votes could not. [`Trust::extend`] takes handoffs in
//! their order; from genesis, all of them together lead to any epoch.
//!
//! Invariant: a set is taken only if the set right before it proves it, whole, for this chain.

use alloc::vec::Vec;

use bincode::{Decode, Encode};

use crate::block::{Epoch, Header, Leaf};
use crate::certificate::{Certificate, ValidatorSet, ValidatorSetError};
use crate::checkpoint::Term;
#[cfg(doc)]
use crate::checkpoint::Trust;
use crate::codec;
use crate::digest::Digest;
use crate::finality::{Finality, FinalityError, FinalizedBlock, verify_closing, verify_finalized};
use crate::transaction::{Operation, SignedTransaction, TransactionError};
use crate::tree::{PATH_HASHES_MAX, ProofError, leaf_hash, verify_inclusion};

/// Headers read in one handoff: the block that ends the epoch and the closing blocks after it. Each
/// of these is a view in which a quorum notarized but did not finalize; a few are usual.
pub const HANDOFF_HEADERS_MAX: usize = 1024;

/// The validators of an epoch, and why they are.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Handoff {
    /// The validators that take over.
    pub validators: ValidatorSet,
    /// Why.
    pub proof: HandoffProof,
}

/// What shows that a validator set follows another.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum HandoffProof {
    /// The set before finalized a change.
    Change {
        /// The block that ends the epoch before, then its closing blocks, each the child of the one
        /// before; at most [`HANDOFF_HEADERS_MAX`].
        headers: Vec<Header>,
        /// Certifies `Finalize` of the last of them.
        finalization: Certificate,
        /// Inclusion path of the epoch's leaf, right before the seal, in the log of the first.
        path: Vec<Digest>,
    },
    /// Governance keys of the set before named a new one.
    Recovery {
        /// The transaction of the recovery block.
        transaction: SignedTransaction,
    },
}

/// Why a handoff proves nothing to this reader.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HandoffError {
    /// Not the next epoch.
    #[error("handoff to epoch {found}, expected to {expected}; take handoffs in order, none left out")]
    Epoch {
        /// The one after the newest known.
        expected: Epoch,
        /// The handoff's.
        found: Epoch,
    },
    /// Another set or beginning is known for this epoch, and both are proven.
    #[error(
        "epoch {epoch} is known to begin after {known} leaves, this handoff proves another set or beginning, after {found}; keep both as evidence"
    )]
    Conflict {
        /// The epoch.
        epoch: Epoch,
        /// Where it is known to begin.
        known: u64,
        /// Where it would begin.
        found: u64,
    },
    /// Too many headers or hashes, or none.
    #[error("handoff with {found} {what}, 1 to {max} are read; fetch it again")]
    Bounds {
        /// Of what.
        what: &'static str,
        /// How many there are.
        found: usize,
        /// How many are read.
        max: usize,
    },
    /// The new set cannot be.
    #[error("handoff: {0}")]
    Validators(#[from] ValidatorSetError),
    /// The block that ends the epoch is not proven final.
    #[error("handoff: {0}")]
    Finality(#[from] FinalityError),
    /// The epoch would begin before the one that it follows.
    #[error("handoff after {found} leaves, but the epoch before it begins after {starts}; fetch it again")]
    Order {
        /// Leaves before the epoch that hands over.
        starts: u64,
        /// Leaves before the next.
        found: u64,
    },
    /// The log of the last block does not name this set.
    #[error("the validators given are not those that the log names for epoch {epoch}: {source}")]
    NotNamed {
        /// The epoch.
        epoch: Epoch,
        /// Why.
        source: ProofError,
    },
    /// The transaction is no recovery from this epoch to this set.
    #[error("the transaction is no recovery from epoch {epoch} to the validators given; fetch it again")]
    NotRecovery {
        /// The epoch that hands over.
        epoch: Epoch,
    },
    /// The transaction's form or a signature does not hold.
    #[error("handoff: {0}")]
    Transaction(#[from] TransactionError),
    /// Too few governance keys signed, or others too.
    #[error(
        "recovery signed by {found} of {validators} governance keys of epoch {epoch} and {strangers} others; {quorum} and none else must"
    )]
    Governance {
        /// The epoch that hands over.
        epoch: Epoch,
        /// How many of its seats signed.
        found: usize,
        /// How many must.
        quorum: usize,
        /// How many there are.
        validators: usize,
        /// Signatures by keys of no seat.
        strangers: usize,
    },
}

impl Handoff {
    /// The handoff that a final block makes to the set that it began. `path` is the inclusion path of
    /// the leaf before its seal, in the log after it; a recovery needs none. `None` for a block that
    /// comes without a finalization, or holds no recovery where it says so.
    pub fn new(block: &FinalizedBlock, validators: ValidatorSet, path: Vec<Digest>) -> Option<Self> {
        let proof = match &block.finality {
            Finality::Voted { finalization, closing, .. } => {
                let after = closing.iter().map(|proven| proven.header.clone());
                let headers = core::iter::once(block.block.header.clone()).chain(after).collect();
                HandoffProof::Change { headers, finalization: finalization.clone()?, path }
            }
            Finality::Recovered => {
                HandoffProof::Recovery { transaction: block.block.transactions.first()?.clone() }
            }
        };
        Some(Self { validators, proof })
    }

    /// Checks the handoff by the set before it, and returns the term that begins.
    ///
    /// # Errors
    /// [`HandoffError`].
    pub(crate) fn verify(&self, chain: &Digest, before: &Term) -> Result<Term, HandoffError> {
        let (set, next) = (before.validators(), &self.validators);
        if next.epoch != set.epoch.next() {
            return Err(HandoffError::Epoch { expected: set.epoch.next(), found: next.epoch });
        }
        let (starts, recovery) = match &self.proof {
            HandoffProof::Change { headers, finalization, path } => {
                let starts = verify_change(chain, set, next, headers, finalization, path)?;
                if starts <= before.starts() {
                    return Err(HandoffError::Order { starts: before.starts(), found: starts });
                }
                (starts, false)
            }
            HandoffProof::Recovery { transaction } => {
                let starts = verify_recovery(chain, set, next, transaction)?;
                // An epoch can fail before its first block.
                if starts < before.starts() {
                    return Err(HandoffError::Order { starts: before.starts(), found: starts });
                }
                (starts, true)
            }
        };
        Ok(Term::new(next.clone(), starts, recovery)?)
    }
}

fn verify_change(
    chain: &Digest,
    set: &ValidatorSet,
    next: &ValidatorSet,
    headers: &[Header],
    finalization: &Certificate,
    path: &[Digest],
) -> Result<u64, HandoffError> {
    let bounded = |what, found, least, max| {
        let fits = (least..=max).contains(&found);
        if fits { Ok(()) } else { Err(HandoffError::Bounds { what, found, max }) }
    };
    bounded("headers", headers.len(), 1, HANDOFF_HEADERS_MAX)?;
    bounded("hashes", path.len(), 0, PATH_HASHES_MAX)?;
    let end = &headers[0];
    let block = end.hash();
    if end.chain != *chain {
        return Err(FinalityError::Chain { block, expected: *chain, found: end.chain }.into());
    }
    if end.epoch != set.epoch {
        return Err(FinalityError::Epoch { block, expected: set.epoch, found: end.epoch }.into());
    }
    let last = verify_closing(end, headers[1..].iter())?;
    verify_finalized(last, finalization, chain, set)?;
    let leaf = Leaf::Epoch { epoch: next.epoch, chain: *chain, validators: next.digest() };
    let (size, hash) = (end.log_size, leaf_hash(&codec::encode(&leaf)));
    verify_inclusion(&hash, size.saturating_sub(2), size, path, &end.log_root)
        .map_err(|source| HandoffError::NotNamed { epoch: next.epoch, source })?;
    Ok(size)
}

fn verify_recovery(
    chain: &Digest,
    set: &ValidatorSet,
    next: &ValidatorSet,
    transaction: &SignedTransaction,
) -> Result<u64, HandoffError> {
    let epoch = set.epoch;
    let Operation::Recover(recovery) = &transaction.transaction.operation else {
        return Err(HandoffError::NotRecovery { epoch });
    };
    if recovery.epoch != epoch || recovery.next_set() != *next {
        return Err(HandoffError::NotRecovery { epoch });
    }
    transaction.check_form()?;
    let signed = transaction.signatures.len();
    let found = set.governors(transaction.signatures.iter().map(|s| &s.key)).len();
    let (quorum, validators) = (set.quorum(), set.len());
    if found < quorum || signed != found {
        let strangers = signed - found;
        return Err(HandoffError::Governance { epoch, found, quorum, validators, strangers });
    }
    let starts = recovery.log_size;
    transaction.clone().verify(chain)?;
    Ok(starts)
}
