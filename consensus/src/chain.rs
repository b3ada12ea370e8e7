//! From certificates to finality: which blocks to execute, what proves that they are final, what a
//! leader may build on, and how to get what is missing.
//!
//! Left out: the timers and votes of the current view (`pace`).
//!
//! Invariant: a block is handed out as final once, after its parent, with its whole proof.

use alloc::vec::Vec;

use ledger::block::{BlockHash, Header, Height, View};
use ledger::certificate::{Certificate, Statement};
use ledger::time::Timestamp;

use crate::blocks::Verdict;
use crate::event::{Effect, Finalized, HaltReason, Justification, Message, To};
use crate::machine::Consensus;
use crate::timer::{after, grown, jitter};
use crate::view::ViewState;

/// A finalization this many blocks above the tip is reached by height, not block by block backwards.
const SYNC_HEIGHTS: u64 = 32;
/// While its height is unknown, so many views above the tip count as far.
const SYNC_VIEWS: u64 = 64;
/// Requests that may be out at a time, of each kind; an answer makes room for the next.
const REQUESTS_MAX: usize = 32;
/// After so many fruitless rounds of asking, every way is tried at once.
const PATIENCE: u32 = 2;
/// Up to this many validators all are asked for a certificate at once; above, a few in turn.
const ASK_ALL_MAX: u16 = 16;
/// How many are asked then.
const ASK_SOME: u16 = 4;

/// What is known of a block's parent.
pub(crate) enum Parent {
    /// It is final or valid.
    Ready { view: View, height: Height, time: Timestamp },
    /// Its header or its verdict is missing.
    Pending,
    /// It is invalid.
    Invalid,
    /// The finalized chain has passed it by.
    Beside,
}

impl Parent {
    /// Rule C3: whether a child may follow this parent.
    pub(crate) fn fits(&self, child: &Header) -> bool {
        match self {
            Self::Ready { view, height, time } => {
                child.parent_view == *view && child.height == height.next() && child.time > *time
            }
            Self::Pending | Self::Invalid | Self::Beside => false,
        }
    }
}

impl Consensus {
    pub(crate) fn parent_of(&self, header: &Header) -> Parent {
        let tip = &self.tip;
        if header.parent == tip.block {
            return Parent::Ready { view: tip.view, height: tip.height, time: tip.time };
        }
        // Whatever is as old as the tip and not the tip is on no branch that can become final.
        if header.parent_view <= tip.view || header.height <= tip.height.next() {
            return Parent::Beside;
        }
        match self.blocks.get(&header.parent) {
            Some(known) if known.verdict == Verdict::Valid => {
                let parent = &known.header;
                Parent::Ready { view: parent.view, height: parent.height, time: parent.time }
            }
            Some(known) if known.verdict == Verdict::Invalid => Parent::Invalid,
            Some(known) if known.verdict == Verdict::Beside => Parent::Beside,
            _ => Parent::Pending,
        }
    }

    /// The block is to be executed as soon as its parent is.
    pub(crate) fn want(&mut self, block: BlockHash, view: View) {
        if view > self.tip.view && self.blocks.want(block, view) {
            self.dirty = true;
        }
    }

    /// No vote of ours goes to the block. If a quorum certified it, either more than f of them are
    /// faulty or our own books are (rule C9).
    pub(crate) fn reject(&mut self, block: &BlockHash, view: View, verdict: Verdict) {
        if !self.blocks.judge(block, verdict) {
            return;
        }
        self.dirty = true;
        let certified = self.views.get(&view).and_then(|state| {
            state.certificates().find(|held| held.statement.block() == Some(*block)).cloned()
        });
        if let Some(certificate) = certified {
            self.halt_over(certificate, verdict);
        }
    }

    /// Stops over a certificate of a block that we refuse.
    pub(crate) fn halt_over(&mut self, certificate: Certificate, verdict: Verdict) {
        let beside = self.tip.certificate.clone().filter(|_| verdict == Verdict::Beside);
        self.halt(match beside {
            Some(first) => HaltReason::Contradiction { first, second: certificate },
            None => HaltReason::CertifiedInvalid { certificate },
        });
    }

    /// Moves every wanted block that something came for one step towards its verdict.
    pub(crate) fn advance_blocks(&mut self) {
        let far = self.far();
        if core::mem::replace(&mut self.repair.far, far) && !far {
            self.blocks.all_due();
        }
        for (block, view) in self.blocks.take_due() {
            let Some(known) = self.blocks.get(&block) else {
                if view < self.reach() {
                    self.fetch(block);
                }
                continue;
            };
            if known.verdict != Verdict::Unchecked {
                continue;
            }
            let header = &known.header;
            let (parent, parent_view, height) = (header.parent, header.parent_view, header.height);
            match self.parent_of(header) {
                of if of.fits(header) && header.view == view && self.stands(header) => {
                    self.blocks.judge(&block, Verdict::Checking);
                    self.effects.push(Effect::Check { block });
                }
                Parent::Pending if header.view == view && self.stands(header) => {
                    // While whole stretches come by height, walking back to meet them is waste.
                    if !far || height.0 <= self.tip.height.0.saturating_add(SYNC_HEIGHTS) {
                        self.want(parent, parent_view);
                    }
                }
                Parent::Beside => self.reject(&block, view, Verdict::Beside),
                _ => self.reject(&block, view, Verdict::Invalid),
            }
        }
    }

    /// Whether blocks are fetched by height, because a finalization lies far above the tip.
    fn far(&self) -> bool {
        // Peers may hold the blocks without having finalized them; then only walking back helps.
        self.distant() && self.repair.attempt <= 2 * PATIENCE
    }

    /// Whether a finalization lies far above the tip.
    fn distant(&self) -> bool {
        let Some(Statement::Finalize { view, block }) = self.best_final.as_ref().map(|best| best.statement)
        else {
            return false;
        };
        match self.blocks.get(&block) {
            Some(known) => known.header.height.0.saturating_sub(self.tip.height.0) > SYNC_HEIGHTS,
            None => view.0.saturating_sub(self.tip.view.0) > SYNC_VIEWS,
        }
    }

    /// Views from here on are out of reach: while whole stretches come by height, only what is near the
    /// tip is looked at, so that being far behind does not make a message more work.
    pub(crate) fn reach(&self) -> View {
        if self.far() { View(self.tip.view.0.saturating_add(SYNC_VIEWS)) } else { View(u64::MAX) }
    }

    /// Rule C8: finalizes as far up as a finalization connects to the tip.
    pub(crate) fn finalize(&mut self) {
        if let Some((blocks, header, finalization)) = self.connect() {
            let block = header.hash();
            self.effects.push(Effect::Finalize(blocks));
            self.advance_tip(&header, block, finalization);
        }
        let open = self.final_view() > self.tip.view;
        if open
            && !self.repair.syncing
            && (self.far() || self.repair.attempt >= PATIENCE)
            && let Some(finalization) = self.best_final.clone()
        {
            self.repair.syncing = true;
            self.repair_later();
            self.effects.push(Effect::Sync { finalization });
        }
    }

    /// The blocks from the tip up to the highest finalization below which nothing is missing, each with
    /// its proof; that block's header; and the finalization. What is missing is asked for.
    fn connect(&mut self) -> Option<(Vec<Finalized>, Header, Certificate)> {
        let (mut blocks, mut top) = (Vec::new(), None);
        let mut complete = true;
        for (block, header) in self.walk()? {
            let view = header.view;
            complete &= self.blocks.is(&block, Verdict::Valid);
            let state = self.views.get(&view);
            let notarization = state.and_then(|state| state.notarization.clone());
            let finalization = state.and_then(|state| state.finalization.clone());
            let skips = self.skips(header.parent_view, view);
            if notarization.is_none() {
                self.ask(view);
            }
            if skips.is_none() {
                self.ask_gap(header.parent_view, view);
            }
            let (Some(notarization), Some(skips)) = (notarization, skips) else {
                complete = false;
                continue;
            };
            if complete {
                blocks.push(Finalized { block, notarization, skips, finalization: finalization.clone() });
                top = finalization.map(|certificate| (blocks.len(), header, certificate)).or(top);
            }
        }
        let (count, header, finalization) = top?;
        blocks.truncate(count);
        Some((blocks, header, finalization))
    }

    /// The known blocks from the tip up to the highest finalization that they lead to; `None` while
    /// none does. A chain not yet executed is walked all the same: its certificates can be asked for now.
    fn walk(&mut self) -> Option<Vec<(BlockHash, Header)>> {
        let tip = self.tip.view;
        let mut below = self.reach();
        let mut path = Vec::new();
        while below > tip.next() {
            let of = |(view, state): (&View, &ViewState)| {
                Some((*view, state.finalization.as_ref()?.statement.block()?))
            };
            let (mut view, mut block) = self.views.range(tip.next()..below).rev().find_map(of)?;
            path.clear();
            while block != self.tip.block && view > tip {
                self.want(block, view);
                let known = self.blocks.get(&block).filter(|known| !known.verdict.refuses());
                let Some(header) = known.map(|known| known.header.clone()) else { break };
                path.push((block, header.clone()));
                (view, block) = (header.parent_view, header.parent);
            }
            if block == self.tip.block {
                path.reverse();
                return Some(path);
            }
            // Here the way down is cut off; an older finalization may still lead to the tip.
            below = view;
        }
        None
    }

    /// The nullifications of all views strictly between, rising; `None` unless all are held.
    fn skips(&self, below: View, above: View) -> Option<Vec<Certificate>> {
        if !self.gap_covered(below, above) {
            return None;
        }
        let between = self.views.range(below.next()..above);
        Some(between.filter_map(|(_, state)| state.nullification.clone()).collect())
    }

    /// Whether every view strictly between is nullified.
    pub(crate) fn gap_covered(&self, below: View, above: View) -> bool {
        if below >= above {
            return false;
        }
        let between = self.views.range(below.next()..above);
        between.filter(|(_, state)| state.skipped()).count() as u64 == above.0 - below.0 - 1
    }

    /// Asks for the newest of the missing nullifications.
    pub(crate) fn ask_gap(&mut self, below: View, above: View) {
        let missing = (below.0.saturating_add(1)..above.0).rev().map(View);
        let missing = missing.filter(|view| !self.views.get(view).is_some_and(|state| state.skipped()));
        let newest: Vec<View> = missing.take(REQUESTS_MAX).collect();
        newest.into_iter().for_each(|view| self.ask(view));
    }

    /// What a leader of the current view may build on (rule C2): the highest certified block with
    /// every view since nullified. If that block is not executed here but its view is nullified too,
    /// an older one serves as well. `None` while something is missing; it is asked for.
    pub(crate) fn ground(&mut self) -> Option<(View, BlockHash, Timestamp)> {
        let mut missing = 0;
        let mut view = View(self.view.0 - 1);
        while view > self.tip.view && missing < REQUESTS_MAX {
            let state = self.views.get(&view);
            let certified = state.and_then(|state| state.certified());
            let skipped = state.is_some_and(|state| state.skipped());
            if let Some(block) = certified {
                let known = self.blocks.get(&block).filter(|known| known.verdict == Verdict::Valid);
                if let Some(known) = known.filter(|_| missing == 0) {
                    return Some((view, block, known.header.time));
                }
                self.want(block, view);
                if !skipped {
                    return None;
                }
            } else if !skipped {
                missing += 1;
                self.ask(view);
            }
            view = View(view.0 - 1);
        }
        (missing == 0).then_some((self.tip.view, self.tip.block, self.tip.time))
    }

    /// Why `view` may build on this parent, if we hold all of it; the notarization rather than the
    /// finalization, because voters need it for the proof of finality.
    pub(crate) fn justification(
        &self,
        view: View,
        parent_view: View,
        parent: BlockHash,
    ) -> Option<Justification> {
        let state = self.views.get(&parent_view);
        let held = state.and_then(|state| state.notarization.as_ref().or(state.finalization.as_ref()));
        let own_tip = self.tip.certificate.as_ref().filter(|_| parent == self.tip.block);
        let certificate = held.or(own_tip).filter(|held| held.statement.block() == Some(parent)).cloned();
        if certificate.is_none() && parent_view > View(0) {
            return None;
        }
        let mut skips = self.skips(parent_view, view)?;
        let extra = skips.len().saturating_sub(self.config.skips_max.max(1));
        skips.drain(..extra);
        Some(Justification { parent: certificate, skips })
    }

    /// Asks peers for certificates of a view, once until the next repair.
    pub(crate) fn ask(&mut self, view: View) {
        if self.repair.asked.len() >= REQUESTS_MAX || !self.repair.asked.insert(view) {
            return;
        }
        self.repair_later();
        let message = Message::CertificateRequest(view);
        if self.validators <= ASK_ALL_MAX {
            return self.effects.push(Effect::Send { to: To::All, message });
        }
        for turn in 0..ASK_SOME {
            let peer = self.peer(view, self.repair.attempt.wrapping_mul(4).wrapping_add(u32::from(turn)));
            self.effects.push(Effect::Send { to: To::One(peer), message: message.clone() });
        }
    }

    fn fetch(&mut self, block: BlockHash) {
        if self.repair.fetched.len() < REQUESTS_MAX && self.repair.fetched.insert(block) {
            self.repair_later();
            self.effects.push(Effect::Fetch { block });
        }
    }

    /// What was asked for has come.
    pub(crate) fn fetched(&mut self, block: &BlockHash) {
        if self.repair.fetched.len() >= REQUESTS_MAX {
            // There is room for what had to wait.
            self.blocks.all_due();
        }
        self.repair.fetched.remove(block);
        // Far away, where no stretch could be had, a block is one step of a long way: going back to asking
        // for stretches after each would lose the rounds that this took.
        if !self.distant() {
            self.repair.attempt = 0;
        }
    }

    /// Another validator, each attempt the next one, so that repair never hangs on one peer.
    pub(crate) fn peer(&self, view: View, attempt: u32) -> u16 {
        let me = self.me.unwrap_or(self.validators);
        let others = self.validators - u16::from(self.me.is_some());
        let first = jitter(me, view, 0, u64::from(others));
        let turn = (first.wrapping_add(u64::from(attempt)) % u64::from(others.max(1))) as u16;
        if turn < me { turn } else { turn + 1 }
    }

    /// Rule C14: what is out is asked again after Δ, less often if nothing ever comes.
    fn repair_later(&mut self) {
        if self.repair.at.is_none() {
            let attempt = u64::from(self.repair.attempt);
            let wait_ms = grown(self.config.delta_ms, attempt, self.config.delta_max_ms);
            let jitter = jitter(self.me.unwrap_or(u16::MAX), self.view, self.repair.attempt, wait_ms / 4);
            self.repair.at = Some(after(self.now, wait_ms.saturating_add(jitter)));
        }
    }

    /// Lets everything that is still missing be asked for again.
    pub(crate) fn repair_if_due(&mut self) {
        if self.repair.at.is_some_and(|at| at <= self.now) {
            self.repair.at = None;
            self.repair.attempt = self.repair.attempt.saturating_add(1);
            self.repair.asked.clear();
            self.repair.fetched.clear();
            self.repair.syncing = false;
            self.blocks.all_due();
            self.dirty = true;
        }
    }
}
