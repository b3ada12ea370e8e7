//! Counting the votes of one view into certificates, and spotting who contradicts himself.
//!
//! Only the first vote of each kind that a signer casts in a view is counted and kept; a second,
//! contradicting one is evidence, a third only costs memory. What contradicts what is for
//! [`OffenceKind`] to say. Statements are compared, never signature bytes: a signer may sign the same
//! statement twice in two ways.
//!
//! Invariant: no signer counts twice for one kind in one view, whatever arrives in whatever order.

use alloc::vec::Vec;

use ledger::block::{BlockHash, Epoch, View};
use ledger::certificate::{Certificate, Statement, Vote};
use ledger::offence::OffenceKind;
use ledger::signature::Signature;

use crate::event::Evidence;

/// What one signer said in one view.
#[derive(Clone, Copy, Debug, Default)]
struct Seat {
    notarize: Option<(BlockHash, Signature)>,
    nullify: Option<Signature>,
    finalize: Option<(BlockHash, Signature)>,
    /// One bit for each kind of evidence handed out.
    accused: u8,
}

/// The bit of one kind of evidence (rule C10).
fn bit(kind: OffenceKind) -> u8 {
    1 << kind as u8
}

/// What a vote changed.
#[derive(Debug, Default)]
pub(crate) struct Recorded {
    /// It is new and counts.
    pub(crate) counted: bool,
    /// What it proves against its signer.
    pub(crate) evidence: Vec<Evidence>,
}

/// The votes of one view.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    /// By signer; empty until the first vote.
    seats: Vec<Seat>,
}

impl Tally {
    /// Whether nobody voted.
    pub(crate) fn is_empty(&self) -> bool {
        self.seats.is_empty()
    }

    /// Forgets every vote.
    pub(crate) fn clear(&mut self) {
        self.seats = Vec::new();
    }

    /// Takes a vote of the view that this tally is for. The signer must be one of `validators`.
    pub(crate) fn record(&mut self, vote: &Vote, validators: u16) -> Recorded {
        if self.seats.is_empty() {
            self.seats.resize(usize::from(validators), Seat::default());
        }
        let mut recorded = Recorded::default();
        let Some(seat) = self.seats.get_mut(usize::from(vote.signer)) else {
            return recorded;
        };
        let view = vote.statement.view();
        let cast = |statement, signature| Vote { statement, signature, ..*vote };
        let notarized = seat.notarize.map(|(block, by)| cast(Statement::Notarize { view, block }, by));
        let nullified = seat.nullify.map(|by| cast(Statement::Nullify { view }, by));
        let finalized = seat.finalize.map(|(block, by)| cast(Statement::Finalize { view, block }, by));
        for first in [notarized, nullified, finalized].into_iter().flatten() {
            let Some(kind) = OffenceKind::of(&first.statement, &vote.statement) else { continue };
            if seat.accused & bit(kind) == 0 {
                seat.accused |= bit(kind);
                recorded.evidence.push(Evidence { first, second: *vote });
            }
        }
        match vote.statement {
            Statement::Notarize { block, .. } => {
                recorded.counted = seat.notarize.is_none();
                seat.notarize.get_or_insert((block, vote.signature));
            }
            Statement::Nullify { .. } => {
                recorded.counted = seat.nullify.is_none();
                seat.nullify.get_or_insert(vote.signature);
            }
            Statement::Finalize { block, .. } => {
                recorded.counted = seat.finalize.is_none();
                seat.finalize.get_or_insert((block, vote.signature));
            }
        }
        recorded
    }

    /// Whether recording this vote could change anything.
    pub(crate) fn wants(&self, vote: &Vote) -> bool {
        let Some(seat) = self.seats.get(usize::from(vote.signer)) else {
            return self.seats.is_empty();
        };
        let fresh = |earlier: Option<(BlockHash, Signature)>, kind| {
            earlier.is_none_or(|(block, _)| {
                Some(block) != vote.statement.block() && seat.accused & bit(kind) == 0
            })
        };
        match vote.statement {
            Statement::Notarize { .. } => fresh(seat.notarize, OffenceKind::TwoNotarize),
            Statement::Nullify { .. } => seat.nullify.is_none(),
            Statement::Finalize { .. } => fresh(seat.finalize, OffenceKind::TwoFinalize),
        }
    }

    /// The signer's signature on this statement, if it was counted.
    fn signature(seat: &Seat, statement: &Statement) -> Option<Signature> {
        let on = |kept: Option<(BlockHash, Signature)>, block: &BlockHash| {
            kept.filter(|(voted, _)| voted == block).map(|(_, signature)| signature)
        };
        match statement {
            Statement::Notarize { block, .. } => on(seat.notarize, block),
            Statement::Nullify { .. } => seat.nullify,
            Statement::Finalize { block, .. } => on(seat.finalize, block),
        }
    }

    /// The signed vote of one validator on this statement, if it was counted.
    pub(crate) fn vote(&self, epoch: Epoch, statement: Statement, signer: u16) -> Option<Vote> {
        let seat = self.seats.get(usize::from(signer))?;
        let signature = Self::signature(seat, &statement)?;
        Some(Vote { epoch, statement, signer, signature })
    }

    /// The certificate of this statement, once a quorum signed it.
    pub(crate) fn certificate(
        &self,
        epoch: Epoch,
        statement: Statement,
        quorum: usize,
    ) -> Option<Certificate> {
        let signed = |seat: &&Seat| Self::signature(seat, &statement).is_some();
        if self.seats.iter().filter(signed).count() < quorum {
            return None;
        }
        let votes: Vec<(u16, Signature)> = (0_u16..)
            .zip(&self.seats)
            .filter_map(|(signer, seat)| Some((signer, Self::signature(seat, &statement)?)))
            .collect();
        Some(Certificate::from_votes(epoch, statement, self.seats.len(), &votes))
    }

    /// What was counted, by signer and without the signatures.
    pub(crate) fn counted(&self) -> impl Iterator<Item = (Option<BlockHash>, bool, Option<BlockHash>, u8)> {
        let block = |kept: Option<(BlockHash, Signature)>| kept.map(|(block, _)| block);
        self.seats.iter().map(move |seat| {
            (block(seat.notarize), seat.nullify.is_some(), block(seat.finalize), seat.accused)
        })
    }

    /// Whether anybody but `me` wants to skip the view.
    pub(crate) fn nullified_by_another(&self, view: View, me: Option<u16>) -> bool {
        let nullify = Statement::Nullify { view };
        let others = (0_u16..).zip(&self.seats).filter(|(signer, _)| Some(*signer) != me);
        others.into_iter().any(|(_, seat)| Self::signature(seat, &nullify).is_some())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::digest::Digest;

    const VIEW: View = View(7);

    fn block(name: u8) -> BlockHash {
        BlockHash(Digest([name; 32]))
    }

    fn vote(signer: u16, statement: Statement) -> Vote {
        Vote { epoch: Epoch(0), statement, signer, signature: Signature([signer as u8; 64]) }
    }

    fn notarize(name: u8) -> Statement {
        Statement::Notarize { view: VIEW, block: block(name) }
    }

    fn finalize(name: u8) -> Statement {
        Statement::Finalize { view: VIEW, block: block(name) }
    }

    const NULLIFY: Statement = Statement::Nullify { view: VIEW };

    #[test]
    fn c6_three_of_four_make_a_certificate_and_list_themselves_in_order() {
        let mut tally = Tally::default();
        for signer in [3, 0] {
            assert!(tally.record(&vote(signer, notarize(1)), 4).counted);
            assert!(tally.certificate(Epoch(0), notarize(1), 3).is_none());
        }
        tally.record(&vote(2, notarize(1)), 4);
        let certificate = tally.certificate(Epoch(0), notarize(1), 3).unwrap();
        assert_eq!(certificate.signers().collect::<Vec<_>>(), [0, 2, 3]);
        assert_eq!(certificate.signatures.iter().map(|s| s.0[0]).collect::<Vec<_>>(), [0, 2, 3]);
    }

    #[test]
    fn c6_a_vote_from_log_and_network_counts_once_even_if_signed_twice() {
        let mut tally = Tally::default();
        tally.record(&vote(0, NULLIFY), 4);
        let again = Vote { signature: Signature([99; 64]), ..vote(0, NULLIFY) };
        assert!(!tally.wants(&again));
        let recorded = tally.record(&again, 4);
        assert!(!recorded.counted && recorded.evidence.is_empty());
        tally.record(&vote(1, NULLIFY), 4);
        assert!(tally.certificate(Epoch(0), NULLIFY, 3).is_none());
    }

    #[test]
    fn c10_each_forbidden_pair_convicts_once_in_either_order() {
        for (one, other) in [
            (notarize(1), notarize(2)),
            (finalize(1), finalize(2)),
            (finalize(1), NULLIFY),
            (notarize(1), finalize(2)),
        ] {
            for (first, second) in [(one, other), (other, one)] {
                let mut tally = Tally::default();
                assert!(tally.record(&vote(1, first), 4).evidence.is_empty());
                let evidence = tally.record(&vote(1, second), 4).evidence;
                assert_eq!(evidence, [Evidence { first: vote(1, first), second: vote(1, second) }]);
                assert!(tally.record(&vote(1, second), 4).evidence.is_empty());
            }
        }
    }

    #[test]
    fn c10_what_a_correct_validator_may_do_convicts_nobody() {
        for statements in [
            [notarize(1), NULLIFY].as_slice(),
            &[NULLIFY, notarize(1)],
            &[notarize(1), finalize(1)],
            &[finalize(1), notarize(1)],
            &[notarize(1), notarize(1)],
        ] {
            let mut tally = Tally::default();
            for statement in statements {
                assert!(tally.record(&vote(1, *statement), 4).evidence.is_empty());
            }
        }
    }

    #[test]
    fn c10_a_third_contradicting_vote_only_costs_memory() {
        let mut tally = Tally::default();
        tally.record(&vote(1, notarize(1)), 4);
        tally.record(&vote(1, notarize(2)), 4);
        assert!(!tally.wants(&vote(1, notarize(3))));
        let recorded = tally.record(&vote(1, notarize(3)), 4);
        assert!(!recorded.counted && recorded.evidence.is_empty());
    }

    #[test]
    fn c6_a_signer_outside_the_set_is_nobody() {
        let mut tally = Tally::default();
        assert!(!tally.record(&vote(4, NULLIFY), 4).counted);
        assert!(!tally.wants(&vote(4, NULLIFY)));
    }
}
