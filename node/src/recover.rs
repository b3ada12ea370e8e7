//! Starting from disk: the books are replayed from the final blocks, and consensus gets back its
//! own statements, certificates and undecided blocks.
//!
//! Nothing is verified again that was verified before it was written, except that every block must
//! bring the books to exactly the log and registers that its header names.

use std::sync::Arc;

use consensus::machine::Restored;
use ledger::block::{Height, VerifiedBlock, View};
use ledger::books::{BlockError, Ledger, Parent};
use ledger::certificate::Certificate;
use ledger::checkpoint::{Trust, TrustError};
use ledger::genesis::{Genesis, GenesisError};

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
    /// A stored block does not lead to the books that its header names.
    #[error(
        "stored block at height {height}: {source}; this program books otherwise than the one that wrote it, or the disk is damaged: restore the data directory or start over with an empty one"
    )]
    Replay {
        /// Its height.
        height: Height,
        /// What differs.
        source: BlockError,
    },
}

/// Replays what the store holds.
///
/// # Errors
/// [`RecoverError`].
pub fn recover(genesis: &Genesis, store: &Arc<Store>) -> Result<Recovered, RecoverError> {
    let mut ledger = Ledger::new(genesis)?;
    let trust = Trust::new(genesis.origin(), genesis.hash(), genesis.validators.clone())?;
    let mut finalization: Option<Certificate> = None;
    let mut header = None;
    let mut next = Height(1);
    loop {
        let blocks = store.finalized_from(next, REPLAYED_AT_ONCE, REPLAYED_BYTES_MAX)?;
        if blocks.is_empty() {
            break;
        }
        for finalized in blocks {
            let block = VerifiedBlock::from_own_store(finalized.block);
            let staged = ledger
                .verify(&Parent::Finalized, &block)
                .map_err(|source| RecoverError::Replay { height: next, source })?;
            ledger.post(&staged);
            // A block finalized by its descendant's certificate is followed by that descendant.
            if let Some(certificate) = finalized.finalization {
                finalization = Some(certificate);
                header = Some(block.header().clone());
            }
            next = next.next();
        }
    }
    let epoch = ledger.validators().epoch;
    let floor = View(header.as_ref().map_or(0, |header| header.view.0.saturating_add(1)));
    let blocks: Vec<VerifiedBlock> =
        store.undecided()?.into_iter().map(VerifiedBlock::from_own_store).collect();
    let consensus = Restored {
        finalized: header.zip(finalization),
        statements: store.votes(epoch, floor)?.into_iter().map(|(_, statement)| statement).collect(),
        certificates: store.certificates(epoch, floor)?,
        headers: blocks.iter().map(|block| block.header().clone()).collect(),
    };
    Ok(Recovered { ledger, trust, consensus, blocks, certified: store.checkpoint()? })
}
