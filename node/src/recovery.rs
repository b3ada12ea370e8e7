//! Beginning again: what the operator of a stopped node does with a recovery that a quorum of
//! governance keys signed.
//!
//! The recovery block follows from the transaction and the books alone, so each operator makes it for
//! himself, or leaves it to his node to fetch it from one that did. Left out: agreeing on the recovery
//! and signing it (the client), and whether it is the right one (people).
//!
//! Invariant: what is final and certified stays; only what no finalization covers is let go of, and is
//! listed.

use std::sync::Arc;

use ledger::block::{Block, Epoch, Height};
use ledger::books::RecoveryError;
use ledger::finality::{Finality, FinalizedBlock};
use ledger::genesis::Genesis;
use ledger::transaction::{SignedTransaction, TransactionError, TransactionId, VerifiedTransaction};

use crate::keeper::Keeper;
use crate::recover::{RecoverError, recover};
use crate::store::{Store, StoreError};
use crate::validator::Action;

/// Why the books do not begin again.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The file holds no transaction in either form.
    #[error("the file holds no signed transaction: {0}; give what hovedbok validators sign wrote")]
    Form(#[source] TransactionError),
    /// A signature does not hold.
    #[error("recovery: {0}")]
    Signature(#[from] TransactionError),
    /// The books cannot be read.
    #[error(transparent)]
    Books(#[from] RecoverError),
    /// The books do not begin again from it.
    #[error(transparent)]
    Refused(#[from] RecoveryError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What was done.
#[derive(Debug)]
pub struct Applied {
    /// The epoch that begins.
    pub epoch: Epoch,
    /// Height of the recovery block.
    pub height: Height,
    /// Blocks that were proposed after the last final one and are let go of.
    pub discarded: Vec<Discarded>,
}

/// A block that never became final.
#[derive(Debug)]
pub struct Discarded {
    /// The height it would have had.
    pub height: Height,
    /// The view it was proposed in.
    pub view: ledger::block::View,
    /// Its transactions; whoever submitted them may submit them again.
    pub transactions: Vec<TransactionId>,
}

/// The heading of a transaction as the client writes it to a file.
const HEADING: &str = "hovedbok transaction v1";

/// Reads a signed transaction: the file that the client wrote (a heading and one line of base64), or
/// its canonical bytes.
///
/// # Errors
/// [`ApplyError::Form`].
pub fn read(bytes: &[u8]) -> Result<SignedTransaction, ApplyError> {
    use base64::Engine as _;
    let paper = std::str::from_utf8(bytes).ok().and_then(|text| text.strip_prefix(HEADING));
    let Some(paper) = paper else { return SignedTransaction::decode(bytes).map_err(ApplyError::Form) };
    let decoded = base64::engine::general_purpose::STANDARD.decode(paper.trim());
    SignedTransaction::decode(&decoded.unwrap_or_default()).map_err(ApplyError::Form)
}

/// Makes the recovery block on the books in a store that no node works with, and posts it.
///
/// # Errors
/// [`ApplyError`]; nothing changed then.
pub fn apply(
    genesis: &Genesis,
    store: &Arc<Store>,
    transaction: SignedTransaction,
) -> Result<Applied, ApplyError> {
    let recovered = recover(genesis, store)?;
    let chain = recovered.ledger.chain();
    let staged = recovered.ledger.recover(transaction.verify(&chain)?)?;
    let ended = recovered.ledger.validators().epoch;
    let undecided = store.undecided()?.into_iter().filter(|block| block.header.epoch == ended);
    let discarded = undecided.map(|block| discard(block, &chain)).collect();
    let mut keeper = Keeper::open(Arc::clone(store), &recovered.ledger)?;
    let header = staged.header();
    let (epoch, height) = (header.epoch, header.height);
    let proof = FinalizedBlock { block: staged.block().to_block(), finality: Finality::Recovered };
    let mut batch = store.batch();
    keeper.gather(&mut batch, &[Action::PersistFinalized { staged, proof }])?;
    batch.commit()?;
    Ok(Applied { epoch, height, discarded })
}

fn discard(block: Block, chain: &ledger::digest::Digest) -> Discarded {
    let (height, view) = (block.header.height, block.header.view);
    let transactions = block.transactions.into_iter();
    let transactions = transactions.map(|t| VerifiedTransaction::from_own_store(t, chain).id()).collect();
    Discarded { height, view, transactions }
}

#[cfg(test)]
mod tests {
    use ledger::codec;
    use ledger::entity::OrgNumber;
    use ledger::signature::{PublicKey, Signature};
    use ledger::transaction::{KeySignature, Operation, PaymentId, Transaction};

    use super::*;

    #[test]
    fn what_is_no_transaction_in_either_form_is_refused_with_where_to_get_one() {
        for bytes in [b"".as_slice(), b"hovedbok transaction v1\nnot base64!\n", &[0xff; 200]] {
            let refused = read(bytes).unwrap_err().to_string();
            assert!(refused.contains("hovedbok validators sign"), "{refused}");
        }
    }

    #[test]
    fn the_file_that_the_client_writes_is_read_as_its_canonical_bytes_are() {
        use base64::Engine as _;
        let id = PaymentId { submitter: OrgNumber::new(964_965_226).unwrap(), number: [7; 16] };
        let key = PublicKey([1; 32]);
        let transaction = Transaction { id, operation: Operation::RevokeKey { key } };
        let signatures = vec![KeySignature { key, signature: Signature([2; 64]) }];
        let signed = SignedTransaction { transaction, signatures };
        let bytes = codec::encode(&signed);
        assert_eq!(read(&bytes).unwrap(), signed);
        let line = base64::engine::general_purpose::STANDARD.encode(&bytes);
        assert_eq!(read(format!("hovedbok transaction v1\n{line}\n").as_bytes()).unwrap(), signed);
    }
}
