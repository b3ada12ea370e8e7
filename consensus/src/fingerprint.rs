//! Telling two cores apart, for programs that explore what a core can get into.
//!
//! Left out: clocks, waits, counters and signatures. Two cores of one fingerprint may speak at different
//! times, but the same inputs can make them say the same things.
//!
//! Invariant: reading it changes nothing.

use core::hash::{Hash, Hasher};

use crate::machine::Consensus;

impl Consensus {
    /// Feeds everything into `state` that decides which votes may still be cast and what becomes final.
    pub fn fingerprint<H: Hasher>(&self, state: &mut H) {
        (self.view, self.tip.view, self.tip.block, self.vote_from, self.halted(), self.work).hash(state);
        for (view, known) in &self.views {
            view.hash(state);
            for certificate in known.certificates() {
                certificate.statement.hash(state);
            }
            let own = known.own;
            (own.notarized, own.nullified, own.finalized).hash(state);
            (known.proposal, known.building, known.nudged, known.proposed).hash(state);
            for counted in known.tally.counted() {
                counted.hash(state);
            }
        }
        for verdict in self.blocks.verdicts() {
            verdict.hash(state);
        }
        for wanted in self.blocks.wanted() {
            wanted.hash(state);
        }
        self.repair.fetched.hash(state);
    }
}
