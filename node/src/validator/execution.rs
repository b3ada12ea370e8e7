//! Blocks between receipt and finality: bodies that wait for their ancestors, and executed blocks
//! that wait to become final.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use ledger::block::{BlockHash, VerifiedBlock, View};
use ledger::books::{Ledger, Parent, Staged};
use ledger::transaction::TransactionId;

/// Bodies kept at once: more than the views in flight under any schedule; the oldest heights go
/// first, and what is still needed is fetched again.
const BODIES_MAX: usize = 128;
/// Refused bodies kept as proof, the newest: should a quorum certify one, this node stops, and a person
/// wants to see the block.
const REFUSED_MAX: usize = 4;

/// What executing a block came to.
pub(super) enum Execution<T> {
    /// It and its ancestors are executed.
    Done(T),
    /// This ancestor's body is not here.
    Missing(BlockHash),
    /// The books refuse this block, the one asked for or an ancestor.
    Invalid {
        /// The block refused.
        culprit: BlockHash,
    },
    /// It does not descend from the last final block.
    Stale,
}

/// See the module.
pub(super) struct Executions {
    bodies: BTreeMap<BlockHash, VerifiedBlock>,
    staged: BTreeMap<BlockHash, Arc<Staged>>,
    invalid: BTreeSet<BlockHash>,
    refused: VecDeque<VerifiedBlock>,
    wanted: BTreeSet<BlockHash>,
    build: Option<(View, BlockHash)>,
    missing: BTreeSet<BlockHash>,
}

impl Executions {
    pub(super) fn new(blocks: Vec<VerifiedBlock>) -> Self {
        Self {
            bodies: blocks.into_iter().map(|block| (block.hash(), block)).collect(),
            staged: BTreeMap::new(),
            invalid: BTreeSet::new(),
            refused: VecDeque::new(),
            wanted: BTreeSet::new(),
            build: None,
            missing: BTreeSet::new(),
        }
    }

    /// Takes in a body. It stays until it is executed, final or pushed out.
    pub(super) fn add(&mut self, block: VerifiedBlock) {
        let hash = block.hash();
        self.missing.remove(&hash);
        if self.staged.contains_key(&hash) {
            return;
        }
        self.bodies.insert(hash, block);
        if self.bodies.len() > BODIES_MAX {
            let lowest = self.bodies.values().min_by_key(|body| (body.header().height, body.hash()));
            if let Some(lowest) = lowest.map(VerifiedBlock::hash) {
                self.bodies.remove(&lowest);
            }
        }
    }

    /// Takes in a block that was executed by building it.
    pub(super) fn insert(&mut self, staged: Arc<Staged>) {
        self.staged.insert(staged.hash(), staged);
    }

    /// The body of a block, executed or not.
    pub(super) fn body(&self, block: &BlockHash) -> Option<&VerifiedBlock> {
        self.staged.get(block).map(|staged| staged.block()).or_else(|| self.bodies.get(block))
    }

    /// The books after a parent, if it is executed already.
    pub(super) fn known_parent(&self, ledger: &Ledger, parent: &BlockHash) -> Option<Parent> {
        if *parent == ledger.head().block {
            return Some(Parent::Finalized);
        }
        self.staged.get(parent).cloned().map(Parent::Staged)
    }

    /// Remembers that consensus asked for a verdict.
    pub(super) fn want(&mut self, block: BlockHash) {
        self.wanted.insert(block);
    }

    /// The verdict is given.
    pub(super) fn settled(&mut self, block: &BlockHash) {
        self.wanted.remove(block);
    }

    /// The blocks that consensus waits for a verdict on.
    pub(super) fn wanted(&self) -> Vec<BlockHash> {
        self.wanted.iter().copied().collect()
    }

    /// Remembers that consensus asked for a block on this parent. A later request replaces it.
    pub(super) fn want_built(&mut self, view: View, parent: BlockHash) {
        self.build = Some((view, parent));
    }

    /// What to build, if anything.
    pub(super) fn wanted_built(&self) -> Option<(View, BlockHash)> {
        self.build
    }

    /// It is built, or no longer wanted.
    pub(super) fn built(&mut self) {
        self.build = None;
    }

    /// Remembers that a body is needed.
    pub(super) fn miss(&mut self, block: BlockHash) {
        if !self.bodies.contains_key(&block) && !self.staged.contains_key(&block) {
            self.missing.insert(block);
        }
    }

    /// The bodies needed.
    pub(super) fn missing(&self) -> &BTreeSet<BlockHash> {
        &self.missing
    }

    /// Executes a block after its ancestors.
    pub(super) fn execute(&mut self, ledger: &Ledger, block: BlockHash) -> Execution<Arc<Staged>> {
        match self.parent(ledger, block) {
            Execution::Done(Parent::Staged(staged)) => Execution::Done(staged),
            Execution::Done(Parent::Finalized) => Execution::Stale,
            Execution::Missing(missing) => Execution::Missing(missing),
            Execution::Invalid { culprit } => Execution::Invalid { culprit },
            Execution::Stale => Execution::Stale,
        }
    }

    /// The books after a block, for building on: executes what is not executed yet.
    pub(super) fn parent(&mut self, ledger: &Ledger, block: BlockHash) -> Execution<Parent> {
        let head = ledger.head();
        let mut path = Vec::new();
        let mut at = block;
        let mut parent = loop {
            if at == head.block {
                break Parent::Finalized;
            }
            if let Some(staged) = self.staged.get(&at) {
                break Parent::Staged(staged.clone());
            }
            if self.invalid.contains(&at) {
                return Execution::Invalid { culprit: at };
            }
            let Some(body) = self.bodies.get(&at) else { return Execution::Missing(at) };
            if body.header().height <= head.height || path.len() >= BODIES_MAX {
                return Execution::Stale;
            }
            path.push(at);
            at = body.header().parent;
        };
        while let Some(next) = path.pop() {
            let Some(body) = self.bodies.get(&next) else { return Execution::Missing(next) };
            match ledger.verify(&parent, body) {
                Ok(staged) => {
                    self.bodies.remove(&next);
                    self.staged.insert(next, staged.clone());
                    parent = Parent::Staged(staged);
                }
                Err(error) => {
                    tracing::warn!(block = %next, %error, "block refused");
                    self.refuse(next);
                    return Execution::Invalid { culprit: next };
                }
            }
        }
        Execution::Done(parent)
    }

    fn refuse(&mut self, block: BlockHash) {
        if let Some(body) = self.bodies.remove(&block) {
            self.refuse_body(body);
        }
        self.invalid.insert(block);
    }

    /// Keeps a body that the books refused.
    pub(super) fn refuse_body(&mut self, body: VerifiedBlock) {
        self.refused.push_back(body);
        if self.refused.len() > REFUSED_MAX {
            self.refused.pop_front();
        }
    }

    /// The body of a block that the books refused, while it is kept.
    pub(super) fn refused(&self, block: &BlockHash) -> Option<&VerifiedBlock> {
        self.refused.iter().find(|refused| refused.hash() == *block)
    }

    /// What the blocks between the finalized head and the end of this parent hold.
    pub(super) fn transactions_ahead(&self, ledger: &Ledger, parent: &Parent) -> BTreeSet<TransactionId> {
        let mut ahead = BTreeSet::new();
        let mut next = match parent {
            Parent::Finalized => None,
            Parent::Staged(staged) => Some(staged),
        };
        while let Some(staged) = next {
            ahead.extend(staged.block().transactions().iter().map(|transaction| transaction.id()));
            let before = staged.header().parent;
            next = self.staged.get(&before).filter(|_| before != ledger.head().block);
        }
        ahead
    }

    /// A block became final: what does not descend from it is of no more use.
    pub(super) fn posted(&mut self, posted: &Staged) {
        let height = posted.header().height;
        let mut order: Vec<(u64, BlockHash, BlockHash)> =
            self.staged.values().map(|s| (s.header().height.0, s.hash(), s.header().parent)).collect();
        order.sort_unstable();
        let mut alive = BTreeSet::from([posted.hash()]);
        for (_, hash, parent) in order {
            if alive.contains(&parent) {
                alive.insert(hash);
            }
        }
        alive.remove(&posted.hash());
        self.staged.retain(|hash, _| alive.contains(hash));
        self.bodies.retain(|_, body| body.header().height > height);
        self.missing.remove(&posted.hash());
        if self.staged.is_empty() && self.bodies.is_empty() {
            // Nothing unfinished is left that a refused block could be an ancestor of.
            self.invalid.clear();
        }
    }
}
