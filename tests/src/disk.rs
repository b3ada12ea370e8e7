//! A disk that a world can lose power under: what was committed is there after any crash, what was
//! only gathered is not. Reading it back does what `node::recover` does with the real store.
//!
//! Invariant: nothing changes it but [`Disk::commit`], unless it is told to forget.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use consensus::event::Evidence;
use consensus::machine::Restored;
use ledger::block::{Block, BlockHash, Height, VerifiedBlock, View};
use ledger::books::{Ledger, Parent, Staged};
use ledger::certificate::{Certificate, Statement};
use ledger::digest::Digest;
use ledger::finality::FinalizedBlock;
use node::amnesia::Memory;
use node::cosigning::Certified;
use node::validator::{Action, Recovered};

use crate::chain::Chain;

/// As `node::keeper` keeps views below the last final one.
const VIEWS_KEPT: u64 = 64;

/// Something to keep.
pub enum Write {
    /// An own statement.
    Vote(Statement),
    /// A block that is not final.
    Block(Block),
    /// A certificate.
    Certificate(Certificate),
    /// A final block.
    Finalized(Arc<Staged>, Box<FinalizedBlock>),
    /// The newest certified checkpoint.
    Checkpoint(Certified),
    /// What convicts a validator.
    Evidence(Box<Evidence>),
    /// What our cosigner is about to sign.
    Watermark(u64, Digest),
}

/// What is durable.
#[derive(Default)]
pub struct Disk {
    /// Own statements above the floor.
    pub statements: BTreeSet<Statement>,
    certificates: BTreeMap<Statement, Certificate>,
    undecided: BTreeMap<BlockHash, Block>,
    /// Final blocks, in order of height.
    pub finalized: Vec<FinalizedBlock>,
    places: BTreeMap<BlockHash, usize>,
    /// The log's leaves; those of genesis first.
    pub leaves: Vec<Vec<u8>>,
    /// The newest certified checkpoint.
    pub checkpoint: Option<Certified>,
    watermark: Option<(u64, Digest)>,
    /// Convictions kept.
    pub evidence: Vec<Evidence>,
    floor: View,
}

impl Disk {
    /// What the actions ask to keep, and whether it must be durable before anything else happens;
    /// as `node::keeper` gathers.
    pub fn gather(&self, actions: &[Action], writes: &mut Vec<Write>) -> bool {
        let mut urgent = false;
        let mut watermark = self.watermark;
        for action in actions {
            urgent |= action.persists()
                && !matches!(action, Action::PersistCertificate(_) | Action::PersistCheckpoint(_));
            writes.push(match action {
                Action::PersistVote { statement, .. } => Write::Vote(*statement),
                Action::PersistBlock(block) => Write::Block(block.to_block()),
                Action::PersistCertificate(certificate) => Write::Certificate(certificate.clone()),
                Action::PersistFinalized { staged, proof } => {
                    Write::Finalized(Arc::clone(staged), Box::new(proof.clone()))
                }
                Action::PersistCheckpoint(certified) => Write::Checkpoint(certified.clone()),
                Action::PersistEvidence(evidence) => Write::Evidence(Box::new(evidence.clone())),
                Action::Cosign { size, root, .. } if may_cosign(watermark, *size, root) => {
                    urgent = true;
                    watermark = Some((*size, *root));
                    Write::Watermark(*size, *root)
                }
                _ => continue,
            });
        }
        urgent
    }

    /// Makes everything durable.
    ///
    /// # Panics
    /// When a vote contradicts what is durable or lies below the floor, or blocks skip a height.
    pub fn commit(&mut self, writes: &mut Vec<Write>) {
        for write in writes.drain(..) {
            match write {
                Write::Vote(statement) => {
                    assert!(statement.view() >= self.floor, "{statement:?} below the floor {}", self.floor);
                    self.statements.insert(statement);
                }
                Write::Block(block) => drop(self.undecided.insert(block.header.hash(), block)),
                Write::Certificate(certificate) => {
                    self.certificates.insert(certificate.statement, certificate);
                }
                Write::Finalized(staged, proof) => self.post(&staged, *proof),
                Write::Checkpoint(certified) => self.checkpoint = Some(certified),
                Write::Evidence(evidence) => self.evidence.push(*evidence),
                Write::Watermark(size, root) => self.watermark = Some((size, root)),
            }
        }
    }

    /// Loses every own vote, certificate and undecided block, as a disk must not.
    pub fn forget_votes(&mut self) {
        self.statements.clear();
        self.certificates.clear();
        self.undecided.clear();
    }

    fn post(&mut self, staged: &Staged, proof: FinalizedBlock) {
        let header = staged.header();
        assert_eq!(header.height.0 as usize, self.finalized.len() + 1, "blocks persist in order of height");
        assert_eq!(staged.first_leaf().0 as usize, self.leaves.len(), "leaves persist without a gap");
        self.leaves.extend(staged.leaves().iter().cloned());
        self.places.insert(staged.hash(), self.finalized.len());
        self.undecided.remove(&staged.hash());
        self.finalized.push(proof);
        let floor = View(header.view.0.saturating_sub(VIEWS_KEPT));
        if floor > self.floor {
            self.floor = floor;
            self.statements.retain(|statement| statement.view() >= floor);
            self.certificates.retain(|statement, _| statement.view() >= floor);
            self.undecided.retain(|_, block| block.header.view >= floor);
        }
    }

    /// Whether our cosigner may sign: never a smaller checkpoint than before, nor another root.
    pub fn may_cosign(&self, size: u64, root: &Digest) -> bool {
        may_cosign(self.watermark, size, root)
    }

    /// A block, final or not.
    pub fn block(&self, hash: &BlockHash) -> Option<Block> {
        let finalized = || self.places.get(hash).map(|place| self.finalized[*place].block.clone());
        self.undecided.get(hash).cloned().or_else(finalized)
    }

    /// Some final blocks from a height on.
    pub fn stretch(&self, from: Height, count: usize) -> Vec<FinalizedBlock> {
        let skipped = from.0.saturating_sub(1) as usize;
        self.finalized.iter().skip(skipped).take(count).cloned().collect()
    }

    /// What a validator starts from.
    ///
    /// # Panics
    /// When a stored block does not lead to the books that its header names.
    pub fn recover(&mut self, chain: &Chain) -> Recovered {
        let mut ledger = Ledger::new(&chain.genesis).expect("a genesis that begins a chain");
        if self.leaves.is_empty() {
            self.leaves = ledger.genesis_leaves().to_vec();
        }
        let mut finalized = None;
        for proof in &self.finalized {
            let block = VerifiedBlock::from_own_store(proof.block.clone());
            let staged = ledger.verify(&Parent::Finalized, &block);
            ledger.post(&staged.expect("a stored block leads to the books that its header names"));
            if let Some(certificate) = proof.finalization() {
                finalized = Some((block.header().clone(), certificate.clone()));
            }
        }
        let floor = finalized.as_ref().map_or(View(0), |(header, _)| header.view.next());
        let blocks: Vec<VerifiedBlock> =
            self.undecided.values().cloned().map(VerifiedBlock::from_own_store).collect();
        let kept = self.certificates.values().filter(|certificate| certificate.statement.view() >= floor);
        let consensus = Restored {
            statements: self.statements.iter().filter(|own| own.view() >= floor).copied().collect(),
            certificates: kept.cloned().collect(),
            headers: blocks.iter().map(|block| block.header().clone()).collect(),
            finalized,
        };
        Recovered {
            ledger,
            trust: chain.trust.clone(),
            consensus,
            blocks,
            certified: self.checkpoint.clone(),
            evidence: self.evidence.clone(),
            halted: false,
            memory: Memory::default(),
        }
    }
}

fn may_cosign(watermark: Option<(u64, Digest)>, size: u64, root: &Digest) -> bool {
    watermark.is_none_or(|(last, kept)| size > last || (size == last && *root == kept))
}
