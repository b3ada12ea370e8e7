//! From decided to posted, certified and answered: blocks are posted in order, callers hear of their
//! transactions once a certified checkpoint covers them, and what the books refuse by now leaves the
//! pool.
//!
//! Left out: what a block that ends its epoch sets off (`epoch`).
//!
//! Invariant: a caller is told that a transaction is posted only when a certified checkpoint covers it.

use std::sync::Arc;

use consensus::event::HaltReason;
use ledger::block::{BlockHash, LeafIndex};
use ledger::books::{BlockError, Changes, Staged};
use ledger::finality::{Finality, FinalizedBlock};
use ledger::refusal::Refusal;
use ledger::time::Timestamp;
use ledger::transaction::{TransactionId, VerifiedTransaction};

use super::execution::Execution;
use super::{Action, Outcome, RECHECKED_MAX, RequestId, STALE_MS, Validator, later, seat};
use crate::snapshot::is_due;

impl Validator {
    pub(super) fn post_decided(&mut self, now: Timestamp) {
        let mut posted = false;
        while let Some(next) = self.decided.front() {
            match self.executions.execute(&self.ledger, next.block) {
                Execution::Done(staged) => {
                    let Some(finality) = self.finality(&staged) else { break };
                    self.post(now, staged, finality);
                    posted = true;
                }
                Execution::Missing(missing) => {
                    self.executions.miss(missing);
                    break;
                }
                Execution::Stale => {
                    // Caught up past it in the meantime.
                    self.decided.pop_front();
                }
                Execution::Invalid { .. } => {
                    let certificate = next.finalization.clone().unwrap_or_else(|| next.notarization.clone());
                    self.decided.clear();
                    self.halt(HaltReason::CertifiedInvalid { certificate });
                }
            }
        }
        if posted {
            self.cosign_head();
            self.recheck(now);
        }
        self.request_missing(now);
    }

    /// Posts an executed block; nothing here can fail.
    pub(super) fn post(&mut self, now: Timestamp, staged: Arc<Staged>, finality: Finality) {
        let before = self.ledger.head().log.clone();
        self.ledger.post(&staged);
        for (transaction, leaf) in staged.block().transactions().iter().zip(staged.first_leaf().0..) {
            self.pool.remove(&transaction.id());
            if let Some(requests) = self.waiting.remove(&transaction.id()) {
                self.uncovered.entry(LeafIndex(leaf)).or_default().extend(requests);
            }
        }
        self.executions.posted(&staged);
        let head = self.ledger.head();
        if self.cosigning.reached(head.log.size(), head.log.root()) {
            self.on_certified();
        }
        if is_due(staged.header().height, self.snapshot_every)
            && let Some(still) = self.ledger.still(staged.header())
        {
            self.actions.push(Action::Snapshot(Arc::new(still)));
        }
        let proof = FinalizedBlock { block: staged.block().to_block(), finality };
        if staged.ends_epoch() {
            self.actions.push(Action::PersistFinalized { staged: staged.clone(), proof: proof.clone() });
            self.begin_epoch(now, &before, &staged, &proof);
        } else {
            self.actions.push(Action::PersistFinalized { staged, proof });
        }
    }

    /// Cosigns the head as the seat that we have in the epoch which its size lies in.
    pub(super) fn cosign_head(&mut self) {
        let head = self.ledger.head();
        let (size, root) = (head.log.size(), head.log.root());
        let certified = self.cosigning.certified().is_some_and(|certified| certified.size >= size);
        let set = self.cosigning.trust().term(size).validators();
        if seat(set, &self.vote_keys).is_some() && !certified && !self.halted() && self.may_cosign_head() {
            let epoch = set.epoch;
            self.actions.push(Action::Cosign { epoch, size, root });
        }
    }

    /// Stops for good.
    pub(super) fn halt(&mut self, reason: HaltReason) {
        let block = match &reason {
            HaltReason::CertifiedInvalid { certificate } => certificate.statement.block(),
            HaltReason::Contradiction { .. } => None,
        };
        let block = block.and_then(|block| self.executions.refused(&block));
        let block = block.map(|block| Box::new(block.to_block()));
        self.halted = true;
        self.actions.push(Action::Halt { reason, block });
    }

    /// Why our books refuse a block, and what executing it writes here if it can be executed. `None` if it
    /// was not refused, or its body is kept no more.
    pub fn refusal_of(&self, block: &BlockHash) -> Option<(BlockError, Option<Changes>)> {
        let body = self.executions.refused(block)?;
        let parent = self.executions.known_parent(&self.ledger, &body.header().parent)?;
        let error = self.ledger.verify(&parent, body).err()?;
        Some((error, self.ledger.changes(&parent, body).ok()))
    }

    pub(super) fn on_certified(&mut self) {
        let Some(certified) = self.cosigning.certified().cloned() else { return };
        let rest = self.uncovered.split_off(&LeafIndex(certified.size));
        for (leaf, requests) in std::mem::replace(&mut self.uncovered, rest) {
            for request in requests {
                self.reply(request, Outcome::Posted { leaf });
            }
        }
        self.actions.push(Action::PersistCheckpoint(certified));
    }

    /// Looks again at the oldest of the pool: what the books refuse by now is answered and dropped.
    pub(super) fn recheck(&mut self, now: Timestamp) {
        let stale: Vec<VerifiedTransaction> = self
            .pool
            .iter()
            .take(RECHECKED_MAX)
            .take_while(|waiting| later(waiting.since, STALE_MS) <= now)
            .map(|waiting| waiting.transaction.clone())
            .collect();
        for transaction in stale {
            if let Err(refusal) = self.ledger.check(&transaction, now) {
                self.drop_refused(&transaction.id(), refusal);
            }
        }
    }

    pub(super) fn drop_refused(&mut self, id: &TransactionId, refusal: Refusal) {
        self.pool.remove(id);
        for request in self.waiting.remove(id).unwrap_or_default() {
            match refusal {
                Refusal::AlreadyPosted { leaf, .. } => self.answer_posted(request, leaf),
                _ => self.reply(request, Outcome::Refused(refusal.clone())),
            }
        }
    }

    pub(super) fn answer_posted(&mut self, request: RequestId, leaf: LeafIndex) {
        if self.cosigning.certified().is_some_and(|certified| leaf.0 < certified.size) {
            self.reply(request, Outcome::Posted { leaf });
        } else {
            self.uncovered.entry(leaf).or_default().push(request);
        }
    }

    pub(super) fn reply(&mut self, request: RequestId, outcome: Outcome) {
        self.actions.push(Action::Reply { request, outcome });
    }
}
