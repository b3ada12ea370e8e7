//! Why a block is not valid on its parent.

use super::LATE_MOVES_MAX;
use crate::block::{BLOCK_TRANSACTIONS_MAX, BlockHash, Epoch, Height, PROTOCOL_VERSION, View};
use crate::digest::Digest;
use crate::refusal::Refusal;
use crate::time::Timestamp;
use crate::transaction::TransactionId;

/// A block that the ledger does not stage. Whoever proposed it broke the protocol, or executes
/// other rules; each variant but the first is a fault of its leader.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// The parent given does not descend from the finalized head.
    #[error("the parent does not descend from final block {head}; execute it on a block that does")]
    Detached {
        /// The finalized head.
        head: BlockHash,
    },
    /// Executed by other rules.
    #[error("version {found}, expected {expected}; this validator executes version {PROTOCOL_VERSION} only")]
    Version {
        /// This validator's.
        expected: u16,
        /// The header's.
        found: u16,
    },
    /// Of another chain.
    #[error("chain {found}, expected {expected}; the block belongs elsewhere")]
    Chain {
        /// Genesis hash of this chain.
        expected: Digest,
        /// The header's.
        found: Digest,
    },
    /// Of another validator set.
    #[error("epoch {found}, expected {expected}; the validators of that epoch do not vote here")]
    Epoch {
        /// The epoch of the books.
        expected: Epoch,
        /// The header's.
        found: Epoch,
    },
    /// Not the height after the parent's.
    #[error("height {found}, expected {expected}: one more than the parent's")]
    Height {
        /// One more than the parent's.
        expected: Height,
        /// The header's.
        found: Height,
    },
    /// Built on another block.
    #[error("parent {found}, expected {expected}: the block executed before it")]
    Parent {
        /// The parent it is executed on.
        expected: BlockHash,
        /// The header's.
        found: BlockHash,
    },
    /// The parent was of another view.
    #[error("parent view {found}, expected {expected}: the view of the parent's header")]
    ParentView {
        /// The parent's view.
        expected: View,
        /// The header's.
        found: View,
    },
    /// Not a view after the parent's.
    #[error("view {found}, expected a later one than the parent's {parent}")]
    View {
        /// The parent's view.
        parent: View,
        /// The header's.
        found: View,
    },
    /// No such validator.
    #[error("proposer {found}, expected one of {validators} validators, counted from 0")]
    Proposer {
        /// How many validators there are.
        validators: usize,
        /// The header's.
        found: u16,
    },
    /// Not later than the parent.
    #[error("time {} ms, expected later than the parent's {} ms", found.0, parent.0)]
    Time {
        /// The parent's time.
        parent: Timestamp,
        /// The header's.
        found: Timestamp,
    },
    /// Too many transactions.
    #[error("{count} transactions, expected at most {BLOCK_TRANSACTIONS_MAX}")]
    Count {
        /// How many.
        count: usize,
    },
    /// Late postings before this transaction filled the block.
    #[error(
        "transaction {transaction} stands in a block whose late postings already moved {LATE_MOVES_MAX} account records or more; it belongs in the next"
    )]
    LateMoves {
        /// The first that does not belong in the block.
        transaction: TransactionId,
    },
    /// A transaction that the ledger refuses.
    #[error("transaction {transaction} is refused: {refusal}")]
    Refused {
        /// Which.
        transaction: TransactionId,
        /// Why.
        refusal: Refusal,
    },
    /// The log would have another length.
    #[error("log size {found}, expected {expected}: one leaf per transaction and the seal")]
    LogSize {
        /// After executing the block.
        expected: u64,
        /// The header's.
        found: u64,
    },
    /// The registers would have another root. Checked before the log, whose seal holds it.
    #[error("state root {found}, expected {expected}: the registers after these transactions")]
    StateRoot {
        /// After executing the block.
        expected: Digest,
        /// The header's.
        found: Digest,
    },
    /// The log would have another root.
    #[error("log root {found}, expected {expected}: the log after these transactions and the seal")]
    LogRoot {
        /// After executing the block.
        expected: Digest,
        /// The header's.
        found: Digest,
    },
}
