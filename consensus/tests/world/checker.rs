//! What must hold whatever happens, written without looking at the core's own bookkeeping.
//!
//! The numbers are those of the invariants in specs/consensus.md.

use std::collections::BTreeMap;

use consensus::event::{Evidence, Finalized};
use ledger::block::{BlockHash, Epoch, Header, Height, View};
use ledger::certificate::{Certificate, Statement};
use ledger::digest::Digest;

#[derive(Clone, Copy, Default)]
struct Said {
    notarized: Option<BlockHash>,
    nullified: bool,
    finalized: Option<BlockHash>,
}

#[derive(Default)]
struct Certified {
    notarized: Option<BlockHash>,
    nullified: bool,
    finalized: Option<BlockHash>,
}

/// The world's memory; it forgets nothing and crashes never.
pub(crate) struct Checker {
    epoch: Epoch,
    quorum: usize,
    honest: Vec<bool>,
    said: BTreeMap<(u16, View), Said>,
    certified: BTreeMap<View, Certified>,
    /// The one history, by height above genesis.
    chain: Vec<(BlockHash, Header)>,
    genesis: Header,
    /// Evidence handed out.
    pub(crate) convictions: u64,
    /// More than f are faulty: histories may part, and honest validators may stop.
    pub(crate) overrun: bool,
}

impl Checker {
    pub(crate) fn new(epoch: Epoch, quorum: usize, honest: Vec<bool>, genesis: Header) -> Self {
        let (said, certified) = Default::default();
        Self {
            epoch,
            quorum,
            honest,
            said,
            certified,
            chain: Vec::new(),
            genesis,
            convictions: 0,
            overrun: false,
        }
    }

    /// Invariants 1, 2, 3, 4 and 10: of all votes that ever left a validator, across crashes.
    pub(crate) fn on_vote_sent(&mut self, signer: u16, statement: Statement) {
        if !self.honest[usize::from(signer)] {
            return;
        }
        let view = statement.view();
        let said = self.said.entry((signer, view)).or_default();
        let once = |earlier: &mut Option<BlockHash>, block, what| {
            let first = *earlier.get_or_insert(block);
            assert_eq!(first, block, "validator {signer} {what} two blocks in view {view}");
        };
        match statement {
            Statement::Notarize { block, .. } => once(&mut said.notarized, block, "notarized"),
            Statement::Nullify { .. } => said.nullified = true,
            Statement::Finalize { block, .. } => once(&mut said.finalized, block, "finalized"),
        }
        let Said { notarized, nullified, finalized } = *said;
        assert!(
            !(nullified && finalized.is_some()),
            "validator {signer} finalized and nullified view {view} (invariant 3)"
        );
        assert!(
            finalized.is_none() || notarized.is_none() || notarized == finalized,
            "validator {signer} notarized one block and finalized another in view {view} (invariant 4)"
        );
    }

    /// The highest view that a validator is known to have voted in.
    pub(crate) fn highest_vote(&self, signer: u16) -> View {
        let last = self.said.range((signer, View(0))..=(signer, View(u64::MAX))).next_back();
        last.map_or(View(0), |((_, view), _)| *view)
    }

    /// Invariants 5 and 6.
    pub(crate) fn on_certificate(&mut self, certificate: &Certificate) {
        let statement = certificate.statement;
        let view = statement.view();
        assert_eq!(certificate.epoch, self.epoch);
        let signers = certificate.signers().count();
        assert!(
            signers >= self.quorum && signers == certificate.signatures.len(),
            "{statement:?}: no quorum"
        );
        if self.overrun {
            return;
        }
        let held = self.certified.entry(view).or_default();
        match statement {
            Statement::Notarize { block, .. } => {
                assert_eq!(*held.notarized.get_or_insert(block), block, "two notarizations in view {view}");
            }
            Statement::Nullify { .. } => held.nullified = true,
            Statement::Finalize { block, .. } => {
                assert_eq!(*held.finalized.get_or_insert(block), block, "two finalizations in view {view}");
            }
        }
        assert!(!held.nullified || held.finalized.is_none(), "view {view} is finalized and skipped");
    }

    /// Invariants 7, 8 and 14: `header` follows `parent` at some validator, with this proof.
    pub(crate) fn on_final(&mut self, header: &Header, proof: &Finalized, last: bool) {
        if self.overrun {
            return;
        }
        let block = header.hash();
        let height = usize::try_from(header.height.0 - self.genesis.height.0).unwrap();
        assert!(height >= 1 && height <= self.chain.len() + 1, "height {height} skips one");
        let parent = if height == 1 {
            (self.genesis.hash(), View(0), self.genesis.state_root)
        } else {
            let (hash, header) = &self.chain[height - 2];
            (*hash, header.view, header.state_root)
        };
        assert_eq!(
            (header.parent, header.parent_view),
            (parent.0, parent.1),
            "height {height}: wrong parent"
        );
        assert_eq!(header.state_root, state_after(&parent.2, &header.payload), "height {height}: state root");
        assert_eq!(proof.block, block);
        let view = header.view;
        assert_eq!(proof.notarization.statement, Statement::Notarize { view, block });
        self.on_certificate(&proof.notarization.clone());
        let gap: Vec<View> = proof.skips.iter().map(|skip| skip.statement.view()).collect();
        assert_eq!(gap, (parent.1.0 + 1..view.0).map(View).collect::<Vec<_>>(), "height {height}: gap");
        for skip in &proof.skips {
            assert_eq!(skip.statement, Statement::Nullify { view: skip.statement.view() });
            self.on_certificate(skip);
        }
        assert!(!last || proof.finalization.is_some(), "height {height}: no finalization above");
        if let Some(finalization) = &proof.finalization {
            assert_eq!(finalization.statement, Statement::Finalize { view, block });
            self.on_certificate(finalization);
        }
        match self.chain.get(height - 1) {
            Some((known, _)) => assert_eq!(*known, block, "two histories at height {height}"),
            None => self.chain.push((block, header.clone())),
        }
    }

    /// Rule C10: evidence convicts the faulty only.
    pub(crate) fn on_evidence(&mut self, evidence: &Evidence) {
        let Evidence { first, second } = evidence;
        self.convictions += 1;
        assert_eq!((first.signer, first.epoch), (second.signer, second.epoch));
        assert_eq!(first.statement.view(), second.statement.view());
        assert_ne!(first.statement, second.statement);
        assert!(
            !self.honest[usize::from(first.signer)],
            "evidence against an honest validator: {evidence:?}"
        );
    }

    /// Height of the one history.
    pub(crate) fn height(&self) -> Height {
        Height(self.genesis.height.0 + self.chain.len() as u64)
    }

    /// Views of finalized blocks above a view, rising.
    pub(crate) fn first_final_above(&self, view: View) -> Option<View> {
        self.chain.iter().map(|(_, header)| header.view).find(|of| *of > view)
    }
}

/// Section 7 of the reference: who signed both of two finality proofs that exclude each other, each
/// for a chain from the same genesis, the last block of each with its finalization. `None` if one
/// history continues the other.
pub(crate) fn culprits(one: &[(Header, Finalized)], other: &[(Header, Finalized)]) -> Option<Vec<u16>> {
    let tip = |history: &[(Header, Finalized)]| history.last().map(|(header, _)| header.view);
    let (lower, higher) = if tip(one) <= tip(other) { (one, other) } else { (other, one) };
    let (last, proof) = lower.last()?;
    if higher.iter().any(|(header, _)| header.hash() == last.hash()) {
        return None;
    }
    // In the view of the lower tip the higher chain has another block, or a nullification.
    let at = higher.iter().find(|(header, _)| header.view >= last.view)?;
    let (ours, theirs) = if at.0.view == last.view {
        (&proof.notarization, &at.1.notarization)
    } else {
        let nullify = Statement::Nullify { view: last.view };
        (proof.finalization.as_ref()?, at.1.skips.iter().find(|skip| skip.statement == nullify)?)
    };
    let signed: Vec<u16> = theirs.signers().collect();
    Some(ours.signers().filter(|signer| signed.contains(signer)).collect())
}

/// The books of this world: a hash chain over payloads.
pub(crate) fn state_after(parent: &Digest, payload: &Digest) -> Digest {
    Digest::of(&[b"world", &parent.0, &payload.0])
}
