//! The way from the RPC to the running node: submit, ask, listen. Bounded everywhere; what does
//! not fit is refused at once, so that a crowd slows nobody down but itself.

use std::sync::Arc;

use ledger::block::{Height, LeafIndex};
use ledger::checkpoint::Trust;
use ledger::time::Timestamp;
use ledger::transaction::{SignedTransaction, TransactionError, TransactionId};
use tokio::sync::{broadcast, mpsc, oneshot};

use crate::store::Store;
use crate::validator::{Outcome, Validator};

/// Submissions between the RPC and the signature check: two full blocks; beyond it, callers are
/// told to come back.
pub const SUBMISSIONS_MAX: usize = 8192;
/// Questions that wait for the loop: each takes microseconds, the loop answers between two steps.
pub const QUERIES_MAX: usize = 1024;
/// Posted blocks that a slow listener may lag behind before it must read them from the store.
pub const POSTED_MAX: usize = 1024;

/// A transaction on its way in.
pub struct Submission {
    /// Decoded, signatures not checked.
    pub signed: SignedTransaction,
    /// Whether the answer waits for a certified checkpoint.
    pub until_posted: bool,
    /// Where the answer goes.
    pub reply: oneshot::Sender<Result<Outcome, TransactionError>>,
}

/// A question to the running validator.
pub type Query = Box<dyn FnOnce(&Validator) + Send>;

/// A block was posted and persisted.
#[derive(Clone, Debug)]
pub struct Posted {
    /// Its height.
    pub height: Height,
    /// Its time.
    pub time: Timestamp,
    /// Its first leaf.
    pub first_leaf: LeafIndex,
    /// Its transactions, one leaf each from `first_leaf` on.
    pub transactions: Arc<Vec<TransactionId>>,
}

/// The node has no room for it, or is stopping.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Busy {
    /// Come back later.
    #[error("the node has all the work it can take; send again in a second")]
    Full,
    /// It will not come back in this process.
    #[error("the node is stopping; send to another")]
    Stopping,
}

/// What never changes while the node runs.
pub struct Identity {
    /// Canonical bytes of genesis.
    pub genesis: Vec<u8>,
    /// What genesis says: origin, and the first validators. Later ones are the validator's to tell.
    pub trust: Trust,
}

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct NodeHandle {
    pub(crate) submissions: mpsc::Sender<Submission>,
    pub(crate) queries: mpsc::Sender<Query>,
    pub(crate) posted: broadcast::Sender<Posted>,
    /// What never changes.
    pub identity: Arc<Identity>,
    /// For reading what is posted.
    pub store: Arc<Store>,
}

impl NodeHandle {
    /// Hands in a transaction; the receiver gets the answer.
    ///
    /// # Errors
    /// [`Busy`]; nothing was handed in.
    pub fn submit(
        &self,
        signed: SignedTransaction,
        until_posted: bool,
    ) -> Result<oneshot::Receiver<Result<Outcome, TransactionError>>, Busy> {
        let (reply, answer) = oneshot::channel();
        match self.submissions.try_send(Submission { signed, until_posted, reply }) {
            Ok(()) => Ok(answer),
            Err(mpsc::error::TrySendError::Full(_)) => Err(Busy::Full),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Busy::Stopping),
        }
    }

    /// Asks the running validator; the closure runs on its loop and must be quick.
    ///
    /// # Errors
    /// [`Busy`]; nothing was asked.
    pub async fn query<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Validator) -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let (reply, answer) = oneshot::channel();
        let query: Query = Box::new(move |validator| {
            // The asker may have gone away; then nobody needs the answer.
            let _ = reply.send(question(validator));
        });
        match self.queries.try_send(query) {
            Ok(()) => answer.await.map_err(|_| Busy::Stopping),
            Err(mpsc::error::TrySendError::Full(_)) => Err(Busy::Full),
            Err(mpsc::error::TrySendError::Closed(_)) => Err(Busy::Stopping),
        }
    }

    /// Blocks posted from now on.
    pub fn listen(&self) -> broadcast::Receiver<Posted> {
        self.posted.subscribe()
    }
}
