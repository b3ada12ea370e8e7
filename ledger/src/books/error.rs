//! Why a block is not valid on its parent, and why books do not begin again.

use alloc::format;
use alloc::string::String;

use super::LATE_MOVES_MAX;
use crate::block::{BLOCK_TRANSACTIONS_MAX, BlockHash, Epoch, Height, View};
use crate::digest::Digest;
use crate::governance::RECOVERY_AHEAD_MAX_MS;
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
    #[error("version {found}, expected {expected}; {}", version_remedy(*expected, *found))]
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
    /// Rule L30: a block on the end of its epoch carries transactions.
    #[error(
        "{count} transactions in a block on the end of its epoch, expected none; they belong in the next"
    )]
    NotEmpty {
        /// How many.
        count: usize,
    },
    /// Rule L30: a block goes on after the transaction that ends its epoch.
    #[error(
        "transaction {transaction} stands after the one that ends the epoch; it belongs in the next epoch"
    )]
    AfterEpoch {
        /// The first that does not belong in the block.
        transaction: TransactionId,
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
    #[error(
        "log size {found}, expected {expected}: one leaf per transaction, the next epoch's and the seal; none in a closing block"
    )]
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

/// Who has to do what about a block of another version.
fn version_remedy(expected: u16, found: u16) -> String {
    if found > expected {
        format!(
            "this program executes blocks up to version {expected}: install the release that executes version {found} on this node, and start it again"
        )
    } else {
        format!(
            "the proposer runs a program that makes version {found}: install the release that executes version {expected} there"
        )
    }
}

/// Why the books do not begin again from a recovery.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecoveryError {
    /// The transaction is something else.
    #[error("transaction {transaction} is no recovery; give the one that the governance keys signed")]
    NotRecovery {
        /// Which.
        transaction: TransactionId,
    },
    /// Another epoch is current here.
    #[error(
        "recovery from epoch {named}, current here is epoch {current}; sign one for the epoch that failed"
    )]
    Epoch {
        /// The epoch named.
        named: Epoch,
        /// The current one.
        current: Epoch,
    },
    /// Blocks are final here that the recovery leaves out.
    #[error(
        "the recovery goes on from height {named}, but blocks up to height {head} are final here; sign one that goes on from there"
    )]
    Beyond {
        /// The height named.
        named: Height,
        /// Height of the head.
        head: Height,
    },
    /// Final blocks are missing here.
    #[error(
        "the recovery goes on from height {named}, the books here end at height {head}; fetch the final blocks between, then apply it again"
    )]
    Behind {
        /// The height named.
        named: Height,
        /// Height of the head.
        head: Height,
    },
    /// Another block is final at that height.
    #[error(
        "the recovery goes on from block {named} at height {height}, final here is {head}; one of them is a fork, compare before anything is signed"
    )]
    OtherBlock {
        /// The height of both.
        height: Height,
        /// The block named.
        named: BlockHash,
        /// The head.
        head: BlockHash,
    },
    /// The log is not the one named.
    #[error(
        "the recovery names a log of {named_size} leaves and root {named_root}, block {block} has {size} and {root}; correct the recovery and sign it anew"
    )]
    Log {
        /// The head.
        block: BlockHash,
        /// The size named.
        named_size: u64,
        /// The root named.
        named_root: Digest,
        /// The head's.
        size: u64,
        /// The head's.
        root: Digest,
    },
    /// The time is too far from the head's.
    #[error(
        "the recovery is dated {} ms, more than {RECOVERY_AHEAD_MAX_MS} ms after the last block's {} ms; correct its time and sign it anew",
        named.0, head.0
    )]
    Time {
        /// The time named.
        named: Timestamp,
        /// The head's.
        head: Timestamp,
    },
    /// The rules refuse it.
    #[error("recovery refused: {0}")]
    Refused(#[from] Refusal),
}
