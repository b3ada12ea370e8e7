//! Judging from a data directory: the books as they stood before a block, what executing it writes, and
//! who is right about a block that a quorum certified and a node refused.
//!
//! It reads a store that no node works with, or a copy of one, and changes nothing in it but what opening
//! it repairs. It leaves out the signatures' part of the judgement (`ledger::halt`).
//!
//! Invariant: books are reached by executing every block, from genesis or from a snapshot of this store.

use std::sync::Arc;

use ledger::block::{Block, BlockHash, Height, VerifiedBlock};
use ledger::books::{BlockError, Changes, Ledger, Parent};
use ledger::checkpoint::{Trust, TrustError};
use ledger::genesis::{Genesis, GenesisError};
use ledger::halt::{Finding, HaltProof, HaltProofError, Verdict};

use crate::recover::{self, ReplayError};
use crate::snapshot;
use crate::store::{Store, StoreError};

/// Final blocks read at once: their bytes bound the memory of a replay.
const REPLAYED_AT_ONCE: usize = 64;
const REPLAYED_BYTES_MAX: usize = 64 << 20;
/// Blocks between the last final one and the one in question: more than are ever in flight.
const UNDECIDED_MAX: usize = 1024;

/// Why nothing can be said from this data directory.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// Genesis does not begin a chain.
    #[error("genesis: {0}")]
    Genesis(#[from] GenesisError),
    /// Genesis names validators that nobody can trust.
    #[error("genesis: {0}")]
    Trust(#[from] TrustError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored block before it does not replay.
    #[error("stored block at height {height}: {source}; use the data directory of another node")]
    Replay {
        /// Its height.
        height: Height,
        /// What differs.
        source: ReplayError,
    },
    /// An ancestor that is not final does not execute.
    #[error("block {block}, an ancestor: {source}; use the data directory of another node")]
    Ancestor {
        /// Which.
        block: BlockHash,
        /// What is wrong.
        source: BlockError,
    },
    /// An ancestor is not in the store, or another block is final in its place.
    #[error(
        "block {block}, on which it stands, is not in this data directory, whose books end at height {head}; use that of a node that has it"
    )]
    Missing {
        /// Which.
        block: BlockHash,
        /// Height of the last final block here.
        head: Height,
    },
    /// No block of this height is final here.
    #[error("no block of height {height} is final in this data directory; use that of a node that has it")]
    NoBlock {
        /// Which.
        height: Height,
    },
    /// The block cannot be executed, so it writes nothing.
    #[error("the block writes nothing here, it is refused before: {0}")]
    Refused(BlockError),
    /// The proof.
    #[error(transparent)]
    Proof(#[from] HaltProofError),
}

/// Books as they stood before a block.
pub struct Before {
    ledger: Ledger,
    trust: Trust,
    parent: Parent,
}

/// What became of a proof.
#[derive(Debug)]
pub struct Judgement {
    /// What its signatures show.
    pub finding: Finding,
    /// What executing its block shows; `None` for contradicting certificates.
    pub verdict: Option<Verdict>,
    /// What executing its block writes here, if it can be executed.
    pub changes: Option<Changes>,
}

/// The books before a block, from what a store holds.
///
/// # Errors
/// [`JudgeError`].
pub fn before(genesis: &Genesis, store: &Arc<Store>, block: &Block) -> Result<Before, JudgeError> {
    let wanted = block.header.parent;
    let snapshot = snapshot::newest(genesis, store);
    let (mut ledger, mut trust) =
        match snapshot.filter(|(ledger, _)| ledger.head().height < block.header.height) {
            Some(books) => books,
            None => {
                let trust = Trust::new(genesis.origin(), genesis.hash(), genesis.validators.clone())?;
                (Ledger::new(genesis)?, trust)
            }
        };
    'replay: loop {
        let next = ledger.head().height.next();
        let blocks = store.finalized_from(next, REPLAYED_AT_ONCE, REPLAYED_BYTES_MAX)?;
        if blocks.is_empty() {
            break;
        }
        for finalized in blocks {
            let height = finalized.block.header.height;
            if ledger.head().block == wanted || height >= block.header.height {
                break 'replay;
            }
            recover::replay(&mut ledger, &mut trust, finalized)
                .map_err(|source| JudgeError::Replay { height, source })?;
        }
    }
    let head = ledger.head().clone();
    let (mut path, mut at) = (Vec::new(), wanted);
    while at != head.block {
        let missing = JudgeError::Missing { block: at, head: head.height };
        let found = store.block(&at)?.filter(|body| body.header.height > head.height);
        let Some(body) = found.filter(|_| path.len() < UNDECIDED_MAX) else { return Err(missing) };
        at = body.header.parent;
        path.push(VerifiedBlock::from_own_store(body));
    }
    let mut parent = Parent::Finalized;
    while let Some(body) = path.pop() {
        let staged = ledger.verify(&parent, &body);
        let block = body.hash();
        parent = Parent::Staged(staged.map_err(|source| JudgeError::Ancestor { block, source })?);
    }
    Ok(Before { ledger, trust, parent })
}

/// What executing the final block of a height writes here.
///
/// # Errors
/// [`JudgeError`].
pub fn changes(genesis: &Genesis, store: &Arc<Store>, height: Height) -> Result<Changes, JudgeError> {
    let finalized = store.finalized(height)?.ok_or(JudgeError::NoBlock { height })?;
    let before = before(genesis, store, &finalized.block)?;
    let block = VerifiedBlock::from_own_store(finalized.block);
    before.ledger.changes(&before.parent, &block).map_err(JudgeError::Refused)
}

/// Judges a proof by its signatures and, where it holds a block, by executing that on the books that a
/// store leads to.
///
/// # Errors
/// [`JudgeError`].
pub fn judge(genesis: &Genesis, store: &Arc<Store>, proof: &HaltProof) -> Result<Judgement, JudgeError> {
    let mut trust = Trust::new(genesis.origin(), genesis.hash(), genesis.validators.clone())?;
    let Some(block) = proof.block() else {
        return Ok(Judgement { finding: proof.verify(&mut trust)?, verdict: None, changes: None });
    };
    // Before anything is executed: signatures are cheap, and a stranger's block may be anything.
    let early = proof.verify(&mut trust);
    if !matches!(early, Ok(_) | Err(HaltProofError::Epoch { .. })) {
        early?;
    }
    let mut before = before(genesis, store, block)?;
    let finding = proof.verify(&mut before.trust)?;
    let verdict = proof.judge(&before.ledger, &before.parent)?;
    let body = VerifiedBlock::from_own_store(block.clone());
    let changes = before.ledger.changes(&before.parent, &body).ok();
    Ok(Judgement { finding, verdict: Some(verdict), changes })
}
