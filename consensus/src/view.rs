//! What is known of one view: its votes, its certificates, and what we ourselves said in it.
//!
//! Left out: when anything happens (`timer`), and what a view's outcome means for others
//! (`machine`, `chain`).
//!
//! Invariant: the certificates held never contradict each other; the one that would is handed back
//! with the one it contradicts.

use ledger::block::{BlockHash, View};
use ledger::certificate::{Certificate, Statement};

use crate::votes::Tally;

/// What we said in one view; never unsaid (rules C3, C5, C7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Own {
    pub(crate) notarized: Option<BlockHash>,
    pub(crate) nullified: bool,
    pub(crate) finalized: Option<BlockHash>,
}

impl Own {
    /// Whether a correct validator may still say this. What was said may be repeated elsewhere, but
    /// is not said anew.
    pub(crate) fn allows(&self, statement: &Statement) -> bool {
        match statement {
            Statement::Notarize { block, .. } => {
                self.notarized.is_none() && !self.nullified && self.finalized.is_none_or(|b| b == *block)
            }
            Statement::Nullify { .. } => !self.nullified && self.finalized.is_none(),
            Statement::Finalize { block, .. } => {
                self.finalized.is_none() && !self.nullified && self.notarized.is_none_or(|b| b == *block)
            }
        }
    }

    /// From now on we have said it.
    pub(crate) fn remember(&mut self, statement: &Statement) {
        match statement {
            Statement::Notarize { block, .. } => {
                self.notarized.get_or_insert(*block);
            }
            Statement::Nullify { .. } => self.nullified = true,
            Statement::Finalize { block, .. } => {
                self.finalized.get_or_insert(*block);
            }
        }
    }

    /// Whether we said this.
    pub(crate) fn said(&self, statement: &Statement) -> bool {
        match statement {
            Statement::Notarize { block, .. } => self.notarized == Some(*block),
            Statement::Nullify { .. } => self.nullified,
            Statement::Finalize { block, .. } => self.finalized == Some(*block),
        }
    }

    /// Whether we said anything.
    pub(crate) fn acted(&self) -> bool {
        self.notarized.is_some() || self.nullified || self.finalized.is_some()
    }
}

/// What became of a certificate offered to [`ViewState::put`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Put {
    /// One like it was held.
    Known,
    /// It is held now.
    New,
    /// It contradicts this one and is not held (rule C9).
    Contradicts(Certificate),
}

/// One view.
#[derive(Clone, Debug, Default)]
pub(crate) struct ViewState {
    pub(crate) tally: Tally,
    pub(crate) notarization: Option<Certificate>,
    pub(crate) nullification: Option<Certificate>,
    pub(crate) finalization: Option<Certificate>,
    pub(crate) own: Own,
    /// The leader's first proposal.
    pub(crate) proposal: Option<BlockHash>,
    /// The parent that a build was asked for on; at most one build per view (rule C2).
    pub(crate) building: Option<(View, BlockHash)>,
    /// We lead, and somebody asked why nothing moves.
    pub(crate) nudged: bool,
    /// Our proposal is out.
    pub(crate) proposed: bool,
}

impl ViewState {
    /// The block that a quorum notarized or finalized in this view.
    pub(crate) fn certified(&self) -> Option<BlockHash> {
        let certificate = self.notarization.as_ref().or(self.finalization.as_ref());
        certificate.and_then(|certificate| certificate.statement.block())
    }

    /// Whether a quorum skipped the view.
    pub(crate) fn skipped(&self) -> bool {
        self.nullification.is_some()
    }

    /// The certificate held of this statement's kind, whatever block it names.
    fn held(&self, statement: &Statement) -> Option<&Certificate> {
        match statement {
            Statement::Notarize { .. } => self.notarization.as_ref(),
            Statement::Nullify { .. } => self.nullification.as_ref(),
            Statement::Finalize { .. } => self.finalization.as_ref(),
        }
    }

    /// Whether a certificate of exactly this statement is held.
    pub(crate) fn holds(&self, statement: &Statement) -> bool {
        self.held(statement).is_some_and(|held| held.statement == *statement)
    }

    /// The certificates held.
    pub(crate) fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        [&self.notarization, &self.nullification, &self.finalization].into_iter().flatten()
    }

    /// Takes a certificate of this view. A notarization and a nullification may stand side by side;
    /// everything else that differs is a contradiction.
    pub(crate) fn put(&mut self, certificate: Certificate) -> Put {
        let statement = certificate.statement;
        if self.holds(&statement) {
            return Put::Known;
        }
        let against = |held: &&Certificate| match (statement, held.statement) {
            (Statement::Nullify { .. }, held) => matches!(held, Statement::Finalize { .. }),
            (of, Statement::Nullify { .. }) => matches!(of, Statement::Finalize { .. }),
            (of, held) => of.block() != held.block(),
        };
        if let Some(held) = self.certificates().find(against) {
            return Put::Contradicts(held.clone());
        }
        let place = match statement {
            Statement::Notarize { .. } => &mut self.notarization,
            Statement::Nullify { .. } => &mut self.nullification,
            Statement::Finalize { .. } => &mut self.finalization,
        };
        *place = Some(certificate);
        Put::New
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ledger::block::Epoch;
    use ledger::digest::Digest;

    const VIEW: View = View(3);

    fn block(name: u8) -> BlockHash {
        BlockHash(Digest([name; 32]))
    }

    fn certificate(statement: Statement) -> Certificate {
        Certificate::from_votes(Epoch(0), statement, 4, &[])
    }

    fn notarize(name: u8) -> Statement {
        Statement::Notarize { view: VIEW, block: block(name) }
    }

    fn finalize(name: u8) -> Statement {
        Statement::Finalize { view: VIEW, block: block(name) }
    }

    const NULLIFY: Statement = Statement::Nullify { view: VIEW };

    #[test]
    fn c6_a_notarization_and_a_nullification_of_one_view_may_stand_side_by_side() {
        for (first, second) in [(notarize(1), NULLIFY), (NULLIFY, notarize(1)), (notarize(1), finalize(1))] {
            let mut state = ViewState::default();
            assert_eq!(state.put(certificate(first)), Put::New);
            assert_eq!(state.put(certificate(second)), Put::New);
            assert_eq!(state.put(certificate(second)), Put::Known);
        }
    }

    #[test]
    fn c9_contradictory_certificates_are_seen_in_either_order() {
        for (one, other) in [
            (notarize(1), notarize(2)),
            (finalize(1), finalize(2)),
            (finalize(1), notarize(2)),
            (finalize(1), NULLIFY),
        ] {
            for (first, second) in [(one, other), (other, one)] {
                let mut state = ViewState::default();
                state.put(certificate(first));
                assert_eq!(state.put(certificate(second)), Put::Contradicts(certificate(first)));
            }
        }
    }

    #[test]
    fn c3_c5_c7_what_was_said_forbids_what_contradicts_it() {
        let statements = [notarize(1), notarize(2), NULLIFY, finalize(1), finalize(2)];
        for (said, allowed) in [
            (vec![], vec![notarize(1), notarize(2), NULLIFY, finalize(1), finalize(2)]),
            (vec![notarize(1)], vec![NULLIFY, finalize(1)]),
            (vec![NULLIFY], vec![]),
            (vec![notarize(1), NULLIFY], vec![]),
            (vec![notarize(1), finalize(1)], vec![]),
            (vec![finalize(1)], vec![notarize(1)]),
        ] {
            let mut own = Own::default();
            said.iter().for_each(|statement| own.remember(statement));
            let may: alloc::vec::Vec<_> = statements.iter().filter(|s| own.allows(s)).copied().collect();
            assert_eq!(may, allowed, "after {said:?}");
        }
    }

    use alloc::vec;
}
