//! A lost vote log: asking the others where they are, answering those who ask, and noticing that a vote
//! of ours is about which we do not remember.

use consensus::event::{Input, Message, Status, To};
use ledger::block::View;
use ledger::certificate::{Certificate, Statement, Vote};
use ledger::time::Timestamp;

use super::{Action, Validator};
use crate::amnesia::Progress;

impl Validator {
    /// Whether the vote log is lost, and how far we are in making up for it. Until then nothing is
    /// voted. A follower has nothing to make up for.
    pub fn lost_votes(&self) -> Option<Progress> {
        self.memory.progress().filter(|_| self.me.is_some())
    }

    /// Whether the head is a checkpoint that none we cosigned before the loss can lie beyond.
    pub(super) fn may_cosign_head(&self) -> bool {
        let head = self.ledger.head();
        self.memory.may_cosign((head.epoch, head.view))
    }

    pub(super) fn ask_where(&mut self, now: Timestamp) {
        let Some((nonce, seats)) = self.memory.questions(now) else { return };
        for seat in seats {
            let message = Message::ViewRequest { nonce };
            self.actions.push(Action::Send { to: To::One(seat), message });
        }
    }

    /// Who has lost its own log may be behind where it once was, and says nothing; also after the others
    /// were heard, until it is where it votes again.
    pub(super) fn on_view_request(&mut self, from: u16, nonce: u64) {
        let there = self.core.view() >= self.memory.vote_from(self.set.epoch);
        if self.memory.progress().is_none() && there {
            let message = Message::ViewAnswer { nonce, status: self.core.status() };
            self.actions.push(Action::Send { to: To::One(from), message });
        }
    }

    pub(super) fn on_view_answer(&mut self, now: Timestamp, from: u16, nonce: u64, status: Status) {
        if self.doubts.asked(nonce) {
            return self.on_doubt_answered(now, from, status);
        }
        if !self.memory.wants(from, nonce) {
            return;
        }
        // Certificates of another epoch prove nothing in ours, and are not looked at.
        let ours = status.epoch == self.set.epoch;
        if ours && !status.entry.iter().chain(&status.finalization).all(|c| self.holds(c)) {
            return self.blame(from, "an answer whose certificates do not hold");
        }
        if let Some(floor) = self.memory.answer(from, nonce, &status) {
            tracing::warn!(epoch = %floor.0, view = %floor.1, "the others have been heard: voting again from this view on");
            self.actions.push(Action::Regained(floor));
            self.inputs.push_back(Input::VoteFrom(self.memory.vote_from(self.set.epoch)));
        }
    }

    /// Nobody but us can sign for our seat.
    pub(super) fn look_for_own(&mut self, vote: &Vote) {
        let ours = Some(vote.signer) == self.me && vote.epoch == self.set.epoch;
        if ours && !self.core.accounts_for(&vote.statement) && self.verifies(vote) {
            self.on_own_shown(&vote.statement);
        }
    }

    fn verifies(&self, vote: &Vote) -> bool {
        vote.verify(&self.ledger.chain(), &self.set).is_ok()
    }

    /// A certificate that holds may hold our signature.
    pub(super) fn look_for_own_in(&mut self, certificate: &Certificate) {
        let Some(me) = self.me else { return };
        let ours = certificate.epoch == self.set.epoch && certificate.signers().any(|signer| signer == me);
        if ours && !self.core.accounts_for(&certificate.statement) {
            self.on_own_shown(&certificate.statement);
        }
    }

    fn on_own_shown(&mut self, statement: &Statement) {
        let term = (self.set.epoch, statement.view());
        tracing::error!(
            epoch = %term.0, view = %term.1,
            "a vote of ours was shown that we do not remember: this data directory is an older copy, or another machine votes with our keys; not voting"
        );
        self.memory.shown(term, self.shown, &self.set, self.me);
        self.shown = true;
        self.actions.push(Action::Forgot(term));
        self.inputs.push_back(Input::VoteFrom(View(u64::MAX)));
    }
}
