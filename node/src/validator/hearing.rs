//! What peers say: verified, handed to consensus, or counted against them.
//!
//! A peer is blamed only for what no correct one sends whatever it knows: signatures and certificates of
//! our epoch that do not hold, seats that our epoch does not have, blocks as final that are not proven.
//! What speaks of another epoch, comes late, or is of no use says nothing about its sender.
//!
//! Invariant: nothing unverified reaches consensus.

use consensus::event::{Input, Justification, Message, Proposal, Status};
use ledger::block::VerifiedBlock;
use ledger::certificate::{Certificate, Vote};
use ledger::codec;
use ledger::digest::Digest;
use ledger::time::Timestamp;

use super::{Action, VERIFIED_MAX, Validator, later};

impl Validator {
    /// Counts against a peer what no correct one does.
    pub(super) fn blame(&mut self, peer: u16, what: &'static str) {
        self.faults += 1;
        self.actions.push(Action::Blame { peer, what });
    }

    pub(super) fn on_proposal(
        &mut self,
        from: u16,
        block: VerifiedBlock,
        justification: Justification,
        vote: Vote,
    ) {
        if vote.epoch != self.set.epoch {
            // No breach: its sender is behind or ahead of us, and its votes and status tell us so.
            return;
        }
        let chain = self.ledger.chain();
        let proven = vote.verify(&chain, &self.set).is_ok()
            && justification.parent.iter().chain(&justification.skips).all(|c| self.holds(c));
        if !proven {
            return self.blame(from, "a proposal whose vote or certificates do not hold");
        }
        self.look_for_own(&vote);
        let proposal = Proposal { header: block.header().clone(), justification, vote };
        // Room is for what consensus may ask to execute: one member's inventions would else push
        // everybody's blocks out, for good. Evidence is in the vote all the same.
        if self.core.wants_body(&proposal) {
            self.executions.add(block);
        }
        self.inputs.push_back(Input::Proposal(proposal));
    }

    pub(super) fn on_message(&mut self, now: Timestamp, from: u16, message: Message) {
        if let Message::Status(_) = &message {
            self.tell_cosignatures(now, from);
        }
        if self.is_of_another_epoch(now, from, &message) {
            return;
        }
        let input = match message {
            Message::Vote(vote) => {
                if usize::from(vote.signer) >= self.set.len() {
                    return self.blame(from, "a vote of a seat that the epoch does not have");
                }
                self.look_for_own(&vote);
                // What could change nothing is not worth a signature check.
                if !self.core.wants_vote(&vote) {
                    return;
                }
                if vote.verify(&self.ledger.chain(), &self.set).is_err() {
                    return self.blame(from, "a vote whose signature does not hold");
                }
                Input::Vote(vote)
            }
            Message::Certificate(certificate) => {
                if self.core.knows(&certificate.statement) {
                    return;
                }
                if !self.holds(&certificate) {
                    return self.blame(from, "a certificate that does not hold");
                }
                Input::Certificate(certificate)
            }
            Message::Status(status) if status.epoch < self.set.epoch => {
                // Its certificates are of a set that has no say any more; that it is behind is all we need.
                Input::Status { from, status: Status { entry: None, finalization: None, ..status } }
            }
            Message::Status(status) => {
                if !status.entry.iter().chain(&status.finalization).all(|c| self.holds(c)) {
                    return self.blame(from, "a status whose certificates do not hold");
                }
                Input::Status { from, status }
            }
            Message::StatusRequest => Input::StatusRequest { from },
            Message::CertificateRequest(view) => Input::CertificateRequest { from, view },
            Message::ViewRequest { nonce } => return self.on_view_request(from, nonce),
            Message::ViewAnswer { nonce, status } => return self.on_view_answer(now, from, nonce, status),
            // Proposals come in through their own event, their transactions verified.
            Message::Proposal { .. } => return,
        };
        self.inputs.push_back(input);
    }

    /// Whoever has just begun to listen says where it is, and may have missed what made our checkpoint
    /// certified; while the chain rests, nothing else would bring it. Not oftener than a peer has reason
    /// to say so.
    fn tell_cosignatures(&mut self, now: Timestamp, to: u16) {
        let pause_ms = self.settings.consensus.delta_ms / 2;
        let told = self.cosignatures_told.get(&to);
        if told.is_some_and(|at| *at <= now && now < later(*at, pause_ms)) {
            return;
        }
        self.cosignatures_told.insert(to, now);
        match self.cosigning.certified() {
            Some(certified) => {
                let cosignatures = certified.to_cosignatures();
                self.actions.push(Action::SendCosignatures { to, cosignatures });
            }
            None => self.cosign_head(),
        }
    }

    /// Whether a certificate holds; each is checked once.
    pub(super) fn holds(&mut self, certificate: &Certificate) -> bool {
        let digest = Digest::of(&[&codec::encode(certificate)]);
        if self.verified.contains(&digest) {
            return true;
        }
        if certificate.verify(&self.ledger.chain(), &self.set).is_err() {
            return false;
        }
        self.look_for_own_in(certificate);
        self.verified.insert(digest);
        self.verified_order.push_back(digest);
        if self.verified_order.len() > VERIFIED_MAX
            && let Some(oldest) = self.verified_order.pop_front()
        {
            self.verified.remove(&oldest);
        }
        true
    }
}
