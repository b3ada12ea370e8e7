//! From one validator set to the next: what proves the last block of an epoch final, the fresh core
//! that goes on from it, and hearing of epochs that we have yet to reach.
//!
//! Closing blocks are decided like others and never posted: the first finalization at or after the
//! block that ends the epoch is its own proof, and whatever was decided beyond is dropped.
//!
//! Invariant: when a core is replaced, the block that it started the next from is posted, with its
//! whole proof in the same step.

use std::sync::Arc;

use consensus::event::{Evidence, Message, To};
use consensus::machine::{Consensus, Restored, Start};
use ledger::block::View;
use ledger::books::Staged;
use ledger::certificate::Vote;
use ledger::finality::{Finality, FinalizedBlock, ProvenHeader};
use ledger::offence::{Offence, OffenceKind};
use ledger::records::OffenceRecord;
use ledger::time::Timestamp;
use ledger::tree::Frontier;

use super::execution::Executions;
use super::{Action, Validator, later, seat};
use crate::handoffs;

/// Offences of one signer in one epoch that we report, and that we add none to once they are booked.
const OFFENCES_REPORTED_MAX: usize = 16;

impl Validator {
    /// Takes what proves the first of the decided blocks final, together with it. `None` while the
    /// block ends its epoch and the header of a closing block, or a finalization, is still missing.
    pub(super) fn finality(&mut self, staged: &Arc<Staged>) -> Option<Finality> {
        let mut closing = Vec::new();
        if staged.ends_epoch() {
            let last = self.decided.iter().position(|decided| decided.finalization.is_some())?;
            for decided in self.decided.range(1..=last) {
                let Some(body) = self.executions.body(&decided.block) else {
                    let missing = decided.block;
                    self.executions.miss(missing);
                    return None;
                };
                closing.push(ProvenHeader {
                    header: body.header().clone(),
                    notarization: decided.notarization.clone(),
                    skips: decided.skips.clone(),
                });
            }
        }
        let decided = self.decided.pop_front()?;
        let finalization = match closing.len() {
            0 => decided.finalization,
            last => self.decided.get(last - 1).and_then(|decided| decided.finalization.clone()),
        };
        let (notarization, skips) = (decided.notarization, decided.skips);
        Some(Finality::Voted { notarization, skips, finalization, closing })
    }

    /// The block is posted and another set in force. `before` is the log before the block.
    pub(super) fn begin_epoch(
        &mut self,
        now: Timestamp,
        before: &Frontier,
        staged: &Staged,
        proof: &FinalizedBlock,
    ) {
        // The old set's seat vouches for the last of its checkpoints.
        self.cosign_head();
        let ended = std::mem::replace(&mut self.set, self.ledger.validators().clone());
        match handoffs::handoff(before, staged.leaves(), proof, &self.set) {
            Some(handoff) => {
                if let Err(error) = self.cosigning.hand_over(&handoff) {
                    tracing::error!(%error, "our own handoff does not hold; checkpoints will not be certified");
                }
            }
            None => tracing::error!("a block that ends its epoch was posted without its own proof"),
        }
        self.me = seat(&self.set, &self.vote_keys).filter(|_| !self.halted);
        self.memory.begin(&self.set, self.me);
        let start = Start {
            chain: self.ledger.chain(),
            validators: self.set.clone(),
            me: self.me,
            genesis: staged.header().clone(),
            vote_from: self.memory.vote_from(self.set.epoch),
        };
        tracing::info!(epoch = %self.set.epoch, validators = self.set.len(), seat = ?self.me, "an epoch begins");
        let (core, effects) =
            Consensus::new(self.settings.consensus.clone(), start, Restored::default(), now);
        self.core = core;
        self.executions = Executions::new(Vec::new());
        self.catch_up.begin_epoch();
        self.decided.clear();
        self.inputs.clear();
        self.verified.clear();
        self.verified_order.clear();
        self.actions.push(Action::BeginEpoch { before: ended, set: self.set.clone() });
        // Others may be well into the epoch; a follower does not say where it stands.
        self.actions.push(Action::Send { to: To::All, message: Message::StatusRequest });
        self.carry_all(now, effects);
    }

    /// Reports an offence that is not booked, if we have a seat to report it as, and enough are not booked
    /// of the same signer: one convicts, and a liar in every view must not fill the books.
    pub(super) fn report(&mut self, evidence: &Evidence) {
        let offence = Offence { first: evidence.first, second: evidence.second };
        let Some(kind) = offence.kind().filter(|_| self.me.is_some()) else { return };
        let Vote { epoch, signer, statement, .. } = evidence.first;
        let least = (epoch, signer, View(0), OffenceKind::TwoNotarize);
        let most = (epoch, signer, View(u64::MAX), OffenceKind::NotarizeAndFinalize);
        let booked = self.ledger.range::<OffenceRecord>(least..=most).take(OFFENCES_REPORTED_MAX).count();
        let known = self.ledger.find::<OffenceRecord>(&(epoch, signer, statement.view(), kind)).is_some();
        let reported = self.reported.entry((epoch, signer)).or_default();
        if !known && booked < OFFENCES_REPORTED_MAX && *reported < OFFENCES_REPORTED_MAX {
            *reported += 1;
            self.actions.push(Action::Report(evidence.clone()));
        }
    }

    /// Whether a message is of another epoch, and so nothing for our core. Whoever speaks of a later one
    /// is asked where it stands, and its chain fetched by height.
    pub(super) fn is_of_another_epoch(&mut self, now: Timestamp, from: u16, message: &Message) -> bool {
        let epoch = match message {
            Message::Vote(vote) => vote.epoch,
            Message::Certificate(certificate) => certificate.epoch,
            // One of an earlier epoch is answered by the core, so that its sender follows.
            Message::Status(status) if status.epoch < self.set.epoch => return false,
            Message::Status(status) => status.epoch,
            Message::StatusRequest
            | Message::CertificateRequest(_)
            | Message::ViewRequest { .. }
            | Message::ViewAnswer { .. }
            | Message::Proposal { .. } => return false,
        };
        if epoch > self.set.epoch {
            match message {
                Message::Status(status) => {
                    self.catch_up.hear_of_later(now, from, status.height);
                    self.request_missing(now);
                }
                _ => self.enquire(now, from),
            }
        }
        epoch != self.set.epoch
    }

    fn enquire(&mut self, now: Timestamp, from: u16) {
        let pause_ms = self.settings.request_timeout_ms;
        if self.enquired_at.is_none_or(|at| at > now || later(at, pause_ms) <= now) {
            self.enquired_at = Some(now);
            self.actions.push(Action::Send { to: To::One(from), message: Message::StatusRequest });
        }
    }
}
