//! Starting from disk: the books are replayed from the final blocks, and consensus gets back its
//! own statements, certificates and undecided blocks.
//!
//! Where there is a snapshot that fits, only what came after it is replayed.
//!
//! Nothing is verified again that was verified before it was written, except that every block must
//! bring the books to exactly the log and registers that its header names, and that every handoff
//! must hold for the set before it.

use std::sync::Arc;

use consensus::event::Evidence;
use consensus::machine::Restored;
use ledger::block::{Header, Height, VerifiedBlock, View};
use ledger::books::{BlockError, Ledger, Parent, RecoveryError, Staged};
use ledger::certificate::Certificate;
use ledger::checkpoint::{Trust, TrustError};
use ledger::finality::{Finality, FinalizedBlock};
use ledger::genesis::{Genesis, GenesisError};
use ledger::handoff::HandoffError;

use crate::amnesia::Memory;
use crate::handoffs;
use crate::snapshot;
use crate::store::{Store, StoreError};
use crate::validator::Recovered;

/// Final blocks read at once: their bytes bound the memory of a replay.
const REPLAYED_AT_ONCE: usize = 64;
const REPLAYED_BYTES_MAX: usize = 64 << 20;

/// Why a node cannot start from its disk.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// Genesis does not begin a chain.
    #[error("genesis: {0}")]
    Genesis(#[from] GenesisError),
    /// Genesis names validators that nobody can trust.
    #[error("genesis: {0}")]
    Trust(#[from] TrustError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store begins with a snapshot, and the snapshot is gone.
    #[error(
        "the data directory begins with a snapshot of height {height}, and none under snapshots/ can be read; it has to be fetched again: let the node reach its peers and start it once more, with snapshot.join_behind_blocks above 0"
    )]
    Base {
        /// Height of the snapshot.
        height: Height,
    },
    /// A stored block does not lead to the books that its header names.
    #[error(
        "stored block at height {height}: {source}; this program books otherwise than the one that wrote it, or the disk is damaged: restore the data directory or start over with an empty one"
    )]
    Replay {
        /// Its height.
        height: Height,
        /// What differs.
        source: ReplayError,
    },
}

/// What is wrong with a stored block.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It is not valid on its parent.
    #[error(transparent)]
    Block(#[from] BlockError),
    /// The books do not begin again from it.
    #[error(transparent)]
    Recovery(#[from] RecoveryError),
    /// It is a recovery block, and not the one that its transaction makes.
    #[error("it is not the recovery block that its transaction makes")]
    OtherRecovery,
    /// It ends its epoch and does not prove it.
    #[error("it ends its epoch and does not come with its own proof")]
    Unproven,
    /// The next set does not follow from the one before.
    #[error(transparent)]
    Handoff(#[from] HandoffError),
}

/// Replays what the store holds.
///
/// # Errors
/// [`RecoverError`].
pub fn recover(genesis: &Genesis, store: &Arc<Store>) -> Result<Recovered, RecoverError> {
    recover_keeping(genesis, store, 0)
}

/// As [`recover`]; of the last block at a multiple of `every` a snapshot is kept, unless that is 0.
///
/// # Errors
/// [`RecoverError`].
pub fn recover_keeping(genesis: &Genesis, store: &Arc<Store>, every: u64) -> Result<Recovered, RecoverError> {
    let last = store.head()?.map_or(0, |head| head.height.0);
    let kept = Height(last - last % every.max(1));
    let (mut ledger, mut trust) = match snapshot::newest(genesis, store) {
        Some(books) => books,
        None if let Some(base) = store.base()? => {
            return Err(RecoverError::Base { height: base.height() });
        }
        None => {
            let trust = Trust::new(genesis.origin(), genesis.hash(), genesis.validators.clone())?;
            (Ledger::new(genesis)?, trust)
        }
    };
    let mut finalized = finalization_of(store, &ledger)?;
    let mut next = ledger.head().height.next();
    loop {
        let blocks = store.finalized_from(next, REPLAYED_AT_ONCE, REPLAYED_BYTES_MAX)?;
        if blocks.is_empty() {
            break;
        }
        for block in blocks {
            let (staged, finality) = replay(&mut ledger, &mut trust, block)
                .map_err(|source| RecoverError::Replay { height: next, source })?;
            if next == kept && snapshot::is_due(next, every) {
                keep(store, &ledger, &trust, staged.header());
            }
            if staged.ends_epoch() {
                finalized = None;
            } else if let Finality::Voted { finalization: Some(certificate), .. } = finality {
                // A block finalized by its descendant's certificate is followed by that descendant.
                finalized = Some((staged.header().clone(), certificate));
            }
            next = next.next();
        }
    }
    let epoch = ledger.validators().epoch;
    let floor = View(finalized.as_ref().map_or(0, |(header, _)| header.view.0.saturating_add(1)));
    let undecided = store.undecided()?.into_iter().filter(|block| block.header.epoch == epoch);
    let blocks: Vec<VerifiedBlock> = undecided.map(VerifiedBlock::from_own_store).collect();
    let evidence = store.evidence()?.into_iter();
    let consensus = Restored {
        finalized,
        statements: store.votes(epoch, floor)?.into_iter().map(|(_, statement)| statement).collect(),
        certificates: store.certificates(epoch, floor)?,
        headers: blocks.iter().map(|block| block.header().clone()).collect(),
    };
    Ok(Recovered {
        ledger,
        trust,
        consensus,
        blocks,
        certified: store.checkpoint()?,
        memory: Memory::default(),
        evidence: evidence.map(|(first, second)| Evidence { first, second }).collect(),
        halted: false,
    })
}

fn keep(store: &Store, ledger: &Ledger, trust: &Trust, header: &Header) {
    let Some(still) = ledger.still(header) else { return };
    if let Err(error) = snapshot::keep(store, &still, trust) {
        tracing::warn!(%error, "no snapshot was written; the next start replays again");
    }
}

/// The head of books from a snapshot and its finalization, if it is of the epoch that goes on and brings
/// its own; otherwise the block that does follows it.
fn finalization_of(store: &Store, ledger: &Ledger) -> Result<Option<(Header, Certificate)>, StoreError> {
    let height = ledger.head().height;
    if let Some(base) = store.base()?.filter(|base| base.height() == height) {
        let own = base.finality.filter(|covered| covered.headers.is_empty());
        return Ok(own.map(|covered| (base.manifest.header, covered.finalization)));
    }
    let Some(FinalizedBlock { block, finality }) = store.finalized(height)? else {
        return Ok(None);
    };
    let goes_on = block.header.epoch == ledger.validators().epoch;
    Ok(match finality {
        Finality::Voted { finalization: Some(certificate), .. } if goes_on => {
            Some((block.header, certificate))
        }
        _ => None,
    })
}

/// Posts a block that was verified before it was stored, and takes the handoff in it.
///
/// # Errors
/// [`ReplayError`].
pub fn replay(
    ledger: &mut Ledger,
    trust: &mut Trust,
    finalized: FinalizedBlock,
) -> Result<(Arc<Staged>, Finality), ReplayError> {
    let FinalizedBlock { block, finality } = finalized;
    let block = VerifiedBlock::from_own_store(block);
    let staged = match (&finality, block.transactions()) {
        (Finality::Voted { .. }, _) => ledger.verify(&Parent::Finalized, &block)?,
        (Finality::Recovered, [transaction]) => ledger.recover(transaction.clone())?,
        (Finality::Recovered, _) => return Err(ReplayError::OtherRecovery),
    };
    if staged.hash() != block.hash() {
        return Err(ReplayError::OtherRecovery);
    }
    let before = ledger.head().log.clone();
    ledger.post(&staged);
    if !staged.ends_epoch() {
        return Ok((staged, finality));
    }
    let finalized = FinalizedBlock { block: block.to_block(), finality };
    let handoff = handoffs::handoff(&before, staged.leaves(), &finalized, ledger.validators());
    trust.extend(&handoff.ok_or(ReplayError::Unproven)?)?;
    Ok((staged, finalized.finality))
}
