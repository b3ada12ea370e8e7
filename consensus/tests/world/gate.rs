//! What a real shell lets through to the core, and what it stops: signatures, stamped here instead
//! of computed, and the form of certificates.
//!
//! A stamp is a number that depends on signer, epoch and statement; only who is handed a key may
//! make one (adversaries go by [`super::adversary::Hand`]). The checks are those of
//! `ledger::certificate`, in small.
//!
//! Invariant: what passes was signed by those it names.

use consensus::event::{Justification, Message};
use ledger::block::Epoch;
use ledger::certificate::{Certificate, Statement, Vote};
use ledger::signature::Signature;

/// The signature of this validator on this statement.
pub(crate) fn stamp(signer: u16, epoch: Epoch, statement: &Statement) -> Signature {
    let (kind, block) = match statement {
        Statement::Notarize { block, .. } => (1, Some(block)),
        Statement::Nullify { .. } => (2, None),
        Statement::Finalize { block, .. } => (3, Some(block)),
    };
    let mut word = 0xcbf2_9ce4_8422_2325_u64;
    let mut fold = |part: u64| {
        word = (word ^ part).wrapping_mul(0x0000_0100_0000_01b3).rotate_left(29);
    };
    [u64::from(signer), epoch.0, kind, statement.view().0].into_iter().for_each(&mut fold);
    for part in block.into_iter().flat_map(|block| block.0.0.chunks(8)) {
        fold(part.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)));
    }
    let mut bytes = [0x51; 64];
    bytes[..8].copy_from_slice(&word.to_be_bytes());
    Signature(bytes)
}

/// A vote as its signer signs it.
pub(crate) fn signed(signer: u16, epoch: Epoch, statement: Statement) -> Vote {
    Vote { epoch, statement, signer, signature: stamp(signer, epoch, &statement) }
}

/// The gate of one validator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gate {
    /// Whose keys it holds.
    pub(crate) epoch: Epoch,
    pub(crate) validators: u16,
    pub(crate) quorum: usize,
    /// Whether it still holds the keys of the epoch before, and verifies under the epoch that a vote
    /// names. Then the core alone tells epochs apart.
    pub(crate) wide: bool,
}

impl Gate {
    fn has_keys(&self, epoch: Epoch) -> bool {
        epoch == self.epoch || self.wide && epoch.0 + 1 == self.epoch.0
    }

    pub(crate) fn passes_vote(&self, vote: &Vote) -> bool {
        self.has_keys(vote.epoch)
            && vote.signer < self.validators
            && vote.signature == stamp(vote.signer, vote.epoch, &vote.statement)
    }

    pub(crate) fn passes_certificate(&self, certificate: &Certificate) -> bool {
        let signers = certificate.signers().count();
        self.has_keys(certificate.epoch)
            && certificate.signers.len() == usize::from(self.validators).div_ceil(8)
            && certificate.signers().all(|signer| signer < self.validators)
            && signers == certificate.signatures.len()
            && signers >= self.quorum
            && certificate.signers().zip(&certificate.signatures).all(|(signer, signature)| {
                *signature == stamp(signer, certificate.epoch, &certificate.statement)
            })
    }

    fn passes_justification(&self, justification: &Justification) -> bool {
        let mut all = justification.parent.iter().chain(&justification.skips);
        all.all(|certificate| self.passes_certificate(certificate))
    }

    pub(crate) fn passes(&self, message: &Message) -> bool {
        match message {
            Message::Proposal { justification, vote, .. } => {
                self.passes_vote(vote) && self.passes_justification(justification)
            }
            Message::Vote(vote) => self.passes_vote(vote),
            Message::Certificate(certificate) => self.passes_certificate(certificate),
            Message::Status(status) | Message::ViewAnswer { status, .. } => {
                let mut all = status.entry.iter().chain(&status.finalization);
                all.all(|certificate| self.passes_certificate(certificate))
            }
            Message::StatusRequest | Message::CertificateRequest(_) | Message::ViewRequest { .. } => true,
        }
    }
}
