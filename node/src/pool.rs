//! Transactions that wait for a block: in order of arrival, bounded in number and bytes.
//!
//! It leaves out whether a transaction may be booked (`ledger`) and who is told (`validator`).
//!
//! Invariant: every transaction in it is verified, stands once, and the bounds hold.

use std::collections::BTreeMap;

use ledger::block::BLOCK_TRANSACTIONS_MAX;
use ledger::codec;
use ledger::time::Timestamp;
use ledger::transaction::{TransactionId, VerifiedTransaction};

/// Five full blocks: past that, a submitter is better served by being told to come back.
pub const POOL_TRANSACTIONS_MAX: usize = 5 * BLOCK_TRANSACTIONS_MAX;
/// Keeps the pool's memory below about 100 MB, whatever the size of single transactions.
pub const POOL_BYTES_MAX: usize = 32 << 20;

/// One waiting transaction.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// What waits.
    pub transaction: VerifiedTransaction,
    /// Since when.
    pub since: Timestamp,
    /// Whether it was submitted here, so that it is ours to spread.
    pub ours: bool,
    bytes: usize,
}

/// The pool is full. The sender should come back later.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{waiting} transactions wait already; send again in a second")]
pub struct PoolFull {
    /// How many wait.
    pub waiting: usize,
}

/// Transactions in order of arrival.
#[derive(Default)]
pub struct Pool {
    waiting: BTreeMap<u64, Waiting>,
    places: BTreeMap<TransactionId, u64>,
    bytes: usize,
    arrivals: u64,
}

impl Pool {
    /// Takes a transaction in. Says whether it is new.
    ///
    /// # Errors
    /// [`PoolFull`] at either bound; nothing changes.
    pub fn admit(
        &mut self,
        transaction: VerifiedTransaction,
        ours: bool,
        now: Timestamp,
    ) -> Result<bool, PoolFull> {
        if let Some(place) = self.places.get(&transaction.id()) {
            if let Some(known) = self.waiting.get_mut(place) {
                known.ours |= ours;
            }
            return Ok(false);
        }
        let bytes = codec::encode(transaction.signed()).len();
        if self.waiting.len() >= POOL_TRANSACTIONS_MAX || self.bytes + bytes > POOL_BYTES_MAX {
            return Err(PoolFull { waiting: self.waiting.len() });
        }
        self.places.insert(transaction.id(), self.arrivals);
        self.waiting.insert(self.arrivals, Waiting { transaction, since: now, ours, bytes });
        self.bytes += bytes;
        self.arrivals += 1;
        Ok(true)
    }

    /// The clock was set back: what has waited so long still has.
    pub fn set_back(&mut self, by_ms: u64) {
        for waiting in self.waiting.values_mut() {
            waiting.since = Timestamp(waiting.since.0.saturating_sub(by_ms));
        }
    }

    /// Takes a transaction out, because it is posted or refused.
    pub fn remove(&mut self, id: &TransactionId) -> Option<VerifiedTransaction> {
        let waiting = self.waiting.remove(&self.places.remove(id)?)?;
        self.bytes -= waiting.bytes;
        Some(waiting.transaction)
    }

    /// All that wait, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Waiting> {
        self.waiting.values()
    }

    /// Whether it waits here.
    pub fn contains(&self, id: &TransactionId) -> bool {
        self.places.contains_key(id)
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}
