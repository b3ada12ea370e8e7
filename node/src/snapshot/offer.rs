//! What a node offers to those who are far behind: a snapshot's manifest, and what proves to a reader of
//! genesis that its block is final.
//!
//! Nothing of it rests on who sends it. The handoffs lead from genesis to the validators of the block's
//! epoch, a quorum of them finalized the block or one that descends from it, and the header that the
//! epoch starts from is the one that its first handoff, or its first final block, names.
//!
//! Left out: fetching it (`join`), and the pages (`ledger`).
//!
//! Invariant: an offer that [`Offer::verify`] passed is of this chain, and every part of it follows from
//! genesis, the handoffs given, and the assumption that at most f validators of each epoch are faulty.

use ledger::block::{Epoch, Header, Height, LEAF_BYTES_MAX, Leaf};
use ledger::books::{Ledger, Manifest, SnapshotError};
use ledger::certificate::{Certificate, ValidatorSet};
use ledger::checkpoint::{Trust, TrustError};
use ledger::codec::{self, Decode, Encode};
use ledger::digest::Digest;
use ledger::finality::{FinalityError, verify_child, verify_finalized};
use ledger::genesis::{Genesis, GenesisError};
use ledger::handoff::{Handoff, HandoffError, HandoffProof};
use ledger::tree::{PATH_HASHES_MAX, ProofError, leaf_hash, verify_inclusion};

/// Blocks from one to the first with a finalization of its own: each is a view in which a quorum
/// notarized and did not finalize, so a few are usual.
pub const HEADERS_MAX: usize = 256;
/// An offer is no longer: a manifest, two runs of headers with a certificate each, a seal and its path.
pub const OFFER_BYTES_MAX: usize = 512 << 10;

/// Headers that descend from a block, each the child of the one before, and a finalization of the last;
/// of the block itself where there are none.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Covered {
    /// At most [`HEADERS_MAX`].
    pub headers: Vec<Header>,
    /// Certifies `Finalize` of the last.
    pub finalization: Certificate,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Offer {
    /// What the pages are checked against.
    pub manifest: Manifest,
    /// Proves the block final; absent where it ends its epoch, for then the last handoff proves it.
    pub finality: Option<Covered>,
    /// The first blocks of an epoch that began by recovery: they name the header that it starts from.
    pub beginning: Option<Covered>,
    /// The last leaf of the log.
    pub seal: Vec<u8>,
    /// Its inclusion path, so that the books can be proven before the next block.
    pub path: Vec<Digest>,
}

/// Where a node stands, by its own word; only the offer is proven.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Standing {
    /// Height of its last block.
    pub head: Height,
    /// The lowest height whose block it holds.
    pub earliest: Height,
    /// Its newest snapshot.
    pub offer: Option<Offer>,
}

/// Why an offer is refused.
#[derive(Debug, thiserror::Error)]
pub enum OfferError {
    /// Genesis begins no chain.
    #[error("genesis: {0}")]
    Genesis(#[from] GenesisError),
    /// Genesis names validators that nobody can trust.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// A handoff does not hold.
    #[error(transparent)]
    Handoff(#[from] HandoffError),
    /// A header is not proven final.
    #[error(transparent)]
    Finality(#[from] FinalityError),
    /// Of another chain, or it does not hold together.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// It is of another epoch than the handoffs lead to.
    #[error("block {height} is of epoch {found}, the handoffs lead to {known}; ask another")]
    Epoch {
        /// The block's height.
        height: Height,
        /// Its epoch.
        found: Epoch,
        /// The newest that is proven.
        known: Epoch,
    },
    /// Nothing proves this part.
    #[error("block {height} comes without {what}; ask another")]
    Unproven {
        /// The block's height.
        height: Height,
        /// What is missing.
        what: &'static str,
    },
    /// The header that the epoch starts from is another.
    #[error("epoch {epoch} does not start from block {height} as given; ask another")]
    Start {
        /// The epoch.
        epoch: Epoch,
        /// Height of the header given.
        height: Height,
    },
    /// Too much of something.
    #[error("an offer with {found} {what}, at most {max} are read; ask another")]
    Bounds {
        /// Of what.
        what: &'static str,
        /// How many.
        found: usize,
        /// How many are read.
        max: usize,
    },
    /// The last leaf is not the block's seal.
    #[error("the seal of block {height} is not the last leaf of its log; ask another")]
    Seal {
        /// The block's height.
        height: Height,
    },
    /// The seal's path does not lead to the log's root.
    #[error("seal: {0}; ask another")]
    Path(#[from] ProofError),
}

impl Covered {
    /// Checks that a quorum finalized `first`, or what descends from it.
    fn verify(&self, first: &Header, chain: &Digest, set: &ValidatorSet) -> Result<(), OfferError> {
        bounded("headers", self.headers.len(), HEADERS_MAX)?;
        let mut last = first;
        for header in &self.headers {
            verify_child(last, header)?;
            last = header;
        }
        Ok(verify_finalized(last, &self.finalization, chain, set)?)
    }
}

impl Offer {
    /// Height of its block.
    pub fn height(&self) -> Height {
        self.manifest.header.height
    }

    /// Checks everything but the pages, from genesis and the handoffs to the epoch in force after the
    /// block; returns whom they lead to.
    ///
    /// # Errors
    /// [`OfferError`].
    pub fn verify(&self, genesis: &Genesis, handoffs: &[Handoff]) -> Result<Trust, OfferError> {
        let Self { manifest, seal, path, .. } = self;
        let (header, start) = (&manifest.header, &manifest.start);
        let mut trust = Trust::new(genesis.origin(), genesis.hash(), genesis.validators.clone())?;
        if header.chain != *trust.chain() {
            let (expected, found) = (*trust.chain(), header.chain);
            return Err(SnapshotError::Chain { expected, found }.into());
        }
        handoffs.iter().try_for_each(|handoff| trust.extend(handoff))?;
        let ended = match trust.handoffs().last().map(|handoff| &handoff.proof) {
            Some(HandoffProof::Change { headers, .. }) => headers.first(),
            _ => None,
        };
        let (chain, set) = (*trust.chain(), trust.validators());
        let height = header.height;
        if header.epoch == set.epoch {
            let finality = self.finality.as_ref();
            let finality = finality.ok_or(OfferError::Unproven { height, what: "a finalization" })?;
            finality.verify(header, &chain, set)?;
            let starts = match (trust.handoffs().is_empty(), ended) {
                (true, _) => Ledger::new(genesis)?.genesis_header() == start,
                (false, Some(ended)) => ended == start,
                (false, None) => self.recovered(&chain, set)?,
            };
            if !starts || start.height >= height {
                return Err(OfferError::Start { epoch: set.epoch, height: start.height });
            }
        } else if ended != Some(header) || start != header {
            return Err(OfferError::Epoch { height, found: header.epoch, known: set.epoch });
        }
        bounded("hashes", path.len(), PATH_HASHES_MAX)?;
        match codec::decode(seal, LEAF_BYTES_MAX) {
            Ok(Leaf::Seal(sealed)) if sealed.height == height => {}
            _ => return Err(OfferError::Seal { height }),
        }
        let (size, root) = (header.log_size, &header.log_root);
        verify_inclusion(&leaf_hash(seal), size.saturating_sub(1), size, path, root)?;
        Ok(trust)
    }

    /// Nobody voted on a recovery block; the first that the new validators finalized names it.
    fn recovered(&self, chain: &Digest, set: &ValidatorSet) -> Result<bool, OfferError> {
        let (start, height) = (&self.manifest.start, self.height());
        let unproven = OfferError::Unproven { height, what: "the first blocks of its epoch" };
        let Some(beginning) = &self.beginning else { return Err(unproven) };
        bounded("headers", beginning.headers.len(), HEADERS_MAX)?;
        let Some((first, rest)) = beginning.headers.split_first() else { return Err(unproven) };
        let rest = Covered { headers: rest.to_vec(), finalization: beginning.finalization.clone() };
        rest.verify(first, chain, set)?;
        Ok(first.epoch == set.epoch
            && start.epoch == set.epoch
            && first.parent == start.hash()
            && start.height.next() == first.height)
    }
}

fn bounded(what: &'static str, found: usize, max: usize) -> Result<(), OfferError> {
    if found <= max { Ok(()) } else { Err(OfferError::Bounds { what, found, max }) }
}
