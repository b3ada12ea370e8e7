//! Finality: a block with what proves that it is final, and what that proof must hold.
//!
//! A block is final by a chain of certificates: its notarization, a nullification of every view
//! between its parent's and its own, and a finalization of it or of a descendant. With these, any
//! conflict between two chains names at least f+1 culprits (`fork`). The block that ends an epoch may
//! owe its finality to closing blocks after it, which are empty and are never posted. A recovery block
//! has no votes at all: it is checked by making it again (`Ledger::recover`).
//!
//! Invariant: what is checked here holds of headers and certificates; that a block's body is its
//! header's, and that executing it gives what it says, is for `block` and `books`.

use alloc::vec::Vec;

use bincode::{Decode, Encode};

use crate::block::{Block, BlockHash, Epoch, Header, View};
use crate::certificate::{Certificate, CertificateError, Statement, ValidatorSet};
use crate::digest::Digest;

/// A header with what proves that a quorum noted it as valid, and that every view between its
/// parent's and its own may be skipped.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct ProvenHeader {
    /// The header.
    pub header: Header,
    /// Certifies `Notarize` of the block.
    pub notarization: Certificate,
    /// Certify `Nullify` of each skipped view, rising.
    pub skips: Vec<Certificate>,
}

/// What proves that a block is final.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub enum Finality {
    /// The validators of its epoch voted.
    Voted {
        /// Certifies `Notarize` of the block.
        notarization: Certificate,
        /// Certify `Nullify` of each skipped view, rising.
        skips: Vec<Certificate>,
        /// Certifies `Finalize` of the last closing block, or of this block where there is none.
        /// Absent where a later block's finalization serves; never of a block that ends its epoch.
        finalization: Option<Certificate>,
        /// After a block that ends its epoch: the blocks that carried finality to it, each the child
        /// of the one before.
        closing: Vec<ProvenHeader>,
    },
    /// It is a recovery block: governance keys signed the one transaction in it.
    Recovered,
}

/// A block with what proves that it is final.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct FinalizedBlock {
    /// The block.
    pub block: Block,
    /// Why it is final.
    pub finality: Finality,
}

/// Why certificates do not prove a header final.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FinalityError {
    /// Of another chain.
    #[error("block {block} is of chain {found}, expected {expected}; it belongs elsewhere")]
    Chain {
        /// The block.
        block: BlockHash,
        /// The chain expected.
        expected: Digest,
        /// The header's.
        found: Digest,
    },
    /// Of another epoch than the validators.
    #[error("block {block} is of epoch {found}, expected {expected}; judge it by the set of its own epoch")]
    Epoch {
        /// The block.
        block: BlockHash,
        /// The set's.
        expected: Epoch,
        /// The header's.
        found: Epoch,
    },
    /// The view is not after the parent's.
    #[error("block {block} is of view {view}, not after its parent's {parent}")]
    View {
        /// The block.
        block: BlockHash,
        /// Its view.
        view: View,
        /// Its parent's.
        parent: View,
    },
    /// A certificate on something else than is needed here.
    #[error("block {block}: a certificate on {found:?} stands where {expected:?} must be certified")]
    Statement {
        /// The block that is to be proven.
        block: BlockHash,
        /// What must be certified.
        expected: Statement,
        /// What is.
        found: Statement,
    },
    /// Not one nullification for each view skipped.
    #[error("block {block}: {found} nullifications for {expected} views between {parent} and {view}")]
    Skips {
        /// The block.
        block: BlockHash,
        /// View of its parent.
        parent: View,
        /// Its view.
        view: View,
        /// How many are needed.
        expected: u64,
        /// How many there are.
        found: usize,
    },
    /// A certificate does not hold.
    #[error("block {block}: {source}")]
    Certificate {
        /// The block that is to be proven.
        block: BlockHash,
        /// Why.
        source: CertificateError,
    },
    /// A header is not the child of the one before it.
    #[error("block {block} is not the child of {parent}")]
    Parent {
        /// The block.
        block: BlockHash,
        /// The one before it.
        parent: BlockHash,
    },
    /// A block after the one that ends the epoch is not empty.
    #[error("block {block} follows the end of its epoch and is no closing block: it changes the books")]
    NotClosing {
        /// The block.
        block: BlockHash,
    },
    /// Closing blocks prove nothing by themselves.
    #[error("block {block} comes with {closing} closing blocks and no finalization of the last")]
    NoFinalization {
        /// The block that ends the epoch.
        block: BlockHash,
        /// How many closing blocks there are.
        closing: usize,
    },
    /// Nobody votes on a recovery block.
    #[error("block {block} comes as a recovery block; make it again from the transaction in it and compare")]
    Recovered {
        /// The block.
        block: BlockHash,
    },
}

impl ProvenHeader {
    /// Checks chain, epoch, the notarization, and one nullification for each view skipped.
    ///
    /// # Errors
    /// [`FinalityError`].
    pub fn verify(&self, chain: &Digest, set: &ValidatorSet) -> Result<(), FinalityError> {
        verify_notarized(&self.header, &self.notarization, &self.skips, chain, set)
    }
}

impl FinalizedBlock {
    /// Checks every certificate under the set of the block's epoch; not the body, and not that the
    /// parent is final. A block that comes without a finalization is final once a descendant's covers
    /// it, which is for the caller to see.
    ///
    /// # Errors
    /// [`FinalityError`]; always for a recovery block, which no certificate proves.
    pub fn verify(&self, chain: &Digest, set: &ValidatorSet) -> Result<(), FinalityError> {
        let header = &self.block.header;
        let Finality::Voted { notarization, skips, finalization, closing } = &self.finality else {
            return Err(FinalityError::Recovered { block: header.hash() });
        };
        verify_notarized(header, notarization, skips, chain, set)?;
        for proven in closing {
            proven.verify(chain, set)?;
        }
        let last = verify_closing(header, closing.iter().map(|proven| &proven.header))?;
        match finalization {
            Some(certificate) => verify_finalized(last, certificate, chain, set),
            None if closing.is_empty() => Ok(()),
            None => Err(FinalityError::NoFinalization { block: header.hash(), closing: closing.len() }),
        }
    }

    /// The finalization, if it comes with one.
    pub fn finalization(&self) -> Option<&Certificate> {
        match &self.finality {
            Finality::Voted { finalization, .. } => finalization.as_ref(),
            Finality::Recovered => None,
        }
    }
}

/// Checks chain, epoch, the notarization, and one nullification for each view between the parent's
/// and the block's own.
///
/// # Errors
/// [`FinalityError`].
pub fn verify_notarized(
    header: &Header,
    notarization: &Certificate,
    skips: &[Certificate],
    chain: &Digest,
    set: &ValidatorSet,
) -> Result<(), FinalityError> {
    let block = header.hash();
    if header.chain != *chain {
        return Err(FinalityError::Chain { block, expected: *chain, found: header.chain });
    }
    if header.epoch != set.epoch {
        return Err(FinalityError::Epoch { block, expected: set.epoch, found: header.epoch });
    }
    let (view, parent) = (header.view, header.parent_view);
    if view <= parent {
        return Err(FinalityError::View { block, view, parent });
    }
    certified(block, notarization, Statement::Notarize { view, block }, chain, set)?;
    let expected = view.0 - parent.0 - 1;
    if skips.len() as u64 != expected {
        return Err(FinalityError::Skips { block, parent, view, expected, found: skips.len() });
    }
    for (skipped, certificate) in (parent.0 + 1..view.0).zip(skips) {
        certified(block, certificate, Statement::Nullify { view: View(skipped) }, chain, set)?;
    }
    Ok(())
}

/// Checks that the certificate finalizes exactly this header.
///
/// # Errors
/// [`FinalityError::Statement`], [`FinalityError::Certificate`].
pub fn verify_finalized(
    header: &Header,
    finalization: &Certificate,
    chain: &Digest,
    set: &ValidatorSet,
) -> Result<(), FinalityError> {
    let block = header.hash();
    certified(block, finalization, Statement::Finalize { view: header.view, block }, chain, set)
}

/// Checks that the headers are closing blocks after `end`, each the child of the one before, and
/// returns the last; `end` where there is none.
///
/// # Errors
/// [`FinalityError::Parent`], [`FinalityError::NotClosing`].
pub fn verify_closing<'h>(
    end: &'h Header,
    closing: impl Iterator<Item = &'h Header>,
) -> Result<&'h Header, FinalityError> {
    let empty = Block::payload(&[]);
    let books = |header: &Header| (header.log_size, header.log_root, header.state_root);
    let mut last = end;
    for header in closing {
        verify_child(last, header)?;
        if header.payload != empty || books(header) != books(end) {
            return Err(FinalityError::NotClosing { block: header.hash() });
        }
        last = header;
    }
    Ok(last)
}

/// Checks that a header of the same epoch is the child of another.
///
/// # Errors
/// [`FinalityError::Parent`].
pub fn verify_child(parent: &Header, header: &Header) -> Result<(), FinalityError> {
    let named = (parent.version, parent.chain, parent.epoch, parent.height.0.checked_add(1));
    let found = (header.version, header.chain, header.epoch, Some(header.height.0));
    let (block, hash) = (header.hash(), parent.hash());
    if found != named || header.parent != hash || header.parent_view != parent.view {
        return Err(FinalityError::Parent { block, parent: hash });
    }
    if header.view <= parent.view {
        return Err(FinalityError::View { block, view: header.view, parent: parent.view });
    }
    Ok(())
}

fn certified(
    block: BlockHash,
    certificate: &Certificate,
    expected: Statement,
    chain: &Digest,
    set: &ValidatorSet,
) -> Result<(), FinalityError> {
    let found = certificate.statement;
    if found != expected {
        return Err(FinalityError::Statement { block, expected, found });
    }
    certificate.verify(chain, set).map_err(|source| FinalityError::Certificate { block, source })
}
