//! Headers above the last final block, and what the books said of them.
//!
//! A block is executed only after its parent, so that the shell can always answer at once; this
//! module remembers what is wanted until that is possible.
//!
//! Invariants: a verdict, once given, stays; what [`Blocks::take_due`] leaves out stands where it stood,
//! so the work for one message does not grow with how many blocks we are behind.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use ledger::block::{BlockHash, Header, View};

/// What the books say of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Verdict {
    /// Nobody asked.
    Unchecked,
    /// Asked, not answered.
    Checking,
    /// Executed, and the books agree with the header.
    Valid,
    /// It breaks a rule, the books differ, or its parent is invalid.
    Invalid,
    /// It stands on a branch that the finalized chain excludes.
    Beside,
}

impl Verdict {
    /// The last word: nothing changes it.
    fn is_final(self) -> bool {
        matches!(self, Self::Valid | Self::Invalid | Self::Beside)
    }

    /// Whether no vote may go to the block.
    pub(crate) fn refuses(self) -> bool {
        matches!(self, Self::Invalid | Self::Beside)
    }
}

/// A header and its verdict.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    pub(crate) header: Header,
    pub(crate) verdict: Verdict,
}

/// The blocks above the last final one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Blocks {
    known: BTreeMap<BlockHash, Known>,
    /// To be executed, headers perhaps still missing; with the view each belongs to.
    wanted: BTreeMap<BlockHash, View>,
    /// Wanted, and something came that may let it go a step on.
    due: BTreeSet<BlockHash>,
}

impl Blocks {
    pub(crate) fn len(&self) -> usize {
        self.known.len() + self.wanted.keys().filter(|block| !self.known.contains_key(block)).count()
    }

    pub(crate) fn get(&self, block: &BlockHash) -> Option<&Known> {
        self.known.get(block)
    }

    /// The verdict on a block, if its header is here.
    pub(crate) fn verdict(&self, block: &BlockHash) -> Option<Verdict> {
        self.known.get(block).map(|known| known.verdict)
    }

    pub(crate) fn is(&self, block: &BlockHash, verdict: Verdict) -> bool {
        self.verdict(block) == Some(verdict)
    }

    /// Takes a header whose hash is `block`; one known already keeps its verdict.
    pub(crate) fn insert(&mut self, block: BlockHash, header: Header) {
        self.known.entry(block).or_insert(Known { header, verdict: Verdict::Unchecked });
        if self.wanted.contains_key(&block) {
            self.due.insert(block);
        }
    }

    /// Gives a verdict, unless the last word was said. False if nothing changed.
    pub(crate) fn judge(&mut self, block: &BlockHash, verdict: Verdict) -> bool {
        match self.known.get_mut(block) {
            Some(known) if !known.verdict.is_final() => {
                let changed = known.verdict != verdict;
                known.verdict = verdict;
                if verdict.is_final() {
                    self.wanted.remove(block);
                    // Its children can be judged now.
                    self.all_due();
                }
                changed
            }
            _ => false,
        }
    }

    /// Asks for the block to be executed. True if that is news.
    pub(crate) fn want(&mut self, block: BlockHash, view: View) -> bool {
        let judged = self.known.get(&block).is_some_and(|known| known.verdict != Verdict::Unchecked);
        let news = !judged && !self.wanted.contains_key(&block);
        if news {
            self.wanted.insert(block, view);
            self.due.insert(block);
        }
        news
    }

    /// Lets everything wanted be looked at again.
    pub(crate) fn all_due(&mut self) {
        self.due.extend(self.wanted.keys());
    }

    /// What is wanted and has not been looked at since something came for it.
    pub(crate) fn take_due(&mut self) -> Vec<(BlockHash, View)> {
        let due = core::mem::take(&mut self.due).into_iter();
        due.filter_map(|block| Some((block, *self.wanted.get(&block)?))).collect()
    }

    pub(crate) fn is_wanted(&self, block: &BlockHash) -> bool {
        self.wanted.contains_key(block)
    }

    /// What is wanted, header known or not.
    pub(crate) fn wanted(&self) -> impl Iterator<Item = (BlockHash, View)> {
        self.wanted.iter().map(|(block, view)| (*block, *view))
    }

    /// Every header known, by hash, with its verdict.
    pub(crate) fn verdicts(&self) -> impl Iterator<Item = (&BlockHash, Verdict)> {
        self.known.iter().map(|(block, known)| (block, known.verdict))
    }

    /// Forgets everything up to this view.
    pub(crate) fn prune(&mut self, view: View) {
        self.known.retain(|_, known| known.header.view > view);
        self.wanted.retain(|_, of| *of > view);
        self.all_due();
    }
}
